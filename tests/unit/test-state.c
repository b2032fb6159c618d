/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "daemon/pci/state.h"
#include "tests/unit/temporary-tree.h"

#define ADDRESS "0000:3a:00.0"

static State *s;

static void setup(void) {
        tree_make();
        tree_mkdir("state");
}

static void teardown(void) {
        s = state_close(s);
        tree_remove();
}

static void open_as(const char *instance) {
        s = state_close(s);
        ck_assert_int_eq(state_open(tree_root, ADDRESS, instance, &s), 0);
}

START_TEST(mailbox_that_was_never_seen_has_no_epoch_and_is_not_clean) {
        open_as("a");
        ck_assert_uint_eq(state_epoch(s, 0x160), 0);
        ck_assert(!state_is_clean(s, 0x160));
}
END_TEST

START_TEST(marks_of_each_mailbox_are_found_again) {
        open_as("a");
        state_set_epoch(s, 0x160, 7);
        state_set_clean(s, 0x160, true);
        state_set_epoch(s, 0x190, UINT64_MAX);
        open_as("a");
        ck_assert_uint_eq(state_epoch(s, 0x160), 7);
        ck_assert(state_is_clean(s, 0x160));
        ck_assert_uint_eq(state_epoch(s, 0x190), UINT64_MAX);
        ck_assert(!state_is_clean(s, 0x190));
}
END_TEST

START_TEST(marks_survive_a_process_that_is_killed) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                if (state_open(tree_root, ADDRESS, "a", &s) < 0)
                        _exit(1);
                state_set_epoch(s, 0x160, 3);
                state_set_clean(s, 0x160, true);
                kill(getpid(), SIGKILL);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        open_as("a");
        ck_assert_uint_eq(state_epoch(s, 0x160), 3);
        ck_assert(state_is_clean(s, 0x160));
}
END_TEST

START_TEST(another_instance_keeps_epochs_and_no_clean_mark) {
        open_as("a");
        state_set_epoch(s, 0x160, 7);
        state_set_clean(s, 0x160, true);
        open_as("b");
        ck_assert_uint_eq(state_epoch(s, 0x160), 7);
        ck_assert(!state_is_clean(s, 0x160));
}
END_TEST

START_TEST(file_of_nobody_counts_for_nothing) {
        tree_write("state/" ADDRESS, "something else");
        open_as("a");
        ck_assert_uint_eq(state_epoch(s, 0x160), 0);
}
END_TEST

START_TEST(file_of_another_boot_counts_for_nothing) {
        FILE *f;

        open_as("a");
        state_set_epoch(s, 0x160, 7);
        s = state_close(s);
        f = fopen(tree_path("state/" ADDRESS), "r+");
        fseek(f, 8, SEEK_SET); /* the boot id follows the magic number */
        fputc('x', f);
        fclose(f);
        open_as("a");
        ck_assert_uint_eq(state_epoch(s, 0x160), 0);
}
END_TEST

START_TEST(link_in_place_of_the_file_is_refused) {
        tree_write("target", "");
        tree_link("state/" ADDRESS, "target");
        ck_assert_int_eq(state_open(tree_root, ADDRESS, "a", &s), -ELOOP);
}
END_TEST

START_TEST(more_mailboxes_than_places_do_no_harm) {
        open_as("a");
        for (uint16_t i = 0; i < 160; i++)
                state_set_epoch(s, (uint16_t)(0x100 + 0x18 * i), i + 1u);
        ck_assert_uint_eq(state_epoch(s, 0x100 + 0x18 * 159), 160);
        ck_assert(!state_is_clean(s, 0x100 + 0x18 * 159));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("state");
        TCase *t = tcase_create("file");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, mailbox_that_was_never_seen_has_no_epoch_and_is_not_clean);
        tcase_add_test(t, marks_of_each_mailbox_are_found_again);
        tcase_add_test(t, marks_survive_a_process_that_is_killed);
        tcase_add_test(t, another_instance_keeps_epochs_and_no_clean_mark);
        tcase_add_test(t, file_of_nobody_counts_for_nothing);
        tcase_add_test(t, file_of_another_boot_counts_for_nothing);
        tcase_add_test(t, link_in_place_of_the_file_is_refused);
        tcase_add_test(t, more_mailboxes_than_places_do_no_harm);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
