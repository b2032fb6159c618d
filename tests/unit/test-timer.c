/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "daemon/util/clock.h"
#include "daemon/util/timer.h"
#include "tests/unit/suite.h"

#define N 500

static uint64_t last_due_usec;
static unsigned n_run;

static void on_timer(Timer *timer, void *userdata, uint64_t now_usec) {
        ck_assert(!timer_is_armed(timer));
        ck_assert_uint_ge(timer->due_usec, last_due_usec);
        ck_assert_uint_le(timer->due_usec, now_usec);
        last_due_usec = timer->due_usec;
        n_run++;
}

START_TEST(timers_run_in_order_of_their_deadlines) {
        TimerQueue q = {};
        Timer timers[N] = {};
        unsigned n_armed = 0;

        srand(7);
        last_due_usec = n_run = 0;
        for (int i = 0; i < N; i++) {
                timers[i].fn = on_timer;
                ck_assert_int_eq(timer_arm(&q, &timers[i], (uint64_t)rand() % 1000), 0);
        }
        for (int i = 0; i < N; i += 3)
                ck_assert_int_eq(timer_arm(&q, &timers[i], (uint64_t)rand() % 1000), 0);
        for (int i = 0; i < N; i += 5)
                timer_disarm(&q, &timers[i]);
        for (int i = 0; i < N; i++)
                n_armed += timer_is_armed(&timers[i]);
        timer_queue_dispatch(&q, 1000);
        ck_assert_uint_eq(n_run, n_armed);
        ck_assert_uint_eq(timer_queue_next(&q), USEC_INFINITY);
        timer_queue_done(&q);
}
END_TEST

START_TEST(what_is_not_due_stays) {
        TimerQueue q = {};
        Timer a = { .fn = on_timer }, b = { .fn = on_timer };

        last_due_usec = n_run = 0;
        timer_arm(&q, &a, 10);
        timer_arm(&q, &b, 20);
        timer_queue_dispatch(&q, 19);
        ck_assert_uint_eq(n_run, 1);
        ck_assert_uint_eq(timer_queue_next(&q), 20);
        timer_disarm(&q, &b);
        timer_queue_done(&q);
}
END_TEST

DEFINE_SUITE("timer", timers_run_in_order_of_their_deadlines, what_is_not_due_stays)
