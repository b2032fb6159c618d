/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/util/ini.h"

#include <errno.h>
#include <stdarg.h>

#include "tests/unit/suite.h"

/* What the reader said, one line for each call. */
typedef struct Heard {
        char text[4096];
        int stop_with; /* what on_error answers */
} Heard;

static _printf_(2, 3) void hear(Heard *h, const char *format, ...) {
        size_t n = strlen(h->text);
        va_list ap;

        va_start(ap, format);
        vsnprintf(h->text + n, sizeof(h->text) - n, format, ap);
        va_end(ap);
}

static int on_entry(void *userdata, const IniEntry *e, char *error) {
        if (e->key && strcmp(e->key, "bad") == 0)
                return ini_fail(error, "'%s' is bad", e->value);
        if (e->key)
                hear(userdata, "%u [%s|%s] %s=%s\n", e->line, e->kind, e->name, e->key, e->value);
        else
                hear(userdata, "%u [%s|%s]\n", e->line, e->kind, e->name);
        return 0;
}

static int on_error(void *userdata, const char *text) {
        Heard *h = userdata;

        hear(h, "! %s\n", text);
        return h->stop_with;
}

static const IniHandlers handlers = { on_entry, on_error };

static int parse(Heard *h, const char *text) {
        return ini_parse("f.ini", text, strlen(text), &handlers, h);
}

START_TEST(sections_and_keys_come_with_their_lines) {
        Heard h = { 0 };

        ck_assert_int_eq(parse(&h, "early = 1\n[Daemon]\nA=x\n\n[Rule two words]\n b.c-d_1 =  y z \n"), 0);
        ck_assert_str_eq(h.text, "1 [|] early=1\n2 [Daemon|]\n3 [Daemon|] A=x\n5 [Rule|two words]\n"
                                 "6 [Rule|two words] b.c-d_1=y z\n");
}
END_TEST

START_TEST(comments_stand_on_lines_of_their_own_only) {
        Heard h = { 0 };

        ck_assert_int_eq(parse(&h, "# one\n; two\n  # three\nkey = a # b ; c\n"), 0);
        ck_assert_str_eq(h.text, "4 [|] key=a # b ; c\n");
}
END_TEST

START_TEST(a_value_may_be_empty_or_hold_equals_signs) {
        Heard h = { 0 };

        ck_assert_int_eq(parse(&h, "a=\nb = c=d = e"), 0);
        ck_assert_str_eq(h.text, "1 [|] a=\n2 [|] b=c=d = e\n");
}
END_TEST

START_TEST(carriage_returns_are_blanks) {
        Heard h = { 0 };

        ck_assert_int_eq(parse(&h, "[s n]\r\na=b\r\n"), 0);
        ck_assert_str_eq(h.text, "1 [s|n]\n2 [s|n] a=b\n");
}
END_TEST

static int measure(void *userdata, const IniEntry *e, _unused_ char *error) {
        *(size_t *)userdata = strlen(e->value);
        return 0;
}

START_TEST(a_long_line_is_not_cut) {
        static const IniHandlers measuring = { measure, on_error };
        size_t n_bytes = 200000, n_seen = 0;
        char *text = malloc(n_bytes + 2);

        memcpy(text, "a=", 2);
        memset(text + 2, 'x', n_bytes);
        ck_assert_int_eq(ini_parse("f.ini", text, n_bytes + 2, &measuring, &n_seen), 0);
        ck_assert_uint_eq(n_seen, n_bytes);
        free(text);
}
END_TEST

START_TEST(errors_name_file_and_line_and_reading_goes_on) {
        Heard h = { 0 };

        ck_assert_int_eq(parse(&h, "[open\n[]\nnothing\na b = c\n= d\nbad = apple\ngood = 1\n"), 0);
        ck_assert_str_eq(h.text, "1 [open|]\n"
                                 "! f.ini:1: a section does not end in ']'\n"
                                 "! f.ini:2: a section has no name\n"
                                 "! f.ini:3: neither a section, a comment nor 'key = value'\n"
                                 "! f.ini:4: a key has letters, digits, '-', '_' and '.' only\n"
                                 "! f.ini:5: a key has letters, digits, '-', '_' and '.' only\n"
                                 "! f.ini:6: 'apple' is bad\n"
                                 "7 [|] good=1\n");
}
END_TEST

START_TEST(a_section_with_a_wrong_head_is_not_the_one_before) {
        Heard h = { 0 };

        ck_assert_int_eq(parse(&h, "[a]\nx=1\n[b c\ny=2\n[]\nz=3\n"), 0);
        ck_assert_str_eq(h.text, "1 [a|]\n2 [a|] x=1\n3 [b|c]\n! f.ini:3: a section does not end in ']'\n"
                                 "4 [b|c] y=2\n! f.ini:5: a section has no name\n6 [|] z=3\n");
}
END_TEST

START_TEST(an_error_can_end_the_reading) {
        Heard h = { .stop_with = -EINVAL };

        ck_assert_int_eq(parse(&h, "a=1\nwrong\nb=2\n"), -EINVAL);
        ck_assert_str_eq(h.text, "1 [|] a=1\n! f.ini:2: neither a section, a comment nor 'key = value'\n");
}
END_TEST

START_TEST(a_zero_byte_is_an_error) {
        Heard h = { 0 };

        ck_assert_int_eq(ini_parse("f.ini", "a=\0b\nc=d\n", 9, &handlers, &h), 0);
        ck_assert_str_eq(h.text, "! f.ini:1: a zero byte\n2 [|] c=d\n");
}
END_TEST

START_TEST(a_missing_file_is_an_errno) {
        Heard h = { 0 };

        ck_assert_int_eq(ini_parse_file("/nonexistent/f.ini", &handlers, &h), -ENOENT);
        ck_assert_str_eq(h.text, "");
}
END_TEST

START_TEST(a_file_beyond_its_bound_is_refused) {
        char path[] = "/tmp/test-ini-XXXXXX";
        int fd = mkstemp(path);
        Heard h = { 0 };

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, INI_BYTES_MAX + 1), 0);
        ck_assert_int_eq(ini_parse_file(path, &handlers, &h), -EFBIG);
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(write(fd, "[a]\n", 4), 4);
        ck_assert_int_eq(ini_parse_file(path, &handlers, &h), 0);
        ck_assert_str_eq(h.text, "1 [a|]\n");
        close(fd);
        unlink(path);
}
END_TEST

DEFINE_SUITE("ini", sections_and_keys_come_with_their_lines, comments_stand_on_lines_of_their_own_only,
             a_value_may_be_empty_or_hold_equals_signs, carriage_returns_are_blanks, a_long_line_is_not_cut,
             errors_name_file_and_line_and_reading_goes_on,
             a_section_with_a_wrong_head_is_not_the_one_before, an_error_can_end_the_reading,
             a_zero_byte_is_an_error, a_missing_file_is_an_errno, a_file_beyond_its_bound_is_refused)
