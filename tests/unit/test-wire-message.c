/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>

#include "daemon/util/cleanup.h"
#include "daemon/wire/message.h"
#include "protocols/cursor.h"

static const uint8_t payload[] = { 0x00, 0xff, 0x12, 0x34, 0x56 };

static WireMessage make_device(void) {
        WireMessage m = { .type = WIRE_DEVICE };

        m.device = (WireDevice){
                .address = "10000:3a:1f.7",
                .instance = "6b1f-4711",
                .vendor_id = 0x1e98,
                .device_id = 0xd0e0,
                .class_code = 0x050210,
                .numa_node = -1,
                .name = "Vendor \xc3\xa9 memory",
                .driver = "cxl_pci",
                .access = "read-only: kernel lockdown is integrity",
                .cxl_memory = "mem0",
                .cxl_port = "endpoint2",
                .spdm_owner = "tsm/ is there",
                .has_kernel_cdat = true,
                .n_features = WIRE_FEATURES_MAX,
                .n_mailboxes = WIRE_MAILBOXES_MAX,
        };
        for (uint16_t i = 0; i < WIRE_FEATURES_MAX; i++)
                m.device.features[i] = (WireFeature){ .vendor_id = i, .type = (uint8_t)(255 - i) };
        for (uint16_t i = 0; i < WIRE_MAILBOXES_MAX; i++)
                m.device.mailboxes[i] = (WireMailboxInfo){ .offset = (uint16_t)(WIRE_OFFSET_MIN + 0x18 * i),
                                                           .cap_version = 2 };
        return m;
}

static WireMessage make_exchange(void) {
        return (WireMessage){ .type = WIRE_EXCHANGE,
                              .exchange = {
                                              .job_id = UINT64_MAX,
                                              .offset = WIRE_OFFSET_MAX,
                                              .vendor_id = 0x0001,
                                              .type = 3,
                                              .connection_id = 0xfff,
                                              .deadline_usec = 123456789012345,
                                              .timeout_usec = 1000000,
                                              .busy_grace_usec = 3000000,
                                              .n_dwords_max = DOE_OBJECT_DWORDS_MAX,
                                              .epoch = 7,
                                              .payload = payload,
                                              .n_bytes = sizeof(payload),
                              } };
}

static WireMessage make_done(void) {
        return (WireMessage){ .type = WIRE_DONE,
                              .done = {
                                              .job_id = 5,
                                              .error = -ECONNABORTED,
                                              .not_started = true,
                                              .is_foreign = true,
                                              .started_usec = 1,
                                              .ended_usec = 2,
                                              .epoch = 3,
                                              .evidence = "Read Data holds 1e98:02",
                                              .payload = payload,
                                              .n_bytes = 4,
                              } };
}

static WireMessage make_record(void) {
        WireMessage record = { .type = WIRE_PUT_RECORD,
                               .record = { .uid = 1000,
                                           .offset = 0x160,
                                           .vendor_id = 0x0001,
                                           .type = 2,
                                           .is_session = true,
                                           .epoch = 7,
                                           .expires_usec = 123456789012345,
                                           .keep_usec = 600000000 } };

        for (uint8_t i = 0; i < WIRE_DIGEST_BYTES; i++)
                record.record.digest[i] = (uint8_t)(0xff - i);
        return record;
}

/* Only its digest goes over. */
static WireMessage make_drop(void) {
        WireMessage record = make_record(), drop;

        memset(&drop, 0, sizeof(drop));
        drop.type = WIRE_DROP_RECORD;
        memcpy(drop.record.digest, record.record.digest, sizeof(drop.record.digest));
        return drop;
}

#define N_SAMPLES 23

