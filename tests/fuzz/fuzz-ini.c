/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The input is a file's text. */

#include <stdlib.h>
#include <string.h>

#include "daemon/util/ini.h"
#include "tests/fuzz/fuzz.h"

#define MARK "fuzz:"

static int on_entry(void *userdata, const IniEntry *entry, char *error) {
        size_t *n_lines = userdata;

        if (entry->line > *n_lines || entry->section_line > entry->line || !entry->kind || !entry->name)
                abort();
        if (entry->key && (!*entry->key || !entry->value || strchr(entry->value, '\n')))
                abort();
        return entry->key && strcmp(entry->key, "refused") == 0 ? ini_fail(error, "%s", entry->value) : 0;
}

static int on_error(void *userdata, const char *text) {
        (void)userdata;
        if (strncmp(text, MARK, strlen(MARK)) != 0)
                abort();
        return strstr(text, "stop") ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const IniHandlers handlers = { on_entry, on_error };
        size_t n_lines = 1;

        for (size_t i = 0; i < size; i++)
                n_lines += data[i] == '\n';
        (void)ini_parse("fuzz", (const char *)data, size, &handlers, &n_lines);
        return 0;
}
