/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/slot.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/pci/lock.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

/* Another owner of the lock is either about to exit or a tool at work: no haste either way. */
#define LOCK_RETRY_USEC (200 * USEC_PER_MSEC)

static const char sleep_reason[] = "the host goes to sleep";
static const char awake_reason[] = "the host has woken up";
static const char inhibit_reason[] = "handed to a tool";

/* Return: whether the registers may be used. */
static bool take_lock(Slot *slot) {
        int r = slot->lock_fd < 0 ? 1 : mailbox_lock_try(slot->lock_fd);
        char holder[96];

        if (r < 0)
                log_full(LOG_WARNING, slot->name, "Cannot lock, going on without: %s", strerror(-r));
        slot->is_locked = r != 0;
        if (!slot->is_locked)
                snprintf(slot->lock_reason, sizeof(slot->lock_reason), "%s holds its lock",
                         mailbox_lock_holder(slot->lock_fd, holder, sizeof(holder)));
        return slot->is_locked;
}

static void init_lock(Slot *slot, const SlotSettings *settings) {
        int r = mailbox_lock_open(settings->run, settings->address, slot->offset, &slot->lock_fd);

        if (r < 0) {
                log_full(LOG_WARNING, slot->name, "No lock file, going on without: %s", strerror(-r));
                slot->lock_fd = -EBADF;
                slot->is_locked = true;
        } else if (!take_lock(slot)) {
                log_event(LOG_EVENT_MAILBOX_LOCKED,
                          &(LogFields){ .subject = slot->name, .reason = slot->lock_reason }, "Waiting: %s",
                          slot->lock_reason);
        }
}

int slot_init(Slot *slot, ConfigSpace *config, State *state, const SlotSettings *settings) {
        DoeMailboxSettings mailbox_settings = { .settle_usec = settings->settle_usec,
                                                .is_on_demand = settings->is_on_demand };

        *slot = (Slot){ .state = state, .offset = settings->info.offset };
        snprintf(slot->name, sizeof(slot->name), "%s[%x]", settings->address, slot->offset);
        init_lock(slot, settings);
        mailbox_settings.epoch = state_epoch(state, slot->offset);
        mailbox_settings.is_clean = state_is_clean(state, slot->offset);
        slot->mailbox = doe_mailbox_new(config, slot->offset, &mailbox_settings, settings->observer,
                                        settings->userdata);
        if (!slot->mailbox) {
                slot_done(slot);
                return -ENOMEM;
        }
        return 0;
}

void slot_start(Slot *slot) {
        slot->released_usec = clock_monotonic_usec();
        if (!slot->is_locked)
                doe_mailbox_hold(slot->mailbox, slot->lock_reason);
}

void slot_done(Slot *slot) {
        slot->mailbox = doe_mailbox_free(slot->mailbox);
        if (slot->lock_fd >= 0)
                close(slot->lock_fd);
        slot->lock_fd = -EBADF;
}

/* Something has ended that kept us from it: others may still do. */
static void let_go_on(Slot *slot) {
        DoeMailbox *mb = slot->mailbox;

        slot_wake(slot);
        /* while read-only or inhibited nothing else would take the mark back */
        if (slot->is_dirty && slot->is_locked)
                state_set_clean(slot->state, slot->offset, false);
        if (doe_mailbox_is_winding_up(mb) && (slot->is_suspended || slot->is_held))
                return;
        if (slot->is_suspended) {
                doe_mailbox_hold(mb, sleep_reason);
        } else if (slot->is_held) {
                doe_mailbox_hold(mb, slot->hold_reason);
        } else if (!slot->is_locked) {
                doe_mailbox_hold(mb, slot->lock_reason);
        } else {
                doe_mailbox_release(mb, slot->released_usec, slot->is_dirty);
                slot->is_dirty = false;
        }
}

void slot_hold(Slot *slot, const char *reason, uint64_t wait_until_usec) {
        slot->is_held = true;
        snprintf(slot->hold_reason, sizeof(slot->hold_reason), "%s", reason);
        if (wait_until_usec > 0)
                doe_mailbox_wind_up(slot->mailbox, reason, wait_until_usec);
        else
                doe_mailbox_hold(slot->mailbox, reason);
        slot_wake(slot);
}

