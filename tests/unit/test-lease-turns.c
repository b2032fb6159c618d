/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/lease-fixture.h"
#include "tests/unit/suite.h"

static void let_go(LeaseFixture *f, Holder *h) {
        ck_assert_ptr_nonnull(h->lease);
        lease_hang_up(h->lease, f->f->now_usec);
        pass(f, 0);
}

START_TEST(who_waits_gets_it_as_soon_as_it_is_free) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, next;

        hold(f, f->alice, f->a, ECHO, &h);
        wait_for(f, f->bob, f->a, ECHO, &next);
        ck_assert_uint_eq(next.n_answers, 0);
        ck_assert_uint_eq(lease_count_waiters(h.lease), 1);
        let_go(f, &h);
        ck_assert_ptr_nonnull(next.lease);
        ck_assert_uint_eq(lease_count_waiters(next.lease), 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(one_uid_is_served_in_the_order_of_its_calls) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, first, second;

        hold(f, f->bob, f->a, ECHO, &h);
        wait_for(f, f->alice, f->a, ECHO, &first);
        wait_for(f, f->al, f->a, ECHO, &second);
        let_go(f, &h);
        ck_assert_ptr_nonnull(first.lease);
        ck_assert_uint_eq(second.n_answers, 0);
        let_go(f, &first);
        ck_assert_ptr_nonnull(second.lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(the_uid_that_was_served_least_recently_is_next) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, alices[2], bobs;

        hold(f, f->root, f->a, ECHO, &h);
        wait_for(f, f->alice, f->a, ECHO, &alices[0]);
        wait_for(f, f->al, f->a, ECHO, &alices[1]);
        wait_for(f, f->bob, f->a, ECHO, &bobs);
        let_go(f, &h);
        ck_assert_ptr_nonnull(alices[0].lease);
        let_go(f, &alices[0]);
        ck_assert_ptr_nonnull(bobs.lease); /* before the second of alice, which came earlier */
        ck_assert_uint_eq(alices[1].n_answers, 0);
        let_go(f, &bobs);
        ck_assert_ptr_nonnull(alices[1].lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_holder_that_a_clock_ended_goes_behind_those_who_waited) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder alices[2], bobs[2];

        hold(f, f->alice, f->a, ECHO, &alices[0]);
        wait_for(f, f->bob, f->a, ECHO, &bobs[0]);
        wait_for(f, f->bob, f->a, ECHO, &bobs[1]);
        pass(f, 30 * USEC_PER_SEC);
        ck_assert_uint_eq(alices[0].n_ends, 1);
        ck_assert_ptr_nonnull(bobs[0].lease);
        wait_for(f, f->alice, f->a, ECHO, &alices[1]);
        let_go(f, &bobs[0]);
        /* by turns it would be alice, who was served before bob */
        ck_assert_ptr_nonnull(bobs[1].lease);
        ck_assert_uint_eq(alices[1].n_answers, 0);
        let_go(f, &bobs[1]);
        ck_assert_ptr_nonnull(alices[1].lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_wait_ends_with_its_timeout_and_counts_no_more) {
        const LeaseOptions options = { .scope = LEASE_SCOPE_FEATURE, .wait = true };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, other;

        hold(f, f->alice, f->a, ECHO, &h);
        ask_for(f, f->bob, f->a, ECHO, &options, USEC_PER_SEC, &other);
        pass(f, USEC_PER_SEC - 1);
        ck_assert_uint_eq(other.n_answers, 0);
        pass(f, 1);
        ck_assert_int_eq(other.error, -ETIMEDOUT);
        ck_assert_uint_eq(other.n_answers, 1);
        ck_assert_uint_eq(f->bob->account->n_waiters, 0);
        ck_assert_uint_eq(lease_count_waiters(h.lease), 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_client_that_leaves_waits_no_more_and_the_next_one_is_looked_at) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, mailbox, feature;
        const LeaseOptions whole = { .scope = LEASE_SCOPE_MAILBOX, .wait = true };

        hold(f, f->alice, f->a, ECHO, &h);
        ask(f, f->root, f->a, 0, 0, &whole, &mailbox);
        wait_for(f, f->bob, f->a, 0x1234, 0x02, &feature);
        /* nobody has it, but it would starve the one that needs the whole mailbox */
        ck_assert_uint_eq(feature.n_answers, 0);
        f->root = f->f->root = client_free(f->root);
        pass(f, 0);
        ck_assert_uint_eq(mailbox.n_answers, 0);
        ck_assert_ptr_nonnull(feature.lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_call_that_does_not_wait_does_not_jump_the_queue) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE),
                           whole = { .scope = LEASE_SCOPE_MAILBOX, .wait = true };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, mailbox, feature, elsewhere;

        hold(f, f->alice, f->a, ECHO, &h);
        ask(f, f->root, f->a, 0, 0, &whole, &mailbox);
        ask(f, f->bob, f->a, 0x1234, 0x02, &options, &feature);
        ck_assert_int_eq(feature.error, -EUSERS);
        hold(f, f->bob, f->b, ECHO, &elsewhere);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_cookie_cancels_a_wait) {
        const LeaseOptions options = { .scope = LEASE_SCOPE_FEATURE, .wait = true };
        LeaseFixture *f = lease_fixture_new(NULL);
        Transaction *t;
        Holder h, other;

        hold(f, f->alice, f->a, ECHO, &h);
        ask(f, f->bob, f->a, ECHO, &options, &other);
        t = TAILQ_FIRST(&f->bob->transactions);
        t->options.has_cookie = true;
        t->options.cookie = 7;
        ck_assert_int_eq(transaction_cancel(f->bob, f->a, 7, f->f->now_usec), 0);
        ck_assert_int_eq(other.error, -ECANCELED);
        let_go(f, &h);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(nobody_gets_in_while_the_last_request_of_the_old_holder_drains) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, next;
        Answer a;

        hold(f, f->alice, f->a, SPDM, &h);
        say_spdm(f, &h, SPDM_CODE_GET_VERSION);
        start(f, f->a);
        wait_for(f, f->bob, f->a, SPDM, &next);
        let_go(f, &h);
        ck_assert_uint_eq(next.n_answers, 0);
        fixture_exchange(f->f, f->root, SPDM, "\x10\x84\0\0", 4, NULL, &a);
        ck_assert_int_eq(a.error, -EUSERS);
        answer_spdm(f, f->a, 0x04);
        pass(f, 0);
        ck_assert_ptr_nonnull(next.lease);
        lease_fixture_free(f);
}
END_TEST

DEFINE_SUITE("lease-turns", who_waits_gets_it_as_soon_as_it_is_free,
             one_uid_is_served_in_the_order_of_its_calls, the_uid_that_was_served_least_recently_is_next,
             a_holder_that_a_clock_ended_goes_behind_those_who_waited,
             a_wait_ends_with_its_timeout_and_counts_no_more,
             a_client_that_leaves_waits_no_more_and_the_next_one_is_looked_at,
             a_call_that_does_not_wait_does_not_jump_the_queue, a_cookie_cancels_a_wait,
             nobody_gets_in_while_the_last_request_of_the_old_holder_drains)
