/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "client/capture-stream.h"
#include "protocols/cursor.h"
#include "protocols/pcapng.h"
#include "tests/unit/suite.h"

/* A section, an interface and two packets, of which the second comes after a loss of three. */
static size_t make_stream(uint8_t bytes[512]) {
        const PcapngPacket first = { .n_captured = 5, .n_original = 5 };
        const PcapngPacket second = { .n_captured = 4, .n_original = 9, .n_dropped = 3 };
        DoeWriter w = DOE_WRITER(bytes, 512);

        pcapng_write_section(&w, "test");
        pcapng_write_interface(&w, "a[10]", PCAPNG_LINKTYPE_USER0, 60);
        pcapng_write_packet_start(&w, &first);
        doe_write_bytes(&w, "abcde", 5);
        pcapng_write_packet_end(&w, &first);
        pcapng_write_packet_start(&w, &second);
        doe_write_bytes(&w, "abcd", 4);
        pcapng_write_packet_end(&w, &second);
        ck_assert_int_eq(w.error, 0);
        return w.n_written;
}

START_TEST(whole_blocks_come_out_however_they_came_in) {
        uint8_t bytes[512], taken[512];
        const size_t n_bytes = make_stream(bytes);

        for (size_t n_step = 1; n_step <= n_bytes; n_step++) {
                CaptureStream s = { 0 };
                size_t n_taken = 0;
                const uint8_t *block;

                for (size_t at = 0; at < n_bytes; at += n_step) {
                        int n;

                        capture_stream_add(&s, bytes + at, at + n_step < n_bytes ? n_step : n_bytes - at);
                        while ((n = capture_stream_take(&s, &block)) > 0) {
                                ck_assert_uint_eq(doe_load_le32(block + 4), n);
                                memcpy(taken + n_taken, block, (size_t)n);
                                n_taken += (size_t)n;
                        }
                        ck_assert_int_eq(n, 0);
                }
                ck_assert_uint_eq(n_taken, n_bytes);
                ck_assert_mem_eq(taken, bytes, n_bytes);
                ck_assert_uint_eq(s.n_packets, 2);
                ck_assert_uint_eq(s.n_mailboxes, 1);
                ck_assert_uint_eq(s.n_lost, 3);
                ck_assert_uint_eq(s.n_bytes_taken, n_bytes);
                capture_stream_done(&s);
        }
}
END_TEST

START_TEST(half_a_block_is_kept_back) {
        uint8_t bytes[512];
        const size_t n_bytes = make_stream(bytes);
        CaptureStream s = { 0 };
        const uint8_t *block;

        capture_stream_add(&s, bytes, n_bytes - 1);
        while (capture_stream_take(&s, &block) > 0)
                ;
        ck_assert_uint_eq(s.n_packets, 1);
        capture_stream_done(&s);
}
END_TEST

/* @at: of a dword that is another one. */
static void refuse(size_t at, uint32_t value) {
        uint8_t bytes[512];
        const size_t n_bytes = make_stream(bytes);
        CaptureStream s = { 0 };
        const uint8_t *block;
        int n;

        doe_store_le32(bytes + at, value);
        capture_stream_add(&s, bytes, n_bytes);
        while ((n = capture_stream_take(&s, &block)) > 0)
                ;
        ck_assert_int_eq(n, -EBADMSG);
        capture_stream_done(&s);
}

START_TEST(what_is_no_pcapng_is_refused) {
        refuse(0, 0x30303030);                  /* text */
        refuse(4, 8);                           /* shorter than itself */
        refuse(4, CAPTURE_BLOCK_BYTES_MAX + 4); /* no end */
        refuse(4, 41);                          /* not of dwords */
        refuse(36, 44);                         /* not what its beginning says */
}
END_TEST

START_TEST(options_that_lie_are_not_followed) {
        uint8_t bytes[512];
        const size_t n_bytes = make_stream(bytes);
        CaptureStream s = { 0 };
        const uint8_t *block;

        /* the captured length of the last packet: beyond its block */
        doe_store_le32(bytes + n_bytes - 60 + 20, UINT32_MAX);
        capture_stream_add(&s, bytes, n_bytes);
        while (capture_stream_take(&s, &block) > 0)
                ;
        ck_assert_uint_eq(s.n_packets, 2);
        ck_assert_uint_eq(s.n_lost, 0);
        capture_stream_done(&s);
}
END_TEST

DEFINE_SUITE("capture-stream", whole_blocks_come_out_however_they_came_in, half_a_block_is_kept_back,
             what_is_no_pcapng_is_refused, options_that_lie_are_not_followed)
