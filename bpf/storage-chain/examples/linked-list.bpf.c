// SPDX-License-Identifier: GPL-2.0
/*
 * Example of a custom program: finds the record with a given number in a linked
 * list. Each node of 4 KiB begins with
 *
 *	__u64 number;	of the record
 *	__u64 next;	sector of the next node, or 0
 *
 * and the caller gets the node with this number, or -ENOENT. The nodes have no
 * checksum and no magic, so this is a minimal program:
 *
 *	clang -g -O2 -target bpf -mcpu=v3 -I.. -I../programs \
 *	  -I/usr/include/x86_64-linux-gnu -DSCHAIN_STRUCT_OPS \
 *	  -c linked-list.bpf.c -o linked-list.bpf.o
 *	bpftool struct_ops register linked-list.bpf.o /sys/fs/bpf/lists
 *	dmsetup create lists --readonly --table \
 *	  "0 2048 storage-chain /dev/nvme2n1 0 524288 4096 64 wq list"
 *
 * Then send a request to /dev/mapper/lists (schain_abi.h) whose start is the
 * first node's sector and whose arg[0] is the number. Without
 * -DSCHAIN_STRUCT_OPS it is a program for the tracepoint, for Linux 6.1.
 */
#include "program.bpf.h"

#define LIST_ENOENT 2

static __always_inline int list_step(const struct step_in *in, node_t node,
				     struct schain_out *out)
{
	__u64 number, next;

	if (!node_u64(node, 0, &number) || !node_u64(node, 8, &next))
		return step_fail(out, STEP_EBADMSG);
	if (number == in->key)
		return SCHAIN_DONE;
	return next ? step_next(out, next) : step_fail(out, LIST_ENOENT);
}

SCHAIN_PROGRAM(list);
