// SPDX-License-Identifier: GPL-2.0
/* args.c - the options common to all loaders, and parsers for their values */
#include "extension.h"

#include <stdlib.h>
#include <string.h>

#include "number.h"

struct ext_options ext_options;

enum {
	OPT_PREFLIGHT = 0x100,
	OPT_STATUS,
	OPT_REMOVE,
	OPT_LOG,
	OPT_PROMETHEUS,
};

static const struct argp_option options[] = {
	{ "interval", 'i', "SECONDS", 0, "Report every SECONDS", 0 },
	{ "duration", 'd', "SECONDS", 0, "Stop after SECONDS", 0 },
	{ "json", 'j', NULL, 0, "Report as JSON, one object per line", 0 },
	{ "prometheus", OPT_PROMETHEUS, "FILE", 0,
	  "Report by rewriting FILE, in Prometheus' text format", 0 },
	{ "log", OPT_LOG, "FILE", 0,
	  "Write messages of libbpf and the verifier to FILE", 0 },
	{ "preflight", OPT_PREFLIGHT, NULL, 0,
	  "Load, attach, detach; print as JSON whether it works", 1 },
	{ "status", OPT_STATUS, NULL, 0,
	  "Print as JSON what is loaded: id, tag, run count", 1 },
	{ "remove", OPT_REMOVE, NULL, 0,
	  "Remove leftovers of a killed instance; fail if any remain", 1 },
	{ "verbose", 'v', NULL, 0, "Show libbpf's messages", 2 },
	{},
};

unsigned long ext_number(const char *text, unsigned long least,
			 unsigned long most, struct argp_state *state)
{
	unsigned long value = least;

	if (!ext_whole_number(text, least, most, &value))
		argp_error(state, "'%s' is not a number from %lu to %lu", text,
			   least, most);
	return value;
}

int ext_choice(const char *text, const char *const *words, int count,
	       struct argp_state *state)
{
	char list[512] = "";
	int i;

	for (i = 0; i < count; i++) {
		if (!strcmp(text, words[i]))
			return i;
		if (i)
			strncat(list, i < count - 1 ? ", " : " or ",
				sizeof(list) - strlen(list) - 1);
		strncat(list, words[i], sizeof(list) - strlen(list) - 1);
	}
	argp_error(state, "'%s' is not %s", text, list);
	return 0;
}

unsigned long ext_choices(const char *text, const char *const *words,
			  int count, struct argp_state *state)
{
	char *copy = strdup(text), *rest = copy, *word;
	unsigned long bits = 0;

	if (!copy)
		argp_failure(state, 1, 0, "out of memory");
	while ((word = strsep(&rest, ",")))
		bits |= 1UL << ext_choice(word, words, count, state);
	free(copy);
	return bits;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	switch (key) {
	case 'i':
		ext_options.interval = ext_number(text, 0, 1000000, state);
		break;
	case 'd':
		ext_options.duration = ext_number(text, 0, 1000000, state);
		break;
	case 'j':
		ext_options.json = true;
		break;
	case 'v':
		ext_options.verbose = true;
		break;
	case OPT_LOG:
		ext_options.log = text;
		break;
	case OPT_PROMETHEUS:
		ext_options.prometheus = text;
		break;
	case OPT_PREFLIGHT:
		ext_options.mode = EXT_PREFLIGHT;
		break;
	case OPT_STATUS:
		ext_options.mode = EXT_STATUS;
		break;
	case OPT_REMOVE:
		ext_options.mode = EXT_REMOVE;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", text);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp ext_argp = { .options = options, .parser = parse };
