/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "client/options.h"

static const OptionRow rows[] = {
        { 'f', "force", NULL, OPTION_BOOL, offsetof(Options, force), "" },
        { 0, "epoch", "EPOCH", OPTION_U64, offsetof(Options, epoch), "" },
        { 0, "uid", "UID", OPTION_U32, offsetof(Options, uid), "" },
        { 0, "gid", "GID", OPTION_GIDS, 0, "" },
        { 0 },
};

/* @words: a command line, its words parted by blanks */
static int parse(const char *words, bool stops, Options *o, char **ret_rest, Failure *f) {
        static char line[256];
        char *argv[32] = { 0 };
        int argc = 0, first, r;

        snprintf(line, sizeof(line), "%s", words);
        for (char *word = strtok(line, " "); word && argc < 31; word = strtok(NULL, " "))
                argv[argc++] = word;

        *o = (Options){ 0 };
        r = options_parse(argc, argv, rows, stops, o, &first, f);
        *ret_rest = r >= 0 && first < argc ? argv[first] : NULL;
        return r;
}

START_TEST(options_stand_before_and_behind_arguments) {
        Options o;
        Failure f = { 0 };
        char *rest;

        ck_assert_int_eq(parse("show --json 3a:00.0 -f -q --timeout=0.5 -H root@host", false, &o, &rest, &f),
                         0);
        ck_assert(o.json && o.force && o.quiet && !o.no_pager);
        ck_assert_uint_eq(o.timeout_usec, 500000);
        ck_assert_str_eq(o.host, "root@host");
        ck_assert_str_eq(rest, "3a:00.0");
}
END_TEST

START_TEST(parse_that_stops_leaves_what_follows_the_verb) {
        Options o;
        Failure f = { 0 };
        char *rest;

        ck_assert_int_eq(parse("doectl --json show --force", true, &o, &rest, &f), 0);
        ck_assert(o.json && !o.force);
        ck_assert_str_eq(rest, "show");
}
END_TEST

START_TEST(a_lone_dash_is_an_argument) {
        Options o;
        Failure f = { 0 };
        char *rest;

        ck_assert_int_eq(parse("exchange -", false, &o, &rest, &f), 0);
        ck_assert_str_eq(rest, "-");
}
END_TEST

START_TEST(numbers_keep_whether_they_were_given) {
        Options o;
        Failure f = { 0 };
        char *rest;

        ck_assert_int_eq(parse("x --epoch 0 --uid=0x10 --gid 5 --gid 6", false, &o, &rest, &f), 0);
        ck_assert(o.epoch.is_set && o.epoch.value == 0);
        ck_assert(o.uid.is_set && o.uid.value == 16);
        ck_assert(!o.max_response.is_set);
        ck_assert_uint_eq(o.n_gids, 2);
        ck_assert_uint_eq(o.gids[1], 6);
}
END_TEST

static const struct {
        const char *words, *says;
} bad[] = {
        { "x --nonsense", "Unknown option --nonsense" },
        { "x -z", "Unknown option -z" },
        { "x --json=1", "No value goes with option --json=1" },
        { "x --epoch", "--epoch needs a value" },
        { "x --epoch -1", "\"-1\"" },
        { "x --epoch 1x", "\"1x\"" },
        { "x --epoch 18446744073709551616", "18446744073709551616" },
        { "x --uid 4294967296", "from 0 to 4294967295" },
        { "x --gid no", "\"no\"" },
        { "x --timeout 0", "--timeout takes a number of seconds" },
        { "x --timeout nan", "\"nan\"" },
        { "x --timeout inf", "\"inf\"" },
        { "x --timeout 1e9", "\"1e9\"" },
        { "x --timeout 5s", "\"5s\"" },
        { "x -H", "-H needs a value" },
};

START_TEST(what_is_wrong_is_refused_and_named) {
        Options o;
        Failure f = { 0 };
        char *rest;

        ck_assert_int_lt(parse(bad[_i].words, false, &o, &rest, &f), 0);
        ck_assert_msg(strstr(f.text, bad[_i].says), "\"%s\" says \"%s\"", bad[_i].words, f.text);
        ck_assert_int_eq(failure_exit_code(f.name), DOE_EXIT_USAGE);
        failure_done(&f);
}
END_TEST

START_TEST(groups_have_a_bound) {
        char *argv[2 * OPTION_GIDS_MAX + 4] = { "x" };
        Options o = { 0 };
        Failure f = { 0 };
        int argc = 1, first;

        for (size_t i = 0; i <= OPTION_GIDS_MAX; i++) {
                argv[argc++] = "--gid";
                argv[argc++] = "7";
        }
        ck_assert_int_lt(options_parse(argc, argv, rows, false, &o, &first, &f), 0);
        ck_assert_uint_eq(o.n_gids, OPTION_GIDS_MAX);
        failure_done(&f);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-options");
        TCase *tc = tcase_create("options");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, options_stand_before_and_behind_arguments);
        tcase_add_test(tc, parse_that_stops_leaves_what_follows_the_verb);
        tcase_add_test(tc, a_lone_dash_is_an_argument);
        tcase_add_test(tc, numbers_keep_whether_they_were_given);
        tcase_add_loop_test(tc, what_is_wrong_is_refused_and_named, 0, (int)ELEMENTS(bad));
        tcase_add_test(tc, groups_have_a_bound);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
