/* SPDX-License-Identifier: GPL-2.0 */
/*
 * filling.h - records the changes of a request, before it is sent and after it
 * has ended, and fills the cache from its reply
 */
#ifndef EFUSE_FILLING_H
#define EFUSE_FILLING_H

#include "coherence.h"
#include "handles.h"
#include "names.h"
#include "notices.h"
#include "versions.h"

/*
 * Raises the inode of a request. An ioctl() that fails, or that has not been
 * executed yet, does not affect the content. An unknown one that succeeds raises
 * the epoch.
 */
static __always_inline void raise_node(struct efuse_ctx *c, int ended)
{
	if (c->opcode == FUSE_IOCTL && (!ended || c->error))
		raise_opened(c->dev, c->nodeid);
	else
		raise(c->dev, c->nodeid);
}

/*
 * Before a change is sent: raises everything that it affects, and remembers it.
 */
static __always_inline void change(struct efuse_ctx *c, __u16 flags,
				   struct efuse_opstats *st)
{
	__u64 task = bpf_get_current_pid_tgid();
	__u64 req = c->req;
	struct flight f = {};
	struct target *t;
	int i;

	COUNT(st, RAISE);
	if (c->opcode == FUSE_COPY_FILE_RANGE || c->opcode == COPY_RANGE_64)
		f.also[0] = ((struct fuse_copy_file_range_in *)
			     c->in0)->nodeid_out;
	else if (flags & CH_NODE2)
		f.also[0] = c->nodeid2;
	if (flags & CH_NAMED) {
		t = targets ? bpf_map_lookup_elem(&efuse_named, &task) : NULL;
		if (t && !FAULTY(NO_TARGET)) {
			f.also[1] = t->a;
			f.also[2] = t->b;
			bpf_map_delete_elem(&efuse_named, &task);
		} else if (!t) {
			raise_all(st);
		}
	}
	/* An entry of an earlier request at this address must not remain. */
	if (bpf_map_update_elem(&efuse_inflight, &req, &f, BPF_ANY))
		untrack(req);
	if (flags & CH_ALL)
		raise_all(st);
	if (flags & CH_NODE)
		raise_node(c, 0);
#pragma unroll
	for (i = 0; i < 3; i++)
		if (f.also[i])
			raise(c->dev, f.also[i]);
}

/* A change has been made. */
static __always_inline void changed(struct efuse_ctx *c, __u16 flags,
				    struct efuse_opstats *st)
{
	__u64 req = c->req;
	struct flight *f;
	int i;

	if (FAULTY(NO_RAISE_DONE))
		return;
	if (flags & CH_NODE)
		raise_node(c, 1);
	if ((flags & CH_NEW) && !c->error)
		raise(c->dev, ((struct fuse_entry_out *)c->out)->nodeid);
	if ((flags & CH_ALL) || ((flags & CH_ALL_DONE) && !c->error)) {
		raise_all(st);
	} else if (flags & (CH_NODE2 | CH_NAMED)) {
		f = bpf_map_lookup_elem(&efuse_inflight, &req);
		if (!f) {
			raise_all(st);
			return;
		}
#pragma unroll
		for (i = 0; i < 3; i++)
			if (f->also[i])
				raise(c->dev, f->also[i]);
	}
	bpf_map_delete_elem(&efuse_inflight, &req);
}

/* A file has been opened for writing. */
static __always_inline void writer_add(struct efuse_ctx *c, __u64 ino, __u64 fh)
{
	struct efuse_writer_key key = { c->dev, ino, fh };
	__u32 slot = slot_of(c->dev, ino);
	long err;

	/*
	 * A handle that is already open (the daemon reuses handles) counts for
	 * ever: its inode is no longer served.
	 */
	__sync_fetch_and_add(&writers_of[slot], 1);
	err = bpf_map_update_elem(&efuse_writers, &key, &slot, BPF_NOEXIST);
	if (err && err != -EEXIST)
		control.fail = EFUSE_FAIL_WRITERS;
}

