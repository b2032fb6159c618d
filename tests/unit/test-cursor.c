/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/cursor.h"

#define N_OFFSETS 9

/* The same integer, put together byte by byte. */
static uint64_t reference(const uint8_t *p, size_t n_bytes) {
        uint64_t value = 0;

        for (size_t i = n_bytes; i > 0; i--)
                value = value << 8 | p[i - 1];
        return value;
}

static void fill(uint8_t *p, size_t n_bytes) {
        for (size_t i = 0; i < n_bytes; i++)
                p[i] = (uint8_t)(0x81 + 37 * i);
}

START_TEST(integers_are_little_endian_at_any_offset) {
        size_t offset = (size_t)_i;
        uint8_t bytes[N_OFFSETS + 15];
        DoeReader r = DOE_READER(bytes + offset, 15);

        fill(bytes, sizeof(bytes));
        ck_assert_uint_eq(doe_read_u8(&r), reference(bytes + offset, 1));
        ck_assert_uint_eq(doe_read_le16(&r), reference(bytes + offset + 1, 2));
        ck_assert_uint_eq(doe_read_le32(&r), reference(bytes + offset + 3, 4));
        ck_assert_uint_eq(doe_read_le64(&r), reference(bytes + offset + 7, 8));
        ck_assert_int_eq(r.error, 0);
        ck_assert_uint_eq(r.n_left, 0);
        ck_assert_uint_eq(doe_load_le32(bytes + offset), reference(bytes + offset, 4));
}
END_TEST

START_TEST(what_was_written_is_read_at_any_offset) {
        size_t offset = (size_t)_i;
        uint8_t bytes[N_OFFSETS + 21];
        DoeWriter w = DOE_WRITER(bytes + offset, 21);

        memset(bytes, 0xee, sizeof(bytes));
        doe_write_u8(&w, 0x91);
        doe_write_le16(&w, 0xa2b3);
        doe_write_le32(&w, 0xc4d5e6f7);
        doe_write_le64(&w, 0x8899aabbccddeeff);
        doe_write_bytes(&w, "xyz", 3);
        doe_write_zeros(&w, 3);
        ck_assert_int_eq(w.error, 0);
        ck_assert_uint_eq(w.n_written, 21);
        ck_assert_uint_eq(w.n_left, 0);

        ck_assert_uint_eq(bytes[offset], 0x91);
        ck_assert_uint_eq(reference(bytes + offset + 1, 2), 0xa2b3);
        ck_assert_uint_eq(reference(bytes + offset + 3, 4), 0xc4d5e6f7);
        ck_assert_uint_eq(reference(bytes + offset + 7, 8), 0x8899aabbccddeeff);
        ck_assert_mem_eq(bytes + offset + 15, "xyz\0\0\0", 6);
        for (size_t i = 0; i < sizeof(bytes); i++)
                if (i < offset || i >= offset + 21)
                        ck_assert_uint_eq(bytes[i], 0xee);
}
END_TEST

START_TEST(dwords_are_stored_at_any_offset) {
        size_t offset = (size_t)_i;
        uint8_t bytes[N_OFFSETS + 4] = { 0 };

        doe_store_le32(bytes + offset, 0x80c0a0f1);
        ck_assert_uint_eq(reference(bytes + offset, 4), 0x80c0a0f1);
        ck_assert_uint_eq(doe_load_le32(bytes + offset), 0x80c0a0f1);
}
END_TEST

/* Buffers of the exact length, so that the address sanitizer sees a single byte too many. */
START_TEST(reading_past_the_end_latches_an_error) {
        size_t n_bytes = (size_t)_i;
        uint8_t *bytes = malloc(n_bytes); /* of 0 bytes: readable nowhere */
        DoeReader r;

        ck_assert(bytes || n_bytes == 0);
        fill(bytes, n_bytes);

        r = DOE_READER(bytes, n_bytes);
        ck_assert_uint_eq(doe_read_le64(&r), 0);
        ck_assert_int_eq(r.error, -EBADMSG);
        ck_assert_uint_eq(r.n_left, 0);
        ck_assert_uint_eq(doe_read_u8(&r), 0);
        ck_assert_uint_eq(doe_read_le16(&r), 0);
        ck_assert_uint_eq(doe_read_le32(&r), 0);
        ck_assert_ptr_null(doe_read_bytes(&r, 1));
        ck_assert_ptr_null(doe_read_bytes(&r, 0));
        doe_read_skip(&r, 0);
        ck_assert_int_eq(r.error, -EBADMSG);
        free(bytes);
}
END_TEST

