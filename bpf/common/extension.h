/* SPDX-License-Identifier: GPL-2.0 */
/*
 * extension.h - the common parts of all loaders: options, one instance at a
 * time, pins, readiness for systemd, status, removal, logs
 *
 * Each part is a file in this folder; mounts.h, btf.h, module.h and number.h
 * are further parts that only some loaders need.
 */
#ifndef DISGRAFS_EXTENSION_H
#define DISGRAFS_EXTENSION_H

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <jansson.h>

#define EXT_PIN_ROOT "/sys/fs/bpf/disgrafs"

/* ---- extension.c: the whole main() of a loader ---- */

/* What an extension's loader has of its own; ext_main() does the rest. */
struct ext_loader {
	const char *name; /* its pins are below EXT_PIN_ROOT/NAME */
	const char *documentation; /* as argp takes it */
	const struct argp_option *options;
	argp_parser_t parse; /* of those options */
	/* The object file, as the skeleton has it: which names are ours. */
	const void *(*object)(size_t *size);
	/*
	 * How much the extension has done, in units of its own, from its
	 * pinned maps; negative: not known.
	 */
	long long (*work)(void);
	/* What else the status shows, as an object; NULL: nothing. */
	json_t *(*facts)(void);
	/* Ends what a killed instance's pins still do; NULL: nothing. */
	int (*clean)(void);
	/* Answers by ext_supported() or ext_unsupported(). */
	int (*preflight)(void);
	/* Loads, attaches, works until ext_stopped(), detaches, unpins. */
	int (*run)(void);
};

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
	bool verbose;
	unsigned int interval; /* seconds between reports; 0: only at the end */
	unsigned int duration; /* seconds to run; 0: until a signal */
	const char *log; /* file for what libbpf and the verifier say */
	const char *prometheus; /* file rewritten at each interval, or NULL */
};

extern struct ext_options ext_options;

/* ---- args.c ---- */

/* Parser of ext_options: a child of a program's own parser. */
extern const struct argp ext_argp;

/* For parsers: a whole number in these bounds, or argp's error. */
unsigned long ext_number(const char *text, unsigned long least,
			 unsigned long most, struct argp_state *state);

/* For parsers: the place of a word in a list of `count`, or argp's error. */
int ext_choice(const char *text, const char *const *words, int count,
	       struct argp_state *state);

/* For parsers: words of such a list, with commas between, as a bit mask. */
unsigned long ext_choices(const char *text, const char *const *words,
			  int count, struct argp_state *state);

/* ---- log.c ---- */

/*
 * Names the program in messages. Messages of libbpf and the verifier go to
 * `--log`, or to /run/disgrafs-NAME.log.
 */
void ext_log_start(const char *name);

/* The name given to ext_log_start(). */
const char *ext_name(void);

/* Prints an error for people to standard error: "NAME: ...". */
void ext_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says that the object does not load, and why; returns err. */
int ext_not_loaded(int err);

/* The last lines of the log, indented, to standard error. */
void ext_show_log(void);

/* ---- instance.c: one process, from its start to its end ---- */

/*
 * Takes the lock that the one running instance holds until it dies, however
 * it dies. Returns 0, or -errno with a message.
 */
int ext_lock(void);

/* Does another process hold the lock? */
bool ext_locked_by_other(void);

/*
 * Blocks SIGINT and SIGTERM, which from now on ext_stopped() takes: none is
 * lost between a test and a sleep. SIGPIPE is ignored.
 */
void ext_catch_signals(void);

/* True after SIGINT or SIGTERM and at the end of the duration. */
bool ext_stopped(void);

/* Readable when a signal has come; for programs that poll by themselves. */
int ext_stop_fd(void);

/* Until ext_stopped(): calls `report` at every interval, if there is one. */
void ext_loop(int (*report)(void *), void *data);

/*
 * Everything is attached: the duration begins, and systemd is told if it
 * started us.
 */
void ext_ready(void);

/* CLOCK_MONOTONIC. */
unsigned long long ext_now_ns(void);

/* ---- pins.c ---- */

/* Pins loaded programs, and maps except libbpf's own, below the pin folder. */
int ext_pin(struct bpf_object *obj);

/* Path of a pin, in a static buffer. */
const char *ext_pin_path(const char *name);

/* Removes the pin folder and what is in it. */
int ext_unpin(void);

/* ---- inventory.c: what is in the kernel ---- */

/*
 * Writes what is loaded, as JSON: programs with id, tag and run count, and
 * maps, by the names in the unloaded object. `work` is how much the extension
 * has done, negative: not known. `facts` is shown as "facts", and freed; NULL:
 * none.
 */
int ext_status(struct bpf_object *obj, long long work, json_t *facts,
	       FILE *out);

/*
 * Waits up to 30 s until no program and no map of the object is left in the
 * kernel. Returns how many are, each named in a message.
 */
int ext_left(struct bpf_object *obj);

/* Runs that the object's loaded programs missed, as the kernel counts them. */
unsigned long long ext_missed(struct bpf_object *obj);

/* ---- output.c ---- */

/*
 * One line of JSON for the preflight's answer: how it works here, or why it
 * does not and what would be needed. Returns the exit status, 0.
 */
int ext_supported(const char *how);
int ext_unsupported(const char *needed, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A JSON string; bytes that are not UTF-8 become '?'. */
json_t *ext_json_text(const char *text);

/* Writes a document in one line, and frees it. Returns 0 or -EIO. */
int ext_json_line(json_t *document, FILE *out);

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

#endif
