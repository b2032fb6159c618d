/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The blocks of a pcapng stream (draft-ietf-opsawg-pcapng) as captures of doed use them, always
 * little-endian: one section, in it an interface for each mailbox, and packets. Layout, and nothing of what
 * a packet holds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocols/cursor.h"

#define PCAPNG_BLOCK_SECTION   UINT32_C(0x0a0d0d0a)
#define PCAPNG_BLOCK_INTERFACE UINT32_C(1)
#define PCAPNG_BLOCK_PACKET    UINT32_C(6)

#define PCAPNG_BYTE_ORDER_MAGIC UINT32_C(0x1a2b3c4d)
#define PCAPNG_LINKTYPE_USER0   UINT16_C(147)

/* Every block: type, length, body, length once more. */
#define PCAPNG_BLOCK_BYTES_MIN  12u
#define PCAPNG_PACKET_BODY_HEAD 20u /* of a packet block: between the first length and the packet */

#define PCAPNG_OPTION_END          0u
#define PCAPNG_SECTION_APPLICATION 4u
#define PCAPNG_INTERFACE_NAME      2u
#define PCAPNG_INTERFACE_TSRESOL   9u
#define PCAPNG_PACKET_FLAGS        2u
#define PCAPNG_PACKET_DROPCOUNT    4u

#define PCAPNG_FLAGS_INBOUND  UINT32_C(1)
#define PCAPNG_FLAGS_OUTBOUND UINT32_C(2)

/* Wireshark 4.0 takes no more of a packet of USER0, and no packet behind one that has more. */
#define PCAPNG_PACKET_BYTES_MAX 262144u

#define PCAPNG_NAME_MAX 64u /* bytes of a name that is written */
/* Room for one of these, whatever stands in it. */
#define PCAPNG_SECTION_BYTES_MAX    128u
#define PCAPNG_INTERFACE_BYTES_MAX  128u
#define PCAPNG_PACKET_START_BYTES   28u
#define PCAPNG_PACKET_END_BYTES_MAX 32u

typedef struct PcapngPacket {
        uint32_t interface; /* of this section, from 0 */
        uint64_t time_usec; /* CLOCK_REALTIME */
        uint32_t n_captured;
        uint32_t n_original;
        bool is_outbound;
        uint64_t n_dropped; /* packets of this interface that were lost since the last one; 0 is not written
                             */
} PcapngPacket;

/* The header of the one section. @application: cut at PCAPNG_NAME_MAX. */
void pcapng_write_section(DoeWriter *w, const char *application);
/* An interface with times in microseconds; the first of a section is 0, and so on. @name: cut likewise.
 * @n_bytes_max: what of a packet is captured at most. */
void pcapng_write_interface(DoeWriter *w, const char *name, uint16_t linktype, uint32_t n_bytes_max);

/* Bytes of the whole block, the second with that name. */
size_t pcapng_packet_bytes(const PcapngPacket *p);
size_t pcapng_interface_bytes(const char *name);
/* What stands before the n_captured bytes of the packet, and after them. */
void pcapng_write_packet_start(DoeWriter *w, const PcapngPacket *p);
void pcapng_write_packet_end(DoeWriter *w, const PcapngPacket *p);
