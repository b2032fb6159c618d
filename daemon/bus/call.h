/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One method call from its receipt to its one reply, the same way for all methods: find out who calls, read
 * the arguments, authorize, wait for the first enumeration where the method needs it, run. It is freed by
 * its reply, or when its caller leaves the bus. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <systemd/sd-bus.h>

#include "daemon/bus/credentials.h"
#include "daemon/bus/daemon.h"
#include "daemon/bus/options.h"
#include "daemon/core/policy.h"
#include "daemon/core/transaction.h"

/* Another caller, whom Explain is asked about. */
typedef struct CallDescription {
        bool has_uid, has_gids;
        uint32_t uid;
        OptionU32s gids;
} CallDescription;

typedef struct BusMethod {
        const char *interface, *member; /* as the policy names them: "Mailbox1", "Exchange" */
        const OptionRow *options;       /* NULL: it takes none */
        bool waits_ready;
        /* Read and check the arguments up to the options; NULL: it has none. Return: 0; negative errno, with
         * the failure filled. */
        int (*read)(BusCall *call, Failure *ret_failure);
        /* Check what the options allow to check only now; may be NULL. Likewise. */
        int (*check)(BusCall *call, Failure *ret_failure);
        /* Do it: ends, now or later, in call_reply() or call_fail(). */
        void (*run)(BusCall *call);
} BusMethod;

struct BusCall {
        Daemon *daemon;
        const BusMethod *method;
        sd_bus_message *message; /* what follows borrows from it */
        Caller *caller;
        uint64_t received_usec;
        uint64_t now_usec; /* of what happens to it now: of its receipt, unless it had to wait */
        bool is_counted;   /* in caller->n_waiting */

        const char *device; /* Manager1.Find */
        const char *mailbox_path;
        uint16_t vendor_id;
        uint8_t type;
        const uint8_t *request;
        size_t n_bytes;
        uint64_t cookie;       /* Mailbox1.Cancel */
        const char *log_level; /* a new LogControl1.LogLevel */
        uint32_t given;        /* bit i: option i was given */
        TransactionOptions options;
        CallDescription description;

        TAILQ_ENTRY(BusCall) calls;
};

/* What the handlers of vtables are made of. Return: 1. */
int call_start(sd_bus_message *m, Daemon *d, const BusMethod *method);
/* A handler of a vtable that was added with the Daemon as its userdata. */
#define DEFINE_CALL_HANDLER(name, method)                                                                   \
        static int name(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {                       \
                return call_start(m, call_daemon(m), &(method));                                            \
        }                                                                                                   \
        struct __##name##_needs_semicolon
/* The Daemon that the vtable was added with, whatever its find function found. */
Daemon *call_daemon(sd_bus_message *m);

/* Fills the reply; @result as given to call_reply(). Return: >= 0; -errno. */
typedef int (*CallFill)(BusCall *call, sd_bus_message *reply, const void *result);

/* Both answer and free @call. @fill: NULL for an empty reply. */
void call_reply(BusCall *call, CallFill fill, const void *result);
void call_fail(BusCall *call, const Failure *failure);
/* For methods that answer with nothing or a failure: a TransactionDone. */
void call_done_empty(void *userdata, const TransactionResult *result);

PolicyCaller call_policy_caller(const BusCall *call);
/* The options with what is left of the timeout. */
TransactionOptions call_options(const BusCall *call);
/* The object that the call, or its argument, names. NULL: it is not there, and the call has been answered.
 */
Mailbox *call_find_mailbox(BusCall *call);
Device *call_find_device(BusCall *call);

/* The handlers that the daemon gives to credentials_new(); their userdata is the Daemon. */
extern const CredentialsHandlers call_credentials_handlers;
/* Answer all that the core does not know, when doed stops. */
void call_stop_all(Daemon *d, const char *reason);
