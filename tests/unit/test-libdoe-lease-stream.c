/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/libdoe/libdoe.h"
#include "tests/unit/suite.h"

#define BIG_BYTES 1048576u
#define LONG_USEC UINT64_C(30000000)

static int peer;

static struct doe_lease *open_pair(size_t max_object_bytes) {
        struct doe_lease *l;
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        peer = fds[1];
        ck_assert_int_eq(doe_lease_new_from_fd(fds[0], max_object_bytes, &l), 0);
        return l;
}

static void put(const void *bytes, size_t n_bytes) {
        ck_assert_int_eq(write(peer, bytes, n_bytes), (ssize_t)n_bytes);
}

static int receive(struct doe_lease *l, const uint8_t **ret, size_t *ret_n) {
        return doe_lease_receive(l, ret, ret_n, 0);
}

START_TEST(objects_come_whole_however_they_arrive) {
        static const uint8_t two[] = {
                0x34, 0x12, 1, 0, 3, 0, 0, 0, 1, 2, 3, 4, 0x34, 0x12, 2, 0, 2, 0, 0, 0
        };
        struct doe_lease *l = open_pair(0);
        const uint8_t *object;
        size_t n_bytes;

        for (size_t i = 0; i < 11; i++) {
                put(two + i, 1);
                ck_assert_int_eq(receive(l, &object, &n_bytes), -EAGAIN);
        }
        put(two + 11, sizeof(two) - 11);
        ck_assert_int_eq(receive(l, &object, &n_bytes), 0);
        ck_assert_mem_eq(object, two, 12);
        ck_assert_uint_eq(n_bytes, 12);
        ck_assert_int_eq(receive(l, &object, &n_bytes), 0);
        ck_assert_mem_eq(object, two + 12, 8);
        ck_assert_uint_eq(n_bytes, 8);
        ck_assert_int_eq(receive(l, &object, &n_bytes), -EAGAIN);

        close(peer);
        ck_assert_int_eq(receive(l, &object, &n_bytes), -EHOSTDOWN);
        ck_assert_uint_eq(doe_lease_error_flags(l), DOE_LEASE_ENDED);
        doe_lease_free(l);
}
END_TEST

START_TEST(error_object_is_errno_flags_and_text) {
        static const uint8_t error[] = { 0xff, 0xff, 0xff, 0, 5, 0, 0,   0,   104, 0,
                                         0,    0,    4,    0, 0, 0, 'o', 'h', 0,   0 };
        static const uint8_t bare[] = { 0xff, 0xff, 0xff, 0, 4, 0, 0, 0, 62, 0, 0, 0, 3, 0, 0, 0 };
        static const uint8_t short_one[] = { 0xff, 0xff, 0xff, 0, 3, 0, 0, 0, 62, 0, 0, 0 };
        static const uint8_t no_errno[] = { 0xff, 0xff, 0xff, 0, 4, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0 };
        struct doe_lease *l = open_pair(0);
        const uint8_t *object;
        size_t n_bytes;

        put(error, sizeof(error));
        ck_assert_int_eq(receive(l, &object, &n_bytes), -ECONNRESET);
        ck_assert_uint_eq(doe_lease_error_flags(l), DOE_LEASE_NOTICE);
        ck_assert_str_eq(doe_lease_error_text(l), "oh");
        put(bare, sizeof(bare));
        ck_assert_int_eq(receive(l, &object, &n_bytes), -ETIME);
        ck_assert_uint_eq(doe_lease_error_flags(l), DOE_LEASE_ENDED | DOE_LEASE_NOT_SENT);
        ck_assert_str_eq(doe_lease_error_text(l), "");
        put(short_one, sizeof(short_one));
        ck_assert_int_eq(receive(l, &object, &n_bytes), -EBADMSG);
        put(no_errno, sizeof(no_errno));
        ck_assert_int_eq(receive(l, &object, &n_bytes), -EBADMSG);
        close(peer);
        doe_lease_free(l);
}
END_TEST

