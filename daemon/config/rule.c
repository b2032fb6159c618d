/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/rule.h"

#include <fnmatch.h>
#include <stdarg.h>

#include "daemon/config/rule-set.h"

#define VENDOR_DEVICE_STR_MAX 10u

/* -------- the set -------- */

static Rule *rule_free(Rule *rule) {
        if (!rule)
                return NULL;
        for (size_t i = 0; i < N_RULE_MATCHES; i++) {
                for (size_t j = 0; j < rule->lists[i].n_elements; j++)
                        free(rule->lists[i].elements[j].text);
                free(rule->lists[i].elements);
        }
        free(rule->source);
        free(rule);
        return NULL;
}

RuleSet *rules_new(void) {
        return calloc(1, sizeof(RuleSet));
}

RuleSet *rules_free(RuleSet *rules) {
        if (!rules)
                return NULL;
        for (size_t i = 0; i < rules->n_rules; i++)
                rule_free(rules->rules[i]);
        free(rules->rules);
        free(rules);
        return NULL;
}

Rule *rules_add(RuleSet *rules, const char *name, const char *source) {
        Rule **grown = reallocarray(rules->rules, rules->n_rules + 1, sizeof(*grown));
        Rule *rule = calloc(1, sizeof(*rule));

        if (grown)
                rules->rules = grown;
        if (rule)
                rule->source = strdup(source);
        if (!grown || !rule || !rule->source)
                return rule_free(rule);
        snprintf(rule->name, sizeof(rule->name), "%s", name);
        rules->rules[rules->n_rules++] = rule;
        return rule;
}

Rule *rules_find(const RuleSet *rules, const char *name) {
        for (size_t i = 0; i < rules->n_rules; i++)
                if (strcmp(rules->rules[i]->name, name) == 0)
                        return rules->rules[i];
        return NULL;
}

static void list_clear(RuleList *list) {
        for (size_t i = 0; i < list->n_elements; i++)
                free(list->elements[i].text);
        list->n_elements = 0;
}

void rule_seal(Rule *rule) {
        RuleList *users = &rule->lists[RULE_MATCH_USER], *groups = &rule->lists[RULE_MATCH_GROUP];

        if (!rule->is_wrong)
                return;
        /* the two are one question, and half an answer would let others pass */
        users->is_wrong = groups->is_wrong = users->is_wrong || groups->is_wrong;
        for (size_t i = 0; i < N_RULE_MATCHES; i++)
                if (rule->lists[i].is_wrong)
                        list_clear(&rule->lists[i]);
        rule->verdict = RULE_DENY;
}

/* -------- matching -------- */

static bool has_gid(const RuleSubject *s, uint32_t gid) {
        for (size_t i = 0; i < s->n_gids; i++)
                if (s->gids[i] == gid)
                        return true;
        return false;
}

static bool element_matches(RuleMatch match, const RuleElement *e, const RuleSubject *s) {
        char ids[VENDOR_DEVICE_STR_MAX];

        switch (match) {
        case RULE_MATCH_USER:
                return s->has_caller && e->is_known && (e->id == s->uid || (e->id == 0 && s->is_root));
        case RULE_MATCH_GROUP:
                return s->has_caller && e->is_known && has_gid(s, e->id);
        case RULE_MATCH_DEVICE:
                return s->address && fnmatch(e->text, s->address, FNM_CASEFOLD) == 0;
        case RULE_MATCH_VENDOR_DEVICE:
                snprintf(ids, sizeof(ids), "%04x:%04x", s->vendor_id, s->device_id);
                return s->address && fnmatch(e->text, ids, FNM_CASEFOLD) == 0;
        case RULE_MATCH_CLASS:
                return s->has_feature && e->class == s->class;
        case RULE_MATCH_FEATURE:
                return s->has_feature && e->vendor_id == s->feature_vendor_id &&
                       (e->type < 0 || e->type == s->feature_type);
        case RULE_MATCH_OPCODE:
                return s->has_feature && s->opcode >= e->first && s->opcode <= e->last;
        }
        return false;
}

static bool list_matches(const Rule *rule, RuleMatch match, const RuleSubject *s) {
        const RuleList *list = &rule->lists[match];

        for (size_t i = 0; i < list->n_elements; i++)
                if (element_matches(match, &list->elements[i], s))
                        return true;
        return false;
}

static bool rule_is_for_anybody(const Rule *rule) {
        return rule->lists[RULE_MATCH_USER].n_elements == 0 && rule->lists[RULE_MATCH_GROUP].n_elements == 0;
}

