/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/policy.h"

#include <errno.h>

#define POLICY_SOURCE "built-in"
#define ACTION_MANAGE "org.doed.manage"

typedef enum CallAudience {
        CALL_EVERYONE,
        CALL_GROUP,  /* root and group doe */
        CALL_ROOT,   /* nobody else */
        CALL_MANAGE, /* root; others are asked org.doed.manage */
} CallAudience;

/* The contract's table of calls and options. The last row that names a call without option is the call's
 * own. */
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
        { "Manager1", "Rescan", NULL, CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Exchange", NULL, CALL_EVERYONE,
          "default-exchange" }, /* then judged by what is sent */
        { "Mailbox1", "Exchange", "timeout-usec", CALL_EVERYONE, "default-exchange" },
        { "Mailbox1", "Exchange", "priority", CALL_GROUP, "default-priority" },
        { "Mailbox1", "Exchange", "priority=urgent", CALL_ROOT, "default-urgent" },
        { "Mailbox1", "Exchange", "fresh", CALL_GROUP, "default-fresh" },
        { "Mailbox1", "Exchange", "cookie", CALL_EVERYONE, "default-exchange" },
        { "Mailbox1", "Exchange", "max-response", CALL_EVERYONE, "default-exchange" },
        { "Mailbox1", "Exchange", "epoch", CALL_EVERYONE, "default-exchange" },
        { "Mailbox1", "Cancel", NULL, CALL_EVERYONE, "default-cancel" }, /* of one's own calls */
        { "Mailbox1", "Recover", NULL, CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Recover", "timeout-usec", CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Recover", "force", CALL_MANAGE, "default-manage" },
        { "Mailbox1", "Discover", NULL, CALL_GROUP, "default-discover" },
        { "Mailbox1", "Discover", "timeout-usec", CALL_GROUP, "default-discover" },
        { "Mailbox1", "Jobs", NULL, CALL_EVERYONE, "default-look" },
        { "Mailbox1", "Faults", NULL, CALL_EVERYONE, "default-look" },
        { "Cdat1", "Read", NULL, CALL_GROUP, "default-cdat" },
        { "Cdat1", "Read", "timeout-usec", CALL_GROUP, "default-cdat" },
        { "Cdat1", "Read", "fresh", CALL_GROUP, "default-fresh" },
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
        ret->help = calls[i].audience == CALL_GROUP ? help_group : help_root;
        if (policy_is_root(p, caller) || calls[i].audience == CALL_EVERYONE ||
            (calls[i].audience == CALL_GROUP && policy_is_in_group(p, caller))) {
                ret->verdict = POLICY_ALLOW;
        } else if (calls[i].audience == CALL_MANAGE) {
                ret->verdict = POLICY_ASK;
                ret->action = ACTION_MANAGE;
        }
}

static bool policy_is_of_audience(const Policy *p, const PolicyCaller *caller, DoeAudience audience) {
        switch (audience) {
        case DOE_AUDIENCE_EVERYONE:
                return true;
        case DOE_AUDIENCE_GROUP:
                return policy_is_root(p, caller) || policy_is_in_group(p, caller);
        case DOE_AUDIENCE_ROOT:
                return policy_is_root(p, caller);
        case DOE_AUDIENCE_NOBODY:
                return false;
        }
        return false;
}

void policy_judge_request(const Policy *p, const PolicyCaller *caller, uint16_t vendor_id, uint8_t type,
                          const uint8_t *payload, size_t n_bytes, PolicyDecision *ret) {
        *ret = (PolicyDecision){ .verdict = POLICY_DENY, .source = POLICY_SOURCE };
        doe_feature_judge(vendor_id, type, payload, n_bytes, &ret->judgement);
        ret->rule = ret->judgement.rule;
        ret->help = ret->judgement.audience == DOE_AUDIENCE_NOBODY  ? "nobody may, until a rule allows it"
                    : ret->judgement.audience == DOE_AUDIENCE_GROUP ? help_group
                                                                    : help_root;
        if (!policy_is_of_audience(p, caller, ret->judgement.audience))
                return;
        ret->verdict = ret->judgement.how == DOE_HOW_LEASE || ret->judgement.how == DOE_HOW_MAILBOX_LEASE
                                       ? POLICY_NEEDS_LEASE
                                       : POLICY_ALLOW;
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
