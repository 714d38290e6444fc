// SPDX-License-Identifier: GPL-2.0
/*
 * efuse-agent - keeps the cache of one mount coherent
 *
 * One thread waits for three things: changes of the mount table, the tracking
 * connection to Redis, and readers of the metrics. It holds /dev/efuse and
 * the BPF link open; when it ends, in whatever way, the kernel drops both and
 * every request goes to the daemon again.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
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
};

const struct sink *sink = &bpf_sink;

static volatile sig_atomic_t stopped;

static const char usage[] =
"Usage: efuse-agent --mount DIR [options]\n"
"Answers LOOKUP and GETATTR of a JuiceFS mount in the kernel.\n"
"\n"
"  --mount DIR           the mount point; it may come, go and come back\n"
"  --mode off|ttl|lease  ttl: for the rest of the daemon's own validity\n"
"                        lease: while Redis tells of every change (default);\n"
"                        mount with --attr-cache=0 --entry-cache=0\n"
"                        --dir-entry-cache=0, or the validities that the\n"
"                        daemon gives add to the bound\n"
"  --bound MS            lease: oldest answer, 10 to 60000 (default 100)\n"
"  --meta URL            lease: redis[s]://[user@]host[:port][/db], or\n"
"                        redis://master,sentinel,sentinel:port/db\n"
"  --password-file FILE  its first line is the password of Redis\n"
"  --tls-ca FILE --tls-cert FILE --tls-key FILE\n"
"                        for rediss://, as the mount uses them; without\n"
"                        a CA, the system's are trusted\n"
"  --key-prefix TEXT     in front of JuiceFS's keys (default: none)\n"
"  --opcodes LIST        of lookup,getattr,getxattr,statfs\n"
"                        (default lookup,getattr)\n"
"  --xattr-ttl MS        how long \"no such attribute\" is remembered\n"
"  --statfs-ttl MS       how long STATFS is remembered (both default 0: off)\n"
"  --entries N           size of each cache (default 65536)\n"
"  --shadow              ask the daemon all the same and compare\n"
"  --sink bpf|notify     notify: no module, no programs; write the daemon's\n"
"                        notifications to the kernel's own cache, which\n"
"                        then should have long validities\n"
"  --pin DIR             show maps and handlers there (in /sys/fs/bpf)\n"
"  --metrics [ADDR:]PORT Prometheus text (default address 127.0.0.1)\n"
"  --loader              be the loader of the lab's extension: one instance,\n"
"                        loads and unloads the module beside this program,\n"
"                        pins, tells systemd (docs/extensions.md)\n"
"  --log FILE --prometheus FILE --interval SECONDS\n"
"                        with --loader: what the verifier says; metrics,\n"
"                        written every 15 seconds or at that interval\n"
"  --preflight, --status, --remove\n"
"                        answers of the loader\n"
"  --fstype TYPE         of the mount (default fuse.juicefs); for another\n"
"                        type there is no .config to check, and its daemon\n"
"                        must not count lookups (FORGET)\n"
"\n"
"Example: efuse-agent --mount /jfs --meta redis://10.0.0.2/1 \\\n"
"                --password-file /etc/juicefs/redis.password --bound 50\n";

enum {
	O_MOUNT = 256, O_MODE, O_BOUND, O_META, O_PASSWORD, O_CA, O_CERT, O_KEY,
	O_PREFIX, O_OPCODES, O_XATTR, O_STATFS, O_ENTRIES, O_SHADOW, O_SINK,
	O_PIN, O_METRICS, O_FSTYPE, O_FAULT, O_LOADER, O_LOG, O_PROMETHEUS,
	O_INTERVAL, O_PREFLIGHT, O_STATUS, O_REMOVE,
};

static const struct option long_options[] = {
	{ "mount", 1, NULL, O_MOUNT },
	{ "mode", 1, NULL, O_MODE },
	{ "bound", 1, NULL, O_BOUND },
	{ "meta", 1, NULL, O_META },
	{ "password-file", 1, NULL, O_PASSWORD },
	{ "tls-ca", 1, NULL, O_CA },
	{ "tls-cert", 1, NULL, O_CERT },
	{ "tls-key", 1, NULL, O_KEY },
	{ "key-prefix", 1, NULL, O_PREFIX },
	{ "opcodes", 1, NULL, O_OPCODES },
	{ "xattr-ttl", 1, NULL, O_XATTR },
	{ "statfs-ttl", 1, NULL, O_STATFS },
	{ "entries", 1, NULL, O_ENTRIES },
	{ "shadow", 0, NULL, O_SHADOW },
	{ "sink", 1, NULL, O_SINK },
	{ "pin", 1, NULL, O_PIN },
	{ "metrics", 1, NULL, O_METRICS },
	{ "fstype", 1, NULL, O_FSTYPE },
	{ "fault", 1, NULL, O_FAULT },	/* tests only, so not in the usage */
	{ "loader", 0, NULL, O_LOADER },
	{ "log", 1, NULL, O_LOG },
	{ "prometheus", 1, NULL, O_PROMETHEUS },
	{ "interval", 1, NULL, O_INTERVAL },
	{ "preflight", 0, NULL, O_PREFLIGHT },
	{ "status", 0, NULL, O_STATUS },
	{ "remove", 0, NULL, O_REMOVE },
	{ "help", 0, NULL, 'h' },
	{}
};

