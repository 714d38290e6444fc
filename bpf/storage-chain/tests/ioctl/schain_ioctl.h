/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* The request of /dev/schain-ioctl. */
#ifndef SCHAIN_IOCTL_H
#define SCHAIN_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct schain_ioctl {
	__s32 fd;		/* the device with the image */
	__u32 depth;
	__u64 start;		/* sector of the root */
	__u64 key;
	__u64 generation;
	__u64 node;		/* address of a page for the nodes */
	/* Answer. */
	__u32 hops;
	__u32 found;
	__u64 value;
};

#define SCHAIN_IOCTL_LOOKUP	_IOWR('s', 0, struct schain_ioctl)

#endif
