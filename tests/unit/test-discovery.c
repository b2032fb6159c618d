/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "protocols/discovery.h"

#include <errno.h>
#include <string.h>

#include "protocols/data-object.h"
#include "tests/unit/suite.h"

/* Gives one response to the walk, at an odd address. */
static int take(DoeDiscoveryWalk *walk, uint16_t vendor_id, uint8_t type, uint8_t next_index) {
        const DoeDiscoveryEntry entry = { .vendor_id = vendor_id, .type = type };
        uint8_t response[1 + DOE_DISCOVERY_RESPONSE_BYTES_MAX];
        size_t n_bytes = doe_discovery_response_encode(&entry, next_index, response + 1);

        return doe_discovery_walk_take(walk, response + 1, n_bytes);
}

static int decode(const char *bytes, size_t n_bytes, DoeDiscoveryEntry *ret, uint8_t *ret_next_index) {
        uint8_t odd[1 + 16];

        memcpy(odd + 1, bytes, n_bytes);
        return doe_discovery_response_decode(odd + 1, n_bytes, ret, ret_next_index);
}

START_TEST(request_says_index_and_version) {
        uint8_t request[DOE_DISCOVERY_REQUEST_BYTES], index, version;

        doe_discovery_request_encode(7, doe_discovery_version(2), request);
        ck_assert_mem_eq(request, "\x07\x02\0\0", 4);
        ck_assert_int_eq(doe_discovery_request_decode(request, sizeof(request), &index, &version), 0);
        ck_assert_uint_eq(index, 7);
        ck_assert_uint_eq(version, 2);
        ck_assert_uint_eq(doe_discovery_version(1), 0);
        ck_assert_uint_eq(doe_discovery_version(3), 2);
}
END_TEST

START_TEST(request_of_other_than_one_dword_is_refused) {
        const uint8_t bytes[9] = { 0 };
        uint8_t index = 0x55, version = 0x55;

        for (size_t n = 0; n <= sizeof(bytes); n++)
                if (n != 4)
                        ck_assert_int_eq(doe_discovery_request_decode(bytes, n, &index, &version), -EBADMSG);
        ck_assert_uint_eq(index, 0x55);
        ck_assert_uint_eq(version, 0x55);
}
END_TEST

START_TEST(response_of_one_dword_has_no_limits) {
        DoeDiscoveryEntry entry;
        uint8_t next_index;

        ck_assert_int_eq(decode("\x98\x1e\x02\x03", 4, &entry, &next_index), 0);
        ck_assert_uint_eq(entry.vendor_id, 0x1e98);
        ck_assert_uint_eq(entry.type, 2);
        ck_assert_uint_eq(next_index, 3);
        ck_assert(!entry.has_limits);
}
END_TEST

START_TEST(response_of_two_dwords_has_limits) {
        DoeDiscoveryEntry entry;
        uint8_t next_index, again[DOE_DISCOVERY_RESPONSE_BYTES_MAX];

        /* 0x1000 dwords, connection IDs up to 5 */
        ck_assert_int_eq(decode("\x01\x00\x03\x00\x00\x10\x14\x00", 8, &entry, &next_index), 0);
        ck_assert(entry.has_limits);
        ck_assert_uint_eq(entry.n_dwords_max, 0x1000);
        ck_assert_uint_eq(entry.connection_id_max, 5);
        ck_assert_uint_eq(doe_discovery_response_encode(&entry, next_index, again), 8);
        ck_assert_mem_eq(again, "\x01\x00\x03\x00\x00\x10\x14\x00", 8);
}
END_TEST

START_TEST(limit_0_means_2_to_the_18_dwords) {
        DoeDiscoveryEntry entry;
        uint8_t next_index;

        ck_assert_int_eq(decode("\x01\x00\x01\x00\x00\x00\x00\x00", 8, &entry, &next_index), 0);
        ck_assert(entry.has_limits);
        ck_assert_uint_eq(entry.n_dwords_max, DOE_OBJECT_DWORDS_MAX);
}
END_TEST

START_TEST(limit_below_the_header_counts_as_none) {
        DoeDiscoveryEntry entry;
        uint8_t next_index;

        ck_assert_int_eq(decode("\x01\x00\x01\x00\x01\x00\x00\x00", 8, &entry, &next_index), 0);
        ck_assert(!entry.has_limits);
}
END_TEST

START_TEST(response_of_another_length_is_refused) {
        static const char bytes[16] = { 0 };
        DoeDiscoveryEntry entry = { .vendor_id = 0x5555 };
        uint8_t next_index = 0x55;

        for (size_t n = 0; n <= sizeof(bytes); n++)
                if (n != 4 && n != 8)
                        ck_assert_int_eq(decode(bytes, n, &entry, &next_index), -EBADMSG);
        ck_assert_uint_eq(entry.vendor_id, 0x5555);
        ck_assert_uint_eq(next_index, 0x55);
}
END_TEST

