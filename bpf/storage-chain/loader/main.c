// SPDX-License-Identifier: GPL-2.0
/*
 * The loader of the extension storage-chain (docs/extensions.md): loads module,
 * programs and doors, and removes them in reverse order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "extension.h"
#include "loader.h"

const char * const mode_names[] = { "wq", "poll", "irq" };
static const char * const backend_names[] = { "auto", "struct_ops", "tracepoint" };

struct settings settings = { .device = "auto", .hops = 16 };

static const char documentation[] =
"Opens doors through which one read follows a chain of nodes of an image.\n"
"\n"
"Examples:\n"
"  storage-chain                        the machine's data disk, mode wq\n"
"  storage-chain --device /dev/nvme2n1 --mode poll\n"
"  storage-chain --preflight --mode irq\n";

static const struct argp_option options[] = {
	{ "device", 'D', "DEV", 0, "device with the image; auto (default): the data disk", 0 },
	{ "mode", 'm', "wq|poll|irq", 0,
	  "who requests the next node: a worker (default); the polling task; the interrupt on an idle CPU", 0 },
	{ "backend", 'B', "auto|struct_ops|tracepoint", 0, "how programs are attached", 0 },
	{ "hops", 'H', "N", 0, "maximum nodes in a chain, 1 to 64 (default 16)", 0 },
	{ "no-crc", 'C', NULL, 0, "do not verify nodes' checksums", 0 },
	{ "linear", 'L', NULL, 0, "also create a linear device, for comparison", 0 },
	{},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'D':
		settings.device = arg;
		return 0;
	case 'm':
		settings.mode = ext_choice(arg, mode_names, 3, state);
		return 0;
	case 'B':
		settings.backend = ext_choice(arg, backend_names, 3, state);
		return 0;
	case 'H':
		settings.hops = ext_number(arg, 1, 64, state);
		return 0;
	case 'C':
		settings.no_crc = true;
		return 0;
	case 'L':
		settings.linear = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void stop(void)
{
	doors_remove();
	programs_detach();
	module_unload();
}

/* Starts everything, or nothing after an error. */
static int start(struct lack *lack)
{
	int err = device_find(lack) ?: device_check_mode(lack);

	if (err)
		return err;
	err = module_load(lack);
	if (err)
		return err;
	err = programs_attach(lack) ?: doors_make(lack);
	if (err)
		stop();
	return err;
}

static int preflight(void)
{
	struct lack lack = {};
	char how[320];

	if (start(&lack))
		return ext_unsupported(lack.needed, "%s", lack.text);
	snprintf(how, sizeof(how), "%s, %s on %s", mode_names[settings.mode],
		 programs_backend(), device_path);
	stop();
	return ext_supported(how);
}

static const char * const shown[] = {
	"chains", "reads", "next", "done", "program_error", "no_program",
	"miss", "limit", "range", "io_error", "reject", "bounce", "stopped",
	"again", "worker", "inline", "polled", "interrupt", "direct",
	"kept",
};

static void write_metrics(FILE *out)
{
	size_t i;

	ext_metric(out, "storage_chain_events_total", "counter",
		   "Events at the doors, by kind.");
	for (i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		fprintf(out, "storage_chain_events_total{kind=\"%s\"} %lld\n",
			shown[i], doors_count(shown[i]));
}

/*
 * Checks the rules of the mode again: it would not obey a limit that was set for
 * the device since the start, and the limit's code takes locks that an interrupt
 * must not take.
 */
static void guard_mode(void)
{
	struct lack lack = {};
	char mode[16];

	if (doors_mode(mode, sizeof(mode)) || !strcmp(mode, "wq") ||
	    !device_check_mode(&lack))
		return;
	ext_error("%s; switched to mode wq", lack.text);
	doors_set_mode("wq");
}

static int report(void *data)
{
	FILE *out;

	(void)data;
	guard_mode();
	if (!ext_options.prometheus)
		return 0;
	out = ext_publish_start(ext_options.prometheus);
	if (!out)
		return 0;
	write_metrics(out);
	return ext_publish(out, ext_options.prometheus);
}

static int run(void)
{
	struct lack lack = {};
	int err = start(&lack);

	if (err) {
		ext_error("%s; needed: %s", lack.text, lack.needed);
		return err;
	}
	if (!ext_options.interval)
		ext_options.interval = 5;
	ext_ready();
	ext_loop(report, NULL);
	stop();
	return 0;
}

/* Cleans up after a killed instance; its programs ended with it. */
static int clean(void)
{
	doors_remove();
	return 0;
}

static long long work_done(void)
{
	return doors_count("done");
}

static json_t *facts(void)
{
	char mode[16];

	if (doors_mode(mode, sizeof(mode)))
		return NULL;
	return json_pack("{s:s, s:s, s:I, s:I}", "mode", mode,
			 "backend", programs_backend(),
			 "chains", (json_int_t)doors_count("chains"),
			 "reads", (json_int_t)doors_count("reads"));
}

int main(int argc, char **argv)
{
	static const struct ext_loader loader = {
		.name = "storage-chain",
		.documentation = documentation,
		.options = options,
		.parse = parse,
		.object = programs_elf,
		.work = work_done,
		.facts = facts,
		.clean = clean,
		.preflight = preflight,
		.run = run,
	};
	int status = ext_main(&loader, argc, argv);

	/* The programs are gone, so the module has no users. */
	if (!status && ext_options.mode == EXT_REMOVE)
		status = module_unload() ? 1 : 0;
	return status;
}
