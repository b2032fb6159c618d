/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/policy.h"

#include <errno.h>

#include "tests/unit/suite.h"

static const gid_t doe_gids[] = { 1000, 700 }, plain_gids[] = { 1000 };
static const Policy policy = { .owner_uid = 990, .has_group = true, .group_gid = 700 };
static const PolicyCaller root = { .uid = 0 }, owner = { .uid = 990 },
                          member = { .uid = 1000, .gids = doe_gids, .n_gids = 2 },
                          nobody = { .uid = 65534, .gids = plain_gids, .n_gids = 1 };

static PolicyVerdict call(const PolicyCaller *caller, const char *interface, const char *name,
                          const char *option) {
        PolicyDecision d;

        policy_judge_call(&policy, caller, interface, name, option, &d);
        return d.verdict;
}

static PolicyVerdict request(const PolicyCaller *caller, uint16_t vendor_id, uint8_t type, const char *bytes,
                             size_t n_bytes) {
        PolicyDecision d;

        policy_judge_request(&policy, caller, vendor_id, type, (const uint8_t *)bytes, n_bytes, &d);
        return d.verdict;
}

START_TEST(what_is_not_in_the_table_is_denied_to_root) {
        ck_assert_int_eq(call(&root, "Mailbox1", "Lease", NULL), POLICY_DENY);
        ck_assert_int_eq(call(&root, "Mailbox1", "Exchange", "color"), POLICY_DENY);
        ck_assert(!policy_knows_call("Mailbox1", "Exchange", "color"));
}
END_TEST

START_TEST(the_uid_of_the_daemon_counts_as_root) {
        ck_assert_int_eq(call(&owner, "Mailbox1", "Recover", "force"), POLICY_ALLOW);
        ck_assert(policy_is_root(&policy, &owner));
        ck_assert(!policy_is_root(&policy, &member));
}
END_TEST

START_TEST(the_group_may_what_it_is_for) {
        ck_assert_int_eq(call(&member, "Cdat1", "Read", "fresh"), POLICY_ALLOW);
        ck_assert_int_eq(call(&nobody, "Cdat1", "Read", "fresh"), POLICY_DENY);
        ck_assert_int_eq(call(&member, "Mailbox1", "Exchange", "priority"), POLICY_ALLOW);
        ck_assert_int_eq(call(&member, "Mailbox1", "Exchange", "priority=urgent"), POLICY_DENY);
        ck_assert_int_eq(call(&root, "Mailbox1", "Exchange", "priority=urgent"), POLICY_ALLOW);
}
END_TEST

START_TEST(a_missing_group_has_no_members) {
        const Policy without = { .owner_uid = 990, .group_gid = 0 };
        const gid_t zero[] = { 0 };
        const PolicyCaller caller = { .uid = 1000, .gids = zero, .n_gids = 1 };
        PolicyDecision d;

        policy_judge_call(&without, &caller, "Cdat1", "Read", NULL, &d);
        ck_assert_int_eq(d.verdict, POLICY_DENY);
}
END_TEST

START_TEST(management_is_asked_of_polkit_with_the_action_named) {
        PolicyDecision d;

        policy_judge_call(&policy, &member, "Mailbox1", "Recover", NULL, &d);
        ck_assert_int_eq(d.verdict, POLICY_ASK);
        ck_assert_str_eq(d.action, "org.doed.manage");
}
END_TEST

START_TEST(requests_are_judged_by_feature_and_opcode) {
        ck_assert_int_eq(request(&nobody, 0x0001, 0x00, "\0\0\0\0", 4), POLICY_ALLOW);
        ck_assert_int_eq(request(&nobody, 0x1e98, 0x02, "\0\0\0\0", 4), POLICY_DENY);
        ck_assert_int_eq(request(&member, 0x1e98, 0x02, "\0\0\0\0", 4), POLICY_ALLOW);
        ck_assert_int_eq(request(&member, 0x0001, 0x01, "\x10\x84\0\0", 4), POLICY_NEEDS_LEASE);
        ck_assert_int_eq(request(&member, 0x0001, 0x02, "\1\0\0\0", 4), POLICY_DENY);
        ck_assert_int_eq(request(&root, 0x0001, 0x02, "\1\0\0\0", 4), POLICY_NEEDS_LEASE);
        ck_assert_int_eq(request(&root, 0x0001, 0x01, "\x12\xee\0\0", 4), POLICY_DENY);
        ck_assert_int_eq(request(&root, 0x1e98, 0x00, "\0\0\0\0", 4), POLICY_ALLOW);
        ck_assert_int_eq(request(&root, 0x1e98, 0x00, "\3\0\0\0", 4), POLICY_DENY);
        ck_assert_int_eq(request(&root, 0x1234, 0x01, "", 0), POLICY_ALLOW);
        ck_assert_int_eq(request(&member, 0x1234, 0x01, "", 0), POLICY_DENY);
}
END_TEST

START_TEST(a_denial_names_rule_source_and_what_would_help) {
        PolicyDecision d;
        Failure f;

        policy_judge_request(&policy, &nobody, 0x1e98, 0x02, (const uint8_t *)"\0\0\0\0", 4, &d);
        ck_assert_int_eq(policy_failure(&d, "Exchange of 1e98:02", &f), -EACCES);
        ck_assert_ptr_nonnull(strstr(f.text, "default-table-access"));
        ck_assert_ptr_nonnull(strstr(f.text, "built-in"));
        ck_assert_ptr_nonnull(strstr(f.text, "group doe"));
        ck_assert_uint_eq(f.n_values, 3);
        ck_assert_str_eq(f.values[0].name, "rule");
}
END_TEST

START_TEST(every_option_row_has_its_call_row) {
        const char *interface, *name, *option;
        size_t i;

        for (i = 0; policy_get_call(i, &interface, &name, &option); i++)
                ck_assert(policy_knows_call(interface, name, NULL));
        ck_assert_uint_gt(i, 10);
}
END_TEST

DEFINE_SUITE("policy", what_is_not_in_the_table_is_denied_to_root, the_uid_of_the_daemon_counts_as_root,
             the_group_may_what_it_is_for, a_missing_group_has_no_members,
             management_is_asked_of_polkit_with_the_action_named, requests_are_judged_by_feature_and_opcode,
             a_denial_names_rule_source_and_what_would_help, every_option_row_has_its_call_row)
