/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/lease-fixture.h"
#include "tests/unit/suite.h"

START_TEST(a_free_feature_is_leased_at_once) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        ck_assert_uint_eq(h.n_answers, 1);
        ck_assert_uint_eq(h.epoch, 1);
        ck_assert_uint_eq(h.lease->state, LEASE_OPEN);
        ck_assert_uint_eq(h.lease->uid, 2001);
        ck_assert_str_eq(h.lease->holder, ":1.21");
        ck_assert_uint_eq(lease_object_bytes_max(h.lease), 64);
        ck_assert_uint_eq(f->f->n_leases_open, 1);
        ck_assert_ptr_eq(manager_find_lease(f->f->m, h.lease->id), h.lease);
        ck_assert_ptr_null(manager_find_lease(f->f->m, h.lease->id + 1));
        lease_fixture_free(f);
        ck_assert_uint_eq(h.n_ends, 1);
}
END_TEST

START_TEST(an_id_is_never_used_again) {
        LeaseFixture *f = lease_fixture_new(NULL);
        uint64_t last = 0;
        Holder h;

        for (unsigned i = 0; i < 3; i++) {
                hold(f, f->alice, f->a, ECHO, &h);
                ck_assert_uint_gt(h.lease->id, last);
                last = h.lease->id;
                lease_hang_up(h.lease, f->f->now_usec);
                pass(f, 0);
        }
        lease_fixture_free(f);
}
END_TEST

START_TEST(without_wait_somebody_elses_lease_is_told_at_once_with_uid_and_age) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, other;

        hold(f, f->alice, f->a, ECHO, &h);
        ask(f, f->bob, f->a, ECHO, &options, &other);
        ck_assert_int_eq(other.error, -EUSERS);
        ck_assert_uint_eq(holder_value(&other, "uid"), 2001);
        ck_assert_uint_eq(holder_value(&other, "since-usec"), h.lease->since_realtime_usec);
        ck_assert(!holder_has_value(&other, "pid"));
        ck_assert(!holder_has_value(&other, "unit"));
        ck_assert_ptr_null(strstr(other.text, "4711"));
        lease_fixture_free(f);
}
END_TEST

START_TEST(pid_and_unit_are_told_to_root_and_to_ones_own_uid) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        Client *const may_see[] = { f->root, f->al };
        Holder h, other;

        hold(f, f->alice, f->a, ECHO, &h);
        for (size_t i = 0; i < ELEMENTS(may_see); i++) {
                ask(f, may_see[i], f->a, ECHO, &options, &other);
                ck_assert_int_eq(other.error, -EUSERS);
                ck_assert_uint_eq(holder_value(&other, "pid"), 4711);
                ck_assert(holder_has_value(&other, "unit"));
                ck_assert_ptr_nonnull(strstr(other.text, "agent.service"));
        }
        lease_fixture_free(f);
}
END_TEST

START_TEST(exchanges_of_the_leased_feature_are_refused_and_others_go_on) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Answer leased, other;
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, NULL, &leased);
        ck_assert_int_eq(leased.error, -EUSERS);
        fixture_exchange(f->f, f->root, 0x1234, 0x02, "abcd", 4, NULL, &other);
        answer_echo(f, f->a);
        ck_assert_int_eq(other.error, 0);
        ck_assert_uint_eq(other.n_times, 1);
        lease_fixture_free(f);
}
END_TEST

START_TEST(the_holder_itself_passes_through_its_stream_only) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Answer a;
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        fixture_exchange(f->f, f->alice, ECHO, "abcd", 4, NULL, &a);
        ck_assert_int_eq(a.error, -EUSERS);
        lease_fixture_free(f);
}
END_TEST

