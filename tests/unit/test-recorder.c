/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/core/recorder.h"
#include "protocols/pcapng.h"
#include "tests/unit/lease-fixture.h"
#include "tests/unit/pcapng-reader.h"
#include "tests/unit/suite.h"

#define OWNER_UID 990u /* that the fixture's doed runs as */

static const CaptureFilter everything = { .snaplen = CAPTURE_SNAPLEN_DEFAULT };
static const CaptureFilter the_past = { .snaplen = 1024, .recent = true };

static uint64_t some_time(void) {
        return 1234567;
}

static void on_wake(void *userdata) {
}

static Capture *open_capture(Manager *m, const CaptureFilter *filter) {
        Failure failure;
        Capture *c;

        m->realtime_usec = some_time;
        ck_assert_int_eq(recorder_open_capture(m->recorder, filter, on_wake, NULL, &c, &failure), 0);
        return c;
}

static ReadStream *read_and_close(Capture *c) {
        ReadStream *s = read_capture(c, NULL);

        recorder_close_capture(c);
        return s;
}

static void exchange(Fixture *f, const char *text) {
        Answer a;

        fixture_echo(f, f->agent, text, NULL, &a);
        fixture_serve(f);
        ck_assert_uint_eq(a.n_times, 1);
        ck_assert_int_eq(a.error, 0);
}

START_TEST(exchange_is_a_request_and_a_response) {
        static const uint8_t object[] = { 0x34, 0x12, 1, 0, 3, 0, 0, 0, 'a', 'b', 'c', 'd' };
        Fixture *f = fixture_new();
        Capture *c = open_capture(f->m, &everything);
        const ReadPacket *request, *response;
        JobResult result = { .payload = (const uint8_t *)"abcd", .n_bytes = 4, .evidence = "" };
        ReadStream *s;
        Answer a;
        uint64_t id;

        fixture_echo(f, f->agent, "abcd", NULL, &a);
        id = fixture_pending(f)->id;
        fixture_advance(f, 300);
        fixture_started(f, id);
        result.started_usec = f->now_usec;
        fixture_advance(f, 40);
        result.ended_usec = f->now_usec;
        mailbox_report_done(f->mb, id, &result, f->now_usec);

        s = read_and_close(c);
        ck_assert_uint_eq(s->n_packets, 2);
        ck_assert_str_eq(s->names[0], f->mb->name);
        request = &s->packets[0];
        response = &s->packets[1];
        ck_assert_uint_eq(request->direction, CAPTURE_REQUEST);
        ck_assert_uint_eq(request->flags, 2);
        ck_assert_uint_eq(request->time_usec, 1234567);
        ck_assert_uint_eq(request->uid, 1000);
        ck_assert_uint_eq(request->status, 0);
        ck_assert_uint_eq(request->queue_usec, 300);
        ck_assert_uint_eq(request->device_usec, 0);
        ck_assert_uint_eq(request->exchange_id, id);
        ck_assert_uint_eq(request->n_captured, CAPTURE_HEADER_BYTES + sizeof(object));
        ck_assert_mem_eq(request->data + CAPTURE_HEADER_BYTES, object, sizeof(object));
        ck_assert_uint_eq(response->direction, CAPTURE_RESPONSE);
        ck_assert_uint_eq(response->flags, 1);
        ck_assert_uint_eq(response->queue_usec, 300);
        ck_assert_uint_eq(response->device_usec, 40);
        ck_assert_uint_eq(response->exchange_id, id);
        ck_assert_mem_eq(response->data + CAPTURE_HEADER_BYTES, object, sizeof(object));
        read_stream_free(s);
        fixture_free(f);
}
END_TEST

START_TEST(failure_is_a_status_without_an_object) {
        Fixture *f = fixture_new();
        Capture *c = open_capture(f->m, &everything);
        ReadStream *s;
        Answer a;

        fixture_echo(f, f->agent, "abcd", NULL, &a);
        fixture_fail(f, fixture_pending(f)->id, -ETIMEDOUT, "no answer");
        s = read_and_close(c);
        ck_assert_uint_eq(s->n_packets, 2);
        ck_assert_uint_eq(s->packets[1].status, ETIMEDOUT);
        ck_assert_uint_eq(s->packets[1].n_captured, CAPTURE_HEADER_BYTES);
        ck_assert_uint_eq(s->packets[1].n_original, CAPTURE_HEADER_BYTES);
        read_stream_free(s);
        fixture_free(f);
}
END_TEST

