// SPDX-License-Identifier: GPL-2.0
/*
 * efuse - let a BPF program answer a FUSE request before it reaches the daemon
 *
 * An ftrace hook on the function that sends every synchronous FUSE request
 * passes the request to a writable raw tracepoint. If the program there returns
 * HANDLED and a reply that the kernel accepts, the reply is copied and the
 * function returns at once; otherwise the request goes on to the daemon
 * unchanged. Further hooks report what a program needs to keep a cache
 * coherent: asynchronous requests, ended requests, the entries of a directory
 * listing, the inodes that a name refers to, the daemon's notifications, and
 * statx() calls that must reach the daemon. All of them run with preemption
 * off. A BPF trampoline (fentry) does not, and skips a program that was
 * preempted on the same CPU.
 *
 * Optionally it also reports every read() of a file, or those that the mount's
 * own pages cannot answer. There a program can name a
 * backing file that has the bytes, and the module reads that file; otherwise
 * the original function continues.
 *
 * The module makes no caching decisions and does not trust the programs: it
 * checks the opcode, the error and the size of each reply. It does nothing
 * until a process has opened /dev/efuse and passed the layout of this kernel's
 * FUSE structures. When that file is closed for any reason, the hooks are
 * removed.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/fuse.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/magic.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/objtool.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/trace_recursion.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/version.h>
#include <linux/xarray.h>
#include <asm/ibt.h>
#include <asm/unwind_hints.h>

#define CREATE_TRACE_POINTS
#include "efuse_trace.h"

#ifndef CONFIG_X86_64
#error "efuse: x86-64 only; README.md says what another architecture would need"
#endif

/* From 6.16 on, DECLARE_TRACE() adds a suffix to the name. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define trace_efuse_request		trace_efuse_request_tp
#define trace_efuse_request_enabled	trace_efuse_request_tp_enabled
#endif

/* fuse_i.h is private to fs/fuse; the agent checks these two against BTF. */
struct efuse_in_arg {
	unsigned int size;
	const void *value;
};

struct efuse_out_arg {
	unsigned int size;
	void *value;
};

/* State of one open file of /dev/efuse. */
struct efuse_owner {
	bool hooked;
	bool reads;
	bool pages_first;
	bool lists;
	DECLARE_BITMAP(devs, EFUSE_MAX_DEVS);
};

static const char * const efuse_functions[] = {
	[EFUSE_FN_SIMPLE_REQUEST]	= "fuse_simple_request",
	[EFUSE_FN_SIMPLE_REQUEST_IDMAP]	= "__fuse_simple_request",
};

static DEFINE_MUTEX(efuse_lock);	/* for all below except per-CPU data */
static struct efuse_hook hook;
static unsigned int hook_users;
static struct efuse_reads reads;
static unsigned int read_users;
static u32 efuse_devs[EFUSE_MAX_DEVS];	/* 0: free; read without the lock */
/* The FUSE connection of each device; 0 until its first request. */
static unsigned long efuse_conns[EFUSE_MAX_DEVS];
/* Devices whose own pages are used before the programs are asked. */
static DECLARE_BITMAP(efuse_pages_first, EFUSE_MAX_DEVS);

/* Used with preemption off, and never from an interrupt. */
static DEFINE_PER_CPU(struct efuse_ctx, efuse_ctxs);
static DEFINE_PER_CPU(struct efuse_stats, efuse_counters);

/*
 * A handled request continues here instead of in the function: one piece of
 * code for each result, which loads the result and returns to the function's
 * caller. The callback cannot leave the result in its register: a BPF
 * trampoline on the same function (fentry, fexit) runs in between, with our
 * address instead of the function's, and uses that register itself. It jumps to
 * the address or, with fexit, calls it and takes the result from there.
 */
#define EFUSE_PAD	16	/* bytes */
#define EFUSE_ERRORS	511	/* the lowest result is -511 */
#define EFUSE_RESULTS	(EFUSE_ERRORS + 1 + EFUSE_OUT)

void efuse_pads(void);
extern char efuse_pads_end[];
asm(".pushsection .text, \"ax\"\n"
	".balign " __stringify(EFUSE_PAD) "\n"
	".type efuse_pads, @function\n"
	".globl efuse_pads\n"
	"efuse_pads:\n"
	".set .Lefuse_result, -" __stringify(EFUSE_ERRORS) "\n"
	".rept " __stringify(EFUSE_ERRORS) " + 1 + " __stringify(EFUSE_OUT) "\n"
	UNWIND_HINT_FUNC "\n"
	ASM_ENDBR
	"movq $.Lefuse_result, %rax\n"
	ASM_RET "\n"
	".balign " __stringify(EFUSE_PAD) ", 0xcc\n"
	".set .Lefuse_result, .Lefuse_result + 1\n"
	".endr\n"
	".size efuse_pads, .-efuse_pads\n"
	".globl efuse_pads_end\n"
	"efuse_pads_end:\n"
	".popsection\n");

static __always_inline unsigned long efuse_pad_of(long result)
{
	return (unsigned long)efuse_pads + (result + EFUSE_ERRORS) * EFUSE_PAD;
}

static __always_inline unsigned long efuse_argument(struct ftrace_regs *fregs,
						    unsigned int n)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	return ftrace_regs_get_argument(fregs, n);
#else
	return regs_get_kernel_argument(ftrace_get_regs(fregs), n);
#endif
}

static __always_inline void efuse_go_to(struct ftrace_regs *fregs,
					unsigned long address)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	ftrace_regs_set_instruction_pointer(fregs, address);
#else
	instruction_pointer_set(ftrace_get_regs(fregs), address);
#endif
}

static __always_inline void efuse_answer(struct ftrace_regs *fregs, long result)
{
	efuse_go_to(fregs, efuse_pad_of(result));
}

static __always_inline int efuse_slot_of(u32 dev)
{
	int i;

	for (i = 0; i < EFUSE_MAX_DEVS; i++)
		if (READ_ONCE(efuse_devs[i]) == dev)
			return i;
	return -1;
}

static __always_inline bool efuse_registered(u32 dev)
{
	return efuse_slot_of(dev) >= 0;
}

/*
 * A program may answer only requests that change nothing and create no state in
 * the daemon.
 */
static __always_inline bool efuse_answerable(u32 opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_STATFS:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_ACCESS:
		return true;
	default:
		return false;
	}
}

/* Copies a name to zeroed memory; returns its length without the NUL. */
static __always_inline unsigned int efuse_name(char *to,
					       const struct efuse_in_arg *arg)
{
	const char *name = arg->value;
	unsigned int len = arg->size;

	if (!len || !name)
		return 0;
	/* From 6.14 on, LOOKUP has the NUL in a separate argument. */
	if (!name[len - 1])
		len--;
	if (len < EFUSE_NAME)
		memcpy(to, name, len);
	return len;
}

