/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/failure.h"
#include "client/json.h"
#include "client/memory.h"

static char *print(const Failure *f, void (*how)(const Failure *, FILE *)) {
        char *buf = NULL;
        size_t n_buf;
        FILE *stream = memory_must(open_memstream(&buf, &n_buf));

        how(f, stream);
        fclose(stream);
        return buf;
}

static const struct {
        const char *name;
        int exit_code;
} exits[] = {
        { "org.doed.Error.Busy", 5 },
        { "org.freedesktop.DBus.Error.AccessDenied", 4 },
        { "org.freedesktop.DBus.Error.ServiceUnknown", 8 },
        { "org.freedesktop.DBus.Error.NameHasNoOwner", 8 },
        { "org.freedesktop.DBus.Error.Spawn.ExecFailed", 8 },
        { "org.freedesktop.systemd1.NoSuchUnit", 8 },
        { "org.freedesktop.DBus.Error.UnknownObject", 3 },
        { "org.freedesktop.DBus.Error.UnknownMethod", 3 },
        { "org.freedesktop.DBus.Error.Spawn", 1 },
        { "com.example.Whatever", 1 },
};

START_TEST(every_error_name_has_an_exit_code) {
        ck_assert_int_eq((int)failure_exit_code(exits[_i].name), exits[_i].exit_code);
}
END_TEST

START_TEST(setting_gives_the_errno_of_the_name) {
        Failure f = { 0 };

        ck_assert_int_eq(failure_set(&f, FAILURE_TIMED_OUT, "x"), -ETIMEDOUT);
        ck_assert_int_eq(failure_set(&f, "com.example.Whatever", "y"), -EIO);
        ck_assert_str_eq(f.text, "y");
        failure_done(&f);
}
END_TEST

START_TEST(values_that_the_text_names_are_not_repeated) {
        _cleanup_free_ char *s = NULL;
        Failure f = { 0 };

        failure_set(&f, FAILURE_TIMED_OUT, "Limit of 65536 bytes, code 12");
        failure_set_values(&f, json_pack("{s:i,s:i,s:i,s:s}", "limit", 65536, "queue-usec", 1500, "used",
                                         6553, "unit", "a\x1b"));
        s = print(&f, failure_print);
        ck_assert_str_eq(s, "doectl: Limit of 65536 bytes, code 12 (queue: 1.5 ms, used: 6553, unit: "
                            "a?)\n");
        failure_done(&f);
}
END_TEST

START_TEST(text_stands_alone_where_there_are_no_values) {
        _cleanup_free_ char *s = NULL;
        Failure f = { 0 };

        failure_set(&f, FAILURE_INVALID_ARGS, "No\nway");
        s = print(&f, failure_print);
        ck_assert_str_eq(s, "doectl: No?way\n");
        failure_done(&f);
}
END_TEST

START_TEST(programs_get_name_errno_exit_code_and_values) {
        _cleanup_json_ json_t *object = NULL;
        _cleanup_free_ char *s = NULL;
        Failure f = { 0 };
        const json_t *error;

        failure_set(&f, "org.doed.Error.Quota", "Too \"many\"");
        failure_set_values(&f, json_pack("{s:i}", "limit", 64));
        s = print(&f, failure_print_json);
        failure_done(&f);

        object = json_loads(s, 0, NULL);
        error = json_object_get(object, "error");
        ck_assert_str_eq(json_text(error, "name"), "org.doed.Error.Quota");
        ck_assert_str_eq(json_text(error, "errno"), "EDQUOT");
        ck_assert_uint_eq(json_uint(error, "exit-code"), 5);
        ck_assert_str_eq(json_text(error, "message"), "Too \"many\"");
        ck_assert_uint_eq(json_uint(json_object_get(error, "values"), "limit"), 64);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-failure");
        TCase *tc = tcase_create("failure");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tc, every_error_name_has_an_exit_code, 0, (int)ELEMENTS(exits));
        tcase_add_test(tc, setting_gives_the_errno_of_the_name);
        tcase_add_test(tc, values_that_the_text_names_are_not_repeated);
        tcase_add_test(tc, text_stands_alone_where_there_are_no_values);
        tcase_add_test(tc, programs_get_name_errno_exit_code_and_values);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
