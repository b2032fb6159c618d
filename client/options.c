/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"

#define ROW_VALUE_BASE 0x100 /* what getopt_long() returns for row 0; beyond all letters */

const OptionRow options_common[] = {
        { 'h', "help", NULL, OPTION_BOOL, offsetof(Options, help), "show this help" },
        { 0, "version", NULL, OPTION_BOOL, offsetof(Options, version), "show the version" },
        { 'H', "host", "HOST", OPTION_STRING, offsetof(Options, host),
          "ask doed on [USER@]HOST, through ssh" },
        { 0, "json", NULL, OPTION_BOOL, offsetof(Options, json),
          "print JSON, and errors as JSON on standard error" },
        { 0, "timeout", "SEC", OPTION_SECONDS, offsetof(Options, timeout_usec),
          "give up after SEC seconds, queueing included (20)" },
        { 0, "no-pager", NULL, OPTION_BOOL, offsetof(Options, no_pager), "never use a pager" },
        { 'q', "quiet", NULL, OPTION_BOOL, offsetof(Options, quiet), "results and errors only, no remarks" },
        { 0 },
};

/* The tables of one parse, in the form that getopt_long() wants. */
typedef struct Parser {
        const OptionRow *rows[OPTION_ROWS_MAX];
        struct option longs[OPTION_ROWS_MAX + 1];
        char letters[2 * OPTION_ROWS_MAX + 3];
        size_t n_rows;
} Parser;

static void parser_add(Parser *p, const OptionRow *rows) {
        for (; rows && rows->name && p->n_rows < OPTION_ROWS_MAX; rows++) {
                size_t n = strlen(p->letters);

                p->longs[p->n_rows] = (struct option){
                        .name = rows->name,
                        .has_arg = rows->value ? required_argument : no_argument,
                        .val = ROW_VALUE_BASE + (int)p->n_rows,
                };
                p->rows[p->n_rows++] = rows;
                if (rows->letter)
                        snprintf(p->letters + n, sizeof(p->letters) - n, "%c%s", rows->letter,
                                 rows->value ? ":" : "");
        }
}

static const OptionRow *parser_find(const Parser *p, int c) {
        if (c >= ROW_VALUE_BASE)
                return p->rows[c - ROW_VALUE_BASE];

        for (size_t i = 0; i < p->n_rows; i++)
                if (p->rows[i]->letter == c)
                        return p->rows[i];
        return NULL;
}

static int parse_number(const OptionRow *row, const char *s, uint64_t max, uint64_t *ret, Failure *f) {
        char *end = NULL;
        uint64_t value;

        errno = 0;
        value = strtoull(s, &end, 0);
        if (errno != 0 || end == s || *end || strchr(s, '-') || value > max)
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "--%s takes a number from 0 to %" PRIu64 ", not \"%s\"", row->name, max,
                                   s);

        *ret = value;
        return 0;
}

static int parse_seconds(const OptionRow *row, const char *s, uint64_t *ret, Failure *f) {
        char *end = NULL;
        double seconds = strtod(s, &end);

        if (end == s || *end || !isfinite(seconds) || seconds < 0.001 || seconds > OPTION_TIMEOUT_MAX)
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "--%s takes a number of seconds from 0.001 to %.0f, not \"%s\"",
                                   row->name, OPTION_TIMEOUT_MAX, s);

        *ret = (uint64_t)(seconds * 1e6);
        return 0;
}

static int parse_gid(const OptionRow *row, const char *s, Options *o, Failure *f) {
        uint64_t gid;
        int r;

        if (o->n_gids == OPTION_GIDS_MAX)
                return failure_set(f, FAILURE_INVALID_ARGS, "--%s may be given %u times at most", row->name,
                                   OPTION_GIDS_MAX);

        r = parse_number(row, s, UINT32_MAX, &gid, f);
        if (r >= 0)
                o->gids[o->n_gids++] = (uint32_t)gid;
        return r;
}

static int parse_element(const OptionRow *row, const char *s, OptionList *list, Failure *f) {
        if (list->n_values == OPTION_LIST_MAX)
                return failure_set(f, FAILURE_INVALID_ARGS, "--%s may be given %u times at most", row->name,
                                   OPTION_LIST_MAX);
        list->values[list->n_values++] = s;
        return 0;
}

static int take_row(const OptionRow *row, const char *value, Options *o, Failure *f) {
        void *field = (char *)o + row->offset;
        OptionNumber *number = field;
        int r;

        switch (row->kind) {
        case OPTION_BOOL:
                *(bool *)field = true;
                return 0;
        case OPTION_STRING:
                *(const char **)field = value;
                return 0;
        case OPTION_U32:
        case OPTION_U64:
                r = parse_number(row, value, row->kind == OPTION_U32 ? UINT32_MAX : UINT64_MAX,
                                 &number->value, f);
                number->is_set = r >= 0;
                return r;
        case OPTION_SECONDS:
                return parse_seconds(row, value, field, f);
        case OPTION_GIDS:
                return parse_gid(row, value, o, f);
        case OPTION_LIST:
                return parse_element(row, value, field, f);
        }
        return 0;
}

/* getopt_long() found something wrong with argv[optind - 1]. */
static int refuse(int c, char **argv, Failure *f) {
        const char *s = argv[optind - 1];

        if (c == ':')
                return failure_set(f, FAILURE_INVALID_ARGS, "Option %s needs a value; see --help", s);
        if (strncmp(s, "--", 2) != 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "Unknown option -%c; see --help", optopt);
        return failure_set(f, FAILURE_INVALID_ARGS, "%s option %s; see --help",
                           optopt ? "No value goes with" : "Unknown", s);
}

int options_parse(int argc, char **argv, const OptionRow *rows, bool stops, Options *o, int *ret_first,
                  Failure *f) {
        Parser p = { .letters = ":" };
        int c, r;

        if (stops)
                strcpy(p.letters, "+:");
        parser_add(&p, options_common);
        parser_add(&p, rows);

        opterr = 0;
        optind = 0; /* glibc: begin anew, with the new letters */
        while ((c = getopt_long(argc, argv, p.letters, p.longs, NULL)) >= 0) {
                const OptionRow *row = c == '?' || c == ':' ? NULL : parser_find(&p, c);

                r = row ? take_row(row, optarg, o, f) : refuse(c, argv, f);
                if (r < 0)
                        return r;
        }

        *ret_first = optind;
        return 0;
}

void options_print_help(const OptionRow *rows) {
        for (; rows && rows->name; rows++) {
                _cleanup_free_ char *name = memory_format("--%s%s%s", rows->name, rows->value ? "=" : "",
                                                          rows->value ?: "");

                printf("  %c%c%c %-20s %s\n", rows->letter ? '-' : ' ', rows->letter ?: ' ',
                       rows->letter ? ',' : ' ', name, rows->help);
        }
}