START_TEST(calls_that_were_queued_before_run_first_and_later_ones_are_refused) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        Answer before[2], after;
        Holder h;

        for (size_t i = 0; i < ELEMENTS(before); i++)
                fixture_exchange(f->f, f->root, ECHO, "abcd", 4, NULL, &before[i]);
        ask(f, f->alice, f->a, ECHO, &options, &h);
        ck_assert_uint_eq(h.n_answers, 0);
        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, NULL, &after);
        ck_assert_int_eq(after.error, -EUSERS);
        answer_echo(f, f->a);
        pass(f, 0);
        ck_assert_uint_eq(h.n_answers, 0);
        answer_echo(f, f->a);
        pass(f, 0);
        ck_assert_int_eq(before[0].error, 0);
        ck_assert_int_eq(before[1].error, 0);
        ck_assert_ptr_nonnull(h.lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_feature_that_is_not_offered_is_unsupported) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        ask(f, f->alice, f->b, 0x1234, 0x02, &options, &h);
        ck_assert_int_eq(h.error, -EPROTONOSUPPORT);
        lease_fixture_free(f);
}
END_TEST

START_TEST(before_discovery_a_lease_waits_until_the_feature_is_known) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new_silent(NULL);
        Holder good, bad;

        ask(f, f->alice, f->a, ECHO, &options, &good);
        ask(f, f->alice, f->b, 0x1234, 0x02, &options, &bad);
        ck_assert_uint_eq(good.n_answers + bad.n_answers, 0);
        mailbox_come_up(f, f->a, 1);
        mailbox_come_up(f, f->b, 1);
        ck_assert_ptr_nonnull(good.lease);
        ck_assert_int_eq(bad.error, -EPROTONOSUPPORT);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_mailbox_that_is_not_ready_in_time_says_what_was_waited_for) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, again;

        mailbox_report_state(f->a, MAILBOX_KERNEL, 1, "cxl binds", f->f->now_usec);
        ask_for(f, f->alice, f->a, ECHO, &options, USEC_PER_SEC, &h);
        pass(f, USEC_PER_SEC);
        ck_assert_int_eq(h.error, -EXDEV);
        /* and it holds nobody up */
        mailbox_report_state(f->a, MAILBOX_IDLE, 1, "", f->f->now_usec);
        hold(f, f->bob, f->a, ECHO, &again);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_mailbox_that_never_becomes_ready_by_itself_refuses_at_once) {
        static const struct {
                MailboxState state;
                int error;
        } rows[] = { { MAILBOX_DEAD, -ESHUTDOWN }, { MAILBOX_READ_ONLY, -EROFS } };
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                LeaseFixture *f = lease_fixture_new(NULL);
                Holder before, h;

                mailbox_report_state(f->a, MAILBOX_WAITING, 1, "", f->f->now_usec);
                ask(f, f->alice, f->a, ECHO, &options, &before);
                mailbox_report_state(f->a, rows[i].state, 1, "why", f->f->now_usec);
                ck_assert_int_eq(before.error, rows[i].error);
                ask(f, f->alice, f->a, ECHO, &options, &h);
                ck_assert_int_eq(h.error, rows[i].error);
                ck_assert_ptr_nonnull(strstr(h.text, "why"));
                lease_fixture_free(f);
        }
}
END_TEST

START_TEST(spdm_that_another_agent_may_use_is_lent_out_by_a_rule_only) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new("[Rule lend]\nUser=2002\nKernelOverride=yes\n");
        Holder h;

        free(f->a->device->spdm_owner);
        f->a->device->spdm_owner = strdup("tsm/ is there");
        ask(f, f->alice, f->a, SPDM, &options, &h);
        ck_assert_int_eq(h.error, -EXDEV);
        ck_assert_ptr_nonnull(strstr(h.text, "tsm/ is there"));
        hold(f, f->bob, f->a, SPDM, &h);
        say_hello(f, &h);
        lease_fixture_free(f);
}
END_TEST

