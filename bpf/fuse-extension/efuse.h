/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the BPF programs and the agent share.
 *
 * Everything cached carries `seen`: the value of the sequence when the request
 * that brought it was sent. Every change that is noticed takes the next number
 * of the sequence and writes it as the generation of what changed. A cached
 * thing is valid while its generation and the epoch are not above `seen`.
 */
#ifndef EFUSE_H
#define EFUSE_H

#include "efuse_abi.h"

#define EFUSE_GENS	65536	/* slots; a shared slot only costs an upcall */
#define EFUSE_OPCODES	64	/* opcodes above are not FUSE's, but CUSE's */

/* From here on inodes are JuiceFS's own files and its trash. */
#define EFUSE_INTERNAL	0x7fffffff00000000ULL
#define EFUSE_CONTROL	(EFUSE_INTERNAL + 2)	/* .control */

enum efuse_mode {
	EFUSE_OFF	= 0,	/* nothing is served, changes are followed */
	EFUSE_TTL	= 1,	/* for the rest of the daemon's own validity */
	EFUSE_LEASE	= 2,	/* while the agent knows of every change */
};

/* Why the mount was switched off, until the agent finds it anew or starts. */
enum efuse_fail {
	EFUSE_FAIL_NONE		= 0,
	EFUSE_FAIL_WRITERS	= 1,	/* table of open files is full */
	EFUSE_FAIL_NO_OPEN	= 2,	/* the daemon does without OPEN */
	EFUSE_FAIL_RAISE	= 3,	/* a generation could not be raised */
	EFUSE_FAIL_REMOUNT	= 4,	/* another mount has its device number */
};

/* What became of a request, by opcode. */
#define EFUSE_RESULTS(X)						\
	X(ASKED, "asked")		/* seen by the dispatcher */	\
	X(HIT, "hit")			/* answered in the kernel */	\
	X(ABSENT, "absent")		/* not cached */		\
	X(ATTR_ABSENT, "attr_absent")	/* LOOKUP: entry without attr */\
	X(EXPIRED, "expired")		/* ttl: validity is over */	\
	X(GENERATION, "generation")	/* changed since */		\
	X(OPEN_WRITE, "open_for_write")					\
	X(LEASE, "lease")		/* the agent is out of touch */	\
	X(NAME_LONG, "name_too_long")					\
	X(INTERNAL, "internal_inode")					\
	X(REPLY_SIZE, "reply_size")	/* not the layout we know */	\
	X(OFF, "off")			/* mode, opcode or failure */	\
	X(SHADOW, "shadow_hit")		/* would have been a hit */	\
	X(SHADOW_OK, "shadow_match")					\
	X(SHADOW_RACE, "shadow_raced")	/* changed while in flight */	\
	X(SHADOW_BAD, "shadow_differs")	/* the agent looks again */	\
	X(FILL, "filled")						\
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
 * Faults that the tests seed, to prove that a test fails without a rule. The
 * mask is read-only data: unset bits cost nothing, the verifier drops them.
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
	X(NO_INTERNAL, "no-internal")	/* serve internal inodes */	\
	X(NO_UNKNOWN, "no-unknown")	/* unknown opcodes are ignored */\
	X(NO_REMOUNT, "no-remount")	/* INIT is ignored */		\
	/* as published of ExtFUSE */					\
	X(X_LOOKUP_ATTR, "extfuse-lookup-attr")				\
	X(X_GETATTR_STALE, "extfuse-getattr-stale")			\
	X(X_RENAME, "extfuse-rename")					\
	X(X_TOGGLE, "extfuse-toggle")					\
	X(X_WRITE, "extfuse-write")

enum efuse_fault_bit {
#define X(name, text) EFUSE_FAULT_BIT_##name,
	EFUSE_FAULTS(X)
#undef X
};

#define EFUSE_FAULT(name)	(1U << EFUSE_FAULT_BIT_##name)

/* Written by the agent, read on every request; a cache line of its own. */
struct efuse_control {
	__u64	lease_until;	/* lease: CLOCK_BOOTTIME, ns */
	__u64	opcodes;	/* bit n: opcode n may be served */
	__u64	dev;		/* 0: none */
	__u32	mode;		/* enum efuse_mode */
	__u32	shadow;		/* ask the daemon all the same and compare */
	__u32	fail;		/* enum efuse_fail; written by the programs */
	__u32	bound_ms;	/* lease; for whoever reads the map */
	__u64	xattr_ttl;	/* ns; 0: GETXATTR is not served */
	__u64	statfs_ttl;	/* ns; 0: STATFS is not served */
} __attribute__((aligned(64)));

/* Written at every change. */
struct efuse_sequence {
	__u64	seq;		/* last number that was taken */
	__u64	epoch;		/* nothing seen before this is valid */
	__u64	conn;		/* FUSE connection, for notifications */
	__u64	max_valid;	/* longest validity that the daemon gave, ns */
} __attribute__((aligned(64)));

struct efuse_attr_key {
	__u64	dev;
	__u64	ino;
};

struct efuse_attr_val {
	__u64	seen;
	__u64	expires;	/* CLOCK_BOOTTIME, ns; ttl only */
	__u64	life;		/* ns as given; for the fault TTL_ADDS */
	__u64	attr[11];	/* struct fuse_attr */
};

struct efuse_entry_key {
	__u64	dev;
	__u64	parent;
	char	name[EFUSE_NAME];
};

struct efuse_entry_val {
	__u64	seen;
	__u64	expires;
	__u64	life;
	__u64	ino;		/* 0: there is no such name */
	__u64	generation;
	__u64	attr[11];	/* only for the fault X_LOOKUP_ATTR */
};

/* A file that is open for writing. */
struct efuse_writer_key {
	__u64	dev;
	__u64	ino;
	__u64	fh;
};

/* A shadow hit that differs, and nothing had changed by then. */
struct efuse_event {
	__u64	when;		/* CLOCK_BOOTTIME, ns */
	__u64	dev;
	__u64	ino;		/* 0: a name that is cached as absent */
	__u64	parent;		/* LOOKUP only */
	__u64	seen;
	__u64	opcode;
	__s64	cached_error;
	__s64	error;
	__u64	cached[13];	/* nodeid, generation, attr */
	__u64	daemon[13];
};

static inline __u32 efuse_slot(__u64 dev, __u64 ino)
{
	__u64 h = (ino + dev * 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL;

	return (h ^ (h >> 32)) >> 8 & (EFUSE_GENS - 1);
}

#endif /* EFUSE_H */
