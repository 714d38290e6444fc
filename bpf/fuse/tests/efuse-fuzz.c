// SPDX-License-Identifier: GPL-2.0
/*
 * efuse-fuzz - attaches a hostile program, hooks and unhooks, and passes wrong
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
#include "number.h"

static int open_device(void)
{
	int fd = open(EFUSE_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fatal("%s: %s", EFUSE_DEVICE, strerror(errno));
	return fd;
}

/* Without a request to the daemon, which a hostile program might answer. */
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
	printf("shown %llu handled %llu refused %llu reads %llu refused reads %llu entries %llu\n",
	       s.calls, s.handled, s.refused, s.reads, s.read_refused,
	       s.entries);
}

/* Hooks read() as well, and registers the file a few times. */
static void hook_reads(int fd, const char *path, const struct efuse_reads *layout)
{
	struct efuse_back b = { .size = 1 << 20 };
	int i;

	if (ioctl(fd, EFUSE_IOC_READS, layout))
		fatal("reads: %s", strerror(errno));
	b.fd = open(path, O_RDONLY | O_NOATIME | O_CLOEXEC);
	for (i = 0; i < 4; i++)
		if (ioctl(fd, EFUSE_IOC_BACK, &b))
			fatal("%s: %s", path, strerror(errno));
	close(b.fd);
}

/* Files that must be refused as backing files, and the expected errors. */
static void wrong_backings(const struct efuse_hook *hook, const char *path,
			   const struct efuse_reads *layout, const char *mount)
{
	const struct {
		const char *what, *path;
		int flags;
		uint64_t size;
		int error;
	} cases[] = {
		{ "written", path, O_RDWR | O_NOATIME, 1 << 20, EINVAL },
		{ "atime", path, O_RDONLY, 1 << 20, EINVAL },
		{ "direct", path, O_RDONLY | O_NOATIME | O_DIRECT, 1 << 20,
		  EINVAL },
		{ "path only", path, O_PATH, 1 << 20, EBADF },
		{ "folder", "/var/tmp", O_RDONLY | O_NOATIME, 1, EINVAL },
		{ "device", "/dev/zero", O_RDONLY | O_NOATIME, 1, EINVAL },
		{ "empty", path, O_RDONLY | O_NOATIME, 0, EMSGSIZE },
		{ "too long", path, O_RDONLY | O_NOATIME, (1 << 20) + 1,
		  EMSGSIZE },
		{ "on FUSE", mount, O_RDONLY | O_NOATIME, 1, ELOOP },
		{ "right", path, O_RDONLY | O_NOATIME, 1 << 20, 0 },
	};
	struct efuse_hook h = *hook;
	struct efuse_reads bad = *layout;
	struct efuse_back b = { .size = 1, .fd = 0 };
	int fd = open_device(), other, wrong = 0, got;
	unsigned int i;
	uint32_t n;

	wrong += !ioctl(fd, EFUSE_IOC_READS, layout) || errno != ENOTCONN;
	wrong += !ioctl(fd, EFUSE_IOC_BACK, &b) || errno != ENOTCONN;
	if (ioctl(fd, EFUSE_IOC_HOOK, &h))
		fatal("hook: %s", strerror(errno));
	for (i = 0; i < sizeof(bad) / sizeof(__u16); i++) {
		bad = *layout;
		((__u16 *)&bad)[i] = 0xffff;
		wrong += !ioctl(fd, EFUSE_IOC_READS, &bad) || errno != EINVAL;
	}
	if (ioctl(fd, EFUSE_IOC_READS, layout))
		fatal("reads: %s", strerror(errno));
	wrong += !ioctl(fd, EFUSE_IOC_READS, layout) || errno != EALREADY;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		b.fd = open(cases[i].path, cases[i].flags | O_CLOEXEC);
		if (b.fd < 0)
			fatal("%s: %s", cases[i].path, strerror(errno));
		b.size = cases[i].size;
		got = ioctl(fd, EFUSE_IOC_BACK, &b) ? errno : 0;
		close(b.fd);
		if (got == cases[i].error)
			continue;
		printf("%s: %s\n", cases[i].what, strerror(got));
		wrong++;
	}
	/* Unregister: as another owner, an unknown number, our own, and again. */
	n = b.backing;
	other = open_device();
	wrong += !ioctl(other, EFUSE_IOC_UNBACK, &n) || errno != ENOENT;
	close(other);
	n += 1000;
	wrong += !ioctl(fd, EFUSE_IOC_UNBACK, &n) || errno != ENOENT;
	n -= 1000;
	wrong += !!ioctl(fd, EFUSE_IOC_UNBACK, &n);
	wrong += !ioctl(fd, EFUSE_IOC_UNBACK, &n) || errno != ENOENT;
	close(fd);
	printf("wrong %d\n", wrong);
}

