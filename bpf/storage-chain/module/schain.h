/* SPDX-License-Identifier: GPL-2.0 */
/* Shared definitions of the module. */
#ifndef SCHAIN_H
#define SCHAIN_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/workqueue.h>
#include "schain_abi.h"

#define DM_MSG_PREFIX "storage-chain"

/* The argument of a struct_ops program: one step. */
struct schain_step {
	struct schain_ctx ctx;
	const void *node;
};

struct schain_ops {
	int (*step)(struct schain_step *step);
	char name[8];
};

/* A name that doors refer to, and the struct_ops program with this name. */
struct schain_program {
	struct list_head list;
	u64 name;
	unsigned int users;
	struct schain_ops __rcu *ops;
};

struct schain_program *schain_program_get(u64 name);
void schain_program_put(struct schain_program *program);
int schain_ops_init(void);

enum schain_mode {
	SCHAIN_WQ,	/* a worker requests the next node */
	SCHAIN_POLL,	/* the poller of the completion does */
	SCHAIN_IRQ,	/* the interrupt does, on an idle CPU */
};

/*
 * Faults for the tests' controls: each disables one safety check. They are only
 * in a separate build, which is never installed.
 */
enum schain_fault {
	FAULT_STALE_NEXT = 1 << 0,	/* bi_next is not reset after a merge */
	FAULT_NO_BOUNDS = 1 << 1,	/* NEXT is not compared with the area */
	FAULT_NO_LIMIT = 1 << 2,	/* hops are not counted */
	FAULT_NO_NOTRUN = 1 << 3,	/* a program that missed counts as DONE */
	FAULT_NO_RETRY = 1 << 4,	/* a missed run is not repeated */
	FAULT_NO_STOP = 1 << 5,		/* a suspension does not end chains */
	FAULT_NO_CRC = 1 << 6,		/* no checksum for the program */
	FAULT_NO_BOUNCE = 1 << 7,	/* a node over two pages is not gathered */
	FAULT_MISS = 1 << 8,		/* every other run is missed */
	FAULT_AGAIN = 1 << 9,		/* a NOWAIT request finds no room */
	FAULT_AGAIN_FAILS = 1 << 10,	/* and then the lookup fails */
	FAULT_BUSY_IRQ = 1 << 11,	/* the interrupt may be on a busy CPU */
	FAULT_NO_ERROR = 1 << 12,	/* a failed read counts as successful */
	FAULT_DIRECT = 1 << 13,		/* all NOWAIT reads go to the driver */
};

#ifdef SCHAIN_FAULTS
extern unsigned int schain_faults;
#define fault(which) unlikely(schain_faults & (which))
#else
#define fault(which) false
#endif

#endif
