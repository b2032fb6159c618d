/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/model-mailbox.h"

#include <errno.h>

#include "daemon/util/clock.h"
#include "protocols/cursor.h"
#include "protocols/data-object.h"
#include "protocols/feature.h"
#include "protocols/registers.h"

/* how long the agent's answer stands in the read mailbox when it runs an exchange "at once" */
#define FOREIGN_USEC_DEFAULT 1000u

static void fire(ModelMailbox *mb, uint64_t now_usec, FaultPoint point, uint32_t dword);

void model_mailbox_init(ModelMailbox *mb, const ModelMailboxSettings *settings, Responder *responder,
                        uint64_t seed) {
        *mb = (ModelMailbox){
                .settings = settings,
                .responder = responder,
                .random = { .state = seed ^ (uint64_t)settings->offset << 32 },
                .faults = settings->faults,
        };
}

void model_mailbox_done(ModelMailbox *mb) {
        free(mb->request);
        free(mb->response);
        mb->request = mb->response = NULL;
}

/* Everything that an abort clears; the phase is the caller's. */
static void forget_objects(ModelMailbox *mb) {
        free(mb->response);
        mb->response = NULL;
        mb->n_response = mb->response_position = mb->read_position = 0;
        mb->n_request = 0;
        mb->is_error = false;
        mb->owner = MODEL_OWNER_CLIENT;
}

void model_mailbox_power_up(ModelMailbox *mb, uint64_t now_usec) {
        forget_objects(mb);
        mb->phase = MODEL_IDLE;
        mb->control = 0;
        mb->has_interrupt_status = false;
        mb->busy_until_usec = mb->boot_busy_until_usec = 0;
        fire(mb, now_usec, FAULT_AT_BOOT, 0);
}

static void interrupt(ModelMailbox *mb) {
        if (mb->control & DOE_CONTROL_INTERRUPT_ENABLE)
                mb->has_interrupt_status = true;
}

static void set_error(ModelMailbox *mb) {
        forget_objects(mb);
        mb->phase = MODEL_IDLE;
        mb->is_error = true;
        interrupt(mb);
}

static bool is_under_way(const ModelMailbox *mb) {
        return mb->phase == MODEL_PROCESSING || mb->phase == MODEL_READY || mb->n_request > 0;
}

static void note_loss(ModelMailbox *mb) {
        if (mb->owner == MODEL_OWNER_AGENT && (mb->phase == MODEL_PROCESSING || mb->phase == MODEL_READY))
                mb->counters.foreign_lost++;
}

/* The last dword of a response was popped, by whomever it was meant for. */
static void end_response(ModelMailbox *mb, uint64_t now_usec) {
        bool is_own = mb->owner == MODEL_OWNER_CLIENT;

        forget_objects(mb);
        mb->phase = MODEL_IDLE;
        if (is_own)
                fire(mb, now_usec, FAULT_AT_END, 0);
}

static void become_ready(ModelMailbox *mb) {
        uint64_t when_usec = mb->ready_usec;

        if (!mb->response) {
                mb->phase = MODEL_IDLE;
                mb->owner = MODEL_OWNER_CLIENT;
                return;
        }
        mb->phase = MODEL_READY;
        mb->response_position = mb->read_position = 0;
        interrupt(mb);
        if (mb->owner == MODEL_OWNER_CLIENT)
                fire(mb, when_usec, FAULT_AT_READY, 0);
}

/* Let happen what was due until now. Ends: only the client's response can start something new as it becomes
 * ready, and that is the agent's. */
static void advance(ModelMailbox *mb, uint64_t now_usec) {
        if (mb->phase == MODEL_PROCESSING && now_usec >= mb->ready_usec) {
                become_ready(mb);
                advance(mb, now_usec);
        } else if (mb->phase == MODEL_READY && mb->owner == MODEL_OWNER_AGENT &&
                   now_usec >= mb->drain_usec) {
                end_response(mb, now_usec);
        } else if (mb->phase == MODEL_ABORTING && now_usec >= mb->abort_end_usec) {
                mb->phase = MODEL_IDLE;
        }
}

