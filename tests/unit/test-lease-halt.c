/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/lease-fixture.h"
#include "tests/unit/suite.h"

static const char allow_compliance[] = "[Rule compliance]\nUser=root\nFeature=1e98:00\nVerdict=allow\n";

static void hold_mailbox(LeaseFixture *f, Holder *h) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_MAILBOX);

        ask(f, f->root, f->a, 0, 0, &options, h);
        ck_assert_ptr_nonnull(h->lease);
}

/* Multiple write streaming, version 2. */
static void say_destructive(LeaseFixture *f, Holder *h) {
        say(f, h, 0x1e98, 0x00, "\x03\x02\0\0", 4);
}

static void expect_halting(LeaseFixture *f) {
        const Job *job = running_job(f->a);

        ck_assert_uint_eq(job->vendor_id, 0x1e98);
        ck_assert_uint_eq(job->type, 0x00);
        ck_assert_mem_eq(job->payload, "\x02\x02\0\0", 4);
}

START_TEST(destructive_compliance_needs_a_mailbox_lease) {
        LeaseFixture *f = lease_fixture_new(allow_compliance);
        Holder h;

        hold(f, f->root, f->a, 0x1e98, 0x00, &h);
        say_destructive(f, &h);
        expect_error(&h, ENOLCK, LEASE_ERROR_NOT_SENT);
        ck_assert_uint_eq(f->f->n_destructive, 0);
        say(f, &h, 0x1e98, 0x00, "\x01\x02\0\0", 4); /* status */
        answer_echo(f, f->a);
        ck_assert_int_eq(last_object(&h)->error, 0);
        lease_hang_up(h.lease, f->f->now_usec);
        pass(f, 0);
        ck_assert_ptr_null(f->a->running); /* nothing to halt */
        lease_fixture_free(f);
}
END_TEST

START_TEST(what_doed_pci_refuses_is_told_as_denied_and_not_as_sent) {
        LeaseFixture *f = lease_fixture_new(allow_compliance);
        Holder h;

        hold_mailbox(f, &h);
        say_destructive(f, &h);
        fail_job(f, f->a, -EACCES, true, "no rule of root lends it");
        expect_error(&h, EACCES, LEASE_ERROR_NOT_SENT);
        ck_assert_uint_eq(f->f->n_destructive, 0);
        ck_assert_uint_eq(f->f->n_lease_denials, 1);
        lease_fixture_free(f);
}
END_TEST

