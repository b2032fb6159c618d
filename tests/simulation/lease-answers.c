/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What comes out of a lease's stream: answers in the order of the requests, each the right one or an error
 * that tells the truth, and a last object before the end. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/lease.h"
#include "protocols/data-object.h"
#include "protocols/feature.h"
#include "tests/simulation/simulation.h"

#define ERROR_BYTES_MIN (DOE_HEADER_BYTES + 8u)

static void _printf_(2, 3) wrong(const SimLease *sl, const char *format, ...) {
        const SimLeaseRequest *r = TAILQ_FIRST(&sl->requests);
        char text[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        sim_violation(sl->sim, sl->mailbox, "lease %" PRIu64 ", request %" PRIu64 ": %s", sl->id,
                      r ? r->number : 0, text);
}

static uint64_t hash_payload(const uint8_t *payload, size_t n_bytes) {
        uint64_t hash = SIM_HASH_START;

        for (size_t i = 0; i + 4 <= n_bytes; i += 4)
                hash = sim_hash_dword(hash, sim_load_le32(payload + i));
        return hash;
}

static SimLeaseRequest *take_first(SimLease *sl) {
        SimLeaseRequest *r = TAILQ_FIRST(&sl->requests);

        if (!r)
                wrong(sl, "an answer that nobody asked for");
        return r;
}

static void drop_first(SimLease *sl) {
        SimLeaseRequest *r = TAILQ_FIRST(&sl->requests);

        TAILQ_REMOVE(&sl->requests, r, requests);
        sl->n_requests--;
        free(r);
}

static void check_response(SimLease *sl, const DoeObjectHeader *header, const uint8_t *payload,
                           size_t n_bytes) {
        const SimLeaseRequest *r = take_first(sl);

        if (header->vendor_id != r->vendor_id || header->type != r->type)
                wrong(sl, "asked of %04x:%02x, answered by %04x:%02x", r->vendor_id, r->type,
                      header->vendor_id, header->type);
        if (r->expectation == EXPECT_DENIED || r->expectation == EXPECT_BAD_MESSAGE)
                wrong(sl, "must not pass, and is answered");
        if (!r->has_answer || r->n_gos != 1)
                wrong(sl, "is answered after %u exchanges", r->n_gos);
        if (n_bytes != r->n_answer_bytes || hash_payload(payload, n_bytes) != r->answer_hash)
                wrong(sl, "is not answered by what came up the wire for it");
        if (r->expectation == EXPECT_ECHO && !r->is_altered &&
            hash_payload(payload, n_bytes) != r->request_hash)
                wrong(sl, "is no echo");
        drop_first(sl);
}

static bool is_possible(const SimLeaseRequest *r, uint32_t error) {
        switch (error) {
        case EACCES:
                /* without a GET_VERSION that came through, the rest of SPDM is denied, too */
                return r->expectation == EXPECT_DENIED || r->vendor_id == DOE_VENDOR_PCI_SIG;
        case EBADMSG:
        case ETIMEDOUT:
        case EXDEV:
        case EBUSY:
        case EHOSTDOWN:
        case ECONNABORTED:
        case ESHUTDOWN:
        case ENODEV:
        case EREMOTEIO:
        case EROFS:
        case EPROTONOSUPPORT:
        case EDQUOT:
        case ECANCELED:
        case EADDRINUSE:
        case EMSGSIZE:
                return true;
        default:
                return false;
        }
}

static void check_failed_request(SimLease *sl, uint32_t error, uint32_t flags) {
        const SimLeaseRequest *r = take_first(sl);

        if (!is_possible(r, error))
                wrong(sl, "cannot fail with %u (%s)", error, strerrorname_np((int)error) ?: "?");
        if (flags & LEASE_ERROR_NOT_SENT && r->n_gos > 0)
                wrong(sl, "is said to be unsent, and the device saw it");
        if (r->expectation == EXPECT_DENIED && r->n_gos > 0)
                wrong(sl, "was denied, and the device saw it");
        sl->sim->statistics.errors[error % 160]++;
        drop_first(sl);
}

static void check_error(SimLease *sl, const uint8_t *payload, size_t n_bytes) {
        uint32_t error = n_bytes >= 8 ? sim_load_le32(payload) : 0;
        uint32_t flags = n_bytes >= 8 ? sim_load_le32(payload + 4) : 0;

        if (error == 0 || error > 159 || n_bytes < 12)
                wrong(sl, "an error object of %zu bytes with error %u", n_bytes, error);
        if (!(flags & (LEASE_ERROR_ENDS | LEASE_ERROR_NOTICE))) {
                check_failed_request(sl, error, flags);
                return;
        }
        if (flags & LEASE_ERROR_ENDS) {
                if (!TAILQ_EMPTY(&sl->requests))
                        wrong(sl, "the end (%u) comes before %u answers", error, sl->n_requests);
                sl->has_last = true;
        } else if (error != ECONNRESET)
                wrong(sl, "a notice of error %u", error);
        else
                sl->epoch = sl->lease->mailbox->epoch;
}

void lease_answer_check(SimLease *sl, const uint8_t *object, size_t n_bytes) {
        DoeObjectHeader header;

        sim_trace(sl->mailbox, sl->sim->now_usec, TRACE_LEASE, sl->id, n_bytes,
                  n_bytes >= 16 ? sim_load_le32(object + 8) : 0, "is sent an object");
        if (sl->has_last)
                wrong(sl, "an object after the last one");
        if (n_bytes < DOE_HEADER_BYTES || n_bytes % 4 != 0 ||
            doe_object_header_decode(sim_load_le32(object), sim_load_le32(object + 4), &header) < 0 ||
            4 * (size_t)header.n_dwords != n_bytes || header.reserved_set)
                wrong(sl, "what comes is no object of %zu bytes", n_bytes);
        if (header.vendor_id == LEASE_ERROR_VENDOR && header.type == LEASE_ERROR_TYPE)
                check_error(sl, object + DOE_HEADER_BYTES, n_bytes - DOE_HEADER_BYTES);
        else
                check_response(sl, &header, object + DOE_HEADER_BYTES, n_bytes - DOE_HEADER_BYTES);
}
