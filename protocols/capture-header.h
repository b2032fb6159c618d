/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stands before the data object in each packet of a capture. Little-endian, packed, in this order:
 *
 *   0  u8   version: 1
 *   1  u8   bytes of this header: the object begins there, so that later versions may add to it
 *   2  u8   direction
 *   3  u8   flags
 *   4  u32  status: 0, or the errno by which the exchange failed; there is no object then
 *   8  u32  uid of who asked; doed's own for what it reads by itself
 *  12  u64  microseconds in the queue of doed
 *  20  u64  microseconds with the device; 0 in a request
 *  28  u64  number of the exchange, the same in its request and in its response */

#include <stdint.h>

#include "protocols/cursor.h"

#define CAPTURE_HEADER_VERSION 1u
#define CAPTURE_HEADER_BYTES   36u

typedef enum CaptureDirection {
        CAPTURE_REQUEST,  /* to the device */
        CAPTURE_RESPONSE, /* of the device, or how the exchange ended without one */
} CaptureDirection;

/* A rule says Record=no: of the object there is no more than its two header dwords. */
#define CAPTURE_FLAG_WITHHELD UINT8_C(1)

typedef struct CaptureHeader {
        CaptureDirection direction;
        uint8_t flags;
        uint32_t status;
        uint32_t uid;
        uint64_t queue_usec, device_usec;
        uint64_t exchange_id;
} CaptureHeader;

void capture_header_write(DoeWriter *w, const CaptureHeader *h);

/**
 * capture_header_read() - read the header, also one of a later version that has more in it
 *
 * @r is left at the data object; errors are latched in it, as of every read.
 */
void capture_header_read(DoeReader *r, CaptureHeader *ret);
