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
#include "daemon/util/cleanup.h"

/* Bounds. Each is explained where it is used; those of polling stand in poll.h, of slow devices in access.h.
 */
#define EXCHANGE_BURST_DWORDS          256u   /* per dispatch; Status is looked at again as often */
#define EXCHANGE_BURST_USEC            5000u  /* or for so long */
#define EXCHANGE_LOOK_DWORDS           16u    /* a request that is no longer is written in one burst */
#define EXCHANGE_PAUSE_USEC            20u    /* a shorter wait is spent within the dispatch ... */
#define EXCHANGE_PAUSES_MAX            16u    /* ... so many times */
#define EXCHANGE_LATE_USEC             50000u /* a poll so long after its deadline proves nothing */
#define EXCHANGE_BUSY_GRACE_USEC       1000000u
#define EXCHANGE_HELD_GRACE_USEC       2000u /* to end what is about to end when the kernel comes */
#define EXCHANGE_ABANDON_USEC          1000000u
#define EXCHANGE_DRAIN_USEC            1000000u /* a transfer may take this and, per access, ... */
#define EXCHANGE_DRAIN_ACCESS_MIN_USEC 50u  /* ... twice what they took of late, but not less than this */
#define EXCHANGE_DRAIN_ACCESS_MAX_USEC 200u /* and not more than this */

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
        uint16_t connection_id;   /* 0 unless the type has one */
        const uint8_t *payload;   /* borrowed until the exchange has ended */
        size_t n_bytes;           /* at most DOE_PAYLOAD_BYTES_MAX; padded with zero bytes to a dword */
        uint32_t n_dwords_max;    /* bound of the response object, header included; 2..2^18 */
        uint64_t timeout_usec;    /* from GO to Ready; 0: the 1 s of 6.30.2 */
        uint64_t busy_grace_usec; /* Busy before the request may last so long; 0: EXCHANGE_BUSY_GRACE_USEC */
} ExchangeRequest;

/* How one ended. error is 0 or a negative errno with the contract's meaning:
 * -EBUSY         Busy, Ready or Error before the request: foreign activity; nothing was written
 * -ETIMEDOUT     no Ready within the timeout, or a transfer exceeded its budget
 * -EREMOTEIO     Error bit; popping beyond an object that is shorter than it says may raise it too
 * -EBADMSG       length field 1, response shorter or longer than its object, another connection ID
 * -EMSGSIZE      the response claims more than n_dwords_max
 * -ECONNABORTED  somebody else is at the registers, or the kernel announced itself
 * -ENODEV        Status all-ones, or the function is gone
 * -EPERM, -EIO   the access itself failed
 * -ESHUTDOWN     an abort that was not clear in time
 * -ENOMEM        no memory for the response */
typedef struct ExchangeResult {
        int error;
        char evidence[160]; /* what was seen: registers and counts, no payload */
        bool was_written;   /* a part of the request was written */
        bool was_seen;      /* the device may have seen the request (GO was set) */
        bool is_foreign;    /* somebody else is at the registers: wait, and abort only when they have gone */
        uint64_t started_usec, ended_usec; /* first write (0: none) and end */
        const uint8_t *payload; /* response without header; owned by the Exchange, until the next begin */
        size_t n_bytes;
        uint16_t connection_id; /* DW1[29:18] of the response */
} ExchangeResult;

typedef struct Exchange Exchange;

/* @config is borrowed and outlives it. Return: NULL on no memory. */
Exchange *exchange_new(ConfigSpace *config, uint16_t cap_offset);
Exchange *exchange_free(Exchange *ex);
DEFINE_CLEANUP(Exchange *, exchange_free);

ExchangeState exchange_state(const Exchange *ex);
const char *exchange_state_to_string(ExchangeState state);

/* Only in EXCHANGE_IDLE. */
void exchange_begin(Exchange *ex, const ExchangeRequest *request);
/* In any state; what was under way is forgotten. */
void exchange_begin_abort(Exchange *ex);
/* Nobody waits for the answer any more: end it within a second, or fail it. */
void exchange_abandon(Exchange *ex);
/* The kernel waits for us until @until_usec: end it in half of that time, or fail it, so that the rest is
 * left for an abort. */
void exchange_hurry(Exchange *ex, uint64_t until_usec);
/* The kernel announced itself (call it between dispatches): what is not about to end is given up by the next
 * dispatch without another write. */
void exchange_hold(Exchange *ex);
/* Give up at once what is under way, without a result and without another access. The state is IDLE if
 * nothing had been written, else FAILED. */
void exchange_forget(Exchange *ex);

/**
 * exchange_dispatch() - go on
 * @ret_due_usec: when to call again (absolute, in the clock of the ConfigSpace)
 * @ret: filled when it returns 1
 *
 * After 1 the state is IDLE, or FAILED if an abort is due before the next exchange: at once, or if
 * @ret->is_foreign after the stranger has gone.
 *
 * Return: 0: call again; 1: what was begun has ended.
 */
int exchange_dispatch(Exchange *ex, uint64_t *ret_due_usec, ExchangeResult *ret);

/**
 * exchange_peek() - look at the registers between exchanges; writes nothing
 * @ret_status: Status
 * @ret_data: the current dword of Read Data if Ready is set, else 0
 *
 * Return: 0; -ENODEV (all-ones too), -EPERM, -EIO.
 */
int exchange_peek(Exchange *ex, uint32_t *ret_status, uint32_t *ret_data);
/* The least time between two peeks: 0, or longer for a slow mailbox. */
uint64_t exchange_peek_spacing_usec(const Exchange *ex);
bool exchange_is_slow(const Exchange *ex);
