/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/pci/host-libpci.h"
#include "daemon/pci/host.h"
#include "daemon/util/clock.h"
#include "tests/unit/temporary-tree.h"

#define A      "0000:3a:00.0"
#define B      "0000:3a:00.1"
#define FOLDER "devices/pci0000:00/" A

#define EVENTS_MAX 16

static const TreeCapability one_mailbox[] = { { 0x100, 0x2e, 1, 0 } };

static struct event_base *base;
static Host *host;
static int uevents;
static HostEvent events[EVENTS_MAX];
static size_t n_events;
static size_t n_awaited;
static HostFunction *functions;
static size_t n_functions;

static void on_event(void *userdata, const HostEvent *event) {
        ck_assert_uint_lt(n_events, EVENTS_MAX);
        if (event->kind == HOST_EVENT_AWAIT_HELD) {
                /* of a function that was told to hold before */
                ck_assert_uint_gt(n_events, 0);
                ck_assert_uint_gt(event->wait_until_usec, 0);
                n_awaited++;
                return;
        }
        events[n_events++] = *event;
}

static void on_give_up(evutil_socket_t fd, short what, void *userdata) {
        ck_abort_msg("no event for 10 s");
}

static void setup(void) {
        static const struct timeval limit = { .tv_sec = 10 };

        tree_make();
        tree_fifo("uevents");
        tree_add_function(A, one_mailbox, 1);
        tree_add_function(B, NULL, 0);
        base = event_base_new();
        event_base_once(base, -1, EV_TIMEOUT, on_give_up, NULL, &limit);
        n_events = 0;
}

static void start(void) {
        ck_assert_int_eq(host_sysfs_new(tree_root, tree_root, 0, &host), 0);
        ck_assert_int_eq(host->ops->watch(host, base, on_event, NULL), 0);
        uevents = open(tree_path("uevents"), O_WRONLY | O_CLOEXEC);
}

static void teardown(void) {
        free(functions);
        functions = NULL;
        close(uevents);
        /* on a loaded machine any function may be late, and the host keeps what its thread may still use */
        while (libpci_scan_late() > 0)
                sched_yield();
        host = host->ops->free(host);
        event_base_free(base);
        tree_remove();
}

static void enumerate(void) {
        free(functions);
        functions = NULL;
        ck_assert_int_eq(host->ops->enumerate(host, &functions, &n_functions), 0);
}

static HostView view_of(const char *address) {
        HostView view = {};

        ck_assert_int_eq(host->ops->view(host, address, &view), 0);
        return view;
}

static void say(const char *line) {
        ck_assert_int_eq(write(uevents, line, strlen(line)), (ssize_t)strlen(line));
}

static void expect(HostEventKind kind, const char *address) {
        while (n_events == 0)
                event_base_loop(base, EVLOOP_ONCE);
        ck_assert_int_eq(events[0].kind, kind);
        ck_assert_str_eq(events[0].address, address);
        ck_assert_str_ne(events[0].reason, "");
        n_events--;
        memmove(events, events + 1, n_events * sizeof(events[0]));
}

static void expect_nothing(void) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        ck_assert_uint_eq(n_events, 0);
}

static void add_root_file(const char *name) {
        tree_write(name, "");
        tree_chmod(name, 0200);
}

/* From another process: where this one may, it makes the opener wait. */
static void touch(const char *name) {
        pid_t child = tree_open_in_child(name, -1);
        int status;

        n_awaited = 0;
        while (waitpid(child, &status, WNOHANG) == 0)
                event_base_loop(base, EVLOOP_NONBLOCK);
        ck_assert_int_eq(status, 0);
}

START_TEST(functions_with_a_mailbox_are_listed) {
        start();
        enumerate();
        ck_assert_uint_eq(n_functions, 1);
        ck_assert_str_eq(functions[0].address, A);
        ck_assert_uint_eq(functions[0].n_mailboxes, 1);
        ck_assert_str_ne(functions[0].instance, "");
}
END_TEST

START_TEST(tree_that_is_not_there_is_refused) {
        Host *other = NULL;

        start();
        ck_assert_int_eq(host_sysfs_new(tree_path("nowhere"), tree_root, 0, &other), -ENOENT);
        ck_assert_ptr_null(other);
}
END_TEST

START_TEST(tree_without_a_fifo_is_served_without_events) {
        tree_unlink("uevents");
        start();
        enumerate();
        ck_assert_uint_eq(n_functions, 1);
}
END_TEST

START_TEST(function_is_read_once_and_again_when_it_is_another) {
        char instance[WIRE_NAME_MAX];

        start();
        enumerate();
        strcpy(instance, functions[0].instance);
        /* a second read would see it */
        ck_assert_int_eq(truncate(tree_path(FOLDER "/config"), 256), 0);
        enumerate();
        ck_assert_uint_eq(n_functions, 1);
        ck_assert_str_eq(functions[0].instance, instance);

        ck_assert_int_eq(rename(tree_path(FOLDER), tree_path("old")), 0);
        tree_add_function(A, one_mailbox, 1);
        enumerate();
        ck_assert_uint_eq(n_functions, 1);
        ck_assert_str_ne(functions[0].instance, instance);
}
END_TEST