/* The number of an opcode's names, and whether it has no other arguments. */
static __always_inline unsigned int efuse_names_of(u32 opcode, bool *only)
{
	*only = false;
	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_SYMLINK:
	case FUSE_REMOVEXATTR:
		*only = true;
		return 1;
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
	case FUSE_LINK:
	case FUSE_GETXATTR:
	case FUSE_SETXATTR:
		return 1;
	case FUSE_RENAME:
	case FUSE_RENAME2:
		return 2;
	default:
		return 0;
	}
}

/* The second inode of LINK and of both RENAMEs: the first member of in0. */
static __always_inline u64 efuse_second(const struct efuse_ctx *c)
{
	BUILD_BUG_ON(offsetof(struct fuse_link_in, oldnodeid));
	BUILD_BUG_ON(offsetof(struct fuse_rename_in, newdir));
	BUILD_BUG_ON(offsetof(struct fuse_rename2_in, newdir));
	switch (c->opcode) {
	case FUSE_LINK:
	case FUSE_RENAME:
	case FUSE_RENAME2:
		return *(const u64 *)c->in0;
	default:
		return 0;
	}
}

/*
 * A copy of a request's arguments. At the end of a request the originals may be
 * gone (see efuse_on_done()), so reading them may fail.
 */
struct efuse_args {
	struct efuse_in_arg in[3];
	struct efuse_out_arg out[2];
	unsigned int in_num;
	unsigned int out_num;
	bool out_argvar;
};

/* Reads kernel memory; `live`: the memory is known to be mapped. */
static __always_inline bool efuse_read(void *to, const void *from, size_t size,
				       bool live)
{
	if (!live)
		return !copy_from_kernel_nofault(to, from, size);
	memcpy(to, from, size);
	return true;
}

/* Reads the sizes and addresses of the arguments; false if it cannot. */
static __always_inline bool efuse_read_args(struct efuse_args *a,
					    struct efuse_ctx *c,
					    const void *args, bool live)
{
	u8 in_num, out_num, var;

	if (!efuse_read(&c->opcode, args + hook.args_opcode, 4, live) ||
	    !efuse_read(&c->nodeid, args + hook.args_nodeid, 8, live) ||
	    !efuse_read(&in_num, args + hook.args_in_num, 1, live) ||
	    !efuse_read(&out_num, args + hook.args_out_num, 1, live) ||
	    !efuse_read(&var, args + hook.args_out_argvar / 8, 1, live) ||
	    !efuse_read(a->in, args + hook.args_in, sizeof(a->in), live) ||
	    !efuse_read(a->out, args + hook.args_out, sizeof(a->out), live))
		return false;
	a->in_num = min_t(unsigned int, in_num, ARRAY_SIZE(a->in));
	a->out_num = min_t(unsigned int, out_num, ARRAY_SIZE(a->out));
	a->out_argvar = var & 1U << hook.args_out_argvar % 8;
	/* From 6.14 on, the first argument can be empty. */
	if (a->in_num > 1 && !a->in[0].size) {
		a->in[0] = a->in[1];
		a->in[1] = a->in[2];
		a->in_num--;
	}
	c->req = (unsigned long)args;
	return true;
}

/* Copies the start of the first argument if it is not a name. */
static __always_inline bool efuse_fill_in(struct efuse_ctx *c,
					  const struct efuse_args *a, bool live)
{
	if (!a->in_num || !a->in[0].value)
		return true;
	c->in_len = a->in[0].size;
	return efuse_read(c->in0, a->in[0].value,
			  min_t(u32, c->in_len, EFUSE_IN), live);
}

/* Fills in what only the sender knows: credentials and names. */
static __always_inline bool efuse_fill(struct efuse_ctx *c,
				       const struct efuse_args *a)
{
	bool only;
	unsigned int names = efuse_names_of(c->opcode, &only);
	unsigned int first = only ? 0 : 1;

	c->uid = __kuid_val(current_fsuid());
	c->gid = __kgid_val(current_fsgid());
	if (!only)
		efuse_fill_in(c, a, true);
	c->nodeid2 = efuse_second(c);
	if (names && first + names > a->in_num)
		return false;
	if (names > 0)
		c->name_len = efuse_name(c->name, &a->in[first]);
	if (names > 1)
		c->name2_len = efuse_name(c->name2, &a->in[first + 1]);
	if (a->out_num) {
		c->out_max = a->out[0].size;
		if (a->out_argvar)
			c->flags |= EFUSE_F_OUT_VAR;
	}
	return true;
}

/* Gives the reply to the caller; false if the reply is invalid. */
static __always_inline bool efuse_reply(struct efuse_ctx *c,
					const struct efuse_args *a, long *ret)
{
	const struct efuse_out_arg *out = &a->out[0];

	if (!efuse_answerable(c->opcode))
		return false;
	if (c->error) {
		*ret = c->error;
		return c->error < 0 && c->error >= -EFUSE_ERRORS;
	}
	*ret = 0;
	if (!a->out_num)
		return c->out_len == 0;
	if (a->out_num != 1 || !out->value || c->out_len > EFUSE_OUT)
		return false;
	/* The program may have changed its copy of the size. */
	if (a->out_argvar) {
		if (c->opcode != FUSE_GETXATTR && c->opcode != FUSE_LISTXATTR)
			return false;
		if (c->out_len > out->size)
			return false;
		*ret = c->out_len;
	} else if (c->out_len != out->size) {
		return false;
	}
	memcpy(out->value, c->out, c->out_len);
	return true;
}

/* One store for each word: for a few words, "rep stos" needs more time. */
static __always_inline void efuse_clear(struct efuse_ctx *c, size_t from,
					size_t to)
{
	size_t at;

#pragma GCC unroll 32
	for (at = from; at < to; at += sizeof(u64))
		WRITE_ONCE(*(u64 *)((void *)c + at), 0);
}

/*
 * For a read(), which has no names: clears only the start of each name, because
 * the names are most of the context and reads are frequent.
 */
static __always_inline void efuse_ctx_clear_read(struct efuse_ctx *c)
{
	efuse_clear(c, 0, offsetof(struct efuse_ctx, name) + 8);
	efuse_clear(c, offsetof(struct efuse_ctx, name2),
		    offsetof(struct efuse_ctx, name2) + 8);
	efuse_clear(c, offsetof(struct efuse_ctx, reserved2),
		    offsetof(struct efuse_ctx, out) + sizeof(struct efuse_from));
}

/* This CPU's context, without data of an earlier request. */
static __always_inline struct efuse_ctx *efuse_ctx_new(u16 phase, u32 dev,
						       unsigned long conn)
{
	struct efuse_ctx *c = this_cpu_ptr(&efuse_ctxs);

	BUILD_BUG_ON(sizeof(*c) % sizeof(u64));
	if (phase == EFUSE_READING)
		efuse_ctx_clear_read(c);
	else
		memset64((u64 *)c, 0, sizeof(*c) / sizeof(u64));
	c->abi = EFUSE_ABI;
	c->phase = phase;
	c->dev = dev;
	c->conn = conn;
	return c;
}

