/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The main() of a Check program with one suite: DEFINE_SUITE("timer", test_a, test_b). */

#include <check.h>
#include <stdlib.h>

#define DEFINE_SUITE(suite_name, ...)                                                                       \
        int main(void) {                                                                                    \
                const TTest *const tests[] = { __VA_ARGS__ };                                               \
                Suite *suite = suite_create(suite_name);                                                    \
                TCase *tcase = tcase_create(suite_name);                                                    \
                SRunner *runner;                                                                            \
                int n_failed;                                                                               \
                                                                                                            \
                for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)                               \
                        tcase_add_test(tcase, tests[i]);                                                    \
                suite_add_tcase(suite, tcase);                                                              \
                runner = srunner_create(suite);                                                             \
                srunner_run_all(runner, CK_NORMAL);                                                         \
                n_failed = srunner_ntests_failed(runner);                                                   \
                srunner_free(runner);                                                                       \
                return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;                                         \
        }
