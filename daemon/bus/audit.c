/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/audit.h"

#include <inttypes.h>

#include "daemon/bus/path.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define RULE_TEXT_MAX   512u
#define CALL_TEXT_MAX   64u
#define OPCODE_TEXT_MAX 8u

/* What fields borrow from. */
typedef struct AuditText {
        char subject[MAILBOX_NAME_MAX];
        char feature[DOE_FEATURE_STR_MAX];
        char opcode[OPCODE_TEXT_MAX];
        char rule[RULE_TEXT_MAX];
        char call[CALL_TEXT_MAX];
} AuditText;

static void set_client(LogFields *fields, const Client *client) {
        fields->client = client->name;
        fields->unit = client->unit;
        fields->pid = client->pid;
        fields->uid = (uint32_t)client->uid;
        fields->has_uid = true;
}

static void set_feature(LogFields *fields, uint16_t vendor_id, uint8_t type, AuditText *text) {
        fields->feature = doe_feature_format(vendor_id, type, text->feature);
}

/* An opcode is known of requests only, and then has a name, if only "". */
static void set_opcode(LogFields *fields, const DoeJudgement *judgement, AuditText *text) {
        if (!judgement->opcode_name || judgement->opcode < 0)
                return;
        snprintf(text->opcode, sizeof(text->opcode), "0x%02x", (unsigned)judgement->opcode & 0xff);
        fields->opcode = text->opcode;
}

static void set_decision(LogFields *fields, const PolicyDecision *decision, AuditText *text) {
        snprintf(text->rule, sizeof(text->rule), "%s (%s)", decision->rule, decision->source);
        fields->rule = text->rule;
        set_opcode(fields, &decision->judgement, text);
}

/* -------- leases -------- */

static LogFields fields_of_lease(const Lease *lease, AuditText *text) {
        LogFields fields = { .subject = lease->mailbox->name,
                             .client = lease->holder,
                             .unit = lease->unit,
                             .pid = lease->pid,
                             .uid = (uint32_t)lease->uid,
                             .has_uid = true,
                             .lease = lease->id };

        /* 0000:00 is a feature, too, but of the other scopes it says that none was named */
        if (lease->scope == LEASE_SCOPE_FEATURE || lease->vendor_id || lease->type)
                set_feature(&fields, lease->vendor_id, lease->type, text);
        return fields;
}

static const char *describe_scope(const Lease *lease) {
        switch (lease->scope) {
        case LEASE_SCOPE_FEATURE:
                return "of feature ";
        case LEASE_SCOPE_MAILBOX:
                return "of the whole mailbox";
        case LEASE_SCOPE_REGISTERS:
                return "of its registers, for a tool";
        }
        return "";
}

void audit_lease_opened(const Lease *lease) {
        AuditText text = {};
        LogFields fields = fields_of_lease(lease, &text);

        fields.reason = lease->why;
        log_event(LOG_EVENT_LEASE_OPENED, &fields, "uid %u (%s) opened lease %" PRIu64 " %s%s%s%s",
                  fields.uid, lease->holder, lease->id, describe_scope(lease),
                  lease->scope == LEASE_SCOPE_FEATURE ? fields.feature : "", *lease->why ? ": " : "",
                  lease->why);
}

void audit_lease_ended(const Lease *lease, uint64_t now_usec) {
        AuditText text = {};
        LogFields fields = fields_of_lease(lease, &text);
        const char *why = lease_end_reason(lease);

        fields.reason = *why ? why : "its holder closed it";
        fields.n_requests = lease->n_requests;
        fields.duration_usec = usec_sub(now_usec, lease->since_usec);
        log_event(LOG_EVENT_LEASE_ENDED, &fields,
                  "Lease %" PRIu64 " of uid %u (%s) ended after %.3f s and %" PRIu64 " request%s: %s",
                  lease->id, fields.uid, lease->holder, (double)fields.duration_usec / USEC_PER_SEC,
                  lease->n_requests, lease->n_requests == 1 ? "" : "s", fields.reason);
}

