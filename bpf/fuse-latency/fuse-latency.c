// SPDX-License-Identifier: GPL-2.0
/* Loads fuse-latency and reports its results: see README.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "btf.h"
#include "extension.h"
#include "fuse-latency.h"
#include "mounts.h"
#include "skeleton.h"

const char *argp_program_version = "fuse-latency 1";
static const char documentation[] =
	"Latency of FUSE requests by mount and opcode, split into the time in the "
	"queue and the time in the daemon.\v"
	"Examples:\n"
	"  fuse-latency -d 10                 one report after 10 s\n"
	"  fuse-latency -i 5 --mount /jfs     a report of one mount every 5 s\n"
	"  fuse-latency -i 1 -d 60 --json     60 lines of JSON\n"
	"  fuse-latency -i 15 --prometheus /var/lib/prometheus/node-exporter/fuse.prom\n"
	"Counts are since the start. A request counts when it ends.";

enum method { METHOD_AUTO, METHOD_FENTRY, METHOD_KPROBE };
static const char *const method_names[] = { "auto", "fentry", "kprobe" };

static enum method method;
static const char *only_mount;

static const struct argp_option own_options[] = {
	{ "mount", 'm', "PATH", 0, "Only the FUSE mount at PATH", 0 },
	{ "method", 'M', "METHOD", 0,
	  "fentry, kprobe or auto: fentry where the kernel has BTF for FUSE", 0 },
	{},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	switch (key) {
	case 'm':
		only_mount = text;
		return 0;
	case 'M':
		method = ext_choice(text, method_names, 3, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Offsets in bytes, and names, that the programs need. */
struct layout {
	int opcode, in_args, req_args, req_error, sb;
	const char *begin; /* function of a request with a waiting caller */
	int begin_fm; /* position of its struct fuse_mount argument */
	bool btf; /* the functions are in BTF, so fentry is possible */
};

/* Checks each argument position that a program relies on. */
static bool has_prototypes(const struct ext_btf *btf, const struct layout *l)
{
	return l->begin_fm >= 0 && l->begin_fm <= 1 &&
	       ext_btf_parameter(btf, l->begin, "fuse_args") ==
		       l->begin_fm + 1 &&
	       !ext_btf_parameter(btf, "fuse_simple_background",
				  "fuse_mount") &&
	       ext_btf_parameter(btf, "fuse_simple_background", "fuse_args") ==
		       1 &&
	       ext_btf_parameter(btf, "fuse_copy_args", "fuse_arg") == 3 &&
	       !ext_btf_parameter(btf, "fuse_request_end", "fuse_req");
}

/* Reads the layout from BTF; returns 0, or -1 if BTF does not contain FUSE. */
static int layout_from_btf(struct layout *l)
{
	struct ext_btf *btf = ext_btf_open("fuse_args", "fuse");

	if (!btf)
		return -1;
	l->opcode = ext_btf_offset(btf, "fuse_args", "opcode", NULL);
	l->in_args = ext_btf_offset(btf, "fuse_args", "in_args", NULL);
	l->req_args = ext_btf_offset(btf, "fuse_req", "args", NULL);
	l->req_error = ext_btf_offset(btf, "fuse_req", "out.h.error", NULL);
	l->sb = ext_btf_offset(btf, "fuse_mount", "sb", NULL);
	l->begin = "__fuse_simple_request";
	l->begin_fm = ext_btf_parameter(btf, l->begin, "fuse_mount");
	if (l->begin_fm < 0) {
		l->begin = "fuse_simple_request";
		l->begin_fm = ext_btf_parameter(btf, l->begin, "fuse_mount");
	}
	l->btf = has_prototypes(btf, l);
	ext_btf_close(btf);
	return l->opcode < 0 || l->in_args < 0 || l->req_args < 0 ||
			       l->req_error < 0 || l->sb < 0 ?
		       -1 :
		       0;
}

