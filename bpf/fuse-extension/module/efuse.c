// SPDX-License-Identifier: GPL-2.0
/*
 * efuse - let a BPF program answer a FUSE request before the daemon is asked
 *
 * An ftrace hook on the function that sends every synchronous FUSE request
 * shows the request to a writable raw tracepoint. If the program there says
 * HANDLED and its reply is one that the kernel expects, the reply is copied
 * and the function returns at once; in every other case the request goes on
 * to the daemon as if nothing had happened. Further hooks show what a program
 * must know to keep a cache coherent: asynchronous requests, ended requests,
 * the inodes behind a name, and the daemon's notifications. All of them run
 * with preemption off: a BPF trampoline (fentry) would not, and then skips a
 * program that was preempted on the same CPU.
 *
 * The module decides nothing about caching and trusts no program: it checks
 * the opcode, the error and the size of each reply. It does nothing until a
 * process holds /dev/efuse open and has handed in the layout of this kernel's
 * FUSE structures; when that file is closed, for whatever reason, the hook is
 * gone.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/fuse.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/objtool.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/trace_recursion.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#define CREATE_TRACE_POINTS
#include "efuse_trace.h"

#ifndef CONFIG_X86_64
#error "efuse: x86-64 only; README.md says what another machine would need"
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

/* What one open file of /dev/efuse has asked for. */
struct efuse_owner {
	bool hooked;
	DECLARE_BITMAP(devs, EFUSE_MAX_DEVS);
};

static const char * const efuse_functions[] = {
	[EFUSE_FN_SIMPLE_REQUEST]	= "fuse_simple_request",
	[EFUSE_FN_SIMPLE_REQUEST_IDMAP]	= "__fuse_simple_request",
};

static DEFINE_MUTEX(efuse_lock);	/* all below but the per-CPU data */
static struct efuse_hook hook;
static unsigned int hook_users;
static u32 efuse_devs[EFUSE_MAX_DEVS];	/* 0: free; read without the lock */
/* The connection of each, once a request was seen; 0: not yet. */
static unsigned long efuse_conns[EFUSE_MAX_DEVS];

/* Used with preemption off, and never from an interrupt. */
static DEFINE_PER_CPU(struct efuse_ctx, efuse_ctxs);
static DEFINE_PER_CPU(struct efuse_stats, efuse_counters);

/*
 * Where a handled request continues instead of in the function: its return
 * address is on top of the stack, the return value in the register.
 */
void efuse_return(void);
asm(".pushsection .text, \"ax\"\n"
	".type efuse_return, @function\n"
	".globl efuse_return\n"
	"efuse_return:\n"
    ANNOTATE_NOENDBR "\n"	/* only ever returned to */
    ASM_RET
	".size efuse_return, .-efuse_return\n"
	".popsection\n");

static __always_inline unsigned long efuse_argument(struct ftrace_regs *fregs,
						    unsigned int n)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	return ftrace_regs_get_argument(fregs, n);
#else
	return regs_get_kernel_argument(ftrace_get_regs(fregs), n);
#endif
}

static __always_inline void efuse_answer(struct ftrace_regs *fregs, long ret)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	ftrace_regs_set_return_value(fregs, ret);
	ftrace_regs_set_instruction_pointer(fregs,
					    (unsigned long)efuse_return);
#else
	struct pt_regs *regs = ftrace_get_regs(fregs);

	regs_set_return_value(regs, ret);
	instruction_pointer_set(regs, (unsigned long)efuse_return);
#endif
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
 * Only requests that change nothing and that hold no state in the daemon can
 * be answered without it, whatever a program says.
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

/* Copy a name; its length without the NUL. */
static __always_inline unsigned int efuse_name(char *to,
					       const struct efuse_in_arg *arg)
{
	const char *name = arg->value;
	unsigned int len = arg->size;

	if (!len || !name)
		return 0;
	/* From 6.14 on, LOOKUP has the NUL in an argument of its own. */
	if (!name[len - 1])
		len--;
	if (len < EFUSE_NAME) {
		memcpy(to, name, len);
		memset(to + len, 0, EFUSE_NAME - len);
	}
	return len;
}

