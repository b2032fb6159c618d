/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What mailbox.c (states and reports), mailbox-jobs.c (the queue) and recovery.c share. For them only. */

#include "daemon/core/mailbox.h"

/* Hand down what is next while there is room, and ask a staged job back if a more urgent one waits behind
 * it. */
void mailbox_feed(Mailbox *mb, uint64_t now_usec);
/* "ready" as doed-pci says it is four states here: look again which. */
void mailbox_refresh_ready(Mailbox *mb, uint64_t now_usec);

/* Answer what waits in the queue. */
void mailbox_fail_queue(Mailbox *mb, int error, const char *evidence, uint64_t now_usec);
/* Of what waits, that which was asked for in another epoch. */
void mailbox_fail_stale(Mailbox *mb, uint64_t now_usec);
/* doed-pci is gone with what it had: what ran is lost, the rest goes back to the queue. */
void mailbox_lose_jobs(Mailbox *mb, const char *reason, uint64_t now_usec);
/* Answer what is with doed-pci, and what waits. */
void mailbox_fail_jobs(Mailbox *mb, int error, const char *evidence, uint64_t now_usec);

/* A rest is over, by time or on request. */
void mailbox_rested(Mailbox *mb, uint64_t now_usec);
