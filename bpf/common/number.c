// SPDX-License-Identifier: GPL-2.0
#include "number.h"

#include <errno.h>
#include <stdlib.h>

bool ext_whole_number(const char *text, unsigned long least,
		      unsigned long most, unsigned long *value)
{
	unsigned long number;
	char *end;

	/* strtoul() accepts spaces and a sign, and wraps around. */
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *end || number < least || number > most)
		return false;
	*value = number;
	return true;
}
