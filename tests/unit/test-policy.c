/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/policy.h"

#include <errno.h>

#include "daemon/core/device.h"
#include "daemon/util/clock.h"
#include "tests/unit/config-fixture.h"
#include "tests/unit/suite.h"

static const gid_t doe_gids[] = { 1000, FIXTURE_GID_DOE }, plain_gids[] = { 1000 };
static const PolicyCaller root = { .uid = 0 }, owner = { .uid = FIXTURE_UID_OWNER },
                          member = { .uid = FIXTURE_UID_ALICE, .gids = doe_gids, .n_gids = 2 },
                          nobody = { .uid = 65534, .gids = plain_gids, .n_gids = 1 };
static char address[] = "0000:3a:00.0";
static const Device device = { .address = address, .vendor_id = 0x8086, .device_id = 0x0d93 };

static Config *config;
static Policy policy;

static void set_up(const char *text) {
        config = fixture_load(text);
        ck_assert_str_eq(fixture_error(config), "");
        policy = (Policy){ .rules = config->rules,
                           .limits = &config->limits,
                           .owner_uid = FIXTURE_UID_OWNER,
                           .has_group = true,
                           .group_gid = FIXTURE_GID_DOE };
}

static void tear_down(void) {
        config_free(config);
}

/* -------- calls -------- */

static PolicyVerdict call(const PolicyCaller *caller, const char *interface, const char *name,
                          const char *option) {
        PolicyDecision d;

        policy_judge_call(&policy, caller, interface, name, option, &d);
        return d.verdict;
}

START_TEST(what_is_not_in_the_table_is_denied_to_root) {
        set_up("");
        ck_assert_int_eq(call(&root, "Mailbox1", "Reset", NULL), POLICY_DENY);
        ck_assert_int_eq(call(&root, "Mailbox1", "Exchange", "color"), POLICY_DENY);
        ck_assert(!policy_knows_call("Mailbox1", "Exchange", "color"));
        tear_down();
}
END_TEST

START_TEST(the_uid_of_the_daemon_counts_as_root) {
        set_up("");
        ck_assert_int_eq(call(&owner, "Mailbox1", "Recover", "force"), POLICY_ALLOW);
        ck_assert(policy_is_root(&policy, &owner));
        ck_assert(!policy_is_root(&policy, &member));
        tear_down();
}
END_TEST

typedef struct CallRow {
        const char *interface, *member, *option;
        PolicyVerdict member_verdict, nobody_verdict;
} CallRow;

START_TEST(calls_and_options_are_for_whom_the_contract_says) {
        static const CallRow rows[] = {
                { "Manager1", "Find", "timeout-usec", POLICY_ALLOW, POLICY_ALLOW },
                { "Manager1", "Explain", "uid", POLICY_ASK, POLICY_ASK },
                { "Manager1", "Capture", NULL, POLICY_ASK, POLICY_ASK },
                { "Manager1", "Capture", "recent", POLICY_ASK, POLICY_ASK },
                { "Manager1", "Rescan", NULL, POLICY_ASK, POLICY_ASK },
                { "Manager1", "Reload", NULL, POLICY_ASK, POLICY_ASK },
                { "Mailbox1", "Exchange", NULL, POLICY_ALLOW, POLICY_ALLOW },
                { "Mailbox1", "Exchange", "priority", POLICY_ALLOW, POLICY_DENY },
                { "Mailbox1", "Exchange", "priority=urgent", POLICY_DENY, POLICY_DENY },
                { "Mailbox1", "Exchange", "fresh", POLICY_ALLOW, POLICY_DENY },
                { "Mailbox1", "Discover", NULL, POLICY_ALLOW, POLICY_DENY },
                { "Mailbox1", "Lease", NULL, POLICY_ALLOW, POLICY_ALLOW },
                { "Mailbox1", "Lease", "scope", POLICY_ALLOW, POLICY_ALLOW },
                { "Mailbox1", "Lease", "scope=mailbox", POLICY_ASK, POLICY_ASK },
                { "Mailbox1", "Lease", "max-usec", POLICY_ALLOW, POLICY_ALLOW },
                { "Mailbox1", "Lease", "limits", POLICY_ASK, POLICY_ASK },
                { "Mailbox1", "Inhibit", NULL, POLICY_ASK, POLICY_ASK },
                { "Mailbox1", "Recover", "force", POLICY_ASK, POLICY_ASK },
                { "Cdat1", "Read", NULL, POLICY_ALLOW, POLICY_ALLOW },
                { "Cdat1", "Read", "fresh", POLICY_ALLOW, POLICY_DENY },
                { "Lease1", "Revoke", NULL, POLICY_ALLOW, POLICY_ALLOW },
                { "Lease1", "Revoke", "other", POLICY_ASK, POLICY_ASK },
                { "LogControl1", "LogLevel", NULL, POLICY_DENY, POLICY_DENY },
        };

        set_up("");
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const CallRow *r = &rows[i];

                ck_assert_msg(call(&root, r->interface, r->member, r->option) == POLICY_ALLOW, "%s.%s %s",
                              r->interface, r->member, r->option);
                ck_assert_msg(call(&member, r->interface, r->member, r->option) == r->member_verdict,
                              "%s.%s %s", r->interface, r->member, r->option);
                ck_assert_msg(call(&nobody, r->interface, r->member, r->option) == r->nobody_verdict,
                              "%s.%s %s", r->interface, r->member, r->option);
        }
        tear_down();
}
END_TEST

