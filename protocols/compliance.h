/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CXL compliance mode, feature 1e98:00 (CXL r3.0 14.16.4): request codes as far as policy needs them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMPLIANCE_CODE_CAPABILITY 0x00u
#define COMPLIANCE_CODE_STATUS     0x01u
#define COMPLIANCE_CODE_HALT       0x02u

/* Return: 0..255; -EBADMSG if the request is too short to hold its 4-byte header. */
int compliance_request_code(const uint8_t *payload, size_t n_bytes);

/* Does @response say that a request of @code succeeded? */
bool compliance_is_accepted(uint8_t code, const uint8_t *response, size_t n_bytes);

const char *compliance_code_to_string(uint8_t code); /* "halt"; NULL if not known */
