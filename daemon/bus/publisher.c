/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/publisher.h"

#include <errno.h>

#include "daemon/bus/daemon.h"
#include "daemon/bus/path.h"
#include "daemon/bus/sleep.h"
#include "daemon/core/lease.h"
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

static void on_manager_changed(void *userdata, unsigned properties) {
        emit_changed(userdata, DOED_PATH, DOED_INTERFACE_MANAGER, manager_properties,
                     ELEMENTS(manager_properties), properties);
}

static void on_device_added(void *userdata, Device *device) {
        Daemon *d = userdata;
        char path[BUS_PATH_MAX];

        log_full(LOG_INFO, device->address, "%s [%04x:%04x] with %zu mailbox%s", device->name,
                 device->vendor_id, device->device_id, device->n_mailboxes,
                 device->n_mailboxes == 1 ? "" : "es");
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

static void on_mailbox_changed(void *userdata, Mailbox *mb, unsigned properties) {
        char path[BUS_PATH_MAX];

        /* what an operator may have to see to; neither comes more often than recovery is tried */
        if (properties & MAILBOX_PROPERTY_STATE_REASON &&
            (mb->state == MAILBOX_DEAD || recovery_is_resting(&mb->recovery)))
                log_full(LOG_WARNING, mb->name, "%s: %s", mb->state == MAILBOX_DEAD ? "Dead" : "Resting",
                         mb->state_reason);
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
        if (log_limit_pass(&mb->log_limit))
                log_full(LOG_INFO, mb->name, "Aborted: %s", reason);
        emit_signal(userdata, mb, "Aborted", reason);
}

static void on_mailbox_foreign(void *userdata, Mailbox *mb, const char *evidence) {
        if (log_limit_pass(&mb->log_limit))
                log_full(LOG_NOTICE, mb->name, "Foreign activity: %s", evidence);
        emit_signal(userdata, mb, "ForeignActivity", evidence);
}

/* Leases of a feature are everyday's; what keeps everybody else out is for the administrator. */
static void log_lease(const Lease *lease, const char *what) {
        char feature[DOE_FEATURE_STR_MAX] = "";

        if (lease->vendor_id)
                doe_feature_format(lease->vendor_id, lease->type, feature);
        log_full(lease->scope == LEASE_SCOPE_FEATURE ? LOG_DEBUG : LOG_INFO, lease->mailbox->name,
                 "Lease %llu of uid %u %s: scope %s%s%s%s%s", (unsigned long long)lease->id, lease->uid,
                 what, lease_scope_to_string(lease->scope), *feature ? ", " : "", feature,
                 *lease->why ? ", " : "", lease->why);
}

static void on_lease_opened(void *userdata, Lease *lease) {
        Daemon *d = userdata;
        char path[BUS_PATH_MAX];

        log_lease(lease, "opened");
        path_of_lease(lease->id, path);
        warn_lost("InterfacesAdded", path, sd_bus_emit_object_added(d->bus, path));
}

/* Not sd_bus_emit_object_removed(), which looks for an object that is there: nobody finds this lease. */
static void on_lease_closed(void *userdata, Lease *lease) {
        Daemon *d = userdata;
        char path[BUS_PATH_MAX];

        log_lease(lease, "ended");
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

static void on_suspended(void *userdata) {
        sleep_on_suspended(userdata);
}

const Observer publisher_observer = {
        .suspended = on_suspended,
        .lease_opened = on_lease_opened,
        .lease_closed = on_lease_closed,
        .lease_changed = on_lease_changed,
        .manager_changed = on_manager_changed,
        .device_added = on_device_added,
        .device_removed = on_device_removed,
        .device_changed = on_device_changed,
        .mailbox_changed = on_mailbox_changed,
        .mailbox_aborted = on_mailbox_aborted,
        .mailbox_foreign = on_mailbox_foreign,
};
