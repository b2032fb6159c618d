/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/wire/message.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "daemon/util/cleanup.h"
#include "daemon/util/text.h"
#include "protocols/cursor.h"

#define ERRNO_MAX 4095

/* One walk over the fields of a message, which reads them or writes them: both directions share one
 * description and one set of checks, so that what is sent is what the peer accepts. */
typedef struct Walk {
        bool is_encode;
        bool is_bad;
        DoeReader reader;
        DoeWriter writer;
} Walk;

static void check(Walk *w, bool is_good) {
        if (!is_good)
                w->is_bad = true;
}

static void walk_u8(Walk *w, uint8_t *value) {
        if (w->is_encode)
                doe_write_u8(&w->writer, *value);
        else
                *value = doe_read_u8(&w->reader);
}

static void walk_u16(Walk *w, uint16_t *value) {
        if (w->is_encode)
                doe_write_le16(&w->writer, *value);
        else
                *value = doe_read_le16(&w->reader);
}

static void walk_u32(Walk *w, uint32_t *value) {
        if (w->is_encode)
                doe_write_le32(&w->writer, *value);
        else
                *value = doe_read_le32(&w->reader);
}

static void walk_u64(Walk *w, uint64_t *value) {
        if (w->is_encode)
                doe_write_le64(&w->writer, *value);
        else
                *value = doe_read_le64(&w->reader);
}

static void walk_bool(Walk *w, bool *value) {
        uint8_t byte = *value;

        walk_u8(w, &byte);
        check(w, byte <= 1);
        *value = byte == 1;
}

void wire_text_set(char *field, size_t size, const char *s) {
        text_set(field, size, s);
}

/* A field of @size bytes, its terminating zero included. */
static void walk_text(Walk *w, char *text, size_t size) {
        size_t n_here = w->is_encode ? strnlen(text, size) : 0;
        uint16_t n_bytes = (uint16_t)n_here;
        const uint8_t *bytes;

        walk_u16(w, &n_bytes);
        check(w, n_bytes < size);
        if (w->is_bad)
                return;
        if (w->is_encode) {
                check(w, text_is_good(text, n_bytes));
                doe_write_bytes(&w->writer, text, n_bytes);
                return;
        }
        bytes = doe_read_bytes(&w->reader, n_bytes);
        if (!bytes || !text_is_good((const char *)bytes, n_bytes)) {
                w->is_bad = true;
                return;
        }
        memcpy(text, bytes, n_bytes);
        text[n_bytes] = '\0';
}

static void walk_payload(Walk *w, const uint8_t **payload, size_t *n_bytes, size_t n_max) {
        uint32_t n = *n_bytes <= n_max ? (uint32_t)*n_bytes : UINT32_MAX;

        walk_u32(w, &n);
        check(w, n <= n_max);
        if (w->is_bad)
                return;
        if (w->is_encode) {
                doe_write_bytes(&w->writer, *payload, n);
                return;
        }
        *payload = doe_read_bytes(&w->reader, n);
        *n_bytes = n;
}

static size_t read_hex(const char *s, size_t n_max) {
        size_t n = 0;

        while (n < n_max && isxdigit((unsigned char)s[n]) && !isupper((unsigned char)s[n]))
                n++;
        return n;
}

bool wire_address_is_valid(const char *address) {
        size_t n = read_hex(address, 8);

        if (n < 4 || address[n] != ':')
                return false;
        address += n + 1;
        if (read_hex(address, 2) != 2 || address[2] != ':')
                return false;
        address += 3;
        return (address[0] == '0' || address[0] == '1') && read_hex(address + 1, 1) == 1 &&
               address[2] == '.' && address[3] >= '0' && address[3] <= '7' && address[4] == '\0';
}

static void walk_address(Walk *w, char *text) {
        walk_text(w, text, WIRE_ADDRESS_MAX);
        check(w, !w->is_bad && wire_address_is_valid(text));
}

static void walk_offset(Walk *w, uint16_t *offset) {
        walk_u16(w, offset);
        check(w, *offset >= WIRE_OFFSET_MIN && *offset <= WIRE_OFFSET_MAX && *offset % 4 == 0);
}

