/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Every limit in force, by name: what Manager1.Limits shows, and what errors name. */

#include <stddef.h>
#include <stdint.h>

typedef struct Limits {
        uint64_t timeout_default_usec; /* of a call that gives none; D-Bus clients give up at 25 s */
        uint64_t timeout_max_usec;     /* a longer timeout-usec is clamped to it */
        uint64_t device_timeout_usec;  /* from GO to Ready, PCIe r6.0 6.30.2 */
        uint64_t queue_max;            /* waiting calls per mailbox */
        uint64_t calls_max_per_client; /* calls of one client that are not answered yet */
        uint64_t bytes_max_per_client; /* request bytes that a client has waiting in all mailboxes */
        uint64_t fresh_interval_usec;  /* callers of a mailbox share one fresh device read in so long */
        uint64_t aging_usec;           /* a waiting call counts as one priority higher after so long */
        uint64_t aged_turns;        /* an aged call takes at most every so-manieth turn of that priority */
        uint64_t faults_max;        /* kept per mailbox */
        uint64_t attempts_max;      /* of a read that was lost */
        uint64_t cdat_restarts_max; /* of a table that changes while it is read */
        uint64_t dead_retry_first_usec; /* recovery of a dead mailbox is tried again after so long, then
                                           doubling */
        uint64_t dead_retry_max_usec;
        uint64_t object_bytes_max; /* of a data object, header included */
} Limits;

extern const Limits limits_default;

/* Walk by index: the name ("QueueMax") and the value; NULL at the end. */
const char *limits_get(const Limits *limits, size_t i, uint64_t *ret);
