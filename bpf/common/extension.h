/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every extension's loader has in common: options, one instance at a
 * time, pins, readiness for systemd, status, removal, verifier logs.
 */
#ifndef DISGRAFS_EXTENSION_H
#define DISGRAFS_EXTENSION_H

#include <argp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define PIN_ROOT "/sys/fs/bpf/disgrafs"

/* What an extension's loader has of its own; ext_main() does the rest. */
struct ext_loader {
	const char *name; /* its pins are below PIN_ROOT/NAME */
	const char *documentation; /* as argp takes it */
	const struct argp_option *options;
	argp_parser_t parse; /* of those options */
	/* The object file, as the skeleton has it: which names are ours. */
	const void *(*object)(size_t *size);
	/*
	 * How much the extension has done, in pieces of its own, from its
	 * pinned maps; negative: not known.
	 */
	long long (*work)(void);
	/* Ends what a killed instance's pins still do; NULL: nothing. */
	int (*clean)(void);
	/* Answers by ext_supported() or ext_unsupported(). */
	int (*preflight)(void);
	/* Loads, attaches, works until ext_stopped(), detaches, unpins. */
	int (*run)(void);
};

/* The whole main(): options, lock, and what was asked for. */
int ext_main(const struct ext_loader *loader, int argc, char **argv);

enum ext_mode {
	EXT_RUN,
	EXT_PREFLIGHT,
	EXT_STATUS,
	EXT_REMOVE,
};

/* Options that every loader takes. */
struct ext_options {
	enum ext_mode mode;
	bool json;
	unsigned int interval; /* seconds between reports; 0: only at the end */
	unsigned int duration; /* seconds to run; 0: until a signal */
	const char *log; /* file for what libbpf and the verifier say */
	const char *prometheus; /* file rewritten at each interval, or NULL */
};

extern struct ext_options ext_options;

/* For parsers: a whole number in these bounds, or argp's error. */
unsigned long ext_number(const char *text, unsigned long least,
			 unsigned long most, struct argp_state *state);

/* For parsers: the place of a word in a list of `count`, or argp's error. */
int ext_choice(const char *text, const char *const *words, int count,
	       struct argp_state *state);

/* True after SIGINT or SIGTERM and at the end of the duration. */
bool ext_stopped(void);

/* Until ext_stopped(): calls `report` at every interval, if there is one. */
void ext_loop(int (*report)(void *), void *data);

/* Prints an error for people to standard error: "NAME: ...". */
void ext_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * libbpf's and the verifier's words go to `--log`, or /run/disgrafs-NAME.log.
 * ext_main() has called it; only a program without options of its own must.
 */
void ext_init(const char *name);

/*
 * Takes the lock that the one running instance holds until it dies, however
 * it dies. Returns 0, or -errno with a message.
 */
int ext_lock(void);

/* Says that the object does not load, and why; returns err. */
int ext_not_loaded(int err);

/* The last lines of the log, indented, to standard error. */
void ext_show_log(void);

/* Pins loaded programs, and maps except libbpf's own, below the pin folder. */
int ext_pin(struct bpf_object *obj);

/* Path of a pin, in a static buffer. */
const char *ext_pin_path(const char *name);

/* Removes the pin folder and what is in it. */
int ext_unpin(void);

/*
 * Everything is attached: the duration begins, and systemd is told if it
 * started us.
 */
void ext_ready(void);

/*
 * Writes what is loaded, as JSON: programs with id, tag and run count, and
 * maps, by the names in the unloaded object. `work` is how much the extension
 * has done, in pieces of its own, from its pinned maps; negative: not known.
 */
int ext_status(struct bpf_object *obj, long long work, FILE *out);
/* A JSON object that ext_status shows as "facts"; NULL: none. */
extern const char *ext_facts;

/*
 * Waits up to 30 s until no program and no map of the object is left in the
 * kernel. Returns how many are, each named in a message.
 */
int ext_left(struct bpf_object *obj);

/*
 * One line of JSON for the preflight's answer: how it works here, or why it
 * does not and what would be needed. Returns the exit status, 0.
 */
int ext_supported(const char *how);
int ext_unsupported(const char *needed, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes. */
void ext_json_string(FILE *out, const char *text);

/* A label's value in Prometheus' text format, with its quotes. */
void ext_label(FILE *out, const char *text);

/* What must stand before a metric's first sample. */
void ext_metric(FILE *out, const char *name, const char *type,
		const char *help);

/*
 * A file written beside its place and renamed when whole. ext_publish
 * returns 0 or -errno.
 */
FILE *ext_publish_start(const char *path);
int ext_publish(FILE *out, const char *path);

unsigned long long ext_now_ns(void);

#endif
