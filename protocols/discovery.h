/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* DOE discovery, feature 0001:00, PCIe r6.1 6.30.1.1: messages, and the walk over all indexes with its
 * bounds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOE_DISCOVERY_ENTRIES_MAX        256u
#define DOE_DISCOVERY_REQUEST_BYTES      4u
#define DOE_DISCOVERY_RESPONSE_BYTES_MAX 8u /* payload: 1 dword, or 2 in newer revisions */

typedef struct DoeDiscoveryEntry {
        uint16_t vendor_id;
        uint8_t type;
        bool has_limits;       /* the second payload dword was there */
        uint32_t n_dwords_max; /* [17:0] of it, 0 = 2^18; whole object */
        uint16_t connection_id_max;
} DoeDiscoveryEntry;

/* Discovery Version that goes with a capability version: 2 from capability version 2 on, else 0. */
uint8_t doe_discovery_version(uint8_t capability_version);

void doe_discovery_request_encode(uint8_t index, uint8_t version, uint8_t ret[DOE_DISCOVERY_REQUEST_BYTES]);
/* -EBADMSG unless exactly one dword. */
int doe_discovery_request_decode(const uint8_t *payload, size_t n_bytes, uint8_t *ret_index,
                                 uint8_t *ret_version);

/* -EBADMSG unless the payload is 1 or 2 dwords. */
int doe_discovery_response_decode(const uint8_t *payload, size_t n_bytes, DoeDiscoveryEntry *ret_entry,
                                  uint8_t *ret_next_index);
/* Writes 4 or 8 payload bytes (8 if @entry->has_limits); returns how many. */
size_t doe_discovery_response_encode(const DoeDiscoveryEntry *entry, uint8_t next_index,
                                     uint8_t ret[DOE_DISCOVERY_RESPONSE_BYTES_MAX]);

/* The walk: give it responses in order, it says which index comes next. Entries ffff:ff (out of range) and
 * repeated features are dropped; an index seen before ends the walk as cyclic, with what was found so far
 * kept. */
typedef enum DoeDiscoveryStep {
        DOE_DISCOVERY_MORE, /* ask for walk->index */
        DOE_DISCOVERY_END,
} DoeDiscoveryStep;

typedef struct DoeDiscoveryWalk {
        uint8_t index;
        uint64_t seen[4]; /* indexes asked for, one bit each */
        bool is_cyclic;
        bool has_out_of_range;
        size_t n_entries;
        DoeDiscoveryEntry entries[DOE_DISCOVERY_ENTRIES_MAX];
} DoeDiscoveryWalk;

void doe_discovery_walk_init(DoeDiscoveryWalk *walk);
/* Return: DOE_DISCOVERY_MORE or DOE_DISCOVERY_END; -EBADMSG for a malformed response. */
int doe_discovery_walk_take(DoeDiscoveryWalk *walk, const uint8_t *payload, size_t n_bytes);
