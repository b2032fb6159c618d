/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/call.h"

#include <errno.h>

#include "daemon/bus/call-judge.h"
#include "daemon/bus/fault.h"
#include "daemon/bus/path.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

static void call_go_on(BusCall *call);

/* It waits no more on this side: from here on the core counts it, or nobody. */
static void call_uncount(BusCall *call) {
        if (call->is_counted) {
                call->caller->n_waiting--;
                call->caller->n_bytes_waiting -= call->n_bytes;
        }
        if (call->charged)
                call->charged->n_bytes_waiting -= call->n_bytes;
        call->charged = account_unref(call->charged);
        call->is_counted = false;
}

static BusCall *call_free(BusCall *call) {
        if (!call)
                return NULL;
        call->question = polkit_cancel(call->question);
        call_uncount(call);
        TAILQ_REMOVE(&call->caller->calls, call, calls);
        sd_bus_message_unref(call->message);
        free(call->capture);
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

void call_dispatch_again(BusCall *call) {
        Failure failure;
        int r = sd_bus_enqueue_for_read(sd_bus_message_get_bus(call->message), call->message);

        if (r < 0) {
                failure_set(&failure, r, "The call cannot be dispatched: %s", strerror(-r));
                call_fail(call, &failure);
        } else
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
        const Limits *limits = &call->daemon->manager->config->limits;
        TransactionOptions options = call->options;
        uint64_t timeout_usec = options.timeout_usec ?: limits->timeout_default_usec;

        timeout_usec = MIN_OF(timeout_usec, limits->timeout_max_usec);
        if (call->has_feature)
                timeout_usec = MIN_OF(timeout_usec, call->decision.effects.timeout_max_usec);
        /* 0 would mean the default */
        options.timeout_usec = MAX_OF(usec_sub(timeout_usec, usec_sub(call->now_usec, call->received_usec)),
                                      UINT64_C(1));
        return options;
}

/* -------- its object -------- */

static void fail_no_object(const char *path, Failure *ret) {
        failure_set(ret, FAULT_NO_OBJECT, "There is no object %s", path);
        failure_add_string(ret, "object", path);
}

static const char *call_mailbox_path(const BusCall *call) {
        return call->mailbox_path ?: sd_bus_message_get_path(call->message);
}

static Mailbox *call_peek_mailbox(const BusCall *call) {
        char address[WIRE_ADDRESS_MAX];
        Device *d = NULL;
        uint16_t offset;

        if (path_parse_mailbox(call_mailbox_path(call), address, &offset) >= 0)
                d = manager_find_device(call->daemon->manager, address);
        return d ? device_find_mailbox(d, offset) : NULL;
}

Mailbox *call_look_up_mailbox(const BusCall *call, Failure *ret_failure) {
        Mailbox *mb = call_peek_mailbox(call);

        if (!mb)
                fail_no_object(call_mailbox_path(call), ret_failure);
        return mb;
}

Device *call_look_up_device(const BusCall *call, Failure *ret_failure) {
        const char *path = sd_bus_message_get_path(call->message);
        char address[WIRE_ADDRESS_MAX];
        Device *d = NULL;

        if (path_parse_device(path, address) >= 0)
                d = manager_find_device(call->daemon->manager, address);
        if (!d)
                fail_no_object(path, ret_failure);
        return d;
}

Mailbox *call_find_mailbox(BusCall *call) {
        Failure failure;
        Mailbox *mb = call_look_up_mailbox(call, &failure);

        if (!mb)
                call_fail(call, &failure);
        return mb;
}

Device *call_find_device(BusCall *call) {
        Failure failure;
        Device *d = call_look_up_device(call, &failure);

        if (!d)
                call_fail(call, &failure);
        return d;
}

int call_check_cookie(const BusCall *call, const Mailbox *mb, Failure *ret_failure) {
        if (!call->options.has_cookie ||
            !transaction_has_cookie(call->caller->client, mb, call->options.cookie))
                return 0;
        failure_set(ret_failure, -EINVAL, "Cookie %llu is in use by another call of yours",
                    (unsigned long long)call->options.cookie);
        failure_add_u64(ret_failure, "cookie", call->options.cookie);
        return ret_failure->error;
}

/* -------- what waits -------- */

/* What waits on this side has the limits of what waits in the core. */
static int call_check_quota(const Caller *caller, const Limits *limits, Failure *ret_failure) {
        if (caller->n_waiting > limits->calls_max_per_client)
                return account_fail_quota("CallsMaxPerClient", limits->calls_max_per_client, ret_failure);
        if (caller->n_bytes_waiting > limits->bytes_max_per_client)
                return account_fail_quota("BytesMaxPerClient", limits->bytes_max_per_client, ret_failure);
        return 0;
}

/* It waits for something else than the core. Return: 0; -EDQUOT; -EINVAL for its cookie. */
static int call_check_wait(BusCall *call, Mailbox *mb, Failure *ret_failure) {
        const Limits *limits = &call->daemon->manager->config->limits;
        Account *account = call->caller->client->account;
        int r = call_check_cookie(call, mb, ret_failure);

        if (r >= 0)
                r = call_check_quota(call->caller, limits, ret_failure);
        if (r < 0 || call->charged)
                return r;
        if (account->n_bytes_waiting + call->n_bytes > limits->bytes_max_per_uid)
                return account_fail_quota("BytesMaxPerUid", limits->bytes_max_per_uid, ret_failure);
        call->charged = account_ref(call->daemon->manager, account->uid);
        if (!call->charged)
                return failure_set(ret_failure, -ENOMEM, "Out of memory");
        call->charged->n_bytes_waiting += call->n_bytes;
        return 0;
}

static void call_on_ready(void *userdata, const TransactionResult *result) {
        BusCall *call = userdata;

        call->now_usec = clock_monotonic_usec();
        if (result->failure)
                call_fail(call, result->failure);
        else
                call_go_on(call);
}

static void call_wait_ready(BusCall *call) {
        TransactionOptions options = call_options(call);
        Failure failure;

        if (call_check_wait(call, NULL, &failure) < 0)
                call_fail(call, &failure);
        else
                transaction_wait_ready(call->caller->client, &options, call->now_usec, call_on_ready, call);
}

static void call_note_refusal(BusCall *call, PolkitAction action, const char *why) {
        call->refused |= 1u << action;
        snprintf(call->refusal, sizeof(call->refusal), "%s", why);
}

/* Its transaction ended: polkit has answered, or the time is over, or it is to end for another reason. */
static void call_on_asked(void *userdata, const TransactionResult *result) {
        BusCall *call = userdata;

        call->asking = NULL;
        call->now_usec = clock_monotonic_usec();
        call->question = polkit_cancel(call->question);
        if (result->failure && result->failure->error != -ETIMEDOUT) {
                call_fail(call, result->failure);
                return;
        }
        /* no answer is a no, of whatever was asked last */
        if (result->failure)
                call_note_refusal(call, call->asked, "no answer in time");
        call_go_on(call);
}

static void call_on_answer(void *userdata, bool is_granted, const char *why) {
        BusCall *call = userdata;
        TransactionResult result = {};

        call->question = NULL;
        if (is_granted)
                call->granted |= 1u << call->asked;
        else
                call_note_refusal(call, call->asked, why);
        transaction_succeed(call->asking, &result, clock_monotonic_usec());
}

static int call_send_question(BusCall *call, const Mailbox *mb, const CallAsk *ask, uint64_t timeout_usec) {
        const Client *client = call->caller->client;
        char address[WIRE_ADDRESS_MAX], feature[DOE_FEATURE_STR_MAX];
        const char *device = mb ? mb->device->address : NULL;
        PolkitSubject subject = { .name = call->caller->name, .uid = client->uid, .rule = ask->rule };

        if (!device && path_parse_device(sd_bus_message_get_path(call->message), address) >= 0)
                device = address;
        subject.device = device;
        if (call->has_feature)
                subject.feature = doe_feature_format(call->vendor_id, call->type, feature);
        subject.may_interact = sd_bus_message_get_allow_interactive_authorization(call->message) > 0;
        return polkit_ask(call->daemon->polkit, ask->action, &subject, timeout_usec, call_on_answer, call,
                          &call->question);
}

/* The transaction gives it deadline, Cancel, limits, and an end with its mailbox, its client and doed. */
static void call_ask(BusCall *call, const CallAsk *ask) {
        TransactionOptions options = call_options(call);
        TransactionResult unasked = {};
        Mailbox *mb = call_peek_mailbox(call);
        Failure failure;
        int r;

        if (call_check_wait(call, mb, &failure) < 0) {
                call_fail(call, &failure);
                return;
        }
        call->asked = ask->action;
        call->asking = transaction_wait_authorized(call->caller->client, mb, &options, call->now_usec,
                                                   call_on_asked, call);
        if (!call->asking)
                return;
        r = call_send_question(call, mb, ask, options.timeout_usec);
        if (r < 0) {
                call_note_refusal(call, ask->action,
                                  r == -EDQUOT ? "too many questions are under way" : strerror(-r));
                transaction_succeed(call->asking, &unasked, call->now_usec);
        }
}

/* -------- its way -------- */

/* Arguments and options: nothing that waits. */
static int call_prepare(BusCall *call, Failure *ret_failure) {
        const BusMethod *m = call->method;
        int r = 0;

        if (m->read)
                r = m->read(call, ret_failure);
        if (r >= 0 && m->options)
                r = options_read(call->message, m->options, call->capture ? (void *)call->capture : call,
                                 &call->given, ret_failure);
        if (r >= 0 && m->check)
                r = m->check(call, ret_failure);
        return r;
}

/* From the table on; again after each wait. */
static void call_go_on(BusCall *call) {
        bool may_judge = !call->method->waits_ready || call->daemon->manager->is_ready;
        CallAsk ask = {};
        Failure failure;
        int r = call_judge_table(call, &ask, &failure);

        if (r >= 0 && may_judge)
                r = call_judge(call, &ask, &failure);
        if (r < 0) {
                call_fail(call, &failure);
        } else if (!may_judge) {
                call_wait_ready(call);
        } else if (ask.is_needed) {
                call_ask(call, &ask);
        } else {
                call_uncount(call);
                call->method->run(call);
        }
}

/* The caller is known. */
static void call_begin(BusCall *call) {
        Failure failure;
        int r = call_prepare(call, &failure);

        /* is_counted stays true: what was read just now is given back with the rest */
        call->caller->n_bytes_waiting += call->n_bytes;
        if (r < 0)
                call_fail(call, &failure);
        else
                call_go_on(call);
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
        else if (call_check_quota(caller, &d->manager->config->limits, &failure) < 0)
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
        log_event(LOG_EVENT_BUS_LOST, NULL, "The bus does not let doed see who leaves: %s", why);
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
