// SPDX-License-Identifier: GPL-2.0
/*
 * no-xattr.bpf.c - example of a custom program for one opcode
 *
 * For every write() to a file, the kernel requests the extended attribute
 * security.capability. A volume mounted without extended attributes always
 * gives the same answer. This program gives that answer without a cache; all
 * other names still go to the daemon. README.md explains how to install it.
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

	/* The context can be read only at constant offsets: unroll. */
#pragma unroll
	for (i = 0; i < (int)sizeof(WANTED); i++)
		if (c->name[i] != WANTED[i])
			return 0;
	c->error = -EOPNOTSUPP;
	c->verdict = EFUSE_HANDLED;
	return 0;
}
