// SPDX-License-Identifier: GPL-2.0
/*
 * A coherent metadata cache for one FUSE mount
 *
 * efuse_dispatch is attached to the module's tracepoint and runs in each of its
 * phases (efuse_abi.h): it tracks changes, fills the cache when a request has
 * ended, and before a request is sent it tail-calls the program that may answer
 * the opcode. Those programs are in the map `efuse_handlers`, where each can be
 * replaced separately; coherence does not depend on them. All of it runs with
 * preemption off.
 *
 * ../../docs/fuse-extension.md explains the rules.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/fuse.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "efuse.h"
#include "programs/maps.h"
#include "programs/coherence.h"
#include "programs/versions.h"
#include "programs/names.h"
#include "programs/handles.h"
#include "programs/notices.h"
#include "programs/serving.h"
#include "programs/filling.h"
#include "programs/listing.h"
#include "programs/reading.h"

char _license[] SEC("license") = "GPL";

/* A separate program for the end of LOOKUP, because the stack is small. */
SEC("raw_tp.w/efuse_request")
int efuse_lookup_done(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];

	done_lookup(c, opstats(FUSE_LOOKUP));
	return 0;
}

SEC("raw_tp.w/efuse_request")
int efuse_done(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];

	done(c, opstats(c->opcode));
	return 0;
}

SEC("raw_tp.w/efuse_request")
int efuse_entry(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];

	entry_listed(c, opstats(FUSE_READDIRPLUS));
	return 0;
}

#define PART_DONE		0
#define PART_LOOKUP_DONE	1
#define PART_ENTRY		2

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 3);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__array(values, int (void *));
} efuse_parts SEC(".maps") = {
	.values = {
		[PART_DONE] = (void *)&efuse_done,
		[PART_LOOKUP_DONE] = (void *)&efuse_lookup_done,
		[PART_ENTRY] = (void *)&efuse_entry,
	},
};

/* The agent attaches this program to the tracepoint. */
SEC("raw_tp.w/efuse_request")
int efuse_dispatch(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	struct efuse_opstats *st;
	struct target t;
	__u64 task;

	if (c->phase == EFUSE_NOTIFIED) {
		if (c->conn != sequence.conn || FAULTY(NO_NOTIFY))
			return 0;
		notified(control.dev, c->nodeid);
		if (c->nodeid2)
			raise(control.dev, c->nodeid2);
		return 0;
	}
	if (c->dev != control.dev)
		return 0;

	switch (c->phase) {
	case EFUSE_SUBMIT:
		if (sequence.conn != c->conn)
			sequence.conn = c->conn;
		st = opstats(c->opcode);
		COUNT(st, ASKED);
		if ((op_flags(c) & OP_SERVE) && !internal(c->nodeid)) {
			bpf_tail_call(ctx, &efuse_handlers, c->opcode);
			COUNT(st, OFF);		/* no such program */
			untrack(c->req);
			return 0;
		}
		submit(c, st);
		if (lists)
			listing_asked(c);
		break;
	case EFUSE_BACKGROUND:
		submit(c, opstats(c->opcode));
		break;
	case EFUSE_DONE:
		if (c->opcode == FUSE_LOOKUP && !internal(c->nodeid))
			bpf_tail_call(ctx, &efuse_parts, PART_LOOKUP_DONE);
		else
			bpf_tail_call(ctx, &efuse_parts, PART_DONE);
		/* Cannot happen; if it does, nothing cached can be trusted. */
		control.fail = EFUSE_FAIL_RAISE;
		break;
	case EFUSE_NAMED:
		task = bpf_get_current_pid_tgid();
		t.a = c->nodeid;
		t.b = c->nodeid2;
		bpf_map_update_elem(&efuse_named, &task, &t, BPF_ANY);
		break;
	case EFUSE_SYNC:
		force(c->nodeid);
		break;
	case EFUSE_LISTING:
		go_on_listing(c);
		break;
	case EFUSE_ENTRY:
		if (names_kept)
			entry_named(c);
		if (!internal(c->nodeid))
			bpf_tail_call(ctx, &efuse_parts, PART_ENTRY);
		break;
	default:
		if (!reads || c->phase != EFUSE_READING)
			break;
		st = opstats(EFUSE_OP_READ);
		COUNT(st, ASKED);
		if (!internal(c->nodeid))
			bpf_tail_call(ctx, &efuse_handlers, FUSE_READ);
	}
	return 0;
}
