/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device-mapper requests that doors need, without libdevmapper, which has
 * no static version.
 */
#ifndef SCHAIN_DM_H
#define SCHAIN_DM_H

#include <stddef.h>

/*
 * Return 0, or -errno with schain_error(). `table`: lines of START LENGTH TYPE
 * WORDS.
 */
int dm_create(const char *name, const char *uuid);
int dm_load(const char *name, const char *table, int writable);
int dm_suspend(const char *name);
int dm_resume(const char *name);
int dm_remove(const char *name);
/*
 * For a device that a process has open: reads fail from now on, its name is
 * free, it no longer uses the module of its table, and it disappears at the
 * last close.
 */
int dm_abandon(const char *name);
int dm_message(const char *name, const char *text);
/* Reads the target's status line, and the device's number. */
int dm_status(const char *name, char *status, size_t size, unsigned int *minor,
	      unsigned int *major);

#endif