/*
 * A context for the mount in a hooked function's argument; NULL if the mount is
 * not registered.
 */
static __always_inline struct efuse_ctx *efuse_ctx_of(u16 phase, const void *fm)
{
	const struct super_block *sb;
	unsigned long conn;
	int slot;

	sb = *(struct super_block **)(fm + hook.mount_sb);
	if (!sb)
		return NULL;
	slot = efuse_slot_of(sb->s_dev);
	if (slot < 0)
		return NULL;
	conn = *(const unsigned long *)(fm + hook.mount_fc);
	if (READ_ONCE(efuse_conns[slot]) != conn)
		WRITE_ONCE(efuse_conns[slot], conn);
	return efuse_ctx_new(phase, sb->s_dev, conn);
}

/*
 * The same for a request that has ended. If it has only a channel, the device is
 * found by the channel's connection.
 */
static __always_inline struct efuse_ctx *efuse_ctx_of_req(const void *req)
{
	const void *owner = *(const void **)(req + hook.req_fm);
	unsigned long conn;
	u32 dev;
	int i;

	if (!hook.conn_chan)
		return efuse_ctx_of(EFUSE_DONE, owner);
	if (!owner)
		return NULL;
	conn = *(const unsigned long *)(owner + hook.chan_conn);
	if (!conn)
		return NULL;
	for (i = 0; i < EFUSE_MAX_DEVS; i++) {
		dev = READ_ONCE(efuse_devs[i]);
		if (dev && READ_ONCE(efuse_conns[i]) == conn)
			return efuse_ctx_new(EFUSE_DONE, dev, conn);
	}
	return NULL;
}

static __always_inline bool efuse_connected(const struct efuse_ctx *c)
{
	const void *at = (const void *)(unsigned long)c->conn;

	if (hook.conn_chan)
		at = *(const void **)(at + hook.conn_chan);
	return READ_ONCE(*(const unsigned int *)(at + hook.connected));
}

/*
 * The common part of all hooks. The body runs with preemption off, never
 * recursively, and only while a program is attached.
 */
#define EFUSE_HOOK(name)						\
static __always_inline void name##_body(unsigned long ip,		\
					struct ftrace_regs *fregs);	\
static void notrace name(unsigned long ip, unsigned long parent_ip,	\
			 struct ftrace_ops *ops,			\
			 struct ftrace_regs *fregs)			\
{									\
	int bit = ftrace_test_recursion_trylock(ip, parent_ip);		\
									\
	if (bit < 0)							\
		return;							\
	if (trace_efuse_request_enabled())				\
		name##_body(ip, fregs);					\
	ftrace_test_recursion_unlock(bit);				\
}									\
static __always_inline void name##_body(unsigned long ip,		\
					struct ftrace_regs *fregs)

EFUSE_HOOK(efuse_on_request)
{
	unsigned int first = hook.function == EFUSE_FN_SIMPLE_REQUEST ? 0 : 1;
	struct efuse_args a;
	struct efuse_ctx *c;
	const void *args;
	u32 opcode;
	long ret;

	c = efuse_ctx_of(EFUSE_SUBMIT,
			 (const void *)efuse_argument(fregs, first));
	if (!c || !efuse_connected(c))
		return;
	args = (const void *)efuse_argument(fregs, first + 1);
	if (!efuse_read_args(&a, c, args, true) || !efuse_fill(c, &a))
		return;
	opcode = c->opcode;
	this_cpu_inc(efuse_counters.calls);
	trace_efuse_request(c);
	if (c->verdict != EFUSE_HANDLED)
		return;
	/* The checks of the reply must not use a value from the program. */
	c->opcode = opcode;
	if (efuse_reply(c, &a, &ret)) {
		this_cpu_inc(efuse_counters.handled);
		efuse_answer(fregs, ret);
	} else {
		this_cpu_inc(efuse_counters.refused);
	}
}

static __always_inline void efuse_on_background(struct ftrace_regs *fregs)
{
	struct efuse_args a;
	struct efuse_ctx *c;

	c = efuse_ctx_of(EFUSE_BACKGROUND,
			 (const void *)efuse_argument(fregs, 0));
	if (c && efuse_read_args(&a, c,
				 (const void *)efuse_argument(fregs, 1),
				 true) &&
	    efuse_fill(c, &a))
		trace_efuse_request(c);
}

/* Copies the reply; CREATE and TMPFILE have two, one after the other. */
static __always_inline bool efuse_fill_reply(struct efuse_ctx *c,
					     const struct efuse_args *a,
					     int error)
{
	unsigned int i;

	c->error = error;
	for (i = 0; !error && i < a->out_num; i++) {
		const struct efuse_out_arg *out = &a->out[i];

		if (!out->value || out->size > EFUSE_OUT - c->out_len)
			break;
		if (copy_from_kernel_nofault(c->out + c->out_len, out->value,
					     out->size))
			return false;
		c->out_len += out->size;
	}
	return true;
}

static __always_inline bool efuse_finished(const void *req)
{
	return test_bit(hook.req_finished,
			(const unsigned long *)(req + hook.req_flags));
}

/* A larger offset cannot belong to the structures that we know. */
#define EFUSE_ARGS_MAX	256
#define EFUSE_CONN_MAX	4096

#include "efuse_listing.h"

/*
 * A request can end twice: by an abort, and by the daemon's thread that was
 * copying the request or its reply meanwhile. The kernel decides by the flag
 * FR_FINISHED. The first end sets it before it wakes the caller, whose stack
 * holds the arguments. So if the flag is still clear after the arguments were
 * read, they were valid; at the first end it is always clear.
 */
static __always_inline void efuse_on_done(struct ftrace_regs *fregs)
{
	void *req = (void *)efuse_argument(fregs, 0);
	const void *args = *(const void **)(req + hook.req_args);
	int *error = (int *)(req + hook.req_error);
	struct efuse_args a;
	struct efuse_ctx *c;
	bool only, whole;

	c = efuse_ctx_of_req(req);
	if (!c || !args)
		return;
	if (efuse_finished(req)) {
		this_cpu_inc(efuse_counters.late);
		return;
	}
	/* Without the names: they may have changed by now. */
	whole = efuse_read_args(&a, c, args, false);
	if (whole)
		efuse_names_of(c->opcode, &only);
	whole = whole && (only || efuse_fill_in(c, &a, false));
	c->nodeid2 = whole ? efuse_second(c) : 0;
	whole = whole && efuse_fill_reply(c, &a, READ_ONCE(*error));
	/* The reads above happen before the second check. */
	smp_rmb();
	if (!whole || efuse_finished(req) ||
	    (c->opcode == FUSE_READDIRPLUS && !c->error && efuse_lists_on() &&
	     !efuse_list_show(c, req, &a, args))) {
		this_cpu_inc(efuse_counters.late);
		return;
	}
	this_cpu_inc(efuse_counters.ended);
	trace_efuse_request(c);
	if (c->verdict == EFUSE_HANDLED && c->error == -ESTALE &&
	    READ_ONCE(*error) == -ENOENT)
		WRITE_ONCE(*error, -ESTALE);
}