/* Both by the loss of doed-pci and by that of the device. */
static void lose(bool is_gone) {
        Fixture *f = fixture_new();
        Capture *c = open_capture(f->m, &everything);
        ReadStream *s;
        Answer begun, staged;

        fixture_exchange(f, f->root, 0x1234, 0x01, "abcd", 4, NULL, &begun);
        fixture_started(f, fixture_pending(f)->id);
        fixture_exchange(f, f->root, 0x1234, 0x01, "efgh", 4, NULL, &staged);
        if (is_gone)
                manager_report_device_removed(f->m, FIXTURE_ADDRESS, f->now_usec);
        else
                manager_link_lost(f->m, "killed", f->now_usec);
        if (is_gone)
                f->mb = NULL;
        s = read_and_close(c);
        /* the one that was staged never reached the device */
        ck_assert_uint_eq(s->n_packets, 2);
        ck_assert_uint_eq(s->packets[1].exchange_id, s->packets[0].exchange_id);
        ck_assert_uint_eq(s->packets[1].status, is_gone ? ENODEV : ECONNABORTED);
        read_stream_free(s);
        manager_stop(f->m, "enough", f->now_usec);
        fixture_free(f);
}

START_TEST(what_runs_when_doed_pci_is_lost_has_its_end) {
        lose(false);
}
END_TEST

START_TEST(what_runs_when_the_device_goes_has_its_end) {
        lose(true);
}
END_TEST

START_TEST(reads_of_doed_itself_are_its_own) {
        Fixture *f = fixture_new_empty();
        Capture *c = open_capture(f->m, &everything);
        ReadStream *s;

        fixture_report_device(f, "1", false);
        fixture_ready(f, 1);
        fixture_serve(f);
        s = read_and_close(c);
        ck_assert_uint_ge(s->n_packets, 2 * 3);
        for (size_t i = 0; i < s->n_packets; i++) {
                ck_assert_uint_eq(s->packets[i].uid, OWNER_UID);
                ck_assert_uint_eq(s->packets[i].direction, i % 2);
        }
        ck_assert_uint_eq(doe_load_le32(s->packets[0].data + CAPTURE_HEADER_BYTES), 0x00000001);
        read_stream_free(s);
        fixture_free(f);
}
END_TEST

START_TEST(uid_stays_after_its_client_has_left) {
        Fixture *f = fixture_new();
        Capture *c = open_capture(f->m, &everything);
        ReadStream *s;
        uint64_t id;
        Answer a;

        fixture_echo(f, f->agent, "abcd", NULL, &a);
        id = fixture_pending(f)->id;
        fixture_started(f, id);
        f->agent = client_free(f->agent);
        fixture_answer(f, id, "abcd", 4);
        s = read_and_close(c);
        ck_assert_uint_eq(s->n_packets, 2);
        ck_assert_uint_eq(s->packets[1].uid, 1000);
        read_stream_free(s);
        fixture_free(f);
}
END_TEST

START_TEST(objects_of_a_lease_are_recorded) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Capture *c = open_capture(f->f->m, &everything);
        ReadStream *s;
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        say_hello(f, &h);
        s = read_and_close(c);
        ck_assert_uint_eq(s->n_packets, 2);
        ck_assert_uint_eq(s->packets[0].uid, 2001);
        ck_assert_uint_eq(s->packets[0].data[CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES + 1], 0x84);
        ck_assert_uint_eq(s->packets[1].data[CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES + 1], 0x04);
        read_stream_free(s);
        lease_fixture_free(f);
}
END_TEST

START_TEST(payload_is_withheld_where_a_rule_says_so) {
        LeaseFixture *f = lease_fixture_new("[Rule secret]\nFeature=1234:01 0001:00\nRecord=no\n");
        const CaptureFilter all_bytes = { .snaplen = 1024, .recent = true };
        Capture *live = open_capture(f->f->m, &all_bytes), *past;
        ReadStream *s, *again;
        Answer a;

        f->f->mb = f->a;
        fixture_echo(f->f, f->root, "abcdefgh", NULL, &a);
        answer(f, f->a, "abcdefgh", 8);
        s = read_and_close(live);
        past = open_capture(f->f->m, &all_bytes);
        again = read_and_close(past);
        ck_assert_uint_ge(s->n_packets, 4);
        ck_assert_uint_eq(again->n_packets, s->n_packets);
        ck_assert_mem_eq(again->bytes, s->bytes, s->n_bytes);
        for (size_t i = 0; i < s->n_packets; i++) {
                ck_assert_uint_eq(s->packets[i].header_flags, CAPTURE_FLAG_WITHHELD);
                ck_assert_uint_eq(s->packets[i].n_captured, CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES);
        }
        ck_assert_uint_eq(s->packets[s->n_packets - 1].n_original,
                          CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES + 8);
        read_stream_free(s);
        read_stream_free(again);
        lease_fixture_free(f);
}
END_TEST

