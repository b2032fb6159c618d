/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/mailbox-view.h"

#include <errno.h>

#include "daemon/bus/path.h"
#include "daemon/core/lease.h"
#include "daemon/util/clock.h"

MAILBOX_GETTER(mailbox_get_device) {
        const Mailbox *mb = userdata;
        char device_path[BUS_PATH_MAX];

        return sd_bus_message_append(reply, "o", path_of_device(mb->device->address, device_path));
}

MAILBOX_GETTER(mailbox_get_offset) {
        const Mailbox *mb = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t)mb->offset);
}

MAILBOX_GETTER(mailbox_get_features_source) {
        const Mailbox *mb = userdata;

        return sd_bus_message_append(reply, "s", features_source_to_string(mb->features_source));
}

MAILBOX_GETTER(mailbox_get_state) {
        const Mailbox *mb = userdata;

        return sd_bus_message_append(reply, "s", mailbox_state_to_string(mb->state));
}

MAILBOX_GETTER(mailbox_get_state_reason) {
        const Mailbox *mb = userdata;

        return sd_bus_message_append(reply, "s", mb->state_reason);
}

MAILBOX_GETTER(mailbox_get_busy) {
        return sd_bus_message_append(reply, "b", mailbox_is_busy(userdata));
}

MAILBOX_GETTER(mailbox_get_queue_length) {
        return sd_bus_message_append(reply, "u", (uint32_t)mailbox_queue_length(userdata));
}

MAILBOX_GETTER(mailbox_get_total) {
        const Mailbox *mb = userdata;
        CounterTotals totals = counters_sum(&mb->counters);
        const struct {
                const char *name;
                uint64_t value;
        } rows[] = {
                { "Exchanges", totals.n_exchanges },  { "Failures", totals.n_failures },
                { "Timeouts", totals.n_timeouts },    { "CacheHits", totals.n_cache_hits },
                { "BytesSent", totals.n_bytes_sent }, { "BytesReceived", totals.n_bytes_received },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (strcmp(rows[i].name, property) == 0)
                        return sd_bus_message_append(reply, "t", rows[i].value);
        return -EINVAL;
}

static int append_feature_details(sd_bus_message *reply, const DoeDiscoveryEntry *f) {
        const DoeFeature *known = doe_feature_find(f->vendor_id, f->type);
        uint64_t n_bytes_max = 4 * (uint64_t)(f->n_dwords_max ?: DOE_OBJECT_DWORDS_MAX);
        int r = sd_bus_message_open_container(reply, 'a', "{sv}");

        if (r >= 0 && known)
                r = sd_bus_message_append(reply, "{sv}", "name", "s", known->name);
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "class", "s",
                                          doe_class_to_string(known ? known->class : DOE_CLASS_UNKNOWN));
        if (r >= 0 && f->has_limits)
                r = sd_bus_message_append(reply, "{sv}", "max-bytes", "t", n_bytes_max);
        if (r >= 0 && f->has_limits && known && known->has_connection_id)
                r = sd_bus_message_append(reply, "{sv}", "max-connection-id", "q", f->connection_id_max);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_feature(sd_bus_message *reply, const DoeDiscoveryEntry *f) {
        int r = sd_bus_message_open_container(reply, 'r', "qya{sv}");

        if (r >= 0)
                r = sd_bus_message_append(reply, "qy", f->vendor_id, f->type);
        if (r >= 0)
                r = append_feature_details(reply, f);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

MAILBOX_GETTER(mailbox_get_features) {
        const Mailbox *mb = userdata;
        int r = sd_bus_message_open_container(reply, 'a', "(qya{sv})");

        for (size_t i = 0; r >= 0 && i < mb->n_features; i++)
                r = append_feature(reply, &mb->features[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Who stands behind a job: to its own user, and to those who may manage. One that drains for nobody has no
 * owner left. */
static int append_owner(const BusCall *call, sd_bus_message *reply, const Job *job) {
        const Policy *policy = &call->daemon->manager->policy;
        PolicyCaller caller = call_policy_caller(call);
        bool has_owner = job->client || job->lease; /* or it is doed's own */
        uint32_t uid = has_owner ? job->uid : policy->owner_uid;
        const char *unit = job->client ? job->client->unit : job->lease ? job->lease->unit : NULL;
        int r;

        if (!job->done || (uid != caller.uid && !policy_may_manage(policy, &caller)))
                return 0;
        r = sd_bus_message_append(reply, "{sv}", "uid", "u", uid);
        if (r >= 0 && unit)
                r = sd_bus_message_append(reply, "{sv}", "unit", "s", unit);
        return r;
}

static int append_job(const BusCall *call, sd_bus_message *reply, const Job *job) {
        uint64_t age_usec = usec_sub(clock_monotonic_usec(), job->submitted_usec);
        char feature[DOE_FEATURE_STR_MAX], path[BUS_PATH_MAX];
        int r = sd_bus_message_open_container(reply, 'a', "{sv}");

        if (r >= 0)
                r = append_owner(call, reply, job);
        if (r >= 0 && job->lease)
                r = sd_bus_message_append(reply, "{sv}", "lease", "o", path_of_lease(job->lease->id, path));
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "feature", "s",
                                          doe_feature_format(job->vendor_id, job->type, feature));
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "priority", "s",
                                          job_priority_to_string(job->priority));
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "since-usec", "t",
                                          usec_sub(clock_realtime_usec(), age_usec));
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "state", "s", job_state_to_string(job->state));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int mailbox_fill_jobs(BusCall *call, sd_bus_message *reply, const void *result) {
        const Mailbox *mb = result;
        const Job *job = NULL;
        int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

        if (r >= 0 && mb->running)
                r = append_job(call, reply, mb->running);
        if (r >= 0 && mb->staged)
                r = append_job(call, reply, mb->staged);
        while (r >= 0 && (job = scheduler_next(&mb->scheduler, job)))
                r = append_job(call, reply, job);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_fault(sd_bus_message *reply, const MailboxFault *f) {
        char evidence[MAILBOX_TEXT_MAX];

        /* it may have been cut within a character */
        wire_text_set(evidence, sizeof(evidence), f->evidence);
        return sd_bus_message_append(reply, "a{sv}", 4, "time-usec", "t", f->realtime_usec, "kind", "s",
                                     f->kind, "evidence", "s", evidence, "action", "s", f->action);
}

int mailbox_fill_faults(BusCall *call, sd_bus_message *reply, const void *result) {
        const Mailbox *mb = result;
        uint64_t n_max = mb->manager->config->limits.faults_max;
        uint64_t first = mb->n_faults > n_max ? mb->n_faults - n_max : 0;
        int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

        for (uint64_t i = first; r >= 0 && i < mb->n_faults; i++)
                r = append_fault(reply, &mb->faults[i % MAILBOX_FAULTS_MAX]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}
