/* SPDX-License-Identifier: GPL-2.0 */
/* maps.h - the programs' maps; the agent writes and reads some of them */
#ifndef EFUSE_MAPS_H
#define EFUSE_MAPS_H

/* Set before loading. */
#ifdef EFUSE_TEST_FAULTS
const volatile __u8 faults[EFUSE_FAULT_MAX];	/* 1: this fault is injected */
#define FAULTY(name)	faults[EFUSE_FAULT_##name]
#else
#define FAULTY(name)	0
#endif
const volatile __u32 targets;	/* the module shows EFUSE_NAMED */
const volatile __u32 slots_mask = EFUSE_GENS - 1;
const volatile __u32 reads;	/* read() is shown and may be answered */
const volatile __u32 lists;	/* the module shows the entries of listings */
const volatile __u32 names_kept;	/* whole listings answer absent names */
const volatile __u32 names_mask;	/* elements of efuse_names_of - 1 */

extern unsigned int CONFIG_HZ __kconfig __weak;

/* The agent maps these into its memory, and enlarges the arrays. */
struct efuse_control control SEC(".data.control");
struct efuse_sequence sequence SEC(".data.sequence");
__u64 gens[EFUSE_GENS] SEC(".data.gens");
/*
 * Generations that an OPEN does not raise: opening a file does not affect
 * existing handles.
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

/* Only absent attributes; the key has the inode instead of the parent. */
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
	__u64 also[3];		/* a change: further affected inodes, or 0 */
};

/*
 * Requests in the daemon. If an entry is lost, its reply is not cached, or the
 * epoch is raised.
 */
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

struct listing_key {
	__u64 dev;
	__u64 ino;
	__u64 fh;
};

struct listing {
	__u64 opened;		/* the sequence when the handle was requested */
	__u64 ticket;		/* of its names in efuse_names_of; 0: incomplete */
	__u64 next;		/* position up to which all entries were shown */
};

/*
 * The open handles of directories; listings through a handle without an entry
 * are not used. An element may be reused for another key at any time, so it is
 * replaced, and never written in place.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct listing_key);
	__type(value, struct listing);
} efuse_listings SEC(".maps");

/* By hash of the directory; see names.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct efuse_directory);
} efuse_names_of SEC(".maps");

/* By task: the inode behind the name of the UNLINK that it is about to send. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct target);
} efuse_named SEC(".maps");

/* By task: the inode of its statx() with AT_STATX_FORCE_SYNC. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, __u64);
} efuse_forced SEC(".maps");

/* Must not evict: if it is full, the mount is switched off. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct efuse_writer_key);
	__type(value, __u32);
} efuse_writers SEC(".maps");

/* This map and the next four exist only if read() is answered. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct efuse_block_key);
	__type(value, struct efuse_block_val);
} efuse_blocks SEC(".maps");

/* Every read looks here, and the lookup in an array is inlined. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EFUSE_HANDLES);
	__type(key, __u32);
	__type(value, struct efuse_handle);
} efuse_handles SEC(".maps");

/* By slot of the inode; see notices.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EFUSE_NOTICES);
	__type(key, __u32);
	__type(value, struct efuse_notice);
} efuse_notices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 14);
} efuse_misses SEC(".maps");

/* By hash: which block was missed, and when the agent was notified. */
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
 * The key for caching the answer to a LOOKUP or GETXATTR: the name as it was
 * sent. At the end of the request, the kernel's own copy may have changed or
 * been freed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct efuse_entry_key);
} efuse_names SEC(".maps");

#endif
