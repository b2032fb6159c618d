/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocols/discovery.h"

#include <errno.h>

#include "protocols/cursor.h"
#include "protocols/data-object.h"

/* second response dword: [17:0] longest object in dwords, [29:18] largest connection ID */
#define LIMITS_DWORDS              0x0003ffffu
#define LIMITS_CONNECTION_ID_SHIFT 18
#define LIMITS_CONNECTION_ID       0xfffu

#define VENDOR_OUT_OF_RANGE 0xffffu

uint8_t doe_discovery_version(uint8_t capability_version) {
        return capability_version >= 2 ? 2 : 0;
}

void doe_discovery_request_encode(uint8_t index, uint8_t version, uint8_t ret[DOE_DISCOVERY_REQUEST_BYTES]) {
        DoeWriter w = DOE_WRITER(ret, DOE_DISCOVERY_REQUEST_BYTES);

        doe_write_u8(&w, index);
        doe_write_u8(&w, version);
        doe_write_zeros(&w, 2);
}

int doe_discovery_request_decode(const uint8_t *payload, size_t n_bytes, uint8_t *ret_index,
                                 uint8_t *ret_version) {
        DoeReader r = DOE_READER(payload, n_bytes);
        uint8_t index, version;

        if (n_bytes != DOE_DISCOVERY_REQUEST_BYTES)
                return -EBADMSG;
        index = doe_read_u8(&r);
        version = doe_read_u8(&r);
        if (r.error < 0)
                return r.error;

        *ret_index = index;
        *ret_version = version;
        return 0;
}

/* A limit of 1 dword is below the header itself and cannot be meant: the device is taken to have given none.
 */
static void entry_set_limits(DoeDiscoveryEntry *entry, uint32_t limits) {
        uint32_t n_dwords = limits & LIMITS_DWORDS;

        if (n_dwords == 0)
                n_dwords = DOE_OBJECT_DWORDS_MAX;
        if (n_dwords < DOE_HEADER_DWORDS)
                return;
        entry->has_limits = true;
        entry->n_dwords_max = n_dwords;
        entry->connection_id_max = (uint16_t)((limits >> LIMITS_CONNECTION_ID_SHIFT) & LIMITS_CONNECTION_ID);
}

int doe_discovery_response_decode(const uint8_t *payload, size_t n_bytes, DoeDiscoveryEntry *ret_entry,
                                  uint8_t *ret_next_index) {
        DoeReader r = DOE_READER(payload, n_bytes);
        DoeDiscoveryEntry entry = { 0 };
        uint8_t next_index;

        if (n_bytes != 4 && n_bytes != DOE_DISCOVERY_RESPONSE_BYTES_MAX)
                return -EBADMSG;
        entry.vendor_id = doe_read_le16(&r);
        entry.type = doe_read_u8(&r);
        next_index = doe_read_u8(&r);
        if (r.n_left > 0)
                entry_set_limits(&entry, doe_read_le32(&r));
        if (r.error < 0)
                return r.error;

        *ret_entry = entry;
        *ret_next_index = next_index;
        return 0;
}

size_t doe_discovery_response_encode(const DoeDiscoveryEntry *entry, uint8_t next_index,
                                     uint8_t ret[DOE_DISCOVERY_RESPONSE_BYTES_MAX]) {
        DoeWriter w = DOE_WRITER(ret, DOE_DISCOVERY_RESPONSE_BYTES_MAX);

        doe_write_le16(&w, entry->vendor_id);
        doe_write_u8(&w, entry->type);
        doe_write_u8(&w, next_index);
        if (entry->has_limits)
                doe_write_le32(&w, (entry->n_dwords_max & LIMITS_DWORDS) |
                                                   (entry->connection_id_max & LIMITS_CONNECTION_ID)
                                                                   << LIMITS_CONNECTION_ID_SHIFT);
        return w.n_written;
}

static bool walk_has_seen(const DoeDiscoveryWalk *walk, uint8_t index) {
        return (walk->seen[index / 64] >> (index % 64)) & 1;
}

/* Every index is asked for once at most, which bounds the walk at 256 requests. */
static void walk_enter(DoeDiscoveryWalk *walk, uint8_t index) {
        walk->seen[index / 64] |= UINT64_C(1) << (index % 64);
        walk->index = index;
}

void doe_discovery_walk_init(DoeDiscoveryWalk *walk) {
        *walk = (DoeDiscoveryWalk){ 0 };
        walk_enter(walk, 0);
}

static void walk_add(DoeDiscoveryWalk *walk, const DoeDiscoveryEntry *entry) {
        /* ffff is nobody's vendor ID, so the type beside it adds nothing */
        if (entry->vendor_id == VENDOR_OUT_OF_RANGE) {
                walk->has_out_of_range = true;
                return;
        }
        for (size_t i = 0; i < walk->n_entries; i++)
                if (walk->entries[i].vendor_id == entry->vendor_id && walk->entries[i].type == entry->type)
                        return;
        if (walk->n_entries < DOE_DISCOVERY_ENTRIES_MAX)
                walk->entries[walk->n_entries++] = *entry;
}

int doe_discovery_walk_take(DoeDiscoveryWalk *walk, const uint8_t *payload, size_t n_bytes) {
        DoeDiscoveryEntry entry;
        uint8_t next_index;
        int r;

        r = doe_discovery_response_decode(payload, n_bytes, &entry, &next_index);
        if (r < 0)
                return r;

        walk_add(walk, &entry);
        if (next_index == 0) /* the regular end */
                return DOE_DISCOVERY_END;
        if (walk_has_seen(walk, next_index)) {
                walk->is_cyclic = true;
                return DOE_DISCOVERY_END;
        }
        walk_enter(walk, next_index);
        return DOE_DISCOVERY_MORE;
}
