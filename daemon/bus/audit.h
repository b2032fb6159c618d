/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who did what, or was not allowed to: one line in the log for each lease, capture, denied or destructive
 * request, and for what an administrator does to everybody. Limited by uid; see log_event(). */

#include <stdint.h>

#include "daemon/bus/call.h"
#include "daemon/core/lease.h"
#include "daemon/core/policy.h"

void audit_lease_opened(const Lease *lease);
void audit_lease_ended(const Lease *lease, uint64_t now_usec);

/* A call that the rules, the table of calls or polkit denied. @what: it asked for, as in its answer. */
void audit_denied(const BusCall *call, const PolicyDecision *decision, const char *what);
/* An object in the stream of a lease that was denied. @decision: NULL: by no rule, but for @why. */
void audit_lease_denied(const Lease *lease, const DoeObjectHeader *header, const PolicyDecision *decision,
                        const char *why);
/* One that may change what others rely on, that a rule let pass, and that was sent. */
void audit_destructive(const Lease *lease, const LeaseDestructive *sent);
/* The caller does @what ("recovers it by force") to @subject, a mailbox, or NULL: to all of doed. */
void audit_managed(const BusCall *call, const char *subject, const char *what);

/**
 * audit_capture_opened() - somebody sees from now on what passes the mailboxes
 * @client: borrowed; of the call that opened it
 * @filter: as it was given, in words
 */
void audit_capture_opened(const Client *client, const char *filter);

/* Whose capture it was; its client may be gone. */
typedef struct AuditedCapture {
        uid_t uid;
        uint32_t pid;
        const char *client; /* unique bus name */
        const char *unit;   /* NULL: not known */
        const char *filter;
        uint64_t duration_usec;
        uint64_t n_packets, n_dropped;
} AuditedCapture;

/* @why: "its reader closed it", "doed stops". */
void audit_capture_closed(const AuditedCapture *capture, const char *why);
