/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/util/ini.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>

typedef struct Parser {
        const IniHandlers *handlers;
        void *userdata;
        IniEntry entry;
        char *section; /* owned: what entry.kind and entry.name point into */
} Parser;

int ini_fail(char *error, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vsnprintf(error, INI_ERROR_MAX, format, ap);
        va_end(ap);
        return -EINVAL;
}

static int parser_report(Parser *p, const char *what) {
        char text[INI_ERROR_MAX * 2];

        snprintf(text, sizeof(text), "%.*s:%u: %s", (int)INI_ERROR_MAX - 16, p->entry.file, p->entry.line,
                 what);
        return p->handlers->on_error(p->userdata, text);
}

static int parser_call(Parser *p) {
        char error[INI_ERROR_MAX] = "not understood";
        int r;

        r = p->handlers->on_entry(p->userdata, &p->entry, error);
        return r < 0 ? parser_report(p, error) : 0;
}

/* In place; the text before @end is the parser's own copy. */
static char *trim(char *s) {
        size_t n;

        s += strspn(s, " \t");
        n = strlen(s);
        while (n > 0 && strchr(" \t\r", s[n - 1]))
                n--;
        s[n] = '\0';
        return s;
}

static bool key_is_valid(const char *key) {
        if (!*key)
                return false;
        for (; *key; key++)
                if (!isalnum((unsigned char)*key) && !strchr("-_.", *key))
                        return false;
        return true;
}

static void parser_leave_section(Parser *p) {
        free(p->section);
        p->section = NULL;
        p->entry.kind = p->entry.name = "";
}

static int parse_section(Parser *p, char *line) {
        size_t n = strlen(line);
        bool is_closed = line[n - 1] == ']';
        char *kind, *name;
        int r;

        p->entry.key = p->entry.value = NULL;
        p->entry.section_line = p->entry.line;
        if (is_closed)
                line[n - 1] = '\0';
        kind = trim(line + 1);
        parser_leave_section(p);
        if (!*kind)
                return parser_report(p, "a section has no name");

        p->section = strdup(kind);
        if (!p->section)
                return -ENOMEM;
        name = p->section + strcspn(p->section, " \t");
        if (*name)
                *name++ = '\0';
        p->entry.kind = p->section;
        p->entry.name = trim(name);
        r = parser_call(p);
        if (r < 0 || is_closed)
                return r;
        return parser_report(p, "a section does not end in ']'");
}

static int parse_assignment(Parser *p, char *line) {
        char *equals = strchr(line, '=');

        if (!equals)
                return parser_report(p, "neither a section, a comment nor 'key = value'");
        *equals = '\0';
        p->entry.key = trim(line);
        p->entry.value = trim(equals + 1);
        if (!key_is_valid(p->entry.key))
                return parser_report(p, "a key has letters, digits, '-', '_' and '.' only");
        return parser_call(p);
}

static int parse_line(Parser *p, const char *text, size_t n_bytes) {
        _cleanup_free_ char *copy = NULL;
        char *line;

        if (memchr(text, '\0', n_bytes))
                return parser_report(p, "a zero byte");
        copy = strndup(text, n_bytes);
        if (!copy)
                return -ENOMEM;

        line = trim(copy);
        if (!*line || *line == '#' || *line == ';')
                return 0;
        return *line == '[' ? parse_section(p, line) : parse_assignment(p, line);
}

int ini_parse(const char *file, const char *text, size_t n_bytes, const IniHandlers *handlers,
              void *userdata) {
        Parser p = { .handlers = handlers,
                     .userdata = userdata,
                     .entry = { .file = file, .kind = "", .name = "" } };
        int r = 0;

        while (n_bytes > 0 && r >= 0) {
                const char *end = memchr(text, '\n', n_bytes);
                size_t n_line = end ? (size_t)(end - text) : n_bytes;
                size_t n_eaten = end ? n_line + 1 : n_line;

                p.entry.line++;
                r = parse_line(&p, text, n_line);
                text += n_eaten;
                n_bytes -= n_eaten;
        }
        free(p.section);
        return r < 0 ? r : 0;
}

int ini_parse_file(const char *path, const IniHandlers *handlers, void *userdata) {
        _cleanup_free_ char *text = NULL;
        _cleanup_file_ FILE *f = NULL;
        size_t n_bytes;

        f = fopen(path, "re");
        if (!f)
                return -errno;
        text = malloc(INI_BYTES_MAX + 1);
        if (!text)
                return -ENOMEM;
        n_bytes = fread(text, 1, INI_BYTES_MAX + 1, f);
        if (ferror(f))
                return errno > 0 ? -errno : -EIO;
        if (n_bytes > INI_BYTES_MAX)
                return -EFBIG;
        return ini_parse(path, text, n_bytes, handlers, userdata);
}
