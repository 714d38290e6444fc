// SPDX-License-Identifier: GPL-2.0
/* Attaches programs: by struct_ops if possible, else by the tracepoint. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "extension.h"
#include "loader.h"
#include "ops.skel.h"
#include "tracepoint.skel.h"

const char * const program_names[PROGRAMS] = { "btree", "hash", "posting" };

static struct bpf_object *object;
static struct bpf_link *links[PROGRAMS];
static int link_count;

/* The names are the same in both objects. */
const void *programs_elf(size_t *size)
{
	return tracepoint_bpf__elf_bytes(size);
}

/* From the pins, so that it also works for another instance. */
const char *programs_backend(void)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(ext_pin_path("schain_btree"));

	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &info, &size);
		close(fd);
	}
	return info.type == BPF_PROG_TYPE_STRUCT_OPS ? "struct_ops" :
						       "tracepoint";
}

/* Linux 6.16 adds this suffix to tracepoints without events. */
static struct bpf_link *attach_tracepoint(struct bpf_program *program)
{
	struct bpf_link *link;

	link = bpf_program__attach_raw_tracepoint(program, "schain_step");
	return link ?: bpf_program__attach_raw_tracepoint(program,
							  "schain_step_tp");
}

static int attach_all(bool by_ops)
{
	struct bpf_program *program;
	struct bpf_map *map;

	if (by_ops) {
		bpf_object__for_each_map(map, object) {
			if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
				continue;
			links[link_count] = bpf_map__attach_struct_ops(map);
			if (!links[link_count])
				return -errno;
			link_count++;
		}
		return 0;
	}
	bpf_object__for_each_program(program, object) {
		links[link_count] = attach_tracepoint(program);
		if (!links[link_count])
			return -errno;
		link_count++;
	}
	return 0;
}

int programs_attach(struct lack *lack)
{
	size_t size;
	const void *elf;
	bool by_ops;
	int err;

	by_ops = settings.backend != BACKEND_TRACEPOINT &&
		 module_has_struct_ops();
	if (settings.backend == BACKEND_STRUCT_OPS && !by_ops) {
		snprintf(lack->text, sizeof(lack->text),
			 "no struct_ops in modules on this kernel, or the module has no BTF");
		lack->needed = "Linux 6.9 or later with CONFIG_DEBUG_INFO_BTF_MODULES, or --backend tracepoint";
		return -EOPNOTSUPP;
	}
	elf = by_ops ? ops_bpf__elf_bytes(&size) :
		       tracepoint_bpf__elf_bytes(&size);
	object = bpf_object__open_mem(elf, size, NULL);
	err = object ? bpf_object__load(object) : -errno;
	if (!err)
		err = ext_pin(object);
	if (!err)
		err = attach_all(by_ops);
	if (err) {
		snprintf(lack->text, sizeof(lack->text),
			 "the programs do not load: %s", strerror(-err));
		lack->needed = "programs that the verifier accepts";
		ext_show_log();
		programs_detach();
	}
	return err;
}

void programs_detach(void)
{
	while (link_count)
		bpf_link__destroy(links[--link_count]);
	if (object) {
		ext_unpin();
		bpf_object__close(object);
	}
	object = NULL;
}
