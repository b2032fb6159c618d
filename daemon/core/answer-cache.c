/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/answer-cache.h"

#include <assert.h>
#include <errno.h>

#include "daemon/core/manager.h"
#include "daemon/core/transaction.h"
#include "daemon/util/clock.h"
#include "protocols/data-object.h"

#define BUCKETS 64u

/* What makes two requests the same; in one mailbox, and in one epoch. */
typedef struct AnswerKey {
        uint16_t vendor_id;
        uint8_t type;
        uint32_t hash; /* of all of it */
        const uint8_t *request;
        size_t n_bytes; /* not padded */
} AnswerKey;

typedef struct Answer {
        Account *account; /* that is charged: of the uid that caused the exchange */
        AnswerKey key;    /* its request is the one in bytes */
        uint64_t epoch;
        uint64_t ended_usec, expires_usec;
        size_t n_charged;
        LIST_ENTRY(Answer) bucket;
        TAILQ_ENTRY(Answer) answers;
        const uint8_t *payload;
        size_t n_payload_bytes;
        uint8_t bytes[];
} Answer;

struct AnswerFlight {
        AnswerCache *cache;
        Account *account;
        AnswerKey key; /* its request is the job's */
        Job *job;      /* borrowed: the mailbox's; NULL once it has ended */
        uint64_t epoch;
        uint64_t keep_usec; /* the longest that any of those who wait may have it */
        struct TransactionList waiters;
        LIST_ENTRY(AnswerFlight) bucket;
};

struct AnswerCache {
        Mailbox *mailbox;
        TAILQ_HEAD(AnswerList, Answer) answers; /* the one used last comes first */
        LIST_HEAD(AnswerBucket, Answer) answer_buckets[BUCKETS];
        LIST_HEAD(AnswerFlightBucket, AnswerFlight) flight_buckets[BUCKETS];
        size_t n_bytes;
        Timer timer; /* of the answer that expires first, or earlier */
};

static void answer_cache_on_timer(Timer *timer, void *userdata, uint64_t now_usec);
static void answer_flight_on_job(Job *job, const JobResult *result, uint64_t now_usec);

/* -------- keys -------- */

/* FNV-1a; the padding counts, since the device sees it */
static uint32_t hash_bytes(uint32_t hash, const uint8_t *bytes, size_t n_bytes) {
        for (size_t i = 0; i < n_bytes || i % 4 != 0; i++)
                hash = (hash ^ (i < n_bytes ? bytes[i] : 0)) * UINT32_C(16777619);
        return hash;
}

static AnswerKey key_of(uint16_t vendor_id, uint8_t type, const uint8_t *request, size_t n_bytes) {
        const uint8_t feature[4] = { (uint8_t)vendor_id, (uint8_t)(vendor_id >> 8), type };

        return (AnswerKey){ .vendor_id = vendor_id,
                            .type = type,
                            .hash = hash_bytes(hash_bytes(UINT32_C(2166136261), feature, sizeof(feature)),
                                               request, n_bytes),
                            .request = request,
                            .n_bytes = n_bytes };
}

static bool key_is_equal(const AnswerKey *a, const AnswerKey *b) {
        const AnswerKey *longer = a->n_bytes > b->n_bytes ? a : b;
        size_t n_bytes = MIN_OF(a->n_bytes, b->n_bytes);

        if (a->hash != b->hash || a->vendor_id != b->vendor_id || a->type != b->type ||
            doe_object_dwords(a->n_bytes) != doe_object_dwords(b->n_bytes) ||
            (n_bytes > 0 && memcmp(a->request, b->request, n_bytes) != 0))
                return false;
        for (size_t i = n_bytes; i < longer->n_bytes; i++)
                if (longer->request[i] != 0)
                        return false;
        return true;
}

/* -------- answers that are kept -------- */

static AnswerCache *answer_cache_new(Mailbox *mb) {
        AnswerCache *cache = calloc(1, sizeof(*cache));

        if (!cache)
                return NULL;
        cache->mailbox = mb;
        TAILQ_INIT(&cache->answers);
        cache->timer = (Timer){ .fn = answer_cache_on_timer, .userdata = cache };
        return cache;
}

static void answer_drop(AnswerCache *cache, Answer *a) {
        TAILQ_REMOVE(&cache->answers, a, answers);
        LIST_REMOVE(a, bucket);
        cache->n_bytes -= a->n_charged;
        a->account->n_cache_bytes -= a->n_charged;
        account_unref(a->account);
        free(a);
}

