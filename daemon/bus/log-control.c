/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/bus/audit.h"
#include "daemon/bus/call.h"
#include "daemon/bus/objects.h"
#include "daemon/util/log.h"

#define LOG_CONTROL_PATH      "/org/freedesktop/LogControl1"
#define LOG_CONTROL_INTERFACE "org.freedesktop.LogControl1"
#define LOG_LEVELS            "emerg, alert, crit, err, warning, notice, info, debug"

/* sd-bus answers a Set as soon as the setter returns, while who asks may have to be found out first. So
 * these messages are taken before sd-bus looks at the vtable, and go the way of all calls. */

static int read_set(BusCall *call, Failure *ret_failure) {
        const char *interface, *property;

        if (sd_bus_message_read(call->message, "ss", &interface, &property) < 0 ||
            sd_bus_message_read(call->message, "v", "s", &call->log_level) < 0)
                return failure_set(ret_failure, -EINVAL, "LogLevel must be of type s");
        if (log_level_from_string(call->log_level) >= 0)
                return 0;
        failure_set(ret_failure, -EINVAL, "LogLevel must be one of: " LOG_LEVELS);
        failure_add_string(ret_failure, "allowed", LOG_LEVELS);
        return ret_failure->error;
}

static void run_set(BusCall *call) {
        char what[64];

        snprintf(what, sizeof(what), "sets the log level to %s", call->log_level);
        audit_managed(call, NULL, what);
        log_set_max_level(log_level_from_string(call->log_level));
        call_reply(call, NULL, NULL);
}

static const BusMethod set_log_level = {
        .interface = "LogControl1", .member = "LogLevel", .read = read_set, .run = run_set
};

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *interface, *property;
        bool is_ours;

        if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Set") <= 0)
                return 0;
        is_ours = sd_bus_message_has_signature(m, "ssv") &&
                  sd_bus_message_read(m, "ss", &interface, &property) >= 0 &&
                  strcmp(interface, LOG_CONTROL_INTERFACE) == 0 && strcmp(property, "LogLevel") == 0;
        if (sd_bus_message_rewind(m, true) < 0 || !is_ours)
                return 0;
        return call_start(m, userdata, &set_log_level);
}

static int property_get_log_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                                  sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "s", log_level_to_string(log_get_max_level()));
}

/* on_message() is before it. */
static int property_set_log_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                                  sd_bus_message *value, void *userdata, sd_bus_error *ret_error) {
        return -EACCES;
}

static int property_get_log_target(sd_bus *bus, const char *path, const char *interface,
                                   const char *property, sd_bus_message *reply, void *userdata,
                                   sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "s", log_target());
}

static int property_get_identifier(sd_bus *bus, const char *path, const char *interface,
                                   const char *property, sd_bus_message *reply, void *userdata,
                                   sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "s", log_identifier());
}

/* clang-format off */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", property_get_log_level, property_set_log_level, 0,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("LogTarget", "s", property_get_log_target, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", property_get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END
};
/* clang-format on */

int log_control_add(Daemon *d) {
        int r = sd_bus_add_object(d->bus, NULL, LOG_CONTROL_PATH, on_message, d);

        if (r < 0)
                return r;
        return sd_bus_add_object_vtable(d->bus, NULL, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, vtable, d);
}
