/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The interface between the module, the BPF programs and the agent.
 *
 * struct efuse_ctx is the writable context of the raw tracepoint efuse_request.
 * A program may access it at constant offsets only, so it is flat and has a
 * fixed size. Every change of layout or meaning increments EFUSE_ABI, and the
 * module refuses an agent of another version.
 */
#ifndef EFUSE_ABI_H
#define EFUSE_ABI_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define EFUSE_ABI	7
#define EFUSE_IN	64	/* visible bytes of the first argument */
#define EFUSE_NAME	128	/* longest visible name, including the NUL */
#define EFUSE_OUT	160	/* longest reply that a program can give */
#define EFUSE_MAX_DEVS	16	/* maximum number of registered mounts */

/* The tracepoint fires in each of these phases. */
enum efuse_phase {
	EFUSE_SUBMIT	= 0,	/* a synchronous request is about to be sent */
	EFUSE_BACKGROUND = 1,	/* an asynchronous one is */
	EFUSE_DONE	= 2,	/* a request has ended; error, out: the reply */
	EFUSE_NAMED	= 3,	/* this task is about to send an UNLINK, RMDIR
				 * or RENAME; nodeid, nodeid2: the inodes that
				 * the first and the second name refer to
				 */
	EFUSE_NOTIFIED	= 4,	/* the daemon makes the kernel drop nodeid and,
				 * if it is not 0, nodeid2; dev is 0
				 */
	EFUSE_READING	= 5,	/* a read() of a file, before the page cache is
				 * searched: opcode FUSE_READ, in0 a
				 * fuse_read_in. Only with EFUSE_IOC_READS
				 */
	EFUSE_LISTING	= 6,	/* a part of a directory is about to be listed:
				 * in0 a fuse_read_in, of which only the offset
				 * is set. HANDLED: ask for attributes, too
				 * (READDIRPLUS). This and the next only with
				 * EFUSE_IOC_LISTS
				 */
	EFUSE_ENTRY	= 7,	/* a READDIRPLUS has ended, and this is an entry
				 * of its reply: nodeid: the directory, name,
				 * out: the fuse_direntplus without the name.
				 * EFUSE_DONE follows
				 */
	EFUSE_SYNC	= 8,	/* this task calls statx() for nodeid with
				 * AT_STATX_FORCE_SYNC: its next GETATTR of it
				 * must reach the daemon
				 */
};

/*
 * The answer to EFUSE_SUBMIT, EFUSE_READING and EFUSE_LISTING. To EFUSE_DONE of
 * a request that failed with -ENOENT, a program can answer EFUSE_HANDLED with
 * the error -ESTALE, which the caller then gets instead. In the other phases, the
 * answer is ignored.
 */
enum efuse_verdict {
	EFUSE_UPCALL	= 0,	/* go on to the daemon, as without efuse */
	EFUSE_HANDLED	= 1,	/* answer with error and out[0..out_len] */
	EFUSE_FROM	= 2,	/* READING: out is a struct efuse_from */
};

/* Location of the first bytes of a read. */
struct efuse_from {
	__u64	offset;		/* in the backing file */
	__u32	backing;	/* from EFUSE_IOC_BACK */
	__u32	len;		/* may be less than requested; not 0 */
	__u32	flags;		/* EFUSE_FROM_* */
	__u32	reserved;
};

_Static_assert(sizeof(struct efuse_from) == 24, "struct efuse_from");

/*
 * The file ends after these bytes; without the flag, a short read is not the
 * end of the file.
 */
#define EFUSE_FROM_END	(1U << 0)

/* struct efuse_ctx.flags */
#define EFUSE_F_OUT_VAR	(1U << 0)	/* out_len may be below out_max */
/* DONE of a READDIRPLUS: EFUSE_ENTRY has shown all entries of the reply. */
#define EFUSE_F_WHOLE	(1U << 1)
/* And there were none: the directory ends here. */
#define EFUSE_F_END	(1U << 2)

