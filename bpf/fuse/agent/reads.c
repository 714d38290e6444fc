// SPDX-License-Identifier: GPL-2.0
/*
 * reads.c - after a read() has missed a block, finds the cached JuiceFS blocks
 * that contain it, and registers them with the module and the programs
 *
 * It has its own thread and Redis connection, because it waits for disks and
 * Redis, and the heartbeat must not wait. It reads slices and attributes in one
 * transaction (MULTI), so they are consistent. The programs use a mapping only
 * while the file still has these attributes, so a stale mapping does no harm.
 * The same transaction shows whether attributes are current that the programs
 * have from before an OPEN: nothing else need ask the daemon for newer ones.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <hiredis/hiredis.h>
#include "agent.h"
#include "mounts.h"
#include "efuse.skel.h"

#define BLOCK		(1U << EFUSE_BLOCK_BITS)
#define RETRY		NSEC_PER_SEC
#define AGAIN		(5 * NSEC_PER_SEC)
#define FIRST_WAIT	(NSEC_PER_SEC / 8)
#define VAIN_SLOTS	1024
#define TYPE_FILE	1	/* of JuiceFS, in the upper bits of the mode */
#define SWEEP		(NSEC_PER_SEC / 2)	/* for a part of the table */
#define SWEEP_PARTS	4			/* all of it: within 2 s */
#define SLOW_US		300000	/* for the fault READ_SLOW */
#define FROZEN_S	8	/* for the fault READ_FROZEN */
#define DUE_MAX		256	/* files of which one sweep sets the atime */
#define FILES		(4096 * EFUSE_PIECES + DUE_MAX + 64)

/* A block that the programs know, and its open files. */
struct known {
	struct efuse_block_key key;	/* dev 0: free */
	struct efuse_block_val val;
	uint64_t since;
	uint64_t touched;		/* when its files' atime was set */
	uint64_t bytes;			/* size of its files */
	int fd[EFUSE_PIECES];
};

/*
 * A block of which nothing was found: a hole, or not cached yet. The next look-up
 * waits twice as long as the last.
 */
struct vain {
	struct efuse_block_key key;
	uint64_t next, wait;
};

static pthread_t thread;
static bool running, stopping;
static int module;
static struct ring_buffer *misses;
static redisContext *conn;
static uint64_t conn_since;	/* number of connections that track, until then */
static uint64_t retry_at, sweep_at;
static struct vain vain[VAIN_SLOTS];

/* Shared with the main thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mounted mounted;		/* dev 0: none */
static struct known *known;

/* ---- known blocks ---------------------------------------------------- */

static int blocks_map(void)
{
	return bpf_map__fd(programs()->maps.efuse_blocks);
}

static void unback(struct known *k)
{
	unsigned int i;

	for (i = 0; i < EFUSE_PIECES && k->val.piece[i].backing; i++) {
		ioctl(module, EFUSE_IOC_UNBACK, &k->val.piece[i].backing);
		close(k->fd[i]);
	}
}

/* Frees the place. */
static void release(struct known *k)
{
	unback(k);
	counters.read_bytes -= k->bytes;
	counters.read_blocks--;
	memset(k, 0, sizeof(*k));
}

static void forget(struct known *k)
{
	bpf_map_delete_elem(blocks_map(), &k->key);
	release(k);
	counters.read_dropped++;
}

/* Time when a program last answered from it. */
static uint64_t last_used(const struct known *k)
{
	struct efuse_block_val v = {};

	if (!FAULT(READ_USED))
		bpf_map_lookup_elem(blocks_map(), &k->key, &v);
	return v.used > k->since ? v.used : k->since;
}

/*
 * Whether JuiceFS has evicted one of its files, which occupies space as long as
 * it is open here.
 */
static bool evicted(const struct known *k)
{
	struct stat st;
	unsigned int i;

	for (i = 0; i < EFUSE_PIECES && k->val.piece[i].backing; i++)
		if (fstat(k->fd[i], &st) || !st.st_nlink)
			return true;
	return false;
}

static struct known *find(const struct efuse_block_key *key)
{
	uint32_t i;

