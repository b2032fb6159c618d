/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/scheduler.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"

/* doed's own jobs share as one more uid: a device with an endless table, read again and again, then takes no
 * more than one caller could. No uid_t is this one: chown(2) and setresuid(2) mean "none" by it. */
#define OWN_UID ((uid_t)-1)
/* No exchange may take as long; what a broken clock says must not run over. */
#define TURN_USEC_MAX (3600 * USEC_PER_SEC)

/* -------- the tree -------- */

static void share_init(SchedulerShare *share, SchedulerShare *parent, uid_t uid, const void *who) {
        *share = (SchedulerShare){ .parent = parent, .uid = uid, .who = who };
        TAILQ_INIT(&share->waiting);
        TAILQ_INIT(&share->idle);
        TAILQ_INIT(&share->jobs);
}

void scheduler_init(Scheduler *s) {
        *s = (Scheduler){};
        for (int p = 0; p < N_JOB_PRIORITIES; p++)
                share_init(&s->priorities[p], NULL, OWN_UID, NULL);
        for (size_t i = 0; i < SCHEDULER_BUCKETS; i++)
                LIST_INIT(&s->buckets[i]);
}

static size_t bucket_of(const SchedulerShare *parent, uid_t uid, const void *who) {
        uint64_t h = (uintptr_t)parent / 16 * UINT64_C(0x9e3779b97f4a7c15);

        h = (h ^ (uintptr_t)who / 16) * UINT64_C(0x9e3779b97f4a7c15);
        h = (h ^ uid) * UINT64_C(0x9e3779b97f4a7c15);
        return (size_t)(h >> 32) % SCHEDULER_BUCKETS;
}

static SchedulerShare *scheduler_find(const Scheduler *s, const SchedulerShare *parent, uid_t uid,
                                      const void *who) {
        SchedulerShare *share;

        LIST_FOREACH (share, &s->buckets[bucket_of(parent, uid, who)], bucket)
                if (share->parent == parent && share->uid == uid && share->who == who)
                        return share;
        return NULL;
}

static SchedulerShare *scheduler_find_or_make(Scheduler *s, SchedulerShare *parent, uid_t uid,
                                              const void *who) {
        SchedulerShare *share = scheduler_find(s, parent, uid, who);

        if (share)
                return share;
        share = malloc(sizeof(*share));
        if (!share)
                return NULL;
        share_init(share, parent, uid, who);
        LIST_INSERT_HEAD(&s->buckets[bucket_of(parent, uid, who)], share, bucket);
        return share;
}

static bool is_unused(const SchedulerShare *share) {
        return share->n_waiting == 0 && share->n_taken == 0;
}

static void share_free(SchedulerShare *share) {
        SchedulerShare *part;

        while ((part = TAILQ_FIRST(&share->idle))) {
                TAILQ_REMOVE(&share->idle, part, shares);
                share_free(part);
        }
        LIST_REMOVE(share, bucket);
        free(share);
}

/* The share of the one that @job is of, made if need be; NULL on no memory. */
static SchedulerShare *scheduler_share_of(Scheduler *s, const Job *job, JobPriority priority) {
        const void *who = job->lease ? (const void *)job->lease : job->client;
        uid_t uid = who ? job->uid : OWN_UID;
        SchedulerShare *of_uid = scheduler_find_or_make(s, &s->priorities[priority], uid, NULL), *share;

        if (!of_uid)
                return NULL;
        share = scheduler_find_or_make(s, of_uid, uid, who);
        if (!share && is_unused(of_uid) && of_uid->place == SCHEDULER_NOWHERE)
                share_free(of_uid);
        return share;
}

void scheduler_done(Scheduler *s) {
        assert(s->n_jobs == 0);
        for (int p = 0; p < N_JOB_PRIORITIES; p++) {
                SchedulerShare *share;

                assert(is_unused(&s->priorities[p]));
                while ((share = TAILQ_FIRST(&s->priorities[p].idle))) {
                        TAILQ_REMOVE(&s->priorities[p].idle, share, shares);
                        share_free(share);
                }
        }
}

/* -------- places -------- */

/* From the end: who had a turn, and who comes, is among the last as a rule. */
static void insert_sorted(struct SchedulerShareList *list, SchedulerShare *share, bool before_equals) {
        SchedulerShare *at = TAILQ_LAST(list, SchedulerShareList);

        while (at && (at->due_usec > share->due_usec || (before_equals && at->due_usec == share->due_usec)))
                at = TAILQ_PREV(at, SchedulerShareList, shares);
        if (at)
                TAILQ_INSERT_AFTER(list, at, share, shares);
        else
                TAILQ_INSERT_HEAD(list, share, shares);
}

