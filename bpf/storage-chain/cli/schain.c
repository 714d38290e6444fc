// SPDX-License-Identifier: GPL-2.0
/* schain - builds images, and looks up, verifies and measures their contents */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "schain.h"
#include "build.h"
#include "cli.h"

static const char doc[] =
"Looks up keys in an image by chains of dependent reads.\n"
"\n"
"  build DIR IMAGE        index the directory tree DIR; IMAGE is a device or\n"
"                         file that is blank or has an image\n"
"  build --list FILE IMAGE\n"
"                         index the files in the list FILE (-: standard\n"
"                         input), with tags\n"
"  build --synthetic LIST IMAGE\n"
"                         B+trees of the depths in LIST (3,8 or 3-8), a hash\n"
"                         table and a posting list\n"
"  lookup PATH            inode and facts of a path below DIR\n"
"  lookup --tag TAG [--tag TAG]\n"
"                         files with all of these tags; in a directory tree,\n"
"                         the tag of a file is its suffix\n"
"  lookup --index NAME KEY\n"
"  verify                 compare random keys, present and absent, with a\n"
"                         lookup in user space and the expected answer\n"
"  bench                  measure lookups in a loop; prints a line of JSON\n"
"  status                 list the image's contents, and the doors\n"
"\n"
"Examples:\n"
"  schain build /mnt/jfs /dev/nvme2n1\n"
"  schain lookup a/b.txt\n"
"  schain verify --via chain\n"
"  schain bench --index depth8 --via read --depth 32 --seconds 5\n"
"\v"
"Default for --image: the image of the extension storage-chain.";

enum {
	O_IMAGE = 256, O_VIA, O_INDEX, O_TAG, O_FROM, O_COUNT, O_DEPTH,
	O_SECONDS, O_POLL, O_FIXED, O_ZIPF, O_SEED, O_SYNTHETIC, O_FAN, O_LEAF,
	O_LIMIT, O_LOOKUPS, O_UNCHECKED, O_LIST, O_SOURCE,
};

static const struct argp_option options[] = {
	{ "image", O_IMAGE, "FILE", 0, "device or file with the image", 0 },
	{ "via", O_VIA, "chain|read|auto", 0,
	  "chain: only through a door; read: without a door; auto (default): through a door, and by reads if the chain stops early", 0 },
	{ "index", O_INDEX, "NAME", 0, "which index", 0 },
	{ "tag", O_TAG, "TAG", 0, "lookup: files with this tag", 0 },
	{ "from", O_FROM, "INODE", 0, "lookup --tag: start at this inode", 0 },
	{ "limit", O_LIMIT, "N", 0, "lookup --tag: maximum number of files (default 10)", 0 },
	{ "count", O_COUNT, "N", 0, "verify: keys of each index (default 200)", 0 },
	{ "depth", O_DEPTH, "N", 0, "verify, bench: concurrent lookups by io_uring; 0 (default): one at a time by pread", 0 },
	{ "seconds", O_SECONDS, "S", 0, "bench: duration (default 2)", 0 },
	{ "lookups", O_LOOKUPS, "N", 0, "bench: number of lookups, instead of a duration", 0 },
	{ "unchecked", O_UNCHECKED, NULL, 0, "do not verify checksums of reads", 0 },
	{ "poll", O_POLL, NULL, 0, "io_uring polls for completions (IOPOLL)", 0 },
	{ "fixed", O_FIXED, NULL, 0, "io_uring with registered buffers", 0 },
	{ "zipf", O_ZIPF, NULL, 0, "bench: skewed choice of keys (Zipf's law)", 0 },
	{ "seed", O_SEED, "N", 0, "verify, bench: seed for the choice of keys", 0 },
	{ "synthetic", O_SYNTHETIC, "LIST", 0, "build: synthetic indexes", 0 },
	{ "list", O_LIST, "FILE", 0, "build: index the files in FILE: INODE PARENT SIZE MTIME MODE PATH NUL, then each TAG NUL, then NUL; and NUL at the end", 0 },
	{ "source", O_SOURCE, "TEXT", 0, "build --list: description of the files' location", 0 },
	{ "fan", O_FAN, "N", 0, "build --synthetic: entries per node (default 3)", 0 },
	{ "leaf", O_LEAF, "N", 0, "build --synthetic: keys per leaf (default 16)", 0 },
	{}
};

struct cli cli = {
	.count = 200, .limit = 10, .seconds = 2, .fan = 3, .leaf = 16,
	.seed = 1, .source = "list",
};

void die(const char *format, ...)
{
	va_list args;

	fputs("schain: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static unsigned long long number(const char *text, unsigned long long least,
				 unsigned long long most,
				 struct argp_state *state, const char *what)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || !*text || *end || *text == '-' || n < least || n > most)
		argp_error(state, "%s %s: must be a whole number from %llu to %llu",
			   what, text, least, most);
	return n;
}

