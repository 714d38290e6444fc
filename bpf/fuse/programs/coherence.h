/* SPDX-License-Identifier: GPL-2.0 */
/* coherence.h - what each request changes, and what is still valid */
#ifndef EFUSE_COHERENCE_H
#define EFUSE_COHERENCE_H

#include "maps.h"

#define ACCMODE		3	/* O_ACCMODE */
#define TRUNC		01000	/* O_TRUNC */
#define TMPFILE		51
#define STATX		52
#define COPY_RANGE_64	53
#define NSEC		1000000000ULL
#define MAX_VALID	(1ULL << 62)

/* What a request changes. */
#define CH_NODE		(1 << 0)	/* the inode */
#define CH_NODE2	(1 << 1)	/* the second inode of the request */
#define CH_NAMED	(1 << 2)	/* inodes that a name referred to */
#define CH_NEW		(1 << 3)	/* the inode of the reply */
#define CH_ALL		(1 << 4)	/* anything */
#define OP_SERVE	(1 << 5)	/* a program may answer */
#define OP_NONE		(1 << 6)	/* changes nothing */
#define OP_DONE		(1 << 7)	/* handled only in DONE */
#define CH_ALL_DONE	(1 << 8)	/* anything, if it succeeds */

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
	[FUSE_IOCTL]		= CH_NODE | CH_ALL_DONE,	/* see ioctl_flags() */
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

/* isatty(): Python asks it of every file that it opens. */
#define ASK_TERMINAL	0x5401U		/* TCGETS */
#define ASK_TERMINAL2	0x802c542aU	/* TCGETS2 */

/* The ioctl() commands that JuiceFS implements: flags of the inode itself. */
#define GETFLAGS	0x80086601U
#define SETFLAGS	0x40086602U
#define FSGETXATTR	0x801c581fU
#define FSSETXATTR	0x401c5820U

static __always_inline struct efuse_opstats *opstats(__u32 op)
{
	if (op >= EFUSE_OPCODES)
		op = 0;
	return bpf_map_lookup_elem(&efuse_stats, &op);
}

#define COUNT(st, what) ((st) ? (void)(st)->n[EFUSE_R_##what]++ : (void)0)

/* For an IOCTL; an unknown command may change anything. */
static __always_inline __u16 ioctl_flags(const struct efuse_ctx *c)
{
	switch (((const struct fuse_ioctl_in *)c->in0)->cmd) {
	case ASK_TERMINAL:
	case ASK_TERMINAL2:
	case GETFLAGS:
	case FSGETXATTR:
		return OP_NONE;
	case SETFLAGS:
	case FSSETXATTR:
		return CH_NODE;
	default:
		return ops[FUSE_IOCTL];
	}
}