START_TEST(function_that_has_gone_is_not_listed) {
        HostView view;

        start();
        enumerate();
        tree_unlink("bus/pci/devices/" A);
        enumerate();
        ck_assert_uint_eq(n_functions, 0);
        ck_assert_int_eq(host->ops->view(host, A, &view), -ENODEV);
}
END_TEST

static const struct {
        const char *line;
        HostEventKind kind;
        const char *address;
} lines[] = {
        { "add /" FOLDER " pci\n", HOST_EVENT_ADD, A },
        { "remove /" FOLDER " pci\n", HOST_EVENT_REMOVE, A },
        { "bind /" FOLDER " pci DRIVER=cxl_pci\n", HOST_EVENT_BIND, A },
        { "unbind /" FOLDER " pci\n", HOST_EVENT_BIND, A },
        { "change /" FOLDER " pci ERROR_EVENT=BEGIN_RECOVERY\n", HOST_EVENT_RESET, A },
        { "change /" FOLDER " pci\n", HOST_EVENT_VIEW, A },
        { "add /" FOLDER "/mem0 cxl\n", HOST_EVENT_BIND, A },
        { "remove /devices/platform/root0/port1/endpoint2 cxl\n", HOST_EVENT_VIEW, "" },
        { "add /devices/virtual/tsm/tsm0 tsm\n", HOST_EVENT_VIEW, "" },
};

START_TEST(uevent_becomes_an_event) {
        start();
        enumerate();
        say(lines[_i].line);
        expect(lines[_i].kind, lines[_i].address);
        expect_nothing();
}
END_TEST

START_TEST(uevents_of_others_are_none_of_ours) {
        start();
        enumerate();
        say("add /" FOLDER "/pci_express/x pci_express\n"
            "add /devices/platform/root0/port1/decoder1.0 cxl\n"
            "add /" FOLDER "/child pci\n"
            "add /bus/pci/drivers/new drivers\n");
        expect_nothing();
}
END_TEST

/* An endpoint that went away leads nowhere: it is known from the last look. */
START_TEST(endpoint_is_known_by_its_name) {
        start();
        enumerate();
        tree_mkdir(FOLDER "/mem0");
        tree_link("bus/cxl/devices/mem0", FOLDER "/mem0");
        tree_link("devices/platform/root0/endpoint2/uport", FOLDER "/mem0");
        tree_link("bus/cxl/devices/endpoint2", "devices/platform/root0/endpoint2");
        say("add /devices/platform/root0/endpoint2 cxl\n");
        expect(HOST_EVENT_BIND, A);
        ck_assert_str_eq(view_of(A).cxl_port, "endpoint2");
        tree_unlink("bus/cxl/devices/endpoint2");
        say("remove /devices/platform/root0/endpoint2 cxl\n");
        expect(HOST_EVENT_BIND, A);
}
END_TEST

START_TEST(reset_by_root_holds_before_it_happens) {
        add_root_file(FOLDER "/reset");
        start();
        enumerate();
        touch(FOLDER "/reset");
        if (geteuid() == 0)
                ck_assert_uint_eq(n_awaited, 1);
        expect(HOST_EVENT_HOLD, A);
        expect_nothing();
}
END_TEST

START_TEST(removal_of_a_bridge_holds_what_is_below_it) {
        tree_add_function("0000:00:01.0", NULL, 0);
        add_root_file("devices/pci0000:00/0000:00:01.0/remove");
        /* A is moved below the bridge */
        ck_assert_int_eq(rename(tree_path(FOLDER), tree_path("devices/pci0000:00/0000:00:01.0/" A)), 0);
        tree_link("bus/pci/devices/" A, "devices/pci0000:00/0000:00:01.0/" A);
        start();
        enumerate();
        touch("devices/pci0000:00/0000:00:01.0/remove");
        expect(HOST_EVENT_HOLD, A);
        expect_nothing();
}
END_TEST

START_TEST(bind_holds_what_has_no_driver_and_unbind_what_has_it) {
        add_root_file("bus/pci/drivers/cxl_pci/bind");
        add_root_file("bus/pci/drivers/cxl_pci/unbind");
        start();
        enumerate();
        view_of(A);
        touch("bus/pci/drivers/cxl_pci/unbind");
        expect_nothing();
        touch("bus/pci/drivers/cxl_pci/bind");
        expect(HOST_EVENT_HOLD, A);
        tree_link(FOLDER "/driver", "bus/pci/drivers/cxl_pci");
        view_of(A);
        touch("bus/pci/drivers/cxl_pci/bind");
        expect_nothing();
        touch("bus/pci/drivers/cxl_pci/unbind");
        expect(HOST_EVENT_HOLD, A);
}
END_TEST

