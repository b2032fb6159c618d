/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The inside of a worker, for its own files. */

#include <pthread.h>

#include "daemon/pci/config-guard.h"
#include "daemon/pci/ide-watch.h"
#include "daemon/pci/slot.h"
#include "daemon/pci/worker-peer.h"
#include "daemon/pci/worker.h"

/* What runs on a mailbox has so long to end, when the host goes to sleep or a tool wants the registers: an
 * exchange half of it, and then an abort its second. */
#define WIND_UP_USEC (3 * USEC_PER_SEC)

struct Worker {
        /* both threads; nothing here changes after the start */
        Host *host;
        HostFunction function;
        Channel *commands, *reports;
        const char *run;
        uint64_t settle_usec;
        bool is_on_demand;
        pthread_t thread;
        /* both threads, under the mutex */
        pthread_mutex_t hold_mutex;
        pthread_cond_t hold_cond;
        uint64_t n_holds_done; /* the number of the last hold that has taken effect */
        /* the main thread */
        uint64_t n_holds_asked;
        /* the worker's thread */
        uint64_t n_holds_seen;
        uint64_t n_suspend_seen, n_suspend_told; /* numbers; what is told is over */
        bool is_suspended;
        PciRules *rules;
        ConfigGuard config;
        IdeWatch ide;
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

/* worker.c */
void worker_send_mailbox(Worker *w, DoeMailbox *mb);
/* Its jobs are forgotten, what it had inhibited is taken back, and the records of its leases expire. */
void worker_drop_peer(Worker *w);
/* worker-commands.c */
int worker_new_commands(Channel **ret);
void worker_run_commands(Worker *w);
/* worker-requests.c: look, unless that was done within @age_usec, and report what has changed. */
void worker_look_at_ide(Worker *w, uint64_t age_usec);
/* Look again where that is due. Return: when it is, USEC_INFINITY: never. */
uint64_t worker_dispatch_ide(Worker *w);

/* Leave a report for the main thread. */
void worker_report(Worker *w, WorkerReportKind kind, uint64_t job_id, const char *text);

/* NULL: no such mailbox. */
Slot *worker_find_slot(Worker *w, uint16_t offset);

/* Do what the peer asks. */
void worker_handle_message(Worker *w, const WireMessage *m);
