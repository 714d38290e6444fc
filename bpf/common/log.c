// SPDX-License-Identifier: GPL-2.0
/* log.c - messages for users, and the log of libbpf and the verifier */
#include "extension.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

static const char *extension = "extension";
static FILE *log_file;
static char log_path[PATH_MAX];

const char *ext_name(void)
{
	return extension;
}

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
	if (ext_options.verbose)
		vfprintf(stderr, format, again);
	va_end(again);
	(void)level;
	return 0;
}

void ext_log_start(const char *name)
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
			ext_error("cannot write %s: %s", log_path, strerror(errno));
	}
	libbpf_set_print(log_line);
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
