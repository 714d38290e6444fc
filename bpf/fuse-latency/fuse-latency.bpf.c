// SPDX-License-Identifier: GPL-2.0
/*
 * Measures the latency of FUSE requests: the time in the queue, and the time in
 * the daemon. The address of its struct fuse_args identifies a request from the
 * file system's call to the end. The loader reads the offsets from the BTF of
 * the kernel, or of fuse if it is a module; CO-RE reads only the kernel's.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "fuse-latency.h"

const volatile __u32 off_opcode; /* struct fuse_args */
const volatile __u32 off_in_args;
const volatile __u32 off_req_args; /* struct fuse_req */
const volatile __u32 off_req_error;
const volatile __u32 off_sb; /* struct fuse_mount */
/* The device of the only mount to measure, or 0 for all. */
const volatile __u32 only_dev;

struct in_flight {
	__u64 begun;
	__u64 taken; /* 0: still in the queue */
	struct fl_key key;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FL_MAX_IN_FLIGHT);
	__type(key, __u64);
	__type(value, struct in_flight);
} fl_in_flight SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, FL_MAX_SERIES);
	__type(key, struct fl_key);
	__type(value, struct fl_stat);
} fl_stats SEC(".maps");

/* Requests that could not be tracked because a map was full. */
__u64 lost;
/* Requests that were answered without being sent to a daemon. */
__u64 answered;

/* For kprobes: the request that a task waits for. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FL_MAX_IN_FLIGHT);
	__type(key, __u64);
	__type(value, __u64);
} fl_waiting SEC(".maps");

static const struct fl_stat zero;

static __always_inline void begin(__u64 fm, __u64 args)
{
	struct in_flight request = {};
	struct super_block *sb = NULL;

	bpf_probe_read_kernel(&sb, sizeof(sb), (void *)(fm + off_sb));
	if (sb)
		request.key.dev = BPF_CORE_READ(sb, s_dev);
	if (only_dev && request.key.dev != only_dev)
		return;
	bpf_probe_read_kernel(&request.key.opcode, sizeof(__u32),
			      (void *)(args + off_opcode));
	request.begun = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&fl_in_flight, &args, &request, BPF_ANY))
		__sync_fetch_and_add(&lost, 1);
}

static __always_inline void take(__u64 in_args)
{
	__u64 args = in_args - off_in_args;
	struct in_flight *request;

	/* The function also copies replies, whose arguments are not a key. */
	request = bpf_map_lookup_elem(&fl_in_flight, &args);
	if (request && !request->taken)
		request->taken = bpf_ktime_get_ns();
}

#define EINTR 4
#define ENOMEM 12
#define ENOTCONN 107
#define ECONNREFUSED 111

/* A result with which the kernel itself gives up a request that is not sent. */
static __always_inline bool given_up(long result)
{
	return result == -EINTR || result == -ENOMEM || result == -ENOTCONN ||
	       result == -ECONNREFUSED;
}

/*
 * Runs when the function that sends a request and waits for the answer returns.
 * If the request is still in flight, it was not sent. Either another hook on the
 * same function answered it (the extension `fuse`), or the kernel gave it up: the
 * caller was killed while it was in the queue, or the daemon is gone.
 */
static __always_inline void leave(__u64 args, long result)
{
	if (!bpf_map_delete_elem(&fl_in_flight, &args) && !given_up(result))
		__sync_fetch_and_add(&answered, 1);
}

/* ceil(log2(value)), at most FL_SLOTS - 1 */
static __always_inline __u32 slot_of(__u64 value)
{
	__u32 slot = 0;
	__u64 rest = value ? value - 1 : 0;

	if (rest >> 32) {
		slot += 32;
		rest >>= 32;
	}
	if (rest >> 16) {
		slot += 16;
		rest >>= 16;
	}
	if (rest >> 8) {
		slot += 8;
		rest >>= 8;
	}
	if (rest >> 4) {
		slot += 4;
		rest >>= 4;
	}
	if (rest >> 2) {
		slot += 2;
		rest >>= 2;
	}
	if (rest >> 1) {
		slot += 1;
		rest >>= 1;
	}
	slot += rest;
	return slot < FL_SLOTS ? slot : FL_SLOTS - 1;
}

/* Atomic: a tracing program can be preempted by another on the same CPU. */
static __always_inline void add(struct fl_phase *phase, __u64 ns)
{
	__u32 slot = slot_of(ns);

	__sync_fetch_and_add(&phase->ns, ns);
	/* For older verifiers, which do not see the bound in slot_of(). */
	if (slot < FL_SLOTS)
		__sync_fetch_and_add(&phase->slots[slot], 1);
}

