/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What org.doed.Mailbox1 shows of a mailbox: its properties that are not plain fields, its jobs and its
 * faults. */

#include <systemd/sd-bus.h>

#include "daemon/bus/call.h"

#define MAILBOX_GETTER(name)                                                                                \
        int name(sd_bus *bus, const char *path, const char *interface, const char *property,                \
                 sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)

/* Property getters of a vtable; userdata is the Mailbox. */
MAILBOX_GETTER(mailbox_get_device);
MAILBOX_GETTER(mailbox_get_offset);
MAILBOX_GETTER(mailbox_get_features);
MAILBOX_GETTER(mailbox_get_features_source);
MAILBOX_GETTER(mailbox_get_state);
MAILBOX_GETTER(mailbox_get_state_reason);
MAILBOX_GETTER(mailbox_get_busy);
MAILBOX_GETTER(mailbox_get_queue_length);
MAILBOX_GETTER(mailbox_get_total); /* of its counters */

/* Each a CallFill whose result is the Mailbox. What is shown of the jobs of others depends on the caller. */
int mailbox_fill_jobs(BusCall *call, sd_bus_message *reply, const void *result);
int mailbox_fill_faults(BusCall *call, sd_bus_message *reply, const void *result);
