// SPDX-License-Identifier: GPL-2.0
/*
 * notify.c - the alternative without a module (--sink notify): turns the same
 * pushes into the daemon's notifications to the kernel's timed cache
 *
 * An entry can only be dropped by name, but a push names only the directory.
 * Linux 6.16 can drop all names at once. For older kernels, the agent remembers
 * the entries of each directory from its last read, and drops the names that
 * have disappeared or changed since. It cannot fail closed: while the agent or
 * Redis is down, the kernel keeps answering until the validity expires.
 */
#include <search.h>
#include <stdlib.h>
#include <string.h>
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
	void *by_text;			/* the same names as a tsearch() tree */
};

static void *dirs;			/* tsearch() tree of struct dir */
static unsigned int dir_count;
static struct dir *listing;		/* the directory that is being read */

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
		say("more than %u directories: names in the others stay cached until their validity expires",
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
		channel_inval_entry(listing->ino, name, len);
	n->ino = ino;
	n->seen = true;
}

static void notify_dir(uint64_t ino)
{
	struct name **p, *n;

	channel_inval_inode(ino);
	/*
	 * If the kernel can drop all names at once, no names need be
	 * remembered.
	 */
	if (channel_inc_epoch())
		return;
	listing = dir_of(ino);
	if (!listing)
		return;
	for (n = listing->names; n; n = n->next)
		n->seen = false;
	if (!tracking_list(ino, add_name)) {
		/* Any name may have changed. The list of names is kept. */
		for (n = listing->names; n; n = n->next)
			channel_inval_entry(ino, n->text, n->len);
		return;
	}
	for (p = &listing->names; (n = *p);) {
		if (n->seen) {
			p = &n->next;
			continue;
		}
		channel_inval_entry(ino, n->text, n->len);
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
	channel_inval_inode(d->ino);
	for (n = d->names; n; n = n->next) {
		channel_inval_inode(n->ino);
		channel_inval_entry(d->ino, n->text, n->len);
	}
}

/* Pushes were missed: drops all known names. */
static void notify_all(void)
{
	channel_inc_epoch();
	twalk(dirs, drop_dir);
}

static void no_lease(uint64_t until)
{
}

/* Directories must be known before the kernel can cache their names. */
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

static void notify_start(void)
{
}

static void notify_mount(const struct mounted *m)
{
}

static void notify_serve(const struct mounted *m)
{
	if (!channel_open(m->daemon, m->dev))
		fatal("cannot get the daemon's /dev/fuse (process %d)",
		      m->daemon);
	walk(1, 0);
	say("%u directories are known", dir_count);
}

/* A new mount has another daemon, which mount.c notices. */
static bool notify_replaced(void)
{
	return false;
}

const struct sink notify_sink = {
	.start		= notify_start,
	.stop		= channel_close,
	.mount		= notify_mount,
	.serve		= notify_serve,
	.unmount	= channel_close,
	.replaced	= notify_replaced,
	.inode		= channel_inval_inode,
	.dir		= notify_dir,
	.all		= notify_all,
	.lease		= no_lease,
};
