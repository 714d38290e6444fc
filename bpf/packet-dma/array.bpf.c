// SPDX-License-Identifier: GPL-2.0
/*
 * An alternative for comparison with packet-dma: slots of a mapped array. It
 * does not track the reader, so it is a lower bound for the cost of an array.
 * Only cost.sh loads it.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define SLOTS 256
#define SLOT_BYTES 16384

struct pd_slot {
	__u64 ns;
	__u32 length;
	__u32 captured;
	__u8 data[SLOT_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct pd_slot);
} slots SEC(".maps");

__u64 head;

SEC("xdp.frags")
int pd_array(struct xdp_md *ctx)
{
	__u32 length = bpf_xdp_get_buff_len(ctx), part = length - 1, at;
	struct pd_slot *slot;

	at = __sync_fetch_and_add(&head, 1) % SLOTS;
	slot = bpf_map_lookup_elem(&slots, &at);
	if (!slot)
		return XDP_PASS;
	barrier_var(part);
	part = (part & (SLOT_BYTES - 1)) + 1;
	slot->ns = bpf_ktime_get_ns();
	slot->length = length;
	slot->captured = part;
	bpf_xdp_load_bytes(ctx, 0, slot->data, part);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
