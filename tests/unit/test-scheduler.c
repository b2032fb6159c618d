/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/scheduler.h"

#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"
#include "tests/unit/suite.h"

#define ALICE_UID 1000u
#define BOB_UID   1001u
#define CAROL_UID 1002u

/* Only their addresses count. */
static Client *const alice = (Client *)0x10, *const bob = (Client *)0x20, *const carol = (Client *)0x30;

static Scheduler s;
static Job *jobs[4096];
static size_t n_jobs;

static Job *add_of(Client *client, uid_t uid, JobPriority priority, uint64_t submitted_usec) {
        Job *job = job_new(0x1234, 1, NULL, 0);

        ck_assert_ptr_nonnull(job);
        ck_assert_uint_lt(n_jobs, ELEMENTS(jobs));
        job->client = client;
        job->uid = uid;
        job->priority = priority;
        job->submitted_usec = submitted_usec;
        ck_assert_int_eq(scheduler_add(&s, job, /* at_front= */ false), 0);
        jobs[n_jobs++] = job;
        return job;
}

static Job *add(Client *client, JobPriority priority, uint64_t submitted_usec) {
        return add_of(client,
                      client == bob     ? BOB_UID
                      : client == carol ? CAROL_UID
                                        : ALICE_UID,
                      priority, submitted_usec);
}

static Job *take(uint64_t now_usec) {
        Job *job = scheduler_peek(&s, &limits_default, now_usec);

        if (job)
                scheduler_take(&s, job);
        return job;
}

/* It ran from @now_usec on. */
static void end(Job *job, uint64_t now_usec, uint64_t device_usec) {
        job->state = JOB_RUNNING;
        job->started_usec = now_usec;
        scheduler_charge(&s, job, device_usec);
}

static Job *run(uint64_t now_usec, uint64_t device_usec) {
        Job *job = take(now_usec);

        if (job)
                end(job, now_usec, device_usec);
        return job;
}

static void start(void) {
        scheduler_init(&s);
        n_jobs = 0;
}

static void stop(void) {
        while (run(0, 1))
                ;
        for (size_t i = 0; i < n_jobs; i++)
                if (jobs[i]->queue)
                        scheduler_charge(&s, jobs[i], 0);
        ck_assert_uint_eq(s.n_jobs, 0);
        scheduler_done(&s);
        for (size_t i = 0; i < SCHEDULER_BUCKETS; i++)
                ck_assert_ptr_null(LIST_FIRST(&s.buckets[i]));
        for (size_t i = 0; i < n_jobs; i++)
                job_free(jobs[i]);
}

/* -------- order -------- */

START_TEST(urgent_goes_before_normal_before_background) {
        Job *background, *normal, *urgent;

        start();
        background = add(alice, JOB_BACKGROUND, 0);
        normal = add(alice, JOB_NORMAL, 0);
        urgent = add(alice, JOB_URGENT, 0);
        ck_assert_ptr_eq(run(1, 1), urgent);
        ck_assert_ptr_eq(run(1, 1), normal);
        ck_assert_ptr_eq(run(1, 1), background);
        ck_assert_ptr_null(take(1));
        stop();
}
END_TEST

START_TEST(a_flood_of_one_uid_leaves_every_second_turn_to_another) {
        Job *b[2];

        start();
        for (int i = 0; i < 20; i++)
                add(alice, JOB_NORMAL, 0);
        b[0] = add(bob, JOB_NORMAL, 0);
        b[1] = add(bob, JOB_NORMAL, 0);
        ck_assert_ptr_eq(run(1, 10)->client, alice);
        ck_assert_ptr_eq(run(1, 10), b[0]);
        ck_assert_ptr_eq(run(1, 10)->client, alice);
        ck_assert_ptr_eq(run(1, 10), b[1]);
        stop();
}
END_TEST

