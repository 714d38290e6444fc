/* SPDX-License-Identifier: GPL-2.0 */
/* number.h - parser of numbers on a command line, usable on its own */
#ifndef DISGRAFS_NUMBER_H
#define DISGRAFS_NUMBER_H

#include <stdbool.h>

/*
 * A whole number within bounds: digits only, nothing before or after. False,
 * and *value is left alone, for everything else.
 */
bool ext_whole_number(const char *text, unsigned long least,
		      unsigned long most, unsigned long *value);

#endif
