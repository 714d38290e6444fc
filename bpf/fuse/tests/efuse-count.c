// SPDX-License-Identifier: GPL-2.0
/*
 * efuse-count - measures the cost of one stat(), one fstat() and one read
 *
 *	efuse-count serve DIR SECONDS	a FUSE mount with one file, f, whose
 *					answers are valid for SECONDS
 *	efuse-count measure DIR N	calls each N times, prints ns per call
 *	efuse-count read FILE SIZE HOW	reads all of the file in pieces of SIZE,
 *					HOW: random, direct, sequential, or warm
 *					(random, with all of the file's own
 *					pages in memory)
 *
 * In a QEMU machine with `-icount shift=0`, a nanosecond of the guest's
 * clock is one instruction of its only CPU, so the figures are instructions.
 */
#include <errno.h>
#include <stdbool.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <linux/fuse.h>

#include "number.h"

static int fuse;
static uint64_t valid;

static void die(const char *what)
{
	fprintf(stderr, "efuse-count: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void reply(uint64_t unique, int error, const void *data, size_t size)
{
	static char buf[4096];
	struct fuse_out_header *h = (void *)buf;

	h->len = sizeof(*h) + (error ? 0 : size);
	h->error = -error;
	h->unique = unique;
	if (!error)
		memcpy(buf + sizeof(*h), data, size);
	if (write(fuse, buf, h->len) < 0 && errno != ENOENT && errno != ENODEV)
		die("write");
}

static struct fuse_attr attr_of(uint64_t ino)
{
	return (struct fuse_attr){
		.ino = ino, .size = 10, .nlink = 1, .blksize = 4096,
		/* JuiceFS's root without times is made up. */
		.mtime = 1,
		.mode = ino == 1 ? S_IFDIR | 0755 : S_IFREG | 0644,
	};
}

static void answer(const struct fuse_in_header *in, const void *body)
{
	struct fuse_init_out init = { .major = 7, .minor = 31,
				      .max_write = 4096, .time_gran = 1 };
	struct fuse_entry_out entry = { .nodeid = 2, .entry_valid = valid,
					.attr_valid = valid };
	struct fuse_attr_out attr = { .attr_valid = valid };
	struct fuse_open_out open_out = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT:
		reply(in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		entry.attr = attr_of(2);
		reply(in->unique, strcmp(body, "f") ? ENOENT : 0, &entry,
		      sizeof(entry));
		break;
	case FUSE_GETATTR:
		attr.attr = attr_of(in->nodeid);
		reply(in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		reply(in->unique, 0, &open_out, sizeof(open_out));
		break;
	case FUSE_RELEASE:
		reply(in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(in->unique, ENOSYS, NULL, 0);
	}
}

static void serve(const char *dir)
{
	static char buf[1 << 17];
	char options[128];
	ssize_t n;

	fuse = open("/dev/fuse", O_RDWR);
	if (fuse < 0)
		die("/dev/fuse");
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions",
		 fuse);
	if (mount("count", dir, "fuse.count", 0, options))
		die(dir);
	while ((n = read(fuse, buf, sizeof(buf))) > 0 || errno == EINTR)
		if (n > 0)
			answer((void *)buf,
			       buf + sizeof(struct fuse_in_header));
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* The minimum of several rounds: interrupts only add time. */
static uint64_t least(int fd, const char *path, int n)
{
	uint64_t best = UINT64_MAX, start, each;
	struct stat st;
	int round, i;

	for (round = 0; round < 10; round++) {
		start = now_ns();
		for (i = 0; i < n; i++)
			if (path ? stat(path, &st) : fstat(fd, &st))
				die("stat");
		each = (now_ns() - start) / n;
		if (each < best)
			best = each;
	}
	return best;
}

/*
 * Reads each piece once, sequentially or in an order that readahead cannot
 * help.
 */
static uint64_t read_round(int fd, size_t size, off_t pieces, bool in_turn)
{
	static char buffer[1 << 20] __attribute__((aligned(4096)));
	uint64_t start = now_ns();
	off_t i, at;

	for (i = 0; i < pieces; i++) {
		at = in_turn ? i : (i * 389 + 7) % pieces;
		if (pread(fd, buffer, size, at * size) != (ssize_t)size)
			die("pread");
	}
	return (now_ns() - start) / pieces;
}

/*
 * Brings the file's own pages into memory: a page fault is not answered from the
 * block cache.
 */
static void fill_pages(int fd, off_t size)
{
	void *at = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);

	if (at == MAP_FAILED || munmap(at, size))
		die("mmap");
}

static void read_file(const char *path, unsigned long size, const char *how)
{
	bool in_turn = !strcmp(how, "sequential"), warm = !strcmp(how, "warm");
	uint64_t best = UINT64_MAX, each;
	struct stat st;
	int fd, round;

	fd = open(path, O_RDONLY | (strcmp(how, "direct") ? 0 : O_DIRECT));
	if (fd < 0 || fstat(fd, &st))
		die(path);
	if (!size || size > 1 << 20 || st.st_size / size == 0) {
		fprintf(stderr, "efuse-count: cannot read %s in pieces of %lu bytes\n",
			path, size);
		exit(2);
	}
	if (!in_turn)
		posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	if (warm)
		fill_pages(fd, st.st_size);
	for (round = 0; round < 10; round++) {
		if (!warm)
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		each = read_round(fd, size, st.st_size / size, in_turn);
		/* The first round only warms the caches. */
		if (round && each < best)
			best = each;
	}
	printf("%llu\n", (unsigned long long)best);
}

static unsigned long number(const char *text)
{
	unsigned long value;

	if (ext_whole_number(text, 0, 1000000000, &value))
		return value;
	fprintf(stderr, "efuse-count: %s is not a number\n", text);
	exit(2);
}

int main(int argc, char **argv)
{
	char path[256];
	int fd;

	if (argc == 4 && !strcmp(argv[1], "serve")) {
		valid = number(argv[3]);
		serve(argv[2]);
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "read")) {
		read_file(argv[2], number(argv[3]), argv[4]);
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "measure")) {
		fprintf(stderr, "usage: efuse-count serve DIR SECONDS | measure DIR N | read FILE SIZE HOW\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/f", argv[2]);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die(path);
	printf("stat %llu fstat %llu\n",
	       (unsigned long long)least(-1, path, number(argv[3])),
	       (unsigned long long)least(fd, NULL, number(argv[3])));
	return 0;
}
