/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mailbox1.Exchange: what the mailbox can do, and the job that becomes of it. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/answer-cache.h"
#include "daemon/core/cdat-reader.h"
#include "daemon/core/discovery.h"
#include "daemon/core/lease.h"
#include "daemon/core/transaction-private.h"
#include "daemon/util/clock.h"
#include "protocols/data-object.h"

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
static bool is_too_large(const Transaction *t, size_t n_payload_bytes, Failure *ret) {
        size_t n_bytes = DOE_HEADER_BYTES + n_payload_bytes;

        if (!t->options.has_max_response || n_bytes <= t->options.max_response_bytes)
                return false;
        failure_set(ret, -EMSGSIZE, "The response of %zu bytes exceeds max-response of %u", n_bytes,
                    t->options.max_response_bytes);
        failure_add_u64(ret, "length", n_bytes);
        failure_add_u64(ret, "limit", t->options.max_response_bytes);
        return true;
}

void transaction_answer(Transaction *t, TransactionResult *result, uint64_t now_usec) {
        Failure failure;

        if (is_too_large(t, result->n_bytes, &failure))
                transaction_fail(t, &failure);
        else
                transaction_succeed(t, result, now_usec);
}

void transaction_end_exchange(Transaction *t, const Job *job, const JobResult *result, uint64_t now_usec) {
        TransactionResult answer = { .payload = result->payload,
                                     .n_bytes = result->n_bytes,
                                     .source = "mailbox",
                                     .device_usec = usec_sub(result->ended_usec, result->started_usec),
                                     .n_attempts = job->n_attempts,
                                     .epoch = result->epoch };
        Failure failure;

        if (result->error == 0) {
                transaction_answer(t, &answer, now_usec);
                return;
        }
        fail_job(t, result, now_usec, &failure);
        transaction_fail(t, &failure);
}

