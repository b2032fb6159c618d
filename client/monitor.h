/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A capture as exchanges: each packet of a request is kept until the one of its response comes. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/capture-stream.h"
#include "protocols/capture-header.h"

#define MONITOR_NOTE_MAX 24u /* of what a request asks for, with the zero byte */

typedef enum MonitorState {
        MONITOR_DONE, /* by an answer, or by an error */
        MONITOR_LOST, /* its end was, and is not known */
        MONITOR_OPEN, /* it is under way as the capture ends */
} MonitorState;

/* One exchange. What of it did not pass the capture is 0. */
typedef struct MonitorExchange {
        MonitorState state;
        const char *mailbox;             /* borrowed */
        uint64_t begun_usec, ended_usec; /* CLOCK_REALTIME */
        uint64_t id, queue_usec, device_usec;
        uint32_t uid;
        uint32_t status; /* positive errno; 0: it was answered */
        bool has_feature, is_withheld;
        uint16_t vendor_id;
        uint8_t type;
        int opcode;                     /* -1: none, or not known */
        char request[MONITOR_NOTE_MAX]; /* "GET_VERSION", "read CDAT 0000"; "" where not known */
        int spdm_error;                 /* that the answer is, or -1 */
        size_t n_sent, n_received;      /* bytes of the whole objects */
} MonitorExchange;

typedef struct MonitorMailbox MonitorMailbox;

typedef struct Monitor {
        MonitorMailbox *mailboxes; /* owned; by their interface */
        size_t n_mailboxes;
        uint64_t n_exchanges, n_failures, n_lost; /* those that are over, of these not answered; packets */
        /* Both are called from the two functions below. @e: borrowed. Return: false: no more is wanted. */
        bool (*on_exchange)(void *userdata, const MonitorExchange *e);
        void (*on_loss)(void *userdata, const char *mailbox, uint64_t n_packets);
        void *userdata;
} Monitor;

/* One more block of the stream. Return: false: on_exchange() wants no more. */
bool monitor_take(Monitor *m, const uint8_t *block);
/* No more comes: tells of what is still open, and frees. */
void monitor_done(Monitor *m);
