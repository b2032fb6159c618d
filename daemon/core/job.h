/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One exchange on its way through a mailbox: queued, staged (handed down, not started), running. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "protocols/feature.h"

typedef struct Client Client;
typedef struct Job Job;
typedef struct Lease Lease;
typedef struct Mailbox Mailbox;
typedef struct SchedulerShare SchedulerShare;

typedef enum JobPriority {
        JOB_URGENT,
        JOB_NORMAL,
        JOB_BACKGROUND,
} JobPriority;
#define N_JOB_PRIORITIES (JOB_BACKGROUND + 1)

typedef enum JobState {
        JOB_QUEUED,  /* mailbox_submit() */
        JOB_STAGED,  /* handed down; doed-pci has not begun it */
        JOB_RUNNING, /* doed-pci began it */
} JobState;
#define N_JOB_STATES (JOB_RUNNING + 1)

/* What came back. Times are CLOCK_MONOTONIC; 0 if it never started. */
typedef struct JobResult {
        int error; /* 0 or negative errno */
        bool not_started;
        bool is_foreign;
        uint64_t started_usec, ended_usec;
        uint64_t epoch;
        const char *evidence;   /* never NULL */
        const uint8_t *payload; /* borrowed */
        size_t n_bytes;
} JobResult;

/* Called once; the job is freed after it. */
typedef void (*JobDone)(Job *job, const JobResult *result, uint64_t now_usec);

struct Job {
        uint64_t id; /* unique in this doed; set by mailbox_submit() */
        Mailbox *mailbox;
        Client *client; /* of a call; NULL: a lease's, or doed's own (discovery, CDAT) */
        Lease *lease;   /* of its stream; NULL: none */
        uid_t uid;      /* of either; the one that doed runs as for its own */
        JobPriority priority;
        JobPriority turn; /* the one whose turn it has: that of a higher one if it had waited for long */
        DoeClass class;
        JobState state;
        uint16_t vendor_id;
        uint8_t type;
        uint8_t *payload; /* owned; zeros behind n_bytes, up to job_padded_bytes() */
        size_t n_bytes;
        uint32_t n_dwords_max;                         /* of the response object */
        uint64_t device_timeout_usec, busy_grace_usec; /* 0: the limits' */
        uint16_t connection_id;                        /* DW1[29:18], of features that have one */
        uint64_t deadline_usec;                        /* not to be started later */
        uint64_t epoch;                                /* not to be run in another; 0: any */
        uint64_t submitted_usec, started_usec;
        unsigned n_attempts;
        bool is_withheld; /* Record=no: captures do not show what it carries */
        JobDone done;     /* NULL once nobody waits for it any more */
        void *userdata;
        SchedulerShare *queue; /* the scheduler's, from when it is added until it is charged or removed */
        uint64_t charged_usec; /* likewise: in advance */
        TAILQ_ENTRY(Job) jobs, ages; /* likewise */
};
TAILQ_HEAD(JobList, Job);

/* @payload is copied. NULL on no memory. Priority normal, class unknown, no owner. */
Job *job_new(uint16_t vendor_id, uint8_t type, const uint8_t *payload, size_t n_bytes);
Job *job_free(Job *job);
/* Bytes of its payload as they go to the device, in whole dwords. */
size_t job_padded_bytes(const Job *job);

const char *job_priority_to_string(JobPriority p);
int job_priority_from_string(const char *s); /* -EINVAL */
const char *job_state_to_string(JobState s);
