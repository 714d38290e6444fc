/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Definitions shared by the BPF programs and the agent.
 *
 * Every cached item has `seen`: the value of the sequence when its request was
 * sent. Every observed change takes the next number of the sequence and stores
 * it as the generation of the changed object. A cached item is valid while its
 * generation and the epoch are not above `seen`.
 */
#ifndef EFUSE_H
#define EFUSE_H

#include <linux/fuse.h>
#include "efuse_abi.h"

/*
 * Minimum number of slots, otherwise as many as entries; sharing a slot only
 * costs an upcall.
 */
#define EFUSE_GENS	65536
#define EFUSE_OPCODES	64	/* opcodes above are not FUSE's, but CUSE's */

/* Pseudo-opcode to count and enable read(), which is not a request. */
#define EFUSE_OP_READ	(EFUSE_OPCODES - 1)

/* From here on, inodes are JuiceFS's own files and its trash. */
#define EFUSE_INTERNAL	0x7fffffff00000000ULL
#define EFUSE_CONTROL	(EFUSE_INTERNAL + 2)	/* .control */

enum efuse_mode {
	EFUSE_OFF	= 0,	/* nothing is served, changes are tracked */
	EFUSE_TTL	= 1,	/* serve within the daemon's own validity */
	EFUSE_LEASE	= 2,	/* serve while the agent receives all changes */
};

/*
 * Why the mount was switched off, until the agent finds it again or restarts.
 */
enum efuse_fail {
	EFUSE_FAIL_NONE		= 0,
	EFUSE_FAIL_WRITERS	= 1,	/* table of open files is full */
	EFUSE_FAIL_NO_OPEN	= 2,	/* the daemon does not implement OPEN */
	EFUSE_FAIL_RAISE	= 3,	/* a program was not called: changes unseen */
	EFUSE_FAIL_REMOUNT	= 4,	/* another mount has its device number */
};

/* Results of requests, counted by opcode. */
#define EFUSE_RESULTS(X)						\
	X(ASKED, "asked")		/* seen by the dispatcher */	\
	X(HIT, "hit")			/* answered in the kernel */	\
	X(ABSENT, "absent")		/* not cached */		\
	X(ATTR_ABSENT, "attr_absent")	/* LOOKUP: entry without attr */\
	X(EXPIRED, "expired")		/* ttl: validity is over */	\
	X(GENERATION, "generation")	/* changed since */		\
	X(OPEN_WRITE, "open_for_write")					\
	X(LEASE, "lease")		/* the lease has expired */	\
	X(NAME_LONG, "name_too_long")					\
	X(INTERNAL, "internal_inode")					\
	X(REPLY_SIZE, "reply_size")	/* unexpected reply layout */	\
	X(OFF, "off")			/* mode, opcode or failure */	\
	X(HANDLE, "handle")		/* READ: opened before a change */\
	X(VERSION, "version")		/* READ: another version is mapped */\
	X(HOLE, "not_mapped")		/* READ: not in the mapped pieces */\
	X(FORCED, "forced")		/* AT_STATX_FORCE_SYNC */	\
	X(SHADOW, "shadow_hit")		/* would have been a hit */	\
	X(SHADOW_OK, "shadow_match")					\
	X(SHADOW_RACE, "shadow_raced")	/* changed while in flight */	\
	X(SHADOW_BAD, "shadow_differs")	/* the agent checks it later */	\
	X(FILL, "filled")						\
	X(LISTED, "listed")		/* filled from a listing */	\
	X(UNLISTED, "unlisted")		/* a hit: not in a whole listing */\
	X(RAISE, "raised")		/* a change was noticed */	\
	X(EPOCH, "epoch")		/* everything was dropped */

enum efuse_result {
#define X(name, text) EFUSE_R_##name,
	EFUSE_RESULTS(X)
#undef X
	EFUSE_R_MAX,
};

struct efuse_opstats {
	__u64	n[EFUSE_R_MAX];
};

/*
 * Faults that tests inject to prove that a test fails without a rule. Only a
 * build with EFUSE_TEST_FAULTS (efuse-agent-faulty) has them.
 */
