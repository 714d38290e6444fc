// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrent lookups by io_uring. Each has a slot with a buffer. A chain is one
 * read; a lookup in user space is one read per node.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "internal.h"

#define DEPTH_MAX 256

struct slot {
	struct buffer buffer;
	struct way way;
	size_t number;		/* of the key */
	bool chain;		/* the read in flight is through a door */
	bool fell_back;
};

struct ring {
	int fd;
	void *sq, *cq;
	size_t sq_size, cq_size, sqes_size;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned int unsent;
};

struct many {
	struct schain *s;
	const struct schain_index *index;
	const unsigned long long *keys;
	struct schain_result *results;
	size_t count, next;
	bool fixed;
	bool door_lost;		/* did not answer; closed after the last read */
	struct ring ring;
	struct slot *slots;
	unsigned int busy;
};

static void *ring_map(struct ring *r, size_t size, off_t what)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, r->fd, what);
}

static int ring_open(struct ring *r, unsigned int depth, bool poll)
{
	struct io_uring_params p = {
		.flags = poll ? IORING_SETUP_IOPOLL : 0,
	};

	memset(r, 0, sizeof(*r));
	r->fd = syscall(SYS_io_uring_setup, depth, &p);
	if (r->fd < 0)
		return fail(-errno, "io_uring: %s", strerror(errno));
	r->sq_size = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	r->cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	r->sqes_size = p.sq_entries * sizeof(struct io_uring_sqe);
	r->sq = ring_map(r, r->sq_size, IORING_OFF_SQ_RING);
	r->cq = ring_map(r, r->cq_size, IORING_OFF_CQ_RING);
	r->sqes = ring_map(r, r->sqes_size, IORING_OFF_SQES);
	if (r->sq == MAP_FAILED || r->cq == MAP_FAILED ||
	    r->sqes == MAP_FAILED) {
		close(r->fd);
		return fail(-ENOMEM, "io_uring: no memory for the rings");
	}
	r->sq_tail = r->sq + p.sq_off.tail;
	r->sq_mask = r->sq + p.sq_off.ring_mask;
	r->sq_array = r->sq + p.sq_off.array;
	r->cq_head = r->cq + p.cq_off.head;
	r->cq_tail = r->cq + p.cq_off.tail;
	r->cq_mask = r->cq + p.cq_off.ring_mask;
	r->cqes = r->cq + p.cq_off.cqes;
	return 0;
}

static void ring_close(struct ring *r)
{
	munmap(r->sq, r->sq_size);
	munmap(r->cq, r->cq_size);
	munmap(r->sqes, r->sqes_size);
	close(r->fd);
}

static void send(struct many *m, struct slot *slot)
{
	struct ring *r = &m->ring;
	unsigned int tail = *r->sq_tail, at = tail & *r->sq_mask;
	struct io_uring_sqe *e = &r->sqes[at];

	memset(e, 0, sizeof(*e));
	e->opcode = m->fixed ? IORING_OP_READ_FIXED : IORING_OP_READ;
	e->user_data = slot - m->slots;
	if (slot->chain) {
		e->fd = m->s->door[slot->way.kind];
		e->addr = (uintptr_t)slot->buffer.request;
		e->len = REQUEST_SIZE;
	} else {
		e->fd = m->s->image;
		e->addr = (uintptr_t)slot->buffer.node;
		e->len = SCHAIN_NODE;
		e->off = slot->way.sector * 512;
	}
	r->sq_array[at] = at;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	r->unsent++;
}

/* Starts the next key in a free slot. */
static void begin(struct many *m, struct slot *slot)
{
	if (m->next == m->count) {
		m->busy--;
		return;
	}
	slot->number = m->next++;
	slot->fell_back = false;
	aim(m->s, m->index, m->keys[slot->number], &slot->way);
	slot->chain = schain_has_door(m->s, slot->way.kind);
	if (slot->chain)
		request_fill(m->s, &slot->way, slot->buffer.request);
	send(m, slot);
}

