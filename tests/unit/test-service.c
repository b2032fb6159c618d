/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "daemon/util/clock.h"
#include "protocols/feature.h"
#include "tests/unit/service-fixture.h"
#include "tests/unit/temporary-tree.h"

START_TEST(peer_is_told_of_all_that_is_there) {
        WireConnection *other;

        fake->devices[1].is_there = true;
        strcpy(fake->devices[0].view.driver, "cxl_pci");
        strcpy(fake->devices[0].view.read_only, "");
        start(0);
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        ck_assert_uint_eq(got.hello.wire_version, WIRE_VERSION);
        ck_assert_str_eq(got.hello.program_version, "test");
        ck_assert_str_eq(got.hello.lockdown, "none");
        device = receive_device(A);
        ck_assert_str_eq(got.device.name, "Fake");
        ck_assert_str_eq(got.device.driver, "cxl_pci");
        ck_assert_str_eq(got.device.access, "read-write");
        ck_assert_uint_eq(got.device.n_mailboxes, 1);
        ck_assert_uint_eq(got.device.mailboxes[0].offset, FAKE_OFFSET);
        other = receive_device(B);
        expect(control, WIRE_ENUMERATED);
        expect(device, WIRE_MAILBOX);
        ck_assert_uint_eq(got.mailbox.offset, FAKE_OFFSET);
        expect(other, WIRE_MAILBOX);
        wire_connection_free(other);
}
END_TEST

START_TEST(machine_without_mailboxes_has_an_empty_list) {
        fake->devices[0].is_there = false;
        start(0);
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        expect(control, WIRE_ENUMERATED);
}
END_TEST

START_TEST(request_comes_back_with_its_answer) {
        start(0);
        connect_until_ready();
        expect_answer();
        ck_assert_uint_ge(got.done.ended_usec, got.done.started_usec);
        ck_assert_uint_gt(got.done.started_usec, 0);
        for (int i = 0; i < 100; i++)
                expect_answer();
        ck_assert_uint_eq(fake->devices[0].n_aborts, 1);
}
END_TEST

START_TEST(foreign_version_is_answered_with_our_own_and_no_more) {
        start(0);
        say_hello(WIRE_VERSION + 1);
        expect(control, WIRE_HELLO);
        ck_assert_uint_eq(got.hello.wire_version, WIRE_VERSION);
        ck_assert_str_eq(got.hello.program_version, "test");
        expect_end(control);
        hang_up();
        connect_until_ready();
}
END_TEST

START_TEST(second_peer_is_refused_and_the_first_goes_on) {
        WireConnection *second;

        start(0);
        connect_until_ready();
        ck_assert_int_eq(wire_connection_connect(tree_path("wire"), &second), 0);
        expect_end(second);
        wire_connection_free(second);
        expect_answer();
}
END_TEST

START_TEST(message_that_does_not_belong_ends_the_connection) {
        start(0);
        connect_until_ready();
        say(device, &(WireMessage){ .type = WIRE_RESCAN });
        expect_end(device);
        expect_end(control);
        hang_up();
        connect_until_ready();
}
END_TEST

START_TEST(next_peer_gets_it_all_again_in_the_same_epoch) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        expect_answer();
        hang_up();
        ck_assert_uint_eq(connect_until_ready(), epoch);
        expect_answer();
        ck_assert_uint_eq(fake->devices[0].n_aborts, 1);
}
END_TEST

START_TEST(peer_that_dies_in_mid_exchange_leaves_a_clean_mailbox) {
        start(0);
        connect_until_ready();
        fake->devices[0].is_mute = true;
        submit();
        await(&fake->devices[0].n_gos, 1);
        hang_up();
        await(&fake->devices[0].n_aborts, 2);
        fake->devices[0].is_mute = false;
        connect_until_ready();
        expect_answer();
}
END_TEST

START_TEST(destructive_request_never_reaches_the_device) {
        start(0);
        connect_until_ready();
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_CXL, DOE_TYPE_CXL_COMPLIANCE, 0x07));
        ck_assert_int_eq(got.done.error, -EACCES);
        ck_assert(got.done.not_started);
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_PCI_SIG, DOE_TYPE_CMA_SPDM, 0x10));
        ck_assert_int_eq(got.done.error, -EACCES);
        ck_assert_uint_eq(fake->devices[0].n_gos, 0);
        expect_answer();
}
END_TEST

START_TEST(spdm_waits_for_its_owner_and_nothing_else_does) {
        strcpy(fake->devices[0].view.spdm_owner, "tsm/ is there");
        start(0);
        connect_until_ready();
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_PCI_SIG, DOE_TYPE_SECURED_CMA_SPDM, 0x00));
        ck_assert_int_eq(got.done.error, -EXDEV);
        ck_assert_str_eq(got.done.evidence, "tsm/ is there");
        expect_answer();
        fake->devices[0].view.spdm_owner[0] = '\0';
        fake_emit(HOST_EVENT_VIEW, A);
        expect(control, WIRE_ENUMERATED);
        expect(control, WIRE_DEVICE);
        ck_assert_str_eq(got.device.spdm_owner, "");
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_PCI_SIG, DOE_TYPE_SECURED_CMA_SPDM, 0x00));
        ck_assert_int_eq(got.done.error, 0);
}
END_TEST

