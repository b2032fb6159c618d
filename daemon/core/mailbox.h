/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One mailbox as clients see it: its state, its queue, at most one running and one staged job, its features,
 * its counters and faults. What the registers do is doed-pci's business; this learns of it and decides what
 * is next. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config/limits.h"
#include "daemon/core/client.h"
#include "daemon/core/counters.h"
#include "daemon/core/job.h"
#include "daemon/core/recovery.h"
#include "daemon/core/scheduler.h"
#include "protocols/discovery.h"

typedef struct AnswerCache AnswerCache;
typedef struct Device Device;
typedef struct Discovery Discovery;
typedef struct Manager Manager;

#define MAILBOX_NAME_MAX   48u /* "10000:3a:00.0[160]" */
#define MAILBOX_TEXT_MAX   256u
#define MAILBOX_FAULTS_MAX LIMITS_FAULTS_MAX

/* Names as in the contract. Each is entered by the event beside it. */
typedef enum MailboxState {
        MAILBOX_UNTOUCHED,  /* known; doed-pci has not written to it, or is not there */
        MAILBOX_STARTING,   /* doed-pci takes it over, or the first discovery runs */
        MAILBOX_IDLE,       /* "ready": nothing is with doed-pci */
        MAILBOX_BUSY,       /* "ready": one job is with doed-pci, or two */
        MAILBOX_WAITING,    /* doed-pci saw somebody else at the registers */
        MAILBOX_RECOVERING, /* doed-pci aborts, or it rests since it failed too often */
        MAILBOX_KERNEL,     /* doed-pci yields to the kernel */
        MAILBOX_READ_ONLY,  /* lockdown */
        MAILBOX_INHIBITED,  /* its registers were handed to a tool: Inhibit */
        MAILBOX_DEAD,       /* the abort failed */
        MAILBOX_GONE,       /* the device was removed */
} MailboxState;
#define N_MAILBOX_STATES (MAILBOX_GONE + 1)

typedef enum FeaturesSource {
        FEATURES_UNKNOWN,
        FEATURES_DISCOVERY,
        FEATURES_KERNEL,
} FeaturesSource;

typedef struct MailboxFault {
        uint64_t realtime_usec;
        const char *kind; /* static: "timeout", "foreign-activity", "abort", "bad-response", ... */
        char evidence[MAILBOX_TEXT_MAX];
        const char *action; /* static: what was done about it */
} MailboxFault;

struct Mailbox {
        Device *device;
        Manager *manager;
        char name[MAILBOX_NAME_MAX];
        uint16_t offset;
        uint8_t cap_version;

        MailboxState state; /* written by mailbox_enter() only */
        char state_reason[MAILBOX_TEXT_MAX];
        uint64_t epoch;
        uint64_t recovering_since_usec;
        uint64_t handed_to;     /* lease; 0: none. Of MAILBOX_INHIBITED */
        bool is_reported_ready; /* doed-pci says ready; a rest or the first discovery may hold calls back */
        char reported_reason[MAILBOX_TEXT_MAX]; /* what doed-pci said last */
        Recovery recovery;

        FeaturesSource features_source;
        DoeDiscoveryEntry *features; /* owned; from discovery with what it said of limits */
        size_t n_features;
        Discovery *discovery; /* the flight that reads them, and the last answers; owned */

        AnswerCache *answers; /* NULL until the first that may be kept; owned */
        Scheduler scheduler;
        Job *running, *staged; /* both with doed-pci; staged only behind running */
        bool is_recalling;     /* the staged one was asked back */

        Counters counters; /* of exchanges and of what the caches answered */
        uint64_t n_aborts, n_foreign;
        MailboxFault *faults; /* ring of MAILBOX_FAULTS_MAX, NULL until the first; owned */
        uint64_t n_faults;    /* ever; the newest stands at (n_faults - 1) % MAX */

        struct TransactionList waiters; /* calls that wait for a state: recover */
        bool is_ill;                    /* the observer's: it was told of as dead or resting */
};

/* "0000:3a:00.0[160]" into @buf of MAILBOX_NAME_MAX bytes. */
void mailbox_format_name(const char *address, uint16_t offset, char *buf);

int mailbox_new(Device *d, uint16_t offset, uint8_t cap_version, Mailbox **ret);
Mailbox *mailbox_free(Mailbox *mb);

/* What clients see: IDLE and BUSY are both "ready". */
const char *mailbox_state_to_string(MailboxState state);
const char *features_source_to_string(FeaturesSource source);
bool mailbox_is_ready(const Mailbox *mb);
bool mailbox_is_busy(const Mailbox *mb);        /* Mailbox1.Busy */
size_t mailbox_queue_length(const Mailbox *mb); /* Mailbox1.QueueLength: waiting, not with doed-pci */

