/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/cdat-names.h"

#include "client/memory.h"
#include "protocols/cdat.h"

const char *cdat_name_dsmas_flag(unsigned bit) {
        switch (1u << bit) {
        case CDAT_DSMAS_NON_VOLATILE:
                return "non-volatile";
        case CDAT_DSMAS_SHAREABLE:
                return "shareable";
        case CDAT_DSMAS_READ_ONLY:
                return "read-only";
        default:
                return NULL;
        }
}

static const char *name_at(const char *const *names, size_t n, size_t i) {
        return i < n ? names[i] : NULL;
}

const char *cdat_name_hierarchy(uint8_t flags) {
        static const char *const names[] = { "memory", "level 1 cache", "level 2 cache", "level 3 cache" };

        return name_at(names, ELEMENTS(names), flags & 0xfu);
}

unsigned cdat_cache_levels(uint32_t attributes) {
        return attributes & 0xfu;
}

unsigned cdat_cache_level(uint32_t attributes) {
        return attributes >> 4 & 0xfu;
}

unsigned cdat_cache_line_bytes(uint32_t attributes) {
        return attributes >> 16;
}

const char *cdat_name_associativity(uint32_t attributes) {
        static const char *const names[] = { "none", "direct mapped", "complex" };

        return name_at(names, ELEMENTS(names), attributes >> 8 & 0xfu);
}

const char *cdat_name_write_policy(uint32_t attributes) {
        static const char *const names[] = { "none", "write back", "write through" };

        return name_at(names, ELEMENTS(names), attributes >> 12 & 0xfu);
}

const char *cdat_name_efi_type(uint8_t efi_type) {
        static const char *const names[] = { "conventional", "conventional, special purpose", "reserved" };

        return name_at(names, ELEMENTS(names), efi_type);
}
