// SPDX-License-Identifier: GPL-2.0
/* One lookup: through a door if there is one, then by reads if it stopped. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "internal.h"

#define UNANSWERED 0x7fffffff	/* a status that no door returns */

static const char * const door_names[KINDS] = {
	[SCHAIN_KIND_BTREE] = "btree",
	[SCHAIN_KIND_HASH] = "hash",
	[SCHAIN_KIND_POSTING] = "posting",
};

/*
 * Without O_DIRECT if the file system does not support it: slower, but correct.
 */
static int open_image(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd;
}

static void open_door(struct schain *s, enum schain_kind kind)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s",
		 getenv("SCHAIN_RUN") ?: SCHAIN_RUN, door_names[kind]);
	s->door[kind] = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
}

void find_door(struct schain *s, enum schain_kind kind)
{
	struct timespec now;

	if (s->door[kind] >= 0 || s->flags & SCHAIN_READ)
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (s->looked[kind] == now.tv_sec)
		return;
	s->looked[kind] = now.tv_sec;
	open_door(s, kind);
}

void leave_door(struct schain *s, enum schain_kind kind)
{
	if (s->door[kind] >= 0)
		close(s->door[kind]);
	s->door[kind] = -1;
}

struct schain *schain_open(const char *image, unsigned int flags)
{
	struct schain *s = calloc(1, sizeof(*s));
	char path[128], *memory;
	int kind;

	if (!s) {
		fail(-ENOMEM, "out of memory");
		return NULL;
	}
	for (kind = 0; kind < KINDS; kind++)
		s->door[kind] = -1;
	s->flags = flags;
	snprintf(path, sizeof(path), "%s/device",
		 getenv("SCHAIN_RUN") ?: SCHAIN_RUN);
	s->image = open_image(image ?: path);
	if (s->image < 0) {
		fail(-errno, "%s: %s%s", image ?: path, strerror(errno),
		     image ? "" : " (is the extension storage-chain loaded?)");
		free(s);
		return NULL;
	}
	memory = aligned_alloc(SCHAIN_NODE, BUFFER_SIZE);
	if (!memory || super_read(s->image, image ?: path, &s->super)) {
		int saved = memory ? errno : ENOMEM;

		free(memory);
		close(s->image);
		free(s);
		errno = saved;
		return NULL;
	}
	memset(memory, 0, BUFFER_SIZE);
	buffer_init(&s->buffer, memory);
	for (kind = 1; kind < KINDS; kind++)
		find_door(s, kind);
	return s;
}

void schain_close(struct schain *s)
{
	int kind;

	if (!s)
		return;
	for (kind = 1; kind < KINDS; kind++)
		leave_door(s, kind);
	close(s->image);
	free(s->buffer.memory);
	free(s);
}

bool schain_has_door(const struct schain *s, enum schain_kind kind)
{
	return kind < KINDS && s->door[kind] >= 0;
}

void request_fill(const struct schain *s, const struct way *way,
		  struct schain_request *rq)
{
	memset(rq, 0, sizeof(*rq));
	rq->magic = SCHAIN_MAGIC;
	rq->version = SCHAIN_ABI;
	rq->start = way->start;
	rq->arg[SCHAIN_ARG_KEY] = way->key;
	rq->arg[SCHAIN_ARG_GENERATION] = s->super.generation;
	rq->arg[SCHAIN_ARG_DEPTH] = way->depth;
	rq->status = UNANSWERED;
}

bool request_unanswered(const struct schain_request *rq)
{
	return rq->status == UNANSWERED;
}

bool request_result(const struct schain *s, struct way *way,
		    const struct schain_request *rq, ssize_t got, int error,
		    struct schain_result *r)
{
	int status = rq->status;

	if (request_unanswered(rq)) {
		/* The door rejected it; a read of the image will show why. */
		status = got < 0 ? -error : -EPROTO;
	} else {
		way->hops = rq->hops;
		way->sector = rq->last;
		memcpy(way->out.scratch, rq->scratch, sizeof(rq->scratch));
		if (got == REQUEST_SIZE && !status) {
			result_of(way, 0, false, r);
			return true;
		}
	}
	if (s->flags & SCHAIN_CHAIN) {
		fail(status ?: -EIO, "the chain stopped after %u nodes, at sector %llu: %s",
		     way->hops, (unsigned long long)way->sector,
		     strerror(-(status ?: -EIO)));
		result_of(way, status ?: -EIO, false, r);
		return true;
	}
	/*
	 * The node at way->sector is read again, and may be any node of a tree.
	 * It was counted already, unless reading it failed.
	 */
	if (way->hops) {
		way->hops -= got == REQUEST_SIZE;
		way->depth = 0;
	}
	memset(&way->out, 0, sizeof(way->out));
	return false;
}

static int run(struct schain *s, struct way *way, struct schain_result *r)
{
	ssize_t got;
	int error;

	find_door(s, way->kind);
	if (!schain_has_door(s, way->kind)) {
		if (s->flags & SCHAIN_CHAIN)
			return r->error = fail(-ENXIO, "no door %s/%s: is the extension storage-chain loaded?",
					       SCHAIN_RUN, door_names[way->kind]);
		return walk(s, way, &s->buffer, false, r);
	}
	request_fill(s, way, s->buffer.request);
	got = pread(s->door[way->kind], s->buffer.request, REQUEST_SIZE, 0);
	error = errno;
	if (request_unanswered(s->buffer.request))
		leave_door(s, way->kind);
	if (request_result(s, way, s->buffer.request, got, error, r))
		return r->error;
	return walk(s, way, &s->buffer, true, r);
}

int schain_lookup(struct schain *s, const char *name, unsigned long long key,
		  struct schain_result *r)
{
	const struct schain_index *index;
	struct way way;
	int tries;

	for (tries = 0; ; tries++) {
		index = schain_find_index(s, name);
		if (!index)
			return r->error = -ENOENT;
		aim(s, index, key, &way);
		if (run(s, &way, r) != -ESTALE || tries == 3)
			return r->error;
		/* Another image has replaced this one. */
		if (super_read(s->image, "image", &s->super))
			return r->error = -errno;
	}
}

int schain_lookup_at(struct schain *s, enum schain_kind kind,
		     unsigned long long start, unsigned long long key,
		     struct schain_result *r)
{
	struct way way = {
		.kind = kind, .start = start, .sector = start, .key = key,
	};

	return run(s, &way, r);
}

int schain_facts(struct schain *s, unsigned long long inode,
		 unsigned long long facts[SCHAIN_FACTS],
		 struct schain_result *r)
{
	const struct schain_entry *entry;
	int i, err = schain_lookup(s, "facts", inode * SCHAIN_FACTS, r);

	if (err || !r->found)
		return err;
	/* A build puts all four in one leaf. */
	entry = &s->buffer.node->entry[r->place];
	for (i = 0; i < SCHAIN_FACTS; i++)
		facts[i] = entry[i].value;
	return 0;
}
