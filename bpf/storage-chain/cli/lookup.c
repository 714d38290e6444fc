// SPDX-License-Identifier: GPL-2.0
/* schain lookup: a path, a key, or the files that have all of some tags */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"

static void show_facts(struct schain *s, unsigned long long inode)
{
	unsigned long long facts[SCHAIN_FACTS];
	struct schain_result r;

	if (schain_facts(s, inode, facts, &r))
		die("%s", schain_error());
	if (r.found)
		printf(",\"size\":%llu,\"mtime\":%llu,\"mode\":\"%llo\",\"parent\":%llu",
		       facts[SCHAIN_FACT_SIZE], facts[SCHAIN_FACT_MTIME],
		       facts[SCHAIN_FACT_MODE], facts[SCHAIN_FACT_PARENT]);
}

static void show_path(struct schain *s, unsigned long long inode)
{
	struct schain_result r;
	char path[PATH_MAX];

	if (schain_path(s, inode, path, sizeof(path), &r))
		die("%s", schain_error());
	if (r.found) {
		printf(",\"path\":");
		json_text(path);
	}
}

/*
 * Finds the first nodes of the tags' posting lists; false if no file has one of
 * the tags.
 */
static bool first_nodes(struct schain *s, unsigned long long *lists)
{
	struct schain_result r;
	unsigned int i;

	for (i = 0; i < cli.tags; i++) {
		if (schain_lookup(s, "tags", schain_tag_key(s, cli.tag[i]), &r))
			die("%s", schain_error());
		if (!r.found) {
			fprintf(stderr, "no file has the tag %s\n", cli.tag[i]);
			return false;
		}
		lists[i] = r.value;
	}
	return true;
}

/*
 * The smallest inode, at least `id`, that is in all lists: asks each list in
 * turn for its first inode that is not below the previous answer, until all
 * agree. -ESTALE if another image has replaced this one.
 */
static int next_common(struct schain *s, const unsigned long long *lists,
		       unsigned long long *id, bool *found)
{
	struct schain_result r;
	unsigned int agree = 0, i;
	int err;

	*found = false;
	for (i = 0; agree < cli.tags; i = (i + 1) % cli.tags) {
		err = schain_lookup_at(s, SCHAIN_KIND_POSTING, lists[i], *id, &r);
		if (err || !r.found)
			return err;
		agree = r.value == *id ? agree + 1 : 1;
		*id = r.value;
	}
	*found = true;
	return 0;
}

#define SWITCHES 100	/* of the image, within one answer */

static int lookup_tags(struct schain *s)
{
	unsigned long long lists[TAGS_MAX], id = cli.from, n = 0;
	unsigned int switches = 0;
	bool found;
	int err;

	if (!first_nodes(s, lists))
		return 1;
	while (n < cli.limit) {
		err = next_common(s, lists, &id, &found);
		if (err == -ESTALE && switches++ < SWITCHES) {
			if (!first_nodes(s, lists))
				break;
			continue;
		}
		if (err)
			die("%s", schain_error());
		if (!found)
			break;
		printf("{\"inode\":%llu", id);
		show_facts(s, id);
		show_path(s, id);
		printf("}\n");
		n++;
		id++;
	}
	return n ? 0 : 1;
}

int lookup(void)
{
	struct schain *s = open_image();
	struct schain_result r;
	unsigned long long key;
	char *end;

	if (cli.tags && cli.word_count == 1)
		return lookup_tags(s);
	if (cli.word_count != 2)
		die("lookup needs a PATH, --tag TAG, or --index NAME and a KEY");
	if (cli.index) {
		key = strtoull(cli.words[1], &end, 0);
		if (!*cli.words[1] || *end)
			die("%s is not a number", cli.words[1]);
	} else {
		key = schain_path_key(s, cli.words[1]);
	}
	if (schain_lookup(s, cli.index ?: "paths", key, &r))
		die("%s", schain_error());
	if (!r.found) {
		fprintf(stderr, "%s: not in the index (%u nodes read%s)\n",
			cli.words[1], r.hops,
			r.fell_back ? ", not all through a door" : "");
		return 1;
	}
	printf("{\"%s\":%llu,\"hops\":%u,\"fellBack\":%s",
	       cli.index ? "value" : "inode", r.value, r.hops,
	       r.fell_back ? "true" : "false");
	if (!cli.index) {
		show_facts(s, r.value);
		printf(",\"path\":");
		json_text(cli.words[1]);
	}
	printf("}\n");
	schain_close(s);
	return 0;
}
