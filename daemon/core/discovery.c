/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/discovery.h"

#include <errno.h>

#include "daemon/core/lease.h"
#include "daemon/core/manager.h"
#include "daemon/core/transaction.h"
#include "daemon/util/clock.h"

/* One that fails for a reason of the device's is tried again once by itself. */
#define DISCOVERY_TRIES 2u

static void discovery_ask_index(Discovery *d, uint64_t now_usec);
static void discovery_start(Discovery *d, uint64_t now_usec);

Discovery *discovery_new(Mailbox *mb) {
        Discovery *d = calloc(1, sizeof(*d));

        if (!d)
                return NULL;
        d->mailbox = mb;
        TAILQ_INIT(&d->waiters);
        return d;
}

Discovery *discovery_free(Discovery *d) {
        free(d);
        return NULL;
}

/* Answer one caller out of what is stored. */
static void discovery_answer(Discovery *d, Transaction *t, bool cached, uint64_t now_usec) {
        TransactionResult result = { .cached = cached,
                                     .source = "mailbox",
                                     .n_attempts = cached ? 0 : 1,
                                     .device_usec = cached ? 0 : d->device_usec,
                                     .epoch = d->epoch };
        Failure failure;
        uint8_t index, version;

        if (cached)
                counters_add_cache_hit(&d->mailbox->counters, DOE_VENDOR_PCI_SIG, DOE_TYPE_DISCOVERY);
        if (t->kind == TRANSACTION_EXCHANGE) {
                if (doe_discovery_request_decode(t->request, t->n_bytes, &index, &version) < 0) {
                        failure_set(&failure, -EINVAL, "A discovery request is one dword");
                        transaction_fail(t, &failure);
                        return;
                }
                if (d->answers[index].n_bytes == 0) {
                        failure_set(&failure, -EINVAL,
                                    "Index %u is not on the discovery chain of %s, which starts at 0; the "
                                    "next index "
                                    "stands in each answer",
                                    index, d->mailbox->name);
                        transaction_fail(t, &failure);
                        return;
                }
                result.payload = d->answers[index].payload;
                result.n_bytes = d->answers[index].n_bytes;
        }
        transaction_succeed(t, &result, now_usec);
}

static void discovery_end(Discovery *d) {
        d->is_running = false;
        d->job = NULL;
}

void discovery_fail(Discovery *d, const Failure *failure) {
        Job *job = d->job;

        discovery_end(d);
        if (job)
                mailbox_withdraw(d->mailbox, job);
        while (!TAILQ_EMPTY(&d->waiters))
                transaction_fail(TAILQ_FIRST(&d->waiters), failure);
}

/* A device that hangs on discovery would be aborted for ever: its own failure raises the epoch, and it is
 * not tried again in that one. What was lost to somebody else, or never began, says nothing about the
 * device. */
static void discovery_flight_failed(Discovery *d, const Failure *failure, bool is_worth_another,
                                    uint64_t now_usec) {
        if (!is_worth_another && ++d->n_failures >= DISCOVERY_TRIES)
                d->failed_until_epoch = d->mailbox->epoch + 1;
        d->failure = *failure;
        discovery_fail(d, failure);
        mailbox_discovery_ended(d->mailbox, now_usec);
}

static void discovery_flight_done(Discovery *d, uint64_t now_usec) {
        Mailbox *mb = d->mailbox;
        DoeDiscoveryEntry *features;
        Failure failure;

        if (mb->epoch != d->flight_epoch &&
            d->n_restarts++ < mb->manager->config->limits.cdat_restarts_max) {
                discovery_end(d);
                discovery_start(d, now_usec);
                return;
        }
        features = malloc(MAX_OF(d->walk.n_entries, (size_t)1) * sizeof(*features));
        if (!features) {
                failure_set(&failure, -ENOMEM, "Out of memory");
                discovery_flight_failed(d, &failure, /* is_worth_another= */ false, now_usec);
                return;
        }
        memcpy(features, d->walk.entries, d->walk.n_entries * sizeof(*features));
        memcpy(d->answers, d->flight_answers, sizeof(d->answers));
        d->is_valid = true;
        d->epoch = d->flight_epoch;
        d->ended_usec = now_usec;
        d->n_restarts = 0;
        d->failure.error = 0;
        d->n_failures = 0;
        discovery_end(d);
        if (d->walk.is_cyclic)
                mailbox_add_fault(mb, "discovery-cycle", "An index came up twice on the discovery chain",
                                  "what was found before it is kept");
        mailbox_set_features(mb, FEATURES_DISCOVERY, features, d->walk.n_entries);
        while (!TAILQ_EMPTY(&d->waiters))
                discovery_answer(d, TAILQ_FIRST(&d->waiters), /* cached= */ false, now_usec);
        mailbox_discovery_ended(mb, now_usec);
}