static __always_inline void end(__u64 req)
{
	struct in_flight *found, request;
	struct fl_stat *stat;
	__u64 args = 0, now;
	__s32 error = 0;

	bpf_probe_read_kernel(&args, sizeof(args),
			      (void *)(req + off_req_args));
	found = bpf_map_lookup_elem(&fl_in_flight, &args);
	if (!found)
		return; /* it began before this program, or is not measured */
	now = bpf_ktime_get_ns();
	request = *found;
	bpf_map_delete_elem(&fl_in_flight, &args);

	stat = bpf_map_lookup_elem(&fl_stats, &request.key);
	if (!stat) {
		/* Another CPU may be first: EEXIST is not an error. */
		bpf_map_update_elem(&fl_stats, &request.key, &zero,
				    BPF_NOEXIST);
		stat = bpf_map_lookup_elem(&fl_stats, &request.key);
		if (!stat) {
			__sync_fetch_and_add(&lost, 1);
			return;
		}
	}
	bpf_probe_read_kernel(&error, sizeof(error),
			      (void *)(req + off_req_error));
	__sync_fetch_and_add(&stat->count, 1);
	if (error)
		__sync_fetch_and_add(&stat->errors, 1);
	if (!request.taken) {
		__sync_fetch_and_add(&stat->unsent, 1);
		add(&stat->queue, now - request.begun);
		return;
	}
	add(&stat->queue, request.taken - request.begun);
	add(&stat->daemon, now - request.taken);
}

/*
 * By BTF, the loader selects the programs with matching arguments, sets their
 * targets, and does not load the others.
 */

/* A request with a waiting caller: (fm, args) before Linux 6.9 ... */
SEC("fentry")
int fl_f_begin0(__u64 *ctx)
{
	begin(ctx[0], ctx[1]);
	return 0;
}

/* ... and (idmap, fm, args) since. */
SEC("fentry")
int fl_f_begin1(__u64 *ctx)
{
	begin(ctx[1], ctx[2]);
	return 0;
}

/* The same function returns: its arguments, then the result. */
SEC("fexit")
int fl_f_leave0(__u64 *ctx)
{
	leave(ctx[1], (int)ctx[2]);
	return 0;
}

SEC("fexit")
int fl_f_leave1(__u64 *ctx)
{
	leave(ctx[2], (int)ctx[3]);
	return 0;
}

/* A request without a waiting caller: (fm, args, gfp). */
SEC("fentry")
int fl_f_backgr(__u64 *ctx)
{
	begin(ctx[0], ctx[1]);
	return 0;
}

/* The daemon reads a request: (cs, numargs, argpages, args, zeroing). */
SEC("fentry")
int fl_f_take(__u64 *ctx)
{
	take(ctx[3]);
	return 0;
}

/* A request was answered or aborted: (req). */
SEC("fentry")
int fl_f_end(__u64 *ctx)
{
	end(ctx[0]);
	return 0;
}

static __always_inline void wait_for(__u64 args)
{
	__u64 task = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&fl_waiting, &task, &args, BPF_ANY);
}

/* The same functions by kprobe. */
SEC("kprobe")
int fl_k_begin0(struct pt_regs *ctx)
{
	wait_for(PT_REGS_PARM2(ctx));
	begin(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
	return 0;
}

SEC("kprobe")
int fl_k_begin1(struct pt_regs *ctx)
{
	wait_for(PT_REGS_PARM3(ctx));
	begin(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
	return 0;
}

/* The same function returns; by then only the task is known. */
SEC("kretprobe")
int fl_k_leave(struct pt_regs *ctx)
{
	__u64 task = bpf_get_current_pid_tgid();
	__u64 *args = bpf_map_lookup_elem(&fl_waiting, &task);

	if (args)
		leave(*args, (int)PT_REGS_RC(ctx));
	return 0;
}

SEC("kprobe")
int fl_k_backgr(struct pt_regs *ctx)
{
	begin(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
	return 0;
}

SEC("kprobe")
int fl_k_take(struct pt_regs *ctx)
{
	take(PT_REGS_PARM4(ctx));
	return 0;
}

SEC("kprobe")
int fl_k_end(struct pt_regs *ctx)
{
	end(PT_REGS_PARM1(ctx));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