void answer_cache_clear(AnswerCache *cache) {
        if (!cache)
                return;
        while (!TAILQ_EMPTY(&cache->answers))
                answer_drop(cache, TAILQ_FIRST(&cache->answers));
        timer_disarm(&cache->mailbox->manager->timers, &cache->timer);
}

AnswerCache *answer_cache_free(AnswerCache *cache) {
        if (!cache)
                return NULL;
        answer_cache_clear(cache);
        for (size_t i = 0; i < BUCKETS; i++)
                assert(LIST_EMPTY(&cache->flight_buckets[i]));
        free(cache);
        return NULL;
}

/* Without memory for the timer an answer stays until its room is needed; it is not given out for that. */
static void answer_cache_arm(AnswerCache *cache, uint64_t due_usec) {
        if (!timer_is_armed(&cache->timer) || due_usec < cache->timer.due_usec)
                (void)timer_arm(&cache->mailbox->manager->timers, &cache->timer, due_usec);
}

static void answer_cache_on_timer(Timer *timer, void *userdata, uint64_t now_usec) {
        AnswerCache *cache = userdata;
        Answer *a, *next;

        for (a = TAILQ_FIRST(&cache->answers); a; a = next) {
                next = TAILQ_NEXT(a, answers);
                if (a->expires_usec <= now_usec)
                        answer_drop(cache, a);
                else
                        answer_cache_arm(cache, a->expires_usec);
        }
}

static Answer *answer_cache_find(const AnswerCache *cache, const AnswerKey *key) {
        Answer *a;

        LIST_FOREACH (a, &cache->answer_buckets[key->hash % BUCKETS], bucket)
                if (key_is_equal(&a->key, key))
                        return a;
        return NULL;
}

/* Of @account's here, those used least lately, until there is room for @n_bytes within the uid's limit. */
static bool answer_cache_make_room_of_uid(AnswerCache *cache, const Account *account, size_t n_bytes) {
        uint64_t limit = cache->mailbox->manager->config->limits.cache_bytes_max_per_uid;
        Answer *a, *previous;

        for (a = TAILQ_LAST(&cache->answers, AnswerList); a && account->n_cache_bytes + n_bytes > limit;
             a = previous) {
                previous = TAILQ_PREV(a, AnswerList, answers);
                if (a->account == account)
                        answer_drop(cache, a);
        }
        return account->n_cache_bytes + n_bytes <= limit;
}

/* Return: false if it is larger than a limit, or the uid's other answers are in other mailboxes. */
static bool answer_cache_make_room(AnswerCache *cache, const Account *account, size_t n_bytes) {
        uint64_t limit = cache->mailbox->manager->config->limits.cache_bytes_max_per_mailbox;

        if (n_bytes > limit || !answer_cache_make_room_of_uid(cache, account, n_bytes))
                return false;
        while (cache->n_bytes + n_bytes > limit)
                answer_drop(cache, TAILQ_LAST(&cache->answers, AnswerList));
        return true;
}

static void answer_cache_keep(AnswerCache *cache, const AnswerFlight *flight, const JobResult *result) {
        Account *account = flight->account;
        size_t n_request = flight->key.n_bytes, n_charged = sizeof(Answer) + n_request + result->n_bytes;
        Answer *a = answer_cache_find(cache, &flight->key);

        if (a)
                answer_drop(cache, a);
        if (result->epoch != cache->mailbox->epoch || !answer_cache_make_room(cache, account, n_charged))
                return;
        a = calloc(1, n_charged);
        if (!a)
                return;
        if (n_request > 0)
                memcpy(a->bytes, flight->key.request, n_request);
        if (result->n_bytes > 0)
                memcpy(a->bytes + n_request, result->payload, result->n_bytes);
        a->key = flight->key;
        a->key.request = a->bytes;
        a->payload = a->bytes + n_request;
        a->n_payload_bytes = result->n_bytes;
        a->epoch = result->epoch;
        a->ended_usec = result->ended_usec;
        a->expires_usec = usec_add(result->ended_usec, flight->keep_usec);
        a->n_charged = n_charged;
        a->account = account_ref(account->manager, account->uid);
        account->n_cache_bytes += n_charged;
        cache->n_bytes += n_charged;
        TAILQ_INSERT_HEAD(&cache->answers, a, answers);
        LIST_INSERT_HEAD(&cache->answer_buckets[a->key.hash % BUCKETS], a, bucket);
        answer_cache_arm(cache, a->expires_usec);
}

