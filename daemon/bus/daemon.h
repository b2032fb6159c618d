/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* doed as a whole: the bus, the core, the link, and the one loop that serves them. */

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>
#include <systemd/sd-bus.h>

#include "daemon/bus/bus-loop.h"
#include "daemon/bus/credentials.h"
#include "daemon/bus/wire-link.h"
#include "daemon/core/manager.h"

typedef struct Daemon Daemon;

struct Daemon {
        sd_bus *bus;
        struct event_base *base;
        BusLoop *bus_loop;
        Manager *manager;
        Credentials *credentials;
        WireLink *link;
        struct event *due_timer, *watchdog_timer; /* the second is NULL without $WATCHDOG_USEC */
        struct event *stop_signals[2];
        uint64_t armed_usec; /* what due_timer waits for; USEC_INFINITY: not armed */
        char status[256];    /* as told to systemd last */
        bool is_exiting;
        int exit_error; /* 0, or the negative errno that ends it */
};

/**
 * daemon_new() - connect the bus, register the objects, request the name
 * @wire_path: where doed-pci listens; borrowed
 *
 * Blocks on the bus, as nothing does later.
 *
 * Return: 0; -EEXIST if somebody else has the name; -errno.
 */
int daemon_new(const char *wire_path, Daemon **ret);
Daemon *daemon_free(Daemon *d);
DEFINE_CLEANUP(Daemon *, daemon_free);

/* Serve until SIGTERM or SIGINT, then answer every call. Return: 0; -errno: the bus went away. */
int daemon_run(Daemon *d);
/* End daemon_run() after this turn. @error: 0, or a negative errno that it returns. */
void daemon_exit(Daemon *d, int error);
