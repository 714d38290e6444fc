// SPDX-License-Identifier: GPL-2.0
/* Redirects every packet of the interface to an AF_XDP socket. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

SEC("xdp")
int pd_afxdp(struct xdp_md *ctx)
{
	return bpf_redirect_map(&sockets, 0, XDP_DROP);
}

char LICENSE[] SEC("license") = "GPL";