START_TEST(bytes_are_borrowed_from_the_buffer) {
        uint8_t bytes[8];
        DoeReader r = DOE_READER(bytes, sizeof(bytes));

        fill(bytes, sizeof(bytes));
        doe_read_skip(&r, 3);
        ck_assert_ptr_eq(doe_read_bytes(&r, 0), bytes + 3);
        ck_assert_ptr_eq(doe_read_bytes(&r, 5), bytes + 3);
        ck_assert_int_eq(r.error, 0);
        ck_assert_ptr_null(doe_read_bytes(&r, 1));
        ck_assert_int_eq(r.error, -EBADMSG);
}
END_TEST

START_TEST(huge_lengths_do_not_wrap) {
        uint8_t bytes[4] = { 0 };
        DoeReader r = DOE_READER(bytes, sizeof(bytes));
        DoeWriter w = DOE_WRITER(bytes, sizeof(bytes));

        doe_read_skip(&r, 1);
        doe_read_skip(&r, SIZE_MAX);
        ck_assert_int_eq(r.error, -EBADMSG);
        doe_write_u8(&w, 1);
        doe_write_zeros(&w, SIZE_MAX);
        ck_assert_int_eq(w.error, -ENOBUFS);
        ck_assert_uint_eq(w.n_written, 1);
}
END_TEST

START_TEST(sub_reader_ends_where_it_was_told) {
        uint8_t bytes[6];
        DoeReader r = DOE_READER(bytes, sizeof(bytes)), sub;

        fill(bytes, sizeof(bytes));
        doe_read_skip(&r, 1);
        sub = doe_read_sub(&r, 3);
        ck_assert_uint_eq(sub.n_left, 3);
        ck_assert_uint_eq(doe_read_le16(&sub), reference(bytes + 1, 2));
        ck_assert_uint_eq(doe_read_le16(&sub), 0);
        ck_assert_int_eq(sub.error, -EBADMSG);
        ck_assert_int_eq(r.error, 0);
        ck_assert_uint_eq(doe_read_le16(&r), reference(bytes + 4, 2));
}
END_TEST

START_TEST(sub_reader_carries_the_error) {
        uint8_t bytes[2] = { 0 };
        DoeReader r = DOE_READER(bytes, sizeof(bytes)), sub;

        sub = doe_read_sub(&r, 3);
        ck_assert_int_eq(sub.error, -EBADMSG);
        ck_assert_uint_eq(sub.n_left, 0);
        ck_assert_int_eq(r.error, -EBADMSG);
}
END_TEST

START_TEST(empty_buffer_may_be_null) {
        DoeReader r = DOE_READER(NULL, 0), sub;
        DoeWriter w = DOE_WRITER(NULL, 0);

        doe_read_skip(&r, 0);
        sub = doe_read_sub(&r, 0);
        ck_assert_int_eq(r.error, 0);
        ck_assert_int_eq(sub.error, 0);
        ck_assert_uint_eq(doe_read_u8(&r), 0);
        ck_assert_int_eq(r.error, -EBADMSG);
        doe_write_bytes(&w, NULL, 0);
        doe_write_zeros(&w, 0);
        ck_assert_int_eq(w.error, 0);
        doe_write_u8(&w, 1);
        ck_assert_int_eq(w.error, -ENOBUFS);
}
END_TEST

START_TEST(writing_past_the_end_latches_an_error) {
        uint8_t bytes[8];
        DoeWriter w = DOE_WRITER(bytes, 5);

        memset(bytes, 0xee, sizeof(bytes));
        doe_write_le32(&w, 0x04030201);
        doe_write_le16(&w, 0x0605);
        ck_assert_int_eq(w.error, -ENOBUFS);
        doe_write_u8(&w, 5); /* would fit, but comes after the error */
        ck_assert_uint_eq(w.n_written, 4);
        ck_assert_mem_eq(bytes, "\1\2\3\4\xee\xee\xee\xee", 8);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cursor");
        TCase *tc = tcase_create("cursor");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tc, integers_are_little_endian_at_any_offset, 0, N_OFFSETS);
        tcase_add_loop_test(tc, what_was_written_is_read_at_any_offset, 0, N_OFFSETS);
        tcase_add_loop_test(tc, dwords_are_stored_at_any_offset, 0, N_OFFSETS);
        tcase_add_loop_test(tc, reading_past_the_end_latches_an_error, 0, 8);
        tcase_add_test(tc, bytes_are_borrowed_from_the_buffer);
        tcase_add_test(tc, huge_lengths_do_not_wrap);
        tcase_add_test(tc, sub_reader_ends_where_it_was_told);
        tcase_add_test(tc, sub_reader_carries_the_error);
        tcase_add_test(tc, empty_buffer_may_be_null);
        tcase_add_test(tc, writing_past_the_end_latches_an_error);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
