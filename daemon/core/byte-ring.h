/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Bytes that come in at one end and leave at the other, within memory of a fixed size that is not the
 * ring's. */

#include <stddef.h>
#include <stdint.h>

typedef struct ByteRing {
        uint8_t *bytes; /* borrowed */
        size_t n_size;
        size_t start; /* of the oldest */
        size_t n_used;
} ByteRing;

/* There must be room. */
void byte_ring_put(ByteRing *ring, const void *bytes, size_t n_bytes);
/* Copy @n_bytes that stand @offset behind the oldest; they must be there. */
void byte_ring_copy(const ByteRing *ring, size_t offset, void *ret, size_t n_bytes);
/* The oldest ones that stand in one piece; returns how many. */
size_t byte_ring_peek(const ByteRing *ring, const uint8_t **ret);
/* Forget the oldest @n_bytes. */
void byte_ring_drop(ByteRing *ring, size_t n_bytes);
