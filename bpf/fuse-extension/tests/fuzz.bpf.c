// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz.bpf.c - a hostile program for the tests of the module: it answers every
 * request with random verdicts, errors, sizes and contents, and scribbles over
 * the rest of the context
 */
#include <linux/bpf.h>
#include <linux/fuse.h>
#include <bpf/bpf_helpers.h>
#include "efuse.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 only;	/* an opcode: answer just this, with success */
__u64 dev;

static __always_inline __u32 some(__u32 n)
{
	return bpf_get_prandom_u32() % n;
}

SEC("raw_tp.w/efuse_request")
int efuse_fuzz(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	__u64 *out = (__u64 *)c->out;
	int i;

	if (c->phase != EFUSE_SUBMIT || c->dev != dev)
		return 0;
	if (only) {
		if (c->opcode == only) {
			c->verdict = EFUSE_HANDLED;
			c->error = 0;
			c->out_len = 0;
		}
		return 0;
	}
	/* Now and then the request is left alone, or nothing would be open. */
	if (some(4) == 0)
		return 0;
	c->verdict = some(8) ? EFUSE_HANDLED : (__s32)bpf_get_prandom_u32();
	switch (some(4)) {
	case 0:
		c->error = bpf_get_prandom_u32();
		break;
	case 1:
		c->error = -(__s32)some(600);
		break;
	default:
		c->error = 0;
	}
	switch (some(4)) {
	case 0:
		c->out_len = bpf_get_prandom_u32();
		break;
	case 1:
		c->out_len = some(EFUSE_OUT + 8);
		break;
	default:
		c->out_len = c->out_max;
	}
#pragma unroll
	for (i = 0; i < EFUSE_OUT / 8; i++)
		out[i] = (__u64)bpf_get_prandom_u32() << some(33) |
			 some(1 << 16);
	/* What the module must not believe when it comes back. */
	c->opcode = some(2) ? FUSE_GETATTR : bpf_get_prandom_u32();
	c->flags = bpf_get_prandom_u32();
	c->out_max = bpf_get_prandom_u32();
	c->nodeid = bpf_get_prandom_u32();
	return 0;
}