#define EFUSE_FAULTS(X)							\
	X(NO_RAISE, "no-raise")		/* no change is noticed */	\
	X(NO_RAISE_DONE, "no-raise-done")	/* only at submit */	\
	X(FILL_RACE, "fill-race")	/* seen is taken at completion */\
	X(NO_OPEN_WRITE, "no-open-write")				\
	X(TTL_ADDS, "ttl-adds")		/* a hit restarts the validity */\
	X(ZERO_TTL, "zero-ttl")		/* zero validity is cached */	\
	X(NO_LEASE, "no-lease")		/* the heartbeat is ignored */	\
	X(NO_RECONNECT_EPOCH, "no-reconnect-epoch")	/* in the agent */\
	X(EARLY_RENEWAL, "early-renewal")	/* in the agent */	\
	X(NO_PUSH, "no-push")		/* in the agent */		\
	X(NO_OPEN_RAISE, "no-open-raise")				\
	X(NO_TARGET, "no-target")	/* UNLINK: parent only */	\
	X(NO_NOTIFY, "no-notify")	/* daemon's own notifications */\
	X(NO_DROP, "no-drop")		/* in the agent: the kernel's copies */\
	X(LOST_SWAP, "lost-swap")	/* no compare-and-swap succeeds */\
	X(NO_INTERNAL, "no-internal")	/* serve internal inodes */	\
	X(NO_UNKNOWN, "no-unknown")	/* unknown opcodes are ignored */\
	X(NO_REMOUNT, "no-remount")	/* INIT is ignored */		\
	X(DONE_NAME, "done-name")	/* a name of another request */	\
	X(NO_UNTRACK, "no-untrack")	/* of an earlier request */	\
	X(NO_ESTALE, "no-estale")	/* ENOENT for a replaced name */\
	X(NO_VOLUME, "no-volume")	/* in the agent: any volume */	\
	X(NO_SESSION, "no-session")	/* in the agent: any session */	\
	X(LATE_CHANNEL, "late-channel")	/* in the agent: closed last */	\
	X(NO_GUARD, "no-guard")		/* in the agent: no thread closes */\
	X(NO_SYNC, "no-sync")		/* AT_STATX_FORCE_SYNC is a hint */\
	X(LONG_GRANT, "long-grant")	/* longer than the lease */	\
	X(INVENTED, "invented")		/* what the daemon made up */	\
	X(TEAR, "tear")			/* copies while it is written */\
	X(NO_TWICE, "no-twice")		/* a copy is not compared */	\
	X(KEEP_ALL, "keep-all")		/* no OPEN raises */		\
	X(LIST_HANDLE, "list-handle")	/* age from the last request */	\
	X(LIST_ANY, "list-any")		/* also without attributes */	\
	X(LIST_PART, "list-part")	/* any part is a whole listing */\
	X(LIST_GAP, "list-gap")		/* parts may be missing */	\
	X(LIST_CACHED, "list-cached")	/* what is not cached is absent */\
	X(LIST_HIDDEN, "list-hidden")	/* also names never listed */	\
	X(LIST_STOLEN, "list-stolen")	/* another directory's listing */\
	X(READ_OFFSET, "read-offset")	/* off by one byte */		\
	X(READ_VERSION, "read-version")	/* of any version */		\
	X(READ_HANDLE, "read-handle")	/* handles are not checked */	\
	X(READ_NOTICE, "read-notice")	/* only a push is noticed */	\
	X(READ_EQUAL, "read-equal")	/* versions are compared once */\
	X(READ_PLACE, "read-place")	/* a handle of another file */	\
	X(READ_END, "read-end")		/* a piece's end is the file's */\
	X(READ_CHECKSUM, "read-checksum")	/* in the agent */	\
	X(READ_KEEP, "read-keep")	/* in the agent: nothing drops */\
	X(READ_REOPEN, "read-reopen")	/* an OPEN hides a change */	\
	X(READ_SLOW, "read-slow")	/* in the agent: each look-up */\
	X(READ_IDLE, "read-idle")	/* in the agent: drops when idle */\
	X(READ_USED, "read-used")	/* in the agent: by age only */	\
	X(READ_ROOM, "read-room")	/* in the agent: any size */	\
	X(READ_ATIME, "read-atime")	/* in the agent: not touched */	\
	X(READ_AGAIN, "read-again")	/* in the agent: each hole */	\
	X(READ_CHUNK, "read-chunk")	/* in the agent: always the first */\
	X(READ_FROZEN, "read-frozen")	/* in the agent: atime takes 8 s */\
	X(READ_PAGES, "read-pages")	/* in the agent: blocks first */\
	X(READ_LOCKED, "read-locked")	/* in the agent: under the lock */\
	X(NOTICE_KEEP, "notice-keep")	/* never taken back */		\
	X(NOTICE_ANY, "notice-any")	/* also one of another version */\
	X(NOTICE_LATER, "notice-later")	/* with what has changed since */\
	X(RENEW_NEVER, "renew-never")	/* in the agent: attributes */	\
	X(RENEW_ANY, "renew-any")	/* in the agent: of any version */\
	X(RENEW_CHANGED, "renew-changed")	/* in the agent: old ones */\
	/* the published defects of ExtFUSE */				\
	X(X_LOOKUP_ATTR, "extfuse-lookup-attr")				\
	X(X_GETATTR_STALE, "extfuse-getattr-stale")			\
	X(X_RENAME, "extfuse-rename")					\
	X(X_TOGGLE, "extfuse-toggle")					\
	X(X_WRITE, "extfuse-write")

