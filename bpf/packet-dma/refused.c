// SPDX-License-Identifier: GPL-2.0
/* A loader whose programs are rejected, to test loaders' error messages. */
#include <stdlib.h>
#include <string.h>

#include "extension.h"
#include "refused.h"

static const char *const names[] = { "write-user", "other-kernel" };
static int chosen;

static const struct argp_option own_options[] = {
	{ "program", 'p', "NAME", 0, "write-user or other-kernel", 0 },
	{},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	if (key != 'p')
		return ARGP_ERR_UNKNOWN;
	chosen = ext_choice(text, names, 2, state);
	return 0;
}

static int load(void)
{
	struct refused_bpf *skel = refused_bpf__open();
	int err;

	if (!skel)
		return -1;
	bpf_program__set_autoload(skel->progs.pd_write_user, chosen == 0);
	bpf_program__set_autoload(skel->progs.pd_other_kernel, chosen == 1);
	err = refused_bpf__load(skel);
	refused_bpf__destroy(skel);
	return err;
}

static int preflight(void)
{
	int err = load();

	if (!err)
		return ext_supported("a program that must be rejected was loaded");
	ext_show_log();
	return ext_unsupported("a program that the verifier accepts",
			       "does not load: %s", strerror(-err));
}

static int run(void)
{
	int err = load();

	return err ? ext_not_loaded(err) : 0;
}

static long long work_done(void)
{
	return -1;
}

int main(int argc, char **argv)
{
	static const struct ext_loader loader = {
		.name = "refused",
		.documentation = "A loader whose programs are rejected.",
		.options = own_options,
		.parse = parse,
		.object = refused_bpf__elf_bytes,
		.work = work_done,
		.preflight = preflight,
		.run = run,
	};

	return ext_main(&loader, argc, argv);
}
