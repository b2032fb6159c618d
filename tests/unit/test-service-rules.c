/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What doed-pci holds itself to: the configuration, and what encrypted links say of a session. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "daemon/util/clock.h"
#include "protocols/feature.h"
#include "tests/unit/service-fixture.h"
#include "tests/unit/temporary-tree.h"

#define IDE_OFFSET 0x200u

/* A folder of files that only root, or we if we are not, can write. */
static void configure(const char *text) {
        tree_write("config/doed.conf", text);
        tree_chmod("config/doed.conf", 0644);
        snprintf(fake->config_folder, sizeof(fake->config_folder), "%s", tree_path("config"));
}

static void reload(void) {
        say(control, &(WireMessage){ .type = WIRE_RELOAD });
}

static void put_dword(FakeDevice *d, uint32_t offset, uint32_t value) {
        d->space[offset / 4] = value;
}

/* One selective stream, 3. */
static void add_ide(FakeDevice *d, uint32_t state) {
        put_dword(d, 0x100, IDE_OFFSET << 20 | 1u << 16 | 0x2e);
        put_dword(d, IDE_OFFSET, 1u << 16 | 0x30);
        put_dword(d, IDE_OFFSET + 0x4, 0x2);
        put_dword(d, IDE_OFFSET + 0x10, 3u << 24 | 1);
        put_dword(d, IDE_OFFSET + 0x14, state);
}

static uint64_t submit_spdm(uint8_t type, uint8_t code) {
        uint8_t payload[] = { 0x12, code, 0x00, 0x00 };
        WireMessage job = { .type = WIRE_EXCHANGE,
                            .exchange = { .job_id = ++last_job_id,
                                          .offset = FAKE_OFFSET,
                                          .vendor_id = DOE_VENDOR_PCI_SIG,
                                          .type = type,
                                          .deadline_usec = clock_monotonic_usec() + 10 * USEC_PER_SEC,
                                          .n_dwords_max = FAKE_DWORDS_MAX,
                                          .payload = payload,
                                          .n_bytes = sizeof(payload) } };

        say(device, &job);
        return last_job_id;
}

START_TEST(rule_lends_what_is_destructive_and_only_that) {
        configure("[Rule lend-it]\nFeature=1e98:00\nOpcode=07\nUser=root\nVerdict=allow\n");
        start(0);
        connect_until_ready();
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_CXL, DOE_TYPE_CXL_COMPLIANCE, 0x07));
        ck_assert_msg(got.done.error == 0, "%s", got.done.evidence);
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_CXL, DOE_TYPE_CXL_COMPLIANCE, 0x08));
        ck_assert_int_eq(got.done.error, -EACCES);
        await_done(submit_spdm(DOE_TYPE_CMA_SPDM, 0xfd));
        ck_assert_int_eq(got.done.error, -EACCES);
        ck_assert_uint_eq(fake->devices[0].n_gos, 1);
}
END_TEST

START_TEST(rule_for_everything_lends_nothing_destructive) {
        configure("[Rule all]\nUser=root\nVerdict=allow\n");
        start(0);
        connect_until_ready();
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_CXL, DOE_TYPE_CXL_COMPLIANCE, 0x07));
        ck_assert_int_eq(got.done.error, -EACCES);
        ck_assert(got.done.not_started);
        ck_assert_uint_eq(fake->devices[0].n_gos, 0);
}
END_TEST

START_TEST(file_that_others_may_write_lends_nothing) {
        if (geteuid() != 0)
                return; /* only root's files count for root alone */
        configure("[Rule lend-it]\nFeature=1e98:00\nOpcode=07\nUser=root\nVerdict=allow\n");
        tree_chmod("config/doed.conf", 0666);
        start(0);
        connect_until_ready();
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_CXL, DOE_TYPE_CXL_COMPLIANCE, 0x07));
        ck_assert_int_eq(got.done.error, -EACCES);
}
END_TEST

START_TEST(first_chunk_that_hides_its_message_is_refused) {
        /* two bytes of a message of 100: not even its code can be told */
        static const uint8_t payload[] = { 0x12, 0x85, 0,   1, 0, 0, 0,    0, 1, 0,
                                           0,    0,    100, 0, 0, 0, 0x12, 0, 0, 0 };
        WireMessage job = { .type = WIRE_EXCHANGE,
                            .exchange = { .job_id = 1,
                                          .offset = FAKE_OFFSET,
                                          .vendor_id = DOE_VENDOR_PCI_SIG,
                                          .type = DOE_TYPE_CMA_SPDM,
                                          .deadline_usec = clock_monotonic_usec() + 10 * USEC_PER_SEC,
                                          .n_dwords_max = FAKE_DWORDS_MAX,
                                          .payload = payload,
                                          .n_bytes = sizeof(payload) } };

        start(0);
        connect_until_ready();
        say(device, &job);
        await_done(1);
        ck_assert_int_eq(got.done.error, -EACCES);
        ck_assert_uint_eq(fake->devices[0].n_gos, 0);
}
END_TEST

