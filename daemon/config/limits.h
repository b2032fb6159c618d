/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Every limit in force, by name: what Manager1.Limits shows, and what errors name. */

#include <stddef.h>
#include <stdint.h>

#define LIMITS_FAULTS_MAX        64u
#define LIMITS_FLAP_FAILURES_MAX 64u

typedef struct Limits {
        uint64_t timeout_default_usec; /* of a call that gives none; D-Bus clients give up at 25 s */
        uint64_t timeout_max_usec;     /* a longer timeout-usec is clamped to it */
        uint64_t device_timeout_usec;  /* from GO to Ready, PCIe r6.0 6.30.2 */
        uint64_t busy_grace_usec;      /* Busy before a request, until it is foreign activity */
        uint64_t queue_max;            /* waiting calls per mailbox */
        uint64_t queue_max_per_uid;    /* of one uid in one mailbox */
        uint64_t calls_max_per_client; /* calls of one client that are not answered yet */
        uint64_t bytes_max_per_client; /* request bytes that a client has waiting in all mailboxes */
        uint64_t bytes_max_per_uid;    /* that all clients of a uid have waiting in all mailboxes */
        uint64_t fresh_interval_usec;  /* callers of a mailbox share one fresh device read in so long */
        uint64_t aging_usec;           /* a waiting call counts as one priority higher after so long */
        uint64_t aged_turns;        /* an aged call takes at most every so-manieth turn of that priority */
        uint64_t faults_max;        /* kept per mailbox */
        uint64_t attempts_max;      /* of a read that was lost */
        uint64_t cdat_restarts_max; /* of a table that changes while it is read */
        uint64_t cdat_age_max_usec; /* a cached table that is older is compared with its header first */
        uint64_t cache_bytes_max_per_mailbox, cache_bytes_max_per_uid; /* of answers kept by Cache= */
        uint64_t dead_retry_first_usec; /* recovery of a dead mailbox is tried again after so long, then
                                           doubling */
        uint64_t dead_retry_max_usec;
        uint64_t flap_failures_max; /* so many aborts in flap_window_usec, and the mailbox rests */
        uint64_t flap_window_usec;
        uint64_t flap_rest_first_usec, flap_rest_max_usec; /* doubling */
        uint64_t object_bytes_max;                         /* of a data object, header included */

        uint64_t leases_max_per_uid;       /* open ones */
        uint64_t waiters_max_per_uid;      /* leases that wait */
        uint64_t lease_idle_usec;          /* connection class: ends after so long without a request */
        uint64_t lease_max_usec;           /* connection class: in all */
        uint64_t lease_waited_usec;        /* connection class: what is left at most once somebody waits */
        uint64_t session_idle_usec;        /* session class */
        uint64_t lease_not_ready_max_usec; /* what a ResponseNotReady may add to the idle time */
        uint64_t lease_request_usec;       /* each request of a lease, if request-usec is not given */
        uint64_t lease_requests_max; /* that a lease's stream may have under way before it is not read */
        uint64_t resume_usec;        /* how long after its end a lease may be resumed */
        uint64_t inhibit_max_usec;   /* of Inhibit, if max-usec is not given */

        uint64_t captures_max;               /* at a time, of whomever */
        uint64_t capture_bytes_max;          /* of a capture that its reader has not read */
        uint64_t recorder_bytes_max;         /* of the past; 0: none is kept */
        uint64_t recorder_payload_bytes_max; /* of each of its objects */
} Limits;

#define N_LIMITS (sizeof(Limits) / sizeof(uint64_t)) /* every member is one */

extern const Limits limits_default;

/* Walk by index: the name ("QueueMax") and the value; NULL at the end. */
const char *limits_get(const Limits *limits, size_t i, uint64_t *ret);
/* Its index; -1 if there is none. */
int limits_find(const char *name);
/**
 * limits_set() - set the one of index @i
 * @value: a number; of the names that end in "USec" microseconds, or a span with units, such as "5s"
 * @error: INI_ERROR_MAX bytes
 *
 * Return: 0; -EINVAL with @error written and @limits untouched.
 */
int limits_set(Limits *limits, size_t i, const char *value, char *error);