START_TEST(spdm_that_gets_another_owner_meanwhile_answers_each_request) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        say_hello(f, &h);
        free(f->a->device->spdm_owner);
        f->a->device->spdm_owner = strdup("tsm/connect");
        say_spdm(f, &h, 0xe1);
        expect_error(&h, EXDEV, LEASE_ERROR_NOT_SENT);
        ck_assert_ptr_nonnull(h.lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_mailbox_lease_covers_every_feature) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_MAILBOX);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, other;
        Answer a;

        ask(f, f->root, f->a, 0, 0, &options, &h);
        ck_assert_ptr_nonnull(h.lease);
        fixture_exchange(f->f, f->root, 0x1234, 0x02, "abcd", 4, NULL, &a);
        ck_assert_int_eq(a.error, -EUSERS);
        ask(f, f->alice, f->a, 0x1234, 0x02, &options, &other);
        ck_assert_int_eq(other.error, -EUSERS);
        say(f, &h, ECHO, "abcd", 4);
        answer_echo(f, f->a);
        say(f, &h, 0x1234, 0x02, "efgh", 4);
        answer_echo(f, f->a);
        ck_assert_int_eq(last_object(&h)->error, 0);
        say(f, &h, 0x4321, 0x02, "efgh", 4);
        expect_error(&h, EPROTONOSUPPORT, LEASE_ERROR_NOT_SENT);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_mailbox_lease_and_a_feature_lease_exclude_each_other) {
        const LeaseOptions whole = lease_options(LEASE_SCOPE_MAILBOX),
                           one = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, other, elsewhere;

        hold(f, f->alice, f->a, 0x1234, 0x02, &h);
        ask(f, f->root, f->a, 0, 0, &whole, &other);
        ck_assert_int_eq(other.error, -EUSERS);
        hold(f, f->bob, f->b, ECHO, &elsewhere);
        ask(f, f->bob, f->a, ECHO, &one, &other);
        ck_assert_int_eq(other.error, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(open_leases_of_a_uid_are_limited_however_many_connections_it_has) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new("[Rule few]\nUser=2001\nLeasesMax=1\n");
        Holder h, second;

        hold(f, f->alice, f->a, ECHO, &h);
        ck_assert_uint_eq(f->alice->account->n_leases, 1);
        ask(f, f->al, f->b, ECHO, &options, &second);
        ck_assert_int_eq(second.error, -EDQUOT);
        ck_assert_uint_eq(holder_value(&second, "value"), 1);
        lease_hang_up(h.lease, f->f->now_usec);
        pass(f, 0);
        ck_assert_uint_eq(f->alice->account->n_leases, 0);
        hold(f, f->al, f->b, ECHO, &second);
        lease_fixture_free(f);
}
END_TEST

START_TEST(waiting_leases_of_a_uid_are_limited) {
        LeaseFixture *f = lease_fixture_new("[Rule few]\nUser=2001\nWaitersMax=1\n");
        Holder h, first, second;

        hold(f, f->bob, f->a, ECHO, &h);
        wait_for(f, f->alice, f->a, ECHO, &first);
        wait_for(f, f->al, f->a, ECHO, &second);
        ck_assert_int_eq(second.error, -EDQUOT);
        ck_assert_uint_eq(first.n_answers, 0);
        ck_assert_uint_eq(f->alice->account->n_waiters, 1);
        lease_hang_up(h.lease, f->f->now_usec);
        pass(f, 0);
        ck_assert_ptr_nonnull(first.lease);
        ck_assert_uint_eq(f->alice->account->n_waiters, 0);
        ck_assert_uint_eq(f->alice->account->n_leases, 1);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_lease_outlives_the_connection_that_asked_for_it) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        f->alice = client_free(f->alice);
        f->al = client_free(f->al);
        say(f, &h, ECHO, "abcd", 4);
        answer_echo(f, f->a);
        ck_assert_int_eq(last_object(&h)->error, 0);
        ck_assert_str_eq(h.lease->unit, "agent.service");
        lease_fixture_free(f);
}
END_TEST

START_TEST(scopes_have_the_names_of_the_contract) {
        ck_assert_int_eq(lease_scope_from_string("feature"), LEASE_SCOPE_FEATURE);
        ck_assert_int_eq(lease_scope_from_string("mailbox"), LEASE_SCOPE_MAILBOX);
        ck_assert_int_eq(lease_scope_from_string("registers"), -EINVAL);
        ck_assert_int_eq(lease_scope_from_string(""), -EINVAL);
        ck_assert_str_eq(lease_scope_to_string(LEASE_SCOPE_REGISTERS), "registers");
}
END_TEST

