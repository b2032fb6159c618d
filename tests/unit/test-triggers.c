/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/pci/triggers.h"
#include "tests/unit/temporary-tree.h"

#define ADDRESS "0000:3a:00.0"
#define FOLDER  "bus/pci/devices/" ADDRESS

static struct event_base *base;
static Triggers *t;
static struct {
        TriggerKind kind;
        char object[64];
        TriggerTime when;
} seen[16];
static size_t n_seen;
static bool may_wait;
static int opened[2]; /* a pipe that tells that the child's open() has returned */

static void on_trigger(void *userdata, TriggerKind kind, const char *object, TriggerTime when) {
        ck_assert_uint_lt(n_seen, 16);
        seen[n_seen].kind = kind;
        seen[n_seen].when = when;
        /* long enough for the child to go on, if it could */
        if (when == TRIGGER_WAITS)
                ck_assert_int_eq(poll(&(struct pollfd){ .fd = opened[0], .events = POLLIN }, 1, 20), 0);
        snprintf(seen[n_seen++].object, sizeof(seen[0].object), "%s", object);
}

static void add_file(const char *name, mode_t mode) {
        tree_write(name, "");
        tree_chmod(name, mode);
}

static void add_driver(const char *folder) {
        char name[128];

        snprintf(name, sizeof(name), "%s/bind", folder);
        add_file(name, 0200);
        snprintf(name, sizeof(name), "%s/unbind", folder);
        add_file(name, 0200);
}

static void setup(void) {
        tree_make();
        base = event_base_new();
        n_seen = 0;
        add_file("bus/pci/rescan", 0200);
        add_file("bus/pci/drivers_probe", 0200);
        add_driver("bus/pci/drivers/cxl_pci");
        add_driver("bus/cxl/drivers/cxl_port");
        add_file("kernel/security/lockdown", 0644);
        tree_add_function(ADDRESS, NULL, 0);
        add_file(FOLDER "/remove", 0220);
        add_file(FOLDER "/reset", 0200);
        add_file(FOLDER "/tsm/connect", 0644);
        add_file(FOLDER "/tsm/disconnect", 0200);
        ck_assert_int_eq(triggers_new(tree_root, may_wait, base, on_trigger, NULL, &t), 0);
        triggers_watch_device(t, ADDRESS);
}

static void setup_gated(void) {
        may_wait = true;
        setup();
        may_wait = false;
}

static void teardown(void) {
        t = triggers_free(t);
        event_base_free(base);
        tree_remove();
}

static void assert_seen(TriggerKind kind, const char *object, TriggerTime when) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        ck_assert_uint_eq(n_seen, 1);
        ck_assert_int_eq(seen[0].kind, kind);
        ck_assert_str_eq(seen[0].object, object);
        ck_assert_int_eq(seen[0].when, when);
        n_seen = 0;
}

static void assert_nothing_seen(void) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        ck_assert_uint_eq(n_seen, 0);
}

static const struct {
        const char *file;
        TriggerKind kind;
        const char *object;
} root_files[] = {
        { "bus/pci/drivers_probe", TRIGGER_BIND, "" },
        { "bus/pci/drivers/cxl_pci/bind", TRIGGER_BIND, "cxl_pci" },
        { "bus/pci/drivers/cxl_pci/unbind", TRIGGER_UNBIND, "cxl_pci" },
        { "bus/cxl/drivers/cxl_port/unbind", TRIGGER_CXL, "cxl_port" },
        { FOLDER "/remove", TRIGGER_REMOVE, ADDRESS },
        { FOLDER "/reset", TRIGGER_RESET, ADDRESS },
        { FOLDER "/tsm/disconnect", TRIGGER_TSM, ADDRESS },
};

