/* SPDX-License-Identifier: GPL-2.0 */
/* Writes images, only to blank devices or files, or over an older image. */
#ifndef SCHAIN_BUILD_H
#define SCHAIN_BUILD_H

#include <stdint.h>
#include <stdio.h>
#include "schain.h"

struct build_report {
	unsigned long long nodes;
	unsigned long long generation;
	unsigned int indexes;
	unsigned long long paths;
	unsigned long long tags;
};

/*
 * Indexes the directory tree `dir`. Returns 0, or -errno with schain_error().
 */
int build_tree(const char *dir, const char *image, struct build_report *report);

/*
 * Indexes the files of a list, which describes `source`. A file is
 *
 *	INODE PARENT SIZE MTIME MODE PATH NUL  { TAG NUL }  NUL
 *
 * and another NUL follows the last one.
 * Numbers are decimal; PATH is relative to the top, which is `.`, and the
 * parent of the top is the top.
 */
int build_list(FILE *list, const char *source, const char *image,
	       struct build_report *report);

/*
 * Synthetic indexes, whose correct answers follow from the key: a B+tree
 * "depthN" for each bit N of `depths`, with `fan` entries per node and `leaf`
 * keys per leaf; a hash table "hash" and a posting list "list".
 */
int build_synthetic(unsigned int depths, unsigned int fan, unsigned int leaf,
		    const char *image, struct build_report *report);

/* The i-th key, which is in [16 i, 16 i + 15], and a key's value. */
uint64_t synthetic_key(uint64_t i);
uint64_t synthetic_value(uint64_t key);

/*
 * Why this device or file must not be written to, or read as an image of ours;
 * NULL if it may. `fd` is open; sets *blank if it has no image yet.
 */
const char *not_ours(int fd, bool *blank);

#endif