void slot_release(Slot *slot, uint64_t since_usec, bool is_dirty) {
        slot->is_held = false;
        slot->is_dirty = slot->is_dirty || is_dirty;
        slot->released_usec = since_usec;
        let_go_on(slot);
}

void slot_suspend(Slot *slot, uint64_t until_usec) {
        slot->is_suspended = true;
        doe_mailbox_wind_up(slot->mailbox, sleep_reason, until_usec);
        slot_wake(slot);
}

/* Asleep, a function may lose its power, and its mailboxes what they held. */
void slot_resume(Slot *slot) {
        if (!slot->is_suspended)
                return;
        slot->is_suspended = false;
        slot->is_dirty = true;
        doe_mailbox_hold(slot->mailbox, awake_reason);
        slot->released_usec = clock_monotonic_usec();
        let_go_on(slot);
}

/* Whoever had the lock may have left the registers in any state, unless it left its mark. */
static bool take_lock_again(Slot *slot) {
        if (!take_lock(slot))
                return false;
        doe_mailbox_raise_epoch(slot->mailbox, state_epoch(slot->state, slot->offset));
        slot->is_dirty = slot->is_dirty || !state_is_clean(slot->state, slot->offset);
        return true;
}

void slot_inhibit(Slot *slot, uint64_t lease_id, uint64_t until_usec) {
        slot->inhibited_for = lease_id;
        doe_mailbox_inhibit(slot->mailbox, inhibit_reason, until_usec);
        slot_wake(slot);
}

void slot_end_inhibit(Slot *slot) {
        if (slot->inhibited_for == 0)
                return;
        slot->inhibited_for = 0;
        slot->lock_due_usec = 0;
        if (!slot->is_locked && !take_lock_again(slot))
                log_event(LOG_EVENT_MAILBOX_LOCKED,
                          &(LogFields){ .subject = slot->name, .reason = slot->lock_reason }, "Waiting: %s",
                          slot->lock_reason);
        if (doe_mailbox_state(slot->mailbox) == WIRE_MAILBOX_INHIBITED)
                let_go_on(slot);
        doe_mailbox_end_inhibit(slot->mailbox);
        slot_wake(slot);
}

/* Before take-over and while read-only nothing is written: the mark stays what it was. */
static void mark(Slot *slot) {
        WireMailboxState state = doe_mailbox_state(slot->mailbox);

        /* the lock's owner writes the file */
        if (!slot->is_locked || state == WIRE_MAILBOX_UNTOUCHED || state == WIRE_MAILBOX_READ_ONLY)
                return;
        state_set_clean(slot->state, slot->offset, state == WIRE_MAILBOX_READY && !slot->is_busy);
}

void slot_note_state(Slot *slot) {
        if (slot->is_locked)
                state_set_epoch(slot->state, slot->offset, doe_mailbox_epoch(slot->mailbox));
        mark(slot);
        if (doe_mailbox_state(slot->mailbox) == WIRE_MAILBOX_INHIBITED && slot->is_locked) {
                mailbox_lock_release(slot->lock_fd);
                slot->is_locked = false;
        }
}

void slot_note_busy(Slot *slot, bool is_busy) {
        slot->is_busy = is_busy;
        mark(slot);
}

void slot_wake(Slot *slot) {
        slot->due_usec = 0;
}

static void dispatch_lock(Slot *slot, uint64_t now_usec) {
        if (slot->is_locked || slot->inhibited_for != 0 || slot->lock_due_usec > now_usec)
                return;
        if (!take_lock_again(slot)) {
                slot->lock_due_usec = now_usec + LOCK_RETRY_USEC;
                return;
        }
        log_full(LOG_DEBUG, slot->name, "The lock is ours");
        let_go_on(slot);
}

uint64_t slot_dispatch(Slot *slot, uint64_t now_usec) {
        dispatch_lock(slot, now_usec);
        if (slot->due_usec <= now_usec)
                slot->due_usec = doe_mailbox_dispatch(slot->mailbox);
        if (slot->is_locked || slot->inhibited_for != 0)
                return slot->due_usec;
        return MIN_OF(slot->due_usec, slot->lock_due_usec);
}
