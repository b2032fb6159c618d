/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/cdat.h"
#include "protocols/cursor.h"
#include "protocols/table-access.h"
#include "tests/unit/sample-cdat.h"

static uint8_t sample[SAMPLE_CDAT_BYTES];

/* Where each entry of the sample ends, the header's first. */
static const size_t ends[] = {
        SAMPLE_CDAT_DSMAS,  SAMPLE_CDAT_DSLBIS, SAMPLE_CDAT_DSMSCIS, SAMPLE_CDAT_DSIS,
        SAMPLE_CDAT_DSEMTS, SAMPLE_CDAT_SSLBIS, SAMPLE_CDAT_UNKNOWN, SAMPLE_CDAT_BYTES,
};
#define N_ENTRIES (sizeof(ends) / sizeof(ends[0]))

/* Handles need not be in order. */
static const uint16_t handles[N_ENTRIES + 1] = { 0, 0x100, 3, 0xfffe, 2, 1, 0x7fff, 0x8000, 0xffff };

static void setup(void) {
        sample_cdat_make(sample);
}

/* Gives a response in a buffer that ends with it, at an odd address. */
static int give(TableWalk *walk, int (*to)(TableWalk *, const uint8_t *, size_t), uint16_t next_handle,
                const uint8_t *entry, size_t n_bytes) {
        size_t n = TABLE_ACCESS_HEADER_BYTES + n_bytes;
        uint8_t *buffer = malloc(n + 1);
        DoeWriter w;
        int r;

        ck_assert_ptr_nonnull(buffer);
        w = DOE_WRITER(buffer + 1, n);
        doe_write_u8(&w, TABLE_ACCESS_CODE_READ);
        doe_write_u8(&w, TABLE_ACCESS_TYPE_CDAT);
        doe_write_le16(&w, next_handle);
        doe_write_bytes(&w, entry, n_bytes);
        ck_assert_int_eq(w.error, 0);
        r = to(walk, buffer + 1, n);
        free(buffer);
        return r;
}

static int take(TableWalk *walk, uint16_t next_handle, const uint8_t *entry, size_t n_bytes) {
        return give(walk, table_walk_take, next_handle, entry, n_bytes);
}

static int confirm(TableWalk *walk, const uint8_t *header) {
        return give(walk, table_walk_confirm, 1, header, CDAT_HEADER_BYTES);
}

static int take_sample(TableWalk *walk, size_t i) {
        size_t start = i == 0 ? 0 : ends[i - 1];

        ck_assert_uint_eq(walk->handle, handles[i]);
        return take(walk, handles[i + 1], sample + start, ends[i] - start);
}

static void take_first(TableWalk *walk, size_t n_entries) {
        for (size_t i = 0; i < n_entries; i++)
                ck_assert_int_eq(take_sample(walk, i), TABLE_WALK_MORE);
}

static void take_whole(TableWalk *walk) {
        take_first(walk, N_ENTRIES - 1);
        ck_assert_int_eq(take_sample(walk, N_ENTRIES - 1), TABLE_WALK_CHECK);
        ck_assert_uint_eq(walk->handle, 0);
}

static void assert_failed(TableWalk *walk, int r, const char *word) {
        ck_assert_int_eq(r, -EBADMSG);
        ck_assert_ptr_nonnull(walk->error);
        ck_assert_msg(strstr(walk->error, word), "\"%s\" does not say \"%s\"", walk->error, word);
        table_walk_done(walk);
}

START_TEST(request_says_code_type_and_handle) {
        uint8_t request[TABLE_ACCESS_REQUEST_BYTES];
        uint16_t handle;

        table_access_request_encode(0x1234, request);
        ck_assert_mem_eq(request, "\0\0\x34\x12", 4);
        ck_assert_int_eq(table_access_request_decode(request, 4, &handle), 0);
        ck_assert_uint_eq(handle, 0x1234);
}
END_TEST

START_TEST(other_requests_are_refused) {
        static const uint8_t zeros[9];
        uint16_t handle = 0x5a5a;

        for (size_t n = 0; n < sizeof(zeros); n++)
                if (n != 4)
                        ck_assert_int_eq(table_access_request_decode(zeros, n, &handle), -EBADMSG);
        ck_assert_int_eq(table_access_request_decode((const uint8_t *)"\1\0\0\0", 4, &handle), -EBADMSG);
        ck_assert_int_eq(table_access_request_decode((const uint8_t *)"\0\1\0\0", 4, &handle), -EBADMSG);
        ck_assert_uint_eq(handle, 0x5a5a);
}
END_TEST

