/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocols/cdat.h"

#include <errno.h>
#include <string.h>

#define SSLBIS_HEAD_BYTES  16u /* subheader included */
#define SSLBIS_ENTRY_BYTES 8u
#define VALUE_NOT_GIVEN    0xffffu

/* Whole entries in bytes, subheader included; 0 where the length varies. */
static const uint16_t fixed_bytes[N_CDAT_TYPES] = {
        [CDAT_DSMAS] = 24, [CDAT_DSLBIS] = 24, [CDAT_DSMSCIS] = 20,
        [CDAT_DSIS] = 8,   [CDAT_DSEMTS] = 24, [CDAT_SSLBIS] = 0,
};

int cdat_header_decode(const uint8_t *table, size_t n_bytes, CdatHeader *ret) {
        DoeReader r = DOE_READER(table, n_bytes);
        CdatHeader header;

        header.n_bytes = doe_read_le32(&r);
        header.revision = doe_read_u8(&r);
        header.checksum = doe_read_u8(&r);
        doe_read_skip(&r, 6);
        header.sequence = doe_read_le32(&r);
        if (r.error < 0)
                return r.error;

        *ret = header;
        return 0;
}

static bool entry_has_its_length(uint8_t type, uint16_t n_bytes) {
        if (type == CDAT_SSLBIS)
                return n_bytes >= SSLBIS_HEAD_BYTES &&
                       (n_bytes - SSLBIS_HEAD_BYTES) % SSLBIS_ENTRY_BYTES == 0;
        return type >= N_CDAT_TYPES || n_bytes == fixed_bytes[type];
}

static void entry_decode_dslbis(DoeReader *r, CdatEntry *entry) {
        entry->dslbis.handle = doe_read_u8(r);
        entry->dslbis.flags = doe_read_u8(r);
        entry->dslbis.data_type = doe_read_u8(r);
        doe_read_skip(r, 1);
        entry->dslbis.base_unit = doe_read_le64(r);
        for (size_t i = 0; i < 3; i++)
                entry->dslbis.values[i] = doe_read_le16(r);
}

static void entry_decode_dsemts(DoeReader *r, CdatEntry *entry) {
        entry->dsemts.dsmas_handle = doe_read_u8(r);
        entry->dsemts.efi_type = doe_read_u8(r);
        doe_read_skip(r, 2);
        entry->dsemts.dpa_offset = doe_read_le64(r);
        entry->dsemts.dpa_bytes = doe_read_le64(r);
}

static void entry_decode_body(DoeReader *r, CdatType type, CdatEntry *entry) {
        switch (type) {
        case CDAT_DSMAS:
                entry->dsmas.handle = doe_read_u8(r);
                entry->dsmas.flags = doe_read_u8(r);
                doe_read_skip(r, 2);
                entry->dsmas.dpa_base = doe_read_le64(r);
                entry->dsmas.dpa_bytes = doe_read_le64(r);
                break;
        case CDAT_DSLBIS:
                entry_decode_dslbis(r, entry);
                break;
        case CDAT_DSMSCIS:
                entry->dsmscis.dsmas_handle = doe_read_u8(r);
                doe_read_skip(r, 3);
                entry->dsmscis.cache_bytes = doe_read_le64(r);
                entry->dsmscis.attributes = doe_read_le32(r);
                break;
        case CDAT_DSIS:
                entry->dsis.flags = doe_read_u8(r);
                entry->dsis.handle = doe_read_u8(r);
                break;
        case CDAT_DSEMTS:
                entry_decode_dsemts(r, entry);
                break;
        case CDAT_SSLBIS:
                entry->sslbis.data_type = doe_read_u8(r);
                doe_read_skip(r, 3);
                entry->sslbis.base_unit = doe_read_le64(r);
                entry->sslbis.n_entries = (uint16_t)(r->n_left / SSLBIS_ENTRY_BYTES);
                break;
        }
}

