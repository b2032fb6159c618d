/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/pci/poll.h"
#include "protocols/data-object.h"
#include "protocols/registers.h"
#include "tests/unit/exchange-fixture.h"

/* Nothing but looks from here on. */
static void assert_no_write_since(uint32_t n_writes) {
        ck_assert_uint_eq(device->n_writes, n_writes);
}

START_TEST(three_dwords_each_way_cost_exactly_the_necessary_accesses) {
        ExchangeResult result = run_echo();

        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(result.n_bytes, 4);
        ck_assert_mem_eq(result.payload, "\1\2\3\4", 4);
        ck_assert_str_eq(device->log, "swwwGsrprprsps");
        ck_assert_uint_eq(device->last_write, DOE_CONTROL_GO); /* Interrupt Enable stays 0 */
        ck_assert(result.was_seen);
        ck_assert_uint_gt(result.started_usec, 0);
        ck_assert_uint_ge(result.ended_usec, result.started_usec);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_IDLE);
}
END_TEST

START_TEST(request_is_padded_with_zero_bytes) {
        static const uint8_t five[5] = { 1, 2, 3, 4, 5 };
        ExchangeRequest request = echo_request();
        ExchangeResult result;

        request.payload = five;
        request.n_bytes = sizeof(five);
        result = run(&request);
        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(result.n_bytes, 8);
        ck_assert_mem_eq(result.payload, "\1\2\3\4\5\0\0\0", 8);
        ck_assert_uint_eq(device->request[0], ECHO_DW0);
        ck_assert_uint_eq(device->request[1], 4);
}
END_TEST

START_TEST(empty_payload_both_ways_is_an_object_of_two_dwords) {
        ExchangeRequest request = echo_request();
        ExchangeResult result;

        request.payload = NULL;
        request.n_bytes = 0;
        result = run(&request);
        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(result.n_bytes, 0);
        ck_assert_str_eq(device->log, "swwGsrprsps");
}
END_TEST

START_TEST(other_status_bits_at_idle_are_of_no_account) {
        ExchangeResult result;

        device->extra_status =
                        DOE_STATUS_AT_ATTENTION | DOE_STATUS_INTERRUPT | DOE_STATUS_ASYNC | 0x7fffff00u;
        result = run_echo();
        ck_assert_int_eq(result.error, 0);
        recover();
}
END_TEST

