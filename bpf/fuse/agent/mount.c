// SPDX-License-Identifier: GPL-2.0
/*
 * mount.c - finds the mount, checks that its answers may be shared between
 * callers, and follows changes of the mount, its daemon and its volume
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <jansson.h>
#include "agent.h"
#include "mounts.h"

#define LOOK_AGAIN	NSEC_PER_SEC

static int mountinfo = -1;
static struct mounted current;
static char refusal[256];
static uint64_t look_at;		/* next check; 0: only after a change */
static int daemon_pidfd = -1;

struct found {
	bool is;
	dev_t dev;
	int id;
	bool default_permissions;
};

/* The topmost mount on the mount point must have the served type. */
static int note(const struct ext_mount *m, void *data)
{
	struct found *f = data;

	if (strcmp(m->point, opt.mount))
		return 0;
	f->is = !strcmp(m->type, opt.fstype);
	f->dev = makedev(m->major, m->minor);
	f->id = m->id;
	f->default_permissions = ext_mount_has(m, "default_permissions");
	return 0;
}

static bool find(struct found *f)
{
	int err;

	memset(f, 0, sizeof(*f));
	err = ext_each_mount(note, f);
	if (err)
		fatal("/proc/self/mountinfo: %s", strerror(-err));
	return f->is;
}

/* Finds a member by name at any depth: versions of JuiceFS differ. */
static json_t *member(json_t *doc, const char *name)
{
	json_t *found = json_object_get(doc, name), *value;
	const char *key;

	if (found || !json_is_object(doc))
		return found;
	json_object_foreach(doc, key, value) {
		found = member(value, name);
		if (found)
			return found;
	}
	return NULL;
}

/* Whether it exists and is not false, null, 0, "" or {}. */
static bool is_set(json_t *doc, const char *name)
{
	json_t *value = member(doc, name);

	if (json_is_number(value))
		return json_number_value(value) != 0;
	if (json_is_string(value))
		return json_string_length(value) > 0;
	if (json_is_object(value))
		return json_object_size(value) > 0;
	return value && !json_is_false(value) && !json_is_null(value);
}

/* Why a mount with this .config must not be served; NULL if it may be. */
static const char *refuse_config(json_t *doc)
{
	bool lease = opt.mode == EFUSE_LEASE;
	json_t *meta = json_object_get(doc, "Meta");

	if (is_set(doc, "AllSquash"))
		return "it has all-squash";
	if (is_set(doc, "RootSquash"))
		return "it has root-squash";
	if (is_set(doc, "EnableACL"))
		return "its volume has ACLs";
	if (lease && is_set(doc, "OpenCache"))
		return "open-cache: the daemon's own answers can be old";
	if (lease && opt.listings == LISTINGS_ON && is_set(doc, "CaseInsensi"))
		return "it ignores case, so listings do not have all names: --listings entries";
	/* Its root is inode 1 to the kernel, and another one to Redis. */
	if (lease && (is_set(doc, "Subdir") || is_set(meta, "Subdir")))
		return "it is mounted with --subdir, so Redis reports changes of its root under another inode: mount the whole volume";
	return NULL;
}

/* The kernel itself caches answers for these times, which we cannot prevent. */
static void warn_of_cache_times(json_t *doc)
{
	static const struct {
		const char *member, *option;
	} times[] = {
		{ "AttrTimeout", "--attr-cache=0" },
		{ "EntryTimeout", "--entry-cache=0" },
		{ "DirEntryTimeout", "--dir-entry-cache=0" },
		{ "NegEntryTimeout", "--negative-entry-cache=0" },
	};
	unsigned int i;

	if (opt.mode != EFUSE_LEASE || opt.notify)
		return;
	for (i = 0; i < sizeof(times) / sizeof(*times); i++)
		if (is_set(doc, times[i].member))
			say("%s: the kernel's own cache time adds to the bound: mount with %s",
			    opt.mount, times[i].option);
}

