/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/bus/call.h"
#include "daemon/bus/objects.h"
#include "daemon/bus/path.h"
#include "dbus/names.h"

static int fill_read(BusCall *call, sd_bus_message *reply, const void *userdata) {
        const TransactionResult *result = userdata;
        int r = sd_bus_message_append_array(reply, 'y', result->payload, result->n_bytes);

        if (r < 0)
                return r;
        return sd_bus_message_append(reply, "a{sv}", 4, "cached", "b", (int)result->cached, "source", "s",
                                     result->source, "device-usec", "t", result->device_usec, "epoch", "t",
                                     result->epoch);
}

static void on_read(void *userdata, const TransactionResult *result) {
        BusCall *call = userdata;

        if (result->failure)
                call_fail(call, result->failure);
        else
                call_reply(call, fill_read, result);
}

/* As the requests that it stands for: read table, of table access. */
static int judge_read(BusCall *call, PolicyDecision *ret, Failure *ret_failure) {
        static const uint8_t read_table[4] = { 0 };
        const Device *device = call_look_up_device(call, ret_failure);
        DoeJudgement judgement;

        if (!device)
                return ret_failure->error;
        call->vendor_id = DOE_VENDOR_CXL;
        call->type = DOE_TYPE_CXL_TABLE_ACCESS;
        doe_feature_judge(call->vendor_id, call->type, read_table, sizeof(read_table), &judgement);
        call_judge_request(call, device, &judgement, /* in_lease= */ false, ret);
        return 0;
}

static void run_read(BusCall *call) {
        TransactionOptions options = call_options(call);
        Client *client = call->caller->client;
        Device *device = call_find_device(call);
        Failure failure;

        if (!device)
                return;
        if (account_check_request(client->account, &call->decision.effects, 0, call->now_usec, &failure) < 0)
                call_fail(call, &failure);
        else
                transaction_cdat(client, device, &options, call->now_usec, on_read, call);
}

static const OptionRow read_options[] = {
        { "timeout-usec", OPTION_U64, offsetof(BusCall, options.timeout_usec), 0 },
        { "fresh", OPTION_BOOL, offsetof(BusCall, options.fresh), 0 },
        {},
};

static const BusMethod read_method = { .interface = "Cdat1",
                                       .member = "Read",
                                       .options = read_options,
                                       .waits_ready = true,
                                       .judge = judge_read,
                                       .run = run_read };
DEFINE_CALL_HANDLER(method_read, read_method);

static int property_get_length(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        uint32_t length, sequence;
        const char *source;

        device_get_cdat(userdata, &length, &sequence, &source);
        return sd_bus_message_append(reply, "u", length);
}

static int property_get_sequence(sd_bus *bus, const char *path, const char *interface, const char *property,
                                 sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        uint32_t length, sequence;
        const char *source;

        device_get_cdat(userdata, &length, &sequence, &source);
        return sd_bus_message_append(reply, "u", sequence);
}

static int property_get_source(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        uint32_t length, sequence;
        const char *source;

        device_get_cdat(userdata, &length, &sequence, &source);
        return sd_bus_message_append(reply, "s", source);
}

/* Read waits where a mailbox has not told yet what it offers: those who ask at boot come before. */
static bool may_be_asked(const Device *device, sd_bus *bus, const char *interface) {
        sd_bus_message *m = sd_bus_get_current_message(bus);

        if (!m || sd_bus_message_is_method_call(m, interface, NULL) <= 0)
                return false;
        for (size_t i = 0; i < device->n_mailboxes; i++)
                if (mailbox_may_offer(device->mailboxes[i], DOE_VENDOR_CXL, DOE_TYPE_CXL_TABLE_ACCESS))
                        return true;
        return false;
}

static int find_cdat(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                     sd_bus_error *ret_error) {
        const Daemon *d = userdata;
        char address[WIRE_ADDRESS_MAX];
        Device *device;

        if (path_parse_device(path, address) < 0)
                return 0;
        device = manager_find_device(d->manager, address);
        if (!device || !(device_has_cdat(device) || may_be_asked(device, bus, interface)))
                return objects_may_come(d, bus, interface);
        *ret_found = device;
        return 1;
}

/* clang-format off */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Read",
                                SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("ay", table, "a{sv}", details),
                                method_read, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Length", "u", property_get_length, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Sequence", "u", property_get_sequence, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Source", "s", property_get_source, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END
};
/* clang-format on */

int cdat_object_add(Daemon *d) {
        return sd_bus_add_fallback_vtable(d->bus, NULL, DOED_DEVICE_PATH, DOED_INTERFACE_CDAT, vtable,
                                          find_cdat, d);
}
