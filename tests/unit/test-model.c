/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/model.h"

#include "daemon/util/clock.h"
#include "protocols/cursor.h"
#include "protocols/data-object.h"
#include "protocols/registers.h"
#include "protocols/table-access.h"
#include "tests/unit/emulated-function.h"
#include "tests/unit/suite.h"

#define DISCOVERY    0x00000001u
#define SPDM         0x00010001u
#define SECURED_SPDM 0x00020001u
#define TABLE_ACCESS 0x00021e98u
#define COMPLIANCE   0x00001e98u
#define ECHO         0x00011234u
#define COUNT        0x00021234u
#define NOT_HERE     0x00770777u
#define ERROR_BIT    DOE_STATUS_ERROR

static uint32_t answer[64];

/* One echo of one dword: dwords of the response, 0 if none came. */
static size_t echo(EmulatedFunction *e, uint32_t dword) {
        return emulated_exchange(e, ECHO, &dword, 1, answer, 64);
}

START_TEST(extended_capabilities_form_one_chain) {
        EmulatedFunction e;
        size_t n_mailboxes = 0, n = 0;

        emulated_begin(&e, "[mailbox 0000:01:00.0[fe8]]\nversion=2\n"
                           "[device 0000:02:00.0]\n[mailbox 0000:02:00.0[100]]\n");
        for (uint32_t offset = 0x100; offset != 0 && n < 10; n++) {
                uint32_t header = model_read(e.model, 0, (uint16_t)offset, 4);

                if ((header & 0xffff) == DOE_EXT_CAP_ID)
                        n_mailboxes++;
                offset = header >> 20;
        }
        ck_assert_uint_eq(n, 4); /* serial number, DVSEC, two mailboxes */
        ck_assert_uint_eq(n_mailboxes, 2);
        ck_assert_uint_eq(DOE_HEADER_VERSION(model_read(e.model, 0, 0xfe8, 4)), 2);
        emulated_end(&e);
}
END_TEST

START_TEST(bytes_and_words_are_parts_of_their_dword) {
        EmulatedFunction e;
        uint32_t id;

        emulated_begin(&e, "");
        id = model_read(e.model, 0, 0, 4);
        ck_assert_uint_eq(model_read(e.model, 0, 0, 2), id & 0xffff);
        ck_assert_uint_eq(model_read(e.model, 0, 2, 2), id >> 16);
        ck_assert_uint_eq(model_read(e.model, 0, 3, 1), id >> 24);
        model_write(e.model, 0, 0, 4, 0);
        ck_assert_uint_eq(model_read(e.model, 0, 0, 4), id);
        model_write(e.model, 0, 0x3c, 1, 0x2a);
        ck_assert_uint_eq(model_read(e.model, 0, 0x3c, 1), 0x2a);
        emulated_end(&e);
}
END_TEST

START_TEST(discovery_walks_all_features) {
        EmulatedFunction e;
        uint32_t index = 0, found[4], n = 0;

        emulated_begin(&e, "feature=1234:01\nfeature=1e98:02\n");
        do {
                ck_assert_uint_eq(emulated_exchange(&e, DISCOVERY, &index, 1, answer, 64), 3);
                ck_assert_uint_eq(answer[0], DISCOVERY);
                ck_assert_uint_eq(answer[1], 3);
                found[n++] = answer[2] & 0xffffff;
                index = answer[2] >> 24;
        } while (index != 0 && n < 4);
        ck_assert_uint_eq(n, 3);
        ck_assert_uint_eq(found[0], DISCOVERY);
        ck_assert_uint_eq(found[1], ECHO);
        ck_assert_uint_eq(found[2], TABLE_ACCESS);
        index = 3;
        ck_assert_uint_eq(emulated_exchange(&e, DISCOVERY, &index, 1, answer, 64), 0);
        emulated_end(&e);
}
END_TEST

/* Follow a chain for @n_max steps. Return: steps until next index 0, or n_max. */
static size_t follow(const char *mailbox, size_t n_max, size_t *ret_n_out_of_range) {
        EmulatedFunction e;
        uint32_t index = 0;
        size_t n = 0;

        *ret_n_out_of_range = 0;
        emulated_begin(&e, mailbox);
        do {
                ck_assert_uint_ge(emulated_exchange(&e, DISCOVERY, &index, 1, answer, 64), 3);
                if ((answer[2] & 0xffffff) == 0xffffff)
                        ++*ret_n_out_of_range;
                index = answer[2] >> 24;
        } while (++n < n_max && index != 0);
        emulated_end(&e);
        return n;
}

START_TEST(discovery_chains_can_be_wrong) {
        size_t n_out_of_range;

        ck_assert_uint_eq(follow("feature=1234:01\ndiscovery=plain\n", 600, &n_out_of_range), 2);
        ck_assert_uint_eq(follow("feature=1234:01\ndiscovery=cyclic\n", 600, &n_out_of_range), 600);
        ck_assert_uint_eq(follow("feature=1234:01\ndiscovery=endless\n", 600, &n_out_of_range), 600);
        ck_assert_uint_eq(follow("feature=1234:01\ndiscovery=duplicate\n", 600, &n_out_of_range), 4);
        ck_assert_uint_eq(follow("feature=1234:01\ndiscovery=missing-self\n", 600, &n_out_of_range), 1);
        ck_assert_uint_eq(follow("feature=1234:01\ndiscovery=garbage\n", 600, &n_out_of_range), 4);
        ck_assert_uint_eq(n_out_of_range, 2);
}
END_TEST

