/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One mailbox as its worker keeps it: the machine, its lock and its mark in the state file. Nothing is
 * written to a mailbox whose lock is not ours, and the mark is clean only while the registers are. On the
 * worker's thread. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/pci/doe-mailbox.h"
#include "daemon/pci/state.h"

typedef struct Slot {
        DoeMailbox *mailbox;
        State *state; /* borrowed */
        char name[WIRE_ADDRESS_MAX + 8];
        uint16_t offset;
        uint64_t due_usec;
        bool is_busy;
        /* what keeps us from it, beside what the machine knows by itself */
        bool is_held; /* for the kernel */
        char hold_reason[WIRE_TEXT_MAX];
        bool is_suspended;
        uint64_t inhibited_for; /* lease; 0: it is not inhibited, nor about to be. The lock is not asked for
                                 */
        int lock_fd;            /* -EBADF: no lock file could be made, which is logged and lived with */
        bool is_locked;
        char lock_reason[WIRE_TEXT_MAX];
        uint64_t lock_due_usec;
        uint64_t released_usec; /* of the kernel's last event, for when something else ends later */
        bool is_dirty;          /* since then somebody may have used the registers */
} Slot;

typedef struct SlotSettings {
        const char *run; /* borrowed for the call */
        const char *address;
        WireMailboxInfo info;
        uint64_t settle_usec;
        bool is_on_demand;
        const DoeMailboxObserver *observer; /* with @userdata */
        void *userdata;
} SlotSettings;

/* @config and @state are borrowed and outlive it. Return: 0; -ENOMEM. */
int slot_init(Slot *slot, ConfigSpace *config, State *state, const SlotSettings *settings);
/* From now on it tells the observer. */
void slot_start(Slot *slot);
void slot_done(Slot *slot);

/* @wait_until_usec: as of doe_mailbox_wind_up(); 0: at once. */
void slot_hold(Slot *slot, const char *reason, uint64_t wait_until_usec);
void slot_release(Slot *slot, uint64_t since_usec, bool is_dirty);
/* The host goes to sleep: held as for the kernel, by @until_usec at the latest. */
void slot_suspend(Slot *slot, uint64_t until_usec);
void slot_resume(Slot *slot);
/* Registers and lock are a tool's, from @until_usec on at the latest. */
void slot_inhibit(Slot *slot, uint64_t lease_id, uint64_t until_usec);
/* Both are ours again, as soon as nobody else has the lock. */
void slot_end_inhibit(Slot *slot);

/* What the machine told; keeps the mark, and lets the lock go before anybody is told that it may be had. */
void slot_note_state(Slot *slot);
void slot_note_busy(Slot *slot, bool is_busy);

/* Something was asked of the mailbox: look at it in the next round. */
void slot_wake(Slot *slot);
/* Do what is due at @now_usec. Return: when the next thing is, USEC_INFINITY: never. */
uint64_t slot_dispatch(Slot *slot, uint64_t now_usec);
