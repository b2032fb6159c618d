/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/exchange.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "daemon/pci/exchange-steps.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"
#include "protocols/registers.h"

#define S(state) (1u << EXCHANGE_##state)
static const uint8_t exchange_may_enter[N_EXCHANGE_STATES] = {
        [EXCHANGE_IDLE] = S(STARTING) | S(ABORTING),
        [EXCHANGE_STARTING] = S(IDLE) | S(SENDING) | S(ABORTING),
        [EXCHANGE_SENDING] = S(IDLE) | S(WAITING) | S(ABORTING) | S(FAILED), /* IDLE: first write refused */
        [EXCHANGE_WAITING] = S(RECEIVING) | S(ABORTING) | S(FAILED),
        [EXCHANGE_RECEIVING] = S(IDLE) | S(ABORTING) | S(FAILED),
        [EXCHANGE_ABORTING] = S(IDLE) | S(ABORTING) | S(FAILED), /* FAILED: the abort itself failed */
        [EXCHANGE_FAILED] = S(ABORTING),
};
#undef S

static const char *const exchange_state_names[N_EXCHANGE_STATES] = {
        [EXCHANGE_IDLE] = "idle",       [EXCHANGE_STARTING] = "starting",   [EXCHANGE_SENDING] = "sending",
        [EXCHANGE_WAITING] = "waiting", [EXCHANGE_RECEIVING] = "receiving", [EXCHANGE_ABORTING] = "aborting",
        [EXCHANGE_FAILED] = "failed",
};

const char *exchange_state_to_string(ExchangeState state) {
        return exchange_state_names[state];
}

ExchangeState exchange_state(const Exchange *ex) {
        return ex->state;
}

bool exchange_is_slow(const Exchange *ex) {
        return access_is_slow(&ex->access);
}

void exchange_enter(Exchange *ex, ExchangeState next) {
        assert(exchange_may_enter[ex->state] & (1u << next));
        log_debug("%s: exchange %s -> %s", ex->name, exchange_state_to_string(ex->state),
                  exchange_state_to_string(next));
        ex->state = next;
}

Exchange *exchange_new(ConfigSpace *config, uint16_t cap_offset) {
        Exchange *ex;

        ex = calloc(1, sizeof(*ex));
        if (!ex)
                return NULL;

        access_init(&ex->access, config, cap_offset);
        ex->seen_usec = ex->access.now_usec;
        snprintf(ex->name, sizeof(ex->name), "[%x]", cap_offset);
        return ex;
}

Exchange *exchange_free(Exchange *ex) {
        if (!ex)
                return NULL;

        free(ex->buffer);
        free(ex);
        return NULL;
}

static void exchange_reset(Exchange *ex) {
        ex->result = (ExchangeResult){};
        ex->plan = (PollPlan){};
        ex->limit_usec = USEC_INFINITY;
        ex->is_held = ex->is_hurried = ex->is_abort_set = ex->is_extended = false;
        ex->n_moved = ex->n_dwords = ex->own_busy = 0;
        ex->due_usec = access_now(&ex->access);
        ex->seen_usec = ex->due_usec;
}

void exchange_set_deadline(Exchange *ex, uint64_t span_usec) {
        ex->deadline_usec = MIN_OF(usec_add(ex->access.now_usec, span_usec), ex->limit_usec);
}

static void exchange_set_limit(Exchange *ex, uint64_t span_usec) {
        ex->limit_usec = MIN_OF(ex->limit_usec, usec_add(access_now(&ex->access), span_usec));
        ex->deadline_usec = MIN_OF(ex->deadline_usec, ex->limit_usec);
}

void exchange_begin(Exchange *ex, const ExchangeRequest *request) {
        DoeObjectHeader header = {
                .vendor_id = request->vendor_id,
                .type = request->type,
                .connection_id = request->connection_id,
                .n_dwords = doe_object_dwords(request->n_bytes),
        };

        assert(ex->state == EXCHANGE_IDLE);
        assert(request->n_bytes <= DOE_PAYLOAD_BYTES_MAX);
        assert(request->n_dwords_max >= DOE_HEADER_DWORDS && request->n_dwords_max <= DOE_OBJECT_DWORDS_MAX);

        exchange_reset(ex);
        ex->request = *request;
        ex->n_dwords = header.n_dwords;
        doe_object_header_encode(&header, &ex->header[0], &ex->header[1]);
        ex->plan.since_usec = ex->access.now_usec;
        exchange_set_deadline(ex, request->busy_grace_usec ?: EXCHANGE_BUSY_GRACE_USEC);
        exchange_enter(ex, EXCHANGE_STARTING);
}

void exchange_begin_abort(Exchange *ex) {
        exchange_reset(ex);
        exchange_set_deadline(ex, DOE_TIMEOUT_USEC);
        exchange_enter(ex, EXCHANGE_ABORTING);
}