START_TEST(discovery_can_have_four_dwords_and_be_strict) {
        uint32_t index = 1, index_v2 = 0x201;
        EmulatedFunction e;

        emulated_begin(&e, "version=2\ndiscovery-dwords=4\ndiscovery-strict=yes\n"
                           "feature=0001:03 max-dwords=1024 connections=5\n");
        ck_assert_uint_eq(emulated_exchange(&e, DISCOVERY, &index, 1, answer, 64), 0);
        ck_assert_uint_eq(emulated_exchange(&e, DISCOVERY, &index_v2, 1, answer, 64), 4);
        ck_assert_uint_eq(answer[3], 5u << 18 | 1024);
        emulated_end(&e);
}
END_TEST

START_TEST(idle_status_keeps_attention_and_reserved_bits) {
        EmulatedFunction e;

        emulated_begin(&e, "version=2\nat-attention=yes\nreserved-status=0x00ff0000\nfeature=1234:01\n");
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), 0x00ff0010);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_CAP), DOE_CAP_ATTENTION_SUPPORT);
        ck_assert_uint_eq(echo(&e, 1), 3);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), 0x00ff0010);
        emulated_end(&e);
}
END_TEST

START_TEST(a_read_does_not_advance_and_a_pop_does) {
        EmulatedFunction e;
        uint32_t dword = 0x12345678;

        emulated_begin(&e, "feature=1234:01\n");
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_READ), 0);
        emulated_send(&e, ECHO, &dword, 1);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_WRITE), 0);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_GO);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_CONTROL), 0);
        emulated_wait(&e, DOE_STATUS_READY, 1000);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_READ), ECHO);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_READ), ECHO);
        emulated_write(&e, DOE_REG_READ, 0xffffffff);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_READ), 3);
        emulated_write(&e, DOE_REG_READ, 0);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_READ), dword);
        emulated_write(&e, DOE_REG_READ, 0);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), 0);
        emulated_end(&e);
}
END_TEST

START_TEST(a_pop_without_an_object_sets_error_until_an_abort) {
        EmulatedFunction e;

        emulated_begin(&e, "feature=1234:01\n");
        emulated_write(&e, DOE_REG_READ, 0);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_ERROR);
        ck_assert_uint_eq(echo(&e, 1), 0);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), 0);
        ck_assert_uint_eq(echo(&e, 1), 3);
        ck_assert_uint_eq(model_get_mailbox(e.model, 0)->counters.underflows, 1);
        emulated_end(&e);
}
END_TEST

START_TEST(one_dword_more_than_fits_sets_error) {
        EmulatedFunction e;
        uint32_t payload[4] = { 0 };

        emulated_begin(&e, "feature=1234:01\nwrite-dwords=5\n");
        ck_assert_uint_eq(emulated_exchange(&e, ECHO, payload, 3, answer, 64), 5);
        emulated_send(&e, ECHO, payload, 4);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_ERROR);
        emulated_end(&e);
}
END_TEST

START_TEST(what_is_not_served_is_discarded_in_silence) {
        EmulatedFunction e;
        uint32_t dword = 1;

        emulated_begin(&e, "feature=1234:01\nfeature=1e98:02\n");
        ck_assert_uint_eq(emulated_exchange(&e, NOT_HERE, &dword, 1, answer, 64), 0);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), 0);
        ck_assert_uint_eq(emulated_exchange(&e, TABLE_ACCESS, NULL, 0, answer, 64), 0);
        dword = 0x00770000; /* a handle that is not there */
        ck_assert_uint_eq(emulated_exchange(&e, TABLE_ACCESS, &dword, 1, answer, 64), 0);
        emulated_write(&e, DOE_REG_WRITE, ECHO);
        emulated_write(&e, DOE_REG_WRITE, 4); /* but two came */
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_GO);
        ck_assert_uint_eq(emulated_wait(&e, DOE_STATUS_READY, 100000), 0);
        ck_assert_uint_eq(model_get_mailbox(e.model, 0)->counters.discarded, 4);
        ck_assert_uint_eq(echo(&e, 1), 3);
        emulated_end(&e);
}
END_TEST

/* Status right before GO, right after it, at 60 % of the service time, and at its end. */
static void check_busy(const char *style, uint32_t sending, uint32_t at_go, uint32_t later) {
        EmulatedFunction e;
        char text[128];

        snprintf(text, sizeof(text), "feature=1234:01\nservice=1000us\nbusy=%s\n", style);
        emulated_begin(&e, text);
        emulated_send(&e, ECHO, NULL, 0);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), sending);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_GO);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), at_go);
        e.now_usec += 600;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), later);
        e.now_usec += 400;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_READY);
        emulated_end(&e);
}

