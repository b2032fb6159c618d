/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The Coherent Device Attribute Table, CDAT r1.03: validation and decoding. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocols/cursor.h"

#define CDAT_HEADER_BYTES    16u
#define CDAT_SUBHEADER_BYTES 4u

typedef struct CdatHeader {
        uint32_t n_bytes;
        uint8_t revision;
        uint8_t checksum;
        uint32_t sequence;
} CdatHeader;

typedef enum CdatType {
        CDAT_DSMAS = 0,
        CDAT_DSLBIS = 1,
        CDAT_DSMSCIS = 2,
        CDAT_DSIS = 3,
        CDAT_DSEMTS = 4,
        CDAT_SSLBIS = 5,
} CdatType;
#define N_CDAT_TYPES (CDAT_SSLBIS + 1)

#define CDAT_DSMAS_NON_VOLATILE (1u << 2)
#define CDAT_DSMAS_SHAREABLE    (1u << 3)
#define CDAT_DSMAS_READ_ONLY    (1u << 6)

/* DSLBIS and SSLBIS data types are those of HMAT (ACPI 6.4 5.2.27.4). Latencies are in units of base_unit
 * picoseconds, bandwidths of base_unit megabytes a second. */
typedef enum CdatDataType {
        CDAT_ACCESS_LATENCY = 0,
        CDAT_READ_LATENCY = 1,
        CDAT_WRITE_LATENCY = 2,
        CDAT_ACCESS_BANDWIDTH = 3,
        CDAT_READ_BANDWIDTH = 4,
        CDAT_WRITE_BANDWIDTH = 5,
} CdatDataType;
#define N_CDAT_DATA_TYPES (CDAT_WRITE_BANDWIDTH + 1)

#define CDAT_SSLBIS_PORT_ANY      0xffffu
#define CDAT_SSLBIS_PORT_UPSTREAM 0x0100u

typedef struct CdatSslbisEntry {
        uint16_t port_x, port_y;
        uint16_t value;
} CdatSslbisEntry;

/* One decoded entry. @type is the raw byte: an entry of an unknown type has only @body. */
typedef struct CdatEntry {
        uint8_t type;
        uint32_t offset;     /* of the subheader within the table */
        uint16_t n_bytes;    /* subheader included */
        const uint8_t *body; /* borrowed, after the subheader */
        bool is_known;
        union {
                struct {
                        uint8_t handle, flags;
                        uint64_t dpa_base, dpa_bytes;
                } dsmas;
                struct {
                        uint8_t handle, flags, data_type;
                        uint64_t base_unit;
                        uint16_t values[3];
                } dslbis;
                struct {
                        uint8_t dsmas_handle;
                        uint64_t cache_bytes;
                        uint32_t attributes;
                } dsmscis;
                struct {
                        uint8_t flags, handle;
                } dsis;
                struct {
                        uint8_t dsmas_handle, efi_type;
                        uint64_t dpa_offset, dpa_bytes;
                } dsemts;
                struct {
                        uint8_t data_type;
                        uint64_t base_unit;
                        uint16_t n_entries;
                } sslbis; /* each through cdat_sslbis_get() */
        };
} CdatEntry;

/* -EBADMSG if shorter than 16 bytes. */
int cdat_header_decode(const uint8_t *table, size_t n_bytes, CdatHeader *ret);

/**
 * cdat_validate() - is this one whole, well-formed table?
 * @ret_error: which check failed, static text; may be NULL
 *
 * Header length equals @n_bytes, entries fill it exactly, fixed-size entries have their size, the bytes sum
 * to 0.
 *
 * Return: 0; -EBADMSG.
 */
int cdat_validate(const uint8_t *table, size_t n_bytes, const char **ret_error);

/**
 * cdat_next() - decode the entry at *@offset and advance
 * @offset: CDAT_HEADER_BYTES at first
 *
 * Return: 1 with @ret filled; 0 at the end; -EBADMSG.
 */
int cdat_next(const uint8_t *table, size_t n_bytes, size_t *offset, CdatEntry *ret);

/* -EINVAL if @i is out of range. */
int cdat_sslbis_get(const CdatEntry *entry, size_t i, CdatSslbisEntry *ret);

const char *cdat_type_to_string(uint8_t type);           /* "DSMAS"; NULL if not known */
const char *cdat_data_type_to_string(uint8_t data_type); /* "read latency"; NULL if not known */
bool cdat_data_type_is_latency(uint8_t data_type);

/**
 * cdat_value() - base_unit * entry
 *
 * Return: 1 with @ret in picoseconds or megabytes a second; 0 if the entry says "not given" (0 or 0xffff);
 * -EOVERFLOW.
 */
int cdat_value(uint64_t base_unit, uint16_t entry, uint64_t *ret);
