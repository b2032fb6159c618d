/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The kernel's own uevents of pci, cxl, tsm and of drivers, through libudev's `kernel` monitor, which alone
 * works in a network namespace of its own. */

#include <event2/event.h>

#include "daemon/pci/uevent.h"

typedef struct MonitorUdev MonitorUdev;

/* Return: 0; -ENOMEM; -errno. */
int monitor_udev_new(struct event_base *base, UeventHandler handler, void *userdata, MonitorUdev **ret);
MonitorUdev *monitor_udev_free(MonitorUdev *m);
