/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/capture.h"

#include "daemon/util/cleanup.h"
#include "protocols/cursor.h"
#include "protocols/pcapng.h"

#define APPLICATION "doed"
#define SNAPLEN_MAX (PCAPNG_PACKET_BYTES_MAX - CAPTURE_HEADER_BYTES - DOE_HEADER_BYTES)

/* A mailbox of which there was a packet. */
typedef struct CaptureInterface {
        char name[MAILBOX_NAME_MAX];
        bool is_written; /* its block is in the stream, or was */
        uint32_t number; /* then */
        size_t n_expected;
        uint64_t n_dropped;
} CaptureInterface;

static void capture_put(Capture *c, const DoeWriter *w, const uint8_t *bytes) {
        byte_ring_put(&c->stream, bytes, w->n_written);
}

Capture *capture_new(const CaptureFilter *filter, uint8_t *memory, size_t n_bytes, CaptureWake wake,
                     void *userdata) {
        uint8_t block[PCAPNG_SECTION_BYTES_MAX];
        DoeWriter w = DOE_WRITER(block, sizeof(block));
        Capture *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        c->filter = *filter;
        c->filter.snaplen = MIN_OF(c->filter.snaplen, SNAPLEN_MAX);
        c->stream = (ByteRing){ .bytes = memory, .n_size = n_bytes };
        c->wake = wake;
        c->userdata = userdata;
        pcapng_write_section(&w, APPLICATION);
        capture_put(c, &w, block);
        return c;
}

Capture *capture_free(Capture *c) {
        if (c)
                free(c->interfaces);
        free(c);
        return NULL;
}

/* -------- filter -------- */

static bool has_mailbox(const CaptureFilter *f, const char *name) {
        for (size_t i = 0; i < f->n_mailboxes; i++)
                if (strcmp(f->mailboxes[i], name) == 0)
                        return true;
        return f->n_mailboxes == 0;
}

static bool has_feature(const CaptureFilter *f, const CaptureFeature *feature) {
        for (size_t i = 0; i < f->n_features; i++)
                if (f->features[i].vendor_id == feature->vendor_id && f->features[i].type == feature->type)
                        return true;
        return f->n_features == 0;
}

static bool capture_wants(const Capture *c, const RecorderPacket *packet) {
        const CaptureFilter *f = &c->filter;

        return (!f->has_uid || f->uid == packet->header.uid) && has_feature(f, &packet->feature) &&
               has_mailbox(f, packet->mailbox);
}

/* -------- the stream -------- */

/* NULL on no memory. */
static CaptureInterface *capture_find_or_add_interface(Capture *c, const char *name) {
        CaptureInterface *more;

        for (size_t i = 0; i < c->n_interfaces; i++)
                if (strcmp(c->interfaces[i].name, name) == 0)
                        return &c->interfaces[i];
        more = reallocarray(c->interfaces, c->n_interfaces + 1, sizeof(*more));
        if (!more)
                return NULL;
        c->interfaces = more;
        more = &c->interfaces[c->n_interfaces++];
        *more = (CaptureInterface){};
        snprintf(more->name, sizeof(more->name), "%s", name);
        return more;
}

static void capture_put_packet(Capture *c, const PcapngPacket *p, const RecorderPacket *packet) {
        uint8_t start[PCAPNG_PACKET_START_BYTES + CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES];
        uint8_t end[PCAPNG_PACKET_END_BYTES_MAX];
        DoeWriter w = DOE_WRITER(start, sizeof(start));
        uint32_t dw0, dw1;

        pcapng_write_packet_start(&w, p);
        capture_header_write(&w, &packet->header);
        if (packet->has_object) {
                doe_object_header_encode(&packet->object, &dw0, &dw1);
                doe_write_le32(&w, dw0);
                doe_write_le32(&w, dw1);
        }
        capture_put(c, &w, start);
        byte_ring_put(&c->stream, packet->payload, MIN_OF(packet->n_kept, c->filter.snaplen));
        w = DOE_WRITER(end, sizeof(end));
        pcapng_write_packet_end(&w, p);
        capture_put(c, &w, end);
}

