/* SPDX-License-Identifier: GPL-2.0 */
/*
 * serving.h - the programs that answer a request before it is sent, one for
 * each opcode
 */
#ifndef EFUSE_SERVING_H
#define EFUSE_SERVING_H

#include "coherence.h"
#include "names.h"

/*
 * The end of the lease. It is read before the cache is: a lease that was renewed
 * afterwards does not vouch for what was found.
 */
static __always_inline __u64 lease_end(void)
{
	return *(volatile __u64 *)&control.lease_until;
}

/* Whether anything may be served now; counts the reason if not. */
static __always_inline int serving(struct efuse_opstats *st, __u32 op,
				   __u64 now, __u64 lease)
{
	if (control.mode == EFUSE_OFF || control.fail ||
	    !(control.opcodes & 1ULL << (op & 63))) {
		COUNT(st, OFF);
		return 0;
	}
	if (control.mode == EFUSE_LEASE && !FAULTY(NO_LEASE) && now >= lease) {
		COUNT(st, LEASE);
		return 0;
	}
	return 1;
}

/*
 * How long the kernel may use the answer without asking again. Mode ttl: the
 * rest of the daemon's own validity. Mode lease: the rest of the lease, minus
 * two ticks, because the kernel rounds up, and minus a quarter of the bound: the
 * kernel counts from when it uses the answer, and the task may lose the CPU
 * until then. 0: only for this request.
 */
static __always_inline __u64 validity_left(__u64 expires, __u64 lease,
					   __u64 now)
{
	__u64 until = expires;

	if (control.mode == EFUSE_LEASE) {
		if (!control.grant)
			return 0;
		until = lease;
		if (FAULTY(LONG_GRANT))
			return 60 * NSEC;
		now += 2 * NSEC / (CONFIG_HZ ? CONFIG_HZ : 100);
		now += control.bound_ms * (NSEC / 1000 / 4);
	}
	return until > now ? until - now : 0;
}

/* Mode ttl: whether its validity has ended. */
static __always_inline int expired(__u64 valid, struct efuse_opstats *st)
{
	if (control.mode != EFUSE_TTL || valid || FAULTY(ZERO_TTL))
		return 0;
	COUNT(st, EXPIRED);
	return 1;
}

#ifdef EFUSE_TEST_FAULTS
#define LEFT(v, lease, now)						\
	(FAULTY(TTL_ADDS) ? (v)->life : validity_left((v)->expires, lease, now))
#else
#define LEFT(v, lease, now)	validity_left((v)->expires, lease, now)
#endif

#ifdef EFUSE_TEST_FAULTS
/*
 * Simulates that two other answers are stored in the middle of a copy: the first
 * frees the element, and the second takes it again.
 */
static __attribute__((noinline)) int tear(__u64 dev, __u64 ino)
{
	struct efuse_attr_key key = { dev, ino };
	struct efuse_attr_val *v = bpf_map_lookup_elem(&efuse_attrs, &key);
	struct efuse_attr_val other;

	if (!v)
		return 0;
	other = *v;
	other.attr.size++;
	other.attr.mtime++;
	bpf_map_update_elem(&efuse_attrs, &key, &other, BPF_ANY);
	bpf_map_update_elem(&efuse_attrs, &key, &other, BPF_ANY);
	return 0;
}
#endif

/*
 * Copies the attributes; false if the copy may be of two answers. The element can
 * even have been freed and taken again for the same key, so STILL is not enough:
 * then it has been written completely before it was found, and differs.
 */
static __always_inline int copied(struct fuse_attr *to,
				  const struct efuse_attr_key *key,
				  const struct efuse_attr_val *v)
{
	const volatile __u64 *from = (const volatile __u64 *)&v->attr;
	const __u64 *word = (const __u64 *)to;
	unsigned int i;

	*to = v->attr;
#ifdef EFUSE_TEST_FAULTS
	if (FAULTY(TEAR)) {
		tear(key->dev, key->ino);
		to->mtime = v->attr.mtime;
	}
#endif
	if (!STILL(&efuse_attrs, key, v))
		return 0;
	if (FAULTY(NO_TWICE))
		return 1;
#pragma unroll
	for (i = 0; i < sizeof(*to) / sizeof(*word); i++)
		if (word[i] != from[i])
			return 0;
	return 1;
}

/* Stores the answer, to compare it with the daemon's. */
static __always_inline int keep_shadow(struct efuse_ctx *c, __u64 now,
				       __u64 ino, __u64 parent, __u64 seen,
				       __s64 error, __u64 generation,
				       const struct fuse_attr *attr)
{
	struct efuse_event *e;
	__u64 req = c->req;
	__u32 zero = 0;

	e = bpf_map_lookup_elem(&efuse_scratch, &zero);
	if (!e)
		return 0;
	e->when = now;
	e->dev = c->dev;
	e->ino = ino;
	e->parent = parent;
	e->seen = seen;
	e->opcode = c->opcode;
	e->cached_error = error;
	e->cached.nodeid = ino;
	e->cached.generation = generation;
	if (attr)
		e->cached.attr = *attr;
	else
		__builtin_memset(&e->cached.attr, 0, sizeof(e->cached.attr));
	bpf_map_update_elem(&efuse_shadows, &req, e, BPF_ANY);
	return 1;
}

