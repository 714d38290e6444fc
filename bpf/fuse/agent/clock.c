// SPDX-License-Identifier: GPL-2.0
/*
 * clock.c - the clock shared by agent and programs: CLOCK_BOOTTIME, which
 * includes suspend, so that leases expire during it
 *
 * A process in a time namespace sees an offset; BPF programs do not.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "agent.h"

static int64_t offset;			/* ours minus the kernel's, ns */

static bool same_namespace(void)
{
	char ours[64] = "", children[64] = "";

	return readlink("/proc/self/ns/time", ours, sizeof(ours) - 1) < 0 ||
	       (readlink("/proc/self/ns/time_for_children", children,
			 sizeof(children) - 1) > 0 &&
		!strcmp(ours, children));
}

void clock_start(void)
{
	FILE *in = fopen("/proc/self/timens_offsets", "re");
	long long sec, nsec;
	char name[32];

	if (!in)
		return;		/* a kernel without time namespaces */
	/* The file contains the offsets for child processes. */
	if (!same_namespace())
		fatal("must not be started by a process that has unshared its time namespace");
	while (fscanf(in, "%31s %lld %lld", name, &sec, &nsec) == 3)
		if (!strcmp(name, "boottime"))
			offset = sec * (int64_t)NSEC_PER_SEC + nsec;
	fclose(in);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec - offset;
}
