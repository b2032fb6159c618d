/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a lease covers, who is in whose way, and what others are told of it. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/lease-private.h"
#include "daemon/util/clock.h"

static const char *const scope_names[] = {
        [LEASE_SCOPE_FEATURE] = "feature",
        [LEASE_SCOPE_MAILBOX] = "mailbox",
        [LEASE_SCOPE_REGISTERS] = "registers",
};

const char *lease_scope_to_string(LeaseScope scope) {
        return scope_names[scope];
}

int lease_scope_from_string(const char *s) {
        /* registers are asked for by another call */
        for (LeaseScope scope = LEASE_SCOPE_FEATURE; scope <= LEASE_SCOPE_MAILBOX; scope++)
                if (strcmp(s, scope_names[scope]) == 0)
                        return (int)scope;
        return -EINVAL;
}

bool lease_feature_is_spdm(uint16_t vendor_id, uint8_t type) {
        const DoeFeature *f = doe_feature_find(vendor_id, type);

        return f && f->is_spdm;
}

bool mailbox_offers_spdm(const Mailbox *mb) {
        for (size_t i = 0; i < mb->n_features; i++)
                if (lease_feature_is_spdm(mb->features[i].vendor_id, mb->features[i].type))
                        return true;
        return false;
}

bool lease_reaches_spdm(const Lease *lease) {
        return lease->is_spdm || (lease->scope != LEASE_SCOPE_FEATURE &&
                                  (lease->mailbox->features_source == FEATURES_UNKNOWN ||
                                   mailbox_offers_spdm(lease->mailbox)));
}

bool lease_touches(const Lease *lease, const Mailbox *mb) {
        return lease->mailbox == mb ||
               (lease->is_spdm && lease->device == mb->device && mailbox_offers_spdm(mb));
}

bool leases_conflict(const Lease *a, const Lease *b) {
        /* one responder stands behind all mailboxes, but two tools may each have the registers of one */
        if (lease_reaches_spdm(a) && lease_reaches_spdm(b) &&
            (a->scope != LEASE_SCOPE_REGISTERS || b->scope != LEASE_SCOPE_REGISTERS))
                return true;
        if (a->mailbox != b->mailbox)
                return false;
        return a->scope != LEASE_SCOPE_FEATURE || b->scope != LEASE_SCOPE_FEATURE ||
               (a->vendor_id == b->vendor_id && a->type == b->type);
}

bool lease_holds_feature(const Lease *lease, uint16_t vendor_id, uint8_t type) {
        switch (lease->scope) {
        case LEASE_SCOPE_FEATURE:
                return lease->is_spdm ? lease_feature_is_spdm(vendor_id, type)
                                      : lease->vendor_id == vendor_id && lease->type == type;
        case LEASE_SCOPE_MAILBOX:
                return true;
        case LEASE_SCOPE_REGISTERS:
                break;
        }
        return false;
}

Mailbox *lease_find_mailbox(const Lease *lease, uint16_t vendor_id, uint8_t type) {
        const Device *d = lease->device;

        if (mailbox_may_offer(lease->mailbox, vendor_id, type))
                return lease->mailbox;
        if (!lease->is_spdm)
                return NULL;
        for (size_t i = 0; i < d->n_mailboxes; i++)
                if (mailbox_find_feature(d->mailboxes[i], vendor_id, type))
                        return d->mailboxes[i];
        return NULL;
}

bool lease_has_calls_before(const Lease *lease) {
        const Device *d = lease->device;
        const DoeFeature *f;

        if (lease->scope != LEASE_SCOPE_FEATURE)
                return mailbox_has_calls(lease->mailbox, 0, 0, /* any_feature= */ true);
        if (!lease->is_spdm)
                return mailbox_has_calls(lease->mailbox, lease->vendor_id, lease->type, false);
        for (size_t i = 0; i < d->n_mailboxes; i++)
                for (size_t j = 0; (f = doe_feature_get(j)); j++)
                        if (f->is_spdm && mailbox_has_calls(d->mailboxes[i], f->vendor_id, f->type, false))
                                return true;
        return false;
}

uint32_t lease_object_bytes_max(const Lease *lease) {
        uint64_t limit = lease->manager->config->limits.object_bytes_max, found = 0;
        const Device *d = lease->device;

        for (size_t i = 0; i < d->n_mailboxes; i++) {
                const Mailbox *mb = d->mailboxes[i];

                for (size_t j = 0; lease_touches(lease, mb) && j < mb->n_features; j++) {
                        const DoeDiscoveryEntry *e = &mb->features[j];

                        if (!lease_holds_feature(lease, e->vendor_id, e->type))
                                continue;
                        if (!e->has_limits || !e->n_dwords_max)
                                return (uint32_t)limit;
                        found = MAX_OF(found, 4 * (uint64_t)e->n_dwords_max);
                }
        }
        return (uint32_t)(found ? MIN_OF(found, limit) : limit);
}

