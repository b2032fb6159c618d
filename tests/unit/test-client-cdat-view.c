/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "client/cdat-names.h"
#include "client/cdat-view.h"
#include "client/json.h"
#include "client/memory.h"
#include "protocols/cdat.h"
#include "tests/unit/sample-cdat.h"

static char *print_sample(void) {
        uint8_t table[SAMPLE_CDAT_BYTES];
        char *buf = NULL;
        size_t n_buf;
        FILE *stream = memory_must(open_memstream(&buf, &n_buf));

        sample_cdat_make(table);
        cdat_view_print(stream, table, sizeof(table), 0, false);
        fclose(stream);
        return buf;
}

START_TEST(every_kind_of_entry_is_shown_with_names_and_units) {
        _cleanup_free_ char *s = print_sample();

        ck_assert_str_eq(s, "\n"
                            "Memory ranges (DSMAS)\n"
                            "  HANDLE  DPA BASE            SIZE     FLAGS\n"
                            "  1       0x123456789abcdef0  256 MiB  non-volatile\n"
                            "\n"
                            "Latency and bandwidth (DSLBIS)\n"
                            "  HANDLE  OF             WHAT          VALUE\n"
                            "  1       level 2 cache  read latency  150 ns\n"
                            "\n"
                            "Memory side caches (DSMSCIS)\n"
                            "  HANDLE  SIZE    LEVEL   ASSOCIATIVITY  WRITE POLICY  LINE\n"
                            "  1       64 MiB  7 of 8  6              5             4660 bytes\n"
                            "\n"
                            "Initiators (DSIS)\n"
                            "  HANDLE  MEMORY\n"
                            "  9       attached\n"
                            "\n"
                            "Use of the memory (DSEMTS)\n"
                            "  HANDLE  DPA OFFSET          SIZE   EFI TYPE\n"
                            "  1       0x0000000000001000  8 KiB  reserved\n"
                            "\n"
                            "Latency and bandwidth of the switch (SSLBIS)\n"
                            "  PORT X    PORT Y  WHAT              VALUE\n"
                            "  upstream  any     access bandwidth  5.12 GB/s\n"
                            "  2         3       access bandwidth  6.144 GB/s\n"
                            "\n"
                            "Entries of types that doectl does not know\n"
                            "  TYPE  OFFSET  BYTES  CONTENT\n"
                            "  128   0x94    12     0102030405060708\n");
}
END_TEST

START_TEST(json_has_raw_and_decoded_values) {
        uint8_t table[SAMPLE_CDAT_BYTES];
        _cleanup_json_ json_t *object = NULL;
        const json_t *entries, *dsmas, *dslbis, *sslbis, *value;

        sample_cdat_make(table);
        object = cdat_view_json(table, sizeof(table));
        entries = json_object_get(object, "entries");
        dsmas = json_array_get(entries, 0);
        dslbis = json_array_get(entries, 1);
        sslbis = json_array_get(entries, 5);

        ck_assert_uint_eq(json_uint(object, "length"), SAMPLE_CDAT_BYTES);
        ck_assert_uint_eq(json_uint(object, "sequence"), SAMPLE_CDAT_SEQUENCE);
        ck_assert_uint_eq(json_array_size(entries), SAMPLE_CDAT_N_ENTRIES);

        ck_assert_str_eq(json_text(dsmas, "type-name"), "DSMAS");
        ck_assert_uint_eq(json_uint(dsmas, "offset"), SAMPLE_CDAT_DSMAS);
        ck_assert_uint_eq(json_uint(dsmas, "flags"), CDAT_DSMAS_NON_VOLATILE);
        ck_assert_uint_eq(json_uint(dsmas, "dpa-bytes"), SAMPLE_CDAT_BASE_BYTES);
        ck_assert_uint_eq(strlen(json_text(dsmas, "raw")), 2 * 24);

        value = json_array_get(json_object_get(dslbis, "values"), 0);
        ck_assert_str_eq(json_text(dslbis, "data-type-name"), "read latency");
        ck_assert_uint_eq(json_uint(dslbis, "base-unit"), 1000);
        ck_assert_uint_eq(json_uint(value, "raw"), 150);
        ck_assert_uint_eq(json_uint(value, "picoseconds"), 150000);
        value = json_array_get(json_object_get(dslbis, "values"), 2);
        ck_assert_uint_eq(json_uint(value, "raw"), 0xffff);
        ck_assert_ptr_null(json_object_get(value, "picoseconds"));

        value = json_array_get(json_object_get(sslbis, "pairs"), 1);
        ck_assert_uint_eq(json_uint(value, "port-y"), 3);
        ck_assert_uint_eq(json_uint(value, "megabytes-per-second"), 6144);
}
END_TEST

