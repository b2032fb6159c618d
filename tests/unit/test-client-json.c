/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/json.h"
#include "client/memory.h"

/* A bus whose other end says nothing, and a message that is never sent over it, to be read back. */
typedef struct Fixture {
        sd_bus *bus;
        sd_bus_message *message;
        int peer;
} Fixture;

static void fixture_init(Fixture *f) {
        int fds[2];

        ck_assert_int_ge(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        f->peer = fds[1];
        ck_assert_int_ge(sd_bus_new(&f->bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(f->bus, fds[0], fds[0]), 0);
        ck_assert_int_ge(sd_bus_start(f->bus), 0);
        ck_assert_int_ge(sd_bus_message_new(f->bus, &f->message, SD_BUS_MESSAGE_METHOD_RETURN), 0);
}

/* All values of the message as a JSON array. Ends the fixture. */
static char *text_of(Fixture *f) {
        _cleanup_json_ json_t *array = json_array();
        json_t *value;

        ck_assert_int_ge(sd_bus_message_seal(f->message, 1, 0), 0);
        while (json_from_message(f->message, &value) > 0)
                json_array_append_new(array, value);
        ck_assert_int_eq(sd_bus_message_at_end(f->message, true), 1);

        sd_bus_message_unref(f->message);
        sd_bus_close_unref(f->bus);
        close(f->peer);
        return json_dumps(array, JSON_COMPACT);
}

START_TEST(numbers_and_strings_are_taken_as_they_are) {
        _cleanup_free_ char *s = NULL;
        Fixture f = { 0 };

        fixture_init(&f);
        sd_bus_message_append(f.message, "ybnqiuxtsog", 255, 1, -2, 65535, -3, UINT32_MAX, INT64_MIN,
                              (uint64_t)INT64_MAX, "text", "/a/b", "as");
        s = text_of(&f);
        ck_assert_str_eq(s, "[255,true,-2,65535,-3,4294967295,-9223372036854775808,9223372036854775807,"
                            "\"text\",\"/a/b\",\"as\"]");
}
END_TEST

START_TEST(number_beyond_63_bits_becomes_a_string) {
        _cleanup_free_ char *s = NULL;
        Fixture f = { 0 };

        fixture_init(&f);
        sd_bus_message_append(f.message, "t", UINT64_MAX);
        s = text_of(&f);
        ck_assert_str_eq(s, "[\"18446744073709551615\"]");
}
END_TEST

START_TEST(containers_keep_their_shape) {
        _cleanup_free_ char *s = NULL;
        Fixture f = { 0 };

        fixture_init(&f);
        sd_bus_message_append(f.message, "a(qya{sv})", 2, 1, 0, 1, "name", "s", "discovery", 0x1e98, 2, 0);
        sd_bus_message_append(f.message, "v", "v", "as", 2, "x", "y");
        sd_bus_message_append(f.message, "a{oa{sv}}", 1, "/p", 1, "K", "t", UINT64_C(7));
        sd_bus_message_append(f.message, "as", 0);
        s = text_of(&f);
        ck_assert_str_eq(s, "[[[1,0,{\"name\":\"discovery\"}],[7832,2,{}]],[\"x\",\"y\"],"
                            "{\"/p\":{\"K\":7}},[]]");
}
END_TEST

START_TEST(bytes_become_one_hex_string) {
        _cleanup_free_ char *s = NULL;
        Fixture f = { 0 };

        fixture_init(&f);
        sd_bus_message_append_array(f.message, 'y', "\x00\xff\x10", 3);
        sd_bus_message_append_array(f.message, 'y', NULL, 0);
        s = text_of(&f);
        ck_assert_str_eq(s, "[\"00ff10\",\"\"]");
}
END_TEST

START_TEST(property_names_become_keys) {
        _cleanup_free_ char *a = json_key_from_property("FeaturesSource");
        _cleanup_free_ char *b = json_key_from_property("Busy");
        _cleanup_free_ char *c = json_key_from_property("already-so");

        ck_assert_str_eq(a, "features-source");
        ck_assert_str_eq(b, "busy");
        ck_assert_str_eq(c, "already-so");
}
END_TEST

START_TEST(what_is_missing_or_of_another_type_reads_as_empty) {
        _cleanup_json_ json_t *o = json_pack("{s:s,s:i,s:b,s:i}", "s", "x", "i", 5, "b", 1, "n", -1);

        ck_assert_str_eq(json_text(o, "s"), "x");
        ck_assert_str_eq(json_text(o, "i"), "");
        ck_assert_str_eq(json_text(o, "none"), "");
        ck_assert_str_eq(json_text(NULL, "s"), "");
        ck_assert_uint_eq(json_uint(o, "i"), 5);
        ck_assert_uint_eq(json_uint(o, "n"), 0);
        ck_assert_uint_eq(json_uint(o, "s"), 0);
        ck_assert(json_bool(o, "b"));
        ck_assert(!json_bool(o, "i"));
}
END_TEST

START_TEST(text_that_is_no_utf8_is_kept_readable) {
        _cleanup_json_ json_t *value = json_from_text("a\xff\x62");

        ck_assert_str_eq(json_string_value(value), "a?b");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-json");
        TCase *tc = tcase_create("json");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, numbers_and_strings_are_taken_as_they_are);
        tcase_add_test(tc, number_beyond_63_bits_becomes_a_string);
        tcase_add_test(tc, containers_keep_their_shape);
        tcase_add_test(tc, bytes_become_one_hex_string);
        tcase_add_test(tc, property_names_become_keys);
        tcase_add_test(tc, what_is_missing_or_of_another_type_reads_as_empty);
        tcase_add_test(tc, text_that_is_no_utf8_is_kept_readable);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
