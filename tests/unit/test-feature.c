/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/feature.h"

typedef struct Expected {
        DoeClass class;
        DoeHow how;
} Expected;

static const Expected read_once = { DOE_CLASS_READ, DOE_HOW_CACHE };
static const Expected connection = { DOE_CLASS_CONNECTION, DOE_HOW_LEASE };
static const Expected session = { DOE_CLASS_SESSION, DOE_HOW_LEASE };
static const Expected destructive = { DOE_CLASS_DESTRUCTIVE, DOE_HOW_LEASE };
static const Expected compliance_status = { DOE_CLASS_READ_SENSITIVE, DOE_HOW_DIRECT };
static const Expected compliance = { DOE_CLASS_DESTRUCTIVE, DOE_HOW_MAILBOX_LEASE };
static const Expected spdm_unknown = { DOE_CLASS_UNKNOWN, DOE_HOW_LEASE };
static const Expected unknown = { DOE_CLASS_UNKNOWN, DOE_HOW_DIRECT };

/* Judges a copy that ends with the payload and stands at an odd address. */
static void assert_judged(uint16_t vendor_id, uint8_t type, const void *payload, size_t n_bytes,
                          const Expected *expected, int opcode, const char *opcode_name) {
        uint8_t *copy = malloc(n_bytes + 1);
        DoeJudgement judgement;

        ck_assert_ptr_nonnull(copy);
        if (n_bytes > 0)
                memcpy(copy + 1, payload, n_bytes);
        doe_feature_judge(vendor_id, type, copy + 1, n_bytes, &judgement);
        free(copy);

        ck_assert_int_eq(judgement.class, expected->class);
        ck_assert_int_eq(judgement.how, expected->how);
        ck_assert_int_eq(judgement.opcode, opcode);
        ck_assert_str_eq(judgement.opcode_name, opcode_name);
}

START_TEST(discovery_is_a_read_from_the_cache) {
        assert_judged(0x0001, 0x00, "\5\2\0\0", 4, &read_once, -1, "");
        for (size_t n = 0; n <= 8; n++)
                assert_judged(0x0001, 0x00, "\0\0\0\0\0\0\0\0", n, n >= 1 && n <= 4 ? &read_once : &unknown,
                              -1, "");
}
END_TEST

START_TEST(table_read_is_a_read_from_the_cache) {
        assert_judged(0x1e98, 0x02, "\0\0\0\0", 4, &read_once, 0, "read");
        assert_judged(0x1e98, 0x02, "\0\0\x34\x12", 4, &read_once, 0, "read");
        for (size_t n = 1; n < 4; n++)
                assert_judged(0x1e98, 0x02, "\0\0\0", n, &read_once, 0, "read");
}
END_TEST

START_TEST(other_table_requests_are_unknown) {
        assert_judged(0x1e98, 0x02, "", 0, &unknown, -1, "");
        assert_judged(0x1e98, 0x02, "\0\0\0\0\0\0\0\0", 8, &unknown, 0, "read");
        assert_judged(0x1e98, 0x02, "\0\1\0\0", 4, &unknown, 0, "read"); /* not the CDAT */
        assert_judged(0x1e98, 0x02, "\1\0\0\0", 4, &unknown, 1, "");
}
END_TEST

static const Expected *expected_of_spdm(uint8_t code) {
        static const uint8_t connection_codes[] = { 0x81, 0x82, 0x83, 0x84, 0x86, 0x87,
                                                    0xe0, 0xe1, 0xe3, 0xef, 0xfc, 0xff };
        static const uint8_t session_codes[] = { 0xe4, 0xe5, 0xe6, 0xe7, 0xea, 0xeb };

        for (size_t i = 0; i < sizeof(connection_codes); i++)
                if (connection_codes[i] == code)
                        return &connection;
        for (size_t i = 0; i < sizeof(session_codes); i++)
                if (session_codes[i] == code)
                        return &session;
        return &destructive;
}

START_TEST(clear_spdm_is_judged_by_its_code) {
        uint8_t type = _i == 0 ? 0x01 : 0x03;
        DoeJudgement judgement;

        for (unsigned code = 0; code < 256; code++) {
                uint8_t message[4] = { 0x12, (uint8_t)code, 0, 0 };
                const Expected *expected = expected_of_spdm((uint8_t)code);

                if (code == 0x85)
                        continue;
                doe_feature_judge(0x0001, type, message, sizeof(message), &judgement);
                ck_assert_int_eq(judgement.class, expected->class);
                ck_assert_int_eq(judgement.how, expected->how);
                ck_assert_int_eq(judgement.opcode, (int)code);
        }
        assert_judged(0x0001, type, "\x10\x84\0\0", 4, &connection, 0x84, "GET_VERSION");
        assert_judged(0x0001, type, "\x12\xee\0\0", 4, &destructive, 0xee, "SET_CERTIFICATE");
        assert_judged(0x0001, type, "\x12\xf9\0\0", 4, &destructive, 0xf9, "");
}
END_TEST

