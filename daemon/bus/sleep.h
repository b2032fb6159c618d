/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Winds doed up before the host sleeps: holds a delay inhibitor of logind until every function is left
 * alone, and takes another one when the host is awake again. Without logind the host sleeps without asking,
 * and it lives with that; logind may come at any time. */

#include <systemd/sd-bus.h>

#include "daemon/core/manager.h"
#include "daemon/util/cleanup.h"

typedef struct Daemon Daemon;
typedef struct Sleep Sleep;

/* @bus, @m: borrowed. Asks logind for the inhibitor, and does not wait. Return: 0; -ENOMEM; -errno. */
int sleep_new(sd_bus *bus, Manager *m, Sleep **ret);
Sleep *sleep_free(Sleep *s);
DEFINE_CLEANUP(Sleep *, sleep_free);

/* Every function is left alone: the host may sleep. */
void sleep_on_suspended(Daemon *d);
