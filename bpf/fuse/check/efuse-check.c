// SPDX-License-Identifier: GPL-2.0
/*
 * efuse-check - checks that no client sees data older than allowed
 *
 * A coordinator sends random operations to workers, one at a time; each worker
 * uses some client's mount of the same volume. Every change of an object has a
 * number, and the result of a read contains it. A change is complete when its
 * worker has answered (`acked`); a read sent at time t that missed change n is
 * at least t - acked(n) old. Only the coordinator's clock is used, so the
 * workers can be on any machine.
 *
 * Workers on other machines (--accept, --join) may disconnect and return, for
 * example after a reboot. gone() defines what happens to their operations.
 *
 * Fails when
 *   bound	a stat or lookup was older than the bound
 *   own	a stat or lookup missed a change of its own client
 *   close	an open() and read() missed a change that was closed before
 *   torn	size and content of an opened file, or the lines of one of its
 *		pages, come from two changes
 *   mixed	an opened file has pages of versions that never existed together
 *   missed	an open() found nothing, although its name always existed: a
 *		client whose lookup and open are two requests shows this if
 *		another client replaces the name between them
 *   impossible	a value that was never written
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "contents.h"
#include "number.h"

#define MAX_WORKERS	64
#define MAX_OBJECTS	256
#define HISTORY		4096		/* remembered changes of an object */
#define STAMP		64		/* minimum size of a stamped file */

/* How an object is changed, and how it is read back. */
enum kind {
	SIZE,		/* truncate(), stat() */
	MODE,		/* chmod(), stat() */
	TIMES,		/* utimensat(), stat() */
	EXISTS,		/* create and unlink alternately, stat() */
	FOLDER,		/* mkdir and rmdir alternately, stat() */
	NAME,		/* rename to the next name, stat() of old or new */
	REPLACED,	/* rename another file over it; stat(), or open, fstat */
	LINKS,		/* link and unlink a second name, stat() of the first */
	DATA,		/* open, write, close; open, fstat, read, close */
	PAGES,		/* the same at random places; truncate, rename: contents.h */
	KINDS,
};

static const char * const kind_names[KINDS] = {
	"size", "mode", "times", "exists", "folder", "name", "replaced",
	"links", "data", "pages",
};

struct order {
	int32_t kind;
	int32_t read;
	int32_t object;
	int32_t version;	/* to write; read of NAME: to look up */
	int32_t again;		/* an earlier attempt may have succeeded */
	struct contents_order pages;
};

struct answer {
	int64_t value;		/* below 0: -errno */
	struct contents_seen pages;
};

/* The first message of a worker on another machine. */
struct hello {
	uint32_t client;
	char boot[36];		/* boot id of its machine */
};

struct object {
	enum kind kind;
	int version;			/* last acked version */
	int started;			/* == version + 1: change in progress */
	int busy;			/* a worker is changing it */
	uint64_t acked[HISTORY];	/* by version % HISTORY, ns */
	int client[HISTORY];		/* that made the change */
	/* PAGES: by version % LAYOUTS, with the change that led to it */
	struct contents_layout layout[LAYOUTS];
	struct contents_order change[LAYOUTS];
};

struct worker {
	int fd;				/* below 0: disconnected, see gone() */
	int client;			/* the client whose mount it uses */
	int remote;
	char boot[36];			/* remote: of its machine */
	int idle;
	struct order order;
	uint64_t sent;
	int low, high;			/* versions when it was sent */
	int least[MAX_OBJECTS];		/* PAGES: when its kept handle was opened */
};

static const char * const how_names[HOWS] = { "write", "truncate", "replace" };

static struct object objects[MAX_OBJECTS];
static struct worker workers[MAX_WORKERS];
static int object_count = 36, worker_count, only = KINDS;
static int listener = -1, remote_max;
static uint64_t bound = 100000000ULL, start;
static volatile sig_atomic_t asked, ended;

static struct {
	uint64_t reads, changes, errors;
	uint64_t bound, own, close, torn, mixed, missed, impossible;
	uint64_t stale[KINDS];		/* reads that missed a change */
	uint64_t oldest[KINDS];		/* ns */
	uint64_t longest;		/* operation, ns */
	int lost, joined;		/* workers on other machines */
} result;

/* The first missed opens, for a caller that knows when a client was alone. */
#define MISSES	64

static struct {
	int client;
	uint64_t sent, answered;
} missed[MISSES];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "efuse-check: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- worker: executes one order at a time ---- */

