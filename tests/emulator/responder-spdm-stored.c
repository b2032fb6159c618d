/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/util/cleanup.h"
#include "tests/emulator/responder-spdm.h"

/* Messages that do not go over in one exchange: large ones in chunks (DSP0274 1.2, 10.26), and answers that
 * are "not ready" when they are asked for (10.11). */

#define CHUNK_LAST          0x01u
#define CHUNK_HEAD_BYTES    16u /* of a CHUNK_RESPONSE, the length of the whole message included */
#define NOT_READY_TIMES_MAX 1u  /* RDTM: no factor */

static uint8_t next_handle(Responder *responder) {
        return ++responder->n_handles_made;
}

static size_t stored_left(const SpdmStored *stored) {
        return stored->n_bytes - stored->n_done;
}

/* The answer to the whole message follows the acknowledgment of its last chunk. */
static void acknowledge_chunk(SpdmMessage *m, uint16_t sequence) {
        SpdmStored *large = &m->connection->large_request;
        SpdmMessage whole = { .responder = m->responder, .connection = m->connection };
        uint8_t answer[SPDM_MESSAGE_MAX];
        bool is_last = m->header.param1 & CHUNK_LAST;

        spdm_write_response(m, 0, large->handle);
        doe_write_le16(&m->reply, sequence);
        if (!is_last)
                return;
        whole.reply = DOE_WRITER(answer, sizeof(answer));
        if (large->n_done > 1 && large->bytes[1] == SPDM_CODE_CHUNK_SEND)
                spdm_write_error(&whole, SPDM_ERROR_INVALID_REQUEST, 0);
        else
                spdm_answer(&whole, large->bytes, large->n_done);
        large->n_bytes = 0;
        doe_write_bytes(&m->reply, answer, whole.reply.n_written);
}

/* A chunk that does not fit to those before it ends the transfer. */
void spdm_answer_chunk_send(SpdmMessage *m) {
        SpdmStored *large = &m->connection->large_request;
        uint16_t sequence = doe_read_le16(&m->body);
        bool is_last = m->header.param1 & CHUNK_LAST;
        const uint8_t *chunk;
        uint32_t n_bytes;

        doe_read_skip(&m->body, 2);
        n_bytes = doe_read_le32(&m->body);
        if (sequence == 0) {
                large->n_bytes = doe_read_le32(&m->body);
                large->n_done = 0;
                large->sequence = 0;
                large->handle = m->header.param2;
        }
        chunk = doe_read_bytes(&m->body, n_bytes);
        if (!chunk || large->n_bytes == 0 || large->n_bytes > sizeof(large->bytes) ||
            large->handle != m->header.param2 || large->sequence != sequence ||
            n_bytes > stored_left(large) || is_last != (n_bytes == stored_left(large))) {
                large->n_bytes = 0;
                spdm_write_error(m, SPDM_ERROR_INVALID_REQUEST, 0);
                return;
        }
        memcpy(large->bytes + large->n_done, chunk, n_bytes);
        large->n_done += n_bytes;
        large->sequence++;
        acknowledge_chunk(m, sequence);
}

void spdm_answer_chunk_get(SpdmMessage *m) {
        SpdmStored *large = &m->connection->large_response;
        uint16_t sequence = doe_read_le16(&m->body);
        size_t n_bytes = MIN_OF(stored_left(large),
                                (size_t)m->connection->data_transfer_bytes - CHUNK_HEAD_BYTES);

        if (m->body.error < 0 || large->n_bytes == 0 || large->handle != m->header.param2 ||
            large->sequence != sequence) {
                spdm_write_error(m, SPDM_ERROR_INVALID_REQUEST, 0);
                return;
        }
        spdm_write_response(m, n_bytes == stored_left(large) ? CHUNK_LAST : 0, large->handle);
        doe_write_le16(&m->reply, sequence);
        doe_write_le16(&m->reply, 0);
        doe_write_le32(&m->reply, (uint32_t)n_bytes);
        if (sequence == 0)
                doe_write_le32(&m->reply, (uint32_t)large->n_bytes);
        doe_write_bytes(&m->reply, large->bytes + large->n_done, n_bytes);
        large->n_done += n_bytes;
        large->sequence++;
        if (stored_left(large) == 0)
                large->n_bytes = 0;
}

void spdm_keep_large_response(SpdmMessage *m) {
        SpdmStored *large = &m->connection->large_response;

        if (m->connection->data_transfer_bytes == 0 ||
            m->reply.n_written <= m->connection->data_transfer_bytes)
                return;
        *large = (SpdmStored){ .n_bytes = m->reply.n_written, .handle = next_handle(m->responder) };
        m->reply.p -= m->reply.n_written;
        memcpy(large->bytes, m->reply.p, large->n_bytes);
        m->reply.n_left += m->reply.n_written;
        m->reply.n_written = 0;
        spdm_write_error(m, SPDM_ERROR_LARGE_RESPONSE, 0);
        doe_write_u8(&m->reply, large->handle);
}

void spdm_answer_respond_if_ready(SpdmMessage *m) {
        SpdmConnection *c = m->connection;

        if (c->deferred.n_bytes == 0 || m->header.param1 != c->deferred_code ||
            m->header.param2 != c->deferred.handle) {
                spdm_write_error(m, SPDM_ERROR_UNEXPECTED_REQUEST, 0);
                return;
        }
        doe_write_bytes(&m->reply, c->deferred.bytes, c->deferred.n_bytes);
        c->deferred.n_bytes = 0;
}

bool responder_spdm_defer(Responder *responder, const ResponderRequest *request, uint8_t exponent,
                          const uint8_t *answer, size_t n_bytes, uint8_t ret[SPDM_NOT_READY_BYTES]) {
        SpdmConnection *c = spdm_find_connection(responder, request);
        uint8_t code = request->payload[1];
        SpdmMessage m = { .responder = responder, .connection = c };

        if (!c || n_bytes < 4 || n_bytes > sizeof(c->deferred.bytes) || answer[1] == SPDM_CODE_ERROR)
                return false;
        c->deferred_code = code == SPDM_CODE_RESPOND_IF_READY ? request->payload[2] : code;
        c->deferred = (SpdmStored){ .n_bytes = n_bytes, .handle = next_handle(responder) };
        memcpy(c->deferred.bytes, answer, n_bytes);

        m.reply = DOE_WRITER(ret, SPDM_NOT_READY_BYTES);
        spdm_write_error(&m, SPDM_ERROR_NOT_READY, 0);
        doe_write_u8(&m.reply, exponent);
        doe_write_u8(&m.reply, c->deferred_code);
        doe_write_u8(&m.reply, c->deferred.handle);
        doe_write_u8(&m.reply, NOT_READY_TIMES_MAX);
        return true;
}
