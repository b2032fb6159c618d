/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the fake kernel tells of itself, on a thread of its own, through its own mount: lines into the FIFO
 * "uevents", and files opened and closed for writing, which wakes who watches them with inotify. Whoever
 * serves the mount must not do that itself, since each of these accesses asks the server. */

#include "daemon/util/cleanup.h"

typedef struct Uevents Uevents;

/* @mountpoint: borrowed. Return: 0; -ENOMEM; -errno. */
int uevents_new(const char *mountpoint, Uevents **ret);
/* What was queued is still told. The mount must be served meanwhile. */
Uevents *uevents_free(Uevents *u);
DEFINE_CLEANUP(Uevents *, uevents_free);

/* From any thread; never block. Without memory the event is lost. A line that nobody reads is lost too, as
 * uevents are. */
void uevents_send(Uevents *u, const char *line);
void uevents_touch(Uevents *u, const char *path);
