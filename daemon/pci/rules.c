/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/rules.h"

#include <stdatomic.h>
#include <string.h>

#include "daemon/util/clock.h"
#include "daemon/util/log.h"
#include "protocols/feature.h"
#include "protocols/registers.h"

struct PciRules {
        atomic_uint n_references;
        Config *config;
};

static PciRules *rules_new_of(Config *config) {
        PciRules *rules = calloc(1, sizeof(*rules));

        if (!rules) {
                config_free(config);
                return NULL;
        }
        atomic_init(&rules->n_references, 1);
        rules->config = config;
        return rules;
}

static void log_errors(const Config *config) {
        for (size_t i = 0; i < config->n_errors; i++)
                log_event(LOG_EVENT_CONFIG_WRONG, NULL, "%s", config->errors[i]);
        if (config->n_more_errors > 0)
                log_event(LOG_EVENT_CONFIG_WRONG, NULL, "%zu more errors in the configuration",
                          config->n_more_errors);
}

PciRules *pci_rules_load(const ConfigPlaces *places, PciRules *last) {
        Config *config;

        if (config_load(places, &config) < 0) {
                log_error("Out of memory, the configuration is not read");
                return last ? pci_rules_ref(last) : NULL;
        }
        log_errors(config);
        if (last && config->has_wrong_rule) {
                log_event(LOG_EVENT_CONFIG_KEPT, NULL, "A rule is wrong: the rules stay as they were");
                config_free(config);
                return pci_rules_ref(last);
        }
        return rules_new_of(config);
}

PciRules *pci_rules_ref(PciRules *rules) {
        atomic_fetch_add(&rules->n_references, 1);
        return rules;
}

PciRules *pci_rules_unref(PciRules *rules) {
        if (rules && atomic_fetch_sub(&rules->n_references, 1) == 1) {
                config_free(rules->config);
                free(rules);
        }
        return NULL;
}

static RuleSubject subject_of(const HostFunction *function) {
        return (RuleSubject){ .address = function->address,
                              .vendor_id = function->vendor_id,
                              .device_id = function->device_id,
                              .opcode = -1 };
}

void pci_rules_judge_take_over(const PciRules *rules, const HostFunction *function, TakeOverRules *ret) {
        RuleSubject subject = subject_of(function);
        TakeOverRules found = { .settle_usec = USEC_INFINITY };
        RuleOutcome outcome;

        rules_judge(rules->config->rules, &subject, &outcome);
        if (outcome.is_set[RULE_SETTLE_USEC])
                found.settle_usec = outcome.effects[RULE_SETTLE_USEC];
        if (outcome.is_set[RULE_TAKE_OVER]) {
                const Rule *by = outcome.by[RULE_TAKE_OVER];

                found.is_on_demand = outcome.effects[RULE_TAKE_OVER] == RULE_TAKE_OVER_ON_DEMAND;
                if (outcome.effects[RULE_TAKE_OVER] == RULE_TAKE_OVER_NEVER)
                        snprintf(found.never, sizeof(found.never), "rule %s (%s)", rule_name(by),
                                 rule_source(by));
        }
        *ret = found;
}

/* A feature without a rule of its own keeps the limit for all of them. */
static uint64_t device_timeout(const PciRules *rules, const RuleOutcome *outcome) {
        uint64_t usec = outcome->is_set[RULE_DEVICE_TIMEOUT_USEC]
                                        ? outcome->effects[RULE_DEVICE_TIMEOUT_USEC]
                                        : rules->config->limits.device_timeout_usec;

        return MAX_OF(usec, (uint64_t)DOE_TIMEOUT_USEC);
}

void pci_rules_judge_request(const PciRules *rules, const HostFunction *function,
                             const WireExchange *request, RequestRules *ret) {
        RuleSubject subject = subject_of(function);
        DoeJudgement judgement;
        RuleOutcome outcome;

        doe_feature_judge(request->vendor_id, request->type, request->payload, request->n_bytes, &judgement);
        subject.has_feature = true;
        subject.feature_vendor_id = request->vendor_id;
        subject.feature_type = request->type;
        subject.class = judgement.class;
        subject.opcode = judgement.opcode;
        rules_judge(rules->config->rules, &subject, &outcome);
        *ret = (RequestRules){ .opcode = judgement.opcode,
                               .is_destructive = judgement.class == DOE_CLASS_DESTRUCTIVE,
                               .overrides_owner = outcome.is_set[RULE_KERNEL_OVERRIDE] &&
                                                  outcome.effects[RULE_KERNEL_OVERRIDE],
                               .device_timeout_usec = device_timeout(rules, &outcome) };
        if (ret->is_destructive)
                ret->is_lent = rules_lend_destructive(rules->config->rules, &subject);
        if (outcome.is_set[RULE_MIN_GAP_USEC])
                ret->min_gap_usec = outcome.effects[RULE_MIN_GAP_USEC];
}