	for (i = 0; i < opt.read_blocks; i++)
		if (!memcmp(&known[i].key, key, sizeof(*key)))
			return &known[i];
	return NULL;
}

/* The least recently used block; NULL if there is none. */
static struct known *oldest(void)
{
	struct known *least = NULL;
	uint64_t used, then = 0;
	uint32_t i;

	for (i = 0; i < opt.read_blocks; i++) {
		if (!known[i].key.dev)
			continue;
		used = last_used(&known[i]);
		if (!least || used < then) {
			least = &known[i];
			then = used;
		}
	}
	return least;
}

static struct known *free_place(void)
{
	uint32_t i;

	for (i = 0; i < opt.read_blocks; i++)
		if (!known[i].key.dev)
			return &known[i];
	return NULL;
}

/*
 * A place for a block of this size, after the least recently used ones have made
 * room for it. One block is always accepted.
 */
static struct known *place(uint64_t bytes)
{
	struct known *k;

	while (counters.read_blocks &&
	       counters.read_bytes + bytes > opt.read_bytes &&
	       !FAULT(READ_ROOM))
		forget(oldest());
	k = free_place();
	if (!k) {
		k = oldest();
		forget(k);
	}
	return k;
}

/* Adds `new`, or replaces an older mapping; false if the mount was replaced. */
static bool remember(const struct known *new, int mount_id)
{
	struct known *k;
	bool ok = false;

	pthread_mutex_lock(&lock);
	if (mounted.dev && mounted.id == mount_id) {
		k = find(&new->key);
		if (k)
			release(k);	/* its numbers are not reused soon */
		k = place(new->bytes);
		counters.read_blocks++;
		counters.read_bytes += new->bytes;
		*k = *new;
		ok = !bpf_map_update_elem(blocks_map(), &k->key, &k->val,
					  BPF_ANY);
		if (!ok) {
			memset(&k->val.piece, 0, sizeof(k->val.piece));
			forget(k);	/* the caller releases its files */
		}
	}
	pthread_mutex_unlock(&lock);
	return ok;
}

/*
 * Copies of the descriptors of files whose atime is due. Setting it waits while
 * their file system is frozen, so it is not done under the lock, for which the
 * main thread would wait.
 */
static int due[DUE_MAX];
static unsigned int due_count;

/*
 * Tells JuiceFS that files were used. It takes the later of the atime that it
 * remembers and that of the file when it scans its cache, and evicts by it.
 */
static void touch_due(void)
{
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT },
	};

	for (; due_count; due_count--) {
		if (FAULT(READ_FROZEN))
			sleep(FROZEN_S);
		futimens(due[due_count - 1], times);
		close(due[due_count - 1]);
	}
}

/* If it is due, and a sweep has not too many yet: then the next one does it. */
static void touch(struct known *k, uint64_t used)
{
	unsigned int i;

	if (used <= k->touched || FAULT(READ_ATIME) ||
	    now_ns() - k->touched < opt.read_age * NSEC_PER_SEC ||
	    due_count + EFUSE_PIECES > DUE_MAX)
		return;
	for (i = 0; i < EFUSE_PIECES && k->val.piece[i].backing; i++) {
		due[due_count] = fcntl(k->fd[i], F_DUPFD_CLOEXEC, 0);
		if (due[due_count] >= 0)
			due_count++;
	}
	k->touched = now_ns();
	if (FAULT(READ_LOCKED))
		touch_due();
}

static void look_after(struct known *k)
{
	uint64_t used = last_used(k);

	if (evicted(k) || now_ns() - used > opt.read_age * NSEC_PER_SEC)
		forget(k);
	else
		touch(k, used);
}

/*
 * If it is due: drops blocks that are unused or evicted, in as many parts of the
 * table as time has passed.
 */
static void sweep(void)
{
	static uint32_t at;
	uint64_t now = now_ns(), parts;
	uint32_t n;

	if (now < sweep_at)
		return;
	parts = (now - sweep_at) / SWEEP + 1;
	sweep_at += parts * SWEEP;
	if (FAULT(READ_KEEP))
		return;
	if (parts > SWEEP_PARTS)
		parts = SWEEP_PARTS;
	n = (opt.read_blocks * parts + SWEEP_PARTS - 1) / SWEEP_PARTS;
	pthread_mutex_lock(&lock);
	for (; n; n--, at = (at + 1) % opt.read_blocks)
		if (known[at].key.dev)
			look_after(&known[at]);
	pthread_mutex_unlock(&lock);
	touch_due();
}