bool answer_cache_may_hold(const PolicyDecision *decision) {
        const DoeJudgement *j = &decision->judgement;

        return decision->effects.has_cache && decision->effects.cache_usec > 0 && j->how == DOE_HOW_DIRECT &&
               (j->class == DOE_CLASS_READ || j->class == DOE_CLASS_UNKNOWN);
}

bool answer_cache_answer(Transaction *t, const PolicyDecision *decision, uint64_t now_usec) {
        const Limits *l = &t->manager->config->limits;
        AnswerCache *cache = t->mailbox->answers;
        uint64_t age_max_usec = decision->effects.cache_usec;
        AnswerKey key = key_of(t->vendor_id, t->type, t->request, t->n_bytes);
        TransactionResult result = { .cached = true, .source = "mailbox" };
        Answer *a = cache && answer_cache_may_hold(decision) ? answer_cache_find(cache, &key) : NULL;

        if (t->options.fresh)
                age_max_usec = MIN_OF(age_max_usec, l->fresh_interval_usec);
        /* one that this caller's own exchange would not have brought is none for it */
        if (!a || now_usec >= usec_add(a->ended_usec, age_max_usec) ||
            DOE_HEADER_BYTES + a->n_payload_bytes > transaction_response_bytes_max(t))
                return false;
        TAILQ_REMOVE(&cache->answers, a, answers);
        TAILQ_INSERT_HEAD(&cache->answers, a, answers);
        counters_add_cache_hit(&t->mailbox->counters, t->vendor_id, t->type);
        result.payload = a->payload;
        result.n_bytes = a->n_payload_bytes;
        result.epoch = a->epoch;
        transaction_answer(t, &result, now_usec);
        return true;
}

/* -------- exchanges under way -------- */

static AnswerFlight *answer_flight_free(AnswerFlight *flight) {
        account_unref(flight->account);
        free(flight);
        return NULL;
}

/* Would its answer be what @job brings? One that runs in an epoch that is over brings none. */
static bool answer_flight_fits(const AnswerFlight *flight, const AnswerKey *key, const Job *job) {
        return key_is_equal(&flight->key, key) && flight->job->n_dwords_max == job->n_dwords_max &&
               flight->job->epoch == job->epoch &&
               (flight->epoch == flight->cache->mailbox->epoch || flight->job->state == JOB_QUEUED);
}

static AnswerFlight *answer_cache_find_flight(const AnswerCache *cache, const AnswerKey *key,
                                              const Job *job) {
        AnswerFlight *flight;

        LIST_FOREACH (flight, &cache->flight_buckets[key->hash % BUCKETS], bucket)
                if (answer_flight_fits(flight, key, job))
                        return flight;
        return NULL;
}

static void answer_flight_add(AnswerFlight *flight, Transaction *t, uint64_t keep_usec) {
        t->flight = flight;
        transaction_wait(t, &flight->waiters);
        flight->keep_usec = MAX_OF(flight->keep_usec, keep_usec);
}

static void answer_flight_remove(AnswerFlight *flight, Transaction *t) {
        TAILQ_REMOVE(&flight->waiters, t, waiters);
        t->waiting_in = NULL;
        t->flight = NULL;
}

/* The exchange waits as long as the most patient, and in the priority of the most urgent of them. */
static void answer_flight_join(AnswerFlight *flight, Transaction *t, uint64_t keep_usec, uint64_t now_usec) {
        Job *job = flight->job;

        answer_flight_add(flight, t, keep_usec);
        if (job->state != JOB_QUEUED)
                return;
        job->deadline_usec = MAX_OF(job->deadline_usec, t->deadline_usec);
        if (t->options.priority < job->priority)
                mailbox_set_priority(job->mailbox, job, t->options.priority, now_usec);
}

