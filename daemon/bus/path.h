/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Object paths of devices, mailboxes and leases, to and from addresses and numbers. One spelling each: what
 * is not exactly the path that path_of_*() writes is no path of ours. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/wire/message.h"

#define BUS_PATH_MAX 80u

/* "/org/doed/device/0000_3a_00_0" into @buf of BUS_PATH_MAX bytes; returns @buf. @address must pass
 * path_is_address(). */
const char *path_of_device(const char *address, char *buf);
/* "/org/doed/device/0000_3a_00_0/mailbox/160", likewise. */
const char *path_of_mailbox(const char *address, uint16_t offset, char *buf);
/* "/org/doed/lease/7", likewise. */
const char *path_of_lease(uint64_t id, char *buf);

/* "0000:3a:00.0", domain with four hex digits, or as many more as it needs. */
bool path_is_address(const char *address);

/* Return: 0 with the address in @ret_address of WIRE_ADDRESS_MAX bytes; -EINVAL. Outputs untouched on
 * failure. */
int path_parse_device(const char *path, char *ret_address);
int path_parse_mailbox(const char *path, char *ret_address, uint16_t *ret_offset);
int path_parse_lease(const char *path, uint64_t *ret_id);