START_TEST(response_is_decoded) {
        static const uint8_t payload[] = { 0xee, 0, 0, 0x34, 0x12, 'a', 'b', 'c' };
        TableAccessResponse response;

        ck_assert_int_eq(table_access_response_decode(payload + 1, 7, &response), 0);
        ck_assert_uint_eq(response.next_handle, 0x1234);
        ck_assert_uint_eq(response.n_entry_bytes, 3);
        ck_assert_ptr_eq(response.entry, payload + 5);
        ck_assert_int_eq(table_access_response_decode(payload + 1, 4, &response), 0);
        ck_assert_uint_eq(response.n_entry_bytes, 0);
        for (size_t n = 0; n < 4; n++)
                ck_assert_int_eq(table_access_response_decode(payload + 1, n, &response), -EBADMSG);
        ck_assert_int_eq(table_access_response_decode((const uint8_t *)"\1\0\0\0", 4, &response), -EBADMSG);
        ck_assert_int_eq(table_access_response_decode((const uint8_t *)"\0\1\0\0", 4, &response), -EBADMSG);
}
END_TEST

START_TEST(walk_gathers_the_table) {
        TableWalk walk;

        table_walk_init(&walk);
        take_whole(&walk);
        ck_assert_int_eq(confirm(&walk, sample), TABLE_WALK_END);
        ck_assert_ptr_null(walk.error);
        ck_assert_uint_eq(walk.n_bytes, sizeof(sample));
        ck_assert_mem_eq(walk.table, sample, sizeof(sample));
        ck_assert_uint_eq(walk.n_entries, N_ENTRIES);
        for (size_t i = 0; i < N_ENTRIES; i++) {
                ck_assert_uint_eq(walk.entries[i].handle, handles[i]);
                ck_assert_uint_eq(walk.entries[i].next_handle, handles[i + 1]);
                ck_assert_uint_eq(walk.entries[i].offset, i == 0 ? 0 : ends[i - 1]);
                ck_assert_uint_eq(walk.entries[i].offset + walk.entries[i].n_bytes, ends[i]);
        }
        table_walk_done(&walk);
        ck_assert_ptr_null(walk.table);
        table_walk_done(&walk); /* twice does no harm */
}
END_TEST

START_TEST(table_of_a_header_only_is_whole) {
        uint8_t table[CDAT_HEADER_BYTES] = { 0 };
        TableWalk walk;

        sample_cdat_seal(table, sizeof(table));
        table_walk_init(&walk);
        ck_assert_int_eq(take(&walk, TABLE_ACCESS_HANDLE_LAST, table, sizeof(table)), TABLE_WALK_CHECK);
        ck_assert_int_eq(confirm(&walk, table), TABLE_WALK_END);
        table_walk_done(&walk);
}
END_TEST

START_TEST(first_entry_must_be_the_header) {
        TableWalk walk;

        for (size_t n = 0; n <= 24; n += 4) {
                if (n == CDAT_HEADER_BYTES)
                        continue;
                table_walk_init(&walk);
                assert_failed(&walk, take(&walk, 1, sample, n), "16-byte table header");
        }
}
END_TEST

START_TEST(header_with_an_impossible_length_is_refused) {
        TableWalk walk;

        doe_store_le32(sample, CDAT_HEADER_BYTES - 1);
        table_walk_init(&walk);
        assert_failed(&walk, take(&walk, 1, sample, CDAT_HEADER_BYTES), "below");
        doe_store_le32(sample, CDAT_BYTES_MAX + 1);
        table_walk_init(&walk);
        assert_failed(&walk, take(&walk, 1, sample, CDAT_HEADER_BYTES), "above");
        doe_store_le32(sample, UINT32_MAX);
        table_walk_init(&walk);
        assert_failed(&walk, take(&walk, 1, sample, CDAT_HEADER_BYTES), "above");
}
END_TEST

START_TEST(largest_claim_allocates_nothing_in_advance) {
        TableWalk walk;

        doe_store_le32(sample, CDAT_BYTES_MAX);
        table_walk_init(&walk);
        ck_assert_int_eq(take(&walk, 1, sample, CDAT_HEADER_BYTES), TABLE_WALK_MORE);
        ck_assert_uint_le(walk.n_allocated, 4096);
        table_walk_done(&walk);
}
END_TEST