/* Put it where it belongs, after a change of its due_usec or its numbers. */
static void share_settle(SchedulerShare *share, bool before_equals) {
        SchedulerShare *parent = share->parent;

        if (share->place == SCHEDULER_WAITING)
                TAILQ_REMOVE(&parent->waiting, share, shares);
        if (share->place == SCHEDULER_IDLE) {
                TAILQ_REMOVE(&parent->idle, share, shares);
                parent->n_idle--;
        }
        if (share->n_waiting > 0) {
                share->place = SCHEDULER_WAITING;
                insert_sorted(&parent->waiting, share, before_equals);
        } else if (share->n_taken > 0) {
                share->place = SCHEDULER_NOWHERE;
        } else {
                share->place = SCHEDULER_IDLE;
                parent->n_idle++;
                insert_sorted(&parent->idle, share, before_equals);
        }
}

/* Who owes nothing any more would come back as if new, and of the others not endlessly many are
 * remembered. */
static void share_forget_parts(SchedulerShare *parent) {
        SchedulerShare *first;

        while ((first = TAILQ_FIRST(&parent->idle)) &&
               (first->due_usec <= parent->virtual_usec || parent->n_idle > SCHEDULER_IDLE_MAX)) {
                TAILQ_REMOVE(&parent->idle, first, shares);
                parent->n_idle--;
                share_free(first);
        }
}

/* Of a client: what may be forgotten now of those beside it, itself included. */
static void scheduler_forget(SchedulerShare *share) {
        SchedulerShare *of_uid = share->parent, *priority = of_uid->parent;

        share_forget_parts(of_uid);
        share_forget_parts(priority);
}

/* -------- in and out -------- */

static void insert_by_age(struct JobList *ages, Job *job, bool from_front) {
        Job *at;

        if (from_front) {
                at = TAILQ_FIRST(ages);
                while (at && at->submitted_usec < job->submitted_usec)
                        at = TAILQ_NEXT(at, ages);
                if (at)
                        TAILQ_INSERT_BEFORE(at, job, ages);
                else
                        TAILQ_INSERT_TAIL(ages, job, ages);
                return;
        }
        at = TAILQ_LAST(ages, JobList);
        while (at && at->submitted_usec > job->submitted_usec)
                at = TAILQ_PREV(at, JobList, ages);
        if (at)
                TAILQ_INSERT_AFTER(ages, at, job, ages);
        else
                TAILQ_INSERT_HEAD(ages, job, ages);
}

static void scheduler_link(Scheduler *s, SchedulerShare *share, Job *job, bool at_front) {
        if (at_front)
                TAILQ_INSERT_HEAD(&share->jobs, job, jobs);
        else
                TAILQ_INSERT_TAIL(&share->jobs, job, jobs);
        insert_by_age(&share->parent->jobs, job, at_front);
        job->queue = share;
        s->n_jobs++;
}

static void scheduler_unlink(Scheduler *s, Job *job) {
        TAILQ_REMOVE(&job->queue->jobs, job, jobs);
        TAILQ_REMOVE(&job->queue->parent->jobs, job, ages);
        s->n_jobs--;
}

/* Time that passed while nothing of @share waited or worked was for whoever wanted it. */
static void share_catch_up(SchedulerShare *share, uint64_t now_usec) {
        if (!is_unused(share))
                return;
        share->virtual_usec += usec_sub(now_usec, share->ended_usec);
        share->ended_usec = MAX_OF(share->ended_usec, now_usec);
}

static void scheduler_enter(SchedulerShare *share, uint64_t now_usec) {
        for (SchedulerShare *parent; (parent = share->parent); share = parent) {
                share_catch_up(parent, now_usec);
                if (share->n_waiting++ > 0)
                        continue;
                share->due_usec = MAX_OF(share->due_usec, parent->virtual_usec);
                share_settle(share, /* before_equals= */ false);
        }
        share->n_waiting++;
}

/* A taken job that was not started comes back. If it had the turn of a higher priority, the next one there
 * is for an old job again. */
