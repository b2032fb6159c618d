/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The keys of scenario files, by section: their names, what they mean, and how their values are read.
 * Private to scenario.c. */

#include "tests/emulator/cdat-builder.h"
#include "tests/emulator/scenario.h"

typedef struct ScenarioParser {
        const char *file;
        Scenario *scenario;
        ScenarioDevice *device;        /* of a device or mailbox section */
        ModelMailboxSettings *mailbox; /* of a mailbox section */
        ScenarioTable *table;          /* of a cdat section */
        CdatBuilder builder;
        unsigned n_keys; /* seen in this section */
        char *error;     /* the caller's */
} ScenarioParser;

/* A value of the key @name in a section of @kind. @error: as ini_fail() fills it. Return: 0; -ENOENT if
 * there is no such key; -EINVAL; -ENOMEM. */
int scenario_key_set(ScenarioParser *p, const char *kind, const char *name, const char *value, char *error);

/* What the kind "generic" says, for a section that begins. */
void scenario_key_set_defaults(ScenarioDevice *d);
