/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>

#include "daemon/pci/lock.h"
#include "daemon/util/cleanup.h"
#include "tests/unit/temporary-tree.h"

static void setup(void) {
        tree_make();
        tree_mkdir("lock");
}

static void open_lock(uint16_t offset, int *ret) {
        ck_assert_int_eq(mailbox_lock_open(tree_root, "0000:3a:00.0", offset, ret), 0);
}

START_TEST(lock_is_one_owners_until_it_is_closed) {
        _cleanup_close_ int a = -EBADF, b = -EBADF;

        open_lock(0x160, &a);
        open_lock(0x160, &b);
        ck_assert_int_eq(mailbox_lock_try(a), 1);
        ck_assert_int_eq(mailbox_lock_try(a), 1);
        ck_assert_int_eq(mailbox_lock_try(b), 0);
        close(TAKE_FD(a));
        ck_assert_int_eq(mailbox_lock_try(b), 1);
}
END_TEST

START_TEST(each_mailbox_has_its_own) {
        _cleanup_close_ int a = -EBADF, b = -EBADF;

        open_lock(0x160, &a);
        open_lock(0x190, &b);
        ck_assert_int_eq(mailbox_lock_try(a), 1);
        ck_assert_int_eq(mailbox_lock_try(b), 1);
        ck_assert_int_eq(access(tree_path("lock/0000:3a:00.0[160]"), F_OK), 0);
}
END_TEST

START_TEST(lock_that_is_released_is_the_next_ones) {
        _cleanup_close_ int a = -EBADF, b = -EBADF;

        open_lock(0x160, &a);
        open_lock(0x160, &b);
        ck_assert_int_eq(mailbox_lock_try(a), 1);
        mailbox_lock_release(a);
        ck_assert_int_eq(mailbox_lock_try(b), 1);
        mailbox_lock_release(-EBADF);
}
END_TEST

/* /proc/locks and stat() name a file in two ways on some file systems: then nobody can be told. */
START_TEST(holder_is_named_if_it_can_be_seen) {
        _cleanup_close_ int a = -EBADF, b = -EBADF;
        char holder[64], expected[64];

        open_lock(0x160, &a);
        open_lock(0x160, &b);
        ck_assert_str_eq(mailbox_lock_holder(b, holder, sizeof(holder)), "another process");
        ck_assert_int_eq(mailbox_lock_try(a), 1);
        snprintf(expected, sizeof(expected), "process %d (test-lock)", (int)getpid());
        mailbox_lock_holder(b, holder, sizeof(holder));
        ck_assert_msg(strcmp(holder, expected) == 0 || strcmp(holder, "another process") == 0, "%s", holder);
}
END_TEST

START_TEST(missing_folder_is_told) {
        int fd = -EBADF;

        ck_assert_int_eq(mailbox_lock_open(tree_path("nowhere"), "0000:3a:00.0", 0x160, &fd), -ENOENT);
        ck_assert_int_eq(fd, -EBADF);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lock");
        TCase *t = tcase_create("flock");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, tree_remove);
        tcase_add_test(t, lock_is_one_owners_until_it_is_closed);
        tcase_add_test(t, each_mailbox_has_its_own);
        tcase_add_test(t, lock_that_is_released_is_the_next_ones);
        tcase_add_test(t, holder_is_named_if_it_can_be_seen);
        tcase_add_test(t, missing_folder_is_told);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
