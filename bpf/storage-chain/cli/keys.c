// SPDX-License-Identifier: GPL-2.0
/* Random keys, and the expected answers of synthetic indexes. */
#include <math.h>
#include <string.h>
#include "build.h"
#include "keys.h"

void keys_init(struct keys *keys, uint64_t seed, uint64_t count, bool zipf)
{
	keys->state = seed * 0x9e3779b97f4a7c15ULL + 0x2545f4914f6cdd1dULL;
	keys->count = count ?: 1;
	keys->zipf = zipf;
}

static uint64_t draw(struct keys *keys)
{
	uint64_t x = keys->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

uint64_t keys_next(struct keys *keys)
{
	uint64_t random = draw(keys), i;
	double u;

	if (keys->zipf) {
		/* Exponent 1, by the inverse of its distribution function. */
		u = (random >> 11) / (double)(1ULL << 53);
		i = (uint64_t)pow((double)keys->count, u) - 1;
		/* Spreads the most frequent keys over the index. */
		i = i * 2654435761ULL % keys->count;
	} else {
		i = random % keys->count;
	}
	if (draw(keys) & 3)
		return synthetic_key(i);
	return i * 16 + ((synthetic_key(i) + 1) & 15);
}

bool is_synthetic(const struct schain *s)
{
	return !strcmp(schain_super(s)->source, "synthetic");
}

static int judge_posting(const struct schain_index *index, uint64_t key,
			 const struct schain_result *r)
{
	uint64_t i = key / 16;

	if (synthetic_key(i) < key)
		i++;
	if (i >= index->keys)
		return r->found;
	return !r->found || r->value != synthetic_key(i);
}

int judge(const struct schain_index *index, uint64_t key,
	  const struct schain_result *r)
{
	uint64_t i = key / 16;
	bool there = i < index->keys && synthetic_key(i) == key;

	if (r->error)
		return 1;
	if (index->kind == SCHAIN_KIND_POSTING)
		return judge_posting(index, key, r);
	if (r->found != there ||
	    (there && r->value != synthetic_value(key)))
		return 1;
	return index->kind == SCHAIN_KIND_BTREE && r->hops < index->depth;
}
