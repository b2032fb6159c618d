/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "daemon/bus/options.h"
#include "daemon/core/job.h"
#include "daemon/core/lease.h"

typedef struct Target {
        bool fresh, has_cookie;
        uint32_t max_response;
        uint64_t cookie;
        JobPriority priority;
        OptionU32s gids;
        LeaseScope scope;
        bool has_token;
        uint8_t token[LEASE_TOKEN_BYTES];
        OptionMailboxes mailboxes;
        OptionFeatures features;
} Target;

static const OptionRow rows[] = {
        { "fresh", OPTION_BOOL, offsetof(Target, fresh), 0 },
        { "max-response", OPTION_U32, offsetof(Target, max_response), 0 },
        { "cookie", OPTION_U64, offsetof(Target, cookie), offsetof(Target, has_cookie) },
        { "priority", OPTION_PRIORITY, offsetof(Target, priority), 0 },
        { "gids", OPTION_U32S, offsetof(Target, gids), 0 },
        { "scope", OPTION_SCOPE, offsetof(Target, scope), 0 },
        { "resume", OPTION_TOKEN, offsetof(Target, token), offsetof(Target, has_token) },
        { "mailboxes", OPTION_MAILBOXES, offsetof(Target, mailboxes), 0 },
        { "features", OPTION_FEATURES, offsetof(Target, features), 0 },
        {},
};

static sd_bus *bus;
static int fds[2];
static sd_bus_message *message;
static Target target;
static uint32_t given;
static Failure failure;

/* A bus that nobody answers is enough to make messages on. */
static void setup(void) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(bus, fds[0], fds[0]), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        target = (Target){ .priority = JOB_NORMAL };
        given = 0;
}

static void teardown(void) {
        sd_bus_message_unref(message);
        sd_bus_close_unref(bus);
        close(fds[1]);
}

/* @types and what follows: as for sd_bus_message_append(). Return: of options_read(). */
static int read_options(const char *types, ...) {
        va_list ap;

        ck_assert_int_ge(sd_bus_message_new_method_call(bus, &message, NULL, "/", "a.b", "C"), 0);
        va_start(ap, types);
        ck_assert_int_ge(sd_bus_message_appendv(message, types, ap), 0);
        va_end(ap);
        ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
        return options_read(message, rows, &target, &given, &failure);
}

START_TEST(each_type_goes_where_its_row_says) {
        ck_assert_int_eq(read_options("a{sv}", 5, "priority", "s", "urgent", "fresh", "b", 1, "cookie", "t",
                                      UINT64_C(1) << 40, "gids", "au", 2, 7, 9, "max-response", "u", 65536),
                         0);
        ck_assert(target.fresh);
        ck_assert(target.has_cookie);
        ck_assert_uint_eq(target.cookie, UINT64_C(1) << 40);
        ck_assert_uint_eq(target.max_response, 65536);
        ck_assert_int_eq(target.priority, JOB_URGENT);
        ck_assert_uint_eq(target.gids.n_values, 2);
        ck_assert_uint_eq(target.gids.values[1], 9);
        ck_assert_uint_eq(given, 0x1f);
}
END_TEST

