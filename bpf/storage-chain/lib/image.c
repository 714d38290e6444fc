// SPDX-License-Identifier: GPL-2.0
/* Opens an image, checks its superblock, and looks up keys in user space. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"
#include "../programs/btree.h"
#include "../programs/hash.h"
#include "../programs/posting.h"

static __thread char message[512];

const char *schain_error(void)
{
	return message;
}

int fail(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	errno = -error;
	return error;
}

void buffer_init(struct buffer *b, char *memory)
{
	b->memory = memory;
	b->node = (void *)(memory + SCHAIN_NODE);
	b->request = (void *)(memory + SCHAIN_NODE - SCHAIN_HEADER);
}

int super_read(int fd, const char *name, struct schain_super *super)
{
	char *block = aligned_alloc(SCHAIN_NODE, SCHAIN_NODE);
	ssize_t got;

	if (!block)
		return fail(-ENOMEM, "out of memory");
	got = pread(fd, block, SCHAIN_NODE, 0);
	if (got == SCHAIN_NODE)
		memcpy(super, block, SCHAIN_NODE);
	free(block);
	if (got < 0)
		return fail(-errno, "%s: %s", name, strerror(errno));
	if (got != SCHAIN_NODE || super->magic != SCHAIN_SUPER_MAGIC)
		return fail(-EMEDIUMTYPE,
			    "%s has no image: build one with `schain build DIR %s`",
			    name, name);
	if (super->format != SCHAIN_FORMAT)
		return fail(-EPROTONOSUPPORT,
			    "%s: the image's format is %u, but this program needs %u: rebuild it with `schain build`",
			    name, super->format, SCHAIN_FORMAT);
	if (super->crc != super_crc(super) ||
	    super->indexes > SCHAIN_INDEXES || super->end < super->first)
		return fail(-EBADMSG,
			    "%s: the superblock is damaged: rebuild the image with `schain build`",
			    name);
	return 0;
}

const struct schain_super *schain_super(const struct schain *s)
{
	return &s->super;
}

const struct schain_node *schain_node(const struct schain *s)
{
	return s->buffer.node;
}

const struct schain_index *schain_find_index(const struct schain *s,
					     const char *name)
{
	unsigned int i;

	for (i = 0; i < s->super.indexes; i++)
		if (!strncmp(s->super.index[i].name, name,
			     sizeof(s->super.index[i].name)))
			return &s->super.index[i];
	fail(-ENOENT, "the image has no index `%s`: `schain status` lists them",
	     name);
	return NULL;
}

void aim(const struct schain *s, const struct schain_index *index,
	 uint64_t key, struct way *way)
{
	uint64_t bucket;

	(void)s;
	memset(way, 0, sizeof(*way));
	way->kind = index->kind;
	way->key = key;
	way->start = index->root;
	way->depth = index->depth;
	if (index->kind == SCHAIN_KIND_HASH) {
		bucket = schain_hash(&key, sizeof(key), 0) &
			 (index->buckets - 1);
		way->start += bucket * SCHAIN_NODE_SECTORS;
	}
	way->sector = way->start;
}

int step(const struct schain *s, struct way *way,
	 const struct schain_node *node)
{
	const bool checked = !(s->flags & SCHAIN_UNCHECKED);
	const struct step_in in = {
		.sector = way->sector,
		.key = way->key,
		.generation = s->super.generation,
		.depth = way->depth,
		.hop = ++way->hops,
		.crc = checked ? node_crc(node) : 0,
		.has_crc = checked,
	};
	node_t bytes = (node_t)node;
	int verdict;

	way->out.error = 0;
	switch (way->kind) {
	case SCHAIN_KIND_BTREE:
		verdict = btree_step(&in, bytes, &way->out);
		break;
	case SCHAIN_KIND_HASH:
		verdict = hash_step(&in, bytes, &way->out);
		break;
	default:
		verdict = posting_step(&in, bytes, &way->out);
	}
	if (verdict == SCHAIN_NEXT)
		way->sector = way->out.next;
	return verdict;
}

void result_of(const struct way *way, int error, bool fell_back,
	       struct schain_result *r)
{
	const uint64_t *out = (const uint64_t *)way->out.scratch;

	*r = (struct schain_result) {
		.error = error,
		.found = !error && out[SCHAIN_OUT_FOUND],
		.fell_back = fell_back,
		.hops = way->hops,
		.place = out[SCHAIN_OUT_PLACE],
		.value = out[SCHAIN_OUT_VALUE],
		.last = way->sector,
		.path = out[SCHAIN_OUT_PATH],
	};
}

int walk(struct schain *s, struct way *way, struct buffer *b, bool fell_back,
	 struct schain_result *r)
{
	unsigned int least = way->hops, verdict;
	ssize_t got;
	int error = 0;

	for (;;) {
		/* An image whose nodes form a cycle is corrupt. */
		if (way->hops - least > 1u << 20) {
			error = fail(-ELOOP, "the nodes form a cycle");
			break;
		}
		got = pread(s->image, b->node, SCHAIN_NODE,
			    way->sector * 512);
		if (got != SCHAIN_NODE) {
			error = fail(got < 0 ? -errno : -ERANGE,
				     "reading sector %llu: %s",
				     (unsigned long long)way->sector,
				     got < 0 ? strerror(errno) :
				     "after the end");
			break;
		}
		verdict = step(s, way, b->node);
		if (verdict == SCHAIN_DONE)
			break;
		if (verdict == SCHAIN_ERR) {
			error = fail(way->out.error,
				     "the node at sector %llu is damaged or belongs to another image",
				     (unsigned long long)way->sector);
			break;
		}
	}
	result_of(way, error, fell_back, r);
	return error;
}

unsigned long long schain_path_key(const struct schain *s, const char *path)
{
	return schain_hash(path, strlen(path), s->super.seed);
}

unsigned long long schain_tag_key(const struct schain *s, const char *tag)
{
	return schain_hash(tag, strlen(tag), s->super.seed);
}
