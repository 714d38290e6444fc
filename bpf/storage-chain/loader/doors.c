// SPDX-License-Identifier: GPL-2.0
/*
 * Creates the doors: a dm device for each program, linked in SCHAIN_RUN. A udev
 * rule is written before a door exists, so that nothing probes it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "dm.h"
#include "extension.h"
#include "loader.h"
#include "schain.h"
#include "write.h"

#define RULES	"/run/udev/rules.d/59-disgrafs-storage-chain.rules"

/*
 * Probing a door only causes errors in the kernel's log, because its reads are
 * not requests. Whoever can open a door can read the whole data area.
 */
static const char rules[] =
"# Written by the loader of the extension storage-chain, and removed with it.\n"
"SUBSYSTEM==\"block\", ATTR{dm/uuid}==\"" SCHAIN_UUID "*\", \\\n"
"  ENV{UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG}=\"1\", \\\n"
"  ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}=\"1\", ENV{SYSTEMD_READY}=\"0\", \\\n"
"  OPTIONS+=\"nowatch\", GROUP=\"root\", MODE=\"0600\"\n";

static const char *door_name(const char *program)
{
	static char name[64];

	snprintf(name, sizeof(name), "schain-%s", program);
	return name;
}

static int write_rules(void)
{
	FILE *f;

	mkdir("/run/udev", 0755);
	mkdir("/run/udev/rules.d", 0755);
	f = fopen(RULES, "we");
	if (!f)
		return -errno;
	fputs(rules, f);
	if (fclose(f))
		return -errno;
	/* udevd itself checks for new rules only every three seconds. */
	if (system("udevadm control --reload 2>/dev/null"))
		ext_error("cannot make udev load %s: it may probe the doors",
			  RULES);
	return 0;
}

static int show(const char *name, const char *target)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", SCHAIN_RUN, name);
	unlink(path);
	return symlink(target, path) ? -errno : 0;
}

static unsigned long long sectors(void)
{
	unsigned long long bytes = 0;
	int fd = open(device_path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		ioctl(fd, BLKGETSIZE64, &bytes);
		close(fd);
	}
	return bytes / SCHAIN_NODE * SCHAIN_NODE_SECTORS;
}

/* The module's last message, which device-mapper writes only to the log. */
static void last_words(char *text, size_t size)
{
	static char log[1 << 16];
	int n = klogctl(4 - 1, log, sizeof(log) - 1);
	char *at, *found = NULL, *end;

	text[0] = 0;
	if (n <= 0)
		return;
	log[n] = 0;
	for (at = log; (at = strstr(at, "storage-chain: ")); at++)
		found = at;
	if (!found)
		return;
	end = strchrnul(found, '\n');
	*end = 0;
	snprintf(text, size, "%s", found + strlen("storage-chain: "));
}

static int make_device(const char *name, const char *table)
{
	char uuid[80];
	int err;

	/* Unique: an older door that a reader still has open keeps its UUID. */
	snprintf(uuid, sizeof(uuid), SCHAIN_UUID "%s-%llx", name, ext_now_ns());
	err = dm_create(name, uuid);
	if (err)
		return err;
	err = dm_load(name, table, 0);
	if (!err)
		err = dm_resume(name);
	if (err)
		dm_remove(name);
	return err;
}

static int show_device(const char *name, const char *as)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	unsigned int minor;
	char node[32];
	int tries, err = dm_status(name, NULL, 0, &minor, NULL);

	if (err)
		return err;
	snprintf(node, sizeof(node), "/dev/dm-%u", minor);
	for (tries = 0; access(node, F_OK) && tries < 500; tries++)
		nanosleep(&pause, NULL);
	if (chmod(node, 0600))
		return -errno;
	return show(as, node);
}

