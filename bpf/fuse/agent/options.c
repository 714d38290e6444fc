// SPDX-License-Identifier: GPL-2.0
/* options.c - the command line */
#include <stdlib.h>
#include <string.h>
#include <linux/fuse.h>
#include "agent.h"
#include "extension.h"

struct options opt = {
	.fstype = "fuse.juicefs",
	.key_prefix = "",
	.mode = EFUSE_LEASE,
	.bound = 100 * NSEC_PER_MSEC,
	.opcodes = 1ULL << FUSE_LOOKUP | 1ULL << FUSE_GETATTR,
	.entries = 65536,
	.listings = LISTINGS_ON,
	.read_blocks = 1024,
	.read_bytes = 4ULL << 30,
	.read_age = 60,
};

const char *argp_program_version = "efuse-agent 6";
static const char documentation[] =
	"Answers LOOKUP and GETATTR of a JuiceFS mount in the kernel.\v"
	"In mode lease, mount with --attr-cache=0 --entry-cache=0 "
	"--dir-entry-cache=0: the daemon's own validities add to the "
	"bound.\n"
	"Example:\n"
	"  efuse-agent --mount /jfs --meta redis://10.0.0.2/1 \\\n"
	"              --password-file /etc/juicefs/redis.password --bound 50";

enum {
	O_MOUNT = 0x200, O_MODE, O_BOUND, O_META, O_PASSWORD, O_CA, O_CERT,
	O_KEY, O_PREFIX, O_OPCODES, O_XATTR, O_STATFS, O_ENTRIES, O_SHADOW,
	O_SINK, O_PIN, O_METRICS, O_FSTYPE, O_FAULT, O_LOADER, O_SENTINEL,
	O_KERNEL_CACHE, O_READS, O_READ_BLOCKS, O_READ_BYTES, O_READ_AGE,
	O_CACHE_DIR, O_BACKING, O_LISTINGS,
};

static const struct argp_option own_options[] = {
	{ "mount", O_MOUNT, "DIR", 0,
	  "The mount point; may be mounted later, and remounted", 0 },
	{ "mode", O_MODE, "off|ttl|lease", 0,
	  "ttl: answer for the remaining validity from the daemon. "
	  "lease: answer while Redis reports every change (default)", 0 },
	{ "bound", O_BOUND, "MS", 0,
	  "lease: maximum age of an answer, 10 to 60000 (default 100)", 0 },
	{ "meta", O_META, "URL", 0,
	  "lease: redis[s]://[user@]host[:port][/db], or "
	  "redis://master,sentinel,sentinel:port/db", 0 },
	{ "password-file", O_PASSWORD, "FILE", 0,
	  "File whose first line is the password of Redis", 0 },
	{ "sentinel-password-file", O_SENTINEL, "FILE", 0,
	  "File with the password of the Sentinels (default: none)", 0 },
	{ "tls-ca", O_CA, "FILE", 0,
	  "rediss://: trusted CAs (default: the system's)", 0 },
	{ "tls-cert", O_CERT, "FILE", 0, "rediss://: client certificate", 0 },
	{ "tls-key", O_KEY, "FILE", 0, "rediss://: key of the certificate", 0 },
	{ "key-prefix", O_PREFIX, "TEXT", 0,
	  "Prefix of JuiceFS's keys (default: none)", 0 },
	{ "opcodes", O_OPCODES, "LIST", 0,
	  "Any of lookup,getattr,getxattr,statfs (default lookup,getattr)", 0 },
	{ "xattr-ttl", O_XATTR, "MS", 0,
	  "How long to cache \"no such attribute\" (default 0: off)", 0 },
	{ "statfs-ttl", O_STATFS, "MS", 0,
	  "How long to cache STATFS (default 0: off)", 0 },
	{ "entries", O_ENTRIES, "N", 0, "Size of each cache (default 65536)",
	  0 },
	{ "listings", O_LISTINGS, "off|entries|on", 0,
	  "When a directory is listed, cache its entries with their attributes "
	  "(entries), and answer that all other names do not exist (default "
	  "on)", 0 },
	{ "kernel-cache", O_KERNEL_CACHE, "off|on", 0,
	  "on (mode lease only): let the kernel keep an answer for the rest of "
	  "the lease (default off)", 0 },
	{ "reads", O_READS, "off|cache|after-pages", 0,
	  "cache (mode lease only): answer read() from JuiceFS's block cache "
	  "on this machine; after-pages: only what the mount's own pages do "
	  "not have (default off)", 0 },
	{ "read-blocks", O_READ_BLOCKS, "N", 0,
	  "Maximum number of 4 MiB blocks, 16 to 4096 (default 1024)", 0 },
	{ "read-bytes", O_READ_BYTES, "N", 0,
	  "Maximum size of their files, at least 1048576 (default 4294967296)",
	  0 },
	{ "read-age", O_READ_AGE, "S", 0,
	  "Release a block not read for this many seconds (default 60)", 0 },
	{ "cache-dir", O_CACHE_DIR, "DIR", 0,
	  "Folder of the block cache (default: from .config)", 0 },
	{ "backing", O_BACKING, "FILE", 0,
	  "With --reads cache: a file from which a custom program can answer "
	  "read(); its number is printed", 0 },
	{ "shadow", O_SHADOW, NULL, 0,
	  "Ask the daemon as well, and compare the answers", 0 },
	{ "sink", O_SINK, "bpf|notify", 0,
	  "notify: no module and no programs; send notifications to the "
	  "kernel's own cache, which should then have long validities", 0 },
	{ "pin", O_PIN, "DIR", 0,
	  "Pin maps and handlers in this folder (in /sys/fs/bpf)", 0 },
	{ "metrics", O_METRICS, "[ADDRESS:]PORT", 0,
	  "Serve Prometheus metrics (default address 127.0.0.1)", 0 },
	{ "fstype", O_FSTYPE, "TYPE", 0,
	  "Type of the mount (default fuse.juicefs). Other types have no "
	  ".config to check, and the daemon must not count lookups (FORGET)",
	  0 },
	{ "loader", O_LOADER, NULL, 0,
	  "Run as the loader of the lab's extension: one instance; loads and "
	  "unloads the module in this program's folder, pins, and notifies "
	  "systemd (docs/extensions.md). Required by the options below", 0 },
#ifdef EFUSE_TEST_FAULTS
	{ "fault", O_FAULT, "LIST", 0, "Disable rules, for tests", 0 },
#endif
	{},
};