START_TEST(all_ones_in_read_data_is_a_legal_dword) {
        static const uint32_t canned[] = { ECHO_DW0, 4, UINT32_MAX, UINT32_MAX };
        ExchangeResult result;

        device->canned = canned;
        device->n_canned = 4;
        result = run_echo();
        ck_assert_int_eq(result.error, 0);
        ck_assert_mem_eq(result.payload, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
}
END_TEST

START_TEST(reserved_bits_of_the_response_header_are_ignored) {
        static const uint32_t canned[] = { ECHO_DW0 | 0xff000000u, 3 | 0xfffc0000u, 7 };
        ExchangeResult result;

        device->canned = canned;
        device->n_canned = 3;
        result = run_echo();
        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(result.n_bytes, 4);
}
END_TEST

START_TEST(object_of_1_mib_goes_both_ways_in_bounded_bursts) {
        ExchangeRequest request = echo_request();
        uint8_t *payload = malloc(DOE_PAYLOAD_BYTES_MAX);
        ExchangeResult result = {};
        unsigned n_dispatches = 0;
        uint64_t due_usec;
        uint32_t before;

        ck_assert_ptr_nonnull(payload);
        for (size_t i = 0; i < DOE_PAYLOAD_BYTES_MAX; i++)
                payload[i] = (uint8_t)(i * 31 + (i >> 8));
        request.payload = payload;
        request.n_bytes = DOE_PAYLOAD_BYTES_MAX;
        request.n_dwords_max = DOE_OBJECT_DWORDS_MAX;
        exchange_begin(exchange, &request);
        do {
                ck_assert_uint_lt(++n_dispatches, 3000);
                before = device->n_writes;
                if (exchange_dispatch(exchange, &due_usec, &result) == 1)
                        break;
                ck_assert_uint_le(device->n_writes - before, 2 * EXCHANGE_BURST_DWORDS + 2);
                scripted_sleep_until(device, due_usec);
        } while (true);

        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(device->request[1], 0); /* 2^18 dwords */
        ck_assert_uint_eq(result.n_bytes, DOE_PAYLOAD_BYTES_MAX);
        ck_assert_mem_eq(result.payload, payload, DOE_PAYLOAD_BYTES_MAX);
        /* Status once in each burst */
        ck_assert_uint_le(device->n_status, 2 * DOE_OBJECT_DWORDS_MAX / EXCHANGE_BURST_DWORDS + 8);
        free(payload);
}
END_TEST

START_TEST(busy_before_request_is_waited_out_within_the_grace) {
        static const ScriptRow rows[] = {
                { AT_USEC, 0, SET_STATUS, DOE_STATUS_BUSY },
                { AT_USEC, 1900000, CLEAR_STATUS, DOE_STATUS_BUSY },
                {},
        };
        ExchangeResult result = run_script(rows);

        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_ge(result.started_usec, 1900000);
        ck_assert_uint_le(result.started_usec, 1900000 + POLL_MAX_USEC + 10);
}
END_TEST

START_TEST(busy_before_request_beyond_the_grace_is_foreign_activity) {
        static const ScriptRow rows[] = { { AT_USEC, 0, SET_STATUS, DOE_STATUS_BUSY }, {} };
        uint64_t since_usec = device->now_usec;
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -EBUSY, "Status 00000001");
        ck_assert(result.is_foreign);
        ck_assert(!result.was_written);
        ck_assert_uint_ge(device->now_usec - since_usec, EXCHANGE_BUSY_GRACE_USEC);
        ck_assert_uint_le(device->now_usec - since_usec, EXCHANGE_BUSY_GRACE_USEC + 10);
        assert_no_write_since(0);
        ck_assert_uint_le(device->n_close_status, POLL_FAST_MAX);
}
END_TEST

START_TEST(busy_before_request_has_the_grace_that_is_asked_for) {
        static const ScriptRow rows[] = {
                { AT_USEC, 0, SET_STATUS, DOE_STATUS_BUSY },
                { AT_USEC, 3500000, CLEAR_STATUS, DOE_STATUS_BUSY },
                {},
        };
        ExchangeRequest request = echo_request();
        ExchangeResult result;

        scripted_set_script(device, rows);
        request.busy_grace_usec = 3000000;
        result = run(&request);
        ck_assert_int_eq(result.error, 0);
        device->extra_status = DOE_STATUS_BUSY;
        request.busy_grace_usec = 20000;
        result = run(&request);
        assert_failed(&result, -EBUSY, "Busy");
        ck_assert(result.is_foreign);
        ck_assert_uint_le(device->now_usec, 3600000);
}
END_TEST

START_TEST(ready_before_request_is_foreign_activity_at_once) {
        static const ScriptRow rows[] = { { AT_USEC, 0, PUT_ANSWER, 0x00021e98 }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -EBUSY, "Status 80000000");
        ck_assert(result.is_foreign);
        ck_assert_str_eq(device->log, "s");
}
END_TEST

