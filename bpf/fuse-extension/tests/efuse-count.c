// SPDX-License-Identifier: GPL-2.0
/*
 * efuse-count - what one stat() and one fstat() cost
 *
 *	efuse-count serve DIR SECONDS	a FUSE mount with one file, f, whose
 *					answers are valid for SECONDS
 *	efuse-count measure DIR N	asks N times each, prints ns for one
 *
 * In a machine of QEMU with `-icount shift=0`, a nanosecond of the guest's
 * clock is one instruction of its only CPU, so the figures are instructions.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <linux/fuse.h>

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

/* The least of several rounds: interrupts only ever add. */
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

int main(int argc, char **argv)
{
	char path[256];
	int fd;

	if (argc == 4 && !strcmp(argv[1], "serve")) {
		valid = atoi(argv[3]);
		serve(argv[2]);
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "measure")) {
		fprintf(stderr, "usage: efuse-count serve DIR SECONDS | measure DIR N\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/f", argv[2]);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die(path);
	printf("stat %llu fstat %llu\n",
	       (unsigned long long)least(-1, path, atoi(argv[3])),
	       (unsigned long long)least(fd, NULL, atoi(argv[3])));
	return 0;
}
