/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The interface between the module, the BPF programs and user space: a request,
 * and a program's view of a step.
 *
 * A request is one read from a door, of SCHAIN_HEADER bytes and one node. The
 * caller fills in its first SCHAIN_HEADER bytes, struct schain_request; the
 * nodes are read into the rest, each over the previous one.
 */
#ifndef SCHAIN_ABI_H
#define SCHAIN_ABI_H

#include <linux/types.h>

#define SCHAIN_ABI		1
#define SCHAIN_MAGIC		0x31304e4941484353ULL	/* "SCHAIN01" */
#define SCHAIN_HEADER		512
#define SCHAIN_ARGS		8
#define SCHAIN_HOPS_MAX		64
#define SCHAIN_NODE_MAX		65536
#define SCHAIN_DOOR_SECTORS	2048

/* A program's verdict on a node. NOTRUN: no program has run. */
enum schain_verdict {
	SCHAIN_NOTRUN = -1,
	SCHAIN_DONE = 0,	/* the buffer has the wanted node */
	SCHAIN_NEXT = 1,	/* read the node at out.next */
	SCHAIN_ERR = 2,		/* end with out.error */
};

struct schain_request {
	__u64 magic;
	__u32 version;
	__u32 max_hops;			/* 0: the door's limit */
	__u64 start;			/* sector, relative to the data area */
	__u64 arg[SCHAIN_ARGS];		/* for the program */
	/* Answer. */
	__s32 status;			/* 0 or -errno */
	__u32 hops;			/* nodes read */
	__u64 last;			/* sector of the node in the buffer */
	__u64 scratch[SCHAIN_ARGS];	/* from the program */
};

/* Output of a program. */
struct schain_out {
	__s32 verdict;
	__s32 error;			/* a negative errno, with ERR */
	__u64 next;			/* sector, with NEXT */
	__u64 scratch[SCHAIN_ARGS];	/* preserved between steps */
};

#define SCHAIN_F_CRC	1		/* crc is valid */

/* Input of a program; it writes only `out`. */
struct schain_ctx {
	__u32 abi;
	__u32 hop;			/* nodes read, including this one */
	__u64 program;			/* name that the door refers to */
	__u64 sector;			/* of this node */
	__u32 len;			/* its size in bytes */
	__u32 flags;
	__u32 crc;			/* its CRC32C from SCHAIN_CRC_FROM on */
	__u32 reserved;
	__u64 arg[SCHAIN_ARGS];
	struct schain_out out;
};

/* Bytes at the start of a node that its CRC excludes: magic and CRC. */
#define SCHAIN_CRC_FROM	8

/* A program's name, of at most eight characters, encoded as a number. */
#define SCHAIN_NAME(a, b, c, d, e, f, g, h)				\
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | \
	 (__u64)(e) << 32 | (__u64)(f) << 40 | (__u64)(g) << 48 |	\
	 (__u64)(h) << 56)
#define SCHAIN_BTREE	SCHAIN_NAME('b', 't', 'r', 'e', 'e', 0, 0, 0)
#define SCHAIN_HASH	SCHAIN_NAME('h', 'a', 's', 'h', 0, 0, 0, 0)
#define SCHAIN_POSTING	SCHAIN_NAME('p', 'o', 's', 't', 'i', 'n', 'g', 0)

#endif
