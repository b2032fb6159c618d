/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The reader of INI text: sections "[kind]" or "[kind name]", lines "key = value", comments only on lines of
 * their own that begin with '#' or ';'. It knows no key and cuts no line; what the text means is its user's
 * business, and both report what is wrong the same way: "file:line: what is wrong". A section whose head has
 * an error begins all the same, so that its lines are not taken for those of the one before; the error comes
 * after its on_entry(). */

#include <stddef.h>

#include "daemon/util/cleanup.h"

#define INI_BYTES_MAX (1024u * 1024u) /* of one file; no configuration of ours comes near */
#define INI_ERROR_MAX 512u

/* One line of meaning. The strings are trimmed, and borrowed for the call. */
typedef struct IniEntry {
        const char *file;
        unsigned line;
        const char *kind, *name; /* of the section; "" before the first, and where it has no name */
        unsigned section_line;   /* 0 before the first section */
        const char *key;         /* NULL: the section itself begins here */
        const char *value;       /* "" where nothing stands after '='; NULL where key is */
} IniEntry;

typedef struct IniHandlers {
        /**
         * on_entry() - one section or one line of it
         * @error: INI_ERROR_MAX bytes for what is wrong, see ini_fail()
         *
         * Return: 0; a negative errno with @error written, which then goes to on_error().
         */
        int (*on_entry)(void *userdata, const IniEntry *entry, char *error);
        /* @text: "file:line: what is wrong". Return: 0: read on; negative: stop there. */
        int (*on_error)(void *userdata, const char *text);
} IniHandlers;

/**
 * ini_parse() - read @n_bytes of text
 * @file: how errors name it
 *
 * Return: 0 once all of it was read, whatever on_error() was told; the negative errno that on_error()
 * stopped with; -ENOMEM.
 */
int ini_parse(const char *file, const char *text, size_t n_bytes, const IniHandlers *handlers,
              void *userdata);

/* The same for the file at @path. Return: also -errno of opening and reading it; -EFBIG beyond
 * INI_BYTES_MAX. */
int ini_parse_file(const char *path, const IniHandlers *handlers, void *userdata);

/* For handlers: write what is wrong into @error (INI_ERROR_MAX bytes). Return: -EINVAL. */
int ini_fail(char *error, const char *format, ...) _printf_(2, 3);
