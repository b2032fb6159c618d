/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/util/clock.h"
#include "protocols/registers.h"
#include "tests/unit/mailbox-fixture.h"

#define BOUND_USEC (3 * USEC_PER_SEC)

static void inhibit(void) {
        doe_mailbox_inhibit(mailbox, "for a tool", device->now_usec + BOUND_USEC);
}

static void assert_untouched_for(uint64_t usec) {
        scripted_clear_log(device);
        run_for(usec);
        ck_assert_str_eq(device->log, "");
}

START_TEST(idle_mailbox_is_inhibited_at_once_and_not_touched) {
        inhibit();
        assert_state(WIRE_MAILBOX_INHIBITED, 42);
        ck_assert_str_eq(doe_mailbox_reason(mailbox), "for a tool");
        ck_assert(!doe_mailbox_is_winding_up(mailbox));
        ck_assert_uint_eq(doe_mailbox_dispatch(mailbox), USEC_INFINITY);
        assert_untouched_for(3600 * USEC_PER_SEC);
}
END_TEST

START_TEST(end_of_an_inhibition_takes_over_with_a_new_epoch) {
        inhibit();
        run_for(USEC_PER_SEC);
        forget_told();
        scripted_clear_log(device);
        doe_mailbox_end_inhibit(mailbox);
        run_idle();
        ck_assert_str_eq(told, "untouched/42 starting/43 aborted ready/43 ");
        ck_assert_uint_eq(device->n_aborts, 1);
        submit_echo(1);
        run_idle();
        assert_answer(1, 0);
}
END_TEST

