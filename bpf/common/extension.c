// SPDX-License-Identifier: GPL-2.0
/* extension.c - the main() of a loader */
#include "extension.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int status_or_remove(const struct ext_loader *loader)
{
	struct bpf_object *obj;
	const void *elf;
	size_t size;
	int err;

	elf = loader->object(&size);
	obj = bpf_object__open_mem(elf, size, NULL);
	if (!obj) {
		ext_error("cannot read its own object: %s", strerror(errno));
		return -errno;
	}
	if (ext_options.mode == EXT_STATUS)
		err = ext_status(obj, loader->work(),
				 loader->facts ? loader->facts() : NULL,
				 stdout);
	else
		err = ext_lock() || (loader->clean && loader->clean()) ||
		      ext_unpin() || ext_left(obj);
	bpf_object__close(obj);
	return err;
}

int ext_main(const struct ext_loader *loader, int argc, char **argv)
{
	const struct argp_child children[] = { { .argp = &ext_argp }, {} };
	const struct argp argp = {
		.options = loader->options,
		.parser = loader->parse,
		.doc = loader->documentation,
		.children = children,
	};
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (geteuid()) {
		fprintf(stderr, "%s: only root can load and list eBPF programs\n",
			loader->name);
		return 1;
	}
	ext_log_start(loader->name);
	ext_catch_signals();
	if (ext_options.mode == EXT_STATUS || ext_options.mode == EXT_REMOVE)
		err = status_or_remove(loader);
	else if (ext_lock())
		err = -EBUSY;
	else if (ext_options.mode == EXT_PREFLIGHT)
		err = loader->preflight();
	else
		err = loader->run();
	return err ? 1 : 0;
}