START_TEST(error_before_request_is_foreign_activity_at_once) {
        static const ScriptRow rows[] = { { AT_USEC, 0, SET_STATUS, DOE_STATUS_ERROR | DOE_STATUS_BUSY },
                                          {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -EBUSY, "Status 00000005");
        ck_assert(result.is_foreign);
        ck_assert_str_eq(device->log, "s");
}
END_TEST

START_TEST(all_ones_before_request_is_gone) {
        static const ScriptRow rows[] = { { AT_USEC, 0, VANISH, 0 }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -ENODEV, "Status before the request");
        ck_assert(!result.is_foreign);
        ck_assert_str_eq(device->log, "s");
}
END_TEST

START_TEST(failing_read_is_gone_too) {
        ExchangeResult result;

        device->read_error = -ENODEV;
        result = run_echo();
        assert_failed(&result, -ENODEV, "Status before the request");
}
END_TEST

START_TEST(failed_access_is_told_from_a_gone_device) {
        ExchangeResult result;

        device->read_error = -EIO;
        result = run_echo();
        assert_failed(&result, -EIO, "access failed");
}
END_TEST

START_TEST(refused_first_write_leaves_nothing_to_abort) {
        static const ScriptRow rows[] = { { AT_WRITE, 0, REFUSE_WRITES, 0 }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -EPERM, "Write Data");
        ck_assert(!result.was_written);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_IDLE);
}
END_TEST

START_TEST(refused_later_write_must_be_aborted) {
        static const ScriptRow rows[] = { { AT_WRITE, 2, REFUSE_WRITES, 0 }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -EPERM, "Write Data");
        ck_assert(result.was_written);
        ck_assert(!result.was_seen);
}
END_TEST

START_TEST(refused_go_was_not_seen_by_the_device) {
        static const ScriptRow rows[] = { { AT_WRITE, 3, REFUSE_WRITES, 0 }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -EPERM, "GO");
        ck_assert(result.was_written);
        ck_assert(!result.was_seen);
}
END_TEST

START_TEST(stranger_in_mid_request_stops_the_writing) {
        static const ScriptRow rows[] = { { AT_WRITE, 255, SET_STATUS, DOE_STATUS_BUSY }, {} };
        ExchangeResult result = run_long_request(rows);

        assert_failed(&result, -ECONNABORTED, "mid-request");
        ck_assert(result.is_foreign);
        ck_assert(!result.was_seen);
        assert_no_write_since(256);
}
END_TEST

START_TEST(busy_with_the_first_dword_is_the_device_taking_the_request) {
        static const ScriptRow rows[] = { { AT_WRITE, 0, SET_STATUS, DOE_STATUS_BUSY },
                                          { AFTER_GO, 10, CLEAR_STATUS, DOE_STATUS_BUSY },
                                          {} };
        ExchangeResult result = run_long_request(rows);

        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(device->n_sent, 1026);
}
END_TEST

START_TEST(error_in_mid_request_is_a_device_error) {
        static const ScriptRow rows[] = { { AT_WRITE, 100, SET_STATUS, DOE_STATUS_ERROR }, {} };
        ExchangeResult result = run_long_request(rows);

        assert_failed(&result, -EREMOTEIO, "256 of 1026");
        ck_assert(!result.was_seen);
}
END_TEST

START_TEST(device_that_vanishes_in_mid_request_is_noticed) {
        static const ScriptRow rows[] = { { AT_WRITE, 300, VANISH, 0 }, {} };
        ExchangeResult result = run_long_request(rows);

        assert_failed(&result, -ENODEV, "512 of 1026");
        ck_assert_uint_eq(device->n_gos, 0);
}
END_TEST

START_TEST(busy_longer_than_the_timeout_is_timed_out) {
        ExchangeResult result;

        device->service_usec = SCRIPTED_FOREVER;
        result = run_echo();
        assert_failed(&result, -ETIMEDOUT, "1000 ms after GO: Status 00000001");
        ck_assert(result.was_seen);
        ck_assert(!result.is_foreign);
        ck_assert_uint_ge(device->now_usec - device->go_usec, DOE_TIMEOUT_USEC);
        ck_assert_uint_le(device->now_usec - device->go_usec, DOE_TIMEOUT_USEC + 10);
        ck_assert_uint_le(device->n_close_status, POLL_FAST_MAX);
}
END_TEST

START_TEST(timeout_of_the_request_replaces_the_second_of_the_specification) {
        ExchangeRequest request = echo_request();
        ExchangeResult result;

        device->service_usec = 2000000;
        request.timeout_usec = 3000000;
        result = run(&request);
        ck_assert_int_eq(result.error, 0);
}
END_TEST

