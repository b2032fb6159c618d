/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The data object and its two header dwords, PCIe r6.1 6.30.1. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOE_HEADER_DWORDS     2u
#define DOE_HEADER_BYTES      8u
#define DOE_OBJECT_DWORDS_MAX (UINT32_C(1) << 18)
#define DOE_OBJECT_BYTES_MAX  (4u * DOE_OBJECT_DWORDS_MAX)
#define DOE_PAYLOAD_BYTES_MAX (DOE_OBJECT_BYTES_MAX - DOE_HEADER_BYTES)

typedef struct DoeObjectHeader {
        uint16_t vendor_id;
        uint8_t type;
        uint16_t connection_id; /* 12 bits; only types with a connection ID give it a meaning */
        uint32_t n_dwords;      /* whole object, header included: 2..2^18 */
        bool reserved_set;      /* DW0[31:24] or DW1[31:30] not zero; decode only */
} DoeObjectHeader;

/**
 * doe_object_header_decode() - read the two header dwords (host order)
 *
 * Length 0 means 2^18 dwords. Reserved bits are reported, not refused: a receiver ignores them.
 *
 * Return: 0; -EBADMSG if the length is 1, which is shorter than the header itself.
 */
int doe_object_header_decode(uint32_t dw0, uint32_t dw1, DoeObjectHeader *ret);

/* Make the two header dwords (host order). @header->n_dwords is 2..2^18; 2^18 is written as 0. */
void doe_object_header_encode(const DoeObjectHeader *header, uint32_t *ret_dw0, uint32_t *ret_dw1);

/* Dwords of the whole object that carries @n_bytes of payload, padding and header included. */
static inline uint32_t doe_object_dwords(size_t n_payload_bytes) {
        return DOE_HEADER_DWORDS + (uint32_t)((n_payload_bytes + 3) / 4);
}