START_TEST(a_token_is_as_long_as_tokens_are) {
        const uint8_t token[LEASE_TOKEN_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

        ck_assert_int_eq(read_options("a{sv}", 1, "resume", "ay", 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
                                      13, 14, 15, 16),
                         0);
        ck_assert(target.has_token);
        ck_assert_mem_eq(target.token, token, sizeof(token));
        message = sd_bus_message_unref(message);
        ck_assert_int_eq(read_options("a{sv}", 1, "resume", "ay", 3, 1, 2, 3), -EINVAL);
        ck_assert_str_eq(failure.text, "Option \"resume\" must be 16 bytes, as Lease answered them");
        message = sd_bus_message_unref(message);
        ck_assert_int_eq(read_options("a{sv}", 1, "resume", "ay", 0), -EINVAL);
}
END_TEST

START_TEST(lists_of_a_filter_are_read) {
        ck_assert_int_eq(read_options("a{sv}", 2, "mailboxes", "ao", 2, "/a", "/b", "features", "a(qy)", 2,
                                      0x1234, 1, 1, 2),
                         0);
        ck_assert_uint_eq(target.mailboxes.n_paths, 2);
        ck_assert_str_eq(target.mailboxes.paths[1], "/b");
        ck_assert_uint_eq(target.features.n_features, 2);
        ck_assert_uint_eq(target.features.features[0].vendor_id, 0x1234);
        ck_assert_uint_eq(target.features.features[1].type, 2);
        message = sd_bus_message_unref(message);
        ck_assert_int_eq(read_options("a{sv}", 1, "mailboxes", "as", 1, "/a"), -EINVAL);
}
END_TEST

START_TEST(lists_of_a_filter_are_bounded) {
        ck_assert_int_ge(sd_bus_message_new_method_call(bus, &message, NULL, "/", "a.b", "C"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(message, 'e', "sv"), 0);
        ck_assert_int_ge(sd_bus_message_append(message, "s", "features"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(message, 'v', "a(qy)"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "(qy)"), 0);
        for (size_t i = 0; i <= CAPTURE_FILTER_MAX; i++)
                ck_assert_int_ge(sd_bus_message_append(message, "(qy)", 0x1234, 1), 0);
        for (int depth = 0; depth < 4; depth++)
                ck_assert_int_ge(sd_bus_message_close_container(message), 0);
        ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
        ck_assert_int_eq(options_read(message, rows, &target, &given, &failure), -EINVAL);
        ck_assert_str_eq(failure.text, "Option \"features\" takes at most 64");
}
END_TEST

START_TEST(only_inhibit_leases_registers) {
        ck_assert_int_eq(read_options("a{sv}", 1, "scope", "s", "mailbox"), 0);
        ck_assert_int_eq(target.scope, LEASE_SCOPE_MAILBOX);
        message = sd_bus_message_unref(message);
        ck_assert_int_eq(read_options("a{sv}", 1, "scope", "s", "registers"), -EINVAL);
        ck_assert_str_eq(failure.text, "Option \"scope\" must be one of feature, mailbox");
}
END_TEST

START_TEST(what_is_not_given_stays_untouched) {
        target.max_response = 5;
        ck_assert_int_eq(read_options("a{sv}", 1, "cookie", "t", UINT64_C(0)), 0);
        ck_assert_uint_eq(target.max_response, 5);
        ck_assert(target.has_cookie);
        ck_assert_uint_eq(given, 1u << 2);
}
END_TEST

START_TEST(no_options_are_fine) {
        ck_assert_int_eq(read_options("a{sv}", 0), 0);
        ck_assert_uint_eq(given, 0);
}
END_TEST

START_TEST(an_unknown_option_is_named_with_those_allowed) {
        ck_assert_int_eq(read_options("a{sv}", 2, "fresh", "b", 1, "Fresh", "b", 1), -EINVAL);
        ck_assert_int_eq(failure.error, -EINVAL);
        ck_assert_ptr_nonnull(strstr(failure.text, "\"Fresh\""));
        ck_assert_ptr_nonnull(strstr(failure.text, "fresh, max-response, cookie, priority, gids"));
        ck_assert_uint_eq(failure.n_values, 2);
        ck_assert_str_eq(failure.values[0].string, "Fresh");
}
END_TEST

START_TEST(a_wrong_type_is_answered_with_the_right_one) {
        ck_assert_int_eq(read_options("a{sv}", 1, "cookie", "u", 1), -EINVAL);
        ck_assert_str_eq(failure.text, "Option \"cookie\" must be of type t");
}
END_TEST

START_TEST(a_priority_that_is_none_is_answered_with_those_that_are) {
        ck_assert_int_eq(read_options("a{sv}", 1, "priority", "s", "high"), -EINVAL);
        ck_assert_str_eq(failure.text, "Option \"priority\" must be one of urgent, normal, background");
        ck_assert_int_eq(target.priority, JOB_NORMAL);
}
END_TEST

START_TEST(an_option_given_twice_is_refused) {
        ck_assert_int_eq(read_options("a{sv}", 2, "fresh", "b", 1, "fresh", "b", 0), -EINVAL);
}
END_TEST

int main(void) {
        Suite *s = suite_create("options");
        TCase *t = tcase_create("read");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, each_type_goes_where_its_row_says);
        tcase_add_test(t, what_is_not_given_stays_untouched);
        tcase_add_test(t, no_options_are_fine);
        tcase_add_test(t, an_unknown_option_is_named_with_those_allowed);
        tcase_add_test(t, a_wrong_type_is_answered_with_the_right_one);
        tcase_add_test(t, a_priority_that_is_none_is_answered_with_those_that_are);
        tcase_add_test(t, an_option_given_twice_is_refused);
        tcase_add_test(t, a_token_is_as_long_as_tokens_are);
        tcase_add_test(t, lists_of_a_filter_are_read);
        tcase_add_test(t, lists_of_a_filter_are_bounded);
        tcase_add_test(t, only_inhibit_leases_registers);
        suite_add_tcase(s, t);

        runner = srunner_create(s);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
