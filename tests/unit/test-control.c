/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/control.h"

#include <errno.h>
#include <pthread.h>

#include "daemon/util/clock.h"
#include "protocols/registers.h"
#include "tests/unit/suite.h"

static const char text[] =
                "[cdat a]\ndsmas = handle=1 bytes=1G\n"
                "[device 0000:01:00.0]\nkind=cxl-memory\ncxl-memory=mem0\ncxl-port=endpoint1\ncdat=a\n"
                "kernel-cdat=same\n[mailbox 0000:01:00.0[150]]\nfeature=1e98:02\n"
                "[device 0000:02:00.0]\n[mailbox 0000:02:00.0[150]]\nfeature=1234:01\n"
                "[device 0000:03:00.0]\npresent=no\n[mailbox 0000:03:00.0[150]]\nfeature=1234:01\n";

typedef struct Stage {
        Scenario *scenario;
        Platform *platform;
        char events[1024]; /* "kind function text;" each */
} Stage;

static void on_event(void *userdata, const PlatformEvent *event) {
        static const char *const names[] = {
                [PLATFORM_ADDED] = "add",        [PLATFORM_REMOVED] = "remove",
                [PLATFORM_HELD] = "hold",        [PLATFORM_BOUND] = "bind",
                [PLATFORM_UNBOUND] = "unbind",   [PLATFORM_CXL_ADDED] = "cxl+",
                [PLATFORM_CXL_REMOVED] = "cxl-", [PLATFORM_RESET] = "reset",
                [PLATFORM_ERROR] = "error",      [PLATFORM_RECOVERED] = "recover",
                [PLATFORM_CHANGED] = "change",   [PLATFORM_LOCKDOWN] = "lockdown",
        };
        Stage *s = userdata;
        size_t n = strlen(s->events);

        snprintf(s->events + n, sizeof(s->events) - n, "%s%zu;", names[event->kind], event->function);
}

static void begin(Stage *s) {
        char error[SCENARIO_ERROR_MAX];

        *s = (Stage){ 0 };
        ck_assert_msg(scenario_parse("s", text, sizeof(text) - 1, &s->scenario, error) == 0, "%s", error);
        ck_assert_int_eq(platform_new(s->scenario, &s->platform), 0);
        platform_observe(s->platform, on_event, s);
}

static void end(Stage *s) {
        platform_observe(s->platform, NULL, NULL);
        platform_free(s->platform);
        scenario_free(s->scenario);
}

/* Run a command; its whole answer must be @expected. */
static void run(Stage *s, const char *command, const char *expected) {
        char *line = strdup(command), *answer = NULL;
        size_t n_answer = 0;
        FILE *out = open_memstream(&answer, &n_answer);

        control_run(s->platform, line, out);
        fclose(out);
        ck_assert_str_eq(answer, expected);
        free(answer);
        free(line);
}

static void expect_events(Stage *s, const char *expected) {
        ck_assert_str_eq(s->events, expected);
        s->events[0] = '\0';
}

static uint64_t instance_of(Stage *s, size_t function) {
        PlatformView view;

        platform_get_view(s->platform, function, &view);
        return view.is_present ? view.instance : 0;
}

START_TEST(functions_come_and_go_with_new_instances) {
        uint64_t instance;
        uint32_t value;
        Stage s;

        begin(&s);
        ck_assert_uint_eq(instance_of(&s, 2), 0);
        instance = instance_of(&s, 0);
        run(&s, "add 0000:03:00.0", "ok\n");
        expect_events(&s, "add2;");
        run(&s, "add 0000:03:00.0", "error: File exists\n");
        run(&s, "remove 0000:01:00.0", "ok\n");
        expect_events(&s, "hold0;cxl-0;unbind0;remove0;");
        ck_assert_int_eq(platform_read(s.platform, 0, instance, 0, 4, &value), -ENODEV);
        run(&s, "remove 0000:01:00.0", "error: No such device\n");
        run(&s, "rescan", "ok\n");
        expect_events(&s, "add0;hold0;bind0;cxl+0;");
        ck_assert_uint_gt(instance_of(&s, 0), instance);
        ck_assert_int_eq(platform_read(s.platform, 0, instance, 0, 4, &value), -ENODEV);
        ck_assert_int_eq(platform_read(s.platform, 0, instance_of(&s, 0), 0, 4, &value), 0);
        end(&s);
}
END_TEST

START_TEST(the_kernel_has_the_table_while_its_driver_is_bound) {
        uint8_t *table;
        size_t n;
        Stage s;

        begin(&s);
        ck_assert_int_eq(platform_read_kernel_cdat(s.platform, 0, &table, &n), 0);
        ck_assert_uint_eq(n, s.scenario->tables[0].n_bytes);
        free(table);
        run(&s, "unbind 0000:01:00.0", "ok\n");
        expect_events(&s, "hold0;cxl-0;unbind0;");
        ck_assert_int_eq(platform_read_kernel_cdat(s.platform, 0, &table, &n), -ENODATA);
        run(&s, "bind 0000:01:00.0 vfio-pci", "ok\n");
        ck_assert_int_eq(platform_read_kernel_cdat(s.platform, 0, &table, &n), -ENODATA);
        run(&s, "bind 0000:01:00.0 cxl_pci", "error: Device or resource busy\n");
        run(&s, "unbind 0000:01:00.0", "ok\n");
        run(&s, "bind 0000:01:00.0 cxl_pci", "ok\n");
        ck_assert_int_eq(platform_read_kernel_cdat(s.platform, 0, &table, &n), 0);
        free(table);
        end(&s);
}
END_TEST