START_TEST(many_clients_of_one_uid_weigh_no_more_than_one_of_another) {
        unsigned n_bob = 0;

        start();
        for (uintptr_t i = 0; i < 50; i++)
                for (int j = 0; j < 4; j++)
                        add_of((Client *)(0x100 + 16 * i), ALICE_UID, JOB_NORMAL, 0);
        for (int i = 0; i < 100; i++)
                add(bob, JOB_NORMAL, 0);
        for (int i = 0; i < 100; i++)
                n_bob += run(1, 10)->uid == BOB_UID;
        ck_assert_uint_eq(n_bob, 50);
        stop();
}
END_TEST

START_TEST(within_a_uid_its_clients_take_turns) {
        unsigned n_alice = 0;

        start();
        for (int i = 0; i < 100; i++)
                add_of(alice, ALICE_UID, JOB_NORMAL, 0);
        for (int i = 0; i < 10; i++)
                add_of(bob, ALICE_UID, JOB_NORMAL, 0);
        for (int i = 0; i < 20; i++)
                n_alice += run(1, 10)->client == alice;
        ck_assert_uint_eq(n_alice, 10);
        stop();
}
END_TEST

START_TEST(leases_are_told_apart_from_clients_and_from_each_other) {
        Job *of_lease[2];

        start();
        for (int i = 0; i < 10; i++)
                add(alice, JOB_NORMAL, 0);
        for (uintptr_t i = 0; i < 2; i++) {
                of_lease[i] = job_new(0x0001, 1, NULL, 0);
                of_lease[i]->lease = (Lease *)(0x1000 + 16 * i);
                of_lease[i]->uid = ALICE_UID;
                ck_assert_int_eq(scheduler_add(&s, of_lease[i], false), 0);
                jobs[n_jobs++] = of_lease[i];
        }
        ck_assert_uint_eq(scheduler_count(&s, ALICE_UID), 12);
        ck_assert_ptr_eq(run(1, 10)->client, alice);
        ck_assert_ptr_eq(run(1, 10), of_lease[0]);
        ck_assert_ptr_eq(run(1, 10), of_lease[1]);
        stop();
}
END_TEST

START_TEST(own_jobs_are_found_behind_those_of_clients_and_count_for_no_uid) {
        Job *own;

        start();
        add(alice, JOB_URGENT, 0);
        own = add_of(NULL, 0, JOB_NORMAL, 0);
        ck_assert_ptr_eq(scheduler_peek_own(&s), own);
        ck_assert_uint_eq(scheduler_count(&s, 0), 0);
        ck_assert_uint_eq(scheduler_count(&s, ALICE_UID), 1);
        scheduler_remove(&s, own);
        ck_assert_ptr_null(scheduler_peek_own(&s));
        stop();
}
END_TEST

START_TEST(a_long_read_of_doeds_own_takes_no_more_than_a_uid) {
        unsigned n_own = 0;

        start();
        for (int i = 0; i < 100; i++) {
                add(alice, JOB_NORMAL, 0);
                add(bob, JOB_NORMAL, 0);
                add_of(NULL, 0, JOB_NORMAL, 0);
        }
        for (int i = 0; i < 90; i++)
                n_own += run(1, 10)->client == NULL;
        ck_assert_uint_eq(n_own, 30);
        stop();
}
END_TEST

/* -------- coming back, going away -------- */

START_TEST(what_comes_back_unstarted_is_next_and_costs_nothing) {
        Job *first;

        start();
        first = add(alice, JOB_NORMAL, 0);
        add(alice, JOB_NORMAL, 0);
        add(bob, JOB_NORMAL, 0);
        ck_assert_ptr_eq(take(1), first);
        ck_assert_int_eq(scheduler_add(&s, first, /* at_front= */ true), 0);
        ck_assert_uint_eq(s.n_jobs, 3);
        ck_assert_ptr_eq(run(1, 10), first);
        ck_assert_ptr_eq(run(1, 10)->client, bob);
        stop();
}
END_TEST

