/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/bus/mailbox-methods.h"
#include "protocols/data-object.h"

static int read_exchange(BusCall *call, Failure *ret_failure) {
        const void *request;
        size_t n_bytes;
        int r = sd_bus_message_read(call->message, "qy", &call->vendor_id, &call->type);

        if (r >= 0)
                r = sd_bus_message_read_array(call->message, 'y', &request, &n_bytes);
        if (r < 0)
                return failure_set(ret_failure, -EINVAL, "The arguments cannot be read");
        if (n_bytes > DOE_PAYLOAD_BYTES_MAX) {
                failure_set(ret_failure, -EMSGSIZE,
                            "A request of %zu bytes is larger than the %u that a data object holds", n_bytes,
                            DOE_PAYLOAD_BYTES_MAX);
                failure_add_u64(ret_failure, "length", n_bytes);
                failure_add_u64(ret_failure, "limit", DOE_PAYLOAD_BYTES_MAX);
                return ret_failure->error;
        }
        call->request = request;
        call->n_bytes = n_bytes;
        return 0;
}

static int judge_exchange(BusCall *call, PolicyDecision *ret, Failure *ret_failure) {
        const Mailbox *mb = call_look_up_mailbox(call, ret_failure);
        DoeJudgement judgement;

        if (!mb)
                return ret_failure->error;
        doe_feature_judge(call->vendor_id, call->type, call->request, call->n_bytes, &judgement);
        call_judge_request(call, mb->device, &judgement, false, ret);
        return call_check_cookie(call, mb, ret_failure);
}

static int fill_exchange(BusCall *call, sd_bus_message *reply, const void *userdata) {
        const TransactionResult *result = userdata;
        int r = sd_bus_message_append_array(reply, 'y', result->payload, result->n_bytes);

        if (r < 0)
                return r;
        return sd_bus_message_append(reply, "a{sv}", 7, "cached", "b", (int)result->cached, "source", "s",
                                     result->source, "queued-usec", "t", result->queued_usec, "device-usec",
                                     "t", result->device_usec, "attempts", "u", result->n_attempts, "epoch",
                                     "t", result->epoch, "priority", "s",
                                     job_priority_to_string(result->priority));
}

static void on_exchange(void *userdata, const TransactionResult *result) {
        BusCall *call = userdata;

        if (result->failure)
                call_fail(call, result->failure);
        else
                call_reply(call, fill_exchange, result);
}

static void run_exchange(BusCall *call) {
        TransactionOptions options = call_options(call);
        Mailbox *mb = call_find_mailbox(call);

        if (!mb)
                return;
        lease_streams_notice(call->daemon->lease_streams, mb->device);
        transaction_exchange(call->caller->client, mb, call->vendor_id, call->type, call->request,
                             call->n_bytes, &call->decision, &options, call->now_usec, on_exchange, call);
}

static const OptionRow exchange_options[] = {
        ROW_TIMEOUT,
        { "priority", OPTION_PRIORITY, offsetof(BusCall, options.priority), 0 },
        { "fresh", OPTION_BOOL, offsetof(BusCall, options.fresh), 0 },
        { "cookie", OPTION_U64, offsetof(BusCall, options.cookie), offsetof(BusCall, options.has_cookie) },
        { "max-response", OPTION_U32, offsetof(BusCall, options.max_response_bytes),
          offsetof(BusCall, options.has_max_response) },
        { "epoch", OPTION_U64, offsetof(BusCall, options.epoch), offsetof(BusCall, options.has_epoch) },
        {},
};

const BusMethod mailbox_exchange = { .interface = "Mailbox1",
                                     .member = "Exchange",
                                     .options = exchange_options,
                                     .waits_ready = true,
                                     .read = read_exchange,
                                     .judge = judge_exchange,
                                     .run = run_exchange };
