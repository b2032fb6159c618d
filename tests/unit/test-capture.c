/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/util/cleanup.h"
#include "tests/unit/pcapng-reader.h"
#include "tests/unit/suite.h"

#define STREAM_BYTES 8192u

static const CaptureFilter everything = { .snaplen = CAPTURE_SNAPLEN_DEFAULT };

/* A capture alone, without a recorder. */
typedef struct Bench {
        Capture *c;
        uint8_t memory[STREAM_BYTES];
        unsigned n_wakes;
} Bench;

static void on_wake(void *userdata) {
        ((Bench *)userdata)->n_wakes++;
}

static Bench *bench_new(const CaptureFilter *filter) {
        Bench *b = calloc(1, sizeof(*b));

        ck_assert_ptr_nonnull(b);
        b->c = capture_new(filter, b->memory, sizeof(b->memory), on_wake, b);
        ck_assert_ptr_nonnull(b->c);
        return b;
}

static void bench_free(Bench *b) {
        capture_free(b->c);
        free(b);
}

static void offer(Bench *b, const char *mailbox, uint32_t uid, uint8_t type, size_t n_bytes) {
        static const uint8_t payload[1024] = { 0xaa, 0xbb };
        RecorderPacket p = {
                .realtime_usec = 7,
                .header = { .direction = CAPTURE_REQUEST, .uid = uid, .exchange_id = 5 },
                .feature = { 0x1234, type },
                .has_object = true,
                .object = { .vendor_id = 0x1234, .type = type, .n_dwords = doe_object_dwords(n_bytes) },
                .n_bytes = n_bytes,
                .n_kept = n_bytes,
                .payload = payload
        };

        snprintf(p.mailbox, sizeof(p.mailbox), "%s", mailbox);
        capture_offer(b->c, &p);
}

START_TEST(mailbox_is_an_interface_from_its_first_packet_on) {
        Bench *b = bench_new(&everything);
        ReadStream *s;

        offer(b, "x[10]", 0, 1, 4);
        offer(b, "y[20]", 0, 1, 4);
        s = read_capture(b->c, NULL);
        offer(b, "x[10]", 0, 1, 4);
        offer(b, "z[30]", 0, 1, 4);
        s = read_capture(b->c, s);
        ck_assert_uint_eq(s->n_names, 3);
        ck_assert_str_eq(s->names[0], "x[10]");
        ck_assert_str_eq(s->names[1], "y[20]");
        ck_assert_str_eq(s->names[2], "z[30]");
        ck_assert_uint_eq(s->n_packets, 4);
        ck_assert_uint_eq(s->packets[0].interface, 0);
        ck_assert_uint_eq(s->packets[1].interface, 1);
        ck_assert_uint_eq(s->packets[2].interface, 0);
        ck_assert_uint_eq(s->packets[3].interface, 2);
        read_stream_free(s);
        bench_free(b);
}
END_TEST

START_TEST(payload_is_cut_and_its_length_is_told) {
        static const uint8_t object[] = { 0x34, 0x12, 1, 0, 27, 0, 0, 0, 0xaa, 0xbb };
        Bench *b = bench_new(&everything);
        ReadStream *s;

        offer(b, "x[10]", 0, 1, 100);
        s = read_capture(b->c, NULL);
        ck_assert_uint_eq(s->packets[0].n_captured, CAPTURE_HEADER_BYTES + 8 + 16);
        ck_assert_uint_eq(s->packets[0].n_original, CAPTURE_HEADER_BYTES + 8 + 100);
        ck_assert_mem_eq(s->packets[0].data + CAPTURE_HEADER_BYTES, object, sizeof(object));
        ck_assert_uint_eq(s->packets[0].flags, 2);
        read_stream_free(s);
        bench_free(b);
}
END_TEST

START_TEST(filter_takes_what_it_names) {
        const CaptureFilter filter = { .mailboxes = { "x[10]", "z[30]" },
                                       .n_mailboxes = 2,
                                       .features = { { 0x1234, 1 }, { 0x1234, 3 } },
                                       .n_features = 2,
                                       .has_uid = true,
                                       .uid = 0 };
        Bench *b = bench_new(&filter);
        ReadStream *s;

        offer(b, "x[10]", 0, 1, 4);
        offer(b, "x[10]", 0, 3, 4);
        offer(b, "z[30]", 0, 1, 4);
        offer(b, "y[20]", 0, 1, 4);
        offer(b, "x[10]", 9, 1, 4);
        offer(b, "x[10]", 0, 2, 4);
        offer(b, "x[1", 0, 1, 4);
        s = read_capture(b->c, NULL);
        ck_assert_uint_eq(s->n_packets, 3);
        ck_assert_uint_eq(b->c->n_packets, 3);
        ck_assert_uint_eq(b->c->n_dropped, 0);
        read_stream_free(s);
        bench_free(b);
}
END_TEST

