/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose turn it is: who waits for what, and in which order they are served. */

#include <assert.h>
#include <errno.h>

#include "daemon/core/lease-private.h"
#include "daemon/util/clock.h"

static void lease_book_reap(LeaseBook *book) {
        Lease *lease;

        while ((lease = TAILQ_FIRST(&book->closed))) {
                TAILQ_REMOVE(&book->closed, lease, leases);
                free(lease->holder);
                free(lease->unit);
                free(lease->gids);
                if (lease->inside)
                        account_unref(lease->inside->account);
                free(lease->inside);
                free(lease);
        }
}

/* Here nobody is in the midst of anything with a lease. */
static void lease_book_on_timer(Timer *timer, void *userdata, uint64_t now_usec) {
        LeaseBook *book = userdata;

        lease_book_turn(book, now_usec);
        lease_book_reap(book);
        if (!book->has_released)
                return;
        book->has_released = false;
        for (size_t i = 0; i < book->device->n_mailboxes; i++)
                mailbox_resume(book->device->mailboxes[i], now_usec);
}

LeaseBook *lease_book_new(Device *d) {
        LeaseBook *book = calloc(1, sizeof(*book));

        if (!book)
                return NULL;
        book->device = d;
        book->timer = (Timer){ .fn = lease_book_on_timer, .userdata = book };
        TAILQ_INIT(&book->closed);
        TAILQ_INIT(&book->traces);
        return book;
}

LeaseBook *lease_book_free(LeaseBook *book) {
        if (!book)
                return NULL;
        assert(TAILQ_EMPTY(&book->device->leases));
        timer_disarm(&book->device->manager->timers, &book->timer);
        lease_book_reap(book);
        lease_traces_done(book);
        free(book->turns);
        free(book);
        return NULL;
}

void lease_book_wake(LeaseBook *book) {
        /* without memory for the timer it is done with the next event of the device */
        (void)timer_arm(&book->device->manager->timers, &book->timer, 0);
}

Lease *lease_find_after(const Device *d, uint64_t id) {
        Lease *lease, *next = NULL;

        TAILQ_FOREACH (lease, &d->leases, leases)
                if (lease->id > id && (!next || lease->id < next->id))
                        next = lease;
        return next;
}

/* -------- who is in whose way -------- */

Lease *lease_find_obstacle(const Lease *lease) {
        Lease *other;

        TAILQ_FOREACH (other, &lease->device->leases, leases)
                if (other != lease && lease_is_holder(other) && leases_conflict(other, lease))
                        return other;
        if (lease->inside->is_forced)
                return NULL;
        TAILQ_FOREACH (other, &lease->device->leases, leases)
                if (other != lease && !lease_is_holder(other) && leases_conflict(other, lease))
                        return other;
        return NULL;
}

bool lease_has_waiters(const Lease *lease) {
        const Lease *other;

        TAILQ_FOREACH (other, &lease->device->leases, leases)
                if (!lease_is_holder(other) && leases_conflict(other, lease))
                        return true;
        return false;
}

size_t lease_count_waiters(const Lease *lease) {
        const Lease *other;
        size_t n = 0;

        TAILQ_FOREACH (other, &lease->device->leases, leases)
                n += !lease_is_holder(other) && leases_conflict(other, lease);
        return n;
}

/* -------- the order -------- */

static LeaseTurn *lease_book_find_turn(const LeaseBook *book, uid_t uid) {
        for (size_t i = 0; i < book->n_turns; i++)
                if (book->turns[i].uid == uid)
                        return &book->turns[i];
        return NULL;
}

/* NULL on no memory: then that uid counts as never served. */
static LeaseTurn *lease_book_make_turn(LeaseBook *book, uid_t uid) {
        LeaseTurn *turn = lease_book_find_turn(book, uid), *turns;

        if (turn)
                return turn;
        turns = reallocarray(book->turns, book->n_turns + 1, sizeof(*turns));
        if (!turns)
                return NULL;
        book->turns = turns;
        turns[book->n_turns] = (LeaseTurn){ .uid = uid };
        return &turns[book->n_turns++];
}