static int make_stamped(const char *path, int version, int flags)
{
	char text[STAMP + 1024];
	int fd, n = STAMP + version % 1024, err = 0;

	memset(text, '.', sizeof(text));
	snprintf(text, STAMP, "%d", version);
	fd = open(path, O_WRONLY | O_CREAT | flags, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != n || ftruncate(fd, n))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

#define TORN	(INT64_C(1) << 40)

static int64_t read_stamped(const char *path)
{
	char text[STAMP + 1025];
	struct stat st;
	ssize_t n;
	int fd, version;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		goto error;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		goto error;
	close(fd);
	if (!n)
		return st.st_size ? TORN : 0;
	text[n] = 0;
	version = atoi(text);
	if (n != st.st_size || n != STAMP + version % 1024)
		return TORN | version;
	return version;
error:
	n = -errno;
	close(fd);
	return n;
}

/*
 * Returns -errno, or success if the error shows that an earlier attempt has
 * made this change.
 */
static int64_t unless(int already, const struct order *o)
{
	return errno == already && o->again ? 0 : -errno;
}

static int64_t change(const struct order *o, const char *path)
{
	struct timespec times[2] = { { o->version, 0 }, { o->version, 0 } };
	int v = o->version, err;
	char from[64], to[64];

	switch (o->kind) {
	case SIZE:
		return truncate(path, v) ? -errno : 0;
	case MODE:
		return chmod(path, v % 512) ? -errno : 0;
	case TIMES:
		return utimensat(AT_FDCWD, path, times, 0) ? -errno : 0;
	/*
	 * An attempt that seemed to fail, or whose worker is gone, may have
	 * been executed; the state is then already as intended. This is
	 * accepted only in a later attempt: in the first one, it would be the
	 * client's outdated view from before the last change, and nothing has
	 * been changed. changeable() protects later attempts from that.
	 */
	case EXISTS:
		if (v % 2) {
			int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);

			return fd < 0 ? unless(EEXIST, o) : close(fd) ? -errno : 0;
		}
		return unlink(path) ? unless(ENOENT, o) : 0;
	case FOLDER:
		if (v % 2)
			return mkdir(path, 0755) ? unless(EEXIST, o) : 0;
		return rmdir(path) ? unless(ENOENT, o) : 0;
	/* changeable() protects this, too, from an outdated view. */
	case NAME:
		snprintf(from, sizeof(from), "%s.%d", path, v - 1);
		snprintf(to, sizeof(to), "%s.%d", path, v);
		if (!rename(from, to) || (errno == ENOENT && !access(to, F_OK)))
			return 0;
		return -errno;
	/* Starts from the beginning; first removes an earlier attempt's file. */
	case REPLACED:
		snprintf(from, sizeof(from), "%s.new", path);
		unlink(from);
		err = make_stamped(from, v, O_TRUNC);
		if (err)
			return err;
		if (truncate(from, v))
			return -errno;
		return rename(from, path) ? -errno : 0;
	case LINKS:
		snprintf(to, sizeof(to), "%s.link", path);
		if (v % 2)
			return link(path, to) ? unless(EEXIST, o) : 0;
		return unlink(to) ? unless(ENOENT, o) : 0;
	/* A retry writes the same bytes. Readers may see a part of them. */
	case DATA:
		return make_stamped(path, v, v % 3 ? 0 : O_TRUNC);
	case PAGES:
		return contents_change(path, o->object, v, &o->pages);
	}
	return -EINVAL;
}

static int names_matter(const struct order *o)
{
	return o->kind == EXISTS || o->kind == FOLDER || o->kind == NAME;
}

/* open() did not find a name that has existed all the time. */
#define MISSED	INT64_MIN

static int64_t opened_size(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	int64_t size;

	if (fd < 0)
		return errno == ENOENT ? MISSED : -errno;
	size = fstat(fd, &st) ? -errno : st.st_size;
	close(fd);
	return size;
}

static int64_t look(const struct order *o, const char *path)
{
	static unsigned int replaced;
	char name[64];
	struct stat st;

	if (o->kind == DATA)
		return read_stamped(path);
	if (o->kind == REPLACED && replaced++ % 2)
		return opened_size(path);
	if (o->kind == NAME) {
		snprintf(name, sizeof(name), "%s.%d", path, o->version);
		path = name;
	}
	if (stat(path, &st))
		return errno == ENOENT && names_matter(o) ? 0 : -errno;
	switch (o->kind) {
	case SIZE:
	case REPLACED:
		return st.st_size;
	case MODE:
		return st.st_mode & 0777;
	case TIMES:
		return st.st_mtime;
	case LINKS:
		return st.st_nlink - 1;
	default:
		return 1;
	}
}

/* Lists the folder of a path, because a listing may answer for its names. */
static void list(const char *path)
{
	char folder[32];
	DIR *d;

	snprintf(folder, sizeof(folder), "%.*s",
		 (int)(strrchr(path, '/') - path), path);
	d = opendir(folder);
	if (!d)
		return;
	while (readdir(d))
		;
	closedir(d);
}

