// SPDX-License-Identifier: GPL-2.0
/* Builds an image of files, from a directory tree or from a list. */
#define _GNU_SOURCE
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "write.h"

#define FULL		SCHAIN_ENTRIES
/* All facts of an inode are in one leaf. */
#define FACTS_LEAF	(SCHAIN_ENTRIES / SCHAIN_FACTS * SCHAIN_FACTS)
#define SEEDS		8

struct file {
	uint64_t inode;
	uint64_t order;		/* position in the input */
	uint64_t fact[SCHAIN_FACTS];
	char *path;		/* relative to the top; "." is the top itself */
};

struct tagged {
	char *tag;
	uint64_t inode;
};

struct entries {
	struct schain_entry *at;
	uint64_t count, room;
};

/* The input, and the indexes made from it for one seed. */
struct tree {
	struct file *files;
	uint64_t file_count, file_room;
	struct tagged *tagged;
	uint64_t tagged_count, tagged_room;
	struct entries paths, facts, names;
	/* Hash of each tag, and the index of its first entry in `tagged`. */
	struct entries tags;
	uint64_t seed;
};

/*
 * Makes room for one more element in an array; returns its new address, or
 * NULL.
 */
static void *grown(void *at, uint64_t count, uint64_t *room, size_t size)
{
	void *more;

	if (count < *room)
		return at;
	*room = *room * 2 ?: 1024;
	more = realloc(at, *room * size);
	if (!more)
		fail(-ENOMEM, "out of memory");
	return more;
}

static int add(struct entries *e, uint64_t key, uint64_t value)
{
	void *at = grown(e->at, e->count, &e->room, sizeof(*e->at));

	if (!at)
		return -ENOMEM;
	e->at = at;
	e->at[e->count++] = (struct schain_entry){ key, value };
	return 0;
}

static int add_tag(struct tree *t, const char *tag, uint64_t inode)
{
	void *at = grown(t->tagged, t->tagged_count, &t->tagged_room,
			 sizeof(*t->tagged));
	char *copy = strdup(tag);

	if (at)
		t->tagged = at;
	if (!at || !copy) {
		free(copy);
		return fail(-ENOMEM, "out of memory");
	}
	t->tagged[t->tagged_count++] = (struct tagged){ copy, inode };
	return 0;
}

static int add_file(struct tree *t, const struct file *file)
{
	const char *slash = strrchr(file->path, '/');
	void *at;

	if (file->inode > UINT64_MAX / SCHAIN_NAME_PIECES)
		return fail(-EOVERFLOW, "%s: its inode %llu is too large",
			    file->path, (unsigned long long)file->inode);
	if (strlen(slash ? slash + 1 : file->path) > NAME_MAX)
		return fail(-ENAMETOOLONG, "%s: its name has more than %d bytes",
			    file->path, NAME_MAX);
	at = grown(t->files, t->file_count, &t->file_room, sizeof(*t->files));
	if (!at)
		return -ENOMEM;
	t->files = at;
	t->files[t->file_count] = *file;
	t->files[t->file_count].order = t->file_count;
	t->files[t->file_count].path = strdup(file->path);
	if (!t->files[t->file_count].path)
		return fail(-ENOMEM, "out of memory");
	t->file_count++;
	return 0;
}

/* The suffix of a file is its only tag. */
static int add_found(struct tree *t, const FTSENT *found, const char *path)
{
	const struct stat *st = found->fts_statp;
	const struct file file = {
		.inode = st->st_ino,
		.path = (char *)path,
		.fact = {
			[SCHAIN_FACT_SIZE] = st->st_size,
			[SCHAIN_FACT_MTIME] = st->st_mtime,
			[SCHAIN_FACT_MODE] = st->st_mode,
			[SCHAIN_FACT_PARENT] = found->fts_level > 0 ?
				found->fts_parent->fts_statp->st_ino :
				st->st_ino,
		},
	};
	const char *dot = strrchr(found->fts_name, '.');
	int err = add_file(t, &file);

	if (!err && dot && dot > found->fts_name && dot[1] &&
	    S_ISREG(st->st_mode))
		err = add_tag(t, dot + 1, file.inode);
	return err;
}

