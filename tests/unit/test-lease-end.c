/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/lease-fixture.h"
#include "tests/unit/suite.h"

START_TEST(a_revoked_lease_answers_everything_and_then_says_why) {
        LeaseFixture *f = lease_fixture_new(NULL);
        uint64_t id;
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        id = h.lease->id;
        say(f, &h, ECHO, "1111", 4);
        start(f, f->a);
        say(f, &h, ECHO, "2222", 4);
        lease_end(h.lease, -ECANCELED, "Revoked: maintenance", f->f->now_usec);
        ck_assert_ptr_nonnull(manager_find_lease(f->f->m, id)); /* it still keeps others out */
        ck_assert_uint_eq(h.n_ends, 0);
        ck_assert(!lease_wants_more(h.lease));
        answer_echo(f, f->a);
        ck_assert_uint_eq(h.n_objects, 3);
        ck_assert_mem_eq(h.objects[0].payload, "1111", 4);
        ck_assert_int_eq(h.objects[1].error, ECANCELED);
        ck_assert_uint_eq(h.objects[1].flags, LEASE_ERROR_NOT_SENT);
        expect_error(&h, ECANCELED, LEASE_ERROR_ENDS);
        ck_assert_str_eq(last_object(&h)->text, "Revoked: maintenance");
        ck_assert_uint_eq(h.n_ends, 1);
        ck_assert_ptr_null(manager_find_lease(f->f->m, id));
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_request_that_still_waits_for_the_mailbox_is_taken_back) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        mailbox_report_state(f->a, MAILBOX_KERNEL, 1, "bind", f->f->now_usec);
        say(f, &h, ECHO, "1111", 4);
        ck_assert_uint_eq(mailbox_queue_length(f->a), 1);
        lease_end(h.lease, -ECANCELED, "Revoked", f->f->now_usec);
        ck_assert_uint_eq(mailbox_queue_length(f->a), 0);
        ck_assert_uint_eq(h.n_ends, 1);
        ck_assert_uint_eq(h.n_objects, 2);
        lease_fixture_free(f);
}
END_TEST

START_TEST(revoking_twice_is_as_good_as_once) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        start(f, f->a);
        lease_end(h.lease, -ECANCELED, "first", f->f->now_usec);
        lease_end(h.lease, -ECANCELED, "second", f->f->now_usec);
        answer_echo(f, f->a);
        ck_assert_uint_eq(h.n_objects, 2);
        ck_assert_str_eq(last_object(&h)->text, "first");
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_holder_that_hangs_up_leaves_its_request_to_drain) {
        LeaseFixture *f = lease_fixture_new(NULL);
        uint64_t id;
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        say(f, &h, ECHO, "2222", 4);
        start(f, f->a);
        id = running_job(f->a)->id;
        lease_hang_up(h.lease, f->f->now_usec);
        ck_assert_uint_eq(h.n_ends, 1);
        ck_assert_uint_eq(h.n_objects, 0);
        ck_assert_uint_eq(f->f->last_canceled, id);
        ck_assert_uint_eq(f->alice->account->n_bytes_waiting, 0);
        answer_echo(f, f->a);
        pass(f, 0);
        ck_assert_ptr_null(f->a->running);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(what_a_mailbox_becomes_is_the_last_object) {
        static const struct {
                MailboxState state;
                int error;
        } rows[] = { { MAILBOX_DEAD, ESHUTDOWN },
                     { MAILBOX_READ_ONLY, EROFS },
                     { MAILBOX_INHIBITED, EADDRINUSE } };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                LeaseFixture *f = lease_fixture_new(NULL);
                Holder h;

                hold(f, f->alice, f->a, ECHO, &h);
                mailbox_report_state(f->a, rows[i].state, 1, "why", f->f->now_usec);
                expect_error(&h, rows[i].error, LEASE_ERROR_ENDS);
                ck_assert_uint_eq(h.n_ends, 1);
                lease_fixture_free(f);
        }
}
END_TEST