/* ---- one miss --------------------------------------------------------- */

static uint64_t take(const char **p, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | (uint8_t)*(*p)++;
	return value;
}

/*
 * Reads the version from JuiceFS's binary attributes; false if it is not a file.
 */
static bool version_in(const redisReply *r, struct efuse_version *v)
{
	const char *p = r->str;

	if (r->type != REDIS_REPLY_STRING || r->len < 59)
		return false;
	p += 1;				/* flags */
	if (take(&p, 2) >> 12 != TYPE_FILE)
		return false;
	p += 4 + 4 + 8 + 4;		/* uid, gid, atime */
	v->mtime = take(&p, 8);
	v->mtimensec = take(&p, 4);
	v->ctime = take(&p, 8);
	v->ctimensec = take(&p, 4);
	p += 4;				/* links */
	v->size = take(&p, 8);
	return true;
}

/*
 * Connects, again if changes now come by a newer connection: then this one may be
 * to a server that is no longer the master.
 */
static void connect_now(void)
{
	uint64_t since = __atomic_load_n(&counters.connects, __ATOMIC_SEQ_CST);

	if (conn && since != conn_since) {
		redisFree(conn);
		conn = NULL;
	}
	if (!conn && now_ns() >= retry_at) {
		conn = redis_connect();
		conn_since = since;
		retry_at = now_ns() + RETRY;
	}
}

/* Reads attributes and slices in one transaction; NULL after a message. */
static redisReply *look_up(const struct efuse_miss *miss)
{
	char ino[96], chunk[128];
	redisReply *r = NULL;
	int i;

	connect_now();
	if (!conn)
		return NULL;
	snprintf(ino, sizeof(ino), "%si%llu", opt.key_prefix,
		 (unsigned long long)miss->ino);
	snprintf(chunk, sizeof(chunk), "%sc%llu_%llu", opt.key_prefix,
		 (unsigned long long)miss->ino,
		 FAULT(READ_CHUNK) ? 0ULL :
		 (unsigned long long)(miss->index * BLOCK / CHUNK_SIZE));
	redisAppendCommand(conn, "MULTI");
	redisAppendCommand(conn, "GET %s", ino);
	redisAppendCommand(conn, "LRANGE %s 0 -1", chunk);
	redisAppendCommand(conn, "EXEC");
	for (i = 0; i < 4; i++) {
		freeReplyObject(r);
		if (redisGetReply(conn, (void **)&r) != REDIS_OK) {
			redisFree(conn);
			conn = NULL;
			return NULL;
		}
	}
	if (r->type == REDIS_REPLY_ARRAY && r->elements == 2)
		return r;
	freeReplyObject(r);
	return NULL;
}

/* Opens and registers the file; false if it cannot be used. */
static bool back(const struct mounted *m, const struct block_name *name,
		 int *fd, __u32 *backing)
{
	struct efuse_back b = { .size = name->size };

	*fd = blockfile_open(m, name);
	if (*fd < 0) {
		if (errno == EBADMSG)
			counters.read_damaged++;
		else
			counters.read_absent++;
		return false;
	}
	b.fd = *fd;
	if (!ioctl(module, EFUSE_IOC_BACK, &b)) {
		*backing = b.backing;
		return true;
	}
	close(*fd);
	return false;
}

/*
 * Adds the pieces of one slice that are in the block. They end at the ends of
 * the slice's own blocks and of the file.
 */