static bool is_symbol(const char *name)
{
	char line[512], symbol[256];
	FILE *in = fopen("/proc/kallsyms", "re");
	bool found = false;

	while (in && !found && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%*s %*s %255s", symbol) == 1)
			found = !strcmp(symbol, name);
	}
	if (in)
		fclose(in);
	return found;
}

static int find_layout(struct layout *l)
{
	int fd;

	memset(l, 0, sizeof(*l));
	/* Opening the device loads fuse if it is a module. */
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return layout_from_btf(l);
}

/* The hooks, in the order of attaching: the ends of requests first. */
struct place {
	struct bpf_program *fentry, *kprobe;
	const char *target;
	bool returns; /* hooks the function's return, not its entry */
};

#define PLACES 5
static void places_of(struct fuse_latency_bpf *skel, const struct layout *l,
		      struct place places[PLACES])
{
	struct place list[PLACES] = {
		{ skel->progs.fl_f_end, skel->progs.fl_k_end,
		  "fuse_request_end", false },
		{ l->begin_fm ? skel->progs.fl_f_leave1 :
				skel->progs.fl_f_leave0,
		  skel->progs.fl_k_leave, l->begin, true },
		{ skel->progs.fl_f_take, skel->progs.fl_k_take,
		  "fuse_copy_args", false },
		{ skel->progs.fl_f_backgr, skel->progs.fl_k_backgr,
		  "fuse_simple_background", false },
		{ l->begin_fm ? skel->progs.fl_f_begin1 :
				skel->progs.fl_f_begin0,
		  l->begin_fm ? skel->progs.fl_k_begin1 :
				skel->progs.fl_k_begin0,
		  l->begin, false },
	};

	memcpy(places, list, sizeof(list));
}

static struct fuse_latency_bpf *load(const struct layout *l, enum method how,
				     __u32 dev, int *err)
{
	struct fuse_latency_bpf *skel = fuse_latency_bpf__open();
	struct place places[PLACES];
	struct bpf_program *prog;
	int i;

	if (!skel) {
		*err = -errno;
		return NULL;
	}
	skel->rodata->off_opcode = l->opcode;
	skel->rodata->off_in_args = l->in_args;
	skel->rodata->off_req_args = l->req_args;
	skel->rodata->off_req_error = l->req_error;
	skel->rodata->off_sb = l->sb;
	skel->rodata->only_dev = dev;
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, false);
	places_of(skel, l, places);
	for (i = 0; i < PLACES; i++) {
		prog = how == METHOD_FENTRY ? places[i].fentry :
					      places[i].kprobe;
		bpf_program__set_autoload(prog, true);
		if (how == METHOD_FENTRY) {
			*err = bpf_program__set_attach_target(
				prog, 0, places[i].target);
			if (*err)
				goto fail;
		}
	}
	*err = fuse_latency_bpf__load(skel);
	if (!*err)
		return skel;
fail:
	fuse_latency_bpf__destroy(skel);
	return NULL;
}

/* Loads with the requested method; with auto, the best method that loads. */
static struct fuse_latency_bpf *load_best(const struct layout *l, __u32 dev,
					  enum method *how, int *err)
{
	struct fuse_latency_bpf *skel;

	if (method != METHOD_KPROBE && l->btf) {
		*how = METHOD_FENTRY;
		skel = load(l, *how, dev, err);
		if (skel || method == METHOD_FENTRY)
			return skel;
	} else if (method == METHOD_FENTRY) {
		*err = -ENOENT;
		return NULL;
	}
	*how = METHOD_KPROBE;
	return load(l, *how, dev, err);
}

static struct bpf_link *links[PLACES];
/* What the kernel had missed of links that no longer exist. */
static unsigned long long missed_before;

/*
 * Number of times that the kernel did not call the program of a kprobe: above
 * all at returns, if more callers wait than it reserves room for. Linux tells
 * since 6.7; until then, and for fentry, it is 0.
 */
static unsigned long long missed_by(const struct bpf_link *link)
{
	struct bpf_link_info info;
	__u32 size = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (!link ||
	    bpf_link_get_info_by_fd(bpf_link__fd(link), &info, &size) ||
	    info.type != BPF_LINK_TYPE_PERF_EVENT)
		return 0;
	return info.perf_event.kprobe.missed;
}

