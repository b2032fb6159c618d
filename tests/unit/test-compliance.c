/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "protocols/compliance.h"

START_TEST(code_is_the_first_byte) {
        static const uint8_t request[] = { 0xee, 0x03, 0x01, 0x00, 0x00, 0x55 };

        ck_assert_int_eq(compliance_request_code(request + 1, 4), 0x03);
        ck_assert_int_eq(compliance_request_code(request + 1, 5), 0x03);
        ck_assert_int_eq(compliance_request_code(request, 4), 0xee);
}
END_TEST

START_TEST(request_shorter_than_its_header_is_refused) {
        for (size_t n = 0; n < 4; n++) {
                uint8_t *request = calloc(1, n + 1);

                ck_assert_ptr_nonnull(request);
                ck_assert_int_eq(compliance_request_code(request + 1, n), -EBADMSG);
                free(request);
        }
        ck_assert_int_eq(compliance_request_code(NULL, 0), -EBADMSG);
}
END_TEST

START_TEST(codes_have_names) {
        ck_assert_str_eq(compliance_code_to_string(COMPLIANCE_CODE_CAPABILITY), "capability");
        ck_assert_str_eq(compliance_code_to_string(COMPLIANCE_CODE_STATUS), "status");
        ck_assert_str_eq(compliance_code_to_string(COMPLIANCE_CODE_HALT), "halt");
        for (unsigned code = 0; code < 256; code++)
                ck_assert_int_eq(compliance_code_to_string((uint8_t)code) != NULL, code <= 0x10);
}
END_TEST

START_TEST(only_status_zero_of_the_same_code_is_success) {
        static const uint8_t accepted[] = { 0x02, 0x00, 0x04, 0x00 };
        static const uint8_t refused[] = { 0x02, 0x00, 0x04, 0x80 };

        ck_assert(compliance_is_accepted(0x02, accepted, 4));
        ck_assert(!compliance_is_accepted(0x03, accepted, 4));
        ck_assert(!compliance_is_accepted(0x02, refused, 4));
        for (size_t n = 0; n < 4; n++)
                ck_assert(!compliance_is_accepted(0x02, accepted, n));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("compliance");
        TCase *tc = tcase_create("compliance");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, code_is_the_first_byte);
        tcase_add_test(tc, request_shorter_than_its_header_is_refused);
        tcase_add_test(tc, only_status_zero_of_the_same_code_is_success);
        tcase_add_test(tc, codes_have_names);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