START_TEST(jobs_that_were_not_started_are_given_back) {
        start();
        for (int i = 0; i < 10; i++) {
                add(alice, JOB_NORMAL, 0);
                add(bob, JOB_NORMAL, 0);
        }
        /* so that a turn is known to cost much */
        ck_assert_ptr_eq(run(1, 1000)->client, alice);
        ck_assert_ptr_eq(run(1, 1000)->client, bob);
        for (int i = 0; i < 3; i++) {
                Job *job = take(1);

                ck_assert_ptr_eq(job->client, alice);
                scheduler_charge(&s, job, 0);
                job = take(1);
                ck_assert_ptr_eq(job->client, bob);
                scheduler_charge(&s, job, 0);
        }
        ck_assert_ptr_eq(run(1, 1000)->client, alice);
        ck_assert_ptr_eq(run(1, 1000)->client, bob);
        stop();
}
END_TEST

START_TEST(a_job_that_is_withdrawn_leaves_nothing_behind) {
        Job *job;

        start();
        job = add(alice, JOB_NORMAL, 0);
        scheduler_remove(&s, job);
        ck_assert_uint_eq(scheduler_count(&s, ALICE_UID), 0);
        for (size_t i = 0; i < SCHEDULER_BUCKETS; i++)
                ck_assert_ptr_null(LIST_FIRST(&s.buckets[i]));
        stop();
}
END_TEST

START_TEST(another_priority_is_taken_while_waiting) {
        Job *raised;

        start();
        add(alice, JOB_NORMAL, 0);
        add(bob, JOB_BACKGROUND, 0);
        raised = add(bob, JOB_BACKGROUND, 0);
        ck_assert_int_eq(scheduler_set_priority(&s, raised, JOB_URGENT), 0);
        ck_assert_int_eq(scheduler_set_priority(&s, raised, JOB_URGENT), 0);
        ck_assert_uint_eq(s.n_jobs, 3);
        ck_assert_ptr_eq(run(1, 10), raised);
        ck_assert_ptr_eq(run(1, 10)->client, alice);
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
                        add_of(carol, ALICE_UID, p, 0);
                }
        take(1);
        for (const Job *job = scheduler_next(&s, NULL); job; job = scheduler_next(&s, job))
                n++;
        ck_assert_uint_eq(n, 26);
        ck_assert_uint_eq(n, s.n_jobs);
        stop();
}
END_TEST

/* -------- memory of what was used -------- */

START_TEST(one_call_at_a_time_does_not_hide_what_the_last_one_took) {
        unsigned n_bob = 0;

        start();
        for (int i = 0; i < 200; i++)
                add(bob, JOB_NORMAL, 0);
        add(alice, JOB_NORMAL, 0);
        ck_assert_ptr_eq(run(1, 10)->client, bob);
        ck_assert_ptr_eq(run(1, 1000)->client, alice);
        add(alice, JOB_NORMAL, 1);
        while (run(1, 10)->client == bob)
                n_bob++;
        ck_assert_uint_ge(n_bob, 98);
        ck_assert_uint_le(n_bob, 100);
        stop();
}
END_TEST

START_TEST(an_idle_uid_gains_no_credit) {
        unsigned n_alice = 0;

        start();
        ck_assert_ptr_eq(add(alice, JOB_NORMAL, 0), run(1, 10));
        for (int i = 0; i < 400; i++)
                add(bob, JOB_NORMAL, 1);
        for (int i = 0; i < 200; i++)
                ck_assert_ptr_eq(run(1, 10)->client, bob);
        for (int i = 0; i < 100; i++)
                add(alice, JOB_NORMAL, 2);
        for (int i = 0; i < 100; i++)
                n_alice += run(3, 10)->client == alice;
        ck_assert_uint_ge(n_alice, 49);
        ck_assert_uint_le(n_alice, 51);
        stop();
}
END_TEST

START_TEST(a_debt_lapses_while_nobody_waits) {
        start();
        add(alice, JOB_NORMAL, 1);
        ck_assert_ptr_eq(run(1, 20 * USEC_PER_SEC)->client, alice);
        add(alice, JOB_NORMAL, 100 * USEC_PER_SEC);
        add(bob, JOB_NORMAL, 100 * USEC_PER_SEC);
        add(bob, JOB_NORMAL, 100 * USEC_PER_SEC);
        ck_assert_ptr_eq(run(1, 10)->client, alice);
        ck_assert_ptr_eq(run(1, 10)->client, bob);
        stop();
}
END_TEST