static unsigned long long missed_by_links(void)
{
	unsigned long long sum = missed_before;
	int i;

	for (i = 0; i < PLACES; i++)
		sum += missed_by(links[i]);
	return sum;
}

static void detach(void)
{
	int i;

	/* In reverse order, so that each recorded request gets its end. */
	for (i = PLACES - 1; i >= 0; i--) {
		missed_before += missed_by(links[i]);
		bpf_link__destroy(links[i]);
		links[i] = NULL;
	}
}

static int attach(struct fuse_latency_bpf *skel, const struct layout *l,
		  enum method how)
{
	struct place places[PLACES];
	int i, err;

	places_of(skel, l, places);
	for (i = 0; i < PLACES; i++) {
		links[i] = how == METHOD_FENTRY ?
				   bpf_program__attach(places[i].fentry) :
				   bpf_program__attach_kprobe(
					   places[i].kprobe,
					   places[i].returns,
					   places[i].target);
		if (!links[i]) {
			err = -errno;
			ext_error("cannot attach to %s by %s: %s",
				  places[i].target, method_names[how],
				  strerror(-err));
			detach();
			return err;
		}
	}
	return 0;
}

/* The known mounts: an unmounted one keeps its last name. */
static struct mount {
	__u32 dev;
	char path[1024];
} mounts[256];
static int mount_count;

static int note_mount(const struct ext_mount *mount, void *data)
{
	__u32 dev = ext_kernel_dev(mount->major, mount->minor);
	int i;

	(void)data;
	if (strncmp(mount->type, "fuse", 4) ||
	    !strncmp(mount->type, "fusectl", 7))
		return 0;
	for (i = 0; i < mount_count; i++) {
		if (mounts[i].dev == dev)
			break;
	}
	if (i == 256)
		return 0;
	if (i == mount_count)
		mount_count++;
	mounts[i].dev = dev;
	snprintf(mounts[i].path, sizeof(mounts[i].path), "%s", mount->point);
	return 0;
}

static void read_mounts(void)
{
	ext_each_mount(note_mount, NULL);
}

static const char *mount_path(__u32 dev)
{
	static char number[32];
	int i;

	for (i = 0; i < mount_count; i++) {
		if (mounts[i].dev == dev)
			return mounts[i].path;
	}
	snprintf(number, sizeof(number), "%u:%u", dev >> 20, dev & 0xfffff);
	return number;
}

static const char *const opcodes[] = {
	[1] = "LOOKUP", "FORGET", "GETATTR", "SETATTR", "READLINK", "SYMLINK",
	[8] = "MKNOD", "MKDIR", "UNLINK", "RMDIR", "RENAME", "LINK", "OPEN",
	"READ", "WRITE", "STATFS", "RELEASE",
	[20] = "FSYNC", "SETXATTR", "GETXATTR", "LISTXATTR", "REMOVEXATTR",
	"FLUSH", "INIT", "OPENDIR", "READDIR", "RELEASEDIR", "FSYNCDIR",
	"GETLK", "SETLK", "SETLKW", "ACCESS", "CREATE", "INTERRUPT", "BMAP",
	"DESTROY", "IOCTL", "POLL", "NOTIFY_REPLY", "BATCH_FORGET",
	"FALLOCATE", "READDIRPLUS", "RENAME2", "LSEEK", "COPY_FILE_RANGE",
	"SETUPMAPPING", "REMOVEMAPPING", "SYNCFS", "TMPFILE", "STATX",
};

static const char *opcode_name(__u32 opcode)
{
	static char number[16];

	if (opcode < sizeof(opcodes) / sizeof(opcodes[0]) && opcodes[opcode])
		return opcodes[opcode];
	snprintf(number, sizeof(number), "%u", opcode);
	return number;
}

struct series {
	struct fl_key key;
	struct fl_stat stat;
};

