/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bus/path.h"

static const struct {
        const char *address;
        const char *device_path;
        uint16_t offset;
        const char *mailbox_path;
} objects[] = {
        { "0000:3a:00.0", "/org/doed/device/0000_3a_00_0", 0x160,
          "/org/doed/device/0000_3a_00_0/mailbox/160" },
        { "10000:01:1f.7", "/org/doed/device/10000_01_1f_7", 0x100,
          "/org/doed/device/10000_01_1f_7/mailbox/100" },
        { "ffffffff:ff:00.0", "/org/doed/device/ffffffff_ff_00_0", 0xfe8,
          "/org/doed/device/ffffffff_ff_00_0/mailbox/fe8" },
};

START_TEST(each_object_has_one_path_and_comes_back_from_it) {
        char path[BUS_PATH_MAX], address[WIRE_ADDRESS_MAX];
        uint16_t offset;

        ck_assert(path_is_address(objects[_i].address));
        ck_assert_str_eq(path_of_device(objects[_i].address, path), objects[_i].device_path);
        ck_assert_int_eq(path_parse_device(path, address), 0);
        ck_assert_str_eq(address, objects[_i].address);

        ck_assert_str_eq(path_of_mailbox(objects[_i].address, objects[_i].offset, path),
                         objects[_i].mailbox_path);
        ck_assert_int_eq(path_parse_mailbox(path, address, &offset), 0);
        ck_assert_str_eq(address, objects[_i].address);
        ck_assert_uint_eq(offset, objects[_i].offset);
}
END_TEST

START_TEST(a_device_is_no_mailbox_and_the_reverse) {
        char address[WIRE_ADDRESS_MAX];
        uint16_t offset;

        ck_assert_int_eq(path_parse_mailbox(objects[_i].device_path, address, &offset), -EINVAL);
        ck_assert_int_eq(path_parse_device(objects[_i].mailbox_path, address), -EINVAL);
}
END_TEST

static const char *const strangers[] = {
        "/",
        "/org/doed/device",
        "/org/doed/device/0000_3a_00_0/mailbox",
        "/org/doed/device/0000_3A_00_0/mailbox/160",
        "/org/doed/device/000_3a_00_0/mailbox/160",
        "/org/doed/device/00000_3a_00_0/mailbox/160",
        "/org/doed/device/100000000_3a_00_0/mailbox/160",
        "/org/doed/device/0000_3a_20_0/mailbox/160",
        "/org/doed/device/0000_3a_00_8/mailbox/160",
        "/org/doed/device/0000_3a_00_0/mailbox/0160",
        "/org/doed/device/0000_3a_00_0/mailbox/161",
        "/org/doed/device/0000_3a_00_0/mailbox/fc",
        "/org/doed/device/0000_3a_00_0/mailbox/1000",
        "/org/doed/device/0000_3a_00_0/mailbox/160x",
        "/org/doed/device/0000_3a_00_0/mailbox/160/x",
        "/org/doed/device/0000_3a_00_0x/mailbox/160",
};

START_TEST(other_spellings_are_not_ours) {
        char address[WIRE_ADDRESS_MAX] = "untouched";
        uint16_t offset = 7;

        ck_assert_int_eq(path_parse_mailbox(strangers[_i], address, &offset), -EINVAL);
        ck_assert_int_eq(path_parse_device(strangers[_i], address), -EINVAL);
        ck_assert_str_eq(address, "untouched");
        ck_assert_uint_eq(offset, 7);
}
END_TEST

static const uint64_t lease_ids[] = { 1, 10, UINT64_MAX };

START_TEST(each_lease_has_one_path_and_comes_back_from_it) {
        char path[BUS_PATH_MAX];
        uint64_t id;

        ck_assert_int_eq(path_parse_lease(path_of_lease(lease_ids[_i], path), &id), 0);
        ck_assert_uint_eq(id, lease_ids[_i]);
        ck_assert_str_eq(path_of_lease(10, path), "/org/doed/lease/10");
}
END_TEST

static const char *const lease_strangers[] = {
        "/org/doed/lease",    "/org/doed/lease/",    "/org/doed/lease/01",
        "/org/doed/lease/1x", "/org/doed/lease/1/x", "/org/doed/lease/_1",
        "/org/doed/lease/x",  "/org/doed/device/1",  "/org/doed/lease/18446744073709551616",
        "/org/doed/lease/ 1",
};

START_TEST(other_spellings_of_leases_are_not_ours) {
        uint64_t id = 7;

        ck_assert_int_eq(path_parse_lease(lease_strangers[_i], &id), -EINVAL);
        ck_assert_uint_eq(id, 7);
}
END_TEST

START_TEST(what_is_no_address_is_refused) {
        ck_assert(!path_is_address(""));
        ck_assert(!path_is_address("0000:3a:00"));
        ck_assert(!path_is_address("0000_3a_00_0"));
        ck_assert(!path_is_address("00000:3a:00.0"));
        ck_assert(!path_is_address("0000:3a:00.0 "));
}
END_TEST

int main(void) {
        Suite *s = suite_create("path");
        TCase *t = tcase_create("path");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(t, each_object_has_one_path_and_comes_back_from_it, 0,
                            (int)(sizeof(objects) / sizeof(objects[0])));
        tcase_add_loop_test(t, a_device_is_no_mailbox_and_the_reverse, 0,
                            (int)(sizeof(objects) / sizeof(objects[0])));
        tcase_add_loop_test(t, other_spellings_are_not_ours, 0,
                            (int)(sizeof(strangers) / sizeof(strangers[0])));
        tcase_add_loop_test(t, each_lease_has_one_path_and_comes_back_from_it, 0,
                            (int)(sizeof(lease_ids) / sizeof(lease_ids[0])));
        tcase_add_loop_test(t, other_spellings_of_leases_are_not_ours, 0,
                            (int)(sizeof(lease_strangers) / sizeof(lease_strangers[0])));
        tcase_add_test(t, what_is_no_address_is_refused);
        suite_add_tcase(s, t);

        runner = srunner_create(s);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
