// SPDX-License-Identifier: GPL-2.0
/* instance.c - one process of a loader: its lock, signals and exit */
#include "extension.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int lock_fd = -1, stop_fd = -1;
static unsigned long long deadline_ns;
static sigset_t stop_signals;
static bool stopped;

static int open_lock(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/run/disgrafs-%s.lock", ext_name());
	return open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
}

int ext_lock(void)
{
	lock_fd = open_lock();
	if (lock_fd < 0) {
		ext_error("/run/disgrafs-%s.lock: %s", ext_name(),
			  strerror(errno));
		return -errno;
	}
	if (flock(lock_fd, LOCK_EX | LOCK_NB)) {
		ext_error("another instance is running; stop it first");
		return -EBUSY;
	}
	return 0;
}

bool ext_locked_by_other(void)
{
	int fd = open_lock();
	bool locked;

	if (fd < 0)
		return false;
	locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
	close(fd);
	return locked;
}

void ext_catch_signals(void)
{
	sigemptyset(&stop_signals);
	sigaddset(&stop_signals, SIGINT);
	sigaddset(&stop_signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop_signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

unsigned long long ext_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void wait_for_stop(unsigned long long ns)
{
	struct timespec pause = {
		.tv_sec = ns / 1000000000ULL,
		.tv_nsec = ns % 1000000000ULL,
	};

	if (sigtimedwait(&stop_signals, NULL, &pause) > 0)
		stopped = true;
	if (deadline_ns && ext_now_ns() >= deadline_ns)
		stopped = true;
}

bool ext_stopped(void)
{
	if (!stopped)
		wait_for_stop(0);
	return stopped;
}

int ext_stop_fd(void)
{
	if (stop_fd < 0)
		stop_fd = signalfd(-1, &stop_signals, SFD_CLOEXEC);
	return stop_fd;
}

/* Sleeps for one interval, or until a signal or the end of the duration. */
static void sleep_interval(void)
{
	unsigned long long now = ext_now_ns();
	unsigned long long until = now + 3600 * 1000000000ULL;

	if (ext_options.interval)
		until = now + ext_options.interval * 1000000000ULL;
	if (deadline_ns && deadline_ns < until)
		until = deadline_ns;
	if (!stopped)
		wait_for_stop(until > now ? until - now : 0);
}

void ext_loop(int (*report)(void *), void *data)
{
	while (!ext_stopped()) {
		sleep_interval();
		if (ext_options.interval && !ext_stopped())
			report(data);
	}
}

void ext_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	socklen_t size;
	int fd;

	if (ext_options.duration)
		deadline_ns = ext_now_ns() +
			      ext_options.duration * 1000000000ULL;
	if (!path || !*path || strlen(path) >= sizeof(to.sun_path))
		return;
	strcpy(to.sun_path, path);
	size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to,
			     size) < 0)
		ext_error("cannot notify systemd: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}