START_TEST(silent_discard_is_timed_out) {
        ExchangeResult result;

        device->is_pipelining = true;
        device->service_usec = SCRIPTED_FOREVER;
        result = run_echo();
        assert_failed(&result, -ETIMEDOUT, "Status 00000000");
}
END_TEST

START_TEST(busy_may_drop_before_the_answer_is_ready) {
        ExchangeResult result;

        device->is_pipelining = true;
        device->service_usec = 30000;
        result = run_echo();
        ck_assert_int_eq(result.error, 0);
}
END_TEST

START_TEST(error_after_go_is_a_device_error) {
        static const ScriptRow rows[] = { { AFTER_GO, 5000, SET_STATUS, DOE_STATUS_ERROR }, {} };
        ExchangeResult result;

        device->service_usec = 10000;
        result = run_script(rows);
        assert_failed(&result, -EREMOTEIO, "waiting");
        ck_assert(result.was_seen);
}
END_TEST

START_TEST(error_with_ready_is_a_device_error) {
        static const ScriptRow rows[] = { { AFTER_GO, 0, SET_STATUS, DOE_STATUS_ERROR }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -EREMOTEIO, "Status 80000004");
        ck_assert_str_eq(device->log, "swwwGs");
}
END_TEST

START_TEST(all_ones_after_go_is_gone) {
        static const ScriptRow rows[] = { { AFTER_GO, 5000, VANISH, 0 }, {} };
        ExchangeResult result;

        device->service_usec = 10000;
        result = run_script(rows);
        assert_failed(&result, -ENODEV, "waiting");
        ck_assert(result.was_seen);
}
END_TEST

typedef struct BadResponse {
        uint32_t dwords[6];
        uint32_t n_dwords;
        int error;
        const char *evidence;
} BadResponse;

static const BadResponse bad_responses[] = {
        { { ECHO_DW0, 0, 7 }, 3, -EMSGSIZE, "length 262144" }, /* 0 is 2^18 */
        { { ECHO_DW0, 1, 7 }, 3, -EBADMSG, "length 1 " },
        { { ECHO_DW0, 17, 7 }, 3, -EMSGSIZE, "length 17 " },
        { { ECHO_DW0, 0x3ffff, 7 }, 3, -EMSGSIZE, "length 262143" },
        { { ECHO_DW0, 5, 7, 8 }, 4, -EBADMSG, "Not ready any more after 4 of 5" }, /* shorter than it says */
        { { ECHO_DW0, 6, 7, 8 }, 4, -EREMOTEIO, "5 of 6" }, /* the pop of what is not there is an error */
        { { ECHO_DW0, 3, 7, 8, 9 }, 5, -EBADMSG, "Still ready after all 3" }, /* longer */
        { { ECHO_DW0, 2, 7 }, 3, -EBADMSG, "Still ready after all 2" },
        { { ECHO_DW0 }, 1, -EBADMSG, "Not ready any more after 1 of 2" },
        { { 0x00021234, 3, 7 }, 3, -ECONNABORTED, "feature 1234:02" },
        { { 0x00011e98, 3, 7 }, 3, -ECONNABORTED, "feature 1e98:01" },
};

START_TEST(bad_response_is_refused) {
        const BadResponse *bad = &bad_responses[_i];
        ExchangeResult result;

        device->canned = bad->dwords;
        device->n_canned = bad->n_dwords;
        result = run_echo();
        assert_failed(&result, bad->error, bad->evidence);
        ck_assert_ptr_null(result.payload);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_FAILED);
        recover();
}
END_TEST

START_TEST(response_of_exactly_the_limit_is_taken) {
        uint32_t canned[16] = { ECHO_DW0, 16 };
        ExchangeResult result;

        device->canned = canned;
        device->n_canned = 16;
        result = run_echo();
        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(result.n_bytes, 56);
}
END_TEST

