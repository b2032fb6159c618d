/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bounded reader and writer: the only way in which bytes of a device, a client or a file are read or
 * made. Both latch their first error, so a parser reads everything it needs and checks once. All integers
 * are little-endian; no alignment is assumed. */

#include <stddef.h>
#include <stdint.h>

typedef struct DoeReader {
        const uint8_t *p;
        size_t n_left;
        int error; /* 0, or -EBADMSG once more was asked for than there is */
} DoeReader;

typedef struct DoeWriter {
        uint8_t *p;
        size_t n_left;
        size_t n_written;
        int error; /* 0, or -ENOBUFS once more was written than fits */
} DoeWriter;

#define DOE_READER(buf, n_bytes) ((DoeReader){ .p = (buf), .n_left = (n_bytes) })
#define DOE_WRITER(buf, n_bytes) ((DoeWriter){ .p = (buf), .n_left = (n_bytes) })

/* Each reads one integer and advances; 0 after an error. */
uint8_t doe_read_u8(DoeReader *r);
uint16_t doe_read_le16(DoeReader *r);
uint32_t doe_read_le32(DoeReader *r);
uint64_t doe_read_le64(DoeReader *r);

/**
 * doe_read_bytes() - borrow the next @n_bytes
 *
 * Return: a pointer into the reader's buffer, valid as long as that is; NULL after an error (also for
 * n_bytes == 0 once an error is latched).
 */
const uint8_t *doe_read_bytes(DoeReader *r, size_t n_bytes);
void doe_read_skip(DoeReader *r, size_t n_bytes);

/**
 * doe_read_sub() - a reader over the next @n_bytes, which @r then has behind it
 *
 * After an error the returned reader carries it and is empty.
 */
DoeReader doe_read_sub(DoeReader *r, size_t n_bytes);

void doe_write_u8(DoeWriter *w, uint8_t value);
void doe_write_le16(DoeWriter *w, uint16_t value);
void doe_write_le32(DoeWriter *w, uint32_t value);
void doe_write_le64(DoeWriter *w, uint64_t value);
void doe_write_bytes(DoeWriter *w, const void *bytes, size_t n_bytes);
void doe_write_zeros(DoeWriter *w, size_t n_bytes);

/* One little-endian dword at @p, no bounds known: for callers that have checked. */
uint32_t doe_load_le32(const uint8_t *p);
void doe_store_le32(uint8_t *p, uint32_t value);
