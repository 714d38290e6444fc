// SPDX-License-Identifier: GPL-2.0
/*
 * A FUSE file system whose daemon counts each request that it reads: the
 * reference for testing fuse-latency. It caches nothing, so every call of a
 * workload becomes requests. Files f0 to f999 hold 4096 zero bytes.
 *
 * Usage: testfs MOUNTPOINT COUNTS [OPCODE=MICROSECONDS...]
 * Delays answers to opcode number OPCODE by that time, one request at a time,
 * and writes COUNTS as JSON ({"3":12,...}) when it is unmounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES 1000
#define FILE_SIZE 4096
#define OPCODES 64

static unsigned long counts[OPCODES];
static unsigned long delays_us[OPCODES];
static unsigned char request[1 << 17];
static int fuse;

static void reply(unsigned long long unique, int error, const void *data,
		  size_t size)
{
	static unsigned char out[sizeof(struct fuse_out_header) + FILE_SIZE];
	struct fuse_out_header *header = (void *)out;

	header->len = sizeof(*header) + size;
	header->error = error;
	header->unique = unique;
	if (size)
		memcpy(header + 1, data, size);
	/* ENOENT: the caller was interrupted and is gone. */
	if (write(fuse, out, header->len) < 0 && errno != ENOENT)
		perror("testfs: reply");
}

static void attributes(unsigned long long node, struct fuse_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = node;
	attr->nlink = 1;
	if (node == FUSE_ROOT_ID) {
		attr->mode = S_IFDIR | 0755;
	} else {
		attr->mode = S_IFREG | 0644;
		attr->size = FILE_SIZE;
	}
}

static void answer(const struct fuse_in_header *in, const void *body)
{
	static const unsigned char zeros[FILE_SIZE];

	switch (in->opcode) {
	case FUSE_INIT: {
		struct fuse_init_out out = {
			.major = FUSE_KERNEL_VERSION,
			.minor = FUSE_KERNEL_MINOR_VERSION,
			.max_write = FILE_SIZE,
		};

		reply(in->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out out = {};
		const char *name = body;
		char *end;
		unsigned long n = strtoul(name + 1, &end, 10);

		if (name[0] != 'f' || *end || n >= FILES) {
			reply(in->unique, -ENOENT, NULL, 0);
			break;
		}
		out.nodeid = n + 2;
		attributes(out.nodeid, &out.attr);
		reply(in->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_GETATTR: {
		struct fuse_attr_out out = {};

		attributes(in->nodeid, &out.attr);
		reply(in->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_OPEN: {
		struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO };

		reply(in->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_READ: {
		const struct fuse_read_in *read = body;
		size_t size = 0;

		if (read->offset < FILE_SIZE) {
			size = FILE_SIZE - read->offset;
			if (size > read->size)
				size = read->size;
		}
		reply(in->unique, 0, zeros, size);
		break;
	}
	case FUSE_WRITE: {
		const struct fuse_write_in *write = body;
		struct fuse_write_out out = { .size = write->size };

		reply(in->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_STATFS: {
		struct fuse_statfs_out out = { .st = { .bsize = 512 } };

		reply(in->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_RELEASE:
	case FUSE_DESTROY:
		reply(in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break; /* these have no answer */
	default:
		reply(in->unique, -ENOSYS, NULL, 0);
	}
}

static int write_counts(const char *path)
{
	FILE *out = fopen(path, "w");
	const char *comma = "";
	int i;

	if (!out) {
		perror(path);
		return 1;
	}
	fputc('{', out);
	for (i = 0; i < OPCODES; i++) {
		if (!counts[i])
			continue;
		fprintf(out, "%s\"%d\":%lu", comma, i, counts[i]);
		comma = ",";
	}
	fputs("}\n", out);
	return fclose(out) ? 1 : 0;
}

int main(int argc, char **argv)
{
	const struct fuse_in_header *in = (const void *)request;
	char options[128];
	int i;

	if (argc < 3) {
		fprintf(stderr, "usage: testfs MOUNTPOINT COUNTS [OPCODE=MICROSECONDS...]\n");
		return 2;
	}
	for (i = 3; i < argc; i++) {
		unsigned int opcode;
		unsigned long us;

		if (sscanf(argv[i], "%u=%lu", &opcode, &us) != 2 ||
		    opcode >= OPCODES) {
			fprintf(stderr, "testfs: '%s' is not OPCODE=MICROSECONDS\n", argv[i]);
			return 2;
		}
		delays_us[opcode] = us;
	}
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0) {
		perror("testfs: /dev/fuse");
		return 1;
	}
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fuse);
	if (mount("testfs", argv[1], "fuse.testfs", MS_NOSUID | MS_NODEV,
		  options)) {
		perror("testfs: mount");
		return 1;
	}
	for (;;) {
		ssize_t size = read(fuse, request, sizeof(request));
		struct timespec delay = {};

		if (size < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (size < 0 && errno == ENODEV)
			return write_counts(argv[2]);
		if (size < (ssize_t)sizeof(*in)) {
			perror("testfs: read");
			return 1;
		}
		if (in->opcode < OPCODES) {
			counts[in->opcode]++;
			delay.tv_sec = delays_us[in->opcode] / 1000000;
			delay.tv_nsec = delays_us[in->opcode] % 1000000 * 1000;
		}
		if (delay.tv_sec || delay.tv_nsec)
			nanosleep(&delay, NULL);
		answer(in, in + 1);
	}
}
