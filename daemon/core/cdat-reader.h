/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The flight that reads a device's CDAT, one at a time however many ask, and the validated table it brought.
 * From the kernel where that has it, else from the mailbox that offers table access: then the table holds
 * for the epoch in which it was read, and once it is old its header is read again, and the rest only if that
 * is another. The kernel's copy does not change. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/client.h"
#include "daemon/core/device.h"
#include "daemon/core/failure.h"
#include "protocols/table-access.h"

typedef enum CdatSource {
        CDAT_FROM_NOWHERE,
        CDAT_FROM_MAILBOX,
        CDAT_FROM_KERNEL,
} CdatSource;

struct CdatReader {
        Device *device;
        struct TransactionList waiters;
        CdatSource flight; /* where the one that runs reads; NOWHERE: none runs */
        Mailbox *mailbox;  /* of the flight */
        Job *job;          /* of the flight, borrowed: the mailbox's */
        uint64_t kernel_job_id;
        uint64_t flight_epoch;
        unsigned n_restarts;
        bool is_confirming;   /* the walk is over: is the header still the same? */
        bool is_revalidating; /* nothing is walked yet: is the header still that of the table below? */
        uint64_t started_usec, device_usec;
        TableWalk walk;

        CdatSource source; /* of the table below; NOWHERE: there is none */
        Mailbox *table_mailbox;
        uint64_t epoch, ended_usec; /* when it was last known to be the device's */
        TableWalk table;
        uint32_t sequence;
        bool was_kernels; /* has_kernel_cdat of the device, as its Source was last told */
};

CdatReader *cdat_reader_new(Device *d); /* NULL on no memory */
CdatReader *cdat_reader_free(CdatReader *reader);

/* Cdat1.Read, or Exchange on 1e98:02 that reads the table: answered at once out of the cache, or put among
 * the waiters; a flight is started as soon as it is known where to read. */
void cdat_reader_ask(CdatReader *reader, Transaction *t, uint64_t now_usec);
/* Something changed that may let a flight start: features known, kernel has the table, link is back. */
void cdat_reader_refresh(CdatReader *reader, uint64_t now_usec);
/* The table and the flight are of an older epoch of @mb, or of a source that is no more. */
void cdat_reader_invalidate(CdatReader *reader, const Mailbox *mb);
/* The answer to link->read_kernel_cdat(). */
void cdat_reader_report_kernel(CdatReader *reader, uint64_t job_id, const JobResult *result,
                               uint64_t now_usec);
/* doed-pci went away: what it was asked for it will not answer; asked again when it is back. */
void cdat_reader_link_lost(CdatReader *reader);
void cdat_reader_fail(CdatReader *reader, const Failure *failure);
bool cdat_reader_has_table(const CdatReader *reader);
