// SPDX-License-Identifier: GPL-2.0
/*
 * A coherent metadata cache for one FUSE mount
 *
 * efuse_dispatch is attached to the module's tracepoint and fires in each of
 * its phases (efuse_abi.h): it follows what changes, fills the cache when a
 * request has ended, and before a request is sent it tail-calls the program
 * that may answer the opcode. Those programs are in the map `efuse_handlers`,
 * where one can be replaced without touching the rest; coherence does not
 * depend on them. All of it runs with preemption off.
 *
 * ../../docs/fuse-extension.md has the rules, and why each is needed.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/fuse.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "efuse.h"

#define ACCMODE		3	/* O_ACCMODE */
#define TRUNC		01000	/* O_TRUNC */
#define TMPFILE		51
#define STATX		52
#define COPY_RANGE_64	53
#define NSEC		1000000000ULL
#define MAX_VALID	(1ULL << 62)

char _license[] SEC("license") = "GPL";

/* Set before loading. */
const volatile __u32 fault;	/* EFUSE_FAULT(): only tests set one */
const volatile __u32 targets;	/* the module shows EFUSE_NAMED */

/* The agent maps these three into its memory. */
struct efuse_control control SEC(".data.control");
struct efuse_sequence sequence SEC(".data.sequence");
__u64 gens[EFUSE_GENS] SEC(".data.gens");
/* Files open for writing, by slot of the inode. */
__u32 writers_of[EFUSE_GENS] SEC(".data.writers");
/* Only for the fault X_TOGGLE. */
__u8 toggles[EFUSE_GENS] SEC(".data.toggles");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct efuse_attr_key);
	__type(value, struct efuse_attr_val);
} efuse_attrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct efuse_entry_key);
	__type(value, struct efuse_entry_val);
} efuse_entries SEC(".maps");

struct xattr_val {
	__u64 seen;
	__u64 expires;
	__s64 error;
};

/* Only that there is no such attribute; key: inode instead of parent. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct efuse_entry_key);
	__type(value, struct xattr_val);
} efuse_xattrs SEC(".maps");

struct statfs_val {
	__u64 expires;
	__u64 st[10];		/* struct fuse_statfs_out */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EFUSE_MAX_DEVS);
	__type(key, __u64);
	__type(value, struct statfs_val);
} efuse_statfss SEC(".maps");

struct flight {
	__u64 seen;		/* a served opcode */
	__u64 also[3];		/* a change: more inodes that it touches, or 0 */
};

/* Requests that the daemon has; a lost one is not filled, or an epoch. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct flight);
} efuse_inflight SEC(".maps");

struct target {
	__u64 a;
	__u64 b;
};

/* By task: what the name of the UNLINK that it is about to send is. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct target);
} efuse_named SEC(".maps");

/* Must not evict: when it is full, the mount is switched off. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct efuse_writer_key);
	__type(value, __u32);
} efuse_writers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, EFUSE_OPCODES);
	__type(key, __u32);
	__type(value, __u32);
} efuse_handlers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EFUSE_OPCODES);
	__type(key, __u32);
	__type(value, struct efuse_opstats);
} efuse_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct efuse_event);
} efuse_shadows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct efuse_event);
} efuse_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} efuse_events SEC(".maps");

/* What a request changes. */
#define CH_NODE		(1 << 0)	/* the inode */
#define CH_NODE2	(1 << 1)	/* the second inode of the request */
#define CH_NAMED	(1 << 2)	/* inodes that a name stood for */
#define CH_NEW		(1 << 3)	/* the inode of the reply */
#define CH_ALL		(1 << 4)	/* who knows */
#define OP_SERVE	(1 << 5)	/* a program may answer */
#define OP_NONE		(1 << 6)	/* changes nothing */
#define OP_DONE		(1 << 7)	/* only done looks at it */
#define CH_ALL_DONE	(1 << 8)	/* who knows, if it succeeds */

