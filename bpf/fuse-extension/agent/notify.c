// SPDX-License-Identifier: GPL-2.0
/*
 * notify.c - the rival without a module (arm D): the same pushes, written as
 * the daemon's own notifications into the kernel's timed cache
 *
 * The agent takes a copy of the daemon's descriptor of /dev/fuse
 * (pidfd_getfd) and writes FUSE_NOTIFY_INVAL_INODE and INVAL_ENTRY to it. An
 * entry can only be dropped by its name, and a push names the directory only,
 * so the agent keeps what each directory held when it was last read: names
 * that went or changed since are dropped. It cannot fail closed: while the
 * agent or Redis is away, the kernel goes on answering until the validity is
 * over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/fuse.h>
#include "agent.h"

#define MAX_DIRS	65536

struct name {
	struct name *next;
	uint64_t ino;
	bool seen;
	size_t len;
	char text[];
};

struct dir {
	uint64_t ino;
	struct name *names;
	void *by_text;			/* the same, a tsearch() tree */
};

static int fuse_fd = -1, daemon_pidfd = -1;
static void *dirs;			/* tsearch() tree of struct dir */
static unsigned int dir_count;
static struct dir *listing;		/* the one that is being read */

static void notify(int code, const void *data, size_t size, const char *name,
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
		return;
	/* ENOENT: the kernel does not have it, which is as good. */
	if (writev(fuse_fd, v, name ? 4 : 2) >= 0 || errno == ENOENT)
		counters.notified++;
	else
		counters.notify_errors++;
}

static void inval_inode(uint64_t ino)
{
	/* A negative offset: attributes only; open() deals with the data. */
	struct fuse_notify_inval_inode_out out = { .ino = ino, .off = -1 };

	notify(FUSE_NOTIFY_INVAL_INODE, &out, sizeof(out), NULL, 0);
}

static void inval_entry(uint64_t parent, const char *name, size_t len)
{
	struct fuse_notify_inval_entry_out out = {
		.parent = parent, .namelen = len,
	};

	notify(FUSE_NOTIFY_INVAL_ENTRY, &out, sizeof(out), name, len);
}

static int by_inode(const void *a, const void *b)
{
	const struct dir *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static struct dir *dir_of(uint64_t ino)
{
	struct dir key = { .ino = ino }, *d, **found;

	found = tfind(&key, &dirs, by_inode);
	if (found)
		return *found;
	if (dir_count == MAX_DIRS) {
		say("more than %u directories: names of the rest stay until their validity is over",
		    MAX_DIRS);
		dir_count++;
	}
	if (dir_count > MAX_DIRS)
		return NULL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->ino = ino;
	tsearch(d, &dirs, by_inode);
	dir_count++;
	return d;
}

static int by_text(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->text, y->text, x->len);
}

static void add_name(uint64_t ino, bool dir, const char *name, size_t len)
{
	struct name *n = malloc(sizeof(*n) + len + 1), **known;

	if (!n)
		return;
	n->len = len;
	n->ino = 0;
	memcpy(n->text, name, len);
	known = tsearch(n, &listing->by_text, by_text);
	if (!known) {
		free(n);
		return;
	}
	if (*known == n) {
		n->next = listing->names;
		listing->names = n;
	} else {
		free(n);
		n = *known;
	}
	/* New (its absence may be cached), or another file: drop it. */
	if (n->ino != ino)
		inval_entry(listing->ino, name, len);
	n->ino = ino;
	n->seen = true;
}

static void notify_dir(uint64_t ino)
{
	struct name **p, *n;

	inval_inode(ino);
	listing = dir_of(ino);
	if (!listing)
		return;
	for (n = listing->names; n; n = n->next)
		n->seen = false;
	if (!tracking_list(ino, add_name)) {
		/* Any of them may have changed; they are still to be known. */
		for (n = listing->names; n; n = n->next)
			inval_entry(ino, n->text, n->len);
		return;
	}
	for (p = &listing->names; (n = *p);) {
		if (n->seen) {
			p = &n->next;
			continue;
		}
		inval_entry(ino, n->text, n->len);
		*p = n->next;
		tdelete(n, &listing->by_text, by_text);
		free(n);
	}
}

static void drop_dir(const void *node, VISIT which, int depth)
{
	const struct dir *d = *(struct dir * const *)node;
	struct name *n;

	if (which != postorder && which != leaf)
		return;
	inval_inode(d->ino);
	for (n = d->names; n; n = n->next) {
		inval_inode(n->ino);
		inval_entry(d->ino, n->text, n->len);
	}
}

/* Pushes were missed: drop everything that is known. */
static void notify_all(void)
{
	twalk(dirs, drop_dir);
}

static void no_lease(uint64_t until)
{
}

const struct sink notify_sink = {
	.inode	= inval_inode,
	.dir	= notify_dir,
	.all	= notify_all,
	.lease	= no_lease,
};

/* Directories are known before the kernel can have cached their names. */
static uint64_t *children;
static size_t child_count, child_max;

static void add_child(uint64_t ino, bool dir, const char *name, size_t len)
{
	add_name(ino, dir, name, len);
	if (!dir)
		return;
	if (child_count == child_max) {
		child_max = child_max ? child_max * 2 : 1024;
		children = realloc(children, child_max * sizeof(*children));
		if (!children)
			fatal("out of memory");
	}
	children[child_count++] = ino;
}

static void walk(uint64_t ino, int depth)
{
	size_t first = child_count, i;

	listing = dir_of(ino);
	if (!listing || depth > 64)
		return;
	tracking_list(ino, add_child);
	for (i = first; i < child_count; i++)
		walk(children[i], depth + 1);
	child_count = first;
}

/* Copies the descriptor of /dev/fuse of the process that serves the mount. */
static int daemon_fd(pid_t pid)
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
		fd = syscall(SYS_pidfd_getfd, daemon_pidfd, atoi(e->d_name), 0);
		if (fd < 0)
			say("pidfd_getfd: %s (CAP_SYS_PTRACE is needed)",
			    strerror(errno));
	}
	closedir(dir);
	return fd;
}

/*
 * The last copy of the descriptor is what keeps a connection alive. With ours
 * held after the daemon's end, requests would wait for ever instead of failing.
 */
void notify_stop(void)
{
	if (fuse_fd >= 0)
		close(fuse_fd);
	if (daemon_pidfd >= 0)
		close(daemon_pidfd);
	fuse_fd = daemon_pidfd = -1;
}

int notify_fd(void)
{
	return daemon_pidfd;
}

void notify_start(void)
{
	pid_t pid = mount_daemon();

	notify_stop();
	daemon_pidfd = pid ? syscall(SYS_pidfd_open, pid, 0) : -1;
	fuse_fd = daemon_pidfd < 0 ? -1 : daemon_fd(pid);
	if (fuse_fd < 0)
		fatal("cannot get the daemon's /dev/fuse (process %d)", pid);
	walk(1, 0);
	say("%u directories are known", dir_count);
}
