/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "daemon/pci/poll.h"

static Access fast = { .n_samples = 1, .samples_usec = { 1 } };

static Access slow_access(uint32_t usec) {
        Access access = { .n_samples = ACCESS_SAMPLES };

        for (unsigned i = 0; i < ACCESS_SAMPLES; i++)
                access.samples_usec[i] = usec;
        return access;
}

START_TEST(first_polls_come_after_microseconds) {
        PollPlan plan = { .since_usec = 100 };

        ck_assert_uint_eq(poll_delay_usec(&plan, &fast, 100), POLL_FIRST_USEC);
        ck_assert_uint_eq(poll_delay_usec(&plan, &fast, 140), 10);
}
END_TEST

START_TEST(polls_back_off_to_4_ms) {
        PollPlan plan = {};

        ck_assert_uint_eq(poll_delay_usec(&plan, &fast, 8000), 2000);
        ck_assert_uint_eq(poll_delay_usec(&plan, &fast, 900000), POLL_MAX_USEC);
}
END_TEST

START_TEST(polls_closer_than_1_ms_are_limited_in_number) {
        PollPlan plan = {};

        for (unsigned i = 0; i < POLL_FAST_MAX; i++)
                ck_assert_uint_lt(poll_delay_usec(&plan, &fast, 0), POLL_FAST_USEC);
        ck_assert_uint_eq(poll_delay_usec(&plan, &fast, 0), POLL_FAST_USEC);
}
END_TEST

START_TEST(polls_gather_where_the_answer_is_expected) {
        PollPlan plan = { .expected_usec = 1600 };

        ck_assert_uint_eq(poll_delay_usec(&plan, &fast, 0), 1200);
        ck_assert_uint_eq(poll_delay_usec(&plan, &fast, 1300), 100);
        ck_assert_uint_eq(poll_delay_usec(&plan, &fast, 2400), 600);
}
END_TEST

START_TEST(expectation_never_delays_a_poll_beyond_4_ms) {
        PollPlan plan = { .expected_usec = 900000 };

        ck_assert_uint_eq(poll_delay_usec(&plan, &fast, 0), POLL_MAX_USEC);
}
END_TEST

START_TEST(slow_mailbox_is_spared) {
        Access access = slow_access(ACCESS_SLOW_USEC + 1);
        PollPlan plan = {};

        ck_assert_uint_eq(poll_delay_usec(&plan, &access, 0), POLL_SLOW_USEC);
        access = slow_access(1000);
        ck_assert_uint_eq(poll_delay_usec(&plan, &access, 0), 19000); /* 1 ms of each 20 */
        access = slow_access(UINT32_MAX);
        ck_assert_uint_eq(poll_delay_usec(&plan, &access, 0), POLL_SLOW_MAX_USEC);
        access = slow_access(ACCESS_SLOW_USEC);
        ck_assert_uint_eq(poll_spacing_usec(&access, 1), 0);
}
END_TEST

START_TEST(history_is_kept_by_feature_and_follows_what_it_is_told) {
        PollHistory history = {};

        ck_assert_uint_eq(poll_history_get(&history, 1, 1), 0);
        poll_history_learn(&history, 1, 1, 1000);
        poll_history_learn(&history, 1, 2, 50);
        ck_assert_uint_eq(poll_history_get(&history, 1, 1), 1000);
        ck_assert_uint_eq(poll_history_get(&history, 1, 2), 50);
        for (unsigned i = 0; i < 40; i++)
                poll_history_learn(&history, 1, 1, 10000);
        ck_assert_uint_ge(poll_history_get(&history, 1, 1), 9000);
        ck_assert_uint_le(poll_history_get(&history, 1, 1), 10000);
}
END_TEST

START_TEST(history_forgets_the_oldest_feature_first) {
        PollHistory history = {};

        for (uint16_t i = 0; i <= POLL_FEATURES; i++)
                poll_history_learn(&history, i, 0, 7);
        ck_assert_uint_eq(poll_history_get(&history, 0, 0), 0);
        for (uint16_t i = 1; i <= POLL_FEATURES; i++)
                ck_assert_uint_eq(poll_history_get(&history, i, 0), 7);
}
END_TEST

START_TEST(answer_in_no_time_is_remembered_as_known) {
        PollHistory history = {};

        poll_history_learn(&history, 1, 1, 0);
        ck_assert_uint_eq(poll_history_get(&history, 1, 1), 1);
        poll_history_learn(&history, 1, 1, 0);
        ck_assert_uint_eq(poll_history_get(&history, 1, 1), 1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("poll");
        TCase *tcase = tcase_create("poll");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tcase, first_polls_come_after_microseconds);
        tcase_add_test(tcase, polls_back_off_to_4_ms);
        tcase_add_test(tcase, polls_closer_than_1_ms_are_limited_in_number);
        tcase_add_test(tcase, polls_gather_where_the_answer_is_expected);
        tcase_add_test(tcase, expectation_never_delays_a_poll_beyond_4_ms);
        tcase_add_test(tcase, slow_mailbox_is_spared);
        tcase_add_test(tcase, history_is_kept_by_feature_and_follows_what_it_is_told);
        tcase_add_test(tcase, history_forgets_the_oldest_feature_first);
        tcase_add_test(tcase, answer_in_no_time_is_remembered_as_known);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
