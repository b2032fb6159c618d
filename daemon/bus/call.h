/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One method call from its receipt to its one reply, the same way for all methods:
 *
 *   1. who calls: asked of the bus, once per connection
 *   2. read: arguments and options; check
 *   3. the table of calls and options
 *   4. wait for the first enumeration, where the method needs it
 *   5. judge: the rules, the object being known now
 *   6. polkit, if 3 or 5 said "ask"
 *   7. run
 *
 * Each may end it. 3 and 5 are done again after each wait, since rules and objects may have changed in it.
 * What waits has the call's one deadline, can be canceled, and counts in its caller's limits. It is freed by
 * its reply, or when its caller leaves the bus. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <systemd/sd-bus.h>

#include "daemon/bus/credentials.h"
#include "daemon/bus/daemon.h"
#include "daemon/bus/options.h"
#include "daemon/bus/polkit.h"
#include "daemon/core/lease.h"
#include "daemon/core/policy.h"
#include "daemon/core/transaction.h"

/* Another caller, whom Explain is asked about. */
typedef struct CallDescription {
        bool has_uid, has_gids;
        uint32_t uid;
        OptionU32s gids;
} CallDescription;

/* Manager1.Capture's filter as it was given. */
typedef struct CallCapture {
        OptionMailboxes mailboxes;
        OptionFeatures features;
        bool has_uid, has_snaplen, recent;
        uint32_t uid, snaplen;
} CallCapture;

typedef struct BusMethod {
        const char *interface,
                        *member;  /* as the policy names them: "Mailbox1", "Exchange"; NULL: free for all */
        const OptionRow *options; /* NULL: it takes none */
        bool waits_ready;
        /* Read and check the arguments up to the options; NULL: it has none. Return: 0; negative errno, with
         * the failure filled. */
        int (*read)(BusCall *call, Failure *ret_failure);
        /* Check what the options allow to check only now; may be NULL. Likewise. */
        int (*check)(BusCall *call, Failure *ret_failure);
        /* What was given for @row, where the table of calls may have a row of its own for it
         * ("scope=mailbox"): "mailbox"; NULL: nothing. May be NULL. Priorities need none. */
        const char *(*name_value)(const BusCall *call, const OptionRow *row);
        /* Judge what is asked for, by the rules; see call_judge_request(). NULL: the table of calls says it
         * all. Whatever @ret says is acted on by the pipeline. Return: 0; negative errno, with the failure
         * filled. */
        int (*judge)(BusCall *call, PolicyDecision *ret, Failure *ret_failure);
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
        Account *charged;  /* with its bytes, while it waits; NULL: none is */

        const char *device; /* Manager1.Find */
        const char *mailbox_path;
        uint16_t vendor_id;
        uint8_t type;
        const uint8_t *request;
        size_t n_bytes;
        uint64_t cookie;       /* Mailbox1.Cancel */
        const char *log_level; /* a new LogControl1.LogLevel */
        const char *why;       /* Mailbox1.Inhibit, Lease1.Revoke */
        uint32_t given;        /* bit i: option i was given */
        TransactionOptions options;
        LeaseOptions lease; /* Mailbox1.Lease, Mailbox1.Inhibit */
        CallDescription description;
        CallCapture *capture; /* Manager1.Capture, whose options go there; owned; NULL in others */

        bool has_feature;        /* vendor_id and type were judged */
        PolicyDecision decision; /* of method->judge: POLICY_ALLOW; for run only, since a reload outdates it
                                  */
        Transaction *asking;     /* while polkit is asked */
        PolkitQuestion *question;
        PolkitAction asked;           /* by it */
        unsigned granted, refused;    /* by polkit: bit of its action */
        char refusal[POLKIT_WHY_MAX]; /* why, in polkit's words or ours */

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
/* Have the bus dispatch its message again, now that its caller is known, and free @call. */
void call_dispatch_again(BusCall *call);
/* For methods that answer with nothing or a failure: a TransactionDone. */
void call_done_empty(void *userdata, const TransactionResult *result);

PolicyCaller call_policy_caller(const BusCall *call);
/**
 * call_judge_request() - judge a request of vendor_id:type of @call by the rules: for BusMethod.judge
 * @device: of its object
 * @in_lease: within a lease, or to open one
 */
void call_judge_request(BusCall *call, const Device *device, const DoeJudgement *judgement, bool in_lease,
                        PolicyDecision *ret);
/* The options with what is left of the timeout, by limits and rules. */
TransactionOptions call_options(const BusCall *call);
/* The object that the call, or its argument, names. NULL: it is not there, and the call has been answered.
 */
Mailbox *call_find_mailbox(BusCall *call);
Device *call_find_device(BusCall *call);
/* Likewise, but NULL has @ret_failure filled, and the call goes on: for BusMethod.judge. */
Mailbox *call_look_up_mailbox(const BusCall *call, Failure *ret_failure);
Device *call_look_up_device(const BusCall *call, Failure *ret_failure);
/* -EINVAL if its cookie is in use by another call of the caller. @mb: NULL before the first enumeration. */
int call_check_cookie(const BusCall *call, const Mailbox *mb, Failure *ret_failure);

/* The handlers that the daemon gives to credentials_new(); their userdata is the Daemon. */
extern const CredentialsHandlers call_credentials_handlers;
/* Answer all that the core does not know, when doed stops. */
void call_stop_all(Daemon *d, const char *reason);
