// SPDX-License-Identifier: GPL-2.0
/*
 * channel.c - a copy of the daemon's /dev/fuse descriptor (pidfd_getfd), for
 * sending notifications to the kernel
 *
 * The connection lives as long as any copy of the descriptor, so the agent must
 * close its copy when the daemon ends: otherwise requests would hang instead of
 * failing. A thread does so, because the main thread may itself wait for such a
 * request. A notification of a name waits in the kernel until no caller has the
 * directory locked. If such a caller waits for a daemon that has ended, closing
 * would not help, so the thread then aborts the connection.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/fuse.h>
#include "agent.h"

#define NOTIFY_INC_EPOCH	8	/* Linux 6.16 */

/*
 * How long a notification may wait after the end of the daemon: meanwhile,
 * another one can take the mount over.
 */
#define STUCK_SECONDS	5

/* Shared with the thread; held while a notification is written. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int fuse_fd = -1;
static int daemon_fd = -1;		/* pidfd */
static unsigned int connection;
static unsigned int writes;		/* counts them */

static void abort_connection(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort",
		 connection);
	say("the daemon has ended, and a notification waits for it: aborting its connection");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		say("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static bool ended(void)
{
	return poll(&(struct pollfd){ daemon_fd, POLLIN, 0 }, 1, 0) == 1;
}

static void close_both(void)
{
	if (fuse_fd >= 0)
		close(fuse_fd);
	fuse_fd = -1;
	if (daemon_fd >= 0)
		close(daemon_fd);
	daemon_fd = -1;
}

static void *guard(void *unused)
{
	unsigned int seen = 0, seconds = 0, now;

	for (;;) {
		sleep(1);
		if (!pthread_mutex_trylock(&lock)) {
			if (daemon_fd >= 0 && ended() && !FAULT(NO_GUARD))
				close_both();
			pthread_mutex_unlock(&lock);
			seconds = 0;
			continue;
		}
		/* The main thread writes, and changes no descriptor meanwhile. */
		now = __atomic_load_n(&writes, __ATOMIC_ACQUIRE);
		if (now == seen && ended())
			seconds++;
		else
			seconds = 0;
		seen = now;
		if (seconds >= STUCK_SECONDS) {
			abort_connection();
			seconds = 0;
		}
	}
	return NULL;
}

static void start_guard(void)
{
	static bool started;
	pthread_t thread;

	if (started)
		return;
	start_thread(&thread, guard);
	started = true;
}

/* Like writev() on the descriptor, watched by the thread. */
static ssize_t write_watched(const struct iovec *v, int count)
{
	ssize_t n;
	int err;

	pthread_mutex_lock(&lock);
	__atomic_add_fetch(&writes, 1, __ATOMIC_RELEASE);
	n = writev(fuse_fd, v, count);
	err = errno;
	pthread_mutex_unlock(&lock);
	errno = err;
	return n;
}

static bool notify(int code, const void *data, size_t size, const char *name,
		   size_t len)
{
	struct fuse_out_header h = {
		.len = sizeof(h) + size + (name ? len + 1 : 0),
		.error = code,
	};
	struct iovec v[4] = {
		{ &h, sizeof(h) }, { (void *)data, size },
		{ (void *)name, len }, { (void *)"", 1 },
	};

	if (fuse_fd < 0)
		return false;
	/* ENOENT: the kernel has not cached it. */
	if (write_watched(v, name ? 4 : 2) >= 0 || errno == ENOENT) {
		counters.notified++;
		return true;
	}
	/* EINVAL: this kernel does not support INC_EPOCH. */
	if (code != NOTIFY_INC_EPOCH || errno != EINVAL)
		counters.notify_errors++;
	return false;
}

void channel_inval_inode(uint64_t ino)
{
	/* A negative offset drops only attributes; open() handles the data. */
	struct fuse_notify_inval_inode_out out = { .ino = ino, .off = -1 };

	notify(FUSE_NOTIFY_INVAL_INODE, &out, sizeof(out), NULL, 0);
}

void channel_inval_entry(uint64_t parent, const char *name, size_t len)
{
	struct fuse_notify_inval_entry_out out = {
		.parent = parent, .namelen = len,
	};

	notify(FUSE_NOTIFY_INVAL_ENTRY, &out, sizeof(out), name, len);
}

bool channel_inc_epoch(void)
{
	static bool unknown;

	if (!unknown && !notify(NOTIFY_INC_EPOCH, NULL, 0, NULL, 0) &&
	    fuse_fd >= 0)
		unknown = true;
	return !unknown;
}

/* Copies the /dev/fuse descriptor of the process that serves the mount. */
static int copy_descriptor(pid_t pid, int pidfd)
{
	char path[64], target[64];
	struct dirent *e;
	int fd = -1;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (fd < 0 && (e = readdir(dir))) {
		n = readlinkat(dirfd(dir), e->d_name, target,
			       sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		if (strcmp(target, "/dev/fuse"))
			continue;
		fd = syscall(SYS_pidfd_getfd, pidfd, atoi(e->d_name), 0);
		if (fd < 0)
			say("pidfd_getfd: %s (CAP_SYS_PTRACE is needed)",
			    strerror(errno));
	}
	closedir(dir);
	return fd;
}

void channel_close(void)
{
	pthread_mutex_lock(&lock);
	close_both();
	pthread_mutex_unlock(&lock);
}

bool channel_open(pid_t daemon, dev_t dev)
{
	bool ok;

	start_guard();
	pthread_mutex_lock(&lock);
	close_both();
	daemon_fd = daemon ? syscall(SYS_pidfd_open, daemon, 0) : -1;
	connection = minor(dev);
	if (daemon_fd >= 0)
		fuse_fd = copy_descriptor(daemon, daemon_fd);
	ok = fuse_fd >= 0;
	pthread_mutex_unlock(&lock);
	return ok;
}