/* One call runs, one more is staged, and one of the leased feature waits. */
static void keep_busy(LeaseFixture *f, const TransactionOptions *options, Answer answers[3]) {
        fixture_exchange(f->f, f->root, 0x1234, 0x02, "abcd", 4, NULL, &answers[0]);
        start(f, f->a);
        fixture_exchange(f->f, f->root, 0x1234, 0x02, "abcd", 4, NULL, &answers[1]);
        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, options, &answers[2]);
}

START_TEST(a_call_before_it_that_is_canceled_is_not_waited_for) {
        const TransactionOptions cookie = { .timeout_usec = 20 * USEC_PER_SEC,
                                            .has_cookie = true,
                                            .cookie = 7 };
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        Answer answers[3];
        Holder h;

        keep_busy(f, &cookie, answers);
        ask(f, f->alice, f->a, ECHO, &options, &h);
        ck_assert_ptr_null(h.lease);
        ck_assert_int_eq(transaction_cancel(f->root, f->a, 7, f->f->now_usec), 0);
        pass(f, 0);
        ck_assert_ptr_nonnull(h.lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_call_before_it_that_comes_back_unwanted_is_not_waited_for) {
        const TransactionOptions cookie = { .timeout_usec = 20 * USEC_PER_SEC,
                                            .has_cookie = true,
                                            .cookie = 7 };
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        Answer before, call;
        uint64_t id;
        Holder h;

        fixture_exchange(f->f, f->root, 0x1234, 0x02, "abcd", 4, NULL, &before);
        start(f, f->a);
        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, &cookie, &call);
        ck_assert_ptr_nonnull(f->a->staged);
        id = f->a->staged->id;
        ask(f, f->alice, f->a, ECHO, &options, &h);
        ck_assert_int_eq(transaction_cancel(f->root, f->a, 7, f->f->now_usec), 0);
        pass(f, 0);
        ck_assert_ptr_null(h.lease);
        mailbox_report_recalled(f->a, id, f->f->now_usec);
        pass(f, 0);
        ck_assert_ptr_nonnull(h.lease);
        lease_fixture_free(f);
}
END_TEST

START_TEST(one_that_was_asked_for_while_the_host_slept_is_opened_when_it_is_awake) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        manager_suspend(f->f->m, true, f->f->now_usec);
        ask(f, f->alice, f->a, ECHO, &options, &h);
        ck_assert_ptr_null(h.lease);
        manager_suspend(f->f->m, false, f->f->now_usec);
        pass(f, 0);
        ck_assert_ptr_nonnull(h.lease);
        lease_fixture_free(f);
}
END_TEST

DEFINE_SUITE("lease", a_free_feature_is_leased_at_once, an_id_is_never_used_again,
             without_wait_somebody_elses_lease_is_told_at_once_with_uid_and_age,
             pid_and_unit_are_told_to_root_and_to_ones_own_uid,
             exchanges_of_the_leased_feature_are_refused_and_others_go_on,
             the_holder_itself_passes_through_its_stream_only,
             calls_that_were_queued_before_run_first_and_later_ones_are_refused,
             a_feature_that_is_not_offered_is_unsupported,
             before_discovery_a_lease_waits_until_the_feature_is_known,
             a_mailbox_that_is_not_ready_in_time_says_what_was_waited_for,
             a_mailbox_that_never_becomes_ready_by_itself_refuses_at_once,
             spdm_that_another_agent_may_use_is_lent_out_by_a_rule_only,
             spdm_that_gets_another_owner_meanwhile_answers_each_request,
             a_mailbox_lease_covers_every_feature, a_mailbox_lease_and_a_feature_lease_exclude_each_other,
             open_leases_of_a_uid_are_limited_however_many_connections_it_has,
             waiting_leases_of_a_uid_are_limited, a_lease_outlives_the_connection_that_asked_for_it,
             scopes_have_the_names_of_the_contract, a_call_before_it_that_is_canceled_is_not_waited_for,
             a_call_before_it_that_comes_back_unwanted_is_not_waited_for,
             one_that_was_asked_for_while_the_host_slept_is_opened_when_it_is_awake)
