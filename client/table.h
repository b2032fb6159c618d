/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Columns of text. A table is as wide as its cells want, and gives way only if it is told a width. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct Table Table;

typedef enum TableShrink {
        TABLE_KEEP,       /* never cut */
        TABLE_ELIDE,      /* cut at the end */
        TABLE_ELIDE_LIST, /* comma-separated: whole elements are dropped and counted */
} TableShrink;

typedef struct TableColumn {
        const char *title; /* NULL in all columns: no line of titles */
        bool align_right;
        TableShrink shrink;
        size_t width_min;                       /* it shrinks down to this, the rightmost column first */
        const char *(*color)(const char *cell); /* escape sequence or NULL; may be NULL */
} TableColumn;

#define TABLE_RED    "\x1b[31m"
#define TABLE_GREEN  "\x1b[32m"
#define TABLE_YELLOW "\x1b[33m"
#define TABLE_GRAY   "\x1b[90m"

/* @columns: borrowed, static in practice. Never NULL. */
Table *table_new(const TableColumn *columns, size_t n_columns);
Table *table_free(Table *t);

/* The next cell; a row is full after as many as there are columns. An empty one is shown as "-". */
void table_cell(Table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t table_n_rows(const Table *t);

/**
 * table_print() - print all full rows
 * @indent:    blanks before each line
 * @width:     columns of the terminal, 0: as wide as it gets
 * @has_color: whether to use the columns' colors
 *
 * Return: true if elements of a list were dropped, and counted.
 */
bool table_print(const Table *t, FILE *stream, size_t indent, size_t width, bool has_color);

static inline void table_freep(Table **t) {
        table_free(*t);
}
#define _cleanup_table_ __attribute__((cleanup(table_freep)))