static int make_door(const char *program, struct lack *lack)
{
	char table[512], words[256];
	const char *name = door_name(program);
	int err;

	snprintf(table, sizeof(table),
		 "0 %u storage-chain %s 0 %llu %u %u %s %s%s",
		 SCHAIN_DOOR_SECTORS, device_path, sectors(), SCHAIN_NODE,
		 settings.hops, mode_names[settings.mode], program,
		 settings.no_crc ? "" : " crc");
	err = make_device(name, table);
	if (!err)
		err = show_device(name, program);
	if (!err)
		return 0;
	last_words(words, sizeof(words));
	snprintf(lack->text, sizeof(lack->text), "the door %s: %s (%s)", name,
		 schain_error(), words);
	lack->needed = "a device and a mode that the module accepts";
	return err;
}

int doors_make(struct lack *lack)
{
	char table[300];
	int i, err;

	lack->needed = "a writable /run";
	mkdir("/run/disgrafs", 0755);
	if (mkdir(SCHAIN_RUN, 0755) && errno != EEXIST)
		err = -errno;
	else
		err = write_rules();
	if (err) {
		snprintf(lack->text, sizeof(lack->text), "%s: %s", SCHAIN_RUN,
			 strerror(-err));
		return err;
	}
	show("device", device_path);
	for (i = 0; !err && i < PROGRAMS; i++)
		err = make_door(program_names[i], lack);
	if (!err && settings.linear) {
		snprintf(table, sizeof(table), "0 %llu linear %s 0", sectors(),
			 device_path);
		err = make_device(door_name("linear"), table) ?:
		      show_device(door_name("linear"), "linear");
		if (err)
			snprintf(lack->text, sizeof(lack->text), "%s",
				 schain_error());
	}
	if (err)
		doors_remove();
	return err;
}

/*
 * udev may have a door open for a moment. Readers may have one open for any
 * time: libschain then continues by reads, and removal does not wait for them.
 */
static void remove_device(const char *name)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int tries, err;

	if (dm_status(name, NULL, 0, NULL, NULL))
		return;
	for (tries = 0; (err = dm_remove(name)) == -EBUSY && tries < 10; tries++)
		nanosleep(&pause, NULL);
	if (err == -EBUSY)
		err = dm_abandon(name);
	if (err && !dm_status(name, NULL, 0, NULL, NULL))
		ext_error("cannot remove the door %s: %s", name, strerror(-err));
}

void doors_remove(void)
{
	static const char * const files[] = { "device", "linear" };
	char path[128];
	int i;

	for (i = 0; i < PROGRAMS; i++) {
		snprintf(path, sizeof(path), SCHAIN_RUN "/%s",
			 program_names[i]);
		unlink(path);
	}
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), SCHAIN_RUN "/%s", files[i]);
		unlink(path);
	}
	rmdir(SCHAIN_RUN);
	unlink(RULES);
	if (access("/dev/mapper/control", F_OK))
		return;
	for (i = 0; i < PROGRAMS; i++)
		remove_device(door_name(program_names[i]));
	remove_device(door_name("linear"));
}

long long doors_count(const char *counter)
{
	char status[2048], word[64];
	long long sum = -1;
	const char *at;
	int i;

	if (access("/sys/module/storage_chain", F_OK))
		return -1;
	snprintf(word, sizeof(word), " %s=", counter);
	for (i = 0; i < PROGRAMS; i++) {
		if (dm_status(door_name(program_names[i]), status,
			      sizeof(status), NULL, NULL))
			continue;
		at = strstr(status, word);
		if (at)
			sum = (sum < 0 ? 0 : sum) +
			      atoll(at + strlen(word));
	}
	return sum;
}

int doors_mode(char *mode, size_t size)
{
	char status[2048];

	if (access("/sys/module/storage_chain", F_OK) ||
	    dm_status(door_name("btree"), status, sizeof(status), NULL, NULL) ||
	    strncmp(status, "mode=", 5))
		return -ENOENT;
	snprintf(mode, size, "%.*s", (int)strcspn(status + 5, " "),
		 status + 5);
	return 0;
}

int doors_set_mode(const char *mode)
{
	char text[32];
	int i, err = 0;

	snprintf(text, sizeof(text), "mode %s", mode);
	for (i = 0; i < PROGRAMS; i++)
		err = dm_message(door_name(program_names[i]), text) ?: err;
	return err;
}
