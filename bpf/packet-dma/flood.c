// SPDX-License-Identifier: GPL-2.0
/*
 * The programs of flood.sh: a sender of UDP packets, and a receiver that uses
 * AF_XDP.
 *
 * Usage: flood send ADDRESS BYTES SECONDS    to port 9 at full speed
 *        flood receive INTERFACE             until SIGTERM; the stack does not
 *                                            get the packets
 * Both print their number of packets. The receiver reads from queue 0.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "afxdp.h"

#define FRAMES 4096
#define FRAME_BYTES 4096
#define BATCH 64

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static int failed(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	return 1;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int send_packets(const char *address, int bytes, double seconds)
{
	static char payload[65536];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct iovec part = { .iov_base = payload, .iov_len = bytes };
	struct mmsghdr batch[BATCH] = {};
	unsigned long long sent = 0;
	double begin = now();
	int fd, i, n;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || bytes < 1 ||
	    bytes > 65000) {
		fprintf(stderr, "flood: expected an IPv4 address, and 1 to 65000 bytes\n");
		return 2;
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return failed(address);
	for (i = 0; i < BATCH; i++) {
		batch[i].msg_hdr.msg_iov = &part;
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	while (now() < begin + seconds) {
		n = sendmmsg(fd, batch, BATCH, 0);
		/*
		 * Nothing listens on port 9, so the receiver may report errors.
		 */
		if (n > 0)
			sent += n;
		else if (errno != ECONNREFUSED && errno != ENOBUFS)
			return failed("send");
	}
	printf("%llu\n", sent);
	return 0;
}

/* A mapped ring of the socket. */
struct ring {
	unsigned int *producer, *consumer;
	void *entries;
};

static int map_ring(int fd, off_t where, const struct xdp_ring_offset *offset,
		    size_t entry, struct ring *ring)
{
	char *base = mmap(NULL, offset->desc + FRAMES * entry,
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			  where);

	if (base == MAP_FAILED)
		return -1;
	ring->producer = (void *)(base + offset->producer);
	ring->consumer = (void *)(base + offset->consumer);
	ring->entries = base + offset->desc;
	return 0;
}

static int open_socket(int ifindex, struct ring *fill, struct ring *rx)
{
	struct sockaddr_xdp address = { .sxdp_family = AF_XDP,
					.sxdp_ifindex = ifindex };
	struct xdp_umem_reg memory = { .len = (__u64)FRAMES * FRAME_BYTES,
				       .chunk_size = FRAME_BYTES };
	struct xdp_mmap_offsets offsets;
	socklen_t size = sizeof(offsets);
	int fd = socket(AF_XDP, SOCK_RAW, 0), entries = FRAMES;
	unsigned int i;
	void *area;

	area = mmap(NULL, memory.len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (fd < 0 || area == MAP_FAILED)
		return -1;
	memory.addr = (unsigned long)area;
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof(memory)) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &entries, 4) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, 4) ||
	    setsockopt(fd, SOL_XDP, XDP_RX_RING, &entries, 4) ||
	    getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) ||
	    map_ring(fd, XDP_UMEM_PGOFF_FILL_RING, &offsets.fr, sizeof(__u64),
		     fill) ||
	    map_ring(fd, XDP_PGOFF_RX_RING, &offsets.rx,
		     sizeof(struct xdp_desc), rx) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	for (i = 0; i < FRAMES; i++)
		((__u64 *)fill->entries)[i] = (__u64)i * FRAME_BYTES;
	__atomic_store_n(fill->producer, FRAMES, __ATOMIC_RELEASE);
	return fd;
}

static int receive(const char *interface)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	struct afxdp_bpf *skel = afxdp_bpf__open_and_load();
	unsigned long long received = 0;
	int ifindex = if_nametoindex(interface), fd, link, zero = 0;
	struct ring fill, rx;

	if (!skel)
		return failed("load");
	fd = open_socket(ifindex, &fill, &rx);
	if (fd < 0)
		return failed("AF_XDP");
	if (bpf_map_update_elem(bpf_map__fd(skel->maps.sockets), &zero, &fd, 0))
		return failed("the map of sockets");
	link = bpf_link_create(bpf_program__fd(skel->progs.pd_afxdp), ifindex,
			       BPF_XDP, &opts);
	if (link < 0)
		return failed(interface);
	while (!stopped) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		unsigned int at = *rx.consumer, free = *fill.producer, end;

		poll(&ready, 1, 100);
		end = __atomic_load_n(rx.producer, __ATOMIC_ACQUIRE);
		for (; at != end; at++, received++) {
			const struct xdp_desc *packet =
				(struct xdp_desc *)rx.entries + at % FRAMES;

			/*
			 * The packet was read: its frame can be filled again.
			 */
			((__u64 *)fill.entries)[free++ % FRAMES] =
				packet->addr & ~(FRAME_BYTES - 1ULL);
		}
		__atomic_store_n(rx.consumer, at, __ATOMIC_RELEASE);
		__atomic_store_n(fill.producer, free, __ATOMIC_RELEASE);
	}
	printf("%llu\n", received);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGTERM, stop);
	if (argc == 5 && !strcmp(argv[1], "send"))
		return send_packets(argv[2], atoi(argv[3]), atof(argv[4]));
	if (argc == 3 && !strcmp(argv[1], "receive"))
		return receive(argv[2]);
	fprintf(stderr, "usage: flood send ADDRESS BYTES SECONDS | flood receive INTERFACE\n");
	return 2;
}