/* Stores where and how the daemon caches blocks. */
static void note_cache(json_t *doc, struct mounted *m)
{
	json_t *format = json_object_get(doc, "Format");
	json_t *chunk = json_object_get(doc, "Chunk");
	const char *dirs = json_string_value(json_object_get(chunk, "CacheDir"));

	if (dirs && strlen(dirs) < sizeof(m->cache_dirs))
		strcpy(m->cache_dirs, dirs);
	m->format = json_integer_value(json_object_get(format, "MetaVersion"));
	m->block_size =
		json_integer_value(json_object_get(format, "BlockSize")) << 10;
	m->hash_prefix = json_is_true(json_object_get(format, "HashPrefix"));
}

/*
 * A copy of the database has the same UUID. Only a session that the daemon keeps
 * renewing shows that Redis at --meta is the daemon's.
 */
static const char *refuse_session(const struct mounted *m)
{
	if (FAULT(NO_SESSION))
		return NULL;
	if (!m->session)
		return "it has no session in Redis (read-only?), so Redis at --meta might be a copy of its database";
	if (!m->heartbeat)
		return "heartbeat=0: its session is not renewed, so Redis at --meta might be a copy of its database";
	return NULL;
}

/* Reads JuiceFS's configuration; returns why it must not be served, or NULL. */
static const char *examine_config(struct mounted *m)
{
	const char *why, *volume;
	json_error_t error;
	char path[4200];
	json_t *doc;

	snprintf(path, sizeof(path), "%s/.config", opt.mount);
	doc = json_load_file(path, 0, &error);
	if (!doc) {
		look_at = now_ns() + LOOK_AGAIN;
		return "cannot read its .config; is it JuiceFS?";
	}
	m->daemon = json_integer_value(member(doc, "Pid"));
	volume = json_string_value(member(doc, "UUID"));
	snprintf(m->volume, sizeof(m->volume), "%s", volume ?: "");
	m->session = json_integer_value(member(doc, "Sid"));
	m->heartbeat = json_number_value(member(doc, "Heartbeat")) / 1e9;
	why = refuse_config(doc);
	if (!why && opt.mode == EFUSE_LEASE)
		why = refuse_session(m) ?: daemon_refusal(m->daemon);
	if (!why && !*m->volume)
		why = "its .config has no UUID of the volume";
	note_cache(doc, m);
	if (!why)
		warn_of_cache_times(doc);
	json_decref(doc);
	return why;
}

/*
 * Redis must report changes of this volume, in whichever order mount and
 * connection appear.
 */
static const char *examine_volume(const struct mounted *m)
{
	static char why[192];
	const char *tracked = tracking_volume();
	bool lives = tracking_session(m->session, m->heartbeat, m->daemon);

	if (!*tracked || opt.any_config || FAULT(NO_VOLUME))
		return NULL;
	if (!strcmp(m->volume, tracked)) {
		if (lives || FAULT(NO_SESSION))
			return NULL;
		snprintf(why, sizeof(why),
			 "its session %llu is not in Redis at --meta, or not renewed there: that is a copy of its database, or cannot be read",
			 (unsigned long long)m->session);
		return why;
	}
	snprintf(why, sizeof(why),
		 "it is volume %s, but Redis at --meta has volume %s",
		 m->volume, tracked);
	return why;
}

/* Why answers of this mount must not be shared; NULL if they may be. */
static const char *examine(const struct found *f, struct mounted *m)
{
	const char *why = NULL;

	if (!f->default_permissions)
		return "the daemon checks permissions, not the kernel (no default_permissions)";
	if (opt.any_config)
		m->block_size = 4 << 20;
	else
		why = examine_config(m);
	if (opt.cache_dir)
		snprintf(m->cache_dirs, sizeof(m->cache_dirs), "%s",
			 opt.cache_dir);
	return opt.any_config || why ? why : examine_volume(m);
}