static void walk_job_id(Walk *w, uint64_t *job_id) {
        walk_u64(w, job_id);
        check(w, *job_id != 0);
}

static void walk_hello(Walk *w, WireHello *hello) {
        walk_u32(w, &hello->wire_version);
        walk_text(w, hello->program_version, sizeof(hello->program_version));
        if (hello->wire_version == WIRE_VERSION) {
                walk_text(w, hello->lockdown, sizeof(hello->lockdown));
                return;
        }
        /* what follows here in another version is its own business */
        hello->lockdown[0] = '\0';
        if (!w->is_encode)
                doe_read_skip(&w->reader, w->reader.n_left);
}

static void walk_mailbox_infos(Walk *w, WireDevice *device) {
        walk_u16(w, &device->n_mailboxes);
        check(w, device->n_mailboxes >= 1 && device->n_mailboxes <= WIRE_MAILBOXES_MAX);
        if (w->is_bad)
                return;
        for (size_t i = 0; i < device->n_mailboxes; i++) {
                walk_offset(w, &device->mailboxes[i].offset);
                walk_u8(w, &device->mailboxes[i].cap_version);
                check(w, device->mailboxes[i].cap_version <= 0xf);
                for (size_t j = 0; j < i; j++)
                        check(w, device->mailboxes[j].offset != device->mailboxes[i].offset);
        }
}

static void walk_features(Walk *w, WireDevice *device) {
        walk_u16(w, &device->n_features);
        check(w, device->n_features <= WIRE_FEATURES_MAX);
        if (w->is_bad)
                return;
        for (size_t i = 0; i < device->n_features; i++) {
                walk_u16(w, &device->features[i].vendor_id);
                walk_u8(w, &device->features[i].type);
        }
}

static void walk_device(Walk *w, WireDevice *device) {
        uint32_t numa_node = (uint32_t)device->numa_node;

        walk_address(w, device->address);
        walk_text(w, device->instance, sizeof(device->instance));
        walk_u16(w, &device->vendor_id);
        walk_u16(w, &device->device_id);
        walk_u32(w, &device->class_code);
        check(w, device->class_code <= 0xffffff);
        walk_u32(w, &numa_node);
        device->numa_node = (int32_t)numa_node;
        check(w, device->numa_node >= -1);
        walk_text(w, device->name, sizeof(device->name));
        walk_text(w, device->driver, sizeof(device->driver));
        walk_text(w, device->access, sizeof(device->access));
        walk_text(w, device->cxl_memory, sizeof(device->cxl_memory));
        walk_text(w, device->cxl_port, sizeof(device->cxl_port));
        walk_text(w, device->spdm_owner, sizeof(device->spdm_owner));
        walk_bool(w, &device->has_kernel_cdat);
        walk_bool(w, &device->has_kernel_features);
        walk_features(w, device);
        walk_mailbox_infos(w, device);
}

static void walk_mailbox(Walk *w, WireMailbox *mailbox) {
        uint8_t state = mailbox->state < N_WIRE_MAILBOX_STATES ? (uint8_t)mailbox->state : UINT8_MAX;

        walk_offset(w, &mailbox->offset);
        walk_u8(w, &state);
        check(w, state < N_WIRE_MAILBOX_STATES);
        if (!w->is_bad)
                mailbox->state = (WireMailboxState)state;
        walk_u64(w, &mailbox->epoch);
        walk_u64(w, &mailbox->lease_id);
        walk_text(w, mailbox->reason, sizeof(mailbox->reason));
}

static void walk_exchange(Walk *w, WireExchange *exchange) {
        walk_job_id(w, &exchange->job_id);
        walk_offset(w, &exchange->offset);
        walk_u16(w, &exchange->vendor_id);
        walk_u8(w, &exchange->type);
        walk_u16(w, &exchange->connection_id);
        check(w, exchange->connection_id <= 0xfff);
        walk_u64(w, &exchange->deadline_usec);
        walk_u64(w, &exchange->timeout_usec);
        walk_u64(w, &exchange->busy_grace_usec);
        walk_u32(w, &exchange->n_dwords_max);
        check(w, exchange->n_dwords_max >= DOE_HEADER_DWORDS &&
                                 exchange->n_dwords_max <= DOE_OBJECT_DWORDS_MAX);
        walk_u64(w, &exchange->epoch);
        walk_payload(w, &exchange->payload, &exchange->n_bytes, DOE_PAYLOAD_BYTES_MAX);
}