static void work(const char *dir, int fd)
{
	static int kept[MAX_OBJECTS];
	unsigned int looks = 0;
	struct answer a = {};
	struct order o;
	char path[32];
	int i;

	for (i = 0; i < MAX_OBJECTS; i++)
		kept[i] = -1;
	if (chdir(dir))
		die(dir);
	while (recv(fd, &o, sizeof(o), MSG_WAITALL) == sizeof(o)) {
		/*
		 * One folder per object, so that a change of one object does
		 * not invalidate the others' names.
		 */
		snprintf(path, sizeof(path), "%s%d/x",
			 o.kind < KINDS ? kind_names[o.kind] : "?", o.object);
		if (o.read && names_matter(&o) && looks++ % 4 == 0)
			list(path);
		if (o.read && o.kind == PAGES)
			a.value = contents_read(path, o.object, &o.pages,
						&kept[o.object % MAX_OBJECTS],
						&a.pages);
		else
			a.value = o.read ? look(&o, path) : change(&o, path);
		/* Its daemon has ended: uses the next mount at this place. */
		if (a.value == -ENOTCONN && chdir(dir))
			a.value = -errno;
		if (send(fd, &a, sizeof(a), 0) != sizeof(a))
			break;
	}
}

/* ---- coordinator ---- */

/*
 * A reader saw version `seen`. If `seen + 1` was acked before the read was
 * sent, the answer was stale by the time between the two.
 */
static void judge(struct worker *w, struct object *o, int64_t seen)
{
	uint64_t acked, age;
	int next = seen + 1, v;

	result.reads++;
	if (seen < 0 || seen > o->started) {
		result.impossible++;
		fprintf(stderr, "impossible: %s %d: version %lld of %d\n",
			kind_names[o->kind], w->order.object,
			(long long)seen, o->started);
		return;
	}
	if (next > o->version)
		return;
	/* Not remembered: at least as old as the oldest remembered change. */
	if (next < o->version - HISTORY / 2)
		next = o->version - HISTORY / 2;
	acked = o->acked[next % HISTORY];
	if (acked >= w->sent)
		return;
	age = w->sent - acked;
	result.stale[o->kind]++;
	if (age > result.oldest[o->kind])
		result.oldest[o->kind] = age;
	if (o->kind == DATA) {
		result.close++;
		fprintf(stderr, "close-to-open: data %d: %lld of %d, %.3f ms\n",
			w->order.object, (long long)seen, o->version,
			age / 1e6);
		return;
	}
	if (age > bound) {
		result.bound++;
		fprintf(stderr, "bound: %s %d: %lld of %d, %.3f ms old\n",
			kind_names[o->kind], w->order.object,
			(long long)seen, o->version, age / 1e6);
	}
	/* Its own client made one of the missed changes. */
	for (v = next; v <= o->version; v++) {
		if (o->acked[v % HISTORY] >= w->sent)
			break;
		if (o->client[v % HISTORY] != w->client)
			continue;
		result.own++;
		fprintf(stderr, "own: %s %d: %lld of %d, change %d was its own client's\n",
			kind_names[o->kind], w->order.object,
			(long long)seen, o->version, v);
		break;
	}
}

/* The newest version, at most `started`, that would look like `value`. */
static int64_t version_of(const struct object *o, int64_t value, int cycle)
{
	int v;

	for (v = o->started; v >= 0 && v > o->started - cycle; v--)
		if (v % cycle == value)
			return v;
	return -1;
}

static void name_seen(struct worker *w, struct object *o, int there)
{
	int name = w->order.version;

	/*
	 * Found: no rename away from the name was seen. Not found: the rename
	 * to it was missed, unless one away from it has started by now.
	 */
	if (there)
		judge(w, o, name);
	else if (name == o->started)
		judge(w, o, name - 1);
	else
		result.reads++;
}

static const struct contents_layout *layout(const struct object *o, int v)
{
	return &o->layout[v % LAYOUTS];
}

/*
 * Whether an open() may still have led to this older version: another client
 * replaced the name afterwards, and names may be as old as the bound.
 */
static bool name_allows(const struct worker *w, const struct object *o, int v)
{
	int next = v + 1;

	return next <= o->version &&
	       o->change[next % LAYOUTS].how == REPLACE &&
	       o->client[next % HISTORY] != w->client &&
	       w->sent - o->acked[next % HISTORY] <= bound;
}

/*
 * Whether each page is from some version since `least`: enough while a change is
 * in progress, and through a handle that stays open.
 */
static bool pages_since(const struct worker *w, const struct object *o,
			int least, const struct contents_seen *seen)
{
	const struct contents_order *order = &w->order.pages;
	int i, v;

	for (i = 0; i < seen->got / PIECE; i++) {
		/* A page that is being written. */
		if (seen->version[i] == PIECE_TORN && w->low != o->started)
			continue;
		for (v = o->started; v >= least; v--)
			if (contents_piece(layout(o, v), order, seen, i) ||
			    (seen->version[i] == PIECE_HOLE &&
			     layout(o, v)->size <= order->first + i))
				break;
		if (v < least)
			return false;
	}
	return true;
}

