// SPDX-License-Identifier: GPL-2.0
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "extension.h"

static int refused(const char *path, int err)
{
	switch (err) {
	case ENOEXEC:
		ext_error("%s was built for another kernel (dmesg shows both versions)",
			  path);
		break;
	case EKEYREJECTED:
		ext_error("this kernel loads only signed modules, and %s is not signed",
			  path);
		break;
	case EPERM:
		ext_error("loading modules is forbidden here (lockdown, or kernel.modules_disabled)");
		break;
	default:
		ext_error("%s: %s", path, strerror(err));
	}
	return -err;
}

int ext_module_load(const char *name)
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int fd, err = 0;

	if (n < 0)
		return refused("/proc/self/exe", errno);
	self[n] = '\0';
	snprintf(path, sizeof(path), "%s/%s.ko", dirname(self), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refused(path, errno);
	if (syscall(SYS_finit_module, fd, "", 0))
		err = errno;
	close(fd);
	if (err == EEXIST)
		return -EEXIST;
	return err ? refused(path, err) : 0;
}

int ext_module_unload(const char *name)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	int tries, err = 0;

	for (tries = 0; tries < 600; tries++) {
		if (!syscall(SYS_delete_module, name, O_NONBLOCK))
			return 0;
		err = errno;
		if (err == ENOENT)
			return 0;
		if (err != EAGAIN && err != EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	ext_error("module %s cannot be unloaded: %s", name, strerror(err));
	return -err;
}