START_TEST(length_1_loses_framing) {
        static const uint8_t bad[] = { 0x34, 0x12, 1, 0, 1, 0, 0, 0 };
        struct doe_lease *l = open_pair(0);
        const uint8_t *object;
        size_t n_bytes;

        put(bad, sizeof(bad));
        ck_assert_int_eq(receive(l, &object, &n_bytes), -EBADMSG);
        ck_assert_uint_eq(doe_lease_error_flags(l), DOE_LEASE_ENDED);
        close(peer);
        doe_lease_free(l);
}
END_TEST

START_TEST(what_does_not_fit_its_header_is_not_sent) {
        static const uint8_t object[] = { 0x34, 0x12, 1, 0, 3, 0, 0, 0, 1, 2, 3, 4 };
        struct doe_lease *l = open_pair(8);
        const uint8_t *response;
        size_t n_bytes;
        uint8_t byte;

        ck_assert_int_eq(doe_lease_send(l, object, 11, 0), -EINVAL);
        ck_assert_int_eq(doe_lease_send(l, object, 8, 0), -EINVAL);
        ck_assert_int_eq(doe_lease_send(l, object, 4, 0), -EINVAL);
        ck_assert_int_eq(doe_lease_send(l, object, 12, 0), -EMSGSIZE);
        ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 1, "1", 1, &response, &n_bytes, 1), -EMSGSIZE);
        ck_assert_int_eq(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
        close(peer);
        doe_lease_free(l);
}
END_TEST

START_TEST(end_of_a_big_object_follows_its_beginning) {
        static uint8_t big[BIG_BYTES] = { 0x34, 0x12, 1, 0 }, got[BIG_BYTES]; /* length 0: 2^18 dwords */
        struct doe_lease *l = open_pair(0);
        const uint8_t *object;
        size_t n_got = 0, n_bytes;

        big[BIG_BYTES - 1] = 0x55;
        ck_assert_int_eq(doe_lease_send(l, big, sizeof(big), 0), 0);
        ck_assert_int_eq(doe_lease_events(l), POLLIN | POLLOUT);
        ck_assert_int_eq(doe_lease_send(l, big, sizeof(big), 0), -EAGAIN);
        while (n_got < sizeof(got)) {
                const ssize_t n = recv(peer, got + n_got, sizeof(got) - n_got, MSG_DONTWAIT);

                if (n > 0)
                        n_got += (size_t)n;
                else
                        ck_assert_int_eq(receive(l, &object, &n_bytes), -EAGAIN);
        }
        ck_assert_mem_eq(got, big, sizeof(big));
        ck_assert_int_eq(doe_lease_events(l), POLLIN);
        close(peer);
        ck_assert_int_eq(doe_lease_send(l, big, sizeof(big), 0), -EPIPE);
        doe_lease_free(l);
}
END_TEST

START_TEST(exchange_passes_over_notices_and_late_answers) {
        static const uint8_t late[] = { 0x34, 0x12, 1, 0, 3, 0, 0, 0, 'l', 'a', 't', 'e' };
        static const uint8_t notice[] = { 0xff, 0xff, 0xff, 0, 4, 0, 0, 0, 104, 0, 0, 0, 4, 0, 0, 0 };
        static const uint8_t answer[] = { 0x34, 0x12, 1, 0, 3, 0, 0, 0, 'g', 'o', 'o', 'd' };
        static const uint8_t ended[] = { 0xff, 0xff, 0xff, 0, 4, 0, 0, 0, 62, 0, 0, 0, 1, 0, 0, 0 };
        struct doe_lease *l = open_pair(0);
        const uint8_t *response;
        size_t n_bytes;

        ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 1, "1", 1, &response, &n_bytes, 0), -EINVAL);
        ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 1, "1", 1, &response, &n_bytes, 1), -ETIMEDOUT);
        put(late, sizeof(late));
        put(notice, sizeof(notice));
        put(answer, sizeof(answer));
        ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 1, "2", 1, &response, &n_bytes, LONG_USEC), 0);
        ck_assert_uint_eq(n_bytes, 4);
        ck_assert_mem_eq(response, "good", 4);
        ck_assert_uint_eq(doe_lease_error_flags(l), DOE_LEASE_NOTICE);

        put(answer, sizeof(answer));
        ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 2, "3", 1, &response, &n_bytes, LONG_USEC), -EBADMSG);
        put(ended, sizeof(ended));
        ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 1, "4", 1, &response, &n_bytes, LONG_USEC), -ETIME);
        ck_assert_uint_eq(doe_lease_error_flags(l), DOE_LEASE_ENDED);
        close(peer);
        doe_lease_free(l);
}
END_TEST