/* NULL if not offered, or not known. */
const DoeDiscoveryEntry *mailbox_find_feature(const Mailbox *mb, uint16_t vendor_id, uint8_t type);
/* True unless the list is known and lacks it. */
bool mailbox_may_offer(const Mailbox *mb, uint16_t vendor_id, uint8_t type);
/* Bound of a response in bytes, whole object: what discovery said, else what the feature's table says. */
uint32_t mailbox_response_bytes_max(const Mailbox *mb, uint16_t vendor_id, uint8_t type);

/* Kernel-published features of a function with one mailbox: known without touching it. */
int mailbox_set_kernel_features(Mailbox *mb, const DoeDiscoveryEntry *features, size_t n_features);
/* A discovery came through. Takes over @features. */
void mailbox_set_features(Mailbox *mb, FeaturesSource source, DoeDiscoveryEntry *features,
                          size_t n_features);

/**
 * mailbox_submit() - queue one job
 * @job: ownership moves to @mb on success only; answered once by job->done, unless withdrawn
 *
 * Return: 0; -ESHUTDOWN (dead), -EROFS (read-only), -ENODEV (gone): it would never run.
 */
int mailbox_submit(Mailbox *mb, Job *job, uint64_t now_usec);
/**
 * mailbox_submit_own() - queue one read of doed's own
 * @ret: the job while it is under way, borrowed; set before @done can be called, NULL on failure
 *
 * Return: as mailbox_submit(); -ENOMEM.
 */
int mailbox_submit_own(Mailbox *mb, uint16_t vendor_id, uint8_t type, const uint8_t *request, size_t n_bytes,
                       JobDone done, void *userdata, uint64_t now_usec, Job **ret);
/* A queued one becomes more urgent. It keeps its priority if there is no memory. */
void mailbox_set_priority(Mailbox *mb, Job *job, JobPriority priority, uint64_t now_usec);
/* Somebody wants something of it: if a rule says that it is taken over on demand, this begins it. */
void mailbox_demand(Mailbox *mb, uint64_t now_usec);
/* Ask back all that doed-pci has not begun. */
void mailbox_take_back(Mailbox *mb);
/* Its owner waits no more: a queued one is freed, one with doed-pci drains and its answer is dropped. */
void mailbox_withdraw(Mailbox *mb, Job *job);

/* Of the state that is reported next: for which lease it let the registers go; 0: for none. */
void mailbox_report_handed_to(Mailbox *mb, uint64_t lease_id);
/* What doed-pci says. @state never IDLE/BUSY/GONE apart: MAILBOX_IDLE stands for the wire's "ready". */
void mailbox_report_state(Mailbox *mb, MailboxState state, uint64_t epoch, const char *reason,
                          uint64_t now_usec);
void mailbox_report_started(Mailbox *mb, uint64_t job_id, uint64_t now_usec);
void mailbox_report_done(Mailbox *mb, uint64_t job_id, const JobResult *result, uint64_t now_usec);
void mailbox_report_recalled(Mailbox *mb, uint64_t job_id, uint64_t now_usec);
void mailbox_report_foreign(Mailbox *mb, const char *evidence, uint64_t now_usec);
void mailbox_report_aborted(Mailbox *mb, const char *reason, uint64_t now_usec);
/* doed-pci went away: what ran is lost, what was staged goes back to the queue. */
void mailbox_report_link_lost(Mailbox *mb, const char *reason, uint64_t now_usec);
/* Is a job of @vendor_id:@type queued or with doed-pci that belongs to no lease? Those of doed's own count:
 * callers wait for them. @any_feature: of whatever feature. */
bool mailbox_has_calls(const Mailbox *mb, uint16_t vendor_id, uint8_t type, bool any_feature);
/* The device was removed: everything is answered. */
void mailbox_report_gone(Mailbox *mb, uint64_t now_usec);

/* End a rest, and abort or look again now; with @force also where nothing is wrong. */
void mailbox_recover(Mailbox *mb, bool force, uint64_t now_usec);
/* Something that held it up is over: the host is awake again, a tool has given its registers back. */
void mailbox_resume(Mailbox *mb, uint64_t now_usec);
void mailbox_add_fault(Mailbox *mb, const char *kind, const char *evidence, const char *action);
/* The first discovery ended, however: client jobs may pass now. */
void mailbox_discovery_ended(Mailbox *mb, uint64_t now_usec);
