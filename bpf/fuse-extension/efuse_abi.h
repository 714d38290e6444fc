/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What the module, the BPF programs and the agent agree on.
 *
 * struct efuse_ctx is the writable context of the raw tracepoint
 * efuse_request. A program may read and write it at constant offsets only, so
 * it is flat and of fixed size. A change of layout or meaning raises
 * EFUSE_ABI, and the module refuses an agent of another version.
 */
#ifndef EFUSE_ABI_H
#define EFUSE_ABI_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define EFUSE_ABI	1
#define EFUSE_IN	64	/* bytes of the first argument that are shown */
#define EFUSE_NAME	128	/* longest name that is shown, NUL included */
#define EFUSE_OUT	160	/* longest reply that a program can give */
#define EFUSE_MAX_DEVS	16	/* mounts that can be registered at a time */

/* What is happening; the tracepoint fires for each of these. */
enum efuse_phase {
	EFUSE_SUBMIT	= 0,	/* a synchronous request is about to be sent */
	EFUSE_BACKGROUND = 1,	/* an asynchronous one is */
	EFUSE_DONE	= 2,	/* a request has ended; error, out: the reply */
	EFUSE_NAMED	= 3,	/* this task is about to send an UNLINK, RMDIR
				 * or RENAME; nodeid, nodeid2: the inodes that
				 * the first and the second name stand for
				 */
	EFUSE_NOTIFIED	= 4,	/* the daemon tells the kernel to drop nodeid,
				 * and nodeid2 if it named one; dev is 0
				 */
};

/* The answer to EFUSE_SUBMIT; in the other phases there is none. */
enum efuse_verdict {
	EFUSE_UPCALL	= 0,	/* go on to the daemon, as without efuse */
	EFUSE_HANDLED	= 1,	/* answer with error and out[0..out_len] */
};

/* struct efuse_ctx.flags */
#define EFUSE_F_OUT_VAR	(1U << 0)	/* out_len may be below out_max */

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
	__u32	out_max;	/* size that the kernel expects back */
	__u32	name_len;	/* without the NUL; >= EFUSE_NAME: not shown */
	__u32	name2_len;
	__u32	pad;
	__u64	nodeid2;	/* LINK: old node; RENAME: new parent */
	__u8	in0[EFUSE_IN];	/* start of the first argument, zero padded */
	char	name[EFUSE_NAME];	/* zero padded; valid if name_len */
	char	name2[EFUSE_NAME];	/* RENAME: the new name */

	/* the answer, filled by a program (DONE: the reply) */
	__s32	verdict;	/* enum efuse_verdict */
	__s32	error;		/* 0 or a negative errno above -512 */
	__u32	out_len;
	__u32	pad2;
	__u8	out[EFUSE_OUT];
};

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
	__u16	inode_nodeid;	/* struct fuse_inode, which begins with inode */
	/* Newer kernels (7.3) have a struct fuse_chan; else these are 0. */
	__u16	conn_chan;	/* struct fuse_conn */
	__u16	chan_conn;	/* struct fuse_chan */
	__u16	req_fm;		/* struct fuse_req: mount, or channel */
	__u32	phases;		/* returned: bit n: phase n can be seen */
};

/* Since the module was loaded, over all CPUs and devices. */
struct efuse_stats {
	__u64	calls;		/* requests that a program could answer */
	__u64	handled;	/* answered in the kernel */
	__u64	refused;	/* HANDLED, but not a valid reply: sent on */
};

#define EFUSE_DEVICE	"/dev/efuse"
/* Install the hook. It goes when the last file that installed it closes. */
#define EFUSE_IOC_HOOK	_IOWR(0xef, 1, struct efuse_hook)
/* Show the programs the requests of this device; undone by close, too. */
#define EFUSE_IOC_ADD	_IOW(0xef, 2, __u32)
#define EFUSE_IOC_DEL	_IOW(0xef, 3, __u32)
#define EFUSE_IOC_STATS	_IOR(0xef, 4, struct efuse_stats)

#endif /* EFUSE_ABI_H */
