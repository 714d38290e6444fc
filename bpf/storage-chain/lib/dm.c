// SPDX-License-Identifier: GPL-2.0
/* dm.c - device-mapper's ioctls (linux/dm-ioctl.h), one target per device */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "dm.h"
#include "internal.h"

#define ROOM 8192

struct request {
	struct dm_ioctl head;
	char data[ROOM];
};

static void init(struct request *r, const char *name)
{
	memset(r, 0, sizeof(*r));
	/* The kernel accepts any minor version up to its own. */
	r->head.version[0] = 4;
	r->head.data_size = sizeof(*r);
	r->head.data_start = offsetof(struct request, data);
	snprintf(r->head.name, sizeof(r->head.name), "%s", name);
}

static int open_control(void)
{
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	/* devtmpfs has the node; a container may not. */
	if (fd < 0)
		return fail(-errno, "/dev/mapper/control: %s (is the module dm_mod loaded?)",
			    strerror(errno));
	return fd;
}

static int ask(struct request *r, unsigned long what, const char *words)
{
	int fd = open_control(), err = 0;

	if (fd < 0)
		return fd;
	if (ioctl(fd, what, r))
		err = fail(-errno, "device-mapper: %s %s: %s", words,
			   r->head.name, strerror(errno));
	close(fd);
	return err;
}

int dm_create(const char *name, const char *uuid)
{
	struct request r;

	init(&r, name);
	snprintf(r.head.uuid, sizeof(r.head.uuid), "%s", uuid);
	return ask(&r, DM_DEV_CREATE, "creating");
}

/* Writes one line of a table at `at`; returns its size, or -EINVAL. */
static int add_target(char *at, size_t room, const char *line)
{
	struct dm_target_spec *spec = (void *)at;
	unsigned long long start, length;
	char type[DM_MAX_TYPE_NAME];
	int words = 0;
	size_t size;

	if (sscanf(line, "%llu %llu %15s %n", &start, &length, type,
		   &words) < 3)
		return -EINVAL;
	size = (sizeof(*spec) + strlen(line + words) + 8) & ~7ul;
	if (size > room)
		return -EINVAL;
	spec->sector_start = start;
	spec->length = length;
	spec->next = size;
	strcpy(spec->target_type, type);
	strcpy((char *)(spec + 1), line + words);
	return size;
}

int dm_load(const char *name, const char *table, int writable)
{
	char copy[ROOM], *rest = copy, *line;
	struct request r;
	size_t at = 0;
	int size;

	init(&r, name);
	r.head.flags = writable ? 0 : DM_READONLY_FLAG;
	snprintf(copy, sizeof(copy), "%s", table);
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		size = add_target(r.data + at, ROOM - at, line);
		if (size < 0)
			return fail(size, "device-mapper: invalid table: %s",
				    line);
		at += size;
		r.head.target_count++;
	}
	return ask(&r, DM_TABLE_LOAD, "loading the table of");
}

static int suspend(const char *name, unsigned int flags, const char *words)
{
	struct request r;

	init(&r, name);
	r.head.flags = flags;
	return ask(&r, DM_DEV_SUSPEND, words);
}

int dm_suspend(const char *name)
{
	return suspend(name, DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG,
		       "suspending");
}

int dm_resume(const char *name)
{
	return suspend(name, 0, "resuming");
}

int dm_remove(const char *name)
{
	struct request r;

	init(&r, name);
	return ask(&r, DM_DEV_REMOVE, "removing");
}

/* The length of its table; 0 if there is none. */
static unsigned long long length_of(const char *name)
{
	struct request r;
	struct dm_target_spec *spec = (void *)r.data;

	init(&r, name);
	if (ask(&r, DM_TABLE_STATUS, "reading the status of") || !r.head.target_count)
		return 0;
	return spec->sector_start + spec->length;
}

static int rename_device(const char *name, const char *to)
{
	struct request r;

	init(&r, name);
	strcpy(r.data, to);
	return ask(&r, DM_DEV_RENAME, "renaming");
}

int dm_abandon(const char *name)
{
	unsigned long long sectors = length_of(name);
	char table[64], to[64];
	struct request r;
	unsigned int minor;
	int err;

	snprintf(table, sizeof(table), "0 %llu error", sectors);
	err = dm_status(name, NULL, 0, &minor, NULL);
	if (!err && sectors)
		err = dm_load(name, table, 0) ?: dm_suspend(name) ?:
		      dm_resume(name);
	if (err)
		return err;
	snprintf(to, sizeof(to), "schain-left-%u", minor);
	err = rename_device(name, to);
	init(&r, err ? name : to);
	r.head.flags = DM_DEFERRED_REMOVE;
	return ask(&r, DM_DEV_REMOVE, "removing") ?: err;
}

int dm_message(const char *name, const char *text)
{
	struct request r;
	struct dm_target_msg *message = (void *)r.data;

	init(&r, name);
	snprintf(message->message, ROOM - sizeof(*message), "%s", text);
	return ask(&r, DM_TARGET_MSG, "sending a message to");
}

int dm_status(const char *name, char *status, size_t size, unsigned int *minor_,
	      unsigned int *major_)
{
	struct request r;
	struct dm_target_spec *spec = (void *)r.data;
	int err;

	init(&r, name);
	err = ask(&r, DM_TABLE_STATUS, "reading the status of");
	if (err)
		return err;
	if (status)
		snprintf(status, size, "%s", r.head.target_count ?
			 (const char *)(spec + 1) : "");
	if (minor_)
		*minor_ = minor(r.head.dev);
	if (major_)
		*major_ = major(r.head.dev);
	return 0;
}