/* fuse.h of older kernels does not have the second. */
#define EFUSE_NOT_BACKED	(FOPEN_DIRECT_IO | 1U << 7 /* PASSTHROUGH */)

/*
 * A read() of a file on a registered device. The hook cannot sleep, but reading
 * can, so the hook only redirects the caller to efuse_read_entry(), which is
 * then called instead of fuse_file_read_iter(iocb, to), with its arguments. What
 * the backing files do not have is read by the original function, which is
 * entered after the patched call at its beginning.
 *
 * A task can stay in here for as long as the disk or the daemon takes. ftrace
 * does not wait for tasks that sleep, so efuse_read_backed() is an SRCU reader,
 * and efuse_unhook_reads() waits for it.
 */
DEFINE_STATIC_SRCU(efuse_readers);

/* Where fuse_file_read_iter() continues after the patched call. */
unsigned long efuse_read_rest;

ssize_t efuse_read_entry(struct kiocb *iocb, struct iov_iter *to);
ssize_t efuse_read_original(struct kiocb *iocb, struct iov_iter *to);
ssize_t efuse_read_backed(struct kiocb *iocb, struct iov_iter *to);

/*
 * efuse_read_entry returns the result of efuse_read_backed(), unless that is 0.
 * efuse_read_original is the original function. This is assembly because the
 * usual case must leave no frame of the module on the stack; the jump is a push
 * and a return, because its target has no ENDBR.
 */
asm(".pushsection .text, \"ax\"\n"
	".balign 16\n"
	".type efuse_read_entry, @function\n"
	".globl efuse_read_entry\n"
	"efuse_read_entry:\n"
	UNWIND_HINT_FUNC "\n"
	ASM_ENDBR
	"pushq %rdi\n"
	"pushq %rsi\n"
	"subq $8, %rsp\n"
	"call efuse_read_backed\n"
	"addq $8, %rsp\n"
	"popq %rsi\n"
	"popq %rdi\n"
	"testq %rax, %rax\n"
	"jz efuse_read_original\n"
	ASM_RET "\n"
	".size efuse_read_entry, .-efuse_read_entry\n"
	".balign 16\n"
	".type efuse_read_original, @function\n"
	".globl efuse_read_original\n"
	"efuse_read_original:\n"
	UNWIND_HINT_FUNC "\n"
	ASM_ENDBR
	"pushq efuse_read_rest(%rip)\n"
	UNWIND_HINT_FUNC "\n"
	ASM_RET "\n"
	".size efuse_read_original, .-efuse_read_original\n"
	".popsection\n");

/* A backing file; the table and each reader hold a reference. */
struct efuse_backing {
	struct file *file;
	struct efuse_owner *owner;
	u64 size;
	refcount_t count;
	struct rcu_head rcu;
};

static DEFINE_XARRAY_ALLOC1(efuse_backings);
static u32 efuse_backing_next;	/* under efuse_lock */
static unsigned int efuse_backing_count;

static void efuse_backing_put(struct efuse_backing *b)
{
	if (!refcount_dec_and_test(&b->count))
		return;
	fput(b->file);
	kfree_rcu(b, rcu);
}

static struct efuse_backing *efuse_backing_get(u32 n)
{
	struct efuse_backing *b;

	rcu_read_lock();
	b = xa_load(&efuse_backings, n);
	if (b && !refcount_inc_not_zero(&b->count))
		b = NULL;
	rcu_read_unlock();
	return b;
}

/* Asks the programs where the next bytes are; false if they gave no location. */
static bool efuse_ask(const struct kiocb *iocb, size_t size,
		      struct efuse_from *from)
{
	const void *ff = iocb->ki_filp->private_data;
	struct fuse_read_in *in;
	struct efuse_ctx *c;
	bool found = false;

	BUILD_BUG_ON(sizeof(*in) > EFUSE_IN);
	BUILD_BUG_ON(sizeof(*from) > EFUSE_OUT);
	preempt_disable();
	c = efuse_ctx_of(EFUSE_READING, *(const void **)(ff + reads.file_fm));
	if (c && efuse_connected(c)) {
		c->opcode = FUSE_READ;
		c->nodeid = *(const u64 *)(ff + reads.file_nodeid);
		c->in_len = sizeof(*in);
		in = (struct fuse_read_in *)c->in0;
		in->fh = *(const u64 *)(ff + reads.file_fh);
		in->offset = iocb->ki_pos;
		in->size = min_t(size_t, size, SZ_1G);
		in->flags = iocb->ki_filp->f_flags;
		trace_efuse_request(c);
		found = c->verdict == EFUSE_FROM;
		memcpy(from, c->out, sizeof(*from));
	}
	preempt_enable();
	return found;
}

/* Reads from the location that a program gave; 0 or negative if that fails. */
static ssize_t efuse_read_from(const struct efuse_from *from,
			       struct kiocb *iocb, struct iov_iter *to)
{
	size_t rest = iov_iter_count(to);
	const struct cred *old;
	struct efuse_backing *b;
	ssize_t n = -EINVAL;
	loff_t pos;

	b = efuse_backing_get(from->backing);
	if (!b)
		return -ENOENT;
	/* The program may be wrong about any of these. */
	if (!from->len || from->len > rest || from->offset > b->size ||
	    from->len > b->size - from->offset)
		goto out;
	rest -= from->len;
	iov_iter_truncate(to, from->len);
	pos = from->offset;
	old = override_creds(b->file->f_cred);
	n = vfs_iter_read(b->file, to, &pos, 0);
	revert_creds(old);
	iov_iter_reexpand(to, iov_iter_count(to) + rest);
	if (n > 0) {
		iocb->ki_pos += n;
		this_cpu_inc(efuse_counters.reads);
		this_cpu_add(efuse_counters.read_bytes, n);
	}
out:
	efuse_backing_put(b);
	return n;
}

/* Whether this read may use a backing file. */
static bool efuse_may_read(struct kiocb *iocb)
{
	const void *inode = file_inode(iocb->ki_filp);
	const void *ff = iocb->ki_filp->private_data;
	u32 flags = *(const u32 *)(ff + reads.file_flags);

	/* The kernel has seen that it is another file: the original fails. */
	if (test_bit(reads.bad, inode + reads.inode_state))
		return false;

	/*
	 * NOWAIT: the read may have to wait for the backing file's disk.
	 * Asynchronous: the original function completes the whole read itself,
	 * so it cannot continue one that began here.
	 */
	if (iocb->ki_flags & IOCB_NOWAIT || !is_sync_kiocb(iocb))
		return false;
	/*
	 * With these flags the daemon must see each read, or the kernel itself
	 * reads another file (passthrough).
	 */
	return !(flags & EFUSE_NOT_BACKED);
}

