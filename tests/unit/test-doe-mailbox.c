/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/util/clock.h"
#include "protocols/data-object.h"
#include "protocols/registers.h"
#include "tests/unit/mailbox-fixture.h"

START_TEST(untouched_mailbox_is_not_even_read_before_it_settled) {
        run_for(DOE_MAILBOX_SETTLE_USEC - 1);
        ck_assert_uint_eq(device->n_log, 0);
        assert_state(WIRE_MAILBOX_UNTOUCHED, 41);
}
END_TEST

START_TEST(settled_mailbox_is_taken_over_with_one_verified_abort) {
        uint64_t since_usec = device->now_usec;

        run_idle();
        ck_assert_str_eq(device->log, "ssAs");
        ck_assert_str_eq(told, "starting/42 aborted ready/42 ");
        ck_assert_uint_ge(device->now_usec - since_usec,
                          DOE_MAILBOX_SETTLE_USEC + DOE_MAILBOX_SETTLE_READS_USEC);
        ck_assert(!is_busy);
}
END_TEST

START_TEST(no_settle_time_takes_over_on_two_clear_reads) {
        begin(&(DoeMailboxSettings){ .epoch = 6 });
        run_for(DOE_MAILBOX_SETTLE_READS_USEC + 100);
        assert_state(WIRE_MAILBOX_READY, 7);
        ck_assert_str_eq(device->log, "ssAs");
}
END_TEST

START_TEST(event_during_settling_starts_the_settle_time_again) {
        run_for(2 * USEC_PER_SEC);
        doe_mailbox_release(mailbox, device->now_usec, true);
        run_for(2 * USEC_PER_SEC);
        ck_assert_uint_eq(device->n_log, 0);
        run_for(1100 * USEC_PER_MSEC);
        assert_state(WIRE_MAILBOX_READY, 42);
}
END_TEST

START_TEST(busy_at_boot_is_waited_out_before_take_over) {
        static const ScriptRow rows[] = {
                { AT_USEC, 0, SET_STATUS, DOE_STATUS_BUSY },
                { AT_USEC, 5000000, CLEAR_STATUS, DOE_STATUS_BUSY },
                {},
        };

        scripted_set_script(device, rows);
        run_until(5000000);
        ck_assert_uint_eq(device->n_writes, 0);
        run_until(5100000);
        assert_state(WIRE_MAILBOX_READY, 42);
}
END_TEST

START_TEST(state_left_behind_is_taken_over_after_two_seconds_unchanged) {
        static const ScriptRow rows[] = { { AT_USEC, 0, PUT_ANSWER, 0x00011234 }, {} };

        scripted_set_script(device, rows);
        run_for(DOE_MAILBOX_SETTLE_USEC + DOE_MAILBOX_SETTLE_STUCK_USEC - USEC_PER_MSEC);
        ck_assert_uint_eq(device->n_writes, 0);
        run_for(100 * USEC_PER_MSEC);
        assert_state(WIRE_MAILBOX_READY, 42);
}
END_TEST

START_TEST(state_that_goes_on_changing_is_not_taken_over) {
        ScriptRow rows[32] = {};

        for (unsigned i = 0; i < 30; i++)
                rows[i] = (ScriptRow){ AT_USEC, 4000000 + i * 1000000, i % 2 ? CLEAR_STATUS : SET_STATUS,
                                       DOE_STATUS_ERROR };
        device->extra_status = DOE_STATUS_BUSY;
        scripted_set_script(device, rows);
        run_until(30000000);
        ck_assert_uint_eq(device->n_writes, 0);
        assert_state(WIRE_MAILBOX_UNTOUCHED, 41);
}
END_TEST

START_TEST(clean_mailbox_is_adopted_without_abort_and_epoch) {
        begin(&(DoeMailboxSettings){ .settle_usec = 0, .epoch = 9, .is_clean = true });
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 9);
        ck_assert_str_eq(device->log, "ss");
        ck_assert_str_eq(told, "ready/9 ");
}
END_TEST

START_TEST(clean_mark_does_not_count_where_the_registers_are_not_clear) {
        static const ScriptRow rows[] = { { AT_USEC, 0, PUT_ANSWER, 0x00011234 }, {} };

        scripted_set_script(device, rows);
        begin(&(DoeMailboxSettings){ .settle_usec = 0, .epoch = 9, .is_clean = true });
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 10);
        ck_assert_uint_eq(device->n_aborts, 1);
}
END_TEST

START_TEST(clean_mailbox_that_was_held_first_is_still_looked_at) {
        begin(&(DoeMailboxSettings){ .settle_usec = 0, .epoch = 9, .is_clean = true });
        doe_mailbox_hold(mailbox, "another process has the lock");
        run_for(USEC_PER_SEC);
        doe_mailbox_release(mailbox, device->now_usec, false);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 9);
        ck_assert_str_eq(device->log, "ss");
}
END_TEST

