// SPDX-License-Identifier: GPL-2.0
/* schain bench: measures lookups for a time, and checks each result */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cli.h"
#include "keys.h"

#define SAMPLES (1 << 20)

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const unsigned long long *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

struct tally {
	unsigned long long n, hops, back, wrong, time, *samples;
};

/* Whether the benchmark is over: at a time, or after a number of lookups. */
static bool over(const struct tally *t, unsigned long long at,
		 unsigned long long end)
{
	return cli.lookups ? t->n >= cli.lookups : at >= end;
}

static void add(struct tally *t, const struct schain_index *index,
		const struct schain *s, unsigned long long key,
		const struct schain_result *r)
{
	t->n++;
	t->hops += r->hops;
	t->back += r->fell_back;
	t->wrong += is_synthetic(s) ? judge(index, key, r) : !!r->error;
}

static void one_by_one(struct schain *s, const struct schain_index *index,
		       struct keys *keys, struct tally *t)
{
	unsigned long long begin = now_ns(), at = begin, key, before;
	unsigned long long end = begin + cli.seconds * 1000000000ULL;
	struct schain_result r;

	while (!over(t, at, end)) {
		key = keys_next(keys);
		before = now_ns();
		schain_lookup(s, index->name, key, &r);
		at = now_ns();
		t->samples[t->n % SAMPLES] = at - before;
		t->time += at - before;
		add(t, index, s, key, &r);
	}
}

/*
 * In batches, so that it can end; a batch is long compared to its start and
 * end.
 */
static void many(struct schain *s, const struct schain_index *index,
		 struct keys *keys, struct tally *t)
{
	const struct schain_many how = {
		.depth = cli.depth, .poll = cli.poll, .fixed = cli.fixed,
	};
	size_t batch = cli.depth * 64, i;
	unsigned long long *wanted = calloc(batch, sizeof(*wanted));
	struct schain_result *r = calloc(batch, sizeof(*r));
	unsigned long long begin = now_ns(), at = begin, before;
	unsigned long long end = begin + cli.seconds * 1000000000ULL;

	if (!wanted || !r)
		die("out of memory");
	while (!over(t, at, end)) {
		for (i = 0; i < batch; i++)
			wanted[i] = keys_next(keys);
		before = now_ns();
		if (schain_lookup_many(s, index->name, wanted, batch, r, &how))
			die("%s", schain_error());
		at = now_ns();
		t->time += at - before;
		for (i = 0; i < batch; i++) {
			t->samples[t->n % SAMPLES] = (at - before) / batch;
			add(t, index, s, wanted[i], &r[i]);
		}
	}
	free(wanted);
	free(r);
}

int bench(void)
{
	struct schain *s = open_image();
	const struct schain_super *super = schain_super(s);
	const struct schain_index *index;
	struct tally t = { .samples = malloc(SAMPLES * sizeof(*t.samples)) };
	unsigned long long kept;
	struct keys keys;

	if (!t.samples)
		die("out of memory");
	if (!super->indexes)
		die("the image has no index");
	index = schain_find_index(s, cli.index ?: super->index[0].name);
	if (!index)
		die("%s", schain_error());
	keys_init(&keys, cli.seed, index->keys, cli.zipf);
	if (cli.depth)
		many(s, index, &keys, &t);
	else
		one_by_one(s, index, &keys, &t);
	kept = t.n < SAMPLES ? t.n : SAMPLES;
	qsort(t.samples, kept, sizeof(*t.samples), compare);
	printf("{\"index\":\"%s\",\"via\":\"%s\",\"depth\":%u,\"poll\":%s,\"keys\":\"%s\",\"lookups\":%llu,\"hops\":%llu,\"fellBack\":%llu,\"wrong\":%llu,\"perSecond\":%.1f,\"meanNs\":%llu,\"p50Ns\":%llu,\"p99Ns\":%llu}\n",
	       index->name, cli.via, cli.depth, cli.poll ? "true" : "false",
	       cli.zipf ? "zipf" : "uniform", t.n, t.hops, t.back, t.wrong,
	       t.n * 1e9 / t.time, t.time / t.n, t.samples[kept / 2],
	       t.samples[kept * 99 / 100]);
	return t.wrong ? 1 : 0;
}