static int read_tree(struct tree *t, const char *dir)
{
	char *roots[] = { (char *)dir, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	FTSENT *found;
	int err = 0;

	if (!fts)
		return fail(-errno, "%s: %s", dir, strerror(errno));
	while (!err && (found = fts_read(fts))) {
		const char *path = found->fts_path + strlen(dir);

		if (found->fts_info == FTS_DP)
			continue;
		if (found->fts_info == FTS_ERR || found->fts_info == FTS_DNR ||
		    found->fts_info == FTS_NS) {
			err = fail(-found->fts_errno, "%s: %s", found->fts_path,
				   strerror(found->fts_errno));
			break;
		}
		while (*path == '/')
			path++;
		err = add_found(t, found, *path ? path : ".");
	}
	fts_close(fts);
	return err;
}

/* "INODE PARENT SIZE MTIME MODE PATH" */
static int add_listed(struct tree *t, const char *record,
		      unsigned long long number)
{
	static const int order[] = {
		SCHAIN_FACT_PARENT, SCHAIN_FACT_SIZE, SCHAIN_FACT_MTIME,
		SCHAIN_FACT_MODE,
	};
	struct file file = {};
	const char *at = record;
	char *end;
	int i, err = 0;

	for (i = -1; !err && i < SCHAIN_FACTS; i++) {
		errno = 0;
		*(i < 0 ? &file.inode : &file.fact[order[i]]) =
			strtoull(at, &end, 10);
		if (errno || end == at || *end != ' ' ||
		    *at < '0' || *at > '9')
			err = -EINVAL;
		at = end + 1;
	}
	if (err || !*at || *at == '/')
		return fail(-EINVAL, "record %llu of the list is not INODE PARENT SIZE MTIME MODE PATH: %.80s",
			    number, record);
	file.path = (char *)at;
	return add_file(t, &file);
}

/*
 * For each file: its record, its tags, and an empty string; each ends with NUL.
 */
static int read_list(struct tree *t, FILE *list)
{
	unsigned long long number = 0;
	bool inside = false, ended = false, more = false;
	char *word = NULL;
	size_t room = 0;
	ssize_t got;
	int err = 0;

	while (!err && (got = getdelim(&word, &room, 0, list)) > 0) {
		more = ended;
		if (more || word[got - 1])
			break;
		if (inside && *word)
			err = add_tag(t, word,
				      t->files[t->file_count - 1].inode);
		else if (!inside && *word)
			err = add_listed(t, word, ++number);
		else if (!inside)
			ended = true;
		inside = *word;
	}
	free(word);
	if (!err && ferror(list))
		err = fail(-EIO, "the list cannot be read");
	/* If the writer died, half a list must not become an image. */
	if (!err && !ended)
		err = fail(-EINVAL, "the list is incomplete: its writer was interrupted");
	if (!err && more)
		err = fail(-EINVAL, "the list goes on after its end");
	return err;
}

/* Sorts the entries; returns whether a key occurs twice. */
static int order(struct entries *e)
{
	uint64_t i;

	if (!e->count)
		return 0;
	qsort(e->at, e->count, sizeof(*e->at), entry_compare);
	for (i = 1; i < e->count; i++)
		if (e->at[i].key == e->at[i - 1].key)
			return -EEXIST;
	return 0;
}

static int file_compare(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int tagged_compare(const void *a, const void *b)
{
	const struct tagged *x = a, *y = b;
	int order = strcmp(x->tag, y->tag);

	if (order)
		return order;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int add_name(struct tree *t, const struct file *file)
{
	const char *slash = strrchr(file->path, '/');
	const char *name = slash ? slash + 1 : file->path;
	size_t length = strlen(name), at;
	uint64_t piece, i = 0;
	int err = 0;

	for (at = 0; !err && at < length; at += sizeof(piece)) {
		piece = 0;
		memcpy(&piece, name + at,
		       length - at < sizeof(piece) ? length - at :
						     sizeof(piece));
		err = add(&t->names, file->inode * SCHAIN_NAME_PIECES + i++,
			  piece);
	}
	return err;
}

/* Facts and names, which do not depend on the seed. */
static int index_files(struct tree *t)
{
	uint64_t i;
	int fact, err = 0;

	qsort(t->files, t->file_count, sizeof(*t->files), file_compare);
	qsort(t->tagged, t->tagged_count, sizeof(*t->tagged), tagged_compare);
	for (i = 0; !err && i < t->file_count; i++) {
		const struct file *file = &t->files[i];

		/* A file with several names appears under the first one. */
		if (i && file[-1].inode == file->inode)
			continue;
		for (fact = 0; !err && fact < SCHAIN_FACTS; fact++)
			err = add(&t->facts, file->inode * SCHAIN_FACTS + fact,
				  file->fact[fact]);
		if (!err)
			err = add_name(t, file);
	}
	return err;
}

/* -EEXIST if two of them have the same hash with this seed. */
static int hash_all(struct tree *t)
{
	uint64_t i;
	int err = 0;

	t->paths.count = 0;
	t->tags.count = 0;
	for (i = 0; !err && i < t->file_count; i++)
		err = add(&t->paths, schain_hash(t->files[i].path,
						 strlen(t->files[i].path),
						 t->seed), t->files[i].inode);
	for (i = 0; !err && i < t->tagged_count; i++)
		if (!i || strcmp(t->tagged[i].tag, t->tagged[i - 1].tag))
			err = add(&t->tags,
				  schain_hash(t->tagged[i].tag,
					      strlen(t->tagged[i].tag),
					      t->seed), i);
	return err ?: order(&t->paths) ?: order(&t->tags);
}

static int choose_seed(struct tree *t)
{
	int tries, err = -EEXIST;

	for (tries = 0; err == -EEXIST && tries < SEEDS; tries++) {
		t->seed = 0x5343 + tries;
		err = hash_all(t);
	}
	if (err == -EEXIST)
		return fail(err, "a path is listed twice, or two paths have the same hash with %d seeds",
			    SEEDS);
	return err;
}

/*
 * The distinct inodes of the tag at `from`; returns the number of its entries
 * in `tagged`.
 */
static uint64_t run_of(const struct tree *t, uint64_t from, uint64_t *ids,
		       uint64_t *count)
{
	uint64_t to = from;

	for (*count = 0; to < t->tagged_count &&
	     !strcmp(t->tagged[to].tag, t->tagged[from].tag); to++)
		if (to == from || t->tagged[to].inode != t->tagged[to - 1].inode)
			ids[(*count)++] = t->tagged[to].inode;
	return to - from;
}

/*
 * Writes posting lists in the order of the tags, and the index of their first
 * nodes.
 */
static int write_tags(struct writer *w, struct tree *t, uint64_t *ids)
{
	uint64_t i, count, first;
	int err = 0;

	for (i = 0; !err && i < t->tags.count; i++) {
		run_of(t, t->tags.at[i].value, ids, &count);
		err = write_posting(w, ids, count, &first);
		t->tags.at[i].value = first;
	}
	return err ?: write_btree(w, "tags", t->tags.at, t->tags.count, FULL,
				  FULL);
}

static uint64_t tag_nodes(const struct tree *t, uint64_t *ids)
{
	uint64_t i, count, nodes = btree_nodes(t->tags.count, FULL, FULL);

	for (i = 0; i < t->tags.count; i++) {
		run_of(t, t->tags.at[i].value, ids, &count);
		nodes += posting_nodes(count);
	}
	return nodes;
}

static uint64_t buckets_for(uint64_t count)
{
	uint64_t buckets = 1;

	/* Half full, so that most lookups read one node. */
	while (buckets * (FULL / 2) < count)
		buckets *= 2;
	return buckets;
}

static int write_tree(struct tree *t, const char *source, const char *image,
		      uint64_t *ids, struct build_report *report)
{
	uint64_t buckets = buckets_for(t->paths.count);
	struct writer w;
	int err;

	err = writer_open(&w, image,
			  btree_nodes(t->paths.count, FULL, FULL) +
			  btree_nodes(t->facts.count, FACTS_LEAF, FULL) +
			  btree_nodes(t->names.count, FULL, FULL) +
			  hash_nodes(t->paths.count, buckets) +
			  tag_nodes(t, ids), source);
	if (err)
		return err;
	w.super.seed = t->seed;
	err = write_btree(&w, "paths", t->paths.at, t->paths.count, FULL, FULL) ?:
	      write_btree(&w, "facts", t->facts.at, t->facts.count, FACTS_LEAF,
			  FULL) ?:
	      write_btree(&w, "names", t->names.at, t->names.count, FULL,
			  FULL) ?:
	      write_hash(&w, "paths-hash", t->paths.at, t->paths.count,
			 buckets) ?:
	      write_tags(&w, t, ids);
	err = writer_close(&w, err);
	report->nodes = w.nodes;
	report->generation = w.super.generation;
	report->indexes = w.super.indexes;
	report->paths = t->paths.count;
	report->tags = t->tags.count;
	return err;
}

static void free_tree(struct tree *t)
{
	uint64_t i;

	for (i = 0; i < t->file_count; i++)
		free(t->files[i].path);
	for (i = 0; i < t->tagged_count; i++)
		free(t->tagged[i].tag);
	free(t->files);
	free(t->tagged);
	free(t->paths.at);
	free(t->facts.at);
	free(t->names.at);
	free(t->tags.at);
}

/* Returns `err` if reading failed; otherwise the input becomes the image. */
static int finish(struct tree *t, int err, const char *source,
		  const char *image, struct build_report *report)
{
	uint64_t *ids = malloc((t->tagged_count ?: 1) * sizeof(*ids));

	if (!err && !ids)
		err = fail(-ENOMEM, "out of memory");
	if (!err)
		err = index_files(t) ?: choose_seed(t) ?:
		      write_tree(t, source, image, ids, report);
	free(ids);
	free_tree(t);
	return err;
}

int build_tree(const char *dir, const char *image, struct build_report *report)
{
	struct tree t = {};

	memset(report, 0, sizeof(*report));
	return finish(&t, read_tree(&t, dir), dir, image, report);
}

int build_list(FILE *list, const char *source, const char *image,
	       struct build_report *report)
{
	struct tree t = {};

	memset(report, 0, sizeof(*report));
	return finish(&t, read_list(&t, list), source, image, report);
}
