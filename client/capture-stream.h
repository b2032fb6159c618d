/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A pcapng stream on its way from doed to a file: cut into whole blocks, so that whatever ends it leaves a
 * file that can be read, and counted. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocols/cursor.h"

/* No block of doed is larger; beyond, what comes is no stream of doed. */
#define CAPTURE_BLOCK_BYTES_MAX (2u << 20)

typedef struct CaptureStream {
        uint8_t *bytes; /* owned: what was added and not taken */
        size_t n_bytes, n_allocated;
        size_t n_taken;                          /* of those */
        uint64_t n_packets, n_lost, n_mailboxes; /* in the blocks that were taken */
        uint64_t n_bytes_taken;
} CaptureStream;

void capture_stream_done(CaptureStream *s);
/* @bytes: copied. Whatever was borrowed before is not valid any more. */
void capture_stream_add(CaptureStream *s, const void *bytes, size_t n_bytes);

/**
 * capture_stream_take() - the next whole block
 * @ret: borrowed until more is added
 *
 * Return: its size; 0 if more is needed; -EBADMSG: this is no pcapng.
 */
int capture_stream_take(CaptureStream *s, const uint8_t **ret);

/* One packet of it. */
typedef struct CapturePacket {
        uint32_t interface; /* from 0, in the order in which they came */
        uint64_t time_usec; /* CLOCK_REALTIME */
        uint64_t n_lost;    /* packets of this interface since the last one */
        size_t n_original;  /* bytes, of which fewer may be there */
        DoeReader bytes; /* borrowed from the block: a CaptureHeader, and what was captured of the object */
} CapturePacket;

/* @block: of capture_stream_take(). Return: true if it is a packet, and whole. */
bool capture_stream_read_packet(const uint8_t *block, CapturePacket *ret);
/* Return: the name of the mailbox if @block is an interface, newly allocated, owned by the caller; else
 * NULL. */
char *capture_stream_read_interface(const uint8_t *block);