static bool is_stuck(const ModelMailbox *mb, uint64_t now_usec) {
        return now_usec < mb->boot_busy_until_usec || now_usec < mb->busy_until_usec;
}

static bool is_busy(const ModelMailbox *mb, uint64_t now_usec) {
        if (is_stuck(mb, now_usec) || mb->phase == MODEL_ABORTING)
                return true;
        if (mb->phase == MODEL_PROCESSING)
                return now_usec < mb->busy_clear_usec;
        return mb->settings->busy == BUSY_WHILE_SENDING && mb->n_request > 0;
}

static uint32_t status_of(const ModelMailbox *mb, uint64_t now_usec) {
        uint32_t status = mb->settings->reserved_status;

        if (mb->settings->at_attention)
                status |= DOE_STATUS_AT_ATTENTION;
        if (mb->is_error)
                status |= DOE_STATUS_ERROR;
        if (mb->has_interrupt_status)
                status |= DOE_STATUS_INTERRUPT;
        if (is_busy(mb, now_usec))
                status |= DOE_STATUS_BUSY;
        else if (mb->phase == MODEL_READY)
                status |= DOE_STATUS_READY;
        return status;
}

static uint32_t cap_of(const ModelMailbox *mb) {
        uint32_t cap = mb->settings->has_interrupt ? DOE_CAP_INTERRUPT_SUPPORT : 0;

        return mb->settings->at_attention ? cap | DOE_CAP_ATTENTION_SUPPORT : cap;
}

static uint32_t read_data(ModelMailbox *mb, uint64_t now_usec) {
        if (mb->phase == MODEL_READY && mb->read_position <= mb->response_position) {
                mb->read_position = mb->response_position + 1;
                if (mb->owner == MODEL_OWNER_CLIENT)
                        fire(mb, now_usec, FAULT_AT_READ, (uint32_t)mb->response_position);
        }
        /* the fault may have ended it */
        return mb->phase == MODEL_READY ? mb->response[mb->response_position] : 0;
}

uint32_t model_mailbox_read(ModelMailbox *mb, uint64_t now_usec, uint16_t reg) {
        mb->counters.reads++;
        advance(mb, now_usec);
        fire(mb, now_usec, FAULT_AT_NOW, 0);
        switch (reg) {
        case DOE_REG_CAP:
                return cap_of(mb);
        case DOE_REG_CONTROL:
                return mb->control;
        case DOE_REG_STATUS:
                return status_of(mb, now_usec);
        case DOE_REG_READ:
                return read_data(mb, now_usec);
        default: /* Write Data reads as 0 */
                return 0;
        }
}

static void pop(ModelMailbox *mb, uint64_t now_usec) {
        if (mb->is_error)
                return;
        if (mb->phase != MODEL_READY) {
                mb->counters.underflows++;
                if (mb->phase == MODEL_IDLE)
                        set_error(mb);
                return;
        }
        if (mb->owner == MODEL_OWNER_AGENT) {
                mb->counters.collisions++;
                note_loss(mb);
                mb->owner = MODEL_OWNER_CLIENT; /* it counts as lost once */
        }
        if (++mb->response_position == mb->n_response) {
                mb->counters.exchanges++;
                end_response(mb, now_usec);
        }
}

static bool request_append(ModelMailbox *mb, uint32_t value) {
        if (mb->n_request == mb->n_request_allocated) {
                size_t n = MAX_OF((size_t)16, 2 * mb->n_request_allocated);
                uint32_t *request = realloc(mb->request, n * sizeof(*request));

                if (!request)
                        return false;
                mb->request = request;
                mb->n_request_allocated = n;
        }
        mb->request[mb->n_request++] = value;
        return true;
}