static void add_phase(struct fl_phase *to, const struct fl_phase *from)
{
	int i;

	to->ns += from->ns;
	for (i = 0; i < FL_SLOTS; i++)
		to->slots[i] += from->slots[i];
}

static int by_key(const void *a, const void *b)
{
	const struct fl_key *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->opcode < y->opcode ? -1 : x->opcode > y->opcode;
}

/*
 * Reads all series, summed over CPUs and sorted; returns their number, or
 * -errno.
 */
static int read_series(int fd, struct series **out)
{
	int cpus = libbpf_num_possible_cpus(), n = 0, cpu;
	struct fl_key key, *previous = NULL;
	struct series *list;
	struct fl_stat *values;

	list = calloc(FL_MAX_SERIES, sizeof(*list));
	values = calloc(cpus > 0 ? cpus : 1, sizeof(*values));
	if (!list || !values || cpus < 0) {
		free(list);
		free(values);
		return -ENOMEM;
	}
	while (n < FL_MAX_SERIES && !bpf_map_get_next_key(fd, previous, &key)) {
		previous = &key;
		if (bpf_map_lookup_elem(fd, &key, values))
			continue;
		list[n].key = key;
		for (cpu = 0; cpu < cpus; cpu++) {
			list[n].stat.count += values[cpu].count;
			list[n].stat.errors += values[cpu].errors;
			list[n].stat.unsent += values[cpu].unsent;
			add_phase(&list[n].stat.queue, &values[cpu].queue);
			add_phase(&list[n].stat.daemon, &values[cpu].daemon);
		}
		n++;
	}
	free(values);
	qsort(list, n, sizeof(*list), by_key);
	*out = list;
	return n;
}

static void text_time(char *out, size_t size, unsigned long long ns)
{
	if (ns < 10000)
		snprintf(out, size, "%llu ns", ns);
	else if (ns < 10000000)
		snprintf(out, size, "%.1f us", ns / 1e3);
	else
		snprintf(out, size, "%.1f ms", ns / 1e6);
}

static void report_text(const struct series *list, int n,
			unsigned long long lost, unsigned long long answered)
{
	char queue[32], daemon[32], limit[32];
	__u32 dev = 0;
	int i, slot;

	for (i = 0; i < n; i++) {
		const struct fl_stat *stat = &list[i].stat;
		unsigned long long sent = stat->count - stat->unsent;
		int first = FL_SLOTS, last = -1;

		if (list[i].key.dev != dev || !i)
			printf("\n%s\n", mount_path(list[i].key.dev));
		dev = list[i].key.dev;
		text_time(queue, sizeof(queue),
			  stat->count ? stat->queue.ns / stat->count : 0);
		text_time(daemon, sizeof(daemon),
			  sent ? stat->daemon.ns / sent : 0);
		printf("\n  %-16s %llu requests, %llu errors, %llu not sent; mean %s in the queue, %s in the daemon\n",
		       opcode_name(list[i].key.opcode),
		       (unsigned long long)stat->count,
		       (unsigned long long)stat->errors,
		       (unsigned long long)stat->unsent, queue, daemon);
		for (slot = 0; slot < FL_SLOTS; slot++) {
			if (!stat->queue.slots[slot] &&
			    !stat->daemon.slots[slot])
				continue;
			if (slot < first)
				first = slot;
			last = slot;
		}
		if (last >= 0)
			printf("  %16s %12s %12s\n", "up to", "queue",
			       "daemon");
		for (slot = first; slot <= last; slot++) {
			text_time(limit, sizeof(limit), 1ULL << slot);
			printf("  %16s %12llu %12llu\n", limit,
			       (unsigned long long)stat->queue.slots[slot],
			       (unsigned long long)stat->daemon.slots[slot]);
		}
	}
	printf("\nanswered in the kernel: %llu\nlost: %llu\n", answered, lost);
}

static json_t *json_phase(const struct fl_phase *phase)
{
	json_t *slots = json_array();
	int i;

	for (i = 0; i < FL_SLOTS; i++)
		json_array_append_new(slots, json_integer(phase->slots[i]));
	return json_pack("{s:I, s:o}", "ns", (json_int_t)phase->ns, "log2Ns",
			 slots);
}

