/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/util/timer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/util/clock.h"

static void timer_put(TimerQueue *q, Timer *t, size_t place) {
        q->heap[place - 1] = t;
        t->place = place;
}

static void timer_sift_up(TimerQueue *q, Timer *t) {
        size_t place = t->place;

        while (place > 1 && q->heap[place / 2 - 1]->due_usec > t->due_usec) {
                timer_put(q, q->heap[place / 2 - 1], place);
                place /= 2;
        }
        timer_put(q, t, place);
}

static void timer_sift_down(TimerQueue *q, Timer *t) {
        size_t place = t->place;

        for (;;) {
                size_t child = 2 * place;

                if (child > q->n_timers)
                        break;
                if (child < q->n_timers && q->heap[child]->due_usec < q->heap[child - 1]->due_usec)
                        child++;
                if (q->heap[child - 1]->due_usec >= t->due_usec)
                        break;
                timer_put(q, q->heap[child - 1], place);
                place = child;
        }
        timer_put(q, t, place);
}

int timer_arm(TimerQueue *q, Timer *t, uint64_t due_usec) {
        if (!timer_is_armed(t)) {
                if (q->n_timers == q->n_allocated) {
                        size_t n = q->n_allocated ? 2 * q->n_allocated : 64;
                        Timer **heap = realloc(q->heap, n * sizeof(*heap));

                        if (!heap)
                                return -ENOMEM;
                        q->heap = heap;
                        q->n_allocated = n;
                }
                timer_put(q, t, ++q->n_timers);
        }
        t->due_usec = due_usec;
        timer_sift_up(q, t);
        timer_sift_down(q, t);
        return 0;
}

void timer_disarm(TimerQueue *q, Timer *t) {
        Timer *last;
        size_t place = t->place;

        if (!timer_is_armed(t))
                return;
        t->place = 0;
        last = q->heap[--q->n_timers];
        if (last == t)
                return;
        timer_put(q, last, place);
        timer_sift_up(q, last);
        timer_sift_down(q, last);
}

uint64_t timer_queue_next(const TimerQueue *q) {
        return q->n_timers > 0 ? q->heap[0]->due_usec : USEC_INFINITY;
}

void timer_queue_dispatch(TimerQueue *q, uint64_t now_usec) {
        while (timer_queue_next(q) <= now_usec && q->n_timers > 0) {
                Timer *t = q->heap[0];

                timer_disarm(q, t);
                t->fn(t, t->userdata, now_usec);
        }
}

void timer_queue_done(TimerQueue *q) {
        assert(q->n_timers == 0);
        free(q->heap);
        *q = (TimerQueue){};
}
