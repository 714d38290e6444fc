/* SPDX-License-Identifier: GPL-2.0 */
/* Shared definitions of the loader. */
#ifndef SCHAIN_LOADER_H
#define SCHAIN_LOADER_H

#include <stdbool.h>
#include <stdio.h>
#include <bpf/libbpf.h>

#define PROGRAMS 3

enum backend { BACKEND_AUTO, BACKEND_STRUCT_OPS, BACKEND_TRACEPOINT };

extern const char * const program_names[PROGRAMS];
extern const char * const mode_names[];

struct settings {
	const char *device;	/* as it was given */
	int mode;		/* place in mode_names */
	int backend;
	unsigned int hops;
	bool no_crc;
	bool linear;
};

extern struct settings settings;

/* What is missing; NULL: nothing. `text` is what is wrong. */
struct lack {
	char text[512];
	const char *needed;
};

/* device.c: the device that is meant, checked; its path stays here. */
extern char device_path[256];
int device_find(struct lack *lack);
/* Whether it can be used in the mode, as far as files can tell. */
int device_check_mode(struct lack *lack);

/* module.c */
int module_load(struct lack *lack);
int module_unload(void);
bool module_has_struct_ops(void);

/* attach.c */
int programs_attach(struct lack *lack);
void programs_detach(void);
const char *programs_backend(void);
const void *programs_elf(size_t *size);

/* doors.c */
int doors_make(struct lack *lack);
void doors_remove(void);
/* Sum over all doors of a counter of their status; -1: there is no door. */
long long doors_count(const char *counter);
int doors_mode(char *mode, size_t size);
int doors_set_mode(const char *mode);

#endif