/* Counts pages that no allowed version has. */
static void pages_wrong(struct worker *w, struct object *o, int oldest,
			const struct contents_seen *seen)
{
	const struct contents_order *order = &w->order.pages;
	int rest = seen->size - order->first * PIECE, v, i;
	int lines = 0, wrong = 0;
	const char *what;
	uint64_t age;

	if (rest > order->count * PIECE)
		rest = order->count * PIECE;
	for (i = 0; i < seen->got / PIECE; i++) {
		lines |= seen->version[i] == PIECE_TORN;
		wrong |= seen->version[i] == PIECE_WRONG ||
			 seen->version[i] > o->started;
	}
	for (v = w->low - 1; v >= oldest; v--)
		if (contents_equal(layout(o, v), order, seen))
			break;
	if (wrong) {
		what = "impossible";
		result.impossible++;
	} else if (v >= oldest) {
		what = "close-to-open";
		result.close++;
		result.stale[PAGES]++;
		age = w->sent - o->acked[(v + 1) % HISTORY];
		if (age > result.oldest[PAGES])
			result.oldest[PAGES] = age;
	} else if (lines || seen->got != (rest < 0 ? 0 : rest)) {
		what = "torn";
		result.torn++;
	} else {
		what = "mixed";
		result.mixed++;
	}
	fprintf(stderr, "%s: pages %d, client %d, %s handle%s%s: pages %d to %d, versions %d to %d, %d bytes of a file of %d:",
		what, w->order.object, w->client,
		order->how & KEPT && !seen->opened ? "kept" : "new",
		order->how & COLD ? ", cold" : "",
		order->how & DIRECT ? ", direct" : "", order->first,
		order->first + order->count - 1, w->low, o->started, seen->got,
		seen->size);
	for (i = 0; i < seen->got / PIECE; i++)
		fprintf(stderr, " %d", seen->version[i]);
	/* Of the last changes: who, what, and how long ago. */
	for (v = w->low; v > oldest && v > w->low - 4; v--)
		fprintf(stderr, "; %d by client %d, %.0f ms before: %s %d+%d",
			v, o->client[v % HISTORY],
			(w->sent - o->acked[v % HISTORY]) / 1e6,
			how_names[o->change[v % LAYOUTS].how],
			o->change[v % LAYOUTS].first,
			o->change[v % LAYOUTS].count);
	fputc('\n', stderr);
}

static void pages_seen(struct worker *w, struct object *o,
		       const struct contents_seen *seen)
{
	const struct contents_order *order = &w->order.pages;
	int oldest = o->started - LAYOUTS / 2, v;
	int *least = &w->least[w->order.object];

	result.reads++;
	if (oldest < 0)
		oldest = 0;
	if (order->how & KEPT && seen->opened) {
		*least = w->low;
		/* It may be of the file that had the name before. */
		while (*least > oldest && name_allows(w, o, *least - 1))
			--*least;
	}
	if (order->how & KEPT && !seen->opened) {
		/* Older versions than `oldest` are not remembered. */
		if (*least >= oldest && !pages_since(w, o, *least, seen))
			pages_wrong(w, o, oldest, seen);
		return;
	}
	for (v = o->started; v >= oldest; v--)
		if ((v >= w->low || name_allows(w, o, v)) &&
		    contents_equal(layout(o, v), order, seen))
			return;
	if (w->low >= oldest &&
	    (w->low == o->started || !pages_since(w, o, w->low, seen)))
		pages_wrong(w, o, oldest, seen);
}

/*
 * Only a name that was replaced meanwhile, or within the bound before, can have
 * led to a file that is gone.
 */
static void open_missed(const struct worker *w, const struct object *o,
			uint64_t now)
{
	int old = o->started == w->low &&
		  w->sent - o->acked[w->low % HISTORY] > bound;

	fprintf(stderr, "%s: replaced %d: open() found nothing on client %d\n",
		old ? "impossible" : "missed", w->order.object, w->client);
	if (old) {
		result.impossible++;
		return;
	}
	if (result.missed < MISSES) {
		missed[result.missed].client = w->client;
		missed[result.missed].sent = w->sent;
		missed[result.missed].answered = now;
	}
	result.missed++;
}

