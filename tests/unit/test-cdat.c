/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/cdat.h"
#include "tests/unit/sample-cdat.h"

/* The table at an odd address, in a buffer that ends with it. */
static uint8_t *odd_copy(const uint8_t *table, size_t n_bytes, uint8_t **ret_buffer) {
        uint8_t *buffer = malloc(n_bytes + 1);

        ck_assert_ptr_nonnull(buffer);
        if (n_bytes > 0)
                memcpy(buffer + 1, table, n_bytes);
        *ret_buffer = buffer;
        return buffer + 1;
}

static void next_is(const uint8_t *table, size_t *offset, uint8_t type, uint32_t at, CdatEntry *ret) {
        ck_assert_int_eq(cdat_next(table, SAMPLE_CDAT_BYTES, offset, ret), 1);
        ck_assert_uint_eq(ret->type, type);
        ck_assert_uint_eq(ret->offset, at);
        ck_assert_ptr_eq(ret->body, table + at + CDAT_SUBHEADER_BYTES);
        ck_assert_uint_eq(*offset, at + ret->n_bytes);
}

static void assert_defect(const uint8_t *table, size_t n_bytes, const char *word) {
        const char *error = NULL;

        ck_assert_int_eq(cdat_validate(table, n_bytes, &error), -EBADMSG);
        ck_assert_ptr_nonnull(error);
        ck_assert_msg(strstr(error, word), "\"%s\" does not say \"%s\"", error, word);
        ck_assert_int_eq(cdat_validate(table, n_bytes, NULL), -EBADMSG);
}

START_TEST(header_is_decoded) {
        uint8_t sample[SAMPLE_CDAT_BYTES], *buffer, *table;
        CdatHeader header;

        sample_cdat_make(sample);
        table = odd_copy(sample, CDAT_HEADER_BYTES, &buffer);
        ck_assert_int_eq(cdat_header_decode(table, CDAT_HEADER_BYTES, &header), 0);
        ck_assert_uint_eq(header.n_bytes, SAMPLE_CDAT_BYTES);
        ck_assert_uint_eq(header.revision, 1);
        ck_assert_uint_eq(header.checksum, sample[5]);
        ck_assert_uint_eq(header.sequence, SAMPLE_CDAT_SEQUENCE);
        for (size_t n = 0; n < CDAT_HEADER_BYTES; n++)
                ck_assert_int_eq(cdat_header_decode(table, n, &header), -EBADMSG);
        free(buffer);
}
END_TEST

START_TEST(memory_entries_are_decoded) {
        uint8_t sample[SAMPLE_CDAT_BYTES], *buffer, *table;
        size_t offset = CDAT_HEADER_BYTES;
        CdatEntry entry;

        sample_cdat_make(sample);
        table = odd_copy(sample, sizeof(sample), &buffer);

        next_is(table, &offset, CDAT_DSMAS, SAMPLE_CDAT_DSMAS, &entry);
        ck_assert(entry.is_known);
        ck_assert_uint_eq(entry.n_bytes, 24);
        ck_assert_uint_eq(entry.dsmas.handle, 1);
        ck_assert_uint_eq(entry.dsmas.flags, CDAT_DSMAS_NON_VOLATILE);
        ck_assert_uint_eq(entry.dsmas.dpa_base, 0x123456789abcdef0);
        ck_assert_uint_eq(entry.dsmas.dpa_bytes, SAMPLE_CDAT_BASE_BYTES);

        next_is(table, &offset, CDAT_DSLBIS, SAMPLE_CDAT_DSLBIS, &entry);
        ck_assert_uint_eq(entry.dslbis.handle, 1);
        ck_assert_uint_eq(entry.dslbis.flags, 2);
        ck_assert_uint_eq(entry.dslbis.data_type, CDAT_READ_LATENCY);
        ck_assert_uint_eq(entry.dslbis.base_unit, 1000);
        ck_assert_uint_eq(entry.dslbis.values[0], 150);
        ck_assert_uint_eq(entry.dslbis.values[1], 0);
        ck_assert_uint_eq(entry.dslbis.values[2], 0xffff);

        next_is(table, &offset, CDAT_DSMSCIS, SAMPLE_CDAT_DSMSCIS, &entry);
        ck_assert_uint_eq(entry.dsmscis.dsmas_handle, 1);
        ck_assert_uint_eq(entry.dsmscis.cache_bytes, 0x4000000);
        ck_assert_uint_eq(entry.dsmscis.attributes, 0x12345678);
        free(buffer);
}
END_TEST

