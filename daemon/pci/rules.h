/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The configuration as doed-pci holds itself to it, whatever doed asks. It knows no caller: what a rule sets
 * for some callers only is doed's business. Immutable once loaded, and shared with the workers. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/config/config.h"
#include "daemon/pci/host.h"
#include "daemon/util/cleanup.h"

typedef struct PciRules PciRules;

/* How a function is taken over. */
typedef struct TakeOverRules {
        bool is_on_demand;
        char never[WIRE_TEXT_MAX]; /* the rule by which no register of it is written, or "" */
        uint64_t settle_usec;      /* USEC_INFINITY: no rule says */
} TakeOverRules;

/* How one request is made, if it is. */
typedef struct RequestRules {
        int opcode; /* of the request, or -1 */
        bool is_destructive, is_lent;
        bool overrides_owner; /* SPDM although another agent's session may live there */
        uint64_t device_timeout_usec, min_gap_usec;
} RequestRules;

/**
 * pci_rules_load() - read the files
 * @last: those in force, which stay where a rule is wrong; NULL: there are none, and wrong rules deny
 *
 * Logs what is wrong. Return: a reference, to @last perhaps; NULL on no memory.
 */
PciRules *pci_rules_load(const ConfigPlaces *places, PciRules *last);
PciRules *pci_rules_ref(PciRules *rules); /* on any thread */
PciRules *pci_rules_unref(PciRules *rules);
DEFINE_CLEANUP(PciRules *, pci_rules_unref);

void pci_rules_judge_take_over(const PciRules *rules, const HostFunction *function, TakeOverRules *ret);
void pci_rules_judge_request(const PciRules *rules, const HostFunction *function,
                             const WireExchange *request, RequestRules *ret);