void lease_book_note_granted(LeaseBook *book, uid_t uid) {
        LeaseTurn *turn = lease_book_make_turn(book, uid);

        if (turn)
                turn->granted = ++book->n_granted;
}

void lease_book_note_expired(LeaseBook *book, uid_t uid) {
        LeaseTurn *turn = lease_book_make_turn(book, uid);

        if (turn)
                turn->behind = book->device->manager->last_lease_id + 1;
}

/* By what waiters are sorted. */
typedef struct LeasePlace {
        Lease *lease;
        bool is_forced, is_behind, is_passed;
        uint64_t granted;
} LeasePlace;

static int compare_places(const void *a, const void *b) {
        const LeasePlace *x = a, *y = b;

        if (x->is_forced != y->is_forced)
                return x->is_forced ? -1 : 1;
        if (x->is_behind != y->is_behind)
                return x->is_behind ? 1 : -1;
        if (x->granted != y->granted)
                return x->granted < y->granted ? -1 : 1;
        return x->lease->id < y->lease->id ? -1 : x->lease->id > y->lease->id;
}

/* Does somebody else wait who waited already when a clock ended a lease of that uid? */
static bool is_behind(const Device *d, const LeaseTurn *turn) {
        const Lease *other;

        TAILQ_FOREACH (other, &d->leases, leases)
                if (!lease_is_holder(other) && other->uid != turn->uid && other->id < turn->behind)
                        return true;
        return false;
}

/* The waiters in the order in which they are served; NULL if there are none, or no memory. */
static LeasePlace *lease_book_sort(const LeaseBook *book, size_t *ret_n) {
        const Device *d = book->device;
        LeasePlace *places;
        Lease *lease;
        size_t n = 0;

        TAILQ_FOREACH (lease, &d->leases, leases)
                n += !lease_is_holder(lease);
        places = n > 0 ? calloc(n, sizeof(*places)) : NULL;
        if (!places)
                return NULL;
        n = 0;
        TAILQ_FOREACH (lease, &d->leases, leases) {
                const LeaseTurn *turn = lease_book_find_turn(book, lease->uid);

                if (!lease_is_holder(lease))
                        places[n++] = (LeasePlace){ .lease = lease,
                                                    .is_forced = lease->inside->is_forced,
                                                    .is_behind = turn && is_behind(d, turn),
                                                    .granted = turn ? turn->granted : 0 };
        }
        qsort(places, n, sizeof(*places), compare_places);
        *ret_n = n;
        return places;
}

/* Is a holder in its way, or one that is before it in the order and waits on? */
static bool is_blocked(const LeasePlace *places, const LeasePlace *place) {
        const Lease *other;

        TAILQ_FOREACH (other, &place->lease->device->leases, leases)
                if (lease_is_holder(other) && leases_conflict(other, place->lease))
                        return true;
        for (const LeasePlace *p = places; p < place; p++)
                if (p->is_passed && leases_conflict(p->lease, place->lease))
                        return true;
        return false;
}

/* Serve one. Return: false: nobody can be served. */
static bool lease_book_grant_next(LeaseBook *book, uint64_t now_usec) {
        size_t n = 0;
        _cleanup_free_ LeasePlace *places = lease_book_sort(book, &n);

        for (size_t i = 0; i < n; i++) {
                if (!is_blocked(places, &places[i])) {
                        lease_grant(places[i].lease, now_usec);
                        return true;
                }
                places[i].is_passed = true;
        }
        return false;
}

void lease_book_turn(LeaseBook *book, uint64_t now_usec) {
        Device *d = book->device;
        Lease *lease;

        if (book->is_in_turn) {
                lease_book_wake(book);
                return;
        }
        book->is_in_turn = true;
        while (lease_book_grant_next(book, now_usec))
                ;
        for (lease = lease_find_after(d, 0); lease; lease = lease_find_after(d, lease->id)) {
                if (lease->state == LEASE_OPENING)
                        lease_try_open(lease, now_usec);
                else if (lease->state == LEASE_ENDING)
                        lease_settle(lease, now_usec);
                else if (lease->state == LEASE_OPEN)
                        lease_pump(lease, now_usec);
        }
        book->is_in_turn = false;
        if (TAILQ_EMPTY(&d->leases))
                book->n_turns = 0;
}
