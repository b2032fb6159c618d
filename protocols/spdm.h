/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The head of an SPDM message (DSP0274 1.3), as far as policy needs it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPDM_CODE_VERSION          0x04u
#define SPDM_CODE_CHUNK_SEND_ACK   0x05u
#define SPDM_CODE_CHUNK_RESPONSE   0x06u
#define SPDM_CODE_KEY_EXCHANGE_RSP 0x64u
#define SPDM_CODE_PSK_EXCHANGE_RSP 0x66u
#define SPDM_CODE_ERROR            0x7fu
#define SPDM_CODE_GET_VERSION      0x84u
#define SPDM_CODE_CHUNK_SEND       0x85u
#define SPDM_CODE_CHUNK_GET        0x86u
#define SPDM_CODE_KEY_EXCHANGE     0xe4u
#define SPDM_CODE_PSK_EXCHANGE     0xe6u
#define SPDM_CODE_RESPOND_IF_READY 0xffu

#define SPDM_ERROR_RESPONSE_NOT_READY 0x42u

typedef struct SpdmHeader {
        uint8_t version; /* major in the high nibble */
        uint8_t code;
        uint8_t param1, param2;
} SpdmHeader;

/* -EBADMSG if shorter than 4 bytes. */
int spdm_header_decode(const uint8_t *message, size_t n_bytes, SpdmHeader *ret);

/**
 * spdm_effective_code() - the code by which a request is judged
 *
 * That of the message itself, or for the first CHUNK_SEND (85) that of the message whose beginning it
 * carries.
 *
 * Return: 0..255; -EBADMSG if it cannot be read (also for later chunks, which are judged by their first).
 */
int spdm_effective_code(const uint8_t *message, size_t n_bytes);

/* What a CHUNK_SEND says of itself, DSP0274 1.2 and later. */
typedef struct SpdmChunk {
        uint8_t handle; /* of the transfer that it belongs to */
        bool is_first, is_last;
        int code; /* of the message that a first chunk begins; -EBADMSG: hidden in later ones, or hostile */
} SpdmChunk;

/**
 * spdm_chunk_send_decode() - read a CHUNK_SEND
 *
 * Where the revisions differ on whether it is the first of its transfer, it counts as a first one that hides
 * its code.
 *
 * Return: 0; -EBADMSG if it is no CHUNK_SEND, or too short to tell.
 */
int spdm_chunk_send_decode(const uint8_t *message, size_t n_bytes, SpdmChunk *ret);

/* Is @response an ERROR(ResponseNotReady)? @ret_usec: how long the responder asks to be left alone. */
bool spdm_response_not_ready(const uint8_t *response, size_t n_bytes, uint64_t *ret_usec);

/* Did @response grant the session that a request of @code asks for, or one before it that it fetches the
 * answer of: RESPOND_IF_READY, CHUNK_GET? @is_last_chunk: the request came in chunks, and this answers the
 * last one. */
bool spdm_opens_session(int code, bool is_last_chunk, const uint8_t *response, size_t n_bytes);

const char *spdm_code_to_string(uint8_t code); /* "GET_VERSION"; NULL if not known */