/*
 * Returns the number of bytes read, or 0 if the original function must do it
 * all. Called by efuse_read_entry().
 */
__used noinline ssize_t efuse_read_backed(struct kiocb *iocb,
					  struct iov_iter *to)
{
	struct efuse_from from = {};
	ssize_t n, got = 0;
	bool end = false;
	int idx;

	idx = srcu_read_lock(&efuse_readers);
	if (!efuse_may_read(iocb))
		goto out;
	while (!end && iov_iter_count(to) &&
	       efuse_ask(iocb, iov_iter_count(to), &from)) {
		n = efuse_read_from(&from, iocb, to);
		if (n <= 0) {
			this_cpu_inc(efuse_counters.read_refused);
			break;
		}
		got += n;
		if (n < from.len)
			break;
		end = from.flags & EFUSE_FROM_END;
	}
	/* The caller would take a short read for the end of the file. */
	if (got && !end && iov_iter_count(to)) {
		n = efuse_read_original(iocb, to);
		if (n > 0)
			got += n;
	}
out:
	srcu_read_unlock(&efuse_readers, idx);
	return got;
}

/*
 * Whether the mount itself has this page. Not if reading it starts the next
 * readahead: the programs must see a stream, or its file would be read ahead
 * from the daemon to the end, although its blocks are known. This is only a hint,
 * so the page needs no reference: one that is gone has other flags.
 */
static __always_inline bool efuse_has_page(struct address_space *mapping,
					   loff_t at)
{
	const struct folio *folio;
	const unsigned long *flags;
	bool has = false;

	rcu_read_lock();
	folio = xa_load(&mapping->i_pages, at >> PAGE_SHIFT);
	if (folio && !xa_is_value(folio)) {
		/* A struct with one member from 6.18 on. */
		flags = (const unsigned long *)&folio->flags;
		has = test_bit(PG_uptodate, flags) &&
		      !test_bit(PG_readahead, flags);
	}
	rcu_read_unlock();
	return has;
}

/*
 * Whether a read is left to the mount's own pages. Those between the first and
 * the last are not looked for, because that costs more than the daemon costs in
 * the few reads where one is missing.
 */
static __always_inline bool efuse_in_pages(const struct kiocb *iocb,
					   size_t size)
{
	struct address_space *mapping = iocb->ki_filp->f_mapping;
	loff_t first = iocb->ki_pos, last = i_size_read(mapping->host) - 1;

	if (iocb->ki_flags & (IOCB_DIRECT | IOCB_NOWAIT) || !size ||
	    first > last)
		return false;
	last = min_t(loff_t, last, first + min_t(size_t, size, SZ_1G) - 1);
	if (!efuse_has_page(mapping, first) ||
	    (first >> PAGE_SHIFT != last >> PAGE_SHIFT &&
	     !efuse_has_page(mapping, last)))
		return false;
	this_cpu_inc(efuse_counters.read_pages);
	return true;
}

/* fuse_file_read_iter(iocb, to) */
EFUSE_HOOK(efuse_on_read)
{
	const struct kiocb *iocb;
	const struct iov_iter *to;
	unsigned long rest = ip + MCOUNT_INSN_SIZE;
	int slot;

	iocb = (const struct kiocb *)efuse_argument(fregs, 0);
	to = (const struct iov_iter *)efuse_argument(fregs, 1);
	slot = efuse_slot_of(file_inode(iocb->ki_filp)->i_sb->s_dev);
	if (slot < 0 || (test_bit(slot, efuse_pages_first) &&
			 efuse_in_pages(iocb, iov_iter_count(to))))
		return;
	/* The value is always the same: only one function has this hook. */
	if (READ_ONCE(efuse_read_rest) != rest)
		WRITE_ONCE(efuse_read_rest, rest);
	efuse_go_to(fregs, (unsigned long)efuse_read_entry);
}

static __always_inline u64 efuse_nodeid(const struct dentry *dentry)
{
	const void *inode = d_inode(dentry);

	return inode ? *(const u64 *)(inode + hook.inode_nodeid) : 0;
}

static __always_inline void efuse_show(u16 phase, u32 dev, unsigned long conn,
				       u64 nodeid, u64 nodeid2)
{
	struct efuse_ctx *c = efuse_ctx_new(phase, dev, conn);

	c->nodeid = nodeid;
	c->nodeid2 = nodeid2;
	trace_efuse_request(c);
}

/* fuse_unlink(dir, entry), fuse_rmdir(dir, entry) */
static __always_inline void efuse_on_unlink(struct ftrace_regs *fregs)
{
	const struct dentry *entry;

	entry = (const struct dentry *)efuse_argument(fregs, 1);
	if (efuse_registered(entry->d_sb->s_dev))
		efuse_show(EFUSE_NAMED, entry->d_sb->s_dev, 0,
			   efuse_nodeid(entry), 0);
}

/* fuse_rename2(idmap, olddir, oldent, newdir, newent, flags) */
static __always_inline void efuse_on_rename(struct ftrace_regs *fregs)
{
	const struct dentry *from, *to;

	from = (const struct dentry *)efuse_argument(fregs, 2);
	to = (const struct dentry *)efuse_argument(fregs, 4);
	if (efuse_registered(from->d_sb->s_dev))
		efuse_show(EFUSE_NAMED, from->d_sb->s_dev, 0,
			   efuse_nodeid(from), efuse_nodeid(to));
}

/* fuse_reverse_inval_inode(fc, nodeid, offset, len) */
static __always_inline void efuse_on_inval_inode(struct ftrace_regs *fregs)
{
	efuse_show(EFUSE_NOTIFIED, 0, efuse_argument(fregs, 0),
		   efuse_argument(fregs, 1), 0);
}

/* fuse_reverse_inval_entry(fc, parent, child, name, flags) */
static __always_inline void efuse_on_inval_entry(struct ftrace_regs *fregs)
{
	efuse_show(EFUSE_NOTIFIED, 0, efuse_argument(fregs, 0),
		   efuse_argument(fregs, 1), efuse_argument(fregs, 2));
}

/* fuse_getattr(idmap, path, stat, request_mask, flags) */
static __always_inline void efuse_on_getattr(struct ftrace_regs *fregs)
{
	const struct dentry *entry;

	if (!(efuse_argument(fregs, 4) & AT_STATX_FORCE_SYNC))
		return;
	entry = ((const struct path *)efuse_argument(fregs, 1))->dentry;
	if (efuse_registered(entry->d_sb->s_dev))
		efuse_show(EFUSE_SYNC, entry->d_sb->s_dev, 0,
			   efuse_nodeid(entry), 0);
}

/*
 * The other watched functions. They share one hook, which selects by address:
 * removing a hook waits until no task is in it, and separate hooks would wait
 * separately. The agent learns from the phases which functions are missing.
 */