static unsigned int add_pieces(const struct mounted *m, struct known *k,
			       unsigned int n, const struct slice *s,
			       uint32_t base, uint32_t end)
{
	uint32_t at = s->pos > base ? s->pos : base;
	uint32_t to = s->pos + s->len < end ? s->pos + s->len : end;

	while (s->id && at < to && n < EFUSE_PIECES) {
		uint32_t off = s->off + (at - s->pos);
		struct block_name name = { s->id, off / m->block_size, 0 };
		uint32_t inside = off % m->block_size;
		uint32_t rest = s->size - name.index * m->block_size;
		struct efuse_piece *p = &k->val.piece[n];

		name.size = rest < m->block_size ? rest : m->block_size;
		p->start = at - base;
		p->len = name.size - inside < to - at ? name.size - inside :
							to - at;
		p->offset = inside;
		at += p->len;
		if (back(m, &name, &k->fd[n], &p->backing)) {
			k->bytes += name.size;
			n++;
		}
	}
	return n;
}

/* When the block was mapped for this version (NULL: any); 0: it is not. */
static uint64_t mapped_at(const struct efuse_block_key *key,
			  const struct efuse_version *version)
{
	const struct known *k;
	uint64_t since = 0;

	pthread_mutex_lock(&lock);
	k = find(key);
	if (k && (!version || efuse_same_version(&k->val.version, version)))
		since = k->since;
	pthread_mutex_unlock(&lock);
	return since;
}

/*
 * Whether it was looked up recently. Bytes that its mapping does not have are
 * then a hole, not cached, or beyond the maximum number of pieces.
 */
static bool seen_lately(const struct efuse_block_key *key,
			const struct efuse_version *version)
{
	uint64_t since = mapped_at(key, version);

	return since && now_ns() - since < AGAIN && !FAULT(READ_AGAIN);
}

static struct vain *vain_of(const struct efuse_block_key *key)
{
	return &vain[efuse_block_hash(key) >> 32 & (VAIN_SLOTS - 1)];
}

/* Whether it was looked up in vain so recently that it is not worth it again. */
static bool in_vain(const struct efuse_block_key *key)
{
	const struct vain *v = vain_of(key);

	return !memcmp(&v->key, key, sizeof(*key)) && now_ns() < v->next &&
	       !FAULT(READ_AGAIN);
}

static void note_vain(const struct efuse_block_key *key)
{
	struct vain *v = vain_of(key);
	bool again = !memcmp(&v->key, key, sizeof(*key)) &&
		     now_ns() < v->next + RETRY;

	v->wait = again ? 2 * v->wait : FIRST_WAIT;
	if (v->wait > RETRY)
		v->wait = RETRY;
	v->key = *key;
	v->next = now_ns() + v->wait;
}

static void forget_vain(const struct efuse_block_key *key)
{
	struct vain *v = vain_of(key);

	if (!memcmp(&v->key, key, sizeof(*key)))
		memset(v, 0, sizeof(*v));
}

/* Whether only valid attributes were missing, and are there again. */
static bool renewed(const struct efuse_miss *miss, const redisReply *r,
		    const struct known *k, uint64_t seen)
{
	struct efuse_version version;

	if (miss->missing != EFUSE_MISSING_VERSION ||
	    !version_in(r->element[0], &version) ||
	    !programs_renew(miss->dev, miss->ino, &version, seen))
		return false;
	counters.read_renewed++;
	return mapped_at(&k->key, &version);
}

static bool map_block(const struct mounted *m, const struct efuse_miss *miss,
		      const redisReply *r, struct known *k)
{
	uint64_t from = miss->index * BLOCK;	/* in the file */
	uint32_t base = from % CHUNK_SIZE, end;	/* in the chunk */
	unsigned int count, i, n = 0;
	struct slice *slices;

	if (!version_in(r->element[0], &k->val.version) ||
	    from >= k->val.version.size ||
	    seen_lately(&k->key, &k->val.version))
		return false;
	end = base + BLOCK;
	if (k->val.version.size - from < BLOCK)
		end = base + (k->val.version.size - from);
	slices = slices_of(r->element[1], &count);
	for (i = 0; slices && i < count && slices[i].pos < end; i++)
		if (slices[i].pos + slices[i].len > base)
			n = add_pieces(m, k, n, &slices[i], base, end);
	free(slices);
	/* The entry of a failed last attempt is not a piece. */
	if (n < EFUSE_PIECES)
		memset(&k->val.piece[n], 0, sizeof(k->val.piece[n]));
	return n;
}

