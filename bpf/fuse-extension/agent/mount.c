// SPDX-License-Identifier: GPL-2.0
/*
 * mount.c - finds the mount, checks that its answers may be shared between
 * callers, and follows it when it goes and comes back
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "agent.h"

static int mountinfo = -1;
static dev_t current;			/* 0: not mounted */
static char refusal[128];
static pid_t daemon_pid;		/* JuiceFS writes it in .config */

struct found {
	dev_t dev;
	char options[1024];
};

static uint64_t kernel_dev(dev_t dev)
{
	return (uint64_t)major(dev) << 20 | minor(dev);
}

/* mountinfo writes space, tab, newline and backslash in octal. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 |
				(s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

/* The topmost mount on the mount point that has the type that we serve. */
static bool find(struct found *f)
{
	char line[4096], point[2048], type[64], options[1024];
	FILE *in = fopen("/proc/self/mountinfo", "re");
	unsigned int ma, mi;
	bool any = false;
	char *dash;

	if (!in)
		fatal("/proc/self/mountinfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%*d %*d %u:%u %*s %2047s", &ma, &mi,
			   point) != 3)
			continue;
		dash = strstr(line, " - ");
		if (!dash || sscanf(dash, " - %63s %*s %1023s", type,
				    options) != 2)
			continue;
		unescape(point);
		if (strcmp(point, opt.mount))
			continue;
		any = !strcmp(type, opt.fstype);
		if (any) {
			f->dev = makedev(ma, mi);
			strcpy(f->options, options);
		}
	}
	fclose(in);
	return any;
}

static bool has_option(const char *list, const char *name)
{
	size_t n = strlen(name);
	const char *p = list;

	while ((p = strstr(p, name))) {
		if ((p == list || p[-1] == ',') && (!p[n] || p[n] == ','))
			return true;
		p += n;
	}
	return false;
}

/* The text after "name": in a JSON document; NULL: no such name. */
static const char *json(const char *doc, const char *name)
{
	char key[64];
	const char *p;

	snprintf(key, sizeof(key), "\"%s\":", name);
	p = strstr(doc, key);
	if (!p)
		return NULL;
	p += strlen(key);
	return p + strspn(p, " ");
}

static bool json_set(const char *doc, const char *name)
{
	const char *p = json(doc, name);

	return p && strncmp(p, "false", 5) && strncmp(p, "null", 4) &&
	       strncmp(p, "\"\"", 2) && strncmp(p, "{}", 2) &&
	       (*p != '0' || (p[1] >= '0' && p[1] <= '9'));
}

static char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 1 << 18, n = 0;
	char *buf = calloc(1, size);
	ssize_t r;

	while (fd >= 0 && buf && (r = read(fd, buf + n, size - 1 - n)) > 0)
		n += r;
	if (fd >= 0)
		close(fd);
	if (n)
		return buf;
	free(buf);
	return NULL;
}

/* Why answers of this mount must not be shared; NULL: they can be. */
static const char *refuse(const struct found *f)
{
	const char *why = NULL, *pid;
	char path[2304];
	char *doc;

	if (!has_option(f->options, "default_permissions"))
		return "the daemon checks permissions, not the kernel (no default_permissions)";
	if (opt.any_config)
		return NULL;

	snprintf(path, sizeof(path), "%s/.config", opt.mount);
	doc = read_file(path);
	if (!doc)
		return "cannot read its .config; is it JuiceFS?";
	if (json_set(doc, "AllSquash"))
		why = "it has all-squash";
	else if (json_set(doc, "RootSquash"))
		why = "it has root-squash";
	else if (json_set(doc, "EnableACL"))
		why = "its volume has ACLs";
	else if (opt.mode == EFUSE_LEASE && json_set(doc, "OpenCache"))
		why = "open-cache: the daemon's own answers can be old";
	else if (opt.mode == EFUSE_LEASE && json_set(doc, "ClientCache"))
		why = "client-cache: the daemon's own answers can be old";
	/* The kernel keeps those answers by itself, where nobody can refuse. */
	if (!why && opt.mode == EFUSE_LEASE && !opt.notify &&
	    (json_set(doc, "AttrTimeout") || json_set(doc, "EntryTimeout") ||
	     json_set(doc, "DirEntryTimeout")))
		say("%s is mounted with cache times: they add to the bound (use --attr-cache=0 --entry-cache=0 --dir-entry-cache=0)",
		    opt.mount);
	pid = json(doc, "Pid");
	daemon_pid = pid ? atoi(pid) : 0;
	free(doc);
	return why;
}

/* Count the descriptors of one process that are open for writing. */
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
		    S_ISREG(st.stx_mode))
			count += programs_writer(st.stx_ino);
	}
	closedir(dir);
	return count;
}

/* Count its shared writable mappings, whose descriptor may be closed. */
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
		    makedev(ma, mi) == dev && perms[3] == 's' && ino)
			count += programs_writer(ino);
	fclose(in);
	return count;
}

/* Files of the mount that were open for writing before we looked. */
static int writers(uint64_t unused)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	int count = 0;

	if (!proc)
		fatal("/proc: %s", strerror(errno));
	while ((e = readdir(proc)))
		if (*e->d_name >= '1' && *e->d_name <= '9')
			count += descriptors(e->d_name, current) +
				 mappings(e->d_name, current);
	closedir(proc);
	if (count)
		say("%d files are open for writing already: they are not served",
		    count);
	return count;
}

void mount_check(void)
{
	struct found f = {};
	const char *why = NULL;
	bool is = find(&f);

	/* Unmounted and mounted between two looks: the same number, mostly. */
	if (is && f.dev == current && (opt.notify || !programs_remounted()))
		return;
	if (current) {
		say("%s is gone", opt.mount);
		if (opt.notify)
			notify_stop();
		else
			programs_unmount();
		current = 0;
	}
	*refusal = 0;
	if (!is)
		return;
	why = refuse(&f);
	if (why) {
		snprintf(refusal, sizeof(refusal), "%s", why);
		say("refused: %s: %s", opt.mount, why);
		return;
	}
	current = f.dev;
	counters.mounts++;
	if (opt.notify)
		notify_start();
	else
		programs_mount(kernel_dev(current), writers);
	printf("serving %s (device %u:%u)\n", opt.mount, major(current),
	       minor(current));
	fflush(stdout);
}

/* Another daemon may have the mount by now, or nobody any more. */
void mount_again(void)
{
	say("the daemon of %s has ended", opt.mount);
	notify_stop();
	current = 0;
	mount_check();
}

const char *mount_refusal(void)
{
	struct found f = {};

	return find(&f) ? refuse(&f) : NULL;
}

pid_t mount_daemon(void)
{
	return daemon_pid;
}

const char *mount_state(void)
{
	return current ? "mounted" : *refusal ? refusal : "absent";
}

int mount_open(void)
{
	mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (mountinfo < 0)
		fatal("/proc/self/mountinfo: %s", strerror(errno));
	return mountinfo;
}