START_TEST(open_of_a_file_for_root_is_seen_before_anything_is_written) {
        int fd = open(tree_path(root_files[_i].file), O_WRONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        assert_seen(root_files[_i].kind, root_files[_i].object, TRIGGER_AHEAD);
        close(fd);
        assert_nothing_seen();
}
END_TEST

static const struct {
        const char *file;
        TriggerKind kind;
        const char *object;
} open_files[] = {
        { "kernel/security/lockdown", TRIGGER_LOCKDOWN, "" },
        { FOLDER "/tsm/connect", TRIGGER_TSM, ADDRESS },
};

/* Any user may open them to read. */
START_TEST(file_that_others_can_open_counts_once_it_was_written) {
        int fd = open(tree_path(open_files[_i].file), O_RDONLY | O_CLOEXEC);

        close(fd);
        assert_nothing_seen();
        fd = open(tree_path(open_files[_i].file), O_WRONLY | O_CLOEXEC);
        assert_nothing_seen();
        close(fd);
        assert_seen(open_files[_i].kind, open_files[_i].object, TRIGGER_AFTER);
}
END_TEST

static void touch(const char *name) {
        close(open(tree_path(name), O_WRONLY | O_CLOEXEC));
}

START_TEST(driver_that_comes_later_is_watched_too) {
        add_driver("new/nvme");
        ck_assert_int_eq(rename(tree_path("new/nvme"), tree_path("bus/pci/drivers/nvme")), 0);
        assert_nothing_seen();
        touch("bus/pci/drivers/nvme/unbind");
        assert_seen(TRIGGER_UNBIND, "nvme", TRIGGER_AHEAD);
}
END_TEST

START_TEST(driver_that_is_told_of_is_watched_too) {
        add_driver("bus/pci/drivers/nvme");
        triggers_watch_drivers(t);
        assert_nothing_seen();
        touch("bus/pci/drivers/nvme/bind");
        assert_seen(TRIGGER_BIND, "nvme", TRIGGER_AHEAD);
}
END_TEST

START_TEST(watching_twice_tells_once) {
        triggers_watch_device(t, ADDRESS);
        triggers_watch_drivers(t);
        touch(FOLDER "/reset");
        assert_seen(TRIGGER_RESET, ADDRESS, TRIGGER_AHEAD);
}
END_TEST

START_TEST(device_that_is_forgotten_is_not_watched) {
        triggers_forget_device(t, ADDRESS);
        touch(FOLDER "/reset");
        assert_nothing_seen();
        triggers_watch_device(t, ADDRESS);
        touch(FOLDER "/reset");
        assert_seen(TRIGGER_RESET, ADDRESS, TRIGGER_AHEAD);
}
END_TEST

START_TEST(files_that_go_away_leave_no_watch_behind) {
        tree_unlink("devices/pci0000:00/" ADDRESS);
        assert_nothing_seen();
        tree_add_function(ADDRESS, NULL, 0);
        add_file(FOLDER "/remove", 0220);
        triggers_watch_device(t, ADDRESS);
        touch(FOLDER "/remove");
        assert_seen(TRIGGER_REMOVE, ADDRESS, TRIGGER_AHEAD);
}
END_TEST

/* In a child, since whoever answers cannot be whoever waits. */
static void open_in_child(const char *name) {
        pid_t child;
        int status;

        ck_assert_int_eq(pipe(opened), 0);
        child = tree_open_in_child(name, opened[1]);
        while (waitpid(child, &status, WNOHANG) == 0)
                event_base_loop(base, EVLOOP_NONBLOCK);
        ck_assert_int_eq(status, 0);
        ck_assert_int_eq(poll(&(struct pollfd){ .fd = opened[0], .events = POLLIN }, 1, 0), 1);
        close(opened[0]);
        close(opened[1]);
        event_base_loop(base, EVLOOP_NONBLOCK);
}

START_TEST(whoever_opens_a_gated_file_waits_for_the_handler) {
        open_in_child(root_files[_i].file);
        assert_seen(root_files[_i].kind, root_files[_i].object, TRIGGER_WAITS);
        /* it is gated again a little after it was closed, and told of until then */
        do {
                n_seen = 0;
                open_in_child(root_files[_i].file);
        } while (n_seen == 1 && seen[0].when == TRIGGER_AHEAD);
        assert_seen(root_files[_i].kind, root_files[_i].object, TRIGGER_WAITS);
}
END_TEST

START_TEST(gated_files_of_a_driver_that_came_back_are_gated_again) {
        tree_unlink("bus/pci/drivers/cxl_pci");
        add_driver("bus/pci/drivers/cxl_pci");
        triggers_watch_drivers(t);
        open_in_child("bus/pci/drivers/cxl_pci/bind");
        assert_seen(TRIGGER_BIND, "cxl_pci", TRIGGER_WAITS);
}
END_TEST

START_TEST(files_that_others_can_open_are_not_gated) {
        int fd = open(tree_path(open_files[_i].file), O_WRONLY | O_CLOEXEC);

        assert_nothing_seen();
        close(fd);
        assert_seen(open_files[_i].kind, open_files[_i].object, TRIGGER_AFTER);
}
END_TEST

static struct __user_cap_header_struct capability_header = { .version = _LINUX_CAPABILITY_VERSION_3 };
static struct __user_cap_data_struct all_capabilities[2];

/* As the unit of doed-pci runs it: root, with CAP_SYS_ADMIN only. */
static void setup_confined(void) {
        struct __user_cap_data_struct few[2];

        ck_assert_int_eq(syscall(SYS_capget, &capability_header, all_capabilities), 0);
        memcpy(few, all_capabilities, sizeof(few));
        few[0].effective &= 1u << CAP_SYS_ADMIN;
        few[1].effective = 0;
        ck_assert_int_eq(syscall(SYS_capset, &capability_header, few), 0);
        setup_gated();
}

static void teardown_confined(void) {
        teardown();
        ck_assert_int_eq(syscall(SYS_capset, &capability_header, all_capabilities), 0);
}

START_TEST(root_without_the_right_to_read_them_gates_them_all_the_same) {
        open_in_child(root_files[_i].file);
        assert_seen(root_files[_i].kind, root_files[_i].object, TRIGGER_WAITS);
        /* gated again soon after, if not told of meanwhile */
        do
                open_in_child(root_files[_i].file);
        while (n_seen == 0);
        assert_seen(root_files[_i].kind, root_files[_i].object, TRIGGER_WAITS);
}
END_TEST

START_TEST(files_that_can_be_read_are_watched_by_confined_root) {
        close(open(tree_path(open_files[_i].file), O_WRONLY | O_CLOEXEC));
        assert_seen(open_files[_i].kind, open_files[_i].object, TRIGGER_AFTER);
}
END_TEST

static TCase *make_confined(void) {
        TCase *tc = tcase_create("confined");

        tcase_add_checked_fixture(tc, setup_confined, teardown_confined);
        tcase_add_loop_test(tc, root_without_the_right_to_read_them_gates_them_all_the_same, 0,
                            sizeof(root_files) / sizeof(root_files[0]));
        tcase_add_loop_test(tc, files_that_can_be_read_are_watched_by_confined_root, 0,
                            sizeof(open_files) / sizeof(open_files[0]));
        return tc;
}

static TCase *make_gated(void) {
        TCase *tc = tcase_create("gate");

        tcase_add_checked_fixture(tc, setup_gated, teardown);
        tcase_add_loop_test(tc, whoever_opens_a_gated_file_waits_for_the_handler, 0,
                            sizeof(root_files) / sizeof(root_files[0]));
        tcase_add_loop_test(tc, files_that_others_can_open_are_not_gated, 0,
                            sizeof(open_files) / sizeof(open_files[0]));
        tcase_add_test(tc, gated_files_of_a_driver_that_came_back_are_gated_again);
        return tc;
}

int main(void) {
        Suite *suite = suite_create("triggers");
        TCase *tc = tcase_create("inotify");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_add_loop_test(tc, open_of_a_file_for_root_is_seen_before_anything_is_written, 0,
                            sizeof(root_files) / sizeof(root_files[0]));
        tcase_add_loop_test(tc, file_that_others_can_open_counts_once_it_was_written, 0,
                            sizeof(open_files) / sizeof(open_files[0]));
        tcase_add_test(tc, driver_that_comes_later_is_watched_too);
        tcase_add_test(tc, driver_that_is_told_of_is_watched_too);
        tcase_add_test(tc, watching_twice_tells_once);
        tcase_add_test(tc, device_that_is_forgotten_is_not_watched);
        tcase_add_test(tc, files_that_go_away_leave_no_watch_behind);
        suite_add_tcase(suite, tc);
        if (geteuid() == 0) {
                suite_add_tcase(suite, make_gated());
                suite_add_tcase(suite, make_confined());
        } else {
                puts("Not root: that opening waits is not tested");
        }
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