START_TEST(busy_comes_and_goes_as_the_device_does_it) {
        check_busy("processing", 0, DOE_STATUS_BUSY, DOE_STATUS_BUSY);
        check_busy("sending", DOE_STATUS_BUSY, DOE_STATUS_BUSY, DOE_STATUS_BUSY);
        check_busy("pipelined", 0, DOE_STATUS_BUSY, 0);
        check_busy("never", 0, 0, 0);
}
END_TEST

START_TEST(an_abort_takes_its_time_and_clears_everything) {
        EmulatedFunction e;

        emulated_begin(&e, "feature=1234:01\nabort=500us\nservice=100ms\n");
        emulated_send(&e, ECHO, NULL, 0);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_GO);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        e.now_usec += 400;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_BUSY);
        e.now_usec += 100;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), 0);
        e.now_usec += 1000000;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), 0); /* no late answer */
        ck_assert_uint_eq(model_get_mailbox(e.model, 0)->counters.aborts_in_flight, 1);
        emulated_end(&e);
}
END_TEST

START_TEST(an_object_of_one_mebibyte_has_length_zero) {
        uint32_t n = DOE_OBJECT_DWORDS_MAX - 2, *object = malloc(4 * (size_t)DOE_OBJECT_DWORDS_MAX);
        EmulatedFunction e;

        emulated_begin(&e, "feature=1234:01\nfeature=1234:02\n");
        ck_assert_uint_eq(emulated_exchange(&e, COUNT, &n, 1, object, DOE_OBJECT_DWORDS_MAX),
                          DOE_OBJECT_DWORDS_MAX);
        ck_assert_uint_eq(object[1], 0);
        ck_assert_uint_eq(object[n + 1], n - 1);
        memmove(object, object + 2, 4 * (size_t)n);
        ck_assert_uint_eq(emulated_exchange(&e, ECHO, object, n, object, DOE_OBJECT_DWORDS_MAX),
                          DOE_OBJECT_DWORDS_MAX);
        ck_assert_uint_eq(object[n + 1], n - 1);
        n++;
        ck_assert_uint_eq(emulated_exchange(&e, COUNT, &n, 1, object, DOE_OBJECT_DWORDS_MAX), 0);
        free(object);
        emulated_end(&e);
}
END_TEST

START_TEST(a_walk_of_table_access_gives_the_table) {
        const uint8_t *table;
        EmulatedFunction e;
        size_t n_table;
        TableWalk walk;
        int r = TABLE_WALK_MORE;

        emulated_begin(&e, "feature=1e98:02\n");
        table = model_table(e.model, &n_table);
        table_walk_init(&walk);
        while (r == TABLE_WALK_MORE) {
                uint32_t request = (uint32_t)walk.handle << 16;
                size_t n = emulated_exchange(&e, TABLE_ACCESS, &request, 1, answer, 64);

                ck_assert_uint_gt(n, 3);
                r = table_walk_take(&walk, (const uint8_t *)&answer[2], 4 * (n - 2));
        }
        ck_assert_int_eq(r, TABLE_WALK_CHECK);
        ck_assert_uint_eq(walk.n_bytes, n_table);
        ck_assert_mem_eq(walk.table, table, n_table);

        model_touch_table(e.model);
        ck_assert_uint_gt(emulated_exchange(&e, TABLE_ACCESS, &(uint32_t){ 0 }, 1, answer, 64), 3);
        ck_assert_int_eq(table_walk_confirm(&walk, (const uint8_t *)&answer[2], 20), TABLE_WALK_AGAIN);
        table_walk_done(&walk);
        emulated_end(&e);
}
END_TEST

START_TEST(compliance_answers_and_halts) {
        EmulatedFunction e;

        emulated_begin(&e, "feature=1e98:00\n");
        ck_assert_uint_eq(emulated_exchange(&e, COMPLIANCE, &(uint32_t){ 3 }, 1, answer, 64), 3);
        ck_assert_uint_eq(emulated_exchange(&e, COMPLIANCE, &(uint32_t){ 1 }, 1, answer, 64), 5);
        ck_assert_uint_eq(answer[3], 1u << 3);
        ck_assert_uint_eq(emulated_exchange(&e, COMPLIANCE, &(uint32_t){ 2 }, 1, answer, 64), 3);
        ck_assert_uint_eq(emulated_exchange(&e, COMPLIANCE, &(uint32_t){ 1 }, 1, answer, 64), 5);
        ck_assert_uint_eq(answer[3], 0);
        emulated_end(&e);
}
END_TEST

/* A message of one dword and some zeros. Return: code of the response. */
static uint8_t spdm(EmulatedFunction *e, uint8_t version, uint8_t code) {
        uint32_t message[12] = { (uint32_t)code << 8 | version, 0x00100000 };

        ck_assert_uint_gt(emulated_exchange(e, SPDM, message, 12, answer, 64), 2);
        return (uint8_t)(answer[2] >> 8);
}

