// SPDX-License-Identifier: GPL-2.0
/*
 * Another alternative for comparison with packet-dma: slots in an arena (Linux
 * 6.9). No helper writes to an arena, so the packet goes through a per-CPU
 * buffer: two copies. Like array.bpf.c it does not track the reader, so it is a
 * lower bound. Only cost.sh loads it.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define SLOTS 256
#define SLOT_BYTES 16384
#define __arena __attribute__((address_space(1)))

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLOTS * (SLOT_BYTES + 4096) / 4096); /* pages */
} arena SEC(".maps");

struct pd_slot {
	__u64 ns;
	__u32 length;
	__u32 captured;
	__u64 data[SLOT_BYTES / 8];
};

struct pd_slot __arena slots[SLOTS];

struct pd_buffer {
	__u64 data[SLOT_BYTES / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pd_buffer);
} buffers SEC(".maps");

__u64 head;

SEC("xdp.frags")
int pd_arena(struct xdp_md *ctx)
{
	__u32 length = bpf_xdp_get_buff_len(ctx), part = length - 1;
	struct pd_slot __arena *slot;
	struct pd_buffer *buffer;
	__u32 zero = 0, words, i;

	slot = &slots[__sync_fetch_and_add(&head, 1) % SLOTS];
	buffer = bpf_map_lookup_elem(&buffers, &zero);
	if (!buffer)
		return XDP_PASS;
	barrier_var(part);
	part = (part & (SLOT_BYTES - 1)) + 1;
	if (bpf_xdp_load_bytes(ctx, 0, buffer->data, part))
		return XDP_PASS;
	words = (part + 7) / 8;
	for (i = 0; i < SLOT_BYTES / 8; i++) {
		if (i >= words)
			break;
		slot->data[i] = buffer->data[i];
		/*
		 * Without this, clang makes it a memcpy(), which BPF does not
		 * have.
		 */
		barrier();
	}
	slot->ns = bpf_ktime_get_ns();
	slot->length = length;
	slot->captured = part;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