START_TEST(end_of_an_inhibition_waits_for_what_the_tool_left_behind) {
        static const ScriptRow rows[] = {
                { AT_USEC, 0, SET_STATUS, DOE_STATUS_BUSY },
                { AT_USEC, 9000000, CLEAR_STATUS, DOE_STATUS_BUSY },
                {},
        };

        inhibit();
        scripted_set_script(device, rows);
        run_until(8000000);
        doe_mailbox_end_inhibit(mailbox);
        run_until(9000000);
        ck_assert_uint_eq(device->n_aborts, 0);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(running_job_is_finished_first) {
        device->service_usec = 900000;
        submit_echo(1);
        start_job();
        submit_echo(2);
        inhibit();
        ck_assert(doe_mailbox_is_winding_up(mailbox));
        run_idle();
        assert_answer(1, 0);
        assert_answer(2, -EADDRINUSE);
        ck_assert(answers[2].not_started);
        assert_state(WIRE_MAILBOX_INHIBITED, 42);
        ck_assert_uint_eq(device->n_aborts, 0);
        ck_assert(!is_busy);
}
END_TEST

START_TEST(running_job_that_does_not_end_is_aborted_and_leaves_clear_registers) {
        uint64_t since_usec = device->now_usec;
        WireExchange job = echo_job(1);

        device->service_usec = SCRIPTED_FOREVER;
        job.timeout_usec = 60 * USEC_PER_SEC;
        submit(&job);
        start_job();
        inhibit();
        run_idle();
        assert_answer(1, -ECONNABORTED);
        ck_assert(!answers[1].not_started);
        assert_state(WIRE_MAILBOX_INHIBITED, 43);
        ck_assert_uint_eq(device->n_aborts, 1);
        ck_assert_uint_eq(scripted_status(device), 0);
        ck_assert_uint_lt(device->now_usec - since_usec, BOUND_USEC);
}
END_TEST

START_TEST(abort_that_does_not_end_either_is_left_when_the_time_is_over) {
        uint64_t since_usec = device->now_usec;

        device->service_usec = device->abort_usec = SCRIPTED_FOREVER;
        submit_echo(1);
        start_job();
        inhibit();
        run_idle();
        ck_assert_uint_eq(n_answers[1], 1);
        ck_assert_int_eq(doe_mailbox_state(mailbox), WIRE_MAILBOX_INHIBITED);
        ck_assert_uint_le(device->now_usec - since_usec, BOUND_USEC + USEC_PER_MSEC);
        assert_untouched_for(60 * USEC_PER_SEC);
}
END_TEST

START_TEST(job_that_has_written_nothing_does_not_begin) {
        device->extra_status = DOE_STATUS_BUSY;
        submit_echo(1);
        doe_mailbox_dispatch(mailbox);
        inhibit();
        assert_answer(1, -EADDRINUSE);
        ck_assert(answers[1].not_started);
        ck_assert_uint_eq(device->n_writes, 0);
}
END_TEST

START_TEST(jobs_that_come_later_are_refused) {
        inhibit();
        submit_echo(1);
        run_idle();
        assert_answer(1, -EADDRINUSE);
        ck_assert(answers[1].not_started);
        ck_assert_str_eq(answers[1].evidence, "for a tool");
}
END_TEST

START_TEST(nothing_that_others_ask_for_touches_it) {
        inhibit();
        scripted_clear_log(device);
        doe_mailbox_recover(mailbox, true);
        doe_mailbox_hold(mailbox, "bind");
        doe_mailbox_release(mailbox, device->now_usec, true);
        doe_mailbox_release(mailbox, device->now_usec, true);
        doe_mailbox_wind_up(mailbox, "reset", device->now_usec + 100000);
        doe_mailbox_release(mailbox, device->now_usec, false);
        doe_mailbox_set_read_only(mailbox, "lockdown");
        doe_mailbox_set_read_only(mailbox, "");
        doe_mailbox_orphan(mailbox);
        doe_mailbox_fail_all(mailbox, -ECONNABORTED, "stop");
        run_for(600 * USEC_PER_SEC);
        assert_state(WIRE_MAILBOX_INHIBITED, 42);
        ck_assert_str_eq(device->log, "");
        doe_mailbox_end_inhibit(mailbox);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(kernel_that_came_meanwhile_is_yielded_to) {
        inhibit();
        doe_mailbox_hold(mailbox, "bind of cxl_pci");
        doe_mailbox_end_inhibit(mailbox);
        assert_state(WIRE_MAILBOX_KERNEL, 42);
        ck_assert_str_eq(doe_mailbox_reason(mailbox), "bind of cxl_pci");
        assert_untouched_for(60 * USEC_PER_SEC);
        doe_mailbox_release(mailbox, device->now_usec, true);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(settle_time_of_the_kernels_event_outlasts_an_inhibition) {
        inhibit();
        doe_mailbox_release(mailbox, device->now_usec, true);
        doe_mailbox_end_inhibit(mailbox);
        assert_untouched_for(DOE_MAILBOX_SETTLE_USEC - 1);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(lockdown_that_came_meanwhile_is_kept) {
        inhibit();
        doe_mailbox_set_read_only(mailbox, "lockdown is integrity");
        assert_state(WIRE_MAILBOX_INHIBITED, 42);
        doe_mailbox_end_inhibit(mailbox);
        assert_state(WIRE_MAILBOX_READ_ONLY, 42);
        ck_assert_str_eq(doe_mailbox_reason(mailbox), "lockdown is integrity");
        submit_echo(1);
        run_idle();
        assert_answer(1, -EROFS);
}
END_TEST

START_TEST(held_mailbox_may_be_inhibited_and_is_held_again_after_it) {
        doe_mailbox_hold(mailbox, "reset");
        inhibit();
        assert_state(WIRE_MAILBOX_INHIBITED, 42);
        doe_mailbox_end_inhibit(mailbox);
        assert_state(WIRE_MAILBOX_KERNEL, 42);
        doe_mailbox_release(mailbox, device->now_usec, false);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(read_only_mailbox_may_be_inhibited) {
        doe_mailbox_set_read_only(mailbox, "lockdown");
        inhibit();
        assert_state(WIRE_MAILBOX_INHIBITED, 42);
        doe_mailbox_end_inhibit(mailbox);
        assert_state(WIRE_MAILBOX_READ_ONLY, 42);
}
END_TEST

START_TEST(dead_mailbox_may_be_inhibited_and_lives_again_if_the_tool_healed_it) {
        device->abort_usec = SCRIPTED_FOREVER;
        doe_mailbox_recover(mailbox, true);
        run_idle();
        assert_state(WIRE_MAILBOX_DEAD, 43);
        inhibit();
        assert_state(WIRE_MAILBOX_INHIBITED, 43);
        ck_assert(!is_busy || doe_mailbox_dispatch(mailbox) == USEC_INFINITY);
        ck_assert(!is_busy);
        device->abort_usec = 0;
        device->is_aborting = false;
        doe_mailbox_end_inhibit(mailbox);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 44);
}
END_TEST

START_TEST(inhibition_that_is_taken_back_in_time_leaves_all_as_it_was) {
        device->service_usec = 10000;
        submit_echo(1);
        start_job();
        inhibit();
        doe_mailbox_end_inhibit(mailbox);
        run_idle();
        assert_answer(1, 0);
        assert_state(WIRE_MAILBOX_READY, 42);
        ck_assert_uint_eq(device->n_aborts, 0);
}
END_TEST

START_TEST(kernel_that_comes_while_winding_up_is_not_forgotten) {
        device->service_usec = SCRIPTED_FOREVER;
        submit_echo(1);
        start_job();
        inhibit();
        if (_i == 0)
                doe_mailbox_hold(mailbox, "bind");
        else
                doe_mailbox_wind_up(mailbox, "bind", device->now_usec + 4 * USEC_PER_SEC);
        run_idle();
        ck_assert_uint_eq(n_answers[1], 1);
        ck_assert_int_eq(doe_mailbox_state(mailbox), WIRE_MAILBOX_INHIBITED);
        ck_assert(!doe_mailbox_is_winding_up(mailbox));
        doe_mailbox_end_inhibit(mailbox);
        ck_assert_int_eq(doe_mailbox_state(mailbox), WIRE_MAILBOX_KERNEL);
        ck_assert_str_eq(doe_mailbox_reason(mailbox), "bind");
        assert_untouched_for(60 * USEC_PER_SEC);
}
END_TEST

START_TEST(peer_that_goes_while_winding_up_ends_it) {
        device->service_usec = SCRIPTED_FOREVER;
        submit_echo(1);
        start_job();
        inhibit();
        doe_mailbox_orphan(mailbox);
        doe_mailbox_end_inhibit(mailbox);
        run_idle();
        ck_assert_uint_eq(n_answers[1], 0);
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

static void setup_on_demand(void) {
        mailbox_setup();
        begin(&(DoeMailboxSettings){
                        .settle_usec = DOE_MAILBOX_SETTLE_USEC, .epoch = 41, .is_on_demand = true });
        scripted_clear_log(device);
}

START_TEST(on_demand_nothing_is_touched_before_there_is_a_job) {
        run_idle();
        assert_state(WIRE_MAILBOX_UNTOUCHED, 41);
        ck_assert_str_eq(doe_mailbox_reason(mailbox), "Taken over on demand");
        assert_untouched_for(3600 * USEC_PER_SEC);
        submit_echo(1);
        run_idle();
        assert_answer(1, 0);
        assert_state(WIRE_MAILBOX_READY, 42);
}
END_TEST

START_TEST(on_demand_a_job_waits_for_the_settle_time) {
        uint64_t since_usec = device->now_usec;

        submit_echo(1);
        run_idle();
        assert_answer(1, 0);
        ck_assert_uint_ge(answers[1].started_usec - since_usec, DOE_MAILBOX_SETTLE_USEC);
}
END_TEST

START_TEST(on_demand_the_kernels_hold_ends_in_rest) {
        submit_echo(1);
        run_idle();
        doe_mailbox_hold(mailbox, "bind");
        doe_mailbox_release(mailbox, device->now_usec, true);
        run_idle();
        assert_state(WIRE_MAILBOX_UNTOUCHED, 42);
        submit_echo(2);
        run_idle();
        assert_answer(2, 0);
        assert_state(WIRE_MAILBOX_READY, 43);
}
END_TEST

START_TEST(on_demand_a_job_that_was_canceled_takes_nothing_over) {
        run_idle();
        submit_echo(1);
        doe_mailbox_cancel(mailbox, 1);
        run_idle();
        ck_assert_uint_eq(device->n_writes, 0);
        assert_state(WIRE_MAILBOX_UNTOUCHED, 41);
}
END_TEST

START_TEST(other_rules_take_over_what_rested) {
        run_idle();
        doe_mailbox_set_take_over(mailbox, 0, /* is_on_demand= */ false);
        run_idle();
        assert_state(WIRE_MAILBOX_READY, 42);
}
END_TEST

START_TEST(gap_between_two_exchanges_is_kept) {
        doe_mailbox_set_min_gap(mailbox, 50000);
        submit_echo(1);
        submit_echo(2);
        run_idle();
        assert_answer(1, 0);
        assert_answer(2, 0);
        ck_assert_uint_ge(answers[2].started_usec, answers[1].ended_usec + 50000);
        ck_assert_uint_lt(answers[2].started_usec, answers[1].ended_usec + 51000);
}
END_TEST

START_TEST(gap_costs_nothing_after_a_longer_rest) {
        uint64_t since_usec;

        doe_mailbox_set_min_gap(mailbox, 50000);
        submit_echo(1);
        run_idle();
        scripted_sleep_until(device, device->now_usec + 50000);
        since_usec = device->now_usec;
        submit_echo(2);
        run_idle();
        ck_assert_uint_lt(answers[2].started_usec, since_usec + 1000);
}
END_TEST

START_TEST(job_in_the_gap_keeps_its_deadline_and_may_be_recalled) {
        WireExchange job = echo_job(2);

        submit_echo(1);
        run_idle();
        doe_mailbox_set_min_gap(mailbox, USEC_PER_SEC);
        job.deadline_usec = device->now_usec + 1000;
        submit(&job);
        submit_echo(3);
        run_for(500);
        doe_mailbox_recall(mailbox, 3);
        run_idle();
        assert_answer(2, -ETIMEDOUT);
        ck_assert(answers[2].not_started);
        ck_assert_uint_eq(n_answers[3], 1);
        ck_assert_uint_eq(device->n_gos, 1);
}
END_TEST

static void add_inhibit_tests(Suite *suite) {
        TCase *tcase = tcase_create("inhibit");

        tcase_add_checked_fixture(tcase, mailbox_setup_ready, mailbox_teardown);
        tcase_add_test(tcase, idle_mailbox_is_inhibited_at_once_and_not_touched);
        tcase_add_test(tcase, end_of_an_inhibition_takes_over_with_a_new_epoch);
        tcase_add_test(tcase, end_of_an_inhibition_waits_for_what_the_tool_left_behind);
        tcase_add_test(tcase, running_job_is_finished_first);
        tcase_add_test(tcase, running_job_that_does_not_end_is_aborted_and_leaves_clear_registers);
        tcase_add_test(tcase, abort_that_does_not_end_either_is_left_when_the_time_is_over);
        tcase_add_test(tcase, job_that_has_written_nothing_does_not_begin);
        tcase_add_test(tcase, jobs_that_come_later_are_refused);
        tcase_add_test(tcase, nothing_that_others_ask_for_touches_it);
        tcase_add_test(tcase, kernel_that_came_meanwhile_is_yielded_to);
        tcase_add_test(tcase, settle_time_of_the_kernels_event_outlasts_an_inhibition);
        tcase_add_test(tcase, lockdown_that_came_meanwhile_is_kept);
        tcase_add_test(tcase, held_mailbox_may_be_inhibited_and_is_held_again_after_it);
        tcase_add_test(tcase, read_only_mailbox_may_be_inhibited);
        tcase_add_test(tcase, dead_mailbox_may_be_inhibited_and_lives_again_if_the_tool_healed_it);
        tcase_add_test(tcase, inhibition_that_is_taken_back_in_time_leaves_all_as_it_was);
        tcase_add_loop_test(tcase, kernel_that_comes_while_winding_up_is_not_forgotten, 0, 2);
        tcase_add_test(tcase, peer_that_goes_while_winding_up_ends_it);
        tcase_add_test(tcase, gap_between_two_exchanges_is_kept);
        tcase_add_test(tcase, gap_costs_nothing_after_a_longer_rest);
        tcase_add_test(tcase, job_in_the_gap_keeps_its_deadline_and_may_be_recalled);
        suite_add_tcase(suite, tcase);
}

static void add_on_demand_tests(Suite *suite) {
        TCase *tcase = tcase_create("on demand");

        tcase_add_checked_fixture(tcase, setup_on_demand, mailbox_teardown);
        tcase_add_test(tcase, on_demand_nothing_is_touched_before_there_is_a_job);
        tcase_add_test(tcase, on_demand_a_job_waits_for_the_settle_time);
        tcase_add_test(tcase, on_demand_the_kernels_hold_ends_in_rest);
        tcase_add_test(tcase, on_demand_a_job_that_was_canceled_takes_nothing_over);
        tcase_add_test(tcase, other_rules_take_over_what_rested);
        suite_add_tcase(suite, tcase);
}

int main(void) {
        Suite *suite = suite_create("doe-mailbox-inhibit");
        SRunner *runner;
        int n_failed;

        add_inhibit_tests(suite);
        add_on_demand_tests(suite);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
