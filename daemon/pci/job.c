/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/job.h"

#include <errno.h>

#include "daemon/util/cleanup.h"
#include "protocols/feature.h"

static bool request_is_valid(const WireExchange *request) {
        const DoeFeature *feature = doe_feature_find(request->vendor_id, request->type);
        bool has_connection_id = feature && feature->has_connection_id;

        return request->job_id != 0 && request->n_bytes <= DOE_PAYLOAD_BYTES_MAX &&
               (request->payload || request->n_bytes == 0) && request->n_dwords_max >= DOE_HEADER_DWORDS &&
               request->n_dwords_max <= DOE_OBJECT_DWORDS_MAX &&
               request->connection_id <= (has_connection_id ? 0xfffu : 0u);
}

int jobs_add(Jobs *jobs, const WireExchange *request) {
        Job *job;

        if (!request_is_valid(request))
                return -EINVAL;
        if (jobs_find(jobs, request->job_id) >= 0)
                return -EEXIST;
        if (jobs->n_jobs >= JOBS_MAX)
                return -EDQUOT;

        job = &jobs->jobs[jobs->n_jobs];
        if (request->n_bytes > job->n_buffer_bytes) {
                uint8_t *p = realloc(job->buffer, request->n_bytes);

                if (!p)
                        return -ENOMEM;
                job->buffer = p;
                job->n_buffer_bytes = request->n_bytes;
        }
        if (request->n_bytes > 0)
                memcpy(job->buffer, request->payload, request->n_bytes);

        job->request = *request;
        job->request.payload = job->buffer;
        job->started_usec = 0;
        job->min_gap_usec = 0;
        jobs->n_jobs++;
        return 0;
}

int jobs_find(const Jobs *jobs, uint64_t job_id) {
        for (unsigned i = 0; i < jobs->n_jobs; i++)
                if (jobs->jobs[i].request.job_id == job_id)
                        return (int)i;
        return -1;
}

void jobs_remove(Jobs *jobs, unsigned index) {
        Job removed = jobs->jobs[index];

        jobs->n_jobs--;
        for (unsigned i = index; i < jobs->n_jobs; i++)
                jobs->jobs[i] = jobs->jobs[i + 1];
        jobs->jobs[jobs->n_jobs] = removed; /* for its buffer */
}

void jobs_done(Jobs *jobs) {
        for (unsigned i = 0; i < JOBS_MAX; i++)
                free(jobs->jobs[i].buffer);
        *jobs = (Jobs){};
}
