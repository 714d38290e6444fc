/* SPDX-License-Identifier: GPL-2.0 */
/*
 * listing.h - fills the cache with the entries of a directory's listing
 *
 * A daemon may fetch a directory once for each handle and answer from that as
 * long as the handle is open: JuiceFS does, with the attributes. So an entry is
 * as old as the handle's OPENDIR, and what has changed since then is not filled.
 */
#ifndef EFUSE_LISTING_H
#define EFUSE_LISTING_H

#include "filling.h"

/*
 * Positions up to which the kernel lists a directory with attributes: more
 * would only be evicted again. JuiceFS counts entries; where a position is
 * something else, the kernel decides, as without the extension.
 */
#define LISTED_MAX	4096

static __always_inline int is_dots(const struct efuse_ctx *c)
{
	return c->name[0] == '.' &&
	       (c->name_len == 1 || (c->name_len == 2 && c->name[1] == '.'));
}

/*
 * Whether the entry came with attributes. A daemon may give none: then the node
 * is 0 or, with JuiceFS, the attributes are zeros. Those of "." and ".." may be
 * wrong, because the kernel does not use them.
 */
static __always_inline int has_attributes(const struct efuse_ctx *c)
{
	const struct fuse_direntplus *e = (const void *)c->out;

	if (FAULTY(LIST_ANY))
		return 1;
	return e->entry_out.nodeid && !is_dots(c) &&
	       (e->entry_out.attr.mode >> 12 & 15) == e->dirent.type;
}

static __always_inline void entry_listed(struct efuse_ctx *c,
					 struct efuse_opstats *st)
{
	const struct fuse_read_in *in = (const void *)c->in0;
	struct listing_key handle = { c->dev, c->nodeid, in->fh };
	struct fuse_entry_out *out = (void *)c->out;
	struct efuse_entry_key key;
	struct flight f = {};
	__u64 *opened;

	opened = bpf_map_lookup_elem(&efuse_listings, &handle);
	if (!opened)
		return;
	f.seen = *(volatile __u64 *)opened;
	if (bpf_map_lookup_elem(&efuse_listings, &handle) != opened ||
	    !has_attributes(c) || internal(out->nodeid))
		return;
	fill_attr(c, out->nodeid,
		  validity(out->attr_valid, out->attr_valid_nsec), &out->attr,
		  &f, st);
	if (c->name_len >= EFUSE_NAME)
		return;
	name_key(&key, c);
	fill_entry(c, &key, &f, st);
	COUNT(st, LISTED);
}

/* For the fault LIST_HANDLE: the listing is as old as its last request. */
static __always_inline void listing_asked(const struct efuse_ctx *c)
{
	const struct fuse_read_in *in = (const void *)c->in0;
	struct listing_key handle = { c->dev, c->nodeid, in->fh };
	__u64 seen = sequence.seq;

	if (FAULTY(LIST_HANDLE) && c->opcode == FUSE_READDIRPLUS)
		bpf_map_update_elem(&efuse_listings, &handle, &seen, BPF_EXIST);
}

/* The answer to EFUSE_LISTING: whether to ask for attributes again. */
static __always_inline void go_on_listing(struct efuse_ctx *c)
{
	const struct fuse_read_in *in = (const void *)c->in0;

	if (control.mode == EFUSE_LEASE && in->offset < LISTED_MAX)
		c->verdict = EFUSE_HANDLED;
}

#endif
