/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/core-fixture.h"
#include "tests/unit/suite.h"

#define ABORT_USEC (10 * USEC_PER_MSEC)

/* 2026-01-02 03:04:05 UTC */
static uint64_t fixed_realtime_usec(void) {
        return UINT64_C(1767323045) * USEC_PER_SEC;
}

static Fixture *new_flapping(unsigned n_failures_max) {
        Fixture *f = fixture_new();

        f->m->realtime_usec = fixed_realtime_usec;
        f->m->config->limits.flap_failures_max = n_failures_max;
        return f;
}

/* What doed-pci says when an exchange fails: its end, the new epoch, the abort. */
static void fail_and_abort(Fixture *f, int error) {
        fixture_fail(f, fixture_pending(f)->id, error, "no answer");
        mailbox_report_state(f->mb, MAILBOX_RECOVERING, f->mb->epoch + 1, "no answer", f->now_usec);
        mailbox_report_aborted(f->mb, "no answer", f->now_usec);
}

/* What was asked back comes back, the abort ends, and discovery of the new epoch is let through. */
static void end_abort(Fixture *f) {
        while (f->mb->running)
                mailbox_report_recalled(f->mb, f->mb->running->id, f->now_usec);
        fixture_advance(f, ABORT_USEC);
        fixture_ready(f, f->mb->epoch);
        fixture_serve(f);
}

static void flap(Fixture *f, unsigned n_times) {
        for (unsigned i = 0; i < n_times; i++) {
                Answer a;

                fixture_echo(f, f->root, "abcd", NULL, &a);
                fail_and_abort(f, -ETIMEDOUT);
                ck_assert_int_eq(a.error, -ETIMEDOUT);
                end_abort(f);
        }
}

static bool is_resting(const Fixture *f) {
        return recovery_is_resting(&f->mb->recovery);
}

START_TEST(a_mailbox_that_fails_too_often_rests_and_says_until_when) {
        Fixture *f = new_flapping(3);
        Answer waits;
        size_t n_sent;

        flap(f, 2);
        ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
        flap(f, 1);
        ck_assert_int_eq(f->mb->state, MAILBOX_RECOVERING);
        ck_assert_ptr_nonnull(strstr(f->mb->state_reason, "3 aborts after failures within 60 s"));
        ck_assert_ptr_nonnull(strstr(f->mb->state_reason, "until 2026-01-02T03:04:06Z"));
        ck_assert_uint_eq(f->mb->n_aborts, 3);
        ck_assert_uint_eq(f->n_aborted, 3);

        n_sent = f->n_sent;
        fixture_echo(f, f->root, "abcd", NULL, &waits);
        fixture_advance(f, USEC_PER_SEC / 2);
        ck_assert_uint_eq(f->n_sent, n_sent);
        ck_assert_uint_eq(waits.n_times, 0);
        fixture_advance(f, USEC_PER_SEC / 2);
        fixture_serve(f);
        ck_assert_int_eq(waits.error, 0);
        ck_assert_uint_eq(waits.n_times, 1);
        ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
        ck_assert_str_eq(f->mb->state_reason, "");
        fixture_free(f);
}
END_TEST

START_TEST(a_timeout_while_it_rests_names_the_state) {
        const TransactionOptions options = { .priority = JOB_NORMAL, .timeout_usec = USEC_PER_SEC / 2 };
        Fixture *f = new_flapping(1);
        Answer a;

        flap(f, 1);
        fixture_echo(f, f->root, "abcd", &options, &a);
        fixture_advance(f, USEC_PER_SEC / 2);
        ck_assert_int_eq(a.error, -ETIMEDOUT);
        ck_assert_ptr_nonnull(strstr(a.text, "the mailbox is recovering: "));
        ck_assert_ptr_nonnull(strstr(a.text, "it rests until"));
        fixture_free(f);
}
END_TEST

