/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/lease-fixture.h"
#include "tests/unit/suite.h"

static void inhibit(LeaseFixture *f, bool force, Holder *ret) {
        const LeaseOptions options = { .scope = LEASE_SCOPE_REGISTERS, .force = force, .why = "a tool" };

        ask(f, f->root, f->a, 0, 0, &options, ret);
}

/* doed-pci has let them go. */
static void let_go(LeaseFixture *f) {
        mailbox_report_handed_to(f->a, f->f->inhibited_for);
        mailbox_report_state(f->a, MAILBOX_INHIBITED, f->a->epoch, "", f->f->now_usec);
        pass(f, 0);
}

START_TEST(registers_are_handed_over_once_doed_pci_has_let_them_go) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        inhibit(f, false, &h);
        ck_assert_uint_eq(f->f->n_inhibits, 1);
        ck_assert(f->f->is_inhibited);
        ck_assert_uint_eq(h.n_answers, 0);
        let_go(f);
        ck_assert_ptr_nonnull(h.lease);
        ck_assert_str_eq(h.lease->why, "a tool");
        ck_assert_uint_eq(f->f->n_inhibits, 1);
        ck_assert_uint_eq(f->f->n_records_put, 0); /* nothing to resume */
        lease_fixture_free(f);
}
END_TEST

START_TEST(what_runs_and_was_queued_is_finished_first) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Answer before, after;
        Holder h;

        fixture_exchange(f->f, f->root, 0x1234, 0x02, "abcd", 4, NULL, &before);
        inhibit(f, false, &h);
        ck_assert_uint_eq(f->f->n_inhibits, 0);
        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, NULL, &after);
        ck_assert_int_eq(after.error, -EADDRINUSE);
        answer_echo(f, f->a);
        pass(f, 0);
        ck_assert_int_eq(before.error, 0);
        ck_assert_uint_eq(f->f->n_inhibits, 1);
        lease_fixture_free(f);
}
END_TEST

START_TEST(meanwhile_others_are_told_inhibited) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, other;
        Answer a;

        inhibit(f, false, &h);
        let_go(f);
        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, NULL, &a);
        ck_assert_int_eq(a.error, -EADDRINUSE);
        ask(f, f->alice, f->a, ECHO, &options, &other);
        ck_assert_int_eq(other.error, -EADDRINUSE);
        ck_assert_uint_eq(holder_value(&other, "uid"), 0);
        ck_assert_ptr_nonnull(strstr(other.text, "a tool"));
        hold(f, f->alice, f->b, ECHO, &other);
        lease_fixture_free(f);
}
END_TEST

