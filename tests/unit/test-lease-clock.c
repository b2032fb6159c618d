/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/lease-fixture.h"
#include "tests/unit/suite.h"

/* One request and its answer. */
static void talk(LeaseFixture *f, Holder *h) {
        say(f, h, ECHO, "abcd", 4);
        answer_echo(f, f->a);
}

static void expect_end_after(LeaseFixture *f, Holder *h, uint64_t usec) {
        pass(f, usec - 1);
        ck_assert_uint_eq(h->n_ends, 0);
        pass(f, 1);
        ck_assert_uint_eq(h->n_ends, 1);
        expect_error(h, ETIMEDOUT, LEASE_ERROR_ENDS);
}

static void not_ready(LeaseFixture *f, Holder *h, uint8_t exponent) {
        const uint8_t response[] = { 0x12, 0x7f, 0x42, 0, exponent, 0xe1, 1, 2 };

        say_spdm(f, h, 0xe1);
        answer(f, f->a, response, sizeof(response));
}

START_TEST(an_idle_lease_ends_and_says_why) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        ck_assert_uint_eq(h.lease->expires_usec, f->f->now_usec + 30 * USEC_PER_SEC);
        pass(f, 10 * USEC_PER_SEC);
        talk(f, &h);
        expect_end_after(f, &h, 30 * USEC_PER_SEC);
        ck_assert_ptr_nonnull(strstr(last_object(&h)->text, "idle for 30 s"));
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_busy_lease_ends_after_five_minutes_in_all) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        for (unsigned i = 0; i < 14; i++) {
                pass(f, 20 * USEC_PER_SEC);
                talk(f, &h);
        }
        expect_end_after(f, &h, 20 * USEC_PER_SEC);
        ck_assert_ptr_nonnull(strstr(last_object(&h)->text, "300 s"));
        lease_fixture_free(f);
}
END_TEST

START_TEST(idle_and_total_may_be_asked_for) {
        const LeaseOptions idle = { .scope = LEASE_SCOPE_FEATURE, .idle_usec = 5 * USEC_PER_SEC },
                           total = { .scope = LEASE_SCOPE_FEATURE, .max_usec = 7 * USEC_PER_SEC };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, other;

        ask(f, f->alice, f->a, ECHO, &idle, &h);
        ask(f, f->alice, f->b, ECHO, &total, &other);
        expect_end_after(f, &h, 5 * USEC_PER_SEC);
        expect_end_after(f, &other, 2 * USEC_PER_SEC);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_lease_is_not_idle_while_a_request_is_outstanding) {
        const LeaseOptions options = { .scope = LEASE_SCOPE_FEATURE, .request_usec = 100 * USEC_PER_SEC };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        ask(f, f->alice, f->a, ECHO, &options, &h);
        say(f, &h, ECHO, "abcd", 4);
        pass(f, 90 * USEC_PER_SEC);
        ck_assert_uint_eq(h.n_ends, 0);
        answer_echo(f, f->a);
        expect_end_after(f, &h, 30 * USEC_PER_SEC);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_request_whose_holder_does_not_read_does_not_count_as_outstanding) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        lease_set_blocked(h.lease, true, f->f->now_usec);
        say(f, &h, ECHO, "abcd", 4);
        pass(f, 30 * USEC_PER_SEC);
        ck_assert_uint_eq(h.n_ends, 1);
        ck_assert_uint_eq(h.n_objects, 2);
        ck_assert_int_eq(h.objects[0].error, ETIMEDOUT);
        ck_assert_uint_eq(h.objects[0].flags, LEASE_ERROR_NOT_SENT);
        expect_error(&h, ETIMEDOUT, LEASE_ERROR_ENDS);
        lease_fixture_free(f);
}
END_TEST

START_TEST(once_somebody_waits_a_minute_is_left) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, next;

        hold(f, f->alice, f->a, ECHO, &h);
        pass(f, 10 * USEC_PER_SEC);
        talk(f, &h);
        wait_for(f, f->bob, f->a, ECHO, &next);
        for (unsigned i = 0; i < 2; i++) {
                pass(f, 20 * USEC_PER_SEC);
                talk(f, &h);
        }
        expect_end_after(f, &h, 20 * USEC_PER_SEC);
        ck_assert_ptr_nonnull(strstr(last_object(&h)->text, "waited"));
        ck_assert_ptr_nonnull(next.lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_waiter_that_gives_up_takes_its_clock_along) {
        const LeaseOptions options = { .scope = LEASE_SCOPE_FEATURE, .wait = true };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, next;

        hold(f, f->alice, f->a, ECHO, &h);
        ask_for(f, f->bob, f->a, ECHO, &options, 10 * USEC_PER_SEC, &next);
        for (unsigned i = 0; i < 5; i++) {
                pass(f, 20 * USEC_PER_SEC);
                talk(f, &h);
        }
        ck_assert_int_eq(next.error, -ETIMEDOUT);
        ck_assert_uint_eq(h.n_ends, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_session_has_ten_idle_minutes_no_total_and_no_clock_for_waiters) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, next;

        hold(f, f->root, f->a, SPDM, &h);
        say_hello(f, &h);
        say_spdm(f, &h, 0xe4);
        ck_assert(!h.lease->is_session);
        answer_spdm(f, f->a, 0x64);
        ck_assert(h.lease->is_session);
        wait_for(f, f->bob, f->a, SPDM, &next);
        pass(f, 400 * USEC_PER_SEC);
        say_spdm(f, &h, 0xe1);
        answer_spdm(f, f->a, 0x61);
        expect_end_after(f, &h, 600 * USEC_PER_SEC);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_key_exchange_that_is_refused_opens_no_session) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->root, f->a, SPDM, &h);
        say_hello(f, &h);
        say_spdm(f, &h, 0xe6);
        answer_spdm(f, f->a, 0x7f);
        ck_assert(!h.lease->is_session);
        expect_end_after(f, &h, 30 * USEC_PER_SEC);
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_encrypted_object_is_of_a_session) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->root, f->a, SPDM, &h);
        say_hello(f, &h);
        say(f, &h, SECURED, "abcd", 4);
        answer_echo(f, f->b);
        ck_assert(h.lease->is_session);
        expect_end_after(f, &h, 600 * USEC_PER_SEC);
        lease_fixture_free(f);
}
END_TEST

