/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether one request of a lease may pass: its form, its feature, what SPDM demands, what policy says. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/lease-private.h"
#include "protocols/compliance.h"

/* Of PCIe r6.1 6.30.1: what a requester leaves zero, and connection IDs. */
static int check_header(const Lease *lease, const DoeObjectHeader *h, Failure *ret) {
        const DoeFeature *known = doe_feature_find(h->vendor_id, h->type);
        const Mailbox *mb = lease_find_mailbox(lease, h->vendor_id, h->type);
        const DoeDiscoveryEntry *entry = mb ? mailbox_find_feature(mb, h->vendor_id, h->type) : NULL;
        uint16_t id_max = entry && known && known->has_connection_id ? entry->connection_id_max : 0;

        if (h->reserved_set)
                return failure_set(ret, -EBADMSG, "Reserved bits of the object's header are set");
        if (h->connection_id <= id_max)
                return 0;
        if (known && known->has_connection_id)
                return failure_set(ret, -EBADMSG, "Connection ID %u exceeds the maximum of %u",
                                   h->connection_id, id_max);
        return failure_set(ret, -EBADMSG,
                           "Bits 29:18 of the second header dword are set, but %04x:%02x "
                           "has no connection ID",
                           h->vendor_id, h->type);
}

/* What its mailbox takes of that feature. */
static int check_size(const LeaseRequest *request, const Mailbox *mb, uint64_t n_bytes_max, Failure *ret) {
        const DoeObjectHeader *h = &request->header;
        const DoeDiscoveryEntry *entry = mb ? mailbox_find_feature(mb, h->vendor_id, h->type) : NULL;
        uint64_t n_bytes = request->too_large_bytes ?: 4 * (uint64_t)h->n_dwords;

        if (entry && entry->has_limits && entry->n_dwords_max)
                n_bytes_max = MIN_OF(n_bytes_max, 4 * (uint64_t)entry->n_dwords_max);
        if (!request->too_large_bytes && n_bytes <= n_bytes_max)
                return 0;
        return failure_set(ret, -EMSGSIZE,
                           "An object of %" PRIu64 " bytes is larger than the %" PRIu64 " that are taken",
                           n_bytes, n_bytes_max);
}

static int check_feature(const Lease *lease, const DoeObjectHeader *h, Mailbox **ret_mb, Failure *ret) {
        char feature[DOE_FEATURE_STR_MAX];

        doe_feature_format(h->vendor_id, h->type, feature);
        if (!lease_holds_feature(lease, h->vendor_id, h->type))
                return failure_set(ret, -EACCES, "%s is outside the lease", feature);
        *ret_mb = lease_find_mailbox(lease, h->vendor_id, h->type);
        if (!*ret_mb)
                return lease_fail_not_offered(lease->mailbox, h->vendor_id, h->type, ret);
        return 0;
}

/* -------- SPDM -------- */

static bool is_clear(const DoeObjectHeader *h) {
        const DoeFeature *known = doe_feature_find(h->vendor_id, h->type);

        return known && known->is_spdm && known->opcode_offset >= 0;
}

static bool is_get_version(const LeaseRequest *request) {
        SpdmHeader header;

        return is_clear(&request->header) &&
               spdm_header_decode(request->payload, request->n_bytes, &header) == 0 &&
               header.code == SPDM_CODE_GET_VERSION;
}

/* The place of its connection. */
static size_t find_connection(const DoeObjectHeader *h) {
        const DoeFeature *known = doe_feature_find(h->vendor_id, h->type);

        return known && known->has_connection_id ? 1 + (size_t)h->connection_id : 0;
}

static void add_connection(LeaseConnections *c, size_t place) {
        c->bits[place / 8] |= (uint8_t)(1u << place % 8);
}

bool lease_has_connections(const LeaseConnections *c) {
        for (size_t i = 0; i < sizeof(c->bits); i++)
                if (c->bits[i])
                        return true;
        return false;
}

void lease_assume_connections(LeaseConnections *ret) {
        add_connection(ret, 0);
        add_connection(ret, 1);
}

/* GET_VERSION ends what was before: without it the holder would go on in somebody else's connection. */
static int check_version(const Lease *lease, const LeaseRequest *request, Failure *ret) {
        const DoeObjectHeader *h = &request->header;
        size_t place = find_connection(h);

        if (!lease_feature_is_spdm(h->vendor_id, h->type) || is_get_version(request) ||
            lease->inside->begun.bits[place / 8] & 1u << place % 8)
                return 0;
        return failure_set(ret, -EACCES,
                           "The first SPDM message of a lease that is not resumed is GET_VERSION%s",
                           place > 0 ? ", in each of its connections" : "");
}