START_TEST(spdm_keeps_its_order_and_sessions) {
        uint32_t secured[3] = { 0, 0x1234, 0x5678 };
        EmulatedFunction e;

        emulated_begin(&e, "feature=0001:01\nfeature=0001:02\n");
        ck_assert_uint_eq(spdm(&e, 0x12, 0xe1), 0x7f); /* before GET_VERSION */
        ck_assert_uint_eq(spdm(&e, 0x10, 0x84), 0x04);
        ck_assert_uint_eq(spdm(&e, 0x12, 0xe3), 0x7f); /* before GET_CAPABILITIES */
        ck_assert_uint_eq(spdm(&e, 0x12, 0xe1), 0x61);
        ck_assert_uint_eq(spdm(&e, 0x12, 0xe3), 0x63);
        ck_assert_uint_eq(spdm(&e, 0x12, 0x81), 0x01);
        ck_assert_uint_eq(spdm(&e, 0x12, 0x82), 0x02);
        ck_assert_uint_eq(spdm(&e, 0x12, 0x83), 0x03);
        ck_assert_uint_eq(spdm(&e, 0x12, 0x7e | 0x80), 0x7f); /* not known */
        ck_assert_uint_eq(spdm(&e, 0x12, 0xe4), 0x64);
        secured[0] = (answer[3] & 0xffff) << 16; /* the requester's half was 0 */
        ck_assert_uint_eq(emulated_exchange(&e, SECURED_SPDM, secured, 3, answer, 64), 0);
        ck_assert_uint_eq(spdm(&e, 0x12, 0xe5), 0x65);
        ck_assert_uint_eq(emulated_exchange(&e, SECURED_SPDM, secured, 3, answer, 64), 5);
        ck_assert_mem_eq(&answer[2], secured, sizeof(secured));

        ck_assert_uint_eq(spdm(&e, 0x10, 0x84), 0x04); /* ends the session */
        ck_assert_uint_eq(emulated_exchange(&e, SECURED_SPDM, secured, 3, answer, 64), 0);
        model_reset(e.model, e.now_usec);
        ck_assert_uint_eq(spdm(&e, 0x12, 0xe1), 0x7f);
        emulated_end(&e);
}
END_TEST

/* A message of a connection of 0001:03, or of the session @id by 0001:04. Return: dwords of the response. */
static size_t spdm_of(EmulatedFunction *e, unsigned type, unsigned connection, const uint32_t *message) {
        emulated_write(e, DOE_REG_WRITE, type << 16 | 0x0001);
        emulated_write(e, DOE_REG_WRITE, connection << 18 | 5);
        for (size_t i = 0; i < 3; i++)
                emulated_write(e, DOE_REG_WRITE, message[i]);
        emulated_write(e, DOE_REG_CONTROL, DOE_CONTROL_GO);
        if (!(emulated_wait(e, DOE_STATUS_READY, 100000) & DOE_STATUS_READY))
                return 0;
        return emulated_drain(e, answer, 64);
}

static uint8_t code_of(EmulatedFunction *e, unsigned connection, uint8_t version, uint8_t code) {
        uint32_t message[3] = { (uint32_t)code << 8 | version, 0, 0 };

        ck_assert_uint_gt(spdm_of(e, 3, connection, message), 2);
        ck_assert_uint_eq(answer[1] >> 18, connection);
        return (uint8_t)(answer[2] >> 8);
}

static uint32_t open_session(EmulatedFunction *e, unsigned connection) {
        uint32_t id;

        ck_assert_uint_eq(code_of(e, connection, 0x10, 0x84), 0x04);
        ck_assert_uint_eq(code_of(e, connection, 0x12, 0xe1), 0x61);
        ck_assert_uint_eq(code_of(e, connection, 0x12, 0xe3), 0x63);
        ck_assert_uint_eq(code_of(e, connection, 0x12, 0xe4), 0x64);
        id = (answer[3] & 0xffff) << 16;
        ck_assert_uint_eq(code_of(e, connection, 0x12, 0xe5), 0x65);
        return id;
}

START_TEST(connections_of_spdm_keep_out_of_each_others_way) {
        uint32_t first[3] = { 0, 1, 1 }, second[3] = { 0, 2, 2 }, end[3] = { 0, 0xec12, 0 };
        EmulatedFunction e;

        emulated_begin(&e,
                       "feature=0001:03 connections=2\nfeature=0001:04 connections=2\nfeature=0001:01\n");
        first[0] = end[0] = open_session(&e, 1);
        second[0] = open_session(&e, 2);
        ck_assert_uint_ne(first[0], second[0]);
        ck_assert_uint_eq(spdm_of(&e, 4, 1, first), 5);
        ck_assert_uint_eq(spdm_of(&e, 4, 2, first), 0); /* not its session */
        ck_assert_uint_eq(code_of(&e, 2, 0x10, 0x84), 0x04);
        ck_assert_uint_eq(spdm_of(&e, 4, 2, second), 0);
        ck_assert_uint_eq(spdm(&e, 0x10, 0x84), 0x04); /* without ID: a connection of its own */
        ck_assert_uint_eq(spdm_of(&e, 4, 1, first), 5);
        ck_assert_uint_eq(spdm_of(&e, 4, 1, end), 5);
        ck_assert_uint_eq(spdm_of(&e, 4, 1, first), 0);
        ck_assert_uint_eq(spdm_of(&e, 3, 3, first), 0); /* beyond the last connection */
        emulated_end(&e);
}
END_TEST