struct efuse_ctx {
	/* the request, filled by the module */
	__u16	abi;
	__u16	phase;		/* enum efuse_phase */
	__u32	opcode;		/* enum fuse_opcode */
	__u64	nodeid;
	__u64	dev;		/* s_dev of the mount, the kernel's encoding */
	__u64	req;		/* identity of the request until it ends */
	__u64	conn;		/* identity of the connection */
	__u32	uid;		/* of the file system credentials */
	__u32	gid;
	__u32	flags;		/* EFUSE_F_* */
	__u32	in_len;		/* size of the first argument if not a name */
	__u32	out_max;	/* size of the reply that the kernel expects */
	__u32	name_len;	/* without the NUL; >= EFUSE_NAME: not shown */
	__u32	name2_len;
	__u32	reserved;	/* 0 */
	__u64	nodeid2;	/* LINK: old node; RENAME: new parent */
	__u8	in0[EFUSE_IN];	/* start of the first argument, zero padded */
	char	name[EFUSE_NAME];	/* zero padded; not shown in DONE: it may
					 * have changed by then. READING: the
					 * first 8 bytes of both names and 24 of
					 * `out` are 0, and the rest is that of
					 * an earlier request on this CPU
					 */
	char	name2[EFUSE_NAME];	/* RENAME: the new name */
	__u64	reserved2[4];	/* 0 */

	/* the answer, filled by a program (DONE: the reply) */
	__s32	verdict;	/* enum efuse_verdict */
	__s32	error;		/* 0 or a negative errno above -512 */
	__u32	out_len;
	__u32	reserved3;
	__u8	out[EFUSE_OUT];
};

/* A change of the size needs a new EFUSE_ABI. */
_Static_assert(sizeof(struct efuse_ctx) == 608, "struct efuse_ctx");

/*
 * The function that sends every synchronous request: fuse_simple_request(fm,
 * args), or __fuse_simple_request(idmap, fm, args).
 */
enum efuse_function {
	EFUSE_FN_SIMPLE_REQUEST		= 0,
	EFUSE_FN_SIMPLE_REQUEST_IDMAP	= 1,
};

/*
 * Layout of the running kernel's FUSE structures, which no header exports.
 * The agent reads it from the kernel's BTF. Offsets in bytes, except argvar.
 */
struct efuse_hook {
	__u32	abi;		/* EFUSE_ABI */
	__u32	ctx_size;	/* sizeof(struct efuse_ctx) */
	__u32	function;	/* enum efuse_function */
	__u16	args_nodeid;	/* struct fuse_args */
	__u16	args_opcode;
	__u16	args_in_num;	/* u8 */
	__u16	args_out_num;	/* u8 */
	__u16	args_in;	/* { unsigned int size; const void *value; }[] */
	__u16	args_out;	/* { unsigned int size; void *value; }[] */
	__u16	args_out_argvar;	/* in bits */
	__u16	mount_fc;	/* struct fuse_mount */
	__u16	mount_sb;
	__u16	connected;	/* in fuse_conn or fuse_chan; an unsigned int */
	__u16	req_args;	/* struct fuse_req */
	__u16	req_error;	/* out.h.error */
	__u16	req_flags;	/* an unsigned long */
	__u16	req_finished;	/* number of FR_FINISHED in it */
	__u16	inode_nodeid;	/* struct fuse_inode, which begins with inode */
	/* Newer kernels (7.3) have a struct fuse_chan; else these are 0. */
	__u16	conn_chan;	/* struct fuse_conn */
	__u16	chan_conn;	/* struct fuse_chan */
	__u16	req_fm;		/* struct fuse_req: mount, or channel */
	__u16	reserved[6];	/* 0 */
	__u32	phases;		/* returned: bit n: phase n can be seen */
};

_Static_assert(sizeof(struct efuse_hook) == 64, "struct efuse_hook");

