/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "protocols/discovery.h"
#include "protocols/feature.h"
#include "tests/emulator/responder.h"

#define INDEX_LAST          255u
#define VENDOR_OUT_OF_RANGE 0xffffu
#define TYPE_OUT_OF_RANGE   0xffu
#define VENDOR_ENDLESS      0x1234u /* of the entries that an endless chain makes up */

static DoeDiscoveryEntry entry_of(const ModelMailboxSettings *mb, const ModelFeature *feature) {
        return (DoeDiscoveryEntry){
                .vendor_id = feature->vendor_id,
                .type = feature->type,
                .has_limits = mb->has_long_discovery,
                .n_dwords_max = feature->n_dwords_max,
                .connection_id_max = feature->connection_id_max,
        };
}

/* How many indexes the chain has, and which feature stands at @index: NULL for an entry ffff:ff. */
static size_t chain_entries(const ModelMailboxSettings *mb) {
        switch (mb->chain) {
        case CHAIN_DUPLICATE:
        case CHAIN_GARBAGE:
                return 2 * mb->n_features;
        case CHAIN_MISSING_SELF:
                return mb->n_features - 1;
        case CHAIN_PLAIN:
        case CHAIN_CYCLIC:
        case CHAIN_ENDLESS:
                break;
        }
        return mb->n_features;
}

static const ModelFeature *chain_feature(const ModelMailboxSettings *mb, size_t index) {
        switch (mb->chain) {
        case CHAIN_DUPLICATE:
                return &mb->features[index % mb->n_features];
        case CHAIN_GARBAGE:
                return index % 2 == 0 ? &mb->features[index / 2] : NULL;
        case CHAIN_MISSING_SELF:
                return &mb->features[index + 1];
        case CHAIN_PLAIN:
        case CHAIN_CYCLIC:
        case CHAIN_ENDLESS:
                break;
        }
        return &mb->features[index];
}

static int reply_entry(const DoeDiscoveryEntry *entry, uint8_t next, uint8_t **ret, size_t *ret_n_bytes) {
        uint8_t payload[DOE_DISCOVERY_RESPONSE_BYTES_MAX];

        return responder_reply(payload, doe_discovery_response_encode(entry, next, payload), ret,
                               ret_n_bytes);
}

static int reply_beyond(const ModelMailboxSettings *mb, uint8_t index, uint8_t **ret, size_t *ret_n_bytes) {
        DoeDiscoveryEntry entry = { .vendor_id = VENDOR_OUT_OF_RANGE, .type = TYPE_OUT_OF_RANGE };

        if (mb->chain == CHAIN_ENDLESS) {
                entry.vendor_id = VENDOR_ENDLESS;
                entry.type = index;
                return reply_entry(&entry, index == INDEX_LAST ? 1 : (uint8_t)(index + 1), ret, ret_n_bytes);
        }
        return mb->answers_discovery_beyond ? reply_entry(&entry, 0, ret, ret_n_bytes) : 0;
}

int responder_discovery(_unused_ Responder *responder, const ResponderRequest *request, uint8_t **ret,
                        size_t *ret_n_bytes) {
        const ModelMailboxSettings *mb = request->mailbox;
        DoeDiscoveryEntry entry = { .vendor_id = VENDOR_OUT_OF_RANGE, .type = TYPE_OUT_OF_RANGE };
        const ModelFeature *feature;
        uint8_t index, version, next;
        size_t n_entries = chain_entries(mb);

        if (doe_discovery_request_decode(request->payload, request->n_bytes, &index, &version) < 0)
                return 0;
        if (mb->is_discovery_strict && version != doe_discovery_version(mb->cap_version))
                return 0;
        if (index >= n_entries)
                return reply_beyond(mb, index, ret, ret_n_bytes);

        feature = chain_feature(mb, index);
        if (feature)
                entry = entry_of(mb, feature);
        next = (uint8_t)(index + 1);
        if (next == n_entries && mb->chain != CHAIN_ENDLESS)
                next = mb->chain == CHAIN_CYCLIC && index > 0 ? 1 : 0;
        return reply_entry(&entry, next, ret, ret_n_bytes);
}
