/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* doed as a whole: the bus, the core, the link, and the one loop that serves them. */

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>
#include <systemd/sd-bus.h>

#include "daemon/bus/bus-loop.h"
#include "daemon/bus/capture-pipe.h"
#include "daemon/bus/credentials.h"
#include "daemon/bus/lease-stream.h"
#include "daemon/bus/polkit.h"
#include "daemon/bus/sleep.h"
#include "daemon/bus/wire-link.h"
#include "daemon/config/config.h"
#include "daemon/core/manager.h"

typedef struct Daemon Daemon;

struct Daemon {
        sd_bus *bus;
        struct event_base *base;
        BusLoop *bus_loop;
        Manager *manager;
        Credentials *credentials;
        Polkit *polkit;
        Sleep *sleep;
        LeaseStreams *lease_streams;
        CapturePipes *capture_pipes;
        WireLink *link;
        const ConfigPlaces *places;               /* of the configuration that is in force; borrowed */
        struct event *due_timer, *watchdog_timer; /* the second is NULL without $WATCHDOG_USEC */
        struct event *stop_signals[2], *reload_signal;
        uint64_t armed_usec; /* what due_timer waits for; USEC_INFINITY: not armed */
        char status[256];    /* as told to systemd last */
        char *metrics;       /* as they were at metrics_usec; owned, or NULL */
        uint64_t metrics_usec;
        bool is_ping_due; /* of the watchdog */
        bool is_exiting;
        int exit_error; /* 0, or the negative errno that ends it */
};

/**
 * daemon_new() - read the configuration, connect the bus, register the objects, request the name
 * @wire_path: where doed-pci listens; borrowed
 * @places: of the configuration; borrowed
 *
 * Blocks on the bus, as nothing does later.
 *
 * Return: 0; -EEXIST if somebody else has the name; -errno.
 */
int daemon_new(const char *wire_path, const ConfigPlaces *places, Daemon **ret);
Daemon *daemon_free(Daemon *d);
DEFINE_CLEANUP(Daemon *, daemon_free);

/* Serve until SIGTERM or SIGINT, then answer every call. Return: 0; -errno: the bus went away. */
int daemon_run(Daemon *d);
/**
 * daemon_reload() - read the configuration again
 *
 * What is queued, open and running goes on. If a rule is wrong, what was in force stays; what else is wrong
 * is logged.
 *
 * Return: 0; -EINVAL with what is wrong, by file and line; -ENOMEM.
 */
int daemon_reload(Daemon *d, Failure *ret_failure);
/* End daemon_run() after this turn. @error: 0, or a negative errno that it returns. */
void daemon_exit(Daemon *d, int error);
