/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "daemon/config/config.h"
#include "daemon/config/rule-parse.h"
#include "daemon/config/shipped.h"
#include "daemon/util/log.h"

static void dump_limits(const Config *config, FILE *f) {
        const char *name;
        uint64_t value;

        fputs("\n[Limits]\n", f);
        for (size_t i = 0; (name = limits_get(&config->limits, i, &value)); i++)
                fprintf(f, "# %s\n%s=%" PRIu64 "\n", config->limit_sources[i] ?: SHIPPED_FILE, name, value);
}

void config_dump(const Config *config, FILE *f) {
        const RuleSet *rules = config->rules;

        fputs("# The configuration in force. Above each value stands where it comes from.\n\n[Daemon]\n", f);
        if (config->log_level >= 0)
                fprintf(f, "# %s\nLogLevel=%s\n", config->log_level_source,
                        log_level_to_string(config->log_level));
        dump_limits(config, f);
        for (size_t i = 0; i < rules->n_rules; i++) {
                const Rule *rule = rules->rules[i];

                fprintf(f, "\n# %s%s\n[Rule %s]\n", rule->source,
                        rule->is_wrong ? ": has errors, so it denies what could be read of it" : "",
                        rule->name);
                rule_print(rule, f);
        }
}
