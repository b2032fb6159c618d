/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* When a mailbox that fails is tried again. doed-pci aborts after every failure; this counts how often that
 * was needed, lets a flapping device rest, and wakes a dead one. It knows no queue: the mailbox asks it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config/limits.h"
#include "daemon/core/job.h"
#include "daemon/util/timer.h"

#define RECOVERY_FAILURES_MAX LIMITS_FLAP_FAILURES_MAX /* remembered */

typedef struct Recovery {
        Mailbox *mailbox;
        Timer retry_timer; /* of a dead mailbox: the next attempt */
        unsigned n_retries;
        bool is_dead;                                  /* as noted last */
        uint64_t alive_since_usec;                     /* since it was last dead */
        Timer rest_timer;                              /* the end of a rest */
        uint64_t rest_since_usec, rest_until_usec;     /* 0: it does not rest */
        uint64_t rested_usec;                          /* in all: rates are measured while it works */
        unsigned n_rests;                              /* in a row */
        bool has_failed;                               /* by the device's fault; its abort is to come */
        uint64_t failures_usec[RECOVERY_FAILURES_MAX]; /* ring, of aborts; rests left out */
        uint64_t n_failures;
        char reason[160]; /* of the rest, for StateReason */
} Recovery;

void recovery_init(Recovery *r, Mailbox *mb);
/* The mailbox goes. */
void recovery_done(Recovery *r);

bool recovery_is_resting(const Recovery *r);

/* An exchange ended with an error: if the device is to blame, the abort that follows counts. */
void recovery_note_result(Recovery *r, const Job *job, const JobResult *result);
/* doed-pci aborts. True: the limit of aborts is reached, a rest begins now. */
bool recovery_note_abort(Recovery *r, uint64_t now_usec);
/* The abort failed: plan the next attempt. */
void recovery_note_dead(Recovery *r, uint64_t now_usec);
/* Not dead any more. */
void recovery_note_alive(Recovery *r, uint64_t now_usec);
/* It is taken over anew, after a reset or by a new owner: what it did before says nothing any more. */
void recovery_forget(Recovery *r, uint64_t now_usec);
/* Somebody asked for recovery, or time is over; nothing if it does not rest. */
void recovery_end_rest(Recovery *r, uint64_t now_usec);
