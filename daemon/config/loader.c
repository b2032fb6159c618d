/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/loader.h"

#include <errno.h>
#include <stdarg.h>

#include "daemon/config/rule-parse.h"
#include "daemon/config/shipped.h"
#include "daemon/util/ini.h"
#include "daemon/util/log.h"

#define SOURCE_MAX 512u

/* -------- errors -------- */

static int loader_add_error(ConfigLoader *l, const char *text) {
        Config *c = l->config;
        char **grown;

        if (c->n_errors >= CONFIG_ERRORS_MAX) {
                c->n_more_errors++;
                return 0;
        }
        grown = reallocarray(c->errors, c->n_errors + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        c->errors = grown;
        grown[c->n_errors] = strndup(text, CONFIG_ERROR_MAX - 1);
        if (!grown[c->n_errors])
                return -ENOMEM;
        c->n_errors++;
        return 0;
}

static int on_error(void *userdata, const char *text) {
        ConfigLoader *l = userdata;

        if (l->rule)
                l->rule->is_wrong = true;
        if (l->error >= 0)
                l->error = loader_add_error(l, text);
        return l->error;
}

/* -------- rules -------- */

static bool name_is_valid(const char *name) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@";

        return *name && strlen(name) < RULE_NAME_MAX && strspn(name, letters) == strlen(name);
}

static bool is_of_shipped(const char *name) {
        char head[RULE_NAME_MAX + 16];

        snprintf(head, sizeof(head), "[Rule %s]\n", name);
        return strstr(shipped_rules, head) != NULL;
}

/* Its keys were all read. */
static int loader_end_rule(ConfigLoader *l) {
        Rule *rule = TAKE_PTR(l->rule);
        char text[SOURCE_MAX + 128];
        bool says_something;

        if (!rule)
                return 0;
        says_something = rule->is_wrong || rule->verdict != RULE_NO_VERDICT;
        for (size_t i = 0; i < N_RULE_EFFECTS; i++)
                says_something |= rule->is_set[i];
        if (!says_something) {
                rule->is_wrong = true;
                snprintf(text, sizeof(text),
                         "%s: rule %s says nothing: it has no Verdict= and sets nothing else", rule->source,
                         rule->name);
                if (loader_add_error(l, text) < 0)
                        return -ENOMEM;
        }
        rule_seal(rule);
        l->config->has_wrong_rule |= rule->is_wrong;
        return 0;
}

/* One that cannot have the name it was given: known by its place. */
static Rule *loader_add_nameless(ConfigLoader *l, const char *name, const char *source) {
        char placed[RULE_NAME_MAX];
        Rule *rule;

        snprintf(placed, sizeof(placed), "%.32s@%zu", name_is_valid(name) ? name : "unnamed",
                 l->config->rules->n_rules + 1);
        rule = rules_add(l->config->rules, placed, source);
        if (rule)
                rule->is_wrong = true;
        return rule;
}

static int loader_add_last(ConfigLoader *l, const char *source, char *error) {
        Rule *rule = l->is_full ? NULL : loader_add_nameless(l, "too-many", source);

        if (!rule && !l->is_full)
                return -ENOMEM;
        l->is_full = true;
        if (rule)
                rule_seal(rule);
        l->config->has_wrong_rule = true;
        return ini_fail(error, "more than %u rules; what comes after them is denied", RULES_MAX);
}

static int loader_begin_rule(ConfigLoader *l, const IniEntry *entry, char *error) {
        const RuleSet *rules = l->config->rules;
        const Rule *same = rules_find(rules, entry->name);
        char source[SOURCE_MAX];
        bool is_named = name_is_valid(entry->name);

        /* a rule of the files stands for the shipped one of its name */
        l->section = LOADER_RULE;
        if (l->is_shipped && same)
                return 0;
        snprintf(source, sizeof(source), "%.*s:%u", (int)sizeof(source) - 16, entry->file, entry->line);
        if (!l->is_shipped && rules->n_rules >= RULES_MAX)
                return loader_add_last(l, source, error);
        l->rule = is_named && !same ? rules_add(l->config->rules, entry->name, source)
                                    : loader_add_nameless(l, entry->name, source);
        if (!l->rule)
                return -ENOMEM;
        l->rule->may_miss = l->is_shipped || (!same && is_of_shipped(entry->name));
        if (!is_named)
                return ini_fail(error,
                                "a rule needs a name, of at most %u letters, digits, '-', '_', '.' and '@'",
                                RULE_NAME_MAX - 1);
        if (same)
                return ini_fail(error, "there is a rule %s already, at %s", entry->name, same->source);
        return 0;
}

/* -------- sections and their keys -------- */

