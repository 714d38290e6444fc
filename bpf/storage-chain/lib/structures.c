// SPDX-License-Identifier: GPL-2.0
/* Writes B+trees, hash tables and posting lists from sorted input. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "write.h"

static uint64_t nodes_of(uint64_t count, uint64_t each)
{
	return count ? (count + each - 1) / each : 1;
}

int entry_compare(const void *a, const void *b)
{
	const struct schain_entry *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

uint64_t btree_nodes(uint64_t count, unsigned int leaf, unsigned int fan)
{
	uint64_t level = nodes_of(count, leaf), sum = level;

	while (level > 1) {
		level = nodes_of(level, fan);
		sum += level;
	}
	return sum;
}

/* Writes one level; `up` gets an entry for each of its nodes. */
static int write_level(struct writer *w, const struct schain_entry *entries,
		       uint64_t count, unsigned int each, unsigned int level,
		       struct schain_entry *up)
{
	struct schain_node node;
	uint64_t from, n;
	int err = 0;

	for (from = 0; !err && (from < count || !from); from += each) {
		n = count - from < each ? count - from : each;
		memset(&node, 0, sizeof(node));
		node.head.kind = SCHAIN_KIND_BTREE;
		node.head.level = level;
		node.head.count = n ?: 1;
		memcpy(node.entry, entries + from, n * sizeof(*entries));
		/* An empty tree gets one key that no file has. */
		if (!n)
			node.entry[0].key = UINT64_MAX;
		up->key = from ? entries[from].key : 0;
		up->value = w->sector;
		up++;
		err = writer_node(w, &node);
	}
	return err;
}

int write_btree(struct writer *w, const char *name,
		const struct schain_entry *entries, uint64_t count,
		unsigned int leaf, unsigned int fan)
{
	struct schain_index *index = writer_index(w, name, SCHAIN_KIND_BTREE);
	uint64_t n = nodes_of(count, leaf);
	struct schain_entry *here = malloc(n * sizeof(*here));
	struct schain_entry *above = malloc(n * sizeof(*above)), *swap;
	unsigned int level = 0;
	int err = here && above ? 0 : fail(-ENOMEM, "out of memory");

	if (!err)
		err = write_level(w, entries, count, leaf, 0, here);
	while (!err && n > 1) {
		err = write_level(w, here, n, fan, ++level, above);
		swap = here;
		here = above;
		above = swap;
		n = nodes_of(n, fan);
	}
	if (!err)
		index->root = here[0].value;
	index->depth = level + 1;
	index->keys = count;
	writer_index_end(w, index);
	free(here);
	free(above);
	return err;
}

#define IN_BUCKET (SCHAIN_ENTRIES - 1)	/* keys per node of a hash table */

static uint64_t bucket_of(uint64_t key, uint64_t buckets)
{
	return schain_hash(&key, sizeof(key), 0) & (buckets - 1);
}

/* Every bucket can have one node that is not full. */
uint64_t hash_nodes(uint64_t count, uint64_t buckets)
{
	return count / IN_BUCKET + buckets;
}

/* The buckets come first, in order; overflow nodes follow them. */
static int write_bucket(struct writer *w, const struct schain_entry *entries,
			uint64_t n, uint64_t *overflow)
{
	struct schain_node node;

	memset(&node, 0, sizeof(node));
	node.head.kind = SCHAIN_KIND_HASH;
	node.head.count = 1 + (n < IN_BUCKET ? n : IN_BUCKET);
	memcpy(&node.entry[1], entries,
	       (node.head.count - 1) * sizeof(*entries));
	if (n > IN_BUCKET) {
		node.entry[0].value = *overflow;
		/* All overflow nodes of a bucket are adjacent. */
		*overflow += (nodes_of(n, IN_BUCKET) - 1) * SCHAIN_NODE_SECTORS;
	}
	return writer_node(w, &node);
}

static int write_overflow(struct writer *w, const struct schain_entry *entries,
			  uint64_t n)
{
	struct schain_node node;
	uint64_t from, here;
	int err = 0;

	for (from = IN_BUCKET; !err && from < n; from += IN_BUCKET) {
		here = n - from < IN_BUCKET ? n - from : IN_BUCKET;
		memset(&node, 0, sizeof(node));
		node.head.kind = SCHAIN_KIND_HASH;
		node.head.count = 1 + here;
		memcpy(&node.entry[1], entries + from, here * sizeof(*entries));
		if (from + IN_BUCKET < n)
			node.entry[0].value = w->sector + SCHAIN_NODE_SECTORS;
		err = writer_node(w, &node);
	}
	return err;
}

int write_hash(struct writer *w, const char *name,
	       const struct schain_entry *entries, uint64_t count,
	       uint64_t buckets)
{
	struct schain_index *index = writer_index(w, name, SCHAIN_KIND_HASH);
	uint64_t *start = calloc(buckets + 1, sizeof(*start));
	uint64_t *fill = calloc(buckets, sizeof(*fill)), i, b, overflow;
	struct schain_entry *sorted = malloc((count ?: 1) * sizeof(*sorted));
	int err = start && fill && sorted ? 0 : fail(-ENOMEM, "out of memory");

	/* By bucket; within a bucket, sorted like the entries. */
	for (i = 0; !err && i < count; i++)
		start[bucket_of(entries[i].key, buckets) + 1]++;
	for (b = 0; !err && b < buckets; b++)
		start[b + 1] += start[b];
	for (i = 0; !err && i < count; i++) {
		b = bucket_of(entries[i].key, buckets);
		sorted[start[b] + fill[b]++] = entries[i];
	}
	index->root = w->sector;
	overflow = w->sector + buckets * SCHAIN_NODE_SECTORS;
	for (b = 0; !err && b < buckets; b++)
		err = write_bucket(w, sorted + start[b], fill[b], &overflow);
	for (b = 0; !err && b < buckets; b++)
		err = write_overflow(w, sorted + start[b], fill[b]);
	index->keys = count;
	index->buckets = buckets;
	writer_index_end(w, index);
	free(start);
	free(fill);
	free(sorted);
	return err;
}

uint64_t posting_nodes(uint64_t count)
{
	return nodes_of(count, SCHAIN_IDS);
}

int write_posting(struct writer *w, const uint64_t *ids, uint64_t count,
		  uint64_t *first)
{
	uint64_t nodes = posting_nodes(count), n, i, ahead, here;
	struct schain_node node;
	int err = 0, skip;

	*first = w->sector;
	for (n = 0; !err && n < nodes && count; n++) {
		i = n * SCHAIN_IDS;
		here = count - i < SCHAIN_IDS ? count - i : SCHAIN_IDS;
		memset(&node, 0, sizeof(node));
		node.head.kind = SCHAIN_KIND_POSTING;
		node.head.count = here;
		memcpy(&node.entry[1 + SCHAIN_SKIPS], ids + i, here * 8);
		node.entry[0].key = ids[i + here - 1];
		if (n + 1 < nodes)
			node.entry[0].value = w->sector + SCHAIN_NODE_SECTORS;
		ahead = SCHAIN_SKIP_BASE;
		for (skip = 1; skip <= SCHAIN_SKIPS; skip++) {
			if (n + ahead >= nodes)
				break;
			node.entry[skip].key = ids[(n + ahead) * SCHAIN_IDS];
			node.entry[skip].value =
				w->sector + ahead * SCHAIN_NODE_SECTORS;
			ahead *= SCHAIN_SKIP_BASE;
		}
		err = writer_node(w, &node);
	}
	return err;
}
