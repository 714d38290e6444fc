// SPDX-License-Identifier: GPL-2.0
/* Loads a program that the verifier refuses, to show what loaders say then. */
#include <string.h>

#include "extension.h"
#include "refused.h"

int main(void)
{
	struct refused_bpf *skel;
	int err;

	ext_init("refused");
	skel = refused_bpf__open();
	if (!skel)
		return 1;
	err = refused_bpf__load(skel);
	refused_bpf__destroy(skel);
	if (!err)
		return 0;
	ext_error("the program does not load: %s", strerror(-err));
	ext_show_log();
	return 1;
}