/* Completes the answer: `len` bytes of c->out, or c->error. */
static __always_inline int answer(struct efuse_ctx *c,
				  struct efuse_opstats *st, __u32 len)
{
	c->out_len = len;
	c->verdict = EFUSE_HANDLED;
	COUNT(st, HIT);
	return 0;
}

/* This task calls statx() with AT_STATX_FORCE_SYNC. */
static __always_inline void force(__u64 ino)
{
	__u64 task = bpf_get_current_pid_tgid();

	if (!sequence.forced)
		sequence.forced = 1;
	bpf_map_update_elem(&efuse_forced, &task, &ino, BPF_ANY);
}

/* Whether this GETATTR is that of such a statx(); once for each. */
static __always_inline int is_forced(__u64 ino)
{
	__u64 task, *forced;

	if (!sequence.forced || FAULTY(NO_SYNC))
		return 0;
	task = bpf_get_current_pid_tgid();
	forced = bpf_map_lookup_elem(&efuse_forced, &task);
	if (!forced || *forced != ino)
		return 0;
	bpf_map_delete_elem(&efuse_forced, &task);
	return 1;
}

SEC("raw_tp.w/efuse_request")
int efuse_getattr(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	struct fuse_attr_out *out = (void *)c->out;
	struct efuse_opstats *st = opstats(FUSE_GETATTR);
	struct efuse_attr_key key = { c->dev, c->nodeid };
	__u64 now = bpf_ktime_get_boot_ns(), lease = lease_end();
	struct efuse_attr_val *v;
	__u64 valid;

	if (!serving(st, FUSE_GETATTR, now, lease))
		goto ask;
	if (c->out_max != sizeof(*out)) {
		COUNT(st, REPLY_SIZE);
		return 0;
	}
	if (is_forced(key.ino)) {
		COUNT(st, FORCED);
		goto ask;
	}
	if (open_for_write(c->dev, c->nodeid)) {
		COUNT(st, OPEN_WRITE);
		goto ask;
	}
	v = bpf_map_lookup_elem(&efuse_attrs, &key);
	if (!v) {
		COUNT(st, ABSENT);
		goto ask;
	}
	if (!unchanged(c->dev, c->nodeid, v->seen) &&
	    !FAULTY(X_GETATTR_STALE)) {
		COUNT(st, GENERATION);
		goto ask;
	}
	valid = LEFT(v, lease, now);
	if (expired(valid, st))
		goto ask;
	if (control.shadow) {
		if (keep_shadow(c, now, c->nodeid, 0, v->seen, 0, 0, &v->attr))
			COUNT(st, SHADOW);
		goto ask;
	}
	out->attr_valid = valid / NSEC;
	out->attr_valid_nsec = valid % NSEC;
	out->dummy = 0;
	if (!copied(&out->attr, &key, v)) {
		COUNT(st, ABSENT);
		goto ask;
	}
	return answer(c, st, sizeof(*out));
ask:
	track(c->req);
	return 0;
}

/* Answers that the name does not exist. Node 0 is ENOENT with a validity. */
static __always_inline int answer_absent(struct efuse_ctx *c,
					 struct efuse_opstats *st, __u64 valid)
{
	struct fuse_entry_out *out = (void *)c->out;

	if (!valid) {
		c->error = -ENOENT;
		return answer(c, st, 0);
	}
	__builtin_memset(out, 0, sizeof(*out));
	out->entry_valid = valid / NSEC;
	out->entry_valid_nsec = valid % NSEC;
	return answer(c, st, sizeof(*out));
}

