/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/core/answer-cache.h"
#include "tests/unit/core-fixture.h"
#include "tests/unit/suite.h"

#define ECHO_VENDOR 0x1234u
#define ECHO_TYPE   0x01u
#define KEEP_USEC   (10 * USEC_PER_SEC)

static const TransactionOptions no_options = { .priority = JOB_NORMAL };

/* An exchange with the echo whose rules say Cache=. */
static void ask_for(Fixture *f, Client *c, const void *request, size_t n_bytes, uint64_t cache_usec,
                    const TransactionOptions *options, Answer *ret) {
        PolicyDecision decision;

        fixture_judge(f, f->root, ECHO_VENDOR, ECHO_TYPE, request, n_bytes, false, &decision);
        ck_assert_int_eq(decision.judgement.class, DOE_CLASS_UNKNOWN);
        decision.effects.has_cache = true;
        decision.effects.cache_usec = cache_usec;
        *ret = (Answer){};
        transaction_exchange(c, f->mb, ECHO_VENDOR, ECHO_TYPE, request, n_bytes, &decision, options,
                             f->now_usec, fixture_on_answer(), ret);
}

static void ask(Fixture *f, Client *c, const char *text, Answer *ret) {
        ask_for(f, c, text, strlen(text), KEEP_USEC, &no_options, ret);
}

static void assert_answer(const Answer *a, const char *text, bool cached) {
        ck_assert_uint_eq(a->n_times, 1);
        ck_assert_int_eq(a->error, 0);
        ck_assert_uint_eq(a->n_bytes, strlen(text));
        ck_assert_mem_eq(a->payload, text, strlen(text));
        ck_assert_int_eq(a->cached, cached);
        ck_assert_str_eq(a->source, "mailbox");
}

/* -------- one flight -------- */

START_TEST(identical_requests_under_way_are_one_exchange) {
        Fixture *f = fixture_new();
        size_t n_before = f->n_sent;
        Answer a[100], other;

        for (size_t i = 0; i < ELEMENTS(a); i++)
                ask(f, i % 2 ? f->root : f->other, "same", &a[i]);
        ask(f, f->root, "else", &other);
        fixture_serve(f);
        for (size_t i = 0; i < ELEMENTS(a); i++)
                assert_answer(&a[i], "same", /* cached= */ false);
        assert_answer(&other, "else", false);
        ck_assert_uint_eq(f->n_sent - n_before, 2);
        ck_assert_uint_eq(counters_sum(&f->mb->counters).n_cache_hits, 0);
        fixture_free(f);
}
END_TEST

START_TEST(padding_makes_requests_the_same_and_length_does_not) {
        Fixture *f = fixture_new();
        size_t n_before = f->n_sent;
        Answer a, b, c;

        ask_for(f, f->root, "ab\0", 3, KEEP_USEC, &no_options, &a);
        ask_for(f, f->root, "ab", 2, KEEP_USEC, &no_options, &b);
        ask_for(f, f->root, "ab\0\0\0\0\0\0", 8, KEEP_USEC, &no_options, &c);
        fixture_serve(f);
        ck_assert_uint_eq(f->n_sent - n_before, 2);
        ck_assert_uint_eq(b.n_bytes, a.n_bytes);
        ck_assert_uint_eq(c.n_bytes, 8);
        fixture_free(f);
}
END_TEST

START_TEST(without_a_rule_each_request_is_an_exchange) {
        Fixture *f = fixture_new();
        size_t n_before = f->n_sent;
        Answer a[2], b;

        for (size_t i = 0; i < ELEMENTS(a); i++)
                fixture_echo(f, f->root, "same", &no_options, &a[i]);
        ask_for(f, f->root, "same", 4, 0, &no_options, &b);
        fixture_serve(f);
        ck_assert_uint_eq(f->n_sent - n_before, 3);
        ck_assert_ptr_null(f->mb->answers);
        fixture_free(f);
}
END_TEST

