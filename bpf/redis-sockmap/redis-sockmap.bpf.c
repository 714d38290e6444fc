// SPDX-License-Identifier: GPL-2.0
/*
 * Passes data from one end of a local Redis connection directly to the other
 * end's receive queue. Applies only to connections to one port, of sockets in
 * one cgroup, from an address of this node to the same address.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "redis-sockmap.h"

#define AF_INET 2
#define AF_INET6 10

const volatile __u32 port; /* host order */
/* A reader with more unread bytes than this receives the rest by TCP. */
const volatile __u32 backlog;

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, RS_MAX_SOCKETS);
	__type(key, struct rs_key);
	__type(value, __u64);
} rs_sockets SEC(".maps");

/*
 * The sockets themselves, to read how much is unread. An entry ends with its
 * connection. Of more connections than there is room for, some have none.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, RS_MAX_SOCKETS);
	__type(key, struct rs_key);
	__type(value, __u64);
} rs_readers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rs_direction);
} rs_direction SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rs_control);
} rs_control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rs_counts);
} rs_counts SEC(".maps");

static __always_inline struct rs_counts *counts(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&rs_counts, &zero);
}

static __always_inline bool draining(void)
{
	__u32 zero = 0;
	struct rs_control *control = bpf_map_lookup_elem(&rs_control, &zero);

	return !control || control->draining;
}

static __always_inline int key_of(struct bpf_sock_ops *ops, struct rs_key *key)
{
	key->netns = bpf_get_netns_cookie(ops);
	key->local_port = ops->local_port;
	key->remote_port = bpf_ntohl(ops->remote_port);
	if (ops->family == AF_INET) {
		key->local[0] = ops->local_ip4;
		key->remote[0] = ops->remote_ip4;
		key->family = AF_INET;
		return 0;
	}
	if (ops->family != AF_INET6)
		return -1;
	key->local[0] = ops->local_ip6[0];
	key->local[1] = ops->local_ip6[1];
	key->local[2] = ops->local_ip6[2];
	key->local[3] = ops->local_ip6[3];
	key->remote[0] = ops->remote_ip6[0];
	key->remote[1] = ops->remote_ip6[1];
	key->remote[2] = ops->remote_ip6[2];
	key->remote[3] = ops->remote_ip6[3];
	key->family = AF_INET6;
	if (!key->local[0] && !key->local[1] &&
	    key->local[2] == bpf_htonl(0xffff)) {
		/* IPv4 on a dual-stack socket: the peer is AF_INET. */
		key->local[0] = key->local[3];
		key->remote[0] = key->remote[3];
		key->local[1] = key->local[2] = key->local[3] = 0;
		key->remote[1] = key->remote[2] = key->remote[3] = 0;
		key->family = AF_INET;
	}
	return 0;
}

/*
 * A connection whose ends have the same address is within this node. (So is
 * 127.0.0.1 to 127.0.0.2, which is left to TCP.)
 */
static __always_inline bool is_local(const struct rs_key *key)
{
	return key->local[0] == key->remote[0] &&
	       key->local[1] == key->remote[1] &&
	       key->local[2] == key->remote[2] &&
	       key->local[3] == key->remote[3];
}

static __always_inline void reverse(const struct rs_key *key,
				    struct rs_key *peer)
{
	/* The addresses are equal. */
	*peer = *key;
	peer->local_port = key->remote_port;
	peer->remote_port = key->local_port;
}

static __always_inline void take_in(struct bpf_sock_ops *ops)
{
	struct rs_direction direction = {}, *stored;
	struct bpf_sock *sk = ops->sk;
	struct rs_key key = {};
	struct rs_counts *sum;
	__u64 address;

	if (!sk || key_of(ops, &key) || !is_local(&key) || draining())
		return;
	stored = bpf_sk_storage_get(&rs_direction, sk, NULL,
				    BPF_SK_STORAGE_GET_F_CREATE);
	if (!stored)
		return;
	reverse(&key, &direction.peer);
	*stored = direction;
	address = (__u64)bpf_skc_to_tcp_sock(sk);
	/* For rs_established() to be called when it is closed. */
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags |
					       BPF_SOCK_OPS_STATE_CB_FLAG);
	if (bpf_map_update_elem(&rs_readers, &key, &address, BPF_ANY) ||
	    bpf_sock_hash_update(ops, &rs_sockets, &key, BPF_NOEXIST)) {
		bpf_map_delete_elem(&rs_readers, &key);
		bpf_sk_storage_delete(&rs_direction, sk);
		return;
	}
	sum = counts();
	if (sum)
		__sync_fetch_and_add(&sum->sockets, 1);
}

