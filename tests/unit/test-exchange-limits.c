/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/pci/access.h"
#include "daemon/pci/poll.h"
#include "daemon/util/clock.h"
#include "protocols/data-object.h"
#include "protocols/registers.h"
#include "tests/unit/exchange-fixture.h"

/* Nothing but looks from here on. */
static void assert_no_write_since(uint32_t n_writes) {
        ck_assert_uint_eq(device->n_writes, n_writes);
}

/* Until the request is under way: the first dispatch only looks whether it may. */
static uint64_t begin_and_dispatch(const ExchangeRequest *request) {
        ExchangeResult result;
        uint64_t due_usec;

        exchange_begin(exchange, request);
        for (unsigned i = 0; i < 2; i++)
                ck_assert_int_eq(exchange_dispatch(exchange, &due_usec, &result), 0);
        return due_usec;
}

START_TEST(abort_is_one_write_and_verified) {
        exchange_begin_abort(exchange);
        ck_assert_int_eq(finish().error, 0);
        ck_assert_str_eq(device->log, "As");
        ck_assert_uint_eq(device->last_write, DOE_CONTROL_ABORT);
}
END_TEST

START_TEST(abort_that_takes_a_second_succeeds) {
        device->abort_usec = 999999;
        recover();
        ck_assert_uint_eq(device->n_aborts, 1);
        ck_assert_uint_le(device->n_close_status, POLL_FAST_MAX);
}
END_TEST

static const uint32_t left_set[] = { DOE_STATUS_BUSY, DOE_STATUS_ERROR, DOE_STATUS_READY };

START_TEST(abort_that_leaves_a_bit_set_fails_after_a_second) {
        ExchangeResult result;

        device->extra_status = left_set[_i];
        exchange_begin_abort(exchange);
        result = finish();
        ck_assert_int_eq(result.error, -ESHUTDOWN);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_FAILED);
        ck_assert_uint_ge(device->now_usec - device->abort_set_usec, DOE_TIMEOUT_USEC);
        ck_assert_uint_le(device->now_usec - device->abort_set_usec, DOE_TIMEOUT_USEC + 10);

        device->extra_status = 0;
        recover();
}
END_TEST

START_TEST(abort_of_a_gone_device_says_so) {
        device->is_gone = true;
        exchange_begin_abort(exchange);
        ck_assert_int_eq(finish().error, -ENODEV);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_FAILED);
}
END_TEST

START_TEST(refused_abort_says_so) {
        device->refuses_writes = true;
        exchange_begin_abort(exchange);
        ck_assert_int_eq(finish().error, -EPERM);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_FAILED);
}
END_TEST

START_TEST(abort_forgets_what_was_under_way) {
        ExchangeRequest request = echo_request();

        device->service_usec = 500000;
        begin_and_dispatch(&request);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_WAITING);
        recover();
        device->service_usec = 0;
        ck_assert_int_eq(run_echo().error, 0);
}
END_TEST

START_TEST(answer_after_a_while_is_seen_soon_after_it_is_there) {
        static const uint64_t service[] = { 3, 20, 100, 700, 5000, 30000, 400000 };
        ExchangeResult result;
        uint64_t late_usec;

        device->service_usec = service[_i];
        result = run_echo();
        ck_assert_int_eq(result.error, 0);
        late_usec = device->now_usec - device->go_usec - device->service_usec;
        ck_assert_msg(late_usec <= 20 + service[_i] / 3 && late_usec <= POLL_MAX_USEC + 20, "%lu usec late",
                      (unsigned long)late_usec);
        ck_assert_uint_le(device->n_close_status, POLL_FAST_MAX);
}
END_TEST

