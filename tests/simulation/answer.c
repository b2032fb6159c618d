/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Is it the right answer, for this caller, now? */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/cdat-reader.h"
#include "daemon/core/discovery.h"
#include "protocols/cdat.h"
#include "protocols/data-object.h"
#include "protocols/discovery.h"
#include "protocols/feature.h"
#include "protocols/table-access.h"
#include "tests/simulation/simulation.h"

#define CHECKSUM_OFFSET 5u
#define SEQUENCE_OFFSET 12u

static SimMailbox *trace_of(const SimCall *call) {
        return call->mailbox ?: &call->device->mailboxes[0];
}

static void _printf_(3, 4) wrong(const SimCall *call, const TransactionResult *r, const char *format, ...) {
        char text[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        sim_violation(call->client->sim, trace_of(call),
                      "call %" PRIu64
                      " (kind %d, value %u, %zu bytes): %s; answer: %s, %zu bytes, epoch %" PRIu64
                      ", source %s%s",
                      call->number, (int)call->kind, call->value, call->n_bytes, text,
                      r->failure ? r->failure->text : "success", r->n_bytes, r->epoch, r->source ?: "-",
                      r->cached ? ", cached" : "");
}

/* Its number, then what follows from it; padded to a dword. */
void answer_make_echo(const SimCall *call, uint8_t *ret) {
        Random random = { .state = call->number };

        for (size_t i = 0; i < call->n_bytes; i++) {
                static const unsigned n_number_bytes = 8;

                if (i < n_number_bytes)
                        ret[i] = (uint8_t)(call->number >> (8 * i));
                else
                        ret[i] = (uint8_t)random_next(&random);
        }
        for (size_t i = call->n_bytes; i % 4 != 0; i++)
                ret[i] = 0;
}

/* The core speaks of a device that is gone: it has not heard yet that it is another one now. */
static bool is_outdated(const SimCall *call) {
        const Device *d = manager_find_device(call->client->sim->manager, call->device->address);

        return !d || strtoul(d->instance, NULL, 10) != call->device->instance;
}

static uint64_t hash_answer(const TransactionResult *r) {
        uint64_t hash = SIM_HASH_START;

        for (size_t i = 0; i + 4 <= r->n_bytes; i += 4)
                hash = sim_hash_dword(hash, sim_load_le32(r->payload + i));
        return hash;
}

static bool is_right_echo(const SimCall *call, const TransactionResult *r) {
        size_t n_bytes = (call->n_bytes + 3) & ~(size_t)3;
        _cleanup_free_ uint8_t *expected = malloc(n_bytes);

        if (!expected)
                abort();
        answer_make_echo(call, expected);
        return r->n_bytes == n_bytes && memcmp(r->payload, expected, n_bytes) == 0;
}

static bool is_right_count(const SimCall *call, const TransactionResult *r) {
        if (r->n_bytes != 4 * (size_t)call->value)
                return false;
        for (uint32_t i = 0; i < call->value; i++)
                if (sim_load_le32(r->payload + 4 * (size_t)i) != i)
                        return false;
        return true;
}

/* From an exchange of its own: what the device said to exactly this request, and it is right unless the
 * device misbehaved. */
static void check_own(const SimCall *call, const TransactionResult *r) {
        if (r->cached)
                wrong(call, r, "cannot be cached");
        if (!call->has_answer || call->n_gos == 0)
                wrong(call, r, "no exchange of its own brought an answer");
        if (r->n_bytes != call->n_answer_bytes || hash_answer(r) != call->answer_hash)
                wrong(call, r, "is not what came up the wire for it");
        if (!call->is_altered &&
            !(call->kind == CALL_COUNT ? is_right_count(call, r) : is_right_echo(call, r)))
                wrong(call, r, "wrong payload");
        if (call->epoch != 0 && r->epoch != call->epoch)
                wrong(call, r, "asked for epoch %" PRIu64, call->epoch);
}

static void check_epoch(const SimCall *call, const TransactionResult *r, const SimMailbox *sm) {
        Sim *sim = call->client->sim;
        Device *d = manager_find_device(sim->manager, call->device->address);
        const Mailbox *mb = d ? device_find_mailbox(d, sm->offset) : NULL;

        if (!mb || (r->cached && r->epoch != mb->epoch))
                wrong(call, r, "cached in epoch %" PRIu64 ", now is %" PRIu64, r->epoch, mb ? mb->epoch : 0);
        if (r->epoch > sm->last_epoch)
                wrong(call, r, "of an epoch that has not been");
}

static void check_index(const SimCall *call, const TransactionResult *r) {
        const SimMailbox *mb = call->mailbox;
        uint8_t payload[DOE_DISCOVERY_REQUEST_BYTES];
        ResponderRequest request = { mb->settings, &mb->settings->features[0], payload, sizeof(payload), 0 };
        _cleanup_free_ uint8_t *expected = NULL;
        size_t n_bytes = 0;

        check_epoch(call, r, mb);
        if (mb->is_discovery_tainted || is_outdated(call))
                return;
        doe_discovery_request_encode((uint8_t)call->value, doe_discovery_version(mb->settings->cap_version),
                                     payload);
        if (responder_discovery(mb->model->responder, &request, &expected, &n_bytes) <= 0 ||
            r->n_bytes != n_bytes || memcmp(r->payload, expected, n_bytes) != 0)
                wrong(call, r, "is not entry %u of the chain", call->value);
}

/* Not older than the epoch in which it was read, and not from the future. */
static void check_sequence(const SimCall *call, const TransactionResult *r, uint32_t sequence) {
        const SimMailbox *mb = &call->device->mailboxes[0];
        size_t n_bytes;
        uint32_t now = sim_load_le32(model_table(call->device->model, &n_bytes) + SEQUENCE_OFFSET);

        if (strcmp(r->source, "mailbox") != 0)
                return;
        check_epoch(call, r, mb);
        if (is_outdated(call))
                return;
        if (sequence > now)
                wrong(call, r, "sequence %u, but the table is at %u", sequence, now);
        if (r->epoch + SIM_EPOCHS_MAX > mb->last_epoch &&
            sequence < mb->epoch_sequences[r->epoch % SIM_EPOCHS_MAX])
                wrong(call, r, "sequence %u was over before epoch %" PRIu64, sequence, r->epoch);
}

static bool is_table_byte(const SimDevice *dev, size_t i, uint8_t value) {
        return i == CHECKSUM_OFFSET || (i >= SEQUENCE_OFFSET && i < SEQUENCE_OFFSET + 4) ||
               dev->table[i] == value;
}

static void check_table(const SimCall *call, const TransactionResult *r) {
        const SimDevice *dev = call->device;
        uint8_t sum = 0;

        if (r->n_bytes != dev->n_table_bytes)
                wrong(call, r, "the table has %zu bytes", dev->n_table_bytes);
        for (size_t i = 0; i < r->n_bytes; i++) {
                sum = (uint8_t)(sum + r->payload[i]);
                if (!is_table_byte(dev, i, r->payload[i]))
                        wrong(call, r, "byte %zu is wrong", i);
        }
        if (sum != 0)
                wrong(call, r, "checksum");
        check_sequence(call, r, sim_load_le32(r->payload + SEQUENCE_OFFSET));
}

/* Where an entry stands; false: there is none. */
static bool find_entry(const SimDevice *dev, uint32_t handle, size_t *ret_offset, size_t *ret_n_bytes) {
        size_t offset = 0, n_bytes = MIN_OF((size_t)CDAT_HEADER_BYTES, dev->n_table_bytes);

        for (uint32_t i = 0; i < handle; i++) {
                offset += n_bytes;
                if (offset >= dev->n_table_bytes)
                        return false;
                n_bytes = (size_t)dev->table[offset + 2] | (size_t)dev->table[offset + 3] << 8;
        }
        *ret_offset = offset;
        *ret_n_bytes = n_bytes;
        return n_bytes > 0;
}

static void check_handle(const SimCall *call, const TransactionResult *r) {
        const SimDevice *dev = call->device;
        size_t offset, n_bytes;

        if (!find_entry(dev, call->value, &offset, &n_bytes))
                wrong(call, r, "there is no such entry");
        if (r->n_bytes != TABLE_ACCESS_HEADER_BYTES + n_bytes)
                wrong(call, r, "the entry has %zu bytes", n_bytes);
        if (sim_load_le32(r->payload) >> 16 !=
            (offset + n_bytes < dev->n_table_bytes ? call->value + 1 : TABLE_ACCESS_HANDLE_LAST))
                wrong(call, r, "wrong next handle");
        for (size_t i = 0; i < n_bytes; i++)
                if (!is_table_byte(dev, offset + i, r->payload[TABLE_ACCESS_HEADER_BYTES + i]))
                        wrong(call, r, "byte %zu is wrong", i);
        if (call->value == 0)
                check_sequence(call, r,
                               sim_load_le32(r->payload + TABLE_ACCESS_HEADER_BYTES + SEQUENCE_OFFSET));
}

/* Callers that want a new answer share one of the last second at most. */
static void check_freshness(const SimCall *call, const TransactionResult *r) {
        const Manager *m = call->client->sim->manager;
        const Device *d = manager_find_device(m, call->device->address);
        bool is_discovery = call->kind == CALL_INDEX || call->kind == CALL_DISCOVER;
        uint64_t read_usec =
                        is_discovery ? device_find_mailbox(d, call->mailbox->offset)->discovery->ended_usec
                                     : d->cdat->ended_usec;

        if (call->client->sim->now_usec >= read_usec + m->config->limits.fresh_interval_usec)
                wrong(call, r, "is not fresh");
}

static void check_success(const SimCall *call, const TransactionResult *r) {
        if ((call->is_fresh || call->kind == CALL_DISCOVER) && r->cached)
                check_freshness(call, r);
        switch (call->kind) {
        case CALL_ECHO:
        case CALL_COUNT:
                check_own(call, r);
                break;
        case CALL_INDEX:
                check_index(call, r);
                break;
        case CALL_HANDLE:
                check_handle(call, r);
                break;
        case CALL_TABLE:
                check_table(call, r);
                break;
        case CALL_DISCOVER:
        case CALL_RECOVER:
        case CALL_RESCAN:
        case CALL_LEASE:
        case CALL_INHIBIT:
                break;
        }
}

/* -------- failures -------- */

static bool may_be_invalid(const SimCall *call) {
        size_t offset, n_bytes;

        if (call->kind == CALL_INDEX)
                return call->value + 1 >= call->mailbox->settings->n_features ||
                       call->mailbox->is_discovery_tainted || is_outdated(call);
        return call->kind == CALL_HANDLE && !find_entry(call->device, call->value, &offset, &n_bytes);
}

static bool may_be_unsupported(const SimCall *call) {
        if (trace_of(call)->is_discovery_tainted || call->device->mailboxes[0].is_discovery_tainted ||
            is_outdated(call))
                return true;
        return (call->kind == CALL_HANDLE &&
                (call->device->n_table_bytes == 0 || call->mailbox != &call->device->mailboxes[0])) ||
               (call->kind == CALL_TABLE && call->device->n_table_bytes == 0);
}

/* Somebody else holds what it needs. */
static bool may_be_leased(const SimCall *call) {
        const Device *d = manager_find_device(call->client->sim->manager, call->device->address);
        const Mailbox *mb = call->mailbox ? device_find_mailbox(d, call->mailbox->offset) : NULL;

        /* it may not be back yet when the lease is over */
        for (size_t i = 0; i < d->n_mailboxes; i++)
                if (d->mailboxes[i]->state == MAILBOX_INHIBITED && (!mb || mb == d->mailboxes[i]))
                        return true;
        switch (call->kind) {
        case CALL_ECHO:
                return leases_may_refuse(d, mb, 0x1234, 0x01);
        case CALL_COUNT:
                return leases_may_refuse(d, mb, 0x1234, 0x02);
        case CALL_INDEX:
        case CALL_DISCOVER:
                return leases_may_refuse(d, mb, DOE_VENDOR_PCI_SIG, DOE_TYPE_DISCOVERY);
        case CALL_HANDLE:
        case CALL_TABLE:
        case CALL_RECOVER:
                return leases_may_refuse(d, NULL, 0, 0);
        case CALL_LEASE:
        case CALL_INHIBIT:
                return true; /* by one that was forced and is over by now, for example */
        case CALL_RESCAN:
                break;
        }
        return false;
}

/* What may ever happen to that call. */
static bool is_possible(const SimCall *call, int error) {
        switch (-error) {
        case ETIMEDOUT:
        case EXDEV:
        case EBUSY:
        case EHOSTDOWN:
        case ECONNABORTED:
        case ESHUTDOWN:
        case ENODEV:
        case EREMOTEIO:
        case EBADMSG:
        case EMSGSIZE:
        case EROFS:
                return true;
        case EDQUOT:
                return call->kind <= CALL_COUNT || call->lease;
        case ECANCELED:
                return call->is_canceled;
        case EUSERS:
        case EADDRINUSE:
                return may_be_leased(call);
        case ESRCH:
                return call->kind == CALL_LEASE && call->lease->has_token;
        case EINVAL:
                return may_be_invalid(call);
        case EPROTONOSUPPORT:
                return may_be_unsupported(call);
        default:
                return false;
        }
}

/* And to one for a device that never misbehaves, while both daemons are there. */
static bool is_excused(const SimCall *call, int error) {
        const Sim *sim = call->client->sim;

        if (!call->device->is_calm || call->issued_usec <= sim->troubled_usec)
                return true;
        switch (-error) {
        case ETIMEDOUT:
                return sim->now_usec >= call->deadline_usec;
        case EMSGSIZE:
                return call->has_bound || call->value > 16000 || call->n_bytes > 16384;
        case EREMOTEIO: /* larger than its write mailbox */
                return call->n_bytes > 4000;
        case ECONNABORTED:
                return call->epoch != 0;
        case EDQUOT:
        case ECANCELED:
        case EINVAL:
        case EPROTONOSUPPORT:
        case EUSERS:
        case EADDRINUSE:
        case ESRCH:
                return true;
        default:
                return false;
        }
}

static void check_failure(const SimCall *call, const TransactionResult *r) {
        int error = r->failure->error;

        if (!is_possible(call, error))
                wrong(call, r, "cannot fail with %d", error);
        if (!is_excused(call, error))
                wrong(call, r, "a calm device fails with %d", error);
        if (call->is_probe)
                wrong(call, r, "all is well, and it fails with %d", error);
        if (!r->failure->text[0])
                wrong(call, r, "an error without text");
        call->client->sim->statistics.errors[-error % 160]++;
}

void answer_check(SimCall *call, const TransactionResult *r) {
        Sim *sim = call->client->sim;

        sim_trace(trace_of(call), sim->now_usec, TRACE_ANSWER, call->number,
                  (uint64_t)(int64_t)(r->failure ? r->failure->error : 0), r->n_bytes,
                  r->failure ? r->failure->text : r->source);
        if (sim->now_usec > call->deadline_usec + SIM_ANSWER_USEC)
                wrong(call, r, "too late");
        if (r->failure) {
                sim->statistics.n_failed++;
                check_failure(call, r);
                return;
        }
        sim->statistics.n_succeeded++;
        sim->statistics.n_cached += r->cached;
        if (call->is_canceled)
                wrong(call, r, "was canceled");
        check_success(call, r);
}
