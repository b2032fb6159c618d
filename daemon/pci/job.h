/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The jobs that one mailbox has: the first is running or next, the second is staged. Payloads are copied
 * into buffers that grow and are used again. Answers nothing; whoever removes a job answers it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/wire/message.h"

#define JOBS_MAX 2u

typedef struct Job {
        WireExchange request;  /* its payload is @buffer */
        uint64_t started_usec; /* the first write for it, 0: none yet */
        uint64_t min_gap_usec; /* after the end of the one before */
        uint8_t *buffer;
        size_t n_buffer_bytes;
} Job;

typedef struct Jobs {
        Job jobs[JOBS_MAX];
        unsigned n_jobs;
} Jobs;

/* Return: 0; -EDQUOT, -EEXIST (job id), -EINVAL (out of the protocol's bounds), -ENOMEM. */
int jobs_add(Jobs *jobs, const WireExchange *request);
/* Index, or -1. */
int jobs_find(const Jobs *jobs, uint64_t job_id);
void jobs_remove(Jobs *jobs, unsigned index);
void jobs_done(Jobs *jobs);