START_TEST(what_a_feature_took_before_saves_polls) {
        uint32_t n_first, n_last;

        device->service_usec = 3000;
        scripted_clear_log(device);
        ck_assert_int_eq(run_echo().error, 0);
        n_first = device->n_status;
        for (unsigned i = 0; i < 4; i++) {
                scripted_clear_log(device);
                ck_assert_int_eq(run_echo().error, 0);
        }
        n_last = device->n_status;
        ck_assert_msg(2 * n_last <= n_first, "%u polls at first, %u at last", n_first, n_last);
        ck_assert_uint_lt(device->now_usec - device->go_usec, 3000 + 1000);
}
END_TEST

START_TEST(dispatch_before_it_is_due_touches_nothing) {
        ExchangeRequest request = echo_request();
        ExchangeResult result;
        uint64_t due_usec, again_usec;
        size_t n_log;

        device->service_usec = 100000;
        due_usec = begin_and_dispatch(&request);
        n_log = device->n_log;
        ck_assert_int_eq(exchange_dispatch(exchange, &again_usec, &result), 0);
        ck_assert_uint_eq(again_usec, due_usec);
        ck_assert_uint_eq(device->n_log, n_log);
}
END_TEST

START_TEST(idle_exchange_wants_no_wake_up) {
        ExchangeResult result;
        uint64_t due_usec;

        ck_assert_int_eq(exchange_dispatch(exchange, &due_usec, &result), 0);
        ck_assert_uint_eq(due_usec, USEC_INFINITY);
        ck_assert_int_eq(run_echo().error, 0);
        ck_assert_int_eq(exchange_dispatch(exchange, &due_usec, &result), 0);
        ck_assert_uint_eq(due_usec, USEC_INFINITY);
}
END_TEST

START_TEST(slow_device_is_polled_no_sooner_than_10_ms) {
        device->access_usec = 60;
        while (!exchange_is_slow(exchange))
                ck_assert_int_eq(run_echo().error, 0);

        device->service_usec = 200000;
        scripted_clear_log(device);
        device->last_status_usec = 0;
        ck_assert_int_eq(run_echo().error, 0);
        /* but the pair around the last pop, which is no poll */
        ck_assert_uint_le(device->n_close_status, 2);
        ck_assert_uint_le(device->n_status, 2 + 200000 / POLL_SLOW_USEC + 2);
}
END_TEST

START_TEST(very_slow_device_is_polled_at_5_percent_duty) {
        uint64_t since_usec;

        device->access_usec = 2000;
        while (!exchange_is_slow(exchange))
                ck_assert_int_eq(run_echo().error, 0);

        device->service_usec = SCRIPTED_FOREVER;
        scripted_clear_log(device);
        ck_assert_int_eq(run_echo().error, -ETIMEDOUT);
        since_usec = device->go_usec;
        ck_assert_uint_le(device->n_status * device->access_usec * 20,
                          device->now_usec - since_usec + 3 * 20 * device->access_usec);
}
END_TEST

START_TEST(fast_device_is_not_slow_for_one_slow_access) {
        static const ScriptRow rows[] = { { AT_WRITE, 1, JUMP_AHEAD, 5000 }, {} };

        ck_assert_int_eq(run_script(rows).error, 0);
        ck_assert_int_eq(run_echo().error, 0);
        ck_assert(!exchange_is_slow(exchange));
}
END_TEST

START_TEST(slow_device_that_becomes_fast_is_no_longer_slow) {
        device->access_usec = 100;
        ck_assert_int_eq(run_echo().error, 0);
        ck_assert_int_eq(run_echo().error, 0);
        ck_assert(exchange_is_slow(exchange));
        device->access_usec = 1;
        ck_assert_int_eq(run_echo().error, 0);
        ck_assert(!exchange_is_slow(exchange));
}
END_TEST

START_TEST(drain_beyond_its_budget_is_timed_out) {
        static const ScriptRow rows[] = { { AT_READ, 10, SLOW_DOWN, 10000 }, {} };
        ExchangeResult result = run_long_request(rows);

        assert_failed(&result, -ETIMEDOUT, "of 1026 dwords read in time");
        /* 1 s and 2052 accesses of 200 us: no more, however slow it is */
        ck_assert_uint_le(result.ended_usec - device->go_usec, 1000000 + 2052 * 200 + 50000);
        recover();
}
END_TEST

