// SPDX-License-Identifier: GPL-2.0
/* results.c - results of requests, by opcode */
#include <stdlib.h>
#include <string.h>
#include <linux/fuse.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "agent.h"
#include "efuse.skel.h"

static const char * const opcode_names[EFUSE_OPCODES] = {
	[FUSE_LOOKUP] = "lookup", [FUSE_FORGET] = "forget",
	[FUSE_GETATTR] = "getattr", [FUSE_SETATTR] = "setattr",
	[FUSE_READLINK] = "readlink", [FUSE_SYMLINK] = "symlink",
	[FUSE_MKNOD] = "mknod", [FUSE_MKDIR] = "mkdir",
	[FUSE_UNLINK] = "unlink", [FUSE_RMDIR] = "rmdir",
	[FUSE_RENAME] = "rename", [FUSE_LINK] = "link", [FUSE_OPEN] = "open",
	[FUSE_READ] = "read", [FUSE_WRITE] = "write",
	[FUSE_STATFS] = "statfs", [FUSE_RELEASE] = "release",
	[FUSE_FSYNC] = "fsync", [FUSE_SETXATTR] = "setxattr",
	[FUSE_GETXATTR] = "getxattr", [FUSE_LISTXATTR] = "listxattr",
	[FUSE_REMOVEXATTR] = "removexattr", [FUSE_FLUSH] = "flush",
	[FUSE_OPENDIR] = "opendir", [FUSE_READDIR] = "readdir",
	[FUSE_RELEASEDIR] = "releasedir", [FUSE_FSYNCDIR] = "fsyncdir",
	[FUSE_ACCESS] = "access", [FUSE_CREATE] = "create",
	[FUSE_IOCTL] = "ioctl", [FUSE_FALLOCATE] = "fallocate",
	[FUSE_READDIRPLUS] = "readdirplus", [FUSE_RENAME2] = "rename2",
	[FUSE_LSEEK] = "lseek", [FUSE_COPY_FILE_RANGE] = "copy_file_range",
	[EFUSE_OP_READ] = "read()",
};

static const char * const result_names[] = {
#define X(name, text) text,
	EFUSE_RESULTS(X)
#undef X
};

bool results_of(int fd, __u32 opcode, struct efuse_opstats *sum)
{
	int cpus = libbpf_num_possible_cpus(), cpu, i;
	struct efuse_opstats *per_cpu = calloc(cpus, sizeof(*per_cpu));
	bool ok = per_cpu && !bpf_map_lookup_elem(fd, &opcode, per_cpu);

	memset(sum, 0, sizeof(*sum));
	for (cpu = 0; ok && cpu < cpus; cpu++)
		for (i = 0; i < EFUSE_R_MAX; i++)
			sum->n[i] += per_cpu[cpu].n[i];
	free(per_cpu);
	return ok;
}

void results_metrics(FILE *out)
{
	struct efuse_bpf *p = programs();
	struct efuse_sequence *s;
	struct efuse_opstats sum;
	struct efuse_stats module;
	__u32 op, i;

	if (!p)
		return;
	s = &p->data_sequence->sequence;
	fprintf(out, "# HELP efuse_requests_total Requests by opcode and result.\n"
		     "# TYPE efuse_requests_total counter\n");
	for (op = 0; op < EFUSE_OPCODES; op++) {
		char number[16];
		const char *name = opcode_names[op];

		if (!name) {
			snprintf(number, sizeof(number), "%u", op);
			name = number;
		}
		if (!results_of(bpf_map__fd(p->maps.efuse_stats), op, &sum))
			continue;
		for (i = 0; i < EFUSE_R_MAX; i++)
			if (sum.n[i])
				fprintf(out, "efuse_requests_total{opcode=\"%s\",result=\"%s\"} %llu\n",
					name, result_names[i], sum.n[i]);
	}
	fprintf(out,
		"# TYPE efuse_mode gauge\nefuse_mode %u\n"
		"# TYPE efuse_fail gauge\nefuse_fail %u\n"
		"# TYPE efuse_epoch gauge\nefuse_epoch %llu\n"
		"# TYPE efuse_sequence counter\nefuse_sequence %llu\n"
		"# HELP efuse_daemon_validity_seconds Longest validity from the daemon; in mode lease, it adds to the bound.\n"
		"# TYPE efuse_daemon_validity_seconds gauge\n"
		"efuse_daemon_validity_seconds %.3f\n",
		p->data_control->control.mode, p->data_control->control.fail, s->epoch, s->seq,
		s->max_valid / 1e9);
	if (!programs_module_stats(&module))
		return;
	fprintf(out,
			"# TYPE efuse_module_requests_total counter\n"
			"efuse_module_requests_total{result=\"shown\"} %llu\n"
			"efuse_module_requests_total{result=\"handled\"} %llu\n"
			"efuse_module_requests_total{result=\"refused\"} %llu\n"
			"# HELP efuse_module_ends_total Ends of requests; late: not shown to programs, because the caller had already returned.\n"
			"# TYPE efuse_module_ends_total counter\n"
			"efuse_module_ends_total{result=\"shown\"} %llu\n"
			"efuse_module_ends_total{result=\"late\"} %llu\n",
			module.calls, module.handled, module.refused,
			module.ended, module.late);
	fprintf(out,
		"# HELP efuse_module_entries_total Entries of listings that were shown to programs.\n"
		"# TYPE efuse_module_entries_total counter\n"
		"efuse_module_entries_total %llu\n"
		"# HELP efuse_module_lists_cut_total Listings of which only a part was shown.\n"
		"# TYPE efuse_module_lists_cut_total counter\n"
		"efuse_module_lists_cut_total %llu\n",
		module.entries, module.lists_cut);
	if (opt.reads)
		fprintf(out,
			"# HELP efuse_module_reads_total Reads from backing files; pages: left to the mount's own pages.\n"
			"# TYPE efuse_module_reads_total counter\n"
			"efuse_module_reads_total{result=\"read\"} %llu\n"
			"efuse_module_reads_total{result=\"refused\"} %llu\n"
			"efuse_module_reads_total{result=\"pages\"} %llu\n"
			"# TYPE efuse_module_read_bytes_total counter\n"
			"efuse_module_read_bytes_total %llu\n",
			module.reads, module.read_refused, module.read_pages,
			module.read_bytes);
}
