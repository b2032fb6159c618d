/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What exchange.c and the files with its steps (exchange-request.c, exchange-response.c) share. For them
 * only. */

#include <stdint.h>

#include "daemon/pci/access.h"
#include "daemon/pci/exchange.h"
#include "daemon/pci/poll.h"
#include "protocols/data-object.h"

struct Exchange {
        Access access;
        PollHistory history;
        PollPlan plan;
        ExchangeState state;
        ExchangeRequest request;
        ExchangeResult result;  /* of what is under way */
        uint64_t due_usec;      /* no access before */
        uint64_t deadline_usec; /* of the present state */
        uint64_t limit_usec;    /* no later deadline than this: abandoned or held */
        uint64_t seen_usec;     /* of the last dispatch */
        uint64_t transfer_usec; /* when the transfer began */
        bool is_held, is_hurried, is_abort_set, is_extended;
        unsigned n_pauses; /* in this dispatch */
        uint32_t own_busy; /* DOE_STATUS_BUSY if this device sets it for the request that is being written */
        uint32_t header[DOE_HEADER_DWORDS];
        uint32_t n_moved;  /* dwords written in SENDING, popped in RECEIVING */
        uint32_t n_dwords; /* of the object that moves */
        uint8_t *buffer;   /* response payload; grows, is reused */
        size_t n_buffer_bytes;
        char name[16];
};

typedef enum Step {
        STEP_GO_ON, /* the next step can come at once */
        STEP_YIELD, /* not before due_usec */
        STEP_ENDED, /* the result is there */
} Step;

/* Checks that the move is legal. */
void exchange_enter(Exchange *ex, ExchangeState next);

/* ends: the result is filled, and the state one to rest in */
Step exchange_end(Exchange *ex, ExchangeState next);
/* The one way out for failures. A request of which nothing was written leaves nothing to abort. */
Step exchange_fail(Exchange *ex, int error, const char *format, ...) _printf_(3, 4);
/* What it is called that there was not enough time: the device is not to blame where the kernel hurried us.
 */
int exchange_late_error(const Exchange *ex);
Step exchange_fail_access(Exchange *ex, int error, const char *what);
Step exchange_fail_foreign(Exchange *ex, int error, const char *what, uint32_t status);
/* Status once our request is there: STEP_GO_ON with *@ret, or the end where nobody answers or Error is set.
 */
Step exchange_read_status(Exchange *ex, const char *what, uint32_t *ret);

/* time */
void exchange_set_deadline(Exchange *ex, uint64_t span_usec);
/* A transfer takes as long as its accesses: the 1 s of 6.30.2 covers only GO to Ready. */
void exchange_start_transfer(Exchange *ex);
void exchange_follow_transfer(Exchange *ex);
bool exchange_is_out_of_time(const Exchange *ex);
/* For polls: one that ended long after the deadline proves nothing, since the clock has jumped, or this
 * thread or its access was stuck. The device gets one more look before it is blamed. */
bool exchange_has_waited_enough(Exchange *ex);
/* Until the next poll. Very short waits are not worth giving the thread away for. */
Step exchange_wait(Exchange *ex);
/* The plan starts now. The first poll comes at once, unless it is known to be of no use or to do harm. */
Step exchange_start_polling(Exchange *ex, uint64_t expected_usec);
/* Has this dispatch moved enough since dword @since_dword, at @since_usec? */
bool exchange_burst_is_over(const Exchange *ex, uint32_t since_dword, uint64_t since_usec);

/* the steps of PCIe r6.0 6.30.2, in their order */
Step exchange_check_status(Exchange *ex);
Step exchange_write_request(Exchange *ex);
Step exchange_poll_ready(Exchange *ex);
Step exchange_read_response(Exchange *ex);
Step exchange_abort(Exchange *ex);
