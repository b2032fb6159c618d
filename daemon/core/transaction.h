/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One client's call from its receipt to its one answer. Made by the transaction_*() functions below; each
 * calls done exactly once, maybe before it returns, unless the client left before (then never). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/core/client.h"
#include "daemon/core/failure.h"
#include "daemon/core/job.h"
#include "daemon/core/mailbox.h"
#include "daemon/core/manager.h"
#include "daemon/core/policy.h"
#include "daemon/util/timer.h"

typedef struct AnswerFlight AnswerFlight;

typedef enum TransactionKind {
        TRANSACTION_EXCHANGE, /* Mailbox1.Exchange */
        TRANSACTION_CDAT,     /* Cdat1.Read */
        TRANSACTION_DISCOVER, /* Mailbox1.Discover */
        TRANSACTION_RECOVER,  /* Mailbox1.Recover */
        TRANSACTION_RESCAN,   /* Manager1.Rescan */
        TRANSACTION_LEASE,    /* Mailbox1.Lease, Mailbox1.Inhibit */
        TRANSACTION_READY,    /* waits for the first enumeration, for Find and for calls to objects not yet
                                 known */
        TRANSACTION_ASKING,   /* somebody else is asked whether the caller may */
} TransactionKind;

/* Options of a call, read and authorized. Absolute times in CLOCK_MONOTONIC. */
typedef struct TransactionOptions {
        uint64_t timeout_usec; /* 0: the default; clamped to the maximum */
        JobPriority priority;
        bool fresh;
        bool force;
        bool has_cookie;
        uint64_t cookie;
        bool has_max_response;
        uint32_t max_response_bytes; /* whole object */
        bool has_epoch;
        uint64_t epoch;
        bool has_cache; /* the rules speak of it: Cache= */
        uint64_t cache_usec;
} TransactionOptions;

/* How it ended. */
typedef struct TransactionResult {
        const Failure *failure; /* NULL: success */
        const uint8_t *payload; /* borrowed for the call: response, or CDAT */
        size_t n_bytes;
        bool cached;
        const char *source; /* "mailbox", "kernel" */
        uint64_t queued_usec, device_usec;
        uint32_t n_attempts;
        uint64_t epoch;
        JobPriority priority;
        Lease *lease; /* of LEASE */
} TransactionResult;

typedef void (*TransactionDone)(void *userdata, const TransactionResult *result);

struct Transaction {
        TransactionKind kind;
        Manager *manager;
        Client *client;
        Mailbox *mailbox;                   /* NULL for READY, RESCAN and CDAT */
        Device *device;                     /* of CDAT */
        Job *job;                           /* borrowed: the mailbox's */
        Lease *lease;                       /* of LEASE: not open yet */
        AnswerFlight *flight;               /* the exchange that it shares; NULL: none */
        struct TransactionList *waiting_in; /* list that it stands in besides the client's; NULL: none */
        TransactionOptions options;
        uint16_t vendor_id;
        uint8_t type;
        uint8_t *request; /* owned; what was asked of a shared read */
        size_t n_bytes;
        uint64_t received_usec, deadline_usec;
        bool needs_new_epoch; /* of RECOVER: success is another one than this */
        uint64_t epoch_before;
        Timer timer;
        TransactionDone done;
        void *userdata;
        TAILQ_ENTRY(Transaction) of_client;
        TAILQ_ENTRY(Transaction) waiters;
};

/* @request is copied. @decision: of policy_judge_request(), POLICY_ALLOW or an ask that was granted: who may
 * was judged by the caller, this checks what the mailbox can do, and the bounds that the rules' effects set.
 */
void transaction_exchange(Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type, const uint8_t *request,
                          size_t n_bytes, const PolicyDecision *decision, const TransactionOptions *options,
                          uint64_t now_usec, TransactionDone done, void *userdata);
void transaction_cdat(Client *c, Device *d, const TransactionOptions *options, uint64_t now_usec,
                      TransactionDone done, void *userdata);
void transaction_discover(Client *c, Mailbox *mb, const TransactionOptions *options, uint64_t now_usec,
                          TransactionDone done, void *userdata);
void transaction_recover(Client *c, Mailbox *mb, const TransactionOptions *options, uint64_t now_usec,
                         TransactionDone done, void *userdata);
void transaction_rescan(Client *c, const TransactionOptions *options, uint64_t now_usec,
                        TransactionDone done, void *userdata);
/* Success once the first enumeration is over. */
void transaction_wait_ready(Client *c, const TransactionOptions *options, uint64_t now_usec,
                            TransactionDone done, void *userdata);

/**
 * transaction_wait_authorized() - while somebody else is asked whether the caller may
 * @mb: of the call, so that Cancel finds it and the end of the mailbox ends it; NULL: none
 *
 * -ETIMEDOUT is its only end by time, whatever the mailbox does.
 *
 * Return: ended by transaction_succeed() once there is an answer; NULL: @done has been called.
 */
Transaction *transaction_wait_authorized(Client *c, Mailbox *mb, const TransactionOptions *options,
                                         uint64_t now_usec, TransactionDone done, void *userdata);

/* Make one, linked into its client, with its deadline armed. On failure @done has been called; NULL. For
 * lease.c; the calls above use it themselves. */
Transaction *transaction_new(TransactionKind kind, Client *c, const uint8_t *request, size_t n_bytes,
                             const TransactionOptions *options, uint64_t now_usec, TransactionDone done,
                             void *userdata);

/* For the shared reads and the mailbox, which answer transactions that wait with them. */
void transaction_wait(Transaction *t, struct TransactionList *list);
/* Both free @t. @result: payload, cached, source, times of the device and epoch; the rest is filled in. */
void transaction_succeed(Transaction *t, TransactionResult *result, uint64_t now_usec);
void transaction_fail(Transaction *t, const Failure *failure);
/* Of EXCHANGE: succeed, unless the response exceeds what the caller takes. */
void transaction_answer(Transaction *t, TransactionResult *result, uint64_t now_usec);
/* Of EXCHANGE: the one that it waited for ended so. */
void transaction_end_exchange(Transaction *t, const Job *job, const JobResult *result, uint64_t now_usec);
/* The largest response, whole object, that is read for it. */
uint32_t transaction_response_bytes_max(const Transaction *t);
/* The mailbox changed its state: those that wait for one look again. */
void transaction_on_mailbox_state(Mailbox *mb, uint64_t now_usec);
/* Its client left: drop it unanswered. */
void transaction_abandon(Transaction *t);
/* Answer all that waits for the first enumeration, or for a rescan. */
void transaction_on_enumerated(Manager *m, uint64_t now_usec);
/* Nobody will answer a rescan any more. */
void transaction_on_link_lost(Manager *m, uint64_t now_usec);

/* Mailbox1.Cancel. Return: 0, and that call has been answered -ECANCELED; -ESRCH: @c has no such call here.
 */
int transaction_cancel(Client *c, Mailbox *mb, uint64_t cookie, uint64_t now_usec);
/* Is the cookie in use by another call of @c on @mb? */
bool transaction_has_cookie(const Client *c, const Mailbox *mb, uint64_t cookie);
