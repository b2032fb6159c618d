/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "protocols/compliance.h"
#include "protocols/cursor.h"
#include "tests/emulator/responder.h"

#define CODE_LAST       0x0eu /* of the requests that start a mode */
#define AVAILABLE_MODES UINT64_C(0x7ffe)
#define CACHE_SIZE      64u

/* Response header, CXL r3.0 14.16.4: code, version, length in bytes, then status (0 = success). */
static void write_header(DoeWriter *w, uint8_t code, uint8_t n_bytes) {
        doe_write_u8(w, code);
        doe_write_u8(w, 0);
        doe_write_u8(w, n_bytes);
        doe_write_u8(w, 0);
}

int responder_compliance(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                         size_t *ret_n_bytes) {
        int code = compliance_request_code(request->payload, request->n_bytes);
        uint8_t bytes[32];
        DoeWriter w = DOE_WRITER(bytes, sizeof(bytes));

        if (code < 0 || code > (int)CODE_LAST)
                return 0;
        switch (code) {
        case COMPLIANCE_CODE_CAPABILITY:
                write_header(&w, (uint8_t)code, 20);
                doe_write_le64(&w, AVAILABLE_MODES);
                doe_write_le64(&w, responder->compliance_mode ? 1u << responder->compliance_mode : 0);
                break;
        case COMPLIANCE_CODE_STATUS:
                write_header(&w, (uint8_t)code, 12);
                doe_write_le32(&w, responder->compliance_mode ? 1u << responder->compliance_mode : 0);
                doe_write_le16(&w, CACHE_SIZE);
                doe_write_le16(&w, 0);
                break;
        case COMPLIANCE_CODE_HALT:
                responder->compliance_mode = 0;
                write_header(&w, (uint8_t)code, 4);
                break;
        default: /* a mode that lasts until halt */
                responder->compliance_mode = (uint8_t)code;
                write_header(&w, (uint8_t)code, 4);
                break;
        }
        return responder_reply(bytes, w.n_written, ret, ret_n_bytes);
}