START_TEST(idle_as_asked_for_holds_for_a_session_too) {
        const LeaseOptions options = { .scope = LEASE_SCOPE_FEATURE, .idle_usec = 5 * USEC_PER_SEC };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        ask(f, f->root, f->a, SPDM, &options, &h);
        say_hello(f, &h);
        say_spdm(f, &h, 0xe4);
        answer_spdm(f, f->a, 0x64);
        expect_end_after(f, &h, 5 * USEC_PER_SEC);
        lease_fixture_free(f);
}
END_TEST

START_TEST(response_not_ready_extends_idle_by_what_was_asked) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        say_hello(f, &h);
        not_ready(f, &h, 24); /* 2^24 us */
        expect_end_after(f, &h, 30 * USEC_PER_SEC + (UINT64_C(1) << 24));
        lease_fixture_free(f);
}
END_TEST

START_TEST(response_not_ready_extends_idle_by_a_minute_at_most_and_once) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        say_hello(f, &h);
        not_ready(f, &h, 255);
        ck_assert_uint_eq(h.lease->expires_usec, f->f->now_usec + 90 * USEC_PER_SEC);
        say_spdm(f, &h, 0xe1);
        answer_spdm(f, f->a, 0x61);
        expect_end_after(f, &h, 30 * USEC_PER_SEC);
        lease_fixture_free(f);
}
END_TEST

START_TEST(response_not_ready_never_extends_the_total) {
        const LeaseOptions options = { .scope = LEASE_SCOPE_FEATURE, .max_usec = 40 * USEC_PER_SEC };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        ask(f, f->alice, f->a, SPDM, &options, &h);
        say_hello(f, &h);
        not_ready(f, &h, 255);
        expect_end_after(f, &h, 40 * USEC_PER_SEC);
        lease_fixture_free(f);
}
END_TEST

START_TEST(the_observer_hears_of_another_end_once_a_second_at_most_and_of_the_last_one) {
        LeaseFixture *f = lease_fixture_new(NULL);
        unsigned n_before;
        Holder h;

        hold(f, f->alice, f->a, 0x1234, 0x02, &h);
        n_before = f->f->n_lease_changes;
        for (unsigned i = 0; i < 20; i++) {
                pass(f, USEC_PER_SEC / 10);
                say(f, &h, 0x1234, 0x02, "abcd", 4);
                answer_echo(f, f->a);
        }
        ck_assert_uint_ge(f->f->n_lease_changes, n_before + 1);
        ck_assert_uint_le(f->f->n_lease_changes, n_before + 2);
        n_before = f->f->n_lease_changes;
        pass(f, 2 * USEC_PER_SEC);
        ck_assert_uint_le(f->f->n_lease_changes, n_before + 1);
        n_before = f->f->n_lease_changes;
        pass(f, 20 * USEC_PER_SEC);
        ck_assert_uint_eq(f->f->n_lease_changes, n_before);
        lease_fixture_free(f);
}
END_TEST

DEFINE_SUITE("lease-clock", an_idle_lease_ends_and_says_why, a_busy_lease_ends_after_five_minutes_in_all,
             idle_and_total_may_be_asked_for, a_lease_is_not_idle_while_a_request_is_outstanding,
             a_request_whose_holder_does_not_read_does_not_count_as_outstanding,
             once_somebody_waits_a_minute_is_left, a_waiter_that_gives_up_takes_its_clock_along,
             a_session_has_ten_idle_minutes_no_total_and_no_clock_for_waiters,
             a_key_exchange_that_is_refused_opens_no_session, an_encrypted_object_is_of_a_session,
             idle_as_asked_for_holds_for_a_session_too, response_not_ready_extends_idle_by_what_was_asked,
             response_not_ready_extends_idle_by_a_minute_at_most_and_once,
             response_not_ready_never_extends_the_total,
             the_observer_hears_of_another_end_once_a_second_at_most_and_of_the_last_one)
