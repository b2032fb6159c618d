/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The second half of an exchange: what a device says is believed no further than it was checked. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/pci/exchange-steps.h"
#include "protocols/feature.h"
#include "protocols/registers.h"

/* Is the object still there? Needed before what was read is believed: the device may have gone, or somebody
 * may have aborted or read it. */
static Step exchange_check_ready(Exchange *ex) {
        uint32_t status;
        Step step = exchange_read_status(ex, "Status", &status);

        if (step != STEP_GO_ON)
                return step;
        if (status & DOE_STATUS_READY)
                return STEP_GO_ON;
        if (ex->n_moved == 0 || ex->is_held)
                return exchange_fail_foreign(ex, -ECONNABORTED, "The answer was taken away", status);
        return exchange_fail(ex, -EBADMSG,
                             "Not ready any more after %" PRIu32 " of %" PRIu32 " dwords: Status %08" PRIx32,
                             ex->n_moved, ex->n_dwords, status);
}

/* An answer that belongs to somebody else stays where it is. */
static Step exchange_check_feature(Exchange *ex, uint32_t dw0) {
        Step step;

        if (((dw0 ^ ex->header[0]) & 0x00ffffffu) == 0)
                return STEP_GO_ON;

        step = exchange_check_ready(ex);
        if (step != STEP_GO_ON)
                return step;

        ex->result.is_foreign = true;
        return exchange_fail(ex, -ECONNABORTED,
                             "Answer of feature %04x:%02x (header %08" PRIx32 "), expected %04x:%02x",
                             dw0 & 0xffffu, (dw0 >> 16) & 0xffu, dw0, ex->request.vendor_id,
                             ex->request.type);
}

static Step exchange_refuse_header(Exchange *ex, int error, uint32_t dw1, const char *what, uint32_t n) {
        Step step;

        /* a device that went away claims 2^18 - 1 dwords */
        step = exchange_check_ready(ex);
        if (step != STEP_GO_ON)
                return step;
        return exchange_fail(ex, error, "%s %" PRIu32 " (header %08" PRIx32 "), limit %" PRIu32 " dwords",
                             what, n, dw1, ex->request.n_dwords_max);
}

static bool exchange_has_connection_id(const Exchange *ex) {
        const DoeFeature *feature = doe_feature_find(ex->request.vendor_id, ex->request.type);

        return feature && feature->has_connection_id;
}

/* Length and connection ID. Makes room for the payload. */
static Step exchange_check_length(Exchange *ex, uint32_t dw0, uint32_t dw1) {
        DoeObjectHeader header;
        size_t n_bytes;
        uint8_t *p;

        if (doe_object_header_decode(dw0, dw1, &header) < 0)
                return exchange_refuse_header(ex, -EBADMSG, dw1, "Response of length", 1);
        if (header.n_dwords > ex->request.n_dwords_max)
                return exchange_refuse_header(ex, -EMSGSIZE, dw1, "Response claims length", header.n_dwords);
        if (exchange_has_connection_id(ex) && header.connection_id != ex->request.connection_id)
                return exchange_refuse_header(ex, -EBADMSG, dw1, "Response of connection",
                                              header.connection_id);

        n_bytes = 4 * (size_t)(header.n_dwords - DOE_HEADER_DWORDS);
        if (n_bytes > ex->n_buffer_bytes) {
                p = realloc(ex->buffer, n_bytes);
                if (!p)
                        return exchange_fail(ex, -ENOMEM, "No memory for a response of %" PRIu32 " dwords",
                                             header.n_dwords);
                ex->buffer = p;
                ex->n_buffer_bytes = n_bytes;
        }

        ex->n_dwords = header.n_dwords;
        ex->result.connection_id = header.connection_id;
        exchange_start_transfer(ex);
        return STEP_GO_ON;
}

static Step exchange_take_dword(Exchange *ex, uint32_t value) {
        uint8_t *p;

        switch (ex->n_moved) {
        case 0:
                ex->result.n_bytes = 0;
                return exchange_check_feature(ex, value);
        case 1:
                return exchange_check_length(ex, ex->header[0], value);
        default:
                p = ex->buffer + 4 * (size_t)(ex->n_moved - DOE_HEADER_DWORDS);
                for (unsigned i = 0; i < 4; i++)
                        p[i] = (uint8_t)(value >> (8 * i));
                return STEP_GO_ON;
        }
}

/* One dword: read it, judge it, pop it. The last one is popped only if the object was there until then. */
static Step exchange_read_dword(Exchange *ex) {
        uint32_t value;
        Step step;
        int r;

        r = access_read(&ex->access, DOE_REG_READ, &value);
        if (r < 0)
                return exchange_fail_access(ex, r, "Read Data");
        step = exchange_take_dword(ex, value);
        if (step == STEP_GO_ON && ex->n_moved + 1 == ex->n_dwords)
                step = exchange_check_ready(ex);
        if (step != STEP_GO_ON)
                return step;

        r = access_write(&ex->access, DOE_REG_READ, 0);
        if (r < 0)
                return exchange_fail_access(ex, r, "Read Data advance");
        ex->n_moved++;
        return STEP_GO_ON;
}

static Step exchange_check_end(Exchange *ex) {
        uint32_t status;
        Step step = exchange_read_status(ex, "Status after the response", &status);

        if (step != STEP_GO_ON)
                return step;
        if (status & DOE_STATUS_READY)
                return exchange_fail(ex, -EBADMSG,
                                     "Still ready after all %" PRIu32 " dwords: Status %08" PRIx32,
                                     ex->n_dwords, status);

        ex->result.payload = ex->buffer;
        ex->result.n_bytes = 4 * (size_t)(ex->n_dwords - DOE_HEADER_DWORDS);
        return exchange_end(ex, EXCHANGE_IDLE);
}

static Step exchange_fail_drain(Exchange *ex) {
        if (ex->is_held) {
                ex->result.is_foreign = true;
                return exchange_fail(ex, -ECONNABORTED,
                                     "Given up for the kernel after %" PRIu32 " of %" PRIu32 " dwords",
                                     ex->n_moved, ex->n_dwords);
        }
        return exchange_fail(ex, exchange_late_error(ex),
                             "Only %" PRIu32 " of %" PRIu32 " dwords read in time, %" PRIu32
                             " us per access",
                             ex->n_moved, ex->n_dwords, access_median_usec(&ex->access));
}

Step exchange_read_response(Exchange *ex) {
        uint32_t since_dword = ex->n_moved;
        uint64_t since_usec = ex->access.now_usec;
        Step step;

        if (ex->n_moved > 0) {
                step = exchange_check_ready(ex);
                if (step != STEP_GO_ON)
                        return step;
                exchange_follow_transfer(ex);
        }

        while (ex->n_moved < ex->n_dwords) {
                if (exchange_is_out_of_time(ex))
                        return exchange_fail_drain(ex);
                if (exchange_burst_is_over(ex, since_dword, since_usec)) {
                        ex->due_usec = ex->access.now_usec;
                        return STEP_YIELD;
                }
                step = exchange_read_dword(ex);
                if (step != STEP_GO_ON)
                        return step;
        }
        return exchange_check_end(ex);
}
