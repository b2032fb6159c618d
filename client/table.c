/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/table.h"

#include <stdarg.h>
#include <string.h>

#include "client/memory.h"
#include "client/text.h"

#define GAP 2u /* blanks between columns */

struct Table {
        const TableColumn *columns;
        size_t n_columns;
        char **cells; /* owned, row by row */
        size_t n_cells;
        size_t n_cells_allocated;
};

Table *table_new(const TableColumn *columns, size_t n_columns) {
        Table *t = memory_must(calloc(1, sizeof(*t)));

        t->columns = columns;
        t->n_columns = n_columns;
        return t;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;

        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i]);
        free(t->cells);
        free(t);
        return NULL;
}

void table_cell(Table *t, const char *format, ...) {
        _cleanup_free_ char *s = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&s, format, args);
        va_end(args);
        if (n < 0)
                s = NULL;
        memory_must(s);

        if (t->n_cells == t->n_cells_allocated) {
                t->n_cells_allocated = t->n_cells_allocated ? 2 * t->n_cells_allocated : 64;
                t->cells = memory_must(reallocarray(t->cells, t->n_cells_allocated, sizeof(t->cells[0])));
        }
        t->cells[t->n_cells++] = text_clean(*s ? s : "-");
}

size_t table_n_rows(const Table *t) {
        return t->n_cells / t->n_columns;
}

static void measure(const Table *t, size_t *widths) {
        for (size_t c = 0; c < t->n_columns; c++) {
                widths[c] = t->columns[c].title ? text_width(t->columns[c].title) : 0;

                for (size_t i = c; i < t->n_cells; i += t->n_columns)
                        if (text_width(t->cells[i]) > widths[c])
                                widths[c] = text_width(t->cells[i]);
        }
}

/* Take from the columns that may give, the rightmost first, until all fits or nothing is left to take. */
static void shrink(const Table *t, size_t indent, size_t width, size_t *widths) {
        size_t total = indent + GAP * (t->n_columns - 1);

        for (size_t c = 0; c < t->n_columns; c++)
                total += widths[c];

        for (size_t c = t->n_columns; c-- > 0 && total > width;) {
                size_t spare, excess = total - width;

                if (t->columns[c].shrink == TABLE_KEEP || widths[c] <= t->columns[c].width_min)
                        continue;

                spare = widths[c] - t->columns[c].width_min;
                if (spare > excess)
                        spare = excess;
                widths[c] -= spare;
                total -= spare;
        }
}

static char *fit(const TableColumn *column, const char *cell, size_t width) {
        return column->shrink == TABLE_ELIDE_LIST ? text_elide_list(cell, width) : text_elide(cell, width);
}

/* Columns that column @c takes of the @width it may have. */
static size_t width_used(const Table *t, size_t c, size_t width) {
        size_t used = t->columns[c].title ? text_width(t->columns[c].title) : 0;

        for (size_t i = c; i < t->n_cells; i += t->n_columns) {
                _cleanup_free_ char *s = fit(&t->columns[c], t->cells[i], width);

                if (text_width(s) > used)
                        used = text_width(s);
        }
        return used < width ? used : width;
}

/* What a list column does not need once whole elements are dropped goes to the column that was cut. */
static void pass_on(const Table *t, const size_t *wanted, size_t *widths) {
        size_t spare = 0;

        for (size_t c = 0; c < t->n_columns; c++) {
                size_t used;

                if (t->columns[c].shrink != TABLE_ELIDE_LIST) {
                        size_t missing = wanted[c] - widths[c];
                        size_t given = missing < spare ? missing : spare;

                        widths[c] += given;
                        spare -= given;
                        continue;
                }

                used = width_used(t, c, widths[c]);
                spare += widths[c] - used;
                widths[c] = used;
        }
}

static void print_blanks(FILE *stream, size_t n) {
        fprintf(stream, "%*s", (int)n, "");
}

static void print_cell(const TableColumn *column, FILE *stream, const char *cell, size_t width, bool is_last,
                       bool has_color) {
        _cleanup_free_ char *s = fit(column, cell, width);
        const char *color = has_color && column->color ? column->color(cell) : NULL;
        size_t n_pad = width - text_width(s);

        if (column->align_right)
                print_blanks(stream, n_pad);
        fprintf(stream, "%s%s%s", color ?: "", s, color ? "\x1b[0m" : "");
        if (!column->align_right && !is_last)
                print_blanks(stream, n_pad);
        if (!is_last)
                print_blanks(stream, GAP);
}

bool table_print(const Table *t, FILE *stream, size_t indent, size_t width, bool has_color) {
        _cleanup_free_ size_t *wanted = memory_must(calloc(t->n_columns, sizeof(wanted[0])));
        _cleanup_free_ size_t *widths = memory_must(calloc(t->n_columns, sizeof(widths[0])));
        bool is_cut = false;

        measure(t, wanted);
        memcpy(widths, wanted, t->n_columns * sizeof(widths[0]));
        if (width > 0) {
                shrink(t, indent, width, widths);
                pass_on(t, wanted, widths);
        }

        if (t->columns[0].title) {
                print_blanks(stream, indent);
                for (size_t c = 0; c < t->n_columns; c++)
                        print_cell(&t->columns[c], stream, t->columns[c].title, widths[c],
                                   c + 1 == t->n_columns, false);
                fputc('\n', stream);
        }

        for (size_t i = 0; i < table_n_rows(t) * t->n_columns; i++) {
                size_t c = i % t->n_columns;

                if (c == 0)
                        print_blanks(stream, indent);
                is_cut |= t->columns[c].shrink == TABLE_ELIDE_LIST && text_width(t->cells[i]) > widths[c];
                print_cell(&t->columns[c], stream, t->cells[i], widths[c], c + 1 == t->n_columns, has_color);
                if (c + 1 == t->n_columns)
                        fputc('\n', stream);
        }
        return is_cut;
}
