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
	const char *device;	/* as given by the user */
	int mode;		/* index in mode_names */
	int backend;
	unsigned int hops;
	bool no_crc;
	bool linear;
};

extern struct settings settings;

/* What is missing, NULL if nothing; `text` describes the problem. */
struct lack {
	char text[512];
	const char *needed;
};

/* device.c: finds and checks the device; this is its path. */
extern char device_path[256];
int device_find(struct lack *lack);
/* Whether it can be used in the mode, as far as sysfs shows. */
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
/* Sum of a status counter over all doors; -1 if there is no door. */
long long doors_count(const char *counter);
int doors_mode(char *mode, size_t size);
int doors_set_mode(const char *mode);

#endif
