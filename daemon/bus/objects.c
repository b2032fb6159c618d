/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/objects.h"

#include <errno.h>

#include "daemon/bus/path.h"
#include "daemon/core/lease.h"
#include "dbus/names.h"

static void free_strings(char **strings) {
        for (size_t i = 0; strings && strings[i]; i++)
                free(strings[i]);
        free(strings);
}
DEFINE_CLEANUP(char **, free_strings);

static size_t count_objects(const Manager *m) {
        const Device *device;
        const Lease *lease;
        size_t n = 0;

        TAILQ_FOREACH (device, &m->devices, devices) {
                n += 1 + device->n_mailboxes;
                TAILQ_FOREACH (lease, &device->leases, leases)
                        n++;
        }
        return n;
}

static int add_path(char **nodes, size_t *n, const char *path) {
        nodes[*n] = strdup(path);
        return nodes[(*n)++] ? 0 : -ENOMEM;
}

static int add_device(char **nodes, size_t *n, const Device *device) {
        char path[BUS_PATH_MAX];
        int r = add_path(nodes, n, path_of_device(device->address, path));

        for (size_t i = 0; r >= 0 && i < device->n_mailboxes; i++)
                r = add_path(nodes, n, path_of_mailbox(device->address, device->mailboxes[i]->offset, path));
        return r;
}

static int add_leases(char **nodes, size_t *n, const Device *device) {
        char path[BUS_PATH_MAX];
        const Lease *lease;
        int r = 0;

        TAILQ_FOREACH (lease, &device->leases, leases)
                if (r >= 0 && lease_is_told(lease))
                        r = add_path(nodes, n, path_of_lease(lease->id, path));
        return r;
}

/* sd-bus takes over what it is given. */
static int enumerate(const Daemon *d, int (*add)(char **nodes, size_t *n, const Device *device),
                     char ***ret_nodes) {
        _cleanup_(free_stringsp) char **nodes = calloc(count_objects(d->manager) + 1, sizeof(char *));
        const Device *device;
        size_t n = 0;
        int r = nodes ? 0 : -ENOMEM;

        TAILQ_FOREACH (device, &d->manager->devices, devices)
                if (r >= 0)
                        r = add(nodes, &n, device);
        if (r < 0)
                return r;
        *ret_nodes = TAKE_PTR(nodes);
        return 0;
}

static int enumerate_devices(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                             sd_bus_error *ret_error) {
        return enumerate(userdata, add_device, ret_nodes);
}

static int enumerate_leases(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                            sd_bus_error *ret_error) {
        return enumerate(userdata, add_leases, ret_nodes);
}

int objects_may_come(const Daemon *d, sd_bus *bus, const char *interface) {
        sd_bus_message *m = sd_bus_get_current_message(bus);

        return m && !d->manager->is_ready && sd_bus_message_is_method_call(m, interface, NULL) > 0;
}

int objects_add(Daemon *d) {
        int (*const add[])(Daemon *) = { manager_object_add, device_object_add, mailbox_object_add,
                                         cdat_object_add,    lease_object_add,  log_control_add };
        int r = sd_bus_add_object_manager(d->bus, NULL, DOED_PATH);

        if (r >= 0)
                r = sd_bus_add_node_enumerator(d->bus, NULL, DOED_DEVICE_PATH, enumerate_devices, d);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(d->bus, NULL, DOED_LEASE_PATH, enumerate_leases, d);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(add); i++)
                r = add[i](d);
        return r < 0 ? r : 0;
}
