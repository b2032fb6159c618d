/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Uevents of a fake sysfs tree: one line each, as uevent_parse() reads it, from a FIFO. */

#include <event2/event.h>

#include "daemon/pci/uevent.h"

#define MONITOR_FIFO_LINE_MAX 4096u /* PIPE_BUF: what a writer can write in one piece */

typedef struct MonitorFifo MonitorFifo;

/* Return: 0; -ENOMEM; -ENOENT; -EINVAL if @path is no FIFO; -errno. */
int monitor_fifo_new(const char *path, struct event_base *base, UeventHandler handler, void *userdata,
                     MonitorFifo **ret);
MonitorFifo *monitor_fifo_free(MonitorFifo *m);