static WireMessage make_sample(int i) {
        switch (i) {
        case 0:
                return (WireMessage){ .type = WIRE_HELLO,
                                      .hello = { .wire_version = WIRE_VERSION,
                                                 .program_version = "0.1.0",
                                                 .lockdown = "none" } };
        case 1:
                return make_device();
        case 2:
                return (WireMessage){ .type = WIRE_DEVICE_REMOVED, .text = { .text = "0000:3a:00.0" } };
        case 3:
                return (WireMessage){ .type = WIRE_ENUMERATED };
        case 4:
                return (WireMessage){ .type = WIRE_LOCKDOWN, .text = { .text = "confidentiality" } };
        case 5:
                return (WireMessage){ .type = WIRE_RESCAN };
        case 6:
                return (WireMessage){ .type = WIRE_MAILBOX,
                                      .mailbox = { .offset = 0x160,
                                                   .state = WIRE_MAILBOX_DEAD,
                                                   .epoch = 9,
                                                   .reason = "the abort did not end" } };
        case 7:
                return make_exchange();
        case 8:
                return make_done();
        case 9:
                return (WireMessage){ .type = WIRE_RECOVER, .recover = { .offset = 0x160, .force = true } };
        case 10:
        case 11:
                return (WireMessage){ .type = i == 10 ? WIRE_FOREIGN : WIRE_ABORTED,
                                      .note = { .offset = 0x160, .text = "Status 80000001" } };
        case 17:
                return (WireMessage){ .type = WIRE_RELOAD };
        case 18:
        case 19:
                return (WireMessage){ .type = i == 18 ? WIRE_SUSPEND : WIRE_SUSPENDED,
                                      .turned = { .is_on = true } };
        case 20:
                return (WireMessage){ .type = WIRE_INHIBIT, .inhibit = { .offset = 0x160, .lease_id = 7 } };
        case 21:
                return make_record();
        case 22:
                return make_drop();
        default:
                return (WireMessage){ .type = ((WireType[]){ WIRE_RECALL, WIRE_CANCEL, WIRE_READ_KERNEL_CDAT,
                                                             WIRE_STARTED, WIRE_RECALLED })[i - 12],
                                      .job = { .job_id = 77 } };
        }
}

static void assert_same_payload(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b) {
        ck_assert_uint_eq(n_a, n_b);
        ck_assert_mem_eq(a, b, n_a);
}

static void assert_same(WireMessage *a, WireMessage *b) {
        ck_assert_int_eq(a->type, b->type);
        if (a->type == WIRE_EXCHANGE) {
                assert_same_payload(a->exchange.payload, a->exchange.n_bytes, b->exchange.payload,
                                    b->exchange.n_bytes);
                a->exchange.payload = b->exchange.payload = NULL;
        }
        if (a->type == WIRE_DONE) {
                assert_same_payload(a->done.payload, a->done.n_bytes, b->done.payload, b->done.n_bytes);
                a->done.payload = b->done.payload = NULL;
        }
        ck_assert_mem_eq(a, b, sizeof(*a));
}

START_TEST(every_message_comes_back_as_it_was) {
        _cleanup_free_ uint8_t *frame = NULL;
        WireMessage in, out;
        size_t n_bytes;

        /* padding of the structs is compared too */
        memset(&in, 0, sizeof(in));
        in = make_sample(_i);
        ck_assert_int_eq(wire_encode(&in, &frame, &n_bytes), 0);
        ck_assert_uint_eq(doe_load_le32(frame), n_bytes);
        ck_assert_uint_eq(doe_load_le32(frame + 4), in.type);
        ck_assert_int_eq(wire_decode(frame, n_bytes, &out), 0);
        assert_same(&in, &out);
}
END_TEST

START_TEST(every_message_cut_short_or_made_longer_is_refused) {
        _cleanup_free_ uint8_t *frame = NULL;
        WireMessage in = make_sample(_i), out;
        size_t n_bytes;

        ck_assert_int_eq(wire_encode(&in, &frame, &n_bytes), 0);
        for (size_t n = 0; n < n_bytes; n++) {
                /* memory of just that size, so that a read beyond it is seen */
                _cleanup_free_ uint8_t *cut = malloc(n + 1);

                memcpy(cut, frame, n);
                ck_assert_int_eq(wire_decode(cut, n, &out), -EBADMSG);
                if (n < WIRE_FRAME_HEADER)
                        continue;
                doe_store_le32(cut, (uint32_t)n);
                ck_assert_int_eq(wire_decode(cut, n, &out), -EBADMSG);
        }
        frame = realloc(frame, n_bytes + 1);
        frame[n_bytes] = 0;
        doe_store_le32(frame, (uint32_t)n_bytes + 1);
        ck_assert_int_eq(wire_decode(frame, n_bytes + 1, &out), -EBADMSG);
}
END_TEST

