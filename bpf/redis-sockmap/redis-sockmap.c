// SPDX-License-Identifier: GPL-2.0
/* Loads redis-sockmap: see README.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "extension.h"
#include "redis-sockmap.h"
#include "skeleton.h"

const char *argp_program_version = "redis-sockmap 1";
static const char documentation[] =
	"Passes messages of Redis connections within this node directly from one end to "
	"the other, bypassing TCP. Applies to new connections to one port, of sockets "
	"in one cgroup, from an address to the same address.\v"
	"Examples:\n"
	"  redis-sockmap --cgroup /sys/fs/cgroup/system.slice\n"
	"  redis-sockmap -c /sys/fs/cgroup/bench -p 6400 -d 60 --json\n"
	"When it ends, its connections continue over TCP.";

/* How long readers have at the end to read pending messages. */
#define DRAIN_SECONDS 10
/* Checks, 50 ms apart, that must find all queues empty. */
#define QUIET_CHECKS 20

static const char *cgroup = "/sys/fs/cgroup";
static unsigned long port = 6379;
static unsigned long backlog_mib = 8;

static const struct argp_option own_options[] = {
	{ "cgroup", 'c', "PATH", 0, "cgroup v2 folder of both ends", 0 },
	{ "port", 'p', "PORT", 0, "Port that Redis listens on (6379)", 0 },
	{ "backlog", 'b', "MIB", 0,
	  "Leave a direction to TCP if its reader has this much unread (8)",
	  0 },
	{},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	switch (key) {
	case 'c':
		cgroup = text;
		return 0;
	case 'p':
		port = ext_number(text, 1, 65535, state);
		return 0;
	case 'b':
		backlog_mib = ext_number(text, 1, 1024, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static struct redis_sockmap_bpf *load(int *err)
{
	struct redis_sockmap_bpf *skel = redis_sockmap_bpf__open();

	if (!skel) {
		*err = -errno;
		return NULL;
	}
	skel->rodata->port = port;
	skel->rodata->backlog = backlog_mib << 20;
	*err = redis_sockmap_bpf__load(skel);
	if (!*err)
		return skel;
	redis_sockmap_bpf__destroy(skel);
	return NULL;
}

static int set_draining(int control)
{
	struct rs_control value = { .draining = 1 };
	__u32 zero = 0;

	return bpf_map_update_elem(control, &zero, &value, BPF_ANY);
}

/* Number of sockets in the map with messages to read, or -errno. */
static int unread(struct redis_sockmap_bpf *skel, int sockets, bool show)
{
	union bpf_iter_link_info info = { .map.map_fd = sockets };
	/* The macro also zeroes the padding, which libbpf requires. */
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info,
		    .link_info_len = sizeof(info));
	struct bpf_link *link;
	struct rs_queue queue;
	int fd, n = 0;
	FILE *in;

	link = bpf_program__attach_iter(skel->progs.rs_queues, &opts);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	in = fd < 0 ? NULL : fdopen(fd, "r");
	while (in && fread(&queue, sizeof(queue), 1, in) == 1) {
		if (!queue.unread)
			continue;
		n++;
		if (show)
			ext_error("port %u, peer's port %u: unread messages",
				  queue.local_port, queue.remote_port);
	}
	if (!in)
		n = -errno;
	else
		fclose(in);
	bpf_link__destroy(link);
	return n;
}

/*
 * Ends redirection without losing a byte: new messages use TCP, and when the
 * readers have read all pending messages, the sockets are released.
 */
static int let_go(struct redis_sockmap_bpf *skel, int sockets, int control)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	unsigned long long deadline = ext_now_ns() +
				      DRAIN_SECONDS * 1000000000ULL;
	struct rs_key key;
	int err, n, quiet = 0;

	err = set_draining(control);
	if (err)
		return err;
	/*
	 * A program may have decided to redirect a message that is not in the
	 * queue yet, which is not visible. So the queues must stay empty for a
	 * while.
	 */
	for (;;) {
		n = unread(skel, sockets, false);
		quiet = n ? 0 : quiet + 1;
		if (n < 0 || quiet > QUIET_CHECKS ||
		    (n > 0 && ext_now_ns() > deadline))
			break;
		nanosleep(&pause, NULL);
	}
	if (n < 0) {
		ext_error("cannot read the sockets' queues: %s", strerror(-n));
		return n;
	}
	if (n > 0) {
		unread(skel, sockets, true);
		ext_error("%d connections have unread messages, which would be lost: close the connections, then run --remove",
			  n);
		return -EBUSY;
	}
	while (!bpf_map_get_next_key(sockets, NULL, &key)) {
		err = bpf_map_delete_elem(sockets, &key);
		if (err && err != -ENOENT)
			return err;
	}
	return 0;
}

/*
 * Number of messages redirected since the start, from the pinned map; -1 if not
 * loaded.
 */
static long long work_done(void)
{
	int fd = bpf_obj_get(ext_pin_path("rs_counts")), err;
	struct rs_counts c = {};
	__u32 zero = 0;

	if (fd < 0)
		return -1;
	err = bpf_map_lookup_elem(fd, &zero, &c);
	close(fd);
	return err ? -1 : (long long)c.redirected;
}

static int report_prometheus(const struct rs_counts *c)
{
	static const char messages[] = "disgrafs_sockmap_messages_total";
	static const char bytes[] = "disgrafs_sockmap_redirected_bytes_total";
	FILE *out = ext_publish_start(ext_options.prometheus);

	if (!out)
		return -errno;
	ext_metric(out, messages, "counter",
		   "Messages of local Redis connections, by way.");
	fprintf(out, "%s{way=\"redirect\"} %llu\n%s{way=\"tcp\"} %llu\n",
		messages, (unsigned long long)c->redirected, messages,
		(unsigned long long)c->passed);
	ext_metric(out, bytes, "counter",
		   "Bytes that did not go through TCP.");
	fprintf(out, "%s %llu\n", bytes, (unsigned long long)c->bytes);
	return ext_publish(out, ext_options.prometheus);
}

static int report(void *data)
{
	struct redis_sockmap_bpf *skel = data;
	struct rs_counts c = {};
	__u32 zero = 0;
	int err;

	err = bpf_map_lookup_elem(bpf_map__fd(skel->maps.rs_counts), &zero, &c);
	if (err) {
		ext_error("cannot read the counts: %s", strerror(-err));
		return err;
	}
	if (ext_options.prometheus)
		err = report_prometheus(&c);
	if (ext_options.prometheus && !ext_options.json)
		return err;
	if (ext_options.json)
		ext_json_line(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
					"sockets", (json_int_t)c.sockets,
					"redirected", (json_int_t)c.redirected,
					"bytes", (json_int_t)c.bytes, "passed",
					(json_int_t)c.passed, "late",
					(json_int_t)c.late, "tls",
					(json_int_t)c.tls, "full",
					(json_int_t)c.full, "gone",
					(json_int_t)c.gone),
			      stdout);
	else
		printf("%llu sockets; %llu messages redirected (%llu bytes), %llu left to TCP; directions left to TCP: %llu late, %llu TLS, %llu whose reader had stopped, %llu whose reader is gone\n",
		       (unsigned long long)c.sockets,
		       (unsigned long long)c.redirected,
		       (unsigned long long)c.bytes,
		       (unsigned long long)c.passed,
		       (unsigned long long)c.late, (unsigned long long)c.tls,
		       (unsigned long long)c.full, (unsigned long long)c.gone);
	fflush(stdout);
	return err;
}

