// SPDX-License-Identifier: GPL-2.0
/*
 * shadow.c - evaluates shadow mode: cached answers that differ from those of the
 * daemon
 */
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "agent.h"
#include "efuse.skel.h"

static struct ring_buffer *ring;

/* Differences that shadow mode found, kept until the bound has passed. */
#define PENDING	256
static struct efuse_event pending[PENDING];
static unsigned int pending_head, pending_tail;

static bool has_changed(uint64_t dev, uint64_t ino, uint64_t seen)
{
	struct efuse_bpf *p = programs();

	return p->data_gens->gens[efuse_slot(dev, ino, p->rodata->slots_mask)] >
		       seen ||
	       p->data_sequence->sequence.epoch > seen;
}

static void judge(const struct efuse_event *e)
{
	const uint64_t *cached = (const uint64_t *)&e->cached;
	const uint64_t *daemon = (const uint64_t *)&e->daemon;
	unsigned int i;

	/*
	 * A change by another client whose push was still in transit: within
	 * the bound.
	 */
	if ((e->ino && has_changed(e->dev, e->ino, e->seen)) ||
	    (e->parent && has_changed(e->dev, e->parent, e->seen)) ||
	    (!e->ino && e->daemon.nodeid &&
	     has_changed(e->dev, e->daemon.nodeid, e->seen))) {
		counters.shadow_benign++;
		return;
	}
	counters.shadow_mismatch++;
	say("shadow: opcode %llu of inode %llu (parent %llu) differs: error %lld, daemon %lld",
	    e->opcode, e->ino, e->parent, e->cached_error, e->error);
	for (i = 0; i < sizeof(e->cached) / sizeof(*cached); i++)
		if (cached[i] != daemon[i])
			say("shadow: word %u: %#llx, daemon %#llx", i,
			    (unsigned long long)cached[i],
			    (unsigned long long)daemon[i]);
}

static int on_event(void *ctx, void *data, size_t size)
{
	if (pending_head - pending_tail == PENDING)
		judge(&pending[pending_tail++ % PENDING]);
	memcpy(&pending[pending_head++ % PENDING], data,
	       sizeof(struct efuse_event));
	return 0;
}

void shadow_start(void)
{
	ring = ring_buffer__new(bpf_map__fd(programs()->maps.efuse_events),
				on_event, NULL, NULL);
	if (!ring)
		fatal("ring buffer: %s", strerror(errno));
}

void shadow_stop(void)
{
	ring_buffer__free(ring);
	ring = NULL;
}

void shadow_poll(void)
{
	uint64_t now = now_ns();

	if (!ring)
		return;
	ring_buffer__consume(ring);
	while (pending_tail != pending_head &&
	       pending[pending_tail % PENDING].when + 2 * opt.bound < now)
		judge(&pending[pending_tail++ % PENDING]);
}
