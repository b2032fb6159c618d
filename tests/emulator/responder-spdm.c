/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/responder-spdm.h"

#include <errno.h>

#include "protocols/feature.h"

/* An SPDM 1.2 responder (DSP0274) as a broker sees one: messages of the right shape, in the right order, and
 * state that is lost where a real one loses it. Digests and signatures are made-up bytes. */

#define SPDM_HASH_BYTES    32u
#define SPDM_NONCE_BYTES   32u
#define SPDM_SIGNATURE     96u
#define SPDM_CHAIN_BYTES   1500u
#define SPDM_EXCHANGE_DATA 96u
#define SPDM_TRANSFER_MIN  42u /* DataTransferSize */
#define SPDM_TRANSFER_MAX  2048u

#define CODE_GET_DIGESTS          0x81u
#define CODE_GET_CERTIFICATE      0x82u
#define CODE_CHALLENGE            0x83u
#define CODE_GET_VERSION          0x84u
#define CODE_GET_MEASUREMENTS     0xe0u
#define CODE_GET_CAPABILITIES     0xe1u
#define CODE_NEGOTIATE_ALGORITHMS 0xe3u
#define CODE_KEY_EXCHANGE         0xe4u
#define CODE_FINISH               0xe5u
#define CODE_END_SESSION          0xecu
#define CODE_SET_CERTIFICATE      0xeeu

static bool has_connection_id(const ModelFeature *f) {
        const DoeFeature *feature = doe_feature_find(f->vendor_id, f->type);

        return feature && feature->has_connection_id;
}

SpdmConnection *spdm_find_connection(Responder *responder, const ResponderRequest *request) {
        uint16_t id = has_connection_id(request->feature) ? request->connection_id : SPDM_NO_CONNECTION_ID;
        SpdmConnection *connections;

        for (size_t i = 0; i < responder->n_connections; i++)
                if (responder->connections[i].id == id)
                        return &responder->connections[i];
        connections = realloc(responder->connections,
                              (responder->n_connections + 1) * sizeof(*responder->connections));
        if (!connections)
                return NULL;
        responder->connections = connections;
        connections += responder->n_connections++;
        *connections = (SpdmConnection){ .id = id };
        return connections;
}

void spdm_write_head(SpdmMessage *m, uint8_t version, uint8_t code, uint8_t param1, uint8_t param2) {
        doe_write_u8(&m->reply, version);
        doe_write_u8(&m->reply, code);
        doe_write_u8(&m->reply, param1);
        doe_write_u8(&m->reply, param2);
}

void spdm_write_response(SpdmMessage *m, uint8_t param1, uint8_t param2) {
        spdm_write_head(m, SPDM_VERSION_12, SPDM_CODE_RESPONSE(m->header.code), param1, param2);
}

void spdm_write_error(SpdmMessage *m, uint8_t error, uint8_t data) {
        uint8_t version = m->connection->stage == SPDM_NOTHING ? SPDM_VERSION_10 : SPDM_VERSION_12;

        spdm_write_head(m, version, SPDM_CODE_ERROR, error, data);
}

/* The same bytes each time that they are asked for, other ones for another device or @purpose. */
static void write_made_up(SpdmMessage *m, uint64_t purpose, size_t from, size_t n_bytes) {
        Random random = { .state = m->responder->seed ^ purpose };
        uint8_t byte;

        for (size_t i = 0; i < from + n_bytes; i++) {
                byte = (uint8_t)random_next(&random);
                if (i >= from)
                        doe_write_u8(&m->reply, byte);
        }
}

static void answer_version(SpdmMessage *m) {
        *m->connection = (SpdmConnection){ .id = m->connection->id, .stage = SPDM_VERSION };
        spdm_write_head(m, SPDM_VERSION_10, SPDM_CODE_RESPONSE(CODE_GET_VERSION), 0, 0);
        doe_write_u8(&m->reply, 0);
        doe_write_u8(&m->reply, 3);
        doe_write_le16(&m->reply, 0x1000);
        doe_write_le16(&m->reply, 0x1100);
        doe_write_le16(&m->reply, 0x1200);
}

static void answer_capabilities(SpdmMessage *m) {
        uint32_t transfer_bytes;

        doe_read_skip(&m->body, 8); /* CTExponent, Flags */
        transfer_bytes = doe_read_le32(&m->body);
        m->connection->data_transfer_bytes = transfer_bytes < SPDM_TRANSFER_MIN ? 0 : transfer_bytes;
        m->connection->stage = SPDM_CAPABILITIES;
        spdm_write_response(m, 0, 0);
        doe_write_u8(&m->reply, 0);
        doe_write_u8(&m->reply, 20); /* CTExponent: 2^20 us */
        doe_write_le16(&m->reply, 0);
        doe_write_le32(&m->reply,
                       0x000202f6); /* CERT, CHAL, MEAS with signature, ENCRYPT, MAC, KEY_EX, CHUNK */
        doe_write_le32(&m->reply, SPDM_TRANSFER_MAX);
        doe_write_le32(&m->reply, SPDM_MESSAGE_MAX);
}