static bool exchange_is_active(const Exchange *ex) {
        return ex->state != EXCHANGE_IDLE && ex->state != EXCHANGE_FAILED;
}

void exchange_abandon(Exchange *ex) {
        if (exchange_is_active(ex) && ex->state != EXCHANGE_ABORTING)
                exchange_set_limit(ex, EXCHANGE_ABANDON_USEC);
}

void exchange_hurry(Exchange *ex, uint64_t until_usec) {
        if (!exchange_is_active(ex) || ex->state == EXCHANGE_ABORTING)
                return;

        ex->is_hurried = true;
        exchange_set_limit(ex, usec_sub(until_usec, access_now(&ex->access)) / 2);
}

void exchange_hold(Exchange *ex) {
        if (!exchange_is_active(ex) || ex->is_held)
                return;

        ex->is_held = true;
        ex->due_usec = access_now(&ex->access);
        exchange_set_limit(ex, EXCHANGE_HELD_GRACE_USEC);
}

void exchange_forget(Exchange *ex) {
        if (!exchange_is_active(ex))
                return;
        exchange_enter(ex, ex->result.was_written || ex->state == EXCHANGE_ABORTING ? EXCHANGE_FAILED
                                                                                    : EXCHANGE_IDLE);
}

Step exchange_end(Exchange *ex, ExchangeState next) {
        ex->result.ended_usec = ex->access.now_usec;
        exchange_enter(ex, next);
        return STEP_ENDED;
}

Step exchange_fail(Exchange *ex, int error, const char *format, ...) {
        bool is_dirty = ex->result.was_written || ex->state == EXCHANGE_ABORTING;
        va_list ap;

        ex->result.error = error;
        va_start(ap, format);
        vsnprintf(ex->result.evidence, sizeof(ex->result.evidence), format, ap);
        va_end(ap);
        return exchange_end(ex, is_dirty ? EXCHANGE_FAILED : EXCHANGE_IDLE);
}

int exchange_late_error(const Exchange *ex) {
        return ex->is_hurried ? -ECONNABORTED : -ETIMEDOUT;
}

Step exchange_fail_access(Exchange *ex, int error, const char *what) {
        if (error == -ENODEV)
                return exchange_fail(ex, error,
                                     "Nobody answers (%s), %s after %" PRIu32 " of %" PRIu32 " dwords", what,
                                     exchange_state_to_string(ex->state), ex->n_moved, ex->n_dwords);
        return exchange_fail(ex, error, "Configuration access failed (%s): %s", what, strerror(-error));
}

Step exchange_fail_foreign(Exchange *ex, int error, const char *what, uint32_t status) {
        ex->result.is_foreign = true;
        return exchange_fail(ex, error, "%s: Status %08" PRIx32, what, status);
}

static Step exchange_fail_error_bit(Exchange *ex, uint32_t status) {
        /* the kernel aborted under our drain, which then popped what was not there */
        if (ex->is_held)
                return exchange_fail_foreign(ex, -ECONNABORTED, "Interrupted by the kernel", status);
        return exchange_fail(ex, -EREMOTEIO,
                             "Error bit: Status %08" PRIx32 ", %s, %" PRIu32 " of %" PRIu32 " dwords",
                             status, exchange_state_to_string(ex->state), ex->n_moved, ex->n_dwords);
}

Step exchange_read_status(Exchange *ex, const char *what, uint32_t *ret) {
        uint32_t status;
        int r;

        r = access_read_status(&ex->access, &status);
        if (r < 0)
                return exchange_fail_access(ex, r, what);
        if (status & DOE_STATUS_ERROR)
                return exchange_fail_error_bit(ex, status);
        *ret = status;
        return STEP_GO_ON;
}

bool exchange_is_out_of_time(const Exchange *ex) {
        return ex->access.now_usec >= ex->deadline_usec;
}

bool exchange_has_waited_enough(Exchange *ex) {
        uint64_t over_usec = usec_sub(ex->access.now_usec, ex->deadline_usec);

        if (over_usec >= EXCHANGE_LATE_USEC && !ex->is_extended && !ex->is_hurried) {
                ex->is_extended = true;
                ex->deadline_usec = usec_add(ex->access.now_usec, EXCHANGE_LATE_USEC);
        }
        return exchange_is_out_of_time(ex);
}

Step exchange_wait(Exchange *ex) {
        uint64_t now_usec = ex->access.now_usec;
        uint64_t delay_usec = poll_delay_usec(&ex->plan, &ex->access, now_usec);

        ex->due_usec = MIN_OF(usec_add(now_usec, delay_usec), ex->deadline_usec);
        if (delay_usec > EXCHANGE_PAUSE_USEC || ex->n_pauses >= EXCHANGE_PAUSES_MAX)
                return STEP_YIELD;

        ex->n_pauses++;
        ex->access.config->pause(ex->access.config, delay_usec);
        return STEP_GO_ON;
}

