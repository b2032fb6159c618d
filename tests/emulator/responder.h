/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What stands behind the mailboxes of one function and answers whole data objects. A request that a real
 * device would discard in silence (wrong length, unknown table, ...) gets no answer here either. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/util/cleanup.h"
#include "tests/emulator/random.h"
#include "tests/emulator/settings.h"

/* How far the one SPDM connection of a function is (DSP0274 10.3 to 10.5). */
typedef enum SpdmStage {
        SPDM_NOTHING, /* power-up, reset */
        SPDM_VERSION, /* GET_VERSION, at any time */
        SPDM_CAPABILITIES,
        SPDM_NEGOTIATED,
} SpdmStage;

#define SPDM_SESSIONS_MAX 4u

typedef struct SpdmState {
        SpdmStage stage;
        uint32_t pending[SPDM_SESSIONS_MAX]; /* KEY_EXCHANGE done, FINISH not yet; 0: free */
        uint32_t open[SPDM_SESSIONS_MAX];    /* session IDs; 0: free */
        uint16_t n_sessions_made;
} SpdmState;

typedef struct Responder {
        uint64_t seed;
        uint8_t *table; /* CDAT, owned */
        size_t n_table_bytes;
        SpdmState spdm;
        uint8_t compliance_mode; /* code that started it; 0: none */
} Responder;

typedef struct ResponderRequest {
        const ModelMailboxSettings *mailbox;
        const ModelFeature *feature;
        const uint8_t *payload; /* borrowed */
        size_t n_bytes;
} ResponderRequest;

/* Return: 0; -ENOMEM. The settings are not kept. */
int responder_init(Responder *responder, const ModelSettings *settings);
void responder_done(Responder *responder);
/* Conventional reset: what the device does not remember. */
void responder_reset(Responder *responder);

/**
 * responder_answer() - let the feature's kind answer
 * @ret: payload of the response, newly allocated, owned by the caller
 *
 * Return: 1; 0: discarded in silence; -ENOMEM.
 */
int responder_answer(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                     size_t *ret_n_bytes);

/* The table changes at run time: its sequence rises by 1, and its checksum with it. */
void responder_touch_table(Responder *responder);
/* -ENOMEM. @table is copied. */
int responder_set_table(Responder *responder, const uint8_t *table, size_t n_bytes);

/* One function per kind, each in its own file; contract as responder_answer(). */
int responder_discovery(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                        size_t *ret_n_bytes);
int responder_spdm(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                   size_t *ret_n_bytes);
int responder_secured_spdm(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                           size_t *ret_n_bytes);
int responder_compliance(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                         size_t *ret_n_bytes);
int responder_table_access(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                           size_t *ret_n_bytes);

/* For them: an answer that is a copy of @bytes. Return: 1; -ENOMEM. */
int responder_reply(const void *bytes, size_t n_bytes, uint8_t **ret, size_t *ret_n_bytes);

int responder_kind_from_string(const char *s); /* -EINVAL */
/* The kind that usually stands behind a feature. Return: 0; -ENOENT. */
int responder_kind_find(uint16_t vendor_id, uint8_t type, ResponderKind *ret);
