/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Makes a Config of texts, one after the other, and of the shipped rules at the end. Knows no file. */

#include "daemon/config/config.h"

typedef enum LoaderSection {
        LOADER_NOWHERE, /* before the first one, or in one that is not known */
        LOADER_DAEMON,
        LOADER_LIMITS,
        LOADER_RULE,
} LoaderSection;

typedef struct ConfigLoader {
        Config *config; /* owned until loader_finish() */
        LoaderSection section;
        Rule *rule;      /* that is being read; NULL: none */
        bool is_shipped; /* the text is ours */
        bool is_full;    /* RULES_MAX is reached; what follows is denied by the last one */
        int error;       /* -ENOMEM ends the reading */
} ConfigLoader;

/* All of these: 0; -ENOMEM. */
int loader_init(ConfigLoader *l);
void loader_done(ConfigLoader *l);
/* What is wrong in it is in config->errors. @file: how they name it. */
int loader_read(ConfigLoader *l, const char *file, const char *text, size_t n_bytes);
/* A whole file has something wrong. @is_lost: nobody knows what it holds, so a rule in its place denies all.
 */
int loader_fail_file(ConfigLoader *l, const char *file, bool is_lost, const char *format, ...)
                _printf_(4, 5);
/* Add the shipped rules. *@ret is the caller's. */
int loader_finish(ConfigLoader *l, Config **ret);
