/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUSE_LATENCY_H
#define FUSE_LATENCY_H

/* Slot n counts latencies above 2^(n-1) ns and up to 2^n ns; 2^39 ns: 9 min. */
#define FL_SLOTS 40
#define FL_MAX_IN_FLIGHT 16384
#define FL_MAX_SERIES 1024

struct fl_key {
	__u32 dev; /* kernel's dev_t of the mount: major << 20 | minor */
	__u32 opcode;
};

struct fl_phase {
	__u64 ns;
	__u64 slots[FL_SLOTS];
};

struct fl_stat {
	__u64 count; /* requests that ended */
	__u64 errors; /* of these, with an error from the daemon */
	__u64 unsent; /* of these, never read by the daemon */
	struct fl_phase queue; /* file system's call -> daemon's read */
	struct fl_phase daemon; /* daemon's read -> its answer */
};

#endif
