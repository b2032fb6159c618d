/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/doctor-view.h"

#include <string.h>

#include "client/json.h"
#include "client/table.h"
#include "client/text.h"

#define COLOR_BOLD "\x1b[1m"
#define COLOR_END  "\x1b[0m"

/* The texts of the page stand in one column, behind words of up to so many characters. */
#define INDENT      9u
#define WIDTH_LEAST 40u

static const struct {
        const char *name, *one, *many, *color;
} severities[N_DOCTOR_SEVERITIES] = {
        [DOCTOR_ERROR] = { "error", "error", "errors", TABLE_RED },
        [DOCTOR_WARNING] = { "warning", "warning", "warnings", TABLE_YELLOW },
        [DOCTOR_HINT] = { "hint", "hint", "hints", TABLE_GRAY },
};

typedef struct Page {
        FILE *stream;
        size_t width; /* 0: no end */
        bool has_color;
} Page;

/* Bytes of the next line of @s: it ends at a blank, unless a word alone is wider. */
static size_t line_bytes(const char *s, size_t width) {
        size_t best = 0;

        for (const char *p = s;; p++) {
                _cleanup_free_ char *line = NULL;

                if (*p != ' ' && *p != '\0')
                        continue;
                line = memory_format("%.*s", (int)(p - s), s);
                if (best > 0 && width > 0 && text_width(line) > width)
                        return best;
                best = (size_t)(p - s);
                if (*p == '\0')
                        return best;
        }
}

/* One line of text, on as many as it takes, each but the first behind @indent blanks and @mark. */
static void print_wrapped(const Page *p, size_t indent, const char *mark, const char *text,
                          const char *color) {
        const size_t taken = indent + strlen(mark);
        const size_t width = p->width > taken ? p->width - taken : 0;

        for (const char *rest = text;;) {
                const size_t n = line_bytes(rest, width);

                fprintf(p->stream, "%s%.*s%s\n", color, (int)n, rest, *color ? COLOR_END : "");
                rest += n + (rest[n] == ' ');
                if (!*rest)
                        return;
                fprintf(p->stream, "%*s%s", (int)indent, "", mark);
        }
}

static void print_label(const Page *p, const char *label, const char *color, const char *text,
                        bool is_bold) {
        _cleanup_free_ char *clean = text_clean(text);

        fprintf(p->stream, "%s%-*s%s", p->has_color ? color : "", (int)INDENT, label,
                p->has_color ? COLOR_END : "");
        print_wrapped(p, INDENT, "", clean, p->has_color && is_bold ? COLOR_BOLD : "");
}

/* The lines of @text behind @label. Commands stay whole, so that they can be copied. */
static void print_lines(const Page *p, const char *label, const char *text, bool is_commands) {
        const size_t indent = INDENT + strlen(label);

        fprintf(p->stream, "%*s%s", (int)INDENT, "", label);
        for (;;) {
                const size_t n = strcspn(text, "\n");
                _cleanup_free_ char *line = memory_format("%.*s", (int)n, text), *clean = text_clean(line);

                if (is_commands && *clean != '#')
                        fprintf(p->stream, "%s\n", clean);
                else
                        print_wrapped(p, indent, is_commands ? "# " : "", clean, "");
                text += n;
                if (!*text++)
                        return;
                fprintf(p->stream, "%*s", (int)indent, "");
        }
}

static void print_finding(const Page *p, const DoctorFinding *finding) {
        print_label(p, severities[finding->severity].name, severities[finding->severity].color,
                    finding->what, true);
        print_lines(p, "why: ", finding->why, false);
        print_lines(p, "do:  ", finding->remedy, true);
}

static size_t count(const DoctorFindings *l, DoctorSeverity severity) {
        size_t n = 0;

        for (size_t i = 0; i < l->n; i++)
                n += l->all[i].severity == severity;
        return n;
}

/* "1 error, 2 warnings, 1 hint" */
static void print_verdict(const Page *p, const DoctorFindings *l) {
        const char *before = doctor_view_is_sick(l) ? "" : "Nothing is wrong";
        const bool is_fine = *before;

        fputs(before, p->stream);
        before = is_fine ? "; " : "";
        for (int severity = 0; severity < N_DOCTOR_SEVERITIES; severity++) {
                size_t n = count(l, (DoctorSeverity)severity);

                if (n == 0)
                        continue;
                fprintf(p->stream, "%s%zu %s", before, n,
                        n == 1 ? severities[severity].one : severities[severity].many);
                before = ", ";
        }
        fputs("\n\n", p->stream);
}

/* How many before @i have the id of that one. */
static size_t count_before(const DoctorFindings *l, size_t i) {
        size_t n = 0;

        for (size_t j = 0; j < i; j++)
                n += strcmp(l->all[j].id, l->all[i].id) == 0;
        return n;
}

static size_t shown_max(const DoctorFinding *finding) {
        return finding->severity == DOCTOR_HINT ? 1 : DOCTOR_SHOWN_MAX;
}

static void print_more(const Page *p, const DoctorFindings *l, size_t i) {
        size_t n_more = 0;

        for (size_t j = i; j < l->n; j++)
                n_more += strcmp(l->all[j].id, l->all[i].id) == 0;
        fprintf(p->stream, "%*s... and %zu more like this: doectl doctor --json\n", (int)INDENT, "", n_more);
}

void doctor_view_print(FILE *stream, const DoctorFindings *l, const json_t *praise, size_t width,
                       bool has_color) {
        const Page p = { .stream = stream,
                         .width = width > 0 && width < WIDTH_LEAST ? WIDTH_LEAST : width,
                         .has_color = has_color };
        json_t *line;
        size_t i;

        print_verdict(&p, l);
        for (i = 0; i < l->n; i++) {
                const size_t n_before = count_before(l, i), n_max = shown_max(&l->all[i]);

                if (n_before < n_max)
                        print_finding(&p, &l->all[i]);
                else if (n_before == n_max)
                        print_more(&p, l, i);
        }
        if (l->n > 0 && json_array_size(praise) > 0)
                fputc('\n', stream);
        json_array_foreach(praise, i, line) {
                print_label(&p, "ok", TABLE_GREEN, json_string_value(line), false);
        }
}

json_t *doctor_view_json(const DoctorFindings *l) {
        json_t *array = memory_must(json_array());

        for (size_t i = 0; i < l->n; i++) {
                const DoctorFinding *finding = &l->all[i];
                json_t *object = memory_must(json_object());

                json_put(object, "id", json_from_text(finding->id));
                json_put(object, "severity", json_from_text(severities[finding->severity].name));
                json_put(object, "what", json_from_text(finding->what));
                json_put(object, "why", json_from_text(finding->why));
                json_put(object, "do", json_from_text(finding->remedy));
                memory_must(json_array_append_new(array, object) == 0 ? array : NULL);
        }
        return array;
}

bool doctor_view_is_sick(const DoctorFindings *l) {
        return count(l, DOCTOR_ERROR) + count(l, DOCTOR_WARNING) > 0;
}
