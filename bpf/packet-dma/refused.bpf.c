// SPDX-License-Identifier: GPL-2.0
/* Programs that every supported kernel rejects. Only tests load them. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

volatile __u64 user_buffer;

/*
 * The program that packet-dma replaces: XDP that writes a packet to an address
 * in a process. The verifier refuses this helper in XDP, because XDP does not
 * run in the context of that process.
 */
SEC("xdp")
int pd_write_user(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;

	if (data + 64 > (void *)(long)ctx->data_end)
		return XDP_PASS;
	bpf_probe_write_user((void *)user_buffer, data, 64);
	return XDP_PASS;
}

/* A kernel structure with a member that this kernel does not have. */
struct net_device___other_kernel {
	int not_in_this_kernel;
} __attribute__((preserve_access_index));

/* Written for another kernel: libbpf cannot find the member. */
SEC("xdp")
int pd_other_kernel(struct xdp_md *ctx)
{
	return bpf_core_field_offset(struct net_device___other_kernel,
				     not_in_this_kernel) ?
		       XDP_PASS :
		       XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
