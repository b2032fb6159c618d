/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mailboxes that are left to a tool or to a host that sleeps, and the records of leases. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "daemon/pci/lock.h"
#include "daemon/util/clock.h"
#include "tests/unit/service-fixture.h"
#include "tests/unit/temporary-tree.h"

static void inhibit(bool is_inhibited) {
        say(device,
            &(WireMessage){ .type = WIRE_INHIBIT,
                            .inhibit = { .offset = FAKE_OFFSET, .lease_id = is_inhibited ? 7 : 0 } });
}

static void suspend(bool is_on) {
        say(control, &(WireMessage){ .type = WIRE_SUSPEND, .turned = { .is_on = is_on } });
}

static void expect_suspended(bool is_on) {
        expect(control, WIRE_SUSPENDED);
        ck_assert_int_eq(got.turned.is_on, is_on);
}

/* Until A is ready and enumeration has been told. Return: its epoch. */
static uint64_t connect_settled(void) {
        uint64_t epoch = connect_until_ready();

        expect(control, WIRE_ENUMERATED);
        return epoch;
}

START_TEST(inhibited_mailbox_is_left_and_its_lock_is_free) {
        uint64_t epoch;
        unsigned n_writes;
        char self[64];
        int lock_fd;

        start(0);
        epoch = connect_until_ready();
        ck_assert_int_eq(mailbox_lock_open(tree_root, A, FAKE_OFFSET, &lock_fd), 0);
        ck_assert_int_eq(mailbox_lock_try(lock_fd), 0);
        inhibit(true);
        await_state(WIRE_MAILBOX_INHIBITED);
        ck_assert_uint_eq(got.mailbox.epoch, epoch);
        ck_assert_int_eq(mailbox_lock_try(lock_fd), 1);
        n_writes = fake->devices[0].n_writes;
        await_done(submit());
        ck_assert_int_eq(got.done.error, -EADDRINUSE);
        ck_assert(got.done.not_started);
        inhibit(false);
        await_state(WIRE_MAILBOX_KERNEL);
        snprintf(self, sizeof(self), "process %d (", (int)getpid());
        ck_assert_msg(strncmp(got.mailbox.reason, self, strlen(self)) == 0 ||
                                      strcmp(got.mailbox.reason, "another process holds its lock") == 0,
                      "%s", got.mailbox.reason);
        ck_assert_uint_eq(fake->devices[0].n_writes, n_writes);
        mailbox_lock_release(lock_fd);
        await_state(WIRE_MAILBOX_READY);
        ck_assert_uint_eq(got.mailbox.epoch, epoch + 1);
        ck_assert_int_eq(mailbox_lock_try(lock_fd), 0);
        close(lock_fd);
        expect_answer();
}
END_TEST

START_TEST(running_exchange_is_ended_and_the_registers_are_clear) {
        uint64_t job_id;

        start(0);
        connect_until_ready();
        fake->devices[0].is_mute = true;
        job_id = submit();
        await(&fake->devices[0].n_gos, 1);
        inhibit(true);
        await_done(job_id);
        ck_assert_int_lt(got.done.error, 0);
        await_state(WIRE_MAILBOX_INHIBITED);
        ck_assert_uint_eq(fake->devices[0].n_aborts, 2);
        ck_assert(!fake->devices[0].is_ready);
        fake->devices[0].is_mute = false;
        inhibit(false);
        await_state(WIRE_MAILBOX_READY);
        expect_answer();
}
END_TEST

START_TEST(peer_that_goes_ends_its_inhibitions) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        inhibit(true);
        await_state(WIRE_MAILBOX_INHIBITED);
        hang_up();
        ck_assert_uint_eq(connect_until_ready(), epoch + 1);
        expect_answer();
}
END_TEST

START_TEST(successor_of_one_killed_while_inhibited_takes_over) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        inhibit(true);
        await_state(WIRE_MAILBOX_INHIBITED);
        fake_kill(service_pid);
        hang_up();
        start(0);
        ck_assert_uint_gt(connect_until_ready(), epoch);
}
END_TEST

START_TEST(stop_while_inhibited_touches_nothing) {
        unsigned n_writes;

        start(0);
        connect_until_ready();
        inhibit(true);
        await_state(WIRE_MAILBOX_INHIBITED);
        n_writes = fake->devices[0].n_writes;
        ck_assert_int_eq(fake_stop(service_pid, PATIENCE_MSEC), 0);
        service_pid = 0;
        ck_assert_uint_eq(fake->devices[0].n_writes, n_writes);
}
END_TEST

