/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which of a mailbox's waiting jobs is next: three priorities, and within each fair by uid and then by
 * client (or lease), in device time and not in calls. No starvation: a job that waited for long counts as
 * one priority higher, within bounds.
 *
 * Fairness is start-time fair queueing, twice: each priority is shared by uids, each uid's part by its
 * clients. Whoever has used least is next. A turn is charged when it is taken, with what such a turn cost
 * before, and corrected when it ended. Who has nothing waiting is remembered as long as it has used more
 * than the others, so that a client with one call at a time gains nothing by it; nobody gains by having been
 * away. While nobody waits or works in a priority its virtual time goes on with the real one: old debts
 * lapse. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/config/limits.h"
#include "daemon/core/job.h"

#define SCHEDULER_BUCKETS  64u
#define SCHEDULER_IDLE_MAX 64u /* remembered of each priority's uids, and of each uid's clients */

TAILQ_HEAD(SchedulerShareList, SchedulerShare);
LIST_HEAD(SchedulerBucket, SchedulerShare);

/* One node of the tree: a priority as a whole, a uid in it, a client or lease in that. */
struct SchedulerShare {
        SchedulerShare *parent; /* NULL: a priority */
        uid_t uid;
        const void *who; /* compared only: it may be gone */

        uint64_t due_usec;         /* virtual time of its next turn, among its parent's parts */
        size_t n_waiting, n_taken; /* jobs; of a priority and a uid: those of their parts */
        enum {
                SCHEDULER_NOWHERE, /* nothing waits, but something is taken */
                SCHEDULER_WAITING,
                SCHEDULER_IDLE,
        } place;
        TAILQ_ENTRY(SchedulerShare) shares; /* in the list of its parent that is its place */
        LIST_ENTRY(SchedulerShare) bucket;

        struct SchedulerShareList waiting, idle; /* its parts, by rising due_usec */
        size_t n_idle;
        uint64_t virtual_usec; /* of its parts: what the one that is next has used */
        uint64_t ended_usec;   /* when something of it was last seen waiting or working */

        struct JobList jobs; /* of a client: in their turn (Job.jobs); of a uid: by age (Job.ages) */
        uint64_t mean_usec;  /* of a client: what its exchanges take; 0: not known */
};

typedef struct Scheduler {
        SchedulerShare priorities[N_JOB_PRIORITIES];
        struct SchedulerBucket buckets[SCHEDULER_BUCKETS]; /* all uids and clients */
        unsigned n_own_turns[N_JOB_PRIORITIES]; /* since a job of a lower priority had the last turn */
        uint64_t mean_usec;                     /* what an exchange takes, of whomever */
        size_t n_jobs;                          /* waiting */
} Scheduler;

void scheduler_init(Scheduler *s);
/* Forget what it remembers. No job may be waiting or taken. */
void scheduler_done(Scheduler *s);
/* Return: 0; -ENOMEM. @at_front: it was there before and keeps its place; what it was charged in advance is
 * given back. */
int scheduler_add(Scheduler *s, Job *job, bool at_front);
void scheduler_remove(Scheduler *s, Job *job);
/* Who is next; NULL if nobody waits. Stays in the queue. */
Job *scheduler_peek(const Scheduler *s, const Limits *limits, uint64_t now_usec);
/* The next of doed's own jobs: all that passes while a mailbox is being discovered. */
Job *scheduler_peek_own(const Scheduler *s);
/* It has its turn: out of the queue, charged in advance. */
void scheduler_take(Scheduler *s, Job *job);
/* It ended, and the device worked for it so long: 0 if it was not started. Once for each job that was taken
 * and did not come back by scheduler_add(). */
void scheduler_charge(Scheduler *s, Job *job, uint64_t device_usec);
/* A waiting job takes another priority, at the end of its client's jobs there. Return: 0; -ENOMEM, and it
 * stays where it is. */
int scheduler_set_priority(Scheduler *s, Job *job, JobPriority priority);
/* How many wait of that uid's calls and leases. */
size_t scheduler_count(const Scheduler *s, uid_t uid);
/* Walk all waiting jobs: NULL starts, NULL ends. */
Job *scheduler_next(const Scheduler *s, const Job *job);
