/* SPDX-License-Identifier: GPL-2.0 */
/* Functions for writing an image. */
#ifndef SCHAIN_WRITE_H
#define SCHAIN_WRITE_H

#include "build.h"
#include "internal.h"

#define SCHAIN_UUID	"SCHAIN-"	/* prefix of the dm UUIDs of doors */
#define WRITE_NODES	256		/* per write */

struct writer {
	int fd;
	struct schain_super old;	/* all zero if there was none */
	struct schain_super super;
	uint64_t sector;		/* of the next node */
	uint64_t nodes;
	struct schain_node *buffer;
	unsigned int buffered;
};

/*
 * For at most `nodes` nodes. Returns 0 or -errno; call the others only after 0.
 */
int writer_open(struct writer *w, const char *image, uint64_t nodes,
		const char *source);
/* Writes a node whose kind, level and count are set. */
int writer_node(struct writer *w, struct schain_node *node);
struct schain_index *writer_index(struct writer *w, const char *name, int kind);
void writer_index_end(struct writer *w, struct schain_index *index);
/*
 * Makes the written nodes the image; does nothing and returns `err` if that is
 * set.
 */
int writer_close(struct writer *w, int err);

/* Writes sorted entries as a B+tree, with `leaf` and `fan` entries per node. */
int write_btree(struct writer *w, const char *name,
		const struct schain_entry *entries, uint64_t count,
		unsigned int leaf, unsigned int fan);
uint64_t btree_nodes(uint64_t count, unsigned int leaf, unsigned int fan);

int write_hash(struct writer *w, const char *name,
	       const struct schain_entry *entries, uint64_t count,
	       uint64_t buckets);
uint64_t hash_nodes(uint64_t count, uint64_t buckets);

/* Writes sorted ids; sets *first to the sector of the first node. */
int write_posting(struct writer *w, const uint64_t *ids, uint64_t count,
		  uint64_t *first);
uint64_t posting_nodes(uint64_t count);

int entry_compare(const void *a, const void *b);

#endif
