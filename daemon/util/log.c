/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

#include <systemd/sd-journal.h>

#include "daemon/util/clock.h"

#define LOG_LINE_MAX 1024u

static const char *const level_names[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

static atomic_int max_level = LOG_INFO;
static bool to_journal;
static const char *identifier = "doed";

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

void log_full(int level, const char *subject, const char *format, ...) {
        int saved_errno = errno;
        char text[LOG_LINE_MAX];
        va_list ap;

        if (level > log_get_max_level())
                return;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);

        if (to_journal)
                sd_journal_send("MESSAGE=%s%s%s", subject ?: "", subject ? ": " : "", text, "PRIORITY=%i",
                                level, "SYSLOG_IDENTIFIER=%s", identifier,
                                subject ? "DOED_SUBJECT=%s" : NULL, subject, NULL);
        else
                /* one call, so that lines of several threads do not mix */
                fprintf(stderr, "%s: %s: %s%s%s\n", identifier, level_names[level], subject ?: "",
                        subject ? ": " : "", text);
        errno = saved_errno;
}

bool log_limit_pass(LogLimit *limit) {
        uint64_t now_usec = clock_monotonic_usec();

        if (limit->since_usec == 0 || now_usec >= limit->since_usec + limit->interval_usec) {
                if (limit->n_dropped > 0)
                        log_notice("%u similar lines were left out", limit->n_dropped);
                limit->since_usec = now_usec;
                limit->n_let = limit->n_dropped = 0;
        }
        if (limit->n_let < limit->n_burst) {
                limit->n_let++;
                return true;
        }
        limit->n_dropped++;
        return false;
}
