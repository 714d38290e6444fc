// SPDX-License-Identifier: GPL-2.0
/*
 * channel.c - a copy of the daemon's /dev/fuse descriptor (pidfd_getfd), for
 * sending notifications to the kernel
 *
 * The connection lives as long as any copy of the descriptor, so the agent must
 * close its copy when the daemon ends: otherwise requests would hang instead of
 * failing.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/fuse.h>
#include "agent.h"

#define NOTIFY_INC_EPOCH	8	/* Linux 6.16 */

static int fuse_fd = -1;

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
	if (writev(fuse_fd, v, name ? 4 : 2) >= 0 || errno == ENOENT) {
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
	if (fuse_fd >= 0)
		close(fuse_fd);
	fuse_fd = -1;
}

bool channel_open(pid_t daemon)
{
	int pidfd = daemon ? syscall(SYS_pidfd_open, daemon, 0) : -1;

	channel_close();
	if (pidfd < 0)
		return false;
	fuse_fd = copy_descriptor(daemon, pidfd);
	close(pidfd);
	return fuse_fd >= 0;
}
