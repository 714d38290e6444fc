// SPDX-License-Identifier: GPL-2.0
/* Synthetic indexes, for tests and measurements. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include "write.h"

static uint64_t mix(uint64_t x)
{
	return schain_hash(&x, sizeof(x), 7);
}

uint64_t synthetic_key(uint64_t i)
{
	return i * 16 + (mix(i) & 15);
}

uint64_t synthetic_value(uint64_t key)
{
	return mix(key ^ 0x1234) | 1;
}

#define HASH_KEYS	6000	/* in 4 buckets: chains of six nodes */
#define HASH_BUCKETS	4
#define LIST_IDS	40000	/* 82 nodes */

static uint64_t keys_of(unsigned int depth, unsigned int fan, unsigned int leaf)
{
	uint64_t keys = leaf;

	while (--depth)
		keys *= fan;
	return keys;
}

static int write_synthetic(struct writer *w, unsigned int depths,
			   unsigned int fan, unsigned int leaf,
			   struct schain_entry *entries, uint64_t *ids)
{
	struct schain_index *list;
	unsigned int depth;
	uint64_t first;
	char name[16];
	int err = 0;

	for (depth = 1; !err && depth < 16; depth++) {
		if (!(depths & 1u << depth))
			continue;
		snprintf(name, sizeof(name), "depth%u", depth);
		err = write_btree(w, name, entries, keys_of(depth, fan, leaf),
				  leaf, fan);
	}
	if (!err)
		err = write_hash(w, "hash", entries, HASH_KEYS, HASH_BUCKETS);
	if (err)
		return err;
	list = writer_index(w, "list", SCHAIN_KIND_POSTING);
	err = write_posting(w, ids, LIST_IDS, &first);
	list->root = first;
	list->keys = LIST_IDS;
	writer_index_end(w, list);
	return err;
}

int build_synthetic(unsigned int depths, unsigned int fan, unsigned int leaf,
		    const char *image, struct build_report *report)
{
	uint64_t most = LIST_IDS, nodes = 0, keys, i;
	struct schain_entry *entries;
	unsigned int depth;
	struct writer w;
	uint64_t *ids;
	int err;

	memset(report, 0, sizeof(*report));
	for (depth = 1; depth < 16; depth++) {
		if (!(depths & 1u << depth))
			continue;
		keys = keys_of(depth, fan, leaf);
		most = keys > most ? keys : most;
		nodes += btree_nodes(keys, leaf, fan);
	}
	if (most > 1u << 26)
		return fail(-E2BIG, "a tree of %llu keys is too large: fewer levels, or a smaller fan",
			    (unsigned long long)most);
	nodes += hash_nodes(HASH_KEYS, HASH_BUCKETS) + posting_nodes(LIST_IDS);
	entries = malloc(most * sizeof(*entries));
	ids = malloc(LIST_IDS * sizeof(*ids));
	err = entries && ids ? 0 : fail(-ENOMEM, "out of memory");
	for (i = 0; !err && i < most; i++) {
		entries[i].key = synthetic_key(i);
		entries[i].value = synthetic_value(entries[i].key);
		if (i < LIST_IDS)
			ids[i] = entries[i].key;
	}
	if (!err)
		err = writer_open(&w, image, nodes, "synthetic");
	if (!err) {
		err = write_synthetic(&w, depths, fan, leaf, entries, ids);
		err = writer_close(&w, err);
		report->nodes = w.nodes;
		report->generation = w.super.generation;
		report->indexes = w.super.indexes;
	}
	free(entries);
	free(ids);
	return err;
}
