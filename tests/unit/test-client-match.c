/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "client/match.h"
#include "client/memory.h"

/* Two functions of one card, the second with two mailboxes, and the same slot in a domain beyond ffff. */
static json_t *sample(void) {
        return memory_must(json_loads(
                        "[{\"address\":\"0000:3a:00.0\",\"cxl-memory\":\"mem0\",\"cxl-port\":\"endpoint2\","
                        "  \"mailboxes\":[{\"mailbox\":\"0000:3a:00.0[160]\",\"offset\":352}]},"
                        " {\"address\":\"0000:3b:00.1\",\"cxl-memory\":\"\",\"cxl-port\":\"\",\"mailboxes\":"
                        "["
                        "  "
                        "{\"mailbox\":\"0000:3b:00.1[150]\",\"offset\":336,\"features\":[{\"feature\":"
                        "\"0001:01\"}]},"
                        "  "
                        "{\"mailbox\":\"0000:3b:00.1[190]\",\"offset\":400,\"features\":[{\"feature\":"
                        "\"1e98:02\"}]}]},"
                        " {\"address\":\"10000:3a:00.0\",\"mailboxes\":[]}]",
                        0, NULL));
}

static const char *const addresses[] = { "0000:3a:00.0", "10000:01:1f.7", "ABCD:ef:00.0",
                                         "12345678:00:00.0" };

START_TEST(whole_addresses_are_known) {
        ck_assert(match_is_address(addresses[_i]));
}
END_TEST

static const char *const not_addresses[] = {
        "",           "3a:00.0",        "000:3a:00.0",  "0000:3a:00.8",  "0000:3a:00.00",
        "0000:3a:00", "0000:3a:00.0[]", "0000:3:00.0",  "0000:3a:00.0 ", "123456789:00:00.0",
        "0000:",      "0000:3a:0g.0",   "0000-3a-00.0",
};

START_TEST(parts_of_addresses_and_other_words_are_not_addresses) {
        ck_assert(!match_is_address(not_addresses[_i]));
}
END_TEST

START_TEST(path_follows_from_a_whole_name) {
        _cleanup_free_ char *a = match_mailbox_path("0000:3a:00.0[160]");
        _cleanup_free_ char *b = match_mailbox_path("10000:AB:1f.7[1A0]");

        ck_assert_str_eq(a, "/org/doed/device/0000_3a_00_0/mailbox/160");
        ck_assert_str_eq(b, "/org/doed/device/10000_ab_1f_7/mailbox/1a0");
}
END_TEST

static const char *const no_names[] = {
        "0000:3a:00.0",     "3a:00.0[160]",      "0000:3a:00.0[]",     "0000:3a:00.0[1600]",
        "0000:3a:00.0[160", "0000:3a:00.0[16g]", "0000:3a:00.0[160]x",
};

START_TEST(other_words_have_no_path) {
        ck_assert_ptr_null(match_mailbox_path(no_names[_i]));
}
END_TEST

static const struct {
        const char *s, *address;
} devices[] = {
        { "0000:3a:00.0", "0000:3a:00.0" }, { "0000:3A:00.0", "0000:3a:00.0" }, { "3b", "0000:3b:00.1" },
        { ".1", "0000:3b:00.1" },           { "10000", "10000:3a:00.0" },       { "mem0", "0000:3a:00.0" },
        { "endpoint2", "0000:3a:00.0" },
};

START_TEST(device_is_found_by_address_unique_part_or_cxl_name) {
        _cleanup_json_ json_t *tree = sample();
        const json_t *device = NULL;
        Failure f = { 0 };

        ck_assert_int_eq(match_device(tree, devices[_i].s, &device, &f), 0);
        ck_assert_str_eq(json_text(device, "address"), devices[_i].address);
}
END_TEST

static const struct {
        const char *s;
        DoeExit exit_code;
        const char *says;
} no_devices[] = {
        { "3a:00.0", DOE_EXIT_USAGE, "0000:3a:00.0 or 10000:3a:00.0" },
        { "4c", DOE_EXIT_NOT_FOUND, "4c" },
        { "", DOE_EXIT_NOT_FOUND, "" },
        { "mem", DOE_EXIT_NOT_FOUND, "mem" },
        { "0000:3b:00.0", DOE_EXIT_NOT_FOUND, "0000:3b:00.0" }, /* no part of any other */
};

