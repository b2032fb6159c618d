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

/* How far an SPDM connection is (DSP0274 10.3 to 10.5). */
typedef enum SpdmStage {
        SPDM_NOTHING, /* power-up, reset */
        SPDM_VERSION, /* GET_VERSION, at any time */
        SPDM_CAPABILITIES,
        SPDM_NEGOTIATED,
} SpdmStage;

#define SPDM_SESSIONS_MAX     4u
#define SPDM_MESSAGE_MAX      4096u
#define SPDM_NOT_READY_BYTES  8u
#define SPDM_NO_CONNECTION_ID UINT16_MAX /* 0001:01 and 0001:02: their one connection */

/* A whole message that goes by in chunks, or waits to be asked for. */
typedef struct SpdmStored {
        uint8_t bytes[SPDM_MESSAGE_MAX];
        size_t n_bytes; /* 0: none */
        size_t n_done;  /* of them have been moved */
        uint16_t sequence;
        uint8_t handle;
} SpdmStored;

typedef struct SpdmConnection {
        uint16_t id;
        SpdmStage stage;
        uint32_t data_transfer_bytes;        /* the requester's, longer answers go in chunks; 0: not told */
        uint32_t pending[SPDM_SESSIONS_MAX]; /* KEY_EXCHANGE done, FINISH not yet; 0: free */
        uint32_t open[SPDM_SESSIONS_MAX];    /* session IDs; 0: free */
        SpdmStored large_request, large_response;
        SpdmStored deferred; /* answer to a request that was "not ready"; its handle is the token */
        uint8_t deferred_code;
} SpdmConnection;

typedef struct Responder {
        uint64_t seed;
        uint8_t *table; /* CDAT, owned */
        size_t n_table_bytes;
        SpdmConnection *connections; /* owned; those that were ever used since power-up */
        size_t n_connections;
        uint16_t n_sessions_made;
        uint8_t n_handles_made;  /* of stored messages */
        uint8_t compliance_mode; /* code that started it; 0: none */
} Responder;

typedef struct ResponderRequest {
        const ModelMailboxSettings *mailbox;
        const ModelFeature *feature;
        const uint8_t *payload; /* borrowed */
        size_t n_bytes;
        uint16_t connection_id; /* of features that have one */
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

/**
 * responder_spdm_defer() - say ResponseNotReady instead of an answer, and keep that for RESPOND_IF_READY
 * @request: to a feature of SPDM in the clear, that was answered; its first four bytes are enough
 * @exponent: the device asks for 2^exponent us
 *
 * Return: false if @answer is an ERROR itself, and stays as it is.
 */
bool responder_spdm_defer(Responder *responder, const ResponderRequest *request, uint8_t exponent,
                          const uint8_t *answer, size_t n_bytes, uint8_t ret[SPDM_NOT_READY_BYTES]);

/* For them: an answer that is a copy of @bytes. Return: 1; -ENOMEM. */
int responder_reply(const void *bytes, size_t n_bytes, uint8_t **ret, size_t *ret_n_bytes);

int responder_kind_from_string(const char *s); /* -EINVAL */
/* The kind that usually stands behind a feature. Return: 0; -ENOENT. */
int responder_kind_find(uint16_t vendor_id, uint8_t type, ResponderKind *ret);