START_TEST(a_response_that_is_not_ready_is_asked_for_again) {
        uint32_t again[12] = { 0 }, code;
        EmulatedFunction e;

        emulated_begin(&e, "feature=0001:01\nfault = go feature=0001:01 nth=2 not-ready 20\n"
                           "fault = go feature=0001:01 nth=3 not-ready 10\n");
        ck_assert_uint_eq(spdm(&e, 0x10, 0x84), 0x04);
        ck_assert_uint_eq(spdm(&e, 0x12, 0xe1), 0x7f);
        ck_assert_uint_eq(answer[2] >> 16, 0x42);
        ck_assert_uint_eq(answer[3] & 0xffff, 0xe114); /* 2^20 us, for this code */
        for (unsigned exponent = 10;; exponent = 0) {
                code = answer[3] >> 8 & 0xff;
                again[0] = (answer[3] >> 16 & 0xff) << 24 | code << 16 | 0xff12;
                ck_assert_uint_gt(emulated_exchange(&e, SPDM, again, 12, answer, 64), 2);
                if (exponent == 0)
                        break;
                ck_assert_uint_eq(answer[3] & 0xff, exponent);
        }
        ck_assert_uint_eq(answer[2] >> 8 & 0xff, 0x61);
        ck_assert_uint_gt(emulated_exchange(&e, SPDM, again, 12, answer, 64), 2);
        ck_assert_uint_eq(answer[2] >> 8 & 0xff, 0x7f); /* there is nothing more to ask for */
        ck_assert_uint_eq(spdm(&e, 0x12, 0xe3), 0x63);
        emulated_end(&e);
}
END_TEST

/* Send @n_bytes of @message in chunks of @n_chunk. Return: code of the last answer's first message. */
static uint8_t send_chunks(EmulatedFunction *e, const uint8_t *message, size_t n_bytes, size_t n_chunk) {
        uint8_t bytes[256] = { 0x12, 0x85, 0, 9 };
        uint32_t dwords[64];
        size_t n_done = 0;

        for (uint16_t sequence = 0; n_done < n_bytes; sequence++) {
                size_t n = MIN_OF(n_chunk, n_bytes - n_done), n_head = sequence == 0 ? 16 : 12;

                bytes[2] = n_done + n == n_bytes;
                doe_store_le32(bytes + 4, sequence);
                doe_store_le32(bytes + 8, (uint32_t)n);
                doe_store_le32(bytes + 12, (uint32_t)n_bytes);
                memcpy(bytes + n_head, message + n_done, n);
                for (size_t i = 0; i < 64; i++)
                        dwords[i] = doe_load_le32(bytes + 4 * i);
                ck_assert_uint_gt(emulated_exchange(e, SPDM, dwords, (n_head + n + 3) / 4, answer, 64), 2);
                n_done += n;
        }
        return (uint8_t)(answer[2] >> 8);
}

static void negotiate(EmulatedFunction *e, uint32_t transfer_bytes) {
        uint32_t capabilities[5] = { 0xe112, 0, 0, transfer_bytes, 4096 };

        ck_assert_uint_eq(spdm(e, 0x10, 0x84), 0x04);
        ck_assert_uint_gt(emulated_exchange(e, SPDM, capabilities, 5, answer, 64), 2);
        ck_assert_uint_eq(spdm(e, 0x12, 0xe3), 0x63);
}

START_TEST(large_messages_go_in_chunks_both_ways) {
        uint8_t challenge[36] = { 0x12, 0x83 }, certificate[100] = { 0x12, 0xee };
        uint32_t get[2] = { 0x8612, 0 }, large, n_bytes = 0;
        EmulatedFunction e;

        emulated_begin(&e, "feature=0001:01\n");
        negotiate(&e, 0);
        ck_assert_uint_eq(send_chunks(&e, certificate, sizeof(certificate), 40), 0x05);
        ck_assert_uint_eq(answer[3] & 0xffff, 2);
        ck_assert_uint_eq(answer[3] >> 16, 0x6e12); /* the answer to the whole follows */
        ck_assert_uint_eq(send_chunks(&e, challenge, sizeof(challenge), 10), 0x05);
        ck_assert_uint_eq(answer[3] >> 16, 0x0312);

        negotiate(&e, 64);
        ck_assert_uint_eq(spdm(&e, 0x12, 0x83), 0x7f);
        ck_assert_uint_eq(answer[2] >> 16, 0x0f);
        large = answer[3] & 0xff;
        for (uint32_t sequence = 0; sequence < 20; sequence++) {
                get[0] = large << 24 | 0x8612;
                get[1] = sequence;
                ck_assert_uint_gt(emulated_exchange(&e, SPDM, get, 2, answer, 64), 4);
                ck_assert_uint_eq(answer[2] >> 8 & 0xff, 0x06);
                n_bytes += answer[4];
                if (answer[2] >> 16 & 1)
                        break;
        }
        ck_assert_uint_eq(n_bytes, 4 + 32 + 32 + 2 + 96);
        emulated_end(&e);
}
END_TEST