/* Copy the request into the context; false: not one to show. */
static __always_inline bool efuse_fill(struct efuse_ctx *c, const void *args)
{
	const struct efuse_in_arg *in = args + hook.args_in;
	const struct efuse_out_arg *out = args + hook.args_out;
	unsigned int in_num = *(const u8 *)(args + hook.args_in_num);
	unsigned int out_num = *(const u8 *)(args + hook.args_out_num);
	unsigned int names = 0;

	/* From 6.14 on, the first argument can be an empty one. */
	if (in_num > 1 && in->size == 0) {
		in++;
		in_num--;
	}

	c->opcode = *(const u32 *)(args + hook.args_opcode);
	c->nodeid = *(const u64 *)(args + hook.args_nodeid);
	c->req = (unsigned long)args;
	c->uid = __kuid_val(current_fsuid());
	c->gid = __kgid_val(current_fsgid());
	c->flags = 0;
	c->in_len = 0;
	c->out_max = 0;
	c->name_len = 0;
	c->name2_len = 0;
	c->nodeid2 = 0;
	c->verdict = EFUSE_UPCALL;
	c->error = 0;
	c->out_len = 0;

	switch (c->opcode) {
	case FUSE_LOOKUP:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_SYMLINK:
	case FUSE_REMOVEXATTR:
		names = 1;
		break;
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
	case FUSE_LINK:
	case FUSE_GETXATTR:
	case FUSE_SETXATTR:
		names = 1;
		fallthrough;
	default:
		if (!in_num || !in->value)
			break;
		c->in_len = in->size;
		memset(c->in0, 0, sizeof(c->in0));
		memcpy(c->in0, in->value, min_t(u32, in->size, EFUSE_IN));
		in++;
		in_num--;
		break;
	}

	switch (c->opcode) {
	case FUSE_LINK:
		c->nodeid2 = ((struct fuse_link_in *)c->in0)->oldnodeid;
		break;
	case FUSE_RENAME:
		c->nodeid2 = ((struct fuse_rename_in *)c->in0)->newdir;
		names = 2;
		break;
	case FUSE_RENAME2:
		c->nodeid2 = ((struct fuse_rename2_in *)c->in0)->newdir;
		names = 2;
		break;
	}

	if (names > in_num)
		return false;
	if (names > 0)
		c->name_len = efuse_name(c->name, in);
	if (names > 1)
		c->name2_len = efuse_name(c->name2, in + 1);

	if (out_num) {
		c->out_max = out->size;
		if (hook.args_out_argvar) {
			unsigned int bit = hook.args_out_argvar;
			const u8 *byte = args + bit / 8;

			if (*byte & (1U << (bit % 8)))
				c->flags |= EFUSE_F_OUT_VAR;
		}
	}
	return true;
}

