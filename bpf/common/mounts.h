/* SPDX-License-Identifier: GPL-2.0 */
/* mounts.h - reads the mount table */
#ifndef DISGRAFS_MOUNTS_H
#define DISGRAFS_MOUNTS_H

#include <stdbool.h>
#include <linux/types.h>

/* A line of /proc/self/mountinfo. */
struct ext_mount {
	int id;
	unsigned int major, minor;
	const char *point; /* without escapes */
	const char *type; /* "fuse.juicefs" */
	const char *options; /* of the file system, not of the mount point */
};

/*
 * Calls `use` for each mount, a mount before those mounted on top of it, until
 * it returns something other than 0. Returns that, or -errno.
 */
int ext_each_mount(int (*use)(const struct ext_mount *, void *), void *data);

/* Whether `name` is one of the mount's options. */
bool ext_mount_has(const struct ext_mount *mount, const char *name);

/* dev_t in the kernel's own format, as BPF programs see it. */
static inline __u32 ext_kernel_dev(unsigned int major, unsigned int minor)
{
	return major << 20 | minor;
}

#endif
