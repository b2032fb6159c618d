/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocols/spdm.h"

#include <errno.h>

#include "protocols/cursor.h"

#define CHUNK_ATTRIBUTE_LAST 0x01u
/* 2^26 us are a minute, 2^40 are days: nobody means that, and the shift is bounded */
#define RDT_EXPONENT_MAX 40u

static const char *const code_names[256] = {
        /* responses */
        [0x01] = "DIGESTS",
        [0x02] = "CERTIFICATE",
        [0x03] = "CHALLENGE_AUTH",
        [0x04] = "VERSION",
        [0x05] = "CHUNK_SEND_ACK",
        [0x06] = "CHUNK_RESPONSE",
        [0x07] = "ENDPOINT_INFO",
        [0x08] = "SLOT_MANAGEMENT_RESP",
        [0x60] = "MEASUREMENTS",
        [0x61] = "CAPABILITIES",
        [0x62] = "SUPPORTED_EVENT_TYPES",
        [0x63] = "ALGORITHMS",
        [0x64] = "KEY_EXCHANGE_RSP",
        [0x65] = "FINISH_RSP",
        [0x66] = "PSK_EXCHANGE_RSP",
        [0x67] = "PSK_FINISH_RSP",
        [0x68] = "HEARTBEAT_ACK",
        [0x69] = "KEY_UPDATE_ACK",
        [0x6a] = "ENCAPSULATED_REQUEST",
        [0x6b] = "ENCAPSULATED_RESPONSE_ACK",
        [0x6c] = "END_SESSION_ACK",
        [0x6d] = "CSR",
        [0x6e] = "SET_CERTIFICATE_RSP",
        [0x6f] = "MEASUREMENT_EXTENSION_LOG",
        [0x70] = "SUBSCRIBE_EVENT_TYPES_ACK",
        [0x71] = "EVENT_ACK",
        [0x7c] = "KEY_PAIR_INFO",
        [0x7d] = "SET_KEY_PAIR_INFO_ACK",
        [0x7e] = "VENDOR_DEFINED_RESPONSE",
        [0x7f] = "ERROR",
        /* requests */
        [0x81] = "GET_DIGESTS",
        [0x82] = "GET_CERTIFICATE",
        [0x83] = "CHALLENGE",
        [0x84] = "GET_VERSION",
        [0x85] = "CHUNK_SEND",
        [0x86] = "CHUNK_GET",
        [0x87] = "GET_ENDPOINT_INFO",
        [0x88] = "SLOT_MANAGEMENT",
        [0xe0] = "GET_MEASUREMENTS",
        [0xe1] = "GET_CAPABILITIES",
        [0xe2] = "GET_SUPPORTED_EVENT_TYPES",
        [0xe3] = "NEGOTIATE_ALGORITHMS",
        [0xe4] = "KEY_EXCHANGE",
        [0xe5] = "FINISH",
        [0xe6] = "PSK_EXCHANGE",
        [0xe7] = "PSK_FINISH",
        [0xe8] = "HEARTBEAT",
        [0xe9] = "KEY_UPDATE",
        [0xea] = "GET_ENCAPSULATED_REQUEST",
        [0xeb] = "DELIVER_ENCAPSULATED_RESPONSE",
        [0xec] = "END_SESSION",
        [0xed] = "GET_CSR",
        [0xee] = "SET_CERTIFICATE",
        [0xef] = "GET_MEASUREMENT_EXTENSION_LOG",
        [0xf0] = "SUBSCRIBE_EVENT_TYPES",
        [0xf1] = "SEND_EVENT",
        [0xfc] = "GET_KEY_PAIR_INFO",
        [0xfd] = "SET_KEY_PAIR_INFO",
        [0xfe] = "VENDOR_DEFINED_REQUEST",
        [0xff] = "RESPOND_IF_READY",
};

int spdm_header_decode(const uint8_t *message, size_t n_bytes, SpdmHeader *ret) {
        DoeReader r = DOE_READER(message, n_bytes);
        SpdmHeader header;

        header.version = doe_read_u8(&r);
        header.code = doe_read_u8(&r);
        header.param1 = doe_read_u8(&r);
        header.param2 = doe_read_u8(&r);
        if (r.error < 0)
                return r.error;

        *ret = header;
        return 0;
}

