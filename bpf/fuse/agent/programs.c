// SPDX-License-Identifier: GPL-2.0
/*
 * programs.c - loads the module and the BPF programs, and raises generations
 * in their maps
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/fuse.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "agent.h"
#include "mounts.h"
#include "efuse.skel.h"

/* Programs that see this write also see everything written before it. */
#define publish(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

static struct efuse_bpf *skel;
static struct bpf_link *attached;
static int module_fd = -1;
static uint32_t registered;		/* device in the kernel's encoding */
static uint32_t slots = EFUSE_GENS;

struct efuse_bpf *programs(void)
{
	return skel;
}

static struct efuse_control *control(void)
{
	return &skel->data_control->control;
}

uint32_t programs_slot(uint64_t ino)
{
	return efuse_slot(registered, ino, slots - 1);
}

/*
 * The programs raise the same words concurrently: as swap_word() in
 * ../programs/coherence.h, this takes another number after each lost race.
 */
static void raise_word(__u64 *word)
{
	struct efuse_sequence *s = &skel->data_sequence->sequence;
	__u64 next, old;

	do {
		next = __atomic_add_fetch(&s->seq, 1, __ATOMIC_SEQ_CST);
		old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	} while (old >= next ||
		 !__atomic_compare_exchange_n(word, &old, next, false,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
}

uint64_t programs_sequence(void)
{
	return __atomic_load_n(&skel->data_sequence->sequence.seq,
			       __ATOMIC_SEQ_CST);
}

/*
 * False if the copy may be of two answers, of which a program stored one
 * meanwhile: as copied() in ../programs/serving.h.
 */
static bool copy_attributes(const struct efuse_attr_key *key,
			    struct efuse_attr_val *to)
{
	int fd = bpf_map__fd(skel->maps.efuse_attrs);
	struct efuse_attr_val again;

	return !bpf_map_lookup_elem(fd, key, to) &&
	       !bpf_map_lookup_elem(fd, key, &again) &&
	       !memcmp(to, &again, sizeof(again));
}

static struct efuse_version version_of(const struct fuse_attr *a)
{
	return (struct efuse_version){
		a->size, a->mtime, a->ctime, a->mtimensec, a->ctimensec,
	};
}

/*
 * An OPEN invalidates cached attributes, because they may be older than it. If
 * nothing else has changed them, and Redis still had their version after that,
 * they are what the daemon would answer. If a program stores newer ones of
 * another version at the same time, it raises the generation above `seen`
 * (notice_change() in ../programs/filling.h), and these do not become valid.
 */
bool programs_renew(uint64_t dev, uint64_t ino,
		    const struct efuse_version *version, uint64_t seen)
{
	const __u64 *content = &skel->data_contents->content_gens[
					efuse_slot(dev, ino, slots - 1)];
	const __u64 *epoch = &skel->data_sequence->sequence.epoch;
	struct efuse_attr_key key = { dev, ino };
	struct efuse_version cached;
	struct efuse_attr_val v;

	if (FAULT(RENEW_NEVER) || !copy_attributes(&key, &v) || v.seen >= seen)
		return false;
	cached = version_of(&v.attr);
	if (!efuse_same_version(&cached, version) && !FAULT(RENEW_ANY))
		return false;
	if ((__atomic_load_n(content, __ATOMIC_SEQ_CST) > v.seen ||
	     __atomic_load_n(epoch, __ATOMIC_SEQ_CST) > v.seen) &&
	    !FAULT(RENEW_CHANGED))
		return false;
	v.seen = seen;
	return !bpf_map_update_elem(bpf_map__fd(skel->maps.efuse_attrs), &key,
				    &v, BPF_EXIST);
}

static void bpf_inode(uint64_t ino)
{
	raise_word(&skel->data_gens->gens[programs_slot(ino)]);
	if (opt.reads)
		raise_word(&skel->data_contents->content_gens[programs_slot(ino)]);
	if (opt.kernel_cache && !FAULT(NO_DROP))
		channel_inval_inode(ino);
}

/* From 6.16 on; otherwise a name stays in the kernel for the rest of its lease. */
static void drop_names(void)
{
	if (opt.kernel_cache && !FAULT(NO_DROP))
		channel_inc_epoch();
}

/* A directory's names and attributes share one generation. */
static void bpf_dir(uint64_t ino)
{
	bpf_inode(ino);
	drop_names();
}

static void bpf_all(void)
{
	raise_word(&skel->data_sequence->sequence.epoch);
	drop_names();
}

static void bpf_lease(uint64_t until)
{
	publish(&control()->lease_until, until);
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
		fatal("the loaded module and this agent have different versions");
	case EINVAL:
		fatal("the module rejects the layout of this kernel");
	case EBUSY:
		fatal("the function is hooked by something else (a live patch?)");
	default:
		fatal("the module cannot hook this kernel: %s",
		      strerror(errno));
	}
}

/*
 * Without reads, their maps and programs are left out: the verifier drops their
 * code.
 */
static void set_up_reads(void)
{
	skel->rodata->reads = opt.reads != READS_OFF;
	bpf_program__set_autoload(skel->progs.efuse_read, opt.reads);
	bpf_map__set_autocreate(skel->maps.efuse_handles, opt.reads);
	bpf_map__set_autocreate(skel->maps.efuse_notices, opt.reads);
	bpf_map__set_autocreate(skel->maps.efuse_blocks, opt.reads);
	bpf_map__set_autocreate(skel->maps.efuse_misses, opt.reads);
	bpf_map__set_autocreate(skel->maps.efuse_told, opt.reads);
	bpf_map__set_max_entries(skel->maps.efuse_blocks, opt.read_blocks);
	if (bpf_map__set_value_size(skel->maps.data_contents,
				    (opt.reads ? slots : 1) * sizeof(__u64)))
		fatal("--entries %u: the table of content generations cannot be that long",
		      opt.entries);
}

/* Without listings, each name needs a request of its own: slower, still correct. */
static bool set_up_lists(void)
{
	struct efuse_lists lists;
	const char *why = layout_of_lists(&lists);

	if (!why && ioctl(module_fd, EFUSE_IOC_LISTS, &lists))
		why = errno == EINVAL ? "the module rejects their layout" :
					strerror(errno);
	if (why)
		say("listings are not used: %s", why);
	return !why;
}

/* One directory for 16 entries: an element has 1 KiB. */
static void set_up_names(void)
{
	bool used = skel->rodata->lists && opt.mode == EFUSE_LEASE &&
		    opt.listings == LISTINGS_ON;
	uint32_t count = used ? slots / 16 : 1;

	skel->rodata->names_kept = used;
	skel->rodata->names_mask = count - 1;
	bpf_map__set_max_entries(skel->maps.efuse_names_of, count);
}

/* As many generations as entries, so that few share one. */
static void set_sizes(void)
{
	while (slots < opt.entries)
		slots *= 2;
	skel->rodata->slots_mask = slots - 1;
	set_up_names();
	bpf_map__set_max_entries(skel->maps.efuse_attrs, opt.entries);
	bpf_map__set_max_entries(skel->maps.efuse_entries, opt.entries);
	if (bpf_map__set_value_size(skel->maps.data_gens,
				    slots * sizeof(__u64)) ||
	    bpf_map__set_value_size(skel->maps.data_writers,
				    slots * sizeof(__u32)))
		fatal("--entries %u: the tables cannot be that long",
		      opt.entries);
	set_up_reads();
}

static void bpf_start(void)
{
	struct efuse_hook hook;

	if (!opt.loader)	/* a loader keeps it in a file */
		libbpf_set_print(print);
	layout_read(&hook);
	open_module(&hook);

	skel = efuse_bpf__open();
	if (!skel)
		fatal("BPF: %s", strerror(errno));
#ifdef EFUSE_TEST_FAULTS
	memcpy(skel->rodata->faults, opt.faults, sizeof(opt.faults));
#endif
	skel->rodata->targets = !!(hook.phases & 1U << EFUSE_NAMED);
	if (!(hook.phases & 1U << EFUSE_NOTIFIED) && opt.mode == EFUSE_TTL)
		fatal("mode ttl needs the daemon's notifications, which cannot be hooked in this kernel");
	skel->rodata->lists = opt.listings && set_up_lists();
	set_sizes();
	if (efuse_bpf__load(skel))
		fatal("the kernel rejects the BPF programs");
	set_handler(FUSE_LOOKUP, skel->progs.efuse_lookup);
	set_handler(FUSE_GETATTR, skel->progs.efuse_getattr);
	set_handler(FUSE_GETXATTR, skel->progs.efuse_getxattr);
	set_handler(FUSE_STATFS, skel->progs.efuse_statfs);
	if (opt.reads)
		set_handler(FUSE_READ, skel->progs.efuse_read);

	control()->opcodes = opt.opcodes;
	control()->bound_ms = opt.bound / NSEC_PER_MSEC;
	control()->shadow = opt.shadow;
	control()->after_pages = opt.reads == READS_AFTER_PAGES;
	control()->grant = opt.kernel_cache;
	control()->keep = opt.kernel_cache;
	control()->xattr_ttl = opt.xattr_ttl;
	control()->statfs_ttl = opt.statfs_ttl;

	shadow_start();
	if (opt.reads)
		reads_start(module_fd);
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

static void bpf_stop(void)
{
	if (attached) {
		publish(&control()->mode, EFUSE_OFF);
		bpf_link__destroy(attached);
		attached = NULL;
	}
	/*
	 * The module waits for reads in progress, which may wait for a daemon
	 * that has ended, and that a copy of its descriptor keeps alive.
	 */
	if (!FAULT(LATE_CHANNEL))
		channel_close();
	reads_stop();
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
	channel_close();
	shadow_stop();
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

bool programs_module_stats(struct efuse_stats *stats)
{
	return ioctl(module_fd, EFUSE_IOC_STATS, stats) == 0;
}

/* Starts to track changes of the mount; nothing is answered yet. */
static void bpf_mount(const struct mounted *m)
{
	__u32 d = ext_kernel_dev(major(m->dev), minor(m->dev));

	registered = d;
	publish(&control()->mode, EFUSE_OFF);
	publish(&control()->dev, d);
	publish(&control()->fail, EFUSE_FAIL_NONE);
	bpf_all();
	if (ioctl(module_fd, EFUSE_IOC_ADD, &d))
		fatal("the module does not accept device %#x: %s", d,
		      errno == EEXIST ? "another agent serves it" :
		      strerror(errno));
}

/*
 * Changes are already tracked while writers_find() searches for files open for
 * writing, so none is missed.
 */
static void bpf_serve(const struct mounted *m)
{
	int count = writers_find(m->dev);

	if (count)
		say("%d files are already open for writing and are not served",
		    count);
	if (opt.kernel_cache && !channel_open(m->daemon, m->dev))
		say("cannot get the daemon's descriptor: the kernel keeps its entries until the lease ends");
	bpf_all();
	if (opt.reads)
		publish(&control()->opcodes, opt.opcodes |
			(reads_mount(m) ? 1ULL << EFUSE_OP_READ : 0));
	publish(&control()->mode, opt.mode);
}

static bool bpf_replaced(void)
{
	return __atomic_load_n(&control()->fail, __ATOMIC_RELAXED) ==
	       EFUSE_FAIL_REMOUNT;
}

void programs_writer(uint64_t ino)
{
	/* Its handle is unknown, so it counts until the mount is gone. */
	__atomic_add_fetch(&skel->data_writers->writers_of[programs_slot(ino)],
			   1, __ATOMIC_SEQ_CST);
}

/* Resets the counts of open files, when no program runs for the device. */
static void forget_writers(void)
{
	int fd = bpf_map__fd(skel->maps.efuse_writers);
	struct efuse_writer_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		if (bpf_map_delete_elem(fd, &key))
			break;
	memset(skel->data_writers->writers_of, 0, slots * sizeof(__u32));
}

static void bpf_unmount(void)
{
	__u32 d = registered;

	if (!registered)
		return;
	publish(&control()->mode, EFUSE_OFF);
	publish(&control()->dev, 0);
	if (ioctl(module_fd, EFUSE_IOC_DEL, &d))
		say("the module does not know device %#x", d);
	registered = 0;
	channel_close();
	if (opt.reads)
		reads_unmount();
	bpf_all();
	forget_writers();
}

const struct sink bpf_sink = {
	.start		= bpf_start,
	.stop		= bpf_stop,
	.mount		= bpf_mount,
	.serve		= bpf_serve,
	.unmount	= bpf_unmount,
	.replaced	= bpf_replaced,
	.inode		= bpf_inode,
	.dir		= bpf_dir,
	.all		= bpf_all,
	.lease		= bpf_lease,
};
