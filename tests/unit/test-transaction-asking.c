/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What waits for somebody else's word on whether its caller may. */

#include <errno.h>

#include "tests/unit/core-fixture.h"
#include "tests/unit/suite.h"

static const TransactionOptions with_cookie = {
        .priority = JOB_NORMAL, .timeout_usec = USEC_PER_SEC, .has_cookie = true, .cookie = 7
};

/* Takes part in what all other waits get: an Answer. */
static Transaction *ask(Fixture *f, Mailbox *mb, Answer *ret) {
        *ret = (Answer){};
        return transaction_wait_authorized(f->agent, mb, &with_cookie, f->now_usec, fixture_on_answer(),
                                           ret);
}

START_TEST(answer_ends_it_without_touching_the_device) {
        Fixture *f = fixture_new();
        TransactionResult granted = {};
        Transaction *t;
        Answer a;

        t = ask(f, f->mb, &a);
        ck_assert_ptr_nonnull(t);
        ck_assert(!fixture_has_pending(f));
        transaction_succeed(t, &granted, f->now_usec);
        ck_assert_uint_eq(a.n_times, 1);
        ck_assert_int_eq(a.error, 0);
        ck_assert_uint_eq(f->agent->n_transactions, 0);
        fixture_free(f);
}
END_TEST

START_TEST(its_only_end_by_time_is_timed_out) {
        static const MailboxState states[] = { MAILBOX_KERNEL, MAILBOX_WAITING, MAILBOX_DEAD, MAILBOX_IDLE };

        for (size_t i = 0; i < ELEMENTS(states); i++) {
                Fixture *f = fixture_new();
                Answer a;

                ask(f, f->mb, &a);
                fixture_state(f, states[i], "for a reason");
                fixture_advance(f, USEC_PER_SEC - 1);
                ck_assert_uint_eq(a.n_times, 0);
                fixture_advance(f, 1);
                ck_assert_uint_eq(a.n_times, 1);
                ck_assert_int_eq(a.error, -ETIMEDOUT);
                fixture_free(f);
        }
}
END_TEST

START_TEST(lost_link_does_not_end_it) {
        Fixture *f = fixture_new();
        Answer a;

        ask(f, NULL, &a);
        manager_link_lost(f->m, "killed", f->now_usec);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_advance(f, USEC_PER_SEC);
        ck_assert_int_eq(a.error, -ETIMEDOUT);
        fixture_free(f);
}
END_TEST

START_TEST(removed_mailbox_ends_it) {
        Fixture *f = fixture_new();
        Answer a, of_none;

        ask(f, f->mb, &a);
        ask(f, NULL, &of_none);
        manager_report_device_removed(f->m, FIXTURE_ADDRESS, f->now_usec);
        ck_assert_uint_eq(a.n_times, 1);
        ck_assert_int_eq(a.error, -ENODEV);
        ck_assert_uint_eq(of_none.n_times, 0);
        manager_stop(f->m, "asked to", f->now_usec);
        ck_assert_int_eq(of_none.error, -ECONNABORTED);
        fixture_free(f);
}
END_TEST

START_TEST(cancel_finds_it_by_its_cookie_and_mailbox) {
        Fixture *f = fixture_new();
        Answer a;

        ask(f, f->mb, &a);
        ck_assert(transaction_has_cookie(f->agent, f->mb, 7));
        ck_assert_int_eq(transaction_cancel(f->agent, NULL, 7, f->now_usec), -ESRCH);
        ck_assert_int_eq(transaction_cancel(f->root, f->mb, 7, f->now_usec), -ESRCH);
        ck_assert_int_eq(transaction_cancel(f->agent, f->mb, 8, f->now_usec), -ESRCH);
        ck_assert_int_eq(transaction_cancel(f->agent, f->mb, 7, f->now_usec), 0);
        ck_assert_uint_eq(a.n_times, 1);
        ck_assert_int_eq(a.error, -ECANCELED);
        fixture_free(f);
}
END_TEST

START_TEST(client_that_leaves_is_not_answered) {
        Fixture *f = fixture_new();
        Answer a;

        ask(f, f->mb, &a);
        f->agent = client_free(f->agent);
        fixture_advance(f, USEC_PER_SEC);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_free(f);
}
END_TEST

DEFINE_SUITE("transaction-asking", answer_ends_it_without_touching_the_device,
             its_only_end_by_time_is_timed_out, lost_link_does_not_end_it, removed_mailbox_ends_it,
             cancel_finds_it_by_its_cookie_and_mailbox, client_that_leaves_is_not_answered)
