/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The keys of [Rule NAME], read and printed. Users and groups are looked up here, once: this is the only
 * part of the rules that does I/O. */

#include <stdio.h>

#include "daemon/config/rule-set.h"

/**
 * rule_parse() - one "key = value" of a rule
 * @error: INI_ERROR_MAX bytes
 *
 * A list that stands twice is one list. What is read before an error in it stays until rule_seal().
 *
 * Return: 0; -EINVAL with @error written; -ENOMEM.
 */
int rule_parse(Rule *rule, const char *key, const char *value, char *error);

/* Its keys, one a line, in the form that rule_parse() reads. */
void rule_print(const Rule *rule, FILE *f);
