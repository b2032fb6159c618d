/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The objects of doed on the bus: each *_object_add() registers one interface where it belongs, with its
 * vtable at the bottom of its file. Devices, mailboxes and leases come and go: their objects are found by
 * path when somebody asks, and publisher.c says when. */

#include <systemd/sd-bus.h>

#include "daemon/bus/daemon.h"

/* All of them, the object manager included. Return: 0; -errno. */
int objects_add(Daemon *d);

int manager_object_add(Daemon *d);
/* Tell that Limits may be others now. */
void manager_object_emit_limits(Daemon *d);
int device_object_add(Daemon *d);
int mailbox_object_add(Daemon *d);
int cdat_object_add(Daemon *d);
int lease_object_add(Daemon *d);
int log_control_add(Daemon *d);

/* Before the first enumeration is over, any well-formed path may turn out to exist: is @bus handling a
 * method call of @interface now that can wait for it? */
int objects_may_come(const Daemon *d, sd_bus *bus, const char *interface);
