/* SPDX-License-Identifier: GPL-2.0-or-later */

/* An open lease on the bus. Of Pid and Unit everybody but root and the holder's uid sees 0 and "": an error
 * would take all other properties away from GetAll, too. Who reads them must be known for that, and a getter
 * cannot wait; so what reads properties of leases is held back until the bus has said who sent it, and only
 * then reaches the objects. */

#include <errno.h>

#include "daemon/bus/call.h"
#include "daemon/bus/objects.h"
#include "daemon/bus/path.h"
#include "daemon/util/clock.h"
#include "dbus/names.h"

#define LEASE_GETTER(name)                                                                                  \
        static int name(sd_bus *bus, const char *path, const char *interface, const char *property,         \
                        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)

/* -------- Revoke -------- */

static int read_revoke(BusCall *call, Failure *ret_failure) {
        if (sd_bus_message_read(call->message, "s", &call->why) < 0)
                return failure_set(ret_failure, -EINVAL, "The arguments cannot be read");
        return 0;
}

static Lease *look_up_lease(const BusCall *call, Failure *ret_failure) {
        const char *path = sd_bus_message_get_path(call->message);
        Lease *lease = NULL;
        uint64_t id;

        if (path_parse_lease(path, &id) >= 0)
                lease = manager_find_lease(call->daemon->manager, id);
        if (!lease) {
                failure_set(ret_failure, -ESRCH, "There is no lease %s any more", path);
                failure_add_string(ret_failure, "object", path);
        }
        return lease;
}

static int judge_revoke(BusCall *call, PolicyDecision *ret, Failure *ret_failure) {
        const Lease *lease = look_up_lease(call, ret_failure);
        PolicyCaller caller = call_policy_caller(call);

        if (!lease)
                return ret_failure->error;
        policy_judge_call(&call->daemon->manager->policy, &caller, call->method->interface,
                          call->method->member, lease->uid == caller.uid ? NULL : "other", ret);
        return 0;
}

static void run_revoke(BusCall *call) {
        char why[LEASE_WHY_MAX], text[FAILURE_TEXT_MAX];
        Failure failure;
        Lease *lease = look_up_lease(call, &failure);

        if (!lease) {
                call_fail(call, &failure);
                return;
        }
        wire_text_set(why, sizeof(why), call->why);
        snprintf(text, sizeof(text), "Revoked by uid %u%s%s", call->caller->client->uid, *why ? ": " : "",
                 why);
        lease_end(lease, -ECANCELED, text, call->now_usec);
        call_reply(call, NULL, NULL);
}

static const BusMethod revoke_method = { .interface = "Lease1",
                                         .member = "Revoke",
                                         .read = read_revoke,
                                         .judge = judge_revoke,
                                         .run = run_revoke };
DEFINE_CALL_HANDLER(method_revoke, revoke_method);

/* -------- properties -------- */

LEASE_GETTER(property_get_mailbox) {
        const Mailbox *mb = ((const Lease *)userdata)->mailbox;
        char mailbox_path[BUS_PATH_MAX];

        return sd_bus_message_append(reply, "o",
                                     path_of_mailbox(mb->device->address, mb->offset, mailbox_path));
}

LEASE_GETTER(property_get_scope) {
        const Lease *lease = userdata;

        return sd_bus_message_append(reply, "s", lease_scope_to_string(lease->scope));
}

LEASE_GETTER(property_get_why) {
        return sd_bus_message_append(reply, "s", ((const Lease *)userdata)->why);
}

LEASE_GETTER(property_get_expires) {
        const Lease *lease = userdata;
        uint64_t expires_usec = 0;

        if (lease->expires_usec != USEC_INFINITY)
                expires_usec = usec_add(lease->since_realtime_usec,
                                        usec_sub(lease->expires_usec, lease->since_usec));
        return sd_bus_message_append(reply, "t", expires_usec);
}

LEASE_GETTER(property_get_idle) {
        return sd_bus_message_append(reply, "t", lease_idle_usec(userdata, clock_monotonic_usec()));
}

