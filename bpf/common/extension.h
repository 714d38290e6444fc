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

/* The parts of a loader that are specific to its extension. */
struct ext_loader {
	const char *name; /* its pins are in EXT_PIN_ROOT/NAME */
	const char *documentation; /* for argp */
	const struct argp_option *options;
	argp_parser_t parse; /* of its options */
	/*
	 * The object file from the skeleton, for the names of its programs and
	 * maps.
	 */
	const void *(*object)(size_t *size);
	/*
	 * The amount of work done, in units of the extension, from its pinned
	 * maps; negative if unknown.
	 */
	long long (*work)(void);
	/*
	 * Further facts for the status, as an object; NULL if there are none.
	 */
	json_t *(*facts)(void);
	/* Ends what the pins of a killed instance still do; may be NULL. */
	int (*clean)(void);
	/* Answers with ext_supported() or ext_unsupported(). */
	int (*preflight)(void);
	/* Loads, attaches, runs until ext_stopped(), detaches and unpins. */
	int (*run)(void);
};

int ext_main(const struct ext_loader *loader, int argc, char **argv);

enum ext_mode {
	EXT_RUN,
	EXT_PREFLIGHT,
	EXT_STATUS,
	EXT_REMOVE,
};

/* Options of every loader. */
struct ext_options {
	enum ext_mode mode;
	bool json;
	bool verbose;
	unsigned int interval; /* seconds between reports; 0: only at the end */
	unsigned int duration; /* seconds to run; 0: until a signal */
	const char *log; /* file for messages of libbpf and the verifier */
	const char *prometheus; /* file rewritten at each interval, or NULL */
};

extern struct ext_options ext_options;

/* ---- args.c ---- */

/* Parser of ext_options, for use as a child of a loader's own parser. */
extern const struct argp ext_argp;

/* For parsers: returns an integer within bounds, or exits with argp's error. */
unsigned long ext_number(const char *text, unsigned long least,
			 unsigned long most, struct argp_state *state);

/*
 * For parsers: returns the index of a word in a list of `count`, or exits with
 * argp's error.
 */
int ext_choice(const char *text, const char *const *words, int count,
	       struct argp_state *state);

/*
 * For parsers: turns words of such a list, separated by commas, into a bit
 * mask.
 */
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

/* Prints an error message to standard error: "NAME: ...". */
void ext_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints that the object does not load, and why; returns err. */
int ext_not_loaded(int err);

/* Prints the last lines of the log, indented, to standard error. */
void ext_show_log(void);

/* ---- instance.c: one process, from its start to its end ---- */

/*
 * Takes the lock that the only running instance holds until it ends for any
 * reason. Returns 0, or -errno with a message.
 */
int ext_lock(void);

/* Whether another process holds the lock. */
bool ext_locked_by_other(void);

/*
 * Blocks SIGINT and SIGTERM, which ext_stopped() receives from now on, so that
 * none is lost between a test and a sleep. Ignores SIGPIPE.
 */
void ext_catch_signals(void);

/* True after SIGINT or SIGTERM, and after the duration. */
bool ext_stopped(void);

/* Readable when a signal has arrived; for programs with their own poll loop. */
int ext_stop_fd(void);

/*
 * Runs until ext_stopped(), and calls `report`, unless NULL, at every interval.
 */
void ext_loop(int (*report)(void *), void *data);

/*
 * Call this when everything is attached: it starts the duration, and notifies
 * systemd if the loader runs as a service.
 */
void ext_ready(void);

/* CLOCK_MONOTONIC. */
unsigned long long ext_now_ns(void);

/* ---- pins.c ---- */

/* Pins loaded programs, and maps except libbpf's own, below the pin folder. */
int ext_pin(struct bpf_object *obj);

/* Path of a pin, in a static buffer. */
const char *ext_pin_path(const char *name);

/* Removes the pin folder and its contents. */
int ext_unpin(void);

/* ---- inventory.c: what is in the kernel ---- */

/*
 * Writes what is loaded as JSON: programs with id, tag and run count, and maps,
 * found by the names in the unloaded object. `work` is the amount of work done,
 * negative if unknown. `facts`, unless NULL, is shown as "facts" and freed.
 */
int ext_status(struct bpf_object *obj, long long work, json_t *facts,
	       FILE *out);

/*
 * Waits up to 30 s until no program and no map of the object is left in the
 * kernel. Returns the number that are left, and names each in a message.
 */
int ext_left(struct bpf_object *obj);

/* The kernel's count of runs that the object's loaded programs missed. */
unsigned long long ext_missed(struct bpf_object *obj);

/* ---- output.c ---- */

/*
 * Prints the preflight's answer as one line of JSON: how it works here, or why
 * it does not and what is needed. Returns the exit status, 0.
 */
int ext_supported(const char *how);
int ext_unsupported(const char *needed, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Returns a JSON string; bytes that are not UTF-8 become '?'. */
json_t *ext_json_text(const char *text);

/* Writes a document as one line, and frees it. Returns 0 or -EIO. */
int ext_json_line(json_t *document, FILE *out);

/* Writes a label's value in Prometheus' text format, with quotes. */
void ext_label(FILE *out, const char *text);

/* Writes the lines that precede a metric's first sample. */
void ext_metric(FILE *out, const char *name, const char *type,
		const char *help);

/*
 * Writes a file next to its final path, and renames it when it is complete.
 * ext_publish returns 0 or -errno.
 */
FILE *ext_publish_start(const char *path);
int ext_publish(FILE *out, const char *path);

#endif
