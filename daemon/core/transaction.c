/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/transaction.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "daemon/core/answer-cache.h"
#include "daemon/core/cdat-reader.h"
#include "daemon/core/discovery.h"
#include "daemon/core/lease.h"
#include "daemon/core/transaction-private.h"
#include "daemon/util/clock.h"

static void transaction_on_deadline(Timer *timer, void *userdata, uint64_t now_usec);

void fail_unmade(TransactionDone done, void *userdata, const Failure *failure) {
        TransactionResult result = { .failure = failure };

        done(userdata, &result);
}

/* One more unanswered call of that client: within its limits? */
static int check_quota(const Client *c, size_t n_bytes, Failure *ret) {
        const Limits *l = &c->manager->config->limits;
        const char *limit = NULL;
        uint64_t value = 0;

        if (c->n_transactions >= l->calls_max_per_client) {
                limit = "CallsMaxPerClient";
                value = l->calls_max_per_client;
        } else if (c->n_bytes_waiting + n_bytes > l->bytes_max_per_client) {
                limit = "BytesMaxPerClient";
                value = l->bytes_max_per_client;
        }
        if (!limit)
                return 0;
        return account_fail_quota(limit, value, ret);
}

Transaction *transaction_new(TransactionKind kind, Client *c, const uint8_t *request, size_t n_bytes,
                             const TransactionOptions *options, uint64_t now_usec, TransactionDone done,
                             void *userdata) {
        const Limits *l = &c->manager->config->limits;
        uint64_t timeout_usec = options->timeout_usec ?: l->timeout_default_usec;
        size_t n_padded = (n_bytes + 3) & ~(size_t)3; /* as it goes out, is judged and kept */
        Transaction *t = NULL;
        Failure failure;

        if (c->manager->is_stopping)
                failure_set(&failure, -ECONNABORTED, "doed stops");
        else if (check_quota(c, n_padded, &failure) == 0) {
                failure_set(&failure, -ENOMEM, "Out of memory");
                t = calloc(1, sizeof(*t));
        }
        if (t && n_bytes > 0)
                t->request = calloc(1, n_padded);
        if (!t || (n_bytes > 0 && !t->request)) {
                free(t);
                fail_unmade(done, userdata, &failure);
                return NULL;
        }
        if (n_bytes > 0)
                memcpy(t->request, request, n_bytes);
        t->kind = kind;
        t->manager = c->manager;
        t->client = c;
        t->options = *options;
        t->n_bytes = n_padded;
        t->received_usec = now_usec;
        t->deadline_usec = usec_add(now_usec, MIN_OF(timeout_usec, l->timeout_max_usec));
        t->done = done;
        t->userdata = userdata;
        t->timer = (Timer){ .fn = transaction_on_deadline, .userdata = t };
        TAILQ_INSERT_TAIL(&c->transactions, t, of_client);
        c->n_transactions++;
        c->n_bytes_waiting += n_padded;
        c->account->n_bytes_waiting += n_padded;
        if (timer_arm(&c->manager->timers, &t->timer, t->deadline_usec) < 0) {
                transaction_fail(t, &failure);
                return NULL;
        }
        return t;
}

/* Out of every list and queue; nothing of it is left but itself. */
static void transaction_unlink(Transaction *t) {
        if (t->waiting_in)
                TAILQ_REMOVE(t->waiting_in, t, waiters);
        t->waiting_in = NULL;
        if (t->flight)
                answer_flight_leave(t->flight, t);
        t->flight = NULL;
        if (t->job)
                mailbox_withdraw(t->mailbox, t->job);
        t->job = NULL;
        if (t->lease)
                lease_abandon(t->lease);
        t->lease = NULL;
        timer_disarm(&t->manager->timers, &t->timer);
        TAILQ_REMOVE(&t->client->transactions, t, of_client);
        t->client->n_transactions--;
        t->client->n_bytes_waiting -= t->n_bytes;
        t->client->account->n_bytes_waiting -= t->n_bytes;
}

static void transaction_free(Transaction *t) {
        free(t->request);
        free(t);
}

void transaction_abandon(Transaction *t) {
        transaction_unlink(t);
        transaction_free(t);
}

void transaction_wait(Transaction *t, struct TransactionList *list) {
        assert(!t->waiting_in);
        t->waiting_in = list;
        TAILQ_INSERT_TAIL(list, t, waiters);
}

