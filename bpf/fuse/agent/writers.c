// SPDX-License-Identifier: GPL-2.0
/* writers.c - files that were open for writing before the agent started */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "agent.h"

/* Counts the descriptors of one process that are open for writing. */
static int descriptors(const char *pid, dev_t dev)
{
	char path[64], line[128];
	unsigned int flags;
	struct dirent *e;
	struct statx st;
	int count = 0;
	FILE *info;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((e = readdir(dir))) {
		if (*e->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fdinfo/%.16s", pid,
			 e->d_name);
		info = fopen(path, "re");
		flags = 0;
		while (info && fgets(line, sizeof(line), info))
			if (sscanf(line, "flags: %o", &flags) == 1)
				break;
		if (info)
			fclose(info);
		if (!(flags & O_ACCMODE) || flags & O_PATH)
			continue;
		/* DONT_SYNC: the daemon is not asked */
		if (statx(dirfd(dir), e->d_name, AT_STATX_DONT_SYNC,
			  STATX_INO | STATX_TYPE, &st))
			continue;
		if (makedev(st.stx_dev_major, st.stx_dev_minor) == dev &&
		    S_ISREG(st.stx_mode)) {
			programs_writer(st.stx_ino);
			count++;
		}
	}
	closedir(dir);
	return count;
}

/* Counts its shared writable mappings, whose descriptors may be closed. */
static int mappings(const char *pid, dev_t dev)
{
	unsigned long long ino;
	unsigned int ma, mi;
	char path[64], line[4096], perms[8];
	int count = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	in = fopen(path, "re");
	if (!in)
		return 0;
	while (fgets(line, sizeof(line), in))
		if (sscanf(line, "%*s %7s %*s %x:%x %llu", perms, &ma, &mi,
			   &ino) == 4 &&
		    makedev(ma, mi) == dev && perms[3] == 's' && ino) {
			programs_writer(ino);
			count++;
		}
	fclose(in);
	return count;
}

int writers_find(dev_t dev)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	int count = 0;

	if (!proc)
		fatal("/proc: %s", strerror(errno));
	while ((e = readdir(proc)))
		if (*e->d_name >= '1' && *e->d_name <= '9')
			count += descriptors(e->d_name, dev) +
				 mappings(e->d_name, dev);
	closedir(proc);
	return count;
}
