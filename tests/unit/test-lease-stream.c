/* SPDX-License-Identifier: GPL-2.0-or-later */

/* daemon/bus/lease-stream.c against a scripted lease: the functions of lease.h that it calls are defined
 * here. */

#include <check.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "daemon/bus/lease-stream.h"
#include "daemon/util/clock.h"
#include "tests/unit/suite.h"

#define GIVE_UP_USEC (30 * USEC_PER_SEC)
#define TICK_USEC    2000
#define VENDOR       0x1234u
#define TYPE         0x01u

/* -------- the lease -------- */

static Lease lease;
static const LeaseStreamOps *ops;
static void *ops_userdata;
static uint32_t object_bytes_max;
static unsigned n_wanted; /* objects that it takes still */
static unsigned n_objects, n_too_large, n_finished, n_hung_up, n_framing_lost, n_blocked;
static bool is_blocked;
static uint8_t *last_payload;
static size_t last_n_bytes;
static DoeObjectHeader last_header;

void lease_attach(Lease *l, const LeaseStreamOps *stream_ops, void *userdata, uint64_t now_usec) {
        ops = stream_ops;
        ops_userdata = userdata;
}

uint32_t lease_object_bytes_max(const Lease *l) {
        return object_bytes_max;
}

bool lease_wants_more(Lease *l) {
        return n_wanted > 0;
}

void lease_receive(Lease *l, const DoeObjectHeader *header, const uint8_t *payload, size_t n_bytes,
                   uint64_t now_usec) {
        ck_assert_uint_eq(4 * (size_t)header->n_dwords, DOE_HEADER_BYTES + n_bytes);
        n_wanted--;
        n_objects++;
        last_header = *header;
        last_n_bytes = n_bytes;
        last_payload = realloc(last_payload, n_bytes + 1);
        memcpy(last_payload, payload, n_bytes);
}

void lease_receive_too_large(Lease *l, const DoeObjectHeader *header, uint64_t n_bytes, uint64_t now_usec) {
        ck_assert_uint_eq(4 * (uint64_t)header->n_dwords, n_bytes);
        n_wanted--;
        n_too_large++;
}

void lease_set_blocked(Lease *l, bool blocked, uint64_t now_usec) {
        ck_assert(blocked != is_blocked);
        is_blocked = blocked;
        n_blocked += blocked;
}

void lease_framing_lost(Lease *l, const char *evidence, uint64_t now_usec) {
        n_framing_lost++;
}

void lease_finish(Lease *l, uint64_t now_usec) {
        n_finished++;
}

void lease_hang_up(Lease *l, uint64_t now_usec) {
        n_hung_up++;
}

static void answer(size_t n_bytes, uint8_t fill) {
        uint32_t *object = malloc(n_bytes);
        DoeObjectHeader header = { .vendor_id = VENDOR, .type = TYPE, .n_dwords = (uint32_t)(n_bytes / 4) };

        memset(object, fill, n_bytes);
        doe_object_header_encode(&header, &object[0], &object[1]);
        object[0] = htole32(object[0]);
        object[1] = htole32(object[1]);
        ops->send(ops_userdata, (uint8_t *)object, n_bytes);
        free(object);
}

static void end_lease(void) {
        ops->end(ops_userdata);
}

/* -------- the rest -------- */

static struct event_base *base;
static struct event *tick;
static LeaseStreams *streams;
static int fd; /* the holder's */

static void on_tick(evutil_socket_t number, short events, void *userdata) {
}