enum efuse_watched {
	EFUSE_W_GETATTR,	/* the most frequent */
	EFUSE_W_DONE,
	EFUSE_W_BACKGROUND,
	EFUSE_W_UNLINK,
	EFUSE_W_RMDIR,
	EFUSE_W_RENAME,
	EFUSE_W_INVAL_INODE,
	EFUSE_W_INVAL_ENTRY,
	EFUSE_W_READDIR,
	EFUSE_WATCHED,
};

static const struct {
	const char *function;
	enum efuse_phase phase;
} watched[EFUSE_WATCHED] = {
	[EFUSE_W_GETATTR]	= { "fuse_getattr", EFUSE_SYNC },
	[EFUSE_W_DONE]		= { "fuse_request_end", EFUSE_DONE },
	[EFUSE_W_BACKGROUND]	= { "fuse_simple_background", EFUSE_BACKGROUND },
	[EFUSE_W_UNLINK]	= { "fuse_unlink", EFUSE_NAMED },
	[EFUSE_W_RMDIR]		= { "fuse_rmdir", EFUSE_NAMED },
	[EFUSE_W_RENAME]	= { "fuse_rename2", EFUSE_NAMED },
	[EFUSE_W_INVAL_INODE]	= { "fuse_reverse_inval_inode", EFUSE_NOTIFIED },
	[EFUSE_W_INVAL_ENTRY]	= { "fuse_reverse_inval_entry", EFUSE_NOTIFIED },
	[EFUSE_W_READDIR]	= { "fuse_readdir", EFUSE_LISTING },
};

/* Without these, nothing is hooked. */
#define EFUSE_NEEDED	(BIT(EFUSE_DONE) | BIT(EFUSE_BACKGROUND))

/* Address of each, 0 if missing; constant while the hook is installed. */
static unsigned long entries[EFUSE_WATCHED];

/* The patched call at a function's entry comes after ENDBR, if there is one. */
#define EFUSE_ENTRY	4

EFUSE_HOOK(efuse_on_watched)
{
	unsigned int i;

	for (i = 0; i < EFUSE_WATCHED; i++)
		if (entries[i] && ip - entries[i] <= EFUSE_ENTRY)
			break;
	switch (i) {
	case EFUSE_W_GETATTR:
		efuse_on_getattr(fregs);
		break;
	case EFUSE_W_DONE:
		efuse_on_done(fregs);
		break;
	case EFUSE_W_BACKGROUND:
		efuse_on_background(fregs);
		break;
	case EFUSE_W_UNLINK:
	case EFUSE_W_RMDIR:
		efuse_on_unlink(fregs);
		break;
	case EFUSE_W_RENAME:
		efuse_on_rename(fregs);
		break;
	case EFUSE_W_INVAL_INODE:
		efuse_on_inval_inode(fregs);
		break;
	case EFUSE_W_INVAL_ENTRY:
		efuse_on_inval_entry(fregs);
		break;
	case EFUSE_W_READDIR:
		efuse_on_readdir(fregs);
		break;
	}
}

/* Before 6.2, registers need this flag. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define EFUSE_FL_REGS	0
#else
#define EFUSE_FL_REGS	FTRACE_OPS_FL_SAVE_REGS
#endif

/*
 * PERMANENT: otherwise kernel.ftrace_enabled=0 would silently disable the
 * hooks, and changes would be missed.
 */
static struct ftrace_ops request_ops = {
	.func	= efuse_on_request,
	.flags	= EFUSE_FL_REGS | FTRACE_OPS_FL_PERMANENT |
		  FTRACE_OPS_FL_IPMODIFY,
};

static struct ftrace_ops watched_ops = {
	.func	= efuse_on_watched,
	.flags	= EFUSE_FL_REGS | FTRACE_OPS_FL_PERMANENT,
};

static struct ftrace_ops read_ops = {
	.func	= efuse_on_read,
	.flags	= EFUSE_FL_REGS | FTRACE_OPS_FL_PERMANENT |
		  FTRACE_OPS_FL_IPMODIFY,
};

/*
 * Address of a function, or 0. Modules have no other interface for this:
 * registering a kprobe, which is never armed, looks it up.
 */