/* Totals since the module was loaded, over all CPUs and devices. */
struct efuse_stats {
	__u64	calls;		/* requests that a program could answer */
	__u64	handled;	/* answered in the kernel */
	__u64	refused;	/* HANDLED with an invalid reply: sent on */
	__u64	ended;		/* ends of requests that programs saw */
	__u64	late;		/* ends not shown: the caller was gone */
	__u64	reads;		/* pieces read from a backing file */
	__u64	read_bytes;
	__u64	read_refused;	/* FROM, but unreadable: sent to the daemon */
	__u64	entries;	/* entries of listings that programs saw */
	__u64	lists_cut;	/* listings that were not shown completely */
	__u64	read_pages;	/* left to the mount's own pages */
};

_Static_assert(sizeof(struct efuse_stats) == 88, "struct efuse_stats");

/*
 * The additional layout for read(): offsets in struct fuse_file, the
 * file->private_data of an open file, and in struct fuse_inode.
 */
struct efuse_reads {
	__u16	file_fm;
	__u16	file_fh;
	__u16	file_nodeid;
	__u16	file_flags;	/* open_flags, a u32 */
	__u16	inode_state;	/* struct fuse_inode, an unsigned long */
	__u16	bad;		/* number of FUSE_I_BAD in it */
	/*
	 * 1: on the devices added after this, a read() is not shown if the
	 * mount itself has the pages with its first and its last byte, and
	 * reading them starts no readahead. Else 0.
	 */
	__u32	pages_first;
};

_Static_assert(sizeof(struct efuse_reads) == 16, "struct efuse_reads");

/*
 * The additional layout for listings. The reply is in pages or, in some kernels,
 * in the buffer of the last argument.
 */
struct efuse_lists {
	__u16	args_out_pages;	/* struct fuse_args, in bits */
	__u16	pages;		/* struct fuse_args_pages: pages or folios */
	__u16	descs;
	__u16	count;		/* an unsigned int */
	__u16	desc_length;	/* struct fuse_page_desc or fuse_folio_desc */
	__u16	desc_offset;
	__u16	inode_state;	/* struct fuse_inode, an unsigned long */
	__u16	advise;		/* number of FUSE_I_ADVISE_RDPLUS in it */
	__u32	reserved[2];	/* 0 */
};

_Static_assert(sizeof(struct efuse_lists) == 24, "struct efuse_lists");

/*
 * A backing file: a regular file that never changes, opened for reading with
 * O_NOATIME, not on a FUSE file system and not on one that is stacked on
 * another. Only its first `size` bytes are read; it must not be shorter.
 */
struct efuse_back {
	__s32	fd;
	__u32	backing;	/* returned; reused only after all others */
	__u64	size;
};

_Static_assert(sizeof(struct efuse_back) == 16, "struct efuse_back");

#define EFUSE_BACKINGS	16384	/* maximum registered at a time */

#define EFUSE_DEVICE	"/dev/efuse"
/*
 * Install the hook. It is removed when the last file that installed it closes.
 */
#define EFUSE_IOC_HOOK	_IOWR(0xef, 1, struct efuse_hook)
/* Show the requests of this device to the programs; closing undoes it, too. */
#define EFUSE_IOC_ADD	_IOW(0xef, 2, __u32)
#define EFUSE_IOC_DEL	_IOW(0xef, 3, __u32)
#define EFUSE_IOC_STATS	_IOR(0xef, 4, struct efuse_stats)
/* Show read(), too: hooks another function. After EFUSE_IOC_HOOK. */
#define EFUSE_IOC_READS	_IOW(0xef, 5, struct efuse_reads)
/* Register and remove backing files; closing the device removes its own. */
#define EFUSE_IOC_BACK	_IOWR(0xef, 6, struct efuse_back)
#define EFUSE_IOC_UNBACK _IOW(0xef, 7, __u32)
/* Show the entries of listings, too. After EFUSE_IOC_HOOK. */
#define EFUSE_IOC_LISTS	_IOW(0xef, 8, struct efuse_lists)

#endif /* EFUSE_ABI_H */