static void write_data(ModelMailbox *mb, uint64_t now_usec, uint32_t value) {
        if (mb->is_error)
                return;
        if (mb->n_request == 0) {
                mb->vendor_id = (uint16_t)value;
                mb->type = (uint8_t)(value >> 16);
        }
        fire(mb, now_usec, FAULT_AT_SEND, (uint32_t)mb->n_request);
        if (mb->is_error)
                return;
        if (mb->phase == MODEL_PROCESSING || mb->phase == MODEL_ABORTING || is_stuck(mb, now_usec) ||
            (mb->phase == MODEL_READY && mb->owner == MODEL_OWNER_AGENT)) {
                mb->counters.collisions++;
                return;
        }
        if (mb->n_request >= mb->settings->write_dwords || !request_append(mb, value))
                set_error(mb);
}

static const ModelFeature *find_feature(const ModelMailbox *mb, uint16_t vendor_id, uint8_t type) {
        for (size_t i = 0; i < mb->settings->n_features; i++)
                if (mb->settings->features[i].vendor_id == vendor_id &&
                    mb->settings->features[i].type == type)
                        return &mb->settings->features[i];
        return NULL;
}

/* The response object in dwords, or NULL where the request is discarded. */
static void make_response(ModelMailbox *mb, const ModelFeature *feature, const DoeObjectHeader *header,
                          const uint8_t *request, size_t n_bytes) {
        ResponderRequest question = { mb->settings, feature, request, n_bytes, header->connection_id };
        DoeObjectHeader answer_header = *header;
        _cleanup_free_ uint8_t *answer = NULL;
        size_t n_answer = 0, n_dwords;

        if (responder_answer(mb->responder, &question, &answer, &n_answer) <= 0)
                return;
        n_dwords = doe_object_dwords(n_answer);
        mb->response = calloc(n_dwords, sizeof(*mb->response));
        if (!mb->response)
                return;
        answer_header.n_dwords = (uint32_t)n_dwords;
        doe_object_header_encode(&answer_header, &mb->response[0], &mb->response[1]);
        for (size_t i = 0; i < n_answer; i++)
                mb->response[2 + i / 4] |= (uint32_t)answer[i] << 8 * (i % 4);
        mb->n_response = n_dwords;
}

/* What the request buffer holds, answered. A request whose length is not its own, or of a feature that is
 * not here, is discarded (PCIe r6.0 6.30.1). */
static const ModelFeature *answer_request(ModelMailbox *mb) {
        size_t n_payload = mb->n_request >= DOE_HEADER_DWORDS ? mb->n_request - DOE_HEADER_DWORDS : 0;
        _cleanup_free_ uint8_t *payload = malloc(4 * n_payload + 1);
        const ModelFeature *feature;
        DoeObjectHeader header;

        if (!payload || mb->n_request < DOE_HEADER_DWORDS ||
            doe_object_header_decode(mb->request[0], mb->request[1], &header) < 0 ||
            header.n_dwords != mb->n_request)
                return NULL;
        feature = find_feature(mb, header.vendor_id, header.type);
        if (!feature)
                return NULL;
        for (size_t i = 0; i < n_payload; i++)
                doe_store_le32(payload + 4 * i, mb->request[DOE_HEADER_DWORDS + i]);
        make_response(mb, feature, &header, payload, 4 * n_payload);
        return feature;
}

static void schedule(ModelMailbox *mb, uint64_t now_usec, const ModelFeature *feature) {
        bool is_own = feature && feature->has_service;
        uint64_t usec = random_between(&mb->random,
                                       is_own ? feature->service_min_usec : mb->settings->service_min_usec,
                                       is_own ? feature->service_max_usec : mb->settings->service_max_usec);

        mb->ready_usec = usec_add(now_usec, usec);
        mb->busy_clear_usec = mb->settings->busy == BUSY_NEVER       ? now_usec
                              : mb->settings->busy == BUSY_PIPELINED ? usec_add(now_usec, usec / 2)
                                                                     : mb->ready_usec;
}