static __always_inline int writer_known(struct efuse_ctx *c, __u64 fh)
{
	struct efuse_writer_key key = { c->dev, c->nodeid, fh };

	return bpf_map_lookup_elem(&efuse_writers, &key) != NULL;
}

static __always_inline void writer_drop(struct efuse_ctx *c, __u64 fh)
{
	struct efuse_writer_key key = { c->dev, c->nodeid, fh };
	__u32 slot = slot_of(c->dev, c->nodeid);

	if (bpf_map_delete_elem(&efuse_writers, &key))
		return;
	raise(c->dev, c->nodeid);
	__sync_fetch_and_add(&writers_of[slot], -1);
}

static __always_inline __u64 validity(__u64 sec, __u32 nsec)
{
	__u64 ns = sec > MAX_VALID / NSEC ? MAX_VALID : sec * NSEC + nsec;

	if (ns > sequence.max_valid)
		sequence.max_valid = ns;
	return ns;
}

/* Compares the reply with the answer that would have been served. */
static __always_inline void compare(struct efuse_ctx *c, __u64 ino,
				    __u64 generation,
				    const struct fuse_attr *attr,
				    struct efuse_opstats *st)
{
	__u64 req = c->req, bad;
	struct efuse_event *e = bpf_map_lookup_elem(&efuse_shadows, &req);
	const __u64 *is = (const __u64 *)attr, *was;
	unsigned int i;

	if (!e)
		return;
	bad = e->cached_error != c->error;
	if (!c->error) {
		bad |= e->cached.nodeid ^ ino;
		bad |= e->cached.generation ^ generation;
		was = (const __u64 *)&e->cached.attr;
#pragma unroll
		for (i = 0; i < sizeof(*attr) / 8; i++)
			bad |= was[i] ^ is[i];
	}
	if (!bad) {
		COUNT(st, SHADOW_OK);
	} else if ((e->ino && !unchanged(c->dev, e->ino, e->seen)) ||
		   (e->parent && !unchanged(c->dev, e->parent, e->seen)) ||
		   open_for_write(c->dev, e->ino)) {
		COUNT(st, SHADOW_RACE);
	} else {
		COUNT(st, SHADOW_BAD);
		e->error = c->error;
		e->daemon.nodeid = ino;
		e->daemon.generation = generation;
		e->daemon.attr = *attr;
		bpf_ringbuf_output(&efuse_events, e, sizeof(*e), 0);
	}
	bpf_map_delete_elem(&efuse_shadows, &req);
}

static __always_inline __u64 fill_seen(struct flight *f, __u64 dev, __u64 ino)
{
	__u64 seen = FAULTY(FILL_RACE) ? sequence.seq : f->seen;

	return seen | toggle_of(dev, ino);
}

/* The name that the request was sent with; false if it is no longer known. */
static __always_inline int sent_name(struct efuse_ctx *c,
				     struct efuse_entry_key *key)
{
	__u64 req = c->req;
	struct efuse_entry_key *kept = bpf_map_lookup_elem(&efuse_names, &req);
	int whole;

	if (!kept)
		return 0;
	*key = *kept;
	/*
	 * The entry can have been reused for another request during the copy.
	 */
	whole = bpf_map_lookup_elem(&efuse_names, &req) == kept &&
		key->dev == c->dev && key->parent == c->nodeid;
	bpf_map_delete_elem(&efuse_names, &req);
	/*
	 * Simulates reading the kernel's name again, after "old" became "new".
	 */
	if (FAULTY(DONE_NAME) && key->name[0] == 'o' && key->name[1] == 'l')
		key->name[0] = 'n', key->name[1] = 'e', key->name[2] = 'w';
	return whole;
}

/*
 * The daemon may report another client's change before the agent learns of it.
 * Reads have compared their version with the old attributes and do not compare
 * again until the generation is raised, so it is raised here. An OPEN has raised
 * it, too, but not that of the content, which older handles depend on. Not
 * inlined; see raise_content().
 */