START_TEST(a_kernel_hold_ends_no_lease) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        mailbox_report_state(f->a, MAILBOX_KERNEL, 1, "bind", f->f->now_usec);
        say(f, &h, ECHO, "1111", 4);
        mailbox_report_state(f->a, MAILBOX_IDLE, 1, "", f->f->now_usec);
        answer_echo(f, f->a);
        ck_assert_int_eq(last_object(&h)->error, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_device_that_goes_ends_everything_on_it_in_order) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, group, next;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        start(f, f->a);
        say(f, &h, ECHO, "2222", 4);
        hold(f, f->root, f->a, SPDM, &group);
        wait_for(f, f->bob, f->a, ECHO, &next);
        manager_report_device_removed(f->f->m, FIXTURE_ADDRESS, f->f->now_usec);
        ck_assert_uint_eq(h.n_objects, 3);
        ck_assert_int_eq(h.objects[0].error, ENODEV);
        ck_assert_int_eq(h.objects[1].error, ENODEV);
        expect_error(&h, ENODEV, LEASE_ERROR_ENDS);
        expect_error(&group, ENODEV, LEASE_ERROR_ENDS);
        ck_assert_int_eq(next.error, -ENODEV);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        ck_assert_uint_eq(f->alice->account->n_leases, 0);
        ck_assert_uint_eq(f->bob->account->n_waiters, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_device_that_goes_takes_a_group_with_a_request_on_its_other_mailbox) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->root, f->a, SPDM, &h);
        say_hello(f, &h);
        say(f, &h, SECURED, "abcd", 4);
        start(f, f->b);
        manager_report_device_removed(f->f->m, FIXTURE_ADDRESS, f->f->now_usec);
        ck_assert_int_eq(h.objects[1].error, ENODEV);
        expect_error(&h, ENODEV, LEASE_ERROR_ENDS);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_stop_answers_what_runs_and_ends_every_lease_at_once) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, next;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        start(f, f->a);
        say(f, &h, ECHO, "2222", 4);
        wait_for(f, f->bob, f->a, ECHO, &next);
        manager_stop(f->f->m, "terminated", f->f->now_usec);
        ck_assert_uint_eq(h.n_objects, 3);
        ck_assert_int_eq(h.objects[0].error, ECONNABORTED);
        ck_assert_uint_eq(h.objects[0].flags, 0);
        ck_assert_uint_eq(h.objects[1].flags, LEASE_ERROR_NOT_SENT);
        expect_error(&h, ECONNABORTED, LEASE_ERROR_ENDS);
        ck_assert_uint_eq(h.n_ends, 1);
        ck_assert_int_eq(next.error, -ECONNABORTED);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(suspend_ends_leases_and_waiters_go_on_after_it) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, next;

        hold(f, f->alice, f->a, ECHO, &h);
        wait_for(f, f->bob, f->a, ECHO, &next);
        manager_suspend(f->f->m, true, f->f->now_usec);
        expect_error(&h, ECONNABORTED, LEASE_ERROR_ENDS);
        ck_assert_ptr_nonnull(strstr(last_object(&h)->text, "sleep"));
        pass(f, 0);
        ck_assert_uint_eq(next.n_answers, 0);
        manager_suspend(f->f->m, false, f->f->now_usec);
        mailbox_report_state(f->a, MAILBOX_STARTING, 2, "", f->f->now_usec);
        mailbox_come_up(f, f->a, 2);
        ck_assert_ptr_nonnull(next.lease);
        ck_assert_uint_eq(next.epoch, 2);
        ck_assert_uint_eq(next.n_objects, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(recover_by_force_ends_leases_of_that_mailbox_only) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, other;

        hold(f, f->alice, f->a, ECHO, &h);
        hold(f, f->alice, f->b, ECHO, &other);
        leases_on_recover(f->a, f->f->now_usec);
        expect_error(&h, ECONNABORTED, LEASE_ERROR_ENDS);
        ck_assert_uint_eq(other.n_ends, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_new_epoch_is_told_by_a_notice) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, group, elsewhere;

        hold(f, f->alice, f->a, ECHO, &h);
        hold(f, f->root, f->a, SPDM, &group);
        hold(f, f->bob, f->b, ECHO, &elsewhere);
        mailbox_report_state(f->a, MAILBOX_IDLE, 2, "reset", f->f->now_usec);
        expect_error(&h, ECONNRESET, LEASE_ERROR_NOTICE);
        ck_assert_ptr_nonnull(strstr(last_object(&h)->text, "reset"));
        expect_error(&group, ECONNRESET, LEASE_ERROR_NOTICE);
        ck_assert_uint_eq(elsewhere.n_objects, 0);
        /* the other mailbox of the same responder */
        mailbox_report_state(f->b, MAILBOX_IDLE, 2, "reset", f->f->now_usec);
        ck_assert_uint_eq(group.n_objects, 2);
        ck_assert_uint_eq(h.n_objects, 1);
        ck_assert_uint_eq(h.n_ends + group.n_ends, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_request_that_was_lost_is_answered_before_the_notice) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        start(f, f->a);
        say(f, &h, ECHO, "2222", 4);
        mailbox_report_state(f->a, MAILBOX_RECOVERING, 2, "abort", f->f->now_usec);
        ck_assert_uint_eq(h.n_objects, 0);
        fail_job(f, f->a, -ECONNABORTED, false, "lost");
        ck_assert_uint_eq(h.n_objects, 2);
        ck_assert_int_eq(h.objects[0].error, ECONNABORTED);
        ck_assert_uint_eq(h.objects[0].flags, 0);
        expect_error(&h, ECONNRESET, LEASE_ERROR_NOTICE);
        mailbox_report_state(f->a, MAILBOX_IDLE, 2, "", f->f->now_usec);
        answer_echo(f, f->a);
        ck_assert_mem_eq(last_object(&h)->payload, "2222", 4);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_lost_link_costs_what_runs_and_no_lease) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        start(f, f->a);
        say(f, &h, ECHO, "2222", 4);
        manager_link_lost(f->f->m, "killed", f->f->now_usec);
        expect_error(&h, ECONNABORTED, 0);
        ck_assert_uint_eq(h.n_ends, 0);
        lease_hang_up(h.lease, f->f->now_usec);
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_lost_link_ends_a_drain) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        start(f, f->a);
        lease_hang_up(h.lease, f->f->now_usec);
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_leases_open, 1);
        manager_link_lost(f->f->m, "killed", f->f->now_usec);
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

