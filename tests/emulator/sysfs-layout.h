/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which files the fake sysfs has, and how they come and go with what happens on the platform. Not
 * thread-safe. */

#include <stdbool.h>
#include <stddef.h>

#include "tests/emulator/platform.h"
#include "tests/emulator/tree.h"

#define SYSFS_PATH_MAX 256u
#define SYSFS_CXL_ROOT "devices/platform/ACPI0017:00/root0/port1" /* of the cxl ports */

typedef struct SysfsLayout {
        const Scenario *scenario; /* borrowed */
        Tree *tree;               /* owned by who embeds this */
        bool has_failed;          /* no memory: a file is missing */
} SysfsLayout;

/* The tree of all functions that are there. Return: 0; -ENOMEM, with ->tree to be freed all the same. */
int sysfs_layout_init(SysfsLayout *layout, Platform *platform);

/* Return: whether a tsm/ folder came or went. */
bool sysfs_layout_update(SysfsLayout *layout, const PlatformEvent *event, const PlatformView *view);

/* "devices/pci0000:3a/0000:3a:00.0" into @buf of SYSFS_PATH_MAX bytes; returns @buf. */
const char *sysfs_device_path(const ScenarioDevice *device, char *buf);