static __attribute__((noinline)) int notice_change(__u64 ino,
						   const struct efuse_version *v,
						   __u64 seen)
{
	struct efuse_attr_key key = { control.dev, ino };
	struct efuse_attr_val *cached = bpf_map_lookup_elem(&efuse_attrs, &key);
	struct efuse_version was;
	__u64 was_seen;

	if (!cached)
		return 0;
	if ((copied_version(&was, &was_seen, &key, cached) &&
	     efuse_same_version(&was, v)) || FAULTY(NOTICE_ANY))
		take_back(key.dev, ino, was_seen, seen);
	else if (content_unchanged(key.dev, ino, was_seen) &&
		 (unchanged(key.dev, ino, was_seen) || !FAULTY(READ_REOPEN)) &&
		 !FAULTY(READ_NOTICE))
		raise(key.dev, ino);
	return 0;
}

/*
 * If Redis does not answer within 0.3 s or fails, JuiceFS makes up attributes of
 * the root (and of the trash, which is not served), so that the mount does not
 * seem broken: mode 0777, no times. Nothing would ever drop them.
 */
static __always_inline int made_up(__u64 ino, const struct fuse_attr *a)
{
	return ino == FUSE_ROOT_ID && !a->mtime && !a->ctime &&
	       !a->mtimensec && !a->ctimensec && !FAULTY(INVENTED);
}

static __always_inline void fill_attr(struct efuse_ctx *c, __u64 ino,
				      __u64 valid, const struct fuse_attr *attr,
				      struct flight *f,
				      struct efuse_opstats *st)
{
	struct efuse_attr_key key = { c->dev, ino };
	struct efuse_version version;
	struct efuse_attr_val v;

	if (control.mode != EFUSE_LEASE && !valid && !FAULTY(ZERO_TTL))
		return;
	if (made_up(ino, attr))
		return;
	v.expires = bpf_ktime_get_boot_ns() + valid;
	v.seen = fill_seen(f, c->dev, ino);
	if (reads) {
		version_of(&version, attr);
		notice_change(ino, &version, v.seen);
	}
	/* Something has changed since the request was sent. */
	if (!unchanged(c->dev, ino, v.seen))
		return;
	v.attr = *attr;
#ifdef EFUSE_TEST_FAULTS
	v.life = valid;
#endif
	bpf_map_update_elem(&efuse_attrs, &key, &v, BPF_ANY);
	COUNT(st, FILL);
}

static __always_inline void done_getattr(struct efuse_ctx *c,
					 struct efuse_opstats *st)
{
	struct fuse_attr_out *out = (void *)c->out;
	__u64 req = c->req;
	struct flight *f;

	if (!c->error && c->out_len != sizeof(*out))
		return;
	if (control.shadow)
		compare(c, c->nodeid, 0, &out->attr, st);
	f = bpf_map_lookup_elem(&efuse_inflight, &req);
	if (!f)
		return;
	if (!c->error)
		fill_attr(c, c->nodeid,
			  validity(out->attr_valid, out->attr_valid_nsec),
			  &out->attr, f, st);
	bpf_map_delete_elem(&efuse_inflight, &req);
}

/* Caches an entry, or its absence, from a reply that begins with it. */
static __always_inline void fill_entry(struct efuse_ctx *c,
				       const struct efuse_entry_key *key,
				       struct flight *f,
				       struct efuse_opstats *st)
{
	struct fuse_entry_out *out = (void *)c->out;
	struct efuse_entry_val v = {};
	__u64 valid = 0;