/* -------- what others are told -------- */

/* Text and values of who has it, as far as @c may know. */
static void describe_holder(const Lease *holder, const Client *c, Failure *ret) {
        const PolicyCaller caller = { .uid = c->uid, .gids = c->gids, .n_gids = c->n_gids };
        size_t n = strlen(ret->text);

        failure_add_u64(ret, "uid", holder->uid);
        failure_add_u64(ret, "since-usec", holder->since_realtime_usec);
        if (c->uid != holder->uid && !policy_may_manage(&holder->manager->policy, &caller))
                return;
        if (holder->pid) {
                failure_add_u64(ret, "pid", holder->pid);
                snprintf(ret->text + n, sizeof(ret->text) - n, ", pid %" PRIu32, holder->pid);
                n = strlen(ret->text);
        }
        if (holder->unit) {
                failure_add_string(ret, "unit", holder->unit);
                snprintf(ret->text + n, sizeof(ret->text) - n, ", unit %s", holder->unit);
        }
}

int lease_fail_held(const Lease *holder, const Client *c, Failure *ret) {
        uint64_t age_usec = usec_sub(holder->manager->realtime_usec(), holder->since_realtime_usec);
        char feature[DOE_FEATURE_STR_MAX];

        doe_feature_format(holder->vendor_id, holder->type, feature);
        if (holder->scope == LEASE_SCOPE_REGISTERS)
                failure_set(ret, -EADDRINUSE, "%s was handed to a tool of uid %u %" PRIu64 " s ago%s%s",
                            holder->mailbox->name, (unsigned)holder->uid, age_usec / USEC_PER_SEC,
                            *holder->why ? ": " : "", holder->why);
        else
                failure_set(ret, -EUSERS, "%s of %s is leased by uid %u since %" PRIu64 " s",
                            holder->scope == LEASE_SCOPE_MAILBOX ? "All"
                            : holder->is_spdm                    ? "SPDM"
                                                                 : feature,
                            holder->is_spdm ? holder->device->address : holder->mailbox->name,
                            (unsigned)holder->uid, age_usec / USEC_PER_SEC);
        describe_holder(holder, c, ret);
        return ret->error;
}

int leases_check(const Mailbox *mb, uint16_t vendor_id, uint8_t type, const Client *c, Failure *ret) {
        const Lease *lease;
        bool is_spdm = lease_feature_is_spdm(vendor_id, type);

        TAILQ_FOREACH (lease, &mb->device->leases, leases) {
                if (!lease_is_holder(lease))
                        break; /* waiters stand last */
                if (lease->scope != LEASE_SCOPE_FEATURE && lease->mailbox == mb)
                        return lease_fail_held(lease, c, ret);
                if (is_spdm ? lease_reaches_spdm(lease)
                            : lease->mailbox == mb && lease_holds_feature(lease, vendor_id, type))
                        return lease_fail_held(lease, c, ret);
        }
        return 0;
}

int lease_check_state(const Mailbox *mb, LeaseScope scope, Failure *ret) {
        if (mb->state == MAILBOX_GONE)
                failure_set(ret, -ENODEV, "%s is gone", mb->name);
        else if (mb->state == MAILBOX_READ_ONLY)
                failure_set(ret, -EROFS, "%s is read-only: %s", mb->name, mb->state_reason);
        else if (mb->state == MAILBOX_DEAD && scope != LEASE_SCOPE_REGISTERS)
                failure_set(ret, -ESHUTDOWN, "%s is dead: %s", mb->name, mb->state_reason);
        else
                return 0;
        failure_add_string(ret, "state", mailbox_state_to_string(mb->state));
        failure_add_string(ret, "reason", mb->state_reason);
        return ret->error;
}

int lease_fail_spdm_owner(const Device *d, Failure *ret) {
        failure_set(ret, -EXDEV, "Another agent's SPDM session may live on %s: %s", d->address,
                    d->spdm_owner);
        failure_add_string(ret, "evidence", d->spdm_owner);
        return ret->error;
}

int lease_fail_not_offered(const Mailbox *mb, uint16_t vendor_id, uint8_t type, Failure *ret) {
        char feature[DOE_FEATURE_STR_MAX];

        doe_feature_format(vendor_id, type, feature);
        failure_set(ret, -EPROTONOSUPPORT, "%s does not offer %s", mb->name, feature);
        failure_add_string(ret, "feature", feature);
        return ret->error;
}
