/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/rule.h"

#include "daemon/util/clock.h"
#include "tests/unit/config-fixture.h"
#include "tests/unit/suite.h"

static const gid_t doe_gids[] = { 5, FIXTURE_GID_DOE };

/* Table access to 0000:3a:00.0, which is 8086:0d93. */
static RuleSubject subject_of(uid_t uid) {
        return (RuleSubject){
                .has_caller = true,
                .uid = uid,
                .address = "0000:3a:00.0",
                .vendor_id = 0x8086,
                .device_id = 0x0d93,
                .has_feature = true,
                .feature_vendor_id = 0x1e98,
                .feature_type = 0x02,
                .class = DOE_CLASS_READ,
                .opcode = 0,
        };
}

/* Name of the rule that gives the verdict. */
static const char *judged_by(const char *text, const RuleSubject *s, RuleOutcome *ret) {
        static char name[RULE_NAME_MAX];
        Config *c = fixture_load(text);
        RuleOutcome o;

        ck_assert_str_eq(fixture_error(c), "");
        rules_judge(c->rules, s, &o);
        snprintf(name, sizeof(name), "%s", o.rule ? rule_name(o.rule) : "");
        if (ret)
                *ret = o;
        config_free(c);
        return name;
}

#define RULE_OF(keys) "[Rule r]\nVerdict=allow\n" keys "\n"

static bool matches(const char *text, const RuleSubject *s) {
        return strcmp(judged_by(text, s, NULL), "r") == 0;
}

START_TEST(a_rule_without_keys_matches_anything) {
        RuleSubject s = subject_of(FIXTURE_UID_BOB);

        ck_assert(matches(RULE_OF(""), &s));
        s = (RuleSubject){ .opcode = -1 };
        ck_assert(matches(RULE_OF(""), &s));
}
END_TEST

START_TEST(user_or_group_suffices) {
        RuleSubject alice = subject_of(FIXTURE_UID_ALICE), bob = subject_of(FIXTURE_UID_BOB);

        ck_assert(matches(RULE_OF("User=alice"), &alice));
        ck_assert(!matches(RULE_OF("User=alice"), &bob));
        ck_assert(matches(RULE_OF("User=bob, alice"), &alice));
        ck_assert(matches(RULE_OF("User=1000"), &alice));
        ck_assert(!matches(RULE_OF("User=root\nGroup=doe"), &bob));
        bob.gids = doe_gids;
        bob.n_gids = ELEMENTS(doe_gids);
        ck_assert(matches(RULE_OF("User=root\nGroup=doe"), &bob));
        ck_assert(matches(RULE_OF("Group=700"), &bob));
        ck_assert(!matches(RULE_OF("Group=ops"), &bob));
}
END_TEST

START_TEST(who_counts_as_root_is_root_and_itself) {
        RuleSubject s = subject_of(FIXTURE_UID_ALICE);

        s.is_root = true;
        ck_assert(matches(RULE_OF("User=root"), &s));
        ck_assert(matches(RULE_OF("User=alice"), &s));
        ck_assert(!matches(RULE_OF("User=bob"), &s));
}
END_TEST

START_TEST(devices_match_by_pattern) {
        RuleSubject s = subject_of(0);

        ck_assert(matches(RULE_OF("Device=0000:3a:00.0"), &s));
        ck_assert(matches(RULE_OF("Device=0000:3A:00.0"), &s));
        ck_assert(matches(RULE_OF("Device=0000:5e:00.0 0000:3a:*"), &s));
        ck_assert(!matches(RULE_OF("Device=0000:3a:00.[1-7]"), &s));
        ck_assert(matches(RULE_OF("VendorDevice=8086:0d93"), &s));
        ck_assert(matches(RULE_OF("VendorDevice=8086:*"), &s));
        ck_assert(!matches(RULE_OF("VendorDevice=8086:0d94"), &s));
}
END_TEST

START_TEST(features_match_by_name_number_or_vendor) {
        RuleSubject s = subject_of(0);

        ck_assert(matches(RULE_OF("Feature=1e98:02"), &s));
        ck_assert(matches(RULE_OF("Feature=cxl-table-access"), &s));
        ck_assert(matches(RULE_OF("Feature=1E98:*"), &s));
        ck_assert(!matches(RULE_OF("Feature=1e98:00"), &s));
        ck_assert(!matches(RULE_OF("Feature=0001:*"), &s));
        ck_assert(matches(RULE_OF("Class=unknown read"), &s));
        ck_assert(!matches(RULE_OF("Class=session"), &s));
}
END_TEST

START_TEST(opcodes_match_by_byte_range_or_name) {
        RuleSubject s = subject_of(0);

        s.feature_vendor_id = 0x0001;
        s.feature_type = 0x01;
        s.opcode = 0x84;
        ck_assert(matches(RULE_OF("Opcode=84"), &s));
        ck_assert(matches(RULE_OF("Opcode=0x84"), &s));
        ck_assert(matches(RULE_OF("Opcode=80-ff"), &s));
        ck_assert(matches(RULE_OF("Opcode=GET_VERSION"), &s));
        ck_assert(matches(RULE_OF("Opcode=1 84-84"), &s));
        ck_assert(!matches(RULE_OF("Opcode=85-ff 0-83"), &s));
        s.opcode = -1;
        ck_assert(!matches(RULE_OF("Opcode=00-ff"), &s));
}
END_TEST