START_TEST(rests_double_up_to_their_maximum_while_it_goes_on) {
        Fixture *f = new_flapping(2);
        uint64_t expected_usec = f->m->config->limits.flap_rest_first_usec;

        f->m->config->limits.flap_rest_max_usec = 5 * USEC_PER_SEC;
        flap(f, 2);
        for (unsigned i = 0; i < 5; i++) {
                ck_assert(is_resting(f));
                ck_assert_uint_eq(f->mb->recovery.rest_until_usec - f->mb->recovery.rest_since_usec,
                                  expected_usec);
                fixture_advance(f, expected_usec);
                fixture_serve(f);
                ck_assert(!is_resting(f));
                flap(f, 1);
                expected_usec = MIN_OF(2 * expected_usec, 5 * USEC_PER_SEC);
        }
        fixture_free(f);
}
END_TEST

START_TEST(a_window_without_a_failure_forgets) {
        Fixture *f = new_flapping(2);

        flap(f, 3 - 1);
        fixture_advance(f, f->m->config->limits.flap_rest_first_usec);
        fixture_serve(f);
        fixture_advance(f, f->m->config->limits.flap_window_usec + 1);
        flap(f, 1);
        ck_assert(!is_resting(f));
        flap(f, 1);
        ck_assert(is_resting(f));
        ck_assert_uint_eq(f->mb->recovery.n_rests, 1);
        fixture_free(f);
}
END_TEST

START_TEST(rare_failures_never_make_it_rest) {
        Fixture *f = new_flapping(3);

        for (unsigned i = 0; i < 20; i++) {
                flap(f, 1);
                ck_assert(!is_resting(f));
                fixture_advance(f, f->m->config->limits.flap_window_usec / 2);
        }
        fixture_free(f);
}
END_TEST

START_TEST(the_time_of_a_rest_is_not_counted_as_good_behavior) {
        Fixture *f = new_flapping(2);

        f->m->config->limits.flap_window_usec = 5 * USEC_PER_SEC;
        f->m->config->limits.flap_rest_first_usec = 30 * USEC_PER_SEC;
        flap(f, 2);
        fixture_advance(f, 30 * USEC_PER_SEC);
        fixture_serve(f);
        flap(f, 1);
        ck_assert(is_resting(f));
        ck_assert_uint_eq(f->mb->recovery.n_rests, 2);
        fixture_free(f);
}
END_TEST

START_TEST(a_failure_of_what_was_under_way_does_not_lengthen_the_rest) {
        Fixture *f = new_flapping(1);
        uint64_t until_usec;
        Answer a, b;

        fixture_echo(f, f->root, "abcd", NULL, &a);
        fixture_echo(f, f->root, "abcd", NULL, &b);
        fail_and_abort(f, -ETIMEDOUT);
        until_usec = f->mb->recovery.rest_until_usec;
        fixture_advance(f, ABORT_USEC);
        fixture_ready(f, f->mb->epoch);
        /* asked back too late */
        fail_and_abort(f, -ETIMEDOUT);
        ck_assert_int_eq(b.error, -ETIMEDOUT);
        ck_assert_uint_eq(f->mb->recovery.rest_until_usec, until_usec);
        ck_assert_uint_eq(f->mb->recovery.n_rests, 1);
        end_abort(f);
        fixture_free(f);
}
END_TEST

START_TEST(an_abort_that_was_asked_for_after_a_failure_does_not_count) {
        Fixture *f = new_flapping(2);
        Answer a;

        fixture_echo(f, f->root, "abcd", NULL, &a);
        fail_and_abort(f, -ETIMEDOUT);
        mailbox_recover(f->mb, /* force= */ true, f->now_usec);
        mailbox_report_state(f->mb, MAILBOX_RECOVERING, f->mb->epoch + 1, "asked for", f->now_usec);
        mailbox_report_aborted(f->mb, "asked for", f->now_usec);
        ck_assert(!is_resting(f));
        fixture_free(f);
}
END_TEST