START_TEST(late_answer_is_not_that_of_a_request_that_could_not_be_sent) {
        static const uint8_t late[] = { 0x34, 0x12, 1, 0, 3, 0, 0, 0, 'l', 'a', 't', 'e' };
        static const uint8_t ended[] = { 0xff, 0xff, 0xff, 0, 5, 0, 0,   0,   110, 0,
                                         0,    0,    1,    0, 0, 0, 'e', 'n', 'd', 0 };
        struct doe_lease *l = open_pair(0);
        const uint8_t *response;
        size_t n_bytes;
        char request[12];

        ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 1, "1", 1, &response, &n_bytes, 1), -ETIMEDOUT);
        ck_assert_int_eq(read(peer, request, sizeof(request)), sizeof(request));
        put(late, sizeof(late));
        put(ended, sizeof(ended));
        close(peer);
        ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 1, "2", 1, &response, &n_bytes, LONG_USEC),
                         -ETIMEDOUT);
        ck_assert_uint_eq(doe_lease_error_flags(l), DOE_LEASE_ENDED);
        ck_assert_str_eq(doe_lease_error_text(l), "end");
        ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 1, "3", 1, &response, &n_bytes, LONG_USEC),
                         -EHOSTDOWN);
        doe_lease_free(l);
}
END_TEST

START_TEST(dropped_error_leaves_no_flags_and_no_text) {
        static const uint8_t late[] = { 0xff, 0xff, 0xff, 0, 5, 0, 0,   0,   110, 0,
                                        0,    0,    2,    0, 0, 0, 'o', 'l', 'd', 0 };
        static const uint8_t error[] = { 0xff, 0xff, 0xff, 0, 5, 0, 0,   0,   121, 0,
                                         0,    0,    0,    0, 0, 0, 'n', 'e', 'w', 0 };
        static const uint8_t answer[] = { 0x34, 0x12, 1, 0, 3, 0, 0, 0, 'g', 'o', 'o', 'd' };
        struct doe_lease *l = open_pair(0);
        const uint8_t *response;
        size_t n_bytes;

        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 1, "1", 1, &response, &n_bytes, 1),
                                 -ETIMEDOUT);
                put(late, sizeof(late));
                put(i == 0 ? error : answer, i == 0 ? sizeof(error) : sizeof(answer));
                ck_assert_int_eq(doe_lease_exchange(l, 0x1234, 1, "2", 1, &response, &n_bytes, LONG_USEC),
                                 i == 0 ? -EREMOTEIO : 0);
                ck_assert_uint_eq(doe_lease_error_flags(l), 0);
                ck_assert_str_eq(doe_lease_error_text(l), i == 0 ? "new" : "");
        }
        close(peer);
        doe_lease_free(l);
}
END_TEST

DEFINE_SUITE("libdoe-lease-stream", objects_come_whole_however_they_arrive,
             error_object_is_errno_flags_and_text, length_1_loses_framing,
             what_does_not_fit_its_header_is_not_sent, end_of_a_big_object_follows_its_beginning,
             exchange_passes_over_notices_and_late_answers,
             late_answer_is_not_that_of_a_request_that_could_not_be_sent,
             dropped_error_leaves_no_flags_and_no_text)
