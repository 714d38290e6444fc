/* SPDX-License-Identifier: GPL-2.0 */
/* Parsed command line, shared by the commands. */
#ifndef SCHAIN_CLI_H
#define SCHAIN_CLI_H

#include "schain.h"

#define TAGS_MAX 8

struct cli {
	const char *image, *index, *via, *list, *source, *tag[TAGS_MAX];
	unsigned int tags;
	unsigned int flags, depth, synthetic, fan, leaf, seconds;
	unsigned long long from, limit, count, seed, lookups;
	bool poll, fixed, zipf, unchecked;
	char **words;
	int word_count;
};

extern struct cli cli;

void die(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
struct schain *open_image(void);
/* Prints a JSON string; bytes that are not UTF-8 become \udc80 to \udcff. */
void json_text(const char *text);
int lookup(void);
int verify(void);
int bench(void);

#endif
