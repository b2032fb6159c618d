/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>

#include "daemon/pci/power.h"
#include "daemon/util/cleanup.h"
#include "tests/unit/temporary-tree.h"

#define ADDRESS "0000:3a:00.0"
#define CONTROL "bus/pci/devices/" ADDRESS "/power/control"
#define KEPT    "power/" ADDRESS

/* The root serves as sysfs and as /run. */
static void setup(void) {
        tree_make();
        tree_add_function(ADDRESS, NULL, 0);
        power_start(tree_root, tree_root);
}

START_TEST(function_is_kept_awake_and_given_back) {
        power_pin(tree_root, tree_root, ADDRESS);
        ck_assert_str_eq(tree_read(CONTROL), "on");
        ck_assert_str_eq(tree_read(KEPT), "auto");
        power_unpin(tree_root, tree_root, ADDRESS);
        ck_assert_str_eq(tree_read(CONTROL), "auto");
        ck_assert_int_ne(access(tree_path(KEPT), F_OK), 0);
}
END_TEST

START_TEST(function_that_is_on_anyway_is_left_alone) {
        tree_write(CONTROL, "on\n");
        power_pin(tree_root, tree_root, ADDRESS);
        ck_assert_str_eq(tree_read(CONTROL), "on\n");
        ck_assert_int_ne(access(tree_path(KEPT), F_OK), 0);
        power_unpin(tree_root, tree_root, ADDRESS);
        ck_assert_str_eq(tree_read(CONTROL), "on\n");
}
END_TEST

START_TEST(next_start_gives_back_what_a_crash_left) {
        power_pin(tree_root, tree_root, ADDRESS);
        power_start(tree_root, tree_root);
        ck_assert_str_eq(tree_read(CONTROL), "auto");
        ck_assert_int_ne(access(tree_path(KEPT), F_OK), 0);
}
END_TEST

START_TEST(function_that_is_gone_leaves_nothing_behind) {
        power_pin(tree_root, tree_root, ADDRESS);
        tree_unlink("bus/pci/devices/" ADDRESS);
        power_unpin(tree_root, tree_root, ADDRESS);
        ck_assert_int_ne(access(tree_path(KEPT), F_OK), 0);
        power_pin(tree_root, tree_root, ADDRESS);
        ck_assert_int_ne(access(tree_path(KEPT), F_OK), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("power");
        TCase *t = tcase_create("control");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, tree_remove);
        tcase_add_test(t, function_is_kept_awake_and_given_back);
        tcase_add_test(t, function_that_is_on_anyway_is_left_alone);
        tcase_add_test(t, next_start_gives_back_what_a_crash_left);
        tcase_add_test(t, function_that_is_gone_leaves_nothing_behind);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
