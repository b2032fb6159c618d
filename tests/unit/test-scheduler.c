/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/scheduler.h"

#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"
#include "tests/unit/suite.h"

/* Only their addresses count. */
static Client *const alice = (Client *)0x10, *const bob = (Client *)0x20;

static Scheduler s;
static Job *jobs[64];
static size_t n_jobs;

static Job *add(Client *client, JobPriority priority, uint64_t submitted_usec) {
        Job *job = job_new(0x1234, 1, NULL, 0);

        job->client = client;
        job->priority = priority;
        job->submitted_usec = submitted_usec;
        ck_assert_int_eq(scheduler_add(&s, job, /* at_front= */ false), 0);
        jobs[n_jobs++] = job;
        return job;
}

static Job *take(uint64_t now_usec) {
        Job *job = scheduler_peek(&s, &limits_default, now_usec);

        if (job)
                scheduler_take(&s, job);
        return job;
}

static void start(void) {
        scheduler_init(&s);
        n_jobs = 0;
}

static void stop(void) {
        while (take(0))
                ;
        ck_assert_uint_eq(s.n_jobs, 0);
        for (size_t i = 0; i < n_jobs; i++)
                job_free(jobs[i]);
}

START_TEST(urgent_goes_before_normal_before_background) {
        Job *background, *normal, *urgent;

        start();
        background = add(alice, JOB_BACKGROUND, 0);
        normal = add(alice, JOB_NORMAL, 0);
        urgent = add(alice, JOB_URGENT, 0);
        ck_assert_ptr_eq(take(1), urgent);
        ck_assert_ptr_eq(take(1), normal);
        ck_assert_ptr_eq(take(1), background);
        ck_assert_ptr_null(take(1));
        stop();
}
END_TEST

START_TEST(a_flood_of_one_client_leaves_every_second_turn_to_another) {
        Job *b[2];

        start();
        for (int i = 0; i < 20; i++)
                add(alice, JOB_NORMAL, 0);
        b[0] = add(bob, JOB_NORMAL, 0);
        b[1] = add(bob, JOB_NORMAL, 0);
        ck_assert_ptr_eq(take(1)->client, alice);
        ck_assert_ptr_eq(take(1), b[0]);
        ck_assert_ptr_eq(take(1)->client, alice);
        ck_assert_ptr_eq(take(1), b[1]);
        stop();
}
END_TEST

START_TEST(an_aged_job_takes_every_fourth_turn_of_the_priority_above) {
        unsigned n_background = 0;
        uint64_t now_usec = limits_default.aging_usec + 1;

        start();
        for (int i = 0; i < 20; i++) {
                add(alice, JOB_NORMAL, now_usec);
                add(bob, JOB_BACKGROUND, 0);
        }
        for (int i = 0; i < 20; i++)
                n_background += take(now_usec)->priority == JOB_BACKGROUND;
        ck_assert_uint_eq(n_background, 5);
        stop();
}
END_TEST

START_TEST(old_jobs_take_turns_too) {
        uint64_t now_usec = limits_default.aging_usec + 2;
        Job *b;

        start();
        for (int i = 0; i < 20; i++)
                add(alice, JOB_NORMAL, 0);
        b = add(bob, JOB_NORMAL, 1); /* old as well, but younger than all of them */
        ck_assert_ptr_eq(take(now_usec)->client, alice);
        ck_assert_ptr_eq(take(now_usec), b);
        stop();
}
END_TEST

START_TEST(a_young_job_of_low_priority_waits) {
        start();
        for (int i = 0; i < 10; i++) {
                add(alice, JOB_NORMAL, 0);
                add(bob, JOB_BACKGROUND, 0);
        }
        for (int i = 0; i < 10; i++)
                ck_assert_int_eq(take(limits_default.aging_usec - 1)->priority, JOB_NORMAL);
        stop();
}
END_TEST

START_TEST(what_comes_back_is_next) {
        Job *first;

        start();
        first = add(alice, JOB_NORMAL, 0);
        add(alice, JOB_NORMAL, 0);
        add(bob, JOB_NORMAL, 0);
        ck_assert_ptr_eq(take(1), first);
        scheduler_add(&s, first, /* at_front= */ true);
        ck_assert_ptr_eq(take(1), first);
        stop();
}
END_TEST

START_TEST(the_walk_sees_each_waiting_job_once) {
        size_t n = 0;

        start();
        for (int i = 0; i < 3; i++)
                for (JobPriority p = JOB_URGENT; p < N_JOB_PRIORITIES; p++) {
                        add(alice, p, 0);
                        add(bob, p, 0);
                }
        for (const Job *job = scheduler_next(&s, NULL); job; job = scheduler_next(&s, job))
                n++;
        ck_assert_uint_eq(n, s.n_jobs);
        stop();
}
END_TEST

START_TEST(own_jobs_are_found_behind_those_of_clients) {
        Job *own;

        start();
        add(alice, JOB_URGENT, 0);
        own = add(NULL, JOB_NORMAL, 0);
        ck_assert_ptr_eq(scheduler_peek_own(&s), own);
        scheduler_remove(&s, own);
        ck_assert_ptr_null(scheduler_peek_own(&s));
        stop();
}
END_TEST

DEFINE_SUITE("scheduler", urgent_goes_before_normal_before_background,
             a_flood_of_one_client_leaves_every_second_turn_to_another,
             an_aged_job_takes_every_fourth_turn_of_the_priority_above, old_jobs_take_turns_too,
             a_young_job_of_low_priority_waits, what_comes_back_is_next, the_walk_sees_each_waiting_job_once,
             own_jobs_are_found_behind_those_of_clients)