START_TEST(rescan_of_the_bus_leaves_known_functions_alone) {
        add_root_file("bus/pci/rescan");
        start();
        enumerate();
        touch("bus/pci/rescan");
        expect_nothing();
}
END_TEST

START_TEST(lockdown_is_an_event) {
        char level[WIRE_ADDRESS_MAX];

        tree_write("kernel/security/lockdown", "[none] integrity confidentiality\n");
        start();
        host->ops->lockdown(host, level);
        ck_assert_str_eq(level, "none");
        tree_write("kernel/security/lockdown", "none [integrity] confidentiality\n");
        expect(HOST_EVENT_LOCKDOWN, "");
        host->ops->lockdown(host, level);
        ck_assert_str_eq(level, "integrity");
}
END_TEST

START_TEST(session_of_a_tsm_is_told_once_it_was_read) {
        tree_write(FOLDER "/tsm/connect", "tsm0\n");
        start();
        enumerate();
        ck_assert_str_ne(view_of(A).spdm_owner, "");
        expect(HOST_EVENT_VIEW, "");
        ck_assert_ptr_nonnull(strstr(view_of(A).spdm_owner, "tsm0"));
        ck_assert_str_eq(view_of(A).held, "");
}
END_TEST

START_TEST(tsm_at_work_holds_its_functions) {
        int writer;

        tree_mkdir(FOLDER "/tsm");
        tree_fifo(FOLDER "/tsm/connect");
        start();
        enumerate();
        ck_assert_str_eq(view_of(A).held, "");
        expect(HOST_EVENT_VIEW, "");
        ck_assert_str_ne(view_of(A).held, "");
        writer = open(tree_path(FOLDER "/tsm/connect"), O_WRONLY | O_CLOEXEC);
        tree_unlink(FOLDER "/tsm/connect");
        tree_write(FOLDER "/tsm/connect", "\n");
        close(writer);
        while (view_of(A).held[0]) {
                event_base_loop(base, EVLOOP_ONCE);
                n_events = 0;
        }
}
END_TEST

START_TEST(mailbox_is_reached_and_kept_awake) {
        ConfigSpace *config;
        uint32_t value;

        start();
        enumerate();
        ck_assert_int_eq(host->ops->open_config(host, A, &config), 0);
        ck_assert_int_eq(config->read32(config, 0x100, &value), 0);
        ck_assert_uint_eq(value & 0xffff, 0x2e);
        host->ops->power_pin(host, A, true);
        ck_assert_str_eq(tree_read(FOLDER "/power/control"), "on");
        host->ops->power_pin(host, A, false);
        ck_assert_str_eq(tree_read(FOLDER "/power/control"), "auto");
        host->ops->close_config(host, config);
}
END_TEST

START_TEST(function_that_answers_late_is_added_then) {
        int writer;

        tree_unlink(FOLDER "/vendor");
        tree_fifo(FOLDER "/vendor");
        start();
        enumerate();
        ck_assert_uint_eq(n_functions, 0);
        enumerate();
        ck_assert_uint_eq(n_functions, 0);
        writer = open(tree_path(FOLDER "/vendor"), O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(write(writer, "0x8086\n", 7), 7);
        close(writer);
        expect(HOST_EVENT_ADD, A);
        enumerate();
        ck_assert_uint_eq(n_functions, 1);
        ck_assert_str_eq(functions[0].address, A);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("host-sysfs");
        TCase *t = tcase_create("tree");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, functions_with_a_mailbox_are_listed);
        tcase_add_test(t, tree_that_is_not_there_is_refused);
        tcase_add_test(t, tree_without_a_fifo_is_served_without_events);
        tcase_add_test(t, function_is_read_once_and_again_when_it_is_another);
        tcase_add_test(t, function_that_has_gone_is_not_listed);
        tcase_add_loop_test(t, uevent_becomes_an_event, 0, sizeof(lines) / sizeof(lines[0]));
        tcase_add_test(t, uevents_of_others_are_none_of_ours);
        tcase_add_test(t, endpoint_is_known_by_its_name);
        tcase_add_test(t, reset_by_root_holds_before_it_happens);
        tcase_add_test(t, removal_of_a_bridge_holds_what_is_below_it);
        tcase_add_test(t, bind_holds_what_has_no_driver_and_unbind_what_has_it);
        tcase_add_test(t, rescan_of_the_bus_leaves_known_functions_alone);
        tcase_add_test(t, lockdown_is_an_event);
        tcase_add_test(t, session_of_a_tsm_is_told_once_it_was_read);
        tcase_add_test(t, tsm_at_work_holds_its_functions);
        tcase_add_test(t, mailbox_is_reached_and_kept_awake);
        tcase_add_test(t, function_that_answers_late_is_added_then);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
