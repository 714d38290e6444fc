// SPDX-License-Identifier: GPL-2.0
/* metrics.c - Prometheus metrics, also over HTTP, for one reader at a time */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent.h"
#include "number.h"

struct counters counters;

int metrics_open(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	const char *colon = strrchr(address, ':');
	char host[32] = "127.0.0.1";
	int fd, on = 1, seconds = 5;
	unsigned long port;

	if (colon)
		snprintf(host, sizeof(host), "%.*s", (int)(colon - address),
			 address);
	if (!ext_whole_number(colon ? colon + 1 : address, 1, 65535, &port) ||
	    inet_pton(AF_INET, host, &a.sin_addr) != 1)
		fatal("--metrics %s: not [ADDRESS:]PORT", address);
	a.sin_port = htons(port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Do not wait for clients that connect and send nothing. */
	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
	if (bind(fd, (void *)&a, sizeof(a)) || listen(fd, 8))
		fatal("--metrics %s: %s", address, strerror(errno));
	return fd;
}

static void reads_metrics(FILE *out)
{
	fprintf(out,
		"# HELP efuse_read_blocks Blocks of files that the kernel can read from the block cache.\n"
		"# TYPE efuse_read_blocks gauge\nefuse_read_blocks %llu\n"
		"# HELP efuse_read_held_bytes Size of the files that contain them.\n"
		"# TYPE efuse_read_held_bytes gauge\nefuse_read_held_bytes %llu\n"
		"# HELP efuse_read_misses_total Blocks that a read() missed, and the results of the agent's lookups.\n"
		"# TYPE efuse_read_misses_total counter\n"
		"efuse_read_misses_total{result=\"looked_for\"} %llu\n"
		"efuse_read_misses_total{result=\"mapped\"} %llu\n"
		"efuse_read_misses_total{result=\"renewed\"} %llu\n"
		"efuse_read_misses_total{result=\"not_cached\"} %llu\n"
		"efuse_read_misses_total{result=\"damaged\"} %llu\n"
		"# TYPE efuse_read_dropped_total counter\n"
		"efuse_read_dropped_total %llu\n",
		(unsigned long long)counters.read_blocks,
		(unsigned long long)counters.read_bytes,
		(unsigned long long)counters.read_misses,
		(unsigned long long)counters.read_mapped,
		(unsigned long long)counters.read_renewed,
		(unsigned long long)counters.read_absent,
		(unsigned long long)counters.read_damaged,
		(unsigned long long)counters.read_dropped);
}

void metrics_write(FILE *out)
{
	uint64_t now = now_ns(), lease = tracking_lease();

	fprintf(out,
		"# TYPE efuse_mounted gauge\nefuse_mounted{state=\"%s\"} %d\n"
		"# TYPE efuse_bound_seconds gauge\nefuse_bound_seconds %.3f\n"
		"# TYPE efuse_lease_seconds gauge\nefuse_lease_seconds %.3f\n"
		"# TYPE efuse_mounts_total counter\nefuse_mounts_total %llu\n"
		"# TYPE efuse_redis_connects_total counter\n"
		"efuse_redis_connects_total %llu\n"
		"# TYPE efuse_redis_heartbeats_total counter\n"
		"efuse_redis_heartbeats_total %llu\n"
		"# TYPE efuse_redis_pushes_total counter\n"
		"efuse_redis_pushes_total %llu\n"
		"# TYPE efuse_redis_invalidations_total counter\n"
		"efuse_redis_invalidations_total %llu\n"
		"# TYPE efuse_notifications_total counter\n"
		"efuse_notifications_total{result=\"written\"} %llu\n"
		"efuse_notifications_total{result=\"error\"} %llu\n"
		"# HELP efuse_shadow_total Shadow hits that differed from the daemon: a change arrived within the bound, or there was none.\n"
		"# TYPE efuse_shadow_total counter\n"
		"efuse_shadow_total{result=\"within_bound\"} %llu\n"
		"efuse_shadow_total{result=\"mismatch\"} %llu\n",
		mount_state(), !strcmp(mount_state(), "mounted"),
		opt.bound / 1e9, lease > now ? (lease - now) / 1e9 : 0,
		(unsigned long long)counters.mounts,
		(unsigned long long)counters.connects,
		(unsigned long long)counters.heartbeats,
		(unsigned long long)counters.pushes,
		(unsigned long long)counters.invalidated,
		(unsigned long long)counters.notified,
		(unsigned long long)counters.notify_errors,
		(unsigned long long)counters.shadow_benign,
		(unsigned long long)counters.shadow_mismatch);
	if (opt.reads)
		reads_metrics(out);
	results_metrics(out);
}

void metrics_serve(int listener)
{
	struct timeval patience = { 0, 10000 };
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char request[1024], *text;
	size_t size;
	FILE *out;

	if (fd < 0)
		return;
	/* The client must not delay the heartbeat. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (read(fd, request, sizeof(request)) > 0) {
		out = open_memstream(&text, &size);
		metrics_write(out);
		fclose(out);
		dprintf(fd,
			"HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\n\r\n",
			size);
		if (write(fd, text, size) != (ssize_t)size)
			say("metrics: the reader went away");
		free(text);
	}
	close(fd);
}