START_TEST(answer_of_another_feature_is_never_popped) {
        static const uint32_t canned[] = { 0x00021e98, 3, 7 };
        ExchangeResult result;

        device->canned = canned;
        device->n_canned = 3;
        result = run_echo();
        assert_failed(&result, -ECONNABORTED, "feature 1e98:02");
        ck_assert(result.is_foreign);
        ck_assert_str_eq(device->log, "swwwGsrs");
}
END_TEST

START_TEST(answer_that_was_taken_away_is_not_a_bad_response) {
        static const ScriptRow rows[] = { { AT_READ, 0, DROP_ANSWER, 0 }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -ECONNABORTED, "taken away");
        ck_assert(result.is_foreign);
        assert_no_write_since(4);
}
END_TEST

START_TEST(ready_gone_before_the_last_dword_is_noticed_and_nothing_popped) {
        static const ScriptRow rows[] = { { AT_READ, 2, DROP_ANSWER, 0 }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -EBADMSG, "after 2 of 3");
        ck_assert_str_eq(device->log, "swwwGsrprprs");
}
END_TEST

START_TEST(error_in_mid_object_is_a_device_error) {
        static const ScriptRow rows[] = { { AT_READ, 2, SET_STATUS, DOE_STATUS_ERROR }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -EREMOTEIO, "receiving, 2 of 3");
}
END_TEST

START_TEST(error_after_the_object_is_a_device_error) {
        static const ScriptRow rows[] = { { AFTER_ANSWER, 3, SET_STATUS, DOE_STATUS_ERROR }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -EREMOTEIO, "3 of 3");
        ck_assert_ptr_null(result.payload);
}
END_TEST

START_TEST(vanishing_at_a_dword_is_gone_and_not_a_bad_response) {
        const ScriptRow rows[] = { { AT_READ, (uint64_t)_i, VANISH, 0 }, {} };
        ExchangeResult result = run_script(rows);

        assert_failed(&result, -ENODEV, "Nobody answers");
        ck_assert_uint_le(device->n_writes, 4 + (uint32_t)_i);
}
END_TEST

START_TEST(vanishing_in_a_long_object_is_noticed_within_a_burst) {
        static const ScriptRow rows[] = { { AT_READ, 500, VANISH, 0 }, {} };
        ExchangeResult result = run_long_request(rows);

        assert_failed(&result, -ENODEV, "512 of 1026");
}
END_TEST

START_TEST(ready_gone_in_a_long_object_is_noticed_within_a_burst) {
        static const ScriptRow rows[] = { { AT_READ, 500, DROP_ANSWER, 0 }, {} };
        ExchangeResult result = run_long_request(rows);

        ck_assert_int_eq(result.error, -EREMOTEIO); /* the scripted device objects to pops of nothing */
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_FAILED);
}
END_TEST

START_TEST(connection_id_is_sent_and_must_come_back) {
        static const uint32_t other[] = { 0x00030001, 3 | (8u << 18), 7 };
        ExchangeRequest request = echo_request();
        ExchangeResult result;

        request.vendor_id = 1;
        request.type = 3;
        request.connection_id = 7;
        result = run(&request);
        ck_assert_int_eq(result.error, 0);
        ck_assert_uint_eq(device->request[1], 3 | (7u << 18));
        ck_assert_uint_eq(result.connection_id, 7);

        device->canned = other;
        device->n_canned = 3;
        result = run(&request);
        assert_failed(&result, -EBADMSG, "connection 8");
}
END_TEST

START_TEST(connection_id_is_ignored_where_the_type_has_none) {
        static const uint32_t canned[] = { 0x00010001, 3 | (8u << 18), 7 };
        ExchangeRequest request = echo_request();
        ExchangeResult result;

        request.vendor_id = 1;
        device->canned = canned;
        device->n_canned = 3;
        result = run(&request);
        ck_assert_int_eq(result.error, 0);
}
END_TEST