static void transaction_on_job(Job *job, const JobResult *result, uint64_t now_usec) {
        Transaction *t = job->userdata;

        t->job = NULL;
        transaction_end_exchange(t, job, result, now_usec);
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
static int check_direct(const Mailbox *mb, const Transaction *t, const PolicyDecision *decision,
                        Failure *ret) {
        const DoeDiscoveryEntry *f = mailbox_find_feature(mb, t->vendor_id, t->type);
        const DoeFeature *known = doe_feature_find(t->vendor_id, t->type);
        uint64_t n_bytes_max = f && f->has_limits && f->n_dwords_max ? 4 * (uint64_t)f->n_dwords_max : 0;
        char feature[DOE_FEATURE_STR_MAX];

        doe_feature_format(t->vendor_id, t->type, feature);
        if (!mailbox_may_offer(mb, t->vendor_id, t->type)) {
                failure_set(ret, -EPROTONOSUPPORT, "%s does not offer %s", mb->name, feature);
                failure_add_string(ret, "feature", feature);
        } else if (leases_check(mb, t->vendor_id, t->type, t->client, ret) < 0) {
                return ret->error;
        } else if (known && known->is_spdm && *mb->device->spdm_owner &&
                   !decision->effects.kernel_override) {
                failure_set(ret, -EXDEV, "Another agent's SPDM session may live on %s: %s",
                            mb->device->address, mb->device->spdm_owner);
                failure_add_string(ret, "evidence", mb->device->spdm_owner);
        } else if (n_bytes_max && 4 * (uint64_t)doe_object_dwords(t->n_bytes) > n_bytes_max) {
                failure_set(ret, -EMSGSIZE,
                            "An object of %u bytes is larger than the %" PRIu64 " that %s takes for %s",
                            4 * doe_object_dwords(t->n_bytes), n_bytes_max, mb->name, feature);
                failure_add_u64(ret, "length", 4 * (uint64_t)doe_object_dwords(t->n_bytes));
                failure_add_u64(ret, "limit", n_bytes_max);
        } else if (mb->scheduler.n_jobs >= decision->effects.queue_max) {
                return account_fail_quota("QueueMax", decision->effects.queue_max, ret);
        } else if (scheduler_count(&mb->scheduler, t->client->uid) >= decision->effects.queue_max_per_uid) {
                return account_fail_quota("QueueMaxPerUid", decision->effects.queue_max_per_uid, ret);
        } else
                return 0;
        return ret->error;
}

uint32_t transaction_response_bytes_max(const Transaction *t) {
        uint32_t n_bytes_max = mailbox_response_bytes_max(t->mailbox, t->vendor_id, t->type);
        uint32_t own_bytes_max = MIN_OF(t->options.max_response_bytes, DOE_OBJECT_BYTES_MAX);

        /* a response that only this caller calls too large is read all the same: not to read it would cost
         * everybody an abort */
        return t->options.has_max_response ? MAX_OF(n_bytes_max, own_bytes_max) : n_bytes_max;
}

static Job *transaction_make_job(Transaction *t, const PolicyDecision *decision) {
        Job *job = job_new(t->vendor_id, t->type, t->request, t->n_bytes);

        if (!job)
                return NULL;
        job->client = t->client;
        job->uid = t->client->uid;
        job->priority = t->options.priority;
        job->class = decision->judgement.class;
        job->is_withheld = !decision->effects.record;
        job->device_timeout_usec = decision->effects.device_timeout_usec;
        job->busy_grace_usec = decision->effects.busy_grace_usec;
        job->n_dwords_max = MAX_OF(transaction_response_bytes_max(t) / 4, DOE_HEADER_DWORDS);
        job->deadline_usec = t->deadline_usec;
        job->epoch = t->options.has_epoch ? t->options.epoch : 0;
        job->done = transaction_on_job;
        job->userdata = t;
        return job;
}

static void transaction_submit(Transaction *t, const PolicyDecision *decision, uint64_t now_usec) {
        Job *job = transaction_make_job(t, decision);
        Mailbox *mb = t->mailbox;
        Failure failure;
        int r = -ENOMEM;

        if (job && answer_cache_may_hold(decision)) {
                r = answer_cache_ask(t, decision, job, now_usec);
        } else if (job) {
                t->job = job;
                r = mailbox_submit(mb, job, now_usec);
                if (r < 0)
                        t->job = job_free(job);
        }
        if (r < 0) {
                fail_state(mb, r, &failure);
                transaction_fail(t, &failure);
        }
}

void transaction_exchange(Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type, const uint8_t *request,
                          size_t n_bytes, const PolicyDecision *decision, const TransactionOptions *options,
                          uint64_t now_usec, TransactionDone done, void *userdata) {
        const DoeJudgement *judgement = &decision->judgement;
        TransactionOptions bounded = *options;
        Transaction *t;
        Failure failure;

        bounded.priority = MAX_OF(bounded.priority, decision->effects.priority_max);
        bounded.has_cache = decision->effects.has_cache;
        bounded.cache_usec = decision->effects.cache_usec;
        bounded.timeout_usec =
                        MIN_OF(bounded.timeout_usec ?: c->manager->config->limits.timeout_default_usec,
                               decision->effects.timeout_max_usec);
        if (account_check_request(c->account, &decision->effects, n_bytes, now_usec, &failure) < 0) {
                fail_unmade(done, userdata, &failure);
                return;
        }
        t = transaction_new(TRANSACTION_EXCHANGE, c, request, n_bytes, &bounded, now_usec, done, userdata);

        if (!t)
                return;
        t->mailbox = mb;
        t->vendor_id = vendor_id;
        t->type = type;
        if (check_mailbox(mb, t, &failure) < 0) {
                transaction_fail(t, &failure);
        } else if (judgement->how == DOE_HOW_CACHE && vendor_id == DOE_VENDOR_PCI_SIG) {
                discovery_ask(mb->discovery, t, now_usec);
        } else if (judgement->how == DOE_HOW_CACHE && mailbox_may_offer(mb, vendor_id, type)) {
                cdat_reader_ask(mb->device->cdat, t, now_usec);
        } else if (answer_cache_answer(t, decision, now_usec)) {
                return;
        } else if (check_direct(mb, t, decision, &failure) < 0) {
                transaction_fail(t, &failure);
        } else
                transaction_submit(t, decision, now_usec);
}
