/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a word of the command line names: a device by its address, by a unique part of it, or by its CXL name
 * ("mem0"); a mailbox by a device and "[offset]"; a feature by number or name. Pure. */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/failure.h"

/* Is @s a whole address, such as "0000:3a:00.0"? Hex digits of any case. */
bool match_is_address(const char *s);

/* Object path of a mailbox given by its whole name, "0000:3a:00.0[160]"; newly allocated, owned by the
 * caller. NULL if @s is no such name. */
char *match_mailbox_path(const char *s);

/* The word names one mailbox, not a device: it ends in "[...]". */
bool match_is_mailbox(const char *s);

/**
 * match_device() - the one device that @s names
 * @devices: of tree_build()
 * @ret:     borrowed from @devices
 *
 * Return: 0; -errno with @f set: nothing matches (FAILURE_UNKNOWN_OBJECT), or several do
 * (FAILURE_INVALID_ARGS, and the text names them).
 */
int match_device(const json_t *devices, const char *s, const json_t **ret, Failure *f);

/**
 * match_mailbox() - the one mailbox that @s names
 * @feature: "1e98:02" or NULL. Where @s names a device with several mailboxes, the one that offers this is
 *           meant.
 *
 * Otherwise as match_device().
 */
int match_mailbox(const json_t *devices, const char *s, const char *feature, const json_t **ret, Failure *f);

/* Return: 0; -errno with @f set, which names the known features. */
int match_feature(const char *s, uint16_t *ret_vendor_id, uint8_t *ret_type, Failure *f);
