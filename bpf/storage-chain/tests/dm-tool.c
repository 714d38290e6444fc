// SPDX-License-Identifier: GPL-2.0
/*
 * dm-tool - device-mapper for the tests, because machines have no dmsetup
 *
 *	dm-tool create NAME TABLE	prints the device's node
 *	dm-tool reload NAME TABLE	loads a table and switches to it
 *	dm-tool suspend|resume|remove|status NAME
 *	dm-tool message NAME TEXT
 *
 * TABLE has lines of START LENGTH TYPE WORDS...; devices are writable unless
 * the table contains a door.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "dm.h"
#include "schain.h"

static int create(const char *name, const char *table)
{
	int writable = !strstr(table, "storage-chain"), err;
	unsigned int minor;
	char uuid[80];

	snprintf(uuid, sizeof(uuid), "SCHAIN-test-%s", name);
	err = dm_create(name, uuid);
	if (err)
		return err;
	err = dm_load(name, table, writable) ?: dm_resume(name);
	if (err) {
		dm_remove(name);
		return err;
	}
	err = dm_status(name, NULL, 0, &minor, NULL);
	if (!err)
		printf("/dev/dm-%u\n", minor);
	return err;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "", *name = argv[2];
	const char *words = argc > 3 ? argv[3] : "";
	char text[4096];
	int err = -1;

	if (!strcmp(what, "create")) {
		err = create(name, words);
	} else if (!strcmp(what, "reload")) {
		err = dm_load(name, words, !strstr(words, "storage-chain")) ?:
		      dm_suspend(name) ?: dm_resume(name);
	} else if (!strcmp(what, "suspend")) {
		err = dm_suspend(name);
	} else if (!strcmp(what, "resume")) {
		err = dm_resume(name);
	} else if (!strcmp(what, "remove")) {
		err = dm_remove(name);
	} else if (!strcmp(what, "message")) {
		err = dm_message(name, words);
	} else if (!strcmp(what, "status")) {
		err = dm_status(name, text, sizeof(text), NULL, NULL);
		if (!err)
			puts(text);
	} else {
		fprintf(stderr, "usage: dm-tool create|reload NAME TABLE | suspend|resume|remove|status NAME | message NAME TEXT\n");
		return 2;
	}
	if (err)
		fprintf(stderr, "%s\n", schain_error());
	return err ? 1 : 0;
}
