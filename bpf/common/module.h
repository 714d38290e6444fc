/* SPDX-License-Identifier: GPL-2.0 */
/* module.h - a kernel module in the loader's folder */
#ifndef DISGRAFS_MODULE_H
#define DISGRAFS_MODULE_H

/*
 * Loads NAME.ko from the folder of this program. Returns 0, -EEXIST if a module
 * of this name is already loaded, or -errno with a message.
 */
int ext_module_load(const char *name);

/*
 * Unloads it; waits up to 30 s, because the kernel drops its last references
 * some time after the last close. Returns 0, also if it is not loaded, or
 * -errno with a message.
 */
int ext_module_unload(const char *name);

#endif
