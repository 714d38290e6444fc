// SPDX-License-Identifier: GPL-2.0
/*
 * tracking.c - receives the changes of all clients from Redis
 *
 * One connection uses CLIENT TRACKING ON BCAST on the prefixes of JuiceFS'
 * inodes, directories and extended attributes. Redis sends the invalidations of
 * a command before it answers a later one on the same connection, so the reply
 * to a heartbeat sent at time t proves that everything committed before t has
 * been received. The lease is renewed to t + bound, never from the time of the
 * reply. A new connection may have missed changes, so once it tracks, the epoch
 * is raised, and only then is the lease renewed.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include "agent.h"

#define RETRY		(200 * NSEC_PER_MSEC)
#define SESSION_AGAIN	NSEC_PER_SEC
#define TYPE_DIR	2		/* first byte of a directory's values */

static redisContext *conn;
static uint64_t beat_sent;		/* 0: none is in flight */
static uint64_t beat_next, retry_at, lease;
static bool has_role = true;
static char volume[64];			/* UUID; empty: not connected */
static redisContext *looking;		/* of a preflight */

/*
 * The mount's session. Its daemon renews it in its own database only, so a copy
 * of the database, which has the same UUID, is recognised by a session that
 * expires, or that another process has: each copy gives the same numbers to its
 * new sessions.
 */
static struct {
	uint64_t id;			/* 0: none */
	double heartbeat;		/* s between renewals */
	pid_t daemon;
	bool is_daemon;			/* its process is the daemon */
	bool stale;			/* the replies in flight are of another */
	unsigned int asked;		/* replies in flight */
	uint64_t next;			/* when to ask again */
	enum { UNKNOWN, LIVES, ENDED } state;
} session;

static bool track(redisContext *c)
{
	char i[72], d[72], x[72];
	redisReply *r;

	snprintf(i, sizeof(i), "%si", opt.key_prefix);
	snprintf(d, sizeof(d), "%sd", opt.key_prefix);
	snprintf(x, sizeof(x), "%sx", opt.key_prefix);
	r = REDIS_RUN(c, "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", i,
		"PREFIX", d, "PREFIX", x);
	freeReplyObject(r);
	return r;
}

/*
 * Reads which volume the database contains. Tracking succeeds in any database,
 * so without this an agent on the wrong one would renew its lease but never
 * receive changes.
 */
static bool read_volume(redisContext *c)
{
	const char *uuid;
	char key[80];
	redisReply *r;
	json_t *doc;

	*volume = 0;
	if (opt.any_config)
		return true;
	snprintf(key, sizeof(key), "%ssetting", opt.key_prefix);
	r = REDIS_RUN(c, "GET", key);
	doc = r && r->str ? json_loadb(r->str, r->len, 0, NULL) : NULL;
	uuid = json_string_value(json_object_get(doc, "UUID"));
	snprintf(volume, sizeof(volume), "%s", uuid ?: "");
	if (!uuid)
		say("Redis at --meta has no JuiceFS volume (no key %s)", key);
	json_decref(doc);
	freeReplyObject(r);
	return *volume;
}

const char *tracking_volume(void)
{
	return volume;
}

/*
 * Each renewal sets the session's end to five heartbeats later, by the clock of
 * this machine. So less than two are left only after missed renewals.
 */
static void note_session(const redisReply *r)
{
	double end = 0;
	struct timespec now;

	if (r && r->type == REDIS_REPLY_DOUBLE)
		end = r->dval;
	clock_gettime(CLOCK_REALTIME, &now);
	session.state = session.is_daemon &&
			end >= now.tv_sec + 2 * session.heartbeat ? LIVES :
								    ENDED;
}

static void note_process(const redisReply *r)
{
	json_t *doc = r && r->str ? json_loadb(r->str, r->len, 0, NULL) : NULL;

	session.is_daemon = json_integer_value(json_object_get(
				    doc, "ProcessID")) == session.daemon;
	json_decref(doc);
}

/* The words of the two commands about a session. */
struct session_words {
	char infos[80], ends[80], id[24];
};

static struct session_words session_words(void)
{
	struct session_words w;

