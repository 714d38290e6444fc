/* SPDX-License-Identifier: GPL-2.0 */
/* Functions for writing an image. */
#ifndef SCHAIN_WRITE_H
#define SCHAIN_WRITE_H

#include "build.h"
#include "internal.h"

#define SCHAIN_UUID	"SCHAIN-"	/* dm UUIDs of doors begin with it */
#define WRITE_NODES	256		/* at once */

struct writer {
	int fd;
	struct schain_super old;	/* all zero: there was none */
	struct schain_super super;
	uint64_t sector;		/* of the next node */
	uint64_t nodes;
	struct schain_node *buffer;
	unsigned int buffered;
};

/* For at most so many nodes. 0 or -errno; only then is there more to call. */
int writer_open(struct writer *w, const char *image, uint64_t nodes,
		const char *source);
/* Writes a node whose head has kind, level and count. */
int writer_node(struct writer *w, struct schain_node *node);
struct schain_index *writer_index(struct writer *w, const char *name, int kind);
void writer_index_end(struct writer *w, struct schain_index *index);
/* Makes what was written the image, unless `err`, which it returns. */
int writer_close(struct writer *w, int err);

/* Sorted entries as a B+tree, `leaf` and `fan` entries a node. */
int write_btree(struct writer *w, const char *name,
		const struct schain_entry *entries, uint64_t count,
		unsigned int leaf, unsigned int fan);
uint64_t btree_nodes(uint64_t count, unsigned int leaf, unsigned int fan);

int write_hash(struct writer *w, const char *name,
	       const struct schain_entry *entries, uint64_t count,
	       uint64_t buckets);
uint64_t hash_nodes(uint64_t count, uint64_t buckets);

/* Sorted ids; *first is the sector of the first node. */
int write_posting(struct writer *w, const uint64_t *ids, uint64_t count,
		  uint64_t *first);
uint64_t posting_nodes(uint64_t count);

int entry_compare(const void *a, const void *b);

#endif
