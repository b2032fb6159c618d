/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/rule-parse.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include "daemon/config/rule-effect.h"
#include "daemon/config/value.h"
#include "daemon/util/ini.h"
#include "protocols/spdm.h"

#define ACCOUNT_BYTES_MAX (1024u * 1024u) /* of one account's data base entry */
#define SEPARATORS        " \t,"

static const char *const match_keys[N_RULE_MATCHES] = {
        [RULE_MATCH_USER] = "User",     [RULE_MATCH_GROUP] = "Group",
        [RULE_MATCH_DEVICE] = "Device", [RULE_MATCH_VENDOR_DEVICE] = "VendorDevice",
        [RULE_MATCH_CLASS] = "Class",   [RULE_MATCH_FEATURE] = "Feature",
        [RULE_MATCH_OPCODE] = "Opcode",
};

static const char *const verdict_names[] = {
        [RULE_NO_VERDICT] = "",
        [RULE_ALLOW] = "allow",
        [RULE_DENY] = "deny",
        [RULE_ASK] = "ask",
};

/* -------- users and groups -------- */

static int find_account(RuleMatch match, const char *name, char *buffer, size_t n_bytes, uint32_t *ret) {
        struct passwd user, *found_user = NULL;
        struct group group, *found_group = NULL;
        int r;

        if (match == RULE_MATCH_USER) {
                r = getpwnam_r(name, &user, buffer, n_bytes, &found_user);
                if (found_user)
                        *ret = found_user->pw_uid;
        } else {
                r = getgrnam_r(name, &group, buffer, n_bytes, &found_group);
                if (found_group)
                        *ret = found_group->gr_gid;
        }
        if (found_user || found_group)
                return 0;
        return r == ERANGE ? -ERANGE : -ESRCH;
}

/* By its name. Return: 0; -ESRCH, also where it cannot be looked up; -ENOMEM. */
static int look_up_account(RuleMatch match, const char *name, uint32_t *ret) {
        for (size_t n_bytes = 1024; n_bytes <= ACCOUNT_BYTES_MAX; n_bytes *= 4) {
                _cleanup_free_ char *buffer = malloc(n_bytes);
                int r;

                if (!buffer)
                        return -ENOMEM;
                r = find_account(match, name, buffer, n_bytes, ret);
                if (r != -ERANGE)
                        return r;
        }
        return -ESRCH;
}

static int parse_account(const Rule *rule, RuleMatch match, RuleElement *e, char *error) {
        const char *what = match == RULE_MATCH_USER ? "user" : "group";
        uint64_t number;
        int r;

        if (value_parse_u64(e->text, &number) >= 0) {
                if (number >= UINT32_MAX) /* the last one means nobody to the kernel */
                        return ini_fail(error, "%.64s is not the number of a %s", e->text, what);
                e->id = (uint32_t)number;
                e->is_known = true;
                return 0;
        }
        r = look_up_account(match, e->text, &e->id);
        e->is_known = r >= 0;
        if (r == -ESRCH && match == RULE_MATCH_GROUP && rule->may_miss)
                return 0;
        return r == -ESRCH ? ini_fail(error, "there is no %s %.64s", what, e->text) : r;
}

/* -------- the other elements -------- */

static int hex_digits(const char *s) {
        return (int)strspn(s, "0123456789abcdefABCDEF");
}

static bool is_pattern(const char *s) {
        return strpbrk(s, "*?[") != NULL;
}

/* "0000:3a:00.0", the domain with four digits or more. Return: how many bytes that takes; 0: it is none. */
static size_t address_length(const char *s) {
        int n = hex_digits(s);

        if (n < 4 || s[n] != ':' || hex_digits(s + n + 1) != 2 || s[n + 3] != ':' ||
            hex_digits(s + n + 4) != 2 || s[n + 6] != '.' || hex_digits(s + n + 7) != 1)
                return 0;
        return (size_t)n + 8;
}

static int parse_device(RuleElement *e, char *error) {
        size_t n = address_length(e->text);

        if (n > 0 && e->text[n] == '[')
                return ini_fail(error, "%.64s is a mailbox: Device= takes devices, such as 0000:3a:00.0",
                                e->text);
        if (strspn(e->text, "0123456789abcdefABCDEF:.*?[]!-") != strlen(e->text) ||
            (!is_pattern(e->text) && (n == 0 || e->text[n])))
                return ini_fail(error,
                                "%.64s is neither an address, such as 0000:3a:00.0, nor a pattern of one",
                                e->text);
        return 0;
}

static int parse_vendor_device(RuleElement *e, char *error) {
        const char *s = e->text;
        bool is_whole = hex_digits(s) == 4 && s[4] == ':' && hex_digits(s + 5) == 4 && !s[9];

        if (strspn(s, "0123456789abcdefABCDEF:*?[]!-") != strlen(s) || (!is_pattern(s) && !is_whole))
                return ini_fail(error,
                                "%.64s is neither vendor and device, such as 8086:0d93, nor a pattern of "
                                "them",
                                s);
        return 0;
}

static int parse_class(RuleElement *e, char *error) {
        for (DoeClass c = 0; c < N_DOE_CLASSES; c++)
                if (strcmp(doe_class_to_string(c), e->text) == 0) {
                        e->class = c;
                        return 0;
                }
        return ini_fail(error,
                        "%.64s is none of read, read-sensitive, connection, session, destructive and "
                        "unknown",
                        e->text);
}

