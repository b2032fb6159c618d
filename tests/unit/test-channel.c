/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <poll.h>
#include <pthread.h>

#include "daemon/pci/channel.h"

#define N_THREADS 4
#define N_ITEMS   1000

typedef struct Number {
        ChannelItem item;
        int thread, value;
} Number;

static Channel *c;

static void free_item(ChannelItem *item) {
        free(item);
}

static void setup(void) {
        ck_assert_int_eq(channel_new(free_item, &c), 0);
}

static void teardown(void) {
        c = channel_free(c);
}

static void push(int thread, int value) {
        Number *number = calloc(1, sizeof(*number));

        number->thread = thread;
        number->value = value;
        channel_push(c, &number->item);
}

static bool is_readable(int timeout_msec) {
        struct pollfd fd = { .fd = channel_fd(c), .events = POLLIN };

        return poll(&fd, 1, timeout_msec) == 1;
}

START_TEST(descriptor_is_readable_while_something_is_in_it) {
        ck_assert(!is_readable(0));
        push(0, 1);
        push(0, 2);
        ck_assert(is_readable(0) && channel_has_items(c));
        free(channel_take(c));
        ck_assert(is_readable(0) && channel_has_items(c));
        free(channel_take(c));
        ck_assert(!is_readable(0) && !channel_has_items(c));
        ck_assert_ptr_null(channel_take(c));
}
END_TEST

static void *push_all(void *arg) {
        for (int i = 0; i < N_ITEMS; i++)
                push(*(int *)arg, i);
        return NULL;
}

START_TEST(items_of_each_thread_come_in_order_and_none_is_lost) {
        int ids[N_THREADS], next[N_THREADS] = {}, n = 0;
        pthread_t threads[N_THREADS];

        for (int i = 0; i < N_THREADS; i++) {
                ids[i] = i;
                ck_assert_int_eq(pthread_create(&threads[i], NULL, push_all, &ids[i]), 0);
        }
        while (n < N_THREADS * N_ITEMS) {
                Number *number;

                ck_assert(is_readable(10000));
                while ((number = (Number *)channel_take(c))) {
                        ck_assert_int_eq(number->value, next[number->thread]++);
                        free(number);
                        n++;
                }
        }
        for (int i = 0; i < N_THREADS; i++)
                pthread_join(threads[i], NULL);
        ck_assert(!is_readable(0));
}
END_TEST

START_TEST(what_is_left_is_freed_with_it) {
        push(0, 1); /* LeakSanitizer sees it otherwise */
}
END_TEST

int main(void) {
        Suite *suite = suite_create("channel");
        TCase *t = tcase_create("queue");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, descriptor_is_readable_while_something_is_in_it);
        tcase_add_test(t, items_of_each_thread_come_in_order_and_none_is_lost);
        tcase_add_test(t, what_is_left_is_freed_with_it);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
