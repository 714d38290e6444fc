/* SPDX-License-Identifier: GPL-2.0 */
/*
 * contents.h - a file of which every piece shows the change that wrote it
 *
 * A piece is a page. Each of its lines contains the object, the piece, the line
 * and the number of the change, so that a piece of another place, or of two
 * changes, is recognized.
 */
#ifndef EFUSE_CONTENTS_H
#define EFUSE_CONTENTS_H

#include <stdbool.h>
#include <stdint.h>

#define PIECE		4096
#define PIECES		16
#define LAYOUTS		256		/* remembered versions of a file */

/* Instead of the number of a change. */
#define PIECE_HOLE	-1		/* zeros: never written */
#define PIECE_TORN	-2		/* lines of more than one change */
#define PIECE_WRONG	-3		/* not what anyone wrote there */

enum contents_how {
	/* changes */
	WRITE,				/* `count` pieces from `first` */
	TRUNCATE,			/* to `first` pieces */
	REPLACE,			/* rename a new file over it */
	HOWS,
	/* flags of a read of `count` pieces from `first`, with one pread() */
	KEPT		= 1,		/* through a handle that stays open */
	COLD		= 2,		/* not from the kernel's page cache */
	DIRECT		= 4,		/* O_DIRECT */
	REOPEN		= 8,		/* KEPT: through a new handle */
};

struct contents_order {
	int32_t how;
	int32_t first;
	int32_t count;
};

/* What a reader has seen. */
struct contents_seen {
	int32_t size;			/* fstat(), in bytes */
	int32_t got;			/* bytes read */
	int32_t opened;			/* KEPT: opened for this read */
	int32_t version[PIECES];
};

/* A version of the file: the change that wrote each piece. */
struct contents_layout {
	int32_t size;			/* pieces */
	int32_t version[PIECES];
};

/* These return 0 or a negative errno. */
int contents_make(const char *path, int object, int version);
int contents_change(const char *path, int object, int version,
		    const struct contents_order *o);
int contents_read(const char *path, int object, const struct contents_order *o,
		  int *kept, struct contents_seen *seen);

void contents_first(struct contents_layout *l);
struct contents_layout contents_after(const struct contents_layout *was,
				      int version,
				      const struct contents_order *o);

/* Whether the reader has seen exactly this version. */
bool contents_equal(const struct contents_layout *l,
		    const struct contents_order *o,
		    const struct contents_seen *seen);
/* Whether this piece of the reader can be from this version. */
bool contents_piece(const struct contents_layout *l,
		    const struct contents_order *o,
		    const struct contents_seen *seen, int piece);

#endif
