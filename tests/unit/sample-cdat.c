/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tests/unit/sample-cdat.h"

#include <check.h>

#include "protocols/cdat.h"
#include "protocols/cursor.h"

static void put_subheader(DoeWriter *w, uint8_t type, uint16_t n_bytes) {
        doe_write_u8(w, type);
        doe_write_u8(w, 0);
        doe_write_le16(w, n_bytes);
}

static void put_memory(DoeWriter *w) {
        put_subheader(w, CDAT_DSMAS, 24);
        doe_write_u8(w, 1); /* handle */
        doe_write_u8(w, CDAT_DSMAS_NON_VOLATILE);
        doe_write_le16(w, 0);
        doe_write_le64(w, 0x123456789abcdef0);
        doe_write_le64(w, SAMPLE_CDAT_BASE_BYTES);

        put_subheader(w, CDAT_DSLBIS, 24);
        doe_write_u8(w, 1); /* handle */
        doe_write_u8(w, 2); /* flags */
        doe_write_u8(w, CDAT_READ_LATENCY);
        doe_write_u8(w, 0);
        doe_write_le64(w, 1000);
        doe_write_le16(w, 150);
        doe_write_le16(w, 0);
        doe_write_le16(w, 0xffff);
        doe_write_le16(w, 0);
}

static void put_caches_and_types(DoeWriter *w) {
        put_subheader(w, CDAT_DSMSCIS, 20);
        doe_write_u8(w, 1); /* DSMAS handle */
        doe_write_zeros(w, 3);
        doe_write_le64(w, 0x4000000);
        doe_write_le32(w, 0x12345678);

        put_subheader(w, CDAT_DSIS, 8);
        doe_write_u8(w, 1); /* flags: memory attached */
        doe_write_u8(w, 9); /* handle */
        doe_write_le16(w, 0);

        put_subheader(w, CDAT_DSEMTS, 24);
        doe_write_u8(w, 1); /* DSMAS handle */
        doe_write_u8(w, 2); /* EFI memory type */
        doe_write_le16(w, 0);
        doe_write_le64(w, 0x1000);
        doe_write_le64(w, 0x2000);
}

static void put_switch_and_unknown(DoeWriter *w) {
        put_subheader(w, CDAT_SSLBIS, 32);
        doe_write_u8(w, CDAT_ACCESS_BANDWIDTH);
        doe_write_zeros(w, 3);
        doe_write_le64(w, 1024);
        doe_write_le16(w, CDAT_SSLBIS_PORT_UPSTREAM);
        doe_write_le16(w, CDAT_SSLBIS_PORT_ANY);
        doe_write_le16(w, 5);
        doe_write_le16(w, 0);
        doe_write_le16(w, 2);
        doe_write_le16(w, 3);
        doe_write_le16(w, 6);
        doe_write_le16(w, 0);

        put_subheader(w, 0x80, 12);
        doe_write_le64(w, 0x0807060504030201);
}

void sample_cdat_seal(uint8_t *table, size_t n_bytes) {
        uint8_t sum = 0;

        doe_store_le32(table, (uint32_t)n_bytes);
        table[5] = 0;
        for (size_t i = 0; i < n_bytes; i++)
                sum = (uint8_t)(sum + table[i]);
        table[5] = (uint8_t)(0x100 - sum);
}

void sample_cdat_make(uint8_t table[SAMPLE_CDAT_BYTES]) {
        DoeWriter w = DOE_WRITER(table, SAMPLE_CDAT_BYTES);

        doe_write_le32(&w, 0);
        doe_write_u8(&w, 1); /* revision */
        doe_write_zeros(&w, 7);
        doe_write_le32(&w, SAMPLE_CDAT_SEQUENCE);
        put_memory(&w);
        put_caches_and_types(&w);
        put_switch_and_unknown(&w);
        ck_assert_int_eq(w.error, 0);
        ck_assert_uint_eq(w.n_written, SAMPLE_CDAT_BYTES);
        sample_cdat_seal(table, SAMPLE_CDAT_BYTES);
}
