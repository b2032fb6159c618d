/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/config.h"

#include <syslog.h>

#include "daemon/util/clock.h"
#include "tests/unit/config-fixture.h"
#include "tests/unit/suite.h"

/* -------- what stands in a file -------- */

START_TEST(limits_and_log_level_are_taken_with_their_source) {
        Config *c = fixture_load(
                        "# ours\n[Daemon]\nLogLevel=debug\n[Limits]\nQueueMax=12\nLeaseIdleUSec=5s\n");

        ck_assert_str_eq(fixture_error(c), "");
        ck_assert_int_eq(c->log_level, LOG_DEBUG);
        ck_assert_str_eq(c->log_level_source, "f.conf:3");
        ck_assert_uint_eq(c->limits.queue_max, 12);
        ck_assert_uint_eq(c->limits.lease_idle_usec, 5 * USEC_PER_SEC);
        ck_assert_uint_eq(c->limits.faults_max, limits_default.faults_max);
        ck_assert_str_eq(c->limit_sources[limits_find("QueueMax")], "f.conf:5");
        ck_assert_ptr_null(c->limit_sources[limits_find("FaultsMax")]);
        ck_assert(!c->has_wrong_rule);
        config_free(c);
}
END_TEST

START_TEST(what_is_wrong_outside_rules_is_told_and_the_default_stays) {
        Config *c = fixture_load("early=1\n[Daemon]\nLogLevel=loud\nColor=red\n[Limits]\nQueueMax=many\n"
                                 "Queue=3\n[Limit]\nQueueMax=3\n[Rest\nQueueMax=3\n");
        static const char *const expected[] = {
                "f.conf:1: early= stands in no section that is known",
                "f.conf:3: LogLevel=loud is not a level from emerg to debug",
                "f.conf:4: [Daemon] has no key Color",
                "f.conf:6: QueueMax=many is not a number from 1 to 1000000",
                "f.conf:7: there is no limit Queue",
                "f.conf:8: there is no section [Limit]; there are [Daemon], [Limits] and [Rule NAME]",
                "f.conf:9: QueueMax= stands in no section that is known",
                "f.conf:10: there is no section [Rest]; there are [Daemon], [Limits] and [Rule NAME]",
                "f.conf:10: a section does not end in ']'",
                "f.conf:11: QueueMax= stands in no section that is known",
        };

        ck_assert_uint_eq(c->n_errors, ELEMENTS(expected));
        for (size_t i = 0; i < ELEMENTS(expected); i++)
                ck_assert_str_eq(c->errors[i], expected[i]);
        ck_assert_int_eq(c->log_level, -1);
        ck_assert_int_eq(memcmp(&c->limits, &limits_default, sizeof(Limits)), 0);
        ck_assert(!c->has_wrong_rule);
        config_free(c);
}
END_TEST

START_TEST(errors_are_bounded_and_the_rest_counted) {
        char text[4096] = "[Limits]\n";
        Config *c;

        for (int i = 0; i < 100; i++)
                strcat(text, "NoSuchLimit=1\n");
        c = fixture_load(text);
        ck_assert_uint_eq(c->n_errors, CONFIG_ERRORS_MAX);
        ck_assert_uint_eq(c->n_more_errors, 100 - CONFIG_ERRORS_MAX);
        config_free(c);
}
END_TEST

/* -------- wrong rules -------- */

typedef struct WrongRule {
        const char *keys, *error;
        bool denies_alice, denies_root;
} WrongRule;