/* As the plain message with that code would be judged. */
static void judge_code(const DoeObjectHeader *h, uint8_t version, uint8_t code, DoeJudgement *ret) {
        const uint8_t message[] = { version, code, 0, 0 };

        doe_feature_judge(h->vendor_id, h->type, message, sizeof(message), ret);
}

/* A chunk is judged by the message that it is part of. One that does not show it might carry anything, also
 * what a rule denies by its code: no rule lets it pass. */
static int judge_chunk(const Lease *lease, const LeaseRequest *request, LeasePassed *passed,
                       DoeJudgement *ret, Failure *ret_failure) {
        const LeaseInside *in = lease->inside;

        passed->is_chunk = spdm_chunk_send_decode(request->payload, request->n_bytes, &passed->chunk) == 0;
        if (passed->is_chunk && passed->chunk.is_first)
                passed->code = passed->chunk.code;
        else if (passed->is_chunk && in->is_in_chunks && in->chunk_handle == passed->chunk.handle) {
                passed->code = in->chunk_code;
                judge_code(&request->header, request->payload[0], (uint8_t)in->chunk_code, ret);
        }
        return passed->code >= 0 ? 0
                                 : failure_set(ret_failure, -EACCES,
                                               "A chunk does not tell what message it carries");
}

/* Return: 0; -EACCES with @ret_failure filled. */
static int judge(const Lease *lease, const LeaseRequest *request, LeasePassed *passed, DoeJudgement *ret,
                 Failure *ret_failure) {
        const DoeObjectHeader *h = &request->header;
        SpdmHeader header;

        doe_feature_judge(h->vendor_id, h->type, request->payload, request->n_bytes, ret);
        passed->code = -1;
        passed->is_chunk = false;
        if (!is_clear(h) || spdm_header_decode(request->payload, request->n_bytes, &header) < 0)
                return 0;
        if (header.code == SPDM_CODE_CHUNK_SEND)
                return judge_chunk(lease, request, passed, ret, ret_failure);
        passed->code = header.code;
        return 0;
}

/* -------- policy -------- */

static int check_policy(const Lease *lease, const LeaseRequest *request, const DoeJudgement *judgement,
                        PolicyDecision *decision, Failure *ret) {
        const PolicyCaller caller = { .uid = lease->uid, .gids = lease->gids, .n_gids = lease->n_gids };
        const PolicyRequest asked = { .device = lease->device,
                                      .vendor_id = request->header.vendor_id,
                                      .type = request->header.type,
                                      .judgement = judgement,
                                      .in_lease = true };
        char what[64];

        policy_judge_request(&lease->manager->policy, &caller, &asked, decision);
        snprintf(what, sizeof(what), "%s of %04x:%02x",
                 *judgement->opcode_name ? judgement->opcode_name : "Request", asked.vendor_id, asked.type);
        /* nobody can be asked in the midst of a stream */
        if (decision->verdict != POLICY_ALLOW &&
            (decision->verdict != POLICY_ASK || strcmp(decision->rule, lease->inside->granted_rule) != 0))
                return policy_failure(decision, what, ret);
        if (judgement->how == DOE_HOW_MAILBOX_LEASE && lease->scope != LEASE_SCOPE_MAILBOX)
                return failure_set(ret, -ENOLCK, "%s needs a lease of the whole mailbox", what);
        if (lease_feature_is_spdm(asked.vendor_id, asked.type) && *lease->device->spdm_owner &&
            !decision->effects.kernel_override)
                return lease_fail_spdm_owner(lease->device, ret);
        return 0;
}

/* @decision: its rule stays NULL where it came to no decision of a rule. */
static int judge_request(const Lease *lease, const LeaseRequest *request, uint64_t now_usec,
                         LeasePassed *passed, PolicyDecision *decision, Failure *ret) {
        int r;

        if (request->too_large_bytes)
                return check_size(request, NULL, lease_object_bytes_max(lease), ret);
        r = check_header(lease, &request->header, ret);
        if (r == 0)
                r = check_feature(lease, &request->header, &passed->mailbox, ret);
        if (r == 0)
                r = check_size(request, passed->mailbox, lease_object_bytes_max(lease), ret);
        if (r == 0)
                r = check_version(lease, request, ret);
        if (r == 0)
                r = judge(lease, request, passed, &passed->judgement, ret);
        if (r == 0)
                r = check_policy(lease, request, &passed->judgement, decision, ret);
        /* its bytes are counted since it came */
        if (r == 0)
                r = account_check_request(lease->inside->account, &decision->effects, 0, now_usec, ret);
        return r;
}

