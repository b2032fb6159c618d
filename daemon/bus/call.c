/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/call.h"

#include <errno.h>

#include "daemon/bus/fault.h"
#include "daemon/bus/path.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define WHAT_MAX 96u

static void call_begin(BusCall *call);

static BusCall *call_free(BusCall *call) {
        if (!call)
                return NULL;
        if (call->is_counted) {
                call->caller->n_waiting--;
                call->caller->n_bytes_waiting -= call->n_bytes;
        }
        TAILQ_REMOVE(&call->caller->calls, call, calls);
        sd_bus_message_unref(call->message);
        free(call);
        return NULL;
}

Daemon *call_daemon(sd_bus_message *m) {
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(m)));
}

void call_fail(BusCall *call, const Failure *failure) {
        (void)fault_reply(call->message, failure);
        call_free(call);
}

void call_reply(BusCall *call, CallFill fill, const void *result) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Failure failure;
        int r = 0;

        if (sd_bus_message_get_expect_reply(call->message)) {
                r = sd_bus_message_new_method_return(call->message, &reply);
                if (r >= 0 && fill)
                        r = fill(call, reply, result);
                if (r >= 0)
                        r = sd_bus_send(NULL, reply, NULL);
        }
        if (r < 0) {
                failure_set(&failure, r == -ENOMEM ? r : -EIO, "The reply of %s.%s cannot be made: %s",
                            call->method->interface, call->method->member, strerror(-r));
                call_fail(call, &failure);
                return;
        }
        call_free(call);
}

void call_done_empty(void *userdata, const TransactionResult *result) {
        BusCall *call = userdata;

        if (result->failure)
                call_fail(call, result->failure);
        else
                call_reply(call, NULL, NULL);
}

PolicyCaller call_policy_caller(const BusCall *call) {
        const Client *client = call->caller->client;

        return (PolicyCaller){ .uid = client->uid, .gids = client->gids, .n_gids = client->n_gids };
}

TransactionOptions call_options(const BusCall *call) {
        const Limits *limits = &call->daemon->manager->limits;
        TransactionOptions options = call->options;
        uint64_t timeout_usec = options.timeout_usec ?: limits->timeout_default_usec;

        timeout_usec = MIN_OF(timeout_usec, limits->timeout_max_usec);
        /* 0 would mean the default */
        options.timeout_usec = MAX_OF(usec_sub(timeout_usec, usec_sub(call->now_usec, call->received_usec)),
                                      UINT64_C(1));
        return options;
}

static void call_fail_no_object(BusCall *call, const char *path) {
        Failure failure;

        failure_set(&failure, FAULT_NO_OBJECT, "There is no object %s", path);
        failure_add_string(&failure, "object", path);
        call_fail(call, &failure);
}

Mailbox *call_find_mailbox(BusCall *call) {
        const char *path = call->mailbox_path ?: sd_bus_message_get_path(call->message);
        char address[WIRE_ADDRESS_MAX];
        Device *d = NULL;
        Mailbox *mb = NULL;
        uint16_t offset;

        if (path_parse_mailbox(path, address, &offset) >= 0)
                d = manager_find_device(call->daemon->manager, address);
        if (d)
                mb = device_find_mailbox(d, offset);
        if (!mb)
                call_fail_no_object(call, path);
        return mb;
}

Device *call_find_device(BusCall *call) {
        const char *path = sd_bus_message_get_path(call->message);
        char address[WIRE_ADDRESS_MAX];
        Device *d = NULL;

        if (path_parse_device(path, address) >= 0)
                d = manager_find_device(call->daemon->manager, address);
        if (!d)
                call_fail_no_object(call, path);
        return d;
}

static int call_judge_option(BusCall *call, const OptionRow *row, Failure *ret_failure) {
        const Policy *policy = &call->daemon->manager->policy;
        const BusMethod *m = call->method;
        PolicyCaller caller = call_policy_caller(call);
        PolicyDecision decision;
        char name[WHAT_MAX], what[WHAT_MAX];

        if (row->type == OPTION_PRIORITY) {
                snprintf(name, sizeof(name), "%s=%s", row->name,
                         job_priority_to_string(call->options.priority));
                if (policy_knows_call(m->interface, m->member, name)) {
                        policy_judge_call(policy, &caller, m->interface, m->member, name, &decision);
                        /* whoever may not be urgent is capped, never refused */
                        if (decision.verdict != POLICY_ALLOW)
                                call->options.priority = JOB_NORMAL;
                        return 0;
                }
        }
        policy_judge_call(policy, &caller, m->interface, m->member, row->name, &decision);
        if (decision.verdict == POLICY_ALLOW)
                return 0;
        snprintf(what, sizeof(what), "Option \"%s\" of %s.%s", row->name, m->interface, m->member);
        return policy_failure(&decision, what, ret_failure);
}

static int call_authorize(BusCall *call, Failure *ret_failure) {
        const BusMethod *m = call->method;
        PolicyCaller caller = call_policy_caller(call);
        PolicyDecision decision;
        char what[WHAT_MAX];
        int r = 0;

        policy_judge_call(&call->daemon->manager->policy, &caller, m->interface, m->member, NULL, &decision);
        if (decision.verdict != POLICY_ALLOW) {
                snprintf(what, sizeof(what), "%s.%s", m->interface, m->member);
                return policy_failure(&decision, what, ret_failure);
        }
        for (size_t i = 0; r >= 0 && m->options && m->options[i].name; i++)
                if (call->given & (1u << i))
                        r = call_judge_option(call, &m->options[i], ret_failure);
        return r;
}

