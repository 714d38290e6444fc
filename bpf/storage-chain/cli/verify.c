// SPDX-License-Identifier: GPL-2.0
/* schain verify: compares two lookups of each key with the expected answer */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "keys.h"

static struct schain *image, *oracle;
static unsigned long long chains, hops;

static bool same(const struct schain_result *a, const struct schain_result *b)
{
	/*
	 * A lookup that fell back has another digest, because it read one node
	 * twice.
	 */
	return a->error == b->error && a->found == b->found &&
	       a->value == b->value && a->hops == b->hops &&
	       a->last == b->last && (a->fell_back || a->path == b->path);
}

static void show(const struct schain_index *index, unsigned long long key,
		 const struct schain_result *is, const struct schain_result *must)
{
	fprintf(stderr, "%s key %llu: error %d, found %d, value %llx, %u hops, last %llu, path %llx; by reads: error %d, found %d, value %llx, %u hops, last %llu, path %llx\n",
		index->name, key, is->error, is->found, is->value, is->hops,
		is->last, is->path, must->error, must->found, must->value,
		must->hops, must->last, must->path);
}

static unsigned long long verify_index(const struct schain_index *index)
{
	unsigned long long *keys = calloc(cli.count, sizeof(*keys)), i;
	struct schain_result *results = calloc(cli.count, sizeof(*results));
	const struct schain_many how = {
		.depth = cli.depth, .poll = cli.poll, .fixed = cli.fixed,
	};
	unsigned long long wrong = 0, found = 0, back = 0, here = 0;
	struct schain_result must;
	struct keys source;

	if (!keys || !results)
		die("out of memory");
	keys_init(&source, cli.seed, index->keys, false);
	for (i = 0; i < cli.count; i++)
		keys[i] = keys_next(&source);
	if (cli.depth && schain_lookup_many(image, index->name, keys, cli.count,
					    results, &how))
		die("%s", schain_error());
	for (i = 0; i < cli.count; i++) {
		bool bad;

		if (!cli.depth)
			schain_lookup(image, index->name, keys[i], &results[i]);
		schain_lookup(oracle, index->name, keys[i], &must);
		bad = !same(&results[i], &must) ||
		      (is_synthetic(image) && judge(index, keys[i], &results[i]));
		/*
		 * Compares the node, too, if the lookup's buffer still has it.
		 */
		if (!bad && !cli.depth && !results[i].error &&
		    memcmp(schain_node(image), schain_node(oracle), SCHAIN_NODE))
			bad = true;
		if (bad && wrong++ < 3)
			show(index, keys[i], &results[i], &must);
		found += results[i].found;
		back += results[i].fell_back;
		here += results[i].hops;
	}
	printf("{\"index\":\"%s\",\"via\":\"%s\",\"lookups\":%llu,\"found\":%llu,\"hops\":%llu,\"fellBack\":%llu,\"mismatches\":%llu}\n",
	       index->name, cli.via, cli.count, found, here, back, wrong);
	fflush(stdout);
	chains += cli.count;
	hops += here;
	free(keys);
	free(results);
	return wrong;
}

int verify(void)
{
	const struct schain_super *super;
	unsigned long long wrong = 0;
	unsigned int i, n = 0;

	image = open_image();
	oracle = schain_open(cli.image, SCHAIN_READ);
	if (!oracle)
		die("%s", schain_error());
	super = schain_super(image);
	for (i = 0; i < super->indexes; i++) {
		if (cli.index && strcmp(cli.index, super->index[i].name))
			continue;
		wrong += verify_index(&super->index[i]);
		n++;
	}
	if (!n)
		die("the image has no index `%s`: `schain status` lists them",
		    cli.index ?: "");
	printf("{\"lookups\":%llu,\"hops\":%llu,\"mismatches\":%llu}\n",
	       chains, hops, wrong);
	return wrong ? 1 : 0;
}
