/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocols/cursor.h"

#include <errno.h>
#include <string.h>

/* NULL after an error; the reader is then empty, so that a loop over what is left ends too. */
static const uint8_t *reader_take(DoeReader *r, size_t n_bytes) {
        const uint8_t *p = r->p;

        if (r->error < 0)
                return NULL;
        if (n_bytes > r->n_left) {
                r->error = -EBADMSG;
                r->n_left = 0;
                return NULL;
        }
        if (n_bytes > 0) { /* an empty buffer may be NULL, to which not even 0 may be added */
                r->p += n_bytes;
                r->n_left -= n_bytes;
        }
        return p;
}

static uint64_t reader_take_integer(DoeReader *r, size_t n_bytes) {
        const uint8_t *p = reader_take(r, n_bytes);
        uint64_t value = 0;

        if (!p)
                return 0;
        for (size_t i = 0; i < n_bytes; i++)
                value |= (uint64_t)p[i] << (8 * i);
        return value;
}

uint8_t doe_read_u8(DoeReader *r) {
        return (uint8_t)reader_take_integer(r, 1);
}

uint16_t doe_read_le16(DoeReader *r) {
        return (uint16_t)reader_take_integer(r, 2);
}

uint32_t doe_read_le32(DoeReader *r) {
        return (uint32_t)reader_take_integer(r, 4);
}

uint64_t doe_read_le64(DoeReader *r) {
        return reader_take_integer(r, 8);
}

const uint8_t *doe_read_bytes(DoeReader *r, size_t n_bytes) {
        return reader_take(r, n_bytes);
}

void doe_read_skip(DoeReader *r, size_t n_bytes) {
        (void)reader_take(r, n_bytes);
}

DoeReader doe_read_sub(DoeReader *r, size_t n_bytes) {
        const uint8_t *p = reader_take(r, n_bytes);

        if (r->error < 0)
                return (DoeReader){ .error = r->error };
        return DOE_READER(p, n_bytes);
}

/* NULL after an error, and for zero bytes. */
static uint8_t *writer_take(DoeWriter *w, size_t n_bytes) {
        uint8_t *p = w->p;

        if (w->error < 0 || n_bytes == 0)
                return NULL;
        if (n_bytes > w->n_left) {
                w->error = -ENOBUFS;
                w->n_left = 0;
                return NULL;
        }
        w->p += n_bytes;
        w->n_left -= n_bytes;
        w->n_written += n_bytes;
        return p;
}

static void writer_put_integer(DoeWriter *w, uint64_t value, size_t n_bytes) {
        uint8_t *p = writer_take(w, n_bytes);

        if (!p)
                return;
        for (size_t i = 0; i < n_bytes; i++)
                p[i] = (uint8_t)(value >> (8 * i));
}

void doe_write_u8(DoeWriter *w, uint8_t value) {
        writer_put_integer(w, value, 1);
}

void doe_write_le16(DoeWriter *w, uint16_t value) {
        writer_put_integer(w, value, 2);
}

void doe_write_le32(DoeWriter *w, uint32_t value) {
        writer_put_integer(w, value, 4);
}

void doe_write_le64(DoeWriter *w, uint64_t value) {
        writer_put_integer(w, value, 8);
}

void doe_write_bytes(DoeWriter *w, const void *bytes, size_t n_bytes) {
        uint8_t *p = writer_take(w, n_bytes);

        if (p)
                memcpy(p, bytes, n_bytes);
}

void doe_write_zeros(DoeWriter *w, size_t n_bytes) {
        uint8_t *p = writer_take(w, n_bytes);

        if (p)
                memset(p, 0, n_bytes);
}

uint32_t doe_load_le32(const uint8_t *p) {
        return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void doe_store_le32(uint8_t *p, uint32_t value) {
        p[0] = (uint8_t)value;
        p[1] = (uint8_t)(value >> 8);
        p[2] = (uint8_t)(value >> 16);
        p[3] = (uint8_t)(value >> 24);
}
