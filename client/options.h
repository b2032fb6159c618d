/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options of the command line: rows of tables, which drive both the parsing and the help. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/failure.h"

#define OPTION_GIDS_MAX    64u
#define OPTION_LIST_MAX    64u     /* what doed takes */
#define OPTION_ROWS_MAX    24u     /* of one verb, with those of all verbs */
#define OPTION_TIMEOUT_MAX 86400.0 /* seconds; doed clamps it further */

typedef struct OptionNumber {
        bool is_set;
        uint64_t value;
} OptionNumber;

/* Borrowed from the command line. */
typedef struct OptionList {
        const char *values[OPTION_LIST_MAX];
        size_t n_values;
} OptionList;

typedef struct Options {
        /* of all verbs */
        bool help, version, json, quiet, no_pager;
        const char *host;
        uint64_t timeout_usec; /* 0: not given */
        /* of some */
        bool fresh, force, raw, hex, serve;
        const char *listen, *priority, *sysfs, *config;
        OptionNumber max_response, epoch, uid;
        uint32_t gids[OPTION_GIDS_MAX];
        size_t n_gids;
        bool recent;
        const char *write;
        OptionNumber snaplen, count;
        uint64_t for_usec; /* 0: not given */
        OptionList mailboxes, features;
        bool wait;
        const char *scope, *resume, *why;
        uint64_t idle_usec, max_usec, request_usec; /* 0: not given */
} Options;

typedef enum OptionKind {
        OPTION_BOOL,
        OPTION_STRING,
        OPTION_U32,     /* an OptionNumber */
        OPTION_U64,     /* an OptionNumber */
        OPTION_SECONDS, /* to microseconds */
        OPTION_GIDS,    /* may be repeated */
        OPTION_LIST,    /* an OptionList; may be repeated */
} OptionKind;

typedef struct OptionRow {
        char letter; /* 0: none */
        const char *name;
        const char *value; /* what the help calls its value; NULL: it has none */
        OptionKind kind;
        size_t offset; /* within Options; unused by OPTION_GIDS */
        const char *help;
} OptionRow;

/* Those of all verbs; the row with name NULL ends it, as it ends each table. */
extern const OptionRow options_common[];

/**
 * options_parse() - read the options of @argv
 * @argv:      its first element is skipped; arguments that are no options end up last, in order
 * @rows:      NULL, or the rows that are allowed besides the common ones
 * @stops:     stop at the first argument that is no option
 * @ret_first: index of the first argument that is no option
 *
 * Return: 0; -errno with @f set.
 */
int options_parse(int argc, char **argv, const OptionRow *rows, bool stops, Options *o, int *ret_first,
                  Failure *f);

/* One line or more for each row of one table; NULL prints nothing. */
void options_print_help(const OptionRow *rows);
