/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which of a mailbox's waiting jobs is next: three priorities, by turns between clients within each, and no
 * starvation: a job that waited for long counts as one priority higher, within bounds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/core/job.h"
#include "daemon/core/limits.h"

/* The waiting jobs of one client at one priority. */
struct SchedulerClient {
        Client *client; /* NULL: doed's own */
        JobPriority priority;
        struct JobList jobs;
        TAILQ_ENTRY(SchedulerClient) turns;
};
TAILQ_HEAD(SchedulerClientList, SchedulerClient);

typedef struct Scheduler {
        struct SchedulerClientList
                        turns[N_JOB_PRIORITIES]; /* the first is next; after its turn it goes to the end */
        unsigned n_own_turns[N_JOB_PRIORITIES];  /* since an aged job had the last turn here */
        size_t n_jobs;
} Scheduler;

void scheduler_init(Scheduler *s);
/* Return: 0; -ENOMEM. @at_front: it was there before and keeps its place. */
int scheduler_add(Scheduler *s, Job *job, bool at_front);
void scheduler_remove(Scheduler *s, Job *job);
/* Who is next; NULL if nobody waits. Stays in the queue. */
Job *scheduler_peek(const Scheduler *s, const Limits *limits, uint64_t now_usec);
/* The oldest of doed's own jobs: all that passes while a mailbox is being discovered. */
Job *scheduler_peek_own(const Scheduler *s);
/* It had its turn: out of the queue, its client to the end. */
void scheduler_take(Scheduler *s, Job *job);
/* Walk all waiting jobs: NULL starts, NULL ends. */
Job *scheduler_next(const Scheduler *s, const Job *job);
