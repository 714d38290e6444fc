// SPDX-License-Identifier: GPL-2.0
/*
 * efuse-fuzz - attaches a hostile program, hooks and unhooks, hands in wrong
 * layouts; for the tests of the module
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/fuse.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "agent.h"

static int open_device(void)
{
	int fd = open(EFUSE_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fatal("%s: %s", EFUSE_DEVICE, strerror(errno));
	return fd;
}

/* Without asking the daemon, which others may be fuzzing. */
static uint32_t device_of(const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, &st))
		fatal("%s: %s", path, strerror(errno));
	return st.stx_dev_major << 20 | st.stx_dev_minor;
}

static void print_stats(int fd)
{
	struct efuse_stats s;

	if (ioctl(fd, EFUSE_IOC_STATS, &s))
		fatal("stats: %s", strerror(errno));
	printf("shown %llu handled %llu refused %llu\n", s.calls, s.handled,
	       s.refused);
}

static void cycles(int count, const struct efuse_hook *hook, uint32_t dev)
{
	struct efuse_hook h;
	int i, fd;

	for (i = 0; i < count; i++) {
		h = *hook;
		fd = open_device();
		if (ioctl(fd, EFUSE_IOC_HOOK, &h) ||
		    ioctl(fd, EFUSE_IOC_ADD, &dev))
			fatal("cycle %d: %s", i, strerror(errno));
		if (i % 2 && ioctl(fd, EFUSE_IOC_DEL, &dev))
			fatal("cycle %d: %s", i, strerror(errno));
		close(fd);
	}
	printf("%d cycles\n", count);
}

/* Each member in turn is something that cannot be. */
static void wrong_layouts(const struct efuse_hook *good)
{
	static const __u16 bad[] = { 0xffff, 0xfff0, 5000 };
	size_t first = offsetof(struct efuse_hook, args_nodeid);
	size_t last = offsetof(struct efuse_hook, req_fm);
	int tried = 0, accepted = 0, i, fd;
	struct efuse_hook h;
	size_t at;

	for (at = first; at <= last; at += sizeof(__u16)) {
		for (i = 0; i < 3; i++) {
			h = *good;
			*(__u16 *)((char *)&h + at) = bad[i];
			fd = open_device();
			tried++;
			if (!ioctl(fd, EFUSE_IOC_HOOK, &h)) {
				accepted++;
				printf("accepted: offset %zu = %u\n", at,
				       bad[i]);
			}
			close(fd);
		}
	}
	for (i = 0; i < 3; i++) {
		h = *good;
		if (i == 0)
			h.abi++;
		else if (i == 1)
			h.ctx_size--;
		else
			h.function = 7;
		fd = open_device();
		tried++;
		accepted += !ioctl(fd, EFUSE_IOC_HOOK, &h);
		close(fd);
	}
	printf("tried %d accepted %d\n", tried, accepted);
}

static void set_symbol(struct bpf_object *o, const char *map, const void *value,
		       size_t size)
{
	struct bpf_map *m = bpf_object__find_map_by_name(o, map);
	size_t have = 0;
	void *p = m ? bpf_map__initial_value(m, &have) : NULL;

	if (!p || have < size)
		fatal("no variable in %s", map);
	memcpy(p, value, size);
}

static void attach(const char *object, uint32_t only, uint64_t dev)
{
	struct bpf_object *o = bpf_object__open_file(object, NULL);
	struct bpf_program *p;
	struct bpf_link *l;

	if (!o)
		fatal("%s: %s", object, strerror(errno));
	set_symbol(o, ".rodata", &only, sizeof(only));
	set_symbol(o, ".bss", &dev, sizeof(dev));
	if (bpf_object__load(o))
		fatal("%s: %s", object, strerror(errno));
	p = bpf_object__find_program_by_name(o, "efuse_fuzz");
	l = bpf_program__attach_raw_tracepoint(p, "efuse_request");
	if (!l)
		l = bpf_program__attach_raw_tracepoint(p, "efuse_request_tp");
	if (!l)
		fatal("attach: %s", strerror(errno));
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mount", 1, NULL, 'm' }, { "seconds", 1, NULL, 's' },
		{ "object", 1, NULL, 'o' }, { "cycles", 1, NULL, 'c' },
		{ "answer-flush", 0, NULL, 'f' },
		{ "wrong-layouts", 0, NULL, 'w' }, {}
	};
	const char *mount = NULL, *object = NULL;
	int seconds = 5, count = 0, wrong = 0, fd, o;
	uint32_t dev, only = 0;
	struct efuse_hook hook;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'm':
			mount = optarg;
			break;
		case 's':
			seconds = atoi(optarg);
			break;
		case 'o':
			object = optarg;
			break;
		case 'c':
			count = atoi(optarg);
			break;
		case 'f':
			only = FUSE_FLUSH;
			break;
		case 'w':
			wrong = 1;
			break;
		default:
			fatal("unknown option");
		}
	}
	libbpf_set_print(quiet);
	layout_read(&hook);
	if (wrong) {
		wrong_layouts(&hook);
		return 0;
	}
	if (!mount)
		fatal("--mount is wanted");
	dev = device_of(mount);
	if (count) {
		cycles(count, &hook, dev);
		return 0;
	}
	if (!object)
		fatal("--object is wanted");
	fd = open_device();
	if (ioctl(fd, EFUSE_IOC_HOOK, &hook))
		fatal("hook: %s", strerror(errno));
	/* With an agent running, the device is registered already. */
	if (ioctl(fd, EFUSE_IOC_ADD, &dev) && errno != EEXIST)
		fatal("add: %s", strerror(errno));
	attach(object, only, dev);
	printf("attached\n");
	fflush(stdout);
	sleep(seconds);
	print_stats(fd);
	return 0;
}
