/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The configuration as it is in force: limits, rules, and what is wrong with the files that it was read
 * from. doed and doed-pci each read it for themselves. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/config/limits.h"
#include "daemon/config/rule.h"
#include "daemon/util/cleanup.h"

#define CONFIG_ERROR_MAX  512u
#define CONFIG_ERRORS_MAX 64u /* kept; the rest is counted */

typedef struct Config {
        Limits limits;
        char *limit_sources[N_LIMITS]; /* "file:line", by the index of limits_get(); NULL: built-in */
        int log_level;                 /* LogLevel= of [Daemon]; -1: not given */
        char *log_level_source;        /* "file:line"; NULL: not given */
        RuleSet *rules;                /* the files' and then the shipped ones */
        char **errors;                 /* "file:line: what is wrong", in the order of the files */
        size_t n_errors, n_more_errors;
        bool has_wrong_rule; /* one that denies for its errors */
} Config;

typedef struct ConfigPlaces {
        /* doed.conf of the first; drop-ins doed.conf.d/NAME.conf of all of them, of which a name that stands
         * in an earlier one hides that of a later one. NULL-terminated. */
        const char *const *folders;
        /* Ignore, with an error, files that are not root's or that others may write. */
        bool only_of_root;
} ConfigPlaces;

extern const ConfigPlaces config_places_default; /* /etc/doed, /run/doed, /usr/lib/doed */

/**
 * config_load() - read all files: doed.conf, the drop-ins in the order of their names, and the shipped rules
 *
 * What is wrong in them does not make it fail: outside rules the default stays, and a rule with any error
 * keeps its place and denies what its readable part matches. A list of which one element cannot be read is
 * not readable, and neither is the other one of User= and Group= then. A file that is not there is none; one
 * that cannot be read stands for a rule that denies everything, since nobody knows what it would have
 * denied.
 *
 * Return: 0; -ENOMEM.
 */
int config_load(const ConfigPlaces *places, Config **ret);
Config *config_free(Config *config);
DEFINE_CLEANUP(Config *, config_free);

/* Text in the form of a file: what is in force, the shipped rules included, each with where it comes from.
 * Read as the only file, it gives the same configuration. */
void config_dump(const Config *config, FILE *f);
