/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One log for both daemons: to the journal with structured fields where stderr is the journal, else text on
 * stderr. Thread-safe. Messages carry no trailing newline; "%m" stands for errno as usual. */

#include <stdbool.h>
#include <syslog.h>

#include "daemon/util/cleanup.h"

/* Read $JOURNAL_STREAM and $DOED_LOG_LEVEL ("debug".."emerg"); @identifier is borrowed for ever. */
void log_init(const char *identifier);
void log_set_max_level(int level);
int log_get_max_level(void);
const char *log_target(void); /* "journal" or "console" */
const char *log_identifier(void);

const char *log_level_to_string(int level); /* "debug", NULL if out of range */
int log_level_from_string(const char *s);   /* -EINVAL */

/* @subject: device or mailbox ("0000:3a:00.0[160]") that the line is about, or NULL; becomes DOED_SUBJECT=.
 */
void log_full(int level, const char *subject, const char *format, ...) _printf_(3, 4);

#define log_debug(...)   log_full(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...)    log_full(LOG_INFO, NULL, __VA_ARGS__)
#define log_notice(...)  log_full(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, NULL, __VA_ARGS__)
#define log_error(...)   log_full(LOG_ERR, NULL, __VA_ARGS__)

/* At most @n_burst lines in each @interval_usec; counts what it drops and says so with the next one let
 * through. */
typedef struct LogLimit {
        unsigned interval_usec, n_burst;
        unsigned long long since_usec;
        unsigned n_let, n_dropped;
} LogLimit;
bool log_limit_pass(LogLimit *limit);
