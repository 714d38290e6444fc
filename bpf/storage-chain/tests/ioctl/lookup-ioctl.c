// SPDX-License-Identifier: GPL-2.0
/*
 * lookup-ioctl - measures lookups through /dev/schain-ioctl, like `schain
 * bench`:
 *
 *	lookup-ioctl IMAGE INDEX LOOKUPS	prints a line of JSON
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include "keys.h"
#include "schain_ioctl.h"

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	unsigned long long lookups, n, wrong = 0, time = 0, before;
	const struct schain_index *index;
	struct schain_ioctl ask = {};
	struct schain *s;
	struct keys keys;
	int device;

	if (argc != 4)
		errx(2, "usage: lookup-ioctl IMAGE INDEX LOOKUPS");
	lookups = strtoull(argv[3], NULL, 10);
	s = schain_open(argv[1], SCHAIN_READ);
	if (!s)
		errx(1, "%s", schain_error());
	index = schain_find_index(s, argv[2]);
	if (!index || index->kind != SCHAIN_KIND_BTREE)
		errx(1, "%s: no B+tree", argv[2]);
	device = open("/dev/schain-ioctl", O_RDWR);
	ask.fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (device < 0 || ask.fd < 0)
		err(1, "/dev/schain-ioctl or %s", argv[1]);
	ask.depth = index->depth;
	ask.start = index->root;
	ask.generation = schain_super(s)->generation;
	ask.node = (unsigned long)aligned_alloc(SCHAIN_NODE, SCHAIN_NODE);
	keys_init(&keys, 1, index->keys, false);
	for (n = 0; n < lookups; n++) {
		struct schain_result r = {};

		ask.key = keys_next(&keys);
		before = now_ns();
		r.error = ioctl(device, SCHAIN_IOCTL_LOOKUP, &ask) ? -errno : 0;
		time += now_ns() - before;
		r.found = ask.found;
		r.value = ask.value;
		r.hops = ask.hops;
		wrong += judge(index, ask.key, &r);
	}
	printf("{\"lookups\":%llu,\"wrong\":%llu,\"fellBack\":0,\"meanNs\":%llu}\n",
	       lookups, wrong, lookups ? time / lookups : 0);
	return wrong ? 1 : 0;
}
