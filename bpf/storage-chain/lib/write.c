// SPDX-License-Identifier: GPL-2.0
/* Writes an image: checks the target, finds room, and switches to it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include "write.h"

#define EDGE (1 << 20)	/* all known formats have a signature within it */

static int size_of(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode)) {
		*size = st.st_size;
		return S_ISREG(st.st_mode) ? 0 : -ENOTBLK;
	}
	return ioctl(fd, BLKGETSIZE64, size) ? -errno : 0;
}

static bool is_zero(int fd, uint64_t from, size_t size)
{
	static char block[EDGE];
	ssize_t got = pread(fd, block, size, from);

	return got == (ssize_t)size &&
	       (!size || (!block[0] && !memcmp(block, block + 1, size - 1)));
}

const char *not_ours(int fd, bool *blank)
{
	struct schain_super super;
	uint64_t size;
	size_t edge;

	*blank = false;
	if (size_of(fd, &size))
		return "it is neither a block device nor a file";
	if (size >= SCHAIN_NODE) {
		if (pread(fd, &super, sizeof(super), 0) != sizeof(super))
			return strerror(errno);
		if (super.magic == SCHAIN_SUPER_MAGIC)
			return NULL;
	}
	edge = size < EDGE ? size : EDGE;
	if (!is_zero(fd, 0, edge) || !is_zero(fd, size - edge, edge))
		return "it contains other data (its first and last MiB are not zero): choose another device, or erase it with `blkdiscard --zeroout`";
	*blank = true;
	return NULL;
}

/* Whether all holders of the device are doors, which only read. */
static bool held_by_doors(dev_t device)
{
	char path[512], uuid[64];
	struct dirent *entry;
	bool only = true;
	DIR *dir;
	int some = 0;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders",
		 major(device), minor(device));
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		FILE *f;

		if (entry->d_name[0] == '.')
			continue;
		some++;
		snprintf(path, sizeof(path), "/sys/block/%s/dm/uuid",
			 entry->d_name);
		f = fopen(path, "r");
		if (!f || !fgets(uuid, sizeof(uuid), f) ||
		    strncmp(uuid, SCHAIN_UUID, strlen(SCHAIN_UUID)))
			only = false;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return some && only;
}

static int open_ours(const char *image)
{
	struct stat st;
	bool blank;
	const char *why;
	int fd = open(image, O_RDWR | O_EXCL | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && strncmp(image, "/dev/", 5))
		fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EBUSY && !stat(image, &st) &&
	    held_by_doors(st.st_rdev))
		fd = open(image, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY)
		return fail(-EBUSY, "%s: it is mounted, or in use by something else; nothing was written",
			    image);
	if (fd < 0)
		return fail(-errno, "%s: %s", image, strerror(errno));
	why = not_ours(fd, &blank);
	if (why) {
		close(fd);
		return fail(-EMEDIUMTYPE, "%s: %s; nothing was written", image,
			    why);
	}
	return fd;
}

static int find_room(struct writer *w, const char *image, uint64_t nodes)
{
	uint64_t sectors = nodes * SCHAIN_NODE_SECTORS, size, end;
	struct stat st;

	if (size_of(w->fd, &size) || fstat(w->fd, &st))
		return fail(-EIO, "%s: no size", image);
	end = S_ISREG(st.st_mode) ? UINT64_MAX / 512 : size / 512;
	if (w->old.magic && w->old.first >= sectors + SCHAIN_NODE_SECTORS)
		w->super.first = SCHAIN_NODE_SECTORS;
	else
		w->super.first = w->old.magic ? w->old.end :
				 SCHAIN_NODE_SECTORS;
	if (w->super.first > end || end - w->super.first < sectors)
		return fail(-ENOSPC, "%s: the image needs %llu bytes next to the current one, but the device has %llu",
			    image, (unsigned long long)sectors * 512,
			    (unsigned long long)size);
	w->sector = w->super.first;
	return 0;
}

int writer_open(struct writer *w, const char *image, uint64_t nodes,
		const char *source)
{
	int err;

	memset(w, 0, sizeof(*w));
	w->fd = open_ours(image);
	if (w->fd < 0)
		return w->fd;
	/* A corrupt superblock is overwritten, from the start of the device. */
	if (super_read(w->fd, image, &w->old))
		memset(&w->old, 0, sizeof(w->old));
	err = find_room(w, image, nodes);
	w->buffer = malloc(WRITE_NODES * SCHAIN_NODE);
	if (!err && !w->buffer)
		err = fail(-ENOMEM, "out of memory");
	if (err) {
		close(w->fd);
		free(w->buffer);
		return err;
	}
	w->super.magic = SCHAIN_SUPER_MAGIC;
	w->super.format = SCHAIN_FORMAT;
	/* Random, so that nodes of earlier or other images do not match. */
	if (getentropy(&w->super.generation, sizeof(w->super.generation)))
		w->super.generation = time(NULL);
	w->super.built = time(NULL);
	snprintf(w->super.source, sizeof(w->super.source), "%s", source);
	return 0;
}

static int flush(struct writer *w)
{
	size_t size = w->buffered * SCHAIN_NODE;
	uint64_t at = (w->sector - w->buffered * SCHAIN_NODE_SECTORS) * 512;

	if (size && pwrite(w->fd, w->buffer, size, at) != (ssize_t)size)
		return fail(errno ? -errno : -EIO, "writing the image: %s",
			    strerror(errno));
	w->buffered = 0;
	return 0;
}

int writer_node(struct writer *w, struct schain_node *node)
{
	node->head.magic = SCHAIN_NODE_MAGIC;
	node->head.self = w->sector;
	node->head.generation = w->super.generation;
	node->head.crc = node_crc(node);
	w->buffer[w->buffered++] = *node;
	w->sector += SCHAIN_NODE_SECTORS;
	w->nodes++;
	return w->buffered == WRITE_NODES ? flush(w) : 0;
}

struct schain_index *writer_index(struct writer *w, const char *name, int kind)
{
	struct schain_index *index = &w->super.index[w->super.indexes++];

	snprintf(index->name, sizeof(index->name), "%s", name);
	index->kind = kind;
	index->nodes = w->nodes;	/* so far; writer_index_end() subtracts */
	return index;
}

void writer_index_end(struct writer *w, struct schain_index *index)
{
	index->nodes = w->nodes - index->nodes;
}

int writer_close(struct writer *w, int err)
{
	if (!err)
		err = flush(w);
	if (!err && fsync(w->fd))
		err = fail(-errno, "writing the image: %s", strerror(errno));
	if (!err) {
		/*
		 * Everything else is on the disk: writing one block makes it
		 * the image.
		 */
		w->super.end = w->sector;
		w->super.crc = super_crc(&w->super);
		if (pwrite(w->fd, &w->super, sizeof(w->super), 0) !=
		    sizeof(w->super) || fsync(w->fd))
			err = fail(errno ? -errno : -EIO,
				   "writing the superblock: %s",
				   strerror(errno));
	}
	close(w->fd);
	free(w->buffer);
	return err;
}
