/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The shipped mailbox machine against the shipped fixture of faults, device by device, in virtual time. */

#include <errno.h>

#include "daemon/pci/doe-mailbox.h"
#include "daemon/util/clock.h"
#include "tests/emulator/model.h"
#include "tests/emulator/scenario.h"
#include "tests/unit/suite.h"

#define LIMIT_USEC (120 * USEC_PER_SEC)
#define NOT_YET    1 /* no errno */

/* One device, its mailbox and a clock that only accesses and waits move. */
typedef struct Bench {
        ConfigSpace config;
        Model *model;
        uint64_t now_usec;
        DoeMailbox *mb;
        int error; /* of the last job */
        bool is_right;
} Bench;

static const uint8_t question[4] = { 1, 2, 3, 4 };

static int bench_read32(ConfigSpace *config, uint16_t offset, uint32_t *ret) {
        Bench *b = (Bench *)config;

        *ret = model_read(b->model, ++b->now_usec, offset, 4);
        return 0;
}

static int bench_write32(ConfigSpace *config, uint16_t offset, uint32_t value) {
        Bench *b = (Bench *)config;

        model_write(b->model, ++b->now_usec, offset, 4, value);
        return 0;
}

static uint64_t bench_now_usec(ConfigSpace *config) {
        return ((Bench *)config)->now_usec;
}

static void bench_pause(ConfigSpace *config, uint64_t usec) {
        ((Bench *)config)->now_usec += usec;
}

static void on_done(void *userdata, _unused_ DoeMailbox *mb, const WireDone *done) {
        Bench *b = userdata;

        b->error = done->error;
        b->is_right = done->error == 0 && done->n_bytes == sizeof(question) &&
                      memcmp(done->payload, question, sizeof(question)) == 0;
}

static void ignore_state(_unused_ void *userdata, _unused_ DoeMailbox *mb) {
}

static void ignore_job(_unused_ void *userdata, _unused_ DoeMailbox *mb, _unused_ uint64_t job_id) {
}

static void ignore_text(_unused_ void *userdata, _unused_ DoeMailbox *mb, _unused_ const char *text) {
}

static void ignore_busy(_unused_ void *userdata, _unused_ DoeMailbox *mb, _unused_ bool is_busy) {
}

static const DoeMailboxObserver observer = { ignore_state, ignore_job,  on_done,    ignore_job,
                                             ignore_text,  ignore_text, ignore_busy };

static void bench_begin(Bench *b, const ModelSettings *settings) {
        DoeMailboxSettings mailbox = { 0 };

        *b = (Bench){ .config = { bench_read32, bench_write32, bench_now_usec, bench_pause },
                      .now_usec = 1 };
        ck_assert_int_eq(model_new(settings, b->now_usec, &b->model), 0);
        b->mb = doe_mailbox_new(&b->config, settings->mailboxes[0].offset, &mailbox, &observer, b);
        ck_assert_ptr_nonnull(b->mb);
}

static void bench_end(Bench *b) {
        doe_mailbox_fail_all(b->mb, -ECONNABORTED, "the end");
        doe_mailbox_free(b->mb);
        model_free(b->model);
}

/* One echo, from its submission to its answer. Return: its error. */
static int bench_echo(Bench *b, uint64_t job_id) {
        uint64_t limit_usec = b->now_usec + LIMIT_USEC;
        WireExchange job = { .job_id = job_id,
                             .offset = doe_mailbox_offset(b->mb),
                             .vendor_id = 0x1234,
                             .type = 1,
                             .deadline_usec = usec_add(b->now_usec, 20 * USEC_PER_SEC),
                             .n_dwords_max = 16,
                             .payload = question,
                             .n_bytes = sizeof(question) };

        b->error = NOT_YET;
        ck_assert_int_eq(doe_mailbox_submit(b->mb, &job), 0);
        while (b->error == NOT_YET && b->now_usec < limit_usec) {
                uint64_t due_usec = doe_mailbox_dispatch(b->mb);

                if (due_usec != USEC_INFINITY && due_usec > b->now_usec)
                        b->now_usec = due_usec;
        }
        return b->error;
}

/* What the first two echoes of a device of the fixture give; 0 with the right bytes. */
static const struct {
        const char *address;
        int first, second;
} cases[] = {
        { "0000:40:00.0", 0, 0 },
        { "0000:40:01.0", -ETIMEDOUT, 0 },
        { "0000:40:02.0", 0, 0 },
        { "0000:40:03.0", -ETIMEDOUT, 0 },
        { "0000:40:04.0", -EREMOTEIO, 0 },
        { "0000:40:05.0", -EREMOTEIO, 0 },
        { "0000:40:06.0", -EREMOTEIO, 0 },
        { "0000:40:07.0", -EMSGSIZE, 0 },
        { "0000:40:08.0", -EBADMSG, 0 },
        { "0000:40:09.0", -EBADMSG, 0 },
        { "0000:40:0a.0", -EREMOTEIO, 0 }, /* the pop beyond the end */
        { "0000:40:0b.0", -ECONNABORTED, 0 },
        { "0000:40:0c.0", -ECONNABORTED, 0 },
        { "0000:40:0d.0", 0, 0 },
        { "0000:40:0f.0", -ENODEV, 0 },
        { "0000:40:10.0", -ENODEV, -ETIMEDOUT }, /* nobody removes it here */
        { "0000:40:11.0", -ETIMEDOUT, 0 },
        { "0000:40:12.0", -ETIMEDOUT, -ESHUTDOWN },
        { "0000:40:13.0", -ETIMEDOUT, 0 },
        { "0000:40:14.0", -ETIMEDOUT, 0 },
        { "0000:40:15.0", -ECONNABORTED, 0 },
        { "0000:40:16.0", -ECONNABORTED, 0 },
};

START_TEST(each_faulty_device_ends_in_its_error_and_works_again) {
        char error[SCENARIO_ERROR_MAX];
        Scenario *s = NULL;

        ck_assert_msg(scenario_read(SOURCE_DIR "/tests/fixtures/faults.scenario", &s, error) == 0, "%s",
                      error);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                int device = scenario_find(s, cases[i].address);
                Bench b;

                ck_assert_int_ge(device, 0);
                bench_begin(&b, &s->devices[device].model);
                ck_assert_msg(bench_echo(&b, 1) == cases[i].first, "%s: first: %s", cases[i].address,
                              strerror(-b.error));
                ck_assert_msg(b.is_right == (cases[i].first == 0), "%s: wrong bytes", cases[i].address);
                ck_assert_msg(bench_echo(&b, 2) == cases[i].second, "%s: second: %s", cases[i].address,
                              strerror(-b.error));
                ck_assert_msg(b.is_right == (cases[i].second == 0), "%s: wrong bytes", cases[i].address);
                bench_end(&b);
        }
        scenario_free(s);
}
END_TEST

DEFINE_SUITE("faults", each_faulty_device_ends_in_its_error_and_works_again)
