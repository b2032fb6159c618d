/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What doe-mailbox.c (states), doe-mailbox-jobs.c (jobs) and doe-mailbox-requests.c (what others ask for)
 * share. For them only. */

#include <stdint.h>

#include "daemon/pci/doe-mailbox.h"
#include "daemon/pci/exchange.h"
#include "daemon/pci/job.h"
#include "daemon/pci/settle.h"

/* WireMailboxState with the differences that only this machine has to know. */
typedef enum MailboxState {
        MAILBOX_SETTLING,   /* never ours, or not ours for long; only read, and not before quiet_usec, nor
                               before there is a job where that is wanted */
        MAILBOX_HELD,       /* the kernel is at work; not even read, but for a drain that is about to end */
        MAILBOX_RESETTLING, /* the kernel's last event is known; goes on as SETTLING */
        MAILBOX_STARTING,   /* take-over: Abort is to be set or is set */
        MAILBOX_READY,      /* ours; a job runs, or nothing does and nobody looks at the registers */
        MAILBOX_YIELDING,   /* somebody else was seen; only read until they have gone */
        MAILBOX_RECOVERING, /* Abort is to be set or is set, after a failure or on request */
        MAILBOX_GONE,       /* Status was all-ones; only read, until something answers */
        MAILBOX_READ_ONLY,  /* writes are refused */
        MAILBOX_INHIBITED,  /* a tool's; not even read */
        MAILBOX_DEAD,       /* Abort did not help, or nothing answered for long */
} MailboxState;
#define N_MAILBOX_STATES (MAILBOX_DEAD + 1)

struct DoeMailbox {
        ConfigSpace *config;
        Exchange *exchange;
        uint16_t cap_offset;
        uint64_t settle_usec;
        bool is_on_demand;     /* not taken over before there is a job */
        uint64_t min_gap_usec; /* of jobs that are submitted from now on */
        const DoeMailboxObserver *observer;
        void *userdata;
        MailboxState state;
        char reason[WIRE_TEXT_MAX];
        char name[16];
        uint64_t epoch;
        Jobs jobs; /* the first is running while mailbox_is_exchanging() */
        Settle settle;
        uint64_t due_usec;   /* no look at the registers before; for states that look by themselves */
        uint64_t quiet_usec; /* end of the settle time */
        uint64_t gone_usec;  /* when a function that went away is given up, 0: it is there */
        uint64_t gone_delay_usec;
        uint64_t stuck_usec;   /* no abort of a stuck stranger before */
        uint64_t seen_usec;    /* of the last dispatch */
        uint64_t wind_up_usec; /* the hold begins then, or as soon as nothing is under way; 0: none is to
                                  come */
        char hold_reason[WIRE_TEXT_MAX]; /* of the last hold, also while it is to come */
        uint64_t inhibit_usec;           /* likewise of the inhibition */
        char inhibit_reason[WIRE_TEXT_MAX];
        char read_only[WIRE_TEXT_MAX]; /* why writes are not to be, also while inhibited, or "" */
        uint64_t ended_usec;           /* of the last exchange or abort */
        bool needs_takeover;           /* not ours without an abort */
        bool was_ours;     /* since the mailbox was made: what it is left as by a hold is known */
        bool is_held;      /* what the host said last, also while read-only or inhibited */
        bool is_inhibited; /* or is about to be */
        bool is_busy;      /* what the observer was told last */
};

const char *mailbox_state_name(MailboxState state);

/* The one way into a state: logs, tells, and forgets what was seen. */
void mailbox_enter(DoeMailbox *mb, MailboxState next, const char *format, ...) _printf_(3, 4);
/* An exchange or an abort is under way. */
bool mailbox_is_driving(const DoeMailbox *mb);
/* What an exchange that lost its job leaves behind. */
void mailbox_drop_exchange(DoeMailbox *mb, const char *why);
/* The clock may go back: then everything that was planned moves along. Return: the time. */
uint64_t mailbox_follow_clock(DoeMailbox *mb);
/* The hold or the inhibition that is to come begins, if nothing is under way any more or its time is over.
 */
void mailbox_step_wind_up(DoeMailbox *mb, uint64_t now_usec);

/* Of the first job; until the exchange writes, the job can still be taken back. */
bool mailbox_is_exchanging(const DoeMailbox *mb);
bool mailbox_has_started(const DoeMailbox *mb, unsigned index);

/* Raises the epoch, begins an abort, and enters @next, in which it is driven. */
void mailbox_begin_abort(DoeMailbox *mb, MailboxState next, const char *format, ...) _printf_(3, 4);

/* Only with a job there and the exchange idle. */
void mailbox_start_job(DoeMailbox *mb);
/* The first job's exchange has begun to write: no recall any more. Tells that once. */
void mailbox_announce(DoeMailbox *mb);
/* The first job's exchange has ended. */
void mailbox_end_job(DoeMailbox *mb, const ExchangeResult *result);

/**
 * mailbox_answer() - the one place where a job ends, but for recalls
 * @result: of its exchange; NULL if there is none or it was cut short
 */
void mailbox_answer(DoeMailbox *mb, unsigned index, int error, const char *evidence,
                    const ExchangeResult *result);
void mailbox_answer_all(DoeMailbox *mb, int error, const char *evidence);
void mailbox_expire_jobs(DoeMailbox *mb, uint64_t now_usec);
void mailbox_refuse_stale_jobs(DoeMailbox *mb);
/* In states that last until somebody does something about them nobody is kept waiting. */
void mailbox_refuse_jobs(DoeMailbox *mb);
/* When the next of them expires. */
uint64_t mailbox_jobs_due_usec(const DoeMailbox *mb);