static unsigned long efuse_entry_of(const char *function)
{
	struct kprobe probe = {
		.symbol_name = function,
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long entry;

	if (register_kprobe(&probe))
		return 0;
	entry = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	return entry;
}

static int efuse_hook_at(struct ftrace_ops *ops, unsigned long *ips,
			 unsigned int count)
{
	int err;

	err = ftrace_set_filter_ips(ops, ips, count, 0, 1);
	if (!err)
		err = register_ftrace_function(ops);
	if (err)
		ftrace_set_filter(ops, NULL, 0, 1);
	return err;
}

/*
 * Waits until no task is in the callback or in efuse_pads(), so that the module
 * can be unloaded afterwards.
 */
static void efuse_unhook_from(struct ftrace_ops *ops)
{
	unregister_ftrace_function(ops);
	ftrace_set_filter(ops, NULL, 0, 1);
}

/*
 * The reference to the file system type holds its module: while it is hooked,
 * fuse.ko must not be unloaded and loaded at another address.
 */
static struct file_system_type *fuse_type;

static int efuse_pin_fuse(void)
{
	fuse_type = get_fs_type("fuse");
	return fuse_type ? 0 : -ENODEV;
}

static void efuse_unpin_fuse(void)
{
	module_put(fuse_type->owner);
	fuse_type = NULL;
}

/* The request hook first: nothing may be answered without the others. */
static void efuse_unhook(void)
{
	efuse_unhook_from(&request_ops);
	efuse_unhook_from(&watched_ops);
	efuse_unpin_fuse();
}

/*
 * The request hook last: nothing may be answered before the others are active.
 */
static int efuse_hook_all(u32 *phases)
{
	unsigned long ips[EFUSE_WATCHED], request;
	unsigned int i, count = 0;
	int err;

	err = efuse_pin_fuse();
	if (err)
		return err;
	*phases = GENMASK(EFUSE_NOTIFIED, 0) | BIT(EFUSE_LISTING) |
		  BIT(EFUSE_SYNC);
	for (i = 0; i < EFUSE_WATCHED; i++) {
		entries[i] = efuse_entry_of(watched[i].function);
		if (entries[i]) {
			ips[count++] = entries[i];
			continue;
		}
		pr_info("efuse: %s not found\n", watched[i].function);
		*phases &= ~BIT(watched[i].phase);
	}
	request = efuse_entry_of(efuse_functions[hook.function]);
	err = -ENOENT;
	if (!request || (*phases & EFUSE_NEEDED) != EFUSE_NEEDED)
		goto unpin;
	err = efuse_hook_at(&watched_ops, ips, count);
	if (err)
		goto unpin;
	err = efuse_hook_at(&request_ops, &request, 1);
	if (!err)
		return 0;
	efuse_unhook_from(&watched_ops);
unpin:
	efuse_unpin_fuse();
	return err;
}

static int efuse_hook_reads(void)
{
	unsigned long entry = efuse_entry_of("fuse_file_read_iter");

	return entry ? efuse_hook_at(&read_ops, &entry, 1) : -ENOENT;
}

/*
 * After the first call, no task is on its way to efuse_read_entry(): ftrace
 * waits until each task has slept or left the kernel, and a task that sleeps in
 * here is an SRCU reader. After the second, there is no reader; after the
 * third, no former reader is still at its last instructions.
 */
static void efuse_unhook_reads(void)
{
	efuse_unhook_from(&read_ops);
	synchronize_srcu(&efuse_readers);
	synchronize_rcu_tasks();
}

static bool efuse_layout_sane(const struct efuse_hook *h)
{
	return h->args_nodeid + sizeof(u64) <= EFUSE_ARGS_MAX &&
	       h->args_opcode + sizeof(u32) <= EFUSE_ARGS_MAX &&
	       h->args_in_num < EFUSE_ARGS_MAX &&
	       h->args_out_num < EFUSE_ARGS_MAX &&
	       h->args_in_num != h->args_out_num &&
	       h->args_in + 3 * sizeof(struct efuse_in_arg) <= h->args_out &&
	       h->args_out + 2 * sizeof(struct efuse_out_arg) <=
		       EFUSE_ARGS_MAX &&
	       h->args_out_argvar / 8 < EFUSE_ARGS_MAX &&
	       IS_ALIGNED(h->args_in, sizeof(void *)) &&
	       IS_ALIGNED(h->args_out, sizeof(void *)) &&
	       IS_ALIGNED(h->mount_fc | h->mount_sb, sizeof(void *)) &&
	       h->mount_fc != h->mount_sb &&
	       (h->mount_fc | h->mount_sb) < EFUSE_ARGS_MAX &&
	       IS_ALIGNED(h->connected | h->req_error, sizeof(u32)) &&
	       IS_ALIGNED(h->req_args | h->req_fm, sizeof(void *)) &&
	       h->req_args != h->req_fm &&
	       IS_ALIGNED(h->req_flags, sizeof(unsigned long)) &&
	       h->req_flags != h->req_args && h->req_flags != h->req_fm &&
	       h->req_finished < BITS_PER_LONG &&
	       (h->req_args | h->req_fm | h->req_error | h->req_flags) <
		       EFUSE_ARGS_MAX * 2 &&
	       IS_ALIGNED(h->inode_nodeid, sizeof(u64)) &&
	       h->inode_nodeid >= sizeof(struct inode) &&
	       h->inode_nodeid < EFUSE_CONN_MAX &&
	       IS_ALIGNED(h->conn_chan | h->chan_conn, sizeof(void *)) &&
	       !h->conn_chan == !h->chan_conn &&
	       (h->conn_chan | h->chan_conn) < EFUSE_CONN_MAX &&
	       h->connected < EFUSE_CONN_MAX &&
	       !memchr_inv(h->reserved, 0, sizeof(h->reserved));
}

static int efuse_ioc_hook(struct efuse_owner *owner,
			  struct efuse_hook __user *arg)
{
	struct efuse_hook h;
	u32 phases;
	int err;

	if (owner->hooked)
		return -EALREADY;
	if (copy_from_user(&h, arg, sizeof(h)))
		return -EFAULT;
	if (h.abi != EFUSE_ABI || h.ctx_size != sizeof(struct efuse_ctx))
		return -EPROTO;
	if (h.function >= ARRAY_SIZE(efuse_functions) || !efuse_layout_sane(&h))
		return -EINVAL;

	h.phases = 0;
	if (hook_users) {
		phases = hook.phases;
		h.phases = phases;
		if (memcmp(&h, &hook, sizeof(h)))
			return -EBUSY;
	} else {
		hook = h;
		err = efuse_hook_all(&phases);
		if (err)
			return err;
		hook.phases = phases;
	}
	hook_users++;
	owner->hooked = true;
	return put_user(phases, &arg->phases);
}

static int efuse_ioc_reads(struct efuse_owner *owner,
			   const struct efuse_reads __user *arg)
{
	struct efuse_reads r;
	u32 pages_first;
	int err;

	if (!owner->hooked)
		return -ENOTCONN;
	if (owner->reads)
		return -EALREADY;
	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	pages_first = r.pages_first;
	if (!IS_ALIGNED(r.file_fm | r.file_fh | r.file_nodeid, sizeof(u64)) ||
	    !IS_ALIGNED(r.file_flags, sizeof(u32)) ||
	    (r.file_fm | r.file_fh | r.file_nodeid | r.file_flags) >=
		    EFUSE_ARGS_MAX ||
	    r.file_fm == r.file_fh || r.file_fm == r.file_nodeid ||
	    r.file_fh == r.file_nodeid ||
	    !IS_ALIGNED(r.inode_state, sizeof(unsigned long)) ||
	    r.inode_state < sizeof(struct inode) ||
	    r.inode_state >= EFUSE_CONN_MAX || r.bad >= BITS_PER_LONG ||
	    pages_first > 1)
		return -EINVAL;
	/* Another owner may choose otherwise. */
	r.pages_first = 0;
	if (read_users) {
		if (memcmp(&r, &reads, sizeof(r)))
			return -EBUSY;
	} else {
		reads = r;
		err = efuse_hook_reads();
		if (err)
			return err;
	}
	read_users++;
	owner->reads = true;
	owner->pages_first = pages_first;
	return 0;
}

/*
 * Rejects files that are not regular and read-only, and those whose reads may
 * depend on a FUSE mount.
 */
static int efuse_backing_check(const struct file *file, u64 size)
{
	const struct inode *inode = file_inode(file);

	if (!S_ISREG(inode->i_mode) || !(file->f_mode & FMODE_READ) ||
	    file->f_mode & FMODE_WRITE || file->f_flags & O_DIRECT ||
	    !(file->f_flags & O_NOATIME) || !file->f_op->read_iter)
		return -EINVAL;
	/* The magic number: fuseblk and virtiofs are types of their own. */
	if (inode->i_sb->s_stack_depth ||
	    inode->i_sb->s_magic == FUSE_SUPER_MAGIC ||
	    efuse_registered(inode->i_sb->s_dev))
		return -ELOOP;
	return size && i_size_read(inode) >= size ? 0 : -EMSGSIZE;
}

static int efuse_ioc_back(struct efuse_owner *owner,
			  struct efuse_back __user *arg)
{
	struct efuse_backing *b;
	struct efuse_back back;
	int err;

	if (!owner->reads)
		return -ENOTCONN;
	if (copy_from_user(&back, arg, sizeof(back)))
		return -EFAULT;
	if (efuse_backing_count >= EFUSE_BACKINGS)
		return -ENOSPC;
	b = kzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	b->file = fget(back.fd);
	err = -EBADF;
	if (!b->file)
		goto free;
	b->owner = owner;
	b->size = back.size;
	refcount_set(&b->count, 1);
	err = efuse_backing_check(b->file, back.size);
	if (err)
		goto put;
	/* A number is reused only after all others have been used. */
	err = xa_alloc_cyclic(&efuse_backings, &back.backing, b, xa_limit_32b,
			      &efuse_backing_next, GFP_KERNEL);
	if (err < 0)
		goto put;
	efuse_backing_count++;
	return put_user(back.backing, &arg->backing);
put:
	fput(b->file);
free:
	kfree(b);
	return err;
}

static void efuse_backing_drop(u32 n, struct efuse_backing *b)
{
	xa_erase(&efuse_backings, n);
	efuse_backing_count--;
	efuse_backing_put(b);
}

static int efuse_ioc_unback(struct efuse_owner *owner, u32 n)
{
	struct efuse_backing *b = xa_load(&efuse_backings, n);

	if (!b || b->owner != owner)
		return -ENOENT;
	efuse_backing_drop(n, b);
	return 0;
}

static void efuse_unback_all(struct efuse_owner *owner)
{
	struct efuse_backing *b;
	unsigned long n;

	xa_for_each(&efuse_backings, n, b)
		if (b->owner == owner)
			efuse_backing_drop(n, b);
}

static int efuse_ioc_add(struct efuse_owner *owner, u32 dev)
{
	unsigned int i, slot = EFUSE_MAX_DEVS;

	if (!owner->hooked)
		return -ENOTCONN;
	if (!dev)
		return -EINVAL;
	for (i = 0; i < EFUSE_MAX_DEVS; i++) {
		if (efuse_devs[i] == dev)
			return -EEXIST;
		if (!efuse_devs[i] && slot == EFUSE_MAX_DEVS)
			slot = i;
	}
	if (slot == EFUSE_MAX_DEVS)
		return -ENOSPC;
	assign_bit(slot, efuse_pages_first, owner->pages_first);
	WRITE_ONCE(efuse_devs[slot], dev);
	__set_bit(slot, owner->devs);
	return 0;
}

/*
 * After this returns, no request of the devices in these slots is answered, and
 * no running one can still record its connection, which the next device in the
 * slot would inherit.
 */
static void efuse_forget(const unsigned long *slots)
{
	unsigned int i;

	for_each_set_bit(i, slots, EFUSE_MAX_DEVS)
		WRITE_ONCE(efuse_devs[i], 0);
	synchronize_rcu();
	for_each_set_bit(i, slots, EFUSE_MAX_DEVS)
		WRITE_ONCE(efuse_conns[i], 0);
}

static int efuse_ioc_del(struct efuse_owner *owner, u32 dev)
{
	DECLARE_BITMAP(slot, EFUSE_MAX_DEVS) = {};
	unsigned int i;

	for_each_set_bit(i, owner->devs, EFUSE_MAX_DEVS) {
		if (efuse_devs[i] != dev)
			continue;
		__set_bit(i, slot);
		efuse_forget(slot);
		__clear_bit(i, owner->devs);
		return 0;
	}
	return -ENOENT;
}

static int efuse_ioc_stats(struct efuse_stats __user *arg)
{
	struct efuse_stats sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		struct efuse_stats *s = per_cpu_ptr(&efuse_counters, cpu);

		sum.calls += READ_ONCE(s->calls);
		sum.handled += READ_ONCE(s->handled);
		sum.refused += READ_ONCE(s->refused);
		sum.ended += READ_ONCE(s->ended);
		sum.late += READ_ONCE(s->late);
		sum.reads += READ_ONCE(s->reads);
		sum.read_bytes += READ_ONCE(s->read_bytes);
		sum.read_refused += READ_ONCE(s->read_refused);
		sum.entries += READ_ONCE(s->entries);
		sum.lists_cut += READ_ONCE(s->lists_cut);
		sum.read_pages += READ_ONCE(s->read_pages);
	}
	return copy_to_user(arg, &sum, sizeof(sum)) ? -EFAULT : 0;
}