static const __u16 ops[EFUSE_OPCODES] = {
	[FUSE_LOOKUP]		= OP_SERVE,
	[FUSE_FORGET]		= OP_NONE,
	[FUSE_GETATTR]		= OP_SERVE,
	[FUSE_SETATTR]		= CH_NODE,
	[FUSE_READLINK]		= OP_NONE,
	[FUSE_SYMLINK]		= CH_NODE | CH_NEW,
	[FUSE_MKNOD]		= CH_NODE | CH_NEW,
	[FUSE_MKDIR]		= CH_NODE | CH_NEW,
	[FUSE_UNLINK]		= CH_NODE | CH_NAMED,
	[FUSE_RMDIR]		= CH_NODE | CH_NAMED,
	[FUSE_RENAME]		= CH_NODE | CH_NODE2 | CH_NAMED,
	[FUSE_LINK]		= CH_NODE | CH_NODE2,
	[FUSE_OPEN]		= OP_DONE,
	[FUSE_READ]		= OP_NONE,
	[FUSE_WRITE]		= CH_NODE,
	[FUSE_STATFS]		= OP_SERVE,
	[FUSE_RELEASE]		= OP_DONE,
	[FUSE_FSYNC]		= OP_DONE,
	[FUSE_SETXATTR]		= CH_NODE,
	[FUSE_GETXATTR]		= OP_SERVE,
	[FUSE_LISTXATTR]	= OP_NONE,
	[FUSE_REMOVEXATTR]	= CH_NODE,
	[FUSE_FLUSH]		= OP_DONE,
	[FUSE_INIT]		= OP_NONE,
	[FUSE_OPENDIR]		= OP_NONE,
	[FUSE_READDIR]		= OP_NONE,
	[FUSE_RELEASEDIR]	= OP_NONE,
	[FUSE_FSYNCDIR]		= OP_NONE,
	[FUSE_GETLK]		= OP_NONE,
	[FUSE_SETLK]		= OP_NONE,
	[FUSE_SETLKW]		= OP_NONE,
	[FUSE_ACCESS]		= OP_NONE,
	[FUSE_CREATE]		= CH_NODE | CH_NEW,
	[FUSE_INTERRUPT]	= OP_NONE,
	[FUSE_BMAP]		= OP_NONE,
	[FUSE_DESTROY]		= CH_ALL,
	/* Every open of a text file by Python asks for a terminal. */
	[FUSE_IOCTL]		= CH_NODE | CH_ALL_DONE,
	[FUSE_BATCH_FORGET]	= OP_NONE,
	[FUSE_FALLOCATE]	= CH_NODE,
	[FUSE_READDIRPLUS]	= OP_NONE,
	[FUSE_RENAME2]		= CH_NODE | CH_NODE2 | CH_NAMED,
	[FUSE_LSEEK]		= OP_NONE,
	[FUSE_COPY_FILE_RANGE]	= CH_NODE | CH_NODE2,
	[TMPFILE]		= CH_NODE | CH_NEW,
	[STATX]			= OP_NONE,
	[COPY_RANGE_64]		= CH_NODE | CH_NODE2,
};

#define FAULTY(name) (fault & EFUSE_FAULT(name))

static __always_inline struct efuse_opstats *opstats(__u32 op)
{
	if (op >= EFUSE_OPCODES)
		op = 0;
	return bpf_map_lookup_elem(&efuse_stats, &op);
}

#define COUNT(st, what) ((st) ? (void)(st)->n[EFUSE_R_##what]++ : (void)0)

/* Which changes an opcode makes; unknown: all. */
static __always_inline __u16 op_flags(__u32 op)
{
	__u16 flags;

	if (op >= EFUSE_OPCODES)
		return FAULTY(NO_UNKNOWN) ? OP_NONE : CH_ALL;
	flags = ops[op & (EFUSE_OPCODES - 1)];
	if (!flags)
		return FAULTY(NO_UNKNOWN) ? OP_NONE : CH_ALL;
	if (FAULTY(X_RENAME) && op == FUSE_RENAME)
		return CH_NODE;
	if (FAULTY(X_RENAME) && op == FUSE_RENAME2)
		return OP_NONE;
	if (FAULTY(X_WRITE) && op == FUSE_WRITE)
		return OP_NONE;
	return flags;
}