/* Give the reply to the caller; false: not a reply that it can take. */
static __always_inline bool efuse_reply(struct efuse_ctx *c, const void *args,
					long *ret)
{
	const struct efuse_out_arg *out = args + hook.args_out;
	unsigned int out_num = *(const u8 *)(args + hook.args_out_num);

	if (!efuse_answerable(c->opcode))
		return false;
	if (c->error) {
		*ret = c->error;
		return c->error < 0 && c->error > -512;
	}
	*ret = 0;
	if (!out_num)
		return c->out_len == 0;
	if (out_num != 1 || !out->value || c->out_len > EFUSE_OUT)
		return false;
	/* The program may have changed its copy of the size. */
	if (c->flags & EFUSE_F_OUT_VAR) {
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

/* The arguments of the hooked function; NULL: not a mount to show. */
static __always_inline struct efuse_ctx *efuse_ctx_of(const void *fm)
{
	const struct super_block *sb;
	struct efuse_ctx *c;
	int slot;

	sb = *(struct super_block **)(fm + hook.mount_sb);
	if (!sb)
		return NULL;
	slot = efuse_slot_of(sb->s_dev);
	if (slot < 0)
		return NULL;
	c = this_cpu_ptr(&efuse_ctxs);
	c->abi = EFUSE_ABI;
	c->dev = sb->s_dev;
	c->conn = *(const unsigned long *)(fm + hook.mount_fc);
	if (READ_ONCE(efuse_conns[slot]) != c->conn)
		WRITE_ONCE(efuse_conns[slot], c->conn);
	return c;
}

/*
 * The same for a request that has ended. Where it knows its channel only, the
 * device is the one whose requests were sent over that connection.
 */
static __always_inline struct efuse_ctx *efuse_ctx_of_req(const void *req)
{
	const void *owner = *(const void **)(req + hook.req_fm);
	struct efuse_ctx *c;
	unsigned long conn;
	u32 dev;
	int i;

	if (!hook.conn_chan)
		return efuse_ctx_of(owner);
	if (!owner)
		return NULL;
	conn = *(const unsigned long *)(owner + hook.chan_conn);
	if (!conn)
		return NULL;
	for (i = 0; i < EFUSE_MAX_DEVS; i++) {
		dev = READ_ONCE(efuse_devs[i]);
		if (!dev || READ_ONCE(efuse_conns[i]) != conn)
			continue;
		c = this_cpu_ptr(&efuse_ctxs);
		c->abi = EFUSE_ABI;
		c->dev = dev;
		c->conn = conn;
		return c;
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
 * A hook: what is the same in both of them, around what one does. Its body
 * runs with preemption off, not inside itself, and only while a program
 * watches.
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
	struct efuse_ctx *c;
	const void *args;
	u32 flags;
	long ret;

	c = efuse_ctx_of((const void *)efuse_argument(fregs, first));
	if (!c || !efuse_connected(c))
		return;
	args = (const void *)efuse_argument(fregs, first + 1);
	c->phase = EFUSE_SUBMIT;
	if (!efuse_fill(c, args))
		return;
	flags = c->flags;
	this_cpu_inc(efuse_counters.calls);
	trace_efuse_request(c);
	if (c->verdict != EFUSE_HANDLED)
		return;
	/* What decides about the reply is not the program's to change. */
	c->flags = flags;
	c->opcode = *(const u32 *)(args + hook.args_opcode);
	if (efuse_reply(c, args, &ret)) {
		this_cpu_inc(efuse_counters.handled);
		efuse_answer(fregs, ret);
	} else {
		this_cpu_inc(efuse_counters.refused);
	}
}

static __always_inline void efuse_on_background(struct ftrace_regs *fregs)
{
	struct efuse_ctx *c;

	c = efuse_ctx_of((const void *)efuse_argument(fregs, 0));
	if (!c)
		return;
	c->phase = EFUSE_BACKGROUND;
	if (efuse_fill(c, (const void *)efuse_argument(fregs, 1)))
		trace_efuse_request(c);
}

/* The replies: of CREATE and TMPFILE there are two, one after the other. */
static __always_inline void efuse_fill_reply(struct efuse_ctx *c,
					     const void *args, int error)
{
	const struct efuse_out_arg *out = args + hook.args_out;
	unsigned int out_num = *(const u8 *)(args + hook.args_out_num);
	unsigned int i;

	c->error = error;
	if (error)
		return;
	for (i = 0; i < min(out_num, 2U); i++) {
		if (!out[i].value || out[i].size > EFUSE_OUT - c->out_len)
			return;
		memcpy(c->out + c->out_len, out[i].value, out[i].size);
		c->out_len += out[i].size;
	}
}

static __always_inline void efuse_on_done(struct ftrace_regs *fregs)
{
	const void *req = (const void *)efuse_argument(fregs, 0);
	const void *args = *(const void **)(req + hook.req_args);
	struct efuse_ctx *c = efuse_ctx_of_req(req);

	if (!c || !args)
		return;
	c->phase = EFUSE_DONE;
	if (!efuse_fill(c, args))
		return;
	efuse_fill_reply(c, args, *(const int *)(req + hook.req_error));
	trace_efuse_request(c);
}

static __always_inline u64 efuse_nodeid(const struct dentry *dentry)
{
	const void *inode = d_inode(dentry);

	return inode ? *(const u64 *)(inode + hook.inode_nodeid) : 0;
}

static __always_inline void efuse_show(u16 phase, u32 dev, unsigned long conn,
				       u64 nodeid, u64 nodeid2)
{
	struct efuse_ctx *c = this_cpu_ptr(&efuse_ctxs);

	memset(c, 0, offsetof(struct efuse_ctx, in0));
	c->abi = EFUSE_ABI;
	c->phase = phase;
	c->dev = dev;
	c->conn = conn;
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

/*
 * What is watched besides the request. All of it shares one hook that looks at
 * the address, as a hook is taken away by waiting until no task is in it, and
 * each would wait by itself. A function that is missing is told the agent, by
 * its phase.
 */
enum efuse_watched {
	EFUSE_W_DONE,
	EFUSE_W_BACKGROUND,
	EFUSE_W_UNLINK,
	EFUSE_W_RMDIR,
	EFUSE_W_RENAME,
	EFUSE_W_INVAL_INODE,
	EFUSE_W_INVAL_ENTRY,
	EFUSE_WATCHED,
};

static const struct {
	const char *function;
	enum efuse_phase phase;
} watched[EFUSE_WATCHED] = {
	[EFUSE_W_DONE]		= { "fuse_request_end", EFUSE_DONE },
	[EFUSE_W_BACKGROUND]	= { "fuse_simple_background", EFUSE_BACKGROUND },
	[EFUSE_W_UNLINK]	= { "fuse_unlink", EFUSE_NAMED },
	[EFUSE_W_RMDIR]		= { "fuse_rmdir", EFUSE_NAMED },
	[EFUSE_W_RENAME]	= { "fuse_rename2", EFUSE_NAMED },
	[EFUSE_W_INVAL_INODE]	= { "fuse_reverse_inval_inode", EFUSE_NOTIFIED },
	[EFUSE_W_INVAL_ENTRY]	= { "fuse_reverse_inval_entry", EFUSE_NOTIFIED },
};

/* Without these, nothing is hooked. */
#define EFUSE_NEEDED	(BIT(EFUSE_DONE) | BIT(EFUSE_BACKGROUND))

/* Where each begins, 0: nowhere; constant while the hook is there. */
static unsigned long entries[EFUSE_WATCHED];

/* What is called at a function's entry comes after ENDBR, if that is there. */
#define EFUSE_ENTRY	4

EFUSE_HOOK(efuse_on_watched)
{
	unsigned int i;

	for (i = 0; i < EFUSE_WATCHED; i++)
		if (entries[i] && ip - entries[i] <= EFUSE_ENTRY)
			break;
	switch (i) {
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
	}
}

/* Before 6.2, only the flag brings the registers. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define EFUSE_FL_REGS	0
#else
#define EFUSE_FL_REGS	FTRACE_OPS_FL_SAVE_REGS
#endif

static struct ftrace_ops request_ops = {
	.func	= efuse_on_request,
	.flags	= EFUSE_FL_REGS | FTRACE_OPS_FL_IPMODIFY,
};

static struct ftrace_ops watched_ops = {
	.func	= efuse_on_watched,
	.flags	= EFUSE_FL_REGS,
};

/*
 * Where a function begins, 0: nowhere. No other interface tells a module: a
 * kprobe that is never armed has looked it up.
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
 * Waits until no task is in the callback or in efuse_return(), so the module
 * may go afterwards.
 */
static void efuse_unhook_from(struct ftrace_ops *ops)
{
	unregister_ftrace_function(ops);
	ftrace_set_filter(ops, NULL, 0, 1);
}

/* The request first: nothing is answered without the others. */
static void efuse_unhook(void)
{
	efuse_unhook_from(&request_ops);
	efuse_unhook_from(&watched_ops);
}

/* The request last: it is not answered before the others can be seen. */
static int efuse_hook_all(u32 *phases)
{
	unsigned long ips[EFUSE_WATCHED], request;
	unsigned int i, count = 0;
	int err;

	*phases = GENMASK(EFUSE_NOTIFIED, 0);
	for (i = 0; i < EFUSE_WATCHED; i++) {
		entries[i] = efuse_entry_of(watched[i].function);
		if (entries[i]) {
			ips[count++] = entries[i];
			continue;
		}
		pr_info("efuse: there is no %s\n", watched[i].function);
		*phases &= ~BIT(watched[i].phase);
	}
	request = efuse_entry_of(efuse_functions[hook.function]);
	if (!request || (*phases & EFUSE_NEEDED) != EFUSE_NEEDED)
		return -ENOENT;

	err = efuse_hook_at(&watched_ops, ips, count);
	if (err)
		return err;
	err = efuse_hook_at(&request_ops, &request, 1);
	if (err)
		efuse_unhook_from(&watched_ops);
	return err;
}

/* An offset past this is not of the structures that we know. */
#define EFUSE_ARGS_MAX	256
#define EFUSE_CONN_MAX	4096

static bool efuse_layout_sane(const struct efuse_hook *h)
{
	return h->args_nodeid + sizeof(u64) <= EFUSE_ARGS_MAX &&
	       h->args_opcode + sizeof(u32) <= EFUSE_ARGS_MAX &&
	       h->args_in_num < EFUSE_ARGS_MAX &&
	       h->args_out_num < EFUSE_ARGS_MAX &&
	       h->args_in_num != h->args_out_num &&
	       h->args_in + 3 * sizeof(struct efuse_in_arg) <= h->args_out &&
	       h->args_out + sizeof(struct efuse_out_arg) <= EFUSE_ARGS_MAX &&
	       h->args_out_argvar / 8 < EFUSE_ARGS_MAX &&
	       IS_ALIGNED(h->args_in, sizeof(void *)) &&
	       IS_ALIGNED(h->args_out, sizeof(void *)) &&
	       IS_ALIGNED(h->mount_fc | h->mount_sb, sizeof(void *)) &&
	       h->mount_fc != h->mount_sb &&
	       (h->mount_fc | h->mount_sb) < EFUSE_ARGS_MAX &&
	       IS_ALIGNED(h->connected | h->req_error, sizeof(u32)) &&
	       IS_ALIGNED(h->req_args | h->req_fm, sizeof(void *)) &&
	       h->req_args != h->req_fm &&
	       (h->req_args | h->req_fm | h->req_error) < EFUSE_ARGS_MAX * 2 &&
	       IS_ALIGNED(h->inode_nodeid, sizeof(u64)) &&
	       h->inode_nodeid >= sizeof(struct inode) &&
	       h->inode_nodeid < EFUSE_CONN_MAX &&
	       IS_ALIGNED(h->conn_chan | h->chan_conn, sizeof(void *)) &&
	       !h->conn_chan == !h->chan_conn &&
	       (h->conn_chan | h->chan_conn) < EFUSE_CONN_MAX &&
	       h->connected < EFUSE_CONN_MAX;
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
	WRITE_ONCE(efuse_devs[slot], dev);
	__set_bit(slot, owner->devs);
	return 0;
}

/*
 * No request of the devices in these slots is answered any more once this
 * returns, nor is one that had begun still to write down its connection, which
 * whoever gets the slot next would inherit.
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
	}
	return copy_to_user(arg, &sum, sizeof(sum)) ? -EFAULT : 0;
}

static long efuse_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct efuse_owner *owner = file->private_data;
	void __user *argp = (void __user *)arg;
	u32 dev = 0;
	int err;

	if (cmd == EFUSE_IOC_ADD || cmd == EFUSE_IOC_DEL)
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
	return misc_register(&efuse_misc);
}

static void __exit efuse_exit(void)
{
	misc_deregister(&efuse_misc);
	/* No program is in the tracepoint any more. */
	tracepoint_synchronize_unregister();
}

module_init(efuse_init);
module_exit(efuse_exit);

MODULE_DESCRIPTION("BPF programs that answer FUSE requests");
MODULE_LICENSE("GPL");
