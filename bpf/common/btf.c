// SPDX-License-Identifier: GPL-2.0
#include "btf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>

struct ext_btf {
	struct btf *kernel, *module;
	const struct btf *btf; /* the BTF to search */
};

struct ext_btf *ext_btf_open(const char *structure, const char *module)
{
	struct ext_btf *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return NULL;
	b->kernel = btf__load_vmlinux_btf();
	b->btf = b->kernel;
	if (b->kernel && btf__find_by_name_kind(b->kernel, structure,
						BTF_KIND_STRUCT) < 0) {
		b->module = btf__load_module_btf(module, b->kernel);
		b->btf = b->module;
	}
	if (b->btf && btf__find_by_name_kind(b->btf, structure,
					     BTF_KIND_STRUCT) >= 0)
		return b;
	err = b->btf || !errno ? ENOENT : errno;
	ext_btf_close(b);
	errno = err;
	return NULL;
}

void ext_btf_close(struct ext_btf *b)
{
	if (!b)
		return;
	btf__free(b->module);
	btf__free(b->kernel);
	free(b);
}

static const struct btf_type *skip(const struct btf *btf, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	return t;
}

static const struct btf_type *find(const struct btf *btf, const char *name,
				   __u32 kind)
{
	int id = btf__find_by_name_kind(btf, name, kind);

	return id < 0 ? NULL : btf__type_by_id(btf, id);
}

/* The member of t that is named by the first `n` bytes of `name`. */
static const struct btf_member *member(const struct btf *btf,
				       const struct btf_type *t,
				       const char *name, size_t n, long *bits)
{
	const struct btf_member *m = btf_members(t), *found;
	int i;

	for (i = 0; i < btf_vlen(t); i++) {
		const char *is = btf__name_by_offset(btf, m[i].name_off);
		const struct btf_type *inner = skip(btf, m[i].type);
		long at = btf_member_bit_offset(t, i);

		if (!strncmp(is, name, n) && !is[n]) {
			*bits += at;
			return m + i;
		}
		if (*is || !inner || !btf_is_composite(inner))
			continue;
		found = member(btf, inner, name, n, bits);
		if (found) {
			*bits += at;
			return found;
		}
	}
	return NULL;
}

long ext_btf_bits(const struct ext_btf *b, const char *structure,
		  const char *path, size_t *size)
{
	const struct btf_type *t = find(b->btf, structure, BTF_KIND_STRUCT);
	const struct btf_member *m = NULL;
	long bits = 0;
	size_t n;

	for (; *path; path += n + (path[n] == '.')) {
		n = strcspn(path, ".");
		if (!t || !btf_is_composite(t))
			return -1;
		m = member(b->btf, t, path, n, &bits);
		if (!m)
			return -1;
		t = skip(b->btf, m->type);
	}
	if (size && m)
		*size = btf__resolve_size(b->btf, m->type);
	return m ? bits : -1;
}

long ext_btf_offset(const struct ext_btf *b, const char *structure,
		    const char *path, size_t *size)
{
	long bits = ext_btf_bits(b, structure, path, size);

	return bits < 0 || bits % 8 ? -1 : bits / 8;
}

long ext_btf_size(const struct ext_btf *b, const char *structure)
{
	const struct btf_type *t = find(b->btf, structure, BTF_KIND_STRUCT);

	return t ? (long)t->size : -1;
}

bool ext_btf_enum(const struct ext_btf *b, const char *enumerator, long *value)
{
	__u32 id, count = btf__type_cnt(b->btf);
	int i;

	for (id = 1; id < count; id++) {
		const struct btf_type *t = btf__type_by_id(b->btf, id);

		if (!btf_is_enum(t))
			continue;
		for (i = 0; i < btf_vlen(t); i++) {
			if (strcmp(btf__name_by_offset(
					   b->btf, btf_enum(t)[i].name_off),
				   enumerator))
				continue;
			*value = btf_enum(t)[i].val;
			return true;
		}
	}
	return false;
}

static const struct btf_type *prototype(const struct btf *btf,
					const char *function)
{
	const struct btf_type *t = find(btf, function, BTF_KIND_FUNC);

	return t ? btf__type_by_id(btf, t->type) : NULL;
}

int ext_btf_parameters(const struct ext_btf *b, const char *function)
{
	const struct btf_type *t = prototype(b->btf, function);

	return t ? btf_vlen(t) : -1;
}

bool ext_btf_is_parameter(const struct ext_btf *b, const char *function, int n,
			  const char *structure)
{
	const struct btf_type *t = prototype(b->btf, function);

	if (!t || n >= btf_vlen(t))
		return false;
	t = skip(b->btf, btf_params(t)[n].type);
	if (!t || !btf_is_ptr(t))
		return false;
	t = skip(b->btf, t->type);
	return t && btf_is_struct(t) &&
	       !strcmp(btf__name_by_offset(b->btf, t->name_off), structure);
}

int ext_btf_parameter(const struct ext_btf *b, const char *function,
		      const char *structure)
{
	int i;

	for (i = 0; i < ext_btf_parameters(b, function); i++)
		if (ext_btf_is_parameter(b, function, i, structure))
			return i;
	return -1;
}