START_TEST(what_may_have_an_effect_is_never_kept) {
        static const DoeClass classes[] = { DOE_CLASS_READ_SENSITIVE, DOE_CLASS_CONNECTION,
                                            DOE_CLASS_SESSION, DOE_CLASS_DESTRUCTIVE };
        PolicyDecision decision = { .judgement = { .class = DOE_CLASS_READ, .how = DOE_HOW_DIRECT },
                                    .effects = { .has_cache = true, .cache_usec = KEEP_USEC } };

        ck_assert(answer_cache_may_hold(&decision));
        for (size_t i = 0; i < ELEMENTS(classes); i++) {
                decision.judgement.class = classes[i];
                ck_assert(!answer_cache_may_hold(&decision));
        }
        decision.judgement.class = DOE_CLASS_UNKNOWN;
        ck_assert(answer_cache_may_hold(&decision));
        decision.effects.cache_usec = 0;
        ck_assert(!answer_cache_may_hold(&decision));
}
END_TEST

START_TEST(each_caller_keeps_its_own_timeout_and_cancel) {
        const TransactionOptions hasty = { .priority = JOB_NORMAL, .timeout_usec = USEC_PER_SEC };
        const TransactionOptions with_cookie = { .priority = JOB_NORMAL, .has_cookie = true, .cookie = 7 };
        Fixture *f = fixture_new();
        size_t n_before = f->n_sent;
        Answer a, b, c;

        ask_for(f, f->root, "same", 4, KEEP_USEC, &hasty, &a);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &with_cookie, &b);
        ask(f, f->agent, "same", &c);
        fixture_started(f, fixture_pending(f)->id);
        fixture_advance(f, USEC_PER_SEC);
        ck_assert_int_eq(a.error, -ETIMEDOUT);
        ck_assert_uint_eq(b.n_times, 0);
        ck_assert_int_eq(transaction_cancel(f->other, f->mb, 7, f->now_usec), 0);
        ck_assert_int_eq(b.error, -ECANCELED);
        ck_assert_uint_eq(f->n_cancels, 0);
        fixture_serve(f);
        assert_answer(&c, "same", false);
        ck_assert_uint_eq(f->n_sent - n_before, 1);
        fixture_free(f);
}
END_TEST

START_TEST(where_the_time_went_is_told_to_those_who_joined_too) {
        const TransactionOptions hasty = { .priority = JOB_NORMAL, .timeout_usec = USEC_PER_SEC };
        Fixture *f = fixture_new();
        Answer a, b;

        ask(f, f->root, "same", &a);
        fixture_started(f, fixture_pending(f)->id);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &hasty, &b);
        fixture_advance(f, USEC_PER_SEC);
        ck_assert_int_eq(b.error, -ETIMEDOUT);
        for (unsigned i = 0; i < b.n_values; i++)
                if (strcmp(b.values[i].name, "device-usec") == 0)
                        ck_assert_uint_eq(b.values[i].number, USEC_PER_SEC);
        fixture_serve(f);
        fixture_free(f);
}
END_TEST

START_TEST(the_last_who_leaves_takes_the_exchange_with_it) {
        Fixture *f = fixture_new();
        Answer blocker, a, b;

        fixture_echo(f, f->root, "blocker", &no_options, &blocker);
        fixture_echo(f, f->root, "staged", &no_options, &blocker);
        ask(f, f->other, "same", &a);
        ask(f, f->agent, "same", &b);
        ck_assert_uint_eq(mailbox_queue_length(f->mb), 1);
        client_free(f->other);
        ck_assert_uint_eq(mailbox_queue_length(f->mb), 1);
        client_free(f->agent);
        ck_assert_uint_eq(mailbox_queue_length(f->mb), 0);
        fixture_serve(f);
        ck_assert_uint_eq(a.n_times + b.n_times, 0);
        fixture_free(f);
}
END_TEST

START_TEST(a_running_one_is_canceled_by_the_last_who_leaves) {
        Fixture *f = fixture_new();
        Answer a, b;

        ask(f, f->other, "same", &a);
        ask(f, f->agent, "same", &b);
        fixture_started(f, fixture_pending(f)->id);
        client_free(f->agent);
        ck_assert_uint_eq(f->n_cancels, 0);
        client_free(f->other);
        ck_assert_uint_eq(f->n_cancels, 1);
        fixture_serve(f);
        /* nobody is left who answers for its being kept */
        ask(f, f->root, "same", &a);
        fixture_serve(f);
        assert_answer(&a, "same", false);
        fixture_free(f);
}
END_TEST