START_TEST(a_chunk_that_does_not_fit_ends_the_transfer) {
        uint32_t last[4] = { 0x09018512, 1, 4, 0 }, nested[6] = { 0x09018512, 0, 8, 8, 0x8512, 0 };
        EmulatedFunction e;

        emulated_begin(&e, "feature=0001:01\n");
        negotiate(&e, 0);
        ck_assert_uint_gt(emulated_exchange(&e, SPDM, last, 4, answer, 64), 2);
        ck_assert_uint_eq(answer[2] >> 8 & 0xff, 0x7f);
        ck_assert_uint_gt(emulated_exchange(&e, SPDM, nested, 6, answer, 64), 3);
        ck_assert_uint_eq(answer[3] >> 16, 0x7f12);
        emulated_end(&e);
}
END_TEST

/* Status of the first selective stream, found as one that does not know the model would. */
static uint32_t ide_status(EmulatedFunction *e) {
        for (uint32_t offset = 0x100; offset != 0;) {
                uint32_t header = model_read(e->model, 0, (uint16_t)offset, 4);

                if ((header & 0xffff) == 0x30) {
                        uint32_t cap = model_read(e->model, 0, (uint16_t)(offset + 4), 4);
                        uint32_t n_links = cap & 1 ? (cap >> 13 & 7) + 1 : 0;

                        ck_assert_uint_eq(cap & 2, 2);
                        return model_read(e->model, 0, (uint16_t)(offset + 0xc + 8 * n_links + 8), 4);
                }
                offset = header >> 20;
        }
        return UINT32_MAX;
}

START_TEST(an_ide_stream_is_secure_until_a_reset) {
        EmulatedFunction e;

        emulated_begin(&e, "feature=1234:01\n[device 0000:02:00.0]\nide=secure\n");
        ck_assert_uint_eq(ide_status(&e), UINT32_MAX);
        ck_assert_int_lt(model_set_ide(e.model, true), 0);
        model_free(e.model);
        ck_assert_int_eq(model_new(&e.scenario->devices[1].model, 0, &e.model), 0);
        ck_assert_uint_eq(ide_status(&e), 2);
        model_reset(e.model, 0);
        ck_assert_uint_eq(ide_status(&e), 0);
        ck_assert_int_eq(model_set_ide(e.model, true), 0);
        ck_assert_uint_eq(ide_status(&e), 2);
        emulated_end(&e);
}
END_TEST

START_TEST(an_abort_can_make_spdm_forget) {
        EmulatedFunction e;

        emulated_begin(&e, "feature=0001:01\nforgets-on-abort=yes\n");
        ck_assert_uint_eq(spdm(&e, 0x10, 0x84), 0x04);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        ck_assert_uint_eq(spdm(&e, 0x12, 0xe1), 0x7f);
        emulated_end(&e);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_run) {
        static const char mailbox[] =
                        "feature=1234:01\nservice=10us..900us\nfault = go probability=0.3 garbage\n";
        EmulatedFunction e[2];

        emulated_begin(&e[0], mailbox);
        emulated_begin(&e[1], mailbox);
        for (uint32_t i = 0; i < 50; i++) {
                uint32_t first;

                ck_assert_uint_eq(echo(&e[0], i), 3);
                first = answer[2];
                ck_assert_uint_eq(echo(&e[1], i), 3);
                ck_assert_uint_eq(answer[2], first);
                ck_assert_uint_eq(e[0].now_usec, e[1].now_usec);
        }
        ck_assert_uint_gt(model_get_mailbox(e[0].model, 0)->counters.faults, 5);
        ck_assert_uint_lt(model_get_mailbox(e[0].model, 0)->counters.faults, 25);
        emulated_end(&e[0]);
        emulated_end(&e[1]);
}
END_TEST

