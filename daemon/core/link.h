/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The way down from the core: what it asks of whoever talks to doed-pci. None of these answers at once: what
 * comes of them comes back through manager_*(), device_*() and mailbox_*() functions. None may fail loudly:
 * a link that is gone is told by manager_link_lost(), which answers everything. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/job.h"

typedef struct Device Device;
typedef struct LeaseRecord LeaseRecord;
typedef struct Mailbox Mailbox;

typedef struct Link {
        void (*exchange)(void *userdata, Mailbox *mb, const Job *job);
        void (*recall)(void *userdata, Mailbox *mb, uint64_t job_id);
        void (*cancel)(void *userdata, Mailbox *mb, uint64_t job_id);
        void (*recover)(void *userdata, Mailbox *mb, bool force);
        void (*read_kernel_cdat)(void *userdata, Device *d, uint64_t job_id);
        void (*rescan)(void *userdata);
        /* Let the registers go for that lease, or (0) take them over again: comes back as MAILBOX_INHIBITED,
         * handed to that lease, or as another state. */
        void (*inhibit)(void *userdata, Mailbox *mb, uint64_t lease_id);
        /* Leave all functions alone, or take them over again: comes back by manager_report_suspended(). */
        void (*suspend)(void *userdata, bool is_suspended);
        /* Keep it, or replace the one of the same digest. False: not now, what it is of cannot be resumed
         * after a restart. */
        bool (*put_record)(void *userdata, Device *d, const LeaseRecord *record);
        void (*drop_record)(void *userdata, Device *d, const uint8_t *digest);
} Link;