/* Raise *p to the next number; others may be raising it as well. */
static __always_inline void raise_word(__u64 *p)
{
	__u64 next = __sync_fetch_and_add(&sequence.seq, 1) + 1;
	__u64 old;
	int i;

	for (i = 0; i < 16; i++) {
		old = *(volatile __u64 *)p;
		if (old >= next)
			return;
		if (__sync_val_compare_and_swap(p, old, next) == old)
			return;
	}
	control.fail = EFUSE_FAIL_RAISE;
}

static __always_inline void raise(__u64 dev, __u64 ino)
{
	__u32 slot = efuse_slot(dev, ino);

	if (FAULTY(NO_RAISE))
		return;
	if (FAULTY(X_TOGGLE)) {
		toggles[slot & (EFUSE_GENS - 1)] ^= 1;
		return;
	}
	raise_word(&gens[slot & (EFUSE_GENS - 1)]);
}

static __always_inline void raise_all(struct efuse_opstats *st)
{
	if (FAULTY(NO_RAISE))
		return;
	raise_word(&sequence.epoch);
	COUNT(st, EPOCH);
}

static __always_inline __u64 toggle_of(__u64 dev, __u64 ino)
{
	if (!FAULTY(X_TOGGLE))
		return 0;
	return toggles[efuse_slot(dev, ino) & (EFUSE_GENS - 1)];
}

/*
 * Has nothing that was noticed changed this since? With the fault X_TOGGLE,
 * bit 63 of `seen` is what the stale bit was.
 */
static __always_inline int unchanged(__u64 dev, __u64 ino, __u64 seen)
{
	__u32 slot = efuse_slot(dev, ino) & (EFUSE_GENS - 1);

	if (FAULTY(X_TOGGLE))
		return toggles[slot] == seen >> 63;
	return *(volatile __u64 *)&gens[slot] <= seen &&
	       *(volatile __u64 *)&sequence.epoch <= seen;
}

static __always_inline int open_for_write(__u64 dev, __u64 ino)
{
	__u32 slot = efuse_slot(dev, ino) & (EFUSE_GENS - 1);

	if (FAULTY(NO_OPEN_WRITE) || FAULTY(X_WRITE))
		return 0;
	return *(volatile __u32 *)&writers_of[slot] != 0;
}

static __always_inline int internal(__u64 ino)
{
	return ino >= EFUSE_INTERNAL && !FAULTY(NO_INTERNAL);
}

/* May anything be served now? Counts why not. */
static __always_inline int serving(struct efuse_opstats *st, __u32 op,
				   __u64 now)
{
	if (control.mode == EFUSE_OFF || control.fail ||
	    !(control.opcodes & 1ULL << (op & 63))) {
		COUNT(st, OFF);
		return 0;
	}
	if (control.mode == EFUSE_LEASE && !FAULTY(NO_LEASE) &&
	    now >= *(volatile __u64 *)&control.lease_until) {
		COUNT(st, LEASE);
		return 0;
	}
	return 1;
}

/* Note that the daemon is asked, and what is known at this point. */
static __always_inline void track(__u64 req)
{
	struct flight f = { .seen = sequence.seq };

	bpf_map_update_elem(&efuse_inflight, &req, &f, BPF_ANY);
}

static __always_inline __u64 left(__u64 expires, __u64 now, __u64 life)
{
	if (FAULTY(TTL_ADDS))
		return life;
	return expires > now ? expires - now : 0;
}

static __always_inline void name_key(struct efuse_entry_key *key,
				     const struct efuse_ctx *c)
{
	const __u64 *from = (const __u64 *)c->name;
	__u64 *to = (__u64 *)key->name;
	int i;

	key->dev = c->dev;
	key->parent = c->nodeid;
#pragma unroll
	for (i = 0; i < EFUSE_NAME / 8; i++)
		to[i] = from[i];
}

/*
 * Answer the request, or keep the answer aside and ask the daemon.
 * `words` is nodeid, generation, attr.
 */
