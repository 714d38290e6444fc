/* SPDX-License-Identifier: GPL-2.0 */
/* maps.h - the programs' maps, some of which the agent sets or reads */
#ifndef EFUSE_MAPS_H
#define EFUSE_MAPS_H

/* Set before loading. */
#ifdef EFUSE_TEST_FAULTS
const volatile __u64 fault;	/* EFUSE_FAULT() */
#define FAULTY(name)	(fault & EFUSE_FAULT(name))
#else
#define FAULTY(name)	0
#endif
const volatile __u32 targets;	/* the module shows EFUSE_NAMED */
const volatile __u32 slots_mask = EFUSE_GENS - 1;
const volatile __u32 reads;	/* read() is shown and may be answered */

extern unsigned int CONFIG_HZ __kconfig __weak;

/* The agent maps these into its memory; it makes the arrays longer. */
struct efuse_control control SEC(".data.control");
struct efuse_sequence sequence SEC(".data.sequence");
__u64 gens[EFUSE_GENS] SEC(".data.gens");
/*
 * The same for what an OPEN does not raise: that a file is opened says nothing
 * about those that have it open.
 */
__u64 content_gens[EFUSE_GENS] SEC(".data.contents");
/* Files open for writing, by slot of the inode. */
__u32 writers_of[EFUSE_GENS] SEC(".data.writers");
#ifdef EFUSE_TEST_FAULTS
/* For the fault X_TOGGLE. */
__u8 toggles[EFUSE_GENS];
#endif

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
	struct fuse_statfs_out out;
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

/* This and the next three are only there where read() is answered. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct efuse_block_key);
	__type(value, struct efuse_block_val);
} efuse_blocks SEC(".maps");

/* The sequence when a handle was asked for; one that is lost is not served. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct efuse_handle_key);
	__type(value, __u64);
} efuse_handles SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 14);
} efuse_misses SEC(".maps");

/* Which block was missed, and when the agent was told, by hash. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} efuse_told SEC(".maps");

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

/*
 * The key under which the answer to a LOOKUP or GETXATTR will be kept: the
 * name as it was sent. When the request ends, the kernel's own copy can be
 * another name by then, or freed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct efuse_entry_key);
} efuse_names SEC(".maps");

#endif
