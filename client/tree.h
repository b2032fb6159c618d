/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* doed's objects as one JSON array of devices, each with its properties, its "mailboxes" and its "cdat".
 * Keys are the names of the D-Bus properties in lower-case-with-dashes; added are "path", and for a mailbox
 * "mailbox" (its name, "0000:3a:00.0[160]") and "address" (of its device). */

#include <jansson.h>
#include <stdbool.h>

#include "client/bus.h"

/* Keys changed to lower-case-with-dashes, and "features" to objects with "feature", "vendor-id", "type" and
 * what else doed says of each. @properties: a{sv} as json_from_message() reads it. New reference. */
json_t *tree_properties(const json_t *properties);

/* @objects: a{oa{sa{sv}}} as json_from_message() reads it. Devices are sorted by address, mailboxes by
 * offset; what is neither is dropped. New reference. */
json_t *tree_build(const json_t *objects);

/**
 * tree_load() - ask doed for its objects
 * @ret:          new reference
 * @ret_is_whole: false if the first enumeration did not end in time, so that devices may be missing
 *
 * Return: 0; -errno with @f set.
 */
int tree_load(Bus *b, json_t **ret, bool *ret_is_whole, Failure *f);