START_TEST(entry_of_an_unknown_type_is_given_raw) {
        uint8_t table[SAMPLE_CDAT_BYTES];
        _cleanup_json_ json_t *object = NULL;
        const json_t *entry;

        sample_cdat_make(table);
        object = cdat_view_json(table, sizeof(table));
        entry = json_array_get(json_object_get(object, "entries"), 6);
        ck_assert_uint_eq(json_uint(entry, "type"), 0x80);
        ck_assert_str_eq(json_text(entry, "raw"), "80000c000102030405060708");
        ck_assert_ptr_null(json_object_get(entry, "type-name"));
        ck_assert_ptr_null(json_object_get(entry, "handle"));
}
END_TEST

static const struct {
        uint8_t flags;
        const char *expected;
} flags[] = {
        { 0x00, "" },
        { 0x04, "non-volatile" },
        { 0x4c, "non-volatile, shareable, read-only" },
        { 0x84, "non-volatile, 0x80" },
        { 0x03, "0x03" },
};

START_TEST(flags_are_named_and_the_rest_is_a_number) {
        _cleanup_free_ char *s = cdat_view_format_flags(flags[_i].flags);

        ck_assert_str_eq(s, flags[_i].expected);
}
END_TEST

static const struct {
        uint8_t data_type;
        uint64_t base_unit;
        uint16_t entry;
        const char *expected;
} values[] = {
        { CDAT_ACCESS_LATENCY, 1000, 150, "150 ns" },
        { CDAT_WRITE_LATENCY, 100, 1525, "152.5 ns" },
        { CDAT_READ_BANDWIDTH, 128, 5, "640 MB/s" },
        { CDAT_WRITE_BANDWIDTH, 1000, 16, "16 GB/s" },
        { CDAT_READ_LATENCY, 1000, 0, "not given" },
        { CDAT_READ_LATENCY, 1000, 0xffff, "not given" },
        { CDAT_READ_LATENCY, UINT64_MAX, 2, "too large: 2 x 18446744073709551615" },
        { 77, 10, 3, "30" },
};

START_TEST(values_are_in_the_unit_of_their_data_type) {
        _cleanup_free_ char *s =
                        cdat_view_format_value(values[_i].data_type, values[_i].base_unit, values[_i].entry);

        ck_assert_str_eq(s, values[_i].expected);
}
END_TEST

START_TEST(cache_attributes_are_taken_apart) {
        ck_assert_uint_eq(cdat_cache_levels(0x00402113), 3);
        ck_assert_uint_eq(cdat_cache_level(0x00402113), 1);
        ck_assert_str_eq(cdat_name_associativity(0x00402113), "direct mapped");
        ck_assert_str_eq(cdat_name_write_policy(0x00402113), "write through");
        ck_assert_uint_eq(cdat_cache_line_bytes(0x00402113), 64);
        ck_assert_ptr_null(cdat_name_associativity(0x00000f00));
        ck_assert_ptr_null(cdat_name_hierarchy(0x0f));
        ck_assert_ptr_null(cdat_name_efi_type(3));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("client-cdat-view");
        TCase *tc = tcase_create("cdat-view");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, every_kind_of_entry_is_shown_with_names_and_units);
        tcase_add_test(tc, json_has_raw_and_decoded_values);
        tcase_add_test(tc, entry_of_an_unknown_type_is_given_raw);
        tcase_add_loop_test(tc, flags_are_named_and_the_rest_is_a_number, 0, (int)ELEMENTS(flags));
        tcase_add_loop_test(tc, values_are_in_the_unit_of_their_data_type, 0, (int)ELEMENTS(values));
        tcase_add_test(tc, cache_attributes_are_taken_apart);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