START_TEST(take_over_that_fails_is_dead) {
        device->abort_usec = SCRIPTED_FOREVER;
        submit_echo(1);
        run_idle();
        assert_state(WIRE_MAILBOX_DEAD, 42);
        assert_answer(1, -ESHUTDOWN);
        ck_assert(answers[1].not_started);
}
END_TEST

START_TEST(job_waits_for_take_over) {
        submit_echo(1);
        run_idle();
        assert_answer(1, 0);
        ck_assert_uint_eq(answers[1].epoch, 42);
        ck_assert_str_eq(told, "starting/42 aborted ready/42 started:1 done:1 ");
}
END_TEST

START_TEST(job_is_exchanged_and_answered) {
        submit_echo(1);
        run_idle();
        assert_answer(1, 0);
        ck_assert_str_eq(device->log, "swwwGsrprprsps");
        ck_assert_str_eq(told, "started:1 done:1 ");
        ck_assert_uint_eq(answers[1].n_bytes, 4);
        ck_assert_mem_eq(last_payload, "\1\2\3\4", 4);
        ck_assert(!answers[1].not_started);
        ck_assert_uint_gt(answers[1].started_usec, 0);
        ck_assert_uint_gt(answers[1].ended_usec, answers[1].started_usec);
}
END_TEST

START_TEST(payload_of_a_job_is_copied) {
        uint8_t payload[4] = { 9, 8, 7, 6 };
        WireExchange job = echo_job(1);

        job.payload = payload;
        submit(&job);
        memset(payload, 0, sizeof(payload));
        run_idle();
        ck_assert_mem_eq(last_payload, "\11\10\7\6", 4);
}
END_TEST

START_TEST(staged_job_follows_the_running_one) {
        submit_echo(1);
        submit_echo(2);
        run_idle();
        ck_assert_str_eq(told, "started:1 done:1 started:2 done:2 ");
}
END_TEST

START_TEST(third_job_and_double_job_id_are_refused) {
        WireExchange job = echo_job(1);

        submit(&job);
        ck_assert_int_eq(doe_mailbox_submit(mailbox, &job), -EEXIST);
        submit_echo(2);
        job.job_id = 3;
        ck_assert_int_eq(doe_mailbox_submit(mailbox, &job), -EDQUOT);
        run_idle();
        ck_assert_uint_eq(n_answers[3], 0);
}
END_TEST

START_TEST(job_out_of_the_protocols_bounds_is_refused) {
        WireExchange job = echo_job(0);

        ck_assert_int_eq(doe_mailbox_submit(mailbox, &job), -EINVAL);
        job = echo_job(1);
        job.n_dwords_max = 1;
        ck_assert_int_eq(doe_mailbox_submit(mailbox, &job), -EINVAL);
        job.n_dwords_max = DOE_OBJECT_DWORDS_MAX + 1;
        ck_assert_int_eq(doe_mailbox_submit(mailbox, &job), -EINVAL);
        job = echo_job(1);
        job.connection_id = 1; /* 1234:01 has none */
        ck_assert_int_eq(doe_mailbox_submit(mailbox, &job), -EINVAL);
        job.vendor_id = 1;
        job.type = 3;
        job.connection_id = 0x1000;
        ck_assert_int_eq(doe_mailbox_submit(mailbox, &job), -EINVAL);
        job.connection_id = 0xfff;
        submit(&job);
}
END_TEST

START_TEST(idle_mailbox_wants_no_wake_up) {
        ck_assert_uint_eq(doe_mailbox_dispatch(mailbox), USEC_INFINITY);
        submit_echo(1);
        run_idle();
        ck_assert_uint_eq(doe_mailbox_dispatch(mailbox), USEC_INFINITY);
        ck_assert(!is_busy);
}
END_TEST

START_TEST(busy_is_told_before_the_first_access) {
        submit_echo(1);
        run_idle();
        ck_assert_uint_eq(writes_when_busy_rose, 0);
        ck_assert(!is_busy);
}
END_TEST

START_TEST(staged_job_beyond_its_deadline_is_timed_out_unsent) {
        WireExchange job = echo_job(2);

        device->service_usec = 500000;
        submit_echo(1);
        job.deadline_usec = device->now_usec + 100000;
        submit(&job);
        run_for(100100);
        assert_answer(2, -ETIMEDOUT);
        ck_assert(answers[2].not_started);
        ck_assert_uint_eq(answers[2].started_usec, 0);
        run_idle();
        assert_answer(1, 0);
        ck_assert_uint_eq(device->n_gos, 1);
}
END_TEST