void audit_lease_denied(const Lease *lease, const DoeObjectHeader *header, const PolicyDecision *decision,
                        const char *why) {
        AuditText text = {};
        LogFields fields = fields_of_lease(lease, &text);

        set_feature(&fields, header->vendor_id, header->type, &text);
        if (decision)
                set_decision(&fields, decision, &text);
        fields.verdict = "deny";
        fields.reason = decision ? NULL : why;
        log_event(LOG_EVENT_DENIED, &fields, "uid %u (%s) was denied %s%s%s in lease %" PRIu64 ": %s%s",
                  fields.uid, lease->holder, text.feature, fields.opcode ? " " : "", fields.opcode ?: "",
                  lease->id, decision ? "rule " : "", decision ? text.rule : why);
}

void audit_destructive(const Lease *lease, const LeaseDestructive *sent) {
        AuditText text = {};
        LogFields fields = fields_of_lease(lease, &text);
        const char *name = sent->judgement->opcode_name;

        set_feature(&fields, sent->header->vendor_id, sent->header->type, &text);
        set_opcode(&fields, sent->judgement, &text);
        fields.verdict = "allow";
        fields.rule = sent->rule;
        fields.reason = sent->doubt;
        log_event(LOG_EVENT_DESTRUCTIVE, &fields,
                  "uid %u (%s) sent %s%s%s%s%s, which may change what others rely on: rule %s%s%s%s",
                  fields.uid, lease->holder, text.feature, fields.opcode ? " " : "", fields.opcode ?: "",
                  *name ? " " : "", name, sent->rule, sent->doubt ? " (not answered: " : "",
                  sent->doubt ?: "", sent->doubt ? ")" : "");
}

/* -------- calls -------- */

/* Of the object that it is made on or names: a mailbox, a device, or nothing. */
static void set_subject(LogFields *fields, const BusCall *call, AuditText *text) {
        const char *path = call->mailbox_path ?: sd_bus_message_get_path(call->message);
        char address[WIRE_ADDRESS_MAX];
        uint16_t offset;

        if (path_parse_mailbox(path, address, &offset) >= 0)
                mailbox_format_name(address, offset, text->subject);
        else if (path_parse_device(path, address) >= 0)
                snprintf(text->subject, sizeof(text->subject), "%s", address);
        else
                return;
        fields->subject = text->subject;
}

static void set_call(LogFields *fields, const BusCall *call, AuditText *text) {
        snprintf(text->call, sizeof(text->call), "%s.%s", call->method->interface, call->method->member);
        fields->call = text->call;
        set_client(fields, call->caller->client);
}

void audit_denied(const BusCall *call, const PolicyDecision *decision, const char *what) {
        AuditText text = {};
        LogFields fields = { .verdict = "deny", .reason = call->refusal };

        set_call(&fields, call, &text);
        set_subject(&fields, call, &text);
        if (call->has_feature)
                set_feature(&fields, call->vendor_id, call->type, &text);
        set_decision(&fields, decision, &text);
        log_event(LOG_EVENT_DENIED, &fields, "uid %u (%s) was denied %s%s%s: rule %s%s%s", fields.uid,
                  fields.client, what, fields.opcode ? " " : "", fields.opcode ?: "", text.rule,
                  *call->refusal ? "; polkit: " : "", call->refusal);
}

void audit_managed(const BusCall *call, const char *subject, const char *what) {
        AuditText text = {};
        LogFields fields = { .subject = subject, .verdict = "allow" };

        set_call(&fields, call, &text);
        log_event(LOG_EVENT_MANAGED, &fields, "uid %u (%s) %s", fields.uid, fields.client, what);
}

/* -------- captures -------- */

void audit_capture_opened(const Client *client, const char *filter) {
        LogFields fields = { .verdict = "allow", .filter = filter };

        set_client(&fields, client);
        log_event(LOG_EVENT_CAPTURE_OPENED, &fields, "uid %u (%s) captures: %s", fields.uid, client->name,
                  filter);
}

void audit_capture_closed(const AuditedCapture *capture, const char *why) {
        LogFields fields = { .client = capture->client,
                             .unit = capture->unit,
                             .filter = capture->filter,
                             .reason = why,
                             .has_uid = true,
                             .uid = (uint32_t)capture->uid,
                             .pid = capture->pid,
                             .duration_usec = capture->duration_usec };

        log_event(LOG_EVENT_CAPTURE_CLOSED, &fields,
                  "The capture of uid %u (%s) ended after %.3f s with %" PRIu64 " packets and %" PRIu64
                  " lost: %s",
                  fields.uid, capture->client, (double)capture->duration_usec / USEC_PER_SEC,
                  capture->n_packets, capture->n_dropped, why);
}
