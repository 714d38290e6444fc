/* SPDX-License-Identifier: GPL-2.0 */
/* number.h - parser of numbers on a command line, usable on its own */
#ifndef DISGRAFS_NUMBER_H
#define DISGRAFS_NUMBER_H

#include <stdbool.h>

/*
 * Parses an integer within bounds: only digits, nothing before or after.
 * Otherwise it returns false, and leaves *value unchanged.
 */
bool ext_whole_number(const char *text, unsigned long least,
		      unsigned long most, unsigned long *value);

#endif
