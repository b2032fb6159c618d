/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Mailbox1.Lease and Mailbox1.Inhibit: both answer with the holder's end of a new stream. If nobody receives
 * that reply, its descriptor is closed with it, and so the lease ends by itself. */

#include <errno.h>

#include "daemon/bus/lease-stream.h"
#include "daemon/bus/mailbox-methods.h"
#include "daemon/bus/path.h"

/* What a reply is made of. */
typedef struct OpenedLease {
        const Lease *lease;
        int fd;
} OpenedLease;

/* -------- the reply of both -------- */

static int append_stream(sd_bus_message *reply, const OpenedLease *opened) {
        char path[BUS_PATH_MAX];

        return sd_bus_message_append(reply, "ho", opened->fd, path_of_lease(opened->lease->id, path));
}

static int fill_inhibit(BusCall *call, sd_bus_message *reply, const void *result) {
        return append_stream(reply, result);
}

static int append_token(sd_bus_message *reply, const Lease *lease) {
        int r = sd_bus_message_open_container(reply, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "resume");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', lease->token, sizeof(lease->token));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int fill_lease(BusCall *call, sd_bus_message *reply, const void *result) {
        const OpenedLease *opened = result;
        const Lease *lease = opened->lease;
        int r = append_stream(reply, opened);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "epoch", "t", lease->opened_epoch);
        if (r >= 0)
                r = append_token(reply, lease);
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "max-object-bytes", "u",
                                          lease_object_bytes_max(lease));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void on_opened(BusCall *call, const TransactionResult *result, CallFill fill) {
        OpenedLease opened = { .lease = result->lease };
        Failure failure;
        int r;

        if (result->failure) {
                call_fail(call, result->failure);
                return;
        }
        r = lease_stream_open(call->daemon->lease_streams, result->lease, &opened.fd);
        if (r < 0) {
                failure_set(&failure, r == -ENOMEM ? r : -EIO, "A stream cannot be made: %s", strerror(-r));
                lease_hang_up(result->lease, call->now_usec);
                call_fail(call, &failure);
                return;
        }
        call_reply(call, fill, &opened);
        close(opened.fd);
}

static void on_lease(void *userdata, const TransactionResult *result) {
        on_opened(userdata, result, fill_lease);
}

static void on_inhibit(void *userdata, const TransactionResult *result) {
        on_opened(userdata, result, fill_inhibit);
}

static void ask(BusCall *call, TransactionDone done) {
        TransactionOptions options = call_options(call);
        Mailbox *mb = call_find_mailbox(call);

        if (!mb)
                return;
        lease_streams_notice(call->daemon->lease_streams, mb->device);
        lease_ask(call->caller->client, mb, call->vendor_id, call->type, &call->lease, &call->decision,
                  &options, call->now_usec, done, call);
}

/* -------- Lease -------- */

static int read_lease(BusCall *call, Failure *ret_failure) {
        if (sd_bus_message_read(call->message, "qy", &call->vendor_id, &call->type) < 0)
                return failure_set(ret_failure, -EINVAL, "The arguments cannot be read");
        return 0;
}

/* The judgement of the mildest request of the feature: what is sent then is judged one by one. */
static void judge_feature(uint16_t vendor_id, uint8_t type, DoeJudgement *ret) {
        const DoeFeature *known = doe_feature_find(vendor_id, type);

        doe_feature_judge(vendor_id, type, NULL, 0, ret);
        if (known)
                ret->class = known->class;
}

/* Times beyond the default ones have a row of their own in the table of calls. */
static bool asks_for_more(const BusCall *call) {
        const Limits *l = &call->daemon->manager->config->limits;
        const LeaseOptions *o = &call->lease;
        const DoeFeature *known = doe_feature_find(call->vendor_id, call->type);
        bool is_session = known && known->class == DOE_CLASS_SESSION;

        return o->idle_usec > (is_session ? l->session_idle_usec : l->lease_idle_usec) ||
               o->max_usec > l->lease_max_usec || o->request_usec > l->lease_request_usec;
}