START_TEST(offset_without_a_mailbox_is_refused) {
        start(0);
        connect_until_ready();
        await_done(submit_as(0x190, 0x1234, 0x01, 0));
        ck_assert_int_eq(got.done.error, -EINVAL);
        ck_assert(got.done.not_started);
}
END_TEST

static void read_kernel_cdat(void) {
        WireMessage request = { .type = WIRE_READ_KERNEL_CDAT, .job = { .job_id = ++last_job_id } };

        say(device, &request);
        await_done(last_job_id);
}

START_TEST(kernels_cdat_is_served_where_there_is_one) {
        start(0);
        connect_until_ready();
        read_kernel_cdat();
        ck_assert_int_eq(got.done.error, -ENODATA);
        expect(control, WIRE_ENUMERATED);
        fake->devices[0].view.has_kernel_cdat = true;
        fake_emit(HOST_EVENT_VIEW, A);
        expect(control, WIRE_DEVICE);
        ck_assert(got.device.has_kernel_cdat);
        read_kernel_cdat();
        ck_assert_int_eq(got.done.error, 0);
        ck_assert_uint_eq(got.done.n_bytes, 5);
        ck_assert_mem_eq(got.done.payload, "table", 5);
}
END_TEST

/* @n frames of @message and one of @last, in one write. */
static void write_at_once(WireConnection *c, const WireMessage *message, unsigned n,
                          const WireMessage *last) {
        uint8_t burst[16384];
        size_t n_burst = 0;

        for (unsigned i = 0; i <= n; i++) {
                _cleanup_free_ uint8_t *frame = NULL;
                size_t n_bytes;

                ck_assert_int_eq(wire_encode(i < n ? message : last, &frame, &n_bytes), 0);
                ck_assert_uint_le(n_burst + n_bytes, sizeof(burst));
                memcpy(burst + n_burst, frame, n_bytes);
                n_burst += n_bytes;
        }
        ck_assert_int_eq(write(wire_connection_fd(c), burst, n_burst), (ssize_t)n_burst);
}

START_TEST(messages_that_come_in_one_burst_are_all_handled) {
        const WireMessage cancel = { .type = WIRE_CANCEL, .job = { .job_id = 999 } };
        const WireMessage read = { .type = WIRE_READ_KERNEL_CDAT, .job = { .job_id = 1000 } };
        const WireMessage rescan = { .type = WIRE_RESCAN };

        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        write_at_once(device, &cancel, 100, &read);
        await_done(1000);
        write_at_once(control, &rescan, 100, &rescan);
        expect(control, WIRE_ENUMERATED);
        expect_answer();
}
END_TEST

START_TEST(function_is_pinned_while_it_is_busy) {
        start(0);
        connect_until_ready();
        fake->devices[0].is_mute = true;
        submit();
        await(&fake->devices[0].n_gos, 1);
        ck_assert(fake->devices[0].is_pinned);
        fake->devices[0].is_mute = false;
        ck_assert_int_eq(fake_stop(service_pid, PATIENCE_MSEC), 0);
        service_pid = 0;
        ck_assert(!fake->devices[0].is_pinned);
}
END_TEST

/* Times that any thread of it gave the CPU away of its own will. */
static unsigned long count_wakeups(void) {
        char folder[64], path[512], line[256];
        unsigned long n = 0, n_here;
        struct dirent *entry;
        DIR *dir;

        snprintf(folder, sizeof(folder), "/proc/%d/task", (int)service_pid);
        dir = opendir(folder);
        ck_assert_ptr_nonnull(dir);
        while ((entry = readdir(dir))) {
                _cleanup_file_ FILE *f = NULL;

                snprintf(path, sizeof(path), "%s/%s/status", folder, entry->d_name);
                f = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
                while (f && fgets(line, sizeof(line), f))
                        if (sscanf(line, "voluntary_ctxt_switches: %lu", &n_here) == 1)
                                n += n_here;
        }
        closedir(dir);
        return n;
}

/* There is nothing to await: what must not happen is given the time to. */
START_TEST(idle_service_never_wakes_up) {
        unsigned long n;

        start(0);
        connect_until_ready();
        expect_answer();
        await_idle();
        usleep(10000);
        n = count_wakeups();
        usleep(500000);
        ck_assert_uint_eq(count_wakeups(), n);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service");
        TCase *t = tcase_create("process");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, service_setup, service_teardown);
        tcase_add_test(t, peer_is_told_of_all_that_is_there);
        tcase_add_test(t, machine_without_mailboxes_has_an_empty_list);
        tcase_add_test(t, request_comes_back_with_its_answer);
        tcase_add_test(t, foreign_version_is_answered_with_our_own_and_no_more);
        tcase_add_test(t, second_peer_is_refused_and_the_first_goes_on);
        tcase_add_test(t, message_that_does_not_belong_ends_the_connection);
        tcase_add_test(t, next_peer_gets_it_all_again_in_the_same_epoch);
        tcase_add_test(t, peer_that_dies_in_mid_exchange_leaves_a_clean_mailbox);
        tcase_add_test(t, destructive_request_never_reaches_the_device);
        tcase_add_test(t, spdm_waits_for_its_owner_and_nothing_else_does);
        tcase_add_test(t, offset_without_a_mailbox_is_refused);
        tcase_add_test(t, kernels_cdat_is_served_where_there_is_one);
        tcase_add_test(t, messages_that_come_in_one_burst_are_all_handled);
        tcase_add_test(t, function_is_pinned_while_it_is_busy);
        tcase_add_test(t, idle_service_never_wakes_up);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
