// SPDX-License-Identifier: GPL-2.0
/*
 * loader.c - the agent as the loader of the lab's extension `fuse`: what
 * docs/extensions.md asks of a loader, on top of what the agent does by itself
 *
 * The module is part of what is loaded: it is efuse.ko beside this program,
 * and it goes with the last user. What a killed agent leaves is the module
 * without a hook, and pins; --remove clears both.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "agent.h"
#include "extension.h"

#define NAME		"fuse"
#define REPORT_SECONDS	15

static bool module_is_ours;
static uint64_t report_at;

/* The file beside this program. */
static const char *module_file(void)
{
	static char path[PATH_MAX + 16];
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		fatal("/proc/self/exe: %s", strerror(errno));
	self[n] = 0;
	snprintf(path, sizeof(path), "%s/efuse.ko", dirname(self));
	return path;
}

static void module_load(void)
{
	const char *path = module_file();
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fatal("%s: %s", path, strerror(errno));
	if (syscall(SYS_finit_module, fd, "", 0) == 0) {
		module_is_ours = true;
		close(fd);
		return;
	}
	close(fd);
	switch (errno) {
	case EEXIST:	/* the version is checked when it is opened */
		say("a module efuse is loaded already and is used as it is");
		return;
	case ENOEXEC:
		fatal("%s was built for another kernel (dmesg has the two versions)",
		      path);
	case EKEYREJECTED:
		fatal("this kernel takes signed modules only, and %s is not signed",
		      path);
	case EPERM:
		fatal("loading modules is forbidden here (lockdown, or kernel.modules_disabled)");
	default:
		fatal("%s: %s", path, strerror(errno));
	}
}

/* Waits for what the kernel frees a while after the last close. */
static int module_unload(void)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	int tries;

	for (tries = 0; tries < 600; tries++) {
		if (syscall(SYS_delete_module, "efuse", O_NONBLOCK) == 0 ||
		    errno == ENOENT)
			return 0;
		if (errno != EAGAIN && errno != EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	say("module efuse stays: %s", strerror(errno));
	return 1;
}

/* A trial leaves nothing, wherever it ended. */
static void undo_trial(void)
{
	programs_stop();
	if (module_is_ours)
		module_unload();
}

static int preflight(void)
{
	const char *why;

	if (ext_lock())
		return 1;
	why = mount_refusal();
	if (why)
		return ext_unsupported(
			"a mount whose answers may be shared by all callers",
			"%s: %s", opt.mount, why);
	if (opt.notify)
		return ext_supported("notifications, no module");
	atexit(undo_trial);
	module_load();
	programs_start();
	return ext_supported("module and writable raw tracepoint");
}

static const char * const modes[] = { "off", "ttl", "lease" };

/* What the pinned maps of the running agent say; false: there are none. */
static bool facts(FILE *out, long long *work)
{
	int control_fd = bpf_obj_get(ext_pin_path("control"));
	int stats_fd = bpf_obj_get(ext_pin_path("efuse_stats"));
	int device = open(EFUSE_DEVICE, O_RDWR | O_CLOEXEC);
	uint64_t asked = 0, hits = 0, shadow = 0;
	struct efuse_stats module = {};
	struct efuse_control c;
	struct efuse_opstats s;
	__u32 zero = 0, op;

	if (control_fd < 0 || stats_fd < 0 ||
	    bpf_map_lookup_elem(control_fd, &zero, &c))
		return false;
	for (op = 0; op < EFUSE_OPCODES; op++) {
		if (!(c.opcodes & 1ULL << op) ||
		    !programs_results(stats_fd, op, &s))
			continue;
		asked += s.n[EFUSE_R_ASKED];
		hits += s.n[EFUSE_R_HIT];
		shadow += s.n[EFUSE_R_SHADOW];
	}
	close(control_fd);
	close(stats_fd);
	if (device >= 0) {
		ioctl(device, EFUSE_IOC_STATS, &module);
		close(device);
	}
	*work = c.shadow ? shadow : c.mode == EFUSE_OFF ? asked : hits;
	fprintf(out, "{\"mode\":\"%s\",\"serving\":%s,\"requests\":%llu,\"asked\":%llu,\"hits\":%llu,\"hitRatio\":",
		c.shadow ? "shadow" : modes[c.mode],
		c.dev && !c.fail ? "true" : "false",
		module.calls, (unsigned long long)asked,
		(unsigned long long)hits);
	if (asked)
		fprintf(out, "%.3f", (double)hits / asked);
	else
		fprintf(out, "null");
	if (c.mode == EFUSE_LEASE)
		fprintf(out, ",\"boundMs\":%u,\"lease\":%s", c.bound_ms,
			c.lease_until > now_ns() ? "true" : "false");
	fprintf(out, "}");
	return true;
}

static int status(void)
{
	long long work = -1;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool some = facts(out, &work);
	int err;

	fclose(out);
	ext_facts = some ? text : NULL;
	err = ext_status(programs_object(), work, stdout);
	free(text);
	return err ? 1 : 0;
}

int loader_answer(void)
{
	opt.loader = true;
	ext_init(NAME);
	switch (ext_options.mode) {
	case EXT_PREFLIGHT:
		return preflight();
	case EXT_STATUS:
		return status();
	default:
		return ext_lock() || ext_unpin() ||
		       ext_left(programs_object()) || module_unload();
	}
}

void loader_start(void)
{
	ext_init(NAME);
	if (ext_lock())
		exit(1);
	if (!opt.notify)
		module_load();
}

static void report(void)
{
	FILE *out;

	if (!ext_options.prometheus)
		return;
	out = ext_publish_start(ext_options.prometheus);
	if (out) {
		metrics_write(out);
		ext_publish(out, ext_options.prometheus);
	}
}

/* Everything is attached: show it, then say so. */
void loader_serving(void)
{
	if (!opt.notify &&
	    (ext_pin(programs_object()) ||
	     bpf_map__pin(programs_control(), ext_pin_path("control"))))
		fatal("no pins");
	report();
	ext_ready();
}

void loader_tick(void)
{
	unsigned int seconds = ext_options.interval ?: REPORT_SECONDS;

	if (now_ns() < report_at)
		return;
	report_at = now_ns() + seconds * NSEC_PER_SEC;
	report();
}

void loader_stop(void)
{
	if (opt.notify)
		return;
	ext_unpin();
	if (module_is_ours)
		module_unload();
}