	v.seen = fill_seen(f, c->dev, c->nodeid);
	if (!c->error) {
		v.ino = out->nodeid;
		v.generation = out->generation;
		valid = validity(out->entry_valid, out->entry_valid_nsec);
#ifdef EFUSE_TEST_FAULTS
		v.attr = out->attr;
#endif
	}
	/* In ttl mode, an absent name needs a validity as well. */
	if ((control.mode != EFUSE_LEASE && !valid && !FAULTY(ZERO_TTL)) ||
	    internal(v.ino) || !unchanged(c->dev, c->nodeid, v.seen))
		return;
	v.expires = bpf_ktime_get_boot_ns() + valid;
#ifdef EFUSE_TEST_FAULTS
	v.life = valid;
#endif
	bpf_map_update_elem(&efuse_entries, key, &v, BPF_ANY);
	COUNT(st, FILL);
}

static __always_inline void done_lookup(struct efuse_ctx *c,
					struct efuse_opstats *st)
{
	struct fuse_entry_out *out = (void *)c->out;
	struct efuse_entry_key key;
	__u64 req = c->req;
	struct flight *f;

	if (!c->error && c->out_len != sizeof(*out))
		return;
	if (control.shadow)
		compare(c, out->nodeid, out->generation, &out->attr, st);
	f = bpf_map_lookup_elem(&efuse_inflight, &req);
	if (!f)
		return;
	if (!c->error && out->nodeid && !internal(out->nodeid))
		fill_attr(c, out->nodeid,
			  validity(out->attr_valid, out->attr_valid_nsec),
			  &out->attr, f, st);
	if ((!c->error || c->error == -ENOENT) && sent_name(c, &key))
		fill_entry(c, &key, f, st);
	bpf_map_delete_elem(&efuse_inflight, &req);
}

static __always_inline void done_getxattr(struct efuse_ctx *c,
					  struct efuse_opstats *st)
{
	struct xattr_val v = { .error = c->error };
	struct efuse_entry_key key;
	__u64 req = c->req;
	struct flight *f;

	f = bpf_map_lookup_elem(&efuse_inflight, &req);
	if (!f)
		return;
	if (control.xattr_ttl &&
	    (c->error == -ENODATA || c->error == -EOPNOTSUPP) &&
	    sent_name(c, &key)) {
		v.seen = fill_seen(f, c->dev, c->nodeid);
		v.expires = bpf_ktime_get_boot_ns() + control.xattr_ttl;
		bpf_map_update_elem(&efuse_xattrs, &key, &v, BPF_ANY);
		COUNT(st, FILL);
	}
	bpf_map_delete_elem(&efuse_inflight, &req);
}

static __always_inline void done_statfs(struct efuse_ctx *c,
					struct efuse_opstats *st)
{
	__u64 dev = c->dev;
	struct statfs_val v;

	if (c->error || c->out_len != sizeof(struct fuse_statfs_out) ||
	    !control.statfs_ttl)
		return;
	v.expires = bpf_ktime_get_boot_ns() + control.statfs_ttl;
	v.out = *(struct fuse_statfs_out *)c->out;
	bpf_map_update_elem(&efuse_statfss, &dev, &v, BPF_ANY);
	COUNT(st, FILL);
}

/*
 * After an open, only newer answers of the daemon count, so cached data of the
 * file is dropped. But JuiceFS lets the kernel keep a file's pages only if the
 * file has not changed since it was last opened here, and then our cached data
 * is also still valid.
 */
static __always_inline int opened_unchanged(const struct efuse_ctx *c)
{
	const struct fuse_open_out *out = (const void *)c->out;

	if (FAULTY(KEEP_ALL))
		return 1;
	return control.keep && !c->error && c->out_len == sizeof(*out) &&
	       (out->open_flags & FOPEN_KEEP_CACHE);
}

/*
 * The inode is gone although its name led to it: another client replaced the
 * name by a rename, and the kernel or the cache used the old entry within the
 * bound. With ESTALE, the VFS looks the name up again, at the daemon.
 */
static __always_inline void name_replaced(struct efuse_ctx *c)
{
	if (c->error != -ENOENT || FAULTY(NO_ESTALE))
		return;
	c->error = -ESTALE;
	c->verdict = EFUSE_HANDLED;
}

