/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Devices and mailboxes with all that doed says of them, for people. */

#include <jansson.h>

#include "client/output.h"

/* @device: of tree_build(). Its mailboxes are not printed. */
void device_view_print(Output *o, const json_t *device);

/* @mailbox: of tree_build(), with what Jobs and Faults answered as "jobs" and "faults". */
void mailbox_view_print(Output *o, const json_t *mailbox);