START_TEST(walk_follows_the_next_indexes) {
        DoeDiscoveryWalk walk;

        doe_discovery_walk_init(&walk);
        ck_assert_uint_eq(walk.index, 0);
        ck_assert_int_eq(take(&walk, 0x0001, 0x00, 9), DOE_DISCOVERY_MORE);
        ck_assert_uint_eq(walk.index, 9);
        ck_assert_int_eq(take(&walk, 0x1e98, 0x02, 4), DOE_DISCOVERY_MORE);
        ck_assert_uint_eq(walk.index, 4);
        ck_assert_int_eq(take(&walk, 0x1234, 0x01, 0), DOE_DISCOVERY_END);
        ck_assert_uint_eq(walk.n_entries, 3);
        ck_assert_uint_eq(walk.entries[1].vendor_id, 0x1e98);
        ck_assert(!walk.is_cyclic);
        ck_assert(!walk.has_out_of_range);
}
END_TEST

START_TEST(walk_ends_at_an_index_seen_before) {
        DoeDiscoveryWalk walk;

        doe_discovery_walk_init(&walk);
        ck_assert_int_eq(take(&walk, 0x0001, 0x00, 1), DOE_DISCOVERY_MORE);
        ck_assert_int_eq(take(&walk, 0x1e98, 0x02, 2), DOE_DISCOVERY_MORE);
        ck_assert_int_eq(take(&walk, 0x1234, 0x01, 1), DOE_DISCOVERY_END);
        ck_assert(walk.is_cyclic);
        ck_assert_uint_eq(walk.n_entries, 3);

        /* an entry that names itself */
        doe_discovery_walk_init(&walk);
        ck_assert_int_eq(take(&walk, 0x0001, 0x00, 5), DOE_DISCOVERY_MORE);
        ck_assert_int_eq(take(&walk, 0x1e98, 0x02, 5), DOE_DISCOVERY_END);
        ck_assert(walk.is_cyclic);
}
END_TEST

START_TEST(walk_drops_repeated_features) {
        DoeDiscoveryWalk walk;

        doe_discovery_walk_init(&walk);
        take(&walk, 0x0001, 0x00, 1);
        take(&walk, 0x1e98, 0x02, 2);
        ck_assert_int_eq(take(&walk, 0x1e98, 0x02, 3), DOE_DISCOVERY_MORE);
        ck_assert_int_eq(take(&walk, 0x1e98, 0x00, 0), DOE_DISCOVERY_END);
        ck_assert_uint_eq(walk.n_entries, 3);
        ck_assert_uint_eq(walk.entries[2].type, 0x00);
}
END_TEST

START_TEST(walk_drops_entries_out_of_range) {
        DoeDiscoveryWalk walk;

        doe_discovery_walk_init(&walk);
        take(&walk, 0x0001, 0x00, 1);
        ck_assert_int_eq(take(&walk, 0xffff, 0xff, 2), DOE_DISCOVERY_MORE);
        ck_assert_int_eq(take(&walk, 0x1e98, 0x02, 0), DOE_DISCOVERY_END);
        ck_assert(walk.has_out_of_range);
        ck_assert_uint_eq(walk.n_entries, 2);
}
END_TEST

START_TEST(walk_takes_256_entries_and_no_more) {
        DoeDiscoveryWalk walk;
        unsigned n = 0;
        int r;

        doe_discovery_walk_init(&walk);
        do {
                r = take(&walk, 0x1234, (uint8_t)n, (uint8_t)(n + 1));
                n++;
        } while (r == DOE_DISCOVERY_MORE && n < 1000);
        ck_assert_int_eq(r, DOE_DISCOVERY_END);
        ck_assert_uint_eq(n, DOE_DISCOVERY_ENTRIES_MAX);
        ck_assert_uint_eq(walk.n_entries, DOE_DISCOVERY_ENTRIES_MAX);
}
END_TEST

START_TEST(malformed_response_leaves_the_walk_alone) {
        DoeDiscoveryWalk walk;

        doe_discovery_walk_init(&walk);
        take(&walk, 0x0001, 0x00, 1);
        ck_assert_int_eq(doe_discovery_walk_take(&walk, (const uint8_t *)"\0\0\0\0\0", 5), -EBADMSG);
        ck_assert_uint_eq(walk.index, 1);
        ck_assert_uint_eq(walk.n_entries, 1);
}
END_TEST

DEFINE_SUITE("discovery", request_says_index_and_version, request_of_other_than_one_dword_is_refused,
             response_of_one_dword_has_no_limits, response_of_two_dwords_has_limits,
             limit_0_means_2_to_the_18_dwords, limit_below_the_header_counts_as_none,
             response_of_another_length_is_refused, walk_follows_the_next_indexes,
             walk_ends_at_an_index_seen_before, walk_drops_repeated_features,
             walk_drops_entries_out_of_range, walk_takes_256_entries_and_no_more,
             malformed_response_leaves_the_walk_alone)
