/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a rule and the set of them are made of, for the parts that read, match and print them. */

#include "daemon/config/rule.h"

#define RULE_LIST_MAX    64u  /* elements of one list of one rule */
#define RULE_ELEMENT_MAX 256u /* bytes of one, the zero byte included */
#define N_OPCODES        256u

/* What a rule matches on. */
typedef enum RuleMatch {
        RULE_MATCH_USER,
        RULE_MATCH_GROUP,
        RULE_MATCH_DEVICE,
        RULE_MATCH_VENDOR_DEVICE,
        RULE_MATCH_CLASS,
        RULE_MATCH_FEATURE,
        RULE_MATCH_OPCODE,
} RuleMatch;
#define N_RULE_MATCHES (RULE_MATCH_OPCODE + 1)

/* One element of a list, as it was written and as it is meant. */
typedef struct RuleElement {
        char *text;
        bool is_known; /* of USER and GROUP: there is such an account */
        uint32_t id;   /* of USER and GROUP */
        uint16_t vendor_id;
        int type;            /* of FEATURE; -1: any of the vendor */
        DoeClass class;      /* of CLASS */
        uint8_t first, last; /* of OPCODE */
} RuleElement;

typedef struct RuleList {
        RuleElement *elements;
        size_t n_elements; /* 0: anything matches */
        bool is_wrong;     /* an element could not be read: rule_seal() empties it */
} RuleList;

struct Rule {
        char name[RULE_NAME_MAX];
        char *source;
        bool is_wrong; /* denies for its errors */
        bool may_miss; /* shipped, or in the place of a shipped one: a group that it names need not exist */
        RuleList lists[N_RULE_MATCHES];
        RuleVerdict verdict;
        bool is_set[N_RULE_EFFECTS];
        uint64_t effects[N_RULE_EFFECTS];
};

struct RuleSet {
        Rule **rules;
        size_t n_rules;
};

/* Return: NULL on no memory. */
RuleSet *rules_new(void);
RuleSet *rules_free(RuleSet *rules);
DEFINE_CLEANUP(RuleSet *, rules_free);

/* A rule at the end of @rules, without any key; the name is cut at RULE_NAME_MAX. NULL on no memory. */
Rule *rules_add(RuleSet *rules, const char *name, const char *source);
Rule *rules_find(const RuleSet *rules, const char *name); /* NULL: none */
/* All its keys were read: if it is wrong, it denies, and its unreadable lists match anything. */
void rule_seal(Rule *rule);