bool mount_is_of(const char *volume)
{
	return opt.any_config || FAULT(NO_VOLUME) ||
	       !strcmp(current.volume, volume);
}

static void unwatch_daemon(void)
{
	if (daemon_pidfd >= 0)
		close(daemon_pidfd);
	daemon_pidfd = -1;
}

/*
 * JuiceFS can pass a mount to a new daemon with other settings: the mount
 * stays, only the process changes.
 */
static bool watch_daemon(pid_t pid)
{
	unwatch_daemon();
	if (!pid)
		return opt.any_config;
	daemon_pidfd = syscall(SYS_pidfd_open, pid, 0);
	return daemon_pidfd >= 0;
}

static void leave(void)
{
	if (!current.dev)
		return;
	sink->unmount();
	unwatch_daemon();
	memset(&current, 0, sizeof(current));
}

static void refuse(const char *why)
{
	char reason[sizeof(refusal)];

	/* `why` may point into data that is about to be cleared. */
	snprintf(reason, sizeof(reason), "%s", why);
	if (current.dev)
		leave();
	if (strcmp(reason, refusal))
		say("refused: %s: %s", opt.mount, reason);
	strcpy(refusal, reason);
}

/*
 * Starts to track changes before the mount is examined, and then checks that it
 * is still the same mount, so that no change is missed in between.
 */
static void enter(const struct found *f)
{
	struct found now;
	const char *why;

	current.dev = f->dev;
	current.id = f->id;
	sink->mount(&current);
	why = examine(f, &current);
	if (!why && !watch_daemon(current.daemon)) {
		look_at = now_ns() + LOOK_AGAIN;
		why = "the process of its daemon cannot be watched";
	}
	if (!why && (!find(&now) || now.dev != f->dev || now.id != f->id ||
		     sink->replaced())) {
		look_at = now_ns();
		why = "it changed while it was checked";
	}
	if (why) {
		refuse(why);
		return;
	}
	*refusal = 0;
	counters.mounts++;
	sink->serve(&current);
	printf("serving %s (device %u:%u)\n", opt.mount, major(current.dev),
	       minor(current.dev));
	fflush(stdout);
}

void mount_check(void)
{
	struct found f;
	bool is = find(&f);

	/*
	 * A mount that was replaced between two checks can have the same device
	 * number.
	 */
	if (is && f.dev == current.dev && f.id == current.id &&
	    !sink->replaced())
		return;
	if (current.dev) {
		say("%s is gone", opt.mount);
		leave();
	}
	look_at = 0;
	if (is)
		enter(&f);
	else
		*refusal = 0;
}

void mount_tick(void)
{
	const char *why = current.dev ? examine_volume(&current) : NULL;

	if (why && !opt.any_config) {
		look_at = now_ns() + LOOK_AGAIN;
		refuse(why);
	} else if (look_at && now_ns() >= look_at) {
		mount_check();
	} else if (*refusal && !current.dev && !look_at) {
		/* The volume or the settings may have changed since. */
		look_at = now_ns() + 10 * LOOK_AGAIN;
	}
	if (current.dev && sink->replaced())
		mount_check();
}

int mount_daemon_fd(void)
{
	return daemon_pidfd;
}

void mount_daemon_ended(void)
{
	say("the daemon of %s has ended", opt.mount);
	leave();
	mount_check();
}

const char *mount_refusal(void)
{
	struct mounted m = {};
	struct found f;

	const char *why;

	if (!find(&f))
		return NULL;
	why = examine(&f, &m);
	return why || !opt.reads ? why : reads_refusal(&m);
}

const char *mount_state(void)
{
	return current.dev ? "mounted" : *refusal ? refusal : "absent";
}

int mount_open(void)
{
	mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (mountinfo < 0)
		fatal("/proc/self/mountinfo: %s", strerror(errno));
	return mountinfo;
}
