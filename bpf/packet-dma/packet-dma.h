/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PACKET_DMA_H
#define PACKET_DMA_H

/* Ethernet header, VLAN tag and the largest IP packet; more is cut off. */
#define PD_MAX_BYTES 65553

/* A packet in the ring: this header, then `captured` bytes. */
struct pd_record {
	__u64 ns; /* CLOCK_MONOTONIC */
	__u32 length; /* of the packet */
	__u32 captured; /* bytes that follow */
};

/* Each packet is counted once, as captured or as dropped. */
struct pd_counts {
	__u64 captured;
	__u64 bytes; /* captured bytes */
	__u64 dropped; /* no room: the reader is slow */
	__u64 cut; /* captured, but truncated */
};

#endif