SEC("raw_tp.w/efuse_request")
int efuse_lookup(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	struct fuse_entry_out *out = (void *)c->out;
	struct efuse_opstats *st = opstats(FUSE_LOOKUP);
	__u64 now = bpf_ktime_get_boot_ns(), lease = lease_end();
	__u64 valid, attr_valid, ino, seen;
	struct efuse_attr_key akey;
	struct efuse_entry_key key;
	struct efuse_entry_val *v;
	struct efuse_attr_val *a;

	if (c->name_len >= EFUSE_NAME) {
		COUNT(st, NAME_LONG);
		untrack(c->req);
		return 0;
	}
	name_key(&key, c);
	if (!serving(st, FUSE_LOOKUP, now, lease))
		goto ask;
	if (c->out_max != sizeof(*out)) {
		COUNT(st, REPLY_SIZE);
		untrack(c->req);
		return 0;
	}
	v = bpf_map_lookup_elem(&efuse_entries, &key);
	ino = v ? v->ino : 0;
	seen = v ? v->seen : 0;
	if (!v || !unchanged(c->dev, c->nodeid, seen)) {
		seen = names_kept ? absent_since(&key) : 0;
		if (!seen) {
			if (v)
				COUNT(st, GENERATION);
			else
				COUNT(st, ABSENT);
			goto ask;
		}
		COUNT(st, UNLISTED);
		valid = validity_left(0, lease, now);
		goto absent;
	}
	valid = LEFT(v, lease, now);
	if (expired(valid, st))
		goto ask;
	if (!ino) {
		if (!STILL(&efuse_entries, &key, v)) {
			COUNT(st, ABSENT);
			goto ask;
		}
		goto absent;
	}

	/*
	 * The attributes come from the inode's element, never from the entry's.
	 */
	akey.dev = c->dev;
	akey.ino = ino;
	if (open_for_write(c->dev, ino)) {
		COUNT(st, OPEN_WRITE);
		goto ask;
	}
	a = bpf_map_lookup_elem(&efuse_attrs, &akey);
	if (!a) {
		COUNT(st, ATTR_ABSENT);
		goto ask;
	}
	if (!unchanged(c->dev, ino, a->seen) && !FAULTY(X_LOOKUP_ATTR)) {
		COUNT(st, GENERATION);
		goto ask;
	}
	attr_valid = LEFT(a, lease, now);
	if (expired(attr_valid, st))
		goto ask;
	if (control.shadow) {
		if (keep_shadow(c, now, ino, c->nodeid,
				a->seen < seen ? a->seen : seen, 0,
				v->generation, &a->attr))
			COUNT(st, SHADOW);
		goto ask;
	}
	out->nodeid = ino;
	out->generation = v->generation;
	out->entry_valid = valid / NSEC;
	out->attr_valid = attr_valid / NSEC;
	out->entry_valid_nsec = valid % NSEC;
	out->attr_valid_nsec = attr_valid % NSEC;
	if (!copied(&out->attr, &akey, a) ||
	    !STILL(&efuse_entries, &key, v) ||
	    *(volatile __u64 *)&v->seen != seen ||
	    *(volatile __u64 *)&v->ino != ino) {
		COUNT(st, ABSENT);
		goto ask;
	}
#ifdef EFUSE_TEST_FAULTS
	if (FAULTY(X_LOOKUP_ATTR))
		out->attr = v->attr;
#endif
	return answer(c, st, sizeof(*out));
absent:
	if (!control.shadow)
		return answer_absent(c, st, valid);
	if (keep_shadow(c, now, 0, c->nodeid, seen, -ENOENT, 0, NULL))
		COUNT(st, SHADOW);
ask:
	track_name(c, &key);
	return 0;
}

/* Answers only "no such attribute", for the configured time. */
SEC("raw_tp.w/efuse_request")
int efuse_getxattr(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	struct efuse_opstats *st = opstats(FUSE_GETXATTR);
	__u64 now = bpf_ktime_get_boot_ns(), lease = lease_end();
	struct efuse_entry_key key;
	struct xattr_val *v;
	__s64 error;

	if (!serving(st, FUSE_GETXATTR, now, lease)) {
		untrack(c->req);
		return 0;
	}
	if (c->name_len >= EFUSE_NAME) {
		COUNT(st, NAME_LONG);
		untrack(c->req);
		return 0;
	}
	name_key(&key, c);
	v = bpf_map_lookup_elem(&efuse_xattrs, &key);
	if (!v) {
		COUNT(st, ABSENT);
		goto ask;
	}
	error = v->error;
	if (!unchanged(c->dev, c->nodeid, v->seen)) {
		COUNT(st, GENERATION);
		goto ask;
	}
	if (now >= v->expires) {
		COUNT(st, EXPIRED);
		goto ask;
	}
	if (control.shadow) {
		if (keep_shadow(c, now, c->nodeid, 0, v->seen, error, 0, NULL))
			COUNT(st, SHADOW);
		goto ask;
	}
	if (!STILL(&efuse_xattrs, &key, v)) {
		COUNT(st, ABSENT);
		goto ask;
	}
	c->error = error;
	return answer(c, st, 0);
ask:
	track_name(c, &key);
	return 0;
}

SEC("raw_tp.w/efuse_request")
int efuse_statfs(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	struct fuse_statfs_out *out = (void *)c->out;
	struct efuse_opstats *st = opstats(FUSE_STATFS);
	__u64 now = bpf_ktime_get_boot_ns(), lease = lease_end();
	__u64 dev = c->dev;
	struct statfs_val *v;

	if (!serving(st, FUSE_STATFS, now, lease))
		return 0;
	if (c->out_max != sizeof(*out)) {
		COUNT(st, REPLY_SIZE);
		return 0;
	}
	v = bpf_map_lookup_elem(&efuse_statfss, &dev);
	if (!v) {
		COUNT(st, ABSENT);
		goto ask;
	}
	if (now >= v->expires) {
		COUNT(st, EXPIRED);
		goto ask;
	}
	if (control.shadow)
		goto ask;
	*out = v->out;
	return answer(c, st, sizeof(*out));
ask:
	track(c->req);
	return 0;
}

#endif
