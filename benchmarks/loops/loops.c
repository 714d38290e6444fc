// SPDX-License-Identifier: Apache-2.0
/*
 * The timed loops of the benchmark's metadata, walk and application workloads. Written in C, because a loop in Python adds
 * 3 us to an operation that the kernel may answer in 1 us. The program executes a small script (written by
 * runner/disgrafs_benchmark/loops.py) and prints one JSON document. It prints "ready" on standard output when all preparation
 * is done; the caller answers with the start time in seconds since 1970.
 *
 * Usage: loops SCRIPT
 *
 *   folder PATH                     all other paths are below it; must be the first line
 *   metrics ADDRESS PORT MOUNT      address of JuiceFS's FUSE request counters (Prometheus text over HTTP), and its mount point
 *   set NAME COUNT                  COUNT lines follow: "s|l|o|d|r|t PATH": stat, lstat, open and close, list, read and stat,
 *                                   the operations of a DisGraFS tagger
 *   warm SET                        every item once, untimed
 *   ready                           print "ready", and read the start time
 *   keep SET SECONDS                repeat the items, untimed, until SECONDS before the start
 *   start                           wait for the start
 *   rest SECONDS warm|phase         wait until SECONDS after the last `warm` or the last timed phase ended
 *   time NAME SET SECONDS BATCH LEAST cycle|once [REST]
 *                                   items for SECONDS, and at least LEAST of them; the clock is read once per BATCH. With REST,
 *                                   a set that took too little time is repeated after that many seconds, which are not timed
 *   create NAME PREFIX MOST SECONDS LEAST
 *                                   create new files PREFIX000000 and so on
 *   rename NAME SECONDS LEAST       rename them there and back
 *   unlink NAME SECONDS LEAST       remove them; the rest is removed untimed
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL
/* A loop ends after this many times its seconds, even if it has not reached its minimum of operations. */
#define MOST_TIMES 20
/* A set with a rest is repeated until this much is timed (the analysis needs 1 ms), but not more often than this. */
#define ENOUGH (NS * 3 / 2000)
#define MOST_ROUNDS 20
/* Significant bits of a histogram's values: a bucket is at most an eighth of its value wide. */
#define KEPT_BITS 4
#define MOST_METHODS 64

struct item {
	char op;
	char *path;
};

struct set {
	char *name;
	size_t count;
	struct item *items;
};

/* JuiceFS's counts of the mount's FUSE requests, by method. */
struct counts {
	size_t methods;
	char name[MOST_METHODS][32];
	long long value[MOST_METHODS];
};

struct phase {
	const char *name;
	long long operations, asked;
	/* `started` is when it began; `begin` is later by the rests since then. */
	int64_t started, begin, end;
	/* Since its warming, if nothing else came between; negative if something did. */
	double gap;
	int batch;
	long long buckets[64 << KEPT_BITS];
};

static int root = -1;
static struct set sets[16];
static size_t set_count;
static struct sockaddr_in metrics = { .sin_family = AF_INET };
static char *mount_point;
/* The counts that were read last; counts_hold: nothing was done since, so they are still right. */
static struct counts last_counts;
static bool counts_hold;
/* Nanoseconds of CLOCK_MONOTONIC; 0 until set. */
static int64_t start_at, warmed_at, timed_at;
static double late = -1, gap = -1;
/* Whether the last command of the window, or right before it, was a warming. */
static bool just_warmed;
static size_t made;
static bool *moved;
static char *prefix;
static bool first_phase = true;

static void die(const char *format, ...)
{
	va_list words;

	va_start(words, format);
	fputs("loops: ", stderr);
	vfprintf(stderr, format, words);
	fputc('\n', stderr);
	va_end(words);
	exit(1);
}

static int64_t clock_of(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * NS + now.tv_nsec;
}

static int64_t now(void)
{
	return clock_of(CLOCK_MONOTONIC);
}

