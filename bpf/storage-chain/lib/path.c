// SPDX-License-Identifier: GPL-2.0
/* Assembles the path of an inode, from its end. */
#include <errno.h>
#include <string.h>
#include "internal.h"

#define DEEPEST 2048	/* folders; a path of PATH_MAX has fewer */

/* Reads the name of an inode, with a NUL; r->found: it has one. */
static int name_of(struct schain *s, unsigned long long inode,
		   char name[SCHAIN_NAME_PIECES * 8 + 1], struct schain_result *r)
{
	unsigned long long key = inode * SCHAIN_NAME_PIECES, first = key;
	const struct schain_node *node;
	unsigned int place;
	size_t length = 0;
	int err;

	/* Pieces are adjacent, but may continue in another leaf. */
	for (;;) {
		err = schain_lookup(s, "names", key, r);
		if (err || !r->found)
			break;
		node = schain_node(s);
		for (place = r->place; place < node->head.count &&
		     node->entry[place].key == key &&
		     key - first < SCHAIN_NAME_PIECES; place++, key++) {
			memcpy(name + length, &node->entry[place].value, 8);
			length += 8;
		}
		if (place < node->head.count ||
		    key - first == SCHAIN_NAME_PIECES)
			break;
	}
	/* Only the first piece must exist. */
	r->found = length > 0;
	name[length] = 0;
	return err;
}

int schain_path(struct schain *s, unsigned long long inode, char *path,
		size_t size, struct schain_result *r)
{
	unsigned long long facts[SCHAIN_FACTS];
	char name[SCHAIN_NAME_PIECES * 8 + 1];
	size_t at = size, length;
	int depth, err;

	for (depth = 0; depth < DEEPEST; depth++) {
		err = schain_facts(s, inode, facts, r);
		if (err || !r->found)
			return err;
		if (facts[SCHAIN_FACT_PARENT] == inode)
			break;
		err = name_of(s, inode, name, r);
		if (err || !r->found)
			return err;
		length = strlen(name);
		if (length + 1 > at)
			return r->error = fail(-ENAMETOOLONG, "the path is too long");
		path[--at] = depth ? '/' : 0;
		at -= length;
		memcpy(path + at, name, length);
		inode = facts[SCHAIN_FACT_PARENT];
	}
	if (depth == DEEPEST)
		return r->error = fail(-ELOOP, "the folders form a cycle");
	if (!depth)
		strcpy(path, ".");
	else
		memmove(path, path + at, size - at);
	return 0;
}
