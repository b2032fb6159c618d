/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One log for both daemons: to the journal with structured fields where stderr is the journal, else text on
 * stderr. Thread-safe. Messages carry no trailing newline; "%m" stands for errno as usual. A message is one
 * line, whatever a client or a device put into it. */

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "daemon/util/cleanup.h"
#include "daemon/util/log-events.h"

/* Read $JOURNAL_STREAM and $DOED_LOG_LEVEL ("debug".."emerg"); @identifier is borrowed for ever. */
void log_init(const char *identifier);
void log_set_max_level(int level);
int log_get_max_level(void);
const char *log_target(void); /* "journal" or "console" */
const char *log_identifier(void);

const char *log_level_to_string(int level); /* "debug", NULL if out of range */
int log_level_from_string(const char *s);   /* -EINVAL */

/* @subject: device or mailbox ("0000:3a:00.0[160]") that the line is about, or NULL; becomes DOED_DEVICE=
 * and DOED_MAILBOX=. */
void log_full(int level, const char *subject, const char *format, ...) _printf_(3, 4);

#define log_debug(...)   log_full(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...)    log_full(LOG_INFO, NULL, __VA_ARGS__)
#define log_notice(...)  log_full(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, NULL, __VA_ARGS__)
#define log_error(...)   log_full(LOG_ERR, NULL, __VA_ARGS__)

/* What is known of an event beside its text, each in a field of its own; what is NULL, 0 or "" is left out.
 */
typedef struct LogFields {
        const char *subject; /* DOED_DEVICE, and DOED_MAILBOX if it names one; stands before the text, too */
        const char *feature; /* DOED_FEATURE */
        const char *call;    /* DOED_CALL: "Mailbox1.Exchange" */
        const char *opcode;  /* DOED_OPCODE: "0x07" */
        const char *client;  /* DOED_CLIENT: its name on the bus */
        const char *unit;    /* DOED_UNIT: its unit */
        const char *verdict; /* DOED_VERDICT */
        const char *rule;    /* DOED_RULE: "NAME (file:line)" */
        const char *filter;  /* DOED_FILTER: of a capture */
        const char *reason;  /* DOED_REASON: why it ended, or came to this */
        bool has_uid;        /* uid is known */
        uint32_t uid, pid;   /* DOED_UID, DOED_PID: of the client */
        uint64_t lease;      /* DOED_LEASE */
        uint64_t n_requests; /* DOED_REQUESTS */
        uint64_t duration_usec; /* DOED_DURATION_USEC */
} LogFields;

/**
 * log_event() - one of the events of log-events.h, once
 * @fields: NULL: there are none
 *
 * At most LOG_DEVICE_BURST a minute of the same event about one device, LOG_CLIENT_BURST about one uid, and
 * as many as about a device of those that stand for themselves; the next one that passes says how many were
 * left out.
 */
void log_event(LogEvent event, const LogFields *fields, const char *format, ...) _printf_(3, 4);
#define LOG_DEVICE_BURST 10u
#define LOG_CLIENT_BURST 60u

const char *log_event_id(LogEvent event);