START_TEST(spdm_chunk_is_judged_by_the_message_it_carries) {
        static const struct {
                uint8_t code;
                const Expected *expected;
                const char *name;
        } cases[] = {
                { 0xee, &destructive, "SET_CERTIFICATE" },
                { 0xe3, &connection, "NEGOTIATE_ALGORITHMS" },
                { 0xe4, &session, "KEY_EXCHANGE" },
        };
        uint8_t message[20] = { 0x12, 0x85, [8] = 4, [12] = 200, [16] = 0x12 };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                message[17] = cases[i].code;
                assert_judged(0x0001, 0x01, message, sizeof(message), cases[i].expected, cases[i].code,
                              cases[i].name);
        }
        message[4] = 1; /* a later chunk */
        assert_judged(0x0001, 0x01, message, sizeof(message), &spdm_unknown, -1, "");
        message[4] = 0;
        for (size_t n = 2; n < sizeof(message); n++)
                assert_judged(0x0001, 0x01, message, n, &spdm_unknown, -1, "");
}
END_TEST

START_TEST(spdm_too_short_for_a_code_is_unknown) {
        assert_judged(0x0001, 0x01, "", 0, &spdm_unknown, -1, "");
}
END_TEST

/* A request goes out as whole dwords, so leaving out its zero bytes must not change how it is judged. */
START_TEST(request_without_its_last_zeros_is_judged_as_the_device_sees_it) {
        assert_judged(0x0001, 0x01, "\x12\xee", 2, &destructive, 0xee, "SET_CERTIFICATE");
        assert_judged(0x0001, 0x01, "\x12", 1, &destructive, 0, "");
        assert_judged(0x0001, 0x01, "\x12\x84\0", 3, &connection, 0x84, "GET_VERSION");
        for (size_t n = 1; n < 4; n++)
                assert_judged(0x1e98, 0x00, "\3\0\0\0", n, &compliance, 3, "multiple-write-streaming");
}
END_TEST

START_TEST(secured_spdm_is_session_whatever_it_holds) {
        for (uint8_t type = 0x02; type <= 0x04; type += 2) {
                assert_judged(0x0001, type, "", 0, &session, -1, "");
                assert_judged(0x0001, type, "\x12\xee\0\0", 4, &session, -1, "");
                assert_judged(0x0001, type, "\x12\x85\0\0\1", 5, &session, -1, "");
        }
}
END_TEST

START_TEST(compliance_is_judged_by_its_code) {
        static const char *const names[] = { "capability", "status", "halt" };

        for (unsigned code = 0; code < 256; code++) {
                uint8_t request[8] = { (uint8_t)code, 1 };
                DoeJudgement judgement;

                if (code <= 2) {
                        assert_judged(0x1e98, 0x00, request, 8, &compliance_status, (int)code, names[code]);
                        continue;
                }
                doe_feature_judge(0x1e98, 0x00, request, sizeof(request), &judgement);
                ck_assert_int_eq(judgement.class, DOE_CLASS_DESTRUCTIVE);
                ck_assert_int_eq(judgement.how, DOE_HOW_MAILBOX_LEASE);
                ck_assert_int_eq(judgement.opcode, (int)code);
        }
        assert_judged(0x1e98, 0x00, "", 0, &unknown, -1, "");
}
END_TEST

START_TEST(anything_else_is_unknown) {
        DoeJudgement judgement;

        assert_judged(0x1234, 0x01, "\x10\x84\0\0", 4, &unknown, -1, "");
        assert_judged(0x0001, 0x05, "\0\0\0\0", 4, &unknown, -1, "");
        assert_judged(0x0001, 0x06, "\0\0\0\0", 4, &unknown, -1, "");
        assert_judged(0x1e98, 0x01, "\0\0\0\0", 4, &unknown, -1, "");
        doe_feature_judge(0x1234, 0x01, NULL, 0, &judgement);
        ck_assert_int_eq(judgement.how, DOE_HOW_DIRECT);
        doe_feature_judge(0x0001, 0x01, NULL, 0, &judgement);
        ck_assert_int_eq(judgement.how, DOE_HOW_LEASE);
}
END_TEST