START_TEST(other_entries_are_decoded) {
        uint8_t sample[SAMPLE_CDAT_BYTES], *buffer, *table;
        size_t offset = SAMPLE_CDAT_DSIS;
        CdatEntry entry;

        sample_cdat_make(sample);
        table = odd_copy(sample, sizeof(sample), &buffer);

        next_is(table, &offset, CDAT_DSIS, SAMPLE_CDAT_DSIS, &entry);
        ck_assert_uint_eq(entry.dsis.flags, 1);
        ck_assert_uint_eq(entry.dsis.handle, 9);

        next_is(table, &offset, CDAT_DSEMTS, SAMPLE_CDAT_DSEMTS, &entry);
        ck_assert_uint_eq(entry.dsemts.dsmas_handle, 1);
        ck_assert_uint_eq(entry.dsemts.efi_type, 2);
        ck_assert_uint_eq(entry.dsemts.dpa_offset, 0x1000);
        ck_assert_uint_eq(entry.dsemts.dpa_bytes, 0x2000);

        next_is(table, &offset, CDAT_SSLBIS, SAMPLE_CDAT_SSLBIS, &entry);
        ck_assert_uint_eq(entry.sslbis.data_type, CDAT_ACCESS_BANDWIDTH);
        ck_assert_uint_eq(entry.sslbis.base_unit, 1024);
        ck_assert_uint_eq(entry.sslbis.n_entries, 2);

        next_is(table, &offset, 0x80, SAMPLE_CDAT_UNKNOWN, &entry);
        ck_assert(!entry.is_known);
        ck_assert_mem_eq(entry.body, "\1\2\3\4\5\6\7\x08", 8);

        ck_assert_int_eq(cdat_next(table, SAMPLE_CDAT_BYTES, &offset, &entry), 0);
        free(buffer);
}
END_TEST

START_TEST(switch_ports_are_decoded_within_their_number) {
        uint8_t table[SAMPLE_CDAT_BYTES];
        size_t offset = SAMPLE_CDAT_SSLBIS;
        CdatSslbisEntry port;
        CdatEntry entry;

        sample_cdat_make(table);
        ck_assert_int_eq(cdat_next(table, sizeof(table), &offset, &entry), 1);
        ck_assert_int_eq(cdat_sslbis_get(&entry, 0, &port), 0);
        ck_assert_uint_eq(port.port_x, CDAT_SSLBIS_PORT_UPSTREAM);
        ck_assert_uint_eq(port.port_y, CDAT_SSLBIS_PORT_ANY);
        ck_assert_uint_eq(port.value, 5);
        ck_assert_int_eq(cdat_sslbis_get(&entry, 1, &port), 0);
        ck_assert_uint_eq(port.port_x, 2);
        ck_assert_uint_eq(port.port_y, 3);
        ck_assert_uint_eq(port.value, 6);
        ck_assert_int_eq(cdat_sslbis_get(&entry, 2, &port), -EINVAL);
        ck_assert_int_eq(cdat_sslbis_get(&entry, SIZE_MAX, &port), -EINVAL);

        offset = SAMPLE_CDAT_DSMAS;
        ck_assert_int_eq(cdat_next(table, sizeof(table), &offset, &entry), 1);
        ck_assert_int_eq(cdat_sslbis_get(&entry, 0, &port), -EINVAL);
}
END_TEST

START_TEST(whole_table_is_valid_and_ends_exactly) {
        uint8_t table[SAMPLE_CDAT_BYTES];
        size_t offset = CDAT_HEADER_BYTES, n_entries = 0;
        const char *error = "untouched";
        CdatEntry entry;
        int r;

        sample_cdat_make(table);
        ck_assert_int_eq(cdat_validate(table, sizeof(table), &error), 0);
        ck_assert_str_eq(error, "untouched");
        while ((r = cdat_next(table, sizeof(table), &offset, &entry)) > 0)
                n_entries++;
        ck_assert_int_eq(r, 0);
        ck_assert_uint_eq(n_entries, SAMPLE_CDAT_N_ENTRIES);
        ck_assert_uint_eq(offset, sizeof(table));
}
END_TEST

