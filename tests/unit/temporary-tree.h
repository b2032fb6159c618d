/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A tree of files below a temporary folder, to stand for sysfs and /run. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TREE_PATH_MAX 256

extern char tree_root[TREE_PATH_MAX];

void tree_make(void);
void tree_remove(void);

/* Absolute path of @name below the root; one of eight static buffers. */
const char *tree_path(const char *name);
/* All of these make the folders above, and fail the test if they cannot. */
void tree_mkdir(const char *name);
void tree_write(const char *name, const char *text);
void tree_write_bytes(const char *name, const void *bytes, size_t n_bytes);
void tree_chmod(const char *name, mode_t mode);
void tree_link(const char *name, const char *target); /* to @target below the root */
void tree_fifo(const char *name);
void tree_unlink(const char *name); /* a file, a link, or a folder with all that is in it */
/* A child that opens a file for writing, then writes a byte to @tell_fd (-1: does not), and ends with status
 * 0. */
pid_t tree_open_in_child(const char *name, int tell_fd);
/* Content of a file, in a static buffer; "" if it is not there. */
const char *tree_read(const char *name);

/* A PCI function: folder, link from bus/pci/devices, the attributes that libpci reads, and a configuration
 * space of 4096 bytes with an express capability and the given extended ones. */
typedef struct TreeCapability {
        uint16_t offset, id;
        uint8_t version;
        uint16_t next;
} TreeCapability;
void tree_add_function(const char *address, const TreeCapability *caps, size_t n_caps);