static void go(ModelMailbox *mb, uint64_t now_usec) {
        const ModelFeature *feature;

        if (mb->is_error)
                return;
        if (mb->phase != MODEL_IDLE || is_stuck(mb, now_usec)) {
                mb->counters.collisions++;
                mb->n_request = 0;
                return;
        }
        mb->counters.gos++;
        feature = answer_request(mb);
        if (!mb->response)
                mb->counters.discarded++;
        mb->n_request = 0;
        mb->owner = MODEL_OWNER_CLIENT;
        mb->phase = MODEL_PROCESSING;
        schedule(mb, now_usec, feature);
        fire(mb, now_usec, FAULT_AT_GO, 0);
        advance(mb, now_usec);
}

/* One that is written during an abort begins it anew. */
static void abort_exchange(ModelMailbox *mb, uint64_t now_usec) {
        mb->counters.aborts++;
        mb->is_aborting_exchange = is_under_way(mb);
        if (mb->is_aborting_exchange)
                mb->counters.aborts_in_flight++;
        note_loss(mb);
        forget_objects(mb);
        mb->busy_until_usec = 0;
        mb->phase = MODEL_ABORTING;
        mb->abort_end_usec = usec_add(now_usec, mb->settings->abort_usec);
        if (mb->settings->forgets_on_abort)
                mb->effects.forget = true;
        fire(mb, now_usec, FAULT_AT_ABORT, 0);
        advance(mb, now_usec);
}

static void write_control(ModelMailbox *mb, uint64_t now_usec, uint32_t value) {
        mb->control = value & DOE_CONTROL_INTERRUPT_ENABLE;
        if (value & DOE_CONTROL_ABORT)
                abort_exchange(mb, now_usec);
        else if (value & DOE_CONTROL_GO)
                go(mb, now_usec);
}

void model_mailbox_write(ModelMailbox *mb, uint64_t now_usec, uint16_t reg, uint32_t value) {
        mb->counters.writes++;
        advance(mb, now_usec);
        fire(mb, now_usec, FAULT_AT_NOW, 0);
        switch (reg) {
        case DOE_REG_CONTROL:
                write_control(mb, now_usec, value);
                break;
        case DOE_REG_STATUS:
                if (value & DOE_STATUS_INTERRUPT)
                        mb->has_interrupt_status = false;
                break;
        case DOE_REG_WRITE:
                write_data(mb, now_usec, value);
                break;
        case DOE_REG_READ:
                pop(mb, now_usec);
                break;
        default: /* the others are read-only */
                break;
        }
}

void model_mailbox_begin_foreign(ModelMailbox *mb, uint64_t now_usec, uint64_t usec) {
        uint32_t dw0 = (uint32_t)DOE_TYPE_DISCOVERY << 16 | DOE_VENDOR_PCI_SIG;
        uint64_t half = usec == USEC_INFINITY ? FOREIGN_USEC_DEFAULT : usec / 2;

        if (find_feature(mb, DOE_VENDOR_CXL, DOE_TYPE_CXL_TABLE_ACCESS))
                dw0 = (uint32_t)DOE_TYPE_CXL_TABLE_ACCESS << 16 | DOE_VENDOR_CXL;
        forget_objects(mb);
        mb->counters.foreign_exchanges++;
        request_append(mb, dw0);
        request_append(mb, 3);
        request_append(mb, 0);
        if (mb->n_request == 3)
                answer_request(mb);
        mb->n_request = 0;
        mb->owner = MODEL_OWNER_AGENT;
        mb->phase = MODEL_PROCESSING;
        mb->ready_usec = mb->busy_clear_usec = usec_add(now_usec, half);
        mb->drain_usec = usec_add(now_usec, usec);
}

