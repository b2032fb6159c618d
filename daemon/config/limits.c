/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/limits.h"

#include <inttypes.h>
#include <stdbool.h>

#include "daemon/config/value.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"
#include "daemon/util/ini.h"
#include "protocols/data-object.h"
#include "protocols/registers.h"

const Limits limits_default = {
        .timeout_default_usec = 20 * USEC_PER_SEC,
        .timeout_max_usec = 600 * USEC_PER_SEC,
        .device_timeout_usec = DOE_TIMEOUT_USEC,
        .busy_grace_usec = USEC_PER_SEC,
        .queue_max = 4096,
        .queue_max_per_uid = 2048,
        .calls_max_per_client = 1024,            /* the stock bus lets a connection wait for 128 replies */
        .bytes_max_per_client = 8 * 1024 * 1024, /* eight objects of the largest size */
        .bytes_max_per_uid = 32 * 1024 * 1024,
        .fresh_interval_usec = USEC_PER_SEC,
        .aging_usec = 5 * USEC_PER_SEC,
        .aged_turns = 4,
        .faults_max = LIMITS_FAULTS_MAX,
        .attempts_max = 2,
        .cdat_restarts_max = 3,
        .cdat_age_max_usec = 60 * USEC_PER_SEC,
        .cache_bytes_max_per_mailbox = 1024 * 1024,
        .cache_bytes_max_per_uid = 4 * 1024 * 1024,
        .dead_retry_first_usec = 10 * USEC_PER_SEC,
        .dead_retry_max_usec = 600 * USEC_PER_SEC,
        .flap_failures_max = 8,
        .flap_window_usec = 60 * USEC_PER_SEC,
        .flap_rest_first_usec = USEC_PER_SEC,
        .flap_rest_max_usec = 60 * USEC_PER_SEC,
        .object_bytes_max = DOE_OBJECT_BYTES_MAX,
        .leases_max_per_uid = 16,
        .waiters_max_per_uid = 64,
        .lease_idle_usec = 30 * USEC_PER_SEC,
        .lease_max_usec = 300 * USEC_PER_SEC,
        .lease_waited_usec = 60 * USEC_PER_SEC,
        .session_idle_usec = 600 * USEC_PER_SEC,
        .lease_not_ready_max_usec = 60 * USEC_PER_SEC,
        .lease_request_usec = 20 * USEC_PER_SEC,
        .lease_requests_max = 16,
        .resume_usec = 600 * USEC_PER_SEC,
        .inhibit_max_usec = 600 * USEC_PER_SEC,
        .captures_max = 8,
        .capture_bytes_max = 2 * 1024 * 1024, /* an object of the largest size, and then some */
        .recorder_bytes_max = 1024 * 1024,    /* some thousand exchanges */
        .recorder_payload_bytes_max = 256,
};

#define COUNT_MAX UINT64_C(1000000)
#define BYTES_MAX (UINT64_C(1) << 40)
#define TIME_MAX  (30 * 24 * 3600 * USEC_PER_SEC)

#define LIMIT(limit_name, field, smallest, largest)                                                         \
        { .name = limit_name, .offset = offsetof(Limits, field), .min = smallest, .max = largest }

