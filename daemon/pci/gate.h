/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Files of root's whose opening waits for us: leases (fcntl(2), F_SETLEASE). Whoever opens one goes on when
 * the handler has returned, when this process has ended in any way, or when the kernel's lease-break-time is
 * over. While somebody has it open it is not gated. Fanotify's permission events would do the same, but
 * taint Debian's kernels. Never gate a file that this process opens itself. Main thread only. */

#include <event2/event.h>

#include "daemon/util/cleanup.h"

typedef struct Gate Gate;
typedef struct GatedFile GatedFile;

/* Somebody opens the file that was added with @cookie. Must return soon: somebody waits. */
typedef void (*GateHandler)(void *userdata, void *cookie);

/* Blocks the signals that it uses: threads that are made later inherit that. Return: 0; -ENOMEM; -errno. */
int gate_new(struct event_base *base, GateHandler handler, void *userdata, Gate **ret);
/* All files must have been removed. */
Gate *gate_free(Gate *g);
DEFINE_CLEANUP(Gate *, gate_free);

/* @path: a file that this process may write. Return: 0; -ENOMEM; -errno: -EINVAL where the file system has
 * no leases. */
int gate_add(Gate *g, const char *path, void *cookie, GatedFile **ret);
GatedFile *gate_remove(GatedFile *file); /* NULL is allowed; returns NULL */