/* What the first echo of one dword gives under a row, and the second. */
static const struct {
        const char *row;
        size_t n_first; /* dwords drained; 0: none came within a second */
        uint32_t header, length, payload;
        uint32_t status_after; /* once drained, or after that second */
        bool second_is_good;
} fault_cases[] = {
        { "go nth=1 discard", 0, 0, 0, 0, 0, true },
        { "go nth=1 hang", 0, 0, 0, 0, DOE_STATUS_BUSY, false },
        { "go nth=1 stay-busy 2s", 0, 0, 0, 0, DOE_STATUS_BUSY, false },
        { "go nth=1 late 900ms", 3, ECHO, 3, 7, 0, true },
        { "go nth=1 late 2s", 0, 0, 0, 0, DOE_STATUS_BUSY, false },
        { "boot stay-busy forever", 0, 0, 0, 0, DOE_STATUS_BUSY, false },
        { "boot set-error", 0, 0, 0, 0, ERROR_BIT, false },
        { "send dword=2 set-error", 0, 0, 0, 0, ERROR_BIT, false },
        { "go set-error", 0, 0, 0, 0, ERROR_BIT, false },
        { "ready set-error", 0, 0, 0, 0, ERROR_BIT, false },
        { "read dword=2 set-error", 3, ECHO, 3, 0, ERROR_BIT, false },
        { "end set-error", 3, ECHO, 3, 7, ERROR_BIT, false },
        { "go nth=1 length 0", 3, ECHO, 0, 7, 0, true },
        { "go nth=1 length 1", 3, ECHO, 1, 7, 0, true },
        { "go nth=1 length 5", 3, ECHO, 5, 7, 0, true },
        { "go nth=1 resize 2", 2, ECHO, 2, 0, 0, true },
        { "go nth=1 resize 9", 9, ECHO, 9, 7, 0, true },
        { "go nth=1 feature 0001:00", 3, DISCOVERY, 3, 7, 0, true },
        { "go nth=1 reserved", 3, ECHO | 0xff000000, 3 | 0xc0000000, 7, 0, true },
        { "ready nth=1 steal", 0, 0, 0, 0, 0, true },
        { "read nth=1 dword=1 steal 1", 2, ECHO, 7, 0, 0, true },
        { "ready nth=1 foreign-abort", 0, 0, 0, 0, 0, true },
        { "ready nth=1 foreign-exchange 20ms", 3, DISCOVERY, 3, 0x01000001, 0, true },
        { "go nth=1 reset", 0, 0, 0, 0, 0, true },
        { "go every=2 discard", 3, ECHO, 3, 7, 0, false },
        { "go feature=0001:00 discard", 3, ECHO, 3, 7, 0, true },
        { "go count=1 discard", 0, 0, 0, 0, 0, true },
        { "go probability=0 discard", 3, ECHO, 3, 7, 0, true },
};

START_TEST(each_fault_row_does_what_it_says) {
        for (size_t i = 0; i < ELEMENTS(fault_cases); i++) {
                const char *row = fault_cases[i].row;
                EmulatedFunction e;
                char text[256];

                snprintf(text, sizeof(text), "feature=1234:01\nfault = %s\n", row);
                emulated_begin(&e, text);
                memset(answer, 0, sizeof(answer));
                ck_assert_msg(echo(&e, 7) == fault_cases[i].n_first, "%s: first", row);
                ck_assert_msg(answer[0] == fault_cases[i].header, "%s: header %08x", row, answer[0]);
                ck_assert_msg(answer[1] == fault_cases[i].length, "%s: length %08x", row, answer[1]);
                ck_assert_msg(answer[2] == fault_cases[i].payload, "%s: payload %08x", row, answer[2]);
                ck_assert_msg(emulated_read(&e, DOE_REG_STATUS) == fault_cases[i].status_after,
                              "%s: status %08x", row, emulated_read(&e, DOE_REG_STATUS));
                ck_assert_msg((echo(&e, 8) == 3) == fault_cases[i].second_is_good, "%s: second", row);
                emulated_end(&e);
        }
}
END_TEST

START_TEST(a_hanging_abort_ends_by_the_next_one_or_by_a_reset) {
        EmulatedFunction e;

        emulated_begin(&e, "feature=1234:01\nfault = abort count=1 hang\nfault = abort stay-busy 300ms\n");
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        e.now_usec += 60000000;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), 0); /* the second row had the last word */
        emulated_end(&e);

        emulated_begin(&e, "feature=1234:01\nfault = abort hang\n");
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        e.now_usec += 60000000;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_BUSY);
        model_reset(e.model, e.now_usec);
        ck_assert_uint_eq(echo(&e, 1), 3);
        emulated_end(&e);

        emulated_begin(&e, "feature=1234:01\nfault = abort feature=1234:01 hang\n");
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT); /* of nothing */
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), 0);
        emulated_send(&e, ECHO, NULL, 0);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        e.now_usec += 60000000;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_BUSY);
        emulated_end(&e);

        emulated_begin(&e, "feature=1234:01\nfault = abort count=1 hang\n");
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        e.now_usec += 60000000;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_BUSY);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        ck_assert_uint_eq(echo(&e, 1), 3);
        emulated_end(&e);
}
END_TEST

START_TEST(all_ones_pass_and_a_vanished_function_stays_away) {
        EmulatedFunction e;

        emulated_begin(&e, "feature=1234:01\nfault = go nth=1 all-ones 5ms\nfault = read nth=2 dword=1 "
                           "vanish\n");
        emulated_send(&e, ECHO, NULL, 0);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_GO);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_ALL_ONES);
        ck_assert_uint_eq(model_read(e.model, e.now_usec, 0, 2), 0xffff);
        e.now_usec += 5000;
        ck_assert_uint_eq(emulated_drain(&e, answer, 64), 2);
        ck_assert(!model_has_vanished(e.model));
        ck_assert_uint_eq(emulated_exchange(&e, ECHO, NULL, 0, answer, 64), 64);
        ck_assert_uint_eq(answer[0], ECHO);
        ck_assert_uint_eq(answer[1], UINT32_MAX);
        ck_assert(model_has_vanished(e.model));
        emulated_end(&e);
}
END_TEST