START_TEST(recover_without_force_ends_the_rest) {
        const TransactionOptions plain = { .priority = JOB_NORMAL };
        Fixture *f = new_flapping(1);
        Answer waits, recover = {};

        flap(f, 1);
        fixture_echo(f, f->root, "abcd", NULL, &waits);
        transaction_recover(f->root, f->mb, &plain, f->now_usec, fixture_on_answer(), &recover);
        ck_assert_int_eq(recover.error, 0);
        ck_assert_uint_eq(recover.n_times, 1);
        fixture_serve(f);
        ck_assert_int_eq(waits.error, 0);
        ck_assert_uint_eq(waits.n_times, 1);
        ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
        fixture_free(f);
}
END_TEST

START_TEST(recover_before_the_abort_has_ended_ends_the_rest_too) {
        const TransactionOptions plain = { .priority = JOB_NORMAL };
        Fixture *f = new_flapping(1);
        Answer a, recover = {};

        fixture_echo(f, f->root, "abcd", NULL, &a);
        fail_and_abort(f, -EREMOTEIO);
        ck_assert(is_resting(f));
        transaction_recover(f->root, f->mb, &plain, f->now_usec, fixture_on_answer(), &recover);
        ck_assert_uint_eq(recover.n_times, 0);
        ck_assert_int_eq(f->mb->state, MAILBOX_RECOVERING);
        ck_assert_str_eq(f->mb->state_reason, "no answer");
        end_abort(f);
        ck_assert_int_eq(recover.error, 0);
        ck_assert_uint_eq(recover.n_times, 1);
        ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
        fixture_free(f);
}
END_TEST

START_TEST(recover_that_waits_for_an_abort_waits_for_the_rest_that_it_begins) {
        const TransactionOptions force = { .priority = JOB_NORMAL, .force = true };
        Fixture *f = new_flapping(1);
        Answer a, recover = {};

        fixture_echo(f, f->root, "abcd", NULL, &a);
        transaction_recover(f->root, f->mb, &force, f->now_usec, fixture_on_answer(), &recover);
        fail_and_abort(f, -EBADMSG);
        end_abort(f);
        ck_assert(is_resting(f));
        ck_assert_uint_eq(recover.n_times, 0);
        fixture_advance(f, f->m->config->limits.flap_rest_first_usec);
        ck_assert_uint_eq(recover.n_times, 1);
        ck_assert_int_eq(recover.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(what_was_handed_down_is_asked_back_when_a_rest_begins) {
        Fixture *f = new_flapping(1);
        Answer a[4];

        for (size_t i = 0; i < ELEMENTS(a); i++)
                fixture_echo(f, f->root, "abcd", NULL, &a[i]);
        fail_and_abort(f, -ETIMEDOUT);
        ck_assert_uint_eq(f->n_recalls, 2);
        end_abort(f);
        ck_assert_ptr_null(f->mb->running);
        ck_assert_uint_ge(mailbox_queue_length(f->mb), 3);
        fixture_advance(f, f->m->config->limits.flap_rest_first_usec);
        fixture_serve(f);
        for (size_t i = 1; i < ELEMENTS(a); i++) {
                ck_assert_int_eq(a[i].error, 0);
                ck_assert_uint_eq(a[i].n_times, 1);
        }
        fixture_free(f);
}
END_TEST

START_TEST(only_aborts_by_the_devices_fault_count) {
        static const struct {
                int error;
                bool is_foreign, not_started;
        } rows[] = { { -ECONNABORTED, false, false },
                     { -EBADMSG, true, false },
                     { -ENODEV, false, false },
                     { -ETIMEDOUT, false, true },
                     { -ECANCELED, false, true } };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Fixture *f = new_flapping(1);
                JobResult result = { .error = rows[i].error,
                                     .is_foreign = rows[i].is_foreign,
                                     .not_started = rows[i].not_started,
                                     .evidence = "" };
                Answer a;

                fixture_echo(f, f->root, "abcd", NULL, &a);
                fixture_started(f, fixture_pending(f)->id);
                mailbox_report_done(f->mb, fixture_pending(f)->id, &result, f->now_usec);
                mailbox_report_state(f->mb, MAILBOX_RECOVERING, f->mb->epoch + 1, "", f->now_usec);
                mailbox_report_aborted(f->mb, "", f->now_usec);
                ck_assert(!is_resting(f));
                fixture_free(f);
        }
}
END_TEST

START_TEST(a_caller_that_gives_up_early_is_not_the_devices_fault_and_a_device_that_had_its_time_is) {
        static const struct {
                uint64_t usec;
                bool rests;
        } rows[] = { { USEC_PER_SEC / 2, false }, { USEC_PER_SEC, true } };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const TransactionOptions options = { .priority = JOB_NORMAL, .timeout_usec = 1000 };
                Fixture *f = new_flapping(1);
                JobResult result = { .error = -ETIMEDOUT, .evidence = "", .started_usec = f->now_usec };
                uint64_t id;
                Answer a;

                fixture_echo(f, f->root, "abcd", &options, &a);
                id = fixture_pending(f)->id;
                fixture_started(f, id);
                fixture_advance(f, rows[i].usec);
                ck_assert_uint_eq(a.n_times, 1);
                result.ended_usec = f->now_usec;
                mailbox_report_done(f->mb, id, &result, f->now_usec);
                mailbox_report_state(f->mb, MAILBOX_RECOVERING, f->mb->epoch + 1, "", f->now_usec);
                mailbox_report_aborted(f->mb, "", f->now_usec);
                ck_assert_int_eq(is_resting(f), rows[i].rests);
                fixture_free(f);
        }
}
END_TEST