static void answer_algorithms(SpdmMessage *m) {
        m->connection->stage = SPDM_NEGOTIATED;
        spdm_write_response(m, 0, 0);
        doe_write_le16(&m->reply, 36);
        doe_write_u8(&m->reply, 1);
        doe_write_u8(&m->reply, 2);
        doe_write_le32(&m->reply, 1 << 1); /* measurements: SHA-256 */
        doe_write_le32(&m->reply, 1 << 7); /* ECDSA P-384 */
        doe_write_le32(&m->reply, 1 << 0); /* SHA-256 */
        doe_write_zeros(&m->reply, 16);
}

static void answer_digests(SpdmMessage *m) {
        spdm_write_response(m, 0, 1);
        write_made_up(m, CODE_GET_DIGESTS, 0, SPDM_HASH_BYTES);
}

static void answer_certificate(SpdmMessage *m) {
        size_t offset = doe_read_le16(&m->body), n_bytes = doe_read_le16(&m->body);

        if (m->body.error < 0 || offset >= SPDM_CHAIN_BYTES || (m->header.param1 & 0xf) != 0) {
                spdm_write_error(m, SPDM_ERROR_INVALID_REQUEST, 0);
                return;
        }
        n_bytes = MIN_OF(n_bytes, SPDM_CHAIN_BYTES - offset);
        spdm_write_response(m, 0, 0);
        doe_write_le16(&m->reply, (uint16_t)n_bytes);
        doe_write_le16(&m->reply, (uint16_t)(SPDM_CHAIN_BYTES - offset - n_bytes));
        write_made_up(m, CODE_GET_CERTIFICATE, offset, n_bytes);
}

static void answer_challenge(SpdmMessage *m) {
        const uint8_t *nonce = doe_read_bytes(&m->body, SPDM_NONCE_BYTES);

        if (!nonce) {
                spdm_write_error(m, SPDM_ERROR_INVALID_REQUEST, 0);
                return;
        }
        spdm_write_response(m, 0, 1);
        write_made_up(m, CODE_GET_DIGESTS, 0, SPDM_HASH_BYTES);
        write_made_up(m, doe_load_le32(nonce), 0, SPDM_NONCE_BYTES);
        doe_write_le16(&m->reply, 0); /* no opaque data */
        write_made_up(m, ~(uint64_t)doe_load_le32(nonce), 0, SPDM_SIGNATURE);
}

static void answer_measurements(SpdmMessage *m) {
        spdm_write_response(m, m->header.param2 == 0 ? 1 : 0, 0);
        doe_write_zeros(&m->reply, 4); /* no blocks, no record */
        write_made_up(m, CODE_GET_MEASUREMENTS, 0, SPDM_NONCE_BYTES);
        doe_write_le16(&m->reply, 0);
}

static uint32_t *find_session(uint32_t sessions[SPDM_SESSIONS_MAX], uint32_t id) {
        for (size_t i = 0; i < SPDM_SESSIONS_MAX; i++)
                if (sessions[i] == id)
                        return &sessions[i];
        return NULL;
}

static void answer_key_exchange(SpdmMessage *m) {
        uint32_t *slot = find_session(m->connection->pending, 0);
        uint16_t requester_id = doe_read_le16(&m->body);
        uint16_t responder_id;

        if (m->body.error < 0) {
                spdm_write_error(m, SPDM_ERROR_INVALID_REQUEST, 0);
                return;
        }
        if (!slot) {
                spdm_write_error(m, SPDM_ERROR_SESSION_LIMIT, 0);
                return;
        }
        responder_id = (uint16_t)(0x8000u | m->responder->n_sessions_made++);
        *slot = (uint32_t)responder_id << 16 | requester_id;
        spdm_write_response(m, 0, 0);
        doe_write_le16(&m->reply, responder_id);
        doe_write_le16(&m->reply, 0);
        write_made_up(m, *slot, 0, SPDM_NONCE_BYTES + SPDM_EXCHANGE_DATA);
        doe_write_le16(&m->reply, 0);
        write_made_up(m, ~(uint64_t)*slot, 0, SPDM_SIGNATURE);
}

/* FINISH names no session in the clear: the oldest that waits for it is meant. */
static void answer_finish(SpdmMessage *m) {
        SpdmConnection *spdm = m->connection;
        uint32_t *slot = find_session(spdm->open, 0);

        for (size_t i = 0; slot && i < SPDM_SESSIONS_MAX; i++)
                if (spdm->pending[i] != 0) {
                        *slot = spdm->pending[i];
                        spdm->pending[i] = 0;
                        spdm_write_response(m, 0, 0);
                        return;
                }
        spdm_write_error(m, slot ? SPDM_ERROR_UNEXPECTED_REQUEST : SPDM_ERROR_SESSION_LIMIT, 0);
}

/* It changes nothing here; what a broker makes of it is the question. */
static void answer_set_certificate(SpdmMessage *m) {
        spdm_write_response(m, m->header.param1 & 0xf, 0);
}

