/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One DOE mailbox as its worker drives it: settling, take-over, at most two jobs, abort after every failure,
 * foreign activity waited out, the kernel yielded to. Sans-IO: registers and time come through a
 * ConfigSpace, everything that happens goes to the observer, and dispatch says when it wants to be called
 * again. One thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/pci/config-space.h"
#include "daemon/util/cleanup.h"
#include "daemon/wire/message.h"

#define DOE_MAILBOX_SETTLE_USEC       3000000u /* default quiet time before take-over */
#define DOE_MAILBOX_SETTLE_BOOT_USEC  10000000u
#define DOE_MAILBOX_SETTLE_READS_USEC 20000u    /* two clear reads this far apart */
#define DOE_MAILBOX_SETTLE_STUCK_USEC 2000000u  /* or one unchanged other value for so long */
#define DOE_MAILBOX_CLEAR_USEC        100000u   /* clear for so long ends foreign activity */
#define DOE_MAILBOX_STUCK_USEC        5000000u  /* a state unchanged for so long is aborted */
#define DOE_MAILBOX_STUCK_AGAIN_USEC  60000000u /* at most once in so long */
#define DOE_MAILBOX_LOOK_USEC         10000u    /* between looks at a stranger's registers ... */
#define DOE_MAILBOX_LOOK_LONG_USEC    100000u   /* ... that have not changed for STUCK_USEC */
#define DOE_MAILBOX_GONE_FIRST_USEC   10000u    /* between looks for one that does not answer; doubles ... */
#define DOE_MAILBOX_GONE_MAX_USEC     1000000u  /* ... up to this */
#define DOE_MAILBOX_GONE_DEAD_USEC    60000000u /* as long as a reset may take; then it is dead */

typedef struct DoeMailbox DoeMailbox;

/* What it tells. Called from within the functions below, on the calling thread; must not call back in. */
typedef struct DoeMailboxObserver {
        void (*on_state)(void *userdata, DoeMailbox *mb); /* state, reason or epoch changed */
        /* No recall any more. Told before the first write, so that what it was not told of has not reached
         * the device, even if this process dies. */
        void (*on_started)(void *userdata, DoeMailbox *mb, uint64_t job_id);
        /* @done->payload is borrowed for the call */
        void (*on_done)(void *userdata, DoeMailbox *mb, const WireDone *done);
        void (*on_recalled)(void *userdata, DoeMailbox *mb, uint64_t job_id);
        void (*on_foreign)(void *userdata, DoeMailbox *mb, const char *evidence);
        /* Abort is about to be written, at take-over too; the epoch has risen */
        void (*on_aborted)(void *userdata, DoeMailbox *mb, const char *reason);
        /* true from before the first access of an exchange or abort until nothing is under way and nothing
         * is left behind; for runtime PM. The mailbox is clean for a successor while it is false in
         * WIRE_MAILBOX_READY. */
        void (*on_busy)(void *userdata, DoeMailbox *mb, bool is_busy);
} DoeMailboxObserver;

typedef struct DoeMailboxSettings {
        uint64_t settle_usec; /* quiet time before take-over; 0 takes over on two clear reads */
        bool is_on_demand;    /* and not before there is a job */
        uint64_t epoch;       /* last epoch used on this mailbox in this boot */
        bool is_clean;        /* left clean by the last owner: adopt without abort and without a new epoch */
} DoeMailboxSettings;

/* Starts in WIRE_MAILBOX_UNTOUCHED with a settle period from now. NULL on no memory. */
DoeMailbox *doe_mailbox_new(ConfigSpace *config, uint16_t cap_offset, const DoeMailboxSettings *settings,
                            const DoeMailboxObserver *observer, void *userdata);
/* Ends without answering: call doe_mailbox_fail_all() first. */
DoeMailbox *doe_mailbox_free(DoeMailbox *mb);
DEFINE_CLEANUP(DoeMailbox *, doe_mailbox_free);

