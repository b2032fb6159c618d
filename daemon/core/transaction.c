/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/transaction.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "daemon/core/cdat-reader.h"
#include "daemon/core/discovery.h"
#include "daemon/util/clock.h"
#include "protocols/data-object.h"

static void transaction_on_deadline(Timer *timer, void *userdata, uint64_t now_usec);

static void fail_unmade(TransactionDone done, void *userdata, const Failure *failure) {
        TransactionResult result = { .failure = failure };

        done(userdata, &result);
}

/* One more unanswered call of that client: within its limits? */
static int check_quota(const Client *c, size_t n_bytes, Failure *ret) {
        const Limits *l = &c->manager->limits;
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
        failure_set(ret, -EDQUOT, "This would exceed the limit %s of %" PRIu64, limit, value);
        failure_add_string(ret, "limit", limit);
        failure_add_u64(ret, "value", value);
        return ret->error;
}

/* Make one, linked into its client, with its deadline armed. On failure @done has been called; NULL. */
static Transaction *transaction_new(TransactionKind kind, Client *c, const uint8_t *request, size_t n_bytes,
                                    const TransactionOptions *options, uint64_t now_usec,
                                    TransactionDone done, void *userdata) {
        const Limits *l = &c->manager->limits;
        uint64_t timeout_usec = options->timeout_usec ?: l->timeout_default_usec;
        Transaction *t = NULL;
        Failure failure;

        if (c->manager->is_stopping)
                failure_set(&failure, -ECONNABORTED, "doed stops");
        else if (check_quota(c, n_bytes, &failure) == 0) {
                failure_set(&failure, -ENOMEM, "Out of memory");
                t = calloc(1, sizeof(*t));
        }
        if (t && n_bytes > 0)
                t->request = malloc(n_bytes);
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
        t->n_bytes = n_bytes;
        t->received_usec = now_usec;
        t->deadline_usec = usec_add(now_usec, MIN_OF(timeout_usec, l->timeout_max_usec));
        t->done = done;
        t->userdata = userdata;
        t->timer = (Timer){ .fn = transaction_on_deadline, .userdata = t };
        TAILQ_INSERT_TAIL(&c->transactions, t, of_client);
        c->n_transactions++;
        c->n_bytes_waiting += n_bytes;
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
        if (t->job)
                mailbox_withdraw(t->mailbox, t->job);
        t->job = NULL;
        timer_disarm(&t->manager->timers, &t->timer);
        TAILQ_REMOVE(&t->client->transactions, t, of_client);
        t->client->n_transactions--;
        t->client->n_bytes_waiting -= t->n_bytes;
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

/* -------- why it took too long -------- */

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

/* Where the time of a call went that is over its deadline. @device_usec: of an exchange that began. */
static void fail_timed_out(const Transaction *t, const Mailbox *mb, uint64_t device_usec, uint64_t now_usec,
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
        if (mb)
                failure_add_string(ret, "state", mailbox_state_to_string(mb->state));
}

static void transaction_explain_deadline(const Transaction *t, uint64_t now_usec, Failure *ret) {
        const Mailbox *mb = transaction_find_mailbox(t);
        bool has_run = t->job && t->job->state == JOB_RUNNING;

        if (!t->manager->has_link) {
                fail_unavailable(t->manager, ret);
        } else if (mb && mb->state == MAILBOX_KERNEL && !has_run) {
                fail_kernel_owned(mb, ret);
        } else if (mb && mb->state == MAILBOX_WAITING && !has_run) {
                failure_set(ret, -EBUSY, "%s: foreign activity did not end in time: %s", mb->name,
                            mb->state_reason);
                failure_add_string(ret, "evidence", mb->state_reason);
        } else {
                fail_timed_out(t, mb,
                               has_run ? usec_sub(now_usec, MAX_OF(t->job->started_usec, t->received_usec))
                                       : 0,
                               now_usec, ret);
        }
}

static void transaction_on_deadline(Timer *timer, void *userdata, uint64_t now_usec) {
        Transaction *t = userdata;
        Failure failure;

        transaction_explain_deadline(t, now_usec, &failure);
        transaction_fail(t, &failure);
}

/* -------- one exchange of its own -------- */

static void fail_job(const Transaction *t, const JobResult *result, uint64_t now_usec, Failure *ret) {
        char feature[DOE_FEATURE_STR_MAX];

        if (result->error == -ETIMEDOUT && result->not_started) {
                transaction_explain_deadline(t, now_usec, ret);
                return;
        }
        doe_feature_format(t->vendor_id, t->type, feature);
        if (result->error == -ETIMEDOUT) {
                fail_timed_out(t, t->mailbox, usec_sub(result->ended_usec, result->started_usec), now_usec,
                               ret);
                snprintf(ret->text, sizeof(ret->text),
                         "The device did not answer the exchange of %s on %s in time: %s", feature,
                         t->mailbox->name, result->evidence);
        } else
                failure_set(ret, result->error, "Exchange of %s on %s failed: %s", feature, t->mailbox->name,
                            result->evidence);
        failure_add_string(ret, "evidence", result->evidence);
        if (result->error == -ENODEV || result->error == -ECONNABORTED)
                failure_add_u64(ret, "epoch", t->mailbox->epoch);
}

/* By the caller's own bound; what the mailbox takes for too large never gets here. */
static bool is_too_large(const Transaction *t, const JobResult *result, Failure *ret) {
        size_t n_bytes = DOE_HEADER_BYTES + result->n_bytes;

        if (!t->options.has_max_response || n_bytes <= t->options.max_response_bytes)
                return false;
        failure_set(ret, -EMSGSIZE, "The response of %zu bytes exceeds max-response of %u", n_bytes,
                    t->options.max_response_bytes);
        failure_add_u64(ret, "length", n_bytes);
        failure_add_u64(ret, "limit", t->options.max_response_bytes);
        return true;
}

static void transaction_on_job(Job *job, const JobResult *result, uint64_t now_usec) {
        Transaction *t = job->userdata;
        TransactionResult answer = { .payload = result->payload,
                                     .n_bytes = result->n_bytes,
                                     .source = "mailbox",
                                     .device_usec = usec_sub(result->ended_usec, result->started_usec),
                                     .n_attempts = job->n_attempts,
                                     .epoch = result->epoch };
        Failure failure;

        t->job = NULL;
        if (result->error == 0) {
                if (is_too_large(t, result, &failure))
                        transaction_fail(t, &failure);
                else
                        transaction_succeed(t, &answer, now_usec);
                return;
        }
        fail_job(t, result, now_usec, &failure);
        transaction_fail(t, &failure);
}

static int fail_state(const Mailbox *mb, int error, Failure *ret) {
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

/* What the mailbox says no to, whoever asks. */
static int check_mailbox(const Mailbox *mb, const Transaction *t, Failure *ret) {
        const TransactionOptions *o = &t->options;

        if (t->n_bytes > DOE_PAYLOAD_BYTES_MAX) {
                failure_set(ret, -EMSGSIZE,
                            "A request of %zu bytes is larger than the %u that a data object holds",
                            t->n_bytes, DOE_PAYLOAD_BYTES_MAX);
                failure_add_u64(ret, "length", t->n_bytes);
                failure_add_u64(ret, "limit", DOE_PAYLOAD_BYTES_MAX);
        } else if (mb->state == MAILBOX_GONE) {
                fail_state(mb, -ENODEV, ret);
        } else if (o->has_epoch && o->epoch != mb->epoch) {
                failure_set(ret, -ECONNABORTED, "%s is in epoch %" PRIu64 ", not %" PRIu64, mb->name,
                            mb->epoch, o->epoch);
                failure_add_u64(ret, "epoch", mb->epoch);
        } else
                return 0;
        return ret->error;
}

/* What only an exchange of its own needs: an answer from the cache is given without. */
static int check_direct(const Mailbox *mb, const Transaction *t, Failure *ret) {
        const DoeDiscoveryEntry *f = mailbox_find_feature(mb, t->vendor_id, t->type);
        const DoeFeature *known = doe_feature_find(t->vendor_id, t->type);
        uint64_t n_bytes_max = f && f->has_limits && f->n_dwords_max ? 4 * (uint64_t)f->n_dwords_max : 0;
        char feature[DOE_FEATURE_STR_MAX];

        doe_feature_format(t->vendor_id, t->type, feature);
        if (!mailbox_may_offer(mb, t->vendor_id, t->type)) {
                failure_set(ret, -EPROTONOSUPPORT, "%s does not offer %s", mb->name, feature);
                failure_add_string(ret, "feature", feature);
        } else if (known && known->is_spdm && *mb->device->spdm_owner) {
                failure_set(ret, -EXDEV, "Another agent's SPDM session may live on %s: %s",
                            mb->device->address, mb->device->spdm_owner);
                failure_add_string(ret, "evidence", mb->device->spdm_owner);
        } else if (n_bytes_max && 4 * (uint64_t)doe_object_dwords(t->n_bytes) > n_bytes_max) {
                failure_set(ret, -EMSGSIZE,
                            "An object of %u bytes is larger than the %" PRIu64 " that %s takes for %s",
                            4 * doe_object_dwords(t->n_bytes), n_bytes_max, mb->name, feature);
                failure_add_u64(ret, "length", 4 * (uint64_t)doe_object_dwords(t->n_bytes));
                failure_add_u64(ret, "limit", n_bytes_max);
        } else if (mb->scheduler.n_jobs >= mb->manager->limits.queue_max) {
                failure_set(ret, -EDQUOT, "The queue of %s is at its limit QueueMax of %" PRIu64, mb->name,
                            mb->manager->limits.queue_max);
                failure_add_string(ret, "limit", "QueueMax");
                failure_add_u64(ret, "value", mb->manager->limits.queue_max);
        } else
                return 0;
        return ret->error;
}

static void transaction_submit(Transaction *t, const DoeJudgement *judgement, uint64_t now_usec) {
        Mailbox *mb = t->mailbox;
        uint32_t n_bytes_max = mailbox_response_bytes_max(mb, t->vendor_id, t->type);
        uint32_t own_bytes_max = MIN_OF(t->options.max_response_bytes, DOE_OBJECT_BYTES_MAX);
        Failure failure;
        Job *job;
        int r;

        /* a response that only this caller calls too large is read all the same: not to read it would cost
         * everybody an abort */
        if (t->options.has_max_response)
                n_bytes_max = MAX_OF(n_bytes_max, own_bytes_max);
        job = job_new(t->vendor_id, t->type, t->request, t->n_bytes);
        if (job) {
                job->client = t->client;
                job->priority = t->options.priority;
                job->class = judgement->class;
                job->n_dwords_max = MAX_OF(n_bytes_max / 4, DOE_HEADER_DWORDS);
                job->deadline_usec = t->deadline_usec;
                job->epoch = t->options.has_epoch ? t->options.epoch : 0;
                job->done = transaction_on_job;
                job->userdata = t;
        }
        t->job = job;
        r = job ? mailbox_submit(mb, job, now_usec) : -ENOMEM;
        if (r < 0) {
                t->job = job_free(job);
                fail_state(mb, r, &failure);
                transaction_fail(t, &failure);
        }
}

void transaction_exchange(Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type, const uint8_t *request,
                          size_t n_bytes, const TransactionOptions *options, uint64_t now_usec,
                          TransactionDone done, void *userdata) {
        Transaction *t = transaction_new(TRANSACTION_EXCHANGE, c, request, n_bytes, options, now_usec, done,
                                         userdata);
        DoeJudgement judgement;
        Failure failure;

        if (!t)
                return;
        t->mailbox = mb;
        t->vendor_id = vendor_id;
        t->type = type;
        doe_feature_judge(vendor_id, type, request, n_bytes, &judgement);
        if (check_mailbox(mb, t, &failure) < 0) {
                transaction_fail(t, &failure);
        } else if (judgement.how == DOE_HOW_CACHE && vendor_id == DOE_VENDOR_PCI_SIG) {
                discovery_ask(mb->discovery, t, now_usec);
        } else if (judgement.how == DOE_HOW_CACHE && mailbox_may_offer(mb, vendor_id, type)) {
                cdat_reader_ask(mb->device->cdat, t, now_usec);
        } else if (check_direct(mb, t, &failure) < 0) {
                transaction_fail(t, &failure);
        } else
                transaction_submit(t, &judgement, now_usec);
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
        failure.error = 0;
        if (!t->manager->has_link)
                fail_unavailable(t->manager, &failure);
        else if (mb->state == MAILBOX_READ_ONLY && options->force)
                fail_state(mb, -EROFS, &failure);
        else if (mb->state == MAILBOX_KERNEL && options->force)
                fail_kernel_owned(mb, &failure);
        if (failure.error < 0) {
                transaction_fail(t, &failure);
        } else if (!needs_it && !options->force) {
                transaction_recovered(t, now_usec);
        } else {
                transaction_wait(t, &mb->waiters);
                mailbox_recover(mb, options->force);
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
                if (ending_error(mb->state) < 0) {
                        fail_state(mb, ending_error(mb->state), &failure);
                        transaction_fail(t, &failure);
                } else if (mb->is_reported_ready && (!t->needs_new_epoch || mb->epoch != t->epoch_before))
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