/* Zero is left out where it would stop all work or make doed spin. */
static const struct {
        const char *name;
        size_t offset;
        uint64_t min, max;
} limits_table[] = {
        LIMIT("AgedTurns", aged_turns, 1, COUNT_MAX),
        LIMIT("AgingUSec", aging_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("AttemptsMax", attempts_max, 1, 10),
        LIMIT("BusyGraceUSec", busy_grace_usec, 0, 600 * USEC_PER_SEC),
        LIMIT("BytesMaxPerClient", bytes_max_per_client, 4, BYTES_MAX),
        LIMIT("BytesMaxPerUid", bytes_max_per_uid, 4, BYTES_MAX),
        LIMIT("CacheBytesMaxPerMailbox", cache_bytes_max_per_mailbox, 0, BYTES_MAX),
        LIMIT("CacheBytesMaxPerUid", cache_bytes_max_per_uid, 0, BYTES_MAX),
        LIMIT("CallsMaxPerClient", calls_max_per_client, 1, COUNT_MAX),
        LIMIT("CaptureBytesMax", capture_bytes_max, 65536, 64 * 1024 * 1024),
        LIMIT("CapturesMax", captures_max, 0, 64),
        LIMIT("CdatAgeMaxUSec", cdat_age_max_usec, 0, TIME_MAX),
        LIMIT("CdatRestartsMax", cdat_restarts_max, 0, 100),
        LIMIT("DeadRetryFirstUSec", dead_retry_first_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("DeadRetryMaxUSec", dead_retry_max_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("DeviceTimeoutUSec", device_timeout_usec, USEC_PER_MSEC, 600 * USEC_PER_SEC),
        LIMIT("FaultsMax", faults_max, 1, LIMITS_FAULTS_MAX),
        LIMIT("FlapFailuresMax", flap_failures_max, 1, LIMITS_FLAP_FAILURES_MAX),
        LIMIT("FlapRestFirstUSec", flap_rest_first_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("FlapRestMaxUSec", flap_rest_max_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("FlapWindowUSec", flap_window_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("FreshIntervalUSec", fresh_interval_usec, 0, TIME_MAX),
        LIMIT("InhibitMaxUSec", inhibit_max_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("LeaseIdleUSec", lease_idle_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("LeaseMaxUSec", lease_max_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("LeaseNotReadyMaxUSec", lease_not_ready_max_usec, 0, TIME_MAX),
        LIMIT("LeaseRequestUSec", lease_request_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("LeaseRequestsMax", lease_requests_max, 1, COUNT_MAX),
        LIMIT("LeaseWaitedUSec", lease_waited_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("LeasesMaxPerUid", leases_max_per_uid, 0, COUNT_MAX),
        LIMIT("ObjectBytesMax", object_bytes_max, 4 * DOE_HEADER_DWORDS + 4, DOE_OBJECT_BYTES_MAX),
        LIMIT("QueueMax", queue_max, 1, COUNT_MAX),
        LIMIT("QueueMaxPerUid", queue_max_per_uid, 1, COUNT_MAX),
        LIMIT("RecorderBytesMax", recorder_bytes_max, 0, 64 * 1024 * 1024),
        LIMIT("RecorderPayloadBytesMax", recorder_payload_bytes_max, 0, DOE_PAYLOAD_BYTES_MAX),
        LIMIT("ResumeUSec", resume_usec, 0, TIME_MAX),
        LIMIT("SessionIdleUSec", session_idle_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("TimeoutDefaultUSec", timeout_default_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("TimeoutMaxUSec", timeout_max_usec, USEC_PER_MSEC, TIME_MAX),
        LIMIT("WaitersMaxPerUid", waiters_max_per_uid, 0, COUNT_MAX),
};
_Static_assert(ELEMENTS(limits_table) == N_LIMITS, "every limit has its row");

const char *limits_get(const Limits *limits, size_t i, uint64_t *ret) {
        if (i >= ELEMENTS(limits_table))
                return NULL;
        *ret = *(const uint64_t *)((const char *)limits + limits_table[i].offset);
        return limits_table[i].name;
}

int limits_find(const char *name) {
        for (size_t i = 0; i < ELEMENTS(limits_table); i++)
                if (strcmp(limits_table[i].name, name) == 0)
                        return (int)i;
        return -1;
}

static bool is_time(const char *name) {
        size_t n = strlen(name);

        return n > 4 && strcmp(name + n - 4, "USec") == 0;
}

int limits_set(Limits *limits, size_t i, const char *value, char *error) {
        const char *name = limits_table[i].name;
        uint64_t min = limits_table[i].min, max = limits_table[i].max, v;
        int r = is_time(name) ? value_parse_usec(value, 1, &v) : value_parse_u64(value, &v);

        if (r < 0 || v < min || v > max)
                return ini_fail(error, "%s=%.64s is not %s from %" PRIu64 " to %" PRIu64, name, value,
                                is_time(name) ? "a time in microseconds, or with a unit, such as 5s,"
                                              : "a number",
                                min, max);
        *(uint64_t *)((char *)limits + limits_table[i].offset) = v;
        return 0;
}
