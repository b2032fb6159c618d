/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/monitor.h"

#include <stdlib.h>

#include "client/memory.h"
#include "protocols/data-object.h"
#include "protocols/discovery.h"
#include "protocols/feature.h"
#include "protocols/spdm.h"
#include "protocols/table-access.h"

struct MonitorMailbox {
        char *name; /* owned */
        MonitorExchange open;
        bool has_open; /* a mailbox has one exchange at a time */
};

static void add_mailbox(Monitor *m, char *name) {
        m->mailboxes = memory_must(reallocarray(m->mailboxes, m->n_mailboxes + 1, sizeof(*m->mailboxes)));
        m->mailboxes[m->n_mailboxes++] = (MonitorMailbox){ .name = name };
}

static bool tell(Monitor *m, const MonitorExchange *e) {
        if (e->state != MONITOR_OPEN)
                m->n_exchanges++;
        m->n_failures += e->state == MONITOR_DONE && e->status != 0;
        return m->on_exchange(m->userdata, e);
}

/* Its answer will not come any more. */
static bool give_up(Monitor *m, MonitorMailbox *mb, MonitorState state) {
        if (!mb->has_open)
                return true;
        mb->has_open = false;
        mb->open.state = state;
        return tell(m, &mb->open);
}

/* Return: true if the header of the data object is there; @r is then behind it. */
static bool read_feature(DoeReader *r, MonitorExchange *e) {
        const uint32_t dw0 = doe_read_le32(r), dw1 = doe_read_le32(r);
        DoeObjectHeader header;

        if (r->error < 0 || doe_object_header_decode(dw0, dw1, &header) < 0)
                return false;
        e->has_feature = true;
        e->vendor_id = header.vendor_id;
        e->type = header.type;
        return true;
}

static void describe_request(MonitorExchange *e, DoeReader payload) {
        const size_t n = payload.n_left;
        DoeJudgement judged;
        uint8_t index, version;
        uint16_t handle;

        if (e->is_withheld || n == 0)
                return;
        doe_feature_judge(e->vendor_id, e->type, payload.p, n, &judged);
        e->opcode = judged.opcode;
        if (e->vendor_id == DOE_VENDOR_PCI_SIG && e->type == DOE_TYPE_DISCOVERY &&
            doe_discovery_request_decode(payload.p, n, &index, &version) >= 0)
                snprintf(e->request, sizeof(e->request), "discover %u", index);
        else if (e->vendor_id == DOE_VENDOR_CXL && e->type == DOE_TYPE_CXL_TABLE_ACCESS &&
                 table_access_request_decode(payload.p, n, &handle) >= 0)
                snprintf(e->request, sizeof(e->request), "read CDAT %04x", handle);
        else if (*judged.opcode_name)
                snprintf(e->request, sizeof(e->request), "%s", judged.opcode_name);
        else if (judged.opcode >= 0)
                snprintf(e->request, sizeof(e->request), "code %02x", (unsigned)judged.opcode);
}

static void describe_response(MonitorExchange *e, DoeReader payload) {
        const DoeFeature *feature = doe_feature_find(e->vendor_id, e->type);
        SpdmHeader header;

        if (feature && feature->is_spdm && feature->opcode_offset >= 0 && !e->is_withheld &&
            spdm_header_decode(payload.p, payload.n_left, &header) >= 0 && header.code == SPDM_CODE_ERROR)
                e->spdm_error = header.param1;
}

static bool take_request(Monitor *m, MonitorMailbox *mb, const MonitorExchange *e) {
        bool goes_on = give_up(m, mb, MONITOR_LOST);

        mb->open = *e;
        mb->has_open = true;
        return goes_on;
}

static bool take_response(Monitor *m, MonitorMailbox *mb, MonitorExchange *e) {
        const MonitorExchange *open = &mb->open;

        if (!mb->has_open || open->id != e->id)
                return tell(m, e);
        mb->has_open = false;
        e->begun_usec = open->begun_usec;
        e->n_sent = open->n_sent;
        e->has_feature = open->has_feature;
        e->vendor_id = open->vendor_id;
        e->type = open->type;
        e->opcode = open->opcode;
        snprintf(e->request, sizeof(e->request), "%s", open->request);
        return tell(m, e);
}

static bool take_packet(Monitor *m, const CapturePacket *packet) {
        MonitorMailbox *mb = &m->mailboxes[packet->interface];
        MonitorExchange e = { .mailbox = mb->name, .opcode = -1, .spdm_error = -1 };
        DoeReader r = packet->bytes;
        const size_t n_header = r.n_left;
        size_t n_object;
        CaptureHeader h;
        bool has_object;

        capture_header_read(&r, &h);
        if (r.error < 0)
                return true;
        n_object = packet->n_original - (n_header - r.n_left);
        e.id = h.exchange_id;
        e.uid = h.uid;
        e.status = h.status;
        e.queue_usec = h.queue_usec;
        e.device_usec = h.device_usec;
        e.is_withheld = h.flags & CAPTURE_FLAG_WITHHELD;
        has_object = read_feature(&r, &e);
        if (h.direction == CAPTURE_REQUEST) {
                e.begun_usec = packet->time_usec;
                e.n_sent = n_object;
                if (has_object)
                        describe_request(&e, r);
                return take_request(m, mb, &e);
        }
        e.ended_usec = packet->time_usec;
        e.n_received = has_object ? n_object : 0;
        if (has_object)
                describe_response(&e, r);
        return take_response(m, mb, &e);
}

bool monitor_take(Monitor *m, const uint8_t *block) {
        char *name = capture_stream_read_interface(block);
        bool goes_on = true;
        CapturePacket packet;

        if (name)
                add_mailbox(m, name);
        if (!capture_stream_read_packet(block, &packet) || packet.interface >= m->n_mailboxes)
                return true;
        if (packet.n_lost > 0) {
                m->n_lost += packet.n_lost;
                goes_on = give_up(m, &m->mailboxes[packet.interface], MONITOR_LOST);
                m->on_loss(m->userdata, m->mailboxes[packet.interface].name, packet.n_lost);
        }
        return take_packet(m, &packet) && goes_on;
}

void monitor_done(Monitor *m) {
        for (size_t i = 0; i < m->n_mailboxes; i++) {
                give_up(m, &m->mailboxes[i], MONITOR_OPEN);
                free(m->mailboxes[i].name);
        }
        free(m->mailboxes);
        m->mailboxes = NULL;
        m->n_mailboxes = 0;
}