static void answered(struct worker *w, int64_t value,
		     const struct contents_seen *pages)
{
	struct object *o = &objects[w->order.object];
	uint64_t now = now_ns();

	if (now - w->sent > result.longest)
		result.longest = now - w->sent;
	w->idle = 1;
	if (value == MISSED) {
		open_missed(w, o, now);
		return;
	}
	if (value < 0) {
		result.errors++;
		if (!w->order.read)
			o->busy = 0;	/* to be retried */
		return;
	}
	if (!w->order.read) {
		result.changes++;
		o->version = w->order.version;
		o->acked[o->version % HISTORY] = now;
		o->client[o->version % HISTORY] = w->client;
		o->busy = 0;
		return;
	}
	switch (o->kind) {
	case EXISTS:
	case FOLDER:
	case LINKS:
		judge(w, o, version_of(o, value, 2));
		break;
	case MODE:
		judge(w, o, version_of(o, value, 512));
		break;
	case NAME:
		name_seen(w, o, value);
		break;
	case DATA:
		if (value & TORN) {
			result.reads++;
			/* Allowed only while a worker writes it. */
			if (o->started == w->low && w->low == w->high) {
				result.torn++;
				fprintf(stderr, "torn: data %d\n",
					w->order.object);
			}
			break;
		}
		/* Empty: truncated by a writer that has not finished. */
		if (!value && (o->started != w->low || w->low != w->high)) {
			result.reads++;
			break;
		}
		judge(w, o, value);
		break;
	case PAGES:
		pages_seen(w, o, pages);
		break;
	default:
		judge(w, o, value);
		break;
	}
}

/*
 * Handles a worker on another machine whose connection has ended. Its read is
 * dropped. Its change stays started, and may have been made: readers may see
 * it, but need not, and the next worker that changes this object makes it
 * again. When that worker acks it, all must see it, including its own client.
 * Changes that a client acked before a reboot remain its own, because by then
 * every client must see them anyway.
 *
 * This is correct only if the lost attempt has ended: if it were executed
 * later, it would undo the changes after it, and cause false violations.
 * - It has ended if the worker's process has ended, because the end of the
 *   process is seen no sooner than the end of its operation (see join()).
 * - It has ended if the machine was rebooted. A machine that is cut off sends
 *   nothing; the proof is that its client returns with another boot id. Until
 *   then, also if the connection times out, the worker counts as not having
 *   answered: its object is not changed, but it is read and judged.
 *
 * While a change may have been made, a reader that sees a matching value counts
 * as having seen it. For the kinds with only two values (exists, folder,
 * links), this can hide a stale answer until the change is made again, for some
 * seconds.
 */
static void gone(struct worker *w)
{
	fprintf(stderr, "%.1f s: a worker of client %d is gone",
		(now_ns() - start) / 1e9, w->client);
	if (!w->idle && !w->order.read) {
		objects[w->order.object].busy = 0;
		fprintf(stderr, ", perhaps with %s %d: %d",
			kind_names[w->order.kind], w->order.object,
			w->order.version);
	}
	fputc('\n', stderr);
	result.lost++;
	close(w->fd);
	*w = workers[--worker_count];
}

/* Its connection has ended or timed out. */
static void broken(struct worker *w)
{
	if (!w->remote)
		die("a worker is gone");
	if (w->idle || !errno || errno == ECONNRESET || errno == EPIPE) {
		gone(w);
		return;
	}
	close(w->fd);
	w->fd = -1;
}

static int remote_workers(void)
{
	int i, n = 0;

	for (i = 0; i < worker_count; i++)
		n += workers[i].remote && workers[i].fd >= 0;
	return n;
}

/* Whether a worker may change it now. */
static int changeable(const struct object *o)
{
	if (o->busy)
		return 0;
	/* A client that does not see a rename yet would change the old file. */
	if (o->kind == PAGES && o->version &&
	    o->change[o->version % LAYOUTS].how == REPLACE &&
	    now_ns() - o->acked[o->version % HISTORY] <= bound)
		return 0;
	/*
	 * Retry only when no client can still see the state from before the
	 * last change, which looks as if this one had been made.
	 */
	return o->started == o->version ||
	       now_ns() - o->acked[o->version % HISTORY] > bound;
}

/* Mostly a write of a few pages. */
static void next_pages(struct object *o)
{
	struct contents_order *c = &o->change[o->started % LAYOUTS];

	c->how = random() % 8;
	if (c->how >= HOWS)
		c->how = WRITE;
	c->first = c->how == REPLACE ? 0 : random() % PIECES;
	c->count = 1 + random() % (PIECES - c->first);
	o->layout[o->started % LAYOUTS] =
		contents_after(layout(o, o->version), o->started, c);
}

/*
 * JuiceFS may answer a handle with what it read for it before a change. Without
 * O_DIRECT, such pages get into the kernel's page cache, and reads through newer
 * handles return them, also without the extension.
 */
static void read_pages(struct contents_order *c)
{
	static const int ways[] = { 0, COLD, DIRECT, KEPT | DIRECT };

	c->how = ways[random() % 4];
	if (c->how & KEPT && random() % 8 == 0)
		c->how |= REOPEN;
	c->first = random() % 2 ? 0 : random() % PIECES;
	c->count = 1 + random() % (PIECES - c->first);
}