/* Arguments, options, authorization: nothing that waits. */
static int call_prepare(BusCall *call, Failure *ret_failure) {
        const BusMethod *m = call->method;
        int r = 0;

        if (m->read)
                r = m->read(call, ret_failure);
        if (r >= 0 && m->options)
                r = options_read(call->message, m->options, call, &call->given, ret_failure);
        if (r >= 0)
                r = call_authorize(call, ret_failure);
        if (r >= 0 && m->check)
                r = m->check(call, ret_failure);
        return r;
}

/* What waits on this side has the limits of what waits in the core. */
static int call_check_quota(const Caller *caller, const Limits *limits, Failure *ret_failure) {
        const char *limit = "CallsMaxPerClient";
        uint64_t value = limits->calls_max_per_client;

        if (caller->n_waiting <= value) {
                limit = "BytesMaxPerClient";
                value = limits->bytes_max_per_client;
                if (caller->n_bytes_waiting <= value)
                        return 0;
        }
        failure_set(ret_failure, -EDQUOT, "This would exceed the limit %s of %llu", limit,
                    (unsigned long long)value);
        failure_add_string(ret_failure, "limit", limit);
        failure_add_u64(ret_failure, "value", value);
        return ret_failure->error;
}

/* It waits no more on this side: from here on the core counts it. */
static void call_run(BusCall *call) {
        call->caller->n_waiting--;
        call->caller->n_bytes_waiting -= call->n_bytes;
        call->is_counted = false;
        call->method->run(call);
}

static void call_on_ready(void *userdata, const TransactionResult *result) {
        BusCall *call = userdata;

        call->now_usec = clock_monotonic_usec();
        if (result->failure)
                call_fail(call, result->failure);
        else
                call_run(call);
}

/* The caller is known. */
static void call_begin(BusCall *call) {
        Manager *m = call->daemon->manager;
        TransactionOptions options;
        Failure failure;
        int r = call_prepare(call, &failure);

        /* is_counted stays true: what was read just now is given back with the rest */
        call->caller->n_bytes_waiting += call->n_bytes;
        if (r < 0) {
                call_fail(call, &failure);
                return;
        }
        if (!call->method->waits_ready || m->is_ready) {
                call_run(call);
                return;
        }
        if (call_check_quota(call->caller, &m->limits, &failure) < 0) {
                call_fail(call, &failure);
                return;
        }
        options = call_options(call);
        transaction_wait_ready(call->caller->client, &options, call->now_usec, call_on_ready, call);
}

/* Without a caller, there is no call yet: answer the message alone. Return: 1. */
static int refuse(sd_bus_message *m, int error, const char *text) {
        Failure failure;

        failure_set(&failure, error, "%s", text);
        (void)fault_reply(m, &failure);
        return 1;
}

int call_start(sd_bus_message *m, Daemon *d, const BusMethod *method) {
        const char *sender = sd_bus_message_get_sender(m);
        Failure failure;
        Caller *caller;
        BusCall *call;

        if (d->manager->is_stopping)
                return refuse(m, -ECONNABORTED, "doed is stopping");
        if (!sender || credentials_get(d->credentials, sender, &caller) < 0)
                return refuse(m, -EACCES, "The bus cannot be asked who calls");
        call = calloc(1, sizeof(*call));
        if (!call)
                return refuse(m, -ENOMEM, "Out of memory");
        call->daemon = d;
        call->method = method;
        call->message = sd_bus_message_ref(m);
        call->caller = caller;
        call->received_usec = call->now_usec = clock_monotonic_usec();
        call->options.priority = JOB_NORMAL;
        call->is_counted = true;
        caller->n_waiting++;
        TAILQ_INSERT_TAIL(&caller->calls, call, calls);
        if (caller->client)
                call_begin(call);
        else if (call_check_quota(caller, &d->manager->limits, &failure) < 0)
                call_fail(call, &failure);
        return 1;
}

/* Those behind @call have not begun, so nothing that happens to it can end them. */
static void call_on_known(void *userdata, Caller *caller) {
        Failure failure;

        failure_set(&failure, -EACCES, "The bus does not say who %s is", caller->name);
        for (BusCall *call = TAILQ_FIRST(&caller->calls), *next; call; call = next) {
                next = TAILQ_NEXT(call, calls);
                call->now_usec = clock_monotonic_usec();
                if (caller->client)
                        call_begin(call);
                else
                        call_fail(call, &failure);
        }
}

static void call_on_gone(void *userdata, Caller *caller) {
        while (!TAILQ_EMPTY(&caller->calls))
                call_free(TAILQ_FIRST(&caller->calls));
}

static void call_on_broken(void *userdata, const char *why) {
        log_error("The bus does not let doed see who leaves: %s", why);
        daemon_exit(userdata, -ECONNREFUSED);
}

const CredentialsHandlers call_credentials_handlers = {
        .on_known = call_on_known,
        .on_gone = call_on_gone,
        .on_broken = call_on_broken,
};

void call_stop_all(Daemon *d, const char *reason) {
        Failure failure;

        failure_set(&failure, -ECONNABORTED, "%s", reason);
        for (Caller *caller = NULL; (caller = credentials_next(d->credentials, caller));)
                while (!TAILQ_EMPTY(&caller->calls))
                        call_fail(TAILQ_FIRST(&caller->calls), &failure);
}
