/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "daemon/pci/host-libpci.h"
#include "daemon/pci/pci-libpci.h"
#include "daemon/util/clock.h"
#include "tests/unit/temporary-tree.h"

#define A "0000:3a:00.0"
#define B "10000:01:00.0"
#define C "0000:3c:00.0"

static Channel *late;

static void free_item(ChannelItem *item) {
        free(item);
}

static void setup(void) {
        tree_make();
        ck_assert_int_eq(channel_new(free_item, &late), 0);
}

static void teardown(void) {
        late = channel_free(late);
        tree_remove();
}

static ScanItem scan_one(const char *address) {
        ScanItem item = {};

        strcpy(item.address, address);
        ck_assert_int_eq(libpci_scan(tree_root, &item, 1, late), 0);
        return item;
}

START_TEST(every_doe_capability_is_found) {
        static const TreeCapability caps[] = { { 0x100, 0x23, 1, 0x150 },
                                               { 0x150, 0x2e, 1, 0x400 },
                                               { 0x190, 0x2e, 2, 0 },
                                               { 0x400, 0x2e, 2, 0x190 } };
        ScanItem item;

        tree_add_function(A, caps, 4);
        item = scan_one(A);
        ck_assert_int_eq(item.error, 0);
        ck_assert_str_eq(item.function.address, A);
        ck_assert_uint_eq(item.function.vendor_id, 0x8086);
        ck_assert_uint_eq(item.function.device_id, 0x0d93);
        ck_assert_uint_eq(item.function.class_code, 0x050210);
        ck_assert_str_ne(item.function.name, "");
        ck_assert_uint_eq(item.function.n_mailboxes, 3);
        ck_assert_uint_eq(item.function.mailboxes[0].offset, 0x150);
        ck_assert_uint_eq(item.function.mailboxes[0].cap_version, 1);
        ck_assert_uint_eq(item.function.mailboxes[1].offset, 0x400);
        ck_assert_uint_eq(item.function.mailboxes[1].cap_version, 2);
        ck_assert_uint_eq(item.function.mailboxes[2].offset, 0x190);
}
END_TEST

START_TEST(function_in_a_domain_of_five_digits_is_read) {
        static const TreeCapability caps[] = { { 0x100, 0x2e, 1, 0 } };

        tree_add_function(B, caps, 1);
        ck_assert_uint_eq(scan_one(B).function.n_mailboxes, 1);
}
END_TEST

START_TEST(chain_that_leads_back_ends) {
        static const TreeCapability caps[] = { { 0x100, 0x2e, 1, 0x150 }, { 0x150, 0x2e, 1, 0x100 } };

        tree_add_function(A, caps, 2);
        ck_assert_uint_eq(scan_one(A).function.n_mailboxes, 2);
}
END_TEST

START_TEST(capability_without_room_for_its_registers_is_left_out) {
        static const TreeCapability caps[] = { { 0x100, 0x2e, 1, 0xfec }, { 0xfec, 0x2e, 1, 0x0 } };
        ScanItem item;

        tree_add_function(A, caps, 2);
        item = scan_one(A);
        ck_assert_uint_eq(item.function.n_mailboxes, 1);
        ck_assert_uint_eq(item.function.mailboxes[0].offset, 0x100);
}
END_TEST

START_TEST(more_capabilities_than_fit_are_cut) {
        TreeCapability caps[120];

        for (uint16_t i = 0; i < 120; i++)
                caps[i] = (TreeCapability){ (uint16_t)(0x100 + 0x18 * i), 0x2e, 1,
                                            (uint16_t)(i < 119 ? 0x118 + 0x18 * i : 0) };
        tree_add_function(A, caps, 120);
        ck_assert_uint_eq(scan_one(A).function.n_mailboxes, WIRE_MAILBOXES_MAX);
}
END_TEST

START_TEST(configuration_space_of_256_bytes_has_no_mailbox) {
        static const TreeCapability caps[] = { { 0x100, 0x2e, 1, 0 } };
        ScanItem item;

        tree_add_function(A, caps, 1);
        ck_assert_int_eq(truncate(tree_path("bus/pci/devices/" A "/config"), 256), 0);
        item = scan_one(A);
        ck_assert_int_eq(item.error, 0);
        ck_assert_uint_eq(item.function.n_mailboxes, 0);
}
END_TEST

START_TEST(function_that_reads_as_ones_does_not_answer) {
        uint8_t ones[4096];

        tree_add_function(A, NULL, 0);
        memset(ones, 0xff, sizeof(ones));
        tree_write_bytes("bus/pci/devices/" A "/config", ones, sizeof(ones));
        ck_assert_int_eq(scan_one(A).error, -EAGAIN);
}
END_TEST

