// SPDX-License-Identifier: GPL-2.0
/* output.c - output of loaders for other programs: JSON and Prometheus */
#include "extension.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

json_t *ext_json_text(const char *text)
{
	json_t *string = json_string(text);
	char *copy, *c;

	if (string)
		return string;
	copy = strdup(text);
	for (c = copy; c && *c; c++)
		if (*c & 0x80)
			*c = '?';
	string = json_string(copy ?: "");
	free(copy);
	return string;
}

int ext_json_line(json_t *document, FILE *out)
{
	int err = json_dumpf(document, out, JSON_COMPACT);

	json_decref(document);
	fputc('\n', out);
	return err || ferror(out) ? -EIO : 0;
}

int ext_supported(const char *how)
{
	return ext_json_line(json_pack("{s:b, s:o}", "supported", 1, "how",
				       ext_json_text(how)),
			     stdout);
}

int ext_unsupported(const char *needed, const char *format, ...)
{
	char reason[512];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return ext_json_line(json_pack("{s:b, s:o, s:o}", "supported", 0,
				       "reason", ext_json_text(reason),
				       "needed", ext_json_text(needed)),
			     stdout);
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