static int64_t nanoseconds(const char *seconds)
{
	return (int64_t)(atof(seconds) * NS);
}

static void wait_until(int64_t moment)
{
	struct timespec at = { .tv_sec = moment / NS, .tv_nsec = moment % NS };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

/* --- operations */

static void list(const char *path)
{
	char entries[32768];
	int folder = openat(root, path, O_RDONLY | O_DIRECTORY);
	long size;

	if (folder < 0)
		die("list %s: %s", path, strerror(errno));
	do {
		size = syscall(SYS_getdents64, folder, entries, sizeof(entries));
	} while (size > 0);
	if (size < 0)
		die("list %s: %s", path, strerror(errno));
	close(folder);
}

static void open_and_close(const char *path, bool read_it)
{
	char data[65536];
	int file = openat(root, path, O_RDONLY);
	ssize_t size = 0;

	if (file < 0)
		die("open %s: %s", path, strerror(errno));
	if (read_it)
		while ((size = read(file, data, sizeof(data))) > 0)
			;
	if (size < 0)
		die("read %s: %s", path, strerror(errno));
	close(file);
}

/* The system calls of disgrafs/taggers/read.py: fstat, read the head to find the file's type, read the text, fstat. */
static void tag(const char *path)
{
	char data[65536];
	struct stat before, after;
	int file = openat(root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t size;

	if (file < 0)
		die("open %s: %s", path, strerror(errno));
	if (fstat(file, &before) != 0)
		die("stat %s: %s", path, strerror(errno));
	size = pread(file, data, 8192, 0);
	if (size == 8192)
		size = pread(file, data, sizeof(data), 0);
	if (size < 0)
		die("read %s: %s", path, strerror(errno));
	if (fstat(file, &after) != 0)
		die("stat %s: %s", path, strerror(errno));
	close(file);
}

/* Executes an item; returns how many times it asked for a file's attributes or name. */
static int carry_out(const struct item *item)
{
	struct stat facts;

	switch (item->op) {
	case 'd':
		list(item->path);
		return 0;
	case 'o':
		open_and_close(item->path, false);
		return 1;
	case 'r':
		open_and_close(item->path, true);
		break;
	case 't':
		tag(item->path);
		return 3;
	}
	if (fstatat(root, item->path, &facts, item->op == 'l' ? AT_SYMLINK_NOFOLLOW : 0) != 0)
		die("stat %s: %s", item->path, strerror(errno));
	return item->op == 'r' ? 2 : 1;
}

/* --- FUSE requests */

static void read_counts(struct counts *counts)
{
	static char *text;
	static size_t room;
	struct timeval patience = { .tv_sec = 60 };
	size_t size = 0;
	ssize_t got;
	char request[] = "GET /metrics HTTP/1.0\r\n\r\n", label[512];
	int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connection < 0 || connect(connection, (struct sockaddr *)&metrics, sizeof(metrics)) != 0)
		die("cannot read the metrics of JuiceFS: %s", strerror(errno));
	if (write(connection, request, strlen(request)) < 0)
		die("cannot read the metrics of JuiceFS: %s", strerror(errno));
	do {
		if (room - size < 65536)
			text = realloc(text, room += 262144);
		got = read(connection, text + size, room - size - 1);
		if (got < 0)
			die("cannot read the metrics of JuiceFS: %s", strerror(errno));
		size += got;
	} while (got > 0);
	close(connection);
	text[size] = '\0';

	snprintf(label, sizeof(label), "mp=\"%s\"", mount_point);
	counts->methods = 0;
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		char *end = strchr(line, '\n'), *found, *value;
		size_t at = counts->methods;

		if (strncmp(line, "juicefs_fuse_ops_total{", 23) != 0)
			continue;
		if (end)
			*end = '\0';
		found = strstr(line, "method=\"");
		value = strrchr(line, ' ');
		if (found && value && strstr(line, label) && at < MOST_METHODS) {
			snprintf(counts->name[at], sizeof(counts->name[at]), "%.*s", (int)strcspn(found + 8, "\""), found + 8);
			counts->value[at] = (long long)atof(value);
			counts->methods++;
		}
		if (end)
			*end = '\n';
	}
	if (!strstr(text, label))
		die("the metrics of JuiceFS are not of a mount at %s", mount_point);
}

