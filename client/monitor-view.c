/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/monitor-view.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "client/json.h"
#include "client/memory.h"
#include "client/table.h"
#include "client/text.h"
#include "client/units.h"
#include "dbus/errors.h"
#include "protocols/feature.h"

#define N_COLUMNS_MAX  10u
#define RESULT_MIN     11u /* "DeviceError" */
#define REQUEST_MIN    8u
#define DOMAIN_DEFAULT "0000:"

typedef struct Cell {
        const char *title;
        char *text; /* owned; NULL in titles */
        size_t width;
        bool align_right;
} Cell;

typedef struct Line {
        Cell cells[N_COLUMNS_MAX];
        size_t n_cells;
} Line;

static void add(Line *line, const char *title, size_t width, bool align_right, char *text) {
        line->cells[line->n_cells++] =
                        (Cell){ .title = title, .text = text, .width = width, .align_right = align_right };
}

static bool is_wide(const MonitorView *v) {
        return v->width == 0 || v->width >= MONITOR_WIDE;
}

/* -------- what stands in the cells; all of it is newly allocated -------- */

static uint64_t time_of(const MonitorExchange *e) {
        return e->ended_usec ?: e->begun_usec;
}

static char *format_clock(uint64_t realtime_usec, bool is_exact) {
        const time_t seconds = (time_t)(realtime_usec / 1000000);
        char text[16];
        struct tm tm;

        if (!localtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%H:%M:%S", &tm) == 0)
                return memory_copy("?");
        return is_exact ? memory_format("%s.%06u", text, (unsigned)(realtime_usec % 1000000))
                        : memory_copy(text);
}

/* The domain that nearly all have is not worth five columns of few. */
static char *format_mailbox(const char *name, bool wide) {
        const size_t n = strlen(DOMAIN_DEFAULT);

        return text_clean(!wide && strncmp(name, DOMAIN_DEFAULT, n) == 0 ? name + n : name);
}

static char *format_feature(const MonitorExchange *e) {
        const DoeFeature *feature = doe_feature_find(e->vendor_id, e->type);
        char number[DOE_FEATURE_STR_MAX];

        if (!e->has_feature)
                return memory_copy("-");
        return memory_copy(feature ? feature->name : doe_feature_format(e->vendor_id, e->type, number));
}

static const char *request_of(const MonitorExchange *e) {
        return *e->request ? e->request : e->is_withheld ? "(withheld)" : "";
}

/* What fits: both, or what says more. */
static char *format_both(const MonitorExchange *e, size_t width) {
        _cleanup_free_ char *feature = format_feature(e);
        const char *request = request_of(e);
        char *both = memory_format("%s%s%s", feature, *request ? " " : "", request);

        if (text_width(both) <= width)
                return both;
        free(both);
        return memory_copy(*request ? request : feature);
}

static char *format_count(size_t n_bytes) {
        return n_bytes > 0 ? memory_format("%zu", n_bytes) : memory_copy("-");
}

static char *format_counts(const MonitorExchange *e) {
        _cleanup_free_ char *sent = format_count(e->n_sent), *received = format_count(e->n_received);

        return memory_format("%s/%s", sent, received);
}

/* "1.52ms" */
static char *format_duration(const MonitorExchange *e, uint64_t usec) {
        char *text, *blank;

        if (e->state != MONITOR_DONE)
                return memory_copy("-");
        text = units_format_duration(usec);
        blank = strchr(text, ' ');
        if (blank)
                memmove(blank, blank + 1, strlen(blank));
        return text;
}

static char *format_user(const MonitorExchange *e, const char *user) {
        return user ? text_clean(user) : memory_format("%" PRIu32, e->uid);
}

/* "TimedOut", or "ENOSPC" of what no table has. */
static const char *name_of_failure(const MonitorExchange *e) {
        const DoeError *known = doe_error_find_by_errno((int)e->status);

        return known ? known->name : strerrorname_np((int)e->status) ?: "failed";
}

static char *format_result(const MonitorExchange *e, bool wide) {
        const DoeError *known = doe_error_find_by_errno((int)e->status);

        if (e->state == MONITOR_LOST)
                return memory_copy(wide ? "? (its end was lost)" : "?");
        if (e->state == MONITOR_OPEN)
                return memory_copy(wide ? "... (no answer yet)" : "...");
        if (e->status != 0)
                return wide && known ? memory_format("%s: %s", known->name, known->meaning)
                                     : memory_copy(name_of_failure(e));
        if (e->spdm_error >= 0)
                return memory_format(wide ? "SPDM ERROR %02x" : "ERROR %02x", (unsigned)e->spdm_error);
        return memory_copy("ok");
}

static const char *color_of(const MonitorExchange *e) {
        if (e->state != MONITOR_DONE)
                return TABLE_GRAY;
        if (e->status != 0)
                return TABLE_RED;
        return e->spdm_error >= 0 ? TABLE_YELLOW : NULL;
}

/* -------- lines -------- */

static size_t used_by(const Line *line) {
        size_t n = 0;

        for (size_t i = 0; i < line->n_cells; i++)
                n += line->cells[i].width + 1;
        return n;
}

/* What the fixed columns leave; whatever it takes without a terminal. */
static size_t rest_of(const MonitorView *v, size_t n_used, size_t n_min) {
        return v->width >= n_used + n_min ? v->width - n_used : n_min;
}

static Line make_wide(const MonitorView *v, const MonitorExchange *e, const char *user) {
        Line line = { 0 };

        add(&line, "TIME", 15, false, format_clock(time_of(e), true));
        add(&line, "MAILBOX", v->n_mailbox, false, format_mailbox(e->mailbox, true));
        add(&line, "USER", 12, false, format_user(e, user));
        add(&line, "FEATURE", 26, false, format_feature(e));
        add(&line, "REQUEST", 20, false, memory_copy(*request_of(e) ? request_of(e) : "-"));
        add(&line, "SENT", 7, true, format_count(e->n_sent));
        add(&line, "RECEIVED", 8, true, format_count(e->n_received));
        add(&line, "QUEUE", 6, true, format_duration(e, e->queue_usec));
        add(&line, "DEVICE", 6, true, format_duration(e, e->device_usec));
        add(&line, "RESULT", rest_of(v, used_by(&line), RESULT_MIN), false, format_result(e, true));
        return line;
}

static Line make_narrow(const MonitorView *v, const MonitorExchange *e, const char *user) {
        const size_t n_others = 8 + 1 + v->n_mailbox + 1 + 6 + 1 + 1 + 9 + 1 + 6 + 1 + 6 + 1;
        const size_t n_request = rest_of(v, n_others + RESULT_MIN, REQUEST_MIN);
        Line line = { 0 };

        add(&line, "TIME", 8, false, format_clock(time_of(e), false));
        add(&line, "MAILBOX", v->n_mailbox, false, format_mailbox(e->mailbox, false));
        add(&line, "USER", 6, false, format_user(e, user));
        add(&line, "REQUEST", n_request, false, format_both(e, n_request));
        add(&line, "BYTES", 9, true, format_counts(e));
        add(&line, "QUEUE", 6, true, format_duration(e, e->queue_usec));
        add(&line, "DEVICE", 6, true, format_duration(e, e->device_usec));
        add(&line, "RESULT", rest_of(v, used_by(&line), RESULT_MIN), false, format_result(e, false));
        return line;
}

static void print_blanks(FILE *stream, size_t n) {
        fprintf(stream, "%*s", (int)n, "");
}

/* @color: of the last cell, or NULL. */
static void print_cells(const MonitorView *v, const Line *line, bool is_titles, const char *color) {
        for (size_t i = 0; i < line->n_cells; i++) {
                const Cell *cell = &line->cells[i];
                const bool is_last = i + 1 == line->n_cells;
                const char *all = is_titles ? cell->title : cell->text;
                _cleanup_free_ char *text = v->width > 0 && strcmp(cell->title, "MAILBOX") != 0
                                                            ? text_elide(all, cell->width)
                                                            : memory_copy(all);
                const size_t n = text_width(text), n_blank = n < cell->width ? cell->width - n : 0;

                if (cell->align_right)
                        print_blanks(v->stream, n_blank);
                fprintf(v->stream, "%s%s%s", is_last && color ? color : "", text,
                        is_last && color ? "\x1b[0m" : "");
                if (!is_last)
                        print_blanks(v->stream, (cell->align_right ? 0 : n_blank) + 1);
        }
        fputc('\n', v->stream);
}

void monitor_view_print(MonitorView *v, const MonitorExchange *e, const char *user) {
        const bool wide = is_wide(v);
        _cleanup_free_ char *mailbox = format_mailbox(e->mailbox, wide);
        Line line;

        if (text_width(mailbox) > v->n_mailbox)
                v->n_mailbox = text_width(mailbox);
        line = wide ? make_wide(v, e, user) : make_narrow(v, e, user);
        if (v->titled_width != v->width || v->titled_mailbox != v->n_mailbox) {
                v->titled_width = v->width;
                v->titled_mailbox = v->n_mailbox;
                print_cells(v, &line, true, NULL);
        }
        print_cells(v, &line, false, v->has_color ? color_of(e) : NULL);
        for (size_t i = 0; i < line.n_cells; i++)
                free(line.cells[i].text);
}

/* -------- for programs -------- */

static void put_request(json_t *object, const MonitorExchange *e) {
        const DoeFeature *feature = doe_feature_find(e->vendor_id, e->type);
        char number[DOE_FEATURE_STR_MAX];

        if (!e->has_feature)
                return;
        json_put(object, "feature", json_from_text(doe_feature_format(e->vendor_id, e->type, number)));
        if (feature)
                json_put(object, "name", json_from_text(feature->name));
        if (e->opcode >= 0)
                json_put(object, "opcode", json_from_uint((uint64_t)e->opcode));
        if (*e->request)
                json_put(object, "request", json_from_text(e->request));
}

static const char *state_of(const MonitorExchange *e) {
        switch (e->state) {
        case MONITOR_LOST:
                return "lost";
        case MONITOR_OPEN:
                return "open";
        case MONITOR_DONE:
                break;
        }
        return e->status != 0 ? name_of_failure(e) : "ok";
}

static void put_end(json_t *object, const MonitorExchange *e) {
        json_put(object, "result", json_from_text(state_of(e)));
        if (e->state != MONITOR_DONE)
                return;
        json_put(object, "ended-usec", json_from_uint(e->ended_usec));
        json_put(object, "queue-usec", json_from_uint(e->queue_usec));
        json_put(object, "device-usec", json_from_uint(e->device_usec));
        if (e->status != 0 && strerrorname_np((int)e->status))
                json_put(object, "errno", json_from_text(strerrorname_np((int)e->status)));
        if (e->spdm_error >= 0)
                json_put(object, "spdm-error", json_from_uint((uint64_t)e->spdm_error));
}

json_t *monitor_view_json(const MonitorExchange *e, const char *user) {
        json_t *object = memory_must(json_object());

        json_put(object, "mailbox", json_from_text(e->mailbox));
        json_put(object, "exchange", json_from_uint(e->id));
        json_put(object, "uid", json_from_uint(e->uid));
        if (user)
                json_put(object, "user", json_from_text(user));
        put_request(object, e);
        if (e->begun_usec > 0)
                json_put(object, "begun-usec", json_from_uint(e->begun_usec));
        if (e->n_sent > 0)
                json_put(object, "sent-bytes", json_from_uint(e->n_sent));
        if (e->n_received > 0)
                json_put(object, "received-bytes", json_from_uint(e->n_received));
        put_end(object, e);
        return object;
}