int cdat_next(const uint8_t *table, size_t n_bytes, size_t *offset, CdatEntry *ret) {
        DoeReader r = DOE_READER(table, n_bytes), body;
        CdatEntry entry;

        memset(&entry, 0, sizeof(entry)); /* the union as a whole, whichever member is in use */
        doe_read_skip(&r, *offset);
        if (r.error == 0 && r.n_left == 0)
                return 0;

        entry.offset = (uint32_t)*offset;
        entry.type = doe_read_u8(&r);
        doe_read_skip(&r, 1);
        entry.n_bytes = doe_read_le16(&r);
        if (r.error < 0 || entry.n_bytes < CDAT_SUBHEADER_BYTES)
                return -EBADMSG;
        body = doe_read_sub(&r, entry.n_bytes - CDAT_SUBHEADER_BYTES);
        if (body.error < 0 || !entry_has_its_length(entry.type, entry.n_bytes))
                return -EBADMSG;

        entry.body = body.p;
        entry.is_known = entry.type < N_CDAT_TYPES;
        if (entry.is_known)
                entry_decode_body(&body, (CdatType)entry.type, &entry);
        if (body.error < 0)
                return body.error;

        *offset += entry.n_bytes;
        *ret = entry;
        return 1;
}

static const char *find_defect(const uint8_t *table, size_t n_bytes) {
        size_t offset = CDAT_HEADER_BYTES;
        uint8_t sum = 0;
        CdatHeader header;
        CdatEntry entry;
        int r;

        if (cdat_header_decode(table, n_bytes, &header) < 0)
                return "The table is shorter than its header";
        if (header.n_bytes != n_bytes)
                return "The table length in the header is not that of the table";
        do
                r = cdat_next(table, n_bytes, &offset, &entry);
        while (r > 0);
        if (r < 0)
                return "An entry's length is wrong";
        for (size_t i = 0; i < n_bytes; i++)
                sum = (uint8_t)(sum + table[i]);
        return sum == 0 ? NULL : "The checksum is wrong";
}

int cdat_validate(const uint8_t *table, size_t n_bytes, const char **ret_error) {
        const char *error = find_defect(table, n_bytes);

        if (!error)
                return 0;
        if (ret_error)
                *ret_error = error;
        return -EBADMSG;
}

int cdat_sslbis_get(const CdatEntry *entry, size_t i, CdatSslbisEntry *ret) {
        DoeReader r;
        CdatSslbisEntry port;

        if (!entry->is_known || entry->type != CDAT_SSLBIS || i >= entry->sslbis.n_entries)
                return -EINVAL;

        r = DOE_READER(entry->body, entry->n_bytes - CDAT_SUBHEADER_BYTES);
        doe_read_skip(&r, SSLBIS_HEAD_BYTES - CDAT_SUBHEADER_BYTES + i * SSLBIS_ENTRY_BYTES);
        port.port_x = doe_read_le16(&r);
        port.port_y = doe_read_le16(&r);
        port.value = doe_read_le16(&r);
        if (r.error < 0)
                return -EINVAL;

        *ret = port;
        return 0;
}

const char *cdat_type_to_string(uint8_t type) {
        static const char *const names[N_CDAT_TYPES] = {
                [CDAT_DSMAS] = "DSMAS", [CDAT_DSLBIS] = "DSLBIS", [CDAT_DSMSCIS] = "DSMSCIS",
                [CDAT_DSIS] = "DSIS",   [CDAT_DSEMTS] = "DSEMTS", [CDAT_SSLBIS] = "SSLBIS",
        };

        return type < N_CDAT_TYPES ? names[type] : NULL;
}

const char *cdat_data_type_to_string(uint8_t data_type) {
        static const char *const names[N_CDAT_DATA_TYPES] = {
                [CDAT_ACCESS_LATENCY] = "access latency", [CDAT_READ_LATENCY] = "read latency",
                [CDAT_WRITE_LATENCY] = "write latency",   [CDAT_ACCESS_BANDWIDTH] = "access bandwidth",
                [CDAT_READ_BANDWIDTH] = "read bandwidth", [CDAT_WRITE_BANDWIDTH] = "write bandwidth",
        };

        return data_type < N_CDAT_DATA_TYPES ? names[data_type] : NULL;
}

bool cdat_data_type_is_latency(uint8_t data_type) {
        return data_type <= CDAT_WRITE_LATENCY;
}

int cdat_value(uint64_t base_unit, uint16_t entry, uint64_t *ret) {
        uint64_t value;

        if (entry == 0 || entry == VALUE_NOT_GIVEN)
                return 0;
        if (__builtin_mul_overflow(base_unit, (uint64_t)entry, &value))
                return -EOVERFLOW;
        *ret = value;
        return 1;
}
