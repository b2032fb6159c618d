/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/byte-ring.h"

#include <assert.h>
#include <string.h>

#include "daemon/util/cleanup.h"

static size_t byte_ring_index(const ByteRing *ring, size_t offset) {
        size_t i = ring->start + offset;

        return i < ring->n_size ? i : i - ring->n_size;
}

void byte_ring_put(ByteRing *ring, const void *bytes, size_t n_bytes) {
        const uint8_t *p = bytes;
        size_t i, n_first;

        assert(n_bytes <= ring->n_size - ring->n_used);
        if (n_bytes == 0)
                return;
        i = byte_ring_index(ring, ring->n_used);
        n_first = MIN_OF(n_bytes, ring->n_size - i);
        memcpy(ring->bytes + i, p, n_first);
        memcpy(ring->bytes, p + n_first, n_bytes - n_first);
        ring->n_used += n_bytes;
}

void byte_ring_copy(const ByteRing *ring, size_t offset, void *ret, size_t n_bytes) {
        uint8_t *p = ret;
        size_t i, n_first;

        assert(offset + n_bytes <= ring->n_used);
        if (n_bytes == 0)
                return;
        i = byte_ring_index(ring, offset);
        n_first = MIN_OF(n_bytes, ring->n_size - i);
        memcpy(p, ring->bytes + i, n_first);
        memcpy(p + n_first, ring->bytes, n_bytes - n_first);
}

size_t byte_ring_peek(const ByteRing *ring, const uint8_t **ret) {
        *ret = ring->bytes + ring->start;
        return MIN_OF(ring->n_used, ring->n_size - ring->start);
}

void byte_ring_drop(ByteRing *ring, size_t n_bytes) {
        assert(n_bytes <= ring->n_used);
        ring->n_used -= n_bytes;
        /* from the start again where that costs nothing: pages that were never touched stay so */
        ring->start = ring->n_used > 0 ? byte_ring_index(ring, n_bytes) : 0;
}