START_TEST(a_take_over_forgets_and_ends_the_rest) {
        Fixture *f = new_flapping(2);
        Answer a;

        flap(f, 2);
        fixture_echo(f, f->root, "abcd", NULL, &a);
        fixture_state(f, MAILBOX_KERNEL, "reset");
        ck_assert_int_eq(f->mb->state, MAILBOX_KERNEL);
        ck_assert(is_resting(f));
        mailbox_report_state(f->mb, MAILBOX_STARTING, f->mb->epoch + 1, "", f->now_usec);
        mailbox_report_aborted(f->mb, "take-over", f->now_usec);
        ck_assert(!is_resting(f));
        fixture_ready(f, f->mb->epoch);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        flap(f, 1);
        ck_assert(!is_resting(f));
        fixture_free(f);
}
END_TEST

START_TEST(a_rest_goes_on_through_what_happens_beside_it) {
        static const MailboxState states[] = { MAILBOX_UNTOUCHED, MAILBOX_WAITING, MAILBOX_KERNEL,
                                               MAILBOX_INHIBITED, MAILBOX_RECOVERING };

        for (size_t i = 0; i < ELEMENTS(states); i++) {
                Fixture *f = new_flapping(1);

                flap(f, 1);
                fixture_state(f, states[i], "for a while");
                ck_assert_int_eq(f->mb->state, states[i]);
                fixture_ready(f, f->mb->epoch);
                ck_assert_int_eq(f->mb->state, MAILBOX_RECOVERING);
                ck_assert_ptr_nonnull(strstr(f->mb->state_reason, "it rests until"));
                fixture_state(f, states[i], "for a while");
                fixture_advance(f, f->m->config->limits.flap_rest_first_usec);
                ck_assert_int_eq(f->mb->state, states[i]);
                fixture_ready(f, f->mb->epoch);
                fixture_serve(f);
                ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
                fixture_free(f);
        }
}
END_TEST

