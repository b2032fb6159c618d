/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One exchange with one mailbox, register by register: PCIe r6.0 6.30.2, one function for each of its steps,
 * and the abort with its verification. A step machine: exchange_dispatch() does a bounded amount of work and
 * says when it wants to be called again. It never sleeps, never writes while the mailbox is not its own, and
 * never starts by itself. It knows nothing of queues, clients or the kernel. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/pci/config-space.h"

/* Bounds. Each is explained where it is used. */
#define EXCHANGE_POLL_FIRST_USEC   2u
#define EXCHANGE_POLL_MAX_USEC     4000u
#define EXCHANGE_FAST_POLLS_MAX    64u  /* polls closer than 1 ms in one exchange */
#define EXCHANGE_DRAIN_DWORDS      256u /* per dispatch; Status is looked at again as often */
#define EXCHANGE_SLOW_ACCESS_USEC  50u  /* median of 16: the mailbox counts as slow */
#define EXCHANGE_SLOW_POLL_USEC    10000u
#define EXCHANGE_SLOW_DUTY_PERCENT 5u
#define EXCHANGE_BUSY_GRACE_USEC   1000000u
#define EXCHANGE_HELD_GRACE_USEC   2000u /* after the kernel announced itself, to end what is about to end */

typedef enum ExchangeState {
        EXCHANGE_IDLE,      /* nothing under way; the registers were clear when it ended */
        EXCHANGE_STARTING,  /* waiting out Busy before the request, within the busy grace */
        EXCHANGE_SENDING,   /* header, length and payload go to Write Data, a bounded number per dispatch */
        EXCHANGE_WAITING,   /* GO is set; polling for Ready or Error */
        EXCHANGE_RECEIVING, /* draining Read Data */
        EXCHANGE_ABORTING,  /* Abort is set; polling for Busy, Error and Ready to clear */
        EXCHANGE_FAILED,    /* must be aborted before anything else */
} ExchangeState;
#define N_EXCHANGE_STATES (EXCHANGE_FAILED + 1)

typedef struct ExchangeRequest {
        uint16_t vendor_id;
        uint8_t type;
        uint16_t connection_id; /* 0 unless the type has one */
        const uint8_t *payload; /* borrowed until the exchange has ended */
        size_t n_bytes;         /* any; padded with zero bytes to a dword */
        uint32_t n_dwords_max;  /* bound of the response object, header included; 2..2^18 */
        uint64_t timeout_usec;  /* from GO to Ready; 0: the 1 s of 6.30.2 */
} ExchangeRequest;

/* How one ended. error is 0 or a negative errno with the contract's meaning:
 * -EBUSY      Busy, Ready or Error before the request: foreign activity; nothing was written
 * -ETIMEDOUT  no Ready within the timeout, or the drain exceeded its budget
 * -EREMOTEIO  Error bit
 * -EBADMSG    length field 1, response longer than its object, Ready gone in mid-object, Ready left after
 * the last -EMSGSIZE   the response claims more than n_dwords_max -ECONNABORTED  an answer of another
 * feature lies in Read Data (untouched), or the kernel announced itself -ENODEV     Status all-ones, or the
 * function is gone -EPERM, -EIO  the access itself failed */
typedef struct ExchangeResult {
        int error;
        char evidence[160]; /* what was seen: registers and counts, no payload */
        bool was_seen;      /* the device may have seen the request (GO was set) */
        bool is_foreign;    /* somebody else is at the registers: do not abort, wait */
        uint32_t foreign_dw0, foreign_dw1, status; /* where is_foreign */
        uint64_t started_usec, ended_usec;
        const uint8_t *payload; /* response without header; owned by the Exchange, until the next begin */
        size_t n_bytes;
        uint16_t connection_id; /* DW1[29:18] of the response */
} ExchangeResult;

typedef struct Exchange Exchange;

/* @config is borrowed and outlives it. Return: NULL on no memory. */
Exchange *exchange_new(ConfigSpace *config, uint16_t cap_offset);
Exchange *exchange_free(Exchange *ex);

ExchangeState exchange_state(const Exchange *ex);
const char *exchange_state_to_string(ExchangeState state);

/* Only in EXCHANGE_IDLE. */
void exchange_begin(Exchange *ex, const ExchangeRequest *request);
/* In any state; what was under way is forgotten. */
void exchange_begin_abort(Exchange *ex);
/* Nobody waits for the answer any more: end it within a second, or fail it. */
void exchange_abandon(Exchange *ex);
/* The kernel announced itself (from any thread's view: call it between dispatches): what is not about to end
 * is given up without another write. */
void exchange_hold(Exchange *ex);

/**
 * exchange_dispatch() - go on
 * @ret_due_usec: when to call again (absolute, in the clock of the ConfigSpace)
 * @ret: filled when it returns 1; for an abort, error is 0 or -ESHUTDOWN (not clear after a second),
 * -ENODEV, ...
 *
 * After 1 the state is IDLE, or FAILED if an abort is due first (unless @ret->is_foreign).
 *
 * Return: 0: call again; 1: what was begun has ended.
 */
int exchange_dispatch(Exchange *ex, uint64_t *ret_due_usec, ExchangeResult *ret);

/* Adaptive state that outlives one exchange, for logs and tests. */
bool exchange_is_slow(const Exchange *ex);
