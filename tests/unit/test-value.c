/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/value.h"

#include <errno.h>

#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"
#include "tests/unit/suite.h"

static uint64_t seconds(const char *s) {
        uint64_t usec = 12345;

        ck_assert_msg(value_parse_usec(s, USEC_PER_SEC, &usec) == 0, "%s", s);
        return usec;
}

START_TEST(spans_are_sums_of_numbers_with_units) {
        ck_assert_uint_eq(seconds("20"), 20 * USEC_PER_SEC);
        ck_assert_uint_eq(seconds("0"), 0);
        ck_assert_uint_eq(seconds("0.5"), 500000);
        ck_assert_uint_eq(seconds("500ms"), 500000);
        ck_assert_uint_eq(seconds("500 ms"), 500000);
        ck_assert_uint_eq(seconds("7us"), 7);
        ck_assert_uint_eq(seconds("5s"), 5 * USEC_PER_SEC);
        ck_assert_uint_eq(seconds("10min"), 600 * USEC_PER_SEC);
        ck_assert_uint_eq(seconds("1min 30s"), 90 * USEC_PER_SEC);
        ck_assert_uint_eq(seconds("1h30min"), 5400 * USEC_PER_SEC);
        ck_assert_uint_eq(seconds("1.5d"), 129600 * USEC_PER_SEC);
        ck_assert_uint_eq(seconds("0.0000019"), 1);
}
END_TEST

START_TEST(a_number_alone_has_the_unit_of_its_key) {
        uint64_t usec;

        ck_assert_int_eq(value_parse_usec("1500", 1, &usec), 0);
        ck_assert_uint_eq(usec, 1500);
        ck_assert_int_eq(value_parse_usec("2s", 1, &usec), 0);
        ck_assert_uint_eq(usec, 2 * USEC_PER_SEC);
}
END_TEST

START_TEST(what_is_no_span_is_refused_and_leaves_the_value) {
        static const char *const wrong[] = { "",
                                             "s",
                                             "-1",
                                             "+1",
                                             "1.",
                                             ".5",
                                             "5x",
                                             "5S",
                                             "1e3",
                                             "0x10",
                                             "infinity",
                                             "1,5",
                                             "5s,",
                                             "5 s s",
                                             "1 .",
                                             "5\n",
                                             "１",
                                             "18446744073709551615",
                                             "99999999999999999999",
                                             "18446744073709551615us 1us" };
        uint64_t usec = 77;

        for (size_t i = 0; i < ELEMENTS(wrong); i++)
                ck_assert_msg(value_parse_usec(wrong[i], USEC_PER_SEC, &usec) == -EINVAL, "%s", wrong[i]);
        ck_assert_uint_eq(usec, 77);
}
END_TEST

START_TEST(numbers_are_decimal_digits_of_64_bits) {
        static const char *const wrong[] = { "", " 1", "1 ", "-1", "0x1", "1k", "18446744073709551616" };
        uint64_t v;

        ck_assert_int_eq(value_parse_u64("18446744073709551615", &v), 0);
        ck_assert_uint_eq(v, UINT64_MAX);
        ck_assert_int_eq(value_parse_u64("007", &v), 0);
        ck_assert_uint_eq(v, 7);
        for (size_t i = 0; i < ELEMENTS(wrong); i++)
                ck_assert_msg(value_parse_u64(wrong[i], &v) == -EINVAL, "%s", wrong[i]);
}
END_TEST

START_TEST(booleans_have_four_spellings_each) {
        ck_assert_int_eq(value_parse_bool("yes"), 1);
        ck_assert_int_eq(value_parse_bool("on"), 1);
        ck_assert_int_eq(value_parse_bool("true"), 1);
        ck_assert_int_eq(value_parse_bool("1"), 1);
        ck_assert_int_eq(value_parse_bool("no"), 0);
        ck_assert_int_eq(value_parse_bool("off"), 0);
        ck_assert_int_eq(value_parse_bool("false"), 0);
        ck_assert_int_eq(value_parse_bool("0"), 0);
        ck_assert_int_eq(value_parse_bool("maybe"), -EINVAL);
        ck_assert_int_eq(value_parse_bool(""), -EINVAL);
}
END_TEST

START_TEST(printed_seconds_are_read_as_the_same) {
        static const uint64_t values[] = {
                0, 1, 250000, 999999, USEC_PER_SEC, 20 * USEC_PER_SEC, 1234567890123
        };
        char s[VALUE_SECONDS_STR_MAX];

        for (size_t i = 0; i < ELEMENTS(values); i++)
                ck_assert_uint_eq(seconds(value_format_seconds(values[i], s)), values[i]);
        ck_assert_str_eq(value_format_seconds(20 * USEC_PER_SEC, s), "20");
        ck_assert_str_eq(value_format_seconds(250000, s), "0.25");
}
END_TEST

DEFINE_SUITE("value", spans_are_sums_of_numbers_with_units, a_number_alone_has_the_unit_of_its_key,
             what_is_no_span_is_refused_and_leaves_the_value, numbers_are_decimal_digits_of_64_bits,
             booleans_have_four_spellings_each, printed_seconds_are_read_as_the_same)
