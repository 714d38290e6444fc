/* SPDX-License-Identifier: GPL-2.0 */
/* agent.h - the parts of efuse-agent */
#ifndef AGENT_H
#define AGENT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>
#include "efuse.h"

#define NSEC_PER_SEC	1000000000ULL
#define NSEC_PER_MSEC	1000000ULL

/* Lines on standard error; `fatal` also ends the agent. */
#define say(fmt, ...) fprintf(stderr, "%s: " fmt "\n",		\
	program_invocation_short_name, ##__VA_ARGS__)
#define fatal(fmt, ...) do { say(fmt, ##__VA_ARGS__); exit(1); } while (0)

static inline uint64_t now_ns(void)
{
	struct timespec t;

	/* BOOTTIME goes on while the machine sleeps, so a lease does not. */
	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* What the user asked for. */
struct options {
	const char *mount;		/* mount point */
	const char *fstype;		/* as in mountinfo */
	const char *meta;		/* redis[s]://[user@]host[:port][/db] */
	const char *password_file;
	const char *tls_ca, *tls_cert, *tls_key;
	const char *key_prefix;
	const char *pin;		/* folder in a BPF file system */
	const char *metrics;		/* [address:]port */
	enum efuse_mode mode;
	bool loader;			/* of the lab; see loader.c */
	bool shadow;
	bool notify;			/* arm D: no module, no programs */
	bool any_config;		/* not JuiceFS: do not read .config */
	uint64_t bound;			/* ns */
	uint64_t opcodes;
	uint64_t xattr_ttl, statfs_ttl;	/* ns */
	uint32_t entries;		/* size of the caches */
	uint32_t fault;			/* EFUSE_FAULT(), for tests */
};

extern struct options opt;

/* Counted by the agent; see metrics.c. */
struct counters {
	uint64_t pushes;		/* invalidation messages */
	uint64_t invalidated;		/* keys of ours in them */
	uint64_t heartbeats;		/* round trips */
	uint64_t connects;
	uint64_t mounts;		/* times that the mount was (re)found */
	uint64_t notified;		/* arm D: notifications written */
	uint64_t notify_errors;
	uint64_t shadow_benign;		/* differed, but a push came in time */
	uint64_t shadow_mismatch;	/* differed, and nothing explains it */
};

extern struct counters counters;

/* Where invalidations go: the programs' generations, or the daemon's fd. */
struct sink {
	void (*inode)(uint64_t ino);
	void (*dir)(uint64_t ino);
	void (*all)(void);
	void (*lease)(uint64_t until);
};

extern const struct sink *sink;
extern const struct sink bpf_sink, notify_sink;

/* layout.c: the kernel's structures, from BTF. Ends the agent if unknown. */
void layout_read(struct efuse_hook *hook);

/* programs.c: module and BPF. */
void programs_start(void);
void programs_stop(void);
void programs_mount(uint64_t kernel_dev, int (*writers)(uint64_t dev));
void programs_unmount(void);
void programs_poll(void);		/* shadow events */
void programs_metrics(FILE *out);
bool programs_remounted(void);	/* and the agent did not see it */
bool programs_writer(uint64_t ino);
/* An opcode's results, all CPUs, from the map `efuse_stats` at fd. */
bool programs_results(int fd, __u32 opcode, struct efuse_opstats *sum);
struct bpf_object;
struct bpf_map;
struct bpf_object *programs_object(void);	/* not loaded, if need be */
struct bpf_map *programs_control(void);

/* mount.c: follows the mount. */
int mount_open(void);			/* fd to poll for POLLPRI */
void mount_check(void);			/* after a change */
void mount_again(void);			/* its daemon has ended */
pid_t mount_daemon(void);		/* 0: not known */
const char *mount_state(void);
/* Why the mount that is there now could not be served; NULL: it can. */
const char *mount_refusal(void);

/* tracking.c: follows Redis. */
void tracking_start(void);
int tracking_fd(void);			/* -1: not connected */
bool tracking_wants_write(void);
void tracking_ready(short revents);
int tracking_timeout(void);		/* ms until tracking_tick is needed */
void tracking_tick(void);
uint64_t tracking_lease(void);
/* arm D: names and inodes of a directory from its Redis hash; false: not known */
typedef void dir_entry_fn(uint64_t ino, bool dir, const char *name, size_t len);
bool tracking_list(uint64_t dir, dir_entry_fn *fn);

/* notify.c */
void notify_start(void);
void notify_stop(void);
int notify_fd(void);			/* readable: the daemon has ended */

/* loader.c: what the lab asks of an extension's loader */
int loader_answer(void);		/* --preflight, --status, --remove */
void loader_start(void);
void loader_serving(void);
void loader_tick(void);
void loader_stop(void);

/* metrics.c */
void metrics_write(FILE *out);
int metrics_open(const char *address);
void metrics_serve(int fd);

#endif /* AGENT_H */