START_TEST(function_that_is_replaced_while_inhibited_is_another) {
        start(0);
        connect_settled();
        inhibit(true);
        await_state(WIRE_MAILBOX_INHIBITED);
        fake->devices[0].instance = 1;
        say(control, &(WireMessage){ .type = WIRE_RESCAN });
        expect(control, WIRE_DEVICE_REMOVED);
        expect_end(device);
        wire_connection_free(device);
        device = receive_device(A);
        await_state(WIRE_MAILBOX_READY);
        expect_answer();
}
END_TEST

START_TEST(kernel_that_acts_on_an_inhibited_function_is_yielded_to_after_it) {
        uint64_t epoch;

        start(0);
        epoch = connect_settled();
        inhibit(true);
        await_state(WIRE_MAILBOX_INHIBITED);
        strcpy(fake->devices[0].view.held, "a TSM is at work");
        strcpy(fake->devices[0].view.driver, "x");
        fake_emit(HOST_EVENT_VIEW, A);
        expect(control, WIRE_DEVICE);
        inhibit(false);
        expect(device, WIRE_MAILBOX);
        ck_assert_int_eq(got.mailbox.state, WIRE_MAILBOX_KERNEL);
        ck_assert_str_eq(got.mailbox.reason, "a TSM is at work");
        fake->devices[0].view.held[0] = '\0';
        fake_emit(HOST_EVENT_VIEW, A);
        await_state(WIRE_MAILBOX_READY);
        ck_assert_uint_eq(got.mailbox.epoch, epoch + 1);
}
END_TEST

START_TEST(sleeping_host_has_every_function_left_alone) {
        uint64_t epoch, job_id;
        unsigned n_writes;

        start(0);
        epoch = connect_settled();
        suspend(true);
        await_state(WIRE_MAILBOX_KERNEL);
        ck_assert_str_eq(got.mailbox.reason, "the host goes to sleep");
        expect_suspended(true);
        n_writes = fake->devices[0].n_writes;
        job_id = submit();
        fake_emit(HOST_EVENT_RESET, A); /* as the kernel wakes it, it settles at once */
        say(control, &(WireMessage){ .type = WIRE_RESCAN });
        expect(control, WIRE_ENUMERATED);
        ck_assert_uint_eq(fake->devices[0].n_writes, n_writes);
        suspend(false);
        expect_suspended(false);
        await_state(WIRE_MAILBOX_READY);
        ck_assert_uint_eq(got.mailbox.epoch, epoch + 1);
        await_done(job_id);
        ck_assert_int_eq(got.done.error, 0);
}
END_TEST

START_TEST(running_exchange_is_ended_before_the_host_sleeps) {
        uint64_t job_id;

        start(0);
        connect_settled();
        fake->devices[0].is_mute = true;
        job_id = submit();
        await(&fake->devices[0].n_gos, 1);
        suspend(true);
        await_done(job_id);
        ck_assert_int_lt(got.done.error, 0);
        expect_suspended(true);
        ck_assert_uint_eq(fake->devices[0].n_aborts, 2);
        fake->devices[0].is_mute = false;
        suspend(false);
        expect_suspended(false);
        await_state(WIRE_MAILBOX_READY);
}
END_TEST

START_TEST(function_that_hangs_is_not_said_to_be_left_alone) {
        start(0);
        connect_settled();
        fake->devices[0].is_stuck = true;
        submit();
        /* it is in the access now, or will be before it hears of the sleep: both come to the same */
        suspend(true);
        say(control, &(WireMessage){ .type = WIRE_RESCAN });
        receive(control);
        if (got.type == WIRE_SUSPENDED) {
                /* the sleep was heard of first, and then nothing hangs */
                fake->devices[0].is_stuck = false;
                return;
        }
        ck_assert_int_eq(got.type, WIRE_ENUMERATED);
        fake->devices[0].is_stuck = false;
        expect_suspended(true);
}
END_TEST

START_TEST(function_that_comes_while_the_host_sleeps_is_left_alone) {
        WireConnection *other, *a;

        start(0);
        connect_settled();
        suspend(true);
        expect_suspended(true);
        fake->devices[1].is_there = true;
        fake_emit(HOST_EVENT_ADD, B);
        other = receive_device(B);
        a = device;
        device = other;
        await_state(WIRE_MAILBOX_KERNEL);
        ck_assert_uint_eq(fake->devices[1].n_writes, 0);
        suspend(false);
        await_state(WIRE_MAILBOX_READY);
        wire_connection_free(other);
        device = a;
}
END_TEST

START_TEST(peer_that_goes_ends_the_sleep) {
        uint64_t epoch;

        start(0);
        epoch = connect_settled();
        suspend(true);
        expect_suspended(true);
        hang_up();
        ck_assert_uint_eq(connect_until_ready(), epoch + 1);
        expect_answer();
}
END_TEST

