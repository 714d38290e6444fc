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
	struct listing l;

	if (!listing_of(&handle, &l) || !has_attributes(c) ||
	    internal(out->nodeid))
		return;
	f.seen = l.opened;
	fill_attr(c, out->nodeid,
		  validity(out->attr_valid, out->attr_valid_nsec), &out->attr,
		  &f, st);
	if (c->name_len >= EFUSE_NAME)
		return;
	name_key(&key, c);
	fill_entry(c, &key, &f, st);
	COUNT(st, LISTED);
}

/*
 * A part of a listing is requested from this position. A part without attributes
 * is not shown, so the names are not complete. The kernel reads through a handle
 * from one task at a time. Not inlined; see raise_content().
 */
static __attribute__((noinline)) int listing_from(__u64 dev, __u64 ino,
						  __u64 fh, __u64 offset,
						  int shown)
{
	struct listing_key key = { dev, ino, fh };
	struct listing l;

	if (!listing_of(&key, &l))
		return 0;
	if (FAULTY(LIST_HANDLE))
		l.opened = sequence.seq;
	if (!shown || (offset > l.next && !FAULTY(LIST_GAP)))
		l.ticket = 0;
	else if (!offset)
		l.ticket = names_begin(dev, ino, l.opened);
	/* Entries that did not fit in the caller's buffer are requested again. */
	l.next = offset;
	listing_put(&key, &l);
	return 0;
}

static __always_inline void listing_asked(const struct efuse_ctx *c)
{
	const struct fuse_read_in *in = (const void *)c->in0;

	if (!names_kept && !FAULTY(LIST_HANDLE))
		return;
	if (c->opcode == FUSE_READDIRPLUS || c->opcode == FUSE_READDIR)
		listing_from(c->dev, c->nodeid, in->fh, in->offset,
			     c->opcode == FUSE_READDIRPLUS);
}

/*
 * Keeps the name of an entry. Positions that do not grow would hide a gap
 * between two parts. Not inlined; see raise_content().
 */
static __attribute__((noinline)) int listing_name(__u64 dev, __u64 ino,
						  __u64 fh, __u64 position,
						  __u64 hash)
{
	struct listing_key key = { dev, ino, fh };
	struct listing l;

	if (!listing_of(&key, &l) || !l.ticket)
		return 0;
	if (position <= l.next && !FAULTY(LIST_GAP))
		l.ticket = 0;
	else if (hash)
		names_add(dev, ino, l.ticket, hash);
	l.next = position;
	listing_put(&key, &l);
	return 0;
}

/* A name that is too long for the context is never looked up in the names. */
static __always_inline void entry_named(const struct efuse_ctx *c)
{
	const struct fuse_direntplus *e = (const void *)c->out;
	const struct fuse_read_in *in = (const void *)c->in0;

	listing_name(c->dev, c->nodeid, in->fh, e->dirent.off,
		     c->name_len < EFUSE_NAME ? name_hash(c->name) : 0);
}

/* The answer to EFUSE_LISTING: whether to ask for attributes again. */
static __always_inline void go_on_listing(struct efuse_ctx *c)
{
	const struct fuse_read_in *in = (const void *)c->in0;

	if (control.mode == EFUSE_LEASE && in->offset < LISTED_MAX)
		c->verdict = EFUSE_HANDLED;
}

#endif