enum efuse_fault {
#define X(name, text) EFUSE_FAULT_##name,
	EFUSE_FAULTS(X)
#undef X
	EFUSE_FAULT_MAX,
};

/* Written by the agent, read on every request; in a separate cache line. */
struct efuse_control {
	__u64	lease_until;	/* lease: CLOCK_BOOTTIME, ns */
	__u64	opcodes;	/* bit n: opcode n may be served */
	__u64	dev;		/* 0: none */
	__u32	mode;		/* enum efuse_mode */
	__u16	shadow;		/* ask the daemon as well, and compare */
	__u16	after_pages;	/* the module tries the mount's pages first */
	__u32	fail;		/* enum efuse_fail; written by the programs */
	__u32	bound_ms;	/* lease */
	__u64	xattr_ttl;	/* ns; 0: GETXATTR is not served */
	__u64	statfs_ttl;	/* ns; 0: STATFS is not served */
	__u32	grant;		/* lease: the kernel may cache answers, too */
	__u32	keep;		/* an OPEN that keeps the cache raises none */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct efuse_control) == 64, "one cache line");

/* Written by each change; separate from what each hit reads. */
struct efuse_sequence {
	__u64	seq __attribute__((aligned(64)));	/* last number taken */
	__u64	ticket;		/* last number of a listing */
	__u64	epoch __attribute__((aligned(64)));	/* what was seen before
							 * is invalid
							 */
	__u64	conn;		/* FUSE connection, for notifications */
	__u64	max_valid;	/* longest validity from the daemon, ns */
	__u64	forced;		/* AT_STATX_FORCE_SYNC has been seen */
};

struct efuse_attr_key {
	__u64	dev;
	__u64	ino;
};

struct efuse_attr_val {
	__u64	seen;
	__u64	expires;	/* CLOCK_BOOTTIME, ns; ttl only */
#ifdef EFUSE_TEST_FAULTS
	__u64	life;		/* ns as given; for the fault TTL_ADDS */
#endif
	struct fuse_attr attr;
};

struct efuse_entry_key {
	__u64	dev;
	__u64	parent;
	char	name[EFUSE_NAME];
};

struct efuse_entry_val {
	__u64	seen;
	__u64	expires;
	__u64	ino;		/* 0: the name does not exist */
	__u64	generation;
#ifdef EFUSE_TEST_FAULTS
	__u64	life;
	struct fuse_attr attr;	/* for the fault X_LOOKUP_ATTR */
#endif
};

/*
 * The names of a directory's last whole listing, as a Bloom filter: a name whose
 * two bits are not both set is not in it. Directories share elements, by hash.
 */
#define EFUSE_NAME_WORDS	128

struct efuse_directory {
	__u64	ticket;		/* the listing that has written here last */
	__u64	whole;		/* equal to `ticket`: the listing is complete */
	__u64	dev;
	__u64	ino;
	__u64	seen;
	__u32	lock;
	__u32	reserved;
	__u64	words[EFUSE_NAME_WORDS];
};

/*
 * Location of a file's block, for one version of the file. Written by the agent
 * (reads.c) after a miss of the block.
 */
#define EFUSE_BLOCK_BITS 22	/* the volume's own blocks may differ */
#define EFUSE_PIECES	4

struct efuse_block_key {
	__u64	dev;
	__u64	ino;
	__u64	index;		/* offset in the file >> EFUSE_BLOCK_BITS */
};

struct efuse_piece {
	__u32	start;		/* in the block */
	__u32	len;
	__u32	backing;	/* 0: no more pieces */
	__u32	offset;		/* in the backing file */
};

/* Changes whenever the content changes. */
struct efuse_version {
	__u64	size, mtime, ctime;
	__u32	mtimensec, ctimensec;
};

