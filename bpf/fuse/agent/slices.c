// SPDX-License-Identifier: GPL-2.0
/*
 * slices.c - maps the bytes of a chunk to slices
 *
 * JuiceFS appends a record to a chunk's list for each piece written; where two
 * overlap, the later one is valid. A truncation writes one without a slice (id 0)
 * for the bytes that it makes zeros.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <hiredis/hiredis.h>
#include "agent.h"

#define RECORDS_MAX	1000	/* JuiceFS compacts long before this */

struct record {			/* big-endian */
	uint32_t pos;
	uint64_t id;
	uint32_t size, off, len;
} __attribute__((packed));

_Static_assert(sizeof(struct record) == 24, "JuiceFS's format");

static bool decode(const redisReply *r, struct slice *s)
{
	struct record record;

	if (r->type != REDIS_REPLY_STRING || r->len != sizeof(record))
		return false;
	memcpy(&record, r->str, sizeof(record));
	s->pos = be32toh(record.pos);
	s->len = be32toh(record.len);
	s->id = be64toh(record.id);
	s->size = be32toh(record.size);
	s->off = be32toh(record.off);
	return s->pos <= CHUNK_SIZE && s->len <= CHUNK_SIZE - s->pos &&
	       (!s->id || (s->off <= s->size && s->len <= s->size - s->off));
}

static struct slice part(const struct slice *s, uint32_t from, uint32_t to)
{
	struct slice p = *s;

	p.pos = from;
	p.len = to - from;
	p.off += from - s->pos;
	return p;
}

/* The parts of `old` that the new slice does not cover: at most two. */
static unsigned int leave(const struct slice *old, const struct slice *new,
			  struct slice *to)
{
	uint32_t old_end = old->pos + old->len, new_end = new->pos + new->len;
	unsigned int n = 0;

	if (old_end <= new->pos || old->pos >= new_end) {
		to[n++] = *old;
		return n;
	}
	if (old->pos < new->pos)
		to[n++] = part(old, old->pos, new->pos);
	if (old_end > new_end)
		to[n++] = part(old, new_end, old_end);
	return n;
}

static int by_position(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

struct slice *slices_of(const struct redisReply *records, unsigned int *count)
{
	/* Each record adds one slice, and may split another. */
	unsigned int most = 2 * RECORDS_MAX + 1, n = 0, m, i;
	struct slice *now, *next, *swap, new;
	size_t r;

	*count = 0;
	if (records->type != REDIS_REPLY_ARRAY ||
	    records->elements > RECORDS_MAX)
		return NULL;
	now = calloc(most, sizeof(*now));
	next = calloc(most, sizeof(*next));
	for (r = 0; now && next && r < records->elements; r++) {
		if (!decode(records->element[r], &new)) {
			free(now);
			free(next);
			return NULL;
		}
		if (!new.len)
			continue;
		for (i = m = 0; i < n; i++)
			m += leave(&now[i], &new, next + m);
		next[m++] = new;
		swap = now;
		now = next;
		next = swap;
		n = m;
	}
	free(next);
	if (now)
		qsort(now, n, sizeof(*now), by_position);
	*count = n;
	return now;
}
