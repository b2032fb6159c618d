/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/service-fixture.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util/clock.h"
#include "tests/unit/temporary-tree.h"

#define WAIT_USEC (10 * USEC_PER_SEC)

pid_t service_pid;
WireConnection *control, *device;
WireMessage got;
uint64_t last_job_id;

static const char *wire_path(void) {
        return tree_path("wire");
}

void service_setup(void) {
        tree_make();
        fake_make();
        last_job_id = 0;
        got = (WireMessage){ 0 };
}

void hang_up(void) {
        control = wire_connection_free(control);
        device = wire_connection_free(device);
}

void service_teardown(void) {
        hang_up();
        if (service_pid > 0)
                ck_assert_int_eq(fake_stop(service_pid, PATIENCE_MSEC), 0);
        service_pid = 0;
        fake_remove();
        tree_remove();
}

void start(uint64_t settle_usec) {
        service_pid = fake_start(wire_path(), settle_usec);
}

int receive(WireConnection *c) {
        struct pollfd pfd = { .fd = wire_connection_fd(c), .events = POLLIN };
        int fd = -1, r;

        while ((r = wire_connection_receive(c, &got, &fd)) == 0)
                ck_assert_msg(poll(&pfd, 1, PATIENCE_MSEC) == 1, "nothing came");
        ck_assert_int_eq(r, 1);
        return fd;
}

static void receive_no_fd(WireConnection *c) {
        ck_assert_int_eq(receive(c), -1);
}

void expect_end(WireConnection *c) {
        struct pollfd pfd = { .fd = wire_connection_fd(c), .events = POLLIN };
        int fd = -1, r;

        while ((r = wire_connection_receive(c, &got, &fd)) >= 0)
                if (r == 0)
                        ck_assert_msg(poll(&pfd, 1, PATIENCE_MSEC) == 1, "the stream does not end");
        ck_assert_int_eq(r, -ECONNRESET);
}

void say(WireConnection *c, const WireMessage *message) {
        ck_assert_int_eq(wire_connection_send(c, message, -1), 0);
}

void say_hello(uint32_t version) {
        WireMessage hello = { .type = WIRE_HELLO,
                              .hello = { .wire_version = version, .program_version = "test" } };

        ck_assert_int_eq(wire_connection_connect(wire_path(), &control), 0);
        say(control, &hello);
}

WireConnection *receive_device(const char *address) {
        WireConnection *c = NULL;
        int fd = receive(control);

        ck_assert_int_eq(got.type, WIRE_DEVICE);
        ck_assert_str_eq(got.device.address, address);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(wire_connection_new(fd, &c), 0);
        return c;
}

void expect(WireConnection *c, WireType type) {
        receive_no_fd(c);
        ck_assert_msg(got.type == type, "%s instead of %s", wire_type_to_string(got.type),
                      wire_type_to_string(type));
}

void await_state(WireMailboxState state) {
        do
                receive(device);
        while (got.type != WIRE_MAILBOX || got.mailbox.state != state);
}

uint64_t connect_until_ready(void) {
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        device = receive_device(A);
        await_state(WIRE_MAILBOX_READY);
        return got.mailbox.epoch;
}

uint64_t submit_as(uint16_t offset, uint16_t vendor_id, uint8_t type, uint8_t code) {
        uint8_t payload[] = { code, 0x00, 0x00, 0x00, 0x12, 0x34, 0x56, 0x78 };
        WireMessage job = { .type = WIRE_EXCHANGE,
                            .exchange = { .job_id = ++last_job_id,
                                          .offset = offset,
                                          .vendor_id = vendor_id,
                                          .type = type,
                                          .deadline_usec = clock_monotonic_usec() + WAIT_USEC,
                                          .n_dwords_max = FAKE_DWORDS_MAX,
                                          .payload = payload,
                                          .n_bytes = sizeof(payload) } };

        say(device, &job);
        return last_job_id;
}

uint64_t submit(void) {
        return submit_as(FAKE_OFFSET, 0x1234, 0x01, 0x99);
}

void await_done(uint64_t job_id) {
        do
                receive(device);
        while (got.type != WIRE_DONE);
        ck_assert_uint_eq(got.done.job_id, job_id);
}

void expect_answer(void) {
        static const uint8_t answer[] = { 0x99, 0x00, 0x00, 0x00, 0x12, 0x34, 0x56, 0x78 };

        await_done(submit());
        ck_assert_msg(got.done.error == 0, "%s: %s", strerror(-got.done.error), got.done.evidence);
        ck_assert_uint_eq(got.done.n_bytes, sizeof(answer));
        ck_assert_mem_eq(got.done.payload, answer, sizeof(answer));
}

void await(const atomic_uint *counter, unsigned value) {
        uint64_t end_usec = clock_monotonic_usec() + WAIT_USEC;

        while (*counter < value) {
                ck_assert_uint_lt(clock_monotonic_usec(), end_usec);
                usleep(1000);
        }
}

void await_idle(void) {
        uint64_t end_usec = clock_monotonic_usec() + WAIT_USEC;

        while (fake->devices[0].is_pinned) {
                ck_assert_uint_lt(clock_monotonic_usec(), end_usec);
                usleep(1000);
        }
}

void await_sync(void) {
        say(control, &(WireMessage){ .type = WIRE_RESCAN });
        do
                receive_no_fd(control);
        while (got.type != WIRE_ENUMERATED);
}