static long efuse_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct efuse_owner *owner = file->private_data;
	void __user *argp = (void __user *)arg;
	u32 dev = 0;
	int err;

	if (cmd == EFUSE_IOC_ADD || cmd == EFUSE_IOC_DEL ||
	    cmd == EFUSE_IOC_UNBACK)
		if (get_user(dev, (u32 __user *)argp))
			return -EFAULT;

	mutex_lock(&efuse_lock);
	switch (cmd) {
	case EFUSE_IOC_HOOK:
		err = efuse_ioc_hook(owner, argp);
		break;
	case EFUSE_IOC_ADD:
		err = efuse_ioc_add(owner, dev);
		break;
	case EFUSE_IOC_DEL:
		err = efuse_ioc_del(owner, dev);
		break;
	case EFUSE_IOC_STATS:
		err = efuse_ioc_stats(argp);
		break;
	case EFUSE_IOC_READS:
		err = efuse_ioc_reads(owner, argp);
		break;
	case EFUSE_IOC_LISTS:
		err = efuse_ioc_lists(owner, argp);
		break;
	case EFUSE_IOC_BACK:
		err = efuse_ioc_back(owner, argp);
		break;
	case EFUSE_IOC_UNBACK:
		err = efuse_ioc_unback(owner, dev);
		break;
	default:
		err = -ENOTTY;
		break;
	}
	mutex_unlock(&efuse_lock);
	return err;
}

static int efuse_open(struct inode *inode, struct file *file)
{
	struct efuse_owner *owner;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	owner = kzalloc(sizeof(*owner), GFP_KERNEL);
	file->private_data = owner;
	return owner ? 0 : -ENOMEM;
}

static int efuse_release(struct inode *inode, struct file *file)
{
	struct efuse_owner *owner = file->private_data;

	mutex_lock(&efuse_lock);
	efuse_forget(owner->devs);
	efuse_unback_all(owner);
	efuse_lists_drop(owner);
	if (owner->reads && !--read_users)
		efuse_unhook_reads();
	if (owner->hooked && !--hook_users)
		efuse_unhook();
	mutex_unlock(&efuse_lock);
	kfree(owner);
	return 0;
}

static const struct file_operations efuse_fops = {
	.owner		= THIS_MODULE,
	.open		= efuse_open,
	.release	= efuse_release,
	.unlocked_ioctl	= efuse_ioctl,
};

static struct miscdevice efuse_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "efuse",
	.fops	= &efuse_fops,
	.mode	= 0600,
};

static int __init efuse_init(void)
{
	/* The compiler or a mitigation may have made the pieces longer. */
	if (efuse_pads_end - (char *)efuse_pads != EFUSE_RESULTS * EFUSE_PAD)
		return -ENOEXEC;
	return misc_register(&efuse_misc);
}

static void __exit efuse_exit(void)
{
	misc_deregister(&efuse_misc);
	/* Waits until no program is in the tracepoint. */
	tracepoint_synchronize_unregister();
}

module_init(efuse_init);
module_exit(efuse_exit);

MODULE_DESCRIPTION("BPF programs that answer FUSE requests");
MODULE_LICENSE("GPL");