static void arrived(struct many *m, struct slot *slot, int got)
{
	struct schain_result *r = &m->results[slot->number];
	int verdict, error = 0;

	/* A polled read does not wait for a disk whose controller is reset. */
	if (got == -EAGAIN) {
		send(m, slot);
		return;
	}
	if (slot->chain) {
		m->door_lost |= request_unanswered(slot->buffer.request);
		if (request_result(m->s, &slot->way, slot->buffer.request, got,
				   got < 0 ? -got : 0, r)) {
			begin(m, slot);
			return;
		}
		slot->chain = false;
		slot->fell_back = true;
		send(m, slot);
		return;
	}
	if (got != SCHAIN_NODE) {
		error = got < 0 ? got : -ERANGE;
	} else {
		verdict = step(m->s, &slot->way, slot->buffer.node);
		if (verdict == SCHAIN_NEXT && slot->way.hops < 1u << 20) {
			send(m, slot);
			return;
		}
		if (verdict != SCHAIN_DONE)
			error = slot->way.out.error ?: -ELOOP;
	}
	result_of(&slot->way, error, slot->fell_back, r);
	begin(m, slot);
}

static int turn(struct many *m)
{
	struct ring *r = &m->ring;
	int sent = syscall(SYS_io_uring_enter, r->fd, r->unsent, 1,
			   IORING_ENTER_GETEVENTS, NULL, 0);
	unsigned int head = *r->cq_head;

	if (sent < 0 && errno != EINTR)
		return fail(-errno, "io_uring_enter: %s", strerror(errno));
	if (sent > 0)
		r->unsent -= sent;
	while (head != __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE)) {
		const struct io_uring_cqe *e = &r->cqes[head++ & *r->cq_mask];
		struct slot *slot = &m->slots[e->user_data];
		int got = e->res;

		__atomic_store_n(r->cq_head, head, __ATOMIC_RELEASE);
		arrived(m, slot, got);
	}
	return 0;
}

static int prepare(struct many *m, unsigned int depth, char **memory)
{
	struct iovec all;
	unsigned int i;

	m->slots = calloc(depth, sizeof(*m->slots));
	*memory = aligned_alloc(SCHAIN_NODE, depth * BUFFER_SIZE);
	if (!m->slots || !*memory)
		return fail(-ENOMEM, "out of memory");
	memset(*memory, 0, depth * BUFFER_SIZE);
	for (i = 0; i < depth; i++)
		buffer_init(&m->slots[i].buffer, *memory + i * BUFFER_SIZE);
	all.iov_base = *memory;
	all.iov_len = depth * BUFFER_SIZE;
	if (m->fixed && syscall(SYS_io_uring_register, m->ring.fd,
				IORING_REGISTER_BUFFERS, &all, 1))
		return fail(-errno, "io_uring: registering buffers: %s",
			    strerror(errno));
	return 0;
}

/* Repeats lookups that met another image's nodes, in the current image. */
static void look_again(struct schain *s, const char *index,
		       const unsigned long long *keys, size_t count,
		       struct schain_result *results)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (results[i].error == -ESTALE)
			schain_lookup(s, index, keys[i], &results[i]);
}

int schain_lookup_many(struct schain *s, const char *index,
		       const unsigned long long *keys, size_t count,
		       struct schain_result *results,
		       const struct schain_many *how)
{
	unsigned int i, depth = how && how->depth ? how->depth : 32;
	struct many m = {
		.s = s, .keys = keys, .results = results, .count = count,
		.fixed = how && how->fixed,
	};
	char *memory = NULL;
	int err;

	m.index = schain_find_index(s, index);
	if (!m.index)
		return -ENOENT;
	if (depth > DEPTH_MAX)
		return fail(-EINVAL, "%u concurrent lookups: must be 1 to %u",
			    depth, DEPTH_MAX);
	find_door(s, m.index->kind);
	err = ring_open(&m.ring, depth, how && how->poll);
	if (err)
		return err;
	err = prepare(&m, depth, &memory);
	for (i = 0; !err && i < depth; i++) {
		m.busy++;
		begin(&m, &m.slots[i]);
	}
	while (!err && m.busy)
		err = turn(&m);
	ring_close(&m.ring);
	free(m.slots);
	if (m.door_lost)
		leave_door(s, m.index->kind);
	if (!err)
		look_again(s, index, keys, count, results);
	/* After an error, reads may still be in flight: keep their memory. */
	if (!m.busy)
		free(memory);
	return err;
}
