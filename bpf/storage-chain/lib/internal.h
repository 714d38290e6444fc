/* SPDX-License-Identifier: GPL-2.0 */
/* Internal definitions of the library. */
#ifndef SCHAIN_INTERNAL_H
#define SCHAIN_INTERNAL_H

#include <stdint.h>
#include <sys/types.h>
#include "schain.h"

#define KINDS 4

/* A header and a node in one piece, with the node on a separate page. */
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
	long long looked[KINDS];	/* time of the last search, s */
	unsigned int flags;
	struct schain_super super;
	struct buffer buffer;
};

/* Progress of a lookup: `aim` starts it, `step` advances it. */
struct way {
	enum schain_kind kind;
	uint64_t start;
	uint64_t key;
	unsigned int depth;
	uint64_t sector;		/* next to read */
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
/* Examines the node that was read at way->sector; returns a verdict. */
int step(const struct schain *s, struct way *way,
	 const struct schain_node *node);
void result_of(const struct way *way, int error, bool fell_back,
	       struct schain_result *r);

/* Opens a door that may exist by now; tries at most once per second. */
void find_door(struct schain *s, enum schain_kind kind);
/*
 * Closes a door that gives no answers: it no longer belongs to the extension.
 */
void leave_door(struct schain *s, enum schain_kind kind);
void request_fill(const struct schain *s, const struct way *way,
		  struct schain_request *rq);
/*
 * Takes the result of a read through a door: true if it is final, false if user
 * space continues along `way`.
 */
bool request_result(const struct schain *s, struct way *way,
		    const struct schain_request *rq, ssize_t got, int error,
		    struct schain_result *r);
/* Whether no door has handled the request. */
bool request_unanswered(const struct schain_request *rq);
/* Continues in user space to the end. */
int walk(struct schain *s, struct way *way, struct buffer *b, bool fell_back,
	 struct schain_result *r);

/* Reads the superblock of an open image: 0, or -errno with a message. */
int super_read(int fd, const char *name, struct schain_super *super);

#endif
