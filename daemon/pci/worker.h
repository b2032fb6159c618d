/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The thread of one function: it drives the function's mailboxes and speaks with doed on a socket of its
 * own. A configuration access may hang in the kernel for a minute, so nobody ever waits for a worker: the
 * functions below only leave a command for it, and what it has to say to the main thread comes back as a
 * report. The one exception is bounded: worker_await_held(). Called on the main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/pci/channel.h"
#include "daemon/pci/host.h"
#include "daemon/pci/rules.h"

typedef struct Worker Worker;

typedef enum WorkerReportKind {
        WORKER_REPORT_KERNEL_CDAT,   /* job_id, peer_id: worker_answer_kernel_cdat() is awaited */
        WORKER_REPORT_PEER_LOST,     /* peer_id: its socket ended, or it said what it may not; text */
        WORKER_REPORT_WRITE_REFUSED, /* -EPERM on a write: was lockdown raised? */
        WORKER_REPORT_SUSPENDED,     /* job_id: the number of that suspension; nothing is written any more */
        WORKER_REPORT_IDE,           /* text: what is secure now, or "" */
        WORKER_REPORT_ENDED,         /* the last one: worker_free() may be called */
} WorkerReportKind;

typedef struct WorkerReport {
        ChannelItem item; /* for free() */
        WorkerReportKind kind;
        Worker *worker;
        uint64_t peer_id, job_id;
        char text[WIRE_TEXT_MAX];
} WorkerReport;

typedef struct WorkerSettings {
        Host *host;
        const HostFunction *function; /* copied */
        const char *run;              /* the folder of lock/ and state/; borrowed, outlives the worker */
        uint64_t settle_usec;
        bool is_on_demand;
        PciRules *rules;  /* it takes a reference of its own */
        Channel *reports; /* borrowed, outlives the worker */
        /* what the kernel says of it from the start, as below; borrowed for the call */
        const char *spdm_owner, *read_only, *held;
        bool has_kernel_cdat;
        uint64_t suspend_number; /* 0: the host is awake */
} WorkerSettings;

/* Return: 0; -ENOMEM; -errno of the state file or of the thread. */
int worker_new(const WorkerSettings *settings, Worker **ret);
/* After WORKER_REPORT_ENDED only. */
Worker *worker_free(Worker *w);

/* @wait_until_usec: the kernel waits for us until then; 0: it does not. */
void worker_hold(Worker *w, const char *reason, uint64_t wait_until_usec);
/* Return: whether the last hold has taken effect, at @until_usec (CLOCK_MONOTONIC) at the latest. */
bool worker_await_held(Worker *w, uint64_t until_usec);
void worker_release(Worker *w, uint64_t since_usec, bool is_dirty);
void worker_set_read_only(Worker *w, const char *reason); /* "": writes are allowed */
/* What it refuses by itself: SPDM while @spdm_owner is not "", the kernel's CDAT where there is none. */
void worker_set_view(Worker *w, const char *spdm_owner, bool has_kernel_cdat);

/* What it holds itself to from now on. */
void worker_set_rules(Worker *w, PciRules *rules, uint64_t settle_usec, bool is_on_demand);
/* The host goes to sleep: reported once nothing is written any more. @number: never 0. */
void worker_suspend(Worker *w, uint64_t number);
void worker_resume(Worker *w);

/* Serve a new peer on @fd, which is taken over; every mailbox is told to it first, then the records that are
 * kept. @peer_id: never 0. */
void worker_attach(Worker *w, int fd, uint64_t peer_id);
/* The peer is gone: its jobs are forgotten. */
void worker_detach(Worker *w);
/* @table: taken over; NULL where @error is a negative errno. */
void worker_answer_kernel_cdat(Worker *w, const WorkerReport *request, int error, uint8_t *table,
                               size_t n_bytes);

/* Answer every job with @error, leave the registers clean unless the device is gone (-ENODEV), and end. */
void worker_stop(Worker *w, int error, const char *evidence);