static void scheduler_give_back(Scheduler *s, Job *job) {
        SchedulerShare *share = job->queue;

        for (JobPriority p = job->turn; p < job->priority; p++)
                s->n_own_turns[p] = UINT_MAX - 1;
        for (; share->parent; share = share->parent) {
                share->n_taken--;
                share->n_waiting++;
                share->due_usec -= job->charged_usec;
                share_settle(share, /* before_equals= */ true);
        }
        share->n_taken--;
        share->n_waiting++;
        job->charged_usec = 0;
}

int scheduler_add(Scheduler *s, Job *job, bool at_front) {
        SchedulerShare *share = job->queue;

        if (share) {
                scheduler_give_back(s, job);
        } else {
                share = scheduler_share_of(s, job, job->priority);
                if (!share)
                        return -ENOMEM;
                scheduler_enter(share, job->submitted_usec);
        }
        scheduler_link(s, share, job, at_front);
        return 0;
}

void scheduler_remove(Scheduler *s, Job *job) {
        SchedulerShare *share = job->queue;

        scheduler_unlink(s, job);
        job->queue = NULL;
        for (SchedulerShare *at = share; at; at = at->parent)
                if (--at->n_waiting == 0 && at->parent)
                        share_settle(at, /* before_equals= */ false);
        scheduler_forget(share);
}

int scheduler_set_priority(Scheduler *s, Job *job, JobPriority priority) {
        SchedulerShare *share;

        if (priority == job->priority)
                return 0;
        share = scheduler_share_of(s, job, priority);
        if (!share)
                return -ENOMEM;
        scheduler_remove(s, job);
        job->priority = priority;
        scheduler_enter(share, job->submitted_usec);
        scheduler_link(s, share, job, /* at_front= */ false);
        return 0;
}

/* -------- turns -------- */

static bool is_aged(const Job *job, uint64_t aging_usec, uint64_t now_usec) {
        return now_usec >= usec_add(job->submitted_usec, aging_usec);
}

static Job *share_first_job(const SchedulerShare *priority) {
        const SchedulerShare *of_uid = TAILQ_FIRST(&priority->waiting);

        return of_uid ? TAILQ_FIRST(&TAILQ_FIRST(&of_uid->waiting)->jobs) : NULL;
}

/* The next job, in fairness, of those that have waited so long: among old jobs the oldest would be those of
 * whoever asked for the most. */
static Job *share_first_aged(const SchedulerShare *priority, uint64_t aging_usec, uint64_t now_usec) {
        const SchedulerShare *of_uid, *share;

        TAILQ_FOREACH (of_uid, &priority->waiting, shares) {
                Job *oldest = TAILQ_FIRST(&of_uid->jobs);

                if (!is_aged(oldest, aging_usec, now_usec))
                        continue;
                TAILQ_FOREACH (share, &of_uid->waiting, shares)
                        if (is_aged(TAILQ_FIRST(&share->jobs), aging_usec, now_usec))
                                return TAILQ_FIRST(&share->jobs);
                return oldest;
        }
        return NULL;
}

/* Who may have a turn of @priority, though it is of a lower one. One that is two lower had to wait twice as
 * long, or it takes a turn of the one between. */
static Job *scheduler_find_aged(const Scheduler *s, JobPriority priority, const Limits *limits,
                                uint64_t now_usec) {
        uint64_t aging_usec = limits->aging_usec;
        Job *aged;

        for (JobPriority p = priority + 1; p < N_JOB_PRIORITIES; p++) {
                if (p + 1 < N_JOB_PRIORITIES && s->n_own_turns[p] + 1 >= limits->aged_turns) {
                        aged = share_first_aged(&s->priorities[p + 1], usec_add(aging_usec, aging_usec),
                                                now_usec);
                        if (aged)
                                return aged;
                }
                aged = share_first_aged(&s->priorities[p], aging_usec, now_usec);
                if (aged)
                        return aged;
                aging_usec = usec_add(aging_usec, limits->aging_usec);
        }
        return NULL;
}

Job *scheduler_peek(const Scheduler *s, const Limits *limits, uint64_t now_usec) {
        for (JobPriority p = JOB_URGENT; p < N_JOB_PRIORITIES; p++) {
                Job *own = share_first_job(&s->priorities[p]), *aged = NULL;

                /* nobody to be preferred to: all of the next priority, old or not, have their turns */
                if (!own)
                        continue;
                if (s->n_own_turns[p] + 1 >= limits->aged_turns)
                        aged = scheduler_find_aged(s, p, limits, now_usec);
                return aged ?: own;
        }
        return NULL;
}

