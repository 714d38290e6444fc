// SPDX-License-Identifier: GPL-2.0
/*
 * tracking.c - learns from Redis what any client changes
 *
 * One connection holds CLIENT TRACKING ON BCAST on the prefixes of JuiceFS'
 * inodes, directories and extended attributes. Redis writes the invalidations
 * of a command before it answers a later one on the same connection, so the
 * reply to a heartbeat that was sent at time t says: everything that was
 * committed before t has been seen. The lease is renewed to t + bound, never
 * from the time of the reply. A new connection may have missed anything: the
 * epoch is raised once it tracks, and only then is the lease renewed again.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include "agent.h"

#define RETRY		(200 * NSEC_PER_MSEC)
#define DIAL_TIMEOUT	{ 2, 0 }
#define TYPE_DIR	2		/* first byte of a directory's values */

static struct address {
	bool tls;
	char user[64];
	char host[512];			/* master,sentinel,sentinel: Sentinel */
	int port;
	int db;
} address;

static redisContext *conn;
static SSL_CTX *tls;
static uint64_t beat_sent;		/* 0: none is on its way */
static uint64_t beat_next, retry_at, lease;
static bool has_role = true;

/* Splits redis[s]://[user[:password]@]host[:port][/db][?query]. */
static void parse(const char *url)
{
	char copy[1024], *p = copy, *at, *slash, *colon, *end;

	snprintf(copy, sizeof(copy), "%s", url);
	if (!strncmp(p, "rediss://", 9))
		address.tls = true, p += 9;
	else if (!strncmp(p, "redis://", 8))
		p += 8;
	else
		fatal("--meta: only redis:// and rediss:// can be tracked");
	slash = strchr(p, '?');
	if (slash) {
		if (strstr(slash, "route-read=replica"))
			fatal("--meta: route-read=replica: a replica's answers can be old, so nothing of them can be kept");
		if (strstr(slash, "client-cache=true") &&
		    opt.mode == EFUSE_LEASE)
			fatal("--meta: client-cache=true: the daemon's own answers can be old, so nothing of them can be kept");
		*slash = 0;
	}
	at = strrchr(p, '@');
	if (at) {
		*at = 0;
		colon = strchr(p, ':');
		if (colon && colon[1])
			fatal("--meta must not carry a password: use --password-file");
		if (colon)
			*colon = 0;
		snprintf(address.user, sizeof(address.user), "%.63s", p);
		p = at + 1;
	}
	slash = strchr(p, '/');
	if (slash) {
		*slash = 0;
		address.db = atoi(slash + 1);
	}
	address.port = strchr(p, ',') ? 26379 : 6379;
	if (*p == '[') {
		end = strchr(++p, ']');
		if (!end)
			fatal("--meta: an address that begins with [ ends with ]");
		*end = 0;
		colon = end[1] == ':' ? end + 1 : NULL;
	} else {
		colon = strrchr(p, ':');
	}
	if (colon) {
		*colon = 0;
		address.port = atoi(colon + 1);
	}
	snprintf(address.host, sizeof(address.host), "%.511s", p);
}

/* The first line of the file; read anew each time, so it can be rotated. */
static bool password(char *to, size_t size)
{
	FILE *in;

	*to = 0;
	if (!opt.password_file)
		return true;
	in = fopen(opt.password_file, "re");
	if (!in || !fgets(to, size, in)) {
		say("%s: %s", opt.password_file, strerror(errno));
		if (in)
			fclose(in);
		return false;
	}
	fclose(in);
	to[strcspn(to, "\r\n")] = 0;
	return true;
}

static const char *tls_error(void)
{
	return ERR_reason_error_string(ERR_peek_last_error()) ?: "no reason";
}

/* Whom to trust, and who we are. */
static void tls_setup(void)
{
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls)
		fatal("TLS: %s", tls_error());
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	if (opt.tls_ca ? !SSL_CTX_load_verify_locations(tls, opt.tls_ca, NULL) :
			 !SSL_CTX_set_default_verify_paths(tls))
		fatal("--tls-ca %s: %s", opt.tls_ca ?: "", tls_error());
	if (opt.tls_cert && SSL_CTX_use_certificate_chain_file(tls, opt.tls_cert) != 1)
		fatal("--tls-cert %s: %s", opt.tls_cert, tls_error());
	if (opt.tls_key && SSL_CTX_use_PrivateKey_file(tls, opt.tls_key,
						       SSL_FILETYPE_PEM) != 1)
		fatal("--tls-key %s: %s", opt.tls_key, tls_error());
}

/* The certificate must be the host's, by name or by address. */
static bool tls_start(redisContext *c, const char *host)
{
	SSL *ssl = SSL_new(tls);
	X509_VERIFY_PARAM *param;

	if (!ssl)
		fatal("TLS: %s", tls_error());
	param = SSL_get0_param(ssl);
	if ((X509_VERIFY_PARAM_set1_ip_asc(param, host) ||
	     (X509_VERIFY_PARAM_set1_host(param, host, 0) &&
	      SSL_set_tlsext_host_name(ssl, host))) &&
	    redisInitiateSSL(c, ssl) == REDIS_OK)
		return true;	/* it is the connection's now */
	SSL_free(ssl);
	return false;
}

