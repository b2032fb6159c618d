/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/bus/audit.h"
#include "daemon/bus/call.h"
#include "daemon/bus/manager-methods.h"
#include "daemon/bus/objects.h"
#include "daemon/bus/path.h"
#include "daemon/core/metrics.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"
#include "dbus/names.h"

#define DEVICE_PATTERN_MAX 255u
#define METRICS_AGE_USEC   USEC_PER_SEC
#define METRICS_BYTES_MAX  (16u * 1024 * 1024) /* half of what the bus takes in one message */

/* -------- Find -------- */

static int read_find(BusCall *call, Failure *ret_failure) {
        int r = sd_bus_message_read(call->message, "sqy", &call->device, &call->vendor_id, &call->type);

        if (r < 0)
                return failure_set(ret_failure, -EINVAL, "The arguments cannot be read");
        if (strlen(call->device) > DEVICE_PATTERN_MAX)
                return failure_set(ret_failure, -EINVAL,
                                   "A device is an address, a pattern of at most %u bytes, or \"\" for all",
                                   DEVICE_PATTERN_MAX);
        return 0;
}

typedef struct Found {
        Mailbox **mailboxes;
        size_t n_mailboxes;
} Found;

static int fill_find(BusCall *call, sd_bus_message *reply, const void *result) {
        const Found *found = result;
        int r = sd_bus_message_open_container(reply, 'a', "o");

        for (size_t i = 0; r >= 0 && i < found->n_mailboxes; i++) {
                char path[BUS_PATH_MAX];

                path_of_mailbox(found->mailboxes[i]->device->address, found->mailboxes[i]->offset, path);
                r = sd_bus_message_append(reply, "o", path);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void run_find(BusCall *call) {
        Found found = {};
        Failure failure;
        int r = manager_find(call->daemon->manager, call->device, call->vendor_id, call->type,
                             &found.mailboxes, &found.n_mailboxes);

        if (r < 0) {
                failure_set(&failure, r, "The search failed: %s", strerror(-r));
                call_fail(call, &failure);
                return;
        }
        call_reply(call, fill_find, &found);
        free(found.mailboxes);
}

static const OptionRow find_options[] = {
        { "timeout-usec", OPTION_U64, offsetof(BusCall, options.timeout_usec), 0 },
        {},
};

static const BusMethod find = { .interface = "Manager1",
                                .member = "Find",
                                .options = find_options,
                                .waits_ready = true,
                                .read = read_find,
                                .run = run_find };
DEFINE_CALL_HANDLER(method_find, find);

/* -------- Explain -------- */

static int read_explain(BusCall *call, Failure *ret_failure) {
        char address[WIRE_ADDRESS_MAX];
        const void *request;
        uint16_t offset;
        int r = sd_bus_message_read(call->message, "oqy", &call->mailbox_path, &call->vendor_id,
                                    &call->type);

        if (r >= 0)
                r = sd_bus_message_read_array(call->message, 'y', &request, &call->n_bytes);
        if (r < 0)
                return failure_set(ret_failure, -EINVAL, "The arguments cannot be read");
        call->request = request;
        if (path_parse_mailbox(call->mailbox_path, address, &offset) < 0)
                return failure_set(ret_failure, -EINVAL, "%s is not the path of a mailbox",
                                   call->mailbox_path);
        return 0;
}

static int check_explain(BusCall *call, Failure *ret_failure) {
        if (call->description.has_gids && !call->description.has_uid)
                return failure_set(ret_failure, -EINVAL, "Option \"gids\" goes with \"uid\" only");
        return 0;
}

static PolicyCaller described_caller(const BusCall *call) {
        const CallDescription *d = &call->description;

        if (!d->has_uid)
                return call_policy_caller(call);
        return (PolicyCaller){ .uid = d->uid, .gids = d->gids.values, .n_gids = d->gids.n_values };
}

static int append_string(sd_bus_message *reply, const char *name, const char *value) {
        return sd_bus_message_append(reply, "{sv}", name, "s", value);
}

/* Whoever may send it all the same gets this error now, and why. */
static int append_obstacle(const BusCall *call, sd_bus_message *reply, const Mailbox *mb,
                           const PolicyDecision *decision) {
        const DoeFeature *known = doe_feature_find(call->vendor_id, call->type);
        const char *error = NULL, *evidence = NULL;
        int r;

        if (!mb->manager->has_link) {
                error = DOED_ERROR_PREFIX "Unavailable";
                evidence = mb->manager->link_reason;
        } else if (known && known->is_spdm && *mb->device->spdm_owner &&
                   !decision->effects.kernel_override) {
                error = DOED_ERROR_PREFIX "KernelOwned";
                evidence = mb->device->spdm_owner;
        }
        if (!error)
                return 0;
        r = append_string(reply, "obstacle", error);
        return r < 0 ? r : append_string(reply, "evidence", evidence);
}

static int fill_explain(BusCall *call, sd_bus_message *reply, const void *result) {
        const PolicyCaller caller = described_caller(call);
        const Mailbox *mb = result;
        DoeJudgement judgement;
        const PolicyRequest request = { .device = mb->device,
                                        .vendor_id = call->vendor_id,
                                        .type = call->type,
                                        .judgement = &judgement };
        PolicyDecision decision;
        int r;

        doe_feature_judge(call->vendor_id, call->type, call->request, call->n_bytes, &judgement);
        policy_judge_request(&call->daemon->manager->policy, &caller, &request, &decision);
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = append_string(reply, "verdict", policy_verdict_to_string(decision.verdict));
        if (r >= 0)
                r = append_string(reply, "rule", decision.rule);
        if (r >= 0)
                r = append_string(reply, "source", decision.source);
        if (r >= 0)
                r = append_string(reply, "class", doe_class_to_string(decision.judgement.class));
        if (r >= 0 && decision.judgement.opcode >= 0)
                r = sd_bus_message_append(reply, "{sv}", "opcode", "y", decision.judgement.opcode);
        if (r >= 0)
                r = append_string(reply, "opcode-name", decision.judgement.opcode_name);
        if (r >= 0)
                r = append_string(reply, "state", mailbox_state_to_string(mb->state));
        if (r >= 0)
                r = append_obstacle(call, reply, mb, &decision);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void run_explain(BusCall *call) {
        const Mailbox *mb = call_find_mailbox(call);

        if (mb)
                call_reply(call, fill_explain, mb);
}

static const OptionRow explain_options[] = {
        { "uid", OPTION_U32, offsetof(BusCall, description.uid), offsetof(BusCall, description.has_uid) },
        { "gids", OPTION_U32S, offsetof(BusCall, description.gids),
          offsetof(BusCall, description.has_gids) },
        {},
};

static const BusMethod explain = { .interface = "Manager1",
                                   .member = "Explain",
                                   .options = explain_options,
                                   .waits_ready = true,
                                   .read = read_explain,
                                   .check = check_explain,
                                   .run = run_explain };
DEFINE_CALL_HANDLER(method_explain, explain);

DEFINE_CALL_HANDLER(method_capture, manager_capture);

/* -------- Rescan -------- */

static void run_rescan(BusCall *call) {
        TransactionOptions options = call_options(call);

        transaction_rescan(call->caller->client, &options, call->now_usec, call_done_empty, call);
}

static const BusMethod rescan = { .interface = "Manager1", .member = "Rescan", .run = run_rescan };
DEFINE_CALL_HANDLER(method_rescan, rescan);

/* -------- Reload -------- */

static void run_reload(BusCall *call) {
        Failure failure;

        audit_managed(call, NULL, "has the configuration read again");
        if (daemon_reload(call->daemon, &failure) < 0)
                call_fail(call, &failure);
        else
                call_reply(call, NULL, NULL);
}

static const BusMethod reload = { .interface = "Manager1", .member = "Reload", .run = run_reload };
DEFINE_CALL_HANDLER(method_reload, reload);

/* -------- Metrics -------- */

static int fill_metrics(BusCall *call, sd_bus_message *reply, const void *result) {
        return sd_bus_message_append(reply, "s", result);
}

/* Everybody may ask, as often as he likes: what was written lately is good enough for all. */
static int refresh_metrics(Daemon *d, uint64_t now_usec, Failure *ret_failure) {
        char *text;
        int r;

        if (d->metrics && now_usec < d->metrics_usec + METRICS_AGE_USEC)
                return 0;
        r = metrics_format(d->manager, DOED_VERSION, &text);
        if (r < 0)
                return failure_set(ret_failure, r, "The metrics cannot be written: %s", strerror(-r));
        free(d->metrics);
        d->metrics = text;
        d->metrics_usec = now_usec;
        return 0;
}

static void run_metrics(BusCall *call) {
        Daemon *d = call->daemon;
        Failure failure;

        if (refresh_metrics(d, call->now_usec, &failure) < 0) {
                call_fail(call, &failure);
        } else if (strlen(d->metrics) > METRICS_BYTES_MAX) {
                failure_set(&failure, -EMSGSIZE, "The metrics have %zu bytes, more than %u",
                            strlen(d->metrics), METRICS_BYTES_MAX);
                failure_add_u64(&failure, "bytes", strlen(d->metrics));
                call_fail(call, &failure);
        } else
                call_reply(call, fill_metrics, d->metrics);
}

static const BusMethod metrics = { .interface = "Manager1", .member = "Metrics", .run = run_metrics };
DEFINE_CALL_HANDLER(method_metrics, metrics);

/* -------- properties -------- */

static int property_get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                                sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "s", DOED_VERSION);
}

static int property_get_ready(sd_bus *bus, const char *path, const char *interface, const char *property,
                              sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Daemon *d = userdata;

        return sd_bus_message_append(reply, "b", d->manager->is_ready);
}

static int property_get_lockdown(sd_bus *bus, const char *path, const char *interface, const char *property,
                                 sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Daemon *d = userdata;

        return sd_bus_message_append(reply, "s", d->manager->lockdown);
}

static int property_get_limits(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Limits *limits = &((const Daemon *)userdata)->manager->config->limits;
        const char *name;
        uint64_t value;
        int r = sd_bus_message_open_container(reply, 'a', "{st}");

        for (size_t i = 0; r >= 0 && (name = limits_get(limits, i, &value)); i++)
                r = sd_bus_message_append(reply, "{st}", name, value);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* clang-format off */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Find",
                                SD_BUS_ARGS("s", device, "q", vendor, "y", type, "a{sv}", options),
                                SD_BUS_RESULT("ao", mailboxes),
                                method_find, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Explain",
                                SD_BUS_ARGS("o", mailbox, "q", vendor, "y", type, "ay", request, "a{sv}", caller),
                                SD_BUS_RESULT("a{sv}", explanation),
                                method_explain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Capture", SD_BUS_ARGS("a{sv}", filter), SD_BUS_RESULT("h", stream),
                                method_capture, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Rescan", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                                method_rescan, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                                method_reload, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Metrics", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", metrics),
                                method_metrics, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", property_get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Ready", "b", property_get_ready, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Lockdown", "s", property_get_lockdown, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Limits", "a{st}", property_get_limits, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END
};
/* clang-format on */

int manager_object_add(Daemon *d) {
        return sd_bus_add_object_vtable(d->bus, NULL, DOED_PATH, DOED_INTERFACE_MANAGER, vtable, d);
}

void manager_object_emit_limits(Daemon *d) {
        int r = sd_bus_emit_properties_changed(d->bus, DOED_PATH, DOED_INTERFACE_MANAGER, "Limits", NULL);

        if (r < 0 && r != -ENOTCONN)
                log_warning("Cannot tell the bus of new limits, ignoring: %s", strerror(-r));
}