START_TEST(a_missing_group_has_no_members) {
        const gid_t zero[] = { 0 };
        const PolicyCaller caller = { .uid = 1000, .gids = zero, .n_gids = 1 };

        set_up("");
        policy.has_group = false;
        policy.group_gid = 0;
        ck_assert_int_eq(call(&caller, "Mailbox1", "Discover", NULL), POLICY_DENY);
        tear_down();
}
END_TEST

START_TEST(management_is_asked_of_polkit_with_the_action_named) {
        PolicyDecision d;
        Failure f;

        set_up("");
        policy_judge_call(&policy, &member, "Mailbox1", "Recover", NULL, &d);
        ck_assert_int_eq(d.verdict, POLICY_ASK);
        ck_assert_str_eq(d.action, "org.doed.manage");
        ck_assert_int_eq(policy_failure(&d, "Mailbox1.Recover", &f), -EACCES);
        ck_assert_ptr_nonnull(
                        strstr(f.text, "call as root, or be granted the polkit action org.doed.manage"));
        policy_judge_call(&policy, &member, "Manager1", "Capture", NULL, &d);
        ck_assert_str_eq(d.action, "org.doed.capture");
        tear_down();
}
END_TEST

START_TEST(every_option_row_has_its_call_row) {
        const char *interface, *name, *option;
        size_t i;

        for (i = 0; policy_get_call(i, &interface, &name, &option); i++)
                ck_assert(policy_knows_call(interface, name, NULL));
        ck_assert_uint_gt(i, 30);
}
END_TEST

/* -------- requests -------- */

static PolicyDecision judge(const PolicyCaller *caller, uint16_t vendor_id, uint8_t type, const void *bytes,
                            size_t n_bytes, bool in_lease) {
        DoeJudgement judgement;
        PolicyRequest request = { .device = &device,
                                  .vendor_id = vendor_id,
                                  .type = type,
                                  .judgement = &judgement,
                                  .in_lease = in_lease };
        PolicyDecision d;

        doe_feature_judge(vendor_id, type, bytes, n_bytes, &judgement);
        policy_judge_request(&policy, caller, &request, &d);
        return d;
}

static PolicyVerdict request(const PolicyCaller *caller, uint16_t vendor_id, uint8_t type, const char *bytes,
                             size_t n_bytes) {
        return judge(caller, vendor_id, type, bytes, n_bytes, false).verdict;
}

/* A row of the contract's table of features, as far as it depends on the class alone. */
typedef struct ClassRow {
        const char *rule; /* that allows it, or denies it to root */
        bool root, member, nobody;
        const char *help;
} ClassRow;

static const ClassRow class_rows[N_DOE_CLASSES] = {
        [DOE_CLASS_READ] = { "default-table-access", true, true, false,
                             "call as root or a member of group doe" },
        [DOE_CLASS_READ_SENSITIVE] = { "default-compliance-status", true, false, false, "call as root" },
        [DOE_CLASS_CONNECTION] = { "default-spdm-connection", true, true, false,
                                   "call as root or a member of group doe" },
        [DOE_CLASS_SESSION] = { "default-spdm-session", true, false, false, "call as root" },
        [DOE_CLASS_DESTRUCTIVE] = { "default-spdm-destructive", false, false, false,
                                    "nobody may, until a rule allows it" },
        [DOE_CLASS_UNKNOWN] = { "default-unknown", true, false, false, "call as root" },
};
static const ClassRow discovery_row = { "default-discovery", true, true, true,
                                        "call as anybody whom this rule does not name" };