static redisContext *dial(const char *host, int port)
{
	struct timeval timeout = DIAL_TIMEOUT;
	redisContext *c = redisConnectWithTimeout(host, port, timeout);
	int on = 1;

	if (!c)
		return NULL;
	if (!c->err)
		redisSetTimeout(c, timeout);
	if (!c->err && tls && !tls_start(c, host)) {
		say("TLS with %s: %s", host, c->errstr);
		redisFree(c);
		return NULL;
	}
	if (c->err) {
		redisFree(c);
		return NULL;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return c;
}

static redisReply *run(redisContext *c, int argc, const char **argv)
{
	redisReply *r = redisCommandArgv(c, argc, argv, NULL);

	if (r && r->type == REDIS_REPLY_ERROR) {
		say("%s: %s", argv[0], r->str);
		freeReplyObject(r);
		return NULL;
	}
	return r;
}

#define RUN(c, ...) ({							\
	const char *argv_[] = { __VA_ARGS__ };				\
	run(c, sizeof(argv_) / sizeof(*argv_), argv_);			\
})

/* Ask the sentinels, one after the other, who the master is. */
static redisContext *dial_master(void)
{
	char copy[512], *name, *host, *rest = copy;
	redisContext *c, *master = NULL;
	redisReply *r;

	if (!strchr(address.host, ','))
		return dial(address.host, address.port);
	strcpy(copy, address.host);
	name = strsep(&rest, ",");
	while (!master && (host = strsep(&rest, ","))) {
		c = dial(host, address.port);
		if (!c)
			continue;
		r = RUN(c, "SENTINEL", "get-master-addr-by-name", name);
		if (r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
		    r->element[0]->type == REDIS_REPLY_STRING &&
		    r->element[1]->type == REDIS_REPLY_STRING)
			master = dial(r->element[0]->str,
				      atoi(r->element[1]->str));
		freeReplyObject(r);
		redisFree(c);
	}
	return master;
}

static bool hello(redisContext *c)
{
	char secret[512];
	redisReply *r;

	if (!password(secret, sizeof(secret)))
		return false;
	if (*secret)
		r = RUN(c, "HELLO", "3", "AUTH",
			*address.user ? address.user : "default", secret);
	else
		r = RUN(c, "HELLO", "3");
	explicit_bzero(secret, sizeof(secret));
	freeReplyObject(r);
	return r;
}

static bool select_db(redisContext *c)
{
	char db[16];
	redisReply *r;

	snprintf(db, sizeof(db), "%d", address.db);
	r = RUN(c, "SELECT", db);
	freeReplyObject(r);
	return r;
}

static bool track(redisContext *c)
{
	char i[72], d[72], x[72];
	redisReply *r;

	snprintf(i, sizeof(i), "%si", opt.key_prefix);
	snprintf(d, sizeof(d), "%sd", opt.key_prefix);
	snprintf(x, sizeof(x), "%sx", opt.key_prefix);
	r = RUN(c, "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", i,
		"PREFIX", d, "PREFIX", x);
	freeReplyObject(r);
	return r;
}

static void lost(const char *why)
{
	if (conn) {
		say("Redis: %s", why);
		redisFree(conn);
	}
	conn = NULL;
	beat_sent = 0;
	retry_at = now_ns() + RETRY;
	if (!(opt.fault & EFUSE_FAULT(NO_RECONNECT_EPOCH))) {
		lease = 0;
		sink->lease(0);
	}
}

static void renew(uint64_t sent)
{
	uint64_t until = sent + opt.bound;

	if (until <= lease)
		return;
	lease = until;
	sink->lease(lease);
}

static void beat(void)
{
	beat_sent = now_ns();
	beat_next = beat_sent + opt.bound / 4;
	if (has_role)
		redisAppendCommand(conn, "ROLE");
	else
		redisAppendCommand(conn, "PING");
	tracking_ready(POLLOUT);
}

static void connect_now(void)
{
	redisContext *c = dial_master();

	if (!c || !hello(c) || !select_db(c) || !track(c)) {
		if (c)
			redisFree(c);
		retry_at = now_ns() + RETRY;
		return;
	}
	fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
	c->flags &= ~REDIS_BLOCK;
	/* Pushes come to us in their order among the replies. */
	redisSetPushCallback(c, NULL);
	conn = c;
	counters.connects++;
	if (!(opt.fault & EFUSE_FAULT(NO_RECONNECT_EPOCH)))
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

static void push(const redisReply *r)
{
	size_t i;

	if (r->elements < 2 || r->element[0]->type != REDIS_REPLY_STRING ||
	    strcmp(r->element[0]->str, "invalidate"))
		return;
	if (opt.fault & EFUSE_FAULT(NO_PUSH))
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

/* The reply to the heartbeat; false: this is no master any more. */
static bool heartbeat(const redisReply *r)
{
	if (r->type == REDIS_REPLY_ERROR) {
		if (!has_role || strncmp(r->str, "NOPERM", 6))
			return false;
		has_role = false;	/* this user may not ask */
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

	if (at <= now)
		return 0;
	if (opt.fault & EFUSE_FAULT(EARLY_RENEWAL))
		return 5;
	return (at - now) / NSEC_PER_MSEC + 1;
}

void tracking_tick(void)
{
	if (opt.fault & EFUSE_FAULT(EARLY_RENEWAL))
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
	static redisContext *c;		/* of its own, for plain requests */
	char key[96];
	redisReply *r;
	size_t i, n;

	if (!c) {
		c = dial_master();
		if (!c)
			return false;
		if (!hello(c) || !select_db(c)) {
			redisFree(c);
			c = NULL;
			return false;
		}
	}
	snprintf(key, sizeof(key), "%sd%llu", opt.key_prefix,
		 (unsigned long long)dir);
	r = RUN(c, "HGETALL", key);
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

void tracking_start(void)
{
	parse(opt.meta);
	if (address.tls) {
		redisInitOpenSSL();
		tls_setup();
	}
	connect_now();
}
