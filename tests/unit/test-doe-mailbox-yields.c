/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/util/clock.h"
#include "protocols/registers.h"
#include "tests/unit/mailbox-fixture.h"

START_TEST(foreign_activity_before_a_job_is_waited_out) {
        static const ScriptRow rows[] = {
                { AT_USEC, 0, PUT_ANSWER, 0x00021e98 },
                { AT_USEC, 8000000, DROP_ANSWER, 0 },
                {},
        };

        scripted_set_script(device, rows);
        submit_echo(1);
        run_until(8000000);
        ck_assert_str_eq(told, "waiting/42 foreign ");
        ck_assert_ptr_nonnull(strstr(last_foreign, "80000000"));
        ck_assert_uint_eq(n_answers[1], 0);
        ck_assert_uint_eq(device->n_writes, 0); /* nothing is written after foreign activity was seen */
        run_until(8000000 + DOE_MAILBOX_CLEAR_USEC - 1);
        ck_assert_uint_eq(device->n_writes, 0);
        run_idle();
        assert_answer(1, 0);
        ck_assert_str_eq(told, "waiting/42 foreign ready/42 started:1 done:1 ");
        ck_assert_uint_eq(device->n_aborts, 0);
}
END_TEST

START_TEST(busy_beyond_the_grace_is_waited_out) {
        static const ScriptRow rows[] = {
                { AT_USEC, 0, SET_STATUS, DOE_STATUS_BUSY },
                { AT_USEC, 7000000, CLEAR_STATUS, DOE_STATUS_BUSY },
                {},
        };

        scripted_set_script(device, rows);
        submit_echo(1);
        run_idle();
        assert_answer(1, 0);
        ck_assert_str_eq(told, "waiting/42 foreign ready/42 started:1 done:1 ");
        ck_assert_uint_ge(answers[1].started_usec, 7000000 + DOE_MAILBOX_CLEAR_USEC);
}
END_TEST

START_TEST(clear_time_starts_again_with_each_new_activity) {
        static const ScriptRow rows[] = {
                { AT_USEC, 0, SET_STATUS, DOE_STATUS_ERROR },
                { AT_USEC, 5000000, CLEAR_STATUS, DOE_STATUS_ERROR },
                { AT_USEC, 5080000, PUT_ANSWER, 0x00021e98 },
                { AT_USEC, 5100000, DROP_ANSWER, 0 },
                {},
        };

        scripted_set_script(device, rows);
        submit_echo(1);
        run_until(5100000 + DOE_MAILBOX_CLEAR_USEC - 1);
        ck_assert_uint_eq(device->n_writes, 0);
        run_idle();
        assert_answer(1, 0);
}
END_TEST

START_TEST(job_that_waits_for_a_stranger_ends_at_its_deadline) {
        WireExchange job = echo_job(1);

        device->extra_status = DOE_STATUS_ERROR;
        job.deadline_usec = device->now_usec + 2 * USEC_PER_SEC;
        submit(&job);
        run_until(job.deadline_usec + 1);
        doe_mailbox_dispatch(mailbox);
        assert_answer(1, -ETIMEDOUT);
        ck_assert(answers[1].not_started);
        ck_assert_ptr_nonnull(strstr(answers[1].evidence, "yielding"));
        ck_assert_uint_eq(device->n_writes, 0);
}
END_TEST