START_TEST(table_knows_names_and_limits) {
        static const DoeFeature expected[] = {
                { 0x0001, 0x00, "discovery", -1, DOE_CLASS_READ, 16, false, false },
                { 0x0001, 0x01, "cma-spdm", 1, DOE_CLASS_CONNECTION, 65536, false, true },
                { 0x0001, 0x02, "secured-cma-spdm", -1, DOE_CLASS_SESSION, 65536, false, true },
                { 0x0001, 0x03, "spdm-connection-id", 1, DOE_CLASS_CONNECTION, 65536, true, true },
                { 0x0001, 0x04, "secured-spdm-connection-id", -1, DOE_CLASS_SESSION, 65536, true, true },
                { 0x0001, 0x05, "async-message", -1, DOE_CLASS_UNKNOWN, 65536, false, false },
                { 0x1e98, 0x00, "cxl-compliance", 0, DOE_CLASS_READ_SENSITIVE, 65536, false, false },
                { 0x1e98, 0x02, "cxl-table-access", 0, DOE_CLASS_READ, 65548, false, false },
        };
        size_t n = sizeof(expected) / sizeof(expected[0]);

        for (size_t i = 0; i < n; i++) {
                const DoeFeature *e = &expected[i], *f = doe_feature_find(e->vendor_id, e->type);

                ck_assert_ptr_nonnull(f);
                ck_assert_ptr_eq(doe_feature_get(i), f);
                ck_assert_ptr_eq(doe_feature_find_by_name(e->name), f);
                ck_assert_str_eq(f->name, e->name);
                ck_assert_int_eq(f->opcode_offset, e->opcode_offset);
                ck_assert_int_eq(f->class, e->class);
                ck_assert_uint_eq(f->response_bytes_max, e->response_bytes_max);
                ck_assert_int_eq(f->has_connection_id, e->has_connection_id);
                ck_assert_int_eq(f->is_spdm, e->is_spdm);
                ck_assert_uint_eq(doe_feature_response_bytes_max(e->vendor_id, e->type),
                                  e->response_bytes_max);
        }
        ck_assert_ptr_null(doe_feature_get(n));
        ck_assert_ptr_null(doe_feature_find(0x1234, 0x01));
        ck_assert_ptr_null(doe_feature_find_by_name("cma"));
        ck_assert_uint_eq(doe_feature_response_bytes_max(0x1234, 0x01), 65536);
}
END_TEST

START_TEST(numbers_and_names_are_parsed) {
        static const struct {
                const char *s;
                uint16_t vendor_id;
                uint8_t type;
        } cases[] = {
                { "1e98:02", 0x1e98, 0x02 },   { "1E98:fF", 0x1e98, 0xff },  { "0001:00", 0x0001, 0x00 },
                { "abcd:ef", 0xabcd, 0xef },   { "cma-spdm", 0x0001, 0x01 }, { "cdat", 0x1e98, 0x02 },
                { "discovery", 0x0001, 0x00 },
        };
        char buf[DOE_FEATURE_STR_MAX];
        uint16_t vendor_id;
        uint8_t type;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                ck_assert_int_eq(doe_feature_parse(cases[i].s, &vendor_id, &type), 0);
                ck_assert_uint_eq(vendor_id, cases[i].vendor_id);
                ck_assert_uint_eq(type, cases[i].type);
        }
        ck_assert_ptr_eq(doe_feature_format(0x1e98, 0x02, buf), buf);
        ck_assert_str_eq(buf, "1e98:02");
        ck_assert_str_eq(doe_feature_format(0xffff, 0xff, buf), "ffff:ff");
        ck_assert_str_eq(doe_feature_format(0, 0, buf), "0000:00");
}
END_TEST

START_TEST(other_spellings_are_refused) {
        static const char *const cases[] = {
                "",         ":",       "1e98",    "1e98:",    "1e98:2",   "1e98:002",  "e98:02",
                "01e98:02", "1e98-02", "1e98:0g", "1e9x:02",  " 1e98:02", "1e98:02 ",  "0x1e:02",
                "+e98:02",  "1e98: 2", "CDAT",    "Cma-Spdm", "cma",      "1e98:02\n",
        };
        uint16_t vendor_id = 0x5a5a;
        uint8_t type = 0x5a;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                ck_assert_msg(doe_feature_parse(cases[i], &vendor_id, &type) == -EINVAL, "\"%s\"", cases[i]);
        ck_assert_uint_eq(vendor_id, 0x5a5a);
        ck_assert_uint_eq(type, 0x5a);
}
END_TEST

START_TEST(every_class_has_a_name_of_its_own) {
        static const char *const names[N_DOE_CLASSES] = { "read",    "read-sensitive", "connection",
                                                          "session", "destructive",    "unknown" };

        for (int i = 0; i < N_DOE_CLASSES; i++)
                ck_assert_str_eq(doe_class_to_string((DoeClass)i), names[i]);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("feature");
        TCase *tc = tcase_create("feature");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, discovery_is_a_read_from_the_cache);
        tcase_add_test(tc, table_read_is_a_read_from_the_cache);
        tcase_add_test(tc, other_table_requests_are_unknown);
        tcase_add_loop_test(tc, clear_spdm_is_judged_by_its_code, 0, 2);
        tcase_add_test(tc, spdm_chunk_is_judged_by_the_message_it_carries);
        tcase_add_test(tc, spdm_too_short_for_a_code_is_unknown);
        tcase_add_test(tc, request_without_its_last_zeros_is_judged_as_the_device_sees_it);
        tcase_add_test(tc, secured_spdm_is_session_whatever_it_holds);
        tcase_add_test(tc, compliance_is_judged_by_its_code);
        tcase_add_test(tc, anything_else_is_unknown);
        tcase_add_test(tc, table_knows_names_and_limits);
        tcase_add_test(tc, numbers_and_names_are_parsed);
        tcase_add_test(tc, other_spellings_are_refused);
        tcase_add_test(tc, every_class_has_a_name_of_its_own);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
