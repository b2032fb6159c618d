/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/job.h"

#include <errno.h>

#include "daemon/util/cleanup.h"
#include "protocols/data-object.h"

static const char *const priority_names[N_JOB_PRIORITIES] = {
        [JOB_URGENT] = "urgent",
        [JOB_NORMAL] = "normal",
        [JOB_BACKGROUND] = "background",
};

static const char *const state_names[N_JOB_STATES] = {
        [JOB_QUEUED] = "queued",
        [JOB_STAGED] = "staged",
        [JOB_RUNNING] = "running",
};

Job *job_new(uint16_t vendor_id, uint8_t type, const uint8_t *payload, size_t n_bytes) {
        Job *job = calloc(1, sizeof(*job));

        if (!job)
                return NULL;
        job->priority = JOB_NORMAL;
        job->class = DOE_CLASS_UNKNOWN;
        job->vendor_id = vendor_id;
        job->type = type;
        job->n_bytes = n_bytes;
        if (n_bytes > 0) {
                job->payload = calloc(1, job_padded_bytes(job));
                if (!job->payload)
                        return job_free(job);
                memcpy(job->payload, payload, n_bytes);
        }
        return job;
}

size_t job_padded_bytes(const Job *job) {
        return 4 * (size_t)doe_object_dwords(job->n_bytes) - DOE_HEADER_BYTES;
}

Job *job_free(Job *job) {
        if (job)
                free(job->payload);
        free(job);
        return NULL;
}

const char *job_priority_to_string(JobPriority p) {
        return priority_names[p];
}

int job_priority_from_string(const char *s) {
        for (int i = 0; i < N_JOB_PRIORITIES; i++)
                if (strcmp(s, priority_names[i]) == 0)
                        return i;
        return -EINVAL;
}

const char *job_state_to_string(JobState s) {
        return state_names[s];
}