	snprintf(w.infos, sizeof(w.infos), "%ssessionInfos", opt.key_prefix);
	snprintf(w.ends, sizeof(w.ends), "%sallSessions", opt.key_prefix);
	snprintf(w.id, sizeof(w.id), "%llu", (unsigned long long)session.id);
	return w;
}

/* For a preflight, which has no heartbeats. */
static void look_for_session(void)
{
	struct session_words w = session_words();
	redisReply *r;

	r = REDIS_RUN(looking, "HGET", w.infos, w.id);
	note_process(r);
	freeReplyObject(r);
	r = REDIS_RUN(looking, "ZSCORE", w.ends, w.id);
	note_session(r);
	freeReplyObject(r);
}

bool tracking_session(uint64_t id, double heartbeat, pid_t daemon)
{
	if (id != session.id || daemon != session.daemon) {
		session.id = id;
		session.heartbeat = heartbeat;
		session.daemon = daemon;
		session.stale = session.asked;
		session.state = UNKNOWN;
		session.next = 0;
		if (looking)
			look_for_session();
	}
	return session.state != ENDED;
}

static bool session_lives(void)
{
	return session.state == LIVES || opt.any_config || FAULT(NO_SESSION);
}

static void lost(const char *why)
{
	if (conn) {
		say("Redis: %s", why);
		redisFree(conn);
	}
	conn = NULL;
	*volume = 0;
	beat_sent = 0;
	session.asked = 0;
	session.next = 0;
	session.state = UNKNOWN;
	retry_at = now_ns() + RETRY;
	if (!FAULT(NO_RECONNECT_EPOCH)) {
		lease = 0;
		sink->lease(0);
	}
}

static void renew(uint64_t sent)
{
	uint64_t until = sent + opt.bound;

	if (until <= lease || !mount_is_of(volume) || !session_lives())
		return;
	lease = until;
	sink->lease(lease);
}

static void beat(void)
{
	struct session_words w;

	beat_sent = now_ns();
	beat_next = beat_sent + opt.bound / 4;
	if (session.id && beat_sent >= session.next) {
		w = session_words();
		redisAppendCommand(conn, "HGET %s %s", w.infos, w.id);
		redisAppendCommand(conn, "ZSCORE %s %s", w.ends, w.id);
		session.asked = 2;
		session.stale = false;
		session.next = beat_sent + SESSION_AGAIN;
	}
	if (has_role)
		redisAppendCommand(conn, "ROLE");
	else
		redisAppendCommand(conn, "PING");
	tracking_ready(POLLOUT);
}

static void connect_now(void)
{
	redisContext *c = redis_connect();

	/*
	 * Track first, so that Redis reports it if the volume is formatted
	 * again meanwhile.
	 */
	if (!c || !track(c) || !read_volume(c)) {
		if (c)
			redisFree(c);
		*volume = 0;
		retry_at = now_ns() + RETRY;
		return;
	}
	fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
	c->flags &= ~REDIS_BLOCK;
	/* Pushes are handled in order with the replies. */
	redisSetPushCallback(c, NULL);
	conn = c;
	counters.connects++;
	if (!FAULT(NO_RECONNECT_EPOCH))
		sink->all();
	beat();
}

/* i<inode>, d<inode>, x<inode>; others share the letter (dirUsedSpace). */
static void invalidate(const char *key, size_t len)
{
	size_t n = strlen(opt.key_prefix), i;
	uint64_t ino = 0;
	char kind;

	if (len < n + 2 || memcmp(key, opt.key_prefix, n))
		return;
	kind = key[n];
	for (i = n + 1; i < len; i++) {
		if (key[i] < '0' || key[i] > '9')
			return;
		ino = ino * 10 + (key[i] - '0');
	}
	counters.invalidated++;
	if (kind == 'd')
		sink->dir(ino);
	else
		sink->inode(ino);
}

/* Handles the next of the two replies about the session. */
static void session_reply(const redisReply *r)
{
	session.asked--;
	if (session.stale)
		return;
	if (session.asked)
		note_process(r);
	else
		note_session(r);
}

static void push(const redisReply *r)
{
	size_t i;

	if (r->elements < 2 || r->element[0]->type != REDIS_REPLY_STRING ||
	    strcmp(r->element[0]->str, "invalidate"))
		return;
	if (FAULT(NO_PUSH))
		return;
	counters.pushes++;
	if (r->element[1]->type == REDIS_REPLY_ARRAY) {
		for (i = 0; i < r->element[1]->elements; i++)
			invalidate(r->element[1]->element[i]->str,
				   r->element[1]->element[i]->len);
	} else {
		sink->all();		/* FLUSHALL, FLUSHDB */
	}
}

