/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libschain: looks up keys in an image (docs/storage-chain.md), through a door
 * if there is one. Otherwise, or if a chain stopped early, it does the same
 * steps in user space.
 *
 *	struct schain *s = schain_open(NULL, 0);
 *	struct schain_result r;
 *
 *	if (!s || schain_lookup(s, "paths", schain_path_key(s, "a/b"), &r))
 *		errx(1, "%s", schain_error());
 *	if (r.found)
 *		printf("inode %llu\n", r.value);
 *
 * A struct schain may be used by one thread at a time.
 */
#ifndef SCHAIN_LIB_H
#define SCHAIN_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include "schain_format.h"

/* Everything that libschain.so exports. */
#pragma GCC visibility push(default)

/* Folder in which the extension links `device`, and a door for each program. */
#define SCHAIN_RUN	"/run/disgrafs/storage-chain"

enum schain_flag {
	SCHAIN_READ = 1,	/* never through a door */
	SCHAIN_CHAIN = 2,	/* through a door or not at all */
	SCHAIN_UNCHECKED = 4,	/* user space does not compare checksums */
};

struct schain;

struct schain_result {
	int error;		/* 0 or -errno; the rest is valid if 0 */
	bool found;
	bool fell_back;		/* user space read the last part */
	unsigned int hops;	/* nodes read */
	unsigned int place;	/* index of the entry or id in `node` */
	unsigned long long value;
	unsigned long long last;	/* sector of the last node */
	unsigned long long path;	/* digest of the sectors read */
};

/* Message for the last failed call of this thread. */
const char *schain_error(void);

/* `image`: device or file; NULL: the extension's. Returns NULL with errno. */
struct schain *schain_open(const char *image, unsigned int flags);
void schain_close(struct schain *s);

const struct schain_super *schain_super(const struct schain *s);
const struct schain_index *schain_find_index(const struct schain *s,
					     const char *name);
/* Whether there is a door for this kind of node. */
bool schain_has_door(const struct schain *s, enum schain_kind kind);

/* Returns r->error. */
int schain_lookup(struct schain *s, const char *index, unsigned long long key,
		  struct schain_result *r);
/*
 * The same, starting at a node, for instance of a posting list that another
 * index names.
 */
int schain_lookup_at(struct schain *s, enum schain_kind kind,
		     unsigned long long start, unsigned long long key,
		     struct schain_result *r);
/* The node that the last lookup found; valid until the next call. */
const struct schain_node *schain_node(const struct schain *s);

struct schain_many {
	unsigned int depth;	/* concurrent lookups, 1 to 256; 0: 32 */
	bool poll;		/* busy-wait for completions (IOPOLL) */
	bool fixed;		/* buffers registered with the ring */
};

/*
 * Looks up many keys by io_uring; results[i] is that of keys[i]. Returns 0 or
 * -errno.
 */
int schain_lookup_many(struct schain *s, const char *index,
		       const unsigned long long *keys, size_t count,
		       struct schain_result *results,
		       const struct schain_many *how);

unsigned long long schain_hash(const void *data, size_t size,
			       unsigned long long seed);
unsigned long long schain_path_key(const struct schain *s, const char *path);
unsigned long long schain_tag_key(const struct schain *s, const char *tag);

/* Facts about an inode, in four adjacent entries of "facts". */
enum schain_fact {
	SCHAIN_FACT_SIZE, SCHAIN_FACT_MTIME, SCHAIN_FACT_MODE,
	SCHAIN_FACT_PARENT, SCHAIN_FACTS,
};

/* Fills `facts`; r->found says whether the inode exists. */
int schain_facts(struct schain *s, unsigned long long inode,
		 unsigned long long facts[SCHAIN_FACTS],
		 struct schain_result *r);

/*
 * Maximum number of an inode's entries in "names": its name, 8 bytes in each.
 */
#define SCHAIN_NAME_PIECES	32

/*
 * Path of an inode from the top, from its name and those of its parents. For a
 * file with several names, the image knows only one this way. Returns 0 and
 * sets r->found, or -ENAMETOOLONG or -ELOOP.
 */
int schain_path(struct schain *s, unsigned long long inode, char *path,
		size_t size, struct schain_result *r);

#pragma GCC visibility pop

#endif