START_TEST(past_comes_first_and_in_order) {
        Fixture *f = fixture_new();
        ReadStream *s;
        Capture *c;

        exchange(f, "1111");
        exchange(f, "2222");
        c = open_capture(f->m, &the_past);
        exchange(f, "3333");
        s = read_and_close(c);
        ck_assert_uint_ge(s->n_packets, 6);
        for (size_t i = 0; i < 6; i++)
                ck_assert_mem_eq(s->packets[s->n_packets - 6 + i].data + CAPTURE_HEADER_BYTES +
                                                 DOE_HEADER_BYTES,
                                 i < 2   ? "1111"
                                 : i < 4 ? "2222"
                                         : "3333",
                                 4);
        for (size_t i = 1; i < s->n_packets; i++)
                ck_assert_uint_ge(s->packets[i].exchange_id, s->packets[i - 1].exchange_id);
        read_stream_free(s);
        fixture_free(f);
}
END_TEST

START_TEST(past_is_bounded_and_forgets_the_oldest) {
        Fixture *f = fixture_new();
        Limits limits = limits_default;
        ReadStream *s;

        limits.recorder_bytes_max = 8192;
        limits.recorder_payload_bytes_max = 32;
        recorder_set_limits(f->m->recorder, &limits);
        for (int i = 0; i < 300; i++) {
                char text[65];

                memset(text, 'a' + i % 26, sizeof(text) - 1);
                text[sizeof(text) - 1] = '\0';
                exchange(f, text);
        }
        ck_assert_uint_le(f->m->recorder->past.n_used, 8192);
        s = read_and_close(open_capture(f->m, &the_past));
        ck_assert_uint_gt(s->n_packets, 8);
        ck_assert_uint_lt(s->n_packets, 100);
        for (size_t i = 0; i < s->n_packets; i++) {
                ck_assert_uint_eq(s->packets[i].n_captured, CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES + 32);
                ck_assert_uint_eq(s->packets[i].n_original, CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES + 64);
                if (i > 0)
                        ck_assert_uint_le(s->packets[i].exchange_id - s->packets[i - 1].exchange_id, 1);
        }
        ck_assert_uint_eq(s->packets[s->n_packets - 1].data[CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES],
                          'a' + 299 % 26);
        read_stream_free(s);
        recorder_set_limits(f->m->recorder, &limits_default);
        fixture_free(f);
}
END_TEST

START_TEST(no_past_is_kept_where_there_is_no_room_for_it) {
        Fixture *f = fixture_new();
        Limits limits = limits_default;
        ReadStream *s;

        exchange(f, "1111");
        limits.recorder_bytes_max = 0;
        recorder_set_limits(f->m->recorder, &limits);
        exchange(f, "2222");
        s = read_and_close(open_capture(f->m, &the_past));
        ck_assert_uint_eq(s->n_packets, 0);
        read_stream_free(s);
        recorder_set_limits(f->m->recorder, &limits_default);
        fixture_free(f);
}
END_TEST

START_TEST(largest_object_is_cut_to_what_wireshark_reads) {
        const CaptureFilter filter = { .snaplen = UINT32_MAX };
        Fixture *f = fixture_new();
        Capture *c = open_capture(f->m, &filter);
        uint8_t *payload = calloc(1, DOE_PAYLOAD_BYTES_MAX);
        JobResult result = { .payload = payload, .n_bytes = DOE_PAYLOAD_BYTES_MAX, .evidence = "" };
        ReadStream *s;
        Answer a;

        ck_assert_ptr_nonnull(payload);
        fixture_echo(f, f->agent, "abcd", NULL, &a);
        fixture_started(f, fixture_pending(f)->id);
        f->agent = client_free(f->agent); /* it has no room for the answer */
        mailbox_report_done(f->mb, fixture_pending(f)->id, &result, f->now_usec);
        s = read_and_close(c);
        ck_assert_uint_eq(s->n_packets, 2);
        ck_assert_uint_eq(s->packets[1].n_captured, PCAPNG_PACKET_BYTES_MAX);
        ck_assert_uint_eq(s->packets[1].n_original, CAPTURE_HEADER_BYTES + DOE_OBJECT_BYTES_MAX);
        ck_assert_uint_eq(doe_load_le32(s->packets[1].data + CAPTURE_HEADER_BYTES + 4), 0);
        read_stream_free(s);
        free(payload);
        fixture_free(f);
}
END_TEST

