/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who may do what: requests by the rules of the configuration, calls and options by the contract's table.
 * Decides only; whoever asks acts on it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/config/limits.h"
#include "daemon/config/rule.h"
#include "daemon/core/failure.h"
#include "daemon/core/job.h"
#include "protocols/feature.h"

typedef struct PolicyCaller {
        uid_t uid;
        const gid_t *gids;
        size_t n_gids;
} PolicyCaller;

typedef struct Device Device;

typedef struct Policy {
        const RuleSet *rules; /* borrowed; replaced by a reload */
        const Limits *limits; /* likewise */
        uid_t owner_uid;      /* the uid that doed runs as: counts as root */
        bool has_group;       /* the group "doe" exists */
        gid_t group_gid;
} Policy;

typedef enum PolicyVerdict {
        POLICY_ALLOW,
        POLICY_DENY,
        POLICY_ASK, /* would be asked of polkit: action says what */
        POLICY_NEEDS_LEASE,
} PolicyVerdict;

/* What applies to one request beside the verdict: from its rules, else from the limits. */
typedef struct PolicyEffects {
        JobPriority priority_max;
        uint64_t timeout_max_usec;
        uint64_t device_timeout_usec;
        uint64_t busy_grace_usec;
        uint64_t queue_max, queue_max_per_uid;
        uint64_t bytes_max; /* of the uid, everywhere */
        uint64_t leases_max, waiters_max;
        uint64_t rate_per_sec; /* 0: not limited */
        const Rule *rate_rule; /* that limits the rate; each rule counts for itself */
        bool has_cache;        /* a rule speaks of it */
        uint64_t cache_usec;   /* 0: never out of the cache */
        bool record;
        bool kernel_override;
} PolicyEffects;

/* Valid until the next reload: the strings are the rules'. */
typedef struct PolicyDecision {
        PolicyVerdict verdict;
        const char *rule;
        const char *source;     /* file:line, or built-in:line */
        const char *action;     /* polkit action, or NULL */
        char help[160];         /* what would help: "call as root or as a member of group doe" */
        DoeJudgement judgement; /* of requests: class, how, opcode */
        PolicyEffects effects;  /* of requests */
} PolicyDecision;

/* One request to be judged. */
typedef struct PolicyRequest {
        const Device *device; /* NULL: not known yet */
        uint16_t vendor_id;
        uint8_t type;
        const DoeJudgement *judgement; /* by doe_feature_judge(), or what a lease knows better */
        bool in_lease;                 /* within a lease, or to open one: then it never "needs a lease" */
} PolicyRequest;

/* May @caller send this? For a request that passes within a lease only the verdict is NEEDS_LEASE instead of
 * ALLOW, unless it is in one. */
void policy_judge_request(const Policy *p, const PolicyCaller *caller, const PolicyRequest *request,
                          PolicyDecision *ret);

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