START_TEST(who_comes_and_goes_is_remembered_within_bounds) {
        size_t n = 0;

        start();
        for (uintptr_t i = 0; i < 1000; i++) {
                add_of((Client *)(0x10000 + 16 * i), (uid_t)(2000 + i), JOB_NORMAL, 0);
                run(1, 10 + i);
                add_of((Client *)(0x10000 + 16 * i), ALICE_UID, JOB_BACKGROUND, 0);
                run(1, 10 + i);
        }
        for (size_t i = 0; i < SCHEDULER_BUCKETS; i++) {
                const SchedulerShare *share;

                LIST_FOREACH (share, &s.buckets[i], bucket)
                        n++;
        }
        ck_assert_uint_le(n, 4 * SCHEDULER_IDLE_MAX);
        stop();
}
END_TEST

/* -------- aging -------- */

START_TEST(an_aged_job_takes_every_fourth_turn_of_the_priority_above) {
        unsigned n_background = 0;
        uint64_t now_usec = limits_default.aging_usec + 1;

        start();
        for (int i = 0; i < 20; i++) {
                add(alice, JOB_NORMAL, now_usec);
                add(bob, JOB_BACKGROUND, 0);
        }
        for (int i = 0; i < 20; i++)
                n_background += run(now_usec, 1)->priority == JOB_BACKGROUND;
        ck_assert_uint_eq(n_background, 5);
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
                ck_assert_int_eq(run(limits_default.aging_usec - 1, 1)->priority, JOB_NORMAL);
        stop();
}
END_TEST

START_TEST(aged_jobs_are_taken_in_fairness_and_not_by_age) {
        uint64_t now_usec = limits_default.aging_usec + 2;
        Job *b;

        start();
        for (int i = 0; i < 20; i++) {
                add(carol, JOB_NORMAL, now_usec);
                add(alice, JOB_BACKGROUND, 0);
        }
        b = add(bob, JOB_BACKGROUND, 1); /* old as well, but younger than all of them */
        for (int i = 0; i < 3; i++)
                ck_assert_ptr_eq(run(now_usec, 1)->client, carol);
        ck_assert_ptr_eq(run(now_usec, 1)->client, alice);
        for (int i = 0; i < 3; i++)
                ck_assert_ptr_eq(run(now_usec, 1)->client, carol);
        ck_assert_ptr_eq(run(now_usec, 1), b);
        stop();
}
END_TEST

START_TEST(an_aged_job_is_found_behind_young_ones_that_are_due_earlier) {
        uint64_t now_usec = limits_default.aging_usec + 1;
        Job *old, *young;

        start();
        add(alice, JOB_BACKGROUND, 0);
        run(1, 1000); /* alice has used much */
        old = add(alice, JOB_BACKGROUND, 1);
        young = add(bob, JOB_BACKGROUND, now_usec);
        for (int i = 0; i < 3; i++)
                add(carol, JOB_NORMAL, now_usec);
        ck_assert_ptr_eq(scheduler_peek(&s, &limits_default, now_usec)->client, carol);
        for (int i = 0; i < 3; i++)
                run(now_usec, 1);
        add(carol, JOB_NORMAL, now_usec);
        ck_assert_ptr_eq(run(now_usec, 1), old);
        ck_assert_ptr_eq(run(now_usec, 1)->client, carol);
        ck_assert_ptr_eq(run(now_usec, 1), young);
        stop();
}
END_TEST

