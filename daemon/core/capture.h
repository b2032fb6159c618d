/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One capture: which packets it takes, and the pcapng stream of them that waits for its reader. A packet
 * that finds no room is lost as a whole, and the next one of its mailbox says how many were; nobody ever
 * waits for a reader. Made by recorder_open_capture(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/core/byte-ring.h"
#include "daemon/core/mailbox.h"
#include "protocols/capture-header.h"
#include "protocols/data-object.h"

#define CAPTURE_FILTER_MAX      64  /* mailboxes, and features */
#define CAPTURE_SNAPLEN_DEFAULT 16u /* bytes of payload */

typedef struct Capture Capture;
typedef struct Recorder Recorder;
typedef struct RecorderMemory RecorderMemory;

typedef struct CaptureFeature {
        uint16_t vendor_id;
        uint8_t type;
} CaptureFeature;

/* What a capture takes; of an empty list: all. */
typedef struct CaptureFilter {
        char mailboxes[CAPTURE_FILTER_MAX][MAILBOX_NAME_MAX];
        size_t n_mailboxes;
        CaptureFeature features[CAPTURE_FILTER_MAX];
        size_t n_features;
        bool has_uid;
        uint32_t uid;
        uint32_t snaplen; /* bytes of payload; cut so that no packet is over PCAPNG_PACKET_BYTES_MAX */
        bool recent;      /* what the recorder still has, first */
} CaptureFilter;

/* One object on its way, or the failure that stands for it. */
typedef struct RecorderPacket {
        char mailbox[MAILBOX_NAME_MAX];
        uint64_t realtime_usec;
        CaptureHeader header;
        CaptureFeature feature; /* of the exchange */
        bool has_object;        /* else it failed */
        DoeObjectHeader object; /* of its first two dwords */
        size_t n_bytes;         /* of its whole payload, padding included */
        size_t n_kept;          /* bytes at @payload */
        const uint8_t *payload; /* borrowed */
} RecorderPacket;

/* @userdata's owner is told that there is something to read where there was nothing; it must not call back.
 */
typedef void (*CaptureWake)(void *userdata);

struct Capture {
        Recorder *recorder;           /* NULL: it has gone first */
        const RecorderMemory *memory; /* of @stream */
        CaptureFilter filter;
        ByteRing stream; /* whole blocks, but for what the reader has of the first one */
        struct CaptureInterface *interfaces;
        size_t n_interfaces;
        uint32_t n_written;            /* of those: their numbers are in the order of that */
        uint64_t n_packets, n_dropped; /* that it took, and that it lost */
        size_t n_bytes_expected;       /* of a replay, before it begins */
        CaptureWake wake;
        void *userdata;
        LIST_ENTRY(Capture) captures;
};

/* For the recorder. @memory: of @n_bytes, borrowed, for the stream. Return: NULL on no memory. */
Capture *capture_new(const CaptureFilter *filter, uint8_t *memory, size_t n_bytes, CaptureWake wake,
                     void *userdata);
Capture *capture_free(Capture *c);
/* Take it, if the filter says so. */
void capture_offer(Capture *c, const RecorderPacket *packet);

/* What of a replay fits is known before it: all its packets are expected; the oldest ones are forgone until
 * the rest fits; then the rest is offered. */
void capture_expect(Capture *c, const RecorderPacket *packet);
void capture_forgo(Capture *c, const RecorderPacket *packet);
bool capture_fits_expected(const Capture *c);

/* What is to be written next, in one piece; 0: nothing. It holds until anything else happens. */
size_t capture_peek(const Capture *c, const uint8_t **ret);
/* So many of those bytes were written. */
void capture_consume(Capture *c, size_t n_bytes);
