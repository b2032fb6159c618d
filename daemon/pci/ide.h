/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Is a link of this function encrypted right now? PCIe r6.0 7.9.26. A stream in state Secure has its keys
 * from an SPDM session of somebody's, which a GET_VERSION of anybody else would end. Reads configuration
 * space, and nothing else. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/pci/config-space.h"

/* Where the capability is; found once. All zero: not looked for yet. */
typedef struct IdeCapability {
        bool is_known;
        uint16_t offset; /* 0: there is none */
} IdeCapability;

/**
 * ide_find_secure() - look for a stream in state Secure
 * @buf: what was found, such as "IDE selective stream 1 is secure", with the ID of the stream; "" if nothing
 *
 * Return: 0; -ENODEV, -EPERM, -EIO: it could not be read, and @buf is untouched.
 */
int ide_find_secure(ConfigSpace *config, IdeCapability *cap, char *buf, size_t size);
