/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/recorder.h"

#include <errno.h>

#include "daemon/core/account.h"
#include "daemon/util/clock.h"

static void *heap_map(size_t n_bytes) {
        return malloc(n_bytes);
}

static void heap_unmap(void *p, size_t n_bytes) {
        free(p);
}

static const RecorderMemory heap = { .map = heap_map, .unmap = heap_unmap };

Recorder *recorder_new(void) {
        Recorder *r = calloc(1, sizeof(*r));

        if (!r)
                return NULL;
        r->limits = &limits_default;
        r->memory = &heap;
        LIST_INIT(&r->captures);
        return r;
}

static void recorder_forget(Recorder *r) {
        if (r->past.bytes)
                r->memory->unmap(r->past.bytes, r->past.n_size);
        r->past = (ByteRing){};
}

Recorder *recorder_free(Recorder *r) {
        Capture *c;

        if (!r)
                return NULL;
        LIST_FOREACH (c, &r->captures, captures)
                c->recorder = NULL;
        recorder_forget(r);
        free(r);
        return NULL;
}

void recorder_set_limits(Recorder *r, const Limits *limits) {
        r->limits = limits;
        if (r->past.bytes && r->past.n_size != limits->recorder_bytes_max)
                recorder_forget(r);
}

/* -------- the past -------- */

/* Kept as the packet itself and then its payload. */
static size_t recorder_read_packet(const Recorder *r, size_t offset, RecorderPacket *ret) {
        byte_ring_copy(&r->past, offset, ret, sizeof(*ret));
        return sizeof(*ret) + ret->n_kept;
}

static bool recorder_has_memory(Recorder *r) {
        uint64_t n_bytes = r->limits->recorder_bytes_max;

        if (r->past.bytes || n_bytes == 0)
                return r->past.bytes;
        r->past.bytes = r->memory->map(n_bytes);
        r->past.n_size = r->past.bytes ? n_bytes : 0;
        return r->past.bytes;
}

static void recorder_keep(Recorder *r, const RecorderPacket *packet) {
        RecorderPacket kept = *packet, oldest;
        size_t n_bytes;

        kept.n_kept = MIN_OF(packet->n_kept, r->limits->recorder_payload_bytes_max);
        kept.payload = NULL;
        n_bytes = sizeof(kept) + kept.n_kept;
        if (!recorder_has_memory(r) || n_bytes > r->past.n_size)
                return;
        while (n_bytes > r->past.n_size - r->past.n_used)
                byte_ring_drop(&r->past, recorder_read_packet(r, 0, &oldest));
        byte_ring_put(&r->past, &kept, sizeof(kept));
        byte_ring_put(&r->past, packet->payload, kept.n_kept);
}

/* The first one from which on all have room in @c, that has been filled with nothing yet. */
static size_t recorder_find_newest(const Recorder *r, Capture *c) {
        RecorderPacket packet;
        size_t offset, n_bytes;

        for (offset = 0; offset < r->past.n_used; offset += n_bytes) {
                n_bytes = recorder_read_packet(r, offset, &packet);
                capture_expect(c, &packet);
        }
        for (offset = 0; offset < r->past.n_used && !capture_fits_expected(c); offset += n_bytes) {
                n_bytes = recorder_read_packet(r, offset, &packet);
                capture_forgo(c, &packet);
        }
        return offset;
}

/* The newest that have room, oldest first. What finds no memory is left out. */
static void recorder_replay(const Recorder *r, Capture *c) {
        RecorderPacket packet;

        for (size_t offset = recorder_find_newest(r, c), n_bytes; offset < r->past.n_used;
             offset += n_bytes) {
                _cleanup_free_ uint8_t *payload = NULL;

                n_bytes = recorder_read_packet(r, offset, &packet);
                payload = malloc(packet.n_kept + 1);
                if (!payload)
                        return;
                byte_ring_copy(&r->past, offset + sizeof(packet), payload, packet.n_kept);
                packet.payload = payload;
                capture_offer(c, &packet);
        }
}