START_TEST(device_that_a_rule_leaves_alone_is_read_only_and_says_which) {
        configure("[Rule hands-off]\nDevice=" A "\nTakeOver=never\n");
        start(0);
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        device = receive_device(A);
        ck_assert_ptr_nonnull(strstr(got.device.access, "read-only: rule hands-off ("));
        ck_assert_ptr_nonnull(strstr(got.device.access, "doed.conf:1)"));
        await_state(WIRE_MAILBOX_READ_ONLY);
        await_done(submit());
        ck_assert_int_eq(got.done.error, -EROFS);
        ck_assert_ptr_nonnull(strstr(got.done.evidence, "rule hands-off"));
        ck_assert_uint_eq(fake->devices[0].n_writes, 0);
}
END_TEST

START_TEST(device_of_an_on_demand_rule_rests_until_it_is_asked) {
        configure("[Rule lazy]\nDevice=" A "\nTakeOver=on-demand\n");
        start(0);
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        device = receive_device(A);
        do
                expect(device, WIRE_MAILBOX);
        while (!got.mailbox.reason[0]);
        ck_assert_int_eq(got.mailbox.state, WIRE_MAILBOX_UNTOUCHED);
        ck_assert_uint_eq(fake->devices[0].n_writes, 0);
        expect_answer();
}
END_TEST

START_TEST(reload_puts_other_rules_in_force) {
        configure("[Rule hands-off]\nDevice=" A "\nTakeOver=never\n");
        start(0);
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        device = receive_device(A);
        expect(control, WIRE_ENUMERATED);
        await_state(WIRE_MAILBOX_READ_ONLY);
        configure("");
        if (_i == 0)
                reload();
        else
                kill(service_pid, SIGHUP);
        expect(control, WIRE_DEVICE);
        ck_assert_str_eq(got.device.access, "read-write");
        await_state(WIRE_MAILBOX_READY);
        expect_answer();
}
END_TEST

START_TEST(wrong_rule_leaves_the_old_ones_in_force) {
        configure("[Rule lend-it]\nFeature=1e98:00\nOpcode=07\nUser=root\nVerdict=allow\n");
        start(0);
        connect_until_ready();
        configure("[Rule wrong]\nVerdict=perhaps\n");
        reload();
        expect(control, WIRE_ENUMERATED);
        await_sync();
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_CXL, DOE_TYPE_CXL_COMPLIANCE, 0x07));
        ck_assert_int_eq(got.done.error, 0);
}
END_TEST

START_TEST(settle_time_of_a_rule_is_kept) {
        uint64_t begun_usec = clock_monotonic_usec();

        configure("[Rule slow]\nDevice=" A "\nSettleSec=0.3\n");
        start(0);
        connect_until_ready();
        ck_assert_uint_ge(clock_monotonic_usec() - begun_usec, 300 * USEC_PER_MSEC);
}
END_TEST

START_TEST(gap_of_a_rule_is_kept) {
        uint64_t ended_usec;

        configure("[Rule gap]\nDevice=" A "\nFeature=1234:01\nMinGapSec=0.1\n");
        start(0);
        connect_until_ready();
        expect_answer();
        ended_usec = got.done.ended_usec;
        expect_answer();
        ck_assert_uint_ge(got.done.started_usec, ended_usec + 100 * USEC_PER_MSEC);
}
END_TEST

START_TEST(device_timeout_of_a_rule_is_the_longest) {
        WireMessage job;
        uint8_t payload[4] = { 0 };

        configure("[Rule patience]\nDevice=" A "\nDeviceTimeoutSec=0.1\n");
        start(0);
        connect_until_ready();
        fake->devices[0].is_mute = true;
        job = (WireMessage){ .type = WIRE_EXCHANGE,
                             .exchange = { .job_id = 1,
                                           .offset = FAKE_OFFSET,
                                           .vendor_id = 0x1234,
                                           .type = 1,
                                           .deadline_usec = clock_monotonic_usec() + 10 * USEC_PER_SEC,
                                           .timeout_usec = 500 * USEC_PER_SEC,
                                           .n_dwords_max = FAKE_DWORDS_MAX,
                                           .payload = payload,
                                           .n_bytes = sizeof(payload) } };
        say(device, &job);
        await_done(1);
        ck_assert_int_eq(got.done.error, -ETIMEDOUT);
        ck_assert_uint_ge(got.done.ended_usec - got.done.started_usec, USEC_PER_SEC);
}
END_TEST