static __always_inline int keep_shadow(struct efuse_ctx *c, __u64 now,
				       __u64 ino, __u64 parent, __u64 seen,
				       __s64 error, __u64 generation,
				       const __u64 *attr)
{
	struct efuse_event *e;
	__u64 req = c->req;
	__u32 zero = 0;
	int i;

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
	e->cached[0] = ino;
	e->cached[1] = generation;
#pragma unroll
	for (i = 0; i < 11; i++)
		e->cached[2 + i] = attr ? attr[i] : 0;
	bpf_map_update_elem(&efuse_shadows, &req, e, BPF_ANY);
	return 1;
}

/* The answer is whole: `len` bytes of c->out, or c->error. */
static __always_inline int answer(struct efuse_ctx *c,
				  struct efuse_opstats *st, __u32 len)
{
	c->out_len = len;
	c->verdict = EFUSE_HANDLED;
	COUNT(st, HIT);
	return 0;
}

SEC("raw_tp.w/efuse_request")
int efuse_getattr(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	struct efuse_opstats *st = opstats(FUSE_GETATTR);
	struct efuse_attr_key key = { c->dev, c->nodeid };
	__u64 now = bpf_ktime_get_boot_ns();
	__u64 *out = (__u64 *)c->out;
	struct efuse_attr_val *v;
	__u64 valid = 0;
	int i;

	if (!serving(st, FUSE_GETATTR, now))
		goto ask;
	if (c->out_max != sizeof(struct fuse_attr_out)) {
		COUNT(st, REPLY_SIZE);
		return 0;
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
	if (control.mode == EFUSE_TTL) {
		valid = left(v->expires, now, v->life);
		if (!valid && !FAULTY(ZERO_TTL)) {
			COUNT(st, EXPIRED);
			goto ask;
		}
	}
	if (control.shadow) {
		if (keep_shadow(c, now, c->nodeid, 0, v->seen, 0, 0, v->attr))
			COUNT(st, SHADOW);
		goto ask;
	}
	out[0] = valid / NSEC;
	out[1] = valid % NSEC;		/* and the zero `dummy` */
#pragma unroll
	for (i = 0; i < 11; i++)
		out[2 + i] = v->attr[i];
	return answer(c, st, sizeof(struct fuse_attr_out));
ask:
	track(c->req);
	return 0;
}

SEC("raw_tp.w/efuse_request")
int efuse_lookup(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	struct efuse_opstats *st = opstats(FUSE_LOOKUP);
	__u64 now = bpf_ktime_get_boot_ns();
	__u64 valid = 0, attr_valid = 0;
	__u64 *out = (__u64 *)c->out;
	struct efuse_attr_key akey;
	struct efuse_entry_key key;
	struct efuse_entry_val *v;
	struct efuse_attr_val *a;
	const __u64 *attr;
	int i;

	if (!serving(st, FUSE_LOOKUP, now))
		goto ask;
	if (c->name_len >= EFUSE_NAME) {
		COUNT(st, NAME_LONG);
		return 0;
	}
	if (c->out_max != sizeof(struct fuse_entry_out)) {
		COUNT(st, REPLY_SIZE);
		return 0;
	}
	name_key(&key, c);
	v = bpf_map_lookup_elem(&efuse_entries, &key);
	if (!v) {
		COUNT(st, ABSENT);
		goto ask;
	}
	if (!unchanged(c->dev, c->nodeid, v->seen)) {
		COUNT(st, GENERATION);
		goto ask;
	}
	if (control.mode == EFUSE_TTL) {
		valid = left(v->expires, now, v->life);
		if (!valid && !FAULTY(ZERO_TTL)) {
			COUNT(st, EXPIRED);
			goto ask;
		}
	}

	if (!v->ino) {
		if (control.shadow) {
			if (keep_shadow(c, now, 0, c->nodeid, v->seen,
					-ENOENT, 0, NULL))
				COUNT(st, SHADOW);
			goto ask;
		}
		/* Node 0 is ENOENT that has a validity. */
		if (control.mode == EFUSE_TTL) {
#pragma unroll
			for (i = 0; i < 16; i++)
				out[i] = 0;
			out[2] = valid / NSEC;
			out[4] = valid % NSEC;
			return answer(c, st, sizeof(struct fuse_entry_out));
		}
		c->error = -ENOENT;
		return answer(c, st, 0);
	}

	/* The attributes are those of the inode, never those of the entry. */
	akey.dev = c->dev;
	akey.ino = v->ino;
	if (open_for_write(c->dev, v->ino)) {
		COUNT(st, OPEN_WRITE);
		goto ask;
	}
	a = bpf_map_lookup_elem(&efuse_attrs, &akey);
	if (!a) {
		COUNT(st, ATTR_ABSENT);
		goto ask;
	}
	attr = a->attr;
	if (FAULTY(X_LOOKUP_ATTR)) {
		attr = v->attr;
	} else if (!unchanged(c->dev, v->ino, a->seen)) {
		COUNT(st, GENERATION);
		goto ask;
	}
	if (control.mode == EFUSE_TTL) {
		attr_valid = left(a->expires, now, a->life);
		if (!attr_valid && !FAULTY(ZERO_TTL)) {
			COUNT(st, EXPIRED);
			goto ask;
		}
	}
	if (control.shadow) {
		__u64 seen = a->seen < v->seen ? a->seen : v->seen;

		if (keep_shadow(c, now, v->ino, c->nodeid, seen, 0,
				v->generation, attr))
			COUNT(st, SHADOW);
		goto ask;
	}
	out[0] = v->ino;
	out[1] = v->generation;
	out[2] = valid / NSEC;
	out[3] = attr_valid / NSEC;
	out[4] = valid % NSEC | (attr_valid % NSEC) << 32;
#pragma unroll
	for (i = 0; i < 11; i++)
		out[5 + i] = attr[i];
	return answer(c, st, sizeof(struct fuse_entry_out));
ask:
	track(c->req);
	return 0;
}

/* Only answers "no such attribute", for as long as was asked for. */
SEC("raw_tp.w/efuse_request")
int efuse_getxattr(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	struct efuse_opstats *st = opstats(FUSE_GETXATTR);
	__u64 now = bpf_ktime_get_boot_ns();
	struct efuse_entry_key key;
	struct xattr_val *v;

	if (!serving(st, FUSE_GETXATTR, now))
		return 0;
	if (c->name_len >= EFUSE_NAME) {
		COUNT(st, NAME_LONG);
		return 0;
	}
	name_key(&key, c);
	v = bpf_map_lookup_elem(&efuse_xattrs, &key);
	if (!v) {
		COUNT(st, ABSENT);
		goto ask;
	}
	if (!unchanged(c->dev, c->nodeid, v->seen)) {
		COUNT(st, GENERATION);
		goto ask;
	}
	if (now >= v->expires) {
		COUNT(st, EXPIRED);
		goto ask;
	}
	if (control.shadow) {
		if (keep_shadow(c, now, c->nodeid, 0, v->seen, v->error, 0,
				NULL))
			COUNT(st, SHADOW);
		goto ask;
	}
	c->error = v->error;
	return answer(c, st, 0);
ask:
	track(c->req);
	return 0;
}

SEC("raw_tp.w/efuse_request")
int efuse_statfs(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	struct efuse_opstats *st = opstats(FUSE_STATFS);
	__u64 now = bpf_ktime_get_boot_ns();
	__u64 *out = (__u64 *)c->out;
	__u64 dev = c->dev;
	struct statfs_val *v;
	int i;

	if (!serving(st, FUSE_STATFS, now))
		return 0;
	if (c->out_max != sizeof(struct fuse_statfs_out)) {
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
#pragma unroll
	for (i = 0; i < 10; i++)
		out[i] = v->st[i];
	return answer(c, st, sizeof(struct fuse_statfs_out));
ask:
	track(c->req);
	return 0;
}

/* Before a change is sent: raise all that it touches, and remember it. */
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
	/* An earlier one at this address must not be taken for it. */
	if (bpf_map_update_elem(&efuse_inflight, &req, &f, BPF_ANY))
		bpf_map_delete_elem(&efuse_inflight, &req);
	if (flags & CH_ALL)
		raise_all(st);
	if (flags & CH_NODE)
		raise(c->dev, c->nodeid);
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
		raise(c->dev, c->nodeid);
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
	__u32 slot = efuse_slot(c->dev, ino) & (EFUSE_GENS - 1);
	long err;

	/*
	 * A handle that is open already (the daemon does not tell its handles
	 * apart) is counted for ever: its inode is not served any more.
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
	__u32 slot = efuse_slot(c->dev, c->nodeid) & (EFUSE_GENS - 1);

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

/* Compare the reply with what would have been served. */
static __always_inline void compare(struct efuse_ctx *c, __u64 ino,
				    __u64 generation, const __u64 *attr,
				    struct efuse_opstats *st)
{
	__u64 req = c->req, bad;
	struct efuse_event *e = bpf_map_lookup_elem(&efuse_shadows, &req);
	int i;

	if (!e)
		return;
	bad = e->cached_error != c->error;
	if (!c->error) {
		bad |= e->cached[0] ^ ino;
		bad |= e->cached[1] ^ generation;
#pragma unroll
		for (i = 0; i < 11; i++)
			bad |= e->cached[2 + i] ^ attr[i];
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
		e->daemon[0] = ino;
		e->daemon[1] = generation;
#pragma unroll
		for (i = 0; i < 11; i++)
			e->daemon[2 + i] = attr[i];
		bpf_ringbuf_output(&efuse_events, e, sizeof(*e), 0);
	}
	bpf_map_delete_elem(&efuse_shadows, &req);
}

static __always_inline __u64 fill_seen(struct flight *f, __u64 dev, __u64 ino)
{
	__u64 seen = FAULTY(FILL_RACE) ? sequence.seq : f->seen;

	return seen | toggle_of(dev, ino) << 63;
}

static __always_inline void fill_attr(struct efuse_ctx *c, __u64 ino,
				      __u64 valid, const __u64 *attr,
				      struct flight *f,
				      struct efuse_opstats *st)
{
	struct efuse_attr_key key = { c->dev, ino };
	struct efuse_attr_val v;
	int i;

	if (control.mode != EFUSE_LEASE && !valid && !FAULTY(ZERO_TTL))
		return;
	v.seen = fill_seen(f, c->dev, ino);
	/* It would not be valid now: something changed on the way. */
	if (!unchanged(c->dev, ino, v.seen))
		return;
	v.expires = bpf_ktime_get_boot_ns() + valid;
	v.life = valid;
#pragma unroll
	for (i = 0; i < 11; i++)
		v.attr[i] = attr[i];
	bpf_map_update_elem(&efuse_attrs, &key, &v, BPF_ANY);
	COUNT(st, FILL);
}

static __always_inline void done_getattr(struct efuse_ctx *c,
					 struct efuse_opstats *st)
{
	struct fuse_attr_out *out = (void *)c->out;
	const __u64 *attr = (const __u64 *)&out->attr;
	__u64 req = c->req;
	struct flight *f;

	if (!c->error && c->out_len != sizeof(*out))
		return;
	if (control.shadow)
		compare(c, c->nodeid, 0, attr, st);
	f = bpf_map_lookup_elem(&efuse_inflight, &req);
	if (!f)
		return;
	if (!c->error)
		fill_attr(c, c->nodeid,
			  validity(out->attr_valid, out->attr_valid_nsec),
			  attr, f, st);
	bpf_map_delete_elem(&efuse_inflight, &req);
}

static __always_inline void done_lookup(struct efuse_ctx *c,
					struct efuse_opstats *st)
{
	struct fuse_entry_out *out = (void *)c->out;
	const __u64 *attr = (const __u64 *)&out->attr;
	struct efuse_entry_key key;
	struct efuse_entry_val v = {};
	__u64 req = c->req;
	struct flight *f;
	int i;

	if (!c->error && c->out_len != sizeof(*out))
		return;
	if (control.shadow)
		compare(c, out->nodeid, out->generation, attr, st);
	f = bpf_map_lookup_elem(&efuse_inflight, &req);
	if (!f)
		return;
	if (c->error && c->error != -ENOENT)
		goto out;

	v.seen = fill_seen(f, c->dev, c->nodeid);
	if (!c->error) {
		v.ino = out->nodeid;
		v.generation = out->generation;
		v.life = validity(out->entry_valid, out->entry_valid_nsec);
		if (v.ino && !internal(v.ino))
			fill_attr(c, v.ino, validity(out->attr_valid,
						     out->attr_valid_nsec),
				  attr, f, st);
		if (FAULTY(X_LOOKUP_ATTR)) {
#pragma unroll
			for (i = 0; i < 11; i++)
				v.attr[i] = attr[i];
		}
	}
	/* In ttl mode, a name that is not there needs a validity as well. */
	if (control.mode != EFUSE_LEASE && !v.life && !FAULTY(ZERO_TTL))
		goto out;
	if (c->name_len >= EFUSE_NAME || internal(v.ino) ||
	    !unchanged(c->dev, c->nodeid, v.seen))
		goto out;
	v.expires = bpf_ktime_get_boot_ns() + v.life;
	name_key(&key, c);
	bpf_map_update_elem(&efuse_entries, &key, &v, BPF_ANY);
	COUNT(st, FILL);
out:
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
	if (control.xattr_ttl && c->name_len < EFUSE_NAME &&
	    (c->error == -ENODATA || c->error == -EOPNOTSUPP)) {
		v.seen = fill_seen(f, c->dev, c->nodeid);
		v.expires = bpf_ktime_get_boot_ns() + control.xattr_ttl;
		name_key(&key, c);
		bpf_map_update_elem(&efuse_xattrs, &key, &v, BPF_ANY);
		COUNT(st, FILL);
	}
	bpf_map_delete_elem(&efuse_inflight, &req);
}

static __always_inline void done_statfs(struct efuse_ctx *c,
					struct efuse_opstats *st)
{
	const __u64 *out = (const __u64 *)c->out;
	__u64 dev = c->dev;
	struct statfs_val v;
	int i;

	if (c->error || c->out_len != sizeof(struct fuse_statfs_out) ||
	    !control.statfs_ttl)
		return;
	v.expires = bpf_ktime_get_boot_ns() + control.statfs_ttl;
#pragma unroll
	for (i = 0; i < 10; i++)
		v.st[i] = out[i];
	bpf_map_update_elem(&efuse_statfss, &dev, &v, BPF_ANY);
	COUNT(st, FILL);
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
		/* What the file is now, is what the daemon says from now on. */
		if (!FAULTY(NO_OPEN_RAISE))
			raise(c->dev, c->nodeid);
		if (!c->error && (flags & ACCMODE))
			writer_add(c, c->nodeid,
				   ((struct fuse_open_out *)c->out)->fh);
	} else if (!c->error && (flags & ACCMODE)) {
		if (c->out_len == sizeof(*entry) + sizeof(struct fuse_open_out))
			writer_add(c, entry->nodeid,
				   ((struct fuse_open_out *)(entry + 1))->fh);
		else
			control.fail = EFUSE_FAIL_WRITERS;
	}
}

static __always_inline void done(struct efuse_ctx *c, struct efuse_opstats *st)
{
	/* fuse_{release,flush,fsync,write}_in all begin with the handle */
	__u64 fh = ((struct fuse_release_in *)c->in0)->fh;
	__u16 flags = op_flags(c->opcode);

	if (internal(c->nodeid)) {
		if (c->opcode == FUSE_WRITE ||
		    (c->opcode == FUSE_READ && c->nodeid == EFUSE_CONTROL))
			raise_all(st);
		return;
	}
	if (flags & (CH_NODE | CH_NODE2 | CH_NAMED | CH_NEW | CH_ALL))
		changed(c, flags, st);

	switch (c->opcode) {
	case FUSE_GETATTR:
		done_getattr(c, st);
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
	case FUSE_WRITE:
		/* Opened before we looked: from now on we know. */
		if (!c->error && !writer_known(c, fh))
			writer_add(c, c->nodeid, fh);
		break;
	case FUSE_FLUSH:
	case FUSE_FSYNC:
		/* What was written may have got its final size and times. */
		if (writer_known(c, fh))
			raise(c->dev, c->nodeid);
		break;
	case FUSE_RELEASE:
		writer_drop(c, fh);
		break;
	}
}

static __always_inline void submit(struct efuse_ctx *c, struct efuse_opstats *st)
{
	__u16 flags = op_flags(c->opcode);

	if (internal(c->nodeid)) {
		/* .control carries out orders: any file may have changed. */
		COUNT(st, INTERNAL);
		if (c->opcode == FUSE_WRITE ||
		    (c->opcode == FUSE_READ && c->nodeid == EFUSE_CONTROL))
			raise_all(st);
	} else if (c->opcode == FUSE_INIT) {
		/*
		 * The mount went and another one came, with the same device
		 * number, before the agent could see either.
		 */
		if (!FAULTY(NO_REMOUNT))
			control.fail = EFUSE_FAIL_REMOUNT;
	} else if (c->opcode == FUSE_OPEN) {
		if (((struct fuse_open_in *)c->in0)->flags & TRUNC)
			raise(c->dev, c->nodeid);
	} else if (!(flags & (OP_NONE | OP_DONE))) {
		change(c, flags, st);
	}
}

/* LOOKUP's end has a program of its own: the stack is small. */
SEC("raw_tp.w/efuse_request")
int efuse_lookup_done(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];

	done_lookup(c, opstats(FUSE_LOOKUP));
	return 0;
}