static const struct {
        uint8_t code;
        SpdmStage from, to; /* stages in which it is in order */
        void (*answer)(SpdmMessage *m);
} messages[] = {
        { CODE_GET_VERSION, SPDM_NOTHING, SPDM_NEGOTIATED, answer_version },
        { CODE_GET_CAPABILITIES, SPDM_VERSION, SPDM_VERSION, answer_capabilities },
        { CODE_NEGOTIATE_ALGORITHMS, SPDM_CAPABILITIES, SPDM_CAPABILITIES, answer_algorithms },
        { CODE_GET_DIGESTS, SPDM_NEGOTIATED, SPDM_NEGOTIATED, answer_digests },
        { CODE_GET_CERTIFICATE, SPDM_NEGOTIATED, SPDM_NEGOTIATED, answer_certificate },
        { CODE_CHALLENGE, SPDM_NEGOTIATED, SPDM_NEGOTIATED, answer_challenge },
        { CODE_GET_MEASUREMENTS, SPDM_NEGOTIATED, SPDM_NEGOTIATED, answer_measurements },
        { CODE_KEY_EXCHANGE, SPDM_NEGOTIATED, SPDM_NEGOTIATED, answer_key_exchange },
        { CODE_FINISH, SPDM_NEGOTIATED, SPDM_NEGOTIATED, answer_finish },
        { CODE_SET_CERTIFICATE, SPDM_NEGOTIATED, SPDM_NEGOTIATED, answer_set_certificate },
        { SPDM_CODE_CHUNK_SEND, SPDM_CAPABILITIES, SPDM_NEGOTIATED, spdm_answer_chunk_send },
        { SPDM_CODE_CHUNK_GET, SPDM_CAPABILITIES, SPDM_NEGOTIATED, spdm_answer_chunk_get },
        { SPDM_CODE_RESPOND_IF_READY, SPDM_NOTHING, SPDM_NEGOTIATED, spdm_answer_respond_if_ready },
};

static void answer_message(SpdmMessage *m) {
        SpdmStage stage = m->connection->stage;

        for (size_t i = 0; i < ELEMENTS(messages); i++) {
                uint8_t version = messages[i].code == CODE_GET_VERSION ? SPDM_VERSION_10 : SPDM_VERSION_12;

                if (messages[i].code != m->header.code)
                        continue;
                if (stage < messages[i].from || stage > messages[i].to)
                        spdm_write_error(m, SPDM_ERROR_UNEXPECTED_REQUEST, 0);
                else if (m->header.version != version)
                        spdm_write_error(m, SPDM_ERROR_VERSION_MISMATCH, 0);
                else
                        messages[i].answer(m);
                return;
        }
        spdm_write_error(m, SPDM_ERROR_UNSUPPORTED_REQUEST, m->header.code);
}

void spdm_answer(SpdmMessage *m, const uint8_t *bytes, size_t n_bytes) {
        if (spdm_header_decode(bytes, n_bytes, &m->header) < 0) {
                spdm_write_error(m, SPDM_ERROR_INVALID_REQUEST, 0);
                return;
        }
        m->body = DOE_READER(bytes, n_bytes);
        doe_read_skip(&m->body, 4);
        answer_message(m);
        spdm_keep_large_response(m);
}

/* Beyond the connections that discovery promises there is nobody. */
static bool has_connection(const ResponderRequest *request) {
        return !has_connection_id(request->feature) ||
               request->connection_id <= request->feature->connection_id_max;
}

int responder_spdm(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                   size_t *ret_n_bytes) {
        uint8_t bytes[SPDM_MESSAGE_MAX];
        SpdmMessage m = { .responder = responder, .reply = DOE_WRITER(bytes, sizeof(bytes)) };

        if (!has_connection(request) ||
            spdm_header_decode(request->payload, request->n_bytes, &m.header) < 0)
                return 0;
        m.connection = spdm_find_connection(responder, request);
        if (!m.connection)
                return -ENOMEM;
        spdm_answer(&m, request->payload, request->n_bytes);
        return responder_reply(bytes, m.reply.n_written, ret, ret_n_bytes);
}

/* Four bytes of session ID, then what a real one would decrypt. Without that session: silence. A body that
 * begins like END_SESSION ends it. */
int responder_secured_spdm(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                           size_t *ret_n_bytes) {
        DoeReader r = DOE_READER(request->payload, request->n_bytes);
        SpdmConnection *connection =
                        has_connection(request) ? spdm_find_connection(responder, request) : NULL;
        uint32_t id = doe_read_le32(&r);
        uint32_t *slot = connection && id != 0 ? find_session(connection->open, id) : NULL;
        uint8_t version, code;

        if (r.error < 0 || !slot)
                return 0;
        version = doe_read_u8(&r);
        code = doe_read_u8(&r);
        if (r.error >= 0 && version == SPDM_VERSION_12 && code == CODE_END_SESSION)
                *slot = 0;
        return responder_reply(request->payload, request->n_bytes, ret, ret_n_bytes);
}
