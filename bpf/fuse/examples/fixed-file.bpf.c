// SPDX-License-Identifier: GPL-2.0
/*
 * fixed-file.bpf.c - example of a custom program for FUSE_READ: answers read()
 * of one inode from a file of your choice; README.md explains how to install it
 */
#include <linux/bpf.h>
#include <linux/fuse.h>
#include <bpf/bpf_helpers.h>
#include "efuse_abi.h"

char _license[] SEC("license") = "GPL";

struct fixed {
	__u64 nodeid;
	__u64 size;		/* of the backing file */
	__u32 backing;		/* its number from efuse-agent --backing */
	__u32 unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fixed);
} fixed SEC(".maps");

/* Fires at a read() of a file of the mount, before the page cache is used. */
SEC("raw_tp.w/efuse_request")
int fixed_file(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	const struct fuse_read_in *in = (const void *)c->in0;
	struct efuse_from *from = (void *)c->out;
	__u32 zero = 0;
	const struct fixed *f = bpf_map_lookup_elem(&fixed, &zero);

	if (c->phase != EFUSE_READING || !f || c->nodeid != f->nodeid ||
	    in->offset >= f->size)
		return 0;
	from->offset = in->offset;
	from->backing = f->backing;
	from->len = in->size;
	from->flags = 0;
	if (from->len >= f->size - in->offset) {
		from->len = f->size - in->offset;
		from->flags = EFUSE_FROM_END;
	}
	c->verdict = EFUSE_FROM;
	return 0;
}
