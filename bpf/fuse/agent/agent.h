/* SPDX-License-Identifier: GPL-2.0 */
/* agent.h - the parts of efuse-agent */
#ifndef AGENT_H
#define AGENT_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "efuse.h"

#define NSEC_PER_SEC	1000000000ULL
#define NSEC_PER_MSEC	1000000ULL

/* Print a line to standard error; `fatal` also ends the agent. */
#define say(fmt, ...) fprintf(stderr, "%s: " fmt "\n",		\
	program_invocation_short_name, ##__VA_ARGS__)
#define fatal(fmt, ...) do { say(fmt, ##__VA_ARGS__); exit(1); } while (0)

/* clock.c: CLOCK_BOOTTIME as the BPF programs see it. */
void clock_start(void);
uint64_t now_ns(void);

/* thread.c: a thread with a small stack, which receives no signals. */
void start_thread(pthread_t *thread, void *(*work)(void *));

/* Which read() calls are answered from the block cache. */
enum reads {
	READS_OFF,
	READS_CACHE,
	READS_AFTER_PAGES,	/* what the mount's own pages do not have */
};

/* How listings of directories are used. */
enum listings {
	LISTINGS_OFF,
	LISTINGS_ENTRIES,	/* their entries fill the cache */
	LISTINGS_ON,		/* and other names are known to be absent */
};

/* The command line's options. */
struct options {
	const char *mount;		/* mount point */
	const char *fstype;		/* as in mountinfo */
	const char *meta;		/* redis[s]://[user@]host[:port][/db] */
	const char *password_file, *sentinel_password_file;
	const char *tls_ca, *tls_cert, *tls_key;
	const char *key_prefix;
	const char *pin;		/* folder in a BPF file system */
	const char *metrics;		/* [address:]port */
	enum efuse_mode mode;
	bool loader;			/* run by the lab; see loader.c */
	bool shadow;
	bool kernel_cache;		/* lease: the kernel may cache answers */
	enum listings listings;
	bool notify;			/* --sink notify: no module, no programs */
	bool any_config;		/* not JuiceFS: do not read .config */
	uint64_t bound;			/* ns */
	uint64_t opcodes;
	uint64_t xattr_ttl, statfs_ttl;	/* ns */
	uint32_t entries;		/* size of the caches */
	uint8_t faults[EFUSE_FAULT_MAX];	/* for tests; 1: injected */
	enum reads reads;		/* lease: read() from the block cache */
	uint32_t read_blocks;		/* maximum number of known blocks */
	uint64_t read_bytes;		/* maximum size of their files */
	uint32_t read_age;		/* s until an unused block is released */
	const char *cache_dir;		/* overrides the one in .config */
	const char *backing;		/* a file for a custom program */
};

extern struct options opt;

#ifdef EFUSE_TEST_FAULTS
#define FAULT(name)	opt.faults[EFUSE_FAULT_##name]
#else
#define FAULT(name)	0
#endif

/* options.c: fills `opt` and the common options of ../common. */
void options_parse(int argc, char **argv);

/* Counted by the agent; see metrics.c. */
struct counters {
	uint64_t pushes;		/* invalidation messages */
	uint64_t invalidated;		/* keys of our volume in them */
	uint64_t heartbeats;		/* round trips */
	uint64_t connects;
	uint64_t mounts;		/* times that the mount was found */
	uint64_t notified;		/* notifications written */
	uint64_t notify_errors;
	uint64_t shadow_benign;		/* differed; a push arrived in time */
	uint64_t shadow_mismatch;	/* differed without a known change */
	/* by the thread in reads.c */
	uint64_t read_misses;		/* blocks looked up after a miss */
	uint64_t read_mapped;		/* blocks found and registered */
	uint64_t read_renewed;		/* attributes that are valid again */
	uint64_t read_absent;		/* missing block files */
	uint64_t read_damaged;		/* block files with a wrong checksum */
	uint64_t read_dropped;		/* blocks dropped */
	uint64_t read_blocks;		/* blocks known now */
	uint64_t read_bytes;		/* size of their files */
};

extern struct counters counters;

/* The served mount. */
struct mounted {
	dev_t dev;			/* 0: none */
	int id;				/* in mountinfo */
	pid_t daemon;			/* 0: not known */
	char volume[64];		/* its UUID; empty: not JuiceFS */
	uint64_t session;		/* JuiceFS's; 0: none */
	double heartbeat;		/* s between its renewals; 0: none */
	/* for reads */
	char cache_dirs[2048];		/* glob patterns, separated by : */
	int format;			/* version of the metadata format */
	uint32_t block_size;
	bool hash_prefix;
};

/*
 * Where invalidations go: to the programs' generations, or to the daemon's
 * descriptor.
 */
struct sink {
	void (*start)(void);
	void (*stop)(void);
	void (*mount)(const struct mounted *m);	/* start to track changes */
	void (*serve)(const struct mounted *m);	/* start to serve it */
	void (*unmount)(void);
	/* Whether the mount was replaced by another one. */
	bool (*replaced)(void);
	void (*inode)(uint64_t ino);
	void (*dir)(uint64_t ino);
	void (*all)(void);
	void (*lease)(uint64_t until);
};

extern const struct sink *sink;
extern const struct sink bpf_sink, notify_sink;

