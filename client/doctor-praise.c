/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/doctor.h"
#include "client/json.h"

static void praise(json_t *lines, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void praise(json_t *lines, const char *format, ...) {
        char *text = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        memory_must(n < 0 ? NULL : text);
        memory_must(json_array_append_new(lines, json_from_text(text)) == 0 ? lines : NULL);
        free(text);
}

/* Is there a finding whose id begins so? */
static bool is_found(const DoctorFindings *l, const char *prefix) {
        for (size_t i = 0; i < l->n; i++)
                if (strncmp(l->all[i].id, prefix, strlen(prefix)) == 0)
                        return true;
        return false;
}

static const char *plural(size_t n, const char *one, const char *many) {
        return n == 1 ? one : many;
}

/* "7 ready, 1 untouched": the states that there are, in the order of their first mailbox. */
static char *format_states(const json_t *states, size_t n_mailboxes) {
        char *list = memory_copy("");
        const char *state;
        json_t *n;

        json_object_foreach((json_t *)states, state, n) {
                const size_t n_state = (size_t)json_integer_value(n);
                char *longer = n_state == n_mailboxes
                                               ? memory_format("%s%s", n_state > 1 ? "all " : "", state)
                                               : memory_format("%s%s%zu %s", list, *list ? ", " : "",
                                                               n_state, state);

                free(list);
                list = longer;
        }
        return list;
}

static void praise_devices(const DoctorFacts *f, json_t *lines) {
        _cleanup_json_ json_t *states = memory_must(json_object());
        size_t n_devices = 0, n_mailboxes = 0, i, j;
        _cleanup_free_ char *list = NULL;
        json_t *device, *mailbox;

        json_array_foreach(f->doed.devices, i, device) {
                size_t n_before = n_mailboxes;

                json_array_foreach(json_object_get(device, "mailboxes"), j, mailbox) {
                        const char *state = json_text(mailbox, "state");

                        if (!doctor_is_selected_mailbox(f, json_text(device, "address"),
                                                        json_uint(mailbox, "offset")))
                                continue;
                        n_mailboxes++;
                        json_put(states, state, json_from_uint(json_uint(states, state) + 1));
                }
                n_devices += n_mailboxes > n_before;
        }
        if (n_mailboxes == 0)
                return;

        list = format_states(states, n_mailboxes);
        praise(lines, "%zu %s with %zu %s: %s", n_devices, plural(n_devices, "device", "devices"),
               n_mailboxes, plural(n_mailboxes, "mailbox", "mailboxes"), list);
}

static void praise_caller(const DoctorFacts *f, json_t *lines) {
        if (f->caller.uid == 0)
                praise(lines, "You are root: doed serves you");
        else if (f->doed.has_uid && f->doed.uid == f->caller.uid)
                praise(lines, "doed runs as you, and serves you");
        else if (f->caller.is_in_session)
                praise(lines, "You are in group doe: doed serves you");
        else if (strcmp(f->doed.verdict, "allow") == 0)
                praise(lines, "doed serves you, by rule %s (%s)", f->doed.rule, f->doed.source);
}

json_t *doctor_praise(const DoctorFacts *f, const DoctorFindings *l) {
        json_t *lines = memory_must(json_array());

        if (f->doed.answer == DOCTOR_ANSWERED) {
                praise(lines, "doed %s is on the bus%s", f->doed.version,
                       is_found(l, "doed-pci") || is_found(l, "enumerating") ? ""
                                                                             : ", and doed-pci behind it");
                if (!is_found(l, "doed-pci"))
                        praise_devices(f, lines);
                praise_caller(f, lines);
        } else if (f->bus.answer == DOCTOR_ANSWERED)
                praise(lines, "The system bus answers");
        if (f->config.answer == DOCTOR_ANSWERED && !is_found(l, "config"))
                praise(lines, "The configuration is right");
        if (f->polkit.answer == DOCTOR_ANSWERED && !is_found(l, "polkit"))
                praise(lines, "polkit knows the %zu actions of doed", f->polkit.n_actions);
        if (strcmp(f->lockdown, "none") == 0)
                praise(lines, "The kernel is not locked down");
        return lines;
}
