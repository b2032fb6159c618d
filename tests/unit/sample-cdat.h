/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A valid CDAT with one entry of each type, for the tests of whoever reads one. */

#include <stddef.h>
#include <stdint.h>

#define SAMPLE_CDAT_SEQUENCE   7u
#define SAMPLE_CDAT_DSMAS      16u
#define SAMPLE_CDAT_DSLBIS     40u
#define SAMPLE_CDAT_DSMSCIS    64u
#define SAMPLE_CDAT_DSIS       84u
#define SAMPLE_CDAT_DSEMTS     92u
#define SAMPLE_CDAT_SSLBIS     116u /* with two ports */
#define SAMPLE_CDAT_UNKNOWN    148u /* type 80 */
#define SAMPLE_CDAT_BYTES      160u
#define SAMPLE_CDAT_N_ENTRIES  7u
#define SAMPLE_CDAT_BASE_BYTES UINT64_C(0x10000000)

/* Fill @table. */
void sample_cdat_make(uint8_t table[SAMPLE_CDAT_BYTES]);

/* Set the length field of a table's header to @n_bytes and make the bytes sum to 0. */
void sample_cdat_seal(uint8_t *table, size_t n_bytes);
