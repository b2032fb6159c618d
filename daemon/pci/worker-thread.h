/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The inside of a worker, for its own files. */

#include <pthread.h>

#include "daemon/pci/config-guard.h"
#include "daemon/pci/slot.h"
#include "daemon/pci/worker-peer.h"
#include "daemon/pci/worker.h"

struct Worker {
        /* both threads; nothing here changes after the start */
        Host *host;
        HostFunction function;
        Channel *commands, *reports;
        const char *run;
        uint64_t settle_usec;
        pthread_t thread;
        /* both threads, under the mutex */
        pthread_mutex_t hold_mutex;
        pthread_cond_t hold_cond;
        uint64_t n_holds_done; /* the number of the last hold that has taken effect */
        /* the main thread */
        uint64_t n_holds_asked;
        /* the worker's thread */
        uint64_t n_holds_seen;
        ConfigGuard config;
        State *state;
        Slot slots[WIRE_MAILBOXES_MAX];
        size_t n_slots;
        WorkerPeer peer;
        bool has_more; /* of its messages may have been received, and not handled yet */
        char spdm_owner[WIRE_TEXT_MAX];
        bool has_kernel_cdat;
        unsigned n_kernel_reads;
        bool is_pinned;
        uint64_t unpin_usec; /* USEC_INFINITY: not due */
        bool is_stopping;
        uint64_t stop_usec; /* by then the thread ends whatever the registers say */
};

/* Leave a report for the main thread. */
void worker_report(Worker *w, WorkerReportKind kind, uint64_t job_id, const char *text);

/* NULL: no such mailbox. */
Slot *worker_find_slot(Worker *w, uint16_t offset);

/* Do what the peer asks. */
void worker_handle_message(Worker *w, const WireMessage *m);