START_TEST(types_that_are_none_are_refused) {
        static const uint32_t types[] = { 0,
                                          WIRE_SUSPENDED + 1,
                                          WIRE_MAILBOX - 1,
                                          WIRE_DROP_RECORD + 1,
                                          0x80000000 | WIRE_RESCAN,
                                          UINT32_MAX };
        uint8_t frame[WIRE_FRAME_HEADER];
        WireMessage out;

        doe_store_le32(frame, sizeof(frame));
        for (size_t i = 0; i < ELEMENTS(types); i++) {
                doe_store_le32(frame + 4, types[i]);
                ck_assert_int_eq(wire_decode(frame, sizeof(frame), &out), -EBADMSG);
        }
}
END_TEST

static void assert_refused(const WireMessage *m) {
        uint8_t *frame = NULL;
        size_t n_bytes;

        ck_assert_int_eq(wire_encode(m, &frame, &n_bytes), -EINVAL);
        ck_assert_ptr_null(frame);
}

START_TEST(numbers_out_of_range_are_refused) {
        WireMessage m;

#define REFUSE(make, member, value)                                                                         \
        do {                                                                                                \
                m = make;                                                                                   \
                m.member = value;                                                                           \
                assert_refused(&m);                                                                         \
        } while (0)
        REFUSE(make_exchange(), exchange.job_id, 0);
        REFUSE(make_exchange(), exchange.offset, 0xfc);
        REFUSE(make_exchange(), exchange.offset, 0xfec);
        REFUSE(make_exchange(), exchange.offset, 0x162);
        REFUSE(make_exchange(), exchange.connection_id, 0x1000);
        REFUSE(make_exchange(), exchange.n_dwords_max, 1);
        REFUSE(make_exchange(), exchange.n_dwords_max, DOE_OBJECT_DWORDS_MAX + 1);
        REFUSE(make_exchange(), exchange.n_bytes, DOE_PAYLOAD_BYTES_MAX + 1);
        REFUSE(make_done(), done.error, 1);
        REFUSE(make_done(), done.error, -4096);
        REFUSE(make_done(), done.n_bytes, SIZE_MAX);
        REFUSE(make_device(), device.class_code, 0x1000000);
        REFUSE(make_device(), device.numa_node, -2);
        REFUSE(make_device(), device.n_features, WIRE_FEATURES_MAX + 1);
        REFUSE(make_device(), device.n_mailboxes, 0);
        REFUSE(make_device(), device.n_mailboxes, WIRE_MAILBOXES_MAX + 1);
        REFUSE(make_device(), device.mailboxes[1].offset, WIRE_OFFSET_MIN);
        REFUSE(make_device(), device.mailboxes[3].cap_version, 16);
        REFUSE(make_sample(6), mailbox.state, N_WIRE_MAILBOX_STATES);
        REFUSE(make_sample(20), inhibit.offset, 0xfc);
        REFUSE(make_record(), record.offset, 0x162);
}
END_TEST

/* Those that end in a bool. */
START_TEST(values_that_no_encoder_makes_are_refused) {
        static const int samples[] = { 9, 18, 19 };

        for (size_t i = 0; i < ELEMENTS(samples); i++) {
                _cleanup_free_ uint8_t *frame = NULL;
                WireMessage m = make_sample(samples[i]), out;
                size_t n_bytes;

                ck_assert_int_eq(wire_encode(&m, &frame, &n_bytes), 0);
                frame[n_bytes - 1] = 2;
                ck_assert_int_eq(wire_decode(frame, n_bytes, &out), -EBADMSG);
                frame[n_bytes - 1] = 0;
                ck_assert_int_eq(wire_decode(frame, n_bytes, &out), 0);
        }
}
END_TEST

static const char *const bad_texts[] = {
        "line\nbreak",      "\x7f",     "\xff",    "\xc3", "\xc0\x80", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xc2\x80", "\xe2\x82"
};

START_TEST(text_that_is_no_printable_utf8_is_refused) {
        WireMessage m = make_sample(6);

        strcpy(m.mailbox.reason, bad_texts[_i]);
        assert_refused(&m);
}
END_TEST

START_TEST(text_without_an_end_is_refused) {
        WireMessage m = make_sample(6);

        memset(m.mailbox.reason, 'x', sizeof(m.mailbox.reason));
        assert_refused(&m);
}
END_TEST