/* Turns "3,5-8" into a bit mask. */
static unsigned int depths(const char *text, struct argp_state *state)
{
	unsigned int bits = 0;
	const char *at = text;
	char *end;

	while (*at) {
		unsigned long from = strtoul(at, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if (from < 1 || to > 15 || from > to ||
		    (*end && *end != ',')) {
			argp_error(state, "--synthetic %s: must be depths from 1 to 15, such as 3,5-8",
				   text);
			return 0;
		}
		while (from <= to)
			bits |= 1u << from++;
		at = *end ? end + 1 : end;
	}
	return bits;
}

static error_t parse_via(const char *arg, struct argp_state *state)
{
	if (!strcmp(arg, "chain"))
		cli.flags = SCHAIN_CHAIN;
	else if (!strcmp(arg, "read"))
		cli.flags = SCHAIN_READ;
	else if (strcmp(arg, "auto"))
		argp_error(state, "--via %s: must be chain, read or auto", arg);
	cli.via = arg;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case O_IMAGE:
		cli.image = arg;
		break;
	case O_VIA:
		return parse_via(arg, state);
	case O_INDEX:
		cli.index = arg;
		break;
	case O_TAG:
		if (cli.tags == TAGS_MAX)
			argp_error(state, "--tag %s: at most %d tags", arg,
				   TAGS_MAX);
		else
			cli.tag[cli.tags++] = arg;
		break;
	case O_LIST:
		cli.list = arg;
		break;
	case O_SOURCE:
		cli.source = arg;
		break;
	case O_FROM:
		cli.from = number(arg, 0, ~0ull, state, "--from");
		break;
	case O_LIMIT:
		cli.limit = number(arg, 1, ~0ull, state, "--limit");
		break;
	case O_COUNT:
		cli.count = number(arg, 1, 100000000, state, "--count");
		break;
	case O_DEPTH:
		cli.depth = number(arg, 0, 256, state, "--depth");
		break;
	case O_SECONDS:
		cli.seconds = number(arg, 1, 86400, state, "--seconds");
		break;
	case O_LOOKUPS:
		cli.lookups = number(arg, 1, 100000000, state, "--lookups");
		break;
	case O_UNCHECKED:
		cli.unchecked = true;
		break;
	case O_SEED:
		cli.seed = number(arg, 0, ~0ull, state, "--seed");
		break;
	case O_FAN:
		cli.fan = number(arg, 2, SCHAIN_ENTRIES, state, "--fan");
		break;
	case O_LEAF:
		cli.leaf = number(arg, 1, SCHAIN_ENTRIES, state, "--leaf");
		break;
	case O_SYNTHETIC:
		cli.synthetic = depths(arg, state);
		break;
	case O_POLL:
		cli.poll = true;
		break;
	case O_FIXED:
		cli.fixed = true;
		break;
	case O_ZIPF:
		cli.zipf = true;
		break;
	case ARGP_KEY_ARGS:
		cli.words = state->argv + state->next;
		cli.word_count = state->argc - state->next;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

struct schain *open_image(void)
{
	struct schain *s = schain_open(cli.image, cli.flags |
				       (cli.unchecked ? SCHAIN_UNCHECKED : 0));

	if (!s)
		die("%s", schain_error());
	return s;
}

static int build_from_list(struct build_report *r)
{
	FILE *list = strcmp(cli.list, "-") ? fopen(cli.list, "re") : stdin;
	int err;

	if (!list)
		die("%s: %s", cli.list, strerror(errno));
	err = build_list(list, cli.source, cli.words[1], r);
	if (list != stdin)
		fclose(list);
	return err;
}

static int build(void)
{
	struct build_report r;
	int err;

	if (cli.synthetic && cli.list)
		die("build takes --synthetic or --list, not both");
	if (cli.word_count != (cli.synthetic || cli.list ? 2 : 3))
		die("build needs DIR and IMAGE, --list FILE and IMAGE, or --synthetic LIST and IMAGE");
	if (cli.synthetic)
		err = build_synthetic(cli.synthetic, cli.fan, cli.leaf,
				      cli.words[1], &r);
	else if (cli.list)
		err = build_from_list(&r);
	else
		err = build_tree(cli.words[1], cli.words[2], &r);
	if (err)
		die("%s", schain_error());
	printf("{\"image\":");
	json_text(cli.words[cli.word_count - 1]);
	printf(",\"generation\":\"%016llx\",\"nodes\":%llu,\"indexes\":%u,\"paths\":%llu,\"tags\":%llu}\n",
	       r.generation, r.nodes, r.indexes, r.paths, r.tags);
	return 0;
}

static const char * const kinds[] = { "", "btree", "hash", "posting" };

static int status(void)
{
	struct schain *s = open_image();
	const struct schain_super *super = schain_super(s);
	unsigned int i;

	printf("{\"generation\":\"%016llx\",\"source\":", super->generation);
	json_text(super->source);
	printf(",\"built\":%llu,\"bytes\":%llu,\"doors\":{", super->built,
	       (super->end - super->first) * 512ull);
	for (i = 1; i < 4; i++)
		printf("%s\"%s\":%s", i > 1 ? "," : "", kinds[i],
		       schain_has_door(s, i) ? "true" : "false");
	printf("},\"indexes\":[");
	for (i = 0; i < super->indexes; i++) {
		const struct schain_index *index = &super->index[i];

		printf("%s{\"name\":\"%.16s\",\"kind\":\"%s\",\"depth\":%u,\"keys\":%llu,\"nodes\":%llu}",
		       i ? "," : "", index->name,
		       index->kind < 4 ? kinds[index->kind] : "?",
		       index->depth, index->keys, index->nodes);
	}
	printf("]}\n");
	schain_close(s);
	return 0;
}

int main(int argc, char **argv)
{
	const struct argp argp = {
		options, parse, "COMMAND [WORD...]", doc, NULL, NULL, NULL,
	};
	static const struct {
		const char *name;
		int (*run)(void);
	} commands[] = {
		{ "build", build }, { "lookup", lookup }, { "verify", verify },
		{ "bench", bench }, { "status", status },
	};
	size_t i;

	cli.via = "auto";
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	for (i = 0; cli.word_count && i < 5; i++)
		if (!strcmp(cli.words[0], commands[i].name))
			return commands[i].run();
	die("%s%s; commands: build, lookup, verify, bench, status (--help)",
	    cli.word_count ? "unknown command " : "no command",
	    cli.word_count ? cli.words[0] : "");
}
