/* SPDX-License-Identifier: GPL-2.0 */
/*
 * btf.h - looks up structures and functions of the running kernel by name,
 * in its own BTF or in that of a module
 */
#ifndef DISGRAFS_BTF_H
#define DISGRAFS_BTF_H

#include <stdbool.h>
#include <stddef.h>

struct ext_btf;

/*
 * Opens the BTF that contains `structure`: the kernel's, or that of `module`.
 * NULL with errno if neither contains it.
 */
struct ext_btf *ext_btf_open(const char *structure, const char *module);
void ext_btf_close(struct ext_btf *btf);

/*
 * Offset in bits of a member such as "out.h.error", also inside anonymous
 * members; -1 if there is none. `size`, unless NULL, is set to its size in
 * bytes.
 */
long ext_btf_bits(const struct ext_btf *btf, const char *structure,
		  const char *path, size_t *size);

/* The same in bytes; also -1 for a bit field. */
long ext_btf_offset(const struct ext_btf *btf, const char *structure,
		    const char *path, size_t *size);

/* Size of a structure in bytes, or -1. */
long ext_btf_size(const struct ext_btf *btf, const char *structure);

/* Finds the value of an enumerator in any named or anonymous enum. */
bool ext_btf_enum(const struct ext_btf *btf, const char *enumerator,
		  long *value);

/* Number of a function's parameters; -1 if there is no such function. */
int ext_btf_parameters(const struct ext_btf *btf, const char *function);

/* Whether parameter `n`, from 0, is a pointer to `structure`. */
bool ext_btf_is_parameter(const struct ext_btf *btf, const char *function,
			  int n, const char *structure);

/*
 * Number, from 0, of the parameter that is a pointer to `structure`; -1 if
 * none.
 */
int ext_btf_parameter(const struct ext_btf *btf, const char *function,
		      const char *structure);

#endif