static void add_request_tests(Suite *suite) {
        TCase *tcase = tcase_create("request");

        tcase_add_checked_fixture(tcase, exchange_setup, exchange_teardown);
        tcase_add_test(tcase, three_dwords_each_way_cost_exactly_the_necessary_accesses);
        tcase_add_test(tcase, request_is_padded_with_zero_bytes);
        tcase_add_test(tcase, empty_payload_both_ways_is_an_object_of_two_dwords);
        tcase_add_test(tcase, other_status_bits_at_idle_are_of_no_account);
        tcase_add_test(tcase, all_ones_in_read_data_is_a_legal_dword);
        tcase_add_test(tcase, reserved_bits_of_the_response_header_are_ignored);
        tcase_add_test(tcase, object_of_1_mib_goes_both_ways_in_bounded_bursts);
        tcase_add_test(tcase, busy_before_request_is_waited_out_within_the_grace);
        tcase_add_test(tcase, busy_before_request_beyond_the_grace_is_foreign_activity);
        tcase_add_test(tcase, busy_before_request_has_the_grace_that_is_asked_for);
        tcase_add_test(tcase, ready_before_request_is_foreign_activity_at_once);
        tcase_add_test(tcase, error_before_request_is_foreign_activity_at_once);
        tcase_add_test(tcase, all_ones_before_request_is_gone);
        tcase_add_test(tcase, failing_read_is_gone_too);
        tcase_add_test(tcase, failed_access_is_told_from_a_gone_device);
        tcase_add_test(tcase, refused_first_write_leaves_nothing_to_abort);
        tcase_add_test(tcase, refused_later_write_must_be_aborted);
        tcase_add_test(tcase, refused_go_was_not_seen_by_the_device);
        tcase_add_test(tcase, stranger_in_mid_request_stops_the_writing);
        tcase_add_test(tcase, busy_with_the_first_dword_is_the_device_taking_the_request);
        tcase_add_test(tcase, error_in_mid_request_is_a_device_error);
        tcase_add_test(tcase, device_that_vanishes_in_mid_request_is_noticed);
        suite_add_tcase(suite, tcase);
}

static void add_response_tests(Suite *suite) {
        TCase *tcase = tcase_create("response");

        tcase_add_checked_fixture(tcase, exchange_setup, exchange_teardown);
        tcase_add_test(tcase, busy_longer_than_the_timeout_is_timed_out);
        tcase_add_test(tcase, timeout_of_the_request_replaces_the_second_of_the_specification);
        tcase_add_test(tcase, silent_discard_is_timed_out);
        tcase_add_test(tcase, busy_may_drop_before_the_answer_is_ready);
        tcase_add_test(tcase, error_after_go_is_a_device_error);
        tcase_add_test(tcase, error_with_ready_is_a_device_error);
        tcase_add_test(tcase, all_ones_after_go_is_gone);
        tcase_add_loop_test(tcase, bad_response_is_refused, 0, (int)ELEMENTS(bad_responses));
        tcase_add_test(tcase, response_of_exactly_the_limit_is_taken);
        tcase_add_test(tcase, answer_of_another_feature_is_never_popped);
        tcase_add_test(tcase, answer_that_was_taken_away_is_not_a_bad_response);
        tcase_add_test(tcase, ready_gone_before_the_last_dword_is_noticed_and_nothing_popped);
        tcase_add_test(tcase, error_in_mid_object_is_a_device_error);
        tcase_add_test(tcase, error_after_the_object_is_a_device_error);
        tcase_add_loop_test(tcase, vanishing_at_a_dword_is_gone_and_not_a_bad_response, 0, 3);
        tcase_add_test(tcase, vanishing_in_a_long_object_is_noticed_within_a_burst);
        tcase_add_test(tcase, ready_gone_in_a_long_object_is_noticed_within_a_burst);
        tcase_add_test(tcase, connection_id_is_sent_and_must_come_back);
        tcase_add_test(tcase, connection_id_is_ignored_where_the_type_has_none);
        suite_add_tcase(suite, tcase);
}

int main(void) {
        Suite *suite = suite_create("exchange");
        SRunner *runner;
        int n_failed;

        add_request_tests(suite);
        add_response_tests(suite);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