START_TEST(a_dead_mailbox_is_tried_at_the_longest_interval_for_ever) {
        Fixture *f = fixture_new();
        uint64_t wait_usec = f->m->config->limits.dead_retry_first_usec;
        uint64_t max_usec = f->m->config->limits.dead_retry_max_usec;

        fixture_state(f, MAILBOX_DEAD, "abort did not end");
        for (unsigned i = 0; i < 40; i++) {
                fixture_advance(f, wait_usec - 1);
                ck_assert_uint_eq(f->n_recovers, i);
                fixture_advance(f, 1);
                ck_assert_uint_eq(f->n_recovers, i + 1);
                fixture_state(f, MAILBOX_RECOVERING, "once more");
                fixture_state(f, MAILBOX_DEAD, "abort did not end");
                wait_usec = MIN_OF(2 * wait_usec, max_usec);
        }
        fixture_free(f);
}
END_TEST

START_TEST(one_that_dies_again_and_again_is_not_tried_more_often_for_having_been_ready) {
        Fixture *f = fixture_new();
        uint64_t first_usec = f->m->config->limits.dead_retry_first_usec;

        fixture_state(f, MAILBOX_DEAD, "abort did not end");
        fixture_advance(f, first_usec);
        ck_assert_uint_eq(f->n_recovers, 1);
        fixture_ready(f, 2);
        fixture_serve(f);
        fixture_state(f, MAILBOX_DEAD, "abort did not end");
        fixture_advance(f, first_usec);
        ck_assert_uint_eq(f->n_recovers, 1);
        fixture_advance(f, first_usec);
        ck_assert_uint_eq(f->n_recovers, 2);
        mailbox_report_state(f->mb, MAILBOX_STARTING, 3, "reset", f->now_usec);
        fixture_state(f, MAILBOX_DEAD, "abort did not end");
        fixture_advance(f, first_usec);
        ck_assert_uint_eq(f->n_recovers, 3);
        fixture_free(f);
}
END_TEST

START_TEST(what_becomes_of_a_dead_mailbox_ends_its_retries) {
        Fixture *f = fixture_new();

        fixture_state(f, MAILBOX_DEAD, "abort did not end");
        fixture_state(f, MAILBOX_KERNEL, "reset");
        fixture_advance(f, f->m->config->limits.dead_retry_max_usec);
        ck_assert_uint_eq(f->n_recovers, 0);
        fixture_state(f, MAILBOX_DEAD, "abort did not end");
        manager_link_lost(f->m, "killed", f->now_usec);
        fixture_advance(f, f->m->config->limits.dead_retry_max_usec);
        ck_assert_uint_eq(f->n_recovers, 0);
        fixture_report_device(f, "1", false);
        fixture_state(f, MAILBOX_DEAD, "abort did not end");
        manager_report_device_removed(f->m, FIXTURE_ADDRESS, f->now_usec);
        fixture_advance(f, f->m->config->limits.dead_retry_max_usec);
        ck_assert_uint_eq(f->n_recovers, 0);
        fixture_free(f);
}
END_TEST

DEFINE_SUITE("recovery", a_mailbox_that_fails_too_often_rests_and_says_until_when,
             a_timeout_while_it_rests_names_the_state, rests_double_up_to_their_maximum_while_it_goes_on,
             a_window_without_a_failure_forgets, rare_failures_never_make_it_rest,
             the_time_of_a_rest_is_not_counted_as_good_behavior,
             a_failure_of_what_was_under_way_does_not_lengthen_the_rest,
             an_abort_that_was_asked_for_after_a_failure_does_not_count, recover_without_force_ends_the_rest,
             recover_before_the_abort_has_ended_ends_the_rest_too,
             recover_that_waits_for_an_abort_waits_for_the_rest_that_it_begins,
             what_was_handed_down_is_asked_back_when_a_rest_begins, only_aborts_by_the_devices_fault_count,
             a_caller_that_gives_up_early_is_not_the_devices_fault_and_a_device_that_had_its_time_is,
             a_take_over_forgets_and_ends_the_rest, a_rest_goes_on_through_what_happens_beside_it,
             a_dead_mailbox_is_tried_at_the_longest_interval_for_ever,
             one_that_dies_again_and_again_is_not_tried_more_often_for_having_been_ready,
             what_becomes_of_a_dead_mailbox_ends_its_retries)