START_TEST(answer_of_another_feature_is_left_and_waited_out_and_then_aborted) {
        static const uint32_t canned[] = { 0x00021e98, 3, 7 };
        static const ScriptRow rows[] = { { AFTER_GO, 3000000, DROP_ANSWER, 0 }, {} };

        device->canned = canned;
        device->n_canned = 3;
        scripted_set_script(device, rows);
        submit_echo(1);
        run_for(3000000);
        assert_answer(1, -ECONNABORTED);
        ck_assert(answers[1].is_foreign);
        ck_assert(!answers[1].not_started);
        assert_state(WIRE_MAILBOX_WAITING, 42);
        ck_assert_uint_eq(device->n_writes, 4);
        ck_assert_str_eq(told, "started:1 done:1 waiting/42 foreign ");
        /* our own answer may still come: not before an abort is the mailbox used again */
        run_idle();
        ck_assert_uint_eq(device->n_writes, 5);
        ck_assert_uint_eq(device->n_aborts, 1);
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(stuck_stranger_is_aborted_after_five_seconds) {
        static const ScriptRow rows[] = { { AT_USEC, 0, PUT_ANSWER, 0x00021e98 }, {} };
        uint64_t since_usec = device->now_usec;

        scripted_set_script(device, rows);
        submit_echo(1);
        run_until(since_usec + DOE_MAILBOX_STUCK_USEC - 1);
        ck_assert_uint_eq(device->n_writes, 0);
        run_idle();
        assert_answer(1, 0);
        ck_assert_str_eq(told, "waiting/42 foreign recovering/43 aborted ready/43 started:1 done:1 ");
        ck_assert_uint_le(answers[1].started_usec, since_usec + DOE_MAILBOX_STUCK_USEC + 200000);
}
END_TEST

START_TEST(stuck_stranger_is_aborted_at_most_once_a_minute) {
        static const ScriptRow rows[] = { { AT_USEC, 0, SET_STATUS, DOE_STATUS_ERROR }, {} };
        uint64_t first_usec;

        scripted_set_script(device, rows);
        submit_echo(1);
        run_idle();
        assert_answer(1, 0);
        ck_assert_uint_eq(device->n_aborts, 1);
        first_usec = device->abort_set_usec;

        scripted_set_script(device, rows);
        submit_echo(2);
        run_until(first_usec + DOE_MAILBOX_STUCK_AGAIN_USEC - 10000);
        ck_assert_uint_eq(device->n_aborts, 1);
        ck_assert_int_eq(doe_mailbox_state(mailbox), WIRE_MAILBOX_WAITING);
        assert_answer(2, -ETIMEDOUT);
        run_idle();
        ck_assert_uint_eq(device->n_aborts, 2);
        assert_state(WIRE_MAILBOX_READY, 44);
}
END_TEST

START_TEST(long_drain_of_a_stranger_is_not_stuck) {
        ScriptRow rows[32] = {};

        /* Ready all the time, but the dwords go by */
        for (unsigned i = 0; i < 15; i++)
                rows[i] = (ScriptRow){ AT_USEC, (uint64_t)i * 3000000, PUT_ANSWER, 0x00021e98 + i };
        scripted_set_script(device, rows);
        submit_echo(1);
        run_until(40000000);
        ck_assert_uint_eq(device->n_writes, 0);
        ck_assert_int_eq(doe_mailbox_state(mailbox), WIRE_MAILBOX_WAITING);
}
END_TEST

START_TEST(stranger_is_looked_at_seldom_on_a_slow_device) {
        uint32_t n_log;

        device->access_usec = 200;
        submit_echo(1);
        run_idle();
        submit_echo(2);
        run_idle();
        device->extra_status = DOE_STATUS_ERROR;
        submit_echo(3);
        run_for(100000);
        scripted_clear_log(device);
        run_for(1000000);
        n_log = (uint32_t)device->n_log;
        ck_assert_uint_le(n_log * device->access_usec, 1000000 / 20);
}
END_TEST

START_TEST(hold_stops_all_writes_until_release_and_settle_time) {
        submit_echo(1);
        doe_mailbox_hold(mailbox, "bind of cxl_pci");
        run_for(10 * USEC_PER_SEC);
        ck_assert_uint_eq(device->n_log, 0);
        assert_state(WIRE_MAILBOX_KERNEL, 42);
        ck_assert_str_eq(doe_mailbox_reason(mailbox), "bind of cxl_pci");

        doe_mailbox_release(mailbox, device->now_usec, true);
        run_for(DOE_MAILBOX_SETTLE_USEC - 1);
        ck_assert_uint_eq(device->n_log, 0);
        assert_state(WIRE_MAILBOX_KERNEL, 42);
        run_idle();
        assert_answer(1, 0);
        ck_assert_uint_eq(answers[1].epoch, 43);
        ck_assert_str_eq(told, "kernel/42 kernel/42 starting/43 aborted ready/43 started:1 done:1 ");
        ck_assert_int_eq(strncmp(device->log, "ssAss", 5), 0);
}
END_TEST

START_TEST(hold_that_left_nothing_goes_back_to_ready_without_an_abort) {
        doe_mailbox_hold(mailbox, "tsm/connect is slow");
        run_for(USEC_PER_SEC);
        doe_mailbox_release(mailbox, device->now_usec - USEC_PER_SEC, false);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 42);
        ck_assert_uint_eq(device->n_log, 0);
}
END_TEST

