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
        bool is_held; /* for the kernel */
        int lock_fd;  /* -EBADF: no lock file could be made, which is logged and lived with */
        bool is_locked;
        uint64_t lock_due_usec;
        uint64_t released_usec; /* of the last release, for when the lock comes later */
} Slot;

typedef struct SlotSettings {
        const char *run; /* borrowed for the call */
        const char *address;
        WireMailboxInfo info;
        uint64_t settle_usec;
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

/* What the machine told; keeps the mark. */
void slot_note_state(Slot *slot);
void slot_note_busy(Slot *slot, bool is_busy);

/* Something was asked of the mailbox: look at it in the next round. */
void slot_wake(Slot *slot);
/* Do what is due at @now_usec. Return: when the next thing is, USEC_INFINITY: never. */
uint64_t slot_dispatch(Slot *slot, uint64_t now_usec);