static const char *rule_of(const ClassRow *row, const DoeJudgement *j) {
        if (j->class == DOE_CLASS_DESTRUCTIVE && j->how == DOE_HOW_MAILBOX_LEASE)
                return "default-compliance";
        if (j->class == DOE_CLASS_UNKNOWN && j->how == DOE_HOW_LEASE)
                return "default-spdm-unknown";
        return row->rule;
}

static void assert_as_in_table(uint16_t vendor_id, uint8_t type, const uint8_t *bytes, size_t n_bytes) {
        PolicyDecision of_root = judge(&root, vendor_id, type, bytes, n_bytes, true),
                       of_owner = judge(&owner, vendor_id, type, bytes, n_bytes, true),
                       of_member = judge(&member, vendor_id, type, bytes, n_bytes, true),
                       of_nobody = judge(&nobody, vendor_id, type, bytes, n_bytes, true);
        const DoeJudgement *j = &of_root.judgement;
        const ClassRow *row = j->class == DOE_CLASS_READ && vendor_id == DOE_VENDOR_PCI_SIG
                                              ? &discovery_row
                                              : &class_rows[j->class];

        ck_assert_str_eq(of_root.rule, rule_of(row, j));
        ck_assert_str_eq(of_root.help, row->help);
        ck_assert_int_eq(of_root.verdict, row->root ? POLICY_ALLOW : POLICY_DENY);
        ck_assert_int_eq(of_owner.verdict, of_root.verdict);
        ck_assert_int_eq(of_member.verdict, row->member ? POLICY_ALLOW : POLICY_DENY);
        ck_assert_int_eq(of_nobody.verdict, row->nobody ? POLICY_ALLOW : POLICY_DENY);
}

START_TEST(the_shipped_rules_are_the_contracts_table_of_features) {
        set_up("");
        for (unsigned vendor = 0; vendor < 3; vendor++)
                for (unsigned type = 0; type < 8; type++)
                        for (unsigned code = 0; code < 256; code++) {
                                static const uint16_t vendors[] = { 0x0001, 0x1e98, 0x1234 };
                                uint8_t spdm[] = { 0x12, (uint8_t)code, 0, 0 },
                                        other[] = { (uint8_t)code, 0, 0, 0 };

                                assert_as_in_table(vendors[vendor], (uint8_t)type, spdm, sizeof(spdm));
                                assert_as_in_table(vendors[vendor], (uint8_t)type, other, sizeof(other));
                        }
        assert_as_in_table(0x0001, 0x01, NULL, 0);
        assert_as_in_table(0x1e98, 0x00, NULL, 0);
        tear_down();
}
END_TEST

START_TEST(requests_are_judged_by_feature_and_opcode) {
        set_up("");
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
        tear_down();
}
END_TEST

START_TEST(a_denial_names_rule_source_and_what_would_help) {
        PolicyDecision d;
        Failure f;

        set_up("[Rule no-tables]\nUser=alice\nFeature=1e98:02\nVerdict=deny\n");
        d = judge(&nobody, 0x1e98, 0x02, "\0\0\0\0", 4, false);
        ck_assert_int_eq(policy_failure(&d, "Exchange of 1e98:02", &f), -EACCES);
        ck_assert_ptr_nonnull(strstr(f.text, "default-deny (built-in:"));
        ck_assert_ptr_nonnull(strstr(f.text, "call as root or a member of group doe"));
        ck_assert_uint_eq(f.n_values, 3);
        ck_assert_str_eq(f.values[0].name, "rule");
        d = judge(&member, 0x1e98, 0x02, "\0\0\0\0", 4, false);
        ck_assert_int_eq(policy_failure(&d, "Exchange of 1e98:02", &f), -EACCES);
        ck_assert_ptr_nonnull(strstr(f.text, "rule no-tables (f.conf:1)"));
        tear_down();
}
END_TEST

START_TEST(ask_names_the_action_of_what_was_tried) {
        PolicyDecision d;

        set_up("[Rule ask]\nUser=alice\nVerdict=ask\n");
        d = judge(&member, 0x1e98, 0x02, "\0\0\0\0", 4, false);
        ck_assert_int_eq(d.verdict, POLICY_ASK);
        ck_assert_str_eq(d.action, "org.doed.exchange");
        d = judge(&member, 0x0001, 0x01, "\x10\x84\0\0", 4, true);
        ck_assert_int_eq(d.verdict, POLICY_ASK);
        ck_assert_str_eq(d.action, "org.doed.lease");
        /* what passes in a lease only needs no asking before there is one */
        d = judge(&member, 0x0001, 0x01, "\x10\x84\0\0", 4, false);
        ck_assert_int_eq(d.verdict, POLICY_NEEDS_LEASE);
        ck_assert_ptr_null(d.action);
        tear_down();
}
END_TEST

