// SPDX-License-Identifier: GPL-2.0
/* inventory.c - an extension's programs and maps in the kernel */
#include "extension.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

/*
 * Calls `use`, unless NULL, for each of the object's programs in the kernel.
 * Returns their number.
 */
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

/* The same for the object's maps. */
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

static void show_program(const struct bpf_prog_info *info, void *list)
{
	char tag[2 * BPF_TAG_SIZE + 1];
	int i;

	for (i = 0; i < BPF_TAG_SIZE; i++)
		sprintf(tag + 2 * i, "%02x", info->tag[i]);
	json_array_append_new(
		list, json_pack("{s:o, s:I, s:s, s:I, s:I}", "name",
				ext_json_text(info->name), "id",
				(json_int_t)info->id, "tag", tag, "runCount",
				(json_int_t)info->run_cnt, "runNs",
				(json_int_t)info->run_time_ns));
}

static void show_map(const struct bpf_map_info *info, void *list)
{
	json_array_append_new(list, json_pack("{s:o, s:I}", "name",
					      ext_json_text(info->name), "id",
					      (json_int_t)info->id));
}

int ext_status(struct bpf_object *obj, long long work, json_t *facts,
	       FILE *out)
{
	json_t *programs = json_array(), *maps = json_array(), *status;

	each_program(obj, show_program, programs);
	each_map(obj, show_map, maps);
	status = json_pack("{s:s, s:b, s:b}", "extension", ext_name(),
			   "running", ext_locked_by_other(), "pinned",
			   !access(ext_pin_path(""), F_OK));
	if (work >= 0)
		json_object_set_new(status, "work", json_integer(work));
	if (facts)
		json_object_set_new(status, "facts", facts);
	json_object_set_new(status, "programs", programs);
	json_object_set_new(status, "maps", maps);
	return ext_json_line(status, out);
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

	/* The kernel frees programs and maps some time after the last close. */
	for (tries = 0; tries < 600; tries++) {
		if (!each_program(obj, NULL, NULL) &&
		    !each_map(obj, NULL, NULL))
			return 0;
		nanosleep(&pause, NULL);
	}
	return each_program(obj, name_program, NULL) +
	       each_map(obj, name_map, NULL);
}

unsigned long long ext_missed(struct bpf_object *obj)
{
	unsigned long long sum = 0;
	struct bpf_program *prog;
	struct bpf_prog_info info;
	__u32 size;

	bpf_object__for_each_program(prog, obj) {
		memset(&info, 0, sizeof(info));
		size = sizeof(info);
		if (bpf_program__fd(prog) >= 0 &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info,
					    &size))
			sum += info.recursion_misses;
	}
	return sum;
}