START_TEST(hostile_device_is_given_no_time_for_its_own_slowness) {
        uint64_t since_usec = device->now_usec;
        ExchangeResult result;

        device->access_usec = 10000;
        result = run_long_request(NULL);
        assert_failed(&result, -ETIMEDOUT, "of 1026 dwords written in time");
        ck_assert_uint_le(device->now_usec - since_usec,
                          1000000 + 2052 * EXCHANGE_DRAIN_ACCESS_MAX_USEC + 50000);
}
END_TEST

START_TEST(drain_of_a_slow_device_gets_time_by_its_length) {
        ExchangeResult result;

        device->access_usec = 90;
        result = run_long_request(NULL);
        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(result.n_bytes, 4096);
}
END_TEST

START_TEST(burst_of_a_slow_device_is_bounded_in_time) {
        static const uint8_t payload[1024];
        ExchangeRequest request = echo_request();
        ExchangeResult result;
        uint64_t due_usec, since_usec;

        device->access_usec = 500;
        request.payload = payload;
        request.n_bytes = sizeof(payload);
        request.n_dwords_max = 1024;
        exchange_begin(exchange, &request);
        for (;;) {
                since_usec = device->now_usec;
                if (exchange_dispatch(exchange, &due_usec, &result) == 1)
                        break;
                ck_assert_uint_le(device->now_usec - since_usec,
                                  EXCHANGE_BURST_USEC + 6 * device->access_usec);
                scripted_sleep_until(device, due_usec);
        }
        ck_assert_int_eq(result.error, 0);
}
END_TEST

START_TEST(clock_that_jumps_ahead_does_not_lose_an_answer_that_is_there) {
        static const ScriptRow rows[] = { { AFTER_GO, 20, JUMP_AHEAD, 3600 * USEC_PER_SEC }, {} };

        device->service_usec = 500;
        ck_assert_int_eq(run_script(rows).error, 0);
}
END_TEST

START_TEST(dispatch_that_comes_late_gives_the_device_one_more_look) {
        ExchangeRequest request = echo_request();
        ExchangeResult result;
        uint64_t due_usec;

        device->service_usec = SCRIPTED_FOREVER;
        begin_and_dispatch(&request);
        device->now_usec += 10 * USEC_PER_SEC;
        ck_assert_int_eq(exchange_dispatch(exchange, &due_usec, &result), 0);
        ck_assert_uint_gt(due_usec, device->now_usec);
        device->now_usec += 10 * USEC_PER_SEC;
        ck_assert_int_eq(exchange_dispatch(exchange, &due_usec, &result), 1); /* but only one */
        ck_assert_int_eq(result.error, -ETIMEDOUT);
}
END_TEST

START_TEST(clock_that_goes_back_does_not_stretch_the_timeout) {
        ExchangeRequest request = echo_request();
        ExchangeResult result;
        uint64_t since_usec;

        device->now_usec = 3600 * USEC_PER_SEC;
        device->service_usec = SCRIPTED_FOREVER;
        begin_and_dispatch(&request);
        device->now_usec -= 1800 * USEC_PER_SEC;
        since_usec = device->now_usec;
        device->go_usec -= 1800 * USEC_PER_SEC;
        result = finish();
        ck_assert_int_eq(result.error, -ETIMEDOUT);
        ck_assert_uint_le(device->now_usec - since_usec, 2 * USEC_PER_SEC);
}
END_TEST

START_TEST(hold_before_the_request_writes_nothing) {
        ExchangeRequest request = echo_request();
        ExchangeResult result;

        device->extra_status = DOE_STATUS_BUSY;
        begin_and_dispatch(&request);
        exchange_hold(exchange);
        result = finish();
        assert_failed(&result, -ECONNABORTED, "kernel");
        ck_assert(result.is_foreign);
        assert_no_write_since(0);
}
END_TEST

