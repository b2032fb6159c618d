/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

#include "daemon/pci/lock.h"
#include "daemon/pci/state.h"
#include "tests/unit/service-fixture.h"
#include "tests/unit/temporary-tree.h"

START_TEST(successor_of_a_killed_idle_one_adopts_the_mailbox) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        expect_answer();
        await_idle();
        fake_kill(service_pid);
        hang_up();
        start(0);
        ck_assert_uint_eq(connect_until_ready(), epoch);
        expect_answer();
        ck_assert_uint_eq(fake->devices[0].n_aborts, 1);
}
END_TEST

START_TEST(successor_of_one_killed_in_mid_exchange_takes_over) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        fake->devices[0].is_mute = true;
        submit();
        await(&fake->devices[0].n_gos, 1);
        fake_kill(service_pid);
        hang_up();
        fake->devices[0].is_mute = false;
        start(0);
        ck_assert_uint_gt(connect_until_ready(), epoch);
        expect_answer();
        ck_assert_uint_eq(fake->devices[0].n_aborts, 2);
}
END_TEST

START_TEST(successor_of_one_that_could_not_write_after_the_kernel_acted_takes_over) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        strcpy(fake->devices[0].view.read_only, "for a test");
        fake_emit(HOST_EVENT_VIEW, A);
        await_state(WIRE_MAILBOX_READ_ONLY);
        fake_emit(HOST_EVENT_BIND, A);
        /* each is told of in a round of the loop of its own, and the settle time of 0 is over after one */
        for (unsigned i = 0; i < 3; i++) {
                snprintf(fake->devices[0].view.driver, sizeof(fake->devices[0].view.driver), "driver-%u", i);
                fake_emit(HOST_EVENT_VIEW, A);
                do
                        expect(control, WIRE_DEVICE);
                while (strcmp(got.device.driver, fake->devices[0].view.driver) != 0);
        }
        await_done(submit());
        ck_assert_int_eq(got.done.error, -EROFS);
        fake_kill(service_pid);
        hang_up();
        fake->devices[0].view.read_only[0] = '\0';
        start(0);
        ck_assert_uint_gt(connect_until_ready(), epoch);
}
END_TEST

START_TEST(stop_in_mid_exchange_answers_and_leaves_it_clean) {
        uint64_t epoch, job_id;

        start(0);
        connect_until_ready();
        fake->devices[0].is_mute = true;
        job_id = submit();
        await(&fake->devices[0].n_gos, 1);
        ck_assert_int_eq(fake_stop(service_pid, PATIENCE_MSEC), 0);
        await_done(job_id);
        ck_assert_int_eq(got.done.error, -ECONNABORTED);
        hang_up();
        ck_assert_uint_eq(fake->devices[0].n_aborts, 2);
        fake->devices[0].is_mute = false;
        start(0);
        epoch = connect_until_ready();
        expect_answer();
        ck_assert_uint_eq(got.done.epoch, epoch);
        ck_assert_uint_eq(fake->devices[0].n_aborts, 2);
}
END_TEST

START_TEST(mailbox_that_another_process_has_locked_is_not_touched) {
        char instance[WIRE_NAME_MAX];
        State *state;
        int lock_fd;

        tree_mkdir("lock");
        ck_assert_int_eq(mailbox_lock_open(tree_root, A, FAKE_OFFSET, &lock_fd), 0);
        ck_assert_int_eq(mailbox_lock_try(lock_fd), 1);
        start(0);
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        device = receive_device(A);
        strcpy(instance, got.device.instance);
        expect(device, WIRE_MAILBOX);
        ck_assert_int_eq(got.mailbox.state, WIRE_MAILBOX_KERNEL);
        ck_assert_uint_eq(fake->devices[0].n_writes, 0);
        ck_assert_int_eq(state_open(tree_root, A, instance, &state), 0);
        state_set_epoch(state, FAKE_OFFSET, 1000); /* as its owner uses it */
        state_close(state);
        ck_assert_int_eq(flock(lock_fd, LOCK_UN), 0); /* closing is not enough, fork() has doubled it */
        await_state(WIRE_MAILBOX_READY);
        ck_assert_uint_gt(got.mailbox.epoch, 1000);
        close(lock_fd);
        expect_answer();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-successor");
        TCase *t = tcase_create("process");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, service_setup, service_teardown);
        tcase_add_test(t, successor_of_a_killed_idle_one_adopts_the_mailbox);
        tcase_add_test(t, successor_of_one_killed_in_mid_exchange_takes_over);
        tcase_add_test(t, successor_of_one_that_could_not_write_after_the_kernel_acted_takes_over);
        tcase_add_test(t, stop_in_mid_exchange_answers_and_leaves_it_clean);
        tcase_add_test(t, mailbox_that_another_process_has_locked_is_not_touched);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
