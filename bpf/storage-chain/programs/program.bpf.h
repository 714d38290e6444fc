/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SCHAIN_PROGRAM(NAME) defines a BPF program from the rule NAME_step(): for
 * struct_ops if SCHAIN_STRUCT_OPS is defined, otherwise for the writable raw
 * tracepoint. Doors refer to it by NAME, of at most eight characters.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "step.h"

char _license[] SEC("license") = "GPL";

#ifdef SCHAIN_STRUCT_OPS
struct schain_step {
	struct schain_ctx ctx;
	const void *node;
} __attribute__((preserve_access_index));

struct schain_ops {
	int (*step)(struct schain_step *step);
	char name[8];
};

extern unsigned char *bpf_schain_node(struct schain_step *step,
				      const __SIZE_TYPE__ rdonly_buf_size) __ksym;
extern unsigned char *bpf_schain_out(struct schain_step *step,
				     const __SIZE_TYPE__ rdwr_buf_size) __ksym;

/* Fires at each node of a chain through a door that names the program. */
#define SCHAIN_PROGRAM(NAME)						\
SEC("struct_ops/step")							\
int BPF_PROG(schain_##NAME, struct schain_step *step)			\
{									\
	struct step_in in = {						\
		.sector = step->ctx.sector,				\
		.key = step->ctx.arg[SCHAIN_ARG_KEY],			\
		.generation = step->ctx.arg[SCHAIN_ARG_GENERATION],	\
		.depth = step->ctx.arg[SCHAIN_ARG_DEPTH],		\
		.hop = step->ctx.hop,					\
		.crc = step->ctx.crc,					\
		.has_crc = step->ctx.flags & SCHAIN_F_CRC,		\
	};								\
	struct schain_out *out;						\
	node_t node;							\
									\
	out = (void *)bpf_schain_out(step, sizeof(*out));		\
	if (!out)							\
		return SCHAIN_ERR;					\
	node = bpf_schain_node(step, SCHAIN_NODE);			\
	if (!node)							\
		return step_fail(out, STEP_EBADMSG);			\
	return NAME##_step(&in, node, out);				\
}									\
									\
SEC(".struct_ops.link")							\
struct schain_ops scops_##NAME = {					\
	.step = (void *)schain_##NAME,					\
	.name = #NAME,							\
}
#else
/*
 * The verifier loses the type of the pointer once it is on the stack, so it is
 * loaded again each time. Only fixed offsets from it are allowed.
 */
#define SCHAIN_CTX							\
	((volatile struct schain_ctx *)					\
	 ((volatile struct bpf_raw_tracepoint_args *)raw)->args[0])

static __always_inline __u64 schain_name(const char *name, int size)
{
	__u64 number = 0;
	int i;

	for (i = 0; i < size && i < 8; i++)
		number |= (__u64)(unsigned char)name[i] << (8 * i);
	return number;
}

/*
 * Fires at each node of every chain; the program handles only doors with its
 * name.
 */
#define SCHAIN_PROGRAM(NAME)						\
SEC("raw_tp.w/schain_step")						\
int schain_##NAME(struct bpf_raw_tracepoint_args *raw)			\
{									\
	struct schain_out out;						\
	struct step_in in;						\
	int i, verdict;							\
									\
	if (SCHAIN_CTX->program != schain_name(#NAME, sizeof(#NAME) - 1)) \
		return 0;						\
	in.sector = SCHAIN_CTX->sector;					\
	in.key = SCHAIN_CTX->arg[SCHAIN_ARG_KEY];			\
	in.generation = SCHAIN_CTX->arg[SCHAIN_ARG_GENERATION];		\
	in.depth = SCHAIN_CTX->arg[SCHAIN_ARG_DEPTH];			\
	in.hop = SCHAIN_CTX->hop;					\
	in.crc = SCHAIN_CTX->crc;					\
	in.has_crc = SCHAIN_CTX->flags & SCHAIN_F_CRC;			\
	out.error = 0;							\
	out.next = 0;							\
	_Pragma("unroll")						\
	for (i = 0; i < SCHAIN_ARGS; i++)				\
		out.scratch[i] = SCHAIN_CTX->out.scratch[i];		\
	if (SCHAIN_CTX->len != SCHAIN_NODE)				\
		verdict = step_fail(&out, STEP_EBADMSG);		\
	else								\
		verdict = NAME##_step(&in, (node_t)raw->args[1], &out);	\
	_Pragma("unroll")						\
	for (i = 0; i < SCHAIN_ARGS; i++)				\
		SCHAIN_CTX->out.scratch[i] = out.scratch[i];		\
	SCHAIN_CTX->out.next = out.next;				\
	SCHAIN_CTX->out.error = out.error;				\
	SCHAIN_CTX->out.verdict = verdict;				\
	return 0;							\
}
#endif
