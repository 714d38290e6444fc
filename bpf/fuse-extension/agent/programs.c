// SPDX-License-Identifier: GPL-2.0
/*
 * programs.c - the module and the BPF programs, and the sink that raises
 * generations in the maps they read
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fuse.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "agent.h"
#include "efuse.skel.h"

#define relaxed(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

static struct efuse_bpf *skel;
static struct bpf_link *attached;
static struct ring_buffer *ring;
static int module_fd = -1;
static uint64_t registered;

static struct efuse_control *control(void)
{
	return &skel->data_control->control;
}

/*
 * The programs raise the same words at the same time, so: take a number, and
 * never write one that is lower than what is there.
 */
static void raise_word(__u64 *word)
{
	struct efuse_sequence *s = &skel->data_sequence->sequence;
	__u64 next = __atomic_add_fetch(&s->seq, 1, __ATOMIC_SEQ_CST);
	__u64 old = __atomic_load_n(word, __ATOMIC_SEQ_CST);

	while (old < next &&
	       !__atomic_compare_exchange_n(word, &old, next, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

static void bpf_inode(uint64_t ino)
{
	raise_word(&skel->data_gens->gens[efuse_slot(control()->dev, ino)]);
}

static void bpf_all(void)
{
	raise_word(&skel->data_sequence->sequence.epoch);
}

static void bpf_lease(uint64_t until)
{
	relaxed(&control()->lease_until, until);
}

const struct sink bpf_sink = {
	.inode	= bpf_inode,
	.dir	= bpf_inode,	/* one generation: entries and attributes */
	.all	= bpf_all,
	.lease	= bpf_lease,
};

/* Differences that shadow mode found, kept until the bound is over. */
#define PENDING	256
static struct efuse_event pending[PENDING];
static unsigned int pending_head, pending_tail;

static bool has_changed(uint64_t dev, uint64_t ino, uint64_t seen)
{
	return skel->data_gens->gens[efuse_slot(dev, ino)] > seen ||
	       skel->data_sequence->sequence.epoch > seen;
}

static void judge(const struct efuse_event *e)
{
	unsigned int i;

	/* A change by another client that was on its way: within the bound. */
	if ((e->ino && has_changed(e->dev, e->ino, e->seen)) ||
	    (e->parent && has_changed(e->dev, e->parent, e->seen)) ||
	    (!e->ino && e->daemon[0] &&
	     has_changed(e->dev, e->daemon[0], e->seen))) {
		counters.shadow_benign++;
		return;
	}
	counters.shadow_mismatch++;
	say("shadow: opcode %llu of inode %llu (parent %llu) differs: error %lld, daemon %lld",
	    e->opcode, e->ino, e->parent, e->cached_error, e->error);
	for (i = 0; i < 13; i++)
		if (e->cached[i] != e->daemon[i])
			say("shadow: word %u: %#llx, daemon %#llx", i,
			    e->cached[i], e->daemon[i]);
}

static int on_event(void *ctx, void *data, size_t size)
{
	if (pending_head - pending_tail == PENDING)
		judge(&pending[pending_tail++ % PENDING]);
	memcpy(&pending[pending_head++ % PENDING], data,
	       sizeof(struct efuse_event));
	return 0;
}

void programs_poll(void)
{
	uint64_t now = now_ns();

	if (!skel)
		return;
	ring_buffer__consume(ring);
	while (pending_tail != pending_head &&
	       pending[pending_tail % PENDING].when + 2 * opt.bound < now)
		judge(&pending[pending_tail++ % PENDING]);
}

static void set_handler(__u32 opcode, struct bpf_program *prog)
{
	int fd = bpf_program__fd(prog);

	if (bpf_map_update_elem(bpf_map__fd(skel->maps.efuse_handlers), &opcode, &fd,
				BPF_ANY))
		fatal("handler of opcode %u: %s", opcode, strerror(errno));
}

static void pin(struct bpf_map *map, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", opt.pin, name);
	unlink(path);
	if (bpf_map__pin(map, path))
		fatal("cannot pin %s (is %s in a BPF file system?): %s", path,
		      opt.pin, strerror(errno));
}

static int print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, args);
}

static void open_module(struct efuse_hook *hook)
{
	module_fd = open(EFUSE_DEVICE, O_RDWR | O_CLOEXEC);
	if (module_fd < 0)
		fatal("%s: %s; load the module first (modprobe efuse)",
		      EFUSE_DEVICE, strerror(errno));
	if (ioctl(module_fd, EFUSE_IOC_HOOK, hook) == 0)
		return;
	switch (errno) {
	case EPROTO:
		fatal("the loaded module has another version than this agent");
	case EINVAL:
		fatal("the module refuses the layout of this kernel");
	case EBUSY:
		fatal("the function is hooked by something else (a live patch?)");
	default:
		fatal("the module cannot hook this kernel: %s",
		      strerror(errno));
	}
}

void programs_start(void)
{
	struct efuse_hook hook;

	if (!opt.loader)	/* which keeps it in a file */
		libbpf_set_print(print);
	layout_read(&hook);
	open_module(&hook);

	skel = efuse_bpf__open();
	if (!skel)
		fatal("BPF: %s", strerror(errno));
	skel->rodata->fault = opt.fault;
	skel->rodata->targets = !!(hook.phases & 1U << EFUSE_NAMED);
	if (!(hook.phases & 1U << EFUSE_NOTIFIED) && opt.mode == EFUSE_TTL)
		fatal("mode ttl needs to see the daemon's notifications, which this kernel does not show");
	bpf_map__set_max_entries(skel->maps.efuse_attrs, opt.entries);
	bpf_map__set_max_entries(skel->maps.efuse_entries, opt.entries);
	if (efuse_bpf__load(skel))
		fatal("the kernel refuses the BPF programs");
	set_handler(FUSE_LOOKUP, skel->progs.efuse_lookup);
	set_handler(FUSE_GETATTR, skel->progs.efuse_getattr);
	set_handler(FUSE_GETXATTR, skel->progs.efuse_getxattr);
	set_handler(FUSE_STATFS, skel->progs.efuse_statfs);

	control()->opcodes = opt.opcodes;
	control()->bound_ms = opt.bound / NSEC_PER_MSEC;
	control()->shadow = opt.shadow;
	control()->xattr_ttl = opt.xattr_ttl;
	control()->statfs_ttl = opt.statfs_ttl;

	ring = ring_buffer__new(bpf_map__fd(skel->maps.efuse_events), on_event,
				NULL, NULL);
	if (!ring)
		fatal("ring buffer: %s", strerror(errno));
	/* From 6.16 on, the kernel adds a suffix to the name. */
	attached = bpf_program__attach_raw_tracepoint(skel->progs.efuse_dispatch,
						  "efuse_request");
	if (!attached)
		attached = bpf_program__attach_raw_tracepoint(
			skel->progs.efuse_dispatch, "efuse_request_tp");
	if (!attached)
		fatal("cannot attach to the module's tracepoint: %s",
		      strerror(errno));
	if (opt.pin) {
		if (mkdir(opt.pin, 0700) && errno != EEXIST)
			fatal("%s: %s", opt.pin, strerror(errno));
		pin(skel->maps.efuse_handlers, "handlers");
		pin(skel->maps.efuse_attrs, "attrs");
		pin(skel->maps.efuse_entries, "entries");
		pin(skel->maps.efuse_stats, "stats");
	}
}

void programs_stop(void)
{
	if (attached) {
		relaxed(&control()->mode, EFUSE_OFF);
		bpf_link__destroy(attached);
		attached = NULL;
	}
	if (skel && opt.pin) {
		bpf_map__unpin(skel->maps.efuse_handlers, NULL);
		bpf_map__unpin(skel->maps.efuse_attrs, NULL);
		bpf_map__unpin(skel->maps.efuse_entries, NULL);
		bpf_map__unpin(skel->maps.efuse_stats, NULL);
		rmdir(opt.pin);
	}
	if (module_fd >= 0)
		close(module_fd);
	module_fd = -1;
	ring_buffer__free(ring);
	ring = NULL;
	efuse_bpf__destroy(skel);
	skel = NULL;
}

struct bpf_object *programs_object(void)
{
	if (!skel)
		skel = efuse_bpf__open();
	if (!skel)
		fatal("BPF: %s", strerror(errno));
	return skel->obj;
}

struct bpf_map *programs_control(void)
{
	return skel->maps.data_control;
}

/*
 * Follow the mount first, then look for files that are open for writing
 * already, then serve: none can be missed.
 */
void programs_mount(uint64_t dev, int (*writers)(uint64_t))
{
	__u32 d = dev;

	relaxed(&control()->mode, EFUSE_OFF);
	relaxed(&control()->dev, dev);
	relaxed(&control()->fail, EFUSE_FAIL_NONE);
	bpf_all();
	if (ioctl(module_fd, EFUSE_IOC_ADD, &d))
		fatal("the module does not take device %#x: %s", d,
		      errno == EEXIST ? "another agent has it" :
		      strerror(errno));
	registered = dev;
	writers(dev);
	bpf_all();
	relaxed(&control()->mode, opt.mode);
}

bool programs_remounted(void)
{
	return __atomic_load_n(&control()->fail, __ATOMIC_RELAXED) ==
	       EFUSE_FAIL_REMOUNT;
}

bool programs_writer(uint64_t ino)
{
	__u32 slot = efuse_slot(registered, ino);

	/* Its handle is not known, so it counts as long as the agent runs. */
	__atomic_add_fetch(&skel->data_writers->writers_of[slot], 1,
			   __ATOMIC_SEQ_CST);
	return true;
}

/* No program runs for the device any more; what it had open was closed. */
static void forget_writers(void)
{
	int fd = bpf_map__fd(skel->maps.efuse_writers);
	struct efuse_writer_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		if (bpf_map_delete_elem(fd, &key))
			break;
	memset(skel->data_writers->writers_of, 0,
	       sizeof(skel->data_writers->writers_of));
}

void programs_unmount(void)
{
	__u32 d = registered;

	if (!registered)
		return;
	relaxed(&control()->mode, EFUSE_OFF);
	relaxed(&control()->dev, 0);
	if (ioctl(module_fd, EFUSE_IOC_DEL, &d))
		say("the module does not know device %#x", d);
	registered = 0;
	bpf_all();
	forget_writers();
}

static const char * const opcode_names[EFUSE_OPCODES] = {
	[FUSE_LOOKUP] = "lookup", [FUSE_FORGET] = "forget",
	[FUSE_GETATTR] = "getattr", [FUSE_SETATTR] = "setattr",
	[FUSE_READLINK] = "readlink", [FUSE_SYMLINK] = "symlink",
	[FUSE_MKNOD] = "mknod", [FUSE_MKDIR] = "mkdir",
	[FUSE_UNLINK] = "unlink", [FUSE_RMDIR] = "rmdir",
	[FUSE_RENAME] = "rename", [FUSE_LINK] = "link", [FUSE_OPEN] = "open",
	[FUSE_READ] = "read", [FUSE_WRITE] = "write",
	[FUSE_STATFS] = "statfs", [FUSE_RELEASE] = "release",
	[FUSE_FSYNC] = "fsync", [FUSE_SETXATTR] = "setxattr",
	[FUSE_GETXATTR] = "getxattr", [FUSE_LISTXATTR] = "listxattr",
	[FUSE_REMOVEXATTR] = "removexattr", [FUSE_FLUSH] = "flush",
	[FUSE_OPENDIR] = "opendir", [FUSE_READDIR] = "readdir",
	[FUSE_RELEASEDIR] = "releasedir", [FUSE_FSYNCDIR] = "fsyncdir",
	[FUSE_ACCESS] = "access", [FUSE_CREATE] = "create",
	[FUSE_IOCTL] = "ioctl", [FUSE_FALLOCATE] = "fallocate",
	[FUSE_READDIRPLUS] = "readdirplus", [FUSE_RENAME2] = "rename2",
	[FUSE_LSEEK] = "lseek", [FUSE_COPY_FILE_RANGE] = "copy_file_range",
};

static const char * const result_names[] = {
#define X(name, text) text,
	EFUSE_RESULTS(X)
#undef X
};

bool programs_results(int fd, __u32 opcode, struct efuse_opstats *sum)
{
	int cpus = libbpf_num_possible_cpus(), cpu, i;
	struct efuse_opstats *per_cpu = calloc(cpus, sizeof(*per_cpu));
	bool ok = per_cpu && !bpf_map_lookup_elem(fd, &opcode, per_cpu);

	memset(sum, 0, sizeof(*sum));
	for (cpu = 0; ok && cpu < cpus; cpu++)
		for (i = 0; i < EFUSE_R_MAX; i++)
			sum->n[i] += per_cpu[cpu].n[i];
	free(per_cpu);
	return ok;
}

void programs_metrics(FILE *out)
{
	struct efuse_sequence *s;
	struct efuse_opstats sum;
	struct efuse_stats module;
	__u32 op, i;

	if (!skel)
		return;
	s = &skel->data_sequence->sequence;
	fprintf(out, "# HELP efuse_requests_total Requests by opcode and what became of them.\n"
		     "# TYPE efuse_requests_total counter\n");
	for (op = 0; op < EFUSE_OPCODES; op++) {
		char number[16];
		const char *name = opcode_names[op];

		if (!name) {
			snprintf(number, sizeof(number), "%u", op);
			name = number;
		}
		if (!programs_results(bpf_map__fd(skel->maps.efuse_stats), op,
				      &sum))
			continue;
		for (i = 0; i < EFUSE_R_MAX; i++)
			if (sum.n[i])
				fprintf(out, "efuse_requests_total{opcode=\"%s\",result=\"%s\"} %llu\n",
					name, result_names[i], sum.n[i]);
	}
	fprintf(out,
		"# TYPE efuse_mode gauge\nefuse_mode %u\n"
		"# TYPE efuse_fail gauge\nefuse_fail %u\n"
		"# TYPE efuse_epoch gauge\nefuse_epoch %llu\n"
		"# TYPE efuse_sequence counter\nefuse_sequence %llu\n"
		"# HELP efuse_daemon_validity_seconds Longest validity that the daemon gave: adds to the bound in mode lease.\n"
		"# TYPE efuse_daemon_validity_seconds gauge\n"
		"efuse_daemon_validity_seconds %.3f\n",
		control()->mode, control()->fail, s->epoch, s->seq,
		s->max_valid / 1e9);
	if (ioctl(module_fd, EFUSE_IOC_STATS, &module) == 0)
		fprintf(out,
			"# TYPE efuse_module_requests_total counter\n"
			"efuse_module_requests_total{result=\"shown\"} %llu\n"
			"efuse_module_requests_total{result=\"handled\"} %llu\n"
			"efuse_module_requests_total{result=\"refused\"} %llu\n",
			module.calls, module.handled, module.refused);
}