START_TEST(compliance_is_halted_before_anybody_else_gets_in) {
        const LeaseOptions wait = { .scope = LEASE_SCOPE_MAILBOX, .wait = true };
        LeaseFixture *f = lease_fixture_new(allow_compliance);
        Holder h, next;
        Answer a;

        hold_mailbox(f, &h);
        say_destructive(f, &h);
        ck_assert_uint_eq(f->f->n_destructive, 0); /* it may still be refused */
        answer_echo(f, f->a);
        ask(f, f->root, f->a, 0, 0, &wait, &next);
        lease_end(h.lease, -ECANCELED, "Revoked", f->f->now_usec);
        expect_error(&h, ECANCELED, LEASE_ERROR_ENDS);
        ck_assert_uint_eq(h.n_ends, 1);
        pass(f, 0);
        expect_halting(f);
        ck_assert_uint_eq(f->f->n_destructive, 1);
        ck_assert_uint_eq(f->f->n_halting, 1);
        ck_assert_uint_eq(f->f->n_not_halted, 0);
        ck_assert_uint_eq(next.n_answers, 0);
        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, NULL, &a);
        ck_assert_int_eq(a.error, -EUSERS);
        answer_echo(f, f->a);
        pass(f, 0);
        ck_assert_ptr_nonnull(next.lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(compliance_is_halted_after_a_request_that_still_drains) {
        LeaseFixture *f = lease_fixture_new(allow_compliance);
        Holder h;

        hold_mailbox(f, &h);
        say_destructive(f, &h);
        start(f, f->a);
        lease_hang_up(h.lease, f->f->now_usec);
        pass(f, 0);
        ck_assert_uint_eq(running_job(f->a)->payload[0], 3);
        ck_assert_ptr_null(f->a->staged);
        answer_echo(f, f->a);
        pass(f, 0);
        expect_halting(f);
        fail_job(f, f->a, -EREMOTEIO, false, "Error"); /* said in the log; nobody is kept out for ever */
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_stop_sends_halt_and_does_not_wait_for_it) {
        LeaseFixture *f = lease_fixture_new(allow_compliance);
        Holder h;

        hold_mailbox(f, &h);
        say_destructive(f, &h);
        answer_echo(f, f->a);
        manager_stop(f->f->m, "terminated", f->f->now_usec);
        expect_halting(f);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_stop_while_compliance_is_being_halted_leaves_nothing_behind) {
        LeaseFixture *f = lease_fixture_new(allow_compliance);
        Holder h;

        hold_mailbox(f, &h);
        say_destructive(f, &h);
        answer_echo(f, f->a);
        lease_hang_up(h.lease, f->f->now_usec);
        expect_halting(f);
        ck_assert_uint_eq(f->f->n_leases_open, 1);
        manager_stop(f->f->m, "terminated", f->f->now_usec);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(the_halt_has_the_version_that_the_device_took) {
        LeaseFixture *f = lease_fixture_new(allow_compliance);
        Holder h;

        hold_mailbox(f, &h);
        say(f, &h, 0x1e98, 0x00, "\x03\x09\0\0", 4);
        answer(f, f->a, "\x03\x02\x04\x80", 4); /* refused */
        say_destructive(f, &h);
        answer(f, f->a, "\x03\x02\x04\0", 4);
        say(f, &h, 0x1e98, 0x00, "\x03\xff\0\0", 4);
        answer(f, f->a, "\x03\x02\x04\x80", 4);
        lease_hang_up(h.lease, f->f->now_usec);
        expect_halting(f);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_halt_that_could_not_begin_in_time_is_sent_again) {
        static const int errors[] = { -ETIMEDOUT, -EBUSY };

        for (size_t i = 0; i < ELEMENTS(errors); i++) {
                LeaseFixture *f = lease_fixture_new(allow_compliance);
                Holder h;

                hold_mailbox(f, &h);
                say_destructive(f, &h);
                answer_echo(f, f->a);
                mailbox_report_state(f->a, MAILBOX_KERNEL, 1, "bind", f->f->now_usec);
                lease_hang_up(h.lease, f->f->now_usec);
                pass(f, 40 * USEC_PER_SEC);
                mailbox_report_state(f->a, MAILBOX_IDLE, 1, "", f->f->now_usec);
                fail_job(f, f->a, errors[i], true, "not begun in time");
                pass(f, 0);
                expect_halting(f);
                ck_assert_uint_eq(f->f->n_leases_open, 1);
                answer_echo(f, f->a);
                pass(f, 0);
                ck_assert_uint_eq(f->f->n_leases_open, 0);
                ck_assert_ptr_null(f->a->running);
                lease_fixture_free(f);
        }
}
END_TEST

START_TEST(a_halt_that_can_never_begin_keeps_nobody_out) {
        static const struct {
                MailboxState state;
                int error;
        } rows[] = { { MAILBOX_DEAD, -ESHUTDOWN },
                     { MAILBOX_READ_ONLY, -EROFS },
                     { MAILBOX_DEAD, -ETIMEDOUT },
                     { MAILBOX_IDLE, -EPROTONOSUPPORT } };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                LeaseFixture *f = lease_fixture_new(allow_compliance);
                Holder h;

                hold_mailbox(f, &h);
                say_destructive(f, &h);
                answer_echo(f, f->a);
                lease_hang_up(h.lease, f->f->now_usec);
                mailbox_report_state(f->a, rows[i].state, 1, "why", f->f->now_usec);
                fail_job(f, f->a, rows[i].error, true, "refused");
                pass(f, 0);
                ck_assert_uint_eq(f->f->n_leases_open, 0);
                ck_assert_ptr_null(f->a->running);
                lease_fixture_free(f);
        }
}
END_TEST

START_TEST(a_halt_that_the_device_refuses_is_not_repeated) {
        LeaseFixture *f = lease_fixture_new(allow_compliance);
        Holder h;

        hold_mailbox(f, &h);
        say_destructive(f, &h);
        answer_echo(f, f->a);
        lease_hang_up(h.lease, f->f->now_usec);
        answer(f, f->a, "\x02\x02\x04\x80", 4);
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        ck_assert_ptr_null(f->a->running);
        lease_fixture_free(f);
}
END_TEST

DEFINE_SUITE("lease-halt", destructive_compliance_needs_a_mailbox_lease,
             what_doed_pci_refuses_is_told_as_denied_and_not_as_sent,
             compliance_is_halted_before_anybody_else_gets_in,
             compliance_is_halted_after_a_request_that_still_drains,
             a_stop_sends_halt_and_does_not_wait_for_it,
             a_stop_while_compliance_is_being_halted_leaves_nothing_behind,
             the_halt_has_the_version_that_the_device_took,
             a_halt_that_could_not_begin_in_time_is_sent_again, a_halt_that_can_never_begin_keeps_nobody_out,
             a_halt_that_the_device_refuses_is_not_repeated)