LEASE_GETTER(property_get_waiters) {
        return sd_bus_message_append(reply, "u", (uint32_t)lease_count_waiters(userdata));
}

static bool reads_properties(sd_bus_message *m) {
        return sd_bus_message_is_method_call(m, DBUS_INTERFACE_PROPERTIES, NULL) > 0 ||
               sd_bus_message_is_method_call(m, DBUS_INTERFACE_OBJECT_MANAGER, "GetManagedObjects") > 0;
}

static const Client *find_client(const Daemon *d, sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);
        const Caller *caller = sender ? credentials_find(d->credentials, sender) : NULL;

        return caller ? caller->client : NULL;
}

/* Signals carry properties, too, and go to everybody: only a reply to somebody who may is for his eyes. */
static bool may_see_holder(sd_bus *bus, const Lease *lease) {
        const Daemon *d = sd_bus_slot_get_userdata(sd_bus_get_current_slot(bus));
        sd_bus_message *m = sd_bus_get_current_message(bus);
        const Client *client = m && reads_properties(m) ? find_client(d, m) : NULL;

        if (!client)
                return false;
        return client->uid == lease->uid ||
               policy_is_root(&d->manager->policy, &(PolicyCaller){ .uid = client->uid });
}

LEASE_GETTER(property_get_pid) {
        const Lease *lease = userdata;

        return sd_bus_message_append(reply, "u", may_see_holder(bus, lease) ? lease->pid : 0);
}

LEASE_GETTER(property_get_unit) {
        const Lease *lease = userdata;

        return sd_bus_message_append(reply, "s",
                                     lease->unit && may_see_holder(bus, lease) ? lease->unit : "");
}

/* Everybody may look; what he sees is the getters' business. */
static const BusMethod look = { .run = call_dispatch_again };

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *path = sd_bus_message_get_path(m);
        Daemon *d = userdata;
        uint64_t id;

        if (!reads_properties(m) || !path ||
            (path_parse_lease(path, &id) < 0 && strcmp(path, DOED_PATH) != 0) || find_client(d, m))
                return 0;
        return call_start(m, d, &look);
}

/* -------- the object -------- */

/* Methods of a lease that is over reach us: NotFound says more than that there is no such object. */
static int find_lease(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                      sd_bus_error *ret_error) {
        sd_bus_message *m = sd_bus_get_current_message(bus);
        const Daemon *d = userdata;
        uint64_t id;

        if (path_parse_lease(path, &id) < 0)
                return 0;
        *ret_found = manager_find_lease(d->manager, id);
        return *ret_found || (m && sd_bus_message_is_method_call(m, DOED_INTERFACE_LEASE, NULL) > 0);
}

/* clang-format off */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Revoke", SD_BUS_ARGS("s", why), SD_BUS_NO_RESULT,
                                method_revoke, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Mailbox", "o", property_get_mailbox, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Vendor", "q", NULL, offsetof(Lease, vendor_id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Type", "y", NULL, offsetof(Lease, type), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Scope", "s", property_get_scope, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Why", "s", property_get_why, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Holder", "s", NULL, offsetof(Lease, holder), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Uid", "u", NULL, offsetof(Lease, uid), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("SinceUsec", "t", NULL, offsetof(Lease, since_realtime_usec), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ExpiresUsec", "t", property_get_expires, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("IdleUsec", "t", property_get_idle, 0, 0),
        SD_BUS_PROPERTY("Waiters", "u", property_get_waiters, 0, 0),
        /* what they are depends on who looks */
        SD_BUS_PROPERTY("Pid", "u", property_get_pid, 0, 0),
        SD_BUS_PROPERTY("Unit", "s", property_get_unit, 0, 0),
        SD_BUS_VTABLE_END
};
/* clang-format on */

int lease_object_add(Daemon *d) {
        int r = sd_bus_add_fallback_vtable(d->bus, NULL, DOED_LEASE_PATH, DOED_INTERFACE_LEASE, vtable,
                                           find_lease, d);

        if (r >= 0)
                r = sd_bus_add_filter(d->bus, NULL, on_message, d);
        return r;
}
