/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "client/table.h"
#include "client/text.h"

static const char *color_of(const char *cell) {
        return strcmp(cell, "dead") == 0 ? TABLE_RED : NULL;
}

static const TableColumn columns[] = {
        { .title = "MAILBOX" },
        { .title = "STATE", .color = color_of },
        { .title = "FEATURES", .shrink = TABLE_ELIDE_LIST, .width_min = 12 },
        { .title = "N", .align_right = true },
        { .title = "NAME", .shrink = TABLE_ELIDE, .width_min = 6 },
};

static const TableColumn untitled[] = { { .title = NULL }, { .title = NULL } };

static Table *sample(void) {
        Table *t = table_new(columns, ELEMENTS(columns));

        table_cell(t, "0000:3a:00.0[%x]", 0x160);
        table_cell(t, "ready");
        table_cell(t, "cxl-table-access,discovery");
        table_cell(t, "%d", 12);
        table_cell(t, "A memory expander");
        table_cell(t, "0000:3a:00.1[150]");
        table_cell(t, "dead");
        table_cell(t, "%s", "");
        table_cell(t, "%d", 5);
        table_cell(t, "Other\n");
        return t;
}

static char *print(const Table *t, size_t indent, size_t width, bool has_color) {
        char *buf = NULL;
        size_t n_buf;
        FILE *stream = memory_must(open_memstream(&buf, &n_buf));

        table_print(t, stream, indent, width, has_color);
        fclose(stream);
        return buf;
}

START_TEST(columns_are_as_wide_as_their_cells) {
        _cleanup_table_ Table *t = sample();
        _cleanup_free_ char *s = print(t, 0, 0, false);

        ck_assert_uint_eq(table_n_rows(t), 2);
        ck_assert_str_eq(s, "MAILBOX            STATE  FEATURES                     N  NAME\n"
                            "0000:3a:00.0[160]  ready  cxl-table-access,discovery  12  A memory expander\n"
                            "0000:3a:00.1[150]  dead   -                            5  Other?\n");
}
END_TEST

START_TEST(rightmost_column_gives_way_first) {
        _cleanup_table_ Table *t = sample();
        _cleanup_free_ char *s = print(t, 0, 66, false);

        ck_assert_str_eq(s, "MAILBOX            STATE  FEATURES                     N  NAME\n"
                            "0000:3a:00.0[160]  ready  cxl-table-access,discovery  12  A mem...\n"
                            "0000:3a:00.1[150]  dead   -                            5  Other?\n");
}
END_TEST

START_TEST(room_that_a_list_leaves_goes_to_the_column_that_was_cut) {
        _cleanup_table_ Table *t = sample();
        _cleanup_free_ char *s = print(t, 0, 60, false);

        ck_assert_str_eq(s, "MAILBOX            STATE  FEATURES              N  NAME\n"
                            "0000:3a:00.0[160]  ready  cxl-table-access,+1  12  A memo...\n"
                            "0000:3a:00.1[150]  dead   -                     5  Other?\n");
}
END_TEST

START_TEST(no_line_exceeds_the_width_down_to_what_cannot_shrink) {
        for (size_t width = 54; width < 90; width++) {
                _cleanup_table_ Table *t = sample();
                _cleanup_free_ char *s = print(t, 2, width, false);

                for (char *line = strtok(s, "\n"); line; line = strtok(NULL, "\n"))
                        ck_assert_uint_le(text_width(line), width);
        }
}
END_TEST

START_TEST(colors_stand_around_the_cell_and_take_no_room) {
        _cleanup_table_ Table *t = sample();
        _cleanup_free_ char *s = print(t, 0, 0, true);

        ck_assert_ptr_nonnull(strstr(s, "[150]  \x1b[31mdead\x1b[0m   -"));
        ck_assert_ptr_null(strstr(s, "\x1b[31mready"));
}
END_TEST

START_TEST(row_that_is_not_full_is_not_printed) {
        _cleanup_table_ Table *t = table_new(untitled, ELEMENTS(untitled));
        _cleanup_free_ char *s = NULL;

        table_cell(t, "label");
        table_cell(t, "value");
        table_cell(t, "half");
        s = print(t, 2, 0, false);
        ck_assert_str_eq(s, "  label  value\n");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-table");
        TCase *tc = tcase_create("table");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, columns_are_as_wide_as_their_cells);
        tcase_add_test(tc, rightmost_column_gives_way_first);
        tcase_add_test(tc, room_that_a_list_leaves_goes_to_the_column_that_was_cut);
        tcase_add_test(tc, no_line_exceeds_the_width_down_to_what_cannot_shrink);
        tcase_add_test(tc, colors_stand_around_the_cell_and_take_no_room);
        tcase_add_test(tc, row_that_is_not_full_is_not_printed);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
