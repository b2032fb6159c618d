/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The last events of one mailbox, kept as numbers and made into text only when somebody wants to read them.
 */

#include <stdint.h>
#include <stdio.h>

#define TRACE_ENTRIES 80u
#define TRACE_TEXT    72u

/* Who did it: the worker at the registers (->), worker and core to each other, the kernel, the world. */
typedef enum TraceKind {
        TRACE_WRITE_REQUEST, /* first dword of a request; job */
        TRACE_GO,            /* job, dwords */
        TRACE_ABORT,         /* epoch */
        TRACE_HELD_POP,
        TRACE_STATE,    /* wire state, epoch; reason */
        TRACE_STARTED,  /* job */
        TRACE_DONE,     /* job, error, bytes; evidence */
        TRACE_RECALLED, /* job */
        TRACE_FOREIGN,  /* evidence */
        TRACE_BUSY,     /* bool */
        TRACE_COMMAND,  /* text */
        TRACE_SUBMIT,   /* core hands down; job, call */
        TRACE_TAKEN,    /* worker takes it; job */
        TRACE_ASK_RECALL,
        TRACE_ASK_CANCEL,
        TRACE_ASK_RECOVER, /* force */
        TRACE_CALL,        /* call, kind */
        TRACE_ANSWER,      /* call, error; text */
        TRACE_CORE_STATE,  /* state, epoch */
        TRACE_KERNEL,      /* phase, index */
        TRACE_FAULTS,      /* number of faults carried out so far */
        TRACE_LEASE,       /* lease, two numbers; text */
        TRACE_WORLD,       /* text */
} TraceKind;
#define N_TRACE_KINDS (TRACE_WORLD + 1)

typedef struct TraceEntry {
        uint64_t usec, a, b, c;
        TraceKind kind;
        char text[TRACE_TEXT];
} TraceEntry;

typedef struct Trace {
        TraceEntry entries[TRACE_ENTRIES];
        uint64_t n; /* ever */
} Trace;

/* @text: copied, cut; may be NULL. */
void trace_add(Trace *t, uint64_t usec, TraceKind kind, uint64_t a, uint64_t b, uint64_t c,
               const char *text);
/* The newest only; for --verbose. */
void trace_print_last(const Trace *t, const char *subject, FILE *f);
void trace_print(const Trace *t, const char *subject, FILE *f);
