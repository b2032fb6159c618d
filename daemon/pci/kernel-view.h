/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the kernel says of a function in sysfs: its driver, what cxl made of it, the features that the kernel
 * discovered, who may have an SPDM session with it, and whether configuration writes are locked down. Reads
 * only what cannot block; tsm/connect can, see tsm-probe.h. */

#include <stddef.h>
#include <stdint.h>

#include "daemon/pci/host.h"

/* All of the view but `held`. Return: 0; -ENODEV if it is not there. */
int kernel_view_read(const char *sysfs, const char *address, HostView *ret);

/* "none", "integrity", "confidentiality" or "unknown" into @buf of WIRE_ADDRESS_MAX bytes. */
void kernel_view_lockdown(const char *sysfs, char *buf);

/* The kernel's copy of the CDAT. @ret: owned by the caller. Return: 0; -ENODATA; -ENOMEM; -errno. */
int kernel_view_read_cdat(const char *sysfs, const char *address, uint8_t **ret, size_t *ret_n_bytes);

/**
 * kernel_view_tsm_file() - the file that tells who has the SPDM session of this function or of the one that
 * manages it
 * @path: PATH_MAX bytes
 *
 * Return: whether there is one: reading it may block while a TSM works.
 */
bool kernel_view_tsm_file(const char *sysfs, const char *address, char *path);
