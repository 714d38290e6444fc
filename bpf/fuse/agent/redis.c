// SPDX-License-Identifier: GPL-2.0
/* redis.c - connections to the database of --meta, directly or by Sentinel */
#include <ctype.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include "agent.h"
#include "number.h"

#define DIAL_TIMEOUT	{ 2, 0 }

static struct address {
	bool tls;
	char user[64];
	char host[512];			/* master,sentinel,sentinel: Sentinel */
	int port;
	int db;
} address;

static SSL_CTX *tls;
static __thread char trouble[256];	/* last message */

/* Prints once, not at each of many attempts. */
#define say_once(fmt, ...) do {						\
	char now_[sizeof(trouble)];					\
									\
	snprintf(now_, sizeof(now_), fmt, ##__VA_ARGS__);		\
	if (strcmp(now_, trouble))					\
		say("%s", now_);					\
	strcpy(trouble, now_);						\
} while (0)

static int number(const char *what, const char *text, unsigned long least,
		  unsigned long most)
{
	unsigned long value;

	if (!ext_whole_number(text, least, most, &value))
		fatal("--meta: the %s '%s' is not a number from %lu to %lu",
		      what, text, least, most);
	return value;
}

/* Splits host[:port] or [address]:port; a port in the text takes precedence. */
static char *split_host(char *text, int *port)
{
	char *end, *colon = strrchr(text, ':');

	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end)
			fatal("--meta: an address that begins with [ must end with ]");
		*end = 0;
		colon = end[1] == ':' ? end + 1 : NULL;
	}
	if (colon) {
		*colon = 0;
		*port = number("port", colon + 1, 1, 65535);
	}
	return text;
}

