// SPDX-License-Identifier: GPL-2.0
/*
 * no-xattr.bpf.c - example: a program of your own for one opcode
 *
 * Every write() to a file makes the kernel ask for the extended attribute
 * security.capability, and a volume that is mounted without extended
 * attributes always gives the same answer. This program gives it, without any
 * cache; all other names still go to the daemon. README.md beside this file
 * shows how it is put in.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <bpf/bpf_helpers.h>
#include "efuse_abi.h"

char _license[] SEC("license") = "GPL";

#define WANTED "security.capability"

/* Fires before GETXATTR is sent, tail-called by efuse_dispatch. */
SEC("raw_tp.w/efuse_request")
int no_xattr(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	int i;

	/* The context can be read at constant offsets only: unroll. */
#pragma unroll
	for (i = 0; i < (int)sizeof(WANTED); i++)
		if (c->name[i] != WANTED[i])
			return 0;
	c->error = -EOPNOTSUPP;
	c->verdict = EFUSE_HANDLED;
	return 0;
}