static const WrongRule wrong_rules[] = {
        /* what is readable limits what is denied */
        { "User=alice\nVerdit=allow", "f.conf:3: a rule has no key Verdit", true, false },
        { "User=alice\nVerdict=permit", "f.conf:3: Verdict=permit is none of allow, deny and ask", true,
          false },
        { "User=alice\nFeature=1e98:00\nVerdict=allow\nQueueMax=x",
          "f.conf:5: QueueMax=x is not a number from 0 to 1000000", false, false },
        { "User=alice\nVerdict=allow\njunk", "f.conf:4: neither a section, a comment nor 'key = value'",
          true, false },
        { "User=alice\nVerdict=allow\nVerdict=allow", "f.conf:4: Verdict= was given before in this rule",
          true, false },
        { "User=alice\nQueueMax=1\nQueueMax=1", "f.conf:4: QueueMax= was given before in this rule", true,
          false },
        { "User=alice", "f.conf:1: rule r says nothing: it has no Verdict= and sets nothing else", true,
          false },
        /* who cannot be read is anybody */
        { "User=alice, bbo\nVerdict=allow", "f.conf:2: there is no user bbo", true, true },
        { "User=alice\nGroup=oops\nVerdict=deny", "f.conf:3: there is no group oops", true, true },
        { "User=4294967295\nVerdict=deny", "f.conf:2: 4294967295 is not the number of a user", true, true },
        { "User=\nVerdict=allow", "f.conf:2: User= is empty; leave it out to match anything", true, true },
        /* and what cannot be read is anything */
        { "User=alice\nDevice=3a:00.0\nVerdict=allow",
          "f.conf:3: 3a:00.0 is neither an address, such as 0000:3a:00.0, nor a pattern of one", true,
          false },
        { "User=alice\nDevice=0000:3a:00.0[160]\nVerdict=allow",
          "f.conf:3: 0000:3a:00.0[160] is a mailbox: Device= takes devices, such as 0000:3a:00.0", true,
          false },
        { "User=alice\nVendorDevice=8086\nVerdict=allow",
          "f.conf:3: 8086 is neither vendor and device, such as 8086:0d93, nor a pattern of them", true,
          false },
        { "User=alice\nFeature=1e98:2\nVerdict=allow",
          "f.conf:3: 1e98:2 is neither a feature, such as 1e98:02 or 1e98:*, nor the name of one", true,
          false },
        { "User=alice\nClass=reading\nVerdict=allow",
          "f.conf:3: reading is none of read, read-sensitive, connection, session, destructive and unknown",
          true, false },
        { "User=alice\nOpcode=ff-80\nVerdict=allow",
          "f.conf:3: ff-80 is neither a code, such as 83, nor a range, such as 80-ff, nor a name of SPDM, "
          "such as "
          "GET_VERSION",
          true, false },
        { "User=alice\nOpcode=100\nVerdict=allow",
          "f.conf:3: 100 is neither a code, such as 83, nor a range, such as 80-ff, nor a name of SPDM, "
          "such as "
          "GET_VERSION",
          true, false },
        { "User=alice\nVerdict=allow\nMinGapSec=1000",
          "f.conf:4: MinGapSec=1000 is not a time from 0 to 600 seconds", true, false },
        { "User=alice\nVerdict=allow\nCache=never",
          "f.conf:4: Cache=never is not \"no\" or a time from 0 to 86400 seconds", true, false },
        { "User=alice\nVerdict=allow\nRecord=2", "f.conf:4: Record=2 is neither \"yes\" nor \"no\"", true,
          false },
        { "User=alice\nVerdict=allow\nPriorityMax=high",
          "f.conf:4: PriorityMax=high is none of urgent, normal and background", true, false },
};

static void assert_denies_what_is_readable(const WrongRule *wrong) {
        const char *rule;
        char text[512];
        Config *c;

        snprintf(text, sizeof(text), "[Rule r]\n%s\n", wrong->keys);
        c = fixture_load(text);
        ck_assert_str_eq(fixture_error(c), wrong->error);
        ck_assert(c->has_wrong_rule);
        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_ALICE, &rule), RULE_DENY);
        ck_assert_str_eq(rule, wrong->denies_alice ? "r" : "default-deny");
        ck_assert_int_eq(fixture_judge(c, 0, &rule), wrong->denies_root ? RULE_DENY : RULE_ALLOW);
        ck_assert_str_eq(rule, wrong->denies_root ? "r" : "default-table-access");
        config_free(c);
}

START_TEST(a_rule_with_any_error_denies_what_its_readable_part_matches) {
        for (size_t i = 0; i < ELEMENTS(wrong_rules); i++)
                assert_denies_what_is_readable(&wrong_rules[i]);
}
END_TEST

START_TEST(a_wrong_rule_keeps_its_place) {
        Config *c = fixture_load(
                        "[Rule a]\nUser=alice\nVerdict=allow\n[Rule b]\nFeature=wrong\nVerdict=allow\n"
                        "[Rule c]\nVerdict=allow\n");
        const char *rule;

        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_ALICE, &rule), RULE_ALLOW);
        ck_assert_str_eq(rule, "a");
        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_BOB, &rule), RULE_DENY);
        ck_assert_str_eq(rule, "b");
        config_free(c);
}
END_TEST

START_TEST(a_rule_with_a_wrong_head_denies_too) {
        static const char *const heads[] = { "[Rule]",    "[Rule a b]", "[Rule r",
                                             "[Rules r]", "[rule r]",   "[Rule a/b]" };

        for (size_t i = 0; i < ELEMENTS(heads); i++) {
                char text[128];
                const char *rule;
                Config *c;

                snprintf(text, sizeof(text),
                         "[Rule first]\nUser=bob\nVerdict=allow\n%s\nUser=alice\nVerdict=allow\n", heads[i]);
                c = fixture_load(text);
                ck_assert_msg(strncmp(fixture_error(c), "f.conf:4: ", 10) == 0, "%s", fixture_error(c));
                ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_ALICE, &rule), RULE_DENY);
                ck_assert_str_ne(rule, "default-deny");
                ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_BOB, &rule), RULE_ALLOW);
                ck_assert_int_eq(fixture_judge(c, 0, &rule), RULE_ALLOW);
                config_free(c);
        }
}
END_TEST