/* libpci calls its error hook for each of them, which by default ends the process. */
START_TEST(function_that_vanishes_meanwhile_harms_nobody) {
        static const TreeCapability caps[] = { { 0x100, 0x2e, 1, 0 } };
        ScanItem items[3] = { { .address = A }, { .address = B }, { .address = C } };

        tree_add_function(A, caps, 1);
        tree_unlink("devices/pci0000:00/" A "/vendor");
        tree_add_function(C, caps, 1);
        ck_assert_int_eq(libpci_scan(tree_root, items, 3, late), 0);
        ck_assert_int_eq(items[0].error, -ENODEV);
        ck_assert_int_eq(items[1].error, -ENODEV);
        ck_assert_int_eq(items[2].error, 0);
        ck_assert_uint_eq(items[2].function.n_mailboxes, 1);
}
END_TEST

/* The open of a FIFO for reading hangs until somebody writes. */
START_TEST(function_that_hangs_comes_late_and_holds_up_nobody) {
        static const TreeCapability caps[] = { { 0x100, 0x2e, 1, 0 } };
        ScanItem items[2] = { { .address = A, .inode = 7 }, { .address = C } }, *item;
        struct pollfd fd = { .fd = channel_fd(late), .events = POLLIN };
        int writer;

        tree_add_function(A, caps, 1);
        tree_unlink("devices/pci0000:00/" A "/vendor");
        tree_fifo("devices/pci0000:00/" A "/vendor");
        tree_add_function(C, caps, 1);
        ck_assert_int_eq(libpci_scan(tree_root, items, 2, late), 0);
        ck_assert_int_eq(items[0].error, -EINPROGRESS);
        ck_assert_int_eq(items[1].error, 0);
        ck_assert_uint_eq(items[1].function.n_mailboxes, 1);
        ck_assert_uint_eq(libpci_scan_late(), 1);

        writer = open(tree_path("devices/pci0000:00/" A "/vendor"), O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(write(writer, "0x8086\n", 7), 7);
        close(writer);
        ck_assert_int_eq(poll(&fd, 1, 10000), 1);
        item = (ScanItem *)channel_take(late);
        ck_assert_str_eq(item->address, A);
        ck_assert_uint_eq(item->inode, 7);
        ck_assert_int_eq(item->error, 0);
        ck_assert_uint_eq(item->function.n_mailboxes, 1);
        free(item);
}
END_TEST

static ConfigSpace *open_config(const char *address) {
        ConfigSpace *config = NULL;

        ck_assert_int_eq(pci_libpci_open(tree_root, address, &config), 0);
        return config;
}

START_TEST(dwords_are_read_and_written) {
        ConfigSpace *config;
        uint32_t value = 0;

        tree_add_function(A, NULL, 0);
        config = open_config(A);
        ck_assert_int_eq(config->write32(config, 0x160, 0x12345678), 0);
        ck_assert_int_eq(config->read32(config, 0x160, &value), 0);
        ck_assert_uint_eq(value, 0x12345678);
        ck_assert_int_eq(config->read32(config, 0xffc, &value), 0);
        pci_libpci_close(config);
}
END_TEST

START_TEST(failed_read_is_no_value) {
        ConfigSpace *config;
        uint32_t value = 42;

        tree_add_function(A, NULL, 0);
        config = open_config(A);
        ck_assert_int_eq(truncate(tree_path("bus/pci/devices/" A "/config"), 256), 0);
        ck_assert_int_eq(config->read32(config, 0x160, &value), -EIO);
        ck_assert_uint_eq(value, 42);
        pci_libpci_close(config);
}
END_TEST

START_TEST(function_that_is_not_there_cannot_be_opened) {
        ConfigSpace *config = NULL;

        ck_assert_int_eq(pci_libpci_open(tree_root, A, &config), -ENODEV);
        ck_assert_int_eq(pci_libpci_open(tree_root, "nonsense", &config), -EINVAL);
        ck_assert_ptr_null(config);
}
END_TEST

START_TEST(pause_lasts_as_long_as_it_is_told) {
        static const uint64_t pauses[] = { 5, 40, 500 };
        ConfigSpace *config;

        tree_add_function(A, NULL, 0);
        config = open_config(A);
        for (size_t i = 0; i < 3; i++) {
                uint64_t begun_usec = config->now_usec(config);

                config->pause(config, pauses[i]);
                ck_assert_uint_ge(config->now_usec(config) - begun_usec + 1, pauses[i]);
        }
        pci_libpci_close(config);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("host-libpci");
        TCase *t = tcase_create("libpci");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, every_doe_capability_is_found);
        tcase_add_test(t, function_in_a_domain_of_five_digits_is_read);
        tcase_add_test(t, chain_that_leads_back_ends);
        tcase_add_test(t, capability_without_room_for_its_registers_is_left_out);
        tcase_add_test(t, more_capabilities_than_fit_are_cut);
        tcase_add_test(t, configuration_space_of_256_bytes_has_no_mailbox);
        tcase_add_test(t, function_that_reads_as_ones_does_not_answer);
        tcase_add_test(t, function_that_vanishes_meanwhile_harms_nobody);
        tcase_add_test(t, function_that_hangs_comes_late_and_holds_up_nobody);
        tcase_add_test(t, dwords_are_read_and_written);
        tcase_add_test(t, failed_read_is_no_value);
        tcase_add_test(t, function_that_is_not_there_cannot_be_opened);
        tcase_add_test(t, pause_lasts_as_long_as_it_is_told);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
