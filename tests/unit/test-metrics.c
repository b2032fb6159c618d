/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/metrics.h"

#include <errno.h>

#include "daemon/core/counters.h"
#include "daemon/util/clock.h"
#include "dbus/errors.h"
#include "tests/unit/core-fixture.h"
#include "tests/unit/suite.h"

#define FIXTURE_MAILBOX FIXTURE_ADDRESS "[160]"

/* -------- counters -------- */

static void add_exchange(Counters *c, uint16_t vendor_id, uint8_t type, int error, uint64_t queued_usec,
                         uint64_t device_usec) {
        Job job = { .vendor_id = vendor_id, .type = type, .submitted_usec = 1000, .n_bytes = 4 };
        JobResult result = { .error = error,
                             .started_usec = 1000 + queued_usec,
                             .ended_usec = 1000 + queued_usec + device_usec,
                             .n_bytes = 8,
                             .evidence = "" };

        counters_add_exchange(c, &job, &result);
}

START_TEST(value_at_a_bound_counts_below_it) {
        Histogram h = {};

        histogram_add(&h, histogram_bounds_usec[0]);
        histogram_add(&h, histogram_bounds_usec[0] + 1);
        histogram_add(&h, histogram_bounds_usec[HISTOGRAM_BOUNDS - 1] + 1);
        ck_assert_uint_eq(h.n[0], 1);
        ck_assert_uint_eq(h.n[1], 1);
        ck_assert_uint_eq(h.n[HISTOGRAM_BOUNDS], 1);
        ck_assert_uint_eq(histogram_count(&h), 3);
        ck_assert_uint_eq(h.sum_usec, 2 * histogram_bounds_usec[0] + 1 +
                                                      histogram_bounds_usec[HISTOGRAM_BOUNDS - 1] + 1);
}
END_TEST

START_TEST(every_named_error_is_a_result_of_its_own) {
        const DoeError *e;

        ck_assert_str_eq(counters_result_name(counters_result_index(0)), "ok");
        for (size_t i = 0; (e = doe_error_get(i)); i++)
                ck_assert_str_eq(counters_result_name(counters_result_index(-e->error)), e->name);
        ck_assert_str_eq(counters_result_name(counters_result_index(-EXFULL)), "other");
        ck_assert_ptr_null(counters_result_name(counters_result_index(-EXFULL) + 1));
        ck_assert_uint_lt(counters_result_index(-EXFULL), COUNTERS_RESULTS_MAX);
}
END_TEST

START_TEST(sums_are_those_of_all_features) {
        Counters c = {};
        CounterTotals totals;

        add_exchange(&c, 0x1e98, 2, 0, 5, 10);
        add_exchange(&c, 0x1e98, 2, -ETIMEDOUT, 5, 10);
        add_exchange(&c, 0x1234, 7, -EREMOTEIO, 5, 10);
        counters_add_cache_hit(&c, 0x0001, 0);
        totals = counters_sum(&c);
        ck_assert_uint_eq(c.n_features, 3);
        ck_assert_uint_eq(totals.n_exchanges, 3);
        ck_assert_uint_eq(totals.n_failures, 2);
        ck_assert_uint_eq(totals.n_timeouts, 1);
        ck_assert_uint_eq(totals.n_cache_hits, 1);
        ck_assert_uint_eq(totals.n_bytes_sent, 3 * 12);
        ck_assert_uint_eq(totals.n_bytes_received, 16);
        counters_done(&c);
}
END_TEST

START_TEST(features_beyond_the_bound_count_together) {
        Counters c = {};

        for (unsigned i = 0; i < 3 * COUNTERS_FEATURES_MAX; i++)
                add_exchange(&c, 0x1234, (uint8_t)i, 0, 1, 1);
        ck_assert_uint_eq(c.n_features, COUNTERS_FEATURES_MAX + 1);
        ck_assert(c.features[COUNTERS_FEATURES_MAX].is_rest);
        ck_assert_uint_eq(c.features[COUNTERS_FEATURES_MAX].n_results[0], 2 * COUNTERS_FEATURES_MAX);
        ck_assert_uint_eq(counters_sum(&c).n_exchanges, 3 * COUNTERS_FEATURES_MAX);
        counters_done(&c);
}
END_TEST

