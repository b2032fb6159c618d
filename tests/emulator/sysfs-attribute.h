/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The files of the fake sysfs that do something: what they show, and what the kernel would do when they are
 * written. Called without any lock of the tree. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/emulator/platform.h"

typedef struct SysfsAttribute SysfsAttribute;

/* One open file of them. */
typedef struct SysfsFile {
        Platform *platform;
        const SysfsAttribute *attribute; /* NULL: a constant file */
        size_t function;
        uint64_t instance;              /* of the function when the file appeared */
        char folder[SCENARIO_TEXT_MAX]; /* in which it stands: a driver's name */
} SysfsFile;

struct SysfsAttribute {
        const char *name;
        mode_t mode;
        off_t n_bytes; /* as stat() tells; 0: a page */
        /* text, with its line end; NULL: not to be read */
        int (*show)(const SysfsFile *file, char *buf, size_t n_buf);
        /* text, without its line end; NULL: not to be written */
        int (*store)(const SysfsFile *file, const char *text);
        /* bytes, instead of them */
        ssize_t (*read)(const SysfsFile *file, uint8_t *buf, size_t n_bytes, off_t offset);
        ssize_t (*write)(const SysfsFile *file, const uint8_t *buf, size_t n_bytes, off_t offset);
};

extern const SysfsAttribute sysfs_device_attributes[], sysfs_power_attributes[], sysfs_tsm_attributes[],
                sysfs_driver_attributes[], sysfs_bus_attributes[];
extern const size_t sysfs_n_device_attributes, sysfs_n_power_attributes, sysfs_n_tsm_attributes,
                sysfs_n_driver_attributes, sysfs_n_bus_attributes;
extern const SysfsAttribute sysfs_cdat_attribute, sysfs_lockdown_attribute;