static void discovery_job_done(Job *job, const JobResult *result, uint64_t now_usec) {
        Discovery *d = job->userdata;
        uint8_t index = d->walk.index;
        Failure failure;
        int r;

        d->job = NULL;
        d->device_usec += usec_sub(result->ended_usec, result->started_usec);
        if (result->error < 0) {
                failure_set(&failure, result->error, "Discovery of %s failed at index %u: %s",
                            d->mailbox->name, index, result->evidence);
                discovery_flight_failed(d, &failure, result->not_started || result->error == -ECONNABORTED,
                                        now_usec);
                return;
        }
        r = doe_discovery_walk_take(&d->walk, result->payload, result->n_bytes);
        if (r < 0) {
                failure_set(&failure, -EBADMSG,
                            "Discovery of %s failed at index %u: a response of %zu bytes is not 1 or 2 "
                            "dwords",
                            d->mailbox->name, index, result->n_bytes);
                mailbox_add_fault(d->mailbox, "bad-response", failure.text, "features are not known");
                discovery_flight_failed(d, &failure, /* is_worth_another= */ false, now_usec);
                return;
        }
        if (index == 0) /* the flight may have waited for the take-over */
                d->flight_epoch = result->epoch;
        d->flight_answers[index].n_bytes = (uint8_t)result->n_bytes;
        memcpy(d->flight_answers[index].payload, result->payload, result->n_bytes);
        if (r == DOE_DISCOVERY_MORE)
                discovery_ask_index(d, now_usec);
        else
                discovery_flight_done(d, now_usec);
}

static void discovery_ask_index(Discovery *d, uint64_t now_usec) {
        uint8_t request[DOE_DISCOVERY_REQUEST_BYTES];
        Failure failure;
        int r;

        doe_discovery_request_encode(d->walk.index, doe_discovery_version(d->mailbox->cap_version), request);
        r = mailbox_submit_own(d->mailbox, DOE_VENDOR_PCI_SIG, DOE_TYPE_DISCOVERY, request, sizeof(request),
                               discovery_job_done, d, now_usec, &d->job);
        if (r < 0) {
                failure_set(&failure, r, "Discovery of %s cannot run: %s", d->mailbox->name,
                            d->mailbox->state_reason);
                discovery_flight_failed(d, &failure, /* is_worth_another= */ false, now_usec);
        }
}

static void discovery_start(Discovery *d, uint64_t now_usec) {
        d->is_running = true;
        d->flight_epoch = d->mailbox->epoch;
        d->device_usec = 0;
        memset(d->flight_answers, 0, sizeof(d->flight_answers));
        doe_discovery_walk_init(&d->walk);
        discovery_ask_index(d, now_usec);
}

static bool discovery_is_current(const Discovery *d) {
        return d->is_valid && d->epoch == d->mailbox->epoch;
}

bool discovery_is_due(const Discovery *d) {
        return !discovery_is_current(d) &&
               (d->failed_until_epoch == 0 || d->failed_until_epoch < d->mailbox->epoch);
}

void discovery_forget_failure(Discovery *d) {
        d->failed_until_epoch = 0;
        d->n_failures = 0;
}

void discovery_refresh(Discovery *d, uint64_t now_usec) {
        const Mailbox *mb = d->mailbox;

        if (d->is_running || !discovery_is_due(d))
                return;
        /* the kernel has read them for us; nothing is asked of the device until somebody wants its own
         * answer */
        if (mb->features_source == FEATURES_KERNEL && TAILQ_EMPTY(&d->waiters))
                return;
        discovery_start(d, now_usec);
}

void discovery_ask(Discovery *d, Transaction *t, uint64_t now_usec) {
        Mailbox *mb = d->mailbox;
        bool wants_new = t->options.fresh || t->kind == TRANSACTION_DISCOVER;
        Failure failure;

        if (discovery_is_current(d) && !d->is_running &&
            (!wants_new ||
             now_usec < usec_add(d->ended_usec, mb->manager->config->limits.fresh_interval_usec))) {
                discovery_answer(d, t, /* cached= */ true, now_usec);
                return;
        }
        /* who lets nobody in may do so for long */
        if (leases_check(mb, DOE_VENDOR_PCI_SIG, DOE_TYPE_DISCOVERY, t->client, &failure) < 0) {
                transaction_fail(t, &failure);
                return;
        }
        transaction_wait(t, &d->waiters);
        if (!d->is_running)
                discovery_start(d, now_usec);
}
