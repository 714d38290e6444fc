// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "extension.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct ext_options ext_options;
const char *ext_facts;

static bool verbose;
static const char *extension = "extension";
static int lock_fd = -1;
static FILE *log_file;
static char log_path[PATH_MAX];
static unsigned long long deadline_ns;
static sigset_t stop_signals;
static bool stopped;

enum {
	OPT_PREFLIGHT = 0x100,
	OPT_STATUS,
	OPT_REMOVE,
	OPT_LOG,
	OPT_PROMETHEUS,
};

static const struct argp_option options[] = {
	{ "interval", 'i', "SECONDS", 0, "Report every SECONDS", 0 },
	{ "duration", 'd', "SECONDS", 0, "Stop after SECONDS", 0 },
	{ "json", 'j', NULL, 0, "Report as JSON, an object a line", 0 },
	{ "prometheus", OPT_PROMETHEUS, "FILE", 0,
	  "Report by rewriting FILE, in Prometheus' text format", 0 },
	{ "log", OPT_LOG, "FILE", 0,
	  "Keep what libbpf and the verifier say in FILE", 0 },
	{ "preflight", OPT_PREFLIGHT, NULL, 0,
	  "Load, attach, detach; say as JSON whether it works here", 1 },
	{ "status", OPT_STATUS, NULL, 0,
	  "Say as JSON what is loaded: id, tag, run count", 1 },
	{ "remove", OPT_REMOVE, NULL, 0,
	  "Remove what a killed instance left, fail if anything stays", 1 },
	{ "verbose", 'v', NULL, 0, "Show libbpf's messages", 2 },
	{},
};

unsigned long ext_number(const char *text, unsigned long least,
			 unsigned long most, struct argp_state *state)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	/* strtoul() takes a sign and wraps. */
	if (*end || *text < '0' || *text > '9' || value < least || value > most)
		argp_error(state, "'%s' is not a number from %lu to %lu", text,
			   least, most);
	return value;
}

int ext_choice(const char *text, const char *const *words, int count,
	       struct argp_state *state)
{
	char list[128] = "";
	int i;

	for (i = 0; i < count; i++) {
		if (!strcmp(text, words[i]))
			return i;
		if (i)
			strncat(list, i < count - 1 ? ", " : " or ",
				sizeof(list) - strlen(list) - 1);
		strncat(list, words[i], sizeof(list) - strlen(list) - 1);
	}
	argp_error(state, "'%s' is not %s", text, list);
	return 0;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	switch (key) {
	case 'i':
		ext_options.interval = ext_number(text, 0, 1000000, state);
		break;
	case 'd':
		ext_options.duration = ext_number(text, 0, 1000000, state);
		break;
	case 'j':
		ext_options.json = true;
		break;
	case 'v':
		verbose = true;
		break;
	case OPT_LOG:
		ext_options.log = text;
		break;
	case OPT_PROMETHEUS:
		ext_options.prometheus = text;
		break;
	case OPT_PREFLIGHT:
		ext_options.mode = EXT_PREFLIGHT;
		break;
	case OPT_STATUS:
		ext_options.mode = EXT_STATUS;
		break;
	case OPT_REMOVE:
		ext_options.mode = EXT_REMOVE;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", text);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp common_argp = { .options = options, .parser = parse };

void ext_error(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", extension);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static int log_line(enum libbpf_print_level level, const char *format,
		    va_list args)
{
	va_list again;

	va_copy(again, args);
	if (log_file) {
		vfprintf(log_file, format, args);
		fflush(log_file);
	}
	if (verbose)
		vfprintf(stderr, format, again);
	va_end(again);
	(void)level;
	return 0;
}

void ext_init(const char *name)
{
	extension = name;
	if (ext_options.log)
		snprintf(log_path, sizeof(log_path), "%s", ext_options.log);
	else
		snprintf(log_path, sizeof(log_path), "/run/disgrafs-%s.log",
			 name);
	if (ext_options.mode == EXT_RUN || ext_options.mode == EXT_PREFLIGHT) {
		log_file = fopen(log_path, "we");
		if (!log_file)
			ext_error("no log: %s: %s", log_path, strerror(errno));
	}
	libbpf_set_print(log_line);
	/* Blocked and asked for: none is lost between a test and a sleep. */
	sigemptyset(&stop_signals);
	sigaddset(&stop_signals, SIGINT);
	sigaddset(&stop_signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop_signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int open_lock(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/run/disgrafs-%s.lock", extension);
	return open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
}

int ext_lock(void)
{
	lock_fd = open_lock();
	if (lock_fd < 0) {
		ext_error("/run/disgrafs-%s.lock: %s", extension,
			  strerror(errno));
		return -errno;
	}
	if (flock(lock_fd, LOCK_EX | LOCK_NB)) {
		ext_error("another instance is running; stop it first");
		return -EBUSY;
	}
	return 0;
}

static bool locked_by_other(void)
{
	int fd = open_lock();
	bool locked;

	if (fd < 0)
		return false;
	locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
	close(fd);
	return locked;
}

void ext_show_log(void)
{
	char lines[20][512];
	unsigned int n = 0, i;
	FILE *in = fopen(log_path, "re");

	if (!in)
		return;
	while (fgets(lines[n % 20], sizeof(lines[0]), in))
		n++;
	fclose(in);
	fprintf(stderr, "%s: the end of %s:\n", extension, log_path);
	for (i = n > 20 ? n - 20 : 0; i < n; i++)
		fprintf(stderr, "  %s", lines[i % 20]);
}

int ext_not_loaded(int err)
{
	ext_error("does not load: %s", strerror(-err));
	ext_show_log();
	return err;
}

const char *ext_pin_path(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), PIN_ROOT "/%s/%s", extension, name);
	return path;
}

/*
 * PIN_ROOT is all extensions': one must not take it away, empty, while another
 * makes its own folder in it. The lock ends when its descriptor is closed.
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

	if ((mkdir(PIN_ROOT, 0700) && errno != EEXIST) ||
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
		ext_error("cannot make %s: %s; is bpffs mounted on /sys/fs/bpf?",
			  PIN_ROOT, strerror(-err));
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
		if (bpf_map__is_internal(map) || bpf_map__fd(map) < 0)
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

	snprintf(folder, sizeof(folder), PIN_ROOT "/%s", extension);
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
	/* Not empty while another extension has pins: then it stays. */
	rmdir(PIN_ROOT);
	close(fd);
	if (err)
		ext_error("cannot remove %s: %s", folder, strerror(-err));
	return err;
}

void ext_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	socklen_t size;
	int fd;