static void walk_done(Walk *w, WireDone *done) {
        uint16_t error = done->error <= 0 && done->error >= -ERRNO_MAX ? (uint16_t)-done->error : UINT16_MAX;

        walk_job_id(w, &done->job_id);
        walk_u16(w, &error);
        check(w, error <= ERRNO_MAX);
        done->error = -(int32_t)error;
        walk_bool(w, &done->not_started);
        walk_bool(w, &done->is_foreign);
        walk_u64(w, &done->started_usec);
        walk_u64(w, &done->ended_usec);
        walk_u64(w, &done->epoch);
        walk_text(w, done->evidence, sizeof(done->evidence));
        /* the largest of an answer's payload and the kernel's table */
        walk_payload(w, &done->payload, &done->n_bytes, WIRE_KERNEL_CDAT_MAX);
}

static void walk_note(Walk *w, WireNote *note) {
        walk_offset(w, &note->offset);
        walk_text(w, note->text, sizeof(note->text));
}

static void walk_recover(Walk *w, WireRecover *recover) {
        walk_offset(w, &recover->offset);
        walk_bool(w, &recover->force);
}

static void walk_inhibit(Walk *w, WireInhibit *inhibit) {
        walk_offset(w, &inhibit->offset);
        walk_u64(w, &inhibit->lease_id);
}

static void walk_digest(Walk *w, WireRecord *record) {
        const uint8_t *bytes;

        if (w->is_encode) {
                doe_write_bytes(&w->writer, record->digest, sizeof(record->digest));
                return;
        }
        bytes = doe_read_bytes(&w->reader, sizeof(record->digest));
        if (bytes)
                memcpy(record->digest, bytes, sizeof(record->digest));
}

static void walk_record(Walk *w, WireRecord *record) {
        walk_digest(w, record);
        walk_u32(w, &record->uid);
        walk_offset(w, &record->offset);
        walk_u16(w, &record->vendor_id);
        walk_u8(w, &record->type);
        walk_bool(w, &record->is_session);
        walk_u64(w, &record->epoch);
        walk_u64(w, &record->expires_usec);
        walk_u64(w, &record->keep_usec);
}

static void walk_message(Walk *w, WireMessage *m) {
        switch (m->type) {
        case WIRE_HELLO:
                walk_hello(w, &m->hello);
                break;
        case WIRE_DEVICE:
                walk_device(w, &m->device);
                break;
        case WIRE_DEVICE_REMOVED:
                walk_address(w, m->text.text);
                break;
        case WIRE_LOCKDOWN:
                walk_text(w, m->text.text, sizeof(m->text.text));
                break;
        case WIRE_ENUMERATED:
        case WIRE_RESCAN:
        case WIRE_RELOAD:
                break;
        case WIRE_SUSPEND:
        case WIRE_SUSPENDED:
                walk_bool(w, &m->turned.is_on);
                break;
        case WIRE_MAILBOX:
                walk_mailbox(w, &m->mailbox);
                break;
        case WIRE_EXCHANGE:
                walk_exchange(w, &m->exchange);
                break;
        case WIRE_RECALL:
        case WIRE_CANCEL:
        case WIRE_READ_KERNEL_CDAT:
        case WIRE_STARTED:
        case WIRE_RECALLED:
                walk_job_id(w, &m->job.job_id);
                break;
        case WIRE_RECOVER:
                walk_recover(w, &m->recover);
                break;
        case WIRE_DONE:
                walk_done(w, &m->done);
                break;
        case WIRE_FOREIGN:
        case WIRE_ABORTED:
                walk_note(w, &m->note);
                break;
        case WIRE_INHIBIT:
                walk_inhibit(w, &m->inhibit);
                break;
        case WIRE_PUT_RECORD:
                walk_record(w, &m->record);
                break;
        case WIRE_DROP_RECORD:
                walk_digest(w, &m->record);
                break;
        }
}

static size_t payload_bytes(const WireMessage *m) {
        return m->type == WIRE_EXCHANGE ? m->exchange.n_bytes : m->type == WIRE_DONE ? m->done.n_bytes : 0;
}