static void resize_response(ModelMailbox *mb, size_t n_dwords) {
        uint32_t *response = n_dwords > 0 ? realloc(mb->response, n_dwords * sizeof(*response)) : NULL;

        if (!response)
                return;
        for (size_t i = mb->n_response; i < n_dwords; i++)
                response[i] = 0;
        mb->response = response;
        mb->n_response = n_dwords;
        if (n_dwords >= DOE_HEADER_DWORDS)
                response[1] = (response[1] & ~(DOE_OBJECT_DWORDS_MAX - 1)) |
                              ((uint32_t)n_dwords & (DOE_OBJECT_DWORDS_MAX - 1));
}

static void steal(ModelMailbox *mb, uint32_t n_dwords) {
        size_t n_left = mb->n_response - mb->response_position;

        if (n_dwords == 0 || n_dwords >= n_left) {
                forget_objects(mb);
                mb->phase = MODEL_IDLE;
        } else {
                mb->response_position += n_dwords;
        }
}

static void stay_busy(ModelMailbox *mb, uint64_t now_usec, const Fault *f) {
        if (f->point == FAULT_AT_BOOT) {
                mb->boot_busy_until_usec = usec_add(now_usec, f->usec);
        } else if (f->point == FAULT_AT_ABORT) {
                mb->abort_end_usec = usec_add(now_usec, f->usec);
        } else if (mb->phase == MODEL_PROCESSING) {
                mb->ready_usec = mb->busy_clear_usec = usec_add(mb->ready_usec, f->usec);
        } else {
                mb->busy_until_usec = usec_add(now_usec, f->usec);
        }
}

/* Actions that change the response; there is one only where the request was answered. */
static void spoil_response(ModelMailbox *mb, const Fault *f) {
        if (!mb->response)
                return;
        if (f->action == FAULT_LENGTH)
                mb->response[1] = (mb->response[1] & ~(DOE_OBJECT_DWORDS_MAX - 1)) |
                                  (f->value & (DOE_OBJECT_DWORDS_MAX - 1));
        else if (f->action == FAULT_RESIZE)
                resize_response(mb, f->value);
        else if (f->action == FAULT_FEATURE)
                mb->response[0] = f->value;
        else if (f->action == FAULT_RESERVED) {
                mb->response[0] |= 0xff000000u;
                mb->response[1] |= 0xc0000000u;
        } else {
                for (size_t i = DOE_HEADER_DWORDS; i < mb->n_response; i++)
                        mb->response[i] = (uint32_t)random_next(&mb->random);
        }
}

/* The answer in bytes. NULL on no memory. */
static uint8_t *copy_answer(const ModelMailbox *mb, size_t *ret_n_bytes) {
        size_t n_dwords = mb->n_response - DOE_HEADER_DWORDS;
        uint8_t *bytes = malloc(4 * n_dwords + 1);

        for (size_t i = 0; bytes && i < n_dwords; i++)
                doe_store_le32(bytes + 4 * i, mb->response[DOE_HEADER_DWORDS + i]);
        *ret_n_bytes = 4 * n_dwords;
        return bytes;
}

/* ERROR(ResponseNotReady) instead of an answer of SPDM in the clear. */
static void defer_response(ModelMailbox *mb, uint32_t exponent) {
        const ModelFeature *feature = find_feature(mb, mb->vendor_id, mb->type);
        uint8_t head[4], error[SPDM_NOT_READY_BYTES];
        ResponderRequest request = { .mailbox = mb->settings, .feature = feature, .payload = head };
        _cleanup_free_ uint8_t *answer = NULL;
        size_t n_answer = 0;

        if (!mb->response || !feature || feature->kind != RESPONDER_SPDM ||
            mb->n_response <= DOE_HEADER_DWORDS)
                return;
        /* the request's dwords still stand in their buffer */
        request.connection_id = (uint16_t)(mb->request[1] >> 18 & 0xfff);
        doe_store_le32(head, mb->request[DOE_HEADER_DWORDS]);
        request.n_bytes = sizeof(head);
        answer = copy_answer(mb, &n_answer);
        if (!answer ||
            !responder_spdm_defer(mb->responder, &request, (uint8_t)exponent, answer, n_answer, error))
                return;
        resize_response(mb, DOE_HEADER_DWORDS + sizeof(error) / 4);
        for (size_t i = 0; i < sizeof(error) / 4; i++)
                mb->response[DOE_HEADER_DWORDS + i] = doe_load_le32(error + 4 * i);
}