static PcapngPacket capture_frame(const Capture *c, const CaptureInterface *interface,
                                  const RecorderPacket *packet) {
        const uint32_t n_header = CAPTURE_HEADER_BYTES + (packet->has_object ? DOE_HEADER_BYTES : 0);

        return (PcapngPacket){
                .interface = interface->is_written ? interface->number : c->n_written,
                .time_usec = packet->realtime_usec,
                .n_captured = n_header + (uint32_t)MIN_OF(packet->n_kept, c->filter.snaplen),
                .n_original = n_header + (uint32_t)packet->n_bytes,
                .is_outbound = packet->header.direction == CAPTURE_REQUEST,
                .n_dropped = interface->n_dropped,
        };
}

/* It and, before its first packet, its interface; false: there is no room for both. */
static bool capture_append(Capture *c, CaptureInterface *interface, const RecorderPacket *packet) {
        const PcapngPacket p = capture_frame(c, interface, packet);
        size_t n_left = c->stream.n_size - c->stream.n_used;
        uint8_t block[PCAPNG_INTERFACE_BYTES_MAX];
        DoeWriter w = DOE_WRITER(block, sizeof(block));

        if (!interface->is_written)
                pcapng_write_interface(&w, interface->name, PCAPNG_LINKTYPE_USER0,
                                       CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES + c->filter.snaplen);
        if (w.n_written + pcapng_packet_bytes(&p) > n_left)
                return false;
        capture_put(c, &w, block);
        if (!interface->is_written)
                interface->number = c->n_written++;
        interface->is_written = true;
        capture_put_packet(c, &p, packet);
        return true;
}

void capture_offer(Capture *c, const RecorderPacket *packet) {
        bool was_empty = c->stream.n_used == 0;
        CaptureInterface *interface;

        if (!capture_wants(c, packet))
                return;
        interface = capture_find_or_add_interface(c, packet->mailbox);
        if (!interface) {
                c->n_dropped++;
                return;
        }
        if (!capture_append(c, interface, packet)) {
                interface->n_dropped++;
                c->n_dropped++;
                return;
        }
        interface->n_dropped = 0;
        c->n_packets++;
        if (was_empty)
                c->wake(c->userdata);
}

/* -------- a replay -------- */

void capture_expect(Capture *c, const RecorderPacket *packet) {
        CaptureInterface *interface = NULL;
        PcapngPacket p;

        if (capture_wants(c, packet))
                interface = capture_find_or_add_interface(c, packet->mailbox);
        if (!interface)
                return;
        p = capture_frame(c, interface, packet);
        c->n_bytes_expected += pcapng_packet_bytes(&p);
        if (interface->n_expected++ == 0)
                c->n_bytes_expected += pcapng_interface_bytes(interface->name);
}

void capture_forgo(Capture *c, const RecorderPacket *packet) {
        CaptureInterface *interface = NULL;
        PcapngPacket p;

        if (capture_wants(c, packet))
                interface = capture_find_or_add_interface(c, packet->mailbox);
        if (!interface || interface->n_expected == 0)
                return;
        p = capture_frame(c, interface, packet);
        c->n_bytes_expected -= pcapng_packet_bytes(&p);
        if (--interface->n_expected == 0)
                c->n_bytes_expected -= pcapng_interface_bytes(interface->name);
}

bool capture_fits_expected(const Capture *c) {
        return c->n_bytes_expected <= c->stream.n_size - c->stream.n_used;
}

/* -------- its reader -------- */

size_t capture_peek(const Capture *c, const uint8_t **ret) {
        return byte_ring_peek(&c->stream, ret);
}

void capture_consume(Capture *c, size_t n_bytes) {
        byte_ring_drop(&c->stream, n_bytes);
}