/* -------- packets -------- */

static void recorder_add(Recorder *r, const RecorderPacket *packet) {
        Capture *c;

        recorder_keep(r, packet);
        LIST_FOREACH (c, &r->captures, captures)
                capture_offer(c, packet);
}

/* What the two packets of an exchange have in common. */
static void packet_init(RecorderPacket *p, const Job *job, CaptureDirection direction,
                        uint64_t realtime_usec) {
        memset(p, 0, sizeof(*p)); /* its padding is kept, too */
        memcpy(p->mailbox, job->mailbox->name, sizeof(p->mailbox));
        p->realtime_usec = realtime_usec;
        p->header.direction = direction;
        p->header.uid = job->uid;
        p->header.queue_usec = usec_sub(job->started_usec, job->submitted_usec);
        p->header.exchange_id = job->id;
        p->feature = (CaptureFeature){ .vendor_id = job->vendor_id, .type = job->type };
}

/* @payload: with its padding where that is known. */
static void packet_set_object(RecorderPacket *p, const Job *job, const uint8_t *payload, size_t n_bytes) {
        p->has_object = true;
        p->object = (DoeObjectHeader){ .vendor_id = job->vendor_id,
                                       .type = job->type,
                                       .connection_id = job->connection_id,
                                       .n_dwords = doe_object_dwords(n_bytes) };
        p->n_bytes = 4 * (size_t)p->object.n_dwords - DOE_HEADER_BYTES;
        if (job->is_withheld) {
                p->header.flags |= CAPTURE_FLAG_WITHHELD;
        } else {
                p->payload = payload;
                p->n_kept = n_bytes;
        }
}

void recorder_note_request(Recorder *r, const Job *job, uint64_t realtime_usec) {
        RecorderPacket packet;

        packet_init(&packet, job, CAPTURE_REQUEST, realtime_usec);
        packet_set_object(&packet, job, job->payload, job_padded_bytes(job));
        recorder_add(r, &packet);
}

void recorder_note_response(Recorder *r, const Job *job, const JobResult *result, uint64_t realtime_usec) {
        RecorderPacket packet;

        packet_init(&packet, job, CAPTURE_RESPONSE, realtime_usec);
        packet.header.device_usec = usec_sub(result->ended_usec, result->started_usec);
        if (result->error == 0)
                packet_set_object(&packet, job, result->payload, result->n_bytes);
        else
                packet.header.status = (uint32_t)-result->error;
        recorder_add(r, &packet);
}

/* -------- captures -------- */

int recorder_open_capture(Recorder *r, const CaptureFilter *filter, CaptureWake wake, void *userdata,
                          Capture **ret, Failure *ret_failure) {
        size_t n_bytes = r->limits->capture_bytes_max;
        uint8_t *memory;
        Capture *c;

        if (r->n_captures >= r->limits->captures_max)
                return account_fail_quota("CapturesMax", r->limits->captures_max, ret_failure);
        memory = r->memory->map(n_bytes);
        c = memory ? capture_new(filter, memory, n_bytes, wake, userdata) : NULL;
        if (!c) {
                if (memory)
                        r->memory->unmap(memory, n_bytes);
                return failure_set(ret_failure, -ENOMEM, "Out of memory");
        }
        c->recorder = r;
        c->memory = r->memory;
        if (filter->recent)
                recorder_replay(r, c);
        LIST_INSERT_HEAD(&r->captures, c, captures);
        r->n_captures++;
        *ret = c;
        return 0;
}

Capture *recorder_close_capture(Capture *c) {
        Recorder *r = c->recorder;

        if (r) {
                LIST_REMOVE(c, captures);
                r->n_captures--;
        }
        c->memory->unmap(c->stream.bytes, c->stream.n_size);
        return capture_free(c);
}
