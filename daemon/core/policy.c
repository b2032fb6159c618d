/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/policy.h"

#include <errno.h>

#include "daemon/core/device.h"

#define POLICY_SOURCE   "built-in"
#define ACTION_EXCHANGE "org.doed.exchange"
#define ACTION_LEASE    "org.doed.lease"
#define ACTION_MANAGE   "org.doed.manage"
#define ACTION_CAPTURE  "org.doed.capture"
#define CALLERS_MAX     112u /* of the help's 160 bytes */

_Static_assert((int)RULE_PRIORITY_URGENT == (int)JOB_URGENT &&
                               (int)RULE_PRIORITY_NORMAL == (int)JOB_NORMAL &&
                               (int)RULE_PRIORITY_BACKGROUND == (int)JOB_BACKGROUND,
               "what PriorityMax= says is a JobPriority");

typedef enum CallAudience {
        CALL_EVERYONE,
        CALL_GROUP,   /* root and group doe */
        CALL_ROOT,    /* nobody else */
        CALL_MANAGE,  /* root; others are asked org.doed.manage */
        CALL_CAPTURE, /* root; others are asked org.doed.capture */
} CallAudience;

/* The contract's table of calls and options. What stands for everyone here may be judged further: Exchange,
 * Lease and Cdat1.Read by the rules, Cancel and Revoke by whose it is. Pseudo-options are "NAME=VALUE" for a
 * value that has its own row, "limits" for times beyond the default ones, and "other" for a lease of another
 * uid. */