START_TEST(job_that_waits_for_busy_to_clear_can_still_time_out) {
        WireExchange job = echo_job(1);

        device->extra_status = DOE_STATUS_BUSY;
        job.deadline_usec = device->now_usec + 100000;
        submit(&job);
        run_for(100100);
        assert_answer(1, -ETIMEDOUT);
        ck_assert(answers[1].not_started);
        device->extra_status = 0;
        run_idle();
        ck_assert_uint_eq(device->n_writes, 0);
        ck_assert_str_eq(told, "done:1 ");
}
END_TEST

START_TEST(job_for_another_epoch_is_aborted_unsent) {
        WireExchange job = echo_job(1);

        job.epoch = 41;
        submit(&job);
        run_idle();
        assert_answer(1, -ECONNABORTED);
        ck_assert(answers[1].not_started);
        ck_assert(!answers[1].is_foreign);
        ck_assert_uint_eq(device->n_log, 0);

        job = echo_job(2);
        job.epoch = 42;
        submit(&job);
        run_idle();
        assert_answer(2, 0);
}
END_TEST

START_TEST(staged_job_is_recalled) {
        device->service_usec = 1000;
        submit_echo(1);
        submit_echo(2);
        start_job();
        doe_mailbox_recall(mailbox, 2);
        doe_mailbox_recall(mailbox, 1); /* too late */
        doe_mailbox_recall(mailbox, 3); /* unknown */
        run_idle();
        ck_assert_str_eq(told, "started:1 recalled:2 done:1 ");
}
END_TEST

START_TEST(job_that_was_told_as_started_is_not_recalled_even_if_nothing_was_written) {
        submit_echo(1);
        doe_mailbox_dispatch(mailbox);
        ck_assert_uint_eq(device->n_writes, 0);
        doe_mailbox_hold(mailbox, "bind of a driver");
        doe_mailbox_dispatch(mailbox);
        doe_mailbox_recall(mailbox, 1);
        doe_mailbox_release(mailbox, device->now_usec, true);
        run_idle();
        ck_assert_ptr_null(strstr(told, "recalled"));
        assert_answer(1, 0);
}
END_TEST

START_TEST(job_that_waits_for_busy_to_clear_is_recalled) {
        device->extra_status = DOE_STATUS_BUSY;
        submit_echo(1);
        run_for(100000);
        doe_mailbox_recall(mailbox, 1);
        run_idle();
        ck_assert_str_eq(told, "recalled:1 ");
        ck_assert_uint_eq(device->n_writes, 0);
}
END_TEST

START_TEST(canceled_staged_job_answers_at_once) {
        device->service_usec = 1000;
        submit_echo(1);
        submit_echo(2);
        start_job();
        doe_mailbox_cancel(mailbox, 2);
        assert_answer(2, -ECANCELED);
        ck_assert(answers[2].not_started);
        run_idle();
        assert_answer(1, 0);
}
END_TEST

START_TEST(canceled_running_job_drains_without_an_abort) {
        device->service_usec = 300000;
        submit_echo(1);
        start_job();
        doe_mailbox_cancel(mailbox, 1);
        ck_assert_uint_eq(n_answers[1], 0);
        run_idle();
        assert_answer(1, 0);
        ck_assert_uint_eq(device->n_aborts, 0);
        assert_state(WIRE_MAILBOX_READY, 42);
}
END_TEST