static void discard_response(ModelMailbox *mb) {
        free(mb->response);
        mb->response = NULL;
        mb->counters.discarded++;
}

static void hang(ModelMailbox *mb, const Fault *f) {
        if (f->point == FAULT_AT_ABORT)
                mb->abort_end_usec = USEC_INFINITY;
        else
                mb->ready_usec = mb->busy_clear_usec = USEC_INFINITY;
}

static void carry_out(ModelMailbox *mb, uint64_t now_usec, const Fault *f) {
        mb->counters.faults++;
        switch (f->action) {
        case FAULT_STAY_BUSY:
                stay_busy(mb, now_usec, f);
                break;
        case FAULT_LATE:
                mb->ready_usec = usec_add(mb->ready_usec, f->usec);
                if (mb->settings->busy != BUSY_NEVER && mb->settings->busy != BUSY_PIPELINED)
                        mb->busy_clear_usec = mb->ready_usec;
                break;
        case FAULT_HANG:
                hang(mb, f);
                break;
        case FAULT_DISCARD:
                discard_response(mb);
                break;
        case FAULT_NOT_READY:
                defer_response(mb, f->value);
                break;
        case FAULT_SET_ERROR:
                set_error(mb);
                break;
        case FAULT_LENGTH:
        case FAULT_RESIZE:
        case FAULT_FEATURE:
        case FAULT_RESERVED:
        case FAULT_GARBAGE:
                spoil_response(mb, f);
                break;
        case FAULT_ALL_ONES:
                mb->effects.all_ones_until_usec = usec_add(now_usec, f->usec);
                break;
        case FAULT_VANISH:
                mb->effects.vanish = true;
                break;
        case FAULT_STEAL:
                steal(mb, f->value);
                break;
        case FAULT_FOREIGN_ABORT:
                forget_objects(mb);
                mb->phase = MODEL_ABORTING;
                mb->abort_end_usec = usec_add(now_usec, mb->settings->abort_usec);
                break;
        case FAULT_FOREIGN_EXCHANGE:
                model_mailbox_begin_foreign(mb, now_usec, f->usec);
                break;
        case FAULT_FOREIGN_LEAVE:
                model_mailbox_begin_foreign(mb, now_usec, USEC_INFINITY);
                break;
        case FAULT_RESET:
                mb->effects.reset = true;
                break;
        case FAULT_FORGET:
                mb->effects.forget = true;
                break;
        }
}

/* Whether vendor_id and type are those of an exchange at @point. */
static bool has_feature(const ModelMailbox *mb, FaultPoint point) {
        switch (point) {
        case FAULT_AT_BOOT:
                return false;
        case FAULT_AT_SEND:
        case FAULT_AT_END:
                return true;
        case FAULT_AT_ABORT:
                return mb->is_aborting_exchange;
        case FAULT_AT_NOW:
        case FAULT_AT_GO:
        case FAULT_AT_READY:
        case FAULT_AT_READ:
                break;
        }
        return is_under_way(mb);
}

/* Look for faults of this moment and carry them out. */
static void fire(ModelMailbox *mb, uint64_t now_usec, FaultPoint point, uint32_t dword) {
        FaultMoment moment = {
                .point = point,
                .exchange = point == FAULT_AT_SEND ? mb->counters.gos + 1 : mb->counters.gos,
                .has_feature = has_feature(mb, point),
                .vendor_id = mb->vendor_id,
                .type = mb->type,
                .dword = dword,
        };
        const Fault *f;
        size_t i = 0;

        while ((f = fault_set_next(&mb->faults, &i, &moment, &mb->random)))
                carry_out(mb, now_usec, f);
}
