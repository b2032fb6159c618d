/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/hex.h"
#include "client/memory.h"

static const char *const same[] = {
        "00ff1a2B",    "00 ff 1a 2b",   "0x00ff1a2b",   "0x00 0xff 0x1A 0x2b",
        "00:ff:1a:2b", "  00-ff_1a,2b", "00ff1a2b\n\t", "00FF 1A2B",
};

START_TEST(bytes_are_read_however_they_are_set_apart) {
        static const uint8_t expected[] = { 0x00, 0xff, 0x1a, 0x2b };
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n_bytes;

        ck_assert_int_eq(hex_parse(same[_i], &bytes, &n_bytes, NULL), 0);
        ck_assert_uint_eq(n_bytes, sizeof(expected));
        ck_assert_mem_eq(bytes, expected, n_bytes);
}
END_TEST

static const struct {
        const char *s;
        size_t where;
} bad[] = {
        { "0", 1 },      { "0g", 1 },     { "zz", 0 },    { "00 1", 4 },
        { "000x11", 3 }, { "0x0x11", 3 }, { "00;11", 2 },
};

START_TEST(what_is_not_hex_is_refused_where_it_stands) {
        uint8_t *bytes = NULL;
        const char *where = NULL;
        size_t n_bytes = 77;

        ck_assert_int_eq(hex_parse(bad[_i].s, &bytes, &n_bytes, &where), -EINVAL);
        ck_assert_ptr_eq(where, bad[_i].s + bad[_i].where);
        ck_assert_ptr_null(bytes);
        ck_assert_uint_eq(n_bytes, 77);
}
END_TEST

START_TEST(nothing_is_no_bytes) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n_bytes;

        ck_assert_int_eq(hex_parse(" ", &bytes, &n_bytes, NULL), 0);
        ck_assert_uint_eq(n_bytes, 0);
        ck_assert_ptr_nonnull(bytes);
}
END_TEST

START_TEST(format_is_read_back) {
        _cleanup_free_ uint8_t *back = NULL;
        _cleanup_free_ char *s = NULL;
        uint8_t all[256];
        size_t n_bytes;

        for (size_t i = 0; i < sizeof(all); i++)
                all[i] = (uint8_t)i;

        s = hex_format(all, sizeof(all));
        ck_assert_uint_eq(strlen(s), 512);
        ck_assert_int_eq(hex_parse(s, &back, &n_bytes, NULL), 0);
        ck_assert_uint_eq(n_bytes, sizeof(all));
        ck_assert_mem_eq(back, all, sizeof(all));
}
END_TEST

static char *dump(const uint8_t *bytes, size_t n_bytes) {
        char *buf = NULL;
        size_t n_buf;
        FILE *stream = memory_must(open_memstream(&buf, &n_buf));

        hex_dump(stream, bytes, n_bytes);
        fclose(stream);
        return buf;
}

START_TEST(dump_has_offsets_and_characters) {
        _cleanup_free_ char *s = dump((const uint8_t *)"ABCDEFGHIJKLMNOP\x00\x7f~", 19);

        ck_assert_str_eq(s, "0000  41 42 43 44 45 46 47 48  49 4a 4b 4c 4d 4e 4f 50  |ABCDEFGHIJKLMNOP|\n"
                            "0010  00 7f 7e                                          |..~|\n");
}
END_TEST

START_TEST(dump_of_nothing_is_empty) {
        _cleanup_free_ char *s = dump(NULL, 0);

        ck_assert_str_eq(s, "");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-hex");
        TCase *tc = tcase_create("hex");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tc, bytes_are_read_however_they_are_set_apart, 0, (int)ELEMENTS(same));
        tcase_add_loop_test(tc, what_is_not_hex_is_refused_where_it_stands, 0, (int)ELEMENTS(bad));
        tcase_add_test(tc, nothing_is_no_bytes);
        tcase_add_test(tc, format_is_read_back);
        tcase_add_test(tc, dump_has_offsets_and_characters);
        tcase_add_test(tc, dump_of_nothing_is_empty);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
