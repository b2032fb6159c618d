/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/bus/objects.h"
#include "daemon/bus/path.h"
#include "dbus/names.h"

static int find_device(sd_bus *bus, const char *path, const char *interface, void *userdata,
                       void **ret_found, sd_bus_error *ret_error) {
        const Daemon *d = userdata;
        char address[WIRE_ADDRESS_MAX];

        if (path_parse_device(path, address) < 0)
                return 0;
        *ret_found = manager_find_device(d->manager, address);
        return *ret_found != NULL;
}

/* clang-format off */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Address", "s", NULL, offsetof(Device, address), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Instance", "s", NULL, offsetof(Device, instance), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("VendorId", "q", NULL, offsetof(Device, vendor_id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("DeviceId", "q", NULL, offsetof(Device, device_id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Class", "u", NULL, offsetof(Device, class_code), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Name", "s", NULL, offsetof(Device, name), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Driver", "s", NULL, offsetof(Device, driver), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Access", "s", NULL, offsetof(Device, access), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NumaNode", "i", NULL, offsetof(Device, numa_node), SD_BUS_VTABLE_PROPERTY_CONST),
        /* these come and go with the cxl drivers */
        SD_BUS_PROPERTY("CxlMemory", "s", NULL, offsetof(Device, cxl_memory), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("CxlPort", "s", NULL, offsetof(Device, cxl_port), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END
};
/* clang-format on */

int device_object_add(Daemon *d) {
        return sd_bus_add_fallback_vtable(d->bus, NULL, DOED_DEVICE_PATH, DOED_INTERFACE_DEVICE, vtable,
                                          find_device, d);
}
