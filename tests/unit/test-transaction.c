/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "protocols/data-object.h"
#include "tests/unit/core-fixture.h"
#include "tests/unit/suite.h"

#define SHORT_USEC (100 * USEC_PER_MSEC)

static const TransactionOptions short_wait = { .priority = JOB_NORMAL, .timeout_usec = SHORT_USEC };

static uint64_t value_of(const Answer *a, const char *name) {
        for (unsigned i = 0; i < a->n_values; i++)
                if (strcmp(a->values[i].name, name) == 0)
                        return a->values[i].number;
        ck_abort_msg("no value %s in: %s", name, a->text);
        return 0;
}

START_TEST(the_timeout_includes_the_queue_and_says_where_the_time_went) {
        Fixture *f = fixture_new();
        Answer running, queued, a[2];

        fixture_echo(f, f->root, "abcd", &short_wait, &running);
        fixture_started(f, fixture_pending(f)->id);
        fixture_echo(f, f->root, "abcd", NULL, &a[0]);
        fixture_echo(f, f->root, "abcd", &short_wait, &queued);
        fixture_advance(f, SHORT_USEC);
        ck_assert_int_eq(running.error, -ETIMEDOUT);
        ck_assert_uint_eq(value_of(&running, "device-usec"), SHORT_USEC);
        ck_assert_int_eq(queued.error, -ETIMEDOUT);
        ck_assert_uint_eq(value_of(&queued, "queue-usec"), SHORT_USEC);
        ck_assert_uint_eq(value_of(&queued, "device-usec"), 0);
        /* the running one drains; nobody else is hurt by its end */
        ck_assert_uint_eq(f->n_cancels, 1);
        fixture_serve(f);
        ck_assert_uint_eq(running.n_times, 1);
        ck_assert_int_eq(a[0].error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(a_device_that_does_not_answer_is_told_from_a_queue) {
        Fixture *f = fixture_new();
        JobResult result = { .error = -ETIMEDOUT, .evidence = "Not ready" };
        Answer a;
        uint64_t id;

        fixture_echo(f, f->root, "abcd", NULL, &a);
        id = fixture_pending(f)->id;
        fixture_advance(f, 1000);
        fixture_started(f, id);
        result.started_usec = f->now_usec;
        fixture_advance(f, USEC_PER_SEC);
        result.ended_usec = f->now_usec;
        mailbox_report_done(f->mb, id, &result, f->now_usec);
        ck_assert_int_eq(a.error, -ETIMEDOUT);
        ck_assert_uint_eq(value_of(&a, "device-usec"), USEC_PER_SEC);
        ck_assert_uint_eq(value_of(&a, "queue-usec"), 1000);
        fixture_free(f);
}
END_TEST

START_TEST(a_timeout_is_clamped_to_its_maximum) {
        const TransactionOptions for_ever = { .priority = JOB_NORMAL, .timeout_usec = UINT64_MAX };
        Fixture *f = fixture_new();
        Answer a;

        fixture_state(f, MAILBOX_KERNEL, "bind");
        fixture_echo(f, f->root, "abcd", &for_ever, &a);
        fixture_advance(f, f->m->config->limits.timeout_max_usec - 1);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_advance(f, 1);
        ck_assert_uint_eq(a.n_times, 1);
        fixture_free(f);
}
END_TEST

START_TEST(what_a_call_waited_for_is_its_error) {
        static const struct {
                MailboxState state;
                int error;
        } rows[] = { { MAILBOX_WAITING, -EBUSY },
                     { MAILBOX_KERNEL, -EXDEV },
                     { MAILBOX_RECOVERING, -ETIMEDOUT } };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Fixture *f = fixture_new();
                Answer a;

                fixture_state(f, rows[i].state, "evidence");
                fixture_echo(f, f->root, "abcd", &short_wait, &a);
                fixture_advance(f, SHORT_USEC);
                ck_assert_int_eq(a.error, rows[i].error);
                ck_assert_ptr_nonnull(strstr(a.text, "evidence"));
                fixture_free(f);
        }
}
END_TEST

START_TEST(without_doed_pci_a_call_waits_and_then_is_unavailable) {
        Fixture *f = fixture_new();
        Answer a;

        manager_link_lost(f->m, "it was stopped", f->now_usec);
        fixture_echo(f, f->root, "abcd", &short_wait, &a);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_advance(f, SHORT_USEC);
        ck_assert_int_eq(a.error, -EHOSTDOWN);
        ck_assert_ptr_nonnull(strstr(a.text, "it was stopped"));
        ck_assert_uint_gt(value_of(&a, "since-usec"), 0);
        fixture_free(f);
}
END_TEST

START_TEST(a_client_that_leaves_takes_its_waiting_calls_along_and_lets_the_running_one_drain) {
        Fixture *f = fixture_new();
        Answer theirs[4], mine;

        for (size_t i = 0; i < ELEMENTS(theirs); i++)
                fixture_echo(f, f->other, "theirs..", NULL, &theirs[i]);
        fixture_started(f, fixture_pending(f)->id);
        fixture_echo(f, f->root, "mine", NULL, &mine);
        client_free(f->other);
        ck_assert_uint_eq(f->n_cancels, 2);
        ck_assert_uint_eq(mailbox_queue_length(f->mb), 1);
        fixture_serve(f);
        for (size_t i = 0; i < ELEMENTS(theirs); i++)
                ck_assert_uint_eq(theirs[i].n_times, 0);
        ck_assert_int_eq(mine.error, 0);
        ck_assert_mem_eq(mine.payload, "mine", 4);
        fixture_free(f);
}
END_TEST

START_TEST(cancel_answers_queued_and_running_calls_of_that_client_only) {
        const TransactionOptions with_cookie = { .priority = JOB_NORMAL, .has_cookie = true, .cookie = 7 };
        const TransactionOptions other_cookie = { .priority = JOB_NORMAL, .has_cookie = true, .cookie = 8 };
        Fixture *f = fixture_new();
        Answer running, staged, queued;

        fixture_echo(f, f->root, "1111", &with_cookie, &running);
        fixture_started(f, fixture_pending(f)->id);
        fixture_echo(f, f->other, "2222", NULL, &staged);
        fixture_echo(f, f->root, "3333", &other_cookie, &queued);
        ck_assert(transaction_has_cookie(f->root, f->mb, 7));
        ck_assert_int_eq(transaction_cancel(f->other, f->mb, 7, f->now_usec), -ESRCH);
        ck_assert_int_eq(transaction_cancel(f->root, f->mb, 9, f->now_usec), -ESRCH);
        ck_assert_int_eq(transaction_cancel(f->root, f->mb, 8, f->now_usec), 0);
        ck_assert_int_eq(queued.error, -ECANCELED);
        ck_assert_int_eq(transaction_cancel(f->root, f->mb, 7, f->now_usec), 0);
        ck_assert_int_eq(running.error, -ECANCELED);
        fixture_serve(f);
        ck_assert_uint_eq(running.n_times + staged.n_times + queued.n_times, 3);
        ck_assert_int_eq(staged.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(a_call_for_another_epoch_is_aborted) {
        const TransactionOptions old = { .priority = JOB_NORMAL, .has_epoch = true, .epoch = 99 };
        Fixture *f = fixture_new();
        Answer a;

        fixture_echo(f, f->root, "abcd", &old, &a);
        ck_assert_int_eq(a.error, -ECONNABORTED);
        ck_assert_uint_eq(value_of(&a, "epoch"), 1);
        fixture_free(f);
}
END_TEST

START_TEST(a_feature_that_is_not_offered_is_unsupported) {
        Fixture *f = fixture_new();
        Answer a;

        fixture_exchange(f, f->root, 0x1234, 0x77, "abcd", 4, NULL, &a);
        ck_assert_int_eq(a.error, -EPROTONOSUPPORT);
        fixture_free(f);
}
END_TEST

START_TEST(an_object_that_is_too_large_is_refused_with_its_length) {
        Fixture *f = fixture_new();
        uint8_t *big = calloc(1, DOE_PAYLOAD_BYTES_MAX + 1);
        Answer a;

        fixture_exchange(f, f->root, 0x1234, 0x01, big, DOE_PAYLOAD_BYTES_MAX + 1, NULL, &a);
        ck_assert_int_eq(a.error, -EMSGSIZE);
        ck_assert_uint_eq(value_of(&a, "length"), DOE_PAYLOAD_BYTES_MAX + 4); /* padded */
        free(big);
        fixture_free(f);
}
END_TEST

START_TEST(a_response_that_only_its_caller_finds_too_large_costs_nobody_an_abort) {
        const TransactionOptions small = { .priority = JOB_NORMAL,
                                           .has_max_response = true,
                                           .max_response_bytes = 12 };
        Fixture *f = fixture_new();
        Answer a;

        fixture_echo(f, f->root, "abcdefgh", &small, &a);
        fixture_serve(f);
        ck_assert_int_eq(a.error, -EMSGSIZE);
        ck_assert_uint_eq(value_of(&a, "length"), 16);
        ck_assert_uint_eq(value_of(&a, "limit"), 12);
        ck_assert_uint_eq(counters_sum(&f->mb->counters).n_failures, 0);
        fixture_echo(f, f->root, "abcd", &small, &a);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(a_client_cannot_have_more_unanswered_calls_than_its_limit) {
        Fixture *f = fixture_new();
        Answer a, *many;

        f->m->config->limits.calls_max_per_client = 10;
        many = calloc(10, sizeof(*many));
        for (size_t i = 0; i < 10; i++)
                fixture_echo(f, f->other, "abcd", NULL, &many[i]);
        fixture_echo(f, f->other, "abcd", NULL, &a);
        ck_assert_int_eq(a.error, -EDQUOT);
        ck_assert_uint_eq(value_of(&a, "value"), 10);
        fixture_echo(f, f->root, "abcd", NULL, &a);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        fixture_echo(f, f->other, "abcd", NULL, &a);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        free(many);
        fixture_free(f);
}
END_TEST

START_TEST(recover_does_nothing_on_a_healthy_mailbox_unless_forced) {
        const TransactionOptions plain = { .priority = JOB_NORMAL },
                                 force = { .priority = JOB_NORMAL, .force = true };
        Fixture *f = fixture_new();
        Answer a = {}, b = {}, c = {};

        transaction_recover(f->root, f->mb, &plain, f->now_usec, fixture_on_answer(), &a);
        ck_assert_uint_eq(a.n_times, 1);
        ck_assert_uint_eq(f->n_recovers, 0);

        transaction_recover(f->root, f->mb, &force, f->now_usec, fixture_on_answer(), &b);
        ck_assert_uint_eq(f->n_recovers, 1);
        ck_assert_uint_eq(b.n_times, 0);
        fixture_state(f, MAILBOX_RECOVERING, "asked");
        ck_assert_uint_eq(b.n_times, 0);
        fixture_ready(f, 2);
        ck_assert_uint_eq(b.n_times, 1);
        ck_assert_int_eq(b.error, 0);
        fixture_serve(f);

        transaction_recover(f->root, f->mb, &force, f->now_usec, fixture_on_answer(), &c);
        fixture_state(f, MAILBOX_RECOVERING, "asked");
        fixture_state(f, MAILBOX_DEAD, "abort did not end");
        ck_assert_int_eq(c.error, -ESHUTDOWN);
        fixture_free(f);
}
END_TEST

START_TEST(recover_of_a_mailbox_that_recovers_ends_with_it) {
        const TransactionOptions plain = { .priority = JOB_NORMAL },
                                 force = { .priority = JOB_NORMAL, .force = true };
        Fixture *f = fixture_new();
        Answer a = {}, b = {}, c = {};

        mailbox_report_state(f->mb, MAILBOX_RECOVERING, 2, "a failure", f->now_usec);
        transaction_recover(f->root, f->mb, &plain, f->now_usec, fixture_on_answer(), &a);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_ready(f, 2);
        ck_assert_uint_eq(a.n_times, 1);
        ck_assert_int_eq(a.error, 0);
        fixture_serve(f);

        /* a take-over is under way, and may turn out not to be needed */
        mailbox_report_state(f->mb, MAILBOX_STARTING, 3, "", f->now_usec);
        transaction_recover(f->root, f->mb, &force, f->now_usec, fixture_on_answer(), &b);
        fixture_ready(f, 3);
        ck_assert_int_eq(b.error, 0);
        ck_assert_uint_eq(b.n_times, 1);
        fixture_serve(f);

        transaction_recover(f->root, f->mb, &force, f->now_usec, fixture_on_answer(), &c);
        fixture_state(f, MAILBOX_READ_ONLY, "lockdown");
        ck_assert_int_eq(c.error, -EROFS);
        fixture_free(f);
}
END_TEST

START_TEST(no_bound_of_a_caller_exceeds_what_an_object_can_hold) {
        const TransactionOptions huge = { .priority = JOB_NORMAL,
                                          .has_max_response = true,
                                          .max_response_bytes = UINT32_MAX };
        Fixture *f = fixture_new();
        Answer a;

        fixture_echo(f, f->root, "abcd", &huge, &a);
        ck_assert_uint_eq(f->mb->running->n_dwords_max, DOE_OBJECT_DWORDS_MAX);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(stopping_answers_every_call) {
        Fixture *f = fixture_new();
        Answer a[3], late;

        for (size_t i = 0; i < ELEMENTS(a); i++)
                fixture_echo(f, f->root, "abcd", NULL, &a[i]);
        manager_stop(f->m, "told to", f->now_usec);
        for (size_t i = 0; i < ELEMENTS(a); i++) {
                ck_assert_uint_eq(a[i].n_times, 1);
                ck_assert_int_eq(a[i].error, -ECONNABORTED);
        }
        fixture_echo(f, f->root, "abcd", NULL, &late);
        ck_assert_int_eq(late.error, -ECONNABORTED);
        fixture_serve(f);
        fixture_free(f);
}
END_TEST

START_TEST(details_say_where_the_time_of_a_success_went) {
        Fixture *f = fixture_new();
        Answer first, second;

        fixture_echo(f, f->root, "abcd", NULL, &first);
        fixture_echo(f, f->root, "abcd", NULL, &second);
        fixture_advance(f, 5000);
        fixture_serve(f);
        ck_assert_uint_eq(second.queued_usec, 5000);
        ck_assert_uint_eq(second.device_usec, 0);
        ck_assert_uint_eq(second.n_attempts, 1);
        ck_assert_uint_eq(second.epoch, 1);
        ck_assert_str_eq(second.source, "mailbox");
        ck_assert(!second.cached);
        fixture_free(f);
}
END_TEST

/* An exchange under effects that rules set. */
static void echo_by(Fixture *f, const PolicyDecision *decision, const TransactionOptions *options,
                    Answer *ret) {
        *ret = (Answer){};
        transaction_exchange(f->root, f->mb, 0x1234, 0x01, (const uint8_t *)"abcd", 4, decision, options,
                             f->now_usec, fixture_on_answer(), ret);
}

START_TEST(what_rules_allow_bounds_priority_timeout_and_queue) {
        const TransactionOptions urgent = { .priority = JOB_URGENT, .timeout_usec = 10 * USEC_PER_SEC };
        Fixture *f = fixture_new();
        PolicyDecision decision;
        Answer a, b, refused;

        fixture_judge(f, f->root, 0x1234, 0x01, "abcd", 4, false, &decision);
        decision.effects.priority_max = JOB_BACKGROUND;
        decision.effects.timeout_max_usec = SHORT_USEC;
        decision.effects.queue_max_per_uid = 1;
        decision.effects.busy_grace_usec = 7;
        decision.effects.device_timeout_usec = 8;
        echo_by(f, &decision, &urgent, &a);
        ck_assert_uint_eq(f->mb->running->busy_grace_usec, 7);
        ck_assert_uint_eq(f->mb->running->device_timeout_usec, 8);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        ck_assert_int_eq(a.priority, JOB_BACKGROUND);

        fixture_state(f, MAILBOX_WAITING, "somebody");
        echo_by(f, &decision, &urgent, &a);
        echo_by(f, &decision, &urgent, &refused);
        ck_assert_int_eq(refused.error, -EDQUOT);
        ck_assert_uint_eq(value_of(&refused, "value"), 1);
        decision.effects.queue_max_per_uid = 10;
        decision.effects.queue_max = 1;
        echo_by(f, &decision, &urgent, &b);
        ck_assert_int_eq(b.error, -EDQUOT);
        fixture_advance(f, SHORT_USEC);
        ck_assert_int_eq(a.error, -EBUSY);
        fixture_free(f);
}
END_TEST

START_TEST(a_call_that_waited_for_a_tools_registers_is_inhibited) {
        Fixture *f = fixture_new();
        Answer a;

        fixture_state(f, MAILBOX_WAITING, "somebody");
        fixture_echo(f, f->root, "abcd", &short_wait, &a);
        fixture_state(f, MAILBOX_INHIBITED, "handed to a tool");
        fixture_advance(f, SHORT_USEC);
        ck_assert_int_eq(a.error, -EADDRINUSE);
        ck_assert_ptr_nonnull(strstr(a.text, "handed to a tool"));
        fixture_free(f);
}
END_TEST

START_TEST(recover_does_nothing_to_a_tools_registers_unless_forced) {
        const TransactionOptions plain = { .priority = JOB_NORMAL },
                                 force = { .priority = JOB_NORMAL, .force = true };
        Fixture *f = fixture_new();
        Answer a = {}, b = {};

        fixture_state(f, MAILBOX_INHIBITED, "handed to a tool");
        transaction_recover(f->root, f->mb, &plain, f->now_usec, fixture_on_answer(), &a);
        ck_assert_int_eq(a.error, 0);
        ck_assert_uint_eq(a.n_times, 1);
        transaction_recover(f->root, f->mb, &force, f->now_usec, fixture_on_answer(), &b);
        mailbox_report_state(f->mb, MAILBOX_STARTING, 2, "take-over", f->now_usec);
        ck_assert_uint_eq(b.n_times, 0);
        fixture_ready(f, 2);
        ck_assert_uint_eq(b.n_times, 1);
        ck_assert_int_eq(b.error, 0);
        fixture_free(f);
}
END_TEST

/* Of a lease whose objects nobody looks at. */
static void on_send(void *userdata, const uint8_t *object, size_t n_bytes) {
}

static void on_wants_more(void *userdata) {
}

static void on_end(void *userdata) {
        ++*(unsigned *)userdata;
}

static void open_lease(Fixture *f, LeaseScope scope, unsigned *n_ends) {
        static const LeaseStreamOps ops = { .send = on_send, .resume = on_wants_more, .end = on_end };
        const TransactionOptions defaults = { .priority = JOB_NORMAL };
        const LeaseOptions options = { .scope = scope };
        PolicyDecision decision;
        Answer a = {};

        fixture_judge(f, f->root, 0x1234, 0x01, "abcd", 4, /* in_lease= */ true, &decision);
        lease_ask(f->root, f->mb, 0x1234, 0x01, &options, &decision, &defaults, f->now_usec,
                  fixture_on_answer(), &a);
        ck_assert_uint_eq(a.n_times, 1);
        ck_assert_int_eq(a.error, 0);
        lease_attach(a.lease, &ops, n_ends, f->now_usec);
}

START_TEST(recover_by_force_ends_leases_first) {
        const TransactionOptions plain = { .priority = JOB_NORMAL },
                                 force = { .priority = JOB_NORMAL, .force = true };
        Fixture *f = fixture_new();
        unsigned n_ends = 0;
        Answer a = {}, b = {};

        open_lease(f, LEASE_SCOPE_FEATURE, &n_ends);
        transaction_recover(f->root, f->mb, &plain, f->now_usec, fixture_on_answer(), &a);
        ck_assert_int_eq(a.error, 0);
        ck_assert_uint_eq(n_ends, 0);
        transaction_recover(f->root, f->mb, &force, f->now_usec, fixture_on_answer(), &b);
        ck_assert_uint_eq(n_ends, 1);
        mailbox_report_state(f->mb, MAILBOX_RECOVERING, 2, "asked", f->now_usec);
        fixture_ready(f, 2);
        ck_assert_int_eq(b.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(what_a_lease_keeps_out_is_told_and_what_is_cached_is_not_kept_out) {
        const TransactionOptions plain = { .priority = JOB_NORMAL };
        static const uint8_t index_0[4];
        Fixture *f = fixture_new();
        unsigned n_ends = 0;
        Answer cached, echo, discover = {};

        open_lease(f, LEASE_SCOPE_MAILBOX, &n_ends);
        fixture_advance(f, f->m->config->limits.fresh_interval_usec);
        fixture_echo(f, f->other, "abcd", NULL, &echo);
        ck_assert_int_eq(echo.error, -EUSERS);
        transaction_discover(f->other, f->mb, &plain, f->now_usec, fixture_on_answer(), &discover);
        ck_assert_int_eq(discover.error, -EUSERS);
        fixture_exchange(f, f->other, 0x0001, 0x00, index_0, sizeof(index_0), NULL, &cached);
        ck_assert_int_eq(cached.error, 0);
        ck_assert(cached.cached);
        fixture_free(f);
        ck_assert_uint_eq(n_ends, 1);
}
END_TEST

START_TEST(a_client_cannot_have_more_bytes_waiting_than_its_limit) {
        Fixture *f = fixture_new();
        Answer a, b, refused;

        f->m->config->limits.bytes_max_per_client = 10;
        fixture_echo(f, f->other, "abcd", NULL, &a);
        fixture_echo(f, f->other, "abcdefgh", NULL, &refused);
        ck_assert_int_eq(refused.error, -EDQUOT);
        ck_assert_uint_eq(value_of(&refused, "value"), 10);
        fixture_echo(f, f->root, "abcdefgh", NULL, &b);
        fixture_serve(f);
        ck_assert_int_eq(a.error + b.error, 0);
        fixture_free(f);
}
END_TEST

DEFINE_SUITE("transaction", recover_of_a_mailbox_that_recovers_ends_with_it,
             no_bound_of_a_caller_exceeds_what_an_object_can_hold,
             the_timeout_includes_the_queue_and_says_where_the_time_went,
             a_device_that_does_not_answer_is_told_from_a_queue, a_timeout_is_clamped_to_its_maximum,
             what_a_call_waited_for_is_its_error, without_doed_pci_a_call_waits_and_then_is_unavailable,
             a_client_that_leaves_takes_its_waiting_calls_along_and_lets_the_running_one_drain,
             cancel_answers_queued_and_running_calls_of_that_client_only,
             a_call_for_another_epoch_is_aborted, a_feature_that_is_not_offered_is_unsupported,
             an_object_that_is_too_large_is_refused_with_its_length,
             a_response_that_only_its_caller_finds_too_large_costs_nobody_an_abort,
             a_client_cannot_have_more_unanswered_calls_than_its_limit,
             recover_does_nothing_on_a_healthy_mailbox_unless_forced, stopping_answers_every_call,
             details_say_where_the_time_of_a_success_went,
             what_rules_allow_bounds_priority_timeout_and_queue,
             a_call_that_waited_for_a_tools_registers_is_inhibited, recover_by_force_ends_leases_first,
             what_a_lease_keeps_out_is_told_and_what_is_cached_is_not_kept_out,
             recover_does_nothing_to_a_tools_registers_unless_forced,
             a_client_cannot_have_more_bytes_waiting_than_its_limit)
