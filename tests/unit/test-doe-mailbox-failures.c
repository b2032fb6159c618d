/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/pci/exchange.h"
#include "daemon/util/clock.h"
#include "protocols/registers.h"
#include "tests/unit/mailbox-fixture.h"

START_TEST(failed_exchange_is_aborted_before_the_next_one) {
        device->service_usec = SCRIPTED_FOREVER;
        submit_echo(1);
        submit_echo(2);
        run_for(1000100);
        assert_answer(1, -ETIMEDOUT);
        ck_assert(!answers[1].not_started);
        ck_assert_uint_eq(answers[1].epoch, 42);
        device->service_usec = 0;
        run_idle();
        assert_answer(2, 0);
        ck_assert_uint_eq(answers[2].epoch, 43);
        ck_assert_str_eq(told, "started:1 done:1 recovering/43 aborted ready/43 started:2 done:2 ");
        ck_assert_ptr_nonnull(strstr(last_aborted, "Not ready"));
}
END_TEST

START_TEST(device_error_is_reported_and_aborted) {
        static const ScriptRow rows[] = { { AFTER_GO, 100, SET_STATUS, DOE_STATUS_ERROR }, {} };

        device->service_usec = 1000;
        scripted_set_script(device, rows);
        submit_echo(1);
        run_idle();
        assert_answer(1, -EREMOTEIO);
        assert_state(WIRE_MAILBOX_READY, 43);
        ck_assert_uint_eq(device->n_aborts, 1);
}
END_TEST

START_TEST(too_large_answer_says_what_was_claimed) {
        static const uint32_t canned[] = { 0x00011234, 5000, 7 };

        device->canned = canned;
        device->n_canned = 3;
        submit_echo(1);
        run_idle();
        assert_answer(1, -EMSGSIZE);
        ck_assert_ptr_nonnull(strstr(answers[1].evidence, "5000"));
        ck_assert_uint_eq(device->n_aborts, 1);
}
END_TEST

START_TEST(abort_that_never_ends_is_dead_and_answers_all) {
        device->service_usec = device->abort_usec = SCRIPTED_FOREVER;
        submit_echo(1);
        submit_echo(2);
        run_idle();
        assert_answer(1, -ETIMEDOUT);
        assert_answer(2, -ESHUTDOWN);
        assert_state(WIRE_MAILBOX_DEAD, 43);
        ck_assert_uint_eq(device->n_aborts, 1);
        ck_assert_ptr_nonnull(strstr(doe_mailbox_reason(mailbox), "Abort"));

        submit_echo(3);
        run_idle();
        assert_answer(3, -ESHUTDOWN);
        ck_assert_uint_eq(device->n_aborts, 1); /* nothing is tried again by itself */
}
END_TEST

START_TEST(dead_mailbox_recovers_on_request) {
        device->service_usec = device->abort_usec = SCRIPTED_FOREVER;
        submit_echo(1);
        run_idle();
        assert_state(WIRE_MAILBOX_DEAD, 43);
        device->service_usec = device->abort_usec = 0;
        doe_mailbox_recover(mailbox, false);
        submit_echo(2);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 44);
        assert_answer(2, 0);
}
END_TEST

START_TEST(recovery_of_a_healthy_mailbox_needs_force) {
        doe_mailbox_recover(mailbox, false);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 42);
        ck_assert_uint_eq(device->n_log, 0);
        doe_mailbox_recover(mailbox, true);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
        ck_assert_str_eq(device->log, "As");
}
END_TEST

START_TEST(forced_recovery_loses_what_runs_and_keeps_what_is_staged) {
        device->service_usec = 500000;
        submit_echo(1);
        submit_echo(2);
        start_job();
        doe_mailbox_recover(mailbox, true);
        assert_answer(1, -ECONNABORTED);
        ck_assert(!answers[1].not_started);
        run_idle();
        assert_answer(2, 0);
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(write_that_is_refused_means_read_only) {
        static const ScriptRow rows[] = { { AT_WRITE, 0, REFUSE_WRITES, 0 }, {} };

        scripted_set_script(device, rows);
        submit_echo(1);
        submit_echo(2);
        run_idle();
        assert_answer(1, -EROFS);
        assert_answer(2, -EROFS);
        ck_assert(answers[1].not_started);
        assert_state(WIRE_MAILBOX_READ_ONLY, 42);
}
END_TEST

START_TEST(write_that_is_refused_in_mid_answer_means_read_only_too) {
        static const ScriptRow rows[] = { { AT_READ, 1, REFUSE_WRITES, 0 }, {} };

        scripted_set_script(device, rows);
        submit_echo(1);
        run_idle();
        assert_answer(1, -EROFS);
        assert_state(WIRE_MAILBOX_READ_ONLY, 42);
        device->refuses_writes = false;
        doe_mailbox_set_read_only(mailbox, "");
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43); /* what was left in the middle is aborted */
}
END_TEST

START_TEST(refused_abort_means_read_only) {
        device->refuses_writes = true;
        doe_mailbox_recover(mailbox, true);
        submit_echo(1);
        run_idle();
        assert_answer(1, -EROFS);
        ck_assert_int_eq(doe_mailbox_state(mailbox), WIRE_MAILBOX_READ_ONLY);
}
END_TEST

START_TEST(read_only_from_the_start_writes_nothing) {
        doe_mailbox_set_read_only(mailbox, "lockdown is integrity");
        submit_echo(1);
        run_idle();
        assert_answer(1, -EROFS);
        ck_assert_str_eq(answers[1].evidence, "lockdown is integrity");
        ck_assert_uint_eq(device->n_log, 0);
        doe_mailbox_set_read_only(mailbox, "");
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 42);
}
END_TEST

