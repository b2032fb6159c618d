/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/publisher.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/bus/audit.h"
#include "daemon/bus/daemon.h"
#include "daemon/bus/path.h"
#include "daemon/bus/sleep.h"
#include "daemon/core/lease.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"
#include "dbus/names.h"

#define NAMES_MAX 8u

typedef struct PropertyName {
        unsigned bit;
        const char *name;
} PropertyName;

static const PropertyName manager_properties[] = {
        { MANAGER_PROPERTY_READY, "Ready" },
        { MANAGER_PROPERTY_LOCKDOWN, "Lockdown" },
};

static const PropertyName device_properties[] = {
        { DEVICE_PROPERTY_DRIVER, "Driver" },
        { DEVICE_PROPERTY_ACCESS, "Access" },
        { DEVICE_PROPERTY_CXL_MEMORY, "CxlMemory" },
        { DEVICE_PROPERTY_CXL_PORT, "CxlPort" },
};

static const PropertyName cdat_properties[] = {
        { DEVICE_PROPERTY_CDAT, "Length" },
        { DEVICE_PROPERTY_CDAT, "Sequence" },
        { DEVICE_PROPERTY_CDAT, "Source" },
};

static const PropertyName mailbox_properties[] = {
        { MAILBOX_PROPERTY_STATE, "State" },
        { MAILBOX_PROPERTY_STATE_REASON, "StateReason" },
        { MAILBOX_PROPERTY_EPOCH, "Epoch" },
        { MAILBOX_PROPERTY_FEATURES, "Features" },
        { MAILBOX_PROPERTY_FEATURES_SOURCE, "FeaturesSource" },
};

static const PropertyName lease_properties[] = { { 1, "ExpiresUsec" } };

/* A signal that cannot be sent is lost, and nothing else. -ENOENT: of an object that nobody was told of yet;
 * -ENOTCONN: doed has left the bus. */
static void warn_lost(const char *what, const char *path, int r) {
        if (r < 0 && r != -ENOENT && r != -ENOTCONN)
                log_warning("Cannot emit %s of %s, ignoring: %s", what, path, strerror(-r));
}

static void emit_changed(Daemon *d, const char *path, const char *interface, const PropertyName *table,
                         size_t n_rows, unsigned properties) {
        char *names[NAMES_MAX] = {};
        size_t n = 0;

        for (size_t i = 0; i < n_rows; i++)
                if (properties & table[i].bit)
                        names[n++] = (char *)table[i].name;
        if (n > 0)
                warn_lost("PropertiesChanged", path,
                          sd_bus_emit_properties_changed_strv(d->bus, path, interface, names));
}

/* "unknown" is what it is before doed-pci says. */
static bool is_lockdown(const char *lockdown) {
        return strcmp(lockdown, "none") != 0 && strcmp(lockdown, "unknown") != 0;
}

static void on_manager_changed(void *userdata, unsigned properties) {
        const Daemon *d = userdata;

        if (properties & MANAGER_PROPERTY_LOCKDOWN && is_lockdown(d->manager->lockdown))
                log_event(LOG_EVENT_LOCKDOWN, NULL,
                          "Kernel lockdown is %s: mailboxes are read-only, exchanges are refused",
                          d->manager->lockdown);
        emit_changed(userdata, DOED_PATH, DOED_INTERFACE_MANAGER, manager_properties,
                     ELEMENTS(manager_properties), properties);
}

static void on_device_added(void *userdata, Device *device) {
        Daemon *d = userdata;
        char path[BUS_PATH_MAX];

        log_event(LOG_EVENT_DEVICE_ADDED, &(LogFields){ .subject = device->address },
                  "%s [%04x:%04x] with %zu mailbox%s", device->name, device->vendor_id, device->device_id,
                  device->n_mailboxes, device->n_mailboxes == 1 ? "" : "es");
        path_of_device(device->address, path);
        warn_lost("InterfacesAdded", path, sd_bus_emit_object_added(d->bus, path));
        for (size_t i = 0; i < device->n_mailboxes; i++) {
                path_of_mailbox(device->address, device->mailboxes[i]->offset, path);
                warn_lost("InterfacesAdded", path, sd_bus_emit_object_added(d->bus, path));
        }
}

static void on_device_removed(void *userdata, Device *device) {
        Daemon *d = userdata;
        char path[BUS_PATH_MAX];

        for (size_t i = 0; i < device->n_mailboxes; i++) {
                path_of_mailbox(device->address, device->mailboxes[i]->offset, path);
                warn_lost("InterfacesRemoved", path, sd_bus_emit_object_removed(d->bus, path));
        }
        path_of_device(device->address, path);
        warn_lost("InterfacesRemoved", path, sd_bus_emit_object_removed(d->bus, path));
}

static void on_device_changed(void *userdata, Device *device, unsigned properties) {
        Daemon *d = userdata;
        char path[BUS_PATH_MAX];

        path_of_device(device->address, path);
        emit_changed(d, path, DOED_INTERFACE_DEVICE, device_properties, ELEMENTS(device_properties),
                     properties);
        if (properties & DEVICE_PROPERTY_CDAT_EXISTS) {
                if (device_has_cdat(device))
                        warn_lost("InterfacesAdded", path,
                                  sd_bus_emit_interfaces_added(d->bus, path, DOED_INTERFACE_CDAT, NULL));
                else
                        warn_lost("InterfacesRemoved", path,
                                  sd_bus_emit_interfaces_removed(d->bus, path, DOED_INTERFACE_CDAT, NULL));
        }
        if (device_has_cdat(device))
                emit_changed(d, path, DOED_INTERFACE_CDAT, cdat_properties, ELEMENTS(cdat_properties),
                             properties);
}

