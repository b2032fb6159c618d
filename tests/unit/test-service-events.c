/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "daemon/util/clock.h"
#include "tests/unit/service-fixture.h"

START_TEST(hold_stops_writes_until_it_has_settled) {
        uint64_t epoch, held_usec, job_id;
        unsigned n_writes;

        start(200 * USEC_PER_MSEC);
        epoch = connect_until_ready();
        held_usec = clock_monotonic_usec();
        fake_emit(HOST_EVENT_HOLD, A);
        await_state(WIRE_MAILBOX_KERNEL);
        n_writes = fake->devices[0].n_writes;
        job_id = submit();
        fake_emit(HOST_EVENT_BIND, "");
        do {
                receive(device);
                if (got.type != WIRE_MAILBOX || got.mailbox.state != WIRE_MAILBOX_STARTING)
                        ck_assert_uint_eq(fake->devices[0].n_writes, n_writes);
        } while (got.type != WIRE_MAILBOX || got.mailbox.state != WIRE_MAILBOX_STARTING);
        ck_assert_uint_ge(clock_monotonic_usec() - held_usec, 200 * USEC_PER_MSEC);
        await_state(WIRE_MAILBOX_READY);
        ck_assert_uint_gt(got.mailbox.epoch, epoch);
        await_done(job_id);
        ck_assert_int_eq(got.done.error, 0);
}
END_TEST

START_TEST(hold_lasts_as_long_as_the_view_says) {
        start(0);
        connect_until_ready();
        strcpy(fake->devices[0].view.held, "a TSM is at work");
        fake_emit(HOST_EVENT_VIEW, A);
        await_state(WIRE_MAILBOX_KERNEL);
        ck_assert_str_eq(got.mailbox.reason, "a TSM is at work");
        /* settling alone does not end it: this one has been dealt with when its answer is here */
        fake_emit(HOST_EVENT_BIND, A);
        say(control, &(WireMessage){ .type = WIRE_RESCAN });
        expect(control, WIRE_ENUMERATED);
        expect(control, WIRE_ENUMERATED);
        fake->devices[0].view.held[0] = '\0';
        fake_emit(HOST_EVENT_VIEW, A);
        await_state(WIRE_MAILBOX_READY);
        expect_answer();
}
END_TEST

START_TEST(device_that_is_removed_ends_its_jobs) {
        uint64_t job_id;

        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        fake->devices[0].is_mute = true;
        job_id = submit();
        await(&fake->devices[0].n_gos, 1);
        fake->devices[0].is_there = false;
        fake_emit(HOST_EVENT_REMOVE, A);
        await_done(job_id);
        ck_assert_int_eq(got.done.error, -ENODEV);
        expect_end(device);
        expect(control, WIRE_DEVICE_REMOVED);
        ck_assert_str_eq(got.text.text, A);
}
END_TEST

START_TEST(device_that_comes_is_told_with_its_socket) {
        WireConnection *other;

        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        fake->devices[1].is_there = true;
        fake_emit(HOST_EVENT_ADD, B);
        other = receive_device(B);
        expect(other, WIRE_MAILBOX);
        expect_answer();
        wire_connection_free(other);
}
END_TEST

START_TEST(device_in_place_of_another_is_another) {
        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        fake->devices[0].instance = 1;
        say(control, &(WireMessage){ .type = WIRE_RESCAN });
        expect(control, WIRE_DEVICE_REMOVED);
        expect_end(device);
        wire_connection_free(device);
        device = receive_device(A);
        ck_assert_str_eq(got.device.instance, "1");
        expect(control, WIRE_ENUMERATED);
        await_state(WIRE_MAILBOX_READY);
        expect_answer();
}
END_TEST

START_TEST(device_that_hangs_stops_neither_others_nor_the_end) {
        WireConnection *other;
        uint64_t begun_usec;

        fake->devices[1].is_there = true;
        fake->devices[1].is_stuck = true;
        start(0);
        connect_until_ready();
        other = receive_device(B);
        for (int i = 0; i < 10; i++)
                expect_answer();
        begun_usec = clock_monotonic_usec();
        ck_assert_int_eq(fake_stop(service_pid, PATIENCE_MSEC), 0);
        ck_assert_uint_lt(clock_monotonic_usec() - begun_usec, 4 * USEC_PER_SEC);
        service_pid = 0;
        wire_connection_free(other);
}
END_TEST

START_TEST(refused_write_makes_it_read_only) {
        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        fake->devices[0].refuses_writes = true;
        submit();
        expect(control, WIRE_DEVICE);
        ck_assert_int_eq(strncmp(got.device.access, "read-only: ", 11), 0);
        await_state(WIRE_MAILBOX_READ_ONLY);
}
END_TEST

START_TEST(lockdown_is_told_and_makes_it_read_only) {
        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        strcpy(fake->lockdown, "integrity");
        strcpy(fake->devices[0].view.read_only, "kernel lockdown is integrity");
        fake_emit(HOST_EVENT_LOCKDOWN, "");
        expect(control, WIRE_LOCKDOWN);
        ck_assert_str_eq(got.text.text, "integrity");
        expect(control, WIRE_DEVICE);
        ck_assert_str_eq(got.device.access, "read-only: kernel lockdown is integrity");
        await_state(WIRE_MAILBOX_READ_ONLY);
        await_done(submit());
        ck_assert_int_eq(got.done.error, -EROFS);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-events");
        TCase *t = tcase_create("process");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, service_setup, service_teardown);
        tcase_add_test(t, hold_stops_writes_until_it_has_settled);
        tcase_add_test(t, hold_lasts_as_long_as_the_view_says);
        tcase_add_test(t, device_that_is_removed_ends_its_jobs);
        tcase_add_test(t, device_that_comes_is_told_with_its_socket);
        tcase_add_test(t, device_in_place_of_another_is_another);
        tcase_add_test(t, device_that_hangs_stops_neither_others_nor_the_end);
        tcase_add_test(t, refused_write_makes_it_read_only);
        tcase_add_test(t, lockdown_is_told_and_makes_it_read_only);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