SEC("raw_tp.w/efuse_request")
int efuse_done(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];

	done(c, opstats(c->opcode));
	return 0;
}

#define PART_DONE		0
#define PART_LOOKUP_DONE	1

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__array(values, int (void *));
} efuse_parts SEC(".maps") = {
	.values = {
		[PART_DONE] = (void *)&efuse_done,
		[PART_LOOKUP_DONE] = (void *)&efuse_lookup_done,
	},
};

/* The agent attaches this one to the tracepoint. */
SEC("raw_tp.w/efuse_request")
int efuse_dispatch(struct bpf_raw_tracepoint_args *ctx)
{
	struct efuse_ctx *c = (void *)ctx->args[0];
	struct efuse_opstats *st;
	struct target t;
	__u64 task;

	if (c->phase == EFUSE_NOTIFIED) {
		if (c->conn != sequence.conn || FAULTY(NO_NOTIFY))
			return 0;
		raise(control.dev, c->nodeid);
		if (c->nodeid2)
			raise(control.dev, c->nodeid2);
		return 0;
	}
	if (c->dev != control.dev)
		return 0;

	switch (c->phase) {
	case EFUSE_SUBMIT:
		if (sequence.conn != c->conn)
			sequence.conn = c->conn;
		st = opstats(c->opcode);
		COUNT(st, ASKED);
		if ((op_flags(c->opcode) & OP_SERVE) && !internal(c->nodeid)) {
			bpf_tail_call(ctx, &efuse_handlers, c->opcode);
			COUNT(st, OFF);		/* no such program */
			return 0;
		}
		submit(c, st);
		break;
	case EFUSE_BACKGROUND:
		submit(c, opstats(c->opcode));
		break;
	case EFUSE_DONE:
		if (c->opcode == FUSE_LOOKUP && !internal(c->nodeid))
			bpf_tail_call(ctx, &efuse_parts, PART_LOOKUP_DONE);
		else
			bpf_tail_call(ctx, &efuse_parts, PART_DONE);
		/* Cannot be; then nothing is known any more. */
		control.fail = EFUSE_FAIL_RAISE;
		break;
	case EFUSE_NAMED:
		task = bpf_get_current_pid_tgid();
		t.a = c->nodeid;
		t.b = c->nodeid2;
		bpf_map_update_elem(&efuse_named, &task, &t, BPF_ANY);
		break;
	}
	return 0;
}
