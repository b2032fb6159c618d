/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/cursor.h"
#include "protocols/spdm.h"

/* A CHUNK_SEND of version 1.2 around @message, into a buffer of 64 bytes. */
static size_t make_chunk(uint8_t *buffer, uint32_t sequence, const uint8_t *message, size_t n_bytes) {
        DoeWriter w = DOE_WRITER(buffer, 64);

        doe_write_u8(&w, 0x12);
        doe_write_u8(&w, 0x85);
        doe_write_le16(&w, 0x0700); /* no attribute; handle 7 */
        doe_write_le32(&w, sequence);
        doe_write_le32(&w, (uint32_t)n_bytes);
        doe_write_le32(&w, 4096);
        doe_write_bytes(&w, message, n_bytes);
        ck_assert_int_eq(w.error, 0);
        return w.n_written;
}

START_TEST(header_is_decoded_at_any_offset) {
        static const uint8_t bytes[] = { 0xee, 0xee, 0xee, 0x13, 0x84, 0x01, 0x02 };
        SpdmHeader header;

        ck_assert_int_eq(spdm_header_decode(bytes + 3, 4, &header), 0);
        ck_assert_uint_eq(header.version, 0x13);
        ck_assert_uint_eq(header.code, 0x84);
        ck_assert_uint_eq(header.param1, 1);
        ck_assert_uint_eq(header.param2, 2);
        for (size_t n = 0; n < 4; n++) {
                ck_assert_int_eq(spdm_header_decode(bytes + 3, n, &header), -EBADMSG);
                ck_assert_int_eq(spdm_effective_code(bytes + 3, n), -EBADMSG);
        }
}
END_TEST

START_TEST(plain_message_is_judged_by_its_own_code) {
        uint8_t message[4] = { 0x10, 0, 0, 0 };

        for (unsigned code = 0; code < 256; code++) {
                message[1] = (uint8_t)code;
                if (code != 0x85)
                        ck_assert_int_eq(spdm_effective_code(message, sizeof(message)), (int)code);
        }
}
END_TEST

START_TEST(first_chunk_is_judged_by_what_it_carries) {
        static const uint8_t set_certificate[] = { 0x12, 0xee, 0x00, 0x00 };
        uint8_t buffer[64];
        size_t n;

        n = make_chunk(buffer, 0, set_certificate, sizeof(set_certificate));
        ck_assert_int_eq(spdm_effective_code(buffer, n), 0xee);
        ck_assert_int_eq(spdm_effective_code(buffer, n + 3), 0xee); /* padding after it */
        n = make_chunk(buffer, 0, set_certificate, 2);
        ck_assert_int_eq(spdm_effective_code(buffer, n), 0xee);
}
END_TEST

START_TEST(later_chunks_cannot_be_read) {
        static const uint8_t message[] = { 0x12, 0x84, 0x00, 0x00 };
        uint8_t buffer[64];
        size_t n;

        n = make_chunk(buffer, 1, message, sizeof(message));
        ck_assert_int_eq(spdm_effective_code(buffer, n), -EBADMSG);
        n = make_chunk(buffer, 0x10000, message, sizeof(message)); /* first by its lower half only */
        ck_assert_int_eq(spdm_effective_code(buffer, n), -EBADMSG);
}
END_TEST

START_TEST(chunk_that_hides_its_code_cannot_be_read) {
        static const uint8_t message[] = { 0x12, 0xee, 0x00, 0x00 };
        static const uint8_t chunk_in_chunk[] = { 0x12, 0x85, 0x00, 0x00 };
        uint8_t buffer[64];
        size_t n;

        n = make_chunk(buffer, 0, chunk_in_chunk, sizeof(chunk_in_chunk));
        ck_assert_int_eq(spdm_effective_code(buffer, n), -EBADMSG);
        n = make_chunk(buffer, 0, message, 1); /* the code comes in the second chunk */
        ck_assert_int_eq(spdm_effective_code(buffer, n + 4), -EBADMSG);
        n = make_chunk(buffer, 0, message, 0);
        ck_assert_int_eq(spdm_effective_code(buffer, n + 4), -EBADMSG);
        n = make_chunk(buffer, 0, message, sizeof(message));
        doe_store_le32(buffer + 8, 5); /* claims a byte more than there is */
        ck_assert_int_eq(spdm_effective_code(buffer, n), -EBADMSG);
        doe_store_le32(buffer + 8, UINT32_MAX);
        ck_assert_int_eq(spdm_effective_code(buffer, n), -EBADMSG);
}
END_TEST