START_TEST(each_caller_has_its_own_max_response) {
        const TransactionOptions narrow = { .priority = JOB_NORMAL,
                                            .has_max_response = true,
                                            .max_response_bytes = 8 };
        Fixture *f = fixture_new();
        Answer a, b, c;

        ask(f, f->root, "same", &a);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &narrow, &b);
        fixture_serve(f);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &narrow, &c);
        assert_answer(&a, "same", false);
        ck_assert_int_eq(b.error, -EMSGSIZE);
        ck_assert_int_eq(c.error, -EMSGSIZE);
        fixture_free(f);
}
END_TEST

START_TEST(who_joins_later_has_time_left_when_the_first_one_has_not) {
        const TransactionOptions hasty = { .priority = JOB_NORMAL, .timeout_usec = USEC_PER_SEC };
        JobResult late = { .error = -ETIMEDOUT, .not_started = true, .evidence = "its deadline has passed" };
        Fixture *f = fixture_new();
        Answer blocker, a, b;

        fixture_echo(f, f->root, "blocker", &no_options, &blocker);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &hasty, &a); /* staged, with its deadline */
        ask(f, f->agent, "same", &b);
        fixture_advance(f, USEC_PER_SEC);
        ck_assert_int_eq(a.error, -ETIMEDOUT);
        fixture_answer(f, fixture_pending(f)->id, "blocker", 7);
        mailbox_report_done(f->mb, f->mb->running->id, &late, f->now_usec);
        ck_assert_uint_eq(b.n_times, 0);
        fixture_serve(f);
        assert_answer(&b, "same", false);
        fixture_free(f);
}
END_TEST

START_TEST(an_urgent_caller_hurries_what_it_joins) {
        const TransactionOptions background = { .priority = JOB_BACKGROUND };
        const TransactionOptions urgent = { .priority = JOB_URGENT };
        Fixture *f = fixture_new();
        Answer blocker[4], a, b;

        for (size_t i = 0; i < ELEMENTS(blocker); i++)
                fixture_echo(f, f->root, "blocker", &no_options, &blocker[i]);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &background, &a);
        ck_assert_uint_eq(mailbox_queue_length(f->mb), 3);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &urgent, &b);
        ck_assert_uint_eq(mailbox_queue_length(f->mb), 3);
        ck_assert_uint_eq(f->n_recalls, 1);
        mailbox_report_recalled(f->mb, f->last_recalled, f->now_usec);
        ck_assert_int_eq(f->sent[f->n_sent - 1].priority, JOB_URGENT);
        fixture_serve(f);
        assert_answer(&a, "same", false);
        assert_answer(&b, "same", false);
        fixture_free(f);
}
END_TEST

START_TEST(a_failure_is_for_all_who_wait_and_is_not_kept) {
        Fixture *f = fixture_new();
        Answer a, b, c;

        ask(f, f->root, "same", &a);
        ask(f, f->other, "same", &b);
        fixture_fail(f, fixture_pending(f)->id, -EREMOTEIO, "the Error bit was set");
        ck_assert_int_eq(a.error, -EREMOTEIO);
        ck_assert_int_eq(b.error, -EREMOTEIO);
        ask(f, f->root, "same", &c);
        fixture_serve(f);
        assert_answer(&c, "same", false);
        fixture_free(f);
}
END_TEST

START_TEST(a_dead_mailbox_answers_all_who_wait) {
        Fixture *f = fixture_new();
        Answer blocker, a[2];

        fixture_echo(f, f->root, "blocker", &no_options, &blocker);
        fixture_echo(f, f->root, "staged", &no_options, &blocker);
        ask(f, f->root, "same", &a[0]);
        ask(f, f->other, "same", &a[1]);
        fixture_state(f, MAILBOX_DEAD, "the abort failed");
        ck_assert_int_eq(a[0].error, -ESHUTDOWN);
        ck_assert_int_eq(a[1].error, -ESHUTDOWN);
        ask(f, f->other, "same", &a[1]);
        ck_assert_int_eq(a[1].error, -ESHUTDOWN);
        fixture_free(f);
}
END_TEST

