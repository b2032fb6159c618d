/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/errors.h"
#include "dbus/names.h"

START_TEST(each_row_is_found_by_its_errno_and_its_name) {
        const DoeError *e;

        for (size_t i = 0; (e = doe_error_get(i)); i++) {
                ck_assert_ptr_eq(doe_error_find_by_errno(e->error), e);
                ck_assert_ptr_eq(doe_error_find_by_errno(-e->error), e);
                ck_assert_ptr_eq(doe_error_find_by_name(e->dbus_name), e);
        }
}
END_TEST

START_TEST(no_errno_and_no_name_stands_twice) {
        const DoeError *a, *b;

        for (size_t i = 0; (a = doe_error_get(i)); i++)
                for (size_t j = i + 1; (b = doe_error_get(j)); j++) {
                        ck_assert_int_ne(a->error, b->error);
                        ck_assert_str_ne(a->name, b->name);
                }
}
END_TEST

START_TEST(each_row_is_whole) {
        const DoeError *e;
        size_t n = 0;

        for (; (e = doe_error_get(n)); n++) {
                const char *dot = strrchr(e->dbus_name, '.');

                ck_assert_int_gt(e->error, 0);
                ck_assert_int_ge(e->exit_code, DOE_EXIT_FAILED);
                ck_assert_int_le(e->exit_code, DOE_EXIT_UNAVAILABLE);
                ck_assert_str_ne(e->meaning, "");
                ck_assert_ptr_nonnull(dot);
                ck_assert_str_eq(dot + 1, e->name);
        }
        ck_assert_uint_eq(n, 20);
}
END_TEST

static const struct {
        const char *dbus_name;
        int error;
        int exit_code;
} samples[] = {
        { "org.doed.Error.Unsupported", EPROTONOSUPPORT, 3 },
        { "org.doed.Error.NeedsLease", ENOLCK, 4 },
        { "org.doed.Error.Busy", EBUSY, 5 },
        { "org.doed.Error.TimedOut", ETIMEDOUT, 6 },
        { "org.doed.Error.KernelOwned", EXDEV, 7 },
        { "org.doed.Error.Unavailable", EHOSTDOWN, 8 },
        { "org.doed.Error.BadResponse", EBADMSG, 1 },
        { "org.doed.Error.TooLarge", EMSGSIZE, 2 },
        { "org.freedesktop.DBus.Error.AccessDenied", EACCES, 4 },
        { "org.freedesktop.DBus.Error.InvalidArgs", EINVAL, 2 },
};

START_TEST(names_errnos_and_exit_codes_are_those_of_the_contract) {
        const DoeError *e = doe_error_find_by_name(samples[_i].dbus_name);

        ck_assert_ptr_nonnull(e);
        ck_assert_int_eq(e->error, samples[_i].error);
        ck_assert_int_eq(e->exit_code, samples[_i].exit_code);
}
END_TEST

START_TEST(what_is_not_in_the_table_is_not_found) {
        ck_assert_ptr_null(doe_error_find_by_errno(0));
        ck_assert_ptr_null(doe_error_find_by_errno(EPIPE));
        ck_assert_ptr_null(doe_error_find_by_name(NULL));
        ck_assert_ptr_null(doe_error_find_by_name("org.doed.Error."));
        ck_assert_ptr_null(doe_error_find_by_name("org.doed.Error.AccessDenied"));
        ck_assert_ptr_null(doe_error_find_by_name(DBUS_ERROR_PREFIX "UnknownMethod"));
}
END_TEST

int main(void) {
        Suite *s = suite_create("errors");
        TCase *t = tcase_create("table");
        SRunner *runner;
        int n_failed;

        tcase_add_test(t, each_row_is_found_by_its_errno_and_its_name);
        tcase_add_test(t, no_errno_and_no_name_stands_twice);
        tcase_add_test(t, each_row_is_whole);
        tcase_add_loop_test(t, names_errnos_and_exit_codes_are_those_of_the_contract, 0,
                            (int)(sizeof(samples) / sizeof(samples[0])));
        tcase_add_test(t, what_is_not_in_the_table_is_not_found);
        suite_add_tcase(s, t);

        runner = srunner_create(s);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
