/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The keys of [Rule NAME] that say what applies beside the verdict: one row each, for both ways. */

#include <stdio.h>

#include "daemon/config/rule-set.h"

/* The RuleEffect of a key; -EINVAL. */
int rule_effect_find(const char *key);
/* Return: 0; -EINVAL with @error (INI_ERROR_MAX bytes) written. */
int rule_effect_parse(Rule *rule, RuleEffect effect, const char *value, char *error);
/* Those that are set, one a line. */
void rule_effects_print(const Rule *rule, FILE *f);