START_TEST(rules_match_on_the_device) {
        set_up("[Rule quirk]\nVendorDevice=8086:0d93\nMinGapSec=1\nDeviceTimeoutSec=3\n"
               "[Rule elsewhere]\nDevice=0000:5e:00.0\nQueueMax=1\n");
        ck_assert_uint_eq(judge(&root, 0x0001, 0x00, "\0\0\0\0", 4, false).effects.device_timeout_usec,
                          3 * USEC_PER_SEC);
        ck_assert_uint_eq(judge(&root, 0x0001, 0x00, "\0\0\0\0", 4, false).effects.queue_max,
                          limits_default.queue_max);
        tear_down();
}
END_TEST

START_TEST(effects_are_the_limits_unless_a_rule_sets_them) {
        PolicyEffects e;

        set_up("[Limits]\nQueueMax=5\n[Rule "
               "alice]\nUser=alice\nQueueMaxPerUid=2\nBytesMax=100\nRatePerSec=7\n"
               "Cache=10\nRecord=no\nKernelOverride=yes\nPriorityMax=background\nLeasesMax=1\nWaitersMax="
               "0\n");
        e = judge(&root, 0x0001, 0x00, "\0\0\0\0", 4, false).effects;
        ck_assert_int_eq(e.priority_max, JOB_URGENT);
        ck_assert_uint_eq(e.timeout_max_usec, limits_default.timeout_max_usec);
        ck_assert_uint_eq(e.device_timeout_usec, limits_default.device_timeout_usec);
        ck_assert_uint_eq(e.busy_grace_usec, limits_default.busy_grace_usec);
        ck_assert_uint_eq(e.queue_max, 5);
        ck_assert_uint_eq(e.queue_max_per_uid, limits_default.queue_max_per_uid);
        ck_assert_uint_eq(e.bytes_max, limits_default.bytes_max_per_uid);
        ck_assert_uint_eq(e.leases_max, limits_default.leases_max_per_uid);
        ck_assert_uint_eq(e.waiters_max, limits_default.waiters_max_per_uid);
        ck_assert_uint_eq(e.rate_per_sec, 0);
        ck_assert(!e.has_cache);
        ck_assert(e.record);
        ck_assert(!e.kernel_override);

        e = judge(&member, 0x0001, 0x00, "\0\0\0\0", 4, false).effects;
        ck_assert_int_eq(e.priority_max, JOB_BACKGROUND);
        ck_assert_uint_eq(e.queue_max_per_uid, 2);
        ck_assert_uint_eq(e.bytes_max, 100);
        ck_assert_uint_eq(e.leases_max, 1);
        ck_assert_uint_eq(e.waiters_max, 0);
        ck_assert_uint_eq(e.rate_per_sec, 7);
        ck_assert_str_eq(rule_name(e.rate_rule), "alice");
        ck_assert(e.has_cache);
        ck_assert_uint_eq(e.cache_usec, 10 * USEC_PER_SEC);
        ck_assert(!e.record);
        ck_assert(e.kernel_override);
        ck_assert_int_eq(judge(&nobody, 0x0001, 0x00, "\0\0\0\0", 4, false).effects.priority_max,
                         JOB_NORMAL);
        ck_assert_int_eq(judge(&owner, 0x0001, 0x00, "\0\0\0\0", 4, false).effects.priority_max, JOB_URGENT);
        tear_down();
}
END_TEST

DEFINE_SUITE("policy", what_is_not_in_the_table_is_denied_to_root, the_uid_of_the_daemon_counts_as_root,
             calls_and_options_are_for_whom_the_contract_says, a_missing_group_has_no_members,
             management_is_asked_of_polkit_with_the_action_named, every_option_row_has_its_call_row,
             the_shipped_rules_are_the_contracts_table_of_features,
             requests_are_judged_by_feature_and_opcode, a_denial_names_rule_source_and_what_would_help,
             ask_names_the_action_of_what_was_tried, rules_match_on_the_device,
             effects_are_the_limits_unless_a_rule_sets_them)
