// SPDX-License-Identifier: GPL-2.0
/* JSON strings from file names, which may contain any bytes. */
#include <stdio.h>
#include "cli.h"

/* Size in bytes of the UTF-8 character that begins here; 0 if invalid. */
static int character(const unsigned char *at)
{
	static const unsigned int least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	int size = *at < 0x80 ? 1 : (*at & 0xe0) == 0xc0 ? 2 :
		   (*at & 0xf0) == 0xe0 ? 3 : (*at & 0xf8) == 0xf0 ? 4 : 0;
	unsigned int code = *at & (0xff >> (size + 1));
	int i;

	if (size < 2)
		return size;
	for (i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < least[size] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return size;
}

void json_text(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	int size;

	putchar('"');
	for (; *at; at += size ?: 1) {
		size = character(at);
		/* Like Python's surrogateescape, which can be reversed. */
		if (!size)
			printf("\\udc%02x", *at);
		else if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else if (*at < 0x20 || *at == 0x7f)
			printf("\\u%04x", *at);
		else
			fwrite(at, 1, size, stdout);
	}
	putchar('"');
}