static const struct {
        const char *interface, *member, *option;
        CallAudience audience;
        const char *rule;
} calls[] = {
        { "Manager1", "Find", NULL, CALL_EVERYONE, "default-find" },
        { "Manager1", "Find", "timeout-usec", CALL_EVERYONE, "default-find" },
        { "Manager1", "Explain", NULL, CALL_EVERYONE, "default-explain" },
        { "Manager1", "Explain", "uid", CALL_MANAGE, "default-explain-another" },
        { "Manager1", "Explain", "gids", CALL_MANAGE, "default-explain-another" },
        { "Manager1", "Capture", NULL, CALL_CAPTURE, "default-capture" },
        { "Manager1", "Capture", "mailboxes", CALL_CAPTURE, "default-capture" },
        { "Manager1", "Capture", "features", CALL_CAPTURE, "default-capture" },
        { "Manager1", "Capture", "uid", CALL_CAPTURE, "default-capture" },
        { "Manager1", "Capture", "snaplen", CALL_CAPTURE, "default-capture" },
        { "Manager1", "Capture", "recent", CALL_CAPTURE, "default-capture" },
        { "Manager1", "Rescan", NULL, CALL_MANAGE, "default-manage" },
        { "Manager1", "Reload", NULL, CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Exchange", NULL, CALL_EVERYONE, "default-exchange" },
        { "Mailbox1", "Exchange", "timeout-usec", CALL_EVERYONE, "default-exchange" },
        { "Mailbox1", "Exchange", "priority", CALL_GROUP, "default-priority" },
        { "Mailbox1", "Exchange", "priority=urgent", CALL_ROOT, "default-urgent" },
        { "Mailbox1", "Exchange", "fresh", CALL_GROUP, "default-fresh" },
        { "Mailbox1", "Exchange", "cookie", CALL_EVERYONE, "default-exchange" },
        { "Mailbox1", "Exchange", "max-response", CALL_EVERYONE, "default-exchange" },
        { "Mailbox1", "Exchange", "epoch", CALL_EVERYONE, "default-exchange" },
        { "Mailbox1", "Cancel", NULL, CALL_EVERYONE, "default-cancel" },
        { "Mailbox1", "Lease", NULL, CALL_EVERYONE, "default-lease" },
        { "Mailbox1", "Lease", "timeout-usec", CALL_EVERYONE, "default-lease" },
        { "Mailbox1", "Lease", "scope", CALL_EVERYONE, "default-lease" },
        { "Mailbox1", "Lease", "scope=mailbox", CALL_MANAGE, "default-lease-mailbox" },
        { "Mailbox1", "Lease", "wait", CALL_EVERYONE, "default-lease" },
        { "Mailbox1", "Lease", "resume", CALL_EVERYONE, "default-lease" },
        { "Mailbox1", "Lease", "idle-usec", CALL_EVERYONE, "default-lease" },
        { "Mailbox1", "Lease", "max-usec", CALL_EVERYONE, "default-lease" },
        { "Mailbox1", "Lease", "request-usec", CALL_EVERYONE, "default-lease" },
        { "Mailbox1", "Lease", "limits", CALL_MANAGE, "default-lease-limits" },
        { "Mailbox1", "Inhibit", NULL, CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Inhibit", "timeout-usec", CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Inhibit", "max-usec", CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Inhibit", "force", CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Recover", NULL, CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Recover", "timeout-usec", CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Recover", "force", CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Discover", NULL, CALL_GROUP, "default-discover" },
        { "Mailbox1", "Discover", "timeout-usec", CALL_GROUP, "default-discover" },
        { "Manager1", "Metrics", NULL, CALL_EVERYONE, "default-look" },
        { "Mailbox1", "Jobs", NULL, CALL_EVERYONE, "default-look" },
        { "Mailbox1", "Faults", NULL, CALL_EVERYONE, "default-look" },
        { "Cdat1", "Read", NULL, CALL_EVERYONE, "default-cdat" },
        { "Cdat1", "Read", "timeout-usec", CALL_EVERYONE, "default-cdat" },
        { "Cdat1", "Read", "fresh", CALL_GROUP, "default-fresh" },
        { "Lease1", "Revoke", NULL, CALL_EVERYONE, "default-revoke" },
        { "Lease1", "Revoke", "other", CALL_MANAGE, "default-revoke-other" },
        { "LogControl1", "LogLevel", NULL, CALL_ROOT, "default-log-level" },
};

static bool same_option(const char *a, const char *b) {
        return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/* Index of the row, or -1. */
static int policy_find_call(const char *interface, const char *member, const char *option) {
        for (size_t i = 0; i < ELEMENTS(calls); i++)
                if (strcmp(calls[i].interface, interface) == 0 && strcmp(calls[i].member, member) == 0 &&
                    same_option(calls[i].option, option))
                        return (int)i;
        return -1;
}

bool policy_knows_call(const char *interface, const char *member, const char *option) {
        return policy_find_call(interface, member, option) >= 0;
}

bool policy_get_call(size_t i, const char **ret_interface, const char **ret_member,
                     const char **ret_option) {
        if (i >= ELEMENTS(calls))
                return false;
        *ret_interface = calls[i].interface;
        *ret_member = calls[i].member;
        *ret_option = calls[i].option;
        return true;
}

bool policy_is_root(const Policy *p, const PolicyCaller *caller) {
        return caller->uid == 0 || caller->uid == p->owner_uid;
}

bool policy_may_manage(const Policy *p, const PolicyCaller *caller) {
        return policy_is_root(p, caller);
}

static bool policy_is_in_group(const Policy *p, const PolicyCaller *caller) {
        if (!p->has_group)
                return false;
        for (size_t i = 0; i < caller->n_gids; i++)
                if (caller->gids[i] == p->group_gid)
                        return true;
        return false;
}

static const char *const help_group = "call as root or as a member of group doe";
static const char *const help_root = "call as root";

void policy_judge_call(const Policy *p, const PolicyCaller *caller, const char *interface,
                       const char *member, const char *option, PolicyDecision *ret) {
        int i = policy_find_call(interface, member, option);

        *ret = (PolicyDecision){ .verdict = POLICY_DENY,
                                 .rule = "default-deny",
                                 .source = POLICY_SOURCE,
                                 .help = "nobody may: it is not in the table of calls" };
        if (i < 0)
                return;

        ret->rule = calls[i].rule;
        snprintf(ret->help, sizeof(ret->help), "%s",
                 calls[i].audience == CALL_GROUP ? help_group : help_root);
        if (policy_is_root(p, caller) || calls[i].audience == CALL_EVERYONE ||
            (calls[i].audience == CALL_GROUP && policy_is_in_group(p, caller))) {
                ret->verdict = POLICY_ALLOW;
        } else if (calls[i].audience == CALL_MANAGE || calls[i].audience == CALL_CAPTURE) {
                ret->verdict = POLICY_ASK;
                ret->action = calls[i].audience == CALL_MANAGE ? ACTION_MANAGE : ACTION_CAPTURE;
        }
}

/* -------- requests -------- */

static RuleSubject policy_subject(const Policy *p, const PolicyCaller *caller,
                                  const PolicyRequest *request) {
        const Device *d = request->device;

        return (RuleSubject){
                .has_caller = true,
                .is_root = policy_is_root(p, caller),
                .uid = caller->uid,
                .gids = caller->gids,
                .n_gids = caller->n_gids,
                .address = d ? d->address : NULL,
                .vendor_id = d ? d->vendor_id : 0,
                .device_id = d ? d->device_id : 0,
                .has_feature = true,
                .feature_vendor_id = request->vendor_id,
                .feature_type = request->type,
                .class = request->judgement->class,
                .opcode = request->judgement->opcode,
        };
}

static uint64_t effect_or(const RuleOutcome *o, RuleEffect effect, uint64_t otherwise) {
        return o->is_set[effect] ? o->effects[effect] : otherwise;
}

static PolicyEffects policy_effects(const Limits *l, const RuleOutcome *o) {
        return (PolicyEffects){
                .priority_max = (JobPriority)effect_or(o, RULE_PRIORITY_MAX, JOB_NORMAL),
                .timeout_max_usec = effect_or(o, RULE_TIMEOUT_MAX_USEC, l->timeout_max_usec),
                .device_timeout_usec = effect_or(o, RULE_DEVICE_TIMEOUT_USEC, l->device_timeout_usec),
                .busy_grace_usec = effect_or(o, RULE_BUSY_GRACE_USEC, l->busy_grace_usec),
                .queue_max = effect_or(o, RULE_QUEUE_MAX, l->queue_max),
                .queue_max_per_uid = effect_or(o, RULE_QUEUE_MAX_PER_UID, l->queue_max_per_uid),
                .bytes_max = effect_or(o, RULE_BYTES_MAX, l->bytes_max_per_uid),
                .leases_max = effect_or(o, RULE_LEASES_MAX, l->leases_max_per_uid),
                .waiters_max = effect_or(o, RULE_WAITERS_MAX, l->waiters_max_per_uid),
                .rate_per_sec = effect_or(o, RULE_RATE_PER_SEC, 0),
                .rate_rule = o->by[RULE_RATE_PER_SEC],
                .has_cache = o->is_set[RULE_CACHE_USEC],
                .cache_usec = effect_or(o, RULE_CACHE_USEC, 0),
                .record = effect_or(o, RULE_RECORD, true),
                .kernel_override = effect_or(o, RULE_KERNEL_OVERRIDE, false),
        };
}

static void policy_describe_help(const Policy *p, const RuleSubject *subject, PolicyDecision *d) {
        const Rule *allowed = rules_find_allowed(p->rules, subject);
        char callers[CALLERS_MAX];

        if (!allowed)
                snprintf(d->help, sizeof(d->help), "nobody may, until a rule allows it");
        else if (*rule_describe_callers(allowed, callers, sizeof(callers)))
                snprintf(d->help, sizeof(d->help), "call as %s", callers);
        else
                snprintf(d->help, sizeof(d->help), "call as anybody whom this rule does not name");
}

static PolicyVerdict policy_verdict(RuleVerdict verdict, const PolicyRequest *request) {
        DoeHow how = request->judgement->how;

        if (verdict != RULE_ALLOW && verdict != RULE_ASK)
                return POLICY_DENY;
        if (!request->in_lease && (how == DOE_HOW_LEASE || how == DOE_HOW_MAILBOX_LEASE))
                return POLICY_NEEDS_LEASE;
        return verdict == RULE_ALLOW ? POLICY_ALLOW : POLICY_ASK;
}

void policy_judge_request(const Policy *p, const PolicyCaller *caller, const PolicyRequest *request,
                          PolicyDecision *ret) {
        RuleSubject subject = policy_subject(p, caller, request);
        RuleOutcome outcome;

        rules_judge(p->rules, &subject, &outcome);
        *ret = (PolicyDecision){
                .verdict = policy_verdict(outcome.verdict, request),
                .rule = outcome.rule ? rule_name(outcome.rule) : "default-deny",
                .source = outcome.rule ? rule_source(outcome.rule) : POLICY_SOURCE,
                .judgement = *request->judgement,
                .effects = policy_effects(p->limits, &outcome),
        };
        if (ret->verdict == POLICY_ASK)
                ret->action = request->in_lease ? ACTION_LEASE : ACTION_EXCHANGE;
        policy_describe_help(p, &subject, ret);
}

const char *policy_verdict_to_string(PolicyVerdict v) {
        switch (v) {
        case POLICY_ALLOW:
                return "allow";
        case POLICY_DENY:
                return "deny";
        case POLICY_ASK:
                return "ask";
        case POLICY_NEEDS_LEASE:
                return "needs-lease";
        }
        return "deny";
}

int policy_failure(const PolicyDecision *d, const char *what, Failure *ret) {
        failure_set(ret, -EACCES, "%s is denied by rule %s (%s); to be allowed: %s%s%s", what, d->rule,
                    d->source, d->help, d->action ? ", or be granted the polkit action " : "",
                    d->action ?: "");
        failure_add_string(ret, "rule", d->rule);
        failure_add_string(ret, "source", d->source);
        failure_add_string(ret, "help", d->help);
        if (d->action)
                failure_add_string(ret, "action", d->action);
        return ret->error;
}