int lease_judge(const Lease *lease, const LeaseRequest *request, uint64_t now_usec, LeasePassed *ret,
                Failure *ret_failure) {
        const Manager *m = lease->manager;
        PolicyDecision decision = {};
        LeasePassed passed = {};
        int r = judge_request(lease, request, now_usec, &passed, &decision, ret_failure);

        if (r == -EACCES)
                m->observer->lease_denied(m->observer_userdata, lease, &request->header,
                                          decision.rule ? &decision : NULL, ret_failure->text);
        if (r < 0)
                return r;
        snprintf(passed.rule, sizeof(passed.rule), "%s (%s)", decision.rule, decision.source);
        passed.effects = decision.effects;
        *ret = passed;
        return 0;
}

/* -------- what was sent -------- */

static void note_spdm_sent(Lease *lease, const LeaseRequest *request) {
        LeaseInside *in = lease->inside;

        if (in->passed.is_chunk && in->passed.chunk.is_first) {
                in->chunk_handle = in->passed.chunk.handle;
                in->chunk_code = in->passed.chunk.code;
                in->is_in_chunks = true;
        }
        if (in->passed.is_chunk && in->passed.chunk.is_last)
                in->is_in_chunks = false;
        if (!is_clear(&request->header) && !lease->is_session)
                lease_clock_set_session(lease);
}

static void tell_destructive(const Lease *lease, const LeaseRequest *request, const char *doubt) {
        const LeasePassed *passed = &lease->inside->passed;
        const LeaseDestructive sent = { .header = &request->header,
                                        .judgement = &passed->judgement,
                                        .rule = passed->rule,
                                        .doubt = doubt };

        if (passed->judgement.class == DOE_CLASS_DESTRUCTIVE)
                lease->manager->observer->lease_destructive(lease->manager->observer_userdata, lease, &sent);
}

void lease_note_refused(const Lease *lease, const LeaseRequest *request, const char *why) {
        const Manager *m = lease->manager;
        char text[FAILURE_TEXT_MAX];

        snprintf(text, sizeof(text), "doed-pci refused it: %s", why);
        m->observer->lease_denied(m->observer_userdata, lease, &request->header, /* decision= */ NULL, text);
}

void lease_note_sent(Lease *lease, const LeaseRequest *request, const char *doubt) {
        const DoeObjectHeader *h = &request->header;
        LeaseInside *in = lease->inside;

        lease->n_requests++;
        tell_destructive(lease, request, doubt);
        if (lease_feature_is_spdm(h->vendor_id, h->type))
                note_spdm_sent(lease, request);
        if (h->vendor_id == DOE_VENDOR_CXL && h->type == DOE_TYPE_CXL_COMPLIANCE &&
            in->passed.judgement.class == DOE_CLASS_DESTRUCTIVE) {
                in->needs_halt = true;
                if (!in->is_compliance_accepted)
                        in->compliance_version = request->n_bytes > 1 ? request->payload[1] : 0;
        }
}

/* What the connection was before is over now, not when GET_VERSION went down: it may have been lost. */
static void note_version(Lease *lease, const LeaseRequest *request) {
        LeaseInside *in = lease->inside;

        add_connection(&in->begun, find_connection(&request->header));
        add_connection(&in->alive, find_connection(&request->header));
        in->is_in_chunks = false;
        lease_record_update(lease);
}

void lease_note_answered(Lease *lease, const uint8_t *response, size_t n_bytes) {
        const LeaseRequest *request = TAILQ_FIRST(&lease->inside->requests);
        const LeasePassed *passed = &lease->inside->passed;
        uint64_t not_ready_usec;
        SpdmHeader header;

        if (request->header.vendor_id == DOE_VENDOR_CXL && request->header.type == DOE_TYPE_CXL_COMPLIANCE &&
            passed->judgement.class == DOE_CLASS_DESTRUCTIVE && request->n_bytes > 0 &&
            compliance_is_accepted(request->payload[0], response, n_bytes))
                lease->inside->is_compliance_accepted = true;
        if (!is_clear(&request->header))
                return;
        if (is_get_version(request) && spdm_header_decode(response, n_bytes, &header) == 0 &&
            header.code == SPDM_CODE_VERSION)
                note_version(lease, request);
        if (spdm_response_not_ready(response, n_bytes, &not_ready_usec))
                lease_clock_extend(lease, not_ready_usec);
        if (!lease->is_session &&
            spdm_opens_session(passed->code, passed->is_chunk && passed->chunk.is_last, response, n_bytes))
                lease_clock_set_session(lease);
}
