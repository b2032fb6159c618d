/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <unistd.h>

#include "daemon/pci/power.h"
#include "daemon/util/cleanup.h"
#include "tests/unit/temporary-tree.h"

#define ADDRESS "0000:3a:00.0"
#define CONTROL "bus/pci/devices/" ADDRESS "/power/control"
#define KEPT    "power/" ADDRESS

static int lock = -1; /* of the doed-pci that runs */

/* The root serves as sysfs and as /run. */
static void setup(void) {
        tree_make();
        tree_add_function(ADDRESS, NULL, 0);
        lock = power_start(tree_root, tree_root);
        ck_assert_int_ge(lock, 0);
}

static void stop(void) {
        if (lock >= 0)
                close(lock);
        lock = -1;
}

static void teardown(void) {
        stop();
        tree_remove();
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
        stop();
        lock = power_start(tree_root, tree_root);
        ck_assert_str_eq(tree_read(CONTROL), "auto");
        ck_assert_int_ne(access(tree_path(KEPT), F_OK), 0);
}
END_TEST

START_TEST(restoring_alone_makes_nothing) {
        power_pin(tree_root, tree_root, ADDRESS);
        stop();
        ck_assert_int_eq(power_restore(tree_root, tree_root), 0);
        ck_assert_str_eq(tree_read(CONTROL), "auto");
        ck_assert_int_ne(access(tree_path(KEPT), F_OK), 0);
        tree_unlink("power");
        ck_assert_int_eq(power_restore(tree_root, tree_root), -ENOENT);
        ck_assert_int_ne(access(tree_path("power"), F_OK), 0);
}
END_TEST

START_TEST(restoring_beside_a_running_one_is_refused) {
        power_pin(tree_root, tree_root, ADDRESS);
        ck_assert_int_eq(power_restore(tree_root, tree_root), -EBUSY);
        ck_assert_str_eq(tree_read(CONTROL), "on");
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

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, function_is_kept_awake_and_given_back);
        tcase_add_test(t, function_that_is_on_anyway_is_left_alone);
        tcase_add_test(t, next_start_gives_back_what_a_crash_left);
        tcase_add_test(t, restoring_alone_makes_nothing);
        tcase_add_test(t, restoring_beside_a_running_one_is_refused);
        tcase_add_test(t, function_that_is_gone_leaves_nothing_behind);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