void transaction_succeed(Transaction *t, TransactionResult *result, uint64_t now_usec) {
        transaction_unlink(t);
        result->failure = NULL;
        result->priority = t->options.priority;
        result->queued_usec = usec_sub(now_usec - t->received_usec, result->device_usec);
        t->done(t->userdata, result);
        transaction_free(t);
}

void transaction_fail(Transaction *t, const Failure *failure) {
        TransactionResult result = { .failure = failure };

        transaction_unlink(t);
        t->done(t->userdata, &result);
        transaction_free(t);
}

/* -------- why it failed -------- */

static int fail_unavailable(const Manager *m, Failure *ret) {
        failure_set(ret, -EHOSTDOWN, "doed-pci is not there: %s", m->link_reason);
        failure_add_u64(ret, "since-usec", m->link_lost_realtime_usec);
        return ret->error;
}

static int fail_kernel_owned(const Mailbox *mb, Failure *ret) {
        failure_set(ret, -EXDEV, "%s is in the kernel's hands: %s", mb->name, mb->state_reason);
        failure_add_string(ret, "evidence", mb->state_reason);
        return ret->error;
}

int fail_state(const Mailbox *mb, int error, Failure *ret) {
        switch (-error) {
        case ESHUTDOWN:
                failure_set(ret, error, "%s is dead: %s", mb->name, mb->state_reason);
                break;
        case EROFS:
                failure_set(ret, error, "%s is read-only: %s", mb->name, mb->state_reason);
                break;
        case ENODEV:
                failure_set(ret, error, "%s is gone", mb->name);
                break;
        default:
                return failure_set(ret, error, "The exchange cannot be queued: %s", strerror(-error));
        }
        failure_add_string(ret, "state", mailbox_state_to_string(mb->state));
        failure_add_string(ret, "reason", mb->state_reason);
        return error;
}

/* By the lease that has its registers, or, while that is about to end, without it. */
static int fail_inhibited(const Transaction *t, const Mailbox *mb, Failure *ret) {
        if (leases_check(mb, t->vendor_id, t->type, t->client, ret) < 0)
                return ret->error;
        failure_set(ret, -EADDRINUSE, "The registers of %s are with a tool: %s", mb->name, mb->state_reason);
        failure_add_string(ret, "evidence", mb->state_reason);
        return ret->error;
}

/* The mailbox that a call waits for; NULL if that is not known. */
static const Mailbox *transaction_find_mailbox(const Transaction *t) {
        if (t->mailbox)
                return t->mailbox;
        if (!t->device)
                return NULL;
        if (t->device->cdat->mailbox)
                return t->device->cdat->mailbox;
        return t->device->n_mailboxes > 0 ? t->device->mailboxes[0] : NULL;
}

void fail_timed_out(const Transaction *t, const Mailbox *mb, uint64_t device_usec, uint64_t now_usec,
                    Failure *ret) {
        uint64_t all_usec = now_usec - t->received_usec, abort_usec = 0;

        if (mb && mb->state == MAILBOX_RECOVERING)
                abort_usec = usec_sub(now_usec, MAX_OF(mb->recovering_since_usec, t->received_usec));
        device_usec = MIN_OF(device_usec, all_usec - abort_usec);
        failure_set(ret, -ETIMEDOUT,
                    "No answer within %" PRIu64 " ms: %" PRIu64 " ms in the queue, %" PRIu64
                    " ms at the device, %" PRIu64 " ms of abort%s%s%s%s",
                    all_usec / USEC_PER_MSEC, (all_usec - device_usec - abort_usec) / USEC_PER_MSEC,
                    device_usec / USEC_PER_MSEC, abort_usec / USEC_PER_MSEC, mb ? "; the mailbox is " : "",
                    mb ? mailbox_state_to_string(mb->state) : "", mb && *mb->state_reason ? ": " : "",
                    mb ? mb->state_reason : "");
        failure_add_u64(ret, "timeout-usec", t->deadline_usec - t->received_usec);
        failure_add_u64(ret, "queue-usec", all_usec - device_usec - abort_usec);
        failure_add_u64(ret, "device-usec", device_usec);
        failure_add_u64(ret, "abort-usec", abort_usec);
        if (mb) {
                failure_add_string(ret, "state", mailbox_state_to_string(mb->state));
                failure_add_string(ret, "reason", mb->state_reason);
        }
}