START_TEST(lockdown_refuses_writes) {
        uint64_t instance;
        Stage s;

        begin(&s);
        instance = instance_of(&s, 1);
        ck_assert_int_eq(platform_write(s.platform, 1, instance, 0x3c, 1, 5), 0);
        run(&s, "lockdown integrity", "ok\n");
        ck_assert_int_eq(platform_write(s.platform, 1, instance, 0x3c, 1, 5), -EPERM);
        ck_assert_int_eq(platform_set_lockdown(s.platform, LOCKDOWN_NONE, false), -EPERM);
        run(&s, "lockdown none", "ok\n");
        ck_assert_int_eq(platform_write(s.platform, 1, instance, 0x3c, 1, 5), 0);
        run(&s, "lockdown half", "error: usage: lockdown LEVEL\n");
        expect_events(&s, "lockdown0;lockdown0;");
        end(&s);
}
END_TEST

START_TEST(faults_and_counters_go_by_mailbox) {
        uint32_t value;
        Stage s;

        begin(&s);
        run(&s, "fault 0000:02:00.0[150] now set-error", "ok\n");
        ck_assert_int_eq(platform_read(s.platform, 1, instance_of(&s, 1), 0x150 + DOE_REG_STATUS, 4, &value),
                         0);
        ck_assert_uint_eq(value, DOE_STATUS_ERROR);
        run(&s, "counters 0000:02:00.0",
            "0000:02:00.0[150] reads=1 writes=0 go=0 exchanges=0 discarded=0 aborts=0 aborts-in-flight=0 "
            "collisions=0 underflows=0 foreign=0 foreign-lost=0 faults=1\nok\n");
        run(&s, "counters 0000:03:00.0", "error: No such device\n");
        run(&s, "fault 0000:02:00.0[170] now set-error", "error: No such device or address\n");
        run(&s, "fault 0000:02:00.0 now", "error: no action is named ''\n");
        run(&s, "fault 0000:09:00.0 now set-error", "error: the scenario has no such function\n");
        run(&s, "clear", "ok\n");
        run(&s, "clear 0000:02:00.0[150] now", "error: done, but more was said than it understands\n");
        run(&s, "", "error: no such command\n");
        run(&s, "counters 0000:02:00.0[15", "error: usage: counters [ADDR[OFFSET]]\n");
        end(&s);
}
END_TEST

START_TEST(holds_and_tsm_are_seen_and_told) {
        PlatformView view;
        Stage s;

        begin(&s);
        run(&s, "hold 0000:02:00.0 the TSM connects", "ok\n");
        platform_get_view(s.platform, 1, &view);
        ck_assert_str_eq(view.held, "the TSM connects");
        run(&s, "release 0000:02:00.0", "ok\n");
        platform_wait_unheld(s.platform, 1);
        run(&s, "tsm 0000:02:00.0 tsm0", "ok\n");
        platform_get_view(s.platform, 1, &view);
        ck_assert(view.has_tsm);
        ck_assert_str_eq(view.tsm, "tsm0");
        run(&s, "tsm 0000:02:00.0 absent", "ok\n");
        run(&s, "reset 0000:02:00.0", "ok\n");
        run(&s, "recover 0000:02:00.0", "ok\n");
        expect_events(&s, "hold1;change1;change1;change1;hold1;reset1;error1;recover1;");
        end(&s);
}
END_TEST

static void *read_frozen(void *userdata) {
        Stage *s = userdata;
        uint32_t value;

        ck_assert_int_eq(platform_read(s->platform, 1, instance_of(s, 1), 0, 4, &value), 0);
        return NULL;
}

START_TEST(a_frozen_function_answers_once_it_is_thawed) {
        struct timespec soon;
        pthread_t thread;
        uint32_t value;
        Stage s;

        begin(&s);
        run(&s, "freeze 0000:02:00.0", "ok\n");
        ck_assert_int_eq(pthread_create(&thread, NULL, read_frozen, &s), 0);
        ck_assert_int_eq(platform_read(s.platform, 0, instance_of(&s, 0), 0, 4, &value), 0);
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec = (soon.tv_nsec + 50000000) % 1000000000;
        soon.tv_sec += soon.tv_nsec < 50000000;
        ck_assert_int_eq(pthread_timedjoin_np(thread, NULL, &soon), ETIMEDOUT);
        run(&s, "thaw 0000:02:00.0", "ok\n");
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        end(&s);
}
END_TEST

START_TEST(what_vanished_is_removed_by_the_kernel) {
        uint64_t until_usec = clock_monotonic_usec() + 10 * USEC_PER_SEC;
        uint32_t value;
        Stage s;

        begin(&s);
        run(&s, "fault 0000:02:00.0 now vanish", "ok\n");
        ck_assert_int_eq(platform_read(s.platform, 1, instance_of(&s, 1), 0x150 + DOE_REG_STATUS, 4, &value),
                         0);
        ck_assert_uint_eq(value, UINT32_MAX);
        while (instance_of(&s, 1) != 0 && clock_monotonic_usec() < until_usec)
                sched_yield();
        ck_assert_uint_eq(instance_of(&s, 1), 0);
        end(&s);
}
END_TEST

DEFINE_SUITE("control", functions_come_and_go_with_new_instances,
             the_kernel_has_the_table_while_its_driver_is_bound, lockdown_refuses_writes,
             faults_and_counters_go_by_mailbox, holds_and_tsm_are_seen_and_told,
             a_frozen_function_answers_once_it_is_thawed, what_vanished_is_removed_by_the_kernel)