/* Return: as mailbox_submit(); the flight may have ended then. */
static int answer_flight_start(AnswerFlight *flight, Job *job, uint64_t now_usec) {
        AnswerCache *cache = flight->cache;
        int r;

        job->done = answer_flight_on_job;
        job->userdata = flight;
        flight->job = job;
        flight->key.request = job->payload;
        flight->epoch = cache->mailbox->epoch;
        LIST_INSERT_HEAD(&cache->flight_buckets[flight->key.hash % BUCKETS], flight, bucket);
        r = mailbox_submit(cache->mailbox, job, now_usec);
        if (r < 0) {
                LIST_REMOVE(flight, bucket);
                flight->job = NULL;
        }
        return r;
}

int answer_cache_ask(Transaction *t, const PolicyDecision *decision, Job *job, uint64_t now_usec) {
        AnswerKey key = key_of(t->vendor_id, t->type, job->payload, job->n_bytes);
        uint64_t keep_usec = decision->effects.cache_usec;
        Mailbox *mb = t->mailbox;
        AnswerFlight *flight;
        int r;

        if (!mb->answers)
                mb->answers = answer_cache_new(mb);
        flight = mb->answers ? answer_cache_find_flight(mb->answers, &key, job) : NULL;
        if (flight) {
                flight->job->is_withheld = flight->job->is_withheld || job->is_withheld;
                job_free(job);
                answer_flight_join(flight, t, keep_usec, now_usec);
                return 0;
        }
        flight = mb->answers ? calloc(1, sizeof(*flight)) : NULL;
        if (!flight) {
                job_free(job);
                return -ENOMEM;
        }
        flight->cache = mb->answers;
        flight->account = account_ref(t->manager, t->client->uid);
        flight->key = key;
        TAILQ_INIT(&flight->waiters);
        answer_flight_add(flight, t, keep_usec);
        r = answer_flight_start(flight, job, now_usec);
        if (r < 0) {
                answer_flight_remove(flight, t);
                answer_flight_free(flight);
                job_free(job);
        }
        return r;
}

static Job *job_again(const Job *job) {
        Job *again = job_new(job->vendor_id, job->type, job->payload, job->n_bytes);

        if (!again)
                return NULL;
        again->client = job->client;
        again->uid = job->uid;
        again->priority = job->priority;
        again->class = job->class;
        again->is_withheld = job->is_withheld;
        again->n_dwords_max = job->n_dwords_max;
        again->device_timeout_usec = job->device_timeout_usec;
        again->busy_grace_usec = job->busy_grace_usec;
        again->epoch = job->epoch;
        return again;
}

/* Handed down with the deadline of those who waited then: others may have joined who have time left. Return:
 * true if it is under way again. */
static bool answer_flight_try_again(AnswerFlight *flight, const Job *job, const JobResult *result,
                                    uint64_t now_usec) {
        uint64_t deadline_usec = 0;
        const Transaction *t;
        Job *again;

        TAILQ_FOREACH (t, &flight->waiters, waiters)
                deadline_usec = MAX_OF(deadline_usec, t->deadline_usec);
        if (result->error != -ETIMEDOUT || !result->not_started || deadline_usec <= now_usec ||
            deadline_usec <= job->deadline_usec)
                return false;
        again = job_again(job);
        if (!again)
                return false;
        again->deadline_usec = deadline_usec;
        if (answer_flight_start(flight, again, now_usec) < 0) {
                job_free(again);
                return false;
        }
        return true;
}

static void answer_flight_on_job(Job *job, const JobResult *result, uint64_t now_usec) {
        AnswerFlight *flight = job->userdata;

        flight->job = NULL;
        LIST_REMOVE(flight, bucket);
        if (result->error == 0)
                answer_cache_keep(flight->cache, flight, result);
        else if (answer_flight_try_again(flight, job, result, now_usec))
                return;
        while (!TAILQ_EMPTY(&flight->waiters))
                transaction_end_exchange(TAILQ_FIRST(&flight->waiters), job, result, now_usec);
        answer_flight_free(flight);
}

void answer_flight_leave(AnswerFlight *flight, const Transaction *t) {
        const Transaction *other = TAILQ_FIRST(&flight->waiters);
        Job *job = flight->job;

        if (!job)
                return;
        if (!other) {
                LIST_REMOVE(flight, bucket);
                mailbox_withdraw(flight->cache->mailbox, job);
                answer_flight_free(flight);
        } else if (job->client == t->client) {
                job->client = other->client;
                job->uid = other->client->uid;
        }
}

const Job *answer_flight_get_job(const AnswerFlight *flight) {
        return flight->job;
}
