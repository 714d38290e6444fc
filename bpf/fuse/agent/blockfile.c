// SPDX-License-Identifier: GPL-2.0
/*
 * blockfile.c - finds files of JuiceFS's block cache, and verifies them
 *
 * A block file holds a block's plain content (decompressed, decrypted),
 * followed by a CRC-32C of each 32 KiB unless the mount has
 * verify-cache-checksum=none. JuiceFS writes it under another name, renames it,
 * and never changes it.
 */
#include <endian.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <dirent.h>
#include "agent.h"

#define SUM_OF		(32U << 10)	/* bytes per checksum */

/* <linux/magic.h>; the tested file systems, and xfs */
#define MAGIC_EXT4	0xEF53
#define MAGIC_XFS	0x58465342
#define MAGIC_TMPFS	0x01021994

#define POLYNOMIAL	0x82f63b78U	/* of CRC-32C, reflected */

static uint32_t crc_in_software(uint32_t crc, const uint8_t *p, size_t n)
{
	static uint32_t table[256];
	unsigned int i, bit;

	for (i = 0; !table[1] && i < 256; i++) {
		uint32_t c = 255 - i;	/* table[1] marks a full table */

		for (bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? POLYNOMIAL : 0);
		table[255 - i] = c;
	}
	while (n--)
		crc = table[(crc ^ *p++) & 0xff] ^ crc >> 8;
	return crc;
}

__attribute__((target("sse4.2")))
static uint32_t crc_in_hardware(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t wide = crc, word;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = wide;
	while (n--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}

static uint32_t crc32c(const uint8_t *p, size_t n)
{
	return ~(__builtin_cpu_supports("sse4.2") ?
		 crc_in_hardware(~0U, p, n) : crc_in_software(~0U, p, n));
}

static bool read_all(int fd, void *to, size_t size, off_t at)
{
	ssize_t n;

	for (; size; to = (char *)to + n, size -= n, at += n) {
		n = pread(fd, to, size, at);
		if (n <= 0)
			return false;
	}
	return true;
}

/* Whether the file has the size of the block, with checksums or without. */
static bool whole(int fd, uint32_t size, off_t length)
{
	static uint8_t data[SUM_OF];
	uint32_t sums = (size - 1) / SUM_OF + 1, start, n, i;
	uint32_t *sum;
	bool ok;

	if (length == size)
		return true;
	if (length != (off_t)size + (off_t)sums * 4)
		return false;
	sum = malloc(sums * 4);
	ok = sum && read_all(fd, sum, sums * 4, size);
	for (i = 0, start = 0; ok && i < sums; i++, start += n) {
		n = size - start < SUM_OF ? size - start : SUM_OF;
		ok = read_all(fd, data, n, start) &&
		     (crc32c(data, n) == be32toh(sum[i]) ||
		      FAULT(READ_CHECKSUM));
	}
	free(sum);
	return ok;
}

static void path_of(char *to, size_t size, const struct mounted *m,
		    const char *folder, const struct block_name *b)
{
	unsigned long long id = b->slice;

	if (m->hash_prefix)
		snprintf(to, size, "%s/raw/chunks/%02X/%llu/%llu_%u_%u",
			 folder, (unsigned int)(id % 256), id / 1000000, id,
			 b->index, b->size);
	else
		snprintf(to, size, "%s/raw/chunks/%llu/%llu/%llu_%u_%u",
			 folder, id / 1000000, id / 1000, id, b->index,
			 b->size);
}

/* Calls fn for each folder of the cache until it returns true. */
static bool each_folder(const char *folders,
			bool (*fn)(const char *folder, void *data), void *data)
{
	char copy[2048], *rest = copy, *pattern;
	bool done = false;
	glob_t found;
	size_t i;

	snprintf(copy, sizeof(copy), "%s", folders);
	while (!done && (pattern = strsep(&rest, ":"))) {
		if (!*pattern || glob(pattern, GLOB_NOSORT, NULL, &found))
			continue;
		for (i = 0; !done && i < found.gl_pathc; i++)
			done = fn(found.gl_pathv[i], data);
		globfree(&found);
	}
	return done;
}

struct search {
	const struct mounted *m;
	const struct block_name *name;
	int fd, error;
};

static bool open_in(const char *folder, void *data)
{
	struct search *s = data;
	char path[PATH_MAX];
	struct stat st;
	int fd;

	path_of(path, sizeof(path), s->m, folder, s->name);
	fd = open(path, O_RDONLY | O_NOATIME | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    whole(fd, s->name->size, st.st_size)) {
		s->fd = fd;
		return true;
	}
	s->error = EBADMSG;
	close(fd);
	return false;
}

int blockfile_open(const struct mounted *m, const struct block_name *name)
{
	struct search s = { m, name, -1, ENOENT };

	each_folder(m->cache_dirs, open_in, &s);
	if (s.fd < 0)
		errno = s.error;
	return s.fd;
}

/*
 * Whether the block device, or one below it, is backed by a file. If that file
 * is on our mount, a read would wait for itself.
 */
static bool on_loop(const char *device, unsigned int depth)
{
	char path[PATH_MAX];
	struct dirent *e;
	bool loop;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/loop", device);
	loop = !access(path, F_OK);
	/* for a partition */
	snprintf(path, sizeof(path), "%s/../loop", device);
	loop = loop || !access(path, F_OK);
	snprintf(path, sizeof(path), "%s/slaves", device);
	dir = loop || depth > 8 ? NULL : opendir(path);
	while (dir && !loop && (e = readdir(dir))) {
		if (*e->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "%s/slaves/%.255s", device,
			 e->d_name);
		loop = on_loop(path, depth + 1);
	}
	if (dir)
		closedir(dir);
	return loop || depth > 8;
}

const char *blockfile_refusal(const char *folder)
{
	char device[64];
	struct statfs fs;
	struct stat st;

	if (statfs(folder, &fs) || stat(folder, &st))
		return "cannot read its type";
	if (fs.f_type == MAGIC_TMPFS)
		return NULL;
	if (fs.f_type != MAGIC_EXT4 && fs.f_type != MAGIC_XFS)
		return "its file system is not ext4, xfs or tmpfs";
	snprintf(device, sizeof(device), "/sys/dev/block/%u:%u",
		 major(st.st_dev), minor(st.st_dev));
	if (access(device, F_OK))
		return "its block device is not known";
	return on_loop(device, 0) ?
	       "its block device is a file (a loop device)" : NULL;
}

static bool refused_in(const char *folder, void *data)
{
	const char **why = data;
	static char text[256];

	*why = blockfile_refusal(folder);
	if (!*why)
		return false;
	snprintf(text, sizeof(text), "%.150s: %s", folder, *why);
	*why = text;
	return true;
}

static bool any(const char *folder, void *data)
{
	return true;
}

const char *reads_refusal(const struct mounted *m)
{
	const char *why = NULL;

	if (m->format > 1)
		return "its metadata format is not supported";
	if (!*m->cache_dirs)
		return "its .config has no cache folder";
	if (!strcmp(m->cache_dirs, "memory"))
		return "its block cache is in the daemon's memory (cache-dir=memory, or cache-size=0)";
	/* Smaller ones would have more than EFUSE_PIECES pieces. */
	if (m->block_size < 1 << 20 || m->block_size > 16 << 20 ||
	    m->block_size & (m->block_size - 1))
		return "its block size is not a power of 2 from 1 to 16 MiB";
	if (!each_folder(m->cache_dirs, any, NULL))
		return "its cache folder does not exist";
	each_folder(m->cache_dirs, refused_in, &why);
	return why;
}
