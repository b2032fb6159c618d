/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <fcntl.h>

#include "daemon/pci/monitor-fifo.h"
#include "daemon/util/cleanup.h"
#include "daemon/wire/message.h"
#include "tests/unit/temporary-tree.h"

#define EVENTS_MAX 64

static struct event_base *base;
static MonitorFifo *m;
static Uevent events[EVENTS_MAX];
static size_t n_events;
static int writer;

static void on_event(void *userdata, const Uevent *event) {
        ck_assert_uint_lt(n_events, EVENTS_MAX);
        events[n_events++] = *event;
}

static void setup(void) {
        tree_make();
        tree_fifo("uevents");
        base = event_base_new();
        n_events = 0;
        ck_assert_int_eq(monitor_fifo_new(tree_path("uevents"), base, on_event, NULL, &m), 0);
        writer = open(tree_path("uevents"), O_WRONLY | O_CLOEXEC);
}

static void teardown(void) {
        close(writer);
        m = monitor_fifo_free(m);
        event_base_free(base);
        tree_remove();
}

static void say(const char *text) {
        ck_assert_int_eq(write(writer, text, strlen(text)), (ssize_t)strlen(text));
        event_base_loop(base, EVLOOP_NONBLOCK);
}

START_TEST(line_is_an_event) {
        say("change /devices/pci0000:3a/0000:3a:00.0 pci DRIVER=cxl_pci X=y ERROR_EVENT=BEGIN_RECOVERY\n");
        ck_assert_uint_eq(n_events, 1);
        ck_assert_str_eq(events[0].action, "change");
        ck_assert_str_eq(events[0].devpath, "/devices/pci0000:3a/0000:3a:00.0");
        ck_assert_str_eq(events[0].subsystem, "pci");
        ck_assert_str_eq(events[0].driver, "cxl_pci");
        ck_assert_str_eq(events[0].error_event, "BEGIN_RECOVERY");
}
END_TEST

START_TEST(lines_may_come_in_any_pieces) {
        say("add /devices/a p");
        ck_assert_uint_eq(n_events, 0);
        say("ci\nremove /devices/b pci\nadd");
        ck_assert_uint_eq(n_events, 2);
        say(" /devices/c cxl\n");
        ck_assert_uint_eq(n_events, 3);
        ck_assert_str_eq(events[0].devpath, "/devices/a");
        ck_assert_str_eq(events[1].action, "remove");
        ck_assert_str_eq(events[2].subsystem, "cxl");
}
END_TEST

START_TEST(writers_may_come_and_go) {
        say("add /devices/a pci\n");
        close(writer);
        event_base_loop(base, EVLOOP_NONBLOCK);
        writer = open(tree_path("uevents"), O_WRONLY | O_CLOEXEC);
        say("add /devices/b pci\n");
        ck_assert_uint_eq(n_events, 2);
}
END_TEST

static const char *const bad_lines[] = {
        "\n",
        "add\n",
        "add /devices/a\n",
        "add devices/a pci\n",
        " /devices/a pci\n",
        "add  pci\n",
        ("an-action-that-is-longer-than-any-action-of-the-kernel-could-ever-be "
         "/devices/a pci\n"),
};

START_TEST(line_that_is_no_event_is_left_out) {
        say(bad_lines[_i]);
        say("add /devices/b pci\n");
        ck_assert_uint_eq(n_events, 1);
        ck_assert_str_eq(events[0].devpath, "/devices/b");
}
END_TEST

START_TEST(line_that_is_too_long_is_left_out_as_a_whole) {
        char part[1001];

        memset(part, 'x', sizeof(part) - 1);
        part[sizeof(part) - 1] = '\0';
        say("add /devices/a pci K=");
        for (int i = 0; i < 9; i++)
                say(part);
        say("\nadd /devices/b pci\n");
        ck_assert_uint_eq(n_events, 1);
        ck_assert_str_eq(events[0].devpath, "/devices/b");
}
END_TEST

START_TEST(file_that_is_no_fifo_is_refused) {
        MonitorFifo *other = NULL;

        tree_write("file", "");
        ck_assert_int_eq(monitor_fifo_new(tree_path("file"), base, on_event, NULL, &other), -EINVAL);
        ck_assert_int_eq(monitor_fifo_new(tree_path("nothing"), base, on_event, NULL, &other), -ENOENT);
}
END_TEST

START_TEST(address_is_that_of_the_last_function_on_the_path) {
        Uevent event = { .devpath = "/devices/pci0000:0c/0000:0c:00.0/0000:0d:00.0/mem0" };
        char address[WIRE_ADDRESS_MAX];

        ck_assert(uevent_address(&event, address));
        ck_assert_str_eq(address, "0000:0d:00.0");
        ck_assert_str_eq(uevent_name(&event), "mem0");
        strcpy(event.devpath, "/devices/platform/ACPI0017:00/root0/port1/endpoint2");
        ck_assert(!uevent_address(&event, address));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("monitor-fifo");
        TCase *t = tcase_create("lines");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, line_is_an_event);
        tcase_add_test(t, lines_may_come_in_any_pieces);
        tcase_add_test(t, writers_may_come_and_go);
        tcase_add_loop_test(t, line_that_is_no_event_is_left_out, 0, (int)ELEMENTS(bad_lines));
        tcase_add_test(t, line_that_is_too_long_is_left_out_as_a_whole);
        tcase_add_test(t, file_that_is_no_fifo_is_refused);
        tcase_add_test(t, address_is_that_of_the_last_function_on_the_path);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
