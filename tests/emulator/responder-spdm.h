/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the files of the SPDM responder share: one message as it is answered. */

#include "protocols/cursor.h"
#include "protocols/spdm.h"
#include "tests/emulator/responder.h"

#define SPDM_VERSION_10 0x10u
#define SPDM_VERSION_12 0x12u

#define SPDM_CODE_ERROR             0x7fu
#define SPDM_CODE_CHUNK_SEND        0x85u
#define SPDM_CODE_CHUNK_GET         0x86u
#define SPDM_CODE_RESPOND_IF_READY  0xffu
#define SPDM_CODE_RESPONSE(request) ((uint8_t)((request)&0x7fu))

#define SPDM_ERROR_INVALID_REQUEST     0x01u
#define SPDM_ERROR_UNEXPECTED_REQUEST  0x04u
#define SPDM_ERROR_UNSUPPORTED_REQUEST 0x07u
#define SPDM_ERROR_SESSION_LIMIT       0x0au
#define SPDM_ERROR_LARGE_RESPONSE      0x0fu
#define SPDM_ERROR_VERSION_MISMATCH    0x41u
#define SPDM_ERROR_NOT_READY           0x42u

typedef struct SpdmMessage {
        Responder *responder;
        SpdmConnection *connection;
        SpdmHeader header;
        DoeReader body; /* after the 4-byte header */
        DoeWriter reply;
} SpdmMessage;

/* Where the requester of this request stands; made if it is not there yet. NULL on no
 * memory. */
SpdmConnection *spdm_find_connection(Responder *responder, const ResponderRequest *request);

void spdm_write_head(SpdmMessage *m, uint8_t version, uint8_t code, uint8_t param1, uint8_t param2);
/* The answer's head to what was asked, in the version that was negotiated. */
void spdm_write_response(SpdmMessage *m, uint8_t param1, uint8_t param2);
void spdm_write_error(SpdmMessage *m, uint8_t error, uint8_t data);
/* Write the answer to @bytes, whole or put together. */
void spdm_answer(SpdmMessage *m, const uint8_t *bytes, size_t n_bytes);

/* responder-spdm-stored.c: CHUNK_SEND, CHUNK_GET, RESPOND_IF_READY */
void spdm_answer_chunk_send(SpdmMessage *m);
void spdm_answer_chunk_get(SpdmMessage *m);
void spdm_answer_respond_if_ready(SpdmMessage *m);
/* If the answer is longer than the requester takes: keep it, and say so. */
void spdm_keep_large_response(SpdmMessage *m);