START_TEST(padding_is_there_with_the_rest) {
        static const uint8_t padded[] = { 'a', 'b', 'c', 'd', 'e', 0, 0, 0 };
        const CaptureFilter cut = { .snaplen = 5 };
        Fixture *f = fixture_new();
        Capture *whole = open_capture(f->m, &the_past), *short_of_it = open_capture(f->m, &cut);
        const ReadPacket *request;
        ReadStream *s;
        Answer a;

        fixture_echo(f, f->agent, "abcde", NULL, &a);
        fixture_started(f, fixture_pending(f)->id);
        s = read_and_close(whole);
        request = &s->packets[s->n_packets - 1];
        ck_assert_uint_eq(request->n_captured, CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES + 8);
        ck_assert_uint_eq(request->n_original, request->n_captured);
        ck_assert_mem_eq(request->data + CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES, padded, sizeof(padded));
        read_stream_free(s);
        s = read_and_close(short_of_it);
        ck_assert_uint_eq(s->packets[0].n_captured, CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES + 5);
        ck_assert_uint_eq(s->packets[0].n_original, CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES + 8);
        read_stream_free(s);
        manager_stop(f->m, "enough", f->now_usec);
        fixture_free(f);
}
END_TEST

START_TEST(newest_of_the_past_are_those_that_fit) {
        Fixture *f = fixture_new();
        Limits limits = limits_default;
        ReadStream *s;
        Capture *c;

        limits.capture_bytes_max = 4096;
        recorder_set_limits(f->m->recorder, &limits);
        for (int i = 0; i < 100; i++) {
                char text[9];

                snprintf(text, sizeof(text), "%08d", i);
                exchange(f, text);
        }
        c = open_capture(f->m, &the_past);
        ck_assert_uint_eq(c->n_dropped, 0);
        s = read_and_close(c);
        ck_assert_uint_gt(s->n_packets, 20);
        ck_assert_uint_lt(s->n_packets, 50);
        /* one more would not have fit */
        ck_assert_uint_le(s->n_bytes, 4096);
        ck_assert_uint_gt(s->n_bytes, 4096 - 128);
        ck_assert_mem_eq(s->packets[s->n_packets - 1].data + CAPTURE_HEADER_BYTES + DOE_HEADER_BYTES,
                         "00000099", 8);
        read_stream_free(s);
        recorder_set_limits(f->m->recorder, &limits_default);
        fixture_free(f);
}
END_TEST

START_TEST(capture_that_outlives_the_recorder_has_how_all_ended) {
        Fixture *f = fixture_new();
        Capture *c = open_capture(f->m, &everything);
        ReadStream *s;
        Answer a;

        fixture_echo(f, f->agent, "abcd", NULL, &a);
        fixture_started(f, fixture_pending(f)->id);
        manager_stop(f->m, "enough", f->now_usec);
        fixture_free(f);
        s = read_and_close(c);
        ck_assert_uint_eq(s->n_packets, 2);
        ck_assert_uint_ne(s->packets[1].status, 0);
        read_stream_free(s);
}
END_TEST

START_TEST(one_capture_too_many_names_the_limit) {
        Fixture *f = fixture_new();
        Capture *captures[8], *more;
        Failure failure;

        for (size_t i = 0; i < ELEMENTS(captures); i++)
                captures[i] = open_capture(f->m, &everything);
        ck_assert_int_eq(recorder_open_capture(f->m->recorder, &everything, on_wake, NULL, &more, &failure),
                         -EDQUOT);
        ck_assert_ptr_nonnull(strstr(failure.text, "CapturesMax"));
        captures[0] = recorder_close_capture(captures[0]);
        captures[0] = open_capture(f->m, &everything);
        for (size_t i = 0; i < ELEMENTS(captures); i++)
                recorder_close_capture(captures[i]);
        fixture_free(f);
}
END_TEST

DEFINE_SUITE("recorder", exchange_is_a_request_and_a_response, failure_is_a_status_without_an_object,
             what_runs_when_doed_pci_is_lost_has_its_end, what_runs_when_the_device_goes_has_its_end,
             reads_of_doed_itself_are_its_own, uid_stays_after_its_client_has_left,
             objects_of_a_lease_are_recorded, payload_is_withheld_where_a_rule_says_so,
             past_comes_first_and_in_order, past_is_bounded_and_forgets_the_oldest,
             no_past_is_kept_where_there_is_no_room_for_it, newest_of_the_past_are_those_that_fit,
             largest_object_is_cut_to_what_wireshark_reads, padding_is_there_with_the_rest,
             capture_that_outlives_the_recorder_has_how_all_ended, one_capture_too_many_names_the_limit)