START_TEST(names_are_unique) {
        Config *c = fixture_load("[Rule a]\nUser=bob\nVerdict=allow\n[Rule a]\nUser=alice\nVerdict=allow\n");
        const char *rule;

        ck_assert_str_eq(fixture_error(c), "f.conf:4: there is a rule a already, at f.conf:1");
        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_ALICE, &rule), RULE_DENY);
        ck_assert_str_eq(rule, "a@2");
        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_BOB, &rule), RULE_ALLOW);
        config_free(c);
}
END_TEST

START_TEST(a_take_over_that_cannot_be_read_is_none) {
        Config *c = fixture_load("[Rule a]\nDevice=*\nTakeOver=nver\n");
        const RuleSubject s = { .address = "0000:3a:00.0", .opcode = -1 };
        RuleOutcome o;

        rules_judge(c->rules, &s, &o);
        ck_assert(o.is_set[RULE_TAKE_OVER]);
        ck_assert_uint_eq(o.effects[RULE_TAKE_OVER], RULE_TAKE_OVER_NEVER);
        config_free(c);
}
END_TEST

START_TEST(what_follows_too_many_rules_is_denied) {
        char *text = calloc(RULES_MAX + 10, 64);
        const char *rule;
        size_t n = 0;
        Config *c;

        for (unsigned i = 0; i < RULES_MAX + 2; i++)
                n += (size_t)sprintf(text + n, "[Rule r%u]\nUser=bob\nVerdict=allow\n", i);
        c = fixture_load(text);
        free(text);
        ck_assert_uint_eq(c->n_errors, 2);
        ck_assert_ptr_nonnull(strstr(c->errors[0], "more than 1024 rules"));
        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_BOB, &rule), RULE_ALLOW);
        ck_assert_int_eq(fixture_judge(c, 0, &rule), RULE_DENY);
        ck_assert_ptr_nonnull(strstr(rule, "too-many"));
        config_free(c);
}
END_TEST

START_TEST(lists_are_bounded_and_may_stand_twice) {
        char text[4096] = "[Rule a]\nUser=bob\nVerdict=allow\nUser=alice\n[Rule b]\nVerdict=deny\nUser=";
        const char *rule;
        Config *c;

        for (unsigned i = 0; i < RULE_LIST_MAX + 1; i++)
                strcat(text, "77 ");
        c = fixture_load(text);
        ck_assert_str_eq(fixture_error(c), "f.conf:7: User= has more than 64 elements");
        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_ALICE, &rule), RULE_ALLOW);
        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_BOB, &rule), RULE_ALLOW);
        ck_assert_int_eq(fixture_judge(c, 0, &rule), RULE_DENY);
        config_free(c);
}
END_TEST

/* -------- the shipped rules -------- */

START_TEST(the_shipped_rules_have_no_error_and_end_in_a_denial) {
        Config *c = fixture_load("");
        RuleSubject s = { .opcode = -1 };
        RuleOutcome o;

        ck_assert_str_eq(fixture_error(c), "");
        rules_judge(c->rules, &s, &o);
        ck_assert_int_eq(o.verdict, RULE_DENY);
        ck_assert_str_eq(rule_name(o.rule), "default-deny");
        ck_assert_int_eq(strncmp(rule_source(o.rule), "built-in:", 9), 0);
        config_free(c);
}
END_TEST

START_TEST(a_missing_group_doe_is_no_error_of_the_shipped_rules_only) {
        const char *rule;
        Config *c;

        fixture_has_group_doe = false;
        c = fixture_load("");
        ck_assert_str_eq(fixture_error(c), "");
        ck_assert_int_eq(fixture_judge(c, 0, &rule), RULE_ALLOW);
        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_ALICE, &rule), RULE_DENY);
        config_free(c);
        c = fixture_load("[Rule a]\nGroup=doe\nVerdict=allow\n");
        ck_assert_str_eq(fixture_error(c), "f.conf:2: there is no group doe");
        config_free(c);
        fixture_has_group_doe = true;
}
END_TEST

START_TEST(a_rule_replaces_the_shipped_one_of_its_name) {
        Config *c = fixture_load(
                        "[Rule default-table-access]\nUser=alice\nFeature=1e98:02\nVerdict=allow\n");
        const char *rule;

        ck_assert_str_eq(fixture_error(c), "");
        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_ALICE, &rule), RULE_ALLOW);
        ck_assert_int_eq(fixture_judge(c, 0, &rule), RULE_DENY);
        ck_assert_str_eq(rule, "default-deny");
        config_free(c);
}
END_TEST