static void cycles(int count, const struct efuse_hook *hook, uint32_t dev,
		   const char *file, const struct efuse_reads *layout)
{
	struct efuse_hook h;
	int i, fd;

	for (i = 0; i < count; i++) {
		h = *hook;
		fd = open_device();
		if (ioctl(fd, EFUSE_IOC_HOOK, &h) ||
		    ioctl(fd, EFUSE_IOC_ADD, &dev))
			fatal("cycle %d: %s", i, strerror(errno));
		if (file)
			hook_reads(fd, file, layout);
		if (i % 2 && ioctl(fd, EFUSE_IOC_DEL, &dev))
			fatal("cycle %d: %s", i, strerror(errno));
		close(fd);
	}
	printf("%d cycles\n", count);
}

/* Sets each member in turn to an impossible value. */
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

/* The same for the additional layout of listings. */
static void wrong_lists(const struct efuse_hook *hook)
{
	struct efuse_lists good, bad;
	struct efuse_hook h = *hook;
	int fd = open_device(), wrong = 0;
	const char *why = layout_of_lists(&good);
	size_t i;

	if (why)
		fatal("listings: %s", why);
	wrong += !ioctl(fd, EFUSE_IOC_LISTS, &good) || errno != ENOTCONN;
	if (ioctl(fd, EFUSE_IOC_HOOK, &h))
		fatal("hook: %s", strerror(errno));
	for (i = 0; i < sizeof(bad) / sizeof(__u16); i++) {
		bad = good;
		((__u16 *)&bad)[i] = 0xffff;
		if (ioctl(fd, EFUSE_IOC_LISTS, &bad) && errno == EINVAL)
			continue;
		printf("listings: number %zu\n", i);
		wrong++;
	}
	if (ioctl(fd, EFUSE_IOC_LISTS, &good))
		fatal("listings: %s", strerror(errno));
	wrong += !ioctl(fd, EFUSE_IOC_LISTS, &good) || errno != EALREADY;
	close(fd);
	printf("wrong layouts of listings accepted %d\n", wrong);
}

