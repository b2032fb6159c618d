/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/monitor-udev.h"

#include <errno.h>

#include <libudev.h>

#include "daemon/util/cleanup.h"
#include "daemon/util/log.h"

#define RECEIVE_BYTES (4 * 1024 * 1024) /* a hotplug of a whole tree comes at once */

struct MonitorUdev {
        struct udev *udev;
        struct udev_monitor *monitor;
        struct event *event;
        UeventHandler handler;
        void *userdata;
};
DEFINE_CLEANUP(MonitorUdev *, monitor_udev_free);

static void copy(char *buf, size_t size, const char *s) {
        snprintf(buf, size, "%s", s ?: "");
}

static void on_readable(evutil_socket_t fd, short what, void *userdata) {
        MonitorUdev *m = userdata;
        struct udev_device *device;
        Uevent event;

        errno = 0;
        while ((device = udev_monitor_receive_device(m->monitor))) {
                copy(event.action, sizeof(event.action), udev_device_get_action(device));
                copy(event.devpath, sizeof(event.devpath), udev_device_get_devpath(device));
                copy(event.subsystem, sizeof(event.subsystem), udev_device_get_subsystem(device));
                copy(event.driver, sizeof(event.driver), udev_device_get_property_value(device, "DRIVER"));
                copy(event.error_event, sizeof(event.error_event),
                     udev_device_get_property_value(device, "ERROR_EVENT"));
                udev_device_unref(device);
                m->handler(m->userdata, &event);
                errno = 0;
        }
        if (errno == ENOBUFS)
                m->handler(m->userdata, NULL);
}

static int start(MonitorUdev *m, struct event_base *base) {
        static const char *const subsystems[] = { "pci", "cxl", "tsm", "drivers" };
        int r;

        m->udev = udev_new();
        m->monitor = m->udev ? udev_monitor_new_from_netlink(m->udev, "kernel") : NULL;
        if (!m->monitor)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(subsystems); i++) {
                r = udev_monitor_filter_add_match_subsystem_devtype(m->monitor, subsystems[i], NULL);
                if (r < 0)
                        return r;
        }
        r = udev_monitor_set_receive_buffer_size(m->monitor, RECEIVE_BYTES);
        if (r < 0)
                log_debug("Cannot enlarge the buffer for uevents, ignoring: %s", strerror(-r));
        r = udev_monitor_enable_receiving(m->monitor);
        if (r < 0)
                return r;
        m->event = event_new(base, udev_monitor_get_fd(m->monitor), EV_READ | EV_PERSIST, on_readable, m);
        if (!m->event)
                return -ENOMEM;
        event_add(m->event, NULL);
        return 0;
}

int monitor_udev_new(struct event_base *base, UeventHandler handler, void *userdata, MonitorUdev **ret) {
        _cleanup_(monitor_udev_freep) MonitorUdev *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->handler = handler;
        m->userdata = userdata;
        r = start(m, base);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

MonitorUdev *monitor_udev_free(MonitorUdev *m) {
        if (!m)
                return NULL;
        if (m->event)
                event_free(m->event);
        udev_monitor_unref(m->monitor);
        udev_unref(m->udev);
        free(m);
        return NULL;
}
