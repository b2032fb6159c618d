/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What libpci finds out about functions: identity, name, DOE capabilities. Reads configuration space and
 * nothing else. A function that hangs stops nobody but the thread that reads it. */

#include <stdint.h>

#include "daemon/pci/channel.h"
#include "daemon/pci/host.h"

#define SCAN_PATIENCE_USEC (250 * USEC_PER_MSEC) /* without any function read: the current one is late */
#define SCAN_LATE_MAX      8u                    /* threads that hang, in all */

typedef struct ScanItem {
        ChannelItem item; /* for free() */
        char address[WIRE_ADDRESS_MAX];
        uint64_t inode;        /* of its folder; the caller's */
        int error;             /* 0; -EINPROGRESS: it is late; -EAGAIN: it does not answer; -errno */
        HostFunction function; /* without its instance */
} ScanItem;

/**
 * libpci_scan() - read @n functions
 * @items: address and inode are given
 * @late: copies of those that are late are pushed there once they have been read
 *
 * Return: 0, and the error of each in its item; -ENOMEM; -errno.
 */
int libpci_scan(const char *sysfs, ScanItem *items, size_t n, Channel *late);

/* How many threads still hang, and will use the channel that they were given. */
unsigned libpci_scan_late(void);
