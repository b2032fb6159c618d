/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The registers of one emulated DOE capability (PCIe r6.0 7.9.24) and what goes on behind them. Time is an
 * argument: what is due happens at the next access. What a fault does to the whole function is left in
 * ->effects for model.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/emulator/responder.h"
#include "tests/emulator/settings.h"

typedef enum ModelPhase {
        MODEL_IDLE,
        MODEL_PROCESSING, /* GO was written */
        MODEL_READY,      /* a response stands in the read mailbox */
        MODEL_ABORTING,   /* Abort was written */
} ModelPhase;

typedef enum ModelOwner {
        MODEL_OWNER_CLIENT, /* whoever writes the registers from outside */
        MODEL_OWNER_AGENT,  /* the kernel, firmware: scripted */
} ModelOwner;

typedef struct ModelCounters {
        uint64_t reads, writes;     /* accesses to the six registers */
        uint64_t gos;               /* requests that were taken */
        uint64_t exchanges;         /* responses of those popped to their end */
        uint64_t discarded;         /* requests without an answer */
        uint64_t aborts;            /* Abort written */
        uint64_t aborts_in_flight;  /* while something was under way */
        uint64_t collisions;        /* accesses that hit an exchange of somebody else, or a device at work */
        uint64_t underflows;        /* pops without an object */
        uint64_t foreign_exchanges; /* begun by the scripted agent */
        uint64_t foreign_lost;      /* of those, disturbed from outside */
        uint64_t faults;            /* rows carried out */
} ModelCounters;

typedef struct ModelEffects {
        uint64_t all_ones_until_usec; /* 0: none */
        bool vanish, reset, forget;
} ModelEffects;

typedef struct ModelMailbox {
        const ModelMailboxSettings *settings; /* borrowed */
        Responder *responder;                 /* borrowed; of the function */
        Random random;
        FaultSet faults;
        ModelCounters counters;
        ModelEffects effects;

        ModelPhase phase;
        ModelOwner owner;
        bool is_error, has_interrupt_status;
        bool is_aborting_exchange; /* at the last Abort something was under way */
        uint32_t control;
        uint32_t *request; /* owned */
        size_t n_request, n_request_allocated;
        uint32_t *response; /* owned; NULL while processing what will be discarded */
        size_t n_response, response_position;
        size_t read_position;          /* up to which "read" faults have been looked for */
        uint64_t busy_until_usec;      /* stuck, whatever the phase; an abort ends it */
        uint64_t boot_busy_until_usec; /* no abort ends it */
        uint64_t busy_clear_usec;      /* when processing: Busy drops */
        uint64_t ready_usec;           /* when processing: Ready or the end */
        uint64_t drain_usec;           /* when the agent's answer is ready: it reads it */
        uint64_t abort_end_usec;
        uint16_t vendor_id; /* of what is under way */
        uint8_t type;
} ModelMailbox;

void model_mailbox_init(ModelMailbox *mb, const ModelMailboxSettings *settings, Responder *responder,
                        uint64_t seed);
void model_mailbox_done(ModelMailbox *mb);
/* Power-up, and the end of a reset: all registers and objects are gone; faults and counters stay. */
void model_mailbox_power_up(ModelMailbox *mb, uint64_t now_usec);

/* @reg: DOE_REG_* */
uint32_t model_mailbox_read(ModelMailbox *mb, uint64_t now_usec, uint16_t reg);
void model_mailbox_write(ModelMailbox *mb, uint64_t now_usec, uint16_t reg, uint32_t value);

/**
 * model_mailbox_begin_foreign() - the scripted agent runs an exchange
 * @usec: in all; USEC_INFINITY: it never reads its answer
 *
 * Table access, where the mailbox has it, else discovery. It takes no notice of what is under way.
 */
void model_mailbox_begin_foreign(ModelMailbox *mb, uint64_t now_usec, uint64_t usec);