/* -------- answers that are kept -------- */

START_TEST(an_answer_is_kept_until_it_is_too_old_for_the_caller) {
        Fixture *f = fixture_new();
        size_t n_before = f->n_sent;
        Answer a;

        ask(f, f->root, "same", &a);
        fixture_serve(f);
        fixture_advance(f, KEEP_USEC - 1);
        ask(f, f->agent, "same", &a);
        assert_answer(&a, "same", true);
        ck_assert_uint_eq(a.n_attempts, 0);
        ck_assert_uint_eq(counters_sum(&f->mb->counters).n_cache_hits, 1);
        ask_for(f, f->other, "same", 4, USEC_PER_SEC, &no_options, &a);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_serve(f);
        assert_answer(&a, "same", false);
        ck_assert_uint_eq(f->n_sent - n_before, 2);
        fixture_advance(f, 2 * KEEP_USEC);
        ck_assert_uint_eq(f->root->account->n_cache_bytes, 0);
        ask(f, f->root, "same", &a);
        fixture_serve(f);
        assert_answer(&a, "same", false);
        fixture_free(f);
}
END_TEST

START_TEST(fresh_bypasses_but_callers_share_one_read_in_its_interval) {
        const TransactionOptions fresh = { .priority = JOB_NORMAL, .fresh = true };
        Fixture *f = fixture_new();
        size_t n_before = f->n_sent;
        Answer a;

        ask(f, f->root, "same", &a);
        fixture_serve(f);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &fresh, &a);
        assert_answer(&a, "same", true);
        fixture_advance(f, USEC_PER_SEC);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &fresh, &a);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_serve(f);
        assert_answer(&a, "same", false);
        ck_assert_uint_eq(f->n_sent - n_before, 2);
        fixture_free(f);
}
END_TEST

START_TEST(a_new_epoch_ends_all_answers) {
        Fixture *f = fixture_new();
        Answer a;

        ask(f, f->root, "same", &a);
        fixture_serve(f);
        ck_assert_uint_gt(f->root->account->n_cache_bytes, 0);
        fixture_ready(f, 2);
        ck_assert_uint_eq(f->root->account->n_cache_bytes, 0);
        fixture_serve(f);
        ask(f, f->root, "same", &a);
        fixture_serve(f);
        assert_answer(&a, "same", false);
        ck_assert_uint_eq(a.epoch, 2);
        fixture_free(f);
}
END_TEST

START_TEST(an_answer_of_an_epoch_that_is_over_is_given_but_not_kept) {
        Fixture *f = fixture_new();
        Answer a, b;

        ask(f, f->root, "same", &a);
        fixture_started(f, fixture_pending(f)->id);
        {
                const JobResult result = { .payload = (const uint8_t *)"same",
                                           .n_bytes = 4,
                                           .evidence = "",
                                           .epoch = f->mb->epoch };
                uint64_t id = f->mb->running->id;

                mailbox_report_state(f->mb, MAILBOX_STARTING, 2, "", f->now_usec);
                ask(f, f->other, "same", &b);
                mailbox_report_done(f->mb, id, &result, f->now_usec);
        }
        assert_answer(&a, "same", false);
        ck_assert_uint_eq(b.n_times, 0);
        fixture_ready(f, 2);
        fixture_serve(f);
        assert_answer(&b, "same", false);
        ck_assert_uint_eq(b.epoch, 2);
        fixture_free(f);
}
END_TEST

