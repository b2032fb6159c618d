/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/trace.h"

#include <inttypes.h>

#include "daemon/util/cleanup.h"

static const char *const kind_names[N_TRACE_KINDS] = {
        [TRACE_WRITE_REQUEST] = "worker writes request of job",
        [TRACE_GO] = "worker writes GO: job, dwords",
        [TRACE_ABORT] = "worker writes Abort: epoch",
        [TRACE_HELD_POP] = "worker pops while held",
        [TRACE_STATE] = "worker says state: state, epoch",
        [TRACE_STARTED] = "worker says started: job",
        [TRACE_DONE] = "worker says done: job, error, bytes",
        [TRACE_RECALLED] = "worker says recalled: job",
        [TRACE_FOREIGN] = "worker says foreign",
        [TRACE_BUSY] = "worker says busy",
        [TRACE_COMMAND] = "command to worker",
        [TRACE_SUBMIT] = "core hands down: job, call",
        [TRACE_TAKEN] = "worker takes job",
        [TRACE_ASK_RECALL] = "core recalls job",
        [TRACE_ASK_CANCEL] = "core cancels job",
        [TRACE_ASK_RECOVER] = "core asks to recover: force",
        [TRACE_CALL] = "call: number, kind",
        [TRACE_ANSWER] = "answer: call, error",
        [TRACE_CORE_STATE] = "core state, epoch",
        [TRACE_KERNEL] = "kernel: phase, mailbox",
        [TRACE_FAULTS] = "device misbehaves: faults so far",
        [TRACE_LEASE] = "lease",
        [TRACE_WORLD] = "world",
};

void trace_add(Trace *t, uint64_t usec, TraceKind kind, uint64_t a, uint64_t b, uint64_t c,
               const char *text) {
        TraceEntry *e = &t->entries[t->n++ % TRACE_ENTRIES];

        e->usec = usec;
        e->kind = kind;
        e->a = a;
        e->b = b;
        e->c = c;
        e->text[0] = '\0';
        if (text)
                snprintf(e->text, sizeof(e->text), "%s", text);
}

static void print_entry(const TraceEntry *e, const char *subject, FILE *f) {
        fprintf(f, "%14" PRIu64 " us  %-20s %-34s %" PRIu64 " %" PRId64 " %" PRIu64 "  %s\n", e->usec,
                subject, kind_names[e->kind], e->a, (int64_t)e->b, e->c, e->text);
}

void trace_print_last(const Trace *t, const char *subject, FILE *f) {
        if (t->n > 0)
                print_entry(&t->entries[(t->n - 1) % TRACE_ENTRIES], subject, f);
}

void trace_print(const Trace *t, const char *subject, FILE *f) {
        uint64_t first = t->n > TRACE_ENTRIES ? t->n - TRACE_ENTRIES : 0;

        for (uint64_t i = first; i < t->n; i++)
                print_entry(&t->entries[i % TRACE_ENTRIES], subject, f);
}