/* A socket that was taken in is closed. */
static __always_inline void forget(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct rs_key key = {};
	__u64 *address;

	if (!sk || key_of(ops, &key))
		return;
	/* A new connection may have the same addresses and ports. */
	address = bpf_map_lookup_elem(&rs_readers, &key);
	if (address && *address == (__u64)bpf_skc_to_tcp_sock(sk))
		bpf_map_delete_elem(&rs_readers, &key);
}

/*
 * A TCP connection of the cgroup is established, by connect or by accept, or
 * one that was taken in changes its state.
 */
SEC("sockops")
int rs_established(struct bpf_sock_ops *ops)
{
	switch (ops->op) {
	case BPF_SOCK_OPS_STATE_CB:
		if (ops->args[1] == BPF_TCP_CLOSE)
			forget(ops);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		if (bpf_ntohl(ops->remote_port) == port)
			take_in(ops);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		if (ops->local_port == port)
			take_in(ops);
		break;
	}
	return 1;
}

/*
 * The first byte of a TLS handshake record, which is not a first byte in RESP.
 */
static __always_inline bool is_tls(struct sk_msg_md *msg)
{
	__u8 *data = msg->data;

	if ((void *)(data + 1) > msg->data_end) {
		if (bpf_msg_pull_data(msg, 0, 1, 0))
			return true; /* not readable: leave it to TCP */
		data = msg->data;
		if ((void *)(data + 1) > msg->data_end)
			return true;
	}
	return *data == 0x16;
}

/*
 * Whether the reader has stopped. Redirected messages use the receiver's memory
 * without regard to its buffer size, until the system has no more memory for
 * TCP and the connection is lost. TCP's window prevents that.
 */
static __always_inline bool is_full(__u64 reader, __u32 size)
{
	/* It may have been closed since: then there is no receiver. */
	return BPF_CORE_READ((struct sock *)reader,
			     sk_backlog.rmem_alloc.counter) + size > backlog;
}

/* Runs when a socket in the map sends. */
SEC("sk_msg")
int rs_send(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct rs_direction *direction;
	struct rs_counts *sum = counts();
	struct rs_key peer;
	__u64 *reader;

	if (!sk || !sum)
		return SK_PASS;
	direction = bpf_sk_storage_get(&rs_direction, sk, NULL, 0);
	if (!direction || direction->way == RS_TCP || draining())
		goto tcp;
	if (direction->way == RS_UNDECIDED && is_tls(msg)) {
		__sync_fetch_and_add(&sum->tls, 1);
		direction->way = RS_TCP;
		goto tcp;
	}
	peer = direction->peer;
	reader = bpf_map_lookup_elem(&rs_readers, &peer);
	if (!reader) {
		/*
		 * Without the entry, nothing would limit what the reader has
		 * not read: only TCP may carry the rest.
		 */
		if (direction->way == RS_UNDECIDED)
			__sync_fetch_and_add(&sum->late, 1);
		else
			__sync_fetch_and_add(&sum->gone, 1);
		direction->way = RS_TCP;
		goto tcp;
	}
	if (is_full(*reader, msg->size)) {
		__sync_fetch_and_add(&sum->full, 1);
		direction->way = RS_TCP;
		goto tcp;
	}
	if (bpf_msg_redirect_hash(msg, &rs_sockets, &peer, BPF_F_INGRESS) ==
	    SK_PASS) {
		direction->way = RS_REDIRECT;
		__sync_fetch_and_add(&sum->redirected, 1);
		__sync_fetch_and_add(&sum->bytes, msg->size);
		return SK_PASS;
	}
	/*
	 * The peer is not in the map yet, or it is closed and TCP tells the
	 * sender.
	 */
	if (direction->way == RS_UNDECIDED) {
		__sync_fetch_and_add(&sum->late, 1);
		direction->way = RS_TCP;
	}
tcp:
	/*
	 * Also after redirected messages, while draining or after the reader
	 * had stopped: the receiver reads redirected messages first.
	 */
	__sync_fetch_and_add(&sum->passed, 1);
	return SK_PASS;
}

/* Runs for each socket in the map when the loader asks for unread messages. */
SEC("iter/sockmap")
int rs_queues(struct bpf_iter__sockmap *ctx)
{
	struct rs_queue queue = {};
	struct sk_psock *psock;
	struct sock *sk = ctx->sk;
	__u64 data;

	if (!sk)
		return 0;
	/* The low bits of the pointer are flags (SK_USER_DATA_PTRMASK). */
	data = (__u64)BPF_CORE_READ(sk, sk_user_data) & ~7ULL;
	if (!data)
		return 0;
	psock = (struct sk_psock *)data;
	queue.local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	queue.remote_port =
		bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	queue.unread =
		BPF_CORE_READ(psock, ingress_msg.next) !=
		(void *)psock + bpf_core_field_offset(psock->ingress_msg);
	bpf_seq_write(ctx->meta->seq, &queue, sizeof(queue));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
