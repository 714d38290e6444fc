// SPDX-License-Identifier: GPL-2.0
/*
 * efuse-agent - keeps the cache of one mount coherent
 *
 * One thread waits for changes of the mount table, the tracking connection to
 * Redis, readers of the metrics, and the end of the daemon. It holds /dev/efuse
 * and the BPF link open; when it ends for any reason, the kernel drops both and
 * every request goes to the daemon again.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "agent.h"
#include "extension.h"

const struct sink *sink = &bpf_sink;

/* Descriptors to poll; -1 is ignored. */
enum { F_STOP, F_MOUNTS, F_METRICS, F_REDIS, F_DAEMON, F_COUNT };

static void wait_for_events(struct pollfd *fds, bool tracks)
{
	int wait = tracks ? tracking_timeout() : 1000;

	if (wait > 1000)
		wait = 1000;
	fds[F_REDIS].fd = tracks ? tracking_fd() : -1;
	fds[F_REDIS].events = POLLIN;
	if (tracks && tracking_wants_write())
		fds[F_REDIS].events |= POLLOUT;
	fds[F_DAEMON].fd = mount_daemon_fd();
	if (opt.shadow && wait > 50)
		wait = 50;
	if (poll(fds, F_COUNT, wait) < 0 && errno != EINTR)
		fatal("poll: %s", strerror(errno));
}

static void start(struct pollfd *fds, bool tracks)
{
	if (opt.loader)
		loader_start();
	/* A page fault must not wait for the served file system. */
	mlockall(MCL_CURRENT | MCL_FUTURE);
	fds[F_STOP] = (struct pollfd){ ext_stop_fd(), POLLIN, 0 };
	fds[F_METRICS] = (struct pollfd){
		opt.metrics ? metrics_open(opt.metrics) : -1, POLLIN, 0
	};
	fds[F_DAEMON] = (struct pollfd){ -1, POLLIN, 0 };
	sink->start();
	fds[F_MOUNTS] = (struct pollfd){ mount_open(), POLLPRI, 0 };
	if (tracks)
		tracking_start();
	mount_check();
	if (strcmp(mount_state(), "mounted"))
		say("waiting for %s: %s", opt.mount, mount_state());
	if (opt.loader)
		loader_serving();
}

int main(int argc, char **argv)
{
	struct pollfd fds[F_COUNT];
	bool tracks;

	options_parse(argc, argv);
	tracks = opt.meta && (opt.mode == EFUSE_LEASE || opt.notify);
	if (opt.notify)
		sink = &notify_sink;
	clock_start();
	ext_catch_signals();
	if (ext_options.mode != EXT_RUN)
		return loader_answer();
	start(fds, tracks);
	while (!ext_stopped()) {
		wait_for_events(fds, tracks);
		if (fds[F_REDIS].revents)
			tracking_ready(fds[F_REDIS].revents);
		if (tracks)
			tracking_tick();
		if (fds[F_DAEMON].revents)
			mount_daemon_ended();
		if (fds[F_MOUNTS].revents & (POLLPRI | POLLERR))
			mount_check();
		if (fds[F_METRICS].revents & POLLIN)
			metrics_serve(fds[F_METRICS].fd);
		mount_tick();
		if (opt.shadow)
			shadow_poll();
		if (opt.loader)
			loader_tick();
	}
	sink->stop();
	if (opt.loader)
		loader_stop();
	return 0;
}