static void report_json(const struct series *list, int n,
			unsigned long long lost, unsigned long long answered)
{
	json_t *series = json_array();
	int i;

	for (i = 0; i < n; i++) {
		const struct fl_stat *stat = &list[i].stat;

		json_array_append_new(
			series,
			json_pack("{s:o, s:s, s:I, s:I, s:I, s:o, s:o}",
				  "mount",
				  ext_json_text(mount_path(list[i].key.dev)),
				  "opcode", opcode_name(list[i].key.opcode),
				  "count", (json_int_t)stat->count, "errors",
				  (json_int_t)stat->errors, "unsent",
				  (json_int_t)stat->unsent, "queue",
				  json_phase(&stat->queue), "daemon",
				  json_phase(&stat->daemon)));
	}
	ext_json_line(json_pack("{s:I, s:I, s:o}", "lost", (json_int_t)lost,
				"answered", (json_int_t)answered, "series",
				series),
		      stdout);
}

static void labels(FILE *out, const struct fl_key *key, const char *phase)
{
	fputs("{mount=", out);
	ext_label(out, mount_path(key->dev));
	fprintf(out, ",opcode=\"%s\"", opcode_name(key->opcode));
	if (phase)
		fprintf(out, ",phase=\"%s\"", phase);
}

static const char seconds[] = "disgrafs_fuse_request_seconds";

static void prometheus_phase(FILE *out, const struct series *s,
			     const char *name, const struct fl_phase *phase)
{
	unsigned long long total = 0;
	int i;

	for (i = 0; i < FL_SLOTS; i++) {
		total += phase->slots[i];
		/* Always all slots: a histogram must not change its bounds. */
		fprintf(out, "%s_bucket", seconds);
		labels(out, &s->key, name);
		if (i < FL_SLOTS - 1)
			fprintf(out, ",le=\"%.9g\"} %llu\n", (1ULL << i) / 1e9,
				total);
		else
			fprintf(out, ",le=\"+Inf\"} %llu\n", total);
	}
	fprintf(out, "%s_sum", seconds);
	labels(out, &s->key, name);
	fprintf(out, "} %.9f\n%s_count", phase->ns / 1e9, seconds);
	labels(out, &s->key, name);
	fprintf(out, "} %llu\n", total);
}

static int report_prometheus(const char *path, const struct series *list,
			     int n, unsigned long long lost_count,
			     unsigned long long answered_count)
{
	static const char answered[] = "disgrafs_fuse_requests_answered_total";

	static const char errors[] = "disgrafs_fuse_request_errors_total";
	static const char lost[] = "disgrafs_fuse_requests_lost_total";
	FILE *out = ext_publish_start(path);
	int i;

	if (!out)
		return -errno;
	ext_metric(out, seconds, "histogram",
		   "Time of FUSE requests in the queue and in the daemon.");
	for (i = 0; i < n; i++) {
		prometheus_phase(out, &list[i], "queue", &list[i].stat.queue);
		prometheus_phase(out, &list[i], "daemon",
				 &list[i].stat.daemon);
	}
	ext_metric(out, errors, "counter",
		   "FUSE requests that ended with an error.");
	for (i = 0; i < n; i++) {
		fputs(errors, out);
		labels(out, &list[i].key, NULL);
		fprintf(out, "} %llu\n",
			(unsigned long long)list[i].stat.errors);
	}
	ext_metric(out, lost, "counter",
		   "FUSE requests that could not be tracked.");
	fprintf(out, "%s %llu\n", lost, lost_count);
	ext_metric(out, answered, "counter",
		   "FUSE requests that were answered in the kernel.");
	fprintf(out, "%s %llu\n", answered, answered_count);
	return ext_publish(out, path);
}