/* The first request has timed out in the device, and the clock of the second runs. */
static void say_two_and_time_out(LeaseFixture *f, Holder *h) {
        hold(f, f->alice, f->a, ECHO, h);
        say(f, h, ECHO, "1111", 4);
        start(f, f->a);
        say(f, h, ECHO, "2222", 4);
        pass(f, 20 * USEC_PER_SEC);
        expect_error(h, ETIMEDOUT, 0);
}

START_TEST(a_clock_that_waits_for_a_drain_ends_with_its_lease) {
        for (unsigned drains_first = 0; drains_first < 2; drains_first++) {
                LeaseFixture *f = lease_fixture_new(NULL);
                Holder h;

                say_two_and_time_out(f, &h);
                lease_hang_up(h.lease, f->f->now_usec);
                if (drains_first)
                        answer_echo(f, f->a);
                pass(f, 21 * USEC_PER_SEC);
                ck_assert_uint_eq(f->f->n_leases_open, drains_first ? 0 : 1);
                ck_assert_uint_eq(h.n_objects, 1);
                lease_fixture_free(f);
        }
}
END_TEST

/* Asks for another lease as soon as one is refused. */
typedef struct Again {
        LeaseFixture *f;
        bool is_elsewhere; /* of the other mailbox */
        unsigned n_left;
} Again;

static void ask_again(void *userdata, const TransactionResult *result) {
        const LeaseOptions options = { .scope = LEASE_SCOPE_FEATURE, .wait = true };
        const TransactionOptions call = { .timeout_usec = 500 * USEC_PER_SEC };
        Again *again = userdata;
        LeaseFixture *f = again->f;
        PolicyDecision decision;

        if (result && (!result->failure || again->n_left-- == 0))
                return;
        fixture_judge(f->f, f->bob, ECHO, NULL, 0, /* in_lease= */ true, &decision);
        lease_ask(f->bob, result && again->is_elsewhere ? f->b : f->a, ECHO, &options, &decision, &call,
                  f->f->now_usec, ask_again, again);
}

START_TEST(who_is_refused_may_ask_again_at_once) {
        for (unsigned row = 0; row < 4; row++) {
                LeaseFixture *f = lease_fixture_new(NULL);
                Again again = { .f = f, .is_elsewhere = row & 1, .n_left = 1 };
                Holder h, next;

                hold(f, f->alice, f->a, ECHO, &h);
                ask_again(&again, NULL);
                wait_for(f, f->root, f->a, ECHO, &next);
                if (row & 2)
                        manager_report_device_removed(f->f->m, FIXTURE_ADDRESS, f->f->now_usec);
                else
                        mailbox_report_state(f->a, MAILBOX_DEAD, 1, "stuck", f->f->now_usec);
                /* whoever stood behind it in the list was not forgotten */
                ck_assert_int_eq(next.error, row & 2 ? -ENODEV : -ESHUTDOWN);
                pass(f, 0);
                lease_fixture_free(f);
        }
}
END_TEST

START_TEST(a_staged_request_that_was_lost_is_answered_before_the_notice_too) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        mailbox_report_state(f->a, MAILBOX_RECOVERING, 2, "reset", f->f->now_usec);
        ck_assert_uint_eq(h.n_objects, 0);
        manager_report_device_removed(f->f->m, FIXTURE_ADDRESS, f->f->now_usec);
        ck_assert_uint_eq(h.n_objects, 3);
        ck_assert_int_eq(h.objects[0].error, ENODEV);
        ck_assert_int_eq(h.objects[1].error, ECONNRESET);
        expect_error(&h, ENODEV, LEASE_ERROR_ENDS);
        lease_fixture_free(f);
}
END_TEST

DEFINE_SUITE("lease-end", a_revoked_lease_answers_everything_and_then_says_why,
             a_request_that_still_waits_for_the_mailbox_is_taken_back, revoking_twice_is_as_good_as_once,
             a_holder_that_hangs_up_leaves_its_request_to_drain, what_a_mailbox_becomes_is_the_last_object,
             a_kernel_hold_ends_no_lease, a_device_that_goes_ends_everything_on_it_in_order,
             a_device_that_goes_takes_a_group_with_a_request_on_its_other_mailbox,
             a_stop_answers_what_runs_and_ends_every_lease_at_once,
             suspend_ends_leases_and_waiters_go_on_after_it,
             recover_by_force_ends_leases_of_that_mailbox_only, a_new_epoch_is_told_by_a_notice,
             a_request_that_was_lost_is_answered_before_the_notice, a_lost_link_costs_what_runs_and_no_lease,
             a_lost_link_ends_a_drain, a_clock_that_waits_for_a_drain_ends_with_its_lease,
             who_is_refused_may_ask_again_at_once,
             a_staged_request_that_was_lost_is_answered_before_the_notice_too)