/* layout.c: the kernel's structures, from BTF. Ends the agent if unknown. */
void layout_read(struct efuse_hook *hook);
void layout_of_reads(struct efuse_reads *reads);
/* Why listings cannot be used; NULL if they can. */
const char *layout_of_lists(struct efuse_lists *lists);

/* programs.c: module and BPF. */
struct bpf_object;
struct bpf_map;
struct efuse_bpf;
struct efuse_bpf *programs(void);	/* NULL: not loaded */
struct bpf_object *programs_object(void);	/* opened, maybe not loaded */
struct bpf_map *programs_control(void);
bool programs_module_stats(struct efuse_stats *stats);
uint32_t programs_slot(uint64_t ino);
void programs_writer(uint64_t ino);	/* counts a file open for writing */
uint64_t programs_sequence(void);	/* last number that was taken */
/*
 * Redis had this version at the number `seen`: if the cached attributes have it,
 * they are valid from then on. False: they do not, or it is not known.
 */
bool programs_renew(uint64_t dev, uint64_t ino,
		    const struct efuse_version *version, uint64_t seen);

/* reads.c: finds the blocks that read() missed, in a separate thread. */
void reads_start(int module_fd);
void reads_stop(void);
bool reads_mount(const struct mounted *m);	/* false: reads are not served */
void reads_unmount(void);
/* Why its reads cannot be answered; NULL if they can. */
const char *reads_refusal(const struct mounted *m);

/* blockfile.c: files of JuiceFS's block cache. */
struct block_name {
	uint64_t slice;
	uint32_t index, size;
};

/* A descriptor, or -1 with errno ENOENT or EBADMSG (damaged). */
int blockfile_open(const struct mounted *m, const struct block_name *name);
/* Why a folder's files cannot be used; NULL if they can. */
const char *blockfile_refusal(const char *folder);

/* slices.c: maps the bytes of a chunk to slices. */
#define CHUNK_SIZE	(64U << 20)

struct slice {
	uint32_t pos, len;		/* in the chunk */
	uint64_t id;			/* 0: zeros */
	uint32_t size, off;		/* whole slice; offset of pos in it */
};

/* From JuiceFS's records, oldest first; NULL if they are invalid. */
struct redisReply;
struct slice *slices_of(const struct redisReply *records, unsigned int *count);

/* shadow.c: evaluates shadow mode. */
void shadow_start(void);
void shadow_poll(void);
void shadow_stop(void);

/* results.c: results of requests. */
void results_metrics(FILE *out);
/* Sums an opcode's results over all CPUs, from the map `efuse_stats` at fd. */
bool results_of(int fd, __u32 opcode, struct efuse_opstats *sum);

/* writers.c: calls programs_writer() for files already open for writing. */
int writers_find(dev_t dev);

/* mount.c: follows the mount. */
int mount_open(void);			/* fd to poll for POLLPRI */
void mount_check(void);			/* after a change */
void mount_tick(void);			/* periodically */
int mount_daemon_fd(void);		/* readable: the daemon has ended */
void mount_daemon_ended(void);
const char *mount_state(void);
/* Whether Redis reports changes of the mounted volume. */
bool mount_is_of(const char *volume);
/* Why the current mount cannot be served; NULL if it can. */
const char *mount_refusal(void);

/* daemon.c: why this daemon's command line forbids a lease; NULL if it does not. */
const char *daemon_refusal(pid_t pid);

/* redis.c: connections. */
struct redisContext;
struct redisReply;
void redis_start(void);			/* reads --meta */
/* Why a daemon with this metadata URL can give old answers; NULL if it cannot. */
const char *redis_query_refusal(const char *url);
struct redisContext *redis_connect(void);	/* NULL after a message */
struct redisReply *redis_run(struct redisContext *c, int argc,
			     const char **argv);
#define REDIS_RUN(c, ...) ({						\
	const char *argv_[] = { __VA_ARGS__ };				\
	redis_run(c, sizeof(argv_) / sizeof(*argv_), argv_);		\
})

/* tracking.c: follows Redis. */
void tracking_start(void);
void tracking_look(void);		/* only reads which volume it has */
int tracking_fd(void);			/* -1: not connected */
bool tracking_wants_write(void);
void tracking_ready(short revents);
int tracking_timeout(void);		/* ms until tracking_tick is needed */
void tracking_tick(void);
uint64_t tracking_lease(void);
const char *tracking_volume(void);	/* its UUID; empty: not known */
/*
 * Follows the daemon's session, which it renews each `heartbeat` seconds; false:
 * it is not in this Redis, or not renewed there.
 */
bool tracking_session(uint64_t id, double heartbeat, pid_t daemon);
/*
 * For --sink notify: names and inodes of a directory, from its Redis hash; false
 * if unknown.
 */
typedef void dir_entry_fn(uint64_t ino, bool dir, const char *name, size_t len);
bool tracking_list(uint64_t dir, dir_entry_fn *fn);

/* channel.c: sends notifications to the kernel through the daemon's descriptor. */
bool channel_open(pid_t daemon, dev_t dev);
void channel_close(void);
void channel_inval_inode(uint64_t ino);
void channel_inval_entry(uint64_t parent, const char *name, size_t len);
bool channel_inc_epoch(void);		/* all names; false: not supported */

/* loader.c: the interface of the lab's loaders */
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
