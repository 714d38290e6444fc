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
 * Calls `use` for each mount, those below others first, until it returns
 * something else than 0. Returns that, or -errno.
 */
int ext_each_mount(int (*use)(const struct ext_mount *, void *), void *data);

/* Is `name` one of the mount's options? */
bool ext_mount_has(const struct ext_mount *mount, const char *name);

/* dev_t as the kernel has it, in which programs see it. */
static inline __u32 ext_kernel_dev(unsigned int major, unsigned int minor)
{
	return major << 20 | minor;
}

#endif