START_TEST(text_is_cleaned_and_cut_between_characters) {
        char field[8];

        wire_text_set(field, sizeof(field), "a\nb\xff");
        ck_assert_str_eq(field, "a?b?");
        wire_text_set(field, sizeof(field), "12345\xe2\x82\xac");
        ck_assert_str_eq(field, "1234...");
        wire_text_set(field, sizeof(field), "1234\xe2\x82\xac");
        ck_assert_str_eq(field, "1234\xe2\x82\xac");
        wire_text_set(field, sizeof(field), "1234567\n");
        ck_assert_str_eq(field, "1234...");
}
END_TEST

START_TEST(addresses_are_as_the_kernel_writes_them) {
        static const char *const good[] = { "0000:00:00.0", "10000:01:1f.7", "ffffffff:ff:00.0" };
        static const char *const bad[] = { "",
                                           "00:00.0",
                                           "000:00:00.0",
                                           "000000000:00:00.0",
                                           "0000:3A:00.0",
                                           "0000:00:20.0",
                                           "0000:00:00.8",
                                           "0000:00:00.0 ",
                                           "0000:00:0.0",
                                           "../0000:00:00.0" };

        for (size_t i = 0; i < ELEMENTS(good); i++)
                ck_assert_msg(wire_address_is_valid(good[i]), "%s", good[i]);
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                ck_assert_msg(!wire_address_is_valid(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(hello_of_another_version_is_read_as_far_as_it_goes) {
        _cleanup_free_ uint8_t *frame = NULL;
        WireMessage m = make_sample(0), out;
        size_t n_bytes;

        ck_assert_int_eq(wire_encode(&m, &frame, &n_bytes), 0);
        doe_store_le32(frame + WIRE_FRAME_HEADER, WIRE_VERSION + 1);
        ck_assert_int_eq(wire_decode(frame, n_bytes, &out), 0);
        ck_assert_uint_eq(out.hello.wire_version, WIRE_VERSION + 1);
        ck_assert_str_eq(out.hello.program_version, "0.1.0");
        ck_assert_str_eq(out.hello.lockdown, "");
}
END_TEST

START_TEST(largest_objects_fit_into_a_frame) {
        _cleanup_free_ uint8_t *object = calloc(1, WIRE_KERNEL_CDAT_MAX), *frame = NULL;
        WireMessage m = make_done(), out;
        size_t n_bytes;

        memset(m.done.evidence, 'x', sizeof(m.done.evidence) - 1);
        m.done.payload = object;
        m.done.n_bytes = WIRE_KERNEL_CDAT_MAX;
        ck_assert_int_eq(wire_encode(&m, &frame, &n_bytes), 0);
        ck_assert_uint_le(n_bytes, WIRE_FRAME_MAX);
        ck_assert_int_eq(wire_decode(frame, n_bytes, &out), 0);
        ck_assert_uint_eq(out.done.n_bytes, WIRE_KERNEL_CDAT_MAX);
}
END_TEST

START_TEST(every_state_has_a_name) {
        for (int i = 0; i < N_WIRE_MAILBOX_STATES; i++)
                ck_assert_ptr_nonnull(wire_mailbox_state_to_string((WireMailboxState)i));
}
END_TEST

int main(void) {
        Suite *s = suite_create("wire-message");
        TCase *t = tcase_create("codec");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(t, every_message_comes_back_as_it_was, 0, N_SAMPLES);
        tcase_add_loop_test(t, every_message_cut_short_or_made_longer_is_refused, 0, N_SAMPLES);
        tcase_add_test(t, types_that_are_none_are_refused);
        tcase_add_test(t, numbers_out_of_range_are_refused);
        tcase_add_test(t, values_that_no_encoder_makes_are_refused);
        tcase_add_loop_test(t, text_that_is_no_printable_utf8_is_refused, 0, (int)ELEMENTS(bad_texts));
        tcase_add_test(t, text_without_an_end_is_refused);
        tcase_add_test(t, text_is_cleaned_and_cut_between_characters);
        tcase_add_test(t, addresses_are_as_the_kernel_writes_them);
        tcase_add_test(t, hello_of_another_version_is_read_as_far_as_it_goes);
        tcase_add_test(t, largest_objects_fit_into_a_frame);
        tcase_add_test(t, every_state_has_a_name);
        suite_add_tcase(s, t);
        runner = srunner_create(s);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