START_TEST(hold_while_waiting_gives_up_without_another_access) {
        ExchangeRequest request = echo_request();
        ExchangeResult result;
        size_t n_log;

        device->service_usec = 100000;
        begin_and_dispatch(&request);
        n_log = device->n_log;
        exchange_hold(exchange);
        result = finish();
        assert_failed(&result, -ECONNABORTED, "kernel");
        ck_assert(result.is_foreign);
        ck_assert(result.was_seen);
        ck_assert_uint_eq(device->n_log, n_log);
}
END_TEST

START_TEST(hold_in_mid_request_gives_up_without_another_access) {
        static const uint8_t payload[4096];
        ExchangeRequest request = echo_request();
        ExchangeResult result;

        request.payload = payload;
        request.n_bytes = sizeof(payload);
        begin_and_dispatch(&request);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_SENDING);
        exchange_hold(exchange);
        result = finish();
        assert_failed(&result, -ECONNABORTED, "sending");
        assert_no_write_since(256);
}
END_TEST

static void drain_until_receiving(size_t n_bytes) {
        static const uint8_t payload[65536];
        ExchangeRequest request = echo_request();
        ExchangeResult result;
        uint64_t due_usec;

        request.payload = payload;
        request.n_bytes = n_bytes;
        request.n_dwords_max = DOE_OBJECT_DWORDS_MAX;
        exchange_begin(exchange, &request);
        while (exchange_state(exchange) != EXCHANGE_RECEIVING) {
                ck_assert_int_eq(exchange_dispatch(exchange, &due_usec, &result), 0);
                scripted_sleep_until(device, due_usec);
        }
}

START_TEST(hold_lets_a_drain_end_that_is_about_to_end) {
        ExchangeResult result;

        drain_until_receiving(4 * 600);
        exchange_hold(exchange);
        result = finish();
        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(result.n_bytes, 4 * 600);
}
END_TEST

START_TEST(hold_ends_a_long_drain_after_the_grace) {
        uint64_t since_usec;
        ExchangeResult result;

        drain_until_receiving(65536);
        since_usec = device->now_usec;
        exchange_hold(exchange);
        result = finish();
        assert_failed(&result, -ECONNABORTED, "kernel");
        ck_assert(result.is_foreign);
        ck_assert_uint_le(device->now_usec - since_usec, EXCHANGE_HELD_GRACE_USEC + 10);
}
END_TEST

START_TEST(hold_during_an_abort_leaves_it_to_be_done_again) {
        uint64_t due_usec;
        ExchangeResult result;

        device->abort_usec = 500000;
        exchange_begin_abort(exchange);
        ck_assert_int_eq(exchange_dispatch(exchange, &due_usec, &result), 0);
        exchange_hold(exchange);
        result = finish();
        ck_assert_int_eq(result.error, -ECONNABORTED);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_FAILED);
        device->abort_usec = 0;
        recover();
}
END_TEST

START_TEST(abandoned_exchange_ends_well_if_the_answer_comes_within_a_second) {
        ExchangeRequest request = echo_request();

        device->service_usec = 900000;
        request.timeout_usec = 60 * USEC_PER_SEC;
        begin_and_dispatch(&request);
        exchange_abandon(exchange);
        ck_assert_int_eq(finish().error, 0);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_IDLE);
}
END_TEST

START_TEST(abandoned_exchange_ends_within_a_second) {
        ExchangeRequest request = echo_request();
        uint64_t since_usec;

        device->service_usec = SCRIPTED_FOREVER;
        request.timeout_usec = 60 * USEC_PER_SEC;
        begin_and_dispatch(&request);
        since_usec = device->now_usec;
        exchange_abandon(exchange);
        ck_assert_int_eq(finish().error, -ETIMEDOUT);
        ck_assert_uint_le(device->now_usec - since_usec, EXCHANGE_ABANDON_USEC + 10);
}
END_TEST

