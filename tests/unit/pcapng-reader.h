/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reads what a Capture has for its reader, block by block, and asserts that each is well formed. */

#include "daemon/core/capture.h"

#define READ_PACKETS_MAX 4096u

typedef struct ReadPacket {
        uint32_t interface;
        uint64_t time_usec;
        uint32_t n_captured, n_original, flags;
        uint64_t n_dropped;
        const uint8_t *data; /* of the ReadStream */
        /* out of the header before the object */
        uint8_t direction, header_flags;
        uint32_t status, uid;
        uint64_t queue_usec, device_usec, exchange_id;
} ReadPacket;

typedef struct ReadStream {
        uint8_t *bytes; /* owned */
        size_t n_bytes;
        size_t n_sections;
        char names[8][MAILBOX_NAME_MAX]; /* of interfaces */
        size_t n_names;
        ReadPacket packets[READ_PACKETS_MAX];
        size_t n_packets;
} ReadStream;

/* All that there is, and what was read before is kept; NULL: begin. */
ReadStream *read_capture(Capture *c, ReadStream *before);
void read_stream_free(ReadStream *s);