START_TEST(word_for_no_device_or_several_is_refused_with_its_reason) {
        _cleanup_json_ json_t *tree = sample();
        const json_t *device = NULL;
        Failure f = { 0 };

        ck_assert_int_lt(match_device(tree, no_devices[_i].s, &device, &f), 0);
        ck_assert_ptr_null(device);
        ck_assert_int_eq(failure_exit_code(f.name), no_devices[_i].exit_code);
        ck_assert_ptr_nonnull(strstr(f.text, no_devices[_i].says));
        failure_done(&f);
}
END_TEST

START_TEST(whole_address_is_no_part_of_a_longer_one) {
        _cleanup_json_ json_t *tree = memory_must(
                        json_loads("[{\"address\":\"10000:3a:00.0\",\"mailboxes\":[]}]", 0, NULL));
        const json_t *device = NULL;
        Failure f = { 0 };

        ck_assert_int_lt(match_device(tree, "0000:3a:00.0", &device, &f), 0);
        ck_assert(failure_is(&f, FAILURE_UNKNOWN_OBJECT));
        failure_done(&f);
}
END_TEST

static const struct {
        const char *s, *feature, *mailbox;
} mailboxes[] = {
        { "0000:3b:00.1[190]", NULL, "0000:3b:00.1[190]" },
        { "3b:00.1[190]", NULL, "0000:3b:00.1[190]" },
        { "mem0[160]", NULL, "0000:3a:00.0[160]" },
        { "0000:3a", NULL, NULL }, /* 10000:3a too */
        { "mem0", NULL, "0000:3a:00.0[160]" },
        { "mem0", "1e98:02", "0000:3a:00.0[160]" },
        { "3b", "1e98:02", "0000:3b:00.1[190]" },
        { "3b", "0001:01", "0000:3b:00.1[150]" },
        { "3b", "0001:02", NULL },
        { "3b", NULL, NULL },
        { "3b[160]", NULL, NULL },
        { "3b[", NULL, NULL },
        { "3b[xyz]", NULL, NULL },
        { "10000", NULL, NULL },
};

START_TEST(mailbox_is_found_by_device_and_offset_or_by_being_the_only_one) {
        _cleanup_json_ json_t *tree = sample();
        const json_t *mailbox = NULL;
        Failure f = { 0 };
        int r = match_mailbox(tree, mailboxes[_i].s, mailboxes[_i].feature, &mailbox, &f);

        if (mailboxes[_i].mailbox) {
                ck_assert_int_eq(r, 0);
                ck_assert_str_eq(json_text(mailbox, "mailbox"), mailboxes[_i].mailbox);
        } else {
                ck_assert_int_lt(r, 0);
                ck_assert_ptr_null(mailbox);
                ck_assert_ptr_nonnull(f.text);
        }
        failure_done(&f);
}
END_TEST

START_TEST(feature_is_a_number_or_a_name) {
        uint16_t vendor_id = 0;
        uint8_t type = 0;
        Failure f = { 0 };

        ck_assert_int_eq(match_feature("1E98:02", &vendor_id, &type, &f), 0);
        ck_assert_uint_eq(vendor_id, 0x1e98);
        ck_assert_uint_eq(type, 2);
        ck_assert_int_eq(match_feature("cma-spdm", &vendor_id, &type, &f), 0);
        ck_assert_uint_eq(vendor_id, 1);
        ck_assert_uint_eq(type, 1);
        ck_assert_int_lt(match_feature("spdn", &vendor_id, &type, &f), 0);
        ck_assert_ptr_nonnull(strstr(f.text, "cxl-table-access"));
        ck_assert_int_eq(failure_exit_code(f.name), DOE_EXIT_USAGE);
        failure_done(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-match");
        TCase *tc = tcase_create("match");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tc, whole_addresses_are_known, 0, (int)ELEMENTS(addresses));
        tcase_add_loop_test(tc, parts_of_addresses_and_other_words_are_not_addresses, 0,
                            (int)ELEMENTS(not_addresses));
        tcase_add_test(tc, path_follows_from_a_whole_name);
        tcase_add_loop_test(tc, other_words_have_no_path, 0, (int)ELEMENTS(no_names));
        tcase_add_loop_test(tc, device_is_found_by_address_unique_part_or_cxl_name, 0,
                            (int)ELEMENTS(devices));
        tcase_add_loop_test(tc, word_for_no_device_or_several_is_refused_with_its_reason, 0,
                            (int)ELEMENTS(no_devices));
        tcase_add_test(tc, whole_address_is_no_part_of_a_longer_one);
        tcase_add_loop_test(tc, mailbox_is_found_by_device_and_offset_or_by_being_the_only_one, 0,
                            (int)ELEMENTS(mailboxes));
        tcase_add_test(tc, feature_is_a_number_or_a_name);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
