// SPDX-License-Identifier: GPL-2.0
/* contents.c - writes and reads files of which every piece is stamped */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "contents.h"

#define LINES	(PIECE / sizeof(struct line))

struct line {
	uint32_t version;
	uint16_t object;
	uint16_t place;			/* piece and line */
	uint64_t sum;
};

static struct line line_of(int object, int piece, unsigned int line, int version)
{
	struct line l = { version, object, piece * LINES + line, 0 };

	/* Never zero, which is a hole. */
	l.sum = ~((uint64_t)version << 32 | object << 16 | l.place) *
		0xff51afd7ed558ccdULL;
	l.sum ^= l.sum >> 32;
	return l;
}

_Static_assert(sizeof(struct line) == 16, "no padding");
_Static_assert(PIECES * LINES <= 65536, "struct line");

static void stamp(struct line *to, int object, int piece, int version)
{
	unsigned int i;

	for (i = 0; i < LINES; i++)
		to[i] = line_of(object, piece, i, version);
}

static int32_t version_of_piece(const struct line *l, int object, int piece)
{
	static const struct line zeros;
	int32_t version = 0;
	unsigned int i;

	for (i = 0; i < LINES; i++) {
		struct line want = line_of(object, piece, i, l[i].version);
		int32_t is = l[i].version;

		if (!memcmp(&l[i], &zeros, sizeof(zeros)))
			is = PIECE_HOLE;
		else if (memcmp(&l[i], &want, sizeof(want)))
			return PIECE_WRONG;
		if (i && is != version)
			version = PIECE_TORN;
		else if (!i)
			version = is;
	}
	return version;
}

static struct line buffer[PIECES * LINES] __attribute__((aligned(PIECE)));

static int write_pieces(int fd, int object, int version, int first, int count)
{
	ssize_t n = (ssize_t)count * PIECE;
	int i;

	for (i = 0; i < count; i++)
		stamp(buffer + i * LINES, object, first + i, version);
	n -= pwrite(fd, buffer, n, (off_t)first * PIECE);
	return n ? errno ? -errno : -EIO : 0;
}

static int written(const char *path, int object, int version, int first,
		   int count, int flags)
{
	int fd = open(path, O_WRONLY | flags, 0644), err;

	if (fd < 0)
		return -errno;
	errno = 0;
	err = write_pieces(fd, object, version, first, count);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int contents_make(const char *path, int object, int version)
{
	return written(path, object, version, 0, PIECES, O_CREAT | O_TRUNC);
}

int contents_change(const char *path, int object, int version,
		    const struct contents_order *o)
{
	char from[64];
	int err;

	switch (o->how) {
	case WRITE:
		return written(path, object, version, o->first, o->count, 0);
	case TRUNCATE:
		return truncate(path, (off_t)o->first * PIECE) ? -errno : 0;
	case REPLACE:
		snprintf(from, sizeof(from), "%s.new", path);
		unlink(from);
		err = written(from, object, version, 0, o->count, O_CREAT);
		if (err)
			return err;
		return rename(from, path) ? -errno : 0;
	}
	return -EINVAL;
}

static int read_from(int fd, int object, const struct contents_order *o,
		     struct contents_seen *seen)
{
	struct stat st;
	ssize_t n;
	int i;

	if (fstat(fd, &st))
		return -errno;
	if (o->how & COLD)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	n = pread(fd, buffer, o->count * PIECE, (off_t)o->first * PIECE);
	if (n < 0)
		return -errno;
	seen->size = st.st_size;
	seen->got = n;
	for (i = 0; i < n / PIECE; i++)
		seen->version[i] = version_of_piece(buffer + i * LINES, object,
						    o->first + i);
	return 0;
}

int contents_read(const char *path, int object, const struct contents_order *o,
		  int *kept, struct contents_seen *seen)
{
	int flags = O_RDONLY | (o->how & DIRECT ? O_DIRECT : 0);
	int fd = o->how & KEPT ? *kept : -1, err;

	memset(seen, 0, sizeof(*seen));
	if (fd >= 0 && o->how & REOPEN) {
		close(fd);
		fd = *kept = -1;
	}
	if (fd < 0) {
		fd = open(path, flags);
		if (fd < 0)
			return -errno;
		seen->opened = 1;
	}
	err = read_from(fd, object, o, seen);
	if (o->how & KEPT && !err) {
		*kept = fd;
		return 0;
	}
	if (fd == *kept)
		*kept = -1;
	close(fd);
	return err;
}

void contents_first(struct contents_layout *l)
{
	memset(l, 0, sizeof(*l));
	l->size = PIECES;
}

struct contents_layout contents_after(const struct contents_layout *was,
				      int version,
				      const struct contents_order *o)
{
	struct contents_layout l = *was;
	int i;

	if (o->how == TRUNCATE || o->how == REPLACE)
		l.size = 0;
	if (o->how == TRUNCATE) {
		for (i = was->size; i < o->first; i++)
			l.version[i] = PIECE_HOLE;
		l.size = o->first;
		return l;
	}
	for (i = l.size; i < o->first; i++)
		l.version[i] = PIECE_HOLE;
	for (i = o->first; i < o->first + o->count; i++)
		l.version[i] = version;
	if (l.size < o->first + o->count)
		l.size = o->first + o->count;
	return l;
}

bool contents_piece(const struct contents_layout *l,
		    const struct contents_order *o,
		    const struct contents_seen *seen, int piece)
{
	return o->first + piece < l->size &&
	       l->version[o->first + piece] == seen->version[piece];
}

bool contents_equal(const struct contents_layout *l,
		    const struct contents_order *o,
		    const struct contents_seen *seen)
{
	int count = l->size - o->first, i;

	if (count > o->count)
		count = o->count;
	if (count < 0)
		count = 0;
	if (seen->size != l->size * PIECE || seen->got != count * PIECE)
		return false;
	for (i = 0; i < count; i++)
		if (!contents_piece(l, o, seen, i))
			return false;
	return true;
}