START_TEST(its_end_lets_the_registers_be_taken_over_again) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        inhibit(f, false, &h);
        let_go(f);
        lease_hang_up(h.lease, f->f->now_usec);
        ck_assert_uint_eq(f->f->n_inhibits, 2);
        ck_assert(!f->f->is_inhibited);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(it_ends_after_ten_minutes_and_is_never_idle) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        inhibit(f, false, &h);
        let_go(f);
        pass(f, 600 * USEC_PER_SEC - 1);
        ck_assert_uint_eq(h.n_ends, 0);
        pass(f, 1);
        expect_error(&h, ETIMEDOUT, LEASE_ERROR_ENDS);
        ck_assert_uint_eq(h.n_ends, 1);
        ck_assert(!f->f->is_inhibited);
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_open_lease_is_in_its_way) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, tool;

        hold(f, f->alice, f->a, ECHO, &h);
        inhibit(f, false, &tool);
        ck_assert_int_eq(tool.error, -EUSERS);
        ck_assert_uint_eq(h.n_ends, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(by_force_it_ends_open_leases_and_goes_before_all_waiters) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, next, tool;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        start(f, f->a);
        wait_for(f, f->bob, f->a, ECHO, &next);
        inhibit(f, true, &tool);
        ck_assert_uint_eq(f->f->n_inhibits, 0);
        answer_echo(f, f->a);
        ck_assert_mem_eq(h.objects[0].payload, "1111", 4);
        expect_error(&h, EADDRINUSE, LEASE_ERROR_ENDS);
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_inhibits, 1);
        let_go(f);
        ck_assert_ptr_nonnull(tool.lease);
        ck_assert_uint_eq(next.n_answers, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_call_that_times_out_takes_the_registers_back) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_REGISTERS);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        ask_for(f, f->root, f->a, 0, 0, &options, USEC_PER_SEC, &h);
        ck_assert(f->f->is_inhibited);
        pass(f, USEC_PER_SEC);
        ck_assert_int_eq(h.error, -ETIMEDOUT);
        ck_assert(!f->f->is_inhibited);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_dead_mailbox_can_be_handed_to_a_tool) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        mailbox_report_state(f->a, MAILBOX_DEAD, 1, "stuck", f->f->now_usec);
        inhibit(f, false, &h);
        ck_assert_uint_eq(h.n_answers, 0);
        let_go(f);
        ck_assert_ptr_nonnull(h.lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_doed_pci_that_comes_back_is_told_again_once) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Device *d = f->a->device;
        Holder h;

        inhibit(f, false, &h);
        let_go(f);
        manager_link_lost(f->f->m, "killed", f->f->now_usec);
        ck_assert_uint_eq(h.n_ends, 0);
        manager_link_up(f->f->m, "none", f->f->now_usec);
        d->is_linked = true;
        mailbox_report_state(f->a, MAILBOX_UNTOUCHED, 1, "settling", f->f->now_usec);
        ck_assert_uint_eq(f->f->n_inhibits, 2);
        ck_assert(f->f->is_inhibited);
        mailbox_report_state(f->a, MAILBOX_UNTOUCHED, 1, "settling still", f->f->now_usec);
        let_go(f);
        ck_assert_uint_eq(f->f->n_inhibits, 2);
        ck_assert_uint_eq(h.n_ends, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(calls_that_cannot_run_now_are_not_waited_for) {
        const TransactionOptions patient = { .timeout_usec = 600 * USEC_PER_SEC };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;
        Answer a;

        mailbox_report_state(f->a, MAILBOX_WAITING, 1, "foreign", f->f->now_usec);
        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, &patient, &a);
        ck_assert_uint_eq(mailbox_queue_length(f->a), 1);
        inhibit(f, false, &h);
        ck_assert_uint_eq(f->f->n_inhibits, 1);
        let_go(f);
        ck_assert_ptr_nonnull(h.lease);
        ck_assert_uint_eq(a.n_times, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(calls_that_doed_pci_has_not_begun_come_back_and_wait_for_the_tool) {
        const TransactionOptions patient = { .timeout_usec = 600 * USEC_PER_SEC };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;
        Answer a;

        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, &patient, &a);
        mailbox_report_state(f->a, MAILBOX_WAITING, 1, "foreign", f->f->now_usec);
        inhibit(f, false, &h);
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_recalls, 1);
        ck_assert_uint_eq(f->f->n_inhibits, 0);
        mailbox_report_recalled(f->a, running_job(f->a)->id, f->f->now_usec);
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_inhibits, 1);
        /* it may seem ready for a moment */
        mailbox_report_state(f->a, MAILBOX_IDLE, 1, "", f->f->now_usec);
        pass(f, 0);
        ck_assert_ptr_null(f->a->running);
        let_go(f);
        ck_assert_ptr_nonnull(h.lease);
        lease_hang_up(h.lease, f->f->now_usec);
        mailbox_report_state(f->a, MAILBOX_IDLE, 1, "", f->f->now_usec);
        answer_echo(f, f->a);
        ck_assert_int_eq(a.error, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(calls_go_on_when_the_tool_gives_up_before_it_got_the_registers) {
        const TransactionOptions patient = { .timeout_usec = 600 * USEC_PER_SEC };
        const LeaseOptions options = lease_options(LEASE_SCOPE_REGISTERS);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;
        Answer a;

        mailbox_report_state(f->a, MAILBOX_WAITING, 1, "foreign", f->f->now_usec);
        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, &patient, &a);
        ask_for(f, f->root, f->a, 0, 0, &options, USEC_PER_SEC, &h);
        mailbox_report_state(f->a, MAILBOX_IDLE, 1, "", f->f->now_usec);
        ck_assert_ptr_null(f->a->running);
        pass(f, USEC_PER_SEC);
        ck_assert_int_eq(h.error, -ETIMEDOUT);
        answer_echo(f, f->a);
        ck_assert_int_eq(a.error, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(the_kernel_keeps_the_registers_until_it_is_done) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        mailbox_report_state(f->a, MAILBOX_KERNEL, 1, "bind", f->f->now_usec);
        inhibit(f, true, &h);
        pass(f, USEC_PER_SEC);
        ck_assert_uint_eq(f->f->n_inhibits, 0);
        mailbox_report_state(f->a, MAILBOX_IDLE, 1, "", f->f->now_usec);
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_inhibits, 1);
        lease_fixture_free(f);
}
END_TEST

START_TEST(by_force_over_the_quota_it_ends_nothing) {
        LeaseFixture *f = lease_fixture_new("[Limits]\nLeasesMaxPerUid=1\n");
        const LeaseOptions b = lease_options(LEASE_SCOPE_REGISTERS);
        Holder tool, h, other;

        hold(f, f->alice, f->a, ECHO, &h);
        ask(f, f->root, f->b, 0, 0, &b, &other);
        inhibit(f, true, &tool);
        ck_assert_int_eq(tool.error, -EDQUOT);
        ck_assert_uint_eq(h.n_ends, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(by_force_what_it_ends_does_not_count) {
        LeaseFixture *f = lease_fixture_new("[Limits]\nLeasesMaxPerUid=1\n");
        Holder tool, h;

        hold(f, f->root, f->a, ECHO, &h);
        inhibit(f, true, &tool);
        expect_error(&h, EADDRINUSE, LEASE_ERROR_ENDS);
        ck_assert_uint_eq(tool.error, 0);
        ck_assert_uint_eq(f->f->n_inhibits, 1);
        lease_fixture_free(f);
}
END_TEST

DEFINE_SUITE("lease-inhibit", registers_are_handed_over_once_doed_pci_has_let_them_go,
             what_runs_and_was_queued_is_finished_first, meanwhile_others_are_told_inhibited,
             its_end_lets_the_registers_be_taken_over_again, it_ends_after_ten_minutes_and_is_never_idle,
             an_open_lease_is_in_its_way, by_force_it_ends_open_leases_and_goes_before_all_waiters,
             a_call_that_times_out_takes_the_registers_back, a_dead_mailbox_can_be_handed_to_a_tool,
             a_doed_pci_that_comes_back_is_told_again_once, calls_that_cannot_run_now_are_not_waited_for,
             calls_that_doed_pci_has_not_begun_come_back_and_wait_for_the_tool,
             calls_go_on_when_the_tool_gives_up_before_it_got_the_registers,
             the_kernel_keeps_the_registers_until_it_is_done, by_force_over_the_quota_it_ends_nothing,
             by_force_what_it_ends_does_not_count)
