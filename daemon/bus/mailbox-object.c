/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/bus/audit.h"
#include "daemon/bus/mailbox-methods.h"
#include "daemon/bus/mailbox-view.h"
#include "daemon/bus/objects.h"
#include "daemon/bus/path.h"
#include "dbus/names.h"

DEFINE_CALL_HANDLER(method_exchange, mailbox_exchange);
DEFINE_CALL_HANDLER(method_lease, mailbox_lease);
DEFINE_CALL_HANDLER(method_inhibit, mailbox_inhibit);

/* -------- Cancel -------- */

static int read_cancel(BusCall *call, Failure *ret_failure) {
        if (sd_bus_message_read(call->message, "t", &call->cookie) < 0)
                return failure_set(ret_failure, -EINVAL, "The arguments cannot be read");
        return 0;
}

/* Does not wait for the first enumeration, or it could not cancel what does. */
static void run_cancel(BusCall *call) {
        bool is_ready = call->daemon->manager->is_ready;
        Mailbox *mb = is_ready ? call_find_mailbox(call) : NULL;
        Failure failure;

        if (is_ready && !mb)
                return;
        if (transaction_cancel(call->caller->client, mb, call->cookie, call->now_usec) >= 0) {
                call_reply(call, NULL, NULL);
                return;
        }
        failure_set(&failure, -ESRCH, "No call of yours with cookie %llu is under way here",
                    (unsigned long long)call->cookie);
        failure_add_u64(&failure, "cookie", call->cookie);
        call_fail(call, &failure);
}

static const BusMethod cancel = {
        .interface = "Mailbox1", .member = "Cancel", .read = read_cancel, .run = run_cancel
};
DEFINE_CALL_HANDLER(method_cancel, cancel);

/* -------- Recover, Discover -------- */

static void run_recover(BusCall *call) {
        TransactionOptions options = call_options(call);
        Mailbox *mb = call_find_mailbox(call);

        if (mb && options.force)
                audit_managed(call, mb->name, "recovers it by force");
        if (mb)
                transaction_recover(call->caller->client, mb, &options, call->now_usec, call_done_empty,
                                    call);
}

static const OptionRow recover_options[] = {
        ROW_TIMEOUT,
        { "force", OPTION_BOOL, offsetof(BusCall, options.force), 0 },
        {},
};

static const BusMethod recover = { .interface = "Mailbox1",
                                   .member = "Recover",
                                   .options = recover_options,
                                   .waits_ready = true,
                                   .run = run_recover };
DEFINE_CALL_HANDLER(method_recover, recover);

static void run_discover(BusCall *call) {
        TransactionOptions options = call_options(call);
        Mailbox *mb = call_find_mailbox(call);

        if (mb)
                transaction_discover(call->caller->client, mb, &options, call->now_usec, call_done_empty,
                                     call);
}

static const OptionRow discover_options[] = { ROW_TIMEOUT, {} };

static const BusMethod discover = { .interface = "Mailbox1",
                                    .member = "Discover",
                                    .options = discover_options,
                                    .waits_ready = true,
                                    .run = run_discover };
DEFINE_CALL_HANDLER(method_discover, discover);

/* -------- Jobs, Faults -------- */

static void run_jobs(BusCall *call) {
        const Mailbox *mb = call_find_mailbox(call);

        if (mb)
                call_reply(call, mailbox_fill_jobs, mb);
}

static const BusMethod jobs = {
        .interface = "Mailbox1", .member = "Jobs", .waits_ready = true, .run = run_jobs
};
DEFINE_CALL_HANDLER(method_jobs, jobs);

static void run_faults(BusCall *call) {
        const Mailbox *mb = call_find_mailbox(call);

        if (mb)
                call_reply(call, mailbox_fill_faults, mb);
}

static const BusMethod faults = {
        .interface = "Mailbox1", .member = "Faults", .waits_ready = true, .run = run_faults
};
DEFINE_CALL_HANDLER(method_faults, faults);

/* -------- the object -------- */

static int find_mailbox(sd_bus *bus, const char *path, const char *interface, void *userdata,
                        void **ret_found, sd_bus_error *ret_error) {
        const Daemon *d = userdata;
        char address[WIRE_ADDRESS_MAX];
        Device *device;
        uint16_t offset;

        if (path_parse_mailbox(path, address, &offset) < 0)
                return 0;
        device = manager_find_device(d->manager, address);
        *ret_found = device ? device_find_mailbox(device, offset) : NULL;
        return *ret_found ? 1 : objects_may_come(d, bus, interface);
}

/* clang-format off */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Exchange",
                                SD_BUS_ARGS("q", vendor, "y", type, "ay", request, "a{sv}", options),
                                SD_BUS_RESULT("ay", response, "a{sv}", details),
                                method_exchange, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("t", cookie), SD_BUS_NO_RESULT,
                                method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Lease",
                                SD_BUS_ARGS("q", vendor, "y", type, "a{sv}", options),
                                SD_BUS_RESULT("h", stream, "o", lease, "a{sv}", details),
                                method_lease, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Inhibit",
                                SD_BUS_ARGS("s", why, "a{sv}", options),
                                SD_BUS_RESULT("h", hold, "o", lease),
                                method_inhibit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Recover", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                method_recover, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Discover", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                method_discover, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Jobs", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", jobs),
                                method_jobs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Faults", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", faults),
                                method_faults, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Device", "o", mailbox_get_device, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Offset", "u", mailbox_get_offset, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("CapabilityVersion", "y", NULL, offsetof(Mailbox, cap_version), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Features", "a(qya{sv})", mailbox_get_features, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("FeaturesSource", "s", mailbox_get_features_source, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("State", "s", mailbox_get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StateReason", "s", mailbox_get_state_reason, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Epoch", "t", NULL, offsetof(Mailbox, epoch), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        /* what changes with each exchange does not emit */
        SD_BUS_PROPERTY("Busy", "b", mailbox_get_busy, 0, 0),
        SD_BUS_PROPERTY("QueueLength", "u", mailbox_get_queue_length, 0, 0),
        SD_BUS_PROPERTY("Exchanges", "t", mailbox_get_total, 0, 0),
        SD_BUS_PROPERTY("Failures", "t", mailbox_get_total, 0, 0),
        SD_BUS_PROPERTY("Timeouts", "t", mailbox_get_total, 0, 0),
        SD_BUS_PROPERTY("AbortCount", "t", NULL, offsetof(Mailbox, n_aborts), 0),
        SD_BUS_PROPERTY("ForeignActivityCount", "t", NULL, offsetof(Mailbox, n_foreign), 0),
        SD_BUS_PROPERTY("CacheHits", "t", mailbox_get_total, 0, 0),
        SD_BUS_PROPERTY("BytesSent", "t", mailbox_get_total, 0, 0),
        SD_BUS_PROPERTY("BytesReceived", "t", mailbox_get_total, 0, 0),
        SD_BUS_SIGNAL_WITH_ARGS("Aborted", SD_BUS_ARGS("s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ForeignActivity", SD_BUS_ARGS("s", evidence), 0),
        SD_BUS_VTABLE_END
};
/* clang-format on */

int mailbox_object_add(Daemon *d) {
        return sd_bus_add_fallback_vtable(d->bus, NULL, DOED_DEVICE_PATH, DOED_INTERFACE_MAILBOX, vtable,
                                          find_mailbox, d);
}