START_TEST(what_finds_no_room_is_lost_whole_and_counted_by_mailbox) {
        Bench *b = bench_new(&everything);
        ReadStream *s;
        size_t n_taken;

        offer(b, "x[10]", 0, 1, 4);
        for (size_t i = 0; i < 200; i++)
                offer(b, "y[20]", 0, 1, 16);
        n_taken = (size_t)b->c->n_packets;
        ck_assert_uint_lt(n_taken, 201);
        ck_assert_uint_eq(b->c->n_packets + b->c->n_dropped, 201);
        /* the first of this one: not even its interface was written */
        offer(b, "z[30]", 0, 1, 16);
        s = read_capture(b->c, NULL);
        ck_assert_uint_eq(s->n_packets, n_taken);
        ck_assert_uint_eq(s->n_names, 2);
        offer(b, "x[10]", 0, 1, 4);
        offer(b, "z[30]", 0, 1, 4);
        offer(b, "y[20]", 0, 1, 4);
        offer(b, "y[20]", 0, 1, 4);
        s = read_capture(b->c, s);
        ck_assert_uint_eq(s->n_packets, n_taken + 4);
        ck_assert_uint_eq(s->packets[n_taken].n_dropped, 0);
        ck_assert_uint_eq(s->packets[n_taken + 1].n_dropped, 1);
        ck_assert_str_eq(s->names[s->packets[n_taken + 1].interface], "z[30]");
        ck_assert_uint_eq(s->packets[n_taken + 2].n_dropped, 201 - n_taken);
        ck_assert_uint_eq(s->packets[n_taken + 3].n_dropped, 0);
        read_stream_free(s);
        bench_free(b);
}
END_TEST

START_TEST(packet_larger_than_the_stream_is_lost_alone) {
        const CaptureFilter filter = { .snaplen = 1024 };
        Bench *b = bench_new(&filter);
        ReadStream *s;

        for (size_t i = 0; i < 9; i++)
                offer(b, "x[10]", 0, 1, 1024);
        ck_assert_uint_gt(b->c->n_dropped, 0);
        s = read_capture(b->c, NULL);
        ck_assert_uint_eq(s->n_packets + b->c->n_dropped, 9);
        read_stream_free(s);
        bench_free(b);
}
END_TEST

START_TEST(stream_wraps_without_a_seam) {
        Bench *b = bench_new(&everything);
        ReadStream *s = NULL;

        /* half is left each time, so that it never begins anew */
        for (size_t i = 0; i < 1000; i++) {
                const uint8_t *bytes;

                offer(b, "x[10]", 0, 1, i % 17);
                if (i % 10 == 9) {
                        s = s ?: calloc(1, sizeof(*s));
                        s->bytes = realloc(s->bytes, s->n_bytes + STREAM_BYTES);
                        while (b->c->stream.n_used > 500) {
                                size_t n = MIN_OF(capture_peek(b->c, &bytes), b->c->stream.n_used - 500);

                                memcpy(s->bytes + s->n_bytes, bytes, n);
                                s->n_bytes += n;
                                capture_consume(b->c, n);
                        }
                }
        }
        s = read_capture(b->c, s);
        ck_assert_uint_eq(s->n_packets, 1000);
        read_stream_free(s);
        bench_free(b);
}
END_TEST

START_TEST(reader_is_woken_where_there_was_nothing) {
        Bench *b = bench_new(&everything);
        const uint8_t *bytes;

        /* the header of the stream waits: whoever opened it reads without that */
        offer(b, "x[10]", 0, 1, 4);
        ck_assert_uint_eq(b->n_wakes, 0);
        capture_consume(b->c, capture_peek(b->c, &bytes));
        offer(b, "x[10]", 0, 1, 4);
        offer(b, "x[10]", 0, 1, 4);
        ck_assert_uint_eq(b->n_wakes, 1);
        bench_free(b);
}
END_TEST

DEFINE_SUITE("capture", mailbox_is_an_interface_from_its_first_packet_on,
             payload_is_cut_and_its_length_is_told, filter_takes_what_it_names,
             what_finds_no_room_is_lost_whole_and_counted_by_mailbox,
             packet_larger_than_the_stream_is_lost_alone, stream_wraps_without_a_seam,
             reader_is_woken_where_there_was_nothing)
