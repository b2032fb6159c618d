/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/objects.h"

#include <errno.h>

#include "daemon/bus/path.h"
#include "dbus/names.h"

static void free_strings(char **strings) {
        for (size_t i = 0; strings && strings[i]; i++)
                free(strings[i]);
        free(strings);
}
DEFINE_CLEANUP(char **, free_strings);

static size_t count_objects(const Manager *m) {
        const Device *device;
        size_t n = 0;

        TAILQ_FOREACH (device, &m->devices, devices)
                n += 1 + device->n_mailboxes;
        return n;
}

/* sd-bus takes over what it is given. */
static int enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                     sd_bus_error *ret_error) {
        const Daemon *d = userdata;
        _cleanup_(free_stringsp) char **nodes = calloc(count_objects(d->manager) + 1, sizeof(char *));
        char path[BUS_PATH_MAX];
        const Device *device;
        size_t n = 0;

        if (!nodes)
                return -ENOMEM;
        TAILQ_FOREACH (device, &d->manager->devices, devices) {
                nodes[n] = strdup(path_of_device(device->address, path));
                if (!nodes[n++])
                        return -ENOMEM;
                for (size_t i = 0; i < device->n_mailboxes; i++) {
                        nodes[n] = strdup(path_of_mailbox(device->address, device->mailboxes[i]->offset,
                                                          path));
                        if (!nodes[n++])
                                return -ENOMEM;
                }
        }
        *ret_nodes = TAKE_PTR(nodes);
        return 0;
}

int objects_may_come(const Daemon *d, sd_bus *bus, const char *interface) {
        sd_bus_message *m = sd_bus_get_current_message(bus);

        return m && !d->manager->is_ready && sd_bus_message_is_method_call(m, interface, NULL) > 0;
}

int objects_add(Daemon *d) {
        int (*const add[])(Daemon *) = { manager_object_add, device_object_add, mailbox_object_add,
                                         cdat_object_add, log_control_add };
        int r = sd_bus_add_object_manager(d->bus, NULL, DOED_PATH);

        if (r >= 0)
                r = sd_bus_add_node_enumerator(d->bus, NULL, DOED_DEVICE_PATH, enumerate, d);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(add); i++)
                r = add[i](d);
        return r < 0 ? r : 0;
}