START_TEST(all_keys_must_match) {
        RuleSubject s = subject_of(FIXTURE_UID_ALICE);

        ck_assert(matches(RULE_OF("User=alice\nDevice=*\nFeature=1e98:02\nOpcode=00\nClass=read"), &s));
        ck_assert(!matches(RULE_OF("User=alice\nDevice=*\nFeature=1e98:02\nOpcode=01\nClass=read"), &s));
        ck_assert(!matches(RULE_OF("User=bob\nDevice=*\nFeature=1e98:02\nOpcode=00\nClass=read"), &s));
}
END_TEST

START_TEST(what_is_not_known_matches_only_rules_that_do_not_ask) {
        RuleSubject s = subject_of(0);

        s.has_caller = false;
        ck_assert(!matches(RULE_OF("User=root"), &s));
        ck_assert(matches(RULE_OF("Device=*"), &s));
        s.has_feature = false;
        ck_assert(!matches(RULE_OF("Feature=1e98:02"), &s));
        ck_assert(!matches(RULE_OF("Class=read"), &s));
        ck_assert(!matches(RULE_OF("Opcode=00"), &s));
        s.address = NULL;
        ck_assert(!matches(RULE_OF("Device=*"), &s));
        ck_assert(!matches(RULE_OF("VendorDevice=*"), &s));
}
END_TEST

START_TEST(the_first_verdict_wins) {
        RuleSubject s = subject_of(FIXTURE_UID_ALICE);

        ck_assert_str_eq(judged_by("[Rule a]\nUser=bob\nVerdict=allow\n[Rule b]\nVerdict=deny\n"
                                   "[Rule c]\nVerdict=allow\n",
                                   &s, NULL),
                         "b");
}
END_TEST

START_TEST(each_effect_is_of_the_first_rule_that_sets_it) {
        RuleSubject s = subject_of(FIXTURE_UID_ALICE);
        Config *c = fixture_load("[Rule a]\nQueueMax=7\n"
                                 "[Rule other]\nUser=bob\nBytesMax=1\n"
                                 "[Rule b]\nQueueMax=9\nRatePerSec=5\nMinGapSec=0.25\n"
                                 "[Rule v]\nVerdict=allow\nTakeOver=never\n"
                                 "[Rule after]\nLeasesMax=1\n");
        RuleOutcome o;

        ck_assert_str_eq(fixture_error(c), "");
        rules_judge(c->rules, &s, &o);
        ck_assert_int_eq(o.verdict, RULE_ALLOW);
        ck_assert_str_eq(rule_name(o.rule), "v");
        ck_assert_str_eq(rule_source(o.rule), "f.conf:10");
        ck_assert_uint_eq(o.effects[RULE_QUEUE_MAX], 7);
        ck_assert_str_eq(rule_name(o.by[RULE_QUEUE_MAX]), "a");
        ck_assert_uint_eq(o.effects[RULE_MIN_GAP_USEC], 250000);
        ck_assert_str_eq(rule_name(o.by[RULE_RATE_PER_SEC]), "b");
        ck_assert_uint_eq(o.effects[RULE_TAKE_OVER], RULE_TAKE_OVER_NEVER);
        ck_assert(!o.is_set[RULE_BYTES_MAX]);
        ck_assert(!o.is_set[RULE_LEASES_MAX]);
        config_free(c);
}
END_TEST

START_TEST(every_effect_is_read) {
        RuleSubject s = { .opcode = -1 };
        RuleOutcome o;
        static const uint64_t expected[N_RULE_EFFECTS] = {
                [RULE_PRIORITY_MAX] = RULE_PRIORITY_BACKGROUND,
                [RULE_TIMEOUT_MAX_USEC] = 60 * USEC_PER_SEC,
                [RULE_DEVICE_TIMEOUT_USEC] = 3 * USEC_PER_SEC,
                [RULE_BUSY_GRACE_USEC] = 500000,
                [RULE_MIN_GAP_USEC] = 20000,
                [RULE_QUEUE_MAX] = 1,
                [RULE_QUEUE_MAX_PER_UID] = 2,
                [RULE_BYTES_MAX] = 3,
                [RULE_LEASES_MAX] = 0,
                [RULE_WAITERS_MAX] = 4,
                [RULE_RATE_PER_SEC] = 5,
                [RULE_TAKE_OVER] = RULE_TAKE_OVER_ON_DEMAND,
                [RULE_SETTLE_USEC] = 10 * USEC_PER_SEC,
                [RULE_CACHE_USEC] = 600 * USEC_PER_SEC,
                [RULE_RECORD] = 0,
                [RULE_KERNEL_OVERRIDE] = 1,
        };

        (void)judged_by("[Rule r]\nPriorityMax=background\nTimeoutMaxSec=1min\nDeviceTimeoutSec=3\n"
                        "BusyGraceSec=500ms\nMinGapSec=0.02\nQueueMax=1\nQueueMaxPerUid=2\nBytesMax=3\n"
                        "LeasesMax=0\nWaitersMax=4\nRatePerSec=5\nTakeOver=on-demand\nSettleSec=10\n"
                        "Cache=10min\nRecord=no\nKernelOverride=yes\n",
                        &s, &o);
        for (size_t i = 0; i < N_RULE_EFFECTS; i++) {
                ck_assert_msg(o.is_set[i], "effect %zu", i);
                ck_assert_uint_eq(o.effects[i], expected[i]);
        }
        (void)judged_by("[Rule r]\nCache=no\n", &s, &o);
        ck_assert(o.is_set[RULE_CACHE_USEC]);
        ck_assert_uint_eq(o.effects[RULE_CACHE_USEC], 0);
}
END_TEST

