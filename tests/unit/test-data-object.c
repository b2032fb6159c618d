/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "protocols/data-object.h"

typedef struct HeaderCase {
        uint32_t dw0, dw1;
        DoeObjectHeader header;
} HeaderCase;

static const HeaderCase plain_headers[] = {
        { 0x00000001, 0x00000003, { 0x0001, 0x00, 0, 3, false } },
        { 0x00021e98, 0x00000002, { 0x1e98, 0x02, 0, 2, false } },
        { 0x00ff8001, 0x0003ffff, { 0x8001, 0xff, 0, 0x3ffff, false } },
        { 0x00030001, 0x3ffc0010, { 0x0001, 0x03, 0xfff, 16, false } },
        { 0x00030001, 0x20040010, { 0x0001, 0x03, 0x801, 16, false } },
        { 0x00ffffff, 0x00000000, { 0xffff, 0xff, 0, DOE_OBJECT_DWORDS_MAX, false } },
};
#define N_PLAIN_HEADERS (sizeof(plain_headers) / sizeof(plain_headers[0]))

static void assert_same(const DoeObjectHeader *a, const DoeObjectHeader *b) {
        ck_assert_uint_eq(a->vendor_id, b->vendor_id);
        ck_assert_uint_eq(a->type, b->type);
        ck_assert_uint_eq(a->connection_id, b->connection_id);
        ck_assert_uint_eq(a->n_dwords, b->n_dwords);
        ck_assert_int_eq(a->reserved_set, b->reserved_set);
}

START_TEST(header_is_decoded) {
        const HeaderCase *c = &plain_headers[_i];
        DoeObjectHeader header;

        ck_assert_int_eq(doe_object_header_decode(c->dw0, c->dw1, &header), 0);
        assert_same(&header, &c->header);
}
END_TEST

START_TEST(header_is_encoded) {
        const HeaderCase *c = &plain_headers[_i];
        uint32_t dw0, dw1;

        doe_object_header_encode(&c->header, &dw0, &dw1);
        ck_assert_uint_eq(dw0, c->dw0);
        ck_assert_uint_eq(dw1, c->dw1);
}
END_TEST

START_TEST(length_0_means_2_to_the_18_dwords) {
        DoeObjectHeader header;

        ck_assert_int_eq(doe_object_header_decode(0x00021e98, 0, &header), 0);
        ck_assert_uint_eq(header.n_dwords, 262144);
        ck_assert_uint_eq(4 * header.n_dwords, DOE_OBJECT_BYTES_MAX);
}
END_TEST

START_TEST(length_1_is_refused_and_leaves_the_output_alone) {
        DoeObjectHeader header = { .type = 0x5a };

        ck_assert_int_eq(doe_object_header_decode(0x00021e98, 1, &header), -EBADMSG);
        ck_assert_int_eq(doe_object_header_decode(0x00021e98, 0xfffc0001, &header), -EBADMSG);
        ck_assert_uint_eq(header.type, 0x5a);
}
END_TEST

START_TEST(reserved_bits_are_reported_not_refused) {
        static const struct {
                uint32_t dw0, dw1;
                bool is_set;
        } cases[] = {
                { 0x01000001, 2, true },          { 0x80000001, 2, true },
                { 1, 0x40000002, true },          { 1, 0x80000002, true },
                { 1, 0x3ffc0002, false },         { 0x00ffffff, 0x3fffffff, false },
                { UINT32_MAX, UINT32_MAX, true },
        };
        DoeObjectHeader header;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                ck_assert_int_eq(doe_object_header_decode(cases[i].dw0, cases[i].dw1, &header), 0);
                ck_assert_int_eq(header.reserved_set, cases[i].is_set);
        }
}
END_TEST

START_TEST(payload_is_padded_to_whole_dwords) {
        ck_assert_uint_eq(doe_object_dwords(0), 2);
        ck_assert_uint_eq(doe_object_dwords(1), 3);
        ck_assert_uint_eq(doe_object_dwords(4), 3);
        ck_assert_uint_eq(doe_object_dwords(5), 4);
        ck_assert_uint_eq(doe_object_dwords(DOE_PAYLOAD_BYTES_MAX), DOE_OBJECT_DWORDS_MAX);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("data-object");
        TCase *tc = tcase_create("data-object");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tc, header_is_decoded, 0, N_PLAIN_HEADERS);
        tcase_add_loop_test(tc, header_is_encoded, 0, N_PLAIN_HEADERS);
        tcase_add_test(tc, length_0_means_2_to_the_18_dwords);
        tcase_add_test(tc, length_1_is_refused_and_leaves_the_output_alone);
        tcase_add_test(tc, reserved_bits_are_reported_not_refused);
        tcase_add_test(tc, payload_is_padded_to_whole_dwords);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