/* -------- the text -------- */

static char *format(const Fixture *f) {
        char *text = NULL;

        ck_assert_int_eq(metrics_format(f->m, "1.2.3", &text), 0);
        return text;
}

static void assert_line(const char *text, const char *line) {
        char wanted[256];

        snprintf(wanted, sizeof(wanted), "\n%s\n", line);
        if (!strstr(text, wanted))
                ck_abort_msg("no line \"%s\" in:\n%s", line, text);
}

START_TEST(text_has_every_count_with_its_labels) {
        Fixture *f = fixture_new();
        char *text;

        counters_done(&f->mb->counters);
        add_exchange(&f->mb->counters, 0x1e98, 2, 0, 200, 2000);
        add_exchange(&f->mb->counters, 0x1e98, 2, -ETIMEDOUT, 200, 31 * USEC_PER_SEC);
        add_exchange(&f->mb->counters, 0x1234, 7, 0, 0, 100);
        text = format(f);
        assert_line(text, "doed_build_info{version=\"1.2.3\"} 1");
        assert_line(text, "doed_link_up 1");
        assert_line(text, "doed_limit{limit=\"QueueMax\"} 4096");
        assert_line(text, "doed_limit_used_max{limit=\"LeasesMaxPerUid\"} 0");
        assert_line(text, "doed_mailbox_state{mailbox=\"" FIXTURE_MAILBOX "\",state=\"ready\"} 1");
        assert_line(text, "doed_mailbox_state{mailbox=\"" FIXTURE_MAILBOX "\",state=\"dead\"} 0");
        assert_line(text, "doed_exchanges_total{mailbox=\"" FIXTURE_MAILBOX
                          "\",feature=\"cxl-table-access\",result=\"ok\"} 1");
        assert_line(text, "doed_exchanges_total{mailbox=\"" FIXTURE_MAILBOX
                          "\",feature=\"cxl-table-access\",result=\"TimedOut\"} 1");
        assert_line(text, "doed_exchanges_total{mailbox=\"" FIXTURE_MAILBOX
                          "\",feature=\"1234:07\",result=\"ok\"} 1");
        assert_line(text, "doed_exchange_device_seconds_bucket{mailbox=\"" FIXTURE_MAILBOX
                          "\",feature=\"cxl-table-access\",le=\"0.003\"} 1");
        assert_line(text, "doed_exchange_device_seconds_bucket{mailbox=\"" FIXTURE_MAILBOX
                          "\",feature=\"cxl-table-access\",le=\"+Inf\"} 2");
        assert_line(text, "doed_exchange_device_seconds_sum{mailbox=\"" FIXTURE_MAILBOX
                          "\",feature=\"cxl-table-access\"} 31.002000");
        assert_line(text, "doed_exchange_device_seconds_count{mailbox=\"" FIXTURE_MAILBOX
                          "\",feature=\"cxl-table-access\"} 2");
        free(text);
        fixture_free(f);
}
END_TEST

/* The samples of a family stand together below its two lines, each family once. */
START_TEST(each_family_stands_in_one_place) {
        Fixture *f = fixture_new();
        char *text, *line, *save = NULL, family[64] = "";

        text = format(f);
        ck_assert_int_eq(text[strlen(text) - 1], '\n');
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                if (sscanf(line, "# HELP %63s", family) == 1) {
                        char help[80];

                        snprintf(help, sizeof(help), "# HELP %s ", family);
                        ck_assert_ptr_null(strstr(save, help));
                        continue;
                }
                if (*line != '#')
                        ck_assert_int_eq(strncmp(line, family, strlen(family)), 0);
        }
        free(text);
        fixture_free(f);
}
END_TEST

DEFINE_SUITE("metrics", value_at_a_bound_counts_below_it, every_named_error_is_a_result_of_its_own,
             sums_are_those_of_all_features, features_beyond_the_bound_count_together,
             text_has_every_count_with_its_labels, each_family_stands_in_one_place)