/* Handles the reply to the heartbeat; false if this is no longer a master. */
static bool heartbeat(const redisReply *r)
{
	if (r->type == REDIS_REPLY_ERROR) {
		if (!has_role || strncmp(r->str, "NOPERM", 6))
			return false;
		has_role = false;	/* this user may not run ROLE */
	} else if (has_role && (r->type != REDIS_REPLY_ARRAY ||
				!r->elements ||
				r->element[0]->type != REDIS_REPLY_STRING ||
				strcmp(r->element[0]->str, "master"))) {
		return false;
	}
	renew(beat_sent);
	beat_sent = 0;
	counters.heartbeats++;
	return true;
}

void tracking_ready(short revents)
{
	redisReply *r;
	void *reply;
	int done;

	if (!conn)
		return;
	if (revents & POLLOUT) {
		if (redisBufferWrite(conn, &done) != REDIS_OK) {
			lost(conn->errstr);
			return;
		}
	}
	if (!(revents & (POLLIN | POLLERR | POLLHUP)))
		return;
	if (redisBufferRead(conn) != REDIS_OK) {
		lost(conn->errstr);
		return;
	}
	for (;;) {
		reply = NULL;
		if (redisGetReplyFromReader(conn, &reply) != REDIS_OK) {
			lost(conn->errstr);
			return;
		}
		r = reply;
		if (!r)
			return;
		if (r->type == REDIS_REPLY_PUSH) {
			push(r);
		} else if (session.asked) {
			session_reply(r);
		} else if (!heartbeat(r)) {
			freeReplyObject(r);
			lost("not the master (any more)");
			return;
		}
		freeReplyObject(r);
	}
}

bool tracking_wants_write(void)
{
	return conn && sdslen(conn->obuf);
}

int tracking_fd(void)
{
	return conn ? conn->fd : -1;
}

int tracking_timeout(void)
{
	uint64_t now = now_ns();
	uint64_t at = !conn ? retry_at : beat_sent ?
		      beat_sent + 3 * opt.bound + NSEC_PER_SEC : beat_next;

	/* Otherwise a new mount waits for its lease. */
	if (conn && !beat_sent && session.id && session.state == UNKNOWN)
		return 0;
	if (at <= now)
		return 0;
	if (FAULT(EARLY_RENEWAL))
		return 5;
	return (at - now) / NSEC_PER_MSEC + 1;
}

void tracking_tick(void)
{
	if (FAULT(EARLY_RENEWAL))
		renew(now_ns());
	if (tracking_timeout())
		return;
	if (!conn)
		connect_now();
	else if (beat_sent)
		lost("no answer to the heartbeat");
	else
		beat();
}

uint64_t tracking_lease(void)
{
	return lease;
}

bool tracking_list(uint64_t dir, dir_entry_fn *fn)
{
	static redisContext *c;		/* for ordinary requests */
	char key[96];
	redisReply *r;
	size_t i, n;

	if (!c) {
		c = redis_connect();
		if (!c)
			return false;
	}
	snprintf(key, sizeof(key), "%sd%llu", opt.key_prefix,
		 (unsigned long long)dir);
	r = REDIS_RUN(c, "HGETALL", key);
	if (!r) {
		redisFree(c);
		c = NULL;
		return false;
	}
	/* A field is a name; its value is the type and the inode. */
	for (i = 0; i + 1 < r->elements; i += 2) {
		const redisReply *v = r->element[i + 1];
		uint64_t ino = 0;

		if (v->len != 9)
			continue;
		for (n = 1; n < 9; n++)
			ino = ino << 8 | (uint8_t)v->str[n];
		fn(ino, v->str[0] == TYPE_DIR, r->element[i]->str,
		   r->element[i]->len);
	}
	freeReplyObject(r);
	return true;
}

void tracking_look(void)
{
	redis_start();
	looking = redis_connect();
	if (looking)
		read_volume(looking);
}

void tracking_start(void)
{
	redis_start();
	connect_now();
}