/*
 * Remembers the sequence when a directory's handle was requested, which decides
 * what is filled from its listings. Not inlined; see raise_content().
 */
static __attribute__((noinline)) int listing_add(__u64 dev, __u64 ino, __u64 fh,
						 __u64 req)
{
	struct listing_key key = { dev, ino, fh };
	struct flight *f = bpf_map_lookup_elem(&efuse_inflight, &req);
	struct listing l = {};

	if (!f)
		return 0;
	l.opened = f->seen;
	if (bpf_map_lookup_elem(&efuse_inflight, &req) == f)
		bpf_map_update_elem(&efuse_listings, &key, &l, BPF_ANY);
	bpf_map_delete_elem(&efuse_inflight, &req);
	return 0;
}

static __attribute__((noinline)) int listing_drop(__u64 dev, __u64 ino,
						  __u64 fh)
{
	struct listing_key key = { dev, ino, fh };

	bpf_map_delete_elem(&efuse_listings, &key);
	return 0;
}

/* Copies the state of a directory's handle; false if it is not known. */
static __always_inline int listing_of(const struct listing_key *key,
				      struct listing *l)
{
	const struct listing *kept = bpf_map_lookup_elem(&efuse_listings, key);

	if (!kept)
		return 0;
	*l = *kept;
	return bpf_map_lookup_elem(&efuse_listings, key) == kept;
}

/*
 * Replaces the state of a directory's handle. The old state must not remain: it
 * may call names complete that are not.
 */
static __always_inline void listing_put(const struct listing_key *key,
					const struct listing *l)
{
	if (bpf_map_update_elem(&efuse_listings, key, l, BPF_EXIST))
		bpf_map_delete_elem(&efuse_listings, key);
}

/*
 * A part of a listing has ended. Its names are complete if each part began where
 * an earlier one ended, all their entries were shown, and the last part is
 * empty. Not inlined; see raise_content().
 */
static __attribute__((noinline)) int listing_part(__u64 dev, __u64 ino,
						  __u64 fh, __u32 flags)
{
	struct listing_key key = { dev, ino, fh };
	struct listing l;

	if (!listing_of(&key, &l) || !l.ticket)
		return 0;
	if ((flags & EFUSE_F_END) || FAULTY(LIST_PART)) {
		names_end(dev, ino, l.ticket);
	} else if (!(flags & EFUSE_F_WHOLE) && !FAULTY(LIST_GAP)) {
		l.ticket = 0;
		listing_put(&key, &l);
	}
	return 0;
}

/* Opened by OPEN (reply: the handle) or CREATE (reply: entry, handle). */
static __always_inline void done_open(struct efuse_ctx *c)
{
	/* fuse_open_in and fuse_create_in both begin with the flags */
	__u32 flags = ((struct fuse_open_in *)c->in0)->flags;
	struct fuse_entry_out *entry = (void *)c->out;

	if (c->opcode == FUSE_OPEN) {
		if (c->error == -ENOSYS)
			control.fail = EFUSE_FAIL_NO_OPEN;
		if (flags & TRUNC)
			raise(c->dev, c->nodeid);
		else if (!FAULTY(NO_OPEN_RAISE) && !opened_unchanged(c))
			raise_opened(c->dev, c->nodeid);
		if (reads && !c->error)
			handle_add(c->dev, c->nodeid,
				   ((struct fuse_open_out *)c->out)->fh,
				   c->req);
		if (!c->error && (flags & ACCMODE))
			writer_add(c, c->nodeid,
				   ((struct fuse_open_out *)c->out)->fh);
		name_replaced(c);
	} else if (!c->error && (flags & ACCMODE)) {
		if (c->out_len == sizeof(*entry) + sizeof(struct fuse_open_out))
			writer_add(c, entry->nodeid,
				   ((struct fuse_open_out *)(entry + 1))->fh);
		else
			control.fail = EFUSE_FAIL_WRITERS;
	}
}

