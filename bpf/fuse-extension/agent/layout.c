// SPDX-License-Identifier: GPL-2.0
/*
 * layout.c - where the members of the running kernel's FUSE structures are
 *
 * The module knows none of them; it refuses to work without. Everything is
 * looked up by name in the kernel's BTF, and anything that is not as expected
 * ends the agent with what it was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>
#include "agent.h"

static const struct btf *btf;

static const struct btf_type *skip(__u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	return t;
}

static const struct btf_type *structure(const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	if (id < 0)
		fatal("this kernel's BTF has no struct %s", name);
	return btf__type_by_id(btf, id);
}

/* The member `name` of t, also inside anonymous members; bits from start. */
static const struct btf_member *member(const struct btf_type *t,
				       const char *name, __u32 *bits)
{
	const struct btf_member *m = btf_members(t);
	int i;

	for (i = 0; i < btf_vlen(t); i++) {
		const char *n = btf__name_by_offset(btf, m[i].name_off);
		__u32 at = btf_member_bit_offset(t, i);
		const struct btf_member *found;
		__u32 inner = 0;

		if (!strcmp(n, name)) {
			*bits = at;
			return m + i;
		}
		if (*n || !btf_is_composite(skip(m[i].type)))
			continue;
		found = member(skip(m[i].type), name, &inner);
		if (found) {
			*bits = at + inner;
			return found;
		}
	}
	return NULL;
}

/* Offset in bits of path a.b.c in struct `name`; size: of the last one. */
static __u32 bits_of(const char *name, const char *path, __u32 size)
{
	const struct btf_type *t = structure(name);
	const struct btf_member *m = NULL;
	char copy[64], *part, *rest = copy;
	__u32 sum = 0, bits;
	__s64 is;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((part = strsep(&rest, "."))) {
		m = member(t, part, &bits);
		if (!m)
			fatal("struct %s of this kernel has no %s", name, path);
		sum += bits;
		t = skip(m->type);
	}
	is = btf__resolve_size(btf, m->type);
	if (size && is != size)
		fatal("struct %s: %s has %lld bytes, not %u", name, path,
		      (long long)is, size);
	return sum;
}

static __u16 offset_of(const char *name, const char *path, __u32 size)
{
	__u32 bits = bits_of(name, path, size);

	if (bits % 8)
		fatal("struct %s: %s is a bit field", name, path);
	return bits / 8;
}

static bool has_member(const char *name, const char *what)
{
	__u32 bits;

	return member(structure(name), what, &bits);
}

/* The function's parameters must be `count`, number `n` a struct `type` *. */
static bool has_parameter(const char *function, int count, int n,
			  const char *type)
{
	int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);
	const struct btf_type *t;

	if (id < 0)
		return false;
	t = btf__type_by_id(btf, btf__type_by_id(btf, id)->type);
	if (btf_vlen(t) != count)
		return false;
	t = skip(btf_params(t)[n].type);
	if (!t || !btf_is_ptr(t))
		return false;
	t = skip(t->type);
	return t && !strcmp(btf__name_by_offset(btf, t->name_off), type);
}

static void expect(const char *function, int count, int n, const char *type)
{
	if (!has_parameter(function, count, n, type))
		fatal("%s() of this kernel is not what we know (%d parameters, number %d a struct %s *)",
		      function, count, n, type);
}

static bool is_request(const char *function, int first)
{
	return has_parameter(function, first + 2, first, "fuse_mount") &&
	       has_parameter(function, first + 2, first + 1, "fuse_args");
}

void layout_read(struct efuse_hook *h)
{
	struct btf *vmlinux = btf__load_vmlinux_btf();

	if (!vmlinux)
		fatal("this kernel has no BTF (/sys/kernel/btf/vmlinux): %s",
		      strerror(errno));
	btf = vmlinux;
	if (btf__find_by_name_kind(btf, "fuse_args", BTF_KIND_STRUCT) < 0) {
		btf = btf__load_module_btf("fuse", vmlinux);
		if (!btf)
			fatal("no BTF of module fuse; is it loaded?");
	}

	memset(h, 0, sizeof(*h));
	h->abi = EFUSE_ABI;
	h->ctx_size = sizeof(struct efuse_ctx);
	if (is_request("__fuse_simple_request", 1))
		h->function = EFUSE_FN_SIMPLE_REQUEST_IDMAP;
	else if (is_request("fuse_simple_request", 0))
		h->function = EFUSE_FN_SIMPLE_REQUEST;
	else
		fatal("this kernel sends FUSE requests by a function that we do not know");

	h->args_nodeid = offset_of("fuse_args", "nodeid", 8);
	h->args_opcode = offset_of("fuse_args", "opcode", 4);
	h->args_in_num = offset_of("fuse_args", "in_numargs", 1);
	h->args_out_num = offset_of("fuse_args", "out_numargs", 1);
	h->args_in = offset_of("fuse_args", "in_args", 0);
	h->args_out = offset_of("fuse_args", "out_args", 0);
	h->args_out_argvar = bits_of("fuse_args", "out_argvar", 0);
	h->mount_fc = offset_of("fuse_mount", "fc", 8);
	h->mount_sb = offset_of("fuse_mount", "sb", 8);
	if (has_member("fuse_conn", "chan")) {
		h->conn_chan = offset_of("fuse_conn", "chan", 8);
		h->chan_conn = offset_of("fuse_chan", "conn", 8);
		h->connected = offset_of("fuse_chan", "connected", 4);
		h->req_fm = offset_of("fuse_req", "chan", 8);
	} else {
		h->connected = offset_of("fuse_conn", "connected", 4);
		h->req_fm = offset_of("fuse_req", "fm", 8);
	}
	h->req_args = offset_of("fuse_req", "args", 8);
	h->req_error = offset_of("fuse_req", "out.h.error", 4);
	h->inode_nodeid = offset_of("fuse_inode", "nodeid", 8);

	/* The module has these as it is compiled. */
	if (offset_of("fuse_in_arg", "size", 4) != 0 ||
	    offset_of("fuse_in_arg", "value", 8) != 8 ||
	    offset_of("fuse_arg", "size", 4) != 0 ||
	    offset_of("fuse_arg", "value", 8) != 8 ||
	    structure("fuse_in_arg")->size != 16 ||
	    structure("fuse_arg")->size != 16)
		fatal("the arguments of a FUSE request have another layout");
	if (offset_of("fuse_inode", "inode", 0) != 0)
		fatal("struct fuse_inode does not begin with its inode");
	expect("fuse_simple_background", 3, 0, "fuse_mount");
	expect("fuse_simple_background", 3, 1, "fuse_args");
	expect("fuse_request_end", 1, 0, "fuse_req");
	expect("fuse_unlink", 2, 1, "dentry");
	expect("fuse_rmdir", 2, 1, "dentry");
	expect("fuse_rename2", 6, 2, "dentry");
	expect("fuse_rename2", 6, 4, "dentry");
	expect("fuse_reverse_inval_inode", 4, 0, "fuse_conn");
	expect("fuse_reverse_inval_entry", 5, 0, "fuse_conn");
	if (btf != vmlinux)
		btf__free((struct btf *)btf);
	btf__free(vmlinux);
}