START_TEST(hold_gives_up_what_waits_for_its_answer_and_takes_over_later) {
        device->service_usec = 500000;
        submit_echo(1);
        run_for(1000);
        ck_assert_uint_eq(device->n_writes, 4);
        doe_mailbox_hold(mailbox, "reset");
        doe_mailbox_dispatch(mailbox);
        assert_answer(1, -ECONNABORTED);
        ck_assert(answers[1].is_foreign);
        ck_assert(!answers[1].not_started);
        run_for(10 * USEC_PER_SEC);
        ck_assert_uint_eq(device->n_writes, 4);
        ck_assert_str_eq(told, "started:1 kernel/42 done:1 "); /* the kernel is no stranger */

        /* even if the kernel did nothing, our own request was left there */
        doe_mailbox_release(mailbox, device->now_usec, false);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
        ck_assert_uint_eq(device->n_aborts, 1);
}
END_TEST

START_TEST(job_that_wrote_nothing_yet_waits_for_the_end_of_the_hold) {
        device->extra_status = DOE_STATUS_BUSY;
        submit_echo(1);
        run_for(100000);
        doe_mailbox_hold(mailbox, "bind");
        run_for(USEC_PER_SEC);
        ck_assert_uint_eq(n_answers[1], 0);
        device->extra_status = 0;
        doe_mailbox_release(mailbox, device->now_usec, true);
        run_idle();
        assert_answer(1, 0);
        ck_assert_uint_eq(answers[1].epoch, 43);
}
END_TEST

START_TEST(hold_lets_a_short_drain_end) {
        static const uint8_t payload[4 * 600];
        WireExchange job = echo_job(1);

        job.payload = payload;
        job.n_bytes = sizeof(payload);
        job.n_dwords_max = 1024;
        submit(&job);
        while (device->at_response < 100)
                scripted_sleep_until(device, doe_mailbox_dispatch(mailbox));
        doe_mailbox_hold(mailbox, "bind");
        run_idle();
        assert_answer(1, 0);
        ck_assert_uint_eq(answers[1].n_bytes, sizeof(payload));
        assert_state(WIRE_MAILBOX_KERNEL, 42);
        doe_mailbox_release(mailbox, device->now_usec, false);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 42);
        ck_assert_uint_eq(device->n_aborts, 0);
}
END_TEST