static void setup(LeaseScope scope) {
        const struct timeval interval = { .tv_usec = TICK_USEC };

        lease = (Lease){ .id = 7, .scope = scope };
        object_bytes_max = DOE_OBJECT_BYTES_MAX;
        n_wanted = UINT32_MAX;
        n_objects = n_too_large = n_finished = n_hung_up = n_framing_lost = n_blocked = 0;
        is_blocked = false;
        last_payload = NULL;
        base = event_base_new();
        tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
        event_add(tick, &interval);
        streams = lease_streams_new(base);
        ck_assert_int_eq(lease_stream_open(streams, &lease, &fd), 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void teardown(void) {
        lease_streams_free(streams);
        event_free(tick);
        event_base_free(base);
        free(last_payload);
        if (fd >= 0)
                close(fd);
}

static void turn(void) {
        ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
}

/* Turn the loop until @condition holds; fails the test if it never does. */
#define turn_until(condition)                                                                               \
        do {                                                                                                \
                uint64_t give_up_usec = clock_monotonic_usec() + GIVE_UP_USEC;                              \
                while (!(condition)) {                                                                      \
                        ck_assert_uint_lt(clock_monotonic_usec(), give_up_usec);                            \
                        turn();                                                                             \
                }                                                                                           \
        } while (false)

/* What is due at once has happened. */
static void settle(void) {
        for (unsigned i = 0; i < 20; i++)
                turn();
}

/* Header of an object with @dw1 as it stands there. */
static void put_header(uint8_t *bytes, uint32_t dw1) {
        const uint32_t dwords[2] = { htole32(VENDOR | TYPE << 16), htole32(dw1) };

        memcpy(bytes, dwords, sizeof(dwords));
}

/* Write all, turning the loop where the socket is full. */
static void write_bytes(const uint8_t *bytes, size_t n_bytes) {
        while (n_bytes > 0) {
                ssize_t n = send(fd, bytes, n_bytes, MSG_NOSIGNAL);

                if (n < 0) {
                        ck_assert_int_eq(errno, EAGAIN);
                        turn();
                        continue;
                }
                bytes += n;
                n_bytes -= (size_t)n;
        }
}

static void write_object(size_t n_bytes, uint8_t fill) {
        uint8_t *bytes = malloc(n_bytes);

        memset(bytes, fill, n_bytes);
        put_header(bytes, (uint32_t)(n_bytes / 4) % DOE_OBJECT_DWORDS_MAX);
        write_bytes(bytes, n_bytes);
        free(bytes);
}

/* Write until the socket takes no more. Return: bytes. */
static size_t flood(void) {
        uint8_t object[16] = {};
        size_t n_bytes = 0;
        ssize_t n;

        put_header(object, sizeof(object) / 4);
        while ((n = send(fd, object, sizeof(object), MSG_NOSIGNAL)) > 0)
                n_bytes += (size_t)n;
        return n_bytes;
}

/* Read to the end of the stream. Return: bytes before it. */
static size_t read_to_end(void) {
        size_t n_bytes = 0;
        char buffer[65536];
        ssize_t n;

        while (true) {
                turn_until((n = recv(fd, buffer, sizeof(buffer), 0)) >= 0 || errno != EAGAIN);
                ck_assert_int_ge(n, 0);
                if (n == 0)
                        return n_bytes;
                n_bytes += (size_t)n;
        }
}

static void close_holder(void) {
        close(fd);
        fd = -1;
}

START_TEST(objects_in_one_write_are_told_apart) {
        uint8_t bytes[12 + 16];

        setup(LEASE_SCOPE_FEATURE);
        memset(bytes, 0x5a, sizeof(bytes));
        put_header(bytes, 3);
        put_header(bytes + 12, 4);
        write_bytes(bytes, sizeof(bytes));
        turn_until(n_objects == 2);
        ck_assert_uint_eq(last_n_bytes, 8);
        ck_assert_uint_eq(last_header.vendor_id, VENDOR);
        ck_assert_uint_eq(last_header.type, TYPE);
        teardown();
}
END_TEST

START_TEST(an_object_may_come_byte_by_byte) {
        uint8_t bytes[12] = { [8] = 1, [9] = 2, [10] = 3, [11] = 4 };

        setup(LEASE_SCOPE_FEATURE);
        put_header(bytes, 3);
        for (size_t i = 0; i < sizeof(bytes); i++) {
                ck_assert_uint_eq(n_objects, 0);
                write_bytes(bytes + i, 1);
                turn();
                turn();
        }
        turn_until(n_objects == 1);
        ck_assert_mem_eq(last_payload, bytes + 8, 4);
        teardown();
}
END_TEST

START_TEST(length_zero_means_the_largest_object) {
        setup(LEASE_SCOPE_FEATURE);
        write_object(DOE_OBJECT_BYTES_MAX, 0xa5);
        turn_until(n_objects == 1);
        ck_assert_uint_eq(last_n_bytes, DOE_PAYLOAD_BYTES_MAX);
        for (size_t i = 0; i < last_n_bytes; i++)
                ck_assert_uint_eq(last_payload[i], 0xa5);
        teardown();
}
END_TEST

START_TEST(length_one_loses_the_framing) {
        uint8_t bytes[12] = {};

        setup(LEASE_SCOPE_FEATURE);
        put_header(bytes, 1);
        write_bytes(bytes, sizeof(bytes));
        turn_until(n_framing_lost == 1);
        write_object(12, 0);
        settle();
        ck_assert_uint_eq(n_objects, 0);
        ck_assert_uint_eq(n_framing_lost, 1);
        end_lease();
        ck_assert_uint_eq(read_to_end(), 0);
        teardown();
}
END_TEST

START_TEST(the_object_after_one_that_is_too_large_is_taken) {
        setup(LEASE_SCOPE_FEATURE);
        object_bytes_max = 4096;
        write_object(300000, 0x11);
        write_object(4096, 0x22);
        turn_until(n_objects == 1);
        ck_assert_uint_eq(n_too_large, 1);
        ck_assert_uint_eq(last_payload[0], 0x22);
        teardown();
}
END_TEST

START_TEST(an_end_within_an_object_loses_the_framing) {
        uint8_t bytes[12] = {};

        setup(LEASE_SCOPE_FEATURE);
        put_header(bytes, 4);
        write_bytes(bytes, sizeof(bytes));
        shutdown(fd, SHUT_WR);
        turn_until(n_framing_lost == 1);
        ck_assert_uint_eq(n_finished, 0);
        ck_assert_uint_eq(n_hung_up, 0);
        teardown();
}
END_TEST

START_TEST(an_end_within_what_is_skipped_loses_the_framing) {
        uint8_t bytes[12] = {};

        setup(LEASE_SCOPE_FEATURE);
        object_bytes_max = 64;
        put_header(bytes, 32);
        write_bytes(bytes, sizeof(bytes));
        shutdown(fd, SHUT_WR);
        turn_until(n_framing_lost == 1);
        ck_assert_uint_eq(n_too_large, 1);
        teardown();
}
END_TEST

START_TEST(answers_drain_after_the_holder_ends_its_side) {
        setup(LEASE_SCOPE_FEATURE);
        write_object(12, 1);
        write_object(16, 2);
        shutdown(fd, SHUT_WR);
        turn_until(n_finished == 1);
        ck_assert_uint_eq(n_objects, 2);
        ck_assert_uint_eq(n_hung_up, 0);
        answer(64, 1);
        settle();
        answer(32, 2);
        end_lease();
        ck_assert_uint_eq(read_to_end(), 96);
        ck_assert_uint_eq(n_hung_up, 0);
        teardown();
}
END_TEST

START_TEST(requests_that_wait_come_before_the_end_of_its_side) {
        setup(LEASE_SCOPE_FEATURE);
        n_wanted = 1;
        write_object(12, 1);
        write_object(12, 2);
        shutdown(fd, SHUT_WR);
        turn_until(n_objects == 1);
        settle();
        ck_assert_uint_eq(n_finished, 0);
        n_wanted = 2;
        ops->resume(ops_userdata);
        turn_until(n_finished == 1);
        ck_assert_uint_eq(n_objects, 2);
        teardown();
}
END_TEST

START_TEST(closing_hangs_up) {
        setup(LEASE_SCOPE_FEATURE);
        write_object(12, 1);
        turn_until(n_objects == 1);
        close_holder();
        turn_until(n_hung_up == 1);
        ck_assert_uint_eq(n_finished, 0);
        answer(64, 1);
        settle();
        ck_assert_uint_eq(n_hung_up, 1);
        end_lease();
        teardown();
}
END_TEST

START_TEST(closing_hangs_up_a_stream_that_is_not_read) {
        setup(LEASE_SCOPE_FEATURE);
        n_wanted = 1;
        flood();
        turn_until(n_objects == 1);
        close_holder();
        turn_until(n_hung_up == 1);
        ck_assert_uint_eq(n_objects, 1);
        teardown();
}
END_TEST

START_TEST(closing_hangs_up_after_its_side_was_ended) {
        setup(LEASE_SCOPE_FEATURE);
        shutdown(fd, SHUT_WR);
        turn_until(n_finished == 1);
        settle();
        ck_assert_uint_eq(n_hung_up, 0);
        close_holder();
        turn_until(n_hung_up == 1);
        teardown();
}
END_TEST

START_TEST(closing_hangs_up_a_stream_whose_answers_are_not_read) {
        setup(LEASE_SCOPE_FEATURE);
        for (unsigned i = 0; i < 8; i++)
                answer(DOE_OBJECT_BYTES_MAX / 4, 1);
        turn_until(is_blocked);
        close_holder();
        turn_until(n_hung_up == 1);
        teardown();
}
END_TEST

START_TEST(closing_hangs_up_with_requests_and_answers_unread) {
        setup(LEASE_SCOPE_FEATURE);
        answer(64, 1);
        n_wanted = 0;
        write_object(12, 1);
        settle();
        close_holder();
        turn_until(n_hung_up == 1);
        ck_assert_uint_eq(n_objects + n_finished, 0);
        teardown();
}
END_TEST

START_TEST(a_last_request_with_the_close_behind_it_hangs_up) {
        setup(LEASE_SCOPE_FEATURE);
        answer(64, 1);
        settle();
        /* one edge for both, with the answer unread */
        write_object(12, 1);
        close_holder();
        turn_until(n_hung_up == 1);
        teardown();
}
END_TEST

START_TEST(a_copy_keeps_the_lease) {
        int copy;

        setup(LEASE_SCOPE_FEATURE);
        copy = dup(fd);
        close_holder();
        settle();
        ck_assert_uint_eq(n_hung_up, 0);
        fd = copy;
        write_object(12, 1);
        turn_until(n_objects == 1);
        close_holder();
        turn_until(n_hung_up == 1);
        teardown();
}
END_TEST

START_TEST(answers_that_are_not_read_block_the_lease) {
        size_t n_sent = 0, n_read = 0;
        char buffer[4096];
        ssize_t n;

        setup(LEASE_SCOPE_FEATURE);
        while (!is_blocked) {
                ck_assert_uint_lt(n_sent, 16 * DOE_OBJECT_BYTES_MAX);
                answer(4096, 1);
                n_sent += 4096;
                turn();
        }
        write_object(12, 1);
        settle();
        ck_assert_uint_eq(n_objects, 0);
        while (n_read < n_sent) {
                turn_until((n = recv(fd, buffer, sizeof(buffer), 0)) >= 0 || errno != EAGAIN);
                ck_assert_int_gt(n, 0);
                n_read += (size_t)n;
        }
        turn_until(!is_blocked && n_objects == 1);
        ck_assert_uint_eq(n_blocked, 1);
        teardown();
}
END_TEST

START_TEST(a_flood_stays_in_the_socket) {
        size_t n_bytes;

        setup(LEASE_SCOPE_FEATURE);
        n_wanted = 3;
        n_bytes = flood();
        turn_until(n_objects == 3);
        for (unsigned i = 0; i < 100; i++) {
                n_bytes += flood();
                turn();
        }
        ck_assert_uint_eq(n_objects, 3);
        /* what the socket holds, and one read ahead */
        ck_assert_uint_lt(n_bytes, 4 * DOE_OBJECT_BYTES_MAX);
        n_wanted = UINT32_MAX;
        ops->resume(ops_userdata);
        turn_until(n_objects == n_bytes / 16);
        teardown();
}
END_TEST

START_TEST(a_flood_is_taken_in_bounded_turns) {
        unsigned n_before;

        setup(LEASE_SCOPE_FEATURE);
        flood();
        while (n_objects < 4 * LEASE_STREAM_TURN_OBJECTS) {
                n_before = n_objects;
                turn();
                ck_assert_uint_le(n_objects - n_before, LEASE_STREAM_TURN_OBJECTS);
        }
        teardown();
}
END_TEST

START_TEST(the_end_comes_after_all_answers) {
        setup(LEASE_SCOPE_FEATURE);
        for (unsigned i = 0; i < 4; i++)
                answer(DOE_OBJECT_BYTES_MAX, (uint8_t)i);
        end_lease();
        ck_assert_uint_eq(read_to_end(), 4 * (size_t)DOE_OBJECT_BYTES_MAX);
        teardown();
}
END_TEST

START_TEST(requests_that_were_not_read_do_not_hide_the_end) {
        setup(LEASE_SCOPE_FEATURE);
        n_wanted = 0;
        flood();
        settle();
        answer(64, 1);
        end_lease();
        /* not ECONNRESET */
        ck_assert_uint_eq(read_to_end(), 64);
        ck_assert_int_lt(send(fd, "", 1, MSG_NOSIGNAL), 0);
        ck_assert_int_eq(errno, EPIPE);
        teardown();
}
END_TEST

START_TEST(last_answers_that_are_not_read_are_given_up) {
        struct pollfd p;

        setup(LEASE_SCOPE_FEATURE);
        for (unsigned i = 0; i < 4; i++)
                answer(DOE_OBJECT_BYTES_MAX, (uint8_t)i);
        end_lease();
        p = (struct pollfd){ .fd = fd, .events = POLLRDHUP };
        settle();
        ck_assert_int_eq(poll(&p, 1, 0), 0);
        turn_until(poll(&p, 1, 0) > 0);
        ck_assert_uint_lt(read_to_end(), 4 * (size_t)DOE_OBJECT_BYTES_MAX);
        teardown();
}
END_TEST

START_TEST(what_was_sent_is_delivered_when_doed_stops) {
        setup(LEASE_SCOPE_FEATURE);
        answer(4096, 1);
        end_lease();
        streams = lease_streams_free(streams);
        ck_assert_uint_eq(read_to_end(), 4096);
        teardown();
}
END_TEST

START_TEST(a_stream_of_registers_is_only_watched) {
        setup(LEASE_SCOPE_REGISTERS);
        write_object(12, 1);
        shutdown(fd, SHUT_WR);
        settle();
        ck_assert_uint_eq(n_objects + n_finished + n_framing_lost + n_hung_up, 0);
        answer(64, 1);
        close_holder();
        turn_until(n_hung_up == 1);
        teardown();
}
END_TEST

static void on_late(evutil_socket_t number, short events, void *userdata) {
        *(bool *)userdata = true;
}

START_TEST(an_idle_stream_does_not_wake_the_loop) {
        const struct timeval late = { .tv_usec = 50000 };
        bool is_late = false;
        struct event *timer;

        setup(LEASE_SCOPE_FEATURE);
        n_wanted = 1;
        write_object(12, 1);
        write_object(12, 2);
        shutdown(fd, SHUT_WR);
        turn_until(n_objects == 1);
        answer(64, 1);
        settle();
        event_del(tick);
        timer = evtimer_new(base, on_late, &is_late);
        evtimer_add(timer, &late);
        turn();
        ck_assert(is_late);
        event_free(timer);
        teardown();
}
END_TEST

DEFINE_SUITE("lease-stream", objects_in_one_write_are_told_apart, an_object_may_come_byte_by_byte,
             length_zero_means_the_largest_object, length_one_loses_the_framing,
             the_object_after_one_that_is_too_large_is_taken, an_end_within_an_object_loses_the_framing,
             an_end_within_what_is_skipped_loses_the_framing, answers_drain_after_the_holder_ends_its_side,
             requests_that_wait_come_before_the_end_of_its_side, closing_hangs_up,
             closing_hangs_up_a_stream_that_is_not_read, closing_hangs_up_after_its_side_was_ended,
             closing_hangs_up_a_stream_whose_answers_are_not_read,
             closing_hangs_up_with_requests_and_answers_unread,
             a_last_request_with_the_close_behind_it_hangs_up, a_copy_keeps_the_lease,
             answers_that_are_not_read_block_the_lease, a_flood_stays_in_the_socket,
             a_flood_is_taken_in_bounded_turns, the_end_comes_after_all_answers,
             requests_that_were_not_read_do_not_hide_the_end, last_answers_that_are_not_read_are_given_up,
             what_was_sent_is_delivered_when_doed_stops, a_stream_of_registers_is_only_watched,
             an_idle_stream_does_not_wake_the_loop)