void transaction_explain_deadline(const Transaction *t, uint64_t now_usec, Failure *ret) {
        const Mailbox *mb = transaction_find_mailbox(t);
        const Job *job = t->flight ? answer_flight_get_job(t->flight) : t->job;
        bool has_run = job && job->state == JOB_RUNNING;

        if (t->kind == TRANSACTION_ASKING) {
                fail_timed_out(t, mb, 0, now_usec, ret);
        } else if (!t->manager->has_link) {
                fail_unavailable(t->manager, ret);
        } else if (mb && mb->state == MAILBOX_KERNEL && !has_run) {
                fail_kernel_owned(mb, ret);
        } else if (mb && mb->state == MAILBOX_INHIBITED && !has_run) {
                fail_inhibited(t, mb, ret);
        } else if (mb && mb->state == MAILBOX_WAITING && !has_run) {
                failure_set(ret, -EBUSY, "%s: foreign activity did not end in time: %s", mb->name,
                            mb->state_reason);
                failure_add_string(ret, "evidence", mb->state_reason);
        } else {
                fail_timed_out(t, mb,
                               has_run ? usec_sub(now_usec, MAX_OF(job->started_usec, t->received_usec)) : 0,
                               now_usec, ret);
        }
}

static void transaction_on_deadline(Timer *timer, void *userdata, uint64_t now_usec) {
        Transaction *t = userdata;
        Failure failure;

        transaction_explain_deadline(t, now_usec, &failure);
        transaction_fail(t, &failure);
}

/* -------- the other calls -------- */

void transaction_cdat(Client *c, Device *d, const TransactionOptions *options, uint64_t now_usec,
                      TransactionDone done, void *userdata) {
        Transaction *t = transaction_new(TRANSACTION_CDAT, c, NULL, 0, options, now_usec, done, userdata);

        if (!t)
                return;
        t->device = d;
        cdat_reader_ask(d->cdat, t, now_usec);
}

void transaction_discover(Client *c, Mailbox *mb, const TransactionOptions *options, uint64_t now_usec,
                          TransactionDone done, void *userdata) {
        Transaction *t =
                        transaction_new(TRANSACTION_DISCOVER, c, NULL, 0, options, now_usec, done, userdata);

        if (!t)
                return;
        t->mailbox = mb;
        discovery_ask(mb->discovery, t, now_usec);
}

static void transaction_recovered(Transaction *t, uint64_t now_usec) {
        TransactionResult result = { .source = "mailbox", .epoch = t->mailbox->epoch };

        transaction_succeed(t, &result, now_usec);
}

/* Could it be done now, if there is anything to do? */
static int check_recover(const Transaction *t, Failure *ret) {
        if (!t->manager->has_link)
                return fail_unavailable(t->manager, ret);
        if (t->options.force && t->mailbox->state == MAILBOX_READ_ONLY)
                return fail_state(t->mailbox, -EROFS, ret);
        if (t->options.force && t->mailbox->state == MAILBOX_KERNEL)
                return fail_kernel_owned(t->mailbox, ret);
        return 0;
}

void transaction_recover(Client *c, Mailbox *mb, const TransactionOptions *options, uint64_t now_usec,
                         TransactionDone done, void *userdata) {
        Transaction *t = transaction_new(TRANSACTION_RECOVER, c, NULL, 0, options, now_usec, done, userdata);
        bool needs_it = mb->state == MAILBOX_RECOVERING || mb->state == MAILBOX_DEAD;
        Failure failure;

        if (!t)
                return;
        t->mailbox = mb;
        /* what is not ours yet is aborted, or found clean, without being told to */
        t->needs_new_epoch =
                        options->force && mb->state != MAILBOX_UNTOUCHED && mb->state != MAILBOX_STARTING;
        t->epoch_before = mb->epoch;
        if (check_recover(t, &failure) < 0) {
                transaction_fail(t, &failure);
        } else if (!needs_it && !options->force) {
                transaction_recovered(t, now_usec);
        } else {
                transaction_wait(t, &mb->waiters);
                if (options->force)
                        leases_on_recover(mb, now_usec);
                mailbox_recover(mb, options->force, now_usec);
        }
}

