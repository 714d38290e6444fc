/* SPDX-License-Identifier: GPL-2.0 */
/* Internal definitions of the library. */
#ifndef SCHAIN_INTERNAL_H
#define SCHAIN_INTERNAL_H

#include <stdint.h>
#include <sys/types.h>
#include "schain.h"

#define KINDS 4

/* A header and a node in one piece, the node on a page of its own. */
struct buffer {
	char *memory;			/* BUFFER_SIZE, aligned */
	struct schain_request *request;	/* the last 512 bytes before the node */
	struct schain_node *node;
};

#define BUFFER_SIZE	8192
#define REQUEST_SIZE	(SCHAIN_HEADER + SCHAIN_NODE)

struct schain {
	int image;
	int door[KINDS];		/* by kind; -1: none */
	long long looked[KINDS];	/* second in which it was last looked for */
	unsigned int flags;
	struct schain_super super;
	struct buffer buffer;
};

/* Where a lookup is: made by `aim`, moved by `step`. */
struct way {
	enum schain_kind kind;
	uint64_t start;
	uint64_t key;
	unsigned int depth;
	uint64_t sector;		/* to read next */
	unsigned int hops;
	struct schain_out out;
};

int fail(int error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
uint32_t node_crc(const struct schain_node *node);
uint32_t super_crc(const struct schain_super *super);

void buffer_init(struct buffer *b, char *memory);
void aim(const struct schain *s, const struct schain_index *index,
	 uint64_t key, struct way *way);
/* Looks at the node that was read at way->sector: a verdict. */
int step(const struct schain *s, struct way *way,
	 const struct schain_node *node);
void result_of(const struct way *way, int error, bool fell_back,
	       struct schain_result *r);

/* Opens a door that is there by now, unless it did so in this second. */
void find_door(struct schain *s, enum schain_kind kind);
/* Closes one that gives no answers: it is not the extension's any more. */
void leave_door(struct schain *s, enum schain_kind kind);
void request_fill(const struct schain *s, const struct way *way,
		  struct schain_request *rq);
/*
 * What a read through a door gave: true if that is the result, false if user
 * space goes on along `way`.
 */
bool request_result(const struct schain *s, struct way *way,
		    const struct schain_request *rq, ssize_t got, int error,
		    struct schain_result *r);
/* Whether no door has looked at it. */
bool request_unanswered(const struct schain_request *rq);
/* Goes on in user space, to the end. */
int walk(struct schain *s, struct way *way, struct buffer *b, bool fell_back,
	 struct schain_result *r);

/* Superblock of an open image: 0, or -errno with a text. */
int super_read(int fd, const char *name, struct schain_super *super);

#endif