Step exchange_start_polling(Exchange *ex, uint64_t expected_usec) {
        ex->plan.since_usec = ex->access.now_usec;
        ex->plan.expected_usec = expected_usec;
        if (expected_usec > EXCHANGE_PAUSE_USEC || access_is_slow(&ex->access))
                return exchange_wait(ex);
        return STEP_GO_ON;
}

void exchange_start_transfer(Exchange *ex) {
        ex->transfer_usec = ex->access.now_usec;
        ex->deadline_usec = 0;
        exchange_follow_transfer(ex);
}

/* The host may be slower now than it was when the transfer began; it is never given less time than it was.
 */
void exchange_follow_transfer(Exchange *ex) {
        uint64_t access_usec = 2 * (uint64_t)access_median_usec(&ex->access), budget_usec, deadline_usec;

        access_usec = MAX_OF(access_usec, (uint64_t)EXCHANGE_DRAIN_ACCESS_MIN_USEC);
        access_usec = MIN_OF(access_usec, (uint64_t)EXCHANGE_DRAIN_ACCESS_MAX_USEC);
        budget_usec = EXCHANGE_DRAIN_USEC + 2 * (uint64_t)ex->n_dwords * access_usec;
        deadline_usec = MIN_OF(usec_add(ex->transfer_usec, budget_usec), ex->limit_usec);
        ex->deadline_usec = MAX_OF(ex->deadline_usec, deadline_usec);
}

bool exchange_burst_is_over(const Exchange *ex, uint32_t since_dword, uint64_t since_usec) {
        uint64_t now_usec = ex->access.now_usec;

        return ex->n_moved - since_dword >= EXCHANGE_BURST_DWORDS || now_usec >= ex->limit_usec ||
               usec_sub(now_usec, since_usec) >= EXCHANGE_BURST_USEC;
}

static Step exchange_step(Exchange *ex) {
        if (ex->is_held && ex->state != EXCHANGE_RECEIVING) {
                ex->result.is_foreign = true;
                return exchange_fail(ex, -ECONNABORTED, "Given up for the kernel while %s",
                                     exchange_state_to_string(ex->state));
        }

        switch (ex->state) {
        case EXCHANGE_STARTING:
                return exchange_check_status(ex);
        case EXCHANGE_SENDING:
                return exchange_write_request(ex);
        case EXCHANGE_WAITING:
                return exchange_poll_ready(ex);
        case EXCHANGE_RECEIVING:
                return exchange_read_response(ex);
        case EXCHANGE_ABORTING:
                return exchange_abort(ex);
        case EXCHANGE_IDLE:
        case EXCHANGE_FAILED:
                break;
        }
        ex->due_usec = USEC_INFINITY;
        return STEP_YIELD;
}

/* The clock may go back: then everything that was planned moves along. */
static void exchange_follow_clock(Exchange *ex) {
        uint64_t now_usec = access_now(&ex->access);
        uint64_t back_usec = usec_sub(ex->seen_usec, now_usec);

        if (back_usec > 0) {
                ex->due_usec = usec_sub(ex->due_usec, back_usec);
                ex->deadline_usec = usec_sub(ex->deadline_usec, back_usec);
                ex->limit_usec = usec_sub(ex->limit_usec, back_usec);
                ex->plan.since_usec = usec_sub(ex->plan.since_usec, back_usec);
                ex->transfer_usec = usec_sub(ex->transfer_usec, back_usec);
        }
        ex->seen_usec = now_usec;
}

int exchange_dispatch(Exchange *ex, uint64_t *ret_due_usec, ExchangeResult *ret) {
        Step step = STEP_YIELD;

        exchange_follow_clock(ex);
        ex->n_pauses = 0;
        if (ex->seen_usec >= ex->due_usec)
                do
                        step = exchange_step(ex);
                while (step == STEP_GO_ON);

        if (step == STEP_YIELD) {
                *ret_due_usec = exchange_is_active(ex) ? ex->due_usec : USEC_INFINITY;
                return 0;
        }

        *ret_due_usec = ex->access.now_usec;
        *ret = ex->result;
        return 1;
}

int exchange_peek(Exchange *ex, uint32_t *ret_status, uint32_t *ret_data) {
        uint32_t status, data = 0;
        int r;

        r = access_read_status(&ex->access, &status);
        if (r < 0)
                return r;
        if (status & DOE_STATUS_READY) {
                r = access_read(&ex->access, DOE_REG_READ, &data);
                if (r < 0)
                        return r;
        }

        *ret_status = status;
        *ret_data = data;
        return 0;
}

uint64_t exchange_peek_spacing_usec(const Exchange *ex) {
        return poll_spacing_usec(&ex->access, 2);
}
