// SPDX-License-Identifier: GPL-2.0
/*
 * What packet-dma replaces: XDP that writes a packet to an address of a
 * process. The verifier refuses the helper in XDP, and must: there is no
 * current process whose address that could be. Only the test loads it.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

volatile __u64 user_buffer;

SEC("xdp")
int pd_refused(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;

	if (data + 64 > (void *)(long)ctx->data_end)
		return XDP_PASS;
	bpf_probe_write_user((void *)user_buffer, data, 64);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
