/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "client/monitor-view.h"
#include "client/monitor.h"
#include "protocols/pcapng.h"
#include "tests/unit/suite.h"

#define TOLD_MAX 8u

static const uint8_t get_version[] = { 1, 0, 1, 0, 3, 0, 0, 0, 0x10, 0x84, 0, 0 };
static const uint8_t spdm_error[] = { 1, 0, 1, 0, 3, 0, 0, 0, 0x10, 0x7f, 4, 0 };

typedef struct Told {
        MonitorExchange exchanges[TOLD_MAX];
        size_t n, n_wanted;
        uint64_t n_lost;
} Told;

static bool on_exchange(void *userdata, const MonitorExchange *e) {
        Told *told = userdata;

        ck_assert_uint_lt(told->n, TOLD_MAX);
        told->exchanges[told->n++] = *e;
        return told->n != told->n_wanted;
}

static void on_loss(void *userdata, const char *mailbox, uint64_t n_packets) {
        Told *told = userdata;

        ck_assert_str_eq(mailbox, "0000:50:00.0[150]");
        told->n_lost += n_packets;
}

static Monitor begin(Told *told) {
        Monitor m = { .on_exchange = on_exchange, .on_loss = on_loss, .userdata = told };
        uint8_t block[256];
        DoeWriter w = DOE_WRITER(block, sizeof(block));

        pcapng_write_interface(&w, "0000:50:00.0[150]", PCAPNG_LINKTYPE_USER0, 60);
        ck_assert(monitor_take(&m, block));
        return m;
}

/* @object: NULL for a failure by @status */
static bool pass(Monitor *m, CaptureDirection direction, uint64_t id, const uint8_t *object, uint32_t status,
                 uint64_t n_lost) {
        const CaptureHeader header = {
                .direction = direction, .exchange_id = id, .status = status, .uid = 7
        };
        const uint32_t n_object = object ? sizeof(get_version) : 0;
        const PcapngPacket packet = { .n_captured = CAPTURE_HEADER_BYTES + n_object,
                                      .n_original = CAPTURE_HEADER_BYTES + n_object,
                                      .time_usec = 1000 + id,
                                      .n_dropped = n_lost };
        uint8_t block[256];
        DoeWriter w = DOE_WRITER(block, sizeof(block));

        pcapng_write_packet_start(&w, &packet);
        capture_header_write(&w, &header);
        if (object)
                doe_write_bytes(&w, object, n_object);
        pcapng_write_packet_end(&w, &packet);
        ck_assert_int_eq(w.error, 0);
        return monitor_take(m, block);
}

START_TEST(request_and_response_are_one_exchange) {
        Told told = { 0 };
        Monitor m = begin(&told);
        const MonitorExchange *e = &told.exchanges[0];

        ck_assert(pass(&m, CAPTURE_REQUEST, 1, get_version, 0, 0));
        ck_assert_uint_eq(told.n, 0);
        ck_assert(pass(&m, CAPTURE_RESPONSE, 1, spdm_error, 0, 0));
        ck_assert_uint_eq(told.n, 1);
        ck_assert_int_eq(e->state, MONITOR_DONE);
        ck_assert_str_eq(e->request, "GET_VERSION");
        ck_assert_int_eq(e->opcode, 0x84);
        ck_assert_int_eq(e->spdm_error, 4);
        ck_assert_uint_eq(e->uid, 7);
        ck_assert_uint_eq(e->n_sent, 12);
        ck_assert_uint_eq(e->n_received, 12);
        ck_assert_uint_eq(e->begun_usec, 1001);

        ck_assert(pass(&m, CAPTURE_REQUEST, 2, get_version, 0, 0));
        ck_assert(pass(&m, CAPTURE_RESPONSE, 2, NULL, ETIMEDOUT, 0));
        ck_assert_uint_eq(told.exchanges[1].status, ETIMEDOUT);
        ck_assert_uint_eq(told.exchanges[1].vendor_id, 1);
        ck_assert_uint_eq(told.exchanges[1].n_received, 0);
        ck_assert_uint_eq(m.n_exchanges, 2);
        ck_assert_uint_eq(m.n_failures, 1);
        monitor_done(&m);
        ck_assert_uint_eq(told.n, 2);
}
END_TEST

