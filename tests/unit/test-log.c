/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "tests/unit/suite.h"

static char captured[65536];
static int real_stderr;

/* What is logged until release() goes to a file. */
static void capture(void) {
        char path[] = "/tmp/doed-test-log-XXXXXX";
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        unlink(path);
        fflush(stderr);
        real_stderr = dup(STDERR_FILENO);
        dup2(fd, STDERR_FILENO);
        close(fd);
}

static void release(void) {
        ssize_t n;

        fflush(stderr);
        n = pread(STDERR_FILENO, captured, sizeof(captured) - 1, 0);
        captured[n > 0 ? n : 0] = '\0';
        dup2(real_stderr, STDERR_FILENO);
        close(real_stderr);
}

static unsigned count_lines(const char *what) {
        unsigned n = 0;

        for (const char *at = captured; (at = strstr(at, what)); at++)
                n++;
        return n;
}

START_TEST(a_line_on_the_console_has_program_level_and_subject) {
        capture();
        errno = EIO;
        log_full(LOG_WARNING, "0000:3a:00.0[160]", "Cannot lock, ignoring: %m");
        log_debug("nobody asked for it");
        release();
        ck_assert_str_eq(captured,
                         "test: warning: 0000:3a:00.0[160]: Cannot lock, ignoring: Input/output error\n");
}
END_TEST

START_TEST(an_event_on_the_console_is_one_line_of_its_own_level) {
        const LogFields fields = { .subject = "0000:3a:00.0[160]", .reason = "stuck", .lease = 7 };

        capture();
        log_event(LOG_EVENT_MAILBOX_DEAD, &fields, "Dead: %s", "stuck");
        log_event(LOG_EVENT_STARTED, NULL, "doed is on the bus");
        release();
        ck_assert_str_eq(captured,
                         "test: err: 0000:3a:00.0[160]: Dead: stuck\ntest: info: doed is on the bus\n");
}
END_TEST

START_TEST(nobody_writes_a_second_line_or_moves_the_cursor) {
        capture();
        log_notice("why: %s", "x\ntest: err: forged\r\x1b[2J\x7f");
        release();
        ck_assert_str_eq(captured, "test: notice: why: x?test: err: forged??[2J?\n");
}
END_TEST

START_TEST(nobody_hides_a_line_from_journalctl) {
        capture();
        log_notice("why: %s", "\xc2\x85 \xc2\x9b \xff \xc3 \xc3\xa9");
        release();
        ck_assert_str_eq(captured, "test: notice: why: ?? ?? ? ? \xc3\xa9\n");
}
END_TEST

START_TEST(a_long_line_is_cut_between_characters_and_says_so) {
        char text[4096] = "";

        for (size_t i = 0; i + 2 < sizeof(text); i += 2)
                memcpy(text + i, "\xc3\xa9", 3);
        for (unsigned shift = 0; shift < 2; shift++) {
                capture();
                log_notice("%s%s", shift ? "x" : "", text);
                release();
                ck_assert_ptr_nonnull(strstr(captured, "\xc3\xa9...\n"));
                ck_assert_uint_lt(strlen(captured), 1100);
        }
}
END_TEST

START_TEST(a_flood_of_one_device_costs_neither_others_nor_other_events) {
        capture();
        for (unsigned i = 0; i < 1000; i++)
                log_event(LOG_EVENT_ABORTED, &(LogFields){ .subject = "0000:01:00.0[160]" }, "flood");
        /* the same device */
        log_event(LOG_EVENT_ABORTED, &(LogFields){ .subject = "0000:01:00.0[190]" }, "sibling");
        log_event(LOG_EVENT_ABORTED, &(LogFields){ .subject = "0000:02:00.0[160]" }, "other device");
        log_event(LOG_EVENT_MAILBOX_DEAD, &(LogFields){ .subject = "0000:01:00.0[160]" }, "other event");
        release();
        ck_assert_uint_eq(count_lines("flood"), LOG_DEVICE_BURST);
        ck_assert_uint_eq(count_lines("sibling"), 0);
        ck_assert_uint_eq(count_lines("other device"), 1);
        ck_assert_uint_eq(count_lines("other event"), 1);
}
END_TEST

START_TEST(a_flood_of_one_uid_costs_no_other_uid) {
        capture();
        for (unsigned i = 0; i < 1000; i++)
                log_event(LOG_EVENT_DENIED, &(LogFields){ .has_uid = true, .uid = 1000 }, "flood");
        log_event(LOG_EVENT_DENIED, &(LogFields){ .has_uid = true, .uid = 1001 }, "other");
        release();
        ck_assert_uint_eq(count_lines("flood"), LOG_CLIENT_BURST);
        ck_assert_uint_eq(count_lines("other"), 1);
}
END_TEST

START_TEST(the_level_keeps_events_out_without_counting_them) {
        capture();
        log_set_max_level(LOG_WARNING);
        for (unsigned i = 0; i < 2 * LOG_DEVICE_BURST; i++)
                log_event(LOG_EVENT_DEVICE_ADDED, &(LogFields){ .subject = "0000:03:00.0" }, "quiet");
        log_set_max_level(LOG_INFO);
        log_event(LOG_EVENT_DEVICE_ADDED, &(LogFields){ .subject = "0000:03:00.0" }, "loud");
        release();
        ck_assert_str_eq(captured, "test: info: 0000:03:00.0: loud\n");
}
END_TEST

START_TEST(levels_have_the_names_of_log_control) {
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
                ck_assert_int_eq(log_level_from_string(log_level_to_string(level)), level);
        ck_assert_ptr_null(log_level_to_string(LOG_DEBUG + 1));
        ck_assert_int_eq(log_level_from_string("loud"), -EINVAL);
}
END_TEST

static void set_up(void) __attribute__((constructor));
static void set_up(void) {
        unsetenv("DOED_LOG_LEVEL");
        log_init("test");
}

DEFINE_SUITE("log", a_line_on_the_console_has_program_level_and_subject,
             an_event_on_the_console_is_one_line_of_its_own_level,
             nobody_writes_a_second_line_or_moves_the_cursor, nobody_hides_a_line_from_journalctl,
             a_long_line_is_cut_between_characters_and_says_so,
             a_flood_of_one_device_costs_neither_others_nor_other_events,
             a_flood_of_one_uid_costs_no_other_uid, the_level_keeps_events_out_without_counting_them,
             levels_have_the_names_of_log_control)
