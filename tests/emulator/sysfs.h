/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The emulated platform in the shape of /sys, ready to be served: what files there are, what they hold, what
 * writing to them does, and which uevents go with a change. Thread-safe. */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "daemon/util/cleanup.h"
#include "tests/emulator/platform.h"

#define SYSFS_UEVENT_MAX   512u
#define SYSFS_UEVENTS_FIFO "uevents"
#define SYSFS_FILE_MAX     4096u /* of an attribute; configuration space and CDAT aside */

typedef struct Sysfs Sysfs;

typedef struct SysfsListener {
        /* One line, without its end: "ACTION DEVPATH SUBSYSTEM [KEY=VALUE]...". */
        void (*on_uevent)(void *userdata, const char *line);
        /* The kernel itself changed the content of a file for which no uevent is sent. */
        void (*on_touch)(void *userdata, const char *path);
} SysfsListener;

/* Observes @platform from now on. @platform and @listener are borrowed. Return: 0; -ENOMEM. */
int sysfs_new(Platform *platform, const SysfsListener *listener, void *userdata, Sysfs **ret);
Sysfs *sysfs_free(Sysfs *sysfs);
DEFINE_CLEANUP(Sysfs *, sysfs_free);

/* All of these return 0 or what is said, or -ENOENT and -ENODEV for what is not there any more. */
int sysfs_lookup(Sysfs *sysfs, uint64_t parent, const char *name, struct stat *ret);
int sysfs_stat(Sysfs *sysfs, uint64_t ino, struct stat *ret);
/* @ret: newly allocated, owned by the caller. */
int sysfs_readlink(Sysfs *sysfs, uint64_t ino, char **ret);
/* Calls @on_entry for each child until it returns false. */
int sysfs_list(Sysfs *sysfs, uint64_t ino,
               bool (*on_entry)(void *userdata, const char *name, const struct stat *st), void *userdata);
/* May block: a frozen function, a TSM at work. Return: bytes read. */
ssize_t sysfs_read(Sysfs *sysfs, uint64_t ino, void *buf, size_t n_bytes, off_t offset);
/* Does what the kernel would do. Return: bytes taken, also -EIO, -EPERM, -EINVAL as the kernel answers. */
ssize_t sysfs_write(Sysfs *sysfs, uint64_t ino, const void *buf, size_t n_bytes, off_t offset);
