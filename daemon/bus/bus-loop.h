/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* sd-bus under libevent. libevent has no hook that runs before it sleeps, so whoever turns the loop calls
 * bus_loop_dispatch() and bus_loop_arm() each turn, and what was queued is always sent. */

#include <event2/event.h>
#include <systemd/sd-bus.h>

#include "daemon/util/cleanup.h"

#define BUS_LOOP_MESSAGES_MAX 64u /* of one turn: then timers and the link have theirs */

typedef struct BusLoop BusLoop;

/* @bus, @base: borrowed. Return: 0; -ENOMEM; -errno. */
int bus_loop_new(sd_bus *bus, struct event_base *base, BusLoop **ret);
BusLoop *bus_loop_free(BusLoop *loop);
DEFINE_CLEANUP(BusLoop *, bus_loop_free);

/* Handle what came in, at most BUS_LOOP_MESSAGES_MAX messages. Return: 0; -errno: the bus is gone. */
int bus_loop_dispatch(BusLoop *loop);
/* Have libevent wake us for the descriptor and for sd-bus' own deadline. Return: 0; -errno. */
int bus_loop_arm(BusLoop *loop);
