/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/core-fixture.h"
#include "tests/unit/suite.h"

START_TEST(at_most_one_job_runs_and_one_is_staged) {
        Fixture *f = fixture_new();
        Answer a[5];
        size_t n_before = f->n_sent;

        for (size_t i = 0; i < ELEMENTS(a); i++)
                fixture_echo(f, f->root, "abcd", NULL, &a[i]);
        ck_assert_uint_eq(f->n_sent - n_before, 2);
        ck_assert_uint_eq(mailbox_queue_length(f->mb), 3);
        ck_assert_int_eq(f->mb->state, MAILBOX_BUSY);
        fixture_serve(f);
        for (size_t i = 0; i < ELEMENTS(a); i++) {
                ck_assert_uint_eq(a[i].n_times, 1);
                ck_assert_int_eq(a[i].error, 0);
                ck_assert_mem_eq(a[i].payload, "abcd", 4);
        }
        ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
        fixture_free(f);
}
END_TEST

/* One call runs, one is staged behind it, and an urgent one of somebody else waits behind both. */
typedef struct Recall {
        Answer first, second, urgent;
        uint64_t running, staged;
} Recall;

static void begin_recall(Fixture *f, Recall *ret) {
        const TransactionOptions urgent = { .priority = JOB_URGENT };

        fixture_echo(f, f->root, "1111", NULL, &ret->first);
        ret->running = fixture_pending(f)->id;
        fixture_echo(f, f->root, "2222", NULL, &ret->second);
        ret->staged = f->mb->staged->id;
        fixture_started(f, ret->running);
        fixture_echo(f, f->other, "uuuu", &urgent, &ret->urgent);
        ck_assert_uint_eq(f->n_recalls, 1);
        ck_assert_uint_eq(f->last_recalled, ret->staged);
}

static void end_recall(Fixture *f, const Recall *r) {
        fixture_serve(f);
        ck_assert_uint_eq(r->first.n_times, 1);
        ck_assert_mem_eq(r->first.payload, "1111", 4);
        ck_assert_uint_eq(r->second.n_times, 1);
        ck_assert_mem_eq(r->second.payload, "2222", 4);
        ck_assert_uint_eq(r->urgent.n_times, 1);
        ck_assert_mem_eq(r->urgent.payload, "uuuu", 4);
        fixture_free(f);
}

START_TEST(an_urgent_job_recalls_a_staged_one_that_has_not_begun) {
        Fixture *f = fixture_new();
        Recall r;

        begin_recall(f, &r);
        mailbox_report_recalled(f->mb, r.staged, f->now_usec);
        ck_assert_int_eq(f->mb->staged->priority, JOB_URGENT);
        end_recall(f, &r);
}
END_TEST

START_TEST(a_recall_that_came_too_late_changes_nothing) {
        Fixture *f = fixture_new();
        Recall r;

        begin_recall(f, &r);
        fixture_answer(f, r.running, "1111", 4);
        fixture_started(f, r.staged);
        mailbox_report_recalled(f->mb, r.staged, f->now_usec);
        end_recall(f, &r);
}
END_TEST

