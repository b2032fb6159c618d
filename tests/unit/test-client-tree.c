/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "client/memory.h"
#include "client/tree.h"

static json_t *build(const char *objects) {
        _cleanup_json_ json_t *value = memory_must(json_loads(objects, 0, NULL));

        return tree_build(value);
}

#define DEVICE(path, address)                                                                               \
        "\"/org/doed/device/" path "\":{\"org.doed.Device1\":{\"Address\":\"" address                       \
        "\",\"VendorId\":32902}}"
#define MAILBOX(device, offset, hex)                                                                        \
        "\"/org/doed/device/" device "/mailbox/" hex                                                        \
        "\":{\"org.doed.Mailbox1\":{\"Device\":\"/org/doed/device/" device "\",\"Offset\":" offset          \
        ",\"StateReason\":\"why\",\"NewProperty\":[1],"                                                     \
        "\"Features\":[[7832,2,{\"name\":\"cxl-table-access\"}],[4660,1,{}]]}}"

START_TEST(devices_and_mailboxes_are_in_order_whatever_came_first) {
        _cleanup_json_ json_t *tree = build("{" MAILBOX("0000_3a_00_1", "400", "190") "," DEVICE(
                        "10000_01_00_0",
                        "10000:01:00."
                        "0") "," MAILBOX("0000_3a_00_1", "336",
                                         "150") "," DEVICE("0000_3a_00_1",
                                                           "0000:3a:00.1") "," DEVICE("0000_05_00_0",
                                                                                      "0000:05:00.0") "}");
        const json_t *mailboxes = json_object_get(json_array_get(tree, 1), "mailboxes");

        ck_assert_uint_eq(json_array_size(tree), 3);
        ck_assert_str_eq(json_text(json_array_get(tree, 0), "address"), "0000:05:00.0");
        ck_assert_str_eq(json_text(json_array_get(tree, 1), "address"), "0000:3a:00.1");
        ck_assert_str_eq(json_text(json_array_get(tree, 2), "address"), "10000:01:00.0");
        ck_assert_uint_eq(json_array_size(mailboxes), 2);
        ck_assert_str_eq(json_text(json_array_get(mailboxes, 0), "mailbox"), "0000:3a:00.1[150]");
        ck_assert_str_eq(json_text(json_array_get(mailboxes, 1), "mailbox"), "0000:3a:00.1[190]");
}
END_TEST

START_TEST(properties_keep_their_values_under_their_keys_unknown_ones_too) {
        _cleanup_json_ json_t *tree = build("{" DEVICE("0000_3a_00_1", "0000:3a:00.1") "," MAILBOX(
                        "0000_3a_00_1", "336", "150") "}");
        const json_t *device = json_array_get(tree, 0);
        const json_t *mailbox = json_array_get(json_object_get(device, "mailboxes"), 0);
        const json_t *feature = json_array_get(json_object_get(mailbox, "features"), 1);

        ck_assert_uint_eq(json_uint(device, "vendor-id"), 0x8086);
        ck_assert_str_eq(json_text(device, "path"), "/org/doed/device/0000_3a_00_1");
        ck_assert_str_eq(json_text(mailbox, "state-reason"), "why");
        ck_assert_str_eq(json_text(mailbox, "address"), "0000:3a:00.1");
        ck_assert_uint_eq(json_array_size(json_object_get(mailbox, "new-property")), 1);
        ck_assert_str_eq(json_text(feature, "feature"), "1234:01");
        ck_assert_uint_eq(json_uint(feature, "vendor-id"), 0x1234);
        ck_assert_uint_eq(json_uint(feature, "type"), 1);
        ck_assert_ptr_null(json_object_get(device, "cdat"));
}
END_TEST

START_TEST(cdat_stands_within_its_device) {
        _cleanup_json_ json_t *tree = build("{\"/d\":{\"org.doed.Device1\":{\"Address\":\"0000:3a:00.1\"},"
                                            "\"org.doed.Cdat1\":{\"Length\":160,\"Source\":\"kernel\"}}}");
        const json_t *cdat = json_object_get(json_array_get(tree, 0), "cdat");

        ck_assert_uint_eq(json_uint(cdat, "length"), 160);
        ck_assert_str_eq(json_text(cdat, "source"), "kernel");
}
END_TEST

START_TEST(other_objects_and_lost_mailboxes_are_dropped) {
        _cleanup_json_ json_t *tree = build("{\"/org/doed\":{\"org.doed.Manager1\":{\"Ready\":true}},"
                                            "\"/x\":{},\"/y\":3," MAILBOX("0000_3a_00_1", "336", "150") "}");

        ck_assert_uint_eq(json_array_size(tree), 0);
}
END_TEST

START_TEST(features_of_another_shape_are_passed_on) {
        _cleanup_json_ json_t *properties = json_loads("{\"Features\":[[1,2],\"x\",[\"a\",1,{}]]}", 0, NULL);
        _cleanup_json_ json_t *object = tree_properties(properties);

        ck_assert_uint_eq(json_array_size(json_object_get(object, "features")), 3);
        ck_assert_str_eq(json_string_value(json_array_get(json_object_get(object, "features"), 1)), "x");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-tree");
        TCase *tc = tcase_create("tree");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, devices_and_mailboxes_are_in_order_whatever_came_first);
        tcase_add_test(tc, properties_keep_their_values_under_their_keys_unknown_ones_too);
        tcase_add_test(tc, cdat_stands_within_its_device);
        tcase_add_test(tc, other_objects_and_lost_mailboxes_are_dropped);
        tcase_add_test(tc, features_of_another_shape_are_passed_on);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