START_TEST(an_aged_job_that_was_asked_back_has_the_next_turn_for_one) {
        uint64_t now_usec = limits_default.aging_usec + 1;
        Job *aged, *urgent;

        start();
        add(bob, JOB_BACKGROUND, 0);
        for (int i = 0; i < 8; i++)
                add(alice, JOB_NORMAL, now_usec);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(run(now_usec, 1)->turn, JOB_NORMAL);
        aged = take(now_usec);
        ck_assert_int_eq(aged->priority, JOB_BACKGROUND);
        /* so that a normal job is no reason to ask it back */
        ck_assert_int_eq(aged->turn, JOB_NORMAL);
        urgent = add(carol, JOB_URGENT, now_usec);
        ck_assert_int_eq(scheduler_add(&s, aged, /* at_front= */ true), 0);
        ck_assert_ptr_eq(run(now_usec, 1), urgent);
        ck_assert_ptr_eq(run(now_usec, 1), aged);
        ck_assert_int_eq(run(now_usec, 1)->priority, JOB_NORMAL);
        stop();
}
END_TEST

START_TEST(background_is_served_under_urgent_and_normal_floods) {
        uint64_t now_usec = 2 * limits_default.aging_usec + 1;
        unsigned n[N_JOB_PRIORITIES] = {};

        start();
        for (int i = 0; i < 64; i++) {
                add(alice, JOB_URGENT, now_usec);
                add(bob, JOB_NORMAL, 0);
                add(carol, JOB_BACKGROUND, 0);
        }
        for (int i = 0; i < 64; i++)
                n[run(now_usec, 1)->priority]++;
        ck_assert_uint_eq(n[JOB_URGENT], 48);
        ck_assert_uint_eq(n[JOB_NORMAL], 12);
        ck_assert_uint_eq(n[JOB_BACKGROUND], 4);
        stop();
}
END_TEST

START_TEST(background_is_served_where_only_urgent_ones_flood) {
        unsigned n_background = 0;
        uint64_t now_usec = 2 * limits_default.aging_usec + 1;

        start();
        for (int i = 0; i < 16; i++) {
                add(alice, JOB_URGENT, now_usec);
                add(carol, JOB_BACKGROUND, 0);
        }
        for (int i = 0; i < 16; i++)
                n_background += run(now_usec, 1)->priority == JOB_BACKGROUND;
        ck_assert_uint_eq(n_background, 4);
        stop();
}
END_TEST

/* -------- a device and its callers, in virtual time -------- */

#define ACTORS_MAX 256u

typedef struct Actor {
        uid_t uid;
        JobPriority priority;
        uint64_t service_usec;
        uint64_t think_usec;  /* between an answer and the next call */
        unsigned n_at_once;   /* calls under way at most */
        unsigned n_under_way; /* waiting or at the device */
        uint64_t next_usec;   /* of the next call */
        uint64_t used_usec;
        unsigned n_done;
} Actor;

typedef struct World {
        Actor actors[ACTORS_MAX];
        size_t n_actors;
        Job *running, *staged;
        uint64_t now_usec, random;
} World;

static World world;

static Actor *world_add(uid_t uid, JobPriority priority, uint64_t service_usec, unsigned n_at_once,
                        uint64_t think_usec) {
        Actor *a = &world.actors[world.n_actors++];

        ck_assert_uint_le(world.n_actors, ACTORS_MAX);
        *a = (Actor){ .uid = uid,
                      .priority = priority,
                      .service_usec = service_usec,
                      .think_usec = think_usec,
                      .n_at_once = n_at_once,
                      .next_usec = world.now_usec };
        return a;
}

static void world_submit(void) {
        for (size_t i = 0; i < world.n_actors; i++) {
                Actor *a = &world.actors[i];

                while (a->n_under_way < a->n_at_once && a->next_usec <= world.now_usec) {
                        Job *job = job_new(0x1234, 1, NULL, 0);

                        job->client = (Client *)a;
                        job->uid = a->uid;
                        job->priority = a->priority;
                        job->submitted_usec = world.now_usec;
                        job->userdata = a;
                        ck_assert_int_eq(scheduler_add(&s, job, false), 0);
                        a->n_under_way++;
                }
        }
}

/* One running and one staged, as a mailbox does; the staged one is recalled for a more urgent one. */
static void world_feed(void) {
        Job *job = scheduler_peek(&s, &limits_default, world.now_usec);

        if (world.staged && job && job->priority < world.staged->turn) {
                ck_assert_int_eq(scheduler_add(&s, world.staged, /* at_front= */ true), 0);
                world.staged = NULL;
        }
        while (!world.staged && (job = scheduler_peek(&s, &limits_default, world.now_usec))) {
                scheduler_take(&s, job);
                if (world.running)
                        world.staged = job;
                else
                        world.running = job;
        }
}