/* In @ret, unless that is granted: then @ret stays as it is. */
static void judge_times(const BusCall *call, PolicyDecision *ret) {
        PolicyCaller caller = call_policy_caller(call);
        PolicyDecision times;
        int action;

        policy_judge_call(&call->daemon->manager->policy, &caller, call->method->interface,
                          call->method->member, "limits", &times);
        action = times.verdict == POLICY_ASK ? polkit_action_from_string(times.action) : -EINVAL;
        if (times.verdict == POLICY_ALLOW || (action >= 0 && (call->granted & (1u << action))))
                return;
        times.judgement = ret->judgement;
        times.effects = ret->effects;
        *ret = times;
}

static int judge_lease(BusCall *call, PolicyDecision *ret, Failure *ret_failure) {
        const Mailbox *mb = call_look_up_mailbox(call, ret_failure);
        DoeJudgement judgement;

        if (!mb)
                return ret_failure->error;
        judge_feature(call->vendor_id, call->type, &judgement);
        call_judge_request(call, mb->device, &judgement, true, ret);
        /* of no feature in particular: the table of calls has said who may */
        if (call->lease.scope == LEASE_SCOPE_MAILBOX && call->vendor_id == 0)
                ret->verdict = POLICY_ALLOW;
        if (ret->verdict != POLICY_DENY && asks_for_more(call))
                judge_times(call, ret);
        return 0;
}

static const char *name_lease_value(const BusCall *call, const OptionRow *row) {
        return row->type == OPTION_SCOPE ? lease_scope_to_string(call->lease.scope) : NULL;
}

static void run_lease(BusCall *call) {
        ask(call, on_lease);
}

static const OptionRow lease_options[] = {
        ROW_TIMEOUT,
        { "scope", OPTION_SCOPE, offsetof(BusCall, lease.scope), 0 },
        { "wait", OPTION_BOOL, offsetof(BusCall, lease.wait), 0 },
        { "idle-usec", OPTION_U64, offsetof(BusCall, lease.idle_usec), 0 },
        { "max-usec", OPTION_U64, offsetof(BusCall, lease.max_usec), 0 },
        { "request-usec", OPTION_U64, offsetof(BusCall, lease.request_usec), 0 },
        { "resume", OPTION_TOKEN, offsetof(BusCall, lease.token), offsetof(BusCall, lease.has_token) },
        {},
};

const BusMethod mailbox_lease = { .interface = "Mailbox1",
                                  .member = "Lease",
                                  .options = lease_options,
                                  .waits_ready = true,
                                  .read = read_lease,
                                  .name_value = name_lease_value,
                                  .judge = judge_lease,
                                  .run = run_lease };

/* -------- Inhibit -------- */

static int read_inhibit(BusCall *call, Failure *ret_failure) {
        if (sd_bus_message_read(call->message, "s", &call->why) < 0)
                return failure_set(ret_failure, -EINVAL, "The arguments cannot be read");
        call->lease.scope = LEASE_SCOPE_REGISTERS;
        call->lease.why = call->why;
        return 0;
}

/* The table of calls has said who may; the rules say how many leases one may have. */
static int judge_inhibit(BusCall *call, PolicyDecision *ret, Failure *ret_failure) {
        const Mailbox *mb = call_look_up_mailbox(call, ret_failure);
        DoeJudgement judgement;

        if (!mb)
                return ret_failure->error;
        judge_feature(0, 0, &judgement);
        call_judge_request(call, mb->device, &judgement, true, ret);
        call->has_feature = false;
        ret->verdict = POLICY_ALLOW;
        return 0;
}

static void run_inhibit(BusCall *call) {
        ask(call, on_inhibit);
}

static const OptionRow inhibit_options[] = {
        ROW_TIMEOUT,
        { "max-usec", OPTION_U64, offsetof(BusCall, lease.max_usec), 0 },
        { "force", OPTION_BOOL, offsetof(BusCall, lease.force), 0 },
        {},
};

const BusMethod mailbox_inhibit = { .interface = "Mailbox1",
                                    .member = "Inhibit",
                                    .options = inhibit_options,
                                    .waits_ready = true,
                                    .read = read_inhibit,
                                    .judge = judge_inhibit,
                                    .run = run_inhibit };