START_TEST(forgotten_exchange_leaves_no_result_and_no_access) {
        ExchangeRequest request = echo_request();
        ExchangeResult result;
        uint64_t due_usec;
        size_t n_log;

        device->service_usec = 100000;
        begin_and_dispatch(&request);
        n_log = device->n_log;
        exchange_forget(exchange);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_FAILED);
        ck_assert_int_eq(exchange_dispatch(exchange, &due_usec, &result), 0);
        ck_assert_uint_eq(due_usec, USEC_INFINITY);
        ck_assert_uint_eq(device->n_log, n_log);
}
END_TEST

static void add_abort_tests(Suite *suite) {
        TCase *tcase = tcase_create("abort and giving up");

        tcase_add_checked_fixture(tcase, exchange_setup, exchange_teardown);
        tcase_add_test(tcase, abort_is_one_write_and_verified);
        tcase_add_test(tcase, abort_that_takes_a_second_succeeds);
        tcase_add_loop_test(tcase, abort_that_leaves_a_bit_set_fails_after_a_second, 0,
                            (int)ELEMENTS(left_set));
        tcase_add_test(tcase, abort_of_a_gone_device_says_so);
        tcase_add_test(tcase, refused_abort_says_so);
        tcase_add_test(tcase, abort_forgets_what_was_under_way);
        tcase_add_test(tcase, hold_before_the_request_writes_nothing);
        tcase_add_test(tcase, hold_while_waiting_gives_up_without_another_access);
        tcase_add_test(tcase, hold_in_mid_request_gives_up_without_another_access);
        tcase_add_test(tcase, hold_lets_a_drain_end_that_is_about_to_end);
        tcase_add_test(tcase, hold_ends_a_long_drain_after_the_grace);
        tcase_add_test(tcase, hold_during_an_abort_leaves_it_to_be_done_again);
        tcase_add_test(tcase, abandoned_exchange_ends_well_if_the_answer_comes_within_a_second);
        tcase_add_test(tcase, abandoned_exchange_ends_within_a_second);
        tcase_add_test(tcase, forgotten_exchange_leaves_no_result_and_no_access);
        suite_add_tcase(suite, tcase);
}

static void add_pace_tests(Suite *suite) {
        TCase *tcase = tcase_create("pace and clock");

        tcase_add_checked_fixture(tcase, exchange_setup, exchange_teardown);
        tcase_add_loop_test(tcase, answer_after_a_while_is_seen_soon_after_it_is_there, 0, 7);
        tcase_add_test(tcase, what_a_feature_took_before_saves_polls);
        tcase_add_test(tcase, dispatch_before_it_is_due_touches_nothing);
        tcase_add_test(tcase, idle_exchange_wants_no_wake_up);
        tcase_add_test(tcase, slow_device_is_polled_no_sooner_than_10_ms);
        tcase_add_test(tcase, very_slow_device_is_polled_at_5_percent_duty);
        tcase_add_test(tcase, fast_device_is_not_slow_for_one_slow_access);
        tcase_add_test(tcase, slow_device_that_becomes_fast_is_no_longer_slow);
        tcase_add_test(tcase, drain_beyond_its_budget_is_timed_out);
        tcase_add_test(tcase, hostile_device_is_given_no_time_for_its_own_slowness);
        tcase_add_test(tcase, drain_of_a_slow_device_gets_time_by_its_length);
        tcase_add_test(tcase, burst_of_a_slow_device_is_bounded_in_time);
        tcase_add_test(tcase, clock_that_jumps_ahead_does_not_lose_an_answer_that_is_there);
        tcase_add_test(tcase, dispatch_that_comes_late_gives_the_device_one_more_look);
        tcase_add_test(tcase, clock_that_goes_back_does_not_stretch_the_timeout);
        suite_add_tcase(suite, tcase);
}

int main(void) {
        Suite *suite = suite_create("exchange-limits");
        SRunner *runner;
        int n_failed;

        add_abort_tests(suite);
        add_pace_tests(suite);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