/* Decodes %XX in place. */
static void decode(char *text)
{
	unsigned int byte;
	char *to = text;

	for (; *text; text++) {
		if (*text == '%' && isxdigit(text[1]) && isxdigit(text[2]) &&
		    sscanf(text + 1, "%2x", &byte) == 1) {
			*to++ = byte;
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = 0;
}

const char *redis_query_refusal(const char *url)
{
	const char *query = strchr(url, '?');
	char copy[1024], *rest = copy, *name, *value;

	if (!query)
		return NULL;
	if (strlen(query) >= sizeof(copy))
		return "the query of its metadata URL is too long";
	strcpy(copy, query + 1);
	while ((name = strsep(&rest, "&;"))) {
		value = name;
		strsep(&value, "=");
		if (!value)
			continue;
		decode(name);
		decode(value);
		/* JuiceFS takes any other value for true. */
		if (!strcmp(name, "client-cache") && *value &&
		    strcmp(value, "false"))
			return "client-cache: the daemon's own answers can be old";
		if (!strcmp(name, "route-read") &&
		    (!strcmp(value, "replica") || !strcmp(value, "random") ||
		     !strcmp(value, "latency")))
			return "route-read: a replica's answers can be old";
	}
	return NULL;
}

/* Splits redis[s]://[user[:password]@]host[:port][/db][?query]. */
static void parse(const char *url)
{
	char copy[1024], *p = copy, *at, *slash, *colon;
	const char *why = redis_query_refusal(url);

	if (why)
		fatal("--meta: %s", why);
	snprintf(copy, sizeof(copy), "%s", url);
	if (!strncmp(p, "rediss://", 9))
		address.tls = true, p += 9;
	else if (!strncmp(p, "redis://", 8))
		p += 8;
	else
		fatal("--meta: only redis:// and rediss:// can be tracked");
	slash = strchr(p, '?');
	if (slash)
		*slash = 0;
	at = strrchr(p, '@');
	if (at) {
		*at = 0;
		colon = strchr(p, ':');
		if (colon && colon[1])
			fatal("--meta must not contain a password: use --password-file");
		if (colon)
			*colon = 0;
		snprintf(address.user, sizeof(address.user), "%.63s", p);
		p = at + 1;
	}
	slash = strchr(p, '/');
	if (slash) {
		*slash = 0;
		if (slash[1])
			address.db = number("database", slash + 1, 0, 1000000);
	}
	/* The last Sentinel's port is also the default of the others. */
	address.port = strchr(p, ',') ? 26379 : 6379;
	if (strchr(p, ','))
		split_host(strrchr(p, ',') + 1, &address.port);
	else
		p = split_host(p, &address.port);
	snprintf(address.host, sizeof(address.host), "%.511s", p);
}

/* The first line of the file; read each time, so that it can be rotated. */
static bool password(const char *path, char *to, size_t size)
{
	FILE *in;

	*to = 0;
	if (!path)
		return true;
	in = fopen(path, "re");
	if (!in || !fgets(to, size, in)) {
		say_once("%s: %s", path, strerror(errno));
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

/* Loads the CA and the client certificate. */
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

/* The certificate must match the host's name or address. */
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
		return true;	/* owned by the connection now */
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
		say_once("TLS with %s: %s", host, c->errstr);
		redisFree(c);
		return NULL;
	}
	if (c->err) {
		say_once("Redis at %s, port %d: %s", host, port, c->errstr);
		redisFree(c);
		return NULL;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return c;
}

struct redisReply *redis_run(struct redisContext *c, int argc,
			     const char **argv)
{
	redisReply *r = redisCommandArgv(c, argc, argv, NULL);

	if (r && r->type == REDIS_REPLY_ERROR) {
		say_once("Redis: %s: %s", argv[0], r->str);
		freeReplyObject(r);
		return NULL;
	}
	return r;
}

/*
 * Switches to RESP 3 and authenticates; Sentinels can have a separate password.
 * Sets *mode to the server's mode: standalone, cluster or sentinel.
 */
static bool hello(redisContext *c, const char *user, const char *password_file,
		  char *mode, size_t size)
{
	char secret[512];
	redisReply *r;
	size_t i;

	if (!password(password_file, secret, sizeof(secret)))
		return false;
	if (*secret)
		r = REDIS_RUN(c, "HELLO", "3", "AUTH", user, secret);
	else
		r = REDIS_RUN(c, "HELLO", "3");
	explicit_bzero(secret, sizeof(secret));
	for (i = 0; r && i + 1 < r->elements; i += 2)
		if (r->element[i]->str && r->element[i + 1]->str &&
		    !strcmp(r->element[i]->str, "mode"))
			snprintf(mode, size, "%s", r->element[i + 1]->str);
	freeReplyObject(r);
	return r;
}

static bool select_db(redisContext *c)
{
	char db[16];
	redisReply *r;

	snprintf(db, sizeof(db), "%d", address.db);
	r = REDIS_RUN(c, "SELECT", db);
	freeReplyObject(r);
	return r;
}

/* Connects to the master that a Sentinel names; NULL if it knows none. */
static redisContext *ask_sentinel(const char *host, int port, const char *name)
{
	redisContext *c = dial(host, port), *master = NULL;
	char mode[16] = "";
	redisReply *r;

	if (!c)
		return NULL;
	/* HELLO is needed only for a Sentinel with a password. */
	if (opt.sentinel_password_file &&
	    !hello(c, "default", opt.sentinel_password_file, mode,
		   sizeof(mode))) {
		redisFree(c);
		return NULL;
	}
	r = REDIS_RUN(c, "SENTINEL", "get-master-addr-by-name", name);
	if (r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
	    r->element[0]->type == REDIS_REPLY_STRING &&
	    r->element[1]->type == REDIS_REPLY_STRING)
		master = dial(r->element[0]->str,
			      number("port", r->element[1]->str, 1, 65535));
	freeReplyObject(r);
	redisFree(c);
	return master;
}

/* Connects to the server, or to the master by asking the Sentinels in turn. */
static redisContext *dial_master(void)
{
	char copy[512], *name, *host, *rest = copy;
	redisContext *master = NULL;
	int port;

	strcpy(copy, address.host);
	if (!strchr(copy, ',')) {
		port = address.port;
		return dial(copy, port);
	}
	name = strsep(&rest, ",");
	while (!master && (host = strsep(&rest, ","))) {
		port = address.port;
		host = split_host(host, &port);
		master = ask_sentinel(host, port, name);
	}
	return master;
}

struct redisContext *redis_connect(void)
{
	redisContext *c = dial_master();
	char mode[16] = "";

	if (!c)
		return NULL;
	if (!hello(c, *address.user ? address.user : "default",
		   opt.password_file, mode, sizeof(mode)))
		goto fail;
	/* In a cluster, a server pushes only its own keys. */
	if (!strcmp(mode, "cluster")) {
		say_once("Redis is a cluster, and each server reports only its own changes: use Redis without cluster mode, or mode ttl");
		goto fail;
	}
	if (!select_db(c))
		goto fail;
	*trouble = 0;
	return c;
fail:
	redisFree(c);
	return NULL;
}

void redis_start(void)
{
	parse(opt.meta);
	if (address.tls) {
		redisInitOpenSSL();
		tls_setup();
	}
}
