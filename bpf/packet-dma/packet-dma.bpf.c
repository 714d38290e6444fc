// SPDX-License-Identifier: GPL-2.0
/*
 * Copies each received packet into a ring mapped by user space, and passes the
 * packet on, even if the copy fails. Each receive queue has its own ring: a
 * ring's writers share a spinlock, and queues are served by different CPUs.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "packet-dma.h"

/* Maximum number of bytes to keep of each packet. */
const volatile __u32 snap_length = PD_MAX_BYTES;
/* The reader is woken at this number of unread bytes; otherwise it polls. */
const volatile __u64 wake_bytes;
/* Queues that are added later share these rings. */
const volatile __u32 rings = 1;

struct pd_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
};

/* The loader sets the number of elements of both maps, and creates the rings. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct pd_ring);
} pd_rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pd_counts);
} pd_counts SEC(".maps");

/*
 * Waking the reader costs several times as much as the copy, so one wake-up
 * must serve many packets.
 */
static __always_inline __u64 wake(void *ring)
{
	if (bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) < wake_bytes)
		return BPF_RB_NO_WAKEUP;
	return BPF_RB_FORCE_WAKEUP;
}

/* XDP runs with bottom halves off: nothing else updates these on this CPU. */
static __always_inline void count(struct pd_counts *counts, __u32 length,
				  __u32 captured)
{
	counts->captured++;
	counts->bytes += captured;
	if (captured < length)
		counts->cut++;
}

/*
 * One copy, from the packet and its fragments directly into the ring. The
 * verifier requires a constant size to reserve, so there are a few sizes; the
 * unused rest of a record is free again when the reader has passed it.
 */
#define CAPTURE(ctx, ring, counts, length, bytes, size)                    \
	do {                                                               \
		struct {                                                   \
			struct pd_record head;                             \
			__u8 data[size];                                   \
		} *record = bpf_ringbuf_reserve(ring, sizeof(*record), 0); \
		/* 1 to size, for Linux 6.1's verifier */ \
		__u32 part = bytes - 1;                                    \
									   \
		if (!record) {                                             \
			counts->dropped++;                                 \
			break;                                             \
		}                                                          \
		barrier_var(part);                                         \
		part = (part & 0x1ffff) + 1;                               \
		if (part > size ||                                         \
		    bpf_xdp_load_bytes(ctx, 0, record->data, part)) {      \
			bpf_ringbuf_discard(record, 0);                    \
			counts->dropped++;                                 \
			break;                                             \
		}                                                          \
		record->head.ns = bpf_ktime_get_ns();                      \
		record->head.length = length;                              \
		record->head.captured = part;                              \
		bpf_ringbuf_submit(record, wake(ring));                    \
		count(counts, length, part);                               \
	} while (0)

/* Each packet that the interface receives, before the stack sees it. */
SEC("xdp.frags")
int pd_capture(struct xdp_md *ctx)
{
	__u32 length = bpf_xdp_get_buff_len(ctx), bytes = length;
	__u32 queue = rings > 1 ? ctx->rx_queue_index % rings : 0;
	struct pd_counts *counts = bpf_map_lookup_elem(&pd_counts, &queue);
	void *ring = bpf_map_lookup_elem(&pd_rings, &queue);

	if (!counts || !ring)
		return XDP_PASS;
	if (bytes > snap_length)
		bytes = snap_length;
	if (bytes > PD_MAX_BYTES)
		bytes = PD_MAX_BYTES;
	if (!bytes)
		return XDP_PASS;
	if (bytes <= 240)
		CAPTURE(ctx, ring, counts, length, bytes, 240);
	else if (bytes <= 2032)
		CAPTURE(ctx, ring, counts, length, bytes, 2032);
	else if (bytes <= 16368)
		CAPTURE(ctx, ring, counts, length, bytes, 16368);
	else
		CAPTURE(ctx, ring, counts, length, bytes, PD_MAX_BYTES + 7);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
