/* SPDX-License-Identifier: GPL-2.0 */
/* handles.h - remembers when each open handle was requested, for its reads */
#ifndef EFUSE_HANDLES_H
#define EFUSE_HANDLES_H

#include "coherence.h"

/* Identifies a handle; the inode's hash alone is the same for all its handles. */
static __always_inline __u64 handle_hash(__u64 dev, __u64 ino, __u64 fh)
{
	__u64 hash = (efuse_hash(dev, ino) ^ fh) * 0xff51afd7ed558ccdULL;

	return hash ^ hash >> 32;
}

/* A handle can be in either of two places. */
static __always_inline struct efuse_handle *handle_at(__u64 hash, __u32 second)
{
	__u32 at = (hash & (EFUSE_HANDLES - 1)) ^ second;

	return bpf_map_lookup_elem(&efuse_handles, &at);
}

/*
 * Whether this is the handle's entry. Both words must match, so an entry that
 * another CPU has only half written matches no handle.
 */
static __always_inline int is_handle(const struct efuse_handle *h, __u64 hash,
				     __u64 *opened)
{
	*opened = *(volatile __u64 *)&h->opened;
	return (*opened ^ *(volatile __u64 *)&h->check) == hash ||
	       FAULTY(READ_PLACE);
}

/*
 * Remembers the sequence when this handle was requested, which decides what its
 * reads may see. A handle that is still open keeps the first place, however many
 * are opened after it; the second place holds only the most recent of those. Not
 * inlined; see raise_content().
 */
static __attribute__((noinline)) int handle_add(__u64 dev, __u64 ino, __u64 fh,
						__u64 req)
{
	struct flight *f = bpf_map_lookup_elem(&efuse_inflight, &req);
	__u64 hash = handle_hash(dev, ino, fh), opened, was;
	struct efuse_handle *h;

	if (!f)
		return 0;
	opened = f->seen;
	if (bpf_map_lookup_elem(&efuse_inflight, &req) == f) {
		h = handle_at(hash, 0);
		/* Handles from before the epoch are no longer served. */
		if (h && !is_handle(h, hash, &was) && was >= sequence.epoch)
			h = handle_at(hash, 1);
		if (h) {
			*(volatile __u64 *)&h->opened = opened;
			*(volatile __u64 *)&h->check = opened ^ hash;
		}
	}
	bpf_map_delete_elem(&efuse_inflight, &req);
	return 0;
}

static __attribute__((noinline)) int handle_drop(__u64 dev, __u64 ino, __u64 fh)
{
	__u64 hash = handle_hash(dev, ino, fh), opened;
	struct efuse_handle *h;
	__u32 i;

#pragma unroll
	for (i = 0; i < 2; i++) {
		h = handle_at(hash, i);
		if (h && is_handle(h, hash, &opened)) {
			*(volatile __u64 *)&h->opened = 0;
			*(volatile __u64 *)&h->check = 0;
		}
	}
	return 0;
}

/* Whether nothing has changed the file since this handle was requested. */
static __always_inline int handle_current(const struct efuse_ctx *c, __u64 fh)
{
	__u64 hash = handle_hash(c->dev, c->nodeid, fh), opened;
	struct efuse_handle *h;

	if (FAULTY(READ_HANDLE))
		return 1;
	h = handle_at(hash, 0);
	if (h && !is_handle(h, hash, &opened))
		h = handle_at(hash, 1);
	return h && is_handle(h, hash, &opened) &&
	       content_unchanged(c->dev, c->nodeid, opened);
}

#endif
