/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One rule of the configuration, and the ordered set of them: whom and what a rule matches, what it says.
 * Pure: matching needs no I/O. The shipped defaults are rules like any other, and stand last; one of the
 * files that bears the name of a shipped one replaces it, in its own place. User= and Group= of a rule
 * together say who: either suffices. All its other keys must match; the elements of a list are alternatives.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/util/cleanup.h"
#include "protocols/feature.h"

#define RULE_NAME_MAX 64u
#define RULES_MAX     1024u

typedef enum RuleVerdict {
        RULE_NO_VERDICT, /* sets its effects, and matching goes on */
        RULE_ALLOW,
        RULE_DENY,
        RULE_ASK, /* polkit */
} RuleVerdict;

typedef enum RuleTakeOver {
        RULE_TAKE_OVER_SETTLE,    /* once the function has settled */
        RULE_TAKE_OVER_ON_DEMAND, /* once it has settled and somebody asks for an exchange */
        RULE_TAKE_OVER_NEVER,     /* no register of it is written */
} RuleTakeOver;

/* Values of RULE_PRIORITY_MAX; the same as of the core's JobPriority. */
typedef enum RulePriority {
        RULE_PRIORITY_URGENT,
        RULE_PRIORITY_NORMAL,
        RULE_PRIORITY_BACKGROUND,
} RulePriority;

/* What a rule may set beside its verdict: key, unit. The first matching rule that sets one wins. */
typedef enum RuleEffect {
        RULE_PRIORITY_MAX,        /* PriorityMax=, RulePriority */
        RULE_TIMEOUT_MAX_USEC,    /* TimeoutMaxSec= */
        RULE_DEVICE_TIMEOUT_USEC, /* DeviceTimeoutSec=: from GO to Ready */
        RULE_BUSY_GRACE_USEC,   /* BusyGraceSec=: how long Busy before a request may last until it is foreign
                                   activity */
        RULE_MIN_GAP_USEC,      /* MinGapSec=: between the end of one exchange and the start of the next */
        RULE_QUEUE_MAX,         /* QueueMax=: refused if so many wait in the mailbox */
        RULE_QUEUE_MAX_PER_UID, /* QueueMaxPerUid=: likewise, of the caller's uid */
        RULE_BYTES_MAX,         /* BytesMax=: request bytes that the uid has waiting everywhere */
        RULE_LEASES_MAX,        /* LeasesMax=: open leases of the uid */
        RULE_WAITERS_MAX,       /* WaitersMax=: waiting leases of the uid */
        RULE_RATE_PER_SEC,      /* RatePerSec=: exchanges of the uid that match this rule; 0: not limited */
        RULE_TAKE_OVER,         /* TakeOver=settle|on-demand|never, RuleTakeOver */
        RULE_SETTLE_USEC,       /* SettleSec= */
        RULE_CACHE_USEC,        /* Cache=no|SECONDS: how old an answer out of the cache may be; 0: none is */
        RULE_RECORD,            /* Record=yes|no: may captures and the flight recorder hold the payload of
                                   requests and responses; if not, headers and lengths only */
        RULE_KERNEL_OVERRIDE,   /* KernelOverride=yes: SPDM features are lent out although another agent's
                                   session may live on the function */
} RuleEffect;
#define N_RULE_EFFECTS (RULE_KERNEL_OVERRIDE + 1)

typedef struct Rule Rule;

/* What is judged. What is not known matches only rules that do not ask for it. */
typedef struct RuleSubject {
        bool has_caller;
        bool is_root; /* counts as uid 0 too: the uid that doed itself runs as */
        uid_t uid;
        const gid_t *gids;
        size_t n_gids;
        const char *address; /* "0000:3a:00.0"; NULL: no device */
        uint16_t vendor_id, device_id;
        bool has_feature; /* with class and opcode */
        uint16_t feature_vendor_id;
        uint8_t feature_type;
        DoeClass class;
        int opcode; /* -1: none, or not readable */
} RuleSubject;

typedef struct RuleOutcome {
        RuleVerdict verdict;
        const Rule *rule; /* that gave the verdict; NULL: none did */
        bool is_set[N_RULE_EFFECTS];
        uint64_t effects[N_RULE_EFFECTS];
        const Rule *by[N_RULE_EFFECTS];
} RuleOutcome;

typedef struct RuleSet RuleSet;

/* Never fails: without any match the verdict is RULE_NO_VERDICT. What it points to holds as long as @rules.
 */
void rules_judge(const RuleSet *rules, const RuleSubject *subject, RuleOutcome *ret);

/**
 * rules_find_allowed() - who would be allowed this
 *
 * Of the rules that match @subject but for its caller and say allow the one whose callers it is easiest to
 * join (a group, then root, then another user), or else the first that says ask. It ends at a rule that
 * denies everybody, as matching does.
 *
 * Return: NULL if there is none.
 */
const Rule *rules_find_allowed(const RuleSet *rules, const RuleSubject *subject);

/* Does any rule that names Feature= and Opcode= allow this to anybody? What doed-pci asks before it sends
 * what is destructive. */
bool rules_lend_destructive(const RuleSet *rules, const RuleSubject *subject);

const char *rule_name(const Rule *rule);
/* "file:line", or "built-in:line" of a shipped one. */
const char *rule_source(const Rule *rule);
/* Whom it names, for people: "root or a member of group doe"; "" if anybody. Into @buf; returns it. */
const char *rule_describe_callers(const Rule *rule, char *buf, size_t size);
