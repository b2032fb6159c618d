/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocols/pcapng.h"

#include <string.h>

#define VERSION_MAJOR  1u
#define VERSION_MINOR  0u
#define TSRESOL_USEC   6u /* 10^-6 s */
#define LENGTH_UNKNOWN UINT64_MAX

/* Everything within a block is padded to 32 bits. */
static size_t padded(size_t n_bytes) {
        return (n_bytes + 3) & ~(size_t)3;
}

static size_t option_bytes(size_t n_bytes) {
        return 4 + padded(n_bytes);
}

static void write_option(DoeWriter *w, uint16_t code, const void *value, size_t n_bytes) {
        doe_write_le16(w, code);
        doe_write_le16(w, (uint16_t)n_bytes);
        doe_write_bytes(w, value, n_bytes);
        doe_write_zeros(w, padded(n_bytes) - n_bytes);
}

static void write_options_end(DoeWriter *w) {
        doe_write_le16(w, PCAPNG_OPTION_END);
        doe_write_le16(w, 0);
}

void pcapng_write_section(DoeWriter *w, const char *application) {
        size_t n_name = strnlen(application, PCAPNG_NAME_MAX);
        uint32_t n_bytes = (uint32_t)(PCAPNG_BLOCK_BYTES_MIN + 16 + option_bytes(n_name) + option_bytes(0));

        doe_write_le32(w, PCAPNG_BLOCK_SECTION);
        doe_write_le32(w, n_bytes);
        doe_write_le32(w, PCAPNG_BYTE_ORDER_MAGIC);
        doe_write_le16(w, VERSION_MAJOR);
        doe_write_le16(w, VERSION_MINOR);
        doe_write_le64(w, LENGTH_UNKNOWN);
        write_option(w, PCAPNG_SECTION_APPLICATION, application, n_name);
        write_options_end(w);
        doe_write_le32(w, n_bytes);
}

size_t pcapng_interface_bytes(const char *name) {
        return PCAPNG_BLOCK_BYTES_MIN + 8 + option_bytes(strnlen(name, PCAPNG_NAME_MAX)) + option_bytes(1) +
               option_bytes(0);
}

void pcapng_write_interface(DoeWriter *w, const char *name, uint16_t linktype, uint32_t n_bytes_max) {
        size_t n_name = strnlen(name, PCAPNG_NAME_MAX);
        uint32_t n_bytes = (uint32_t)pcapng_interface_bytes(name);
        const uint8_t resolution = TSRESOL_USEC;

        doe_write_le32(w, PCAPNG_BLOCK_INTERFACE);
        doe_write_le32(w, n_bytes);
        doe_write_le16(w, linktype);
        doe_write_le16(w, 0);
        doe_write_le32(w, n_bytes_max);
        write_option(w, PCAPNG_INTERFACE_NAME, name, n_name);
        write_option(w, PCAPNG_INTERFACE_TSRESOL, &resolution, sizeof(resolution));
        write_options_end(w);
        doe_write_le32(w, n_bytes);
}

size_t pcapng_packet_bytes(const PcapngPacket *p) {
        return PCAPNG_BLOCK_BYTES_MIN + PCAPNG_PACKET_BODY_HEAD + padded(p->n_captured) +
               option_bytes(sizeof(uint32_t)) + (p->n_dropped ? option_bytes(sizeof(uint64_t)) : 0) +
               option_bytes(0);
}

void pcapng_write_packet_start(DoeWriter *w, const PcapngPacket *p) {
        doe_write_le32(w, PCAPNG_BLOCK_PACKET);
        doe_write_le32(w, (uint32_t)pcapng_packet_bytes(p));
        doe_write_le32(w, p->interface);
        doe_write_le32(w, (uint32_t)(p->time_usec >> 32));
        doe_write_le32(w, (uint32_t)p->time_usec);
        doe_write_le32(w, p->n_captured);
        doe_write_le32(w, p->n_original);
}

void pcapng_write_packet_end(DoeWriter *w, const PcapngPacket *p) {
        doe_write_zeros(w, padded(p->n_captured) - p->n_captured);
        doe_write_le16(w, PCAPNG_PACKET_FLAGS);
        doe_write_le16(w, sizeof(uint32_t));
        doe_write_le32(w, p->is_outbound ? PCAPNG_FLAGS_OUTBOUND : PCAPNG_FLAGS_INBOUND);
        if (p->n_dropped) {
                doe_write_le16(w, PCAPNG_PACKET_DROPCOUNT);
                doe_write_le16(w, sizeof(uint64_t));
                doe_write_le64(w, p->n_dropped);
        }
        write_options_end(w);
        doe_write_le32(w, (uint32_t)pcapng_packet_bytes(p));
}