/*
 * DSP0274 1.2 and later, CHUNK_SEND and CHUNK_RESPONSE: header, sequence number, chunk bytes, in the first
 * chunk the bytes of the whole message, then the chunk. The sequence number had 16 bits and 16 reserved ones
 * before 1.4 and has 32 since: read as 32 it says "first" only where every responder would.
 */
static int chunk_effective_code(const uint8_t *message, size_t n_bytes) {
        DoeReader r = DOE_READER(message, n_bytes), chunk;
        uint32_t sequence, n_chunk_bytes;
        uint8_t code;

        doe_read_skip(&r, 4);
        sequence = doe_read_le32(&r);
        n_chunk_bytes = doe_read_le32(&r);
        doe_read_skip(&r, 4); /* bytes of the whole message */
        chunk = doe_read_sub(&r, n_chunk_bytes);
        doe_read_skip(&chunk, 1);
        code = doe_read_u8(&chunk);
        if (chunk.error < 0 || sequence != 0)
                return -EBADMSG;
        /* no chunks of chunks, or the code that counts could be hidden at any depth */
        return code == SPDM_CODE_CHUNK_SEND ? -EBADMSG : code;
}

int spdm_effective_code(const uint8_t *message, size_t n_bytes) {
        SpdmHeader header;
        int r;

        r = spdm_header_decode(message, n_bytes, &header);
        if (r < 0)
                return r;
        return header.code == SPDM_CODE_CHUNK_SEND ? chunk_effective_code(message, n_bytes) : header.code;
}

int spdm_chunk_send_decode(const uint8_t *message, size_t n_bytes, SpdmChunk *ret) {
        DoeReader r = DOE_READER(message, n_bytes);
        SpdmHeader header;
        uint32_t sequence;

        if (spdm_header_decode(message, n_bytes, &header) < 0 || header.code != SPDM_CODE_CHUNK_SEND)
                return -EBADMSG;
        doe_read_skip(&r, 4);
        sequence = doe_read_le32(&r);
        if (r.error < 0)
                return r.error;

        *ret = (SpdmChunk){
                .handle = header.param2,
                /* 16 bits of it count before 1.4, 32 since, and the version byte is the sender's */
                .is_first = (sequence & 0xffff) == 0,
                .is_last = header.param1 & CHUNK_ATTRIBUTE_LAST,
                .code = chunk_effective_code(message, n_bytes),
        };
        return 0;
}

/* DSP0274, ResponseNotReady extended error data: RDTExponent, request code, token, RDTM. */
bool spdm_response_not_ready(const uint8_t *response, size_t n_bytes, uint64_t *ret_usec) {
        DoeReader r = DOE_READER(response, n_bytes);
        SpdmHeader header;
        uint8_t exponent;

        doe_read_skip(&r, 4);
        exponent = doe_read_u8(&r);
        doe_read_skip(&r, 3);
        if (r.error < 0 || spdm_header_decode(response, n_bytes, &header) < 0 ||
            header.code != SPDM_CODE_ERROR || header.param1 != SPDM_ERROR_RESPONSE_NOT_READY)
                return false;
        *ret_usec = UINT64_C(1) << (exponent < RDT_EXPONENT_MAX ? exponent : RDT_EXPONENT_MAX);
        return true;
}

bool spdm_opens_session(int code, bool is_last_chunk, const uint8_t *response, size_t n_bytes) {
        SpdmHeader header;
        int got;

        if (spdm_header_decode(response, n_bytes, &header) < 0)
                return false;
        got = header.code;
        switch (code) {
        case SPDM_CODE_KEY_EXCHANGE:
        case SPDM_CODE_PSK_EXCHANGE:
                return got == code - 0x80 || (is_last_chunk && got == SPDM_CODE_CHUNK_SEND_ACK);
        case SPDM_CODE_CHUNK_GET:
                if (got != SPDM_CODE_CHUNK_RESPONSE)
                        return false;
                got = chunk_effective_code(response, n_bytes);
                return got == SPDM_CODE_KEY_EXCHANGE_RSP || got == SPDM_CODE_PSK_EXCHANGE_RSP;
        case SPDM_CODE_RESPOND_IF_READY:
                return got == SPDM_CODE_KEY_EXCHANGE_RSP || got == SPDM_CODE_PSK_EXCHANGE_RSP;
        default:
                return false;
        }
}

const char *spdm_code_to_string(uint8_t code) {
        return code_names[code];
}