START_TEST(table_of_a_header_only_is_valid) {
        uint8_t table[CDAT_HEADER_BYTES] = { 0 };

        sample_cdat_seal(table, sizeof(table));
        ck_assert_int_eq(cdat_validate(table, sizeof(table), NULL), 0);
}
END_TEST

START_TEST(truncated_table_is_refused_at_every_length) {
        uint8_t sample[SAMPLE_CDAT_BYTES];

        sample_cdat_make(sample);
        for (size_t n = 0; n < sizeof(sample); n++) {
                uint8_t *buffer, *table = odd_copy(sample, n, &buffer);

                assert_defect(table, n, n < CDAT_HEADER_BYTES ? "header" : "length in the header");
                free(buffer);
        }
}
END_TEST

START_TEST(bytes_after_the_table_are_refused) {
        uint8_t table[SAMPLE_CDAT_BYTES];

        sample_cdat_make(table);
        doe_store_le32(table, SAMPLE_CDAT_UNKNOWN);
        table[5] = (uint8_t)(table[5] + SAMPLE_CDAT_BYTES - SAMPLE_CDAT_UNKNOWN); /* all bytes sum to 0 */
        assert_defect(table, sizeof(table), "length in the header");
}
END_TEST

/* Cut and sealed anew: valid where an entry ends, else the entries do not fill the table. */
START_TEST(entry_that_is_cut_is_refused_at_every_length) {
        uint8_t sample[SAMPLE_CDAT_BYTES];
        size_t n_valid = 0;

        for (size_t n = CDAT_HEADER_BYTES; n <= sizeof(sample); n++) {
                uint8_t *buffer, *table;

                sample_cdat_make(sample);
                sample_cdat_seal(sample, n);
                table = odd_copy(sample, n, &buffer);
                if (n == CDAT_HEADER_BYTES || n == SAMPLE_CDAT_DSLBIS || n == SAMPLE_CDAT_DSMSCIS ||
                    n == SAMPLE_CDAT_DSIS || n == SAMPLE_CDAT_DSEMTS || n == SAMPLE_CDAT_SSLBIS ||
                    n == SAMPLE_CDAT_UNKNOWN || n == SAMPLE_CDAT_BYTES) {
                        ck_assert_int_eq(cdat_validate(table, n, NULL), 0);
                        n_valid++;
                } else {
                        assert_defect(table, n, "entry");
                }
                free(buffer);
        }
        ck_assert_uint_eq(n_valid, 8);
}
END_TEST

START_TEST(any_changed_byte_breaks_the_checksum) {
        uint8_t table[SAMPLE_CDAT_BYTES];

        sample_cdat_make(table);
        for (size_t i = 0; i < sizeof(table); i++) {
                table[i] ^= 0x10;
                ck_assert_int_eq(cdat_validate(table, sizeof(table), NULL), -EBADMSG);
                table[i] ^= 0x10;
        }
        table[sizeof(table) - 1]++;
        assert_defect(table, sizeof(table), "checksum");
}
END_TEST