START_TEST(truncated_chunk_cannot_be_read_at_any_length) {
        static const uint8_t message[] = { 0x12, 0xee, 0x00, 0x00 };
        uint8_t buffer[64];
        size_t n_whole = make_chunk(buffer, 0, message, sizeof(message));

        for (size_t n = 0; n < n_whole; n++) {
                uint8_t *cut = malloc(n + 1);

                ck_assert_ptr_nonnull(cut);
                memcpy(cut + 1, buffer, n);
                ck_assert_int_eq(spdm_effective_code(cut + 1, n), -EBADMSG);
                free(cut);
        }
}
END_TEST

START_TEST(codes_have_the_names_of_the_specification) {
        ck_assert_str_eq(spdm_code_to_string(0x84), "GET_VERSION");
        ck_assert_str_eq(spdm_code_to_string(0x04), "VERSION");
        ck_assert_str_eq(spdm_code_to_string(0x7f), "ERROR");
        ck_assert_str_eq(spdm_code_to_string(0xee), "SET_CERTIFICATE");
        ck_assert_str_eq(spdm_code_to_string(0xff), "RESPOND_IF_READY");
        ck_assert_ptr_null(spdm_code_to_string(0x00));
        ck_assert_ptr_null(spdm_code_to_string(0x80));
        ck_assert_ptr_null(spdm_code_to_string(0xf2));
}
END_TEST

/* An answer has the code of its request less 0x80: a request with a name has an answer with one. */
START_TEST(every_request_has_an_answer) {
        for (unsigned code = 0x80; code < 0xff; code++)
                ck_assert_msg((spdm_code_to_string((uint8_t)code) != NULL) ==
                                              (spdm_code_to_string((uint8_t)(code - 0x80)) != NULL),
                              "%02x", code);
}
END_TEST

START_TEST(a_chunk_says_which_transfer_it_belongs_to) {
        static const uint8_t message[] = { 0x12, 0xe0, 0x00, 0x00 };
        uint8_t buffer[64];
        SpdmChunk chunk;
        size_t n;

        n = make_chunk(buffer, 0, message, sizeof(message));
        ck_assert_int_eq(spdm_chunk_send_decode(buffer, n, &chunk), 0);
        ck_assert_uint_eq(chunk.handle, 7);
        ck_assert(chunk.is_first && !chunk.is_last);
        ck_assert_int_eq(chunk.code, 0xe0);
        n = make_chunk(buffer, 1, message, sizeof(message));
        buffer[2] = 1;
        ck_assert_int_eq(spdm_chunk_send_decode(buffer, n, &chunk), 0);
        ck_assert(!chunk.is_first && chunk.is_last);
        ck_assert_int_eq(chunk.code, -EBADMSG);
        /* a first one to responders that read 16 bits */
        n = make_chunk(buffer, 0x10000, message, sizeof(message));
        ck_assert_int_eq(spdm_chunk_send_decode(buffer, n, &chunk), 0);
        ck_assert(chunk.is_first);
        ck_assert_int_eq(chunk.code, -EBADMSG);
        for (size_t i = 0; i < 8; i++)
                ck_assert_int_eq(spdm_chunk_send_decode(buffer, i, &chunk), -EBADMSG);
        buffer[1] = 0x84;
        ck_assert_int_eq(spdm_chunk_send_decode(buffer, n, &chunk), -EBADMSG);
}
END_TEST