START_TEST(response_that_is_none_is_refused_at_every_length) {
        static const uint8_t payload[TABLE_ACCESS_HEADER_BYTES] = { 0 };
        TableWalk walk;

        for (size_t n = 0; n < TABLE_ACCESS_HEADER_BYTES; n++) {
                table_walk_init(&walk);
                take_first(&walk, 2);
                assert_failed(&walk, table_walk_take(&walk, payload, n), "response");
        }
        table_walk_init(&walk);
        assert_failed(&walk, table_walk_take(&walk, (const uint8_t *)"\5\0\1\0", 4), "response");
}
END_TEST

START_TEST(entry_length_must_be_that_of_its_response) {
        TableWalk walk;

        for (size_t n = 0; n <= 32; n++) {
                if (n == 24)
                        continue;
                table_walk_init(&walk);
                take_first(&walk, 1);
                assert_failed(&walk, take(&walk, 2, sample + SAMPLE_CDAT_DSMAS, n),
                              n < 4 ? "4-byte header" : "length");
        }
}
END_TEST

START_TEST(repeated_handle_is_refused) {
        static const uint16_t seen[] = { 0, 0x100, 3 };
        TableWalk walk;

        for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
                table_walk_init(&walk);
                take_first(&walk, 2);
                assert_failed(&walk, take(&walk, seen[i], sample + ends[1], ends[2] - ends[1]),
                              "second time");
        }
        table_walk_init(&walk);
        assert_failed(&walk, take(&walk, 0, sample, CDAT_HEADER_BYTES), "second time");
}
END_TEST

START_TEST(walk_that_failed_takes_nothing_more) {
        TableWalk walk;

        table_walk_init(&walk);
        ck_assert_int_eq(take(&walk, 0, sample, CDAT_HEADER_BYTES), -EBADMSG);
        assert_failed(&walk, take(&walk, 1, sample, CDAT_HEADER_BYTES), "second time");
}
END_TEST

START_TEST(more_entries_than_the_header_says_are_refused) {
        TableWalk walk;

        sample_cdat_seal(sample, SAMPLE_CDAT_DSLBIS + 8);
        table_walk_init(&walk);
        take_first(&walk, 2);
        assert_failed(&walk, take_sample(&walk, 2), "longer");

        sample_cdat_seal(sample, SAMPLE_CDAT_DSLBIS); /* one that goes on where the header says end */
        table_walk_init(&walk);
        take_first(&walk, 2);
        assert_failed(&walk, take_sample(&walk, 2), "longer");
}
END_TEST

START_TEST(fewer_entries_than_the_header_says_are_refused) {
        TableWalk walk;

        table_walk_init(&walk);
        take_first(&walk, 3);
        assert_failed(&walk, take(&walk, TABLE_ACCESS_HANDLE_LAST, sample + ends[2], ends[3] - ends[2]),
                      "length in the header");
}
END_TEST

START_TEST(wrong_checksum_is_refused) {
        TableWalk walk;

        sample[SAMPLE_CDAT_DSMAS + 8]++;
        table_walk_init(&walk);
        take_first(&walk, N_ENTRIES - 1);
        assert_failed(&walk, take_sample(&walk, N_ENTRIES - 1), "checksum");
}
END_TEST

START_TEST(table_that_changed_is_read_again) {
        static const size_t changed[] = { 0, 5, 12, 15 }; /* length, checksum, sequence */
        uint8_t header[CDAT_HEADER_BYTES];
        TableWalk walk;

        for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
                table_walk_init(&walk);
                take_whole(&walk);
                memcpy(header, sample, sizeof(header));
                header[changed[i]] ^= 1;
                ck_assert_int_eq(confirm(&walk, header), TABLE_WALK_AGAIN);
                take_whole(&walk); /* from the beginning */
                ck_assert_int_eq(confirm(&walk, sample), TABLE_WALK_END);
                table_walk_done(&walk);
        }
}
END_TEST