START_TEST(the_agent_reads_its_own_answer_unless_it_is_disturbed) {
        ModelMailbox *mb;
        EmulatedFunction e;

        emulated_begin(&e, "feature=1234:01\nfeature=1e98:02\n");
        mb = model_get_mailbox(e.model, 0);
        model_mailbox_begin_foreign(mb, e.now_usec, 1000);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_BUSY);
        e.now_usec += 500;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_READY);
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_READ), TABLE_ACCESS);
        e.now_usec += 500;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), 0);
        ck_assert_uint_eq(mb->counters.foreign_lost, 0);

        model_mailbox_begin_foreign(mb, e.now_usec, 1000);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        ck_assert_uint_eq(mb->counters.foreign_lost, 1);
        model_mailbox_begin_foreign(mb, e.now_usec, 1000);
        e.now_usec += 600;
        ck_assert_uint_gt(emulated_drain(&e, answer, 64), 2);
        ck_assert_uint_eq(mb->counters.foreign_lost, 2);
        ck_assert_uint_eq(mb->counters.collisions, 1);
        model_mailbox_begin_foreign(mb, e.now_usec, USEC_INFINITY);
        e.now_usec += 60000000;
        ck_assert_uint_eq(emulated_read(&e, DOE_REG_STATUS), DOE_STATUS_READY);
        emulated_end(&e);
}
END_TEST

START_TEST(a_request_to_a_device_at_work_is_a_collision) {
        EmulatedFunction e;

        emulated_begin(&e, "feature=1234:01\n");
        emulated_send(&e, ECHO, NULL, 0);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_GO);
        emulated_write(&e, DOE_REG_WRITE, ECHO);
        emulated_write(&e, DOE_REG_CONTROL, DOE_CONTROL_GO);
        ck_assert_uint_eq(model_get_mailbox(e.model, 0)->counters.collisions, 2);
        emulated_wait(&e, DOE_STATUS_READY, 1000);
        ck_assert_uint_eq(emulated_drain(&e, answer, 64), 2);
        emulated_end(&e);
}
END_TEST

static const struct {
        const char *row, *error;
} bad_rows[] = {
        { "", "'' is not where a fault can happen" },
        { "noon hang", "'noon' is not where a fault can happen" },
        { "go explode", "no action is named 'explode'" },
        { "go", "no action is named ''" },
        { "send hang", "hang means nothing at send" },
        { "go nth=zero hang", "'zero' is no value for nth= here" },
        { "go dword=3 hang", "'3' is no value for dword= here" },
        { "go when=3 hang", "no selector is named 'when'" },
        { "go probability=1.5 hang", "'1.5' is no value for probability= here" },
        { "go late", "'' is no argument for late" },
        { "go late soon", "'soon' is no argument for late" },
        { "go feature 1234", "'1234' is no argument for feature" },
        { "go length -1", "'-1' is no argument for length" },
        { "go late 1s 2s", "more after the argument of late" },
        { "go hang 1", "'1' is no argument for hang" },
};

START_TEST(a_wrong_row_says_what_is_wrong) {
        for (size_t i = 0; i < ELEMENTS(bad_rows); i++) {
                char error[FAULT_ERROR_MAX] = "";
                Fault fault;

                ck_assert_int_lt(fault_parse(bad_rows[i].row, &fault, error), 0);
                ck_assert_str_eq(error, bad_rows[i].error);
        }
}
END_TEST

DEFINE_SUITE("model", extended_capabilities_form_one_chain, bytes_and_words_are_parts_of_their_dword,
             discovery_walks_all_features, discovery_chains_can_be_wrong,
             discovery_can_have_four_dwords_and_be_strict, idle_status_keeps_attention_and_reserved_bits,
             a_read_does_not_advance_and_a_pop_does, a_pop_without_an_object_sets_error_until_an_abort,
             one_dword_more_than_fits_sets_error, what_is_not_served_is_discarded_in_silence,
             busy_comes_and_goes_as_the_device_does_it, an_abort_takes_its_time_and_clears_everything,
             an_object_of_one_mebibyte_has_length_zero, a_walk_of_table_access_gives_the_table,
             compliance_answers_and_halts, spdm_keeps_its_order_and_sessions,
             connections_of_spdm_keep_out_of_each_others_way,
             a_response_that_is_not_ready_is_asked_for_again, large_messages_go_in_chunks_both_ways,
             a_chunk_that_does_not_fit_ends_the_transfer, an_ide_stream_is_secure_until_a_reset,
             an_abort_can_make_spdm_forget, the_same_seed_gives_the_same_run,
             each_fault_row_does_what_it_says, a_hanging_abort_ends_by_the_next_one_or_by_a_reset,
             all_ones_pass_and_a_vanished_function_stays_away,
             the_agent_reads_its_own_answer_unless_it_is_disturbed,
             a_request_to_a_device_at_work_is_a_collision, a_wrong_row_says_what_is_wrong)