/* What an operator may have to see to, and its end. */
static void log_health(Mailbox *mb, unsigned properties) {
        const LogFields fields = { .subject = mb->name, .reason = mb->state_reason };

        if (mb->state == MAILBOX_DEAD) {
                if (properties & MAILBOX_PROPERTY_STATE_REASON)
                        log_event(LOG_EVENT_MAILBOX_DEAD, &fields, "Dead: %s", mb->state_reason);
        } else if (recovery_is_resting(&mb->recovery)) {
                if (properties & MAILBOX_PROPERTY_STATE_REASON)
                        log_event(LOG_EVENT_MAILBOX_RESTING, &fields, "Resting: %s", mb->state_reason);
        } else if (mb->is_ill && mailbox_is_ready(mb)) {
                log_event(LOG_EVENT_MAILBOX_RECOVERED, &fields, "Ready again");
                mb->is_ill = false;
                return;
        } else {
                if (mb->state == MAILBOX_KERNEL && properties & MAILBOX_PROPERTY_STATE)
                        log_event(LOG_EVENT_KERNEL_HOLDS, &fields, "The kernel works on it: %s",
                                  mb->state_reason);
                return;
        }
        mb->is_ill = true;
}

static void on_mailbox_changed(void *userdata, Mailbox *mb, unsigned properties) {
        char path[BUS_PATH_MAX];

        log_health(mb, properties);
        path_of_mailbox(mb->device->address, mb->offset, path);
        emit_changed(userdata, path, DOED_INTERFACE_MAILBOX, mailbox_properties,
                     ELEMENTS(mailbox_properties), properties);
}

static void emit_signal(Daemon *d, const Mailbox *mb, const char *member, const char *text) {
        char path[BUS_PATH_MAX];

        path_of_mailbox(mb->device->address, mb->offset, path);
        warn_lost(member, path, sd_bus_emit_signal(d->bus, path, DOED_INTERFACE_MAILBOX, member, "s", text));
}

static void on_mailbox_aborted(void *userdata, Mailbox *mb, const char *reason) {
        log_event(LOG_EVENT_ABORTED, &(LogFields){ .subject = mb->name, .reason = reason }, "Aborted: %s",
                  reason);
        emit_signal(userdata, mb, "Aborted", reason);
}

static void on_mailbox_foreign(void *userdata, Mailbox *mb, const char *evidence) {
        log_event(LOG_EVENT_FOREIGN_ACTIVITY, &(LogFields){ .subject = mb->name, .reason = evidence },
                  "Foreign activity: %s", evidence);
        emit_signal(userdata, mb, "ForeignActivity", evidence);
}

static void on_lease_opened(void *userdata, Lease *lease) {
        Daemon *d = userdata;
        char path[BUS_PATH_MAX];

        audit_lease_opened(lease);
        path_of_lease(lease->id, path);
        warn_lost("InterfacesAdded", path, sd_bus_emit_object_added(d->bus, path));
}

/* Not sd_bus_emit_object_removed(), which looks for an object that is there: nobody finds this lease. */
static void on_lease_closed(void *userdata, Lease *lease) {
        Daemon *d = userdata;
        char path[BUS_PATH_MAX];

        audit_lease_ended(lease, clock_monotonic_usec());
        path_of_lease(lease->id, path);
        warn_lost("InterfacesRemoved", path,
                  sd_bus_emit_interfaces_removed(d->bus, path, DBUS_INTERFACE_PEER,
                                                 DBUS_INTERFACE_INTROSPECTABLE, DBUS_INTERFACE_PROPERTIES,
                                                 DOED_INTERFACE_LEASE, NULL));
}

static void on_lease_changed(void *userdata, Lease *lease) {
        char path[BUS_PATH_MAX];

        path_of_lease(lease->id, path);
        emit_changed(userdata, path, DOED_INTERFACE_LEASE, lease_properties, ELEMENTS(lease_properties), 1);
}

static void on_lease_denied(void *userdata, const Lease *lease, const DoeObjectHeader *header,
                            const PolicyDecision *decision, const char *why) {
        audit_lease_denied(lease, header, decision, why);
}

static void on_lease_destructive(void *userdata, const Lease *lease, const LeaseDestructive *sent) {
        audit_destructive(lease, sent);
}

static void on_lease_halting(void *userdata, const Lease *lease) {
        const LogFields fields = { .subject = lease->mailbox->name,
                                   .has_uid = true,
                                   .uid = (uint32_t)lease->uid,
                                   .lease = lease->id };

        log_event(LOG_EVENT_COMPLIANCE_HALTING, &fields,
                  "Lease %" PRIu64
                  " of uid %u used compliance requests that change the device: halting them",
                  lease->id, fields.uid);
}

static void on_mailbox_not_halted(void *userdata, Mailbox *mb, const char *why) {
        log_event(LOG_EVENT_COMPLIANCE_GOES_ON, &(LogFields){ .subject = mb->name, .reason = why },
                  "Compliance could not be halted: %s", why);
}

static void on_suspended(void *userdata) {
        sleep_on_suspended(userdata);
}

const Observer publisher_observer = {
        .suspended = on_suspended,
        .lease_opened = on_lease_opened,
        .lease_closed = on_lease_closed,
        .lease_changed = on_lease_changed,
        .lease_denied = on_lease_denied,
        .lease_destructive = on_lease_destructive,
        .lease_halting = on_lease_halting,
        .mailbox_not_halted = on_mailbox_not_halted,
        .manager_changed = on_manager_changed,
        .device_added = on_device_added,
        .device_removed = on_device_removed,
        .device_changed = on_device_changed,
        .mailbox_changed = on_mailbox_changed,
        .mailbox_aborted = on_mailbox_aborted,
        .mailbox_foreign = on_mailbox_foreign,
};
