/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The image format: a superblock, and nodes of 4 KiB that refer to each other
 * by sector (docs/storage-chain.md). Little-endian, like x86-64, the only
 * supported architecture.
 *
 * An image has room for two versions: a build writes its nodes next to the
 * current ones, and then replaces the superblock, which is one block.
 */
#ifndef SCHAIN_FORMAT_H
#define SCHAIN_FORMAT_H

#include "schain_abi.h"

#define SCHAIN_NODE		4096
#define SCHAIN_NODE_SECTORS	(SCHAIN_NODE / 512)
#define SCHAIN_NODE_MAGIC	0x314e4353u	/* "SCN1" */
#define SCHAIN_SUPER_MAGIC	0x524550555343ULL	/* "CSUPER" */
#define SCHAIN_FORMAT		1
#define SCHAIN_ENTRIES		254
#define SCHAIN_INDEXES		31

enum schain_kind {
	SCHAIN_KIND_BTREE = 1,
	SCHAIN_KIND_HASH = 2,
	SCHAIN_KIND_POSTING = 3,
};

/* Header of every node. */
struct schain_head {
	__u32 magic;
	__u32 crc;		/* CRC32C of the node from here on */
	__u64 self;		/* sector of this node */
	__u64 generation;	/* of the build that wrote it */
	__u16 kind;
	__u16 level;		/* B+tree: 0 is a leaf */
	__u16 count;		/* entries in use */
	__u16 reserved;
};

struct schain_entry {
	__u64 key;
	__u64 value;
};

/*
 * btree	entries sorted by key. Value: in a leaf, the key's; above, the
 *		sector of the node whose keys begin with this one. The first
 *		key of the leftmost node of a level is 0.
 * hash		a bucket: entry 0 has the sector of the next node of the chain
 *		(0: none) as its value, the others are sorted by key
 * posting	entry 0: key is the last id here, value the sector of the next
 *		node (0: none); entries 1 to SCHAIN_SKIPS: first id, and sector,
 *		of a node further on, the farthest last, 0 if there is none;
 *		the rest are ids in order, two in each entry
 */
struct schain_node {
	struct schain_head head;
	struct schain_entry entry[SCHAIN_ENTRIES];
};

#define SCHAIN_SKIPS		7
#define SCHAIN_SKIP_BASE	4	/* skip i is 4^(i + 1) nodes further on */
#define SCHAIN_IDS		((SCHAIN_ENTRIES - 1 - SCHAIN_SKIPS) * 2)

/* Offset of an entry, of its value, or of an id in a node. */
#define SCHAIN_AT_KEY(i)	(sizeof(struct schain_head) + (i) * 16ULL)
#define SCHAIN_AT_VALUE(i)	(SCHAIN_AT_KEY(i) + 8)
#define SCHAIN_AT_ID(i)		(SCHAIN_AT_KEY(1 + SCHAIN_SKIPS) + (i) * 8ULL)

/* Arguments (schain_request.arg) and results (scratch) of a door's program. */
enum schain_arg {
	SCHAIN_ARG_KEY,		/* or the smallest wanted id in a list */
	SCHAIN_ARG_GENERATION,
	SCHAIN_ARG_DEPTH,	/* of the B+tree */
};

enum schain_scratch {
	SCHAIN_OUT_LEVEL,	/* B+tree: of the previous node */
	SCHAIN_OUT_FOUND,	/* 1: the key, or such an id, exists */
	SCHAIN_OUT_VALUE,	/* the key's; or the id */
	SCHAIN_OUT_PATH,	/* digest of the sectors read */
	SCHAIN_OUT_PLACE,	/* index of the entry or id in the last node */
};

struct schain_index {
	char name[16];
	__u32 kind;
	__u32 depth;		/* B+tree: nodes on the way; else 0 */
	__u64 root;		/* B+tree: root; hash: the first bucket */
	__u64 keys;
	__u64 nodes;
	__u64 buckets;		/* hash: bucket i is at root + 8 i; power of 2 */
	__u64 reserved;
};

/* Only at sector 0. */
struct schain_super {
	__u64 magic;
	__u32 crc;		/* CRC32C of the block from here on */
	__u32 format;
	__u64 generation;
	__u64 first;		/* sectors in use: from here ... */
	__u64 end;		/* ... to here */
	__u64 built;		/* seconds since 1970 */
	__u64 seed;		/* of hashes of paths */
	__u32 indexes;
	__u32 reserved;
	char source[256];	/* description of the source */
	struct schain_index index[SCHAIN_INDEXES];
	__u8 padding[SCHAIN_NODE - 320 - SCHAIN_INDEXES * 64];
};

#endif