static void give(struct worker *w)
{
	int n = random() % object_count;
	struct object *o = &objects[n];
	/* Blocks are served only after a file was unchanged for a while. */
	int rare = o->kind == PAGES ? 20 : 4;

	w->order = (struct order){ .kind = o->kind, .read = 1, .object = n };
	if (changeable(o) && random() % rare == 0) {
		w->order.read = 0;
		if (o->started == o->version) {
			o->started++;
			if (o->kind == PAGES)
				next_pages(o);
		} else {
			w->order.again = 1;
		}
		w->order.version = o->started;
		w->order.pages = o->change[o->started % LAYOUTS];
		o->busy = 1;
	} else if (o->kind == PAGES) {
		read_pages(&w->order.pages);
	} else if (o->kind == NAME) {
		w->order.version = o->version - random() % 2;
		if (w->order.version < 0)
			w->order.version = 0;
	}
	w->low = o->version;
	w->high = o->started;
	w->idle = 0;
	w->sent = now_ns();
	if (send(w->fd, &w->order, sizeof(w->order), MSG_NOSIGNAL) !=
	    sizeof(w->order))
		broken(w);
}

static void add_worker(int fd, int client)
{
	workers[worker_count++] = (struct worker){ .fd = fd, .client = client,
						   .idle = 1 };
}

/* A new or returning worker on another machine. */
static void welcome(void)
{
	struct hello hello;
	int fd = accept(listener, NULL, NULL), on = 1, i;

	if (fd < 0)
		return;
	/* The kernel waited for its first message (TCP_DEFER_ACCEPT). */
	if (recv(fd, &hello, sizeof(hello), MSG_DONTWAIT) != sizeof(hello)) {
		close(fd);
		return;
	}
	/* Backwards, because gone() moves the last worker to the free place. */
	for (i = worker_count - 1; i >= 0; i--)
		if (workers[i].remote && workers[i].client == (int)hello.client &&
		    memcmp(workers[i].boot, hello.boot, sizeof(hello.boot)))
			gone(&workers[i]);
	if (remote_workers() == remote_max || worker_count == MAX_WORKERS) {
		fprintf(stderr, "too many workers: one of client %u is rejected\n",
			hello.client);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	add_worker(fd, hello.client);
	workers[worker_count - 1].remote = 1;
	memcpy(workers[worker_count - 1].boot, hello.boot, sizeof(hello.boot));
	result.joined++;
	fprintf(stderr, "%.1f s: a worker of client %u has joined\n",
		(now_ns() - start) / 1e9, hello.client);
}

static void step(int timeout)
{
	struct pollfd fds[MAX_WORKERS + 1];
	int i, count = worker_count;
	struct answer a;
	ssize_t n;

	for (i = 0; i < count; i++)
		fds[i] = (struct pollfd){ workers[i].fd, POLLIN, 0 };
	fds[count] = (struct pollfd){ listener, POLLIN, 0 };
	if (poll(fds, count + 1, timeout) <= 0)
		return;
	/* Backwards, because gone() moves the last worker to the free place. */
	for (i = count - 1; i >= 0; i--) {
		if (!fds[i].revents)
			continue;
		errno = 0;
		n = recv(workers[i].fd, &a, sizeof(a), MSG_WAITALL);
		if (n == sizeof(a))
			answered(&workers[i], a.value, &a.pages);
		else
			broken(&workers[i]);
	}
	if (fds[count].revents)
		welcome();
}

/* The first worker creates version 0 of everything. */
static void prepare(const char *dir)
{
	char path[544];
	int i;

	for (i = 0; i < object_count; i++) {
		struct object *o = &objects[i];

		o->kind = only < KINDS ? only : i % KINDS;
		snprintf(path, 512, "%s/%s%d", dir, kind_names[o->kind], i);
		if (mkdir(path, 0755) && errno != EEXIST)
			die(path);
		strcat(path, o->kind == NAME ? "/x.0" : "/x");
		/* Files of an earlier run would look like a change. */
		if ((o->kind == FOLDER ? rmdir(path) : unlink(path)) &&
		    errno != ENOENT)
			die(path);
		if (o->kind == LINKS) {
			/* of an earlier run: link() would fail */
			strcat(path, ".link");
			unlink(path);
			path[strlen(path) - strlen(".link")] = 0;
		}
		if (o->kind == EXISTS || o->kind == FOLDER)
			continue;
		if (o->kind == PAGES) {
			if (contents_make(path, i, 0))
				die(path);
			contents_first(&o->layout[0]);
			continue;
		}
		if (o->kind == DATA ? make_stamped(path, 0, O_TRUNC) :
		    close(open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644)))
			die(path);
		if (o->kind == MODE && chmod(path, 0))
			die(path);
		if (o->kind == TIMES) {
			struct timespec zero[2] = {};

			if (utimensat(AT_FDCWD, path, zero, 0))
				die(path);
		}
	}
}

