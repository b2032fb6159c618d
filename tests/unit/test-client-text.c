/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "client/text.h"

START_TEST(what_a_terminal_would_obey_is_replaced) {
        _cleanup_free_ char *s = text_clean("a\x1b[31mb\n\x7f\xc2\x9b\xc3\xa4");

        ck_assert_str_eq(s, "a?[31mb??"
                            "??\xc3\xa4");
}
END_TEST

START_TEST(width_counts_characters) {
        ck_assert_uint_eq(text_width(""), 0);
        ck_assert_uint_eq(text_width("abc"), 3);
        ck_assert_uint_eq(text_width("\xc3\xa4\xe2\x82\xac"), 2);
}
END_TEST

static const struct {
        const char *s;
        size_t width;
        const char *expected;
} cut[] = {
        { "abcdefgh", 8, "abcdefgh" },
        { "abcdefgh", 7, "abcd..." },
        { "abcdefgh", 4, "a..." },
        { "abcdefgh", 3, "..." },
        { "abcdefgh", 1, "." },
        { "abcdefgh", 0, "" },
        { "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 4, "\xc3\xa4..." },
};

START_TEST(text_is_cut_to_its_width) {
        _cleanup_free_ char *s = text_elide(cut[_i].s, cut[_i].width);

        ck_assert_str_eq(s, cut[_i].expected);
}
END_TEST

START_TEST(ellipsis_is_one_character_where_there_is_one) {
        _cleanup_free_ char *s = NULL;

        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                return;
        s = text_elide("abcdefgh", 4);
        setlocale(LC_CTYPE, "C");
        ck_assert_str_eq(s, "abc\xe2\x80\xa6");
}
END_TEST

static const struct {
        const char *list;
        size_t width;
        const char *expected;
} lists[] = {
        { "discovery,cma-spdm", 18, "discovery,cma-spdm" },
        { "discovery,cma-spdm", 17, "discovery,+1" },
        { "a,bb,ccc,dddd", 12, "a,bb,ccc,+1" },
        { "a,bb,ccc,dddd", 10, "a,bb,+2" },
        { "a,bb,ccc,dddd", 6, "a,+3" },
        { "discovery,cma-spdm", 8, "disco..." },
        { "discovery", 5, "di..." },
};

START_TEST(list_loses_whole_elements_and_says_how_many) {
        _cleanup_free_ char *s = text_elide_list(lists[_i].list, lists[_i].width);

        ck_assert_str_eq(s, lists[_i].expected);
        ck_assert_uint_le(text_width(s), lists[_i].width);
}
END_TEST

START_TEST(distance_counts_changes) {
        ck_assert_uint_eq(text_distance("list", "list"), 0);
        ck_assert_uint_eq(text_distance("exhange", "exchange"), 1);
        ck_assert_uint_eq(text_distance("sohw", "show"), 1);
        ck_assert_uint_eq(text_distance("lst", "cdat"), 3);
        ck_assert_uint_eq(text_distance("", "list"), 4);
        ck_assert_uint_eq(text_distance("a-word-that-is-longer-than-any-verb", "list"), SIZE_MAX);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-text");
        TCase *tc = tcase_create("text");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, what_a_terminal_would_obey_is_replaced);
        tcase_add_test(tc, width_counts_characters);
        tcase_add_loop_test(tc, text_is_cut_to_its_width, 0, (int)ELEMENTS(cut));
        tcase_add_test(tc, ellipsis_is_one_character_where_there_is_one);
        tcase_add_loop_test(tc, list_loses_whole_elements_and_says_how_many, 0, (int)ELEMENTS(lists));
        tcase_add_test(tc, distance_counts_changes);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