static long long count_of(const struct counts *counts, const char *method)
{
	for (size_t i = 0; i < counts->methods; i++)
		if (strcmp(counts->name[i], method) == 0)
			return counts->value[i];
	return 0;
}

/* --- phases */

static void begin(struct phase *phase, const char *name, int batch)
{
	memset(phase, 0, sizeof(*phase));
	phase->name = name;
	phase->batch = batch;
	phase->started = phase->begin = phase->end = now();
	phase->gap = just_warmed ? (double)(phase->begin - warmed_at) / NS : -1;
	just_warmed = false;
	if (first_phase && start_at) {
		late = (double)(phase->begin - start_at) / NS;
		if (warmed_at)
			gap = (double)(phase->begin - warmed_at) / NS;
	}
	first_phase = false;
	counts_hold = false;
}

/* Records one batch; returns false if the loop must end. */
static bool go_on(struct phase *phase, int done, int64_t seconds, long long least)
{
	int64_t moment = now(), took = moment - phase->end;
	int shift = 0;

	if (phase->batch == 1) {
		while (took >> shift >= 1 << KEPT_BITS)
			shift++;
		phase->buckets[(shift << KEPT_BITS) + (took >> shift)]++;
	}
	phase->operations += done;
	phase->end = moment;
	took = moment - phase->begin;
	return took < seconds || (phase->operations < least && took < MOST_TIMES * seconds);
}

static void print(const struct phase *phase, const struct counts *before, const struct counts *after)
{
	static const char *comma = "";

	timed_at = phase->end;
	printf("%s\"%s\": {\"operations\": %lld, \"seconds\": %.9f, \"batch\": %d", comma, phase->name,
	       phase->operations, (double)(phase->end - phase->begin) / NS, phase->batch);
	comma = ",\n";
	if (warmed_at)
		printf(", \"sinceWarm\": %.6f", (double)(phase->started - warmed_at) / NS);
	if (phase->gap >= 0)
		printf(", \"gap\": %.6f", phase->gap);
	if (phase->batch == 1) {
		const char *between = "";

		printf(", \"histogram\": {");
		for (long long i = 0; i < 64 << KEPT_BITS; i++) {
			long long shift = i >> KEPT_BITS, lower = (i & ((1 << KEPT_BITS) - 1)) << shift;

			if (phase->buckets[i] == 0)
				continue;
			printf("%s\"%lld\": %lld", between, lower, phase->buckets[i]);
			between = ", ";
		}
		printf("}");
	}
	if (before && after) {
		const char *between = "";

		printf(", \"asked\": %lld, \"requests\": {", phase->asked);
		for (size_t i = 0; i < after->methods; i++) {
			long long count = after->value[i] - count_of(before, after->name[i]);

			if (count == 0)
				continue;
			printf("%s\"%s\": %lld", between, after->name[i], count);
			between = ", ";
		}
		printf("}");
	}
	printf("}");
}

/* Waits, and takes the wait out of the phase's time. */
static void rest(struct phase *phase, int64_t nanoseconds)
{
	int64_t waited;

	wait_until(phase->end + nanoseconds);
	waited = now() - phase->end;
	phase->begin += waited;
	phase->end += waited;
}