START_TEST(entry_of_a_wrong_length_is_refused) {
        static const struct {
                uint32_t at;
                uint16_t n_bytes;
        } cases[] = {
                { SAMPLE_CDAT_DSMAS, 0 },    { SAMPLE_CDAT_DSMAS, 3 },      { SAMPLE_CDAT_DSMAS, 4 },
                { SAMPLE_CDAT_DSMAS, 48 },   { SAMPLE_CDAT_DSLBIS, 44 },    { SAMPLE_CDAT_DSMSCIS, 28 },
                { SAMPLE_CDAT_DSIS, 32 },    { SAMPLE_CDAT_DSEMTS, 56 },    { SAMPLE_CDAT_SSLBIS, 44 },
                { SAMPLE_CDAT_SSLBIS, 8 },   { SAMPLE_CDAT_SSLBIS, 31 },    { SAMPLE_CDAT_UNKNOWN, 3 },
                { SAMPLE_CDAT_UNKNOWN, 13 }, { SAMPLE_CDAT_DSMAS, 0xffff },
        };
        uint8_t table[SAMPLE_CDAT_BYTES];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                size_t offset = cases[i].at;
                CdatEntry entry;

                sample_cdat_make(table);
                table[offset + 2] = (uint8_t)cases[i].n_bytes;
                table[offset + 3] = (uint8_t)(cases[i].n_bytes >> 8);
                sample_cdat_seal(table, sizeof(table));
                assert_defect(table, sizeof(table), "entry");
                ck_assert_int_eq(cdat_next(table, sizeof(table), &offset, &entry), -EBADMSG);
                ck_assert_uint_eq(offset, cases[i].at);
        }
}
END_TEST

START_TEST(offset_past_the_table_is_refused) {
        uint8_t table[SAMPLE_CDAT_BYTES];
        size_t offset = sizeof(table) + 1;
        CdatEntry entry;

        sample_cdat_make(table);
        ck_assert_int_eq(cdat_next(table, sizeof(table), &offset, &entry), -EBADMSG);
}
END_TEST

START_TEST(values_are_multiplied_with_care) {
        uint64_t value = 42;

        ck_assert_int_eq(cdat_value(1000, 0, &value), 0);
        ck_assert_int_eq(cdat_value(1000, 0xffff, &value), 0);
        ck_assert_int_eq(cdat_value(UINT64_MAX, 2, &value), -EOVERFLOW);
        ck_assert_uint_eq(value, 42);
        ck_assert_int_eq(cdat_value(1000, 150, &value), 1);
        ck_assert_uint_eq(value, 150000);
        ck_assert_int_eq(cdat_value(UINT64_MAX, 1, &value), 1);
        ck_assert_uint_eq(value, UINT64_MAX);
        ck_assert_int_eq(cdat_value(UINT64_MAX / 0xfffe, 0xfffe, &value), 1);
        ck_assert_int_eq(cdat_value(UINT64_MAX / 0xfffe + 1, 0xfffe, &value), -EOVERFLOW);
}
END_TEST

START_TEST(types_have_names) {
        ck_assert_str_eq(cdat_type_to_string(CDAT_DSMAS), "DSMAS");
        ck_assert_str_eq(cdat_type_to_string(CDAT_SSLBIS), "SSLBIS");
        ck_assert_str_eq(cdat_data_type_to_string(CDAT_READ_LATENCY), "read latency");
        ck_assert_str_eq(cdat_data_type_to_string(CDAT_WRITE_BANDWIDTH), "write bandwidth");
        for (unsigned i = 0; i < 256; i++) {
                ck_assert_int_eq(cdat_type_to_string((uint8_t)i) != NULL, i < N_CDAT_TYPES);
                ck_assert_int_eq(cdat_data_type_to_string((uint8_t)i) != NULL, i < N_CDAT_DATA_TYPES);
                ck_assert_int_eq(cdat_data_type_is_latency((uint8_t)i), i < CDAT_ACCESS_BANDWIDTH);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cdat");
        TCase *tc = tcase_create("cdat");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, header_is_decoded);
        tcase_add_test(tc, memory_entries_are_decoded);
        tcase_add_test(tc, other_entries_are_decoded);
        tcase_add_test(tc, switch_ports_are_decoded_within_their_number);
        tcase_add_test(tc, whole_table_is_valid_and_ends_exactly);
        tcase_add_test(tc, table_of_a_header_only_is_valid);
        tcase_add_test(tc, truncated_table_is_refused_at_every_length);
        tcase_add_test(tc, bytes_after_the_table_are_refused);
        tcase_add_test(tc, entry_that_is_cut_is_refused_at_every_length);
        tcase_add_test(tc, any_changed_byte_breaks_the_checksum);
        tcase_add_test(tc, entry_of_a_wrong_length_is_refused);
        tcase_add_test(tc, offset_past_the_table_is_refused);
        tcase_add_test(tc, values_are_multiplied_with_care);
        tcase_add_test(tc, types_have_names);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
