/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Definitions for writing a program's rule. The same rule is compiled three
 * times: as a struct_ops program, which reads the node in place; as a raw
 * tracepoint program, which must copy each piece of it; and for user space,
 * which continues where a chain stopped early.
 *
 * A rule is a function of the request, of the node, and of its own output at
 * the previous node:
 *
 *	int NAME_step(const struct step_in *in, node_t node,
 *		      struct schain_out *out);
 *
 * It returns a verdict, with out->next or out->error set.
 */
#ifndef SCHAIN_STEP_H
#define SCHAIN_STEP_H

#include "schain_format.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define STEP_EBADMSG	74
#define STEP_ESTALE	116

struct step_in {
	__u64 sector;
	__u64 key;
	__u64 generation;
	__u32 depth;
	__u32 hop;
	__u32 crc;
	__u32 has_crc;
};

#if defined(__bpf__) && !defined(SCHAIN_STRUCT_OPS)
typedef const void *node_t;

static __always_inline int node_head(node_t node, struct schain_head *head)
{
	return !bpf_probe_read_kernel(head, sizeof(*head), node);
}

static __always_inline int node_u64(node_t node, __u64 at, __u64 *value)
{
	return !bpf_probe_read_kernel(value, sizeof(*value),
				      (const char *)node + at);
}
#else
typedef const unsigned char *node_t;

static __always_inline int node_head(node_t node, struct schain_head *head)
{
	*head = *(const struct schain_head *)node;
	return 1;
}

/* The verifier must see a comparison of the same value that is used. */
static __always_inline int node_u64(node_t node, __u64 at, __u64 *value)
{
#ifdef __bpf__
	asm volatile("" : "+r"(at));
#endif
	if (at > SCHAIN_NODE - 8)
		return 0;
	*value = *(const __u64 *)(node + at);
	return 1;
}
#endif

static __always_inline int step_fail(struct schain_out *out, int error)
{
	out->error = -error;
	return SCHAIN_ERR;
}

static __always_inline int step_next(struct schain_out *out, __u64 sector)
{
	out->next = sector;
	return SCHAIN_NEXT;
}

/* Returns 0 if it is a node of this image, the requested one, and intact. */
static __always_inline int node_check(const struct step_in *in, node_t node,
				      int kind, struct schain_head *head,
				      struct schain_out *out)
{
	if (!node_head(node, head) || head->magic != SCHAIN_NODE_MAGIC ||
	    head->self != in->sector || head->kind != kind ||
	    (in->has_crc && head->crc != in->crc))
		return STEP_EBADMSG;
	if (head->generation != in->generation)
		return STEP_ESTALE;
	out->scratch[SCHAIN_OUT_PATH] =
		out->scratch[SCHAIN_OUT_PATH] * 31 + in->sector;
	return 0;
}

/*
 * Searches the sorted entries first..end-1, at most 256, for the last one whose
 * key is not above `key`, or `first` if there is none; its key goes to *found.
 * `at` turns an index of an entry into an offset.
 */
#define NODE_SEARCH(node, first, end, key, at, place, found, broken)	\
	do {								\
		__u64 _hi = (end), _mid, _k;				\
		int _i;							\
									\
		(place) = (first);					\
		(broken) = 0;						\
		for (_i = 0; _i < 9; _i++) {				\
			if (_hi - (place) <= 1)				\
				break;					\
			_mid = ((place) + _hi) / 2;			\
			if (!node_u64(node, at(_mid), &_k)) {		\
				(broken) = 1;				\
				break;					\
			}						\
			if (_k <= (key))				\
				(place) = _mid;				\
			else						\
				_hi = _mid;				\
		}							\
		if (!node_u64(node, at(place), &(found)))		\
			(broken) = 1;					\
	} while (0)

#endif
