// SPDX-License-Identifier: GPL-2.0
/*
 * daemon.c - the command line of the JuiceFS daemon, which alone has the query
 * of the metadata URL
 *
 * JuiceFS replaces its arguments by one text, separated by spaces, and cuts it
 * after 255 bytes. So the URL may be missing, or its query cut off.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "agent.h"

#define SEPARATORS	" "

static char line[128 << 10];

/* Stores the arguments, separated by spaces; false if not all can be read. */
static bool read_line(pid_t pid)
{
	size_t size = 0, i;
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while ((n = read(fd, line + size, sizeof(line) - size)) > 0)
		size += n;
	close(fd);
	if (n < 0 || !size || size == sizeof(line))
		return false;
	for (i = 0; i < size; i++)
		if (!line[i])
			line[i] = ' ';
	line[size] = 0;
	return true;
}

static bool is_meta(const char *word)
{
	return !strncmp(word, "redis://", 8) ||
	       !strncmp(word, "rediss://", 9) || !strncmp(word, "unix://", 7);
}

const char *daemon_refusal(pid_t pid)
{
	char *rest = line, *word;
	const char *why;
	bool found = false;

	if (pid <= 0 || !read_line(pid))
		return "the command line of its daemon cannot be read";
	while ((word = strsep(&rest, SEPARATORS))) {
		if (!is_meta(word))
			continue;
		found = true;
		why = redis_query_refusal(word);
		if (why)
			return why;
		/* The mount point follows it, unless the text was cut. */
		if (!rest || !rest[strspn(rest, SEPARATORS)])
			found = false;
	}
	if (!found)
		return "the command line of its daemon does not show all of a redis:// URL, whose query must be known: JuiceFS shows 255 bytes, so put the URL before the options of the mount";
	return NULL;
}