static void time_set(const char *name, const struct set *set, int64_t seconds, int batch, long long least, bool cycle,
		     int64_t between)
{
	static struct phase phase;
	static struct counts before;
	size_t at = 0;
	int round = 1;
	bool more = set->count > 0;

	if (mount_point && !counts_hold)
		read_counts(&last_counts);
	before = last_counts;
	begin(&phase, name, batch);
	while (more) {
		int done = 0;

		for (; done < batch && at < set->count; done++) {
			phase.asked += carry_out(&set->items[at++]);
			if (cycle && at == set->count)
				at = 0;
		}
		more = go_on(&phase, done, seconds, least);
		if (more && at == set->count) {
			more = between && phase.end - phase.begin < ENOUGH && round++ < MOST_ROUNDS;
			if (more) {
				rest(&phase, between);
				at = 0;
			}
		}
	}
	if (mount_point) {
		read_counts(&last_counts);
		counts_hold = true;
	}
	print(&phase, mount_point ? &before : NULL, &last_counts);
}

static const char *made_name(size_t number, bool away)
{
	static char names[2][4096];
	char *name = names[away];

	snprintf(name, sizeof(names[0]), "%s%06zu%s", prefix, number, away ? ".moved" : "");
	return name;
}

static void create(const char *name, size_t most, int64_t seconds, long long least)
{
	static struct phase phase;
	bool more = true;

	moved = calloc(most, sizeof(*moved));
	begin(&phase, name, 1);
	for (made = 0; more && made < most; made++) {
		int file = openat(root, made_name(made, false), O_WRONLY | O_CREAT | O_EXCL, 0644);

		if (file < 0)
			die("create %s: %s", made_name(made, false), strerror(errno));
		close(file);
		more = go_on(&phase, 1, seconds, least);
	}
	print(&phase, NULL, NULL);
}

static void rename_made(const char *name, int64_t seconds, long long least)
{
	static struct phase phase;
	bool more = made > 0;

	begin(&phase, name, 1);
	for (size_t at = 0; more; at = (at + 1) % made) {
		if (renameat(root, made_name(at, moved[at]), root, made_name(at, !moved[at])) != 0)
			die("rename %s: %s", made_name(at, moved[at]), strerror(errno));
		moved[at] = !moved[at];
		more = go_on(&phase, 1, seconds, least);
	}
	print(&phase, NULL, NULL);
}

static void unlink_made(const char *name, int64_t seconds, long long least)
{
	static struct phase phase;
	bool more = true;

	begin(&phase, name, 1);
	for (size_t at = 0; at < made; at++) {
		if (unlinkat(root, made_name(at, moved[at]), 0) != 0)
			die("unlink %s: %s", made_name(at, moved[at]), strerror(errno));
		if (more)
			more = go_on(&phase, 1, seconds, least);
	}
	print(&phase, NULL, NULL);
}

/* --- the script */

static struct set *set_named(const char *name)
{
	for (size_t i = 0; i < set_count; i++)
		if (strcmp(sets[i].name, name) == 0)
			return &sets[i];
	die("no set %s in the script", name);
	return NULL;
}

static void read_set(FILE *script, const char *name, size_t count)
{
	struct set *set = &sets[set_count++];
	char *line = NULL;
	size_t room = 0;

	if (set_count > sizeof(sets) / sizeof(*sets))
		die("too many sets");
	set->name = strdup(name);
	set->count = count;
	set->items = calloc(count ? count : 1, sizeof(*set->items));
	for (size_t i = 0; i < count; i++) {
		if (getline(&line, &room, script) < 3)
			die("set %s is cut off", name);
		line[strcspn(line, "\n")] = '\0';
		set->items[i] = (struct item){ .op = line[0], .path = strdup(line + 2) };
		if (!strchr("slodrt", line[0]) || line[1] != ' ')
			die("unknown operation in set %s: %s", name, line);
	}
	free(line);
}

static void warm(const struct set *set, int64_t until)
{
	do {
		for (size_t i = 0; i < set->count && (!until || now() < until); i++)
			carry_out(&set->items[i]);
	} while (until && set->count && now() < until);
	warmed_at = now();
	/* Before the start is known, it is not known how long the program will wait for it. */
	just_warmed = start_at != 0;
	counts_hold = false;
}

