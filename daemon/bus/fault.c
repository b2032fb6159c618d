/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/fault.h"

#include <errno.h>

#include "daemon/util/log.h"
#include "daemon/wire/message.h"
#include "dbus/errors.h"

static const char *fault_name(int error) {
        const DoeError *e = doe_error_find_by_errno(error);

        if (e)
                return e->dbus_name;
        if (error == FAULT_NO_OBJECT)
                return SD_BUS_ERROR_UNKNOWN_OBJECT;
        return error == -ENOMEM ? SD_BUS_ERROR_NO_MEMORY : SD_BUS_ERROR_FAILED;
}

static int append_value(sd_bus_message *reply, const FailureValue *v) {
        char string[sizeof(v->string)];

        switch (v->type) {
        case FAILURE_VALUE_STRING:
                wire_text_set(string, sizeof(string), v->string);
                return sd_bus_message_append(reply, "{sv}", v->name, "s", string);
        case FAILURE_VALUE_U64:
                return sd_bus_message_append(reply, "{sv}", v->name, "t", v->number);
        }
        return -EINVAL;
}

static int append_values(sd_bus_message *reply, const Failure *failure) {
        int r = sd_bus_message_open_container(reply, 'a', "{sv}");

        for (unsigned i = 0; r >= 0 && i < failure->n_values; i++)
                r = append_value(reply, &failure->values[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* The bus ends the connection of who sends a string that is no UTF-8, and a failure may hold words of a
 * client, cut anywhere: wire_text_set() makes them good. */
int fault_reply(sd_bus_message *call, const Failure *failure) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char text[FAILURE_TEXT_MAX];
        sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(fault_name(failure->error), text);
        int r;

        if (!sd_bus_message_get_expect_reply(call))
                return 0;
        wire_text_set(text, sizeof(text), failure->text);
        r = sd_bus_message_new_method_error(call, &reply, &error);
        if (r >= 0)
                r = append_values(reply, failure);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        if (r < 0 && r != -ENOTCONN)
                log_warning("Cannot answer a call of %s with %s, ignoring: %s",
                            sd_bus_message_get_member(call), error.name, strerror(-r));
        return r < 0 ? r : 0;
}