START_TEST(spdm_is_lent_out_by_a_rule_although_it_has_an_owner) {
        configure("[Rule mine]\nDevice=" A "\nFeature=0001:01 0001:02\nKernelOverride=yes\n");
        strcpy(fake->devices[0].view.spdm_owner, "tsm/ is there");
        start(0);
        connect_until_ready();
        await_done(submit_spdm(DOE_TYPE_CMA_SPDM, 0x84));
        ck_assert_int_eq(got.done.error, 0);
}
END_TEST

START_TEST(stream_that_is_secure_owns_spdm) {
        add_ide(&fake->devices[0], 2);
        start(0);
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        device = receive_device(A);
        /* the worker may have looked before we came, or not */
        while (got.type != WIRE_DEVICE || !got.device.spdm_owner[0])
                receive(control);
        ck_assert_str_eq(got.device.spdm_owner, "IDE selective stream 3 is secure");
        await_state(WIRE_MAILBOX_READY);
        await_done(submit_spdm(DOE_TYPE_CMA_SPDM, 0x84));
        ck_assert_int_eq(got.done.error, -EXDEV);
        ck_assert_str_eq(got.done.evidence, "IDE selective stream 3 is secure");
        expect_answer();
        put_dword(&fake->devices[0], IDE_OFFSET + 0x14, 0);
        fake_emit(HOST_EVENT_VIEW, A);
        do
                receive(control);
        while (got.type != WIRE_DEVICE || got.device.spdm_owner[0]);
        await_done(submit_spdm(DOE_TYPE_CMA_SPDM, 0x84));
        ck_assert_int_eq(got.done.error, 0);
}
END_TEST

START_TEST(stream_of_function_0_owns_spdm_of_the_others) {
        int fds[FAKE_DEVICES_MAX] = { -EBADF, -EBADF, -EBADF };

        fake->devices[1].is_there = true;
        add_ide(&fake->devices[0], 2);
        start(0);
        say_hello(WIRE_VERSION);
        /* the sockets stay open: who closes one is not wanted any more */
        for (unsigned n = 0;
             got.type != WIRE_DEVICE || strcmp(got.device.address, B) != 0 || !got.device.spdm_owner[0];) {
                int fd = receive(control);

                if (fd >= 0)
                        fds[n++] = fd;
        }
        ck_assert_str_eq(got.device.spdm_owner, "IDE selective stream 3 is secure on " A);
        for (unsigned i = 0; i < ELEMENTS(fds); i++)
                if (fds[i] >= 0)
                        close(fds[i]);
}
END_TEST

START_TEST(stream_that_nobody_told_of_is_seen_before_a_get_version) {
        add_ide(&fake->devices[0], 0);
        start(0);
        connect_until_ready();
        await_done(submit_spdm(DOE_TYPE_CMA_SPDM, 0x84));
        ck_assert_int_eq(got.done.error, 0);
        put_dword(&fake->devices[0], IDE_OFFSET + 0x14, 2);
        /* what was seen within the last second still counts */
        do
                await_done(submit_spdm(DOE_TYPE_CMA_SPDM, 0x84));
        while (got.done.error == 0);
        ck_assert_int_eq(got.done.error, -EXDEV);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service-rules");
        TCase *t = tcase_create("process");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, service_setup, service_teardown);
        tcase_add_test(t, rule_lends_what_is_destructive_and_only_that);
        tcase_add_test(t, rule_for_everything_lends_nothing_destructive);
        tcase_add_test(t, file_that_others_may_write_lends_nothing);
        tcase_add_test(t, first_chunk_that_hides_its_message_is_refused);
        tcase_add_test(t, device_that_a_rule_leaves_alone_is_read_only_and_says_which);
        tcase_add_test(t, device_of_an_on_demand_rule_rests_until_it_is_asked);
        tcase_add_loop_test(t, reload_puts_other_rules_in_force, 0, 2);
        tcase_add_test(t, wrong_rule_leaves_the_old_ones_in_force);
        tcase_add_test(t, settle_time_of_a_rule_is_kept);
        tcase_add_test(t, gap_of_a_rule_is_kept);
        tcase_add_test(t, device_timeout_of_a_rule_is_the_longest);
        tcase_add_test(t, spdm_is_lent_out_by_a_rule_although_it_has_an_owner);
        tcase_add_test(t, stream_that_is_secure_owns_spdm);
        tcase_add_test(t, stream_of_function_0_owns_spdm_of_the_others);
        tcase_add_test(t, stream_that_nobody_told_of_is_seen_before_a_get_version);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
