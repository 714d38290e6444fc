// SPDX-License-Identifier: GPL-2.0
/*
 * Finds the data device, and rejects it unless it is blank or has an image and
 * is not in use. Never writes to it.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "build.h"
#include "loader.h"

char device_path[256];

__attribute__((format(printf, 3, 4)))
static int lacking(struct lack *lack, const char *needed, const char *format,
		   ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(lack->text, sizeof(lack->text), format, args);
	va_end(args);
	lack->needed = needed;
	return -ENODEV;
}

/* The first line of a file, without trailing spaces; "" if there is none. */
static const char *line_of(const char *path)
{
	static char line[256];
	FILE *f = fopen(path, "r");
	size_t n;

	line[0] = 0;
	if (f && !fgets(line, sizeof(line), f))
		line[0] = 0;
	if (f)
		fclose(f);
	for (n = strlen(line); n && isspace((unsigned char)line[n - 1]); n--)
		line[n - 1] = 0;
	return line;
}

/* Why the device cannot be used; "" if it can. */
static const char *refusal(const char *path)
{
	const char *why;
	bool blank;
	int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd < 0)
		return errno == EBUSY ?
		       "it is mounted, or in use by something else" :
		       strerror(errno);
	why = not_ours(fd, &blank);
	close(fd);
	return why;
}

/* Whether a disk is for data: the lab's own, or EC2's instance store. */
static bool is_data_disk(const char *controller)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/serial", controller);
	if (!strcmp(line_of(path), "data"))
		return true;
	snprintf(path, sizeof(path), "%s/model", controller);
	return !strcmp(line_of(path), "Amazon EC2 NVMe Instance Storage");
}

static int find_data_disk(struct lack *lack)
{
	char found[256], reason[512] = "";
	glob_t g = {};
	size_t i;

	device_path[0] = 0;
	glob("/sys/class/nvme/nvme*", 0, NULL, &g);
	for (i = 0; i < g.gl_pathc && !device_path[0]; i++) {
		const char *why;

		if (!is_data_disk(g.gl_pathv[i]))
			continue;
		snprintf(found, sizeof(found), "/dev/%sn1",
			 basename(g.gl_pathv[i]));
		why = refusal(found);
		if (why)
			snprintf(reason, sizeof(reason), "%s: %s", found, why);
		else
			strcpy(device_path, found);
	}
	globfree(&g);
	if (device_path[0])
		return 0;
	return lacking(lack,
		       "an NVMe disk for data (setting: dataDiskMiB; on AWS an instance type with an instance store), or --device DEV",
		       "no data disk%s%s", reason[0] ? ": " : "", reason);
}

int device_find(struct lack *lack)
{
	const char *why;

	if (!strcmp(settings.device, "auto"))
		return find_data_disk(lack);
	if (!realpath(settings.device, device_path))
		return lacking(lack, "a block device that exists", "%s: %s",
			       settings.device, strerror(errno));
	why = refusal(device_path);
	if (why)
		return lacking(lack,
			       "a device that is blank or has an image (schain build), and is not in use",
			       "%s: %s", device_path, why);
	return 0;
}

/* The folder of the whole disk in /sys/block. */
static bool disk_folder(char *folder, size_t size)
{
	char link[300], real[PATH_MAX];
	struct stat st;

	if (stat(device_path, &st) || !S_ISBLK(st.st_mode))
		return false;
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u",
		 major(st.st_rdev), minor(st.st_rdev));
	if (!realpath(link, real))
		return false;
	snprintf(link, sizeof(link), "%.250s/partition", real);
	if (!access(link, F_OK))
		*strrchr(real, '/') = 0;
	snprintf(folder, size, "%s", real);
	return true;
}

static char wanted[32];		/* "MAJOR:MINOR " of the disk */
static const char *limited;	/* a file with a line about it */
static char limited_path[300];

static int look_for_limit(const char *path, const struct stat *st, int type,
			  struct FTW *at)
{
	const char *name = path + at->base;
	char line[512];
	FILE *f;

	(void)st;
	if (type != FTW_F ||
	    (strcmp(name, "io.max") && strcmp(name, "io.cost.qos") &&
	     strcmp(name, "io.latency")))
		return 0;
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, wanted, strlen(wanted)) ||
		    strstr(line, "enable=0"))
			continue;
		snprintf(limited_path, sizeof(limited_path), "%s", path);
		limited = limited_path;
	}
	if (f)
		fclose(f);
	return limited != NULL;
}

/* A cgroup file that limits or weights the disk's I/O; NULL if none. */
static const char *cgroup_limit(const char *folder)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/dev", folder);
	snprintf(wanted, sizeof(wanted), "%s ", line_of(path));
	limited = NULL;
	nftw("/sys/fs/cgroup", look_for_limit, 32, FTW_PHYS | FTW_MOUNT);
	return limited;
}

static int check_irq(const char *folder, struct lack *lack)
{
	char path[PATH_MAX + 64], real[PATH_MAX];

	snprintf(path, sizeof(path), "%s/device/device/driver", folder);
	if (!realpath(path, real) || strcmp(basename(real), "nvme"))
		return lacking(lack, "an NVMe device on PCI, without multipath (nvme_core.multipath=N)",
			       "mode irq: %s is not a device of the driver nvme",
			       device_path);
	snprintf(path, sizeof(path), "%s/queue/scheduler", folder);
	if (!strstr(line_of(path), "[none]"))
		return lacking(lack, "scheduler none: echo none > queue/scheduler",
			       "mode irq: the I/O scheduler of %s is %s",
			       device_path, line_of(path));
	return 0;
}

static int check_poll(const char *folder, struct lack *lack)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/queue/io_poll", folder);
	if (strcmp(line_of(path), "1"))
		return lacking(lack,
			       "poll queues: nvme.poll_queues=1 on the kernel's command line",
			       "mode poll: %s has no poll queues", device_path);
	return 0;
}

int device_check_mode(struct lack *lack)
{
	const char *mode = mode_names[settings.mode], *limit;
	char folder[PATH_MAX];
	int err;

	if (!strcmp(mode, "wq"))
		return 0;
	if (!disk_folder(folder, sizeof(folder)))
		return lacking(lack, "a block device", "%s: not in /sys",
			       device_path);
	err = strcmp(mode, "irq") ? check_poll(folder, lack) :
				    check_irq(folder, lack);
	if (err)
		return err;
	/* Requests that go to the driver directly bypass such a limit. */
	limit = cgroup_limit(folder);
	if (limit)
		return lacking(lack, "no io.max, io.latency or io.cost.qos for this device",
			       "mode %s: %s is limited by %s", mode,
			       device_path, limit);
	return 0;
}