START_TEST(what_was_lost_is_told) {
        Told told = { 0 };
        Monitor m = begin(&told);

        pass(&m, CAPTURE_REQUEST, 1, get_version, 0, 0);
        /* the response of 1 and the request of 2 */
        pass(&m, CAPTURE_RESPONSE, 2, spdm_error, 0, 2);
        ck_assert_uint_eq(told.n_lost, 2);
        ck_assert_uint_eq(m.n_lost, 2);
        ck_assert_uint_eq(told.n, 2);
        ck_assert_int_eq(told.exchanges[0].state, MONITOR_LOST);
        ck_assert_uint_eq(told.exchanges[0].id, 1);
        ck_assert_int_eq(told.exchanges[1].state, MONITOR_DONE);
        ck_assert_uint_eq(told.exchanges[1].n_sent, 0);
        ck_assert_str_eq(told.exchanges[1].request, "");

        pass(&m, CAPTURE_REQUEST, 3, get_version, 0, 0);
        monitor_done(&m);
        ck_assert_uint_eq(told.n, 3);
        ck_assert_int_eq(told.exchanges[2].state, MONITOR_OPEN);
        ck_assert_uint_eq(m.n_exchanges, 2);
}
END_TEST

START_TEST(who_has_enough_is_heard) {
        Told told = { .n_wanted = 1 };
        Monitor m = begin(&told);

        ck_assert(!pass(&m, CAPTURE_RESPONSE, 1, spdm_error, 0, 0));
        monitor_done(&m);
}
END_TEST

START_TEST(packets_that_are_none_are_left_out) {
        Told told = { 0 };
        Monitor m = begin(&told);
        const PcapngPacket strange = { .interface = 9 };
        const PcapngPacket small = { .n_captured = 4, .n_original = 4 };
        uint8_t block[256];
        DoeWriter w = DOE_WRITER(block, sizeof(block));

        pcapng_write_packet_start(&w, &strange);
        pcapng_write_packet_end(&w, &strange);
        ck_assert(monitor_take(&m, block));
        w = DOE_WRITER(block, sizeof(block));
        pcapng_write_packet_start(&w, &small);
        doe_write_zeros(&w, 4);
        pcapng_write_packet_end(&w, &small);
        ck_assert(monitor_take(&m, block));
        monitor_done(&m);
        ck_assert_uint_eq(told.n, 0);
}
END_TEST

START_TEST(no_line_is_wider_than_the_terminal) {
        static const size_t widths[] = { 80, 100, 139, 140, 160, 200 };
        MonitorExchange e = { .mailbox = "0000:50:00.0[150]",
                              .ended_usec = 1,
                              .has_feature = true,
                              .vendor_id = 1,
                              .type = 4,
                              .status = ETIMEDOUT,
                              .n_sent = 1048576,
                              .n_received = 1048576,
                              .queue_usec = 123456,
                              .device_usec = UINT64_C(600000000),
                              .opcode = -1,
                              .spdm_error = -1,
                              .request = "NEGOTIATE_ALGORITHMS" };
        _cleanup_free_ char *text = NULL;
        size_t n_text;

        for (size_t i = 0; i < ELEMENTS(widths); i++) {
                MonitorView v = { .width = widths[i] };
                char *line, *save = NULL;

                v.stream = memory_must(open_memstream(&text, &n_text));
                monitor_view_print(&v, &e, "a-user-of-a-very-long-name");
                fclose(v.stream);
                for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                        ck_assert_msg(strlen(line) <= widths[i], "%zu: %s", widths[i], line);
                free(text);
                text = NULL;
        }
}
END_TEST

DEFINE_SUITE("client-monitor", request_and_response_are_one_exchange, what_was_lost_is_told,
             who_has_enough_is_heard, packets_that_are_none_are_left_out, no_line_is_wider_than_the_terminal)