START_TEST(a_call_of_one_epoch_does_not_join_one_of_any) {
        TransactionOptions bound = { .priority = JOB_NORMAL, .has_epoch = true };
        Fixture *f = fixture_new();
        size_t n_before = f->n_sent;
        Answer a, b;

        bound.epoch = f->mb->epoch;
        ask(f, f->root, "same", &a);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &bound, &b);
        fixture_serve(f);
        ck_assert_uint_eq(f->n_sent - n_before, 2);
        ask_for(f, f->other, "same", 4, KEEP_USEC, &bound, &b);
        assert_answer(&b, "same", true);
        fixture_free(f);
}
END_TEST

static void ask_number(Fixture *f, Client *c, uint32_t number, Answer *ret) {
        ask_for(f, c, &number, sizeof(number), KEEP_USEC, &no_options, ret);
        fixture_serve(f);
        ck_assert_int_eq(ret->error, 0);
}

START_TEST(what_was_used_least_lately_makes_room_within_the_mailbox) {
        Fixture *f = fixture_new();
        size_t n_each;
        Answer a;

        ask_number(f, f->root, 0, &a);
        n_each = f->root->account->n_cache_bytes;
        f->m->config->limits.cache_bytes_max_per_mailbox = 10 * n_each;
        for (uint32_t i = 1; i < 10; i++)
                ask_number(f, f->root, i, &a);
        ask_number(f, f->root, 0, &a);
        ck_assert(a.cached);
        ask_number(f, f->root, 10, &a);
        ck_assert_uint_eq(f->root->account->n_cache_bytes, 10 * n_each);
        ask_number(f, f->root, 0, &a);
        ck_assert(a.cached);
        ask_number(f, f->root, 1, &a);
        ck_assert(!a.cached);
        fixture_free(f);
}
END_TEST

START_TEST(a_uid_makes_room_among_its_own_answers) {
        Fixture *f = fixture_new();
        size_t n_each;
        Answer a;

        ask_number(f, f->root, 0, &a);
        n_each = f->root->account->n_cache_bytes;
        f->m->config->limits.cache_bytes_max_per_uid = 4 * n_each;
        for (uint32_t i = 100; i < 120; i++)
                ask_number(f, f->agent, i, &a);
        ck_assert_uint_eq(f->agent->account->n_cache_bytes, 4 * n_each);
        ask_number(f, f->agent, 0, &a);
        ck_assert(a.cached);
        ask_number(f, f->agent, 119, &a);
        ck_assert(a.cached);
        ask_number(f, f->agent, 100, &a);
        ck_assert(!a.cached);
        fixture_free(f);
}
END_TEST

START_TEST(an_answer_larger_than_a_limit_is_not_kept) {
        Fixture *f = fixture_new();
        Answer a;

        f->m->config->limits.cache_bytes_max_per_uid = 8;
        ask_number(f, f->root, 1, &a);
        ask_number(f, f->root, 1, &a);
        ck_assert(!a.cached);
        ck_assert_uint_eq(f->root->account->n_cache_bytes, 0);
        fixture_free(f);
}
END_TEST

DEFINE_SUITE("answer-cache", identical_requests_under_way_are_one_exchange,
             padding_makes_requests_the_same_and_length_does_not, without_a_rule_each_request_is_an_exchange,
             what_may_have_an_effect_is_never_kept, each_caller_keeps_its_own_timeout_and_cancel,
             where_the_time_went_is_told_to_those_who_joined_too,
             the_last_who_leaves_takes_the_exchange_with_it,
             a_running_one_is_canceled_by_the_last_who_leaves, each_caller_has_its_own_max_response,
             who_joins_later_has_time_left_when_the_first_one_has_not,
             an_urgent_caller_hurries_what_it_joins, a_failure_is_for_all_who_wait_and_is_not_kept,
             a_dead_mailbox_answers_all_who_wait, an_answer_is_kept_until_it_is_too_old_for_the_caller,
             fresh_bypasses_but_callers_share_one_read_in_its_interval, a_new_epoch_ends_all_answers,
             an_answer_of_an_epoch_that_is_over_is_given_but_not_kept,
             a_call_of_one_epoch_does_not_join_one_of_any,
             what_was_used_least_lately_makes_room_within_the_mailbox,
             a_uid_makes_room_among_its_own_answers, an_answer_larger_than_a_limit_is_not_kept)