START_TEST(malformed_confirmation_is_refused) {
        TableWalk walk;

        table_walk_init(&walk);
        take_whole(&walk);
        assert_failed(&walk, table_walk_confirm(&walk, sample, 3), "response");
        for (size_t n = 0; n <= 24; n += 4) {
                if (n == CDAT_HEADER_BYTES)
                        continue;
                table_walk_init(&walk);
                take_whole(&walk);
                assert_failed(&walk, give(&walk, table_walk_confirm, 1, sample, n), "16-byte table header");
        }
}
END_TEST

/* What a walk answers is what another walk gathers the same table from. */
static void assert_answers_give(const TableWalk *walk, const uint8_t *table, size_t n_bytes) {
        TableWalk other;
        int r = TABLE_WALK_MORE;

        table_walk_init(&other);
        while (r == TABLE_WALK_MORE) {
                uint8_t *answer;
                size_t n;

                ck_assert_int_eq(table_walk_answer(walk, other.handle, &answer, &n), 0);
                r = table_walk_take(&other, answer, n);
                free(answer);
        }
        ck_assert_int_eq(r, TABLE_WALK_CHECK);
        ck_assert_uint_eq(other.n_bytes, n_bytes);
        ck_assert_mem_eq(other.table, table, n_bytes);
        table_walk_done(&other);
}

START_TEST(answers_are_those_of_the_device) {
        uint8_t *answer = NULL;
        TableWalk walk;
        size_t n = 0;

        table_walk_init(&walk);
        take_whole(&walk);
        ck_assert_int_eq(table_walk_answer(&walk, 3, &answer, &n), 0);
        ck_assert_uint_eq(n, TABLE_ACCESS_HEADER_BYTES + 24);
        ck_assert_mem_eq(answer, "\0\0\xfe\xff", 4);
        ck_assert_mem_eq(answer + 4, sample + SAMPLE_CDAT_DSLBIS, 24);
        free(answer);
        ck_assert_int_eq(table_walk_answer(&walk, 4, &answer, &n), -ENOENT);
        ck_assert_int_eq(table_walk_answer(&walk, TABLE_ACCESS_HANDLE_LAST, &answer, &n), -ENOENT);
        assert_answers_give(&walk, sample, sizeof(sample));
        table_walk_done(&walk);
}
END_TEST

START_TEST(table_from_elsewhere_is_answered_like_a_device) {
        TableWalk walk;

        ck_assert_int_eq(table_walk_from_table(&walk, sample, sizeof(sample)), 0);
        ck_assert_uint_eq(walk.n_entries, N_ENTRIES);
        for (size_t i = 0; i < N_ENTRIES; i++) {
                ck_assert_uint_eq(walk.entries[i].handle, i);
                ck_assert_uint_eq(walk.entries[i].next_handle, i + 1 < N_ENTRIES ? i + 1 : 0xffff);
        }
        assert_answers_give(&walk, sample, sizeof(sample));
        table_walk_done(&walk);
}
END_TEST

START_TEST(broken_table_from_elsewhere_is_refused) {
        TableWalk walk;

        for (size_t n = 0; n < sizeof(sample); n++)
                assert_failed(&walk, table_walk_from_table(&walk, sample, n),
                              n < CDAT_HEADER_BYTES ? "header" : "length");
        sample[20]++;
        assert_failed(&walk, table_walk_from_table(&walk, sample, sizeof(sample)), "checksum");
}
END_TEST

START_TEST(answer_is_padded_to_whole_dwords) {
        uint8_t table[CDAT_HEADER_BYTES + 5] = { [16] = 0x90, [18] = 5, [20] = 0x77 }, *answer;
        TableWalk walk;
        size_t n;

        sample_cdat_seal(table, sizeof(table));
        ck_assert_int_eq(table_walk_from_table(&walk, table, sizeof(table)), 0);
        ck_assert_int_eq(table_walk_answer(&walk, 1, &answer, &n), 0);
        ck_assert_uint_eq(n, TABLE_ACCESS_HEADER_BYTES + 8);
        ck_assert_mem_eq(answer, "\0\0\xff\xff\x90\0\5\0\x77\0\0\0", 12);
        free(answer);
        table_walk_done(&walk);
}
END_TEST

