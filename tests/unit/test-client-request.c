/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/memory.h"
#include "client/request.h"
#include "protocols/data-object.h"

/* A file of @n_bytes, all 0x5a. */
static void write_file(char *name, size_t n_bytes) {
        int fd = mkstemp(name);
        FILE *file = fdopen(fd, "w");

        ck_assert_ptr_nonnull(file);
        for (size_t i = 0; i < n_bytes; i++)
                fputc(0x5a, file);
        ck_assert_int_eq(fclose(file), 0);
}

START_TEST(no_argument_is_an_empty_payload) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n_bytes = 9;
        Failure f = { 0 };

        ck_assert_int_eq(request_read(NULL, &bytes, &n_bytes, &f), 0);
        ck_assert_uint_eq(n_bytes, 0);
}
END_TEST

START_TEST(hex_is_read_as_bytes) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n_bytes;
        Failure f = { 0 };

        ck_assert_int_eq(request_read("10 84", &bytes, &n_bytes, &f), 0);
        ck_assert_uint_eq(n_bytes, 2);
        ck_assert_mem_eq(bytes, "\x10\x84", 2);
}
END_TEST

START_TEST(wrong_hex_says_where_it_is_wrong) {
        uint8_t *bytes = NULL;
        size_t n_bytes;
        Failure f = { 0 };

        ck_assert_int_eq(request_read("10 8x", &bytes, &n_bytes, &f), -EINVAL);
        ck_assert_ptr_nonnull(strstr(f.text, "\"x\" at character 5"));
        failure_done(&f);
}
END_TEST

START_TEST(file_is_read_up_to_the_largest_object) {
        char argument[] = "@/tmp/doectl-request-XXXXXX";
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n_bytes;
        Failure f = { 0 };

        write_file(argument + 1, DOE_PAYLOAD_BYTES_MAX);
        ck_assert_int_eq(request_read(argument, &bytes, &n_bytes, &f), 0);
        unlink(argument + 1);
        ck_assert_uint_eq(n_bytes, DOE_PAYLOAD_BYTES_MAX);
        ck_assert_uint_eq(bytes[n_bytes - 1], 0x5a);
}
END_TEST

START_TEST(larger_file_is_refused) {
        char argument[] = "@/tmp/doectl-request-XXXXXX";
        uint8_t *bytes = NULL;
        size_t n_bytes;
        Failure f = { 0 };

        write_file(argument + 1, DOE_PAYLOAD_BYTES_MAX + 1);
        ck_assert_int_eq(request_read(argument, &bytes, &n_bytes, &f), -EMSGSIZE);
        unlink(argument + 1);
        ck_assert_ptr_nonnull(strstr(f.text, "1048568"));
        failure_done(&f);
}
END_TEST

START_TEST(missing_file_is_refused_by_name) {
        uint8_t *bytes = NULL;
        size_t n_bytes;
        Failure f = { 0 };

        ck_assert_int_eq(request_read("@/nonexistent/file", &bytes, &n_bytes, &f), -EINVAL);
        ck_assert_ptr_nonnull(strstr(f.text, "/nonexistent/file: No such file"));
        failure_done(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-request");
        TCase *tc = tcase_create("request");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, no_argument_is_an_empty_payload);
        tcase_add_test(tc, hex_is_read_as_bytes);
        tcase_add_test(tc, wrong_hex_says_where_it_is_wrong);
        tcase_add_test(tc, file_is_read_up_to_the_largest_object);
        tcase_add_test(tc, larger_file_is_refused);
        tcase_add_test(tc, missing_file_is_refused_by_name);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