Job *scheduler_peek_own(const Scheduler *s) {
        for (JobPriority p = JOB_URGENT; p < N_JOB_PRIORITIES; p++) {
                const SchedulerShare *own = scheduler_find(s, &s->priorities[p], OWN_UID, NULL);

                if (own && own->n_waiting > 0)
                        return TAILQ_FIRST(&TAILQ_FIRST(&own->waiting)->jobs);
        }
        return NULL;
}

/* An aged job has the turn of the highest priority in which somebody waits. */
static void scheduler_count_turn(Scheduler *s, Job *job) {
        job->turn = JOB_URGENT;
        while (s->priorities[job->turn].n_waiting == 0)
                job->turn++;
        if (s->n_own_turns[job->priority] < UINT_MAX - 1)
                s->n_own_turns[job->priority]++;
        for (JobPriority p = JOB_URGENT; p < job->priority; p++)
                s->n_own_turns[p] = 0;
}

static uint64_t scheduler_estimate(const Scheduler *s, const SchedulerShare *share) {
        return share->mean_usec ?: s->mean_usec ?: 1;
}

void scheduler_take(Scheduler *s, Job *job) {
        SchedulerShare *share = job->queue;

        scheduler_count_turn(s, job);
        job->charged_usec = scheduler_estimate(s, share);
        scheduler_unlink(s, job);
        for (SchedulerShare *at = share; at; at = at->parent) {
                at->n_waiting--;
                at->n_taken++;
                if (!at->parent)
                        break;
                /* an aged one may have been taken out of turn: the others' turn is still that of the first
                 */
                at->parent->virtual_usec = MAX_OF(at->parent->virtual_usec,
                                                  TAILQ_FIRST(&at->parent->waiting)->due_usec);
                at->due_usec += job->charged_usec;
                share_settle(at, /* before_equals= */ false);
        }
        scheduler_forget(share);
}

static void mean_take(uint64_t *mean_usec, uint64_t usec) {
        *mean_usec = *mean_usec == 0 ? usec : (3 * *mean_usec + usec) / 4;
}

void scheduler_charge(Scheduler *s, Job *job, uint64_t device_usec) {
        SchedulerShare *share = job->queue;
        uint64_t ended_usec;

        if (!share)
                return;
        if (job->state == JOB_RUNNING)
                device_usec = MAX_OF(device_usec, UINT64_C(1));
        device_usec = MIN_OF(device_usec, TURN_USEC_MAX);
        if (device_usec > 0) {
                mean_take(&share->mean_usec, device_usec);
                mean_take(&s->mean_usec, device_usec);
        }
        ended_usec = usec_add(job->started_usec, device_usec);
        for (SchedulerShare *at = share; at; at = at->parent) {
                at->n_taken--;
                at->ended_usec = MAX_OF(at->ended_usec, ended_usec);
                if (!at->parent)
                        break;
                at->due_usec = at->due_usec - job->charged_usec + device_usec;
                share_settle(at, /* before_equals= */ false);
        }
        job->queue = NULL;
        job->charged_usec = 0;
        scheduler_forget(share);
}

/* -------- looking -------- */

size_t scheduler_count(const Scheduler *s, uid_t uid) {
        size_t n = 0;

        for (int p = 0; p < N_JOB_PRIORITIES; p++) {
                const SchedulerShare *share = scheduler_find(s, &s->priorities[p], uid, NULL);

                n += share ? share->n_waiting : 0;
        }
        return n;
}

/* The first job of the shares from @of_uid on. */
static Job *first_job_from(const SchedulerShare *of_uid) {
        return of_uid ? TAILQ_FIRST(&TAILQ_FIRST(&of_uid->waiting)->jobs) : NULL;
}

Job *scheduler_next(const Scheduler *s, const Job *job) {
        unsigned p = 0;

        if (job) {
                const SchedulerShare *share = job->queue, *of_uid = share->parent;

                if (TAILQ_NEXT(job, jobs))
                        return TAILQ_NEXT(job, jobs);
                if (TAILQ_NEXT(share, shares))
                        return TAILQ_FIRST(&TAILQ_NEXT(share, shares)->jobs);
                if (TAILQ_NEXT(of_uid, shares))
                        return first_job_from(TAILQ_NEXT(of_uid, shares));
                p = job->priority + 1;
        }
        for (; p < N_JOB_PRIORITIES; p++)
                if (s->priorities[p].n_waiting > 0)
                        return share_first_job(&s->priorities[p]);
        return NULL;
}
