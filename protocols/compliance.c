/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocols/compliance.h"

#include <errno.h>

#include "protocols/cursor.h"

int compliance_request_code(const uint8_t *payload, size_t n_bytes) {
        DoeReader r = DOE_READER(payload, n_bytes);
        uint8_t code = doe_read_u8(&r);

        doe_read_skip(&r, 3); /* version and two reserved bytes */
        return r.error < 0 ? r.error : code;
}

bool compliance_is_accepted(uint8_t code, const uint8_t *response, size_t n_bytes) {
        DoeReader r = DOE_READER(response, n_bytes);
        uint8_t answered = doe_read_u8(&r), status;

        doe_read_skip(&r, 2); /* version and length */
        status = doe_read_u8(&r);
        return r.error == 0 && answered == code && status == 0;
}

const char *compliance_code_to_string(uint8_t code) {
        static const char *const names[] = {
                [COMPLIANCE_CODE_CAPABILITY] = "capability",
                [COMPLIANCE_CODE_STATUS] = "status",
                [COMPLIANCE_CODE_HALT] = "halt",
                [0x03] = "multiple-write-streaming",
                [0x04] = "producer-consumer",
                [0x05] = "bogus-writes",
                [0x06] = "inject-poison",
                [0x07] = "inject-crc",
                [0x08] = "inject-flow-control",
                [0x09] = "toggle-cache-flush",
                [0x0a] = "inject-mac-delay",
                [0x0b] = "insert-unexpected-mac",
                [0x0c] = "inject-viral",
                [0x0d] = "inject-almp",
                [0x0e] = "ignore-almp",
                [0x0f] = "inject-bit-error",
                [0x10] = "inject-media-poison",
        };

        return code < sizeof(names) / sizeof(names[0]) ? names[code] : NULL;
}
