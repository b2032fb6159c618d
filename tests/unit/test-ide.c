/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "daemon/pci/ide.h"
#include "tests/unit/suite.h"

#define IDE       0x200u
#define LINK      0x1u
#define SELECTIVE 0x2u

static uint32_t space[1024];
static unsigned n_reads;
static int read_error;
static IdeCapability capability;
static char found[64];

static int read32(ConfigSpace *config, uint16_t offset, uint32_t *ret) {
        ck_assert_uint_eq(offset % 4, 0);
        n_reads++;
        *ret = space[offset / 4];
        return read_error;
}

/* write32 is not there: a write would crash. */
static ConfigSpace config = { .read32 = read32 };

static void put(uint32_t offset, uint32_t value) {
        space[offset / 4] = value;
}

/* A DOE capability first, then IDE with what @cap says. */
static void make(uint32_t cap) {
        memset(space, 0, sizeof(space));
        n_reads = 0;
        read_error = 0;
        capability = (IdeCapability){};
        strcpy(found, "untouched");
        put(0x100, IDE << 20 | 1u << 16 | 0x2e);
        put(IDE, 1u << 16 | 0x30);
        put(IDE + 4, cap);
}

static void look(void) {
        ck_assert_int_eq(ide_find_secure(&config, &capability, found, sizeof(found)), 0);
}

START_TEST(function_without_the_capability_has_no_stream) {
        make(0);
        put(0x100, 0x1002e);
        look();
        ck_assert_str_eq(found, "");
        ck_assert(capability.is_known);
        n_reads = 0;
        look();
        ck_assert_uint_eq(n_reads, 0);
}
END_TEST

START_TEST(selective_stream_that_is_secure_is_named_by_its_id) {
        make(SELECTIVE | 2u << 16); /* three of them */
        put(IDE + 0x0c, 2);         /* two address associations: 44 bytes */
        put(IDE + 0x14, 0);         /* insecure */
        put(IDE + 0x0c + 44, 0);
        put(IDE + 0x0c + 44 + 4, 7u << 24 | 1);
        put(IDE + 0x0c + 44 + 8, 2);
        look();
        ck_assert_str_eq(found, "IDE selective stream 7 is secure");
        put(IDE + 0x0c + 44 + 8, 0x80000000);
        look();
        ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(last_selective_stream_is_looked_at_and_nothing_behind_it) {
        make(SELECTIVE | 2u << 16);
        put(IDE + 0x0c + 2 * 20 + 8, 2);
        look();
        ck_assert_str_eq(found, "IDE selective stream 0 is secure");
        put(IDE + 0x0c + 2 * 20 + 8, 0);
        put(IDE + 0x0c + 3 * 20 + 8, 2);
        look();
        ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(link_streams_come_before_the_selective_ones) {
        make(LINK | SELECTIVE | 1u << 13); /* two and one */
        put(IDE + 0x0c + 8, 5u << 24);
        put(IDE + 0x0c + 8 + 4, 2);
        look();
        ck_assert_str_eq(found, "IDE link stream 5 is secure");
        put(IDE + 0x0c + 8 + 4, 0);
        put(IDE + 0x0c + 16 + 8, 2);
        look();
        ck_assert_str_eq(found, "IDE selective stream 0 is secure");
}
END_TEST

START_TEST(streams_that_are_not_supported_are_not_looked_at) {
        make(0);
        for (uint32_t at = IDE + 0xc; at < 0x1000; at += 4)
                put(at, 2);
        look();
        ck_assert_str_eq(found, "");
}
END_TEST

START_TEST(chain_in_a_circle_ends) {
        make(0);
        put(0x100, 0x140u << 20 | 0x1002e);
        put(0x140, 0x100u << 20 | 0x10001);
        look();
        ck_assert_str_eq(found, "");
        ck_assert_uint_le(n_reads, 1024);
}
END_TEST

START_TEST(streams_beyond_the_end_of_the_space_are_an_error) {
        make(SELECTIVE | 0xffu << 16);
        for (uint32_t at = IDE + 0xc; at < 0x1000; at += 4)
                put(at, 0xf);
        ck_assert_int_eq(ide_find_secure(&config, &capability, found, sizeof(found)), -EIO);
        ck_assert_str_eq(found, "untouched");
}
END_TEST

START_TEST(function_that_does_not_answer_is_looked_at_again) {
        make(SELECTIVE);
        put(IDE + 0x14, 2);
        put(0x100, UINT32_MAX);
        ck_assert_int_eq(ide_find_secure(&config, &capability, found, sizeof(found)), -ENODEV);
        ck_assert(!capability.is_known);
        put(0x100, IDE << 20 | 0x1002e);
        read_error = -EPERM;
        ck_assert_int_eq(ide_find_secure(&config, &capability, found, sizeof(found)), -EPERM);
        ck_assert_str_eq(found, "untouched");
        read_error = 0;
        look();
        ck_assert_str_eq(found, "IDE selective stream 0 is secure");
}
END_TEST

DEFINE_SUITE("ide", function_without_the_capability_has_no_stream,
             selective_stream_that_is_secure_is_named_by_its_id,
             last_selective_stream_is_looked_at_and_nothing_behind_it,
             link_streams_come_before_the_selective_ones, streams_that_are_not_supported_are_not_looked_at,
             chain_in_a_circle_ends, streams_beyond_the_end_of_the_space_are_an_error,
             function_that_does_not_answer_is_looked_at_again)
