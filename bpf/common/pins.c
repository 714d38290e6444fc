// SPDX-License-Identifier: GPL-2.0
/* pins.c - an extension's programs and maps in the BPF file system */
#include "extension.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

const char *ext_pin_path(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), EXT_PIN_ROOT "/%s/%s", ext_name(), name);
	return path;
}

/*
 * All extensions share EXT_PIN_ROOT. The lock prevents one from removing the
 * empty folder just before another creates its own in it. Closing the
 * descriptor releases the lock.
 */
static int lock_root(void)
{
	int fd = open("/run/disgrafs-pins.lock", O_CREAT | O_RDWR | O_CLOEXEC,
		      0600);

	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

static int make_folder(void)
{
	int fd = lock_root(), err = 0;

	if ((mkdir(EXT_PIN_ROOT, 0700) && errno != EEXIST) ||
	    (mkdir(ext_pin_path(""), 0700) && errno != EEXIST))
		err = -errno;
	close(fd);
	return err;
}

int ext_pin(struct bpf_object *obj)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	const char *path;
	int err;

	err = make_folder();
	if (err) {
		ext_error("cannot create %s: %s; is bpffs mounted on /sys/fs/bpf?",
			  EXT_PIN_ROOT, strerror(-err));
		return err;
	}
	bpf_object__for_each_program(prog, obj) {
		if (bpf_program__fd(prog) < 0)
			continue;
		path = ext_pin_path(bpf_program__name(prog));
		err = bpf_program__pin(prog, path);
		if (err)
			goto fail;
	}
	bpf_object__for_each_map(map, obj) {
		/* libbpf gives a map that is not created a descriptor, too. */
		if (bpf_map__is_internal(map) || !bpf_map__autocreate(map))
			continue;
		path = ext_pin_path(bpf_map__name(map));
		err = bpf_map__pin(map, path);
		if (err)
			goto fail;
	}
	return 0;
fail:
	ext_error("cannot pin %s: %s", path, strerror(-err));
	ext_unpin();
	return err;
}

int ext_unpin(void)
{
	char folder[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int err = 0, fd;

	snprintf(folder, sizeof(folder), EXT_PIN_ROOT "/%s", ext_name());
	dir = opendir(folder);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0))
			err = -errno;
	}
	closedir(dir);
	fd = lock_root();
	if (rmdir(folder) && !err)
		err = -errno;
	/* Fails if another extension has pins, which is intended. */
	rmdir(EXT_PIN_ROOT);
	close(fd);
	if (err)
		ext_error("cannot remove %s: %s", folder, strerror(-err));
	return err;
}
