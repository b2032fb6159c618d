/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/util/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* of the code that logs; ours would say log.c each time */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "daemon/util/clock.h"
#include "daemon/util/log-limit.h"
#include "daemon/util/text.h"

#define LOG_LINE_MAX   1024u
#define LOG_FIELD_MAX  640u /* of one value, its name included */
#define LOG_FIELDS_MAX 24u
#define LOG_CUT_ROOM   8u /* more than fits: so it is text_set() that cuts, between two characters */

/* Whose lines are counted together. */
typedef enum LimitBy {
        LIMIT_BY_NONE,
        LIMIT_BY_EVENT,
        LIMIT_BY_DEVICE,
        LIMIT_BY_CLIENT,
} LimitBy;

typedef struct EventRow {
        const char *name, *id;
        int level;
        LimitBy limit_by;
} EventRow;

static const EventRow events[] = {
#define X(event, text, message_id, priority, limit)                                                         \
        [LOG_EVENT_##event] = { text, message_id, priority, LIMIT_BY_##limit },
        LOG_EVENTS(X)
#undef X
};

static const char *const level_names[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

static atomic_int max_level = LOG_INFO;
static bool to_journal;
static const char *identifier = "doed";
static pthread_mutex_t limiter_mutex = PTHREAD_MUTEX_INITIALIZER;
static LogLimiter limiter;

/* systemd says in $JOURNAL_STREAM which device and inode its stream socket is: stderr may have been
 * redirected since. */
static bool stderr_is_journal(void) {
        const char *s = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (!s || sscanf(s, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &st) < 0)
                return false;
        return st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *id) {
        const char *level = getenv("DOED_LOG_LEVEL");

        identifier = id;
        to_journal = stderr_is_journal();
        if (level && log_level_from_string(level) >= 0)
                log_set_max_level(log_level_from_string(level));
}

void log_set_max_level(int level) {
        atomic_store(&max_level, level);
}

int log_get_max_level(void) {
        return atomic_load(&max_level);
}

const char *log_target(void) {
        return to_journal ? "journal" : "console";
}

const char *log_identifier(void) {
        return identifier;
}

const char *log_level_to_string(int level) {
        return level >= 0 && (size_t)level < ELEMENTS(level_names) ? level_names[level] : NULL;
}

int log_level_from_string(const char *s) {
        for (size_t i = 0; i < ELEMENTS(level_names); i++)
                if (strcmp(s, level_names[i]) == 0)
                        return (int)i;
        return -EINVAL;
}

const char *log_event_id(LogEvent event) {
        return events[event].id;
}

/* -------- one entry -------- */

typedef struct Entry {
        struct iovec fields[LOG_FIELDS_MAX];
        size_t n_fields;
        char text[LOG_FIELDS_MAX][LOG_FIELD_MAX];
} Entry;

static void add(Entry *e, const char *format, ...) _printf_(2, 3);
static void add(Entry *e, const char *format, ...) {
        char raw[LOG_FIELD_MAX + LOG_CUT_ROOM], *text = e->text[e->n_fields];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(raw, sizeof(raw), format, ap);
        va_end(ap);
        if (n < 0)
                return;
        text_set(text, LOG_FIELD_MAX, raw);
        e->fields[e->n_fields++] = (struct iovec){ text, strlen(text) };
}

static void add_text(Entry *e, const char *name, const char *value) {
        if (value && *value)
                add(e, "%s=%s", name, value);
}

static void add_number(Entry *e, const char *name, uint64_t value) {
        if (value)
                add(e, "%s=%" PRIu64, name, value);
}

static void add_subject(Entry *e, const char *subject) {
        if (!subject)
                return;
        add(e, "DOED_DEVICE=%.*s", (int)strcspn(subject, "["), subject);
        if (strchr(subject, '['))
                add_text(e, "DOED_MAILBOX", subject);
}

static void add_fields(Entry *e, const LogFields *f) {
        add_subject(e, f->subject);
        add_text(e, "DOED_FEATURE", f->feature);
        add_text(e, "DOED_CALL", f->call);
        add_text(e, "DOED_OPCODE", f->opcode);
        add_text(e, "DOED_CLIENT", f->client);
        add_text(e, "DOED_UNIT", f->unit);
        add_text(e, "DOED_VERDICT", f->verdict);
        add_text(e, "DOED_RULE", f->rule);
        add_text(e, "DOED_FILTER", f->filter);
        add_text(e, "DOED_REASON", f->reason);
        if (f->has_uid)
                add(e, "DOED_UID=%" PRIu32, f->uid);
        add_number(e, "DOED_PID", f->pid);
        add_number(e, "DOED_LEASE", f->lease);
        add_number(e, "DOED_REQUESTS", f->n_requests);
        add_number(e, "DOED_DURATION_USEC", f->duration_usec);
}

/* Subject and text as one line; else a client could write lines of its own into the log, or hide its own:
 * journalctl shows none that holds C1 or no UTF-8. Return: @line. */
static char *make_line(char line[LOG_LINE_MAX], const char *subject, const char *text) {
        char raw[LOG_LINE_MAX + LOG_CUT_ROOM];

        snprintf(raw, sizeof(raw), "%s%s%s", subject ?: "", subject ? ": " : "", text);
        text_set(line, LOG_LINE_MAX, raw);
        return line;
}

/* @event: NULL: of a line that is none. */
static void write_line(const EventRow *event, int level, const LogFields *fields, const char *text) {
        char line[LOG_LINE_MAX], message[LOG_LINE_MAX + 8];
        Entry e = { .n_fields = 0 };

        make_line(line, fields->subject, text);
        if (!to_journal) {
                /* one call, so that lines of several threads do not mix */
                fprintf(stderr, "%s: %s: %s\n", identifier, level_names[level], line);
                return;
        }
        e.fields[e.n_fields++] = (struct iovec){ message, (size_t)sprintf(message, "MESSAGE=%s", line) };
        add(&e, "PRIORITY=%i", level);
        add_text(&e, "SYSLOG_IDENTIFIER", identifier);
        if (event) {
                add_text(&e, "MESSAGE_ID", event->id);
                add_text(&e, "DOED_EVENT", event->name);
        }
        add_fields(&e, fields);
        (void)sd_journal_sendv(e.fields, (int)e.n_fields);
}

void log_full(int level, const char *subject, const char *format, ...) {
        int saved_errno = errno;
        char text[LOG_LINE_MAX + LOG_CUT_ROOM];
        va_list ap;

        if (level > log_get_max_level())
                return;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        write_line(NULL, level, &(LogFields){ .subject = subject }, text);
        errno = saved_errno;
}

/* -------- events -------- */

static void tell_left_out(const LogLeftOut *left) {
        const EventRow *row = &events[LOG_EVENT_LINES_LEFT_OUT], *of = &events[left->kind];
        LogFields fields = { .reason = of->name };
        char text[LOG_LINE_MAX];

        if (of->limit_by == LIMIT_BY_DEVICE)
                fields.subject = left->subject;
        if (of->limit_by == LIMIT_BY_CLIENT) {
                fields.has_uid = true;
                fields.uid = (uint32_t)strtoul(left->subject, NULL, 10);
        }
        snprintf(text, sizeof(text), "%s%s%s%u similar lines were left out (%s)",
                 fields.has_uid ? "uid " : "", fields.has_uid ? left->subject : "",
                 fields.has_uid ? ": " : "", left->n_lines, of->name);
        if (row->level <= log_get_max_level())
                write_line(row, row->level, &fields, text);
}

/* Return: whether the event may be logged; what was left out before is. */
static bool pass(LogEvent event, const LogFields *fields) {
        LimitBy by = events[event].limit_by;
        char key[LOG_LIMIT_SUBJECT_MAX] = "";
        LogLeftOut left;
        bool may_pass;

        if (by == LIMIT_BY_NONE)
                return true;
        if (by == LIMIT_BY_DEVICE && fields->subject)
                snprintf(key, sizeof(key), "%.*s", (int)strcspn(fields->subject, "["), fields->subject);
        if (by == LIMIT_BY_CLIENT)
                snprintf(key, sizeof(key), "%" PRIu32, fields->uid);
        pthread_mutex_lock(&limiter_mutex);
        may_pass = log_limiter_pass(&limiter, event, key,
                                    by == LIMIT_BY_CLIENT ? LOG_CLIENT_BURST : LOG_DEVICE_BURST,
                                    clock_monotonic_usec(), &left);
        pthread_mutex_unlock(&limiter_mutex);
        if (left.n_lines > 0)
                tell_left_out(&left);
        return may_pass;
}

void log_event(LogEvent event, const LogFields *fields, const char *format, ...) {
        static const LogFields none;
        const EventRow *row = &events[event];
        int saved_errno = errno;
        char text[LOG_LINE_MAX + LOG_CUT_ROOM];
        va_list ap;

        fields = fields ?: &none;
        if (row->level > log_get_max_level() || !pass(event, fields))
                return;

        va_start(ap, format);
        errno = saved_errno; /* for %m */
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        write_line(row, row->level, fields, text);
        errno = saved_errno;
}