static int missed(void *context, void *data, size_t size)
{
	const struct efuse_miss *miss = data;
	struct known k = {
		.key = { miss->dev, miss->ino, miss->index },
		.since = now_ns(),
	};
	struct mounted m;
	redisReply *r;
	uint64_t seen;

	/* While reads miss, the queue may never be empty. */
	if (!FAULT(READ_IDLE))
		sweep();
	pthread_mutex_lock(&lock);
	m = mounted;
	pthread_mutex_unlock(&lock);
	if (stopping || !m.dev ||
	    miss->dev != ext_kernel_dev(major(m.dev), minor(m.dev)))
		return 0;
	if ((miss->missing == EFUSE_MISSING_PIECE &&
	     seen_lately(&k.key, NULL)) || in_vain(&k.key))
		return 0;
	counters.read_misses++;
	if (FAULT(READ_SLOW))
		usleep(SLOW_US);
	seen = programs_sequence();
	r = look_up(miss);
	if (!r)
		return 0;
	if (renewed(miss, r, &k, seen)) {
		forget_vain(&k.key);
	} else if (map_block(&m, miss, r, &k)) {
		k.val.sum = efuse_block_sum(&k.key, &k.val);
		k.touched = k.since;	/* the daemon has just used it */
		if (remember(&k, m.id))
			counters.read_mapped++;
		else
			unback(&k);
		forget_vain(&k.key);
	} else {
		note_vain(&k.key);
	}
	freeReplyObject(r);
	return 0;
}

/* For a custom program: examples/README.md. */
static void back_file(const char *path)
{
	struct efuse_back b = {};
	struct stat st;

	b.fd = open(path, O_RDONLY | O_NOATIME | O_CLOEXEC);
	if (b.fd < 0 || fstat(b.fd, &st))
		fatal("--backing %s: %s", path, strerror(errno));
	b.size = st.st_size;
	if (ioctl(module, EFUSE_IOC_BACK, &b))
		fatal("--backing %s: the module does not accept it: %s", path,
		      strerror(errno));
	close(b.fd);
	say("backing %u: %s, %lld bytes", b.backing, path,
	    (long long)st.st_size);
}

/* ---- the thread -------------------------------------------------------- */

static void *work(void *unused)
{
	while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
		ring_buffer__poll(misses, SWEEP / NSEC_PER_MSEC);
		sweep();
	}
	return NULL;
}

void reads_start(int module_fd)
{
	struct rlimit files = { FILES, FILES };
	struct efuse_reads layout;

	layout_of_reads(&layout);
	layout.pages_first = opt.reads == READS_AFTER_PAGES &&
			     !FAULT(READ_PAGES);
	module = module_fd;
	if (ioctl(module, EFUSE_IOC_READS, &layout))
		fatal("the module cannot hook read() on this kernel: %s",
		      strerror(errno));
	if (opt.backing)
		back_file(opt.backing);
	if (setrlimit(RLIMIT_NOFILE, &files))
		fatal("cannot raise the limit to %d open files: %s", FILES,
		      strerror(errno));
	known = calloc(opt.read_blocks, sizeof(*known));
	misses = ring_buffer__new(bpf_map__fd(programs()->maps.efuse_misses),
				  missed, NULL, NULL);
	if (!known || !misses)
		fatal("reads: %s", strerror(errno));
	start_thread(&thread, work);
	running = true;
}

void reads_stop(void)
{
	if (!running)
		return;
	__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	running = false;
	ring_buffer__free(misses);
	if (conn)
		redisFree(conn);
}

bool reads_mount(const struct mounted *m)
{
	const char *why = reads_refusal(m);

	if (why) {
		say("reads go to the daemon: %s", why);
		return false;
	}
	pthread_mutex_lock(&lock);
	mounted = *m;
	pthread_mutex_unlock(&lock);
	return true;
}

void reads_unmount(void)
{
	uint32_t i;

	pthread_mutex_lock(&lock);
	mounted.dev = 0;
	for (i = 0; known && i < opt.read_blocks; i++)
		if (known[i].key.dev)
			forget(&known[i]);
	pthread_mutex_unlock(&lock);
}
