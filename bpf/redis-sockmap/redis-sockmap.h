/* SPDX-License-Identifier: GPL-2.0 */
#ifndef REDIS_SOCKMAP_H
#define REDIS_SOCKMAP_H

#define RS_MAX_SOCKETS 65536

/* One end of a connection, with the addresses and ports of its socket. */
struct rs_key {
	__u64 netns; /* cookie of the network namespace */
	__u32 local[4]; /* IPv4 in the first word, also when mapped in IPv6 */
	__u32 remote[4];
	__u32 local_port; /* host order */
	__u32 remote_port; /* host order */
	__u32 family; /* AF_INET or AF_INET6 */
	__u32 zero;
};

/*
 * A direction can change to TCP, but never back: that would change the order.
 */
enum rs_way {
	RS_UNDECIDED,
	RS_REDIRECT,
	RS_TCP,
};

struct rs_direction {
	struct rs_key peer;
	__u32 way;
	__u32 zero;
};

struct rs_counts {
	__u64 sockets; /* ends of local connections in the map */
	__u64 redirected; /* messages */
	__u64 bytes; /* redirected bytes */
	__u64 passed; /* messages left to TCP */
	__u64 late; /* directions left to TCP: no peer in the map yet */
	__u64 tls; /* directions left to TCP: a TLS handshake */
	__u64 full; /* directions left to TCP: the reader had stopped */
	__u64 gone; /* directions left to TCP: its reader's entry is gone */
};

struct rs_control {
	__u32 draining; /* nothing more is redirected or added */
};

/* The iterator's record for each socket in the map. */
struct rs_queue {
	__u32 local_port;
	__u32 remote_port;
	__u32 unread; /* 1: messages wait for the reader */
};

#endif