static int parse_feature(RuleElement *e, char *error) {
        uint8_t type;

        if (hex_digits(e->text) == 4 && strcmp(e->text + 4, ":*") == 0) {
                e->vendor_id = (uint16_t)strtoul(e->text, NULL, 16);
                e->type = -1;
                return 0;
        }
        if (doe_feature_parse(e->text, &e->vendor_id, &type) < 0)
                return ini_fail(error,
                                "%.64s is neither a feature, such as 1e98:02 or 1e98:*, nor the name of one",
                                e->text);
        e->type = type;
        return 0;
}

/* "ee", "0xee", or the name of an SPDM request. */
static int parse_code(const char *s, size_t n, uint8_t *ret) {
        char text[8] = "";

        if (n > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
                s += 2;
                n -= 2;
        }
        if (n < 1 || n > 2)
                return -EINVAL;
        memcpy(text, s, n);
        if (hex_digits(text) != (int)n)
                return -EINVAL;
        *ret = (uint8_t)strtoul(text, NULL, 16);
        return 0;
}

static int parse_opcode(RuleElement *e, char *error) {
        const char *dash = strchr(e->text, '-');
        size_t n = dash ? (size_t)(dash - e->text) : strlen(e->text);

        for (unsigned code = 0; code < N_OPCODES; code++) {
                const char *name = spdm_code_to_string((uint8_t)code);

                if (name && strcmp(name, e->text) == 0) {
                        e->first = e->last = (uint8_t)code;
                        return 0;
                }
        }
        if (parse_code(e->text, n, &e->first) < 0 ||
            parse_code(dash ? dash + 1 : e->text, dash ? strlen(dash + 1) : n, &e->last) < 0 ||
            e->first > e->last)
                return ini_fail(error,
                                "%.64s is neither a code, such as 83, nor a range, such as 80-ff, nor a "
                                "name of "
                                "SPDM, such as GET_VERSION",
                                e->text);
        return 0;
}

static int parse_element(const Rule *rule, RuleMatch match, RuleElement *e, char *error) {
        switch (match) {
        case RULE_MATCH_USER:
        case RULE_MATCH_GROUP:
                return parse_account(rule, match, e, error);
        case RULE_MATCH_DEVICE:
                return parse_device(e, error);
        case RULE_MATCH_VENDOR_DEVICE:
                return parse_vendor_device(e, error);
        case RULE_MATCH_CLASS:
                return parse_class(e, error);
        case RULE_MATCH_FEATURE:
                return parse_feature(e, error);
        case RULE_MATCH_OPCODE:
                return parse_opcode(e, error);
        }
        return -EINVAL;
}

/* -------- the keys -------- */

static int add_element(Rule *rule, RuleMatch match, const char *text, size_t n_bytes, char *error) {
        RuleList *list = &rule->lists[match];
        RuleElement e = { .type = -1 }, *grown;
        int r;

        if (list->n_elements >= RULE_LIST_MAX)
                return ini_fail(error, "%s= has more than %u elements", match_keys[match], RULE_LIST_MAX);
        if (n_bytes >= RULE_ELEMENT_MAX)
                return ini_fail(error, "an element of %s= is longer than %u bytes", match_keys[match],
                                RULE_ELEMENT_MAX - 1);
        grown = reallocarray(list->elements, list->n_elements + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        list->elements = grown;
        e.text = strndup(text, n_bytes);
        if (!e.text)
                return -ENOMEM;
        r = parse_element(rule, match, &e, error);
        if (r < 0) {
                free(e.text);
                return r;
        }
        list->elements[list->n_elements++] = e;
        return 0;
}

static int parse_list(Rule *rule, RuleMatch match, const char *value, char *error) {
        size_t n_elements = 0;
        int r = 0;

        for (const char *s = value + strspn(value, SEPARATORS); *s && r >= 0; s += strspn(s, SEPARATORS)) {
                size_t n_bytes = strcspn(s, SEPARATORS);

                r = add_element(rule, match, s, n_bytes, error);
                s += n_bytes;
                n_elements++;
        }
        if (r >= 0 && n_elements == 0)
                r = ini_fail(error, "%s= is empty; leave it out to match anything", match_keys[match]);
        if (r < 0)
                rule->lists[match].is_wrong = true;
        return r;
}

static int parse_verdict(Rule *rule, const char *value, char *error) {
        int verdict = value_parse_name(value, verdict_names, ELEMENTS(verdict_names));

        if (rule->verdict != RULE_NO_VERDICT)
                return ini_fail(error, "Verdict= was given before in this rule");
        if (verdict <= RULE_NO_VERDICT)
                return ini_fail(error, "Verdict=%.64s is none of allow, deny and ask", value);
        rule->verdict = (RuleVerdict)verdict;
        return 0;
}

int rule_parse(Rule *rule, const char *key, const char *value, char *error) {
        int match = value_parse_name(key, match_keys, ELEMENTS(match_keys));
        int effect = rule_effect_find(key);

        if (match >= 0)
                return parse_list(rule, (RuleMatch)match, value, error);
        if (effect >= 0)
                return rule_effect_parse(rule, (RuleEffect)effect, value, error);
        if (strcmp(key, "Verdict") == 0)
                return parse_verdict(rule, value, error);
        return ini_fail(error, "a rule has no key %.64s", key);
}

void rule_print(const Rule *rule, FILE *f) {
        for (RuleMatch match = 0; match < N_RULE_MATCHES; match++) {
                const RuleList *list = &rule->lists[match];

                if (list->n_elements == 0)
                        continue;
                fprintf(f, "%s=", match_keys[match]);
                for (size_t i = 0; i < list->n_elements; i++)
                        fprintf(f, "%s%s", i == 0 ? "" : " ", list->elements[i].text);
                fputc('\n', f);
        }
        rule_effects_print(rule, f);
        if (rule->verdict != RULE_NO_VERDICT)
                fprintf(f, "Verdict=%s\n", verdict_names[rule->verdict]);
}