START_TEST(gone_device_ends_the_job_and_is_looked_for) {
        static const ScriptRow rows[] = { { AFTER_GO, 100, VANISH, 0 }, {} };

        device->service_usec = 1000;
        scripted_set_script(device, rows);
        submit_echo(1);
        run_for(10000);
        assert_answer(1, -ENODEV);
        assert_state(WIRE_MAILBOX_RECOVERING, 42);
        ck_assert_uint_eq(device->n_writes, 4);
        run_for(50 * USEC_PER_SEC);
        ck_assert_uint_eq(device->n_writes, 4);
        ck_assert_uint_lt(device->n_status, 4 + 70); /* growing intervals */
        assert_state(WIRE_MAILBOX_RECOVERING, 42);
}
END_TEST

START_TEST(device_that_comes_back_is_aborted_once_and_ready) {
        static const ScriptRow rows[] = { { AFTER_GO, 100, VANISH, 0 },
                                          { AFTER_GO, 5000000, COME_BACK, 0 },
                                          {} };

        device->service_usec = 1000;
        scripted_set_script(device, rows);
        submit_echo(1);
        submit_echo(2);
        run_idle();
        assert_answer(1, -ENODEV);
        assert_answer(2, 0);
        ck_assert_uint_eq(answers[2].epoch, 43);
        ck_assert_uint_eq(device->n_aborts, 1);
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(device_that_stays_away_for_a_minute_is_dead) {
        uint64_t since_usec = device->now_usec;

        device->is_gone = true;
        submit_echo(1);
        run_idle();
        assert_answer(1, -ENODEV);
        ck_assert(answers[1].not_started);
        assert_state(WIRE_MAILBOX_DEAD, 42);
        ck_assert_uint_ge(device->now_usec - since_usec, DOE_MAILBOX_GONE_DEAD_USEC);
        ck_assert_uint_le(device->now_usec - since_usec,
                          DOE_MAILBOX_GONE_DEAD_USEC + DOE_MAILBOX_GONE_MAX_USEC);
        ck_assert_uint_eq(device->n_writes, 0);
}
END_TEST

START_TEST(minute_starts_again_after_the_kernel_acted) {
        device->is_gone = true;
        submit_echo(1);
        run_for(30 * USEC_PER_SEC);
        doe_mailbox_hold(mailbox, "reset");
        run_for(60 * USEC_PER_SEC);
        doe_mailbox_release(mailbox, device->now_usec, true);
        run_for(30 * USEC_PER_SEC);
        assert_state(WIRE_MAILBOX_RECOVERING, 42);
        device->is_gone = false;
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(recovery_looks_at_once_for_a_gone_device) {
        device->is_gone = true;
        submit_echo(1);
        run_for(30 * USEC_PER_SEC);
        device->is_gone = false;
        doe_mailbox_recover(mailbox, false);
        run_for(DOE_MAILBOX_SETTLE_READS_USEC + 100);
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(device_that_does_not_answer_while_settling_is_taken_over_later) {
        device->is_gone = true;
        run_for(10 * USEC_PER_SEC);
        assert_state(WIRE_MAILBOX_RECOVERING, 41);
        device->is_gone = false;
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 42);
        ck_assert_uint_eq(device->n_aborts, 1);
}
END_TEST

START_TEST(hold_during_take_over_takes_over_again_later) {
        device->abort_usec = 500000;
        run_for(DOE_MAILBOX_SETTLE_USEC + 100000);
        assert_state(WIRE_MAILBOX_STARTING, 42);
        doe_mailbox_hold(mailbox, "bind");
        run_for(USEC_PER_SEC);
        doe_mailbox_release(mailbox, device->now_usec, false);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
        ck_assert_uint_eq(device->n_aborts, 2);
}
END_TEST

static void add_failure_tests(Suite *suite) {
        TCase *tcase = tcase_create("failures");

        tcase_add_checked_fixture(tcase, mailbox_setup_ready, mailbox_teardown);
        tcase_add_test(tcase, failed_exchange_is_aborted_before_the_next_one);
        tcase_add_test(tcase, device_error_is_reported_and_aborted);
        tcase_add_test(tcase, too_large_answer_says_what_was_claimed);
        tcase_add_test(tcase, abort_that_never_ends_is_dead_and_answers_all);
        tcase_add_test(tcase, dead_mailbox_recovers_on_request);
        tcase_add_test(tcase, recovery_of_a_healthy_mailbox_needs_force);
        tcase_add_test(tcase, forced_recovery_loses_what_runs_and_keeps_what_is_staged);
        tcase_add_test(tcase, write_that_is_refused_means_read_only);
        tcase_add_test(tcase, write_that_is_refused_in_mid_answer_means_read_only_too);
        tcase_add_test(tcase, refused_abort_means_read_only);
        tcase_add_test(tcase, gone_device_ends_the_job_and_is_looked_for);
        tcase_add_test(tcase, device_that_comes_back_is_aborted_once_and_ready);
        tcase_add_test(tcase, device_that_stays_away_for_a_minute_is_dead);
        tcase_add_test(tcase, minute_starts_again_after_the_kernel_acted);
        tcase_add_test(tcase, recovery_looks_at_once_for_a_gone_device);
        suite_add_tcase(suite, tcase);

        tcase = tcase_create("failures before take-over");
        tcase_add_checked_fixture(tcase, mailbox_setup, mailbox_teardown);
        tcase_add_test(tcase, read_only_from_the_start_writes_nothing);
        tcase_add_test(tcase, device_that_does_not_answer_while_settling_is_taken_over_later);
        tcase_add_test(tcase, hold_during_take_over_takes_over_again_later);
        suite_add_tcase(suite, tcase);
}

int main(void) {
        Suite *suite = suite_create("doe-mailbox-failures");
        SRunner *runner;
        int n_failed;

        add_failure_tests(suite);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
