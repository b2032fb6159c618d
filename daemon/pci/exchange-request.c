/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first half of an exchange, up to the answer that is ready, and the abort. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/pci/exchange-steps.h"
#include "daemon/util/clock.h"
#include "protocols/registers.h"

/* Busy alone is waited out: many devices hold it at boot, or while the previous object is still digested.
 * Ready and Error are somebody's answer. */
Step exchange_check_status(Exchange *ex) {
        uint32_t status;
        int r;

        r = access_read_status(&ex->access, &status);
        if (r < 0)
                return exchange_fail_access(ex, r, "Status before the request");
        if (status & (DOE_STATUS_READY | DOE_STATUS_ERROR))
                return exchange_fail_foreign(ex, -EBUSY, "Not idle before the request", status);
        if (status & DOE_STATUS_BUSY) {
                if (exchange_has_waited_enough(ex))
                        return exchange_fail_foreign(ex, -EBUSY, "Busy for too long before the request",
                                                     status);
                return exchange_wait(ex);
        }

        /* the next dispatch writes: whoever must know before that can see it now */
        ex->result.started_usec = ex->due_usec = ex->access.now_usec;
        exchange_enter(ex, EXCHANGE_SENDING);
        exchange_start_transfer(ex);
        return STEP_YIELD;
}

static uint32_t exchange_request_dword(const Exchange *ex, uint32_t index) {
        size_t at = 4 * (size_t)(index - DOE_HEADER_DWORDS);
        uint32_t value = 0;

        if (index < DOE_HEADER_DWORDS)
                return ex->header[index];
        for (size_t i = 0; i < 4 && at + i < ex->request.n_bytes; i++)
                value |= (uint32_t)ex->request.payload[at + i] << (8 * i);
        return value;
}

/* In the middle of a long request: a bit that is set now was not caused by it, since GO is still to come.
 * Busy may be, where it came with the first dword. */
static Step exchange_check_sending(Exchange *ex) {
        uint32_t status;
        Step step = exchange_read_status(ex, "Status", &status);

        if (step != STEP_GO_ON)
                return step;
        if (status & ((DOE_STATUS_BUSY & ~ex->own_busy) | DOE_STATUS_READY))
                return exchange_fail_foreign(ex, -ECONNABORTED, "Interrupted in mid-request", status);
        if (exchange_is_out_of_time(ex))
                return exchange_fail(ex, exchange_late_error(ex),
                                     "Only %" PRIu32 " of %" PRIu32 " dwords written in time", ex->n_moved,
                                     ex->n_dwords);
        return STEP_GO_ON;
}

static Step exchange_go(Exchange *ex) {
        uint64_t timeout_usec = ex->request.timeout_usec ?: DOE_TIMEOUT_USEC;
        int r;

        /* all other bits zero: Interrupt Enable belongs to a driver that we must not feed */
        r = access_write(&ex->access, DOE_REG_CONTROL, DOE_CONTROL_GO);
        ex->result.was_seen = r != -EPERM;
        if (r < 0)
                return exchange_fail_access(ex, r, "GO");

        exchange_enter(ex, EXCHANGE_WAITING);
        exchange_set_deadline(ex, timeout_usec);
        return exchange_start_polling(
                        ex, poll_history_get(&ex->history, ex->request.vendor_id, ex->request.type));
}

/* Busy says that no other object can be taken (PCIe r6.0 7.9.24.4), so a device may set it with the first
 * dword of ours. Status was clear just before it. Only a request that may be interrupted by a look needs to
 * know. */
static Step exchange_learn_busy(Exchange *ex) {
        uint32_t status;
        int r;

        if (ex->n_dwords <= EXCHANGE_LOOK_DWORDS)
                return STEP_GO_ON;
        r = access_read_status(&ex->access, &status);
        if (r < 0)
                return exchange_fail_access(ex, r, "Status");
        ex->own_busy = status & DOE_STATUS_BUSY;
        return STEP_GO_ON;
}

Step exchange_write_request(Exchange *ex) {
        uint32_t since_dword = ex->n_moved;
        uint64_t since_usec = ex->access.now_usec;
        Step step;
        int r;

        if (ex->n_moved > 0) {
                step = exchange_check_sending(ex);
                if (step != STEP_GO_ON)
                        return step;
                exchange_follow_transfer(ex);
        }

        while (ex->n_moved < ex->n_dwords) {
                r = access_write(&ex->access, DOE_REG_WRITE, exchange_request_dword(ex, ex->n_moved));
                if (r != -EPERM)
                        ex->result.was_written = true;
                if (r < 0)
                        return exchange_fail_access(ex, r, "Write Data");
                if (++ex->n_moved == 1) {
                        step = exchange_learn_busy(ex);
                        if (step != STEP_GO_ON)
                                return step;
                }

                if (ex->n_moved < ex->n_dwords && exchange_burst_is_over(ex, since_dword, since_usec)) {
                        ex->due_usec = ex->access.now_usec;
                        return STEP_YIELD;
                }
        }
        return exchange_go(ex);
}

Step exchange_poll_ready(Exchange *ex) {
        uint64_t took_usec;
        uint32_t status;
        Step step = exchange_read_status(ex, "Status", &status);

        if (step != STEP_GO_ON)
                return step;
        if (!(status & DOE_STATUS_READY)) {
                if (exchange_has_waited_enough(ex))
                        return exchange_fail(ex, exchange_late_error(ex),
                                             "Not ready %" PRIu64 " ms after GO: Status %08" PRIx32,
                                             usec_sub(ex->access.now_usec, ex->plan.since_usec) /
                                                             USEC_PER_MSEC,
                                             status);
                return exchange_wait(ex);
        }

        took_usec = usec_sub(ex->access.now_usec, ex->plan.since_usec);
        poll_history_learn(&ex->history, ex->request.vendor_id, ex->request.type, took_usec);
        ex->n_moved = 0;
        ex->n_dwords = DOE_HEADER_DWORDS; /* until the second of them says otherwise */
        exchange_enter(ex, EXCHANGE_RECEIVING);
        exchange_start_transfer(ex);
        return STEP_GO_ON;
}

/* PCIe r6.0 6.30.2: Abort clears Busy, Error and Ready within a second, or the mailbox is of no use. */
Step exchange_abort(Exchange *ex) {
        uint32_t status;
        int r;

        if (!ex->is_abort_set) {
                r = access_write(&ex->access, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
                if (r < 0)
                        return exchange_fail_access(ex, r, "Abort");
                ex->is_abort_set = true;
                ex->result.started_usec = ex->access.now_usec;
                exchange_set_deadline(ex, DOE_TIMEOUT_USEC);
                return exchange_start_polling(ex, 0);
        }

        r = access_read_status(&ex->access, &status);
        if (r < 0)
                return exchange_fail_access(ex, r, "Status after Abort");
        if (!(status & (DOE_STATUS_BUSY | DOE_STATUS_ERROR | DOE_STATUS_READY)))
                return exchange_end(ex, EXCHANGE_IDLE);
        if (exchange_has_waited_enough(ex))
                return exchange_fail(ex, -ESHUTDOWN, "Not clear a second after Abort: Status %08" PRIx32,
                                     status);
        return exchange_wait(ex);
}