int wire_encode(const WireMessage *message, uint8_t **ret, size_t *ret_n_bytes) {
        WireMessage m = *message; /* the walk takes it by a pointer that could write, and does not */
        Walk w = { .is_encode = true };
        _cleanup_free_ uint8_t *frame = NULL;
        size_t n_max;

        if (!wire_type_to_string(m.type) || payload_bytes(&m) > WIRE_KERNEL_CDAT_MAX)
                return -EINVAL;
        /* no field takes more room in a frame than in its struct, but for the lengths of eight strings */
        n_max = WIRE_FRAME_HEADER + sizeof(WireMessage) + 8 * sizeof(uint16_t) + payload_bytes(&m);
        frame = malloc(n_max);
        if (!frame)
                return -ENOMEM;

        w.writer = DOE_WRITER(frame, n_max);
        doe_write_le32(&w.writer, 0);
        doe_write_le32(&w.writer, m.type);
        walk_message(&w, &m);
        if (w.is_bad || w.writer.error < 0)
                return -EINVAL;

        doe_store_le32(frame, (uint32_t)w.writer.n_written);
        *ret_n_bytes = w.writer.n_written;
        *ret = TAKE_PTR(frame);
        return 0;
}

int wire_decode(const uint8_t *frame, size_t n_bytes, WireMessage *ret) {
        Walk w = { .reader = DOE_READER(frame, n_bytes) };
        uint32_t n_frame = doe_read_le32(&w.reader), type = doe_read_le32(&w.reader);
        WireMessage m = {};

        if (w.reader.error < 0 || n_frame != n_bytes || n_bytes > WIRE_FRAME_MAX || type > INT32_MAX ||
            !wire_type_to_string((WireType)type))
                return -EBADMSG;

        m.type = (WireType)type;
        walk_message(&w, &m);
        if (w.is_bad || w.reader.error < 0 || w.reader.n_left > 0)
                return -EBADMSG;

        *ret = m;
        return 0;
}

const char *wire_mailbox_state_to_string(WireMailboxState state) {
        static const char *const names[N_WIRE_MAILBOX_STATES] = {
                [WIRE_MAILBOX_UNTOUCHED] = "untouched",
                [WIRE_MAILBOX_STARTING] = "starting",
                [WIRE_MAILBOX_READY] = "ready",
                [WIRE_MAILBOX_WAITING] = "waiting",
                [WIRE_MAILBOX_RECOVERING] = "recovering",
                [WIRE_MAILBOX_KERNEL] = "kernel",
                [WIRE_MAILBOX_READ_ONLY] = "read-only",
                [WIRE_MAILBOX_INHIBITED] = "inhibited",
                [WIRE_MAILBOX_DEAD] = "dead",
        };

        return names[state];
}

const char *wire_type_to_string(WireType type) {
        static const char *const names[] = {
                [WIRE_HELLO] = "hello",
                [WIRE_DEVICE] = "device",
                [WIRE_DEVICE_REMOVED] = "device-removed",
                [WIRE_ENUMERATED] = "enumerated",
                [WIRE_LOCKDOWN] = "lockdown",
                [WIRE_RESCAN] = "rescan",
                [WIRE_RELOAD] = "reload",
                [WIRE_SUSPEND] = "suspend",
                [WIRE_SUSPENDED] = "suspended",
                [WIRE_MAILBOX] = "mailbox",
                [WIRE_EXCHANGE] = "exchange",
                [WIRE_RECALL] = "recall",
                [WIRE_CANCEL] = "cancel",
                [WIRE_RECOVER] = "recover",
                [WIRE_READ_KERNEL_CDAT] = "read-kernel-cdat",
                [WIRE_STARTED] = "started",
                [WIRE_DONE] = "done",
                [WIRE_RECALLED] = "recalled",
                [WIRE_FOREIGN] = "foreign",
                [WIRE_ABORTED] = "aborted",
                [WIRE_INHIBIT] = "inhibit",
                [WIRE_PUT_RECORD] = "put-record",
                [WIRE_DROP_RECORD] = "drop-record",
        };

        return (unsigned)type < ELEMENTS(names) ? names[type] : NULL;
}
