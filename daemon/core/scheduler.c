/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/scheduler.h"

#include <errno.h>

#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"

void scheduler_init(Scheduler *s) {
        *s = (Scheduler){};
        for (int p = 0; p < N_JOB_PRIORITIES; p++)
                TAILQ_INIT(&s->turns[p]);
}

static SchedulerClient *scheduler_find(const Scheduler *s, const Client *client, JobPriority priority) {
        SchedulerClient *sc;

        TAILQ_FOREACH (sc, &s->turns[priority], turns)
                if (sc->client == client)
                        return sc;
        return NULL;
}

int scheduler_add(Scheduler *s, Job *job, bool at_front) {
        SchedulerClient *sc = scheduler_find(s, job->client, job->priority);

        if (!sc) {
                sc = calloc(1, sizeof(*sc));
                if (!sc)
                        return -ENOMEM;
                sc->client = job->client;
                sc->priority = job->priority;
                TAILQ_INIT(&sc->jobs);
                if (at_front)
                        TAILQ_INSERT_HEAD(&s->turns[job->priority], sc, turns);
                else
                        TAILQ_INSERT_TAIL(&s->turns[job->priority], sc, turns);
        } else if (at_front) {
                TAILQ_REMOVE(&s->turns[job->priority], sc, turns);
                TAILQ_INSERT_HEAD(&s->turns[job->priority], sc, turns);
        }
        if (at_front)
                TAILQ_INSERT_HEAD(&sc->jobs, job, jobs);
        else
                TAILQ_INSERT_TAIL(&sc->jobs, job, jobs);
        job->queue = sc;
        s->n_jobs++;
        return 0;
}

void scheduler_remove(Scheduler *s, Job *job) {
        SchedulerClient *sc = job->queue;

        TAILQ_REMOVE(&sc->jobs, job, jobs);
        job->queue = NULL;
        s->n_jobs--;
        if (TAILQ_EMPTY(&sc->jobs)) {
                TAILQ_REMOVE(&s->turns[sc->priority], sc, turns);
                free(sc);
        }
}

/* The next job of that priority that has waited for longer than the aging time. By turns, too: among old
 * jobs the oldest would be those of whoever asked for the most. */
static Job *scheduler_find_aged(const Scheduler *s, JobPriority priority, const Limits *limits,
                                uint64_t now_usec) {
        SchedulerClient *sc;

        TAILQ_FOREACH (sc, &s->turns[priority], turns) {
                Job *job = TAILQ_FIRST(&sc->jobs);

                if (now_usec >= usec_add(job->submitted_usec, limits->aging_usec))
                        return job;
        }
        return NULL;
}

static Job *scheduler_first(const Scheduler *s, JobPriority priority) {
        SchedulerClient *sc = TAILQ_FIRST(&s->turns[priority]);

        return sc ? TAILQ_FIRST(&sc->jobs) : NULL;
}

Job *scheduler_peek(const Scheduler *s, const Limits *limits, uint64_t now_usec) {
        for (JobPriority p = JOB_URGENT; p < N_JOB_PRIORITIES; p++) {
                Job *own = scheduler_first(s, p), *aged = NULL;

                /* nobody to be preferred to: all of the next priority, old or not, take their turns */
                if (!own)
                        continue;
                if (p + 1 < N_JOB_PRIORITIES && s->n_own_turns[p] + 1 >= limits->aged_turns)
                        aged = scheduler_find_aged(s, p + 1, limits, now_usec);
                return aged ?: own;
        }
        return NULL;
}

Job *scheduler_peek_own(const Scheduler *s) {
        for (JobPriority p = JOB_URGENT; p < N_JOB_PRIORITIES; p++) {
                SchedulerClient *sc = scheduler_find(s, NULL, p);

                if (sc)
                        return TAILQ_FIRST(&sc->jobs);
        }
        return NULL;
}

/* An aged job's turn is that of the priority above its own, unless nobody of that one waits. */
static void scheduler_count_turn(Scheduler *s, const Job *job) {
        s->n_own_turns[job->priority]++;
        if (job->priority > JOB_URGENT)
                s->n_own_turns[job->priority - 1] = 0;
}

void scheduler_take(Scheduler *s, Job *job) {
        SchedulerClient *sc = job->queue;

        scheduler_count_turn(s, job);
        TAILQ_REMOVE(&s->turns[sc->priority], sc, turns);
        TAILQ_INSERT_TAIL(&s->turns[sc->priority], sc, turns);
        scheduler_remove(s, job);
}

Job *scheduler_next(const Scheduler *s, const Job *job) {
        SchedulerClient *sc = NULL;
        unsigned p = 0;

        if (job) {
                if (TAILQ_NEXT(job, jobs))
                        return TAILQ_NEXT(job, jobs);
                sc = TAILQ_NEXT(job->queue, turns);
                p = job->queue->priority + 1;
        }
        while (!sc && p < N_JOB_PRIORITIES)
                sc = TAILQ_FIRST(&s->turns[p++]);
        return sc ? TAILQ_FIRST(&sc->jobs) : NULL;
}