static uint64_t number(const char *name, const char *text, uint64_t low,
		       uint64_t high)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (!*text || *end || n < low || n > high)
		fatal("--%s %s: a whole number from %llu to %llu is wanted",
		      name, text, (unsigned long long)low,
		      (unsigned long long)high);
	return n;
}

static int choice(const char *name, char *text, const char * const *names)
{
	int i;

	for (i = 0; names[i]; i++)
		if (!strcmp(text, names[i]))
			return i;
	fatal("--%s: unknown: %s", name, text);
}

/* A list of names, by commas, to a bit mask. */
static uint64_t mask(const char *name, const char *text,
		     const char * const *names)
{
	char *copy = strdup(text), *rest = copy, *part;
	uint64_t bits = 0;

	while ((part = strsep(&rest, ",")))
		bits |= 1ULL << choice(name, part, names);
	free(copy);
	return bits;
}

static const char * const mode_names[] = { "off", "ttl", "lease", NULL };
static const char * const sink_names[] = { "bpf", "notify", NULL };
static const char * const opcode_list[] = {
	"lookup", "getattr", "getxattr", "statfs", NULL
};
static const uint64_t opcode_bits[] = {
	1ULL << FUSE_LOOKUP, 1ULL << FUSE_GETATTR, 1ULL << FUSE_GETXATTR,
	1ULL << FUSE_STATFS,
};
static const char * const fault_names[] = {
#define X(name, text) text,
	EFUSE_FAULTS(X)
#undef X
	NULL
};

