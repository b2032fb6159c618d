/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/remote.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/child.h"
#include "client/memory.h"

#define SSH_FAILED 255

static void append_word(FILE *f, const char *word) {
        fputs(" '", f);
        for (; *word; word++)
                if (*word == '\'')
                        fputs("'\\''", f);
                else
                        fputc(*word, f);
        fputc('\'', f);
}

static void append_option(FILE *f, const char *name, const char *value) {
        _cleanup_free_ char *word = memory_format("--%s=%s", name, value);

        append_word(f, word);
}

static void append_seconds(FILE *f, const char *name, uint64_t usec) {
        if (usec > 0)
                fprintf(f, " --%s=%" PRIu64 ".%06" PRIu64, name, usec / 1000000, usec % 1000000);
}

static void append_row(FILE *f, const OptionRow *row, const Options *o) {
        const void *field = (const char *)o + row->offset;
        const OptionNumber *number = field;
        const OptionList *list = field;

        switch (row->kind) {
        case OPTION_BOOL:
                if (*(const bool *)field)
                        fprintf(f, " --%s", row->name);
                break;
        case OPTION_STRING:
                if (*(const char *const *)field)
                        append_option(f, row->name, *(const char *const *)field);
                break;
        case OPTION_U32:
        case OPTION_U64:
                if (number->is_set)
                        fprintf(f, " --%s=%" PRIu64, row->name, number->value);
                break;
        case OPTION_SECONDS:
                append_seconds(f, row->name, *(const uint64_t *)field);
                break;
        case OPTION_LIST:
                for (size_t i = 0; i < list->n_values; i++)
                        append_option(f, row->name, list->values[i]);
                break;
        case OPTION_GIDS: /* of no command that runs remotely */
                break;
        }
}

char *remote_command(const char *start, const OptionRow *rows, const Options *o, char *const *words,
                     int n_words) {
        char *command = NULL;
        size_t n_bytes;
        FILE *f = memory_must(open_memstream(&command, &n_bytes));

        fputs(start, f);
        if (o->json)
                fputs(" --json", f);
        append_seconds(f, "timeout", o->timeout_usec);
        for (; rows && rows->name; rows++)
                append_row(f, rows, o);
        if (n_words > 0)
                fputs(" --", f);
        for (int i = 0; i < n_words; i++)
                append_word(f, words[i]);
        memory_must(fclose(f) == 0 ? command : NULL);
        return command;
}

void remote_words(const char *host, const char *command, const char *ret_words[REMOTE_WORDS]) {
        const char *const words[REMOTE_WORDS] = { "ssh", "-xT", "--", host, command, NULL };

        memcpy(ret_words, words, sizeof(words));
}

int remote_run(Context *c, const char *start, const OptionRow *rows, char *const *words, int n_words) {
        _cleanup_free_ char *command = remote_command(start, rows, &c->options, words, n_words);
        const ChildStream none = { .fd = -1 };
        const char *ssh[REMOTE_WORDS];
        int r;

        remote_words(c->options.host, command, ssh);
        r = child_run((char *const *)ssh, &none, &c->failure);
        if (r == SSH_FAILED)
                return failure_set(&c->failure, DOED_ERROR_PREFIX "Unavailable",
                                   "ssh to %s, or what ran there, ended with exit code %d", c->options.host,
                                   r);
        if (r >= 0)
                c->exit_code = r;
        return r < 0 ? r : 0;
}
