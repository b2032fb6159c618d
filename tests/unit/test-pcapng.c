/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "protocols/capture-header.h"
#include "protocols/pcapng.h"
#include "tests/unit/suite.h"

START_TEST(section_is_little_endian_and_of_unknown_length) {
        static const uint8_t expected[] = {
                0x0a, 0x0d, 0x0d, 0x0a, 0x28, 0,    0,    0,    0x4d, 0x3c, 0x2b, 0x1a, 1, 0,
                0,    0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 4,    0,    4, 0,
                'd',  'o',  'e',  'd',  0,    0,    0,    0,    0x28, 0,    0,    0,
        };
        uint8_t block[PCAPNG_SECTION_BYTES_MAX];
        DoeWriter w = DOE_WRITER(block, sizeof(block));

        pcapng_write_section(&w, "doed");
        ck_assert_int_eq(w.error, 0);
        ck_assert_uint_eq(w.n_written, sizeof(expected));
        ck_assert_mem_eq(block, expected, sizeof(expected));
}
END_TEST

START_TEST(interface_has_a_name_and_microseconds) {
        static const uint8_t expected[] = {
                1,   0,   0,   0,   0x28, 0, 0, 0, 147, 0, 0, 0, 60, 0, 0, 0, 2, 0, 5, 0,
                'a', '[', '1', '0', ']',  0, 0, 0, 9,   0, 1, 0, 6,  0, 0, 0, 0, 0, 0, 0,
        };
        uint8_t block[PCAPNG_INTERFACE_BYTES_MAX];
        DoeWriter w = DOE_WRITER(block, sizeof(block));

        pcapng_write_interface(&w, "a[10]", PCAPNG_LINKTYPE_USER0, 60);
        ck_assert_int_eq(w.error, 0);
        ck_assert_uint_eq(w.n_written, sizeof(expected) + 4);
        ck_assert_mem_eq(block + 8, expected + 8, sizeof(expected) - 8);
        ck_assert_uint_eq(doe_load_le32(block), 1);
        ck_assert_uint_eq(doe_load_le32(block + 4), sizeof(expected) + 4);
        ck_assert_uint_eq(doe_load_le32(block + sizeof(expected)), sizeof(expected) + 4);
}
END_TEST

START_TEST(longest_names_fit) {
        char name[200];
        uint8_t block[PCAPNG_INTERFACE_BYTES_MAX];
        DoeWriter w = DOE_WRITER(block, sizeof(block));

        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        pcapng_write_interface(&w, name, PCAPNG_LINKTYPE_USER0, 60);
        ck_assert_int_eq(w.error, 0);
        ck_assert_uint_eq(doe_load_le32(block + 4), w.n_written);
        w = DOE_WRITER(block, sizeof(block));
        pcapng_write_section(&w, name);
        ck_assert_int_eq(w.error, 0);
        ck_assert_uint_eq(doe_load_le32(block + 4), w.n_written);
}
END_TEST

static size_t write_packet(const PcapngPacket *p, const char *data, uint8_t block[128]) {
        DoeWriter w = DOE_WRITER(block, 128);

        pcapng_write_packet_start(&w, p);
        ck_assert_uint_eq(w.n_written, PCAPNG_PACKET_START_BYTES);
        doe_write_bytes(&w, data, p->n_captured);
        pcapng_write_packet_end(&w, p);
        ck_assert_int_eq(w.error, 0);
        ck_assert_uint_eq(w.n_written, pcapng_packet_bytes(p));
        return w.n_written;
}

START_TEST(packet_is_padded_and_has_its_direction) {
        static const uint8_t expected[] = {
                6,    0,    0, 0, 0x34, 0, 0, 0, 2, 0, 0,   0,   0x08, 0x07, 0x06, 0x05, 0x04, 0x03,
                0x02, 0x01, 5, 0, 0,    0, 9, 0, 0, 0, 'a', 'b', 'c',  'd',  'e',  0,    0,    0,
                2,    0,    4, 0, 2,    0, 0, 0, 0, 0, 0,   0,   0x34, 0,    0,    0,
        };
        const PcapngPacket p = { .interface = 2,
                                 .time_usec = UINT64_C(0x0506070801020304),
                                 .n_captured = 5,
                                 .n_original = 9,
                                 .is_outbound = true };
        uint8_t block[128];

        ck_assert_uint_eq(write_packet(&p, "abcde", block), sizeof(expected));
        ck_assert_mem_eq(block, expected, sizeof(expected));
}
END_TEST

START_TEST(packet_after_a_loss_says_how_many) {
        static const uint8_t options[] = { 2, 0, 4, 0, 1, 0, 0, 0, 4, 0, 8,    0, 7, 0,
                                           0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3c, 0, 0, 0 };
        const PcapngPacket p = { .n_captured = 4, .n_original = 4, .n_dropped = 7 };
        uint8_t block[128];
        size_t n = write_packet(&p, "abcd", block);

        ck_assert_uint_eq(n, 0x3c);
        ck_assert_mem_eq(block + 32, options, sizeof(options));
}
END_TEST

START_TEST(header_before_the_object_is_fixed) {
        static const uint8_t expected[CAPTURE_HEADER_BYTES] = {
                1, 36, 1, 1, 110, 0, 0, 0, 0xe8, 3, 0, 0, 1, 2, 0, 0, 0, 0,
                0, 0,  3, 4, 0,   0, 0, 0, 0,    0, 5, 0, 0, 0, 0, 0, 0, 6,
        };
        const CaptureHeader h = { .direction = CAPTURE_RESPONSE,
                                  .flags = CAPTURE_FLAG_WITHHELD,
                                  .status = 110,
                                  .uid = 1000,
                                  .queue_usec = 0x201,
                                  .device_usec = 0x403,
                                  .exchange_id = UINT64_C(0x0600000000000005) };
        uint8_t bytes[CAPTURE_HEADER_BYTES];
        DoeWriter w = DOE_WRITER(bytes, sizeof(bytes));

        capture_header_write(&w, &h);
        ck_assert_int_eq(w.error, 0);
        ck_assert_uint_eq(w.n_left, 0);
        ck_assert_mem_eq(bytes, expected, sizeof(expected));
}
END_TEST

DEFINE_SUITE("pcapng", section_is_little_endian_and_of_unknown_length, interface_has_a_name_and_microseconds,
             longest_names_fit, packet_is_padded_and_has_its_direction, packet_after_a_loss_says_how_many,
             header_before_the_object_is_fixed)
