/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A function's configuration space as the mailboxes see it: opened on first use and again after a failure,
 * on the worker's thread, where it may hang. Notices refused writes. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/pci/config-space.h"
#include "daemon/pci/host.h"

typedef struct ConfigGuard {
        ConfigSpace config; /* for the mailboxes */
        Host *host;
        const char *address;
        ConfigSpace *inner; /* NULL: not open */
        int error;          /* of the last try to open it */
        uint64_t retry_usec;
        bool was_refused; /* a write failed with -EPERM; whoever reads it clears it */
} ConfigGuard;

/* @host and @address are borrowed. */
void config_guard_init(ConfigGuard *g, Host *host, const char *address);
void config_guard_done(ConfigGuard *g);