static inline __attribute__((always_inline)) int
efuse_same_version(const struct efuse_version *a, const struct efuse_version *b)
{
	return a->size == b->size && a->mtime == b->mtime &&
	       a->ctime == b->ctime && a->mtimensec == b->mtimensec &&
	       a->ctimensec == b->ctimensec;
}

struct efuse_block_val {
	__u64	used;		/* CLOCK_BOOTTIME of a recent hit, ns */
	/*
	 * The `seen` of attributes that were equal to this version. Until the
	 * next observed change, this version is the current one.
	 */
	__u64	equal;
	__u64	equal_check;	/* equal ^ sum */
	__u64	sum;		/* efuse_block_sum() */
	struct efuse_version version;
	struct efuse_piece piece[EFUSE_PIECES];
};

_Static_assert(sizeof(struct efuse_block_val) ==
	       (8 + 2 * EFUSE_PIECES) * sizeof(__u64), "summed up by words");

/*
 * A map value can be reused for another key, or overwritten, while a program
 * copies it. Only this sum shows whether the copy is consistent and belongs to
 * the key.
 */
static inline __attribute__((always_inline)) __u64
efuse_block_sum(const struct efuse_block_key *key,
		const struct efuse_block_val *val)
{
	const __u64 *word = (const __u64 *)val;
	__u64 sum = key->dev;
	unsigned int i;

	sum = (sum ^ key->ino) * 0xff51afd7ed558ccdULL;
	sum = (sum ^ key->index) * 0xff51afd7ed558ccdULL;
	/* everything after `sum` */
	for (i = 4; i < sizeof(*val) / sizeof(*word); i++)
		sum = (sum ^ word[i]) * 0xff51afd7ed558ccdULL;
	return sum ^ sum >> 32;
}

/* For tables of blocks: use the upper bits. */
static inline __attribute__((always_inline)) __u64
efuse_block_hash(const struct efuse_block_key *key)
{
	return (key->ino ^ key->index << 40) * 0xff51afd7ed558ccdULL;
}

enum efuse_missing {
	EFUSE_MISSING_BLOCK	= 0,	/* not mapped, or of another version */
	EFUSE_MISSING_PIECE	= 1,	/* the current version is, without it */
	EFUSE_MISSING_VERSION	= 2,	/* no valid attributes */
};

/* A read() that missed, for the agent. */
struct efuse_miss {
	__u64	dev;
	__u64	ino;
	__u64	index;		/* of the block */
	__u64	missing;	/* enum efuse_missing */
};

/*
 * An open file, stored at an index derived from its handle's hash. Reads through
 * a handle without an entry are not served.
 */
struct efuse_handle {
	__u64	opened;		/* the sequence when its OPEN was sent */
	__u64	check;		/* opened ^ hash */
};

#define EFUSE_HANDLES	131072	/* a power of 2 */

/* The last change of an inode that the daemon has reported; see notices.h. */
struct efuse_notice {
	__u64	before;		/* the content's generation before it */
	__u64	check;		/* before ^ hash of inode and new generation */
};

#define EFUSE_NOTICES	8192	/* a power of 2 */

/* A file that is open for writing. */
struct efuse_writer_key {
	__u64	dev;
	__u64	ino;
	__u64	fh;
};

/* A shadow hit that differs although no change was observed. */
struct efuse_event {
	__u64	when;		/* CLOCK_BOOTTIME, ns */
	__u64	dev;
	__u64	ino;		/* 0: a name cached as absent */
	__u64	parent;		/* LOOKUP only */
	__u64	seen;
	__u64	opcode;
	__s64	cached_error;
	__s64	error;
	struct efuse_answer {
		__u64	nodeid;
		__u64	generation;
		struct fuse_attr attr;
	} cached, daemon;
};

_Static_assert(sizeof(struct efuse_answer) == 13 * sizeof(__u64),
	       "compared by words");

/* Different for each inode of a device. */
static inline __u64 efuse_hash(__u64 dev, __u64 ino)
{
	return (ino + dev * 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL;
}

/*
 * Slot of an inode's generation; `mask` is the number of slots, a power of 2,
 * minus 1.
 */
static inline __u32 efuse_slot(__u64 dev, __u64 ino, __u32 mask)
{
	__u64 h = efuse_hash(dev, ino);

	return (h ^ (h >> 32)) >> 8 & mask;
}

#endif /* EFUSE_H */
