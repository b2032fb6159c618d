/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who calls: one record for each connection that called since it came, with its uid and groups, for which
 * the bus is asked once and asynchronously. A record goes when its connection does; so there are never more
 * than the bus has connections. */

#include <sys/queue.h>

#include <systemd/sd-bus.h>

#include "daemon/core/client.h"
#include "daemon/core/manager.h"

typedef struct BusCall BusCall;
typedef struct Caller Caller;
typedef struct Credentials Credentials;

TAILQ_HEAD(BusCallList, BusCall);

struct Caller {
        Credentials *credentials;
        Client *client;                    /* NULL until the bus has answered */
        struct BusCallList calls;          /* all that are not answered, in the order of their receipt */
        size_t n_waiting, n_bytes_waiting; /* of those, which the core has not yet */
        sd_bus_slot *slot;                 /* the question that is under way */
        LIST_ENTRY(Caller) callers;
        char name[]; /* unique bus name */
};

/* Each is called from the bus' dispatch. */
typedef struct CredentialsHandlers {
        /* caller->client is there now, or (NULL) cannot be known: then the record goes after the call, which
         * must leave no call of it */
        void (*on_known)(void *userdata, Caller *caller);
        /* it left the bus: drop its calls unanswered; its client is gone already */
        void (*on_gone)(void *userdata, Caller *caller);
        /* the bus will not tell who leaves: there is no going on */
        void (*on_broken)(void *userdata, const char *why);
} CredentialsHandlers;

/* All arguments are borrowed. Return: 0; -ENOMEM; -errno. */
int credentials_new(sd_bus *bus, Manager *m, const CredentialsHandlers *handlers, void *userdata,
                    Credentials **ret);
/* No call may be left. */
Credentials *credentials_free(Credentials *c);
DEFINE_CLEANUP(Credentials *, credentials_free);

/**
 * credentials_get() - the record of a connection
 * @name: unique bus name
 * @ret: with ->client if it is known; else handlers->on_known will be called
 *
 * Return: 0; -ENOMEM; -errno if the bus cannot be asked.
 */
int credentials_get(Credentials *c, const char *name, Caller **ret);
/* The record of a connection that has called before; NULL: it has not. */
Caller *credentials_find(Credentials *c, const char *name);
/* Walk the records: NULL starts, NULL ends. */
Caller *credentials_next(const Credentials *c, const Caller *caller);
