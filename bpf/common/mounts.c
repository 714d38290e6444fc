// SPDX-License-Identifier: GPL-2.0
#include "mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static void unescape(char *text)
{
	char *to = text;
	unsigned int code;

	while (*text) {
		if (*text == '\\' && sscanf(text + 1, "%3o", &code) == 1) {
			*to++ = code;
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/*
 * ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS. The
 * result points into the line, which is modified.
 */
static bool parse(char *line, struct ext_mount *mount)
{
	char *rest = line, *words[5], *tail = strstr(line, " - ");
	int i;

	if (!tail)
		return false;
	*tail = '\0';
	tail += 3;
	for (i = 0; i < 5; i++) {
		words[i] = strsep(&rest, " ");
		if (!words[i])
			return false;
	}
	mount->id = atoi(words[0]);
	if (sscanf(words[2], "%u:%u", &mount->major, &mount->minor) != 2)
		return false;
	unescape(words[4]);
	mount->point = words[4];
	mount->type = strsep(&tail, " ");
	strsep(&tail, " ");
	mount->options = strsep(&tail, "\n");
	return mount->options;
}

int ext_each_mount(int (*use)(const struct ext_mount *, void *), void *data)
{
	FILE *in = fopen("/proc/self/mountinfo", "re");
	struct ext_mount mount;
	char *line = NULL;
	size_t size = 0;
	int result = 0;

	if (!in)
		return -errno;
	while (!result && getline(&line, &size, in) > 0)
		if (parse(line, &mount))
			result = use(&mount, data);
	free(line);
	fclose(in);
	return result;
}

bool ext_mount_has(const struct ext_mount *mount, const char *name)
{
	size_t n = strlen(name);
	const char *p = mount->options;

	while ((p = strstr(p, name))) {
		if ((p == mount->options || p[-1] == ',') &&
		    (!p[n] || p[n] == ',' || p[n] == '='))
			return true;
		p += n;
	}
	return false;
}
