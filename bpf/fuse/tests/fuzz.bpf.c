// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz.bpf.c - a hostile program for the tests of the module: it answers
 * requests with random verdicts, errors, sizes and contents, and overwrites
 * other parts of the context
 */
#include <linux/bpf.h>
#include <linux/fuse.h>
#include <bpf/bpf_helpers.h>
#include "efuse.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 only;	/* answer only this opcode, with success */
const volatile __u32 reply;	/* and this number of bytes 'x' */
__u64 dev;

static __always_inline __u32 some(__u32 n)
{
	return bpf_get_prandom_u32() % n;
}

/* A random location: any offset and length, in a file that exists or not. */
static __always_inline void anywhere(struct efuse_ctx *c)
{
	const struct fuse_read_in *in = (const void *)c->in0;
	struct efuse_from *from = (void *)c->out;

	c->verdict = some(8) ? EFUSE_FROM : (__s32)bpf_get_prandom_u32();
	from->backing = some(8);
	from->offset = some(4) ? some(1 << 20) :
				 (__u64)bpf_get_prandom_u32() << some(33);
	from->len = some(4) ? some(in->size + 2) : bpf_get_prandom_u32();
	from->flags = some(2) ? 0 : bpf_get_prandom_u32();
	c->opcode = bpf_get_prandom_u32();
	c->nodeid = bpf_get_prandom_u32();
}

/* Values that the module must not trust afterwards. */
static __always_inline void scribble(struct efuse_ctx *c)
{
	c->dev = bpf_get_prandom_u32();
	c->req = bpf_get_prandom_u32();
	c->nodeid = bpf_get_prandom_u32();
	c->opcode = bpf_get_prandom_u32();
	c->name_len = bpf_get_prandom_u32();
	c->out_len = bpf_get_prandom_u32();
	c->error = bpf_get_prandom_u32();
	c->verdict = some(2) ? EFUSE_HANDLED : (__s32)bpf_get_prandom_u32();
	__builtin_memset(c->in0, 'x', sizeof(c->in0));
	__builtin_memset(c->out, 'x', sizeof(c->out));
}

SEC("raw_tp.w/efuse_request")
int efuse_fuzz(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	__u64 *out = (__u64 *)c->out;
	int i;

	if (c->dev != dev)
		return 0;
	if (c->phase == EFUSE_READING && !only && some(4))
		anywhere(c);
	if ((c->phase == EFUSE_LISTING || c->phase == EFUSE_ENTRY) && !only)
		scribble(c);
	if (c->phase != EFUSE_SUBMIT)
		return 0;
	if (only) {
		if (c->opcode == only) {
			/* Requests for the size go to the daemon. */
			if (reply && !(c->flags & EFUSE_F_OUT_VAR))
				return 0;
			c->verdict = EFUSE_HANDLED;
			c->error = 0;
			c->out_len = reply;
			__builtin_memset(c->out, 'x', sizeof(c->out));
		}
		return 0;
	}
	/* Some requests must reach the daemon, or no file could be opened. */
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
	/* Values that the module must not trust afterwards. */
	c->opcode = some(2) ? FUSE_GETATTR : bpf_get_prandom_u32();
	c->flags = bpf_get_prandom_u32();
	c->out_max = bpf_get_prandom_u32();
	c->nodeid = bpf_get_prandom_u32();
	return 0;
}
