/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/call-judge.h"

#include <errno.h>

#include "daemon/bus/audit.h"

#define OPTION_NAME_MAX 48u /* of an option, with its value */
#define WHAT_MAX        128u

static int fail_needs_lease(const BusCall *call, const PolicyDecision *d, Failure *ret_failure) {
        const char *class = doe_class_to_string(d->judgement.class);
        char feature[DOE_FEATURE_STR_MAX];

        doe_feature_format(call->vendor_id, call->type, feature);
        failure_set(ret_failure, -ENOLCK, "A request of %s of class %s needs a lease (rule %s, %s)", feature,
                    class, d->rule, d->source);
        failure_add_string(ret_failure, "feature", feature);
        failure_add_string(ret_failure, "class", class);
        failure_add_string(ret_failure, "rule", d->rule);
        failure_add_string(ret_failure, "source", d->source);
        return ret_failure->error;
}

/* The denial, with what polkit said. */
static int fail_refused(const BusCall *call, const PolicyDecision *d, const char *what,
                        Failure *ret_failure) {
        size_t n;

        audit_denied(call, d, what);
        policy_failure(d, what, ret_failure);
        n = strlen(ret_failure->text);
        snprintf(ret_failure->text + n, sizeof(ret_failure->text) - n, "; polkit: %s", call->refusal);
        failure_add_string(ret_failure, "polkit", call->refusal);
        return ret_failure->error;
}

/* Act on the verdict @d about @what. Return: 0: go on, once what @ask says is granted; -EACCES, -ENOLCK. */
static int call_settle(const BusCall *call, const PolicyDecision *d, const char *what, CallAsk *ask,
                       Failure *ret_failure) {
        int action;

        switch (d->verdict) {
        case POLICY_ALLOW:
                return 0;
        case POLICY_NEEDS_LEASE:
                return fail_needs_lease(call, d, ret_failure);
        case POLICY_ASK:
                action = polkit_action_from_string(d->action);
                if (action < 0)
                        break;
                if (call->refused & (1u << action))
                        return fail_refused(call, d, what, ret_failure);
                if (!(call->granted & (1u << action)) && !ask->is_needed)
                        *ask = (CallAsk){ .is_needed = true,
                                          .action = (PolkitAction)action,
                                          .rule = d->rule };
                return 0;
        case POLICY_DENY:
                break;
        }
        audit_denied(call, d, what);
        return policy_failure(d, what, ret_failure);
}

/* The word that stands for the value in the table of calls. */
static const char *call_name_value(const BusCall *call, const OptionRow *row) {
        if (row->type == OPTION_PRIORITY)
                return job_priority_to_string(call->options.priority);
        return call->method->name_value ? call->method->name_value(call, row) : NULL;
}

static int call_judge_option(const BusCall *call, const OptionRow *row, CallAsk *ask, Failure *ret_failure) {
        const Policy *policy = &call->daemon->manager->policy;
        const BusMethod *m = call->method;
        PolicyCaller caller = call_policy_caller(call);
        const char *value = call_name_value(call, row);
        char name[OPTION_NAME_MAX], what[WHAT_MAX];
        PolicyDecision decision;
        bool has_own_row;

        snprintf(name, sizeof(name), "%s=%s", row->name, value ?: "");
        has_own_row = value && policy_knows_call(m->interface, m->member, name);
        /* whoever may not be urgent is capped by the rules' effects, never refused */
        if (has_own_row && row->type == OPTION_PRIORITY)
                return 0;
        policy_judge_call(policy, &caller, m->interface, m->member, has_own_row ? name : row->name,
                          &decision);
        snprintf(what, sizeof(what), "Option \"%s\" of %s.%s", has_own_row ? name : row->name, m->interface,
                 m->member);
        return call_settle(call, &decision, what, ask, ret_failure);
}

int call_judge_table(const BusCall *call, CallAsk *ask, Failure *ret_failure) {
        const BusMethod *m = call->method;
        PolicyCaller caller = call_policy_caller(call);
        PolicyDecision decision;
        char what[WHAT_MAX];
        int r;

        if (!m->member)
                return 0;
        policy_judge_call(&call->daemon->manager->policy, &caller, m->interface, m->member, NULL, &decision);
        snprintf(what, sizeof(what), "%s.%s", m->interface, m->member);
        r = call_settle(call, &decision, what, ask, ret_failure);
        for (size_t i = 0; r >= 0 && m->options && m->options[i].name; i++)
                if (call->given & (1u << i))
                        r = call_judge_option(call, &m->options[i], ask, ret_failure);
        return r;
}

void call_judge_request(BusCall *call, const Device *device, const DoeJudgement *judgement, bool in_lease,
                        PolicyDecision *ret) {
        const PolicyCaller caller = call_policy_caller(call);
        const PolicyRequest request = { .device = device,
                                        .vendor_id = call->vendor_id,
                                        .type = call->type,
                                        .judgement = judgement,
                                        .in_lease = in_lease };

        policy_judge_request(&call->daemon->manager->policy, &caller, &request, ret);
        call->has_feature = true;
}

int call_judge(BusCall *call, CallAsk *ask, Failure *ret_failure) {
        const BusMethod *m = call->method;
        char feature[DOE_FEATURE_STR_MAX], what[WHAT_MAX];
        int r;

        if (!m->judge)
                return 0;
        r = m->judge(call, &call->decision, ret_failure);
        if (r < 0)
                return r;
        if (call->has_feature)
                snprintf(what, sizeof(what), "%s of %s", m->member,
                         doe_feature_format(call->vendor_id, call->type, feature));
        else
                snprintf(what, sizeof(what), "%s.%s", m->interface, m->member);
        return call_settle(call, &call->decision, what, ask, ret_failure);
}
