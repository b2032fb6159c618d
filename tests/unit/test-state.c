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

static WireRecord make_record(uint8_t digest, uint64_t expires_usec) {
        WireRecord r = { .digest = { digest },
                         .uid = 1000,
                         .offset = 0x160,
                         .vendor_id = 0x0001,
                         .type = 2,
                         .is_session = true,
                         .epoch = 7,
                         .expires_usec = expires_usec,
                         .keep_usec = 600 };

        return r;
}

static int put(uint8_t digest, uint64_t expires_usec) {
        WireRecord r = make_record(digest, expires_usec);

        return state_put_record(s, &r, 100);
}

static WireRecord records[WIRE_RECORDS_MAX];

static size_t get(uint64_t now_usec) {
        return state_get_records(s, now_usec, records);
}

static void open_with_epoch(void) {
        open_as("a");
        state_set_epoch(s, 0x160, 7);
}

START_TEST(record_is_found_again_as_it_was) {
        WireRecord r = make_record(1, 0);

        open_with_epoch();
        ck_assert_int_eq(put(1, 0), 0);
        open_as("a");
        ck_assert_uint_eq(get(100), 1);
        ck_assert_mem_eq(records[0].digest, r.digest, WIRE_DIGEST_BYTES);
        ck_assert_uint_eq(records[0].uid, 1000);
        ck_assert_uint_eq(records[0].type, 2);
        ck_assert(records[0].is_session);
        ck_assert_uint_eq(records[0].keep_usec, 600);
}
END_TEST

START_TEST(record_of_the_same_digest_takes_its_place) {
        open_with_epoch();
        ck_assert_int_eq(put(1, 0), 0);
        ck_assert_int_eq(put(1, 500), 0);
        ck_assert_uint_eq(get(100), 1);
        ck_assert_uint_eq(records[0].expires_usec, 500);
}
END_TEST

START_TEST(record_that_is_dropped_or_expired_is_gone) {
        WireRecord r = make_record(1, 0);

        open_with_epoch();
        put(1, 0);
        put(2, 500);
        put(3, 600);
        state_drop_record(s, r.digest);
        state_drop_record(s, r.digest);
        ck_assert_uint_eq(get(499), 2);
        ck_assert_uint_eq(get(500), 1);
        ck_assert_uint_eq(records[0].digest[0], 3);
}
END_TEST

START_TEST(record_of_another_epoch_or_instance_is_gone) {
        open_with_epoch();
        put(1, 0);
        state_set_epoch(s, 0x160, 8);
        ck_assert_uint_eq(get(100), 0);
        state_set_epoch(s, 0x160, 7);
        ck_assert_uint_eq(get(100), 0);
        put(2, 0);
        open_as("b");
        ck_assert_uint_eq(get(100), 0);
}
END_TEST

START_TEST(open_ones_expire_once_nobody_has_the_leases) {
        open_with_epoch();
        put(1, 0);
        put(2, 5000);
        state_orphan_records(s, 1000);
        state_orphan_records(s, 2000);
        ck_assert_uint_eq(get(1599), 2);
        ck_assert_uint_eq(get(1600), 1);
        ck_assert_uint_eq(records[0].digest[0], 2);
}
END_TEST

START_TEST(the_first_to_expire_makes_room) {
        open_with_epoch();
        for (uint8_t i = 0; i < WIRE_RECORDS_MAX; i++)
                ck_assert_int_eq(put(i, i == 9 ? 200 : i == 0 ? 0 : 300 + i), 0);
        ck_assert_int_eq(put(100, 0), 0);
        ck_assert_uint_eq(get(150), WIRE_RECORDS_MAX);
        for (size_t i = 0; i < WIRE_RECORDS_MAX; i++)
                ck_assert_uint_ne(records[i].digest[0], 9);
}
END_TEST

START_TEST(no_room_is_made_at_the_cost_of_open_leases) {
        open_with_epoch();
        for (uint8_t i = 0; i < WIRE_RECORDS_MAX; i++)
                put(i, 0);
        ck_assert_int_eq(put(100, 0), -ENOSPC);
        state_set_epoch(s, 0x160, 8);
        ck_assert_int_eq(put(100, 0), 0);
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
        tcase_add_test(t, record_is_found_again_as_it_was);
        tcase_add_test(t, record_of_the_same_digest_takes_its_place);
        tcase_add_test(t, record_that_is_dropped_or_expired_is_gone);
        tcase_add_test(t, record_of_another_epoch_or_instance_is_gone);
        tcase_add_test(t, open_ones_expire_once_nobody_has_the_leases);
        tcase_add_test(t, the_first_to_expire_makes_room);
        tcase_add_test(t, no_room_is_made_at_the_cost_of_open_leases);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