static void get_ready(void)
{
	char line[128];

	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		die("no start time on standard input");
	start_at = now() + nanoseconds(line) - clock_of(CLOCK_REALTIME);
	printf("{\"loops\": {\n");
}

/* Word number `which` of a line; fails if the line is shorter. */
static char *word(char **words, int which)
{
	if (!words[which])
		die("%s: too few words", words[0]);
	return words[which];
}

static void command(FILE *script, char **w)
{
	const char *what = w[0];

	if (strcmp(what, "folder") == 0) {
		root = open(word(w, 1), O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root < 0)
			die("%s: %s", w[1], strerror(errno));
	} else if (strcmp(what, "metrics") == 0) {
		metrics.sin_port = htons(atoi(word(w, 2)));
		if (inet_pton(AF_INET, w[1], &metrics.sin_addr) != 1)
			die("metrics: %s is not an IPv4 address", w[1]);
		mount_point = strdup(word(w, 3));
	} else if (strcmp(what, "set") == 0) {
		read_set(script, w[1], strtoul(word(w, 2), NULL, 10));
	} else if (strcmp(what, "warm") == 0) {
		warm(set_named(word(w, 1)), 0);
	} else if (strcmp(what, "ready") == 0) {
		get_ready();
	} else if (strcmp(what, "keep") == 0) {
		warm(set_named(word(w, 1)), start_at - nanoseconds(word(w, 2)));
	} else if (strcmp(what, "start") == 0) {
		/* Reads the counts for the first phase before its timed window begins. */
		if (mount_point)
			read_counts(&last_counts);
		counts_hold = true;
		wait_until(start_at);
	} else if (strcmp(what, "rest") == 0) {
		just_warmed = false;
		wait_until((strcmp(word(w, 2), "warm") == 0 ? warmed_at : timed_at) + nanoseconds(w[1]));
	} else if (strcmp(what, "time") == 0) {
		bool cycle = strcmp(word(w, 6), "cycle") == 0;

		time_set(strdup(w[1]), set_named(w[2]), nanoseconds(w[3]), atoi(w[4]), atoll(w[5]), cycle,
			 w[7] ? nanoseconds(w[7]) : 0);
	} else if (strcmp(what, "create") == 0) {
		prefix = strdup(word(w, 2));
		create(strdup(w[1]), strtoul(word(w, 3), NULL, 10), nanoseconds(word(w, 4)), atoll(word(w, 5)));
	} else if (strcmp(what, "rename") == 0) {
		rename_made(strdup(w[1]), nanoseconds(word(w, 2)), atoll(word(w, 3)));
	} else if (strcmp(what, "unlink") == 0) {
		unlink_made(strdup(w[1]), nanoseconds(word(w, 2)), atoll(word(w, 3)));
	} else {
		die("unknown command: %s", what);
	}
}

int main(int argc, char **argv)
{
	FILE *script;
	char *line = NULL;
	size_t room = 0;

	if (argc != 2) {
		fputs("usage: loops SCRIPT (see the head of loops.c)\n", stderr);
		return 2;
	}
	script = fopen(argv[1], "r");
	if (!script)
		die("%s: %s", argv[1], strerror(errno));
	while (getline(&line, &room, script) > 0) {
		char *words[9] = { NULL }, *rest = line;

		for (size_t i = 0; i < 8 && (words[i] = strsep(&rest, " \n")) && *words[i]; i++)
			;
		for (size_t i = 0; i < 9; i++)
			if (words[i] && !*words[i])
				words[i] = NULL;
		if (words[0])
			command(script, words);
	}
	printf("\n}");
	if (late >= 0)
		printf(", \"late\": %.6f", late);
	if (gap >= 0)
		printf(", \"gap\": %.6f", gap);
	printf("}\n");
	return 0;
}