/* As many smallest entries as there are handles, and one more. */
START_TEST(entries_are_bounded_by_the_handles) {
        size_t n_bytes = CDAT_HEADER_BYTES + 4 * (size_t)CDAT_ENTRIES_MAX;
        uint8_t *table = calloc(1, n_bytes);
        TableWalk walk;

        ck_assert_ptr_nonnull(table);
        for (size_t i = CDAT_HEADER_BYTES; i < n_bytes; i += 4) {
                table[i] = 0x90;
                table[i + 2] = 4;
        }
        sample_cdat_seal(table, n_bytes);
        assert_failed(&walk, table_walk_from_table(&walk, table, n_bytes), "more entries");
        sample_cdat_seal(table, n_bytes - 4);
        ck_assert_int_eq(table_walk_from_table(&walk, table, n_bytes - 4), 0);
        ck_assert_uint_eq(walk.n_entries, CDAT_ENTRIES_MAX);
        ck_assert_uint_eq(walk.entries[CDAT_ENTRIES_MAX - 1].handle, 0xfffe);
        table_walk_done(&walk);
        free(table);
}
END_TEST

/* Entries of the greatest length, as a device may give them, up to 1 MiB and past it. */
START_TEST(largest_table_is_taken_and_no_larger) {
        size_t n_entry = 0xfffc, n_bytes = CDAT_BYTES_MAX, n_done = CDAT_HEADER_BYTES;
        uint8_t *table = calloc(1, n_bytes + 4);
        uint16_t handle = 1;
        TableWalk walk;
        int r;

        ck_assert_ptr_nonnull(table);
        for (size_t i = CDAT_HEADER_BYTES, n; i < n_bytes; i += n) {
                n = n_bytes - i < n_entry ? n_bytes - i : n_entry;
                table[i] = 0x90;
                table[i + 2] = (uint8_t)n;
                table[i + 3] = (uint8_t)(n >> 8);
        }
        sample_cdat_seal(table, n_bytes);

        table_walk_init(&walk);
        r = take(&walk, handle, table, CDAT_HEADER_BYTES);
        while (r == TABLE_WALK_MORE) {
                size_t n = n_bytes - n_done < n_entry ? n_bytes - n_done : n_entry;
                bool is_last = n_done + n == n_bytes;

                r = take(&walk, is_last ? TABLE_ACCESS_HANDLE_LAST : ++handle, table + n_done, n);
                n_done += n;
        }
        ck_assert_int_eq(r, TABLE_WALK_CHECK);
        ck_assert_mem_eq(walk.table, table, n_bytes);
        table_walk_done(&walk);

        sample_cdat_seal(table, n_bytes + 4);
        assert_failed(&walk, table_walk_from_table(&walk, table, n_bytes + 4), "above 1 MiB");
        free(table);
}
END_TEST

static void add_walk_tests(TCase *tc) {
        tcase_add_test(tc, walk_gathers_the_table);
        tcase_add_test(tc, table_of_a_header_only_is_whole);
        tcase_add_test(tc, first_entry_must_be_the_header);
        tcase_add_test(tc, header_with_an_impossible_length_is_refused);
        tcase_add_test(tc, largest_claim_allocates_nothing_in_advance);
        tcase_add_test(tc, response_that_is_none_is_refused_at_every_length);
        tcase_add_test(tc, entry_length_must_be_that_of_its_response);
        tcase_add_test(tc, repeated_handle_is_refused);
        tcase_add_test(tc, walk_that_failed_takes_nothing_more);
        tcase_add_test(tc, more_entries_than_the_header_says_are_refused);
        tcase_add_test(tc, fewer_entries_than_the_header_says_are_refused);
        tcase_add_test(tc, wrong_checksum_is_refused);
        tcase_add_test(tc, table_that_changed_is_read_again);
        tcase_add_test(tc, malformed_confirmation_is_refused);
}

int main(void) {
        Suite *suite = suite_create("table-access");
        TCase *tc = tcase_create("table-access");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(tc, setup, NULL);
        tcase_add_test(tc, request_says_code_type_and_handle);
        tcase_add_test(tc, other_requests_are_refused);
        tcase_add_test(tc, response_is_decoded);
        add_walk_tests(tc);
        tcase_add_test(tc, answers_are_those_of_the_device);
        tcase_add_test(tc, table_from_elsewhere_is_answered_like_a_device);
        tcase_add_test(tc, broken_table_from_elsewhere_is_refused);
        tcase_add_test(tc, answer_is_padded_to_whole_dwords);
        tcase_add_test(tc, entries_are_bounded_by_the_handles);
        tcase_add_test(tc, largest_table_is_taken_and_no_larger);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
