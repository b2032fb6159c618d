/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Deadlines of one event loop: a binary heap of timers, each embedded in what it belongs to. It has no
 * clock: time is an argument. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Timer Timer;
typedef struct TimerQueue TimerQueue;
typedef void (*TimerFn)(Timer *timer, void *userdata, uint64_t now_usec);

struct Timer {
        uint64_t due_usec;
        size_t place; /* in the heap, from 1; 0: not armed */
        TimerFn fn;
        void *userdata;
};

struct TimerQueue {
        Timer **heap;
        size_t n_timers, n_allocated;
};

/* A timer must be disarmed before its memory goes. Arming an armed one moves it. Return: 0; -ENOMEM. */
int timer_arm(TimerQueue *q, Timer *t, uint64_t due_usec);
void timer_disarm(TimerQueue *q, Timer *t);
static inline bool timer_is_armed(const Timer *t) {
        return t->place != 0;
}

/* When the first is due, USEC_INFINITY if none is armed. */
uint64_t timer_queue_next(const TimerQueue *q);
/* Run what is due at @now_usec; each is disarmed before its function is called, which may arm and disarm
 * any. */
void timer_queue_dispatch(TimerQueue *q, uint64_t now_usec);
/* All timers must be disarmed. */
void timer_queue_done(TimerQueue *q);
