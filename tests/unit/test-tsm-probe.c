/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <fcntl.h>

#include "daemon/pci/tsm-probe.h"
#include "daemon/util/clock.h"
#include "tests/unit/temporary-tree.h"

#define ADDRESS "0000:3a:00.0"

static struct event_base *base;
static TsmProbe *p;
static unsigned n_changes;

static void on_change(void *userdata) {
        n_changes++;
        event_base_loopbreak(base);
}

static void on_give_up(evutil_socket_t fd, short what, void *userdata) {
        ck_abort_msg("nothing has changed for 10 s");
}

static void setup(void) {
        static const struct timeval limit = { .tv_sec = 10 };

        tree_make();
        base = event_base_new();
        n_changes = 0;
        event_base_once(base, -1, EV_TIMEOUT, on_give_up, NULL, &limit);
        ck_assert_int_eq(tsm_probe_new(base, on_change, NULL, &p), 0);
}

static void teardown(void) {
        p = tsm_probe_free(p);
        event_base_free(base);
        tree_remove();
}

static void await_change(void) {
        unsigned n = n_changes;

        while (n_changes == n)
                event_base_loop(base, EVLOOP_ONCE);
}

/* On a slow machine the read may be late before it comes, which is a change too. */
static void await_text(const char *address, const char *text) {
        while (strcmp(tsm_probe_get(p, address), text) != 0 || tsm_probe_is_at_work(p))
                await_change();
}

START_TEST(content_is_read_and_told_once_it_changes) {
        tree_write("connect", "tsm0\n");
        ck_assert_str_eq(tsm_probe_get(p, ADDRESS), "");
        tsm_probe_request(p, ADDRESS, tree_path("connect"));
        await_text(ADDRESS, "tsm0");
        tree_write("connect", "\n");
        tsm_probe_request(p, ADDRESS, tree_path("connect"));
        await_text(ADDRESS, "");
}
END_TEST

/* A FIFO stands for an attribute that waits for a TSM: its open for reading waits for a writer. */
START_TEST(read_that_does_not_come_back_means_a_tsm_at_work) {
        uint64_t begun_usec = clock_monotonic_usec();
        int writer;

        tree_fifo("connect");
        tsm_probe_request(p, ADDRESS, tree_path("connect"));
        await_change();
        ck_assert(tsm_probe_is_at_work(p));
        ck_assert_uint_ge(clock_monotonic_usec() - begun_usec, TSM_PROBE_USEC - 1000);

        /* asking again asks nothing anew */
        tsm_probe_request(p, ADDRESS, tree_path("connect"));
        writer = open(tree_path("connect"), O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(write(writer, "tsm1\n", 5), 5);
        close(writer);
        await_text(ADDRESS, "tsm1");
}
END_TEST

START_TEST(function_that_is_forgotten_meanwhile_does_no_harm) {
        tree_write("connect", "tsm0\n");
        tsm_probe_request(p, ADDRESS, tree_path("connect"));
        tsm_probe_forget(p, ADDRESS);
        tsm_probe_request(p, "0000:3b:00.0", tree_path("connect"));
        await_text("0000:3b:00.0", "tsm0");
        ck_assert_str_eq(tsm_probe_get(p, ADDRESS), "");
}
END_TEST

START_TEST(end_does_not_wait_for_a_read_that_hangs) {
        tree_fifo("connect");
        tsm_probe_request(p, ADDRESS, tree_path("connect"));
        await_change();
        p = tsm_probe_free(p);
        /* let the thread end, so that it is seen to free what it holds */
        close(open(tree_path("connect"), O_WRONLY | O_CLOEXEC));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("tsm-probe");
        TCase *t = tcase_create("reads");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, content_is_read_and_told_once_it_changes);
        tcase_add_test(t, read_that_does_not_come_back_means_a_tsm_at_work);
        tcase_add_test(t, function_that_is_forgotten_meanwhile_does_no_harm);
        tcase_add_test(t, end_does_not_wait_for_a_read_that_hangs);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