static uint64_t world_service(const Actor *a) {
        world.random = world.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        /* half to one and a half of it */
        return a->service_usec / 2 + (world.random >> 33) % a->service_usec;
}

static void world_end_one(void) {
        Job *job = world.running;
        Actor *a = job->userdata;
        uint64_t usec = world_service(a);

        job->state = JOB_RUNNING;
        job->started_usec = world.now_usec;
        world.now_usec += usec;
        a->used_usec += usec;
        a->n_done++;
        a->n_under_way--;
        a->next_usec = world.now_usec + a->think_usec;
        world.running = world.staged;
        world.staged = NULL;
        scheduler_charge(&s, job, usec);
        job_free(job);
}

static void world_run(uint64_t usec) {
        uint64_t end_usec = world.now_usec + usec;

        while (world.now_usec < end_usec) {
                world_submit();
                world_feed();
                if (world.running) {
                        world_end_one();
                        world_feed(); /* the answer's client comes back later than this */
                } else
                        world.now_usec += 10;
        }
}

static void world_start(void) {
        world = (World){ .now_usec = USEC_PER_SEC, .random = 42 };
        start();
}

static void world_stop(void) {
        Job *job;

        for (size_t i = 0; i < world.n_actors; i++)
                world.actors[i].n_at_once = 0;
        while (world.running) {
                world_end_one();
                world_feed();
        }
        while ((job = scheduler_next(&s, NULL))) {
                scheduler_remove(&s, job);
                job_free(job);
        }
        stop();
}

/* Jain's index of device time per uid within @priority. */
static double world_jain(JobPriority priority) {
        double sum = 0, sum_of_squares = 0;
        unsigned n_uids = 0;

        for (uid_t uid = ALICE_UID; uid < ALICE_UID + 16; uid++) {
                double used = 0;
                bool is_there = false;

                for (size_t i = 0; i < world.n_actors; i++)
                        if (world.actors[i].uid == uid && world.actors[i].priority == priority) {
                                used += (double)world.actors[i].used_usec;
                                is_there = true;
                        }
                sum += used;
                sum_of_squares += used * used;
                n_uids += is_there;
        }
        return sum * sum / (n_uids * sum_of_squares);
}

START_TEST(device_time_is_shared_evenly_whatever_the_service_times) {
        static const uint64_t service_usec[] = { 50, 200, 1000, 5000 };

        world_start();
        for (uid_t i = 0; i < 4; i++)
                for (unsigned j = 0; j < 3 + 4 * i; j++)
                        world_add(ALICE_UID + i, JOB_NORMAL, service_usec[i], 8, 0);
        world_run(20 * USEC_PER_SEC);
        ck_assert_double_ge(world_jain(JOB_NORMAL), 0.99);
        world_stop();
}
END_TEST

START_TEST(clients_with_one_call_at_a_time_share_evenly_too) {
        static const uint64_t service_usec[] = { 100, 300, 700, 3000 };

        world_start();
        for (uid_t i = 0; i < 4; i++)
                for (unsigned j = 0; j < 25; j++)
                        world_add(ALICE_UID + i, JOB_NORMAL, service_usec[i], 1, 20 + 10 * j);
        world_run(20 * USEC_PER_SEC);
        ck_assert_double_ge(world_jain(JOB_NORMAL), 0.99);
        world_stop();
}
END_TEST

START_TEST(floods_and_single_calls_share_evenly) {
        world_start();
        world_add(ALICE_UID, JOB_NORMAL, 400, 200, 0);
        for (unsigned j = 0; j < 6; j++)
                world_add(BOB_UID, JOB_NORMAL, 900, 1, 0);
        for (unsigned j = 0; j < 40; j++)
                world_add(CAROL_UID, JOB_NORMAL, 60, 1, 0);
        world_run(20 * USEC_PER_SEC);
        ck_assert_double_ge(world_jain(JOB_NORMAL), 0.99);
        world_stop();
}
END_TEST