START_TEST(a_dead_mailbox_answers_all_and_is_tried_again_with_growing_intervals) {
        Fixture *f = fixture_new();
        Answer a[3], late;

        for (size_t i = 0; i < ELEMENTS(a); i++)
                fixture_echo(f, f->root, "abcd", NULL, &a[i]);
        fixture_state(f, MAILBOX_DEAD, "abort did not end");
        ck_assert_uint_eq(a[2].n_times, 1);
        while (fixture_has_pending(f))
                fixture_fail(f, fixture_pending(f)->id, -ESHUTDOWN, "abort did not end");
        for (size_t i = 0; i < ELEMENTS(a); i++) {
                ck_assert_uint_eq(a[i].n_times, 1);
                ck_assert_int_eq(a[i].error, -ESHUTDOWN);
        }
        fixture_echo(f, f->root, "abcd", NULL, &late);
        ck_assert_int_eq(late.error, -ESHUTDOWN);

        fixture_advance(f, f->m->config->limits.dead_retry_first_usec);
        ck_assert_uint_eq(f->n_recovers, 1);
        fixture_state(f, MAILBOX_RECOVERING, "");
        fixture_state(f, MAILBOX_DEAD, "again");
        fixture_advance(f, f->m->config->limits.dead_retry_first_usec);
        ck_assert_uint_eq(f->n_recovers, 1);
        fixture_advance(f, f->m->config->limits.dead_retry_first_usec);
        ck_assert_uint_eq(f->n_recovers, 2);
        fixture_ready(f, 2);
        fixture_serve(f);
        fixture_echo(f, f->root, "abcd", NULL, &late);
        fixture_serve(f);
        ck_assert_int_eq(late.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(a_lost_read_is_repeated_once_and_anything_else_never) {
        Fixture *f = fixture_new();
        Answer read, unknown;
        unsigned n_repeats = 0;
        size_t n_before;

        fixture_cdat(f, f->root, false, &read);
        n_before = f->n_sent;
        while (fixture_has_pending(f)) {
                fixture_fail(f, fixture_pending(f)->id, -ECONNABORTED, "somebody aborted");
                n_repeats++;
        }
        ck_assert_uint_eq(n_repeats, 2);
        ck_assert_uint_eq(f->n_sent - n_before, 1);
        ck_assert_int_eq(read.error, -ECONNABORTED);

        n_before = f->n_sent;
        fixture_echo(f, f->root, "abcd", NULL, &unknown);
        fixture_fail(f, fixture_pending(f)->id, -ECONNABORTED, "somebody aborted");
        ck_assert_int_eq(unknown.error, -ECONNABORTED);
        ck_assert_uint_eq(unknown.n_times, 1);
        ck_assert_uint_eq(f->n_sent - n_before, 1);
        fixture_free(f);
}
END_TEST

START_TEST(when_the_link_is_lost_what_ran_is_aborted_and_what_waited_goes_on) {
        Fixture *f = fixture_new();
        Answer a[3];

        for (size_t i = 0; i < ELEMENTS(a); i++)
                fixture_echo(f, f->root, "abcd", NULL, &a[i]);
        fixture_started(f, fixture_pending(f)->id);
        manager_link_lost(f->m, "it was killed", f->now_usec);
        ck_assert_int_eq(a[0].error, -ECONNABORTED);
        ck_assert_uint_eq(a[1].n_times + a[2].n_times, 0);
        ck_assert_uint_eq(mailbox_queue_length(f->mb), 2);
        ck_assert_int_eq(f->mb->state, MAILBOX_UNTOUCHED);

        fixture_report_device(f, "1", false);
        ck_assert(!fixture_has_pending(f));
        fixture_ready(f, 2);
        fixture_serve(f);
        ck_assert_int_eq(a[1].error + a[2].error, 0);
        ck_assert_uint_eq(a[0].n_times + a[1].n_times + a[2].n_times, 3);
        fixture_free(f);
}
END_TEST

START_TEST(removal_answers_everything_with_gone) {
        Fixture *f = fixture_new();
        Answer a[4], cdat;

        fixture_cdat(f, f->root, false, &cdat);
        for (size_t i = 0; i < ELEMENTS(a); i++)
                fixture_echo(f, f->root, "abcd", NULL, &a[i]);
        manager_report_device_removed(f->m, FIXTURE_ADDRESS, f->now_usec);
        ck_assert_uint_eq(f->n_removed, 1);
        ck_assert_int_eq(cdat.error, -ENODEV);
        for (size_t i = 0; i < ELEMENTS(a); i++) {
                ck_assert_uint_eq(a[i].n_times, 1);
                ck_assert_int_eq(a[i].error, -ENODEV);
        }
        fixture_free(f);
}
END_TEST

START_TEST(nothing_is_handed_down_unless_the_mailbox_is_ready) {
        static const MailboxState states[] = { MAILBOX_UNTOUCHED, MAILBOX_STARTING, MAILBOX_WAITING,
                                               MAILBOX_RECOVERING, MAILBOX_KERNEL };

        for (size_t i = 0; i < ELEMENTS(states); i++) {
                Fixture *f = fixture_new();
                Answer a;
                size_t n_before = f->n_sent;

                fixture_state(f, states[i], "not now");
                fixture_echo(f, f->root, "abcd", NULL, &a);
                ck_assert_uint_eq(f->n_sent, n_before);
                fixture_ready(f, f->mb->epoch);
                fixture_serve(f);
                ck_assert_uint_eq(a.n_times, 1);
                ck_assert_int_eq(a.error, 0);
                fixture_free(f);
        }
}
END_TEST

START_TEST(a_job_that_doed_pci_keeps_through_a_recovery_runs_after_it) {
        static const MailboxState states[] = { MAILBOX_UNTOUCHED, MAILBOX_STARTING, MAILBOX_WAITING,
                                               MAILBOX_RECOVERING, MAILBOX_KERNEL };

        for (size_t i = 0; i < ELEMENTS(states); i++) {
                Fixture *f = fixture_new();
                Answer a, b;

                fixture_echo(f, f->root, "aaaa", NULL, &a);
                fixture_echo(f, f->root, "bbbb", NULL, &b);
                fixture_fail(f, fixture_pending(f)->id, -ETIMEDOUT, "no answer");
                fixture_state(f, states[i], "for a while");
                ck_assert(fixture_has_pending(f));
                fixture_ready(f, 2);
                ck_assert_int_eq(f->mb->state, MAILBOX_BUSY);
                fixture_serve(f);
                ck_assert_int_eq(a.error, -ETIMEDOUT);
                ck_assert_int_eq(b.error, 0);
                fixture_free(f);
        }
}
END_TEST

START_TEST(lockdown_answers_what_waits_and_what_comes) {
        Fixture *f = fixture_new();
        Answer waiting, coming;

        fixture_state(f, MAILBOX_KERNEL, "bind");
        fixture_echo(f, f->root, "abcd", NULL, &waiting);
        fixture_state(f, MAILBOX_READ_ONLY, "lockdown is integrity");
        ck_assert_int_eq(waiting.error, -EROFS);
        fixture_echo(f, f->root, "abcd", NULL, &coming);
        ck_assert_int_eq(coming.error, -EROFS);
        fixture_free(f);
}
END_TEST

START_TEST(counters_and_faults_tell_what_happened) {
        Fixture *f = fixture_new();
        uint64_t n_before = counters_sum(&f->mb->counters).n_exchanges;
        Answer a;

        fixture_echo(f, f->root, "abcdefgh", NULL, &a);
        fixture_serve(f);
        fixture_echo(f, f->root, "abcd", NULL, &a);
        fixture_fail(f, fixture_pending(f)->id, -ETIMEDOUT, "Status 00000001");
        mailbox_report_aborted(f->mb, "no answer", f->now_usec);
        mailbox_report_foreign(f->mb, "Ready while idle", f->now_usec);
        ck_assert_uint_eq(counters_sum(&f->mb->counters).n_exchanges - n_before, 2);
        ck_assert_uint_eq(counters_sum(&f->mb->counters).n_failures, 1);
        ck_assert_uint_eq(counters_sum(&f->mb->counters).n_timeouts, 1);
        ck_assert_uint_eq(f->mb->n_aborts, 1);
        ck_assert_uint_eq(f->mb->n_foreign, 1);
        ck_assert_uint_eq(f->n_aborted, 1);
        ck_assert_uint_eq(f->n_foreign, 1);
        ck_assert_uint_eq(f->mb->n_faults, 3);
        ck_assert_str_eq(f->mb->faults[0].kind, "timeout");
        ck_assert_str_eq(f->mb->faults[0].evidence, "Status 00000001");
        fixture_free(f);
}
END_TEST

START_TEST(ready_idle_and_busy_are_one_state_to_clients) {
        Fixture *f = fixture_new();
        unsigned n_before = f->n_state_changes;
        Answer a;

        fixture_echo(f, f->root, "abcd", NULL, &a);
        fixture_serve(f);
        ck_assert_uint_eq(f->n_state_changes, n_before);
        fixture_free(f);
}
END_TEST

START_TEST(an_inhibited_mailbox_keeps_what_comes_and_discovers_anew_afterwards) {
        Fixture *f = fixture_new();
        size_t n_sent = f->n_sent;
        Answer a;

        fixture_state(f, MAILBOX_INHIBITED, "handed to a tool");
        fixture_echo(f, f->root, "abcd", NULL, &a);
        ck_assert_uint_eq(f->n_sent, n_sent);
        ck_assert_str_eq(mailbox_state_to_string(f->mb->state), "inhibited");
        mailbox_report_state(f->mb, MAILBOX_STARTING, 2, "take-over", f->now_usec);
        fixture_ready(f, 2);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        ck_assert_uint_eq(f->mb->discovery->epoch, 2);
        fixture_free(f);
}
END_TEST

START_TEST(a_call_for_an_epoch_that_ends_is_answered_at_once) {
        const TransactionOptions of_first = { .priority = JOB_NORMAL, .has_epoch = true, .epoch = 1 };
        Fixture *f = fixture_new();
        Answer stale[3], other;

        fixture_state(f, MAILBOX_WAITING, "somebody");
        for (size_t i = 0; i < ELEMENTS(stale); i++)
                fixture_echo(f, f->root, "abcd", &of_first, &stale[i]);
        fixture_echo(f, f->root, "abcd", NULL, &other);
        mailbox_report_state(f->mb, MAILBOX_RECOVERING, 2, "an abort", f->now_usec);
        for (size_t i = 0; i < ELEMENTS(stale); i++) {
                ck_assert_int_eq(stale[i].error, -ECONNABORTED);
                ck_assert_uint_eq(stale[i].n_times, 1);
        }
        ck_assert_uint_eq(other.n_times, 0);
        fixture_ready(f, 2);
        fixture_serve(f);
        ck_assert_int_eq(other.error, 0);
        fixture_free(f);
}
END_TEST

/* Jobs of a lease, which counts their ends. */
typedef struct LeaseJobs {
        Lease lease; /* an address; nothing of it is looked at */
        unsigned n_done;
        int error;
} LeaseJobs;

static void on_lease_job(Job *job, const JobResult *result, uint64_t now_usec) {
        LeaseJobs *jobs = job->userdata;

        jobs->n_done++;
        jobs->error = result->error;
}

static Job *submit_lease_job(Fixture *f, LeaseJobs *jobs) {
        Job *job = job_new(0x1234, 0x01, (const uint8_t *)"lslslsls", 8);

        job->lease = &jobs->lease;
        job->uid = 1000;
        job->n_dwords_max = 16;
        job->deadline_usec = usec_add(f->now_usec, 10 * USEC_PER_SEC);
        job->done = on_lease_job;
        job->userdata = jobs;
        ck_assert_int_eq(mailbox_submit(f->mb, job, f->now_usec), 0);
        return job;
}

START_TEST(jobs_of_a_lease_are_queued_and_answered_as_any_other) {
        Fixture *f = fixture_new();
        LeaseJobs jobs = {};
        Answer a;

        submit_lease_job(f, &jobs);
        fixture_echo(f, f->root, "abcd", NULL, &a);
        submit_lease_job(f, &jobs);
        fixture_serve(f);
        ck_assert_uint_eq(jobs.n_done, 2);
        ck_assert_int_eq(jobs.error, 0);
        ck_assert_int_eq(a.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(when_the_link_is_lost_a_leases_running_job_is_aborted_and_others_stay) {
        Fixture *f = fixture_new();
        LeaseJobs running = {}, staged = {}, queued = {};

        fixture_started(f, submit_lease_job(f, &running)->id);
        submit_lease_job(f, &staged);
        submit_lease_job(f, &queued);
        manager_link_lost(f->m, "it was killed", f->now_usec);
        ck_assert_uint_eq(running.n_done, 1);
        ck_assert_int_eq(running.error, -ECONNABORTED);
        ck_assert_uint_eq(staged.n_done + queued.n_done, 0);
        fixture_report_device(f, "1", false);
        fixture_ready(f, 1);
        fixture_serve(f);
        ck_assert_uint_eq(staged.n_done + queued.n_done, 2);
        ck_assert_int_eq(staged.error + queued.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(all_but_jobs_of_leases_go_before_a_lease_that_opens) {
        Fixture *f = fixture_new();
        LeaseJobs jobs = {};
        Answer a, b;

        submit_lease_job(f, &jobs);
        ck_assert(!mailbox_has_calls(f->mb, 0, 0, /* any_feature= */ true));
        fixture_echo(f, f->root, "abcd", NULL, &a);
        ck_assert(mailbox_has_calls(f->mb, 0x1234, 0x01, false));
        ck_assert(!mailbox_has_calls(f->mb, 0x0001, 0x01, false));
        ck_assert(mailbox_has_calls(f->mb, 0x0001, 0x01, true));
        fixture_echo(f, f->root, "abcd", NULL, &b);
        ck_assert(mailbox_has_calls(f->mb, 0x1234, 0x01, false));
        fixture_serve(f);
        ck_assert(!mailbox_has_calls(f->mb, 0, 0, true));
        /* doed's own, for which callers wait */
        fixture_cdat(f, f->root, true, &a);
        ck_assert(mailbox_has_calls(f->mb, 0x1e98, 0x02, false));
        fixture_free(f);
}
END_TEST

DEFINE_SUITE("mailbox", at_most_one_job_runs_and_one_is_staged,
             an_urgent_job_recalls_a_staged_one_that_has_not_begun,
             a_recall_that_came_too_late_changes_nothing,
             a_dead_mailbox_answers_all_and_is_tried_again_with_growing_intervals,
             a_lost_read_is_repeated_once_and_anything_else_never,
             when_the_link_is_lost_what_ran_is_aborted_and_what_waited_goes_on,
             removal_answers_everything_with_gone, nothing_is_handed_down_unless_the_mailbox_is_ready,
             a_job_that_doed_pci_keeps_through_a_recovery_runs_after_it,
             lockdown_answers_what_waits_and_what_comes, counters_and_faults_tell_what_happened,
             ready_idle_and_busy_are_one_state_to_clients,
             an_inhibited_mailbox_keeps_what_comes_and_discovers_anew_afterwards,
             a_call_for_an_epoch_that_ends_is_answered_at_once,
             jobs_of_a_lease_are_queued_and_answered_as_any_other,
             when_the_link_is_lost_a_leases_running_job_is_aborted_and_others_stay,
             all_but_jobs_of_leases_go_before_a_lease_that_opens)
