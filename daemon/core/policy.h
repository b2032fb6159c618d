/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who may do what: the defaults of the contract's two tables, by feature and opcode, and by call and option.
 * Decides only; whoever asks acts on it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/core/failure.h"
#include "protocols/feature.h"

typedef struct PolicyCaller {
        uid_t uid;
        const gid_t *gids;
        size_t n_gids;
} PolicyCaller;

typedef struct Policy {
        uid_t owner_uid; /* the uid that doed runs as: counts as root */
        bool has_group;  /* the group "doe" exists */
        gid_t group_gid;
} Policy;

typedef enum PolicyVerdict {
        POLICY_ALLOW,
        POLICY_DENY,
        POLICY_ASK, /* would be asked of polkit: action says what */
        POLICY_NEEDS_LEASE,
} PolicyVerdict;

typedef struct PolicyDecision {
        PolicyVerdict verdict;
        const char *rule;       /* static */
        const char *source;     /* file:line, or "built-in" */
        const char *action;     /* polkit action, or NULL */
        const char *help;       /* what would help: "be root or in group doe" */
        DoeJudgement judgement; /* of policy_judge_request() */
} PolicyDecision;

/* May @caller send this request by Exchange? */
void policy_judge_request(const Policy *p, const PolicyCaller *caller, uint16_t vendor_id, uint8_t type,
                          const uint8_t *payload, size_t n_bytes, PolicyDecision *ret);

/**
 * policy_judge_call() - may @caller make this call, or give it this option?
 * @interface: without the "org.doed." prefix: "Mailbox1"
 * @option: NULL for the call itself; for an option's value that has its own row "name=value"
 * ("priority=urgent")
 *
 * What is not in the table is denied.
 */
void policy_judge_call(const Policy *p, const PolicyCaller *caller, const char *interface,
                       const char *member, const char *option, PolicyDecision *ret);

/* Is it in the table at all? For options this tells unknown from denied. */
bool policy_knows_call(const char *interface, const char *member, const char *option);
/* Walk the table; false at its end. *@ret_option is NULL for a call's own row. */
bool policy_get_call(size_t i, const char **ret_interface, const char **ret_member, const char **ret_option);

bool policy_is_root(const Policy *p, const PolicyCaller *caller);
/* May it see who others are, and describe another caller to Explain? */
bool policy_may_manage(const Policy *p, const PolicyCaller *caller);

const char *policy_verdict_to_string(PolicyVerdict v);

/* -EACCES with the text and values of the contract: rule, source, what would help. @what: "Exchange of
 * 1e98:02". */
int policy_failure(const PolicyDecision *d, const char *what, Failure *ret);