/* The changes that a request makes; an unknown one may change anything. */
static __always_inline __u16 op_flags(const struct efuse_ctx *c)
{
	__u32 op = c->opcode;
	__u16 flags;

	if (op >= EFUSE_OPCODES)
		return FAULTY(NO_UNKNOWN) ? OP_NONE : CH_ALL;
	if (op == FUSE_IOCTL)
		return ioctl_flags(c);
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

static __always_inline __u32 slot_of(__u64 dev, __u64 ino)
{
	return efuse_slot(dev, ino, slots_mask);
}

/*
 * Raises *p to the next number, which is returned, or 0 after several lost
 * races. Another number is taken after each: even if *p is already higher, this
 * change has a number of its own, or it would be lost if the higher one is taken
 * back (notices.h).
 */
static __always_inline __u64 swap_word(__u64 *p, __u64 *before)
{
	__u64 next;
	int i;

	for (i = 0; i < 16; i++) {
		next = __sync_fetch_and_add(&sequence.seq, 1) + 1;
		*before = *(volatile __u64 *)p;
		if (*before < next && !FAULTY(LOST_SWAP) &&
		    __sync_val_compare_and_swap(p, *before, next) == *before)
			return next;
	}
	return 0;
}

/*
 * Raises *p, which is never taken back. After several lost races, it adds the
 * difference, which cannot be lost and at worst raises *p a little too far.
 */
static __always_inline void raise_word(__u64 *p)
{
	__u64 next, old;

	if (swap_word(p, &old))
		return;
	old = *(volatile __u64 *)p;
	next = __sync_fetch_and_add(&sequence.seq, 1) + 1;
	__sync_fetch_and_add(p, next > old ? next - old : 1);
}

/* Makes the next request for this inode go to the daemon after an open. */
static __always_inline void raise_opened(__u64 dev, __u64 ino)
{
	if (FAULTY(NO_RAISE))
		return;
#ifdef EFUSE_TEST_FAULTS
	if (FAULTY(X_TOGGLE)) {
		toggles[slot_of(dev, ino) & (EFUSE_GENS - 1)] ^= 1;
		return;
	}
#endif
	raise_word(&gens[slot_of(dev, ino)]);
}

/* Returns the new number and the last one, or 0 after raising the epoch. */
static __always_inline __u64 swap_content(__u64 dev, __u64 ino, __u64 *before)
{
	__u64 number = swap_word(&content_gens[slot_of(dev, ino)], before);

	if (!number)
		raise_word(&sequence.epoch);
	return number;
}

/*
 * Not inlined: with fewer free registers, the compiler would spill the
 * context's address to the stack, where the verifier loses track of it.
 */
static __attribute__((noinline)) int raise_content(__u64 dev, __u64 ino)
{
	__u64 before;

	if (!FAULTY(NO_RAISE))
		swap_content(dev, ino, &before);
	return 0;
}

static __always_inline void raise(__u64 dev, __u64 ino)
{
	raise_opened(dev, ino);
	if (reads)
		raise_content(dev, ino);
}

static __always_inline void raise_all(struct efuse_opstats *st)
{
	if (FAULTY(NO_RAISE))
		return;
	raise_word(&sequence.epoch);
	COUNT(st, EPOCH);
}

/* With the fault X_TOGGLE, bit 63 of `seen` is the old stale bit. */
static __always_inline __u64 toggle_of(__u64 dev, __u64 ino)
{
#ifdef EFUSE_TEST_FAULTS
	if (FAULTY(X_TOGGLE))
		return (__u64)toggles[slot_of(dev, ino) & (EFUSE_GENS - 1)]
		       << 63;
#endif
	return 0;
}

/* Whether no observed change has affected this since `seen`. */
static __always_inline int unchanged(__u64 dev, __u64 ino, __u64 seen)
{
	if (FAULTY(X_TOGGLE))
		return toggle_of(dev, ino) >> 63 == seen >> 63;
	return *(volatile __u64 *)&gens[slot_of(dev, ino)] <= seen &&
	       *(volatile __u64 *)&sequence.epoch <= seen;
}

/* The same for the content of a file, for open handles. */
static __always_inline int content_unchanged(__u64 dev, __u64 ino, __u64 seen)
{
	return *(volatile __u64 *)&content_gens[slot_of(dev, ino)] <= seen &&
	       *(volatile __u64 *)&sequence.epoch <= seen;
}

static __always_inline int open_for_write(__u64 dev, __u64 ino)
{
	if (FAULTY(NO_OPEN_WRITE) || FAULTY(X_WRITE))
		return 0;
	return *(volatile __u32 *)&writers_of[slot_of(dev, ino)] != 0;
}

static __always_inline int internal(__u64 ino)
{
	return ino >= EFUSE_INTERNAL && !FAULTY(NO_INTERNAL);
}

/*
 * This request goes to the daemon, and its reply is not cached. An earlier
 * request at this address may have left an entry: a task that is killed while
 * its request is queued takes it back, and it never ends.
 */
static __always_inline void untrack(__u64 req)
{
	if (!FAULTY(NO_UNTRACK))
		bpf_map_delete_elem(&efuse_inflight, &req);
}

/* Records the sequence at which the request goes to the daemon. */
static __always_inline void track(__u64 req)
{
	struct flight f = { .seen = sequence.seq };

	if (bpf_map_update_elem(&efuse_inflight, &req, &f, BPF_ANY))
		untrack(req);
}

/* The same for a request with a name. */
static __always_inline void track_name(struct efuse_ctx *c,
				       const struct efuse_entry_key *key)
{
	__u64 req = c->req;

	if (bpf_map_update_elem(&efuse_names, &req, key, BPF_ANY))
		untrack(req);
	else
		track(req);
}

/*
 * An element of an LRU map can be reused for another key during a copy. The
 * copy is consistent if the key still leads to the same element afterwards.
 */
#define STILL(map, key, p)	(bpf_map_lookup_elem(map, key) == (p))

static __always_inline void name_key(struct efuse_entry_key *key,
				     const struct efuse_ctx *c)
{
	const __u64 *from = (const __u64 *)c->name;
	__u64 *to = (__u64 *)key->name;
	int i;

	_Static_assert(EFUSE_NAME % 8 == 0, "copied by words");
	key->dev = c->dev;
	key->parent = c->nodeid;
#pragma unroll
	for (i = 0; i < EFUSE_NAME / 8; i++)
		to[i] = from[i];
}

#endif