static int report(FILE *to)
{
	double seconds = (now_ns() - start) / 1e9;
	uint64_t oldest = 0, bad;
	int k;

	bad = result.bound + result.own + result.close + result.torn +
	      result.mixed + result.missed + result.impossible;
	fprintf(to, "{\"seconds\":%.1f,\"bound_ms\":%.3f,\"workers\":%d,\"lost\":%d,\"joined\":%d,\"reads\":%llu,\"changes\":%llu,\"errors\":%llu,\"longest_ms\":%.1f,",
	       seconds, bound / 1e6, worker_count,
	       result.lost, result.joined,
	       (unsigned long long)result.reads,
	       (unsigned long long)result.changes,
	       (unsigned long long)result.errors, result.longest / 1e6);
	fprintf(to, "\"stale\":{");
	for (k = 0; k < KINDS; k++) {
		fprintf(to, "%s\"%s\":{\"reads\":%llu,\"oldest_ms\":%.3f}",
		       k ? "," : "", kind_names[k],
		       (unsigned long long)result.stale[k],
		       result.oldest[k] / 1e6);
		if (result.oldest[k] > oldest)
			oldest = result.oldest[k];
	}
	fprintf(to, "},\"missed\":[");
	for (k = 0; k < MISSES && (uint64_t)k < result.missed; k++)
		fprintf(to, "%s{\"client\":%d,\"sent_s\":%.6f,\"answered_s\":%.6f}",
			k ? "," : "", missed[k].client, missed[k].sent / 1e9,
			missed[k].answered / 1e9);
	fprintf(to, "],\"oldest_ms\":%.3f,\"violations\":{\"bound\":%llu,\"own\":%llu,\"close\":%llu,\"torn\":%llu,\"mixed\":%llu,\"missed\":%llu,\"impossible\":%llu}}\n",
	       oldest / 1e6, (unsigned long long)result.bound,
	       (unsigned long long)result.own,
	       (unsigned long long)result.close,
	       (unsigned long long)result.torn,
	       (unsigned long long)result.mixed,
	       (unsigned long long)result.missed,
	       (unsigned long long)result.impossible);
	fflush(to);
	return bad ? 1 : 0;
}

static void local(const char *dir, int client)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair");
	switch (fork()) {
	case -1:
		die("fork");
		break;
	case 0:
		close(pair[0]);
		/* Ends with the coordinator, which handles Ctrl-C. */
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		signal(SIGUSR1, SIG_IGN);
		work(dir, pair[1]);
		_exit(0);
	}
	close(pair[1]);
	add_worker(pair[0], client);
}

/*
 * Accepts workers on other machines. They are not authenticated, so it listens
 * only on the given address, which must be in a private network.
 */
static void accept_workers(const char *where)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	unsigned int port, count;
	int on = 1, seconds = 5;
	char address[16];

	if (sscanf(where, "%15[0-9.]:%u:%u", address, &port, &count) != 3 ||
	    inet_pton(AF_INET, address, &a.sin_addr) != 1 || port > 65535 ||
	    !count || count > (unsigned int)(MAX_WORKERS - worker_count)) {
		fprintf(stderr,
			"efuse-check: --accept %s: not ADDRESS:PORT:N (an IPv4 address of this machine, a port and the number of workers, for example 10.77.0.11:7000:2), or more than %d workers in all\n",
			where, MAX_WORKERS);
		exit(2);
	}
	a.sin_port = htons(port);
	remote_max = count;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
		   sizeof(seconds));
	if (bind(listener, (void *)&a, sizeof(a)) || listen(listener, count))
		die(where);
	fprintf(stderr, "waiting for %u workers at %s:%u\n", count, address,
		port);
	while (remote_workers() < remote_max && !ended)
		step(1000);
}

/* A descriptor above all those that work() opens. */
#define LAST_FD	500

static int join(const char *dir, char *address, uint32_t client)
{
	struct addrinfo *found, hints = { .ai_socktype = SOCK_STREAM };
	struct hello hello = { .client = client };
	char *colon = strrchr(address, ':');
	int fd, last, on = 1;

	if (!colon) {
		fprintf(stderr, "efuse-check: --join %s: not HOST:PORT\n",
			address);
		return 2;
	}
	*colon = 0;
	if (getaddrinfo(address, colon + 1, &hints, &found))
		die(address);
	/* Before it joins: a missing folder must not count as a lost worker. */
	if (chdir(dir))
		die(dir);
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
	if (fd < 0 || read(fd, hello.boot, sizeof(hello.boot)) !=
	    sizeof(hello.boot))
		die("boot_id");
	close(fd);
	fd = socket(found->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen))
		die(address);
	/*
	 * The kernel closes, and flushes, the files of a killed process in the
	 * order of their descriptors. With this high number, the connection
	 * ends last.
	 */
	last = fcntl(fd, F_DUPFD, LAST_FD);
	if (last < 0)
		die("fcntl");
	close(fd);
	setsockopt(last, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (send(last, &hello, sizeof(hello), 0) != sizeof(hello))
		die("send");
	work(".", last);
	return 0;
}

static void on_signal(int number)
{
	if (number == SIGUSR1)
		asked = 1;
	else
		ended = 1;
}