/* Also shows the entries of listings, if this kernel's layout is known. */
static void show_lists(int fd)
{
	struct efuse_lists lists;

	if (!layout_of_lists(&lists) && ioctl(fd, EFUSE_IOC_LISTS, &lists))
		fatal("listings: %s", strerror(errno));
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

/* The function of requests that the module hooks on this kernel. */
static const char *hooked(const struct efuse_hook *hook)
{
	return hook->function == EFUSE_FN_SIMPLE_REQUEST ?
		       "fuse_simple_request" : "__fuse_simple_request";
}

/* Attaches a program of another tool to a function that the module hooks. */
static void attach_bystander(const char *object, const char *kind,
			     const char *function)
{
	struct bpf_object *o = bpf_object__open_file(object, NULL);
	bool probe = strstr(kind, "probe");
	struct bpf_program *p, *chosen = NULL;
	struct bpf_link *l;

	if (!o)
		fatal("%s: %s", object, strerror(errno));
	bpf_object__for_each_program(p, o) {
		bool is = !strcmp(bpf_program__name(p) + strlen("by_"), kind);

		bpf_program__set_autoload(p, is);
		if (is)
			chosen = p;
	}
	if (!chosen)
		fatal("no program for %s", kind);
	if (!probe && bpf_program__set_attach_target(chosen, 0, function))
		fatal("%s on %s: %s", kind, function, strerror(errno));
	if (bpf_object__load(o))
		fatal("%s on %s does not load: %s", kind, function,
		      strerror(errno));
	l = probe ? bpf_program__attach_kprobe(
			    chosen, !strcmp(kind, "kretprobe"), function) :
		    bpf_program__attach(chosen);
	if (!l)
		fatal("%s on %s: %s", kind, function, strerror(errno));
}

static void attach(const char *object, const uint32_t only[2], uint64_t dev)
{
	struct bpf_object *o = bpf_object__open_file(object, NULL);
	struct bpf_program *p;
	struct bpf_link *l;

	if (!o)
		fatal("%s: %s", object, strerror(errno));
	set_symbol(o, ".rodata", only, 2 * sizeof(*only));
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

static unsigned long number(const char *text)
{
	unsigned long value;

	if (!ext_whole_number(text, 1, 1000000, &value))
		fatal("%s is not a number from 1 to 1000000", text);
	return value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mount", 1, NULL, 'm' }, { "seconds", 1, NULL, 's' },
		{ "object", 1, NULL, 'o' }, { "cycles", 1, NULL, 'c' },
		{ "answer-flush", 0, NULL, 'f' },
		{ "answer-getxattr", 1, NULL, 'g' },
		{ "bystander", 1, NULL, 'b' },
		{ "function", 1, NULL, 'n' },
		{ "reads", 1, NULL, 'r' },
		{ "wrong-backings", 1, NULL, 'x' },
		{ "wrong-layouts", 0, NULL, 'w' }, {}
	};
	const char *mount = NULL, *object = NULL, *bystander = NULL;
	const char *reads = NULL, *on_fuse = NULL, *function = NULL;
	int seconds = 5, count = 0, wrong = 0, fd, o;
	/* An opcode, and the size of its reply. */
	uint32_t dev, only[2] = {};
	struct efuse_reads layout = {};
	struct efuse_hook hook;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'm':
			mount = optarg;
			break;
		case 's':
			seconds = number(optarg);
			break;
		case 'o':
			object = optarg;
			break;
		case 'c':
			count = number(optarg);
			break;
		case 'f':
			only[0] = FUSE_FLUSH;
			break;
		case 'g':
			only[0] = FUSE_GETXATTR;
			only[1] = number(optarg);
			break;
		case 'b':
			bystander = optarg;
			break;
		case 'n':
			function = optarg;
			break;
		case 'w':
			wrong = 1;
			break;
		case 'r':
			reads = optarg;
			break;
		case 'x':
			on_fuse = optarg;
			break;
		default:
			fatal("unknown option");
		}
	}
	libbpf_set_print(quiet);
	layout_read(&hook);
	if (reads)
		layout_of_reads(&layout);
	if (on_fuse && reads) {
		wrong_backings(&hook, reads, &layout, on_fuse);
		return 0;
	}
	if (wrong) {
		wrong_layouts(&hook);
		wrong_lists(&hook);
		return 0;
	}
	if (bystander) {
		attach_bystander(object, bystander,
				 function ? function : hooked(&hook));
		printf("attached\n");
		fflush(stdout);
		sleep(seconds);
		return 0;
	}
	if (!mount)
		fatal("--mount is required");
	dev = device_of(mount);
	if (count) {
		cycles(count, &hook, dev, reads, &layout);
		return 0;
	}
	if (!object)
		fatal("--object is required");
	fd = open_device();
	if (ioctl(fd, EFUSE_IOC_HOOK, &hook))
		fatal("hook: %s", strerror(errno));
	/* With an agent running, the device is registered already. */
	if (ioctl(fd, EFUSE_IOC_ADD, &dev) && errno != EEXIST)
		fatal("add: %s", strerror(errno));
	if (!only[0])
		show_lists(fd);
	if (reads)
		hook_reads(fd, reads, &layout);
	attach(object, only, dev);
	printf("attached\n");
	fflush(stdout);
	sleep(seconds);
	print_stats(fd);
	return 0;
}