uint16_t doe_mailbox_offset(const DoeMailbox *mb);
WireMailboxState doe_mailbox_state(const DoeMailbox *mb);
const char *doe_mailbox_reason(const DoeMailbox *mb);
uint64_t doe_mailbox_epoch(const DoeMailbox *mb);
/* Another owner has used epochs up to @epoch meanwhile; a lower one than ours changes nothing. */
void doe_mailbox_raise_epoch(DoeMailbox *mb, uint64_t epoch);

/* Counts from the next settle time on. */
void doe_mailbox_set_take_over(DoeMailbox *mb, uint64_t settle_usec, bool is_on_demand);
/* Of each job that is submitted from now on: it starts no sooner after the end of the one before. */
void doe_mailbox_set_min_gap(DoeMailbox *mb, uint64_t min_gap_usec);

/**
 * doe_mailbox_submit() - take one job
 * @job: copied, payload included
 *
 * It is answered by on_done exactly once, whatever happens; one that has not started when its deadline
 * passes answers -ETIMEDOUT with not_started. A job waits where the mailbox is not ready yet or yields to
 * somebody.
 *
 * Return: 0; -EDQUOT if two jobs are there already; -EEXIST for a job id that is there; -EINVAL; -ENOMEM.
 */
int doe_mailbox_submit(DoeMailbox *mb, const WireExchange *job);
/* A job that has not started goes back by on_recalled; a started or unknown one stays as it is. */
void doe_mailbox_recall(DoeMailbox *mb, uint64_t job_id);
/* Nobody waits for it: one that has not started answers -ECANCELED at once; a started one ends soon. */
void doe_mailbox_cancel(DoeMailbox *mb, uint64_t job_id);
/* Abort and verify now: from DEAD, or look at once whether a function that went away is back; with @force
 * also from READY, WAITING and RECOVERING, and what runs is lost. Never before take-over, on hold,
 * read-only or inhibited. */
void doe_mailbox_recover(DoeMailbox *mb, bool force);

/* The kernel enumerates, binds, resets, connects: no register is written from now on. @reason is copied. */
void doe_mailbox_hold(DoeMailbox *mb, const char *reason);
/* The same, but the kernel waits for us until @until_usec: what runs is ended first, or else aborted, so
 * that the registers are left clear. Nothing new begins. */
void doe_mailbox_wind_up(DoeMailbox *mb, const char *reason, uint64_t until_usec);
/* It is not held yet, or not inhibited. */
bool doe_mailbox_is_winding_up(const DoeMailbox *mb);
/* The last event of that kind was at @since_usec: the hold ends a settle time later, with a new take-over if
 * @is_dirty (the kernel may have used the mailbox), which raises the epoch. A dirty event that was not
 * announced by a hold is one all the same; before the first take-over it starts the settle time again. */
void doe_mailbox_release(DoeMailbox *mb, uint64_t since_usec, bool is_dirty);
/**
 * doe_mailbox_inhibit() - leave the registers to a tool
 * @reason: copied
 *
 * What runs is ended as by doe_mailbox_wind_up(), then the state is WIRE_MAILBOX_INHIBITED whatever else
 * holds, no register is read or written, and jobs answer -EADDRINUSE.
 */
void doe_mailbox_inhibit(DoeMailbox *mb, const char *reason, uint64_t until_usec);
/* It is ours again: after a new take-over, which raises the epoch, unless something else keeps us from it.
 * An inhibition that has not begun is taken back. */
void doe_mailbox_end_inhibit(DoeMailbox *mb);
/* Config writes are not to be (lockdown): jobs answer -EROFS. "" = writes are allowed again. */
void doe_mailbox_set_read_only(DoeMailbox *mb, const char *reason);
/* Answer all jobs with @error (negative errno) and @evidence; for removal (-ENODEV) and shutdown
 * (-ECONNABORTED). */
void doe_mailbox_fail_all(DoeMailbox *mb, int error, const char *evidence);
/* No peer any more (doed went away): jobs are forgotten unanswered, a running exchange is aborted, the
 * mailbox stays owned and is left clean. */
void doe_mailbox_orphan(DoeMailbox *mb);

/* Do what is due, a bounded amount of it. Return: when to call again, USEC_INFINITY: only after another
 * call. */
uint64_t doe_mailbox_dispatch(DoeMailbox *mb);
