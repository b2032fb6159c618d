/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "daemon/bus/bus-loop.h"
#include "daemon/util/clock.h"

#define GIVE_UP_USEC (20 * USEC_PER_SEC)

static sd_bus *bus, *peer; /* both ends of one connection, without a bus daemon between */
static struct event_base *base;
static BusLoop *loop;

static sd_bus *new_end(int fd, bool is_server) {
        sd_id128_t id = SD_ID128_MAKE(11, 22, 33, 44, 55, 66, 77, 88, 99, aa, bb, cc, dd, ee, ff, 10);
        sd_bus *b;

        ck_assert_int_ge(sd_bus_new(&b), 0);
        ck_assert_int_ge(sd_bus_set_fd(b, fd, fd), 0);
        if (is_server)
                ck_assert_int_ge(sd_bus_set_server(b, true, id), 0);
        ck_assert_int_ge(sd_bus_set_anonymous(b, true), 0);
        ck_assert_int_ge(sd_bus_start(b), 0);
        return b;
}

static void setup(void) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        peer = new_end(fds[1], true);
        bus = new_end(fds[0], false);
        base = event_base_new();
        ck_assert_int_eq(bus_loop_new(bus, base, &loop), 0);
}

static void teardown(void) {
        bus_loop_free(loop);
        event_base_free(base);
        sd_bus_close_unref(bus);
        sd_bus_close_unref(peer);
}

/* Drive both ends until their handshake is through. */
static void connect_ends(void) {
        uint64_t give_up_usec = clock_monotonic_usec() + GIVE_UP_USEC;

        while (sd_bus_is_ready(bus) <= 0 || sd_bus_is_ready(peer) <= 0) {
                ck_assert_uint_lt(clock_monotonic_usec(), give_up_usec);
                ck_assert_int_ge(sd_bus_process(peer, NULL), 0);
                ck_assert_int_ge(bus_loop_dispatch(loop), 0);
        }
}

START_TEST(deadlines_of_sd_bus_are_absolute_monotonic_microseconds) {
        uint64_t now_usec = clock_monotonic_usec(), due_usec;

        /* the handshake has one, since the peer has not answered */
        ck_assert_int_ge(sd_bus_get_timeout(bus, &due_usec), 0);
        ck_assert_uint_gt(due_usec, now_usec);
        ck_assert_uint_lt(due_usec, now_usec + 300 * USEC_PER_SEC);
}
END_TEST

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        ck_assert(sd_bus_message_is_method_error(m, SD_BUS_ERROR_NO_REPLY));
        *(bool *)userdata = true;
        return 0;
}

START_TEST(the_loop_wakes_for_a_deadline_without_any_traffic) {
        uint64_t begin_usec;
        sd_bus_message *m;
        bool has_ended = false;

        connect_ends();
        ck_assert_int_ge(sd_bus_message_new_method_call(bus, &m, NULL, "/", "a.b", "C"), 0);
        begin_usec = clock_monotonic_usec();
        ck_assert_int_ge(sd_bus_call_async(bus, NULL, m, on_reply, &has_ended, 50 * USEC_PER_MSEC), 0);
        sd_bus_message_unref(m);

        while (!has_ended) {
                ck_assert_uint_lt(clock_monotonic_usec(), begin_usec + GIVE_UP_USEC);
                ck_assert_int_eq(bus_loop_arm(loop), 0);
                ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
                ck_assert_int_eq(bus_loop_dispatch(loop), 0);
        }
        ck_assert_uint_ge(clock_monotonic_usec(), begin_usec + 50 * USEC_PER_MSEC);
}
END_TEST

static int count_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        ++*(unsigned *)userdata;
        return 0;
}

START_TEST(a_flood_is_handled_in_bounded_turns_and_to_its_end) {
        uint64_t give_up_usec = clock_monotonic_usec() + GIVE_UP_USEC;
        unsigned n = 0, n_before;

        connect_ends();
        ck_assert_int_ge(sd_bus_add_filter(bus, NULL, count_message, &n), 0);
        for (unsigned i = 0; i < 10 * BUS_LOOP_MESSAGES_MAX; i++)
                ck_assert_int_ge(sd_bus_emit_signal(peer, "/", "a.b", "C", NULL), 0);
        ck_assert_int_ge(sd_bus_flush(peer), 0);

        while (n < 10 * BUS_LOOP_MESSAGES_MAX) {
                ck_assert_uint_lt(clock_monotonic_usec(), give_up_usec);
                ck_assert_int_eq(bus_loop_arm(loop), 0);
                ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
                n_before = n;
                ck_assert_int_eq(bus_loop_dispatch(loop), 0);
                ck_assert_uint_le(n - n_before, BUS_LOOP_MESSAGES_MAX);
        }
}
END_TEST

START_TEST(the_end_of_the_bus_is_an_error) {
        uint64_t give_up_usec = clock_monotonic_usec() + GIVE_UP_USEC;
        int r = 0;

        connect_ends();
        sd_bus_close(peer);
        while (r == 0) {
                ck_assert_uint_lt(clock_monotonic_usec(), give_up_usec);
                r = bus_loop_dispatch(loop);
        }
        ck_assert_int_lt(r, 0);
}
END_TEST

int main(void) {
        Suite *s = suite_create("bus-loop");
        TCase *t = tcase_create("loop");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, deadlines_of_sd_bus_are_absolute_monotonic_microseconds);
        tcase_add_test(t, the_loop_wakes_for_a_deadline_without_any_traffic);
        tcase_add_test(t, a_flood_is_handled_in_bounded_turns_and_to_its_end);
        tcase_add_test(t, the_end_of_the_bus_is_an_error);
        suite_add_tcase(s, t);

        runner = srunner_create(s);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
