// SPDX-License-Identifier: GPL-2.0
/*
 * efuse-slices - compares slices_of() of random lists with painting their
 * records, one after the other, into an array of bytes
 *
 * Usage: efuse-slices COUNT SEED [reversed]. Exit status 1: a list differs, or a
 * bad one was accepted. `reversed` paints in the wrong order, so lists differ.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <hiredis/hiredis.h>
#include "agent.h"
#include "number.h"

#define RECORDS	12
#define WINDOW	256U		/* painted bytes, at the end of the chunk */
#define START	(CHUNK_SIZE - WINDOW)

struct record {			/* as JuiceFS writes it */
	uint32_t pos;
	uint64_t id;
	uint32_t size, off, len;
} __attribute__((packed));

/* A byte of the file: in which slice, and where. */
struct byte {
	uint64_t id;
	uint32_t off;
};

static struct record records[RECORDS];
static redisReply replies[RECORDS], *elements[RECORDS];
static redisReply list = { .type = REDIS_REPLY_ARRAY, .element = elements };

static uint32_t below(uint32_t limit)
{
	return random() % limit;
}

static void make(void)
{
	uint32_t pos, len, off, i;

	list.elements = 1 + below(RECORDS);
	for (i = 0; i < list.elements; i++) {
		pos = below(WINDOW);
		len = below(WINDOW - pos + 1);
		off = below(1000);
		/* Some are truncations. */
		records[i] = (struct record){
			htobe32(START + pos),
			below(5) ? htobe64(i + 1) : 0,
			htobe32(off + len + below(1000)), htobe32(off),
			htobe32(len),
		};
		replies[i].type = REDIS_REPLY_STRING;
		replies[i].str = (char *)&records[i];
		replies[i].len = sizeof(records[i]);
		elements[i] = &replies[i];
	}
}

static void paint(struct byte *bytes, bool reversed)
{
	uint32_t i, k, pos, len;

	memset(bytes, 0, WINDOW * sizeof(*bytes));
	for (i = 0; i < list.elements; i++) {
		const struct record *r =
			&records[reversed ? list.elements - 1 - i : i];

		pos = be32toh(r->pos) - START;
		len = be32toh(r->len);
		for (k = 0; k < len; k++)
			bytes[pos + k] = (struct byte){
				be64toh(r->id),
				r->id ? be32toh(r->off) + k : 0,
			};
	}
}

/* Whether the slices are in order, do not overlap, and have these bytes. */
static bool equal(const struct slice *s, unsigned int count,
		  const struct byte *bytes)
{
	struct byte own[WINDOW] = {};
	uint32_t end = START, i, k;

	for (i = 0; i < count; end = s[i].pos + s[i].len, i++) {
		if (s[i].pos < end || !s[i].len ||
		    s[i].len > CHUNK_SIZE - s[i].pos)
			return false;
		for (k = 0; k < s[i].len; k++)
			own[s[i].pos - START + k] = (struct byte){
				s[i].id, s[i].id ? s[i].off + k : 0,
			};
	}
	for (i = 0; i < WINDOW; i++)
		if (own[i].id != bytes[i].id || own[i].off != bytes[i].off)
			return false;
	return true;
}

/* Damages one record; false if a list without it is not refused. */
static bool refused(void)
{
	unsigned int i = below(list.elements), count;
	struct record *r = &records[i];
	struct slice *s;

	switch (below(5)) {
	case 0:
		replies[i].len = below(sizeof(*r));
		break;
	case 1:
		replies[i].type = REDIS_REPLY_INTEGER;
		break;
	case 2:
		r->pos = htobe32(CHUNK_SIZE + 1 + below(1000));
		break;
	case 3:
		r->len = htobe32(CHUNK_SIZE - be32toh(r->pos) + 1);
		break;
	default:
		r->id = htobe64(1);
		r->size = htobe32(be32toh(r->off) + be32toh(r->len) - 1);
		if (!be32toh(r->off) && !be32toh(r->len))
			return true;
	}
	s = slices_of(&list, &count);
	free(s);
	return !s;
}

static unsigned long number(const char *text)
{
	unsigned long value;

	if (!ext_whole_number(text, 0, UINT32_MAX, &value))
		fatal("%s is not a whole number below 2^32", text);
	return value;
}

int main(int argc, char **argv)
{
	bool reversed = argc > 3 && !strcmp(argv[3], "reversed");
	struct byte bytes[WINDOW];
	unsigned int i, count;
	struct slice *s;
	bool same;

	if (argc < 3)
		fatal("usage: efuse-slices COUNT SEED [reversed]");
	srandom(number(argv[2]));
	for (i = number(argv[1]); i; i--) {
		make();
		paint(bytes, reversed);
		s = slices_of(&list, &count);
		same = s && equal(s, count, bytes);
		free(s);
		if (!same || !refused()) {
			printf("list %u: %s\n", i, same ?
			       "a bad record was accepted" : "differs");
			return 1;
		}
	}
	return 0;
}