static int open_cgroup(void)
{
	int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Attaches the senders' program, then the one that adds connections. */
static int attach(struct redis_sockmap_bpf *skel, struct bpf_link **link)
{
	int err, fd;

	err = bpf_prog_attach(bpf_program__fd(skel->progs.rs_send),
			      bpf_map__fd(skel->maps.rs_sockets),
			      BPF_SK_MSG_VERDICT, 0);
	if (err)
		return err;
	fd = open_cgroup();
	if (fd < 0)
		return fd;
	*link = bpf_program__attach_cgroup(skel->progs.rs_established, fd);
	err = *link ? 0 : -errno;
	close(fd);
	return err;
}

static int detach(struct redis_sockmap_bpf *skel, struct bpf_link *link)
{
	int sockets = bpf_map__fd(skel->maps.rs_sockets), err;

	bpf_link__destroy(link);
	err = let_go(skel, sockets, bpf_map__fd(skel->maps.rs_control));
	if (!err)
		bpf_prog_detach2(bpf_program__fd(skel->progs.rs_send), sockets,
				 BPF_SK_MSG_VERDICT);
	return err;
}

static int preflight(void)
{
	struct redis_sockmap_bpf *skel;
	struct bpf_link *link = NULL;
	char text[256];
	int err = 0, fd = open_cgroup();

	if (fd < 0)
		return ext_unsupported("--cgroup with a cgroup v2 folder",
				       "%s: %s", cgroup, strerror(-fd));
	close(fd);
	skel = load(&err);
	if (!skel) {
		ext_show_log();
		return ext_unsupported(
			"a kernel with SOCKHASH, SK_MSG and SOCK_OPS (CONFIG_BPF_STREAM_PARSER)",
			"the programs do not load: %s", strerror(-err));
	}
	/* The trial adds no connections. */
	set_draining(bpf_map__fd(skel->maps.rs_control));
	err = attach(skel, &link);
	detach(skel, link);
	redis_sockmap_bpf__destroy(skel);
	if (err)
		return ext_unsupported("a cgroup v2 where programs can be attached",
				       "%s: %s", cgroup, strerror(-err));
	snprintf(text, sizeof(text), "port %lu, cgroup %s", port, cgroup);
	return ext_supported(text);
}

static int run(void)
{
	struct redis_sockmap_bpf *skel;
	struct bpf_link *link = NULL;
	int err = 0, left;

	skel = load(&err);
	if (!skel)
		return ext_not_loaded(err);
	err = ext_pin(skel->obj);
	if (err)
		goto out;
	err = attach(skel, &link);
	if (err) {
		ext_error("cannot attach to %s: %s; is it a cgroup v2 folder?",
			  cgroup, strerror(-err));
	} else {
		ext_ready();
		ext_loop(report, skel);
	}
	left = detach(skel, link);
	if (!err)
		err = report(skel);
	if (left)
		err = left;
	/* --remove needs the pins to finish the work. */
	if (!left)
		ext_unpin();
out:
	redis_sockmap_bpf__destroy(skel);
	return err;
}

/*
 * Cleans up after a killed instance: its maps are pinned, and still redirect.
 */
static int clean(void)
{
	int sockets = bpf_obj_get(ext_pin_path("rs_sockets"));
	int control = bpf_obj_get(ext_pin_path("rs_control"));
	int program = bpf_obj_get(ext_pin_path("rs_send")), err = 0;
	struct redis_sockmap_bpf *skel = NULL;
	struct bpf_program *prog;

	if (sockets >= 0 && control >= 0) {
		skel = redis_sockmap_bpf__open();
		if (!skel)
			return -errno;
		bpf_object__for_each_program(prog, skel->obj)
			bpf_program__set_autoload(prog, false);
		bpf_program__set_autoload(skel->progs.rs_queues, true);
		err = redis_sockmap_bpf__load(skel);
		if (!err)
			err = let_go(skel, sockets, control);
		if (!err && program >= 0)
			bpf_prog_detach2(program, sockets, BPF_SK_MSG_VERDICT);
		redis_sockmap_bpf__destroy(skel);
	}
	if (sockets >= 0)
		close(sockets);
	if (control >= 0)
		close(control);
	if (program >= 0)
		close(program);
	return err;
}

int main(int argc, char **argv)
{
	static const struct ext_loader loader = {
		.name = "redis-sockmap",
		.documentation = documentation,
		.options = own_options,
		.parse = parse,
		.object = redis_sockmap_bpf__elf_bytes,
		.work = work_done,
		.clean = clean,
		.preflight = preflight,
		.run = run,
	};

	return ext_main(&loader, argc, argv);
}