static const char usage[] =
"Usage: efuse-check [options] DIR...        one folder of the same volume per\n"
"                                           client; the first prepares it\n"
"       efuse-check --join HOST:PORT --client N DIR\n"
"                                           a worker on another machine; each\n"
"                                           machine is a separate client\n"
"  --bound MS      maximum age of a stat (default 100)\n"
"  --seconds N     duration (default 10)\n"
"  --reads N       continue until N reads were checked, at most 20 times the duration\n"
"  --workers N     workers for each DIR (default 2)\n"
"  --objects N     files and folders, 1 to 256 (default 36)\n"
"  --only KIND     all of one kind: size, mode, times, exists, folder, name,\n"
"                  replaced, links, data, pages\n"
"  --seed N        seed of the random operations (default: from the clock)\n"
"  --accept ADDRESS:PORT:N wait for N workers on other machines, with client numbers\n"
"                  from 100. They may leave and return, for example after a reboot;\n"
"                  a worker that returns counts as a new one\n"
"Prints one line of JSON; `missed` has the first 64 opens that found nothing, with seconds\n"
"of CLOCK_MONOTONIC. SIGUSR1 prints the current counts to standard error; SIGINT\n"
"and SIGTERM end the run. Exits with 1 if there was a violation.\n"
"Example: efuse-check --bound 50 --seconds 60 /jfs1/check /jfs2/check\n";

/* Parses the value of an option as an integer, or ends the program. */
static unsigned long number(const char *option, const char *text,
			    unsigned long least, unsigned long most)
{
	unsigned long value;

	if (ext_whole_number(text, least, most, &value))
		return value;
	fprintf(stderr,
		"efuse-check: --%s %s: not a whole number from %lu to %lu\n",
		option, text, least, most);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "bound", 1, NULL, 'b' }, { "seconds", 1, NULL, 's' },
		{ "workers", 1, NULL, 'w' }, { "objects", 1, NULL, 'o' },
		{ "seed", 1, NULL, 'r' }, { "accept", 1, NULL, 'a' },
		{ "only", 1, NULL, 'k' }, { "reads", 1, NULL, 'n' }, { "join", 1, NULL, 'j' }, { "client", 1, NULL, 'c' },
		{ "help", 0, NULL, 'h' }, {}
	};
	char *accepts = NULL, *joins = NULL;
	int per_dir = 2, seconds = 10, client = 100, i, n, o;
	uint64_t reads = 0, limit;
	uint64_t seed = time(NULL);

	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (o) {
		case 'b':
			bound = number("bound", optarg, 0, 3600000) * 1000000;
			break;
		case 's':
			seconds = number("seconds", optarg, 1, 1000000);
			break;
		case 'w':
			per_dir = number("workers", optarg, 1, MAX_WORKERS);
			break;
		case 'o':
			object_count = number("objects", optarg, 1,
					      MAX_OBJECTS);
			break;
		case 'k':
			only = 0;
			while (only < KINDS && strcmp(optarg, kind_names[only]))
				only++;
			if (only < KINDS)
				break;
			fprintf(stderr, "efuse-check: --only %s: not a kind of object\n",
				optarg);
			return 2;
		case 'r':
			seed = number("seed", optarg, 0, ULONG_MAX);
			break;
		case 'a':
			accepts = optarg;
			break;
		case 'n':
			reads = number("reads", optarg, 0, ULONG_MAX);
			break;
		case 'j':
			joins = optarg;
			break;
		case 'c':
			client = number("client", optarg, 0, 1000000);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return 2;
	}
	if (joins)
		return join(argv[optind], joins, client);

	if (per_dir * (argc - optind) > MAX_WORKERS) {
		fprintf(stderr, "efuse-check: at most %d workers in all\n",
			MAX_WORKERS);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	prepare(argv[optind]);
	start = now_ns();
	for (i = optind; i < argc; i++)
		for (n = 0; n < per_dir; n++)
			local(argv[i], i - optind);
	signal(SIGUSR1, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (accepts)
		accept_workers(accepts);

	srandom(seed);
	fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	/*
	 * The state from before the preparation may be visible until the bound
	 * has passed.
	 */
	usleep(bound / 1000 + 100000);
	start = now_ns();
	limit = seconds * 1000000000ULL;
	while (!ended &&
	       (now_ns() - start < limit ||
		(result.reads < reads && now_ns() - start < 20 * limit))) {
		for (i = worker_count - 1; i >= 0; i--)
			if (workers[i].idle)
				give(&workers[i]);
		step(100);
		if (asked) {
			asked = 0;
			report(stderr);
		}
	}
	/* Do not wait for a worker that hangs. */
	for (i = 0; i < 100; i++) {
		for (n = 0, o = 0; n < worker_count; n++)
			o += !workers[n].idle;
		if (!o)
			break;
		step(100);
	}
	for (i = 0; i < worker_count; i++)
		shutdown(workers[i].fd, SHUT_RDWR);
	return report(stdout);
}