static const char * const mode_names[] = { "off", "ttl", "lease" };
static const char * const listings_names[] = { "off", "entries", "on" };
static const char * const kernel_cache_names[] = { "off", "on" };
static const char * const reads_names[] = {
	"off", "cache", "after-pages",
};
static const char * const sink_names[] = { "bpf", "notify" };
static const char * const opcode_names[] = {
	"lookup", "getattr", "getxattr", "statfs",
};
static const uint64_t opcode_bits[] = {
	1ULL << FUSE_LOOKUP, 1ULL << FUSE_GETATTR, 1ULL << FUSE_GETXATTR,
	1ULL << FUSE_STATFS,
};
#ifdef EFUSE_TEST_FAULTS
static const char * const fault_names[] = {
#define X(name, text) text,
	EFUSE_FAULTS(X)
#undef X
};

static void inject(char *names, struct argp_state *state)
{
	char *name;

	while ((name = strsep(&names, ",")))
		opt.faults[ext_choice(name, fault_names, EFUSE_FAULT_MAX,
				      state)] = 1;
}
#endif

#define COUNT_OF(array)	(sizeof(array) / sizeof(*(array)))

static uint64_t opcodes_of(unsigned long choices)
{
	uint64_t bits = 0;
	unsigned int i;

	for (i = 0; i < COUNT_OF(opcode_bits); i++)
		if (choices & 1UL << i)
			bits |= opcode_bits[i];
	return bits;
}

