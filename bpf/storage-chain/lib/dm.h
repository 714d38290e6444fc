/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device-mapper requests that doors need, without libdevmapper, which has
 * no static version.
 */
#ifndef SCHAIN_DM_H
#define SCHAIN_DM_H

#include <stddef.h>

/* 0, or -errno with schain_error(). `table`: lines of START LENGTH TYPE WORDS. */
int dm_create(const char *name, const char *uuid);
int dm_load(const char *name, const char *table, int writable);
int dm_suspend(const char *name);
int dm_resume(const char *name);
int dm_remove(const char *name);
/*
 * For a device that somebody has open: what is read from it from now on is an
 * error, its name is free, it is gone when the last who has it open closes it,
 * and no module that its table came from is in use by it.
 */
int dm_abandon(const char *name);
int dm_message(const char *name, const char *text);
/* The target's status line, and the device's number. */
int dm_status(const char *name, char *status, size_t size, unsigned int *minor,
	      unsigned int *major);

#endif