	if (ext_options.duration)
		deadline_ns = ext_now_ns() +
			      ext_options.duration * 1000000000ULL;
	if (!path || !*path || strlen(path) >= sizeof(to.sun_path))
		return;
	strcpy(to.sun_path, path);
	size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to,
			     size) < 0)
		ext_error("cannot tell systemd: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

static bool program_of(struct bpf_object *obj, const char *name)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj) {
		if (!strncmp(bpf_program__name(prog), name,
			     BPF_OBJ_NAME_LEN - 1))
			return true;
	}
	return false;
}

static bool map_of(struct bpf_object *obj, const char *name)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		if (!strncmp(bpf_map__name(map), name, BPF_OBJ_NAME_LEN - 1))
			return true;
	}
	return false;
}

/* Calls `use` for each of the object's programs in the kernel. */
static int each_program(struct bpf_object *obj,
			void (*use)(const struct bpf_prog_info *, void *),
			void *data)
{
	struct bpf_prog_info info;
	__u32 id = 0, size;
	int fd, n = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		fd = bpf_prog_get_fd_by_id(id);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		size = sizeof(info);
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) &&
		    program_of(obj, info.name)) {
			n++;
			if (use)
				use(&info, data);
		}
		close(fd);
	}
	return n;
}

static int each_map(struct bpf_object *obj,
		    void (*use)(const struct bpf_map_info *, void *),
		    void *data)
{
	struct bpf_map_info info;
	__u32 id = 0, size;
	int fd, n = 0;

	while (!bpf_map_get_next_id(id, &id)) {
		fd = bpf_map_get_fd_by_id(id);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		size = sizeof(info);
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) &&
		    map_of(obj, info.name)) {
			n++;
			if (use)
				use(&info, data);
		}
		close(fd);
	}
	return n;
}

struct list {
	FILE *out;
	bool some;
};

static void show_program(const struct bpf_prog_info *info, void *data)
{
	struct list *list = data;
	int i;

	fprintf(list->out, "%s{\"name\":", list->some ? "," : "");
	ext_json_string(list->out, info->name);
	fprintf(list->out, ",\"id\":%u,\"tag\":\"", info->id);
	for (i = 0; i < BPF_TAG_SIZE; i++)
		fprintf(list->out, "%02x", info->tag[i]);
	fprintf(list->out, "\",\"runCount\":%llu,\"runNs\":%llu}",
		(unsigned long long)info->run_cnt,
		(unsigned long long)info->run_time_ns);
	list->some = true;
}

static void show_map(const struct bpf_map_info *info, void *data)
{
	struct list *list = data;

	fprintf(list->out, "%s{\"name\":", list->some ? "," : "");
	ext_json_string(list->out, info->name);
	fprintf(list->out, ",\"id\":%u}", info->id);
	list->some = true;
}

int ext_status(struct bpf_object *obj, long long work, FILE *out)
{
	struct list list = { .out = out };

	fprintf(out, "{\"extension\":");
	ext_json_string(out, extension);
	fprintf(out, ",\"running\":%s,\"pinned\":%s",
		locked_by_other() ? "true" : "false",
		access(ext_pin_path(""), F_OK) ? "false" : "true");
	if (work >= 0)
		fprintf(out, ",\"work\":%lld", work);
	if (ext_facts)
		fprintf(out, ",\"facts\":%s", ext_facts);
	fprintf(out, ",\"programs\":[");
	each_program(obj, show_program, &list);
	list.some = false;
	fprintf(out, "],\"maps\":[");
	each_map(obj, show_map, &list);
	fprintf(out, "]}\n");
	return ferror(out) ? -EIO : 0;
}