/* After the last option: checks that the options are compatible. */
static void check(struct argp_state *state)
{
	bool lease = opt.mode == EFUSE_LEASE && !opt.notify && !opt.shadow;

	if (ext_options.mode == EXT_STATUS || ext_options.mode == EXT_REMOVE)
		return;
	if (!opt.mount || *opt.mount != '/')
		argp_error(state, "--mount is required: the absolute path of a mount point");
	if ((opt.mode == EFUSE_LEASE || opt.notify) && !opt.meta)
		argp_error(state, "--meta is required: Redis reports other clients' changes");
	if (opt.reads && !lease)
		argp_error(state, "--reads needs --mode lease without --shadow: otherwise a file's current version is unknown");
	if (opt.kernel_cache && !lease)
		argp_error(state, "--kernel-cache on needs --mode lease without --shadow: an answer is kept for the rest of a lease");
	if (opt.backing && !opt.reads)
		argp_error(state, "--backing needs --reads");
	if (opt.reads && opt.any_config && !opt.cache_dir)
		argp_error(state, "--reads needs --cache-dir if --fstype is not JuiceFS's");
	if ((opt.opcodes & 1ULL << FUSE_GETXATTR) && !opt.xattr_ttl)
		argp_error(state, "--opcodes getxattr needs --xattr-ttl: the reply has no validity of its own");
	if ((opt.opcodes & 1ULL << FUSE_STATFS) && !opt.statfs_ttl)
		argp_error(state, "--opcodes statfs needs --statfs-ttl: the reply has no validity of its own");
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	switch (key) {
	case O_MOUNT:
		opt.mount = text;
		break;
	case O_MODE:
		opt.mode = ext_choice(text, mode_names, COUNT_OF(mode_names),
				      state);
		break;
	case O_BOUND:
		opt.bound = ext_number(text, 10, 60000, state) * NSEC_PER_MSEC;
		break;
	case O_META:
		opt.meta = text;
		break;
	case O_PASSWORD:
		opt.password_file = text;
		break;
	case O_CA:
		opt.tls_ca = text;
		break;
	case O_CERT:
		opt.tls_cert = text;
		break;
	case O_KEY:
		opt.tls_key = text;
		break;
	case O_PREFIX:
		if (strlen(text) > 64)
			argp_error(state, "--key-prefix: at most 64 bytes");
		opt.key_prefix = text;
		break;
	case O_OPCODES:
		opt.opcodes = opcodes_of(ext_choices(
			text, opcode_names, COUNT_OF(opcode_names), state));
		break;
	case O_XATTR:
		opt.xattr_ttl = ext_number(text, 0, 3600000, state) *
				NSEC_PER_MSEC;
		break;
	case O_STATFS:
		opt.statfs_ttl = ext_number(text, 0, 3600000, state) *
				 NSEC_PER_MSEC;
		break;
	case O_ENTRIES:
		opt.entries = ext_number(text, 1024, 1 << 24, state);
		break;
	case O_SHADOW:
		opt.shadow = true;
		break;
	case O_SINK:
		opt.notify = ext_choice(text, sink_names, COUNT_OF(sink_names),
					state) == 1;
		break;
	case O_PIN:
		opt.pin = text;
		break;
	case O_METRICS:
		opt.metrics = text;
		break;
	case O_FSTYPE:
		opt.fstype = text;
		opt.any_config = strcmp(text, "fuse.juicefs");
		break;
	case O_SENTINEL:
		opt.sentinel_password_file = text;
		break;
	case O_KERNEL_CACHE:
		opt.kernel_cache = ext_choice(text, kernel_cache_names,
					      COUNT_OF(kernel_cache_names),
					      state) == 1;
		break;
	case O_LISTINGS:
		opt.listings = ext_choice(text, listings_names,
					  COUNT_OF(listings_names), state);
		break;
	case O_READS:
		opt.reads = ext_choice(text, reads_names, COUNT_OF(reads_names),
				       state);
		break;
	case O_READ_BLOCKS:
		opt.read_blocks = ext_number(text, 16, 4096, state);
		break;
	case O_READ_BYTES:
		opt.read_bytes = ext_number(text, 1 << 20, 1UL << 50, state);
		break;
	case O_READ_AGE:
		opt.read_age = ext_number(text, 1, 86400, state);
		break;
	case O_BACKING:
		opt.backing = text;
		break;
	case O_CACHE_DIR:
		opt.cache_dir = text;
		break;
#ifdef EFUSE_TEST_FAULTS
	case O_FAULT:
		inject(text, state);
		say("running with injected faults, for tests only");
		break;
#endif
	case O_LOADER:
		opt.loader = true;
		break;
	case ARGP_KEY_END:
		check(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

void options_parse(int argc, char **argv)
{
	const struct argp_child children[] = {
		{ .argp = &ext_argp, .header = "With --loader:", .group = 1 },
		{}
	};
	const struct argp argp = {
		.options = own_options,
		.parser = parse,
		.doc = documentation,
		.children = children,
	};

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
}