/* -------- the dump -------- */

/* Without its comments. */
static char *bare(char *text) {
        char *to = text;

        for (char *line = text, *next; line && *line; line = next) {
                next = strchr(line, '\n');
                next = next ? next + 1 : NULL;
                if (*line == '#')
                        continue;
                size_t n = next ? (size_t)(next - line) : strlen(line);
                memmove(to, line, n);
                to += n;
        }
        *to = '\0';
        return text;
}

static void assert_dump_is_read_as_the_same(const char *text) {
        Config *c = fixture_load(text), *again;
        char *dump = fixture_dump(c), *dump_again;

        again = fixture_load(dump);
        ck_assert_str_eq(fixture_error(again), "");
        ck_assert_int_eq(memcmp(&c->limits, &again->limits, sizeof(Limits)), 0);
        ck_assert_int_eq(c->log_level, again->log_level);
        dump_again = fixture_dump(again);
        ck_assert_str_eq(bare(dump), bare(dump_again));
        free(dump);
        free(dump_again);
        config_free(c);
        config_free(again);
}

static const char everything[] =
                "[Daemon]\nLogLevel=notice\n[Limits]\nQueueMax=3\nLeaseIdleUSec=1min 1us\n"
                "[Rule a]\nUser=alice 1234\nGroup=ops,doe\nDevice=0000:3a:00.? *:5e:*\nVendorDevice=8086:*\n"
                "Class=session destructive\nFeature=cma-spdm 1e98:* 1234:56\nOpcode=GET_VERSION e0-e7 ff\n"
                "Verdict=ask\nPriorityMax=background\nTimeoutMaxSec=1.5\nDeviceTimeoutSec=3\nBusyGraceSec="
                "0\n"
                "MinGapSec=1ms\nQueueMax=1\nQueueMaxPerUid=2\nBytesMax=3\nLeasesMax=0\nWaitersMax="
                "4\nRatePerSec=5\n"
                "TakeOver=on-demand\nSettleSec=10\nCache=no\nRecord=no\nKernelOverride=yes\n"
                "[Rule default-deny]\nVerdict=deny\nUser=bob\n";

START_TEST(a_dump_is_read_as_the_same_configuration) {
        assert_dump_is_read_as_the_same("");
        assert_dump_is_read_as_the_same(everything);
        assert_dump_is_read_as_the_same(
                        "[Rule a]\nUser=alice nobody-such\nVerdict=allow\n[Rule a]\nVerdict=allow\n"
                        "[Rule]\nTakeOver=x\nUser=bob\n[Rule b]\n");
        fixture_has_group_doe = false;
        assert_dump_is_read_as_the_same("");
        assert_dump_is_read_as_the_same("[Rule default-deny]\nGroup=doe\nVerdict=deny\n"
                                        "[Rule default-deny]\nGroup=doe\nVerdict=allow\n");
        fixture_has_group_doe = true;
}
END_TEST

START_TEST(a_dump_says_where_everything_comes_from) {
        Config *c = fixture_load(
                        "[Limits]\nQueueMax=3\n[Rule a]\nUser=alice\nVerdict=allow\n[Rule b]\nx=1\n");
        char *dump = fixture_dump(c);

        ck_assert_ptr_nonnull(strstr(dump, "# f.conf:2\nQueueMax=3\n"));
        ck_assert_ptr_nonnull(strstr(dump, "# built-in\nQueueMaxPerUid=2048\n"));
        ck_assert_ptr_nonnull(strstr(dump, "# f.conf:3\n[Rule a]\nUser=alice\nVerdict=allow\n"));
        ck_assert_ptr_nonnull(strstr(dump, "# f.conf:6: has errors, so it denies what could be read of it\n"
                                           "[Rule b]\nVerdict=deny\n"));
        ck_assert_ptr_nonnull(strstr(dump, "# built-in:1\n[Rule default-priority-root]\n"));
        free(dump);
        config_free(c);
}
END_TEST

DEFINE_SUITE("config", limits_and_log_level_are_taken_with_their_source,
             what_is_wrong_outside_rules_is_told_and_the_default_stays,
             errors_are_bounded_and_the_rest_counted,
             a_rule_with_any_error_denies_what_its_readable_part_matches, a_wrong_rule_keeps_its_place,
             a_rule_with_a_wrong_head_denies_too, names_are_unique, a_take_over_that_cannot_be_read_is_none,
             what_follows_too_many_rules_is_denied, lists_are_bounded_and_may_stand_twice,
             the_shipped_rules_have_no_error_and_end_in_a_denial,
             a_missing_group_doe_is_no_error_of_the_shipped_rules_only,
             a_rule_replaces_the_shipped_one_of_its_name, a_dump_is_read_as_the_same_configuration,
             a_dump_says_where_everything_comes_from)