static int loader_begin_section(ConfigLoader *l, const IniEntry *entry, char *error) {
        int r = loader_end_rule(l);

        l->section = LOADER_NOWHERE;
        if (r < 0)
                return r;
        if (strcmp(entry->kind, "Rule") == 0)
                return loader_begin_rule(l, entry, error);
        if (*entry->name) {
                /* only rules have names: this was meant as one, and so it denies */
                r = loader_begin_rule(l, entry, error);
                if (r < 0)
                        return r;
                return ini_fail(error, "there is no section [%.64s NAME]; only [Rule NAME] has a name",
                                entry->kind);
        }
        if (strcmp(entry->kind, "Daemon") == 0)
                l->section = LOADER_DAEMON;
        else if (strcmp(entry->kind, "Limits") == 0)
                l->section = LOADER_LIMITS;
        else
                return ini_fail(error,
                                "there is no section [%.64s]; there are [Daemon], [Limits] and [Rule NAME]",
                                entry->kind);
        return 0;
}

/* Remember where a value comes from. */
static int set_source(char **source, const IniEntry *entry) {
        char *s;

        if (asprintf(&s, "%s:%u", entry->file, entry->line) < 0)
                return -ENOMEM;
        free(*source);
        *source = s;
        return 0;
}

static int loader_set_limit(ConfigLoader *l, const IniEntry *entry, char *error) {
        int i = limits_find(entry->key), r;

        if (i < 0)
                return ini_fail(error, "there is no limit %.64s", entry->key);
        r = limits_set(&l->config->limits, (size_t)i, entry->value, error);
        return r < 0 ? r : set_source(&l->config->limit_sources[i], entry);
}

static int loader_set_daemon(ConfigLoader *l, const IniEntry *entry, char *error) {
        int level;

        if (strcmp(entry->key, "LogLevel") != 0)
                return ini_fail(error, "[Daemon] has no key %.64s", entry->key);
        level = log_level_from_string(entry->value);
        if (level < 0)
                return ini_fail(error, "LogLevel=%.64s is not a level from emerg to debug", entry->value);
        l->config->log_level = level;
        return set_source(&l->config->log_level_source, entry);
}

static int loader_set(ConfigLoader *l, const IniEntry *entry, char *error) {
        switch (l->section) {
        case LOADER_RULE:
                return l->rule ? rule_parse(l->rule, entry->key, entry->value, error) : 0;
        case LOADER_LIMITS:
                return loader_set_limit(l, entry, error);
        case LOADER_DAEMON:
                return loader_set_daemon(l, entry, error);
        case LOADER_NOWHERE:
                return ini_fail(error, "%.64s= stands in no section that is known", entry->key);
        }
        return 0;
}

static int on_entry(void *userdata, const IniEntry *entry, char *error) {
        ConfigLoader *l = userdata;
        int r;

        if (!*entry->kind && l->section != LOADER_NOWHERE) {
                l->error = loader_end_rule(l);
                l->section = LOADER_NOWHERE;
        }
        r = entry->key ? loader_set(l, entry, error) : loader_begin_section(l, entry, error);
        if (r == -ENOMEM)
                l->error = r;
        return l->error < 0 ? l->error : r;
}

/* -------- the whole -------- */

int loader_init(ConfigLoader *l) {
        Config *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->limits = limits_default;
        c->log_level = -1;
        c->rules = rules_new();
        *l = (ConfigLoader){ .config = c };
        return c->rules ? 0 : -ENOMEM;
}

void loader_done(ConfigLoader *l) {
        l->config = config_free(l->config);
}

int loader_read(ConfigLoader *l, const char *file, const char *text, size_t n_bytes) {
        static const IniHandlers handlers = { on_entry, on_error };
        int r = ini_parse(file, text, n_bytes, &handlers, l);

        if (loader_end_rule(l) < 0)
                r = -ENOMEM;
        l->section = LOADER_NOWHERE;
        return r < 0 ? r : 0;
}

int loader_fail_file(ConfigLoader *l, const char *file, bool is_lost, const char *format, ...) {
        char what[CONFIG_ERROR_MAX / 2 - 4], text[CONFIG_ERROR_MAX];
        va_list ap;
        Rule *rule;

        va_start(ap, format);
        vsnprintf(what, sizeof(what), format, ap);
        va_end(ap);
        snprintf(text, sizeof(text), "%.*s: %s", (int)sizeof(text) / 2, file, what);
        if (loader_add_error(l, text) < 0)
                return -ENOMEM;
        if (!is_lost || l->is_full)
                return 0;
        rule = loader_add_nameless(l, "unreadable-file", file);
        if (!rule)
                return -ENOMEM;
        rule_seal(rule);
        l->config->has_wrong_rule = true;
        return 0;
}

int loader_finish(ConfigLoader *l, Config **ret) {
        int r;

        l->is_shipped = true;
        r = loader_read(l, SHIPPED_FILE, shipped_rules, strlen(shipped_rules));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l->config);
        return 0;
}