START_TEST(kernel_event_without_a_hold_is_one_all_the_same) {
        device->service_usec = 500000;
        submit_echo(1);
        run_for(1000);
        doe_mailbox_release(mailbox, device->now_usec, true);
        run_for(1000);
        assert_answer(1, -ECONNABORTED);
        ck_assert_uint_eq(device->n_writes, 4);
        assert_state(WIRE_MAILBOX_KERNEL, 42);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(second_event_after_a_release_starts_the_settle_time_again) {
        doe_mailbox_hold(mailbox, "unbind");
        doe_mailbox_release(mailbox, device->now_usec, true);
        run_for(2 * USEC_PER_SEC);
        doe_mailbox_hold(mailbox, "bind");
        doe_mailbox_release(mailbox, device->now_usec, false); /* dirty from the first one */
        run_for(2 * USEC_PER_SEC);
        assert_state(WIRE_MAILBOX_KERNEL, 42);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

/* The kernel waits for so long. */
#define WAIT_USEC 100000u

START_TEST(winding_up_lets_an_answer_that_comes_in_time_be_read) {
        device->service_usec = 20000;
        submit_echo(1);
        submit_echo(2);
        run_for(1000);
        doe_mailbox_wind_up(mailbox, "bind", device->now_usec + WAIT_USEC);
        ck_assert(doe_mailbox_is_winding_up(mailbox));
        run_for(WAIT_USEC);
        ck_assert(!doe_mailbox_is_winding_up(mailbox));
        assert_answer(1, 0);
        ck_assert_uint_eq(n_answers[2], 0);
        assert_state(WIRE_MAILBOX_KERNEL, 42);
        ck_assert_str_eq(doe_mailbox_reason(mailbox), "bind");
        ck_assert_uint_eq(device->n_aborts, 0);
        doe_mailbox_release(mailbox, device->now_usec, false);
        run_idle();
        assert_answer(2, 0);
        assert_state(WIRE_MAILBOX_READY, 42);
}
END_TEST

START_TEST(winding_up_aborts_what_does_not_end_in_time) {
        uint64_t begun_usec;

        device->service_usec = 500000;
        submit_echo(1);
        run_for(1000);
        begun_usec = device->now_usec;
        doe_mailbox_wind_up(mailbox, "bind", begun_usec + WAIT_USEC);
        while (doe_mailbox_is_winding_up(mailbox))
                run_for(1000);
        ck_assert_uint_lt(device->now_usec - begun_usec, WAIT_USEC);
        assert_answer(1, -ECONNABORTED);
        ck_assert(!answers[1].is_foreign);
        ck_assert_uint_eq(device->n_aborts, 1);
        assert_state(WIRE_MAILBOX_KERNEL, 43);
        run_for(USEC_PER_SEC);
        ck_assert_uint_eq(device->n_aborts, 1);
}
END_TEST

START_TEST(winding_up_of_an_idle_mailbox_is_a_hold) {
        doe_mailbox_wind_up(mailbox, "bind", device->now_usec + WAIT_USEC);
        ck_assert(!doe_mailbox_is_winding_up(mailbox));
        assert_state(WIRE_MAILBOX_KERNEL, 42);
        ck_assert_uint_eq(device->n_log, 0);
}
END_TEST

START_TEST(winding_up_ends_when_the_kernel_waits_no_longer) {
        uint64_t begun_usec;
        uint32_t n_writes;

        device->service_usec = 500000;
        device->abort_usec = 900000;
        submit_echo(1);
        run_for(1000);
        begun_usec = device->now_usec;
        doe_mailbox_wind_up(mailbox, "bind", begun_usec + WAIT_USEC);
        while (doe_mailbox_is_winding_up(mailbox))
                run_for(1000);
        ck_assert_uint_ge(device->now_usec - begun_usec, WAIT_USEC);
        ck_assert_uint_lt(device->now_usec - begun_usec, WAIT_USEC + 10000);
        assert_state(WIRE_MAILBOX_KERNEL, 43);
        n_writes = device->n_writes;
        run_for(10 * USEC_PER_SEC);
        ck_assert_uint_eq(device->n_writes, n_writes);
}
END_TEST

START_TEST(event_that_comes_while_winding_up_is_a_hold_at_once) {
        uint32_t n_writes;

        device->service_usec = 500000;
        submit_echo(1);
        run_for(1000);
        doe_mailbox_wind_up(mailbox, "bind", device->now_usec + WAIT_USEC);
        n_writes = device->n_writes;
        doe_mailbox_hold(mailbox, "bound");
        ck_assert(!doe_mailbox_is_winding_up(mailbox));
        run_for(USEC_PER_SEC);
        ck_assert_uint_eq(device->n_writes, n_writes);
        assert_state(WIRE_MAILBOX_KERNEL, 42);
}
END_TEST

START_TEST(recovery_does_not_break_a_hold) {
        doe_mailbox_hold(mailbox, "bind");
        doe_mailbox_recover(mailbox, true);
        run_for(USEC_PER_SEC);
        ck_assert_uint_eq(device->n_log, 0);
        assert_state(WIRE_MAILBOX_KERNEL, 42);
}
END_TEST

START_TEST(read_only_outlasts_a_hold) {
        doe_mailbox_set_read_only(mailbox, "lockdown");
        doe_mailbox_hold(mailbox, "bind");
        assert_state(WIRE_MAILBOX_READ_ONLY, 42);
        doe_mailbox_set_read_only(mailbox, "");
        assert_state(WIRE_MAILBOX_KERNEL, 42);
        doe_mailbox_release(mailbox, device->now_usec, true);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(dead_mailbox_is_tried_again_after_the_kernel_acted) {
        device->abort_usec = SCRIPTED_FOREVER;
        doe_mailbox_recover(mailbox, true);
        run_idle();
        assert_state(WIRE_MAILBOX_DEAD, 43);
        device->abort_usec = 0;
        doe_mailbox_hold(mailbox, "reset");
        doe_mailbox_release(mailbox, device->now_usec, false);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 44);
}
END_TEST

START_TEST(clock_that_jumps_does_not_take_over_or_abort_too_early) {
        run_idle();
        device->extra_status = DOE_STATUS_ERROR;
        submit_echo(1);
        run_for(USEC_PER_SEC);
        device->now_usec += 15 * USEC_PER_SEC; /* nobody looked meanwhile: not known to be unchanged */
        run_for(DOE_MAILBOX_STUCK_USEC - 100000);
        ck_assert_uint_eq(device->n_writes, 0);
        device->now_usec -= 10 * USEC_PER_SEC;
        run_for(USEC_PER_SEC);
        ck_assert_uint_eq(device->n_aborts, 1);
}
END_TEST

static void add_stranger_tests(Suite *suite) {
        TCase *tcase = tcase_create("strangers and the kernel");

        tcase_add_checked_fixture(tcase, mailbox_setup_ready, mailbox_teardown);
        tcase_add_test(tcase, foreign_activity_before_a_job_is_waited_out);
        tcase_add_test(tcase, busy_beyond_the_grace_is_waited_out);
        tcase_add_test(tcase, clear_time_starts_again_with_each_new_activity);
        tcase_add_test(tcase, job_that_waits_for_a_stranger_ends_at_its_deadline);
        tcase_add_test(tcase, answer_of_another_feature_is_left_and_waited_out_and_then_aborted);
        tcase_add_test(tcase, stuck_stranger_is_aborted_after_five_seconds);
        tcase_add_test(tcase, stuck_stranger_is_aborted_at_most_once_a_minute);
        tcase_add_test(tcase, long_drain_of_a_stranger_is_not_stuck);
        tcase_add_test(tcase, stranger_is_looked_at_seldom_on_a_slow_device);
        tcase_add_test(tcase, hold_stops_all_writes_until_release_and_settle_time);
        tcase_add_test(tcase, hold_that_left_nothing_goes_back_to_ready_without_an_abort);
        tcase_add_test(tcase, hold_gives_up_what_waits_for_its_answer_and_takes_over_later);
        tcase_add_test(tcase, job_that_wrote_nothing_yet_waits_for_the_end_of_the_hold);
        tcase_add_test(tcase, hold_lets_a_short_drain_end);
        tcase_add_test(tcase, kernel_event_without_a_hold_is_one_all_the_same);
        tcase_add_test(tcase, second_event_after_a_release_starts_the_settle_time_again);
        tcase_add_test(tcase, winding_up_lets_an_answer_that_comes_in_time_be_read);
        tcase_add_test(tcase, winding_up_aborts_what_does_not_end_in_time);
        tcase_add_test(tcase, winding_up_of_an_idle_mailbox_is_a_hold);
        tcase_add_test(tcase, winding_up_ends_when_the_kernel_waits_no_longer);
        tcase_add_test(tcase, event_that_comes_while_winding_up_is_a_hold_at_once);
        tcase_add_test(tcase, recovery_does_not_break_a_hold);
        tcase_add_test(tcase, read_only_outlasts_a_hold);
        tcase_add_test(tcase, dead_mailbox_is_tried_again_after_the_kernel_acted);
        tcase_add_test(tcase, clock_that_jumps_does_not_take_over_or_abort_too_early);
        suite_add_tcase(suite, tcase);
}

int main(void) {
        Suite *suite = suite_create("doe-mailbox-yields");
        SRunner *runner;
        int n_failed;

        add_stranger_tests(suite);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