/*
 * .control executes commands: any file may have changed. A rename out of the
 * trash changes the new folder and the file itself.
 */
static __always_inline void internal_change(struct efuse_ctx *c, __u16 flags,
					    struct efuse_opstats *st)
{
	if (c->opcode == FUSE_WRITE ||
	    (c->opcode == FUSE_READ && c->nodeid == EFUSE_CONTROL))
		raise_all(st);
	else if (flags & CH_NODE2)
		change(c, flags, st);
}

static __always_inline void done(struct efuse_ctx *c, struct efuse_opstats *st)
{
	/* fuse_{release,flush,fsync,write}_in all begin with the handle */
	__u64 fh = ((struct fuse_release_in *)c->in0)->fh;
	__u16 flags = op_flags(c);

	if (internal(c->nodeid) && !(flags & CH_NODE2)) {
		internal_change(c, flags, st);
		return;
	}
	if (flags & (CH_NODE | CH_NODE2 | CH_NAMED | CH_NEW | CH_ALL))
		changed(c, flags, st);

	switch (c->opcode) {
	case FUSE_GETATTR:
		done_getattr(c, st);
		if (c->error)
			raise_opened(c->dev, c->nodeid);
		name_replaced(c);
		break;
	case FUSE_GETXATTR:
		done_getxattr(c, st);
		break;
	case FUSE_STATFS:
		done_statfs(c, st);
		break;
	case FUSE_OPEN:
	case FUSE_CREATE:
	case TMPFILE:
		done_open(c);
		break;
	case FUSE_SETATTR:
		name_replaced(c);
		break;
	case FUSE_READLINK:
		if (c->error)
			raise_opened(c->dev, c->nodeid);
		name_replaced(c);
		break;
	case FUSE_OPENDIR:
		name_replaced(c);
		if (c->error)
			raise(c->dev, c->nodeid);
		else if (lists)
			listing_add(c->dev, c->nodeid,
				    ((struct fuse_open_out *)c->out)->fh,
				    c->req);
		break;
	case FUSE_READDIRPLUS:
		if (lists)
			listing_part(c->dev, c->nodeid, fh, c->flags);
		break;
	case FUSE_RELEASEDIR:
		if (lists)
			listing_drop(c->dev, c->nodeid, fh);
		break;
	case FUSE_WRITE:
		/* Opened before the agent started: counted from now on. */
		if (!c->error && !writer_known(c, fh))
			writer_add(c, c->nodeid, fh);
		break;
	case FUSE_FLUSH:
	case FUSE_FSYNC:
		/* The written file may have its final size and times now. */
		if (writer_known(c, fh))
			raise(c->dev, c->nodeid);
		break;
	case FUSE_RELEASE:
		writer_drop(c, fh);
		if (reads)
			handle_drop(c->dev, c->nodeid, fh);
		break;
	}
}

static __always_inline void submit(struct efuse_ctx *c, struct efuse_opstats *st)
{
	__u16 flags = op_flags(c);

	if (internal(c->nodeid)) {
		COUNT(st, INTERNAL);
		internal_change(c, flags, st);
	} else if (c->opcode == FUSE_INIT) {
		/*
		 * The mount was replaced by another one with the same device
		 * number before the agent noticed.
		 */
		if (!FAULTY(NO_REMOUNT))
			control.fail = EFUSE_FAIL_REMOUNT;
	} else if (c->opcode == FUSE_OPEN) {
		if (((struct fuse_open_in *)c->in0)->flags & TRUNC)
			raise(c->dev, c->nodeid);
		if (reads)
			track(c->req);
	} else if (c->opcode == FUSE_OPENDIR) {
		if (lists)
			track(c->req);
	} else if (!(flags & (OP_NONE | OP_DONE))) {
		change(c, flags, st);
	}
}

#endif
