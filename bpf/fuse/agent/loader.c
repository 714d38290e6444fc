// SPDX-License-Identifier: GPL-2.0
/*
 * loader.c - the agent as the loader of the lab's extension `fuse`: the
 * interface in docs/extensions.md, on top of the agent's own work
 *
 * It also loads the module, efuse.ko in this program's folder, and unloads it
 * after the last user. A killed agent leaves the module without hooks, and
 * pins; --remove removes both.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "agent.h"
#include "extension.h"
#include "module.h"

#define NAME		"fuse"
#define MODULE		"efuse"
#define REPORT_SECONDS	15

static bool module_is_ours;
static uint64_t report_at;

/* Loads the module; an efuse that is already loaded is used. */
static void module_load(void)
{
	int err = ext_module_load(MODULE);

	if (err == -EEXIST)	/* its version is checked at open */
		say("using the module efuse that is already loaded");
	else if (err)
		exit(1);
	module_is_ours = !err;
}

/* At exit: a preflight check leaves nothing behind. */
static void undo_trial(void)
{
	sink->stop();
	if (module_is_ours)
		ext_module_unload(MODULE);
}

static int preflight(void)
{
	const char *why;

	if (ext_lock())
		return 1;
	if (opt.meta && (opt.mode == EFUSE_LEASE || opt.notify))
		tracking_look();
	why = mount_refusal();
	if (why)
		return ext_unsupported(
			"a mount whose answers may be shared by all callers",
			"%s: %s", opt.mount, why);
	if (opt.notify)
		return ext_supported("notifications, no module");
	atexit(undo_trial);
	module_load();
	sink->start();
	return ext_supported("module and writable raw tracepoint");
}

static const char * const modes[] = { "off", "ttl", "lease" };

/* Sums the results of the served opcodes. */
static void sum_results(int stats_fd, uint64_t opcodes, json_int_t *asked,
			json_int_t *hits, json_int_t *shadow)
{
	struct efuse_opstats s;
	__u32 op;

	for (op = 0; op < EFUSE_OPCODES; op++) {
		if (!(opcodes & 1ULL << op) ||
		    !results_of(stats_fd, op, &s))
			continue;
		*asked += s.n[EFUSE_R_ASKED];
		*hits += s.n[EFUSE_R_HIT];
		*shadow += s.n[EFUSE_R_SHADOW];
	}
}

/* Facts from the pinned maps of the running agent; NULL if there are none. */
static json_t *facts(long long *work)
{
	int control_fd = bpf_obj_get(ext_pin_path("control"));
	int stats_fd = bpf_obj_get(ext_pin_path("efuse_stats"));
	int device = open(EFUSE_DEVICE, O_RDWR | O_CLOEXEC);
	json_int_t asked = 0, hits = 0, shadow = 0;
	struct efuse_stats module = {};
	struct efuse_control c;
	__u32 zero = 0;
	json_t *facts;

	if (control_fd < 0 || stats_fd < 0 ||
	    bpf_map_lookup_elem(control_fd, &zero, &c))
		return NULL;
	sum_results(stats_fd, c.opcodes, &asked, &hits, &shadow);
	close(control_fd);
	close(stats_fd);
	if (device >= 0) {
		ioctl(device, EFUSE_IOC_STATS, &module);
		close(device);
	}
	*work = c.shadow ? shadow : c.mode == EFUSE_OFF ? asked : hits;
	facts = json_pack("{s:s, s:b, s:I, s:I, s:I, s:o}", "mode",
			  c.shadow ? "shadow" : modes[c.mode], "serving",
			  c.dev && !c.fail, "requests",
			  (json_int_t)module.calls, "asked", asked, "hits",
			  hits, "hitRatio",
			  asked ? json_real((double)hits / asked) :
				  json_null());
	if (c.opcodes & 1ULL << EFUSE_OP_READ) {
		json_object_set_new(facts, "reads", json_integer(module.reads));
		json_object_set_new(facts, "readBytes",
				    json_integer(module.read_bytes));
	}
	if (c.after_pages)
		json_object_set_new(facts, "pageReads",
				    json_integer(module.read_pages));
	if (c.mode == EFUSE_LEASE) {
		json_object_set_new(facts, "boundMs",
				    json_integer(c.bound_ms));
		json_object_set_new(facts, "lease",
				    json_boolean(c.lease_until > now_ns()));
		json_object_set_new(facts, "kernelCache",
				    json_boolean(c.grant));
	}
	return facts;
}

static int status(void)
{
	long long work = -1;
	json_t *some = facts(&work);

	return ext_status(programs_object(), work, some, stdout) ? 1 : 0;
}

int loader_answer(void)
{
	opt.loader = true;
	ext_log_start(NAME);
	switch (ext_options.mode) {
	case EXT_PREFLIGHT:
		return preflight();
	case EXT_STATUS:
		return status();
	default:
		return ext_lock() || ext_unpin() ||
		       ext_left(programs_object()) ||
		       ext_module_unload(MODULE);
	}
}

void loader_start(void)
{
	ext_log_start(NAME);
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

/* Everything is attached: pins it, then reports readiness. */
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
		ext_module_unload(MODULE);
}