static int report(void *data)
{
	struct fuse_latency_bpf *skel = data;
	struct series *list = NULL;
	unsigned long long lost;
	int n, err = 0;

	n = read_series(bpf_map__fd(skel->maps.fl_stats), &list);
	if (n < 0) {
		ext_error("cannot read the counts: %s", strerror(-n));
		return n;
	}
	read_mounts();
	/* A missed run of a program has lost a request, or its end. */
	lost = skel->bss->lost + ext_missed(skel->obj) + missed_by_links();
	if (ext_options.prometheus)
		err = report_prometheus(ext_options.prometheus, list, n, lost,
					skel->bss->answered);
	if (ext_options.json)
		report_json(list, n, lost, skel->bss->answered);
	else if (!ext_options.prometheus)
		report_text(list, n, lost, skel->bss->answered);
	fflush(stdout);
	free(list);
	return err;
}

/*
 * Number of requests that ended since the start, from the pinned map; -1 if not
 * loaded.
 */
static long long work_done(void)
{
	int fd = bpf_obj_get(ext_pin_path("fl_stats")), n, i;
	struct series *list = NULL;
	long long sum = 0;

	if (fd < 0)
		return -1;
	n = read_series(fd, &list);
	for (i = 0; i < n; i++)
		sum += list[i].stat.count;
	free(list);
	close(fd);
	return n < 0 ? -1 : sum;
}

static int preflight(void)
{
	struct fuse_latency_bpf *skel;
	struct layout layout, *l = &layout;
	enum method how;
	int err = 0;

	if (find_layout(l))
		return ext_unsupported(
			"a kernel with BTF for fuse (CONFIG_DEBUG_INFO_BTF and, for a modular fuse, CONFIG_DEBUG_INFO_BTF_MODULES)",
			"this kernel's BTF does not have FUSE's structures");
	if (!is_symbol("fuse_copy_args") || !is_symbol(l->begin))
		return ext_unsupported(
			"a kernel in which the compiler inlined neither of them",
			"the kernel has no symbol fuse_copy_args or %s", l->begin);
	skel = load_best(l, 0, &how, &err);
	if (!skel) {
		ext_show_log();
		return ext_unsupported(
			"root, and a kernel that allows fentry or kprobe programs",
			"the programs do not load: %s", strerror(-err));
	}
	err = attach(skel, l, how);
	detach();
	fuse_latency_bpf__destroy(skel);
	if (err)
		return ext_unsupported("a kernel that allows tracing of FUSE",
				       "the programs do not attach: %s",
				       strerror(-err));
	return ext_supported(method_names[how]);
}

static int run(void)
{
	struct fuse_latency_bpf *skel;
	struct layout layout, *l = &layout;
	enum method how;
	__u32 dev = 0;
	int err = 0, i;

	if (find_layout(l)) {
		ext_error("this kernel's BTF does not have FUSE's structures; see --preflight");
		return -ENOENT;
	}
	if (only_mount) {
		read_mounts();
		for (i = 0; i < mount_count; i++) {
			if (!strcmp(mounts[i].path, only_mount))
				dev = mounts[i].dev;
		}
		if (!dev) {
			ext_error("%s is not a FUSE mount. The FUSE mounts are:",
				  only_mount);
			for (i = 0; i < mount_count; i++)
				fprintf(stderr, "  %s\n", mounts[i].path);
			return -EINVAL;
		}
	}
	skel = load_best(l, dev, &how, &err);
	if (!skel)
		return ext_not_loaded(err);
	err = ext_pin(skel->obj);
	if (err)
		goto out;
	err = attach(skel, l, how);
	if (err)
		goto out;
	ext_ready();
	ext_loop(report, skel);
	detach();
	err = report(skel);
out:
	ext_unpin();
	fuse_latency_bpf__destroy(skel);
	return err;
}

int main(int argc, char **argv)
{
	static const struct ext_loader loader = {
		.name = "fuse-latency",
		.documentation = documentation,
		.options = own_options,
		.parse = parse,
		.object = fuse_latency_bpf__elf_bytes,
		.work = work_done,
		.preflight = preflight,
		.run = run,
	};

	return ext_main(&loader, argc, argv);
}
