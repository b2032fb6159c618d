/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/pcapng-reader.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/cursor.h"
#include "protocols/pcapng.h"

static size_t padded(size_t n) {
        return (n + 3) & ~(size_t)3;
}

static void read_interface(ReadStream *s, DoeReader r) {
        uint16_t n;

        ck_assert_uint_eq(doe_read_le16(&r), PCAPNG_LINKTYPE_USER0);
        doe_read_skip(&r, 6);
        ck_assert_uint_eq(doe_read_le16(&r), PCAPNG_INTERFACE_NAME);
        n = doe_read_le16(&r);
        ck_assert_uint_lt(n, MAILBOX_NAME_MAX);
        ck_assert_uint_lt(s->n_names, 8);
        memcpy(s->names[s->n_names++], doe_read_bytes(&r, n), n);
}

static void read_options(ReadPacket *p, DoeReader r) {
        uint16_t code;

        while ((code = doe_read_le16(&r)) != PCAPNG_OPTION_END) {
                DoeReader value = doe_read_sub(&r, padded(doe_read_le16(&r)));

                if (code == PCAPNG_PACKET_FLAGS)
                        p->flags = doe_read_le32(&value);
                if (code == PCAPNG_PACKET_DROPCOUNT)
                        p->n_dropped = doe_read_le64(&value);
        }
        ck_assert_int_eq(r.error, 0);
}

static void read_header(ReadPacket *p) {
        DoeReader r = DOE_READER(p->data, p->n_captured);

        ck_assert_uint_eq(doe_read_u8(&r), CAPTURE_HEADER_VERSION);
        ck_assert_uint_eq(doe_read_u8(&r), CAPTURE_HEADER_BYTES);
        p->direction = doe_read_u8(&r);
        p->header_flags = doe_read_u8(&r);
        p->status = doe_read_le32(&r);
        p->uid = doe_read_le32(&r);
        p->queue_usec = doe_read_le64(&r);
        p->device_usec = doe_read_le64(&r);
        p->exchange_id = doe_read_le64(&r);
        ck_assert_int_eq(r.error, 0);
}

static void read_packet(ReadStream *s, DoeReader r) {
        ReadPacket *p = &s->packets[s->n_packets];

        ck_assert_uint_lt(s->n_packets++, READ_PACKETS_MAX);
        *p = (ReadPacket){ .interface = doe_read_le32(&r) };
        p->time_usec = (uint64_t)doe_read_le32(&r) << 32;
        p->time_usec |= doe_read_le32(&r);
        p->n_captured = doe_read_le32(&r);
        p->n_original = doe_read_le32(&r);
        p->data = doe_read_bytes(&r, p->n_captured);
        doe_read_skip(&r, padded(p->n_captured) - p->n_captured);
        ck_assert_int_eq(r.error, 0);
        /* its mailbox was said before it */
        ck_assert_uint_lt(p->interface, s->n_names);
        read_options(p, r);
        read_header(p);
}

static size_t read_block(ReadStream *s, size_t offset) {
        const uint8_t *block = s->bytes + offset;
        uint32_t n_bytes = doe_load_le32(block + 4);
        DoeReader body;

        ck_assert_uint_le(offset + n_bytes, s->n_bytes);
        ck_assert_uint_ge(n_bytes, PCAPNG_BLOCK_BYTES_MIN);
        ck_assert_uint_eq(n_bytes % 4, 0);
        ck_assert_uint_eq(doe_load_le32(block + n_bytes - 4), n_bytes);
        body = DOE_READER(block + 8, n_bytes - PCAPNG_BLOCK_BYTES_MIN);
        switch (doe_load_le32(block)) {
        case PCAPNG_BLOCK_SECTION:
                ck_assert_uint_eq(offset, 0);
                s->n_sections++;
                break;
        case PCAPNG_BLOCK_INTERFACE:
                read_interface(s, body);
                break;
        case PCAPNG_BLOCK_PACKET:
                read_packet(s, body);
                break;
        default:
                ck_abort_msg("block of type %u", doe_load_le32(block));
        }
        return n_bytes;
}

ReadStream *read_capture(Capture *c, ReadStream *before) {
        ReadStream *s = before ?: calloc(1, sizeof(*s));
        const uint8_t *bytes;
        size_t n;

        ck_assert_ptr_nonnull(s);
        while ((n = capture_peek(c, &bytes)) > 0) {
                s->bytes = realloc(s->bytes, s->n_bytes + n);
                ck_assert_ptr_nonnull(s->bytes);
                memcpy(s->bytes + s->n_bytes, bytes, n);
                s->n_bytes += n;
                capture_consume(c, n);
        }
        /* from the start: the bytes may have moved */
        s->n_sections = s->n_names = s->n_packets = 0;
        for (size_t offset = 0; offset < s->n_bytes;)
                offset += read_block(s, offset);
        ck_assert_uint_eq(s->n_sections, 1);
        return s;
}

void read_stream_free(ReadStream *s) {
        if (s)
                free(s->bytes);
        free(s);
}