START_TEST(response_not_ready_says_how_long_within_bounds) {
        uint8_t response[] = { 0x12, 0x7f, 0x42, 0, 20, 0xe1, 1, 2 };
        uint64_t usec = 0;

        ck_assert(spdm_response_not_ready(response, sizeof(response), &usec));
        ck_assert_uint_eq(usec, 1048576);
        response[4] = 255;
        ck_assert(spdm_response_not_ready(response, sizeof(response), &usec));
        ck_assert_uint_eq(usec, UINT64_C(1) << 40);
        for (size_t n = 0; n < sizeof(response); n++)
                ck_assert(!spdm_response_not_ready(response, n, &usec));
        response[2] = 0x01; /* another error */
        ck_assert(!spdm_response_not_ready(response, sizeof(response), &usec));
        response[2] = 0x42;
        response[1] = 0x61;
        ck_assert(!spdm_response_not_ready(response, sizeof(response), &usec));
}
END_TEST

START_TEST(only_a_granted_key_exchange_opens_a_session) {
        uint8_t response[] = { 0x12, 0x64, 0, 0 };

        ck_assert(spdm_opens_session(0xe4, false, response, sizeof(response)));
        ck_assert(!spdm_opens_session(0xe6, false, response, sizeof(response)));
        ck_assert(!spdm_opens_session(-1, false, response, sizeof(response)));
        ck_assert(!spdm_opens_session(0xe4, false, response, 3));
        response[1] = 0x05;
        ck_assert(!spdm_opens_session(0xe4, false, response, sizeof(response)));
        ck_assert(spdm_opens_session(0xe4, true, response, sizeof(response)));
        response[1] = 0x7f;
        ck_assert(!spdm_opens_session(0xe4, true, response, sizeof(response)));
}
END_TEST

START_TEST(a_session_may_be_granted_by_a_later_answer) {
        static const uint8_t key_exchange_rsp[] = { 0x12, 0x64, 0, 0 },
                             measurements[] = { 0x12, 0x60, 0, 0 };
        uint8_t buffer[64];
        size_t n;

        ck_assert(spdm_opens_session(0xff, false, key_exchange_rsp, 4));
        ck_assert(spdm_opens_session(0xff, false, (const uint8_t[]){ 0x12, 0x66, 0, 0 }, 4));
        ck_assert(!spdm_opens_session(0xff, false, measurements, 4));
        ck_assert(!spdm_opens_session(0x86, false, key_exchange_rsp, 4));
        n = make_chunk(buffer, 0, key_exchange_rsp, 4);
        buffer[1] = SPDM_CODE_CHUNK_RESPONSE;
        ck_assert(spdm_opens_session(0x86, false, buffer, n));
        ck_assert(!spdm_opens_session(0xff, false, buffer, n));
        ck_assert(!spdm_opens_session(0x86, false, buffer, 12));
        n = make_chunk(buffer, 0, measurements, 4);
        buffer[1] = SPDM_CODE_CHUNK_RESPONSE;
        ck_assert(!spdm_opens_session(0x86, false, buffer, n));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("spdm");
        TCase *tc = tcase_create("spdm");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, header_is_decoded_at_any_offset);
        tcase_add_test(tc, plain_message_is_judged_by_its_own_code);
        tcase_add_test(tc, first_chunk_is_judged_by_what_it_carries);
        tcase_add_test(tc, later_chunks_cannot_be_read);
        tcase_add_test(tc, chunk_that_hides_its_code_cannot_be_read);
        tcase_add_test(tc, truncated_chunk_cannot_be_read_at_any_length);
        tcase_add_test(tc, codes_have_the_names_of_the_specification);
        tcase_add_test(tc, every_request_has_an_answer);
        tcase_add_test(tc, a_chunk_says_which_transfer_it_belongs_to);
        tcase_add_test(tc, response_not_ready_says_how_long_within_bounds);
        tcase_add_test(tc, only_a_granted_key_exchange_opens_a_session);
        tcase_add_test(tc, a_session_may_be_granted_by_a_later_answer);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
