/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "client/json.h"
#include "client/memory.h"
#include "client/units.h"

typedef struct Row {
        uint64_t value;
        const char *expected;
} Row;

static const Row bytes[] = {
        { 0, "0 bytes" },
        { 1, "1 byte" },
        { 1023, "1023 bytes" },
        { 1024, "1 KiB" },
        { 4097, "4097 bytes" },
        { 1536, "1.5 KiB" },
        { 1792, "1.75 KiB" },
        { UINT64_C(256) << 20, "256 MiB" },
        { UINT64_C(3) << 39, "1.5 TiB" },
        { (UINT64_C(1) << 30) + 4096, "1048580 KiB" },
        { UINT64_MAX, "18446744073709551615 bytes" },
        { UINT64_C(1) << 63, "8 EiB" },
};

START_TEST(sizes_are_exact_in_the_largest_unit_that_allows_it) {
        _cleanup_free_ char *s = units_format_bytes(bytes[_i].value);

        ck_assert_str_eq(s, bytes[_i].expected);
}
END_TEST

static const Row latencies[] = {
        { 150000, "150 ns" },
        { 152500, "152.5 ns" },
        { 1, "0.001 ns" },
        { 0, "0 ns" },
        { UINT64_C(1500000000), "1500000 ns" },
};

START_TEST(latencies_are_in_nanoseconds) {
        _cleanup_free_ char *s = units_format_latency(latencies[_i].value);

        ck_assert_str_eq(s, latencies[_i].expected);
}
END_TEST

static const Row bandwidths[] = {
        { 640, "640 MB/s" },
        { 1000, "1 GB/s" },
        { 12800, "12.8 GB/s" },
        { 32001, "32.001 GB/s" },
};

START_TEST(bandwidths_are_in_gigabytes_from_one_on) {
        _cleanup_free_ char *s = units_format_bandwidth(bandwidths[_i].value);

        ck_assert_str_eq(s, bandwidths[_i].expected);
}
END_TEST

static const Row durations[] = {
        { 0, "0 us" },          { 999, "999 us" },      { 1000, "1 ms" },   { 1528, "1.52 ms" },
        { 15280, "15.2 ms" },   { 999999, "999 ms" },   { 1000000, "1 s" }, { 20000000, "20 s" },
        { 61500000, "61.5 s" }, { 600000000, "600 s" },
};

START_TEST(durations_have_three_digits) {
        _cleanup_free_ char *s = units_format_duration(durations[_i].value);

        ck_assert_str_eq(s, durations[_i].expected);
}
END_TEST

START_TEST(points_in_time_are_local_and_zero_is_never) {
        _cleanup_free_ char *never = units_format_time(0), *s = NULL;

        setenv("TZ", "UTC", true);
        tzset();
        s = units_format_time(UINT64_C(1700000000123456));
        ck_assert_str_eq(never, "never");
        ck_assert_str_eq(s, "2023-11-14 22:13:20.123");
}
END_TEST

static const struct {
        const char *key;
        json_int_t value;
        const char *expected;
} named[] = {
        { "queued-usec", 1500, "1.5 ms" },
        { "max-bytes", 65536, "64 KiB" },
        { "attempts", 2, "2" },
        { "opcode", -1, "-1" },
        { "odd-usec", -5, "-5" },
};

START_TEST(name_of_a_value_tells_its_unit) {
        _cleanup_json_ json_t *value = json_integer(named[_i].value);
        _cleanup_free_ char *s = units_format_value(named[_i].key, value);

        ck_assert_str_eq(s, named[_i].expected);
}
END_TEST

START_TEST(large_usec_value_is_a_point_in_time) {
        _cleanup_json_ json_t *value = json_integer(1700000000123456);
        _cleanup_free_ char *s = units_format_value("since-usec", value);

        ck_assert_ptr_nonnull(strchr(s, ':'));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-units");
        TCase *tc = tcase_create("units");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tc, sizes_are_exact_in_the_largest_unit_that_allows_it, 0, (int)ELEMENTS(bytes));
        tcase_add_loop_test(tc, latencies_are_in_nanoseconds, 0, (int)ELEMENTS(latencies));
        tcase_add_loop_test(tc, bandwidths_are_in_gigabytes_from_one_on, 0, (int)ELEMENTS(bandwidths));
        tcase_add_loop_test(tc, durations_have_three_digits, 0, (int)ELEMENTS(durations));
        tcase_add_test(tc, points_in_time_are_local_and_zero_is_never);
        tcase_add_loop_test(tc, name_of_a_value_tells_its_unit, 0, (int)ELEMENTS(named));
        tcase_add_test(tc, large_usec_value_is_a_point_in_time);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
