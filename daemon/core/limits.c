/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/limits.h"

#include "daemon/core/mailbox.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"
#include "protocols/data-object.h"
#include "protocols/registers.h"

const Limits limits_default = {
        .timeout_default_usec = 20 * USEC_PER_SEC,
        .timeout_max_usec = 600 * USEC_PER_SEC,
        .device_timeout_usec = DOE_TIMEOUT_USEC,
        .queue_max = 4096,
        .calls_max_per_client = 1024,            /* the stock bus lets a connection wait for 128 replies */
        .bytes_max_per_client = 8 * 1024 * 1024, /* eight objects of the largest size */
        .fresh_interval_usec = USEC_PER_SEC,
        .aging_usec = 5 * USEC_PER_SEC,
        .aged_turns = 4,
        .faults_max = MAILBOX_FAULTS_MAX,
        .attempts_max = 2,
        .cdat_restarts_max = 3,
        .dead_retry_first_usec = 10 * USEC_PER_SEC,
        .dead_retry_max_usec = 600 * USEC_PER_SEC,
        .object_bytes_max = DOE_OBJECT_BYTES_MAX,
};

#define LIMIT(limit_name, field)                                                                            \
        { .name = limit_name, .offset = offsetof(Limits, field) }

static const struct {
        const char *name;
        size_t offset;
} limits_table[] = {
        LIMIT("AgedTurns", aged_turns),
        LIMIT("AgingUSec", aging_usec),
        LIMIT("AttemptsMax", attempts_max),
        LIMIT("BytesMaxPerClient", bytes_max_per_client),
        LIMIT("CallsMaxPerClient", calls_max_per_client),
        LIMIT("CdatRestartsMax", cdat_restarts_max),
        LIMIT("DeadRetryFirstUSec", dead_retry_first_usec),
        LIMIT("DeadRetryMaxUSec", dead_retry_max_usec),
        LIMIT("DeviceTimeoutUSec", device_timeout_usec),
        LIMIT("FaultsMax", faults_max),
        LIMIT("FreshIntervalUSec", fresh_interval_usec),
        LIMIT("ObjectBytesMax", object_bytes_max),
        LIMIT("QueueMax", queue_max),
        LIMIT("TimeoutDefaultUSec", timeout_default_usec),
        LIMIT("TimeoutMaxUSec", timeout_max_usec),
};

const char *limits_get(const Limits *limits, size_t i, uint64_t *ret) {
        if (i >= ELEMENTS(limits_table))
                return NULL;
        *ret = *(const uint64_t *)((const char *)limits + limits_table[i].offset);
        return limits_table[i].name;
}
