/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The head of an SPDM message (DSP0274 1.3), as far as policy needs it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

const char *spdm_code_to_string(uint8_t code); /* "GET_VERSION"; NULL if not known */
