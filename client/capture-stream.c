/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/capture-stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "protocols/cursor.h"
#include "protocols/pcapng.h"

void capture_stream_done(CaptureStream *s) {
        free(s->bytes);
        *s = (CaptureStream){ 0 };
}

void capture_stream_add(CaptureStream *s, const void *bytes, size_t n_bytes) {
        size_t n_left = s->n_bytes - s->n_taken;

        if (s->n_taken > 0)
                memmove(s->bytes, s->bytes + s->n_taken, n_left);
        s->n_taken = 0;
        s->n_bytes = n_left + n_bytes;
        if (s->n_bytes > s->n_allocated) {
                s->n_allocated = 2 * s->n_bytes;
                s->bytes = memory_must(realloc(s->bytes, s->n_allocated));
        }
        memcpy(s->bytes + n_left, bytes, n_bytes);
}

/* The option @wanted of a block; empty if there is none. */
static DoeReader find_option(DoeReader options, uint16_t wanted) {
        while (options.n_left >= 4) {
                uint16_t code = doe_read_le16(&options), n_bytes = doe_read_le16(&options);
                DoeReader padded = doe_read_sub(&options, ((size_t)n_bytes + 3) & ~(size_t)3);

                if (code == PCAPNG_OPTION_END)
                        break;
                if (code == wanted)
                        return doe_read_sub(&padded, n_bytes);
        }
        return DOE_READER(NULL, 0);
}

static DoeReader body_of(const uint8_t *block) {
        return DOE_READER(block + 8, doe_load_le32(block + 4) - PCAPNG_BLOCK_BYTES_MIN);
}

bool capture_stream_read_packet(const uint8_t *block, CapturePacket *ret) {
        DoeReader body = body_of(block), padded, lost;
        uint32_t n_captured;
        uint64_t high;

        if (doe_load_le32(block) != PCAPNG_BLOCK_PACKET)
                return false;
        ret->interface = doe_read_le32(&body);
        high = doe_read_le32(&body);
        ret->time_usec = high << 32 | doe_read_le32(&body);
        n_captured = doe_read_le32(&body);
        ret->n_original = doe_read_le32(&body);
        padded = doe_read_sub(&body, ((size_t)n_captured + 3) & ~(size_t)3);
        ret->bytes = doe_read_sub(&padded, n_captured);
        lost = find_option(body, PCAPNG_PACKET_DROPCOUNT);
        ret->n_lost = lost.n_left > 0 ? doe_read_le64(&lost) : 0;
        return body.error == 0 && ret->bytes.error == 0;
}

char *capture_stream_read_interface(const uint8_t *block) {
        DoeReader body = body_of(block), name;

        if (doe_load_le32(block) != PCAPNG_BLOCK_INTERFACE)
                return NULL;
        doe_read_skip(&body, 8);
        name = find_option(body, PCAPNG_INTERFACE_NAME);
        return memory_format("%.*s", (int)name.n_left, (const char *)name.p ?: "");
}

int capture_stream_take(CaptureStream *s, const uint8_t **ret) {
        size_t n_left = s->n_bytes - s->n_taken;
        const uint8_t *block = s->bytes + s->n_taken;
        uint32_t n_bytes, type;
        CapturePacket packet;

        if (n_left < PCAPNG_BLOCK_BYTES_MIN)
                return 0;
        type = doe_load_le32(block);
        n_bytes = doe_load_le32(block + 4);
        if (n_bytes < PCAPNG_BLOCK_BYTES_MIN || n_bytes > CAPTURE_BLOCK_BYTES_MAX || n_bytes % 4 != 0 ||
            (s->n_bytes_taken == 0 && type != PCAPNG_BLOCK_SECTION))
                return -EBADMSG;
        if (n_left < n_bytes)
                return 0;
        if (doe_load_le32(block + n_bytes - 4) != n_bytes)
                return -EBADMSG;
        if (type == PCAPNG_BLOCK_INTERFACE)
                s->n_mailboxes++;
        else if (type == PCAPNG_BLOCK_PACKET) {
                s->n_packets++;
                if (capture_stream_read_packet(block, &packet))
                        s->n_lost += packet.n_lost;
        }
        s->n_taken += n_bytes;
        s->n_bytes_taken += n_bytes;
        *ret = block;
        return (int)n_bytes;
}