static void parse_options(int argc, char **argv)
{
	uint64_t bits;
	int o, i;

	while ((o = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (o) {
		case O_MOUNT:
			opt.mount = optarg;
			break;
		case O_MODE:
			opt.mode = choice("mode", optarg, mode_names);
			break;
		case O_BOUND:
			opt.bound = number("bound", optarg, 10, 60000) *
				    NSEC_PER_MSEC;
			break;
		case O_META:
			opt.meta = optarg;
			break;
		case O_PASSWORD:
			opt.password_file = optarg;
			break;
		case O_CA:
			opt.tls_ca = optarg;
			break;
		case O_CERT:
			opt.tls_cert = optarg;
			break;
		case O_KEY:
			opt.tls_key = optarg;
			break;
		case O_PREFIX:
			opt.key_prefix = optarg;
			if (strlen(optarg) > 64)
				fatal("--key-prefix: at most 64 bytes");
			break;
		case O_OPCODES:
			bits = mask("opcodes", optarg, opcode_list);
			for (opt.opcodes = 0, i = 0; i < 4; i++)
				if (bits & 1ULL << i)
					opt.opcodes |= opcode_bits[i];
			break;
		case O_XATTR:
			opt.xattr_ttl = number("xattr-ttl", optarg, 0, 3600000) *
					NSEC_PER_MSEC;
			break;
		case O_STATFS:
			opt.statfs_ttl = number("statfs-ttl", optarg, 0,
						3600000) * NSEC_PER_MSEC;
			break;
		case O_ENTRIES:
			opt.entries = number("entries", optarg, 1024, 1 << 24);
			break;
		case O_SHADOW:
			opt.shadow = true;
			break;
		case O_SINK:
			opt.notify = choice("sink", optarg, sink_names) == 1;
			break;
		case O_PIN:
			opt.pin = optarg;
			break;
		case O_METRICS:
			opt.metrics = optarg;
			break;
		case O_FSTYPE:
			opt.fstype = optarg;
			opt.any_config = strcmp(optarg, "fuse.juicefs");
			break;
		case O_FAULT:
			opt.fault = mask("fault", optarg, fault_names);
			say("FAULTS ARE SEEDED: for tests only");
			break;
		case O_LOADER:
			opt.loader = true;
			break;
		case O_LOG:
			ext_options.log = optarg;
			break;
		case O_PROMETHEUS:
			ext_options.prometheus = optarg;
			break;
		case O_INTERVAL:
			ext_options.interval = number("interval", optarg, 1,
						      3600);
			break;
		case O_PREFLIGHT:
			ext_options.mode = EXT_PREFLIGHT;
			break;
		case O_STATUS:
			ext_options.mode = EXT_STATUS;
			break;
		case O_REMOVE:
			ext_options.mode = EXT_REMOVE;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs("Try efuse-agent --help\n", stderr);
			exit(2);
		}
	}
	if (optind != argc)
		fatal("unknown argument: %s", argv[optind]);
	if (ext_options.mode == EXT_STATUS || ext_options.mode == EXT_REMOVE)
		return;
	if (!opt.mount || *opt.mount != '/')
		fatal("--mount: the absolute path of a mount point is wanted");
	if ((opt.mode == EFUSE_LEASE || opt.notify) && !opt.meta)
		fatal("--meta is wanted: without Redis nobody tells of changes");
	if ((opt.opcodes & 1ULL << FUSE_GETXATTR) && !opt.xattr_ttl)
		fatal("--opcodes getxattr needs --xattr-ttl: the reply has no validity of its own");
	if ((opt.opcodes & 1ULL << FUSE_STATFS) && !opt.statfs_ttl)
		fatal("--opcodes statfs needs --statfs-ttl: the reply has no validity of its own");
}

static void stop(int sig)
{
	stopped = 1;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = stop };
	sigset_t none, stops;
	struct pollfd fds[4];
	int mounts, metrics = -1;
	bool tracks;

	parse_options(argc, argv);
	tracks = opt.meta && (opt.mode == EFUSE_LEASE || opt.notify);
	if (ext_options.mode != EXT_RUN)
		return loader_answer();
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	/* Taken only while we wait, so none comes between test and wait. */
	sigemptyset(&none);
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (opt.loader)
		loader_start();
	/* A page fault must not wait for the file system that we serve. */
	mlockall(MCL_CURRENT | MCL_FUTURE);

	if (opt.metrics)
		metrics = metrics_open(opt.metrics);
	if (opt.notify)
		sink = &notify_sink;
	else
		programs_start();
	mounts = mount_open();
	if (tracks)
		tracking_start();
	mount_check();
	if (!*mount_state())
		fatal("no state");
	if (strcmp(mount_state(), "mounted"))
		say("waiting for %s: %s", opt.mount, mount_state());
	if (opt.loader)
		loader_serving();

	while (!stopped) {
		int wait = tracks ? tracking_timeout() : 1000;
		struct timespec t;

		fds[0] = (struct pollfd){ mounts, POLLPRI, 0 };
		fds[1] = (struct pollfd){ metrics, POLLIN, 0 };
		fds[2] = (struct pollfd){ tracks ? tracking_fd() : -1,
					 POLLIN, 0 };
		fds[3] = (struct pollfd){ notify_fd(), POLLIN, 0 };
		if (tracks && tracking_wants_write())
			fds[2].events |= POLLOUT;
		if (opt.shadow && wait > 50)
			wait = 50;
		t = (struct timespec){ wait / 1000, wait % 1000 * 1000000L };
		if (ppoll(fds, 4, &t, &none) < 0) {
			if (errno != EINTR)
				fatal("poll: %s", strerror(errno));
			continue;
		}
		if (fds[2].revents)
			tracking_ready(fds[2].revents);
		if (tracks)
			tracking_tick();
		if (fds[3].revents)
			mount_again();
		if (fds[0].revents & (POLLPRI | POLLERR))
			mount_check();
		if (fds[1].revents & POLLIN)
			metrics_serve(metrics);
		if (opt.shadow)
			programs_poll();
		if (opt.loader)
			loader_tick();
	}
	if (!opt.notify)
		programs_stop();
	if (opt.loader)
		loader_stop();
	return 0;
}
