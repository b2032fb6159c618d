/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "daemon/util/log-limit.h"
#include "tests/unit/suite.h"

#define BURST  3u
#define MINUTE LOG_LIMIT_USEC

static LogLimiter limiter;
static LogLeftOut left;

static int pass(unsigned kind, const char *subject, uint64_t now_usec) {
        return log_limiter_pass(&limiter, kind, subject, BURST, now_usec, &left);
}

static void reset(void) {
        limiter = (LogLimiter){};
}

START_TEST(a_burst_passes_and_the_rest_of_the_minute_is_counted) {
        reset();
        for (unsigned i = 0; i < BURST; i++)
                ck_assert_int_eq(pass(1, "a", 10), 1);
        for (unsigned i = 0; i < 5; i++)
                ck_assert_int_eq(pass(1, "a", 9 + MINUTE), 0);
        ck_assert_uint_eq(left.n_lines, 0);
        ck_assert_int_eq(pass(1, "a", 10 + MINUTE), 1);
        ck_assert_uint_eq(left.n_lines, 5);
        ck_assert_uint_eq(left.kind, 1);
        ck_assert_str_eq(left.subject, "a");
        ck_assert_int_eq(pass(1, "a", 10 + MINUTE), 1);
        ck_assert_uint_eq(left.n_lines, 0);
}
END_TEST

START_TEST(nobody_hides_the_lines_of_another_subject_or_kind) {
        reset();
        for (unsigned i = 0; i < 2 * BURST; i++)
                pass(1, "a", 0);
        ck_assert_int_eq(pass(1, "a", 0), 0);
        ck_assert_int_eq(pass(1, "b", 0), 1);
        ck_assert_int_eq(pass(2, "a", 0), 1);
}
END_TEST

START_TEST(a_minute_begins_with_the_first_line_not_with_the_clock) {
        reset();
        ck_assert_int_eq(pass(1, "a", MINUTE - 1), 1);
        for (unsigned i = 1; i < BURST; i++)
                pass(1, "a", MINUTE - 1);
        ck_assert_int_eq(pass(1, "a", MINUTE + 1), 0);
}
END_TEST

START_TEST(of_too_many_the_longest_silent_gives_way_and_tells_what_it_left_out) {
        char subject[16];

        reset();
        for (unsigned i = 0; i <= BURST; i++)
                pass(1, "first", 0);
        for (unsigned i = 1; i < LOG_LIMIT_SLOTS; i++) {
                snprintf(subject, sizeof(subject), "%u", i);
                ck_assert_int_eq(pass(1, subject, i), 1);
                ck_assert_uint_eq(left.n_lines, 0);
        }
        ck_assert_int_eq(pass(1, "last", LOG_LIMIT_SLOTS), 1);
        ck_assert_uint_eq(left.n_lines, 1);
        ck_assert_str_eq(left.subject, "first");
        ck_assert_int_eq(pass(1, "last", LOG_LIMIT_SLOTS), 1);
        ck_assert_uint_eq(left.n_lines, 0);
}
END_TEST

START_TEST(a_long_subject_is_cut_and_still_counted) {
        char subject[2 * LOG_LIMIT_SUBJECT_MAX];

        reset();
        memset(subject, 'x', sizeof(subject));
        subject[sizeof(subject) - 1] = '\0';
        for (unsigned i = 0; i < BURST; i++)
                ck_assert_int_eq(pass(1, subject, 0), 1);
        ck_assert_int_eq(pass(1, subject, 0), 0);
}
END_TEST

DEFINE_SUITE("log-limit", a_burst_passes_and_the_rest_of_the_minute_is_counted,
             nobody_hides_the_lines_of_another_subject_or_kind,
             a_minute_begins_with_the_first_line_not_with_the_clock,
             of_too_many_the_longest_silent_gives_way_and_tells_what_it_left_out,
             a_long_subject_is_cut_and_still_counted)