START_TEST(sleep_and_inhibition_end_in_any_order) {
        bool is_sleep_first = _i & 1, is_sleep_over_first = _i & 2;
        uint64_t epoch;

        start(0);
        epoch = connect_settled();
        if (is_sleep_first)
                suspend(true);
        else
                inhibit(true);
        await_state(is_sleep_first ? WIRE_MAILBOX_KERNEL : WIRE_MAILBOX_INHIBITED);
        if (is_sleep_first)
                inhibit(true);
        else
                suspend(true);
        expect_suspended(true);
        if (is_sleep_first)
                await_state(WIRE_MAILBOX_INHIBITED);
        if (is_sleep_over_first) {
                suspend(false);
                expect_suspended(false);
                await_done(submit());
                ck_assert_int_eq(got.done.error, -EADDRINUSE);
                inhibit(false);
        } else {
                inhibit(false);
                await_state(WIRE_MAILBOX_KERNEL);
                ck_assert_str_eq(got.mailbox.reason, "the host goes to sleep");
                suspend(false);
        }
        await_state(WIRE_MAILBOX_READY);
        ck_assert_uint_eq(got.mailbox.epoch, epoch + 1);
}
END_TEST

static void put_record(uint8_t digest, uint64_t epoch) {
        say(device, &(WireMessage){ .type = WIRE_PUT_RECORD,
                                    .record = { .digest = { digest },
                                                .uid = 1000,
                                                .offset = FAKE_OFFSET,
                                                .vendor_id = 1,
                                                .type = 2,
                                                .epoch = epoch,
                                                .keep_usec = 600 * USEC_PER_SEC } });
}

/* The worker has dealt with all that it was sent before. */
static void sync_device(void) {
        say(device, &(WireMessage){ .type = WIRE_READ_KERNEL_CDAT, .job = { .job_id = ++last_job_id } });
        await_done(last_job_id);
}

static void reconnect(void) {
        hang_up();
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        device = receive_device(A);
        expect(device, WIRE_MAILBOX);
}

static void expect_record(uint8_t digest) {
        expect(device, WIRE_PUT_RECORD);
        ck_assert_uint_eq(got.record.digest[0], digest);
        ck_assert_uint_gt(got.record.expires_usec, clock_monotonic_usec());
}

START_TEST(records_are_told_to_the_next_peer) {
        WireMessage drop = { .type = WIRE_DROP_RECORD, .record = { .digest = { 2 } } };
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        put_record(1, epoch);
        put_record(2, epoch);
        put_record(3, epoch);
        say(device, &drop);
        sync_device();
        reconnect();
        expect_record(1);
        expect_record(3);
        sync_device();
}
END_TEST

START_TEST(records_survive_a_kill_of_either_side) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        put_record(1, epoch);
        sync_device();
        await_idle();
        fake_kill(service_pid);
        start(0);
        reconnect();
        expect_record(1);
}
END_TEST

START_TEST(records_of_an_epoch_that_is_over_are_dropped) {
        WireMessage recover = { .type = WIRE_RECOVER, .recover = { .offset = FAKE_OFFSET, .force = true } };
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        put_record(1, epoch);
        say(device, &recover);
        await_state(WIRE_MAILBOX_READY);
        ck_assert_uint_eq(got.mailbox.epoch, epoch + 1);
        put_record(2, epoch + 1);
        sync_device();
        reconnect();
        expect_record(2);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-lend");
        TCase *t = tcase_create("process");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, service_setup, service_teardown);
        tcase_add_test(t, inhibited_mailbox_is_left_and_its_lock_is_free);
        tcase_add_test(t, running_exchange_is_ended_and_the_registers_are_clear);
        tcase_add_test(t, peer_that_goes_ends_its_inhibitions);
        tcase_add_test(t, successor_of_one_killed_while_inhibited_takes_over);
        tcase_add_test(t, stop_while_inhibited_touches_nothing);
        tcase_add_test(t, function_that_is_replaced_while_inhibited_is_another);
        tcase_add_test(t, kernel_that_acts_on_an_inhibited_function_is_yielded_to_after_it);
        tcase_add_test(t, sleeping_host_has_every_function_left_alone);
        tcase_add_test(t, running_exchange_is_ended_before_the_host_sleeps);
        tcase_add_test(t, function_that_hangs_is_not_said_to_be_left_alone);
        tcase_add_test(t, function_that_comes_while_the_host_sleeps_is_left_alone);
        tcase_add_test(t, peer_that_goes_ends_the_sleep);
        tcase_add_loop_test(t, sleep_and_inhibition_end_in_any_order, 0, 4);
        tcase_add_test(t, records_are_told_to_the_next_peer);
        tcase_add_test(t, records_survive_a_kill_of_either_side);
        tcase_add_test(t, records_of_an_epoch_that_is_over_are_dropped);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
