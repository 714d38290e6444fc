// SPDX-License-Identifier: GPL-2.0
/*
 * bystander.bpf.c - programs of other tools on the function that the module
 * hooks, which must not change its results. efuse-fuzz attaches one of them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

__u64 runs;

SEC("fentry")
int by_fentry(__u64 *ctx)
{
	__sync_fetch_and_add(&runs, 1);
	return 0;
}

SEC("fexit")
int by_fexit(__u64 *ctx)
{
	__sync_fetch_and_add(&runs, 1);
	return 0;
}

SEC("fmod_ret")
int by_fmod_ret(__u64 *ctx)
{
	__sync_fetch_and_add(&runs, 1);
	return 0;
}

SEC("kprobe")
int by_kprobe(void *ctx)
{
	__sync_fetch_and_add(&runs, 1);
	return 0;
}

SEC("kretprobe")
int by_kretprobe(void *ctx)
{
	__sync_fetch_and_add(&runs, 1);
	return 0;
}