static const char *allowed(const char *text, const RuleSubject *s) {
        static char callers[128];
        Config *c = fixture_load(text);
        const Rule *rule = rules_find_allowed(c->rules, s);

        snprintf(callers, sizeof(callers), "-");
        if (rule)
                rule_describe_callers(rule, callers, sizeof(callers));
        config_free(c);
        return callers;
}

START_TEST(who_would_be_allowed_is_found_and_described) {
        RuleSubject s = subject_of(FIXTURE_UID_BOB);

        ck_assert_str_eq(allowed("", &s), "root or a member of group doe");
        ck_assert_str_eq(allowed("[Rule a]\nUser=alice 1007\nGroup=ops\nVerdict=allow\n", &s),
                         "alice, uid 1007 or a member of group ops");
        ck_assert_str_eq(allowed("[Rule a]\nUser=bob\nVerdict=deny\n[Rule b]\nVerdict=allow\n", &s), "");
        ck_assert_str_eq(allowed("[Rule a]\nUser=alice\nVerdict=ask\n", &s),
                         "root or a member of group doe");
        ck_assert_str_eq(allowed("[Rule a]\nUser=alice\nVerdict=ask\n[Rule b]\nVerdict=deny\n", &s),
                         "alice");
        ck_assert_str_eq(allowed("[Rule a]\nFeature=1e98:02\nVerdict=deny\n", &s), "-");
        s.class = DOE_CLASS_DESTRUCTIVE;
        ck_assert_str_eq(allowed("", &s), "-");
}
END_TEST

START_TEST(a_description_is_cut_at_its_buffer) {
        Config *c = fixture_load("[Rule a]\nUser=alice bob\nVerdict=allow\n");
        char buf[8];

        ck_assert_str_eq(rule_describe_callers(rules_find(c->rules, "a"), buf, sizeof(buf)), "alice o");
        config_free(c);
}
END_TEST

static bool lends(const char *text, const RuleSubject *s) {
        Config *c = fixture_load(text);
        bool does = rules_lend_destructive(c->rules, s);

        config_free(c);
        return does;
}

START_TEST(the_destructive_is_lent_only_by_a_rule_that_names_feature_and_opcode) {
        RuleSubject s = { .address = "0000:3a:00.0",
                          .has_feature = true,
                          .feature_vendor_id = 0x1e98,
                          .class = DOE_CLASS_DESTRUCTIVE,
                          .opcode = 0x06 };

        ck_assert(!lends("", &s));
        ck_assert(!lends("[Rule a]\nVerdict=allow\n", &s));
        ck_assert(!lends("[Rule a]\nFeature=1e98:00\nVerdict=allow\n", &s));
        ck_assert(!lends("[Rule a]\nOpcode=06\nVerdict=allow\n", &s));
        ck_assert(!lends("[Rule a]\nFeature=1e98:00\nOpcode=06\nVerdict=ask\n", &s));
        ck_assert(!lends("[Rule a]\nFeature=1e98:00\nOpcode=07\nVerdict=allow\n", &s));
        ck_assert(lends("[Rule a]\nUser=root\nVerdict=allow\n"
                        "[Rule b]\nUser=alice\nFeature=1e98:00\nOpcode=06\nVerdict=allow\n",
                        &s));
}
END_TEST

DEFINE_SUITE("rule", a_rule_without_keys_matches_anything, user_or_group_suffices,
             who_counts_as_root_is_root_and_itself, devices_match_by_pattern,
             features_match_by_name_number_or_vendor, opcodes_match_by_byte_range_or_name,
             all_keys_must_match, what_is_not_known_matches_only_rules_that_do_not_ask,
             the_first_verdict_wins, each_effect_is_of_the_first_rule_that_sets_it, every_effect_is_read,
             who_would_be_allowed_is_found_and_described, a_description_is_cut_at_its_buffer,
             the_destructive_is_lent_only_by_a_rule_that_names_feature_and_opcode)