static bool rule_matches_caller(const Rule *rule, const RuleSubject *s) {
        return rule_is_for_anybody(rule) || list_matches(rule, RULE_MATCH_USER, s) ||
               list_matches(rule, RULE_MATCH_GROUP, s);
}

static bool rule_matches_matter(const Rule *rule, const RuleSubject *s) {
        for (RuleMatch match = RULE_MATCH_DEVICE; match < N_RULE_MATCHES; match++)
                if (rule->lists[match].n_elements > 0 && !list_matches(rule, match, s))
                        return false;
        return true;
}

static void outcome_add_effects(RuleOutcome *o, const Rule *rule) {
        for (size_t i = 0; i < N_RULE_EFFECTS; i++)
                if (rule->is_set[i] && !o->is_set[i]) {
                        o->is_set[i] = true;
                        o->effects[i] = rule->effects[i];
                        o->by[i] = rule;
                }
}

void rules_judge(const RuleSet *rules, const RuleSubject *subject, RuleOutcome *ret) {
        *ret = (RuleOutcome){ .verdict = RULE_NO_VERDICT };
        for (size_t i = 0; i < rules->n_rules && ret->verdict == RULE_NO_VERDICT; i++) {
                const Rule *rule = rules->rules[i];

                if (!rule_matches_caller(rule, subject) || !rule_matches_matter(rule, subject))
                        continue;
                outcome_add_effects(ret, rule);
                ret->verdict = rule->verdict;
                ret->rule = rule->verdict == RULE_NO_VERDICT ? NULL : rule;
        }
}

/* What somebody can become: a member of a group, root, another person. */
static int helpfulness(const Rule *rule) {
        const RuleList *users = &rule->lists[RULE_MATCH_USER];

        if (rule->lists[RULE_MATCH_GROUP].n_elements > 0 || users->n_elements == 0)
                return 3;
        for (size_t i = 0; i < users->n_elements; i++)
                if (strcmp(users->elements[i].text, "root") == 0)
                        return 2;
        return 1;
}

const Rule *rules_find_allowed(const RuleSet *rules, const RuleSubject *subject) {
        const Rule *allowing = NULL, *asking = NULL;

        for (size_t i = 0; i < rules->n_rules; i++) {
                const Rule *rule = rules->rules[i];

                if (!rule_matches_matter(rule, subject))
                        continue;
                if (rule->verdict == RULE_ALLOW && (!allowing || helpfulness(rule) > helpfulness(allowing)))
                        allowing = rule;
                if (rule->verdict == RULE_ASK && !asking)
                        asking = rule;
                if (rule->verdict != RULE_NO_VERDICT && rule_is_for_anybody(rule))
                        break;
        }
        return allowing ?: asking;
}

bool rules_lend_destructive(const RuleSet *rules, const RuleSubject *subject) {
        for (size_t i = 0; i < rules->n_rules; i++) {
                const Rule *rule = rules->rules[i];

                if (rule->verdict == RULE_ALLOW && rule->lists[RULE_MATCH_FEATURE].n_elements > 0 &&
                    rule->lists[RULE_MATCH_OPCODE].n_elements > 0 && rule_matches_matter(rule, subject))
                        return true;
        }
        return false;
}

/* -------- for people -------- */

const char *rule_name(const Rule *rule) {
        return rule->name;
}

const char *rule_source(const Rule *rule) {
        return rule->source;
}

static _printf_(3, 4) void append(char *buf, size_t size, const char *format, ...) {
        size_t n = strlen(buf);
        va_list ap;

        va_start(ap, format);
        vsnprintf(buf + n, size - n, format, ap);
        va_end(ap);
}

static bool is_number(const char *text) {
        return *text >= '0' && *text <= '9';
}

const char *rule_describe_callers(const Rule *rule, char *buf, size_t size) {
        const RuleList *users = &rule->lists[RULE_MATCH_USER], *groups = &rule->lists[RULE_MATCH_GROUP];
        size_t n = users->n_elements + groups->n_elements;

        buf[0] = '\0';
        for (size_t i = 0; i < n; i++) {
                bool is_user = i < users->n_elements;
                const char *text = is_user ? users->elements[i].text
                                           : groups->elements[i - users->n_elements].text;

                append(buf, size, "%s%s%s",
                       i == 0      ? ""
                       : i + 1 < n ? ", "
                                   : " or ",
                       is_user ? (is_number(text) ? "uid " : "") : "a member of group ", text);
        }
        return buf;
}