static void name_program(const struct bpf_prog_info *info, void *data)
{
	(void)data;
	ext_error("left in the kernel: program %s, id %u", info->name,
		  info->id);
}

static void name_map(const struct bpf_map_info *info, void *data)
{
	(void)data;
	ext_error("left in the kernel: map %s, id %u", info->name, info->id);
}

int ext_left(struct bpf_object *obj)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	int tries;

	/* The kernel frees programs and maps a while after the last close. */
	for (tries = 0; tries < 600; tries++) {
		if (!each_program(obj, NULL, NULL) &&
		    !each_map(obj, NULL, NULL))
			return 0;
		nanosleep(&pause, NULL);
	}
	return each_program(obj, name_program, NULL) +
	       each_map(obj, name_map, NULL);
}

int ext_supported(const char *how)
{
	printf("{\"supported\":true,\"how\":");
	ext_json_string(stdout, how);
	printf("}\n");
	return 0;
}

int ext_unsupported(const char *needed, const char *format, ...)
{
	char reason[512];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	printf("{\"supported\":false,\"reason\":");
	ext_json_string(stdout, reason);
	printf(",\"needed\":");
	ext_json_string(stdout, needed);
	printf("}\n");
	return 0;
}

void ext_json_string(FILE *out, const char *text)
{
	const unsigned char *c;

	fputc('"', out);
	for (c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < 0x20)
			fprintf(out, "\\u%04x", *c);
		else
			fputc(*c, out);
	}
	fputc('"', out);
}

unsigned long long ext_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void wait_for_stop(unsigned long long ns)
{
	struct timespec pause = {
		.tv_sec = ns / 1000000000ULL,
		.tv_nsec = ns % 1000000000ULL,
	};

	if (sigtimedwait(&stop_signals, NULL, &pause) > 0)
		stopped = true;
	if (deadline_ns && ext_now_ns() >= deadline_ns)
		stopped = true;
}

bool ext_stopped(void)
{
	if (!stopped)
		wait_for_stop(0);
	return stopped;
}

/* One interval, or until a signal or the end of the duration. */
static void sleep_interval(void)
{
	unsigned long long now = ext_now_ns();
	unsigned long long until = now + 3600 * 1000000000ULL;

	if (ext_options.interval)
		until = now + ext_options.interval * 1000000000ULL;
	if (deadline_ns && deadline_ns < until)
		until = deadline_ns;
	if (!stopped)
		wait_for_stop(until > now ? until - now : 0);
}

void ext_loop(int (*report)(void *), void *data)
{
	while (!ext_stopped()) {
		sleep_interval();
		if (ext_options.interval && !ext_stopped())
			report(data);
	}
}

void ext_label(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

void ext_metric(FILE *out, const char *name, const char *type,
		const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

FILE *ext_publish_start(const char *path)
{
	char temporary[PATH_MAX];
	FILE *out;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	out = fopen(temporary, "we");
	if (!out)
		ext_error("%s: %s", temporary, strerror(errno));
	return out;
}

int ext_publish(FILE *out, const char *path)
{
	char temporary[PATH_MAX];
	int err = ferror(out) ? -EIO : 0;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	if (fclose(out) && !err)
		err = -errno;
	if (!err && rename(temporary, path))
		err = -errno;
	if (err) {
		ext_error("%s: %s", path, strerror(-err));
		unlink(temporary);
	}
	return err;
}

static int status_or_remove(const struct ext_loader *loader)
{
	struct bpf_object *obj;
	const void *elf;
	size_t size;
	int err;

	elf = loader->object(&size);
	obj = bpf_object__open_mem(elf, size, NULL);
	if (!obj) {
		ext_error("cannot read its own object: %s", strerror(errno));
		return -errno;
	}
	if (ext_options.mode == EXT_STATUS)
		err = ext_status(obj, loader->work(), stdout);
	else
		err = ext_lock() || (loader->clean && loader->clean()) ||
		      ext_unpin() || ext_left(obj);
	bpf_object__close(obj);
	return err;
}

int ext_main(const struct ext_loader *loader, int argc, char **argv)
{
	const struct argp_child children[] = { { .argp = &common_argp }, {} };
	const struct argp argp = {
		.options = loader->options,
		.parser = loader->parse,
		.doc = loader->documentation,
		.children = children,
	};
	int err;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	extension = loader->name;
	if (geteuid()) {
		ext_error("only root can load eBPF programs and see them");
		return 1;
	}
	ext_init(loader->name);
	if (ext_options.mode == EXT_STATUS || ext_options.mode == EXT_REMOVE)
		err = status_or_remove(loader);
	else if (ext_lock())
		err = -EBUSY;
	else if (ext_options.mode == EXT_PREFLIGHT)
		err = loader->preflight();
	else
		err = loader->run();
	return err ? 1 : 0;
}