/* What the benchmark in tests/bench runs on the shipped programs. Each background call has to wait until it
 * is old: all of them together do not use what they might, so that theirs have to cost the same here. */
START_TEST(two_hundred_clients_share_within_each_priority_and_an_urgent_one_waits_for_three_at_most) {
        Actor *urgent;
        unsigned n_done = 0, n_urgent = 0;

        world_start();
        for (uid_t i = 0; i < 4; i++)
                for (unsigned j = 0; j < 25; j++) {
                        world_add(ALICE_UID + i, JOB_NORMAL, 100 * (i + 1), 1, 50);
                        world_add(ALICE_UID + i, JOB_BACKGROUND, 200, 1, 50);
                }
        urgent = world_add(0, JOB_URGENT, 100, 1, 0);
        urgent->n_at_once = 0;
        for (uint64_t end_usec = world.now_usec + 20 * USEC_PER_SEC; world.now_usec < end_usec;) {
                unsigned n_others = 0;

                world_run(200 * USEC_PER_MSEC);
                urgent->n_at_once = 1;
                n_done = urgent->n_done;
                while (urgent->n_done == n_done) {
                        world_run(1);
                        n_others++;
                }
                urgent->n_at_once = 0;
                n_urgent++;
                /* its own turn is one of them */
                ck_assert_uint_le(n_others, 4);
        }
        ck_assert_uint_ge(n_urgent, 90);
        ck_assert_double_ge(world_jain(JOB_NORMAL), 0.99);
        ck_assert_double_ge(world_jain(JOB_BACKGROUND), 0.99);
        world_stop();
}
END_TEST

/* Each background call has its turn within about twice the aging time, sixteen at once. */
START_TEST(nobody_waits_for_ever) {
        world_start();
        for (uid_t i = 0; i < 3; i++)
                for (JobPriority p = JOB_URGENT; p < N_JOB_PRIORITIES; p++)
                        world_add(ALICE_UID + i, p, 500, 16, 0);
        world_run(60 * USEC_PER_SEC);
        for (size_t i = 0; i < world.n_actors; i++)
                ck_assert_uint_gt(world.actors[i].n_done, 4 * 16);
        world_stop();
}
END_TEST

DEFINE_SUITE("scheduler", urgent_goes_before_normal_before_background,
             a_flood_of_one_uid_leaves_every_second_turn_to_another,
             many_clients_of_one_uid_weigh_no_more_than_one_of_another, within_a_uid_its_clients_take_turns,
             leases_are_told_apart_from_clients_and_from_each_other,
             own_jobs_are_found_behind_those_of_clients_and_count_for_no_uid,
             a_long_read_of_doeds_own_takes_no_more_than_a_uid,
             what_comes_back_unstarted_is_next_and_costs_nothing, jobs_that_were_not_started_are_given_back,
             a_job_that_is_withdrawn_leaves_nothing_behind, another_priority_is_taken_while_waiting,
             the_walk_sees_each_waiting_job_once, one_call_at_a_time_does_not_hide_what_the_last_one_took,
             an_idle_uid_gains_no_credit, a_debt_lapses_while_nobody_waits,
             who_comes_and_goes_is_remembered_within_bounds,
             an_aged_job_takes_every_fourth_turn_of_the_priority_above, a_young_job_of_low_priority_waits,
             aged_jobs_are_taken_in_fairness_and_not_by_age,
             an_aged_job_is_found_behind_young_ones_that_are_due_earlier,
             an_aged_job_that_was_asked_back_has_the_next_turn_for_one,
             background_is_served_under_urgent_and_normal_floods,
             background_is_served_where_only_urgent_ones_flood,
             device_time_is_shared_evenly_whatever_the_service_times,
             clients_with_one_call_at_a_time_share_evenly_too, floods_and_single_calls_share_evenly,
             two_hundred_clients_share_within_each_priority_and_an_urgent_one_waits_for_three_at_most,
             nobody_waits_for_ever)