/* Of a state from which a mailbox does not become ready by itself; 0: it may. */
static int ending_error(MailboxState state) {
        if (state == MAILBOX_DEAD)
                return -ESHUTDOWN;
        if (state == MAILBOX_GONE)
                return -ENODEV;
        return state == MAILBOX_READ_ONLY ? -EROFS : 0;
}

void transaction_on_mailbox_state(Mailbox *mb, uint64_t now_usec) {
        Transaction *t, *next;
        Failure failure;

        for (t = TAILQ_FIRST(&mb->waiters); t; t = next) {
                next = TAILQ_NEXT(t, waiters);
                if (t->kind == TRANSACTION_ASKING && mb->state != MAILBOX_GONE)
                        continue;
                if (ending_error(mb->state) < 0) {
                        fail_state(mb, ending_error(mb->state), &failure);
                        transaction_fail(t, &failure);
                } else if (mb->is_reported_ready && !recovery_is_resting(&mb->recovery) &&
                           (!t->needs_new_epoch || mb->epoch != t->epoch_before))
                        transaction_recovered(t, now_usec);
        }
}

void transaction_rescan(Client *c, const TransactionOptions *options, uint64_t now_usec,
                        TransactionDone done, void *userdata) {
        Transaction *t = transaction_new(TRANSACTION_RESCAN, c, NULL, 0, options, now_usec, done, userdata);
        Manager *m = c->manager;
        Failure failure;

        if (!t)
                return;
        if (!m->has_link) {
                fail_unavailable(m, &failure);
                transaction_fail(t, &failure);
                return;
        }
        transaction_wait(t, &m->waiting);
        m->link->rescan(m->link_userdata);
}

void transaction_wait_ready(Client *c, const TransactionOptions *options, uint64_t now_usec,
                            TransactionDone done, void *userdata) {
        Transaction *t = transaction_new(TRANSACTION_READY, c, NULL, 0, options, now_usec, done, userdata);
        TransactionResult result = {};

        if (!t)
                return;
        if (c->manager->is_ready)
                transaction_succeed(t, &result, now_usec);
        else
                transaction_wait(t, &c->manager->waiting);
}

Transaction *transaction_wait_authorized(Client *c, Mailbox *mb, const TransactionOptions *options,
                                         uint64_t now_usec, TransactionDone done, void *userdata) {
        Transaction *t = transaction_new(TRANSACTION_ASKING, c, NULL, 0, options, now_usec, done, userdata);

        if (!t)
                return NULL;
        t->mailbox = mb;
        if (mb)
                transaction_wait(t, &mb->waiters);
        return t;
}

void transaction_on_enumerated(Manager *m, uint64_t now_usec) {
        while (!TAILQ_EMPTY(&m->waiting)) {
                TransactionResult result = {};

                transaction_succeed(TAILQ_FIRST(&m->waiting), &result, now_usec);
        }
}

void transaction_on_link_lost(Manager *m, uint64_t now_usec) {
        Transaction *t, *next;
        Failure failure;

        for (t = TAILQ_FIRST(&m->waiting); t; t = next) {
                next = TAILQ_NEXT(t, waiters);
                if (t->kind != TRANSACTION_RESCAN)
                        continue;
                fail_unavailable(m, &failure);
                transaction_fail(t, &failure);
        }
}

static Transaction *transaction_find_cookie(const Client *c, const Mailbox *mb, uint64_t cookie) {
        Transaction *t;

        TAILQ_FOREACH (t, &c->transactions, of_client)
                if (t->options.has_cookie && t->options.cookie == cookie && t->mailbox == mb)
                        return t;
        return NULL;
}

bool transaction_has_cookie(const Client *c, const Mailbox *mb, uint64_t cookie) {
        return transaction_find_cookie(c, mb, cookie);
}

int transaction_cancel(Client *c, Mailbox *mb, uint64_t cookie, uint64_t now_usec) {
        Transaction *t = transaction_find_cookie(c, mb, cookie);
        Failure failure;

        if (!t)
                return -ESRCH;
        failure_set(&failure, -ECANCELED, "Canceled by its caller");
        failure_add_u64(&failure, "cookie", cookie);
        transaction_fail(t, &failure);
        return 0;
}
