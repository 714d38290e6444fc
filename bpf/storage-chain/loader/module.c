// SPDX-License-Identifier: GPL-2.0
/* Loads the module in this program's folder, and the kernel's dm_mod. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "extension.h"
#include "loader.h"
#include "module.h"

#define FILE_NAME	"storage-chain"
#define MODULE		"storage_chain"

static int load_device_mapper(void)
{
	pid_t child;
	int status;

	if (!access("/sys/module/dm_mod", F_OK))
		return 0;
	child = fork();
	if (child < 0)
		return -errno;
	if (!child) {
		execlp("modprobe", "modprobe", "dm_mod", NULL);
		_exit(127);
	}
	return waitpid(child, &status, 0) < 0 || status ? -ENOENT : 0;
}

int module_load(struct lack *lack)
{
	int err = load_device_mapper();

	if (err) {
		snprintf(lack->text, sizeof(lack->text),
			 "device-mapper does not load: modprobe dm_mod");
		lack->needed = "the kernel's module dm_mod";
		return err;
	}
	err = ext_module_load(FILE_NAME);
	if (!err || err == -EEXIST)
		return 0;
	snprintf(lack->text, sizeof(lack->text),
		 "the module does not load: %s", strerror(-err));
	lack->needed = "the module built for this kernel, and a kernel that accepts unsigned modules";
	return err;
}

int module_unload(void)
{
	return ext_module_unload(MODULE);
}

bool module_has_struct_ops(void)
{
	FILE *f = fopen("/sys/module/" MODULE "/parameters/struct_ops", "r");
	int c = f ? fgetc(f) : 'N';

	if (f)
		fclose(f);
	return c == 'Y';
}
