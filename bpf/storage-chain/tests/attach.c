// SPDX-License-Identifier: GPL-2.0
/*
 * attach - loads a BPF object, attaches all its programs, prints a line, and
 * keeps them attached until its standard input ends
 */
#include <stdio.h>
#include <unistd.h>
#include <bpf/libbpf.h>

static int attach(struct bpf_object *object)
{
	struct bpf_program *program;
	struct bpf_map *map;
	int n = 0;

	bpf_object__for_each_map(map, object) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		if (!bpf_map__attach_struct_ops(map))
			return -1;
		n++;
	}
	if (n)
		return n;
	bpf_object__for_each_program(program, object) {
		if (!bpf_program__attach_raw_tracepoint(program,
							"schain_step") &&
		    !bpf_program__attach_raw_tracepoint(program,
							"schain_step_tp"))
			return -1;
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	char c;
	int n;

	if (argc != 2)
		return 2;
	object = bpf_object__open_file(argv[1], NULL);
	if (!object || bpf_object__load(object))
		return 1;
	n = attach(object);
	if (n <= 0) {
		perror("attach");
		return 1;
	}
	printf("attached %d\n", n);
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}