START_TEST(canceled_running_job_ends_within_a_second) {
        WireExchange job = echo_job(1);
        uint64_t since_usec;

        device->service_usec = SCRIPTED_FOREVER;
        job.timeout_usec = 100 * USEC_PER_SEC;
        submit(&job);
        start_job();
        since_usec = device->now_usec;
        doe_mailbox_cancel(mailbox, 1);
        run_idle();
        assert_answer(1, -ETIMEDOUT);
        ck_assert_uint_le(answers[1].ended_usec - since_usec, 1000100);
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(fail_all_answers_each_job_once_and_cleans_up) {
        device->service_usec = 500000;
        submit_echo(1);
        submit_echo(2);
        start_job();
        doe_mailbox_fail_all(mailbox, -ECONNABORTED, "doed-pci stops");
        assert_answer(1, -ECONNABORTED);
        assert_answer(2, -ECONNABORTED);
        ck_assert(!answers[1].not_started);
        ck_assert(answers[2].not_started);
        ck_assert(is_busy);
        run_idle();
        ck_assert(!is_busy);
        ck_assert_uint_eq(device->n_aborts, 1);
        ck_assert_uint_eq(n_answers[1] + n_answers[2], 2);
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(orphaned_mailbox_forgets_its_jobs_and_is_left_clean) {
        device->service_usec = 500000;
        submit_echo(1);
        submit_echo(2);
        start_job();
        doe_mailbox_orphan(mailbox);
        run_idle();
        ck_assert_uint_eq(n_answers[1] + n_answers[2], 0);
        ck_assert_uint_eq(device->n_aborts, 1);
        ck_assert(!is_busy);
        device->service_usec = 0;
        submit_echo(3);
        run_idle();
        assert_answer(3, 0);
}
END_TEST

START_TEST(orphaned_idle_mailbox_stays_as_it_is) {
        doe_mailbox_orphan(mailbox);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 42);
        ck_assert_uint_eq(device->n_log, 0);
}
END_TEST

START_TEST(orphaned_mailbox_on_hold_writes_nothing) {
        static const uint8_t payload[4 * 600];
        WireExchange job = echo_job(1);
        uint32_t n_writes;

        job.payload = payload;
        job.n_bytes = sizeof(payload);
        job.n_dwords_max = 1024;
        submit(&job);
        while (device->at_response < 100)
                scripted_sleep_until(device, doe_mailbox_dispatch(mailbox));
        n_writes = device->n_writes;
        doe_mailbox_hold(mailbox, "bind");
        doe_mailbox_orphan(mailbox);
        run_for(USEC_PER_SEC);
        ck_assert_uint_eq(device->n_writes, n_writes);
        ck_assert_uint_eq(n_answers[1], 0);
        doe_mailbox_release(mailbox, device->now_usec, false);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

static void add_takeover_tests(Suite *suite) {
        TCase *tcase = tcase_create("take-over");

        tcase_add_checked_fixture(tcase, mailbox_setup, mailbox_teardown);
        tcase_add_test(tcase, untouched_mailbox_is_not_even_read_before_it_settled);
        tcase_add_test(tcase, settled_mailbox_is_taken_over_with_one_verified_abort);
        tcase_add_test(tcase, no_settle_time_takes_over_on_two_clear_reads);
        tcase_add_test(tcase, event_during_settling_starts_the_settle_time_again);
        tcase_add_test(tcase, busy_at_boot_is_waited_out_before_take_over);
        tcase_add_test(tcase, state_left_behind_is_taken_over_after_two_seconds_unchanged);
        tcase_add_test(tcase, state_that_goes_on_changing_is_not_taken_over);
        tcase_add_test(tcase, clean_mailbox_is_adopted_without_abort_and_epoch);
        tcase_add_test(tcase, clean_mark_does_not_count_where_the_registers_are_not_clear);
        tcase_add_test(tcase, clean_mailbox_that_was_held_first_is_still_looked_at);
        tcase_add_test(tcase, take_over_that_fails_is_dead);
        tcase_add_test(tcase, job_waits_for_take_over);
        suite_add_tcase(suite, tcase);
}

static void add_job_tests(Suite *suite) {
        TCase *tcase = tcase_create("jobs");

        tcase_add_checked_fixture(tcase, mailbox_setup_ready, mailbox_teardown);
        tcase_add_test(tcase, job_is_exchanged_and_answered);
        tcase_add_test(tcase, payload_of_a_job_is_copied);
        tcase_add_test(tcase, staged_job_follows_the_running_one);
        tcase_add_test(tcase, third_job_and_double_job_id_are_refused);
        tcase_add_test(tcase, job_out_of_the_protocols_bounds_is_refused);
        tcase_add_test(tcase, idle_mailbox_wants_no_wake_up);
        tcase_add_test(tcase, busy_is_told_before_the_first_access);
        tcase_add_test(tcase, staged_job_beyond_its_deadline_is_timed_out_unsent);
        tcase_add_test(tcase, job_that_waits_for_busy_to_clear_can_still_time_out);
        tcase_add_test(tcase, job_for_another_epoch_is_aborted_unsent);
        tcase_add_test(tcase, staged_job_is_recalled);
        tcase_add_test(tcase, job_that_was_told_as_started_is_not_recalled_even_if_nothing_was_written);
        tcase_add_test(tcase, job_that_waits_for_busy_to_clear_is_recalled);
        tcase_add_test(tcase, canceled_staged_job_answers_at_once);
        tcase_add_test(tcase, canceled_running_job_drains_without_an_abort);
        tcase_add_test(tcase, canceled_running_job_ends_within_a_second);
        tcase_add_test(tcase, fail_all_answers_each_job_once_and_cleans_up);
        tcase_add_test(tcase, orphaned_mailbox_forgets_its_jobs_and_is_left_clean);
        tcase_add_test(tcase, orphaned_idle_mailbox_stays_as_it_is);
        tcase_add_test(tcase, orphaned_mailbox_on_hold_writes_nothing);
        suite_add_tcase(suite, tcase);
}

int main(void) {
        Suite *suite = suite_create("doe-mailbox");
        SRunner *runner;
        int n_failed;

        add_takeover_tests(suite);
        add_job_tests(suite);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
