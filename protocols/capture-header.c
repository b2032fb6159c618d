/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocols/capture-header.h"

#include <errno.h>

void capture_header_write(DoeWriter *w, const CaptureHeader *h) {
        doe_write_u8(w, CAPTURE_HEADER_VERSION);
        doe_write_u8(w, CAPTURE_HEADER_BYTES);
        doe_write_u8(w, (uint8_t)h->direction);
        doe_write_u8(w, h->flags);
        doe_write_le32(w, h->status);
        doe_write_le32(w, h->uid);
        doe_write_le64(w, h->queue_usec);
        doe_write_le64(w, h->device_usec);
        doe_write_le64(w, h->exchange_id);
}

void capture_header_read(DoeReader *r, CaptureHeader *ret) {
        uint8_t version = doe_read_u8(r), n_bytes = doe_read_u8(r);

        ret->direction = doe_read_u8(r) == CAPTURE_REQUEST ? CAPTURE_REQUEST : CAPTURE_RESPONSE;
        ret->flags = doe_read_u8(r);
        ret->status = doe_read_le32(r);
        ret->uid = doe_read_le32(r);
        ret->queue_usec = doe_read_le64(r);
        ret->device_usec = doe_read_le64(r);
        ret->exchange_id = doe_read_le64(r);
        if (r->error == 0 && (version < CAPTURE_HEADER_VERSION || n_bytes < CAPTURE_HEADER_BYTES))
                r->error = -EBADMSG;
        if (r->error == 0)
                doe_read_skip(r, (size_t)n_bytes - CAPTURE_HEADER_BYTES);
}
