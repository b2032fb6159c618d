/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/util/cleanup.h"
#include "daemon/wire/connection.h"
#include "protocols/cursor.h"

static WireConnection *a, *b;
static int raw_a; /* a's descriptor, to write past the codec */

static void setup(void) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        ck_assert_int_eq(wire_connection_new(fds[0], &a), 0);
        ck_assert_int_eq(wire_connection_new(fds[1], &b), 0);
        raw_a = fds[0];
}

static void teardown(void) {
        a = wire_connection_free(a);
        b = wire_connection_free(b);
}

static WireMessage make_job(uint64_t job_id) {
        return (WireMessage){ .type = WIRE_CANCEL, .job = { .job_id = job_id } };
}

static void send_job(uint64_t job_id, int fd) {
        WireMessage m = make_job(job_id);

        ck_assert_int_eq(wire_connection_send(a, &m, fd), 0);
}

static int receive_job(uint64_t job_id) {
        WireMessage m;
        int fd = -2;

        ck_assert_int_eq(wire_connection_receive(b, &m, &fd), 1);
        ck_assert_int_eq(m.type, WIRE_CANCEL);
        ck_assert_uint_eq(m.job.job_id, job_id);
        return fd;
}

static void assert_nothing_more(void) {
        WireMessage m;
        int fd;

        ck_assert_int_eq(wire_connection_receive(b, &m, &fd), 0);
}

START_TEST(messages_arrive_in_order) {
        for (uint64_t i = 1; i <= 1000; i++)
                send_job(i, -1);
        for (uint64_t i = 1; i <= 1000; i++) {
                ck_assert_int_eq(receive_job(i), -1);
                wire_connection_flush(a);
        }
        assert_nothing_more();
}
END_TEST

START_TEST(message_that_comes_byte_by_byte_is_put_together) {
        _cleanup_free_ uint8_t *frame = NULL;
        WireMessage m = make_job(42);
        size_t n_bytes;

        ck_assert_int_eq(wire_encode(&m, &frame, &n_bytes), 0);
        for (size_t i = 0; i < n_bytes; i++) {
                assert_nothing_more();
                ck_assert_int_eq(write(raw_a, frame + i, 1), 1);
        }
        receive_job(42);
}
END_TEST

static ino_t inode_of(int fd) {
        struct stat st;

        ck_assert_int_eq(fstat(fd, &st), 0);
        return st.st_ino;
}

/* Many frames may be read in one piece; each descriptor must still come with its own. */
START_TEST(descriptors_come_with_their_own_messages) {
        int pipes[3][2];

        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(pipe(pipes[i]), 0);
        send_job(1, -1);
        send_job(2, pipes[0][0]);
        send_job(3, pipes[1][0]);
        send_job(4, -1);
        send_job(5, pipes[2][0]);
        for (uint64_t i = 1; i <= 5; i++) {
                static const int expected[] = { -1, -1, 0, 1, -1, 2 };
                int fd = receive_job(i);

                if (expected[i] < 0) {
                        ck_assert_int_eq(fd, -1);
                        continue;
                }
                ck_assert_int_ge(fd, 0);
                ck_assert_uint_eq(inode_of(fd), inode_of(pipes[expected[i]][0]));
                ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
                close(fd);
        }
        for (int i = 0; i < 3; i++) {
                close(pipes[i][0]);
                close(pipes[i][1]);
        }
}
END_TEST

static WireMessage make_object(uint8_t *object, size_t n_bytes, uint64_t job_id) {
        return (WireMessage){ .type = WIRE_DONE,
                              .done = { .job_id = job_id, .payload = object, .n_bytes = n_bytes } };
}

START_TEST(large_objects_pass_while_the_reader_is_slow) {
        _cleanup_free_ uint8_t *object = malloc(DOE_PAYLOAD_BYTES_MAX);
        int pipe_fds[2], fd, r;
        WireMessage m, got;
        uint64_t n_got = 0;

        ck_assert_int_eq(pipe(pipe_fds), 0);
        for (size_t i = 0; i < DOE_PAYLOAD_BYTES_MAX; i++)
                object[i] = (uint8_t)(i * 7 >> 3);
        for (uint64_t i = 1; i <= 3; i++) {
                m = make_object(object, DOE_PAYLOAD_BYTES_MAX, i);
                ck_assert_int_eq(wire_connection_send(a, &m, pipe_fds[0]), 0);
        }
        ck_assert(wire_connection_wants_write(a));
        ck_assert_uint_gt(wire_connection_n_unsent(a), 2 * DOE_PAYLOAD_BYTES_MAX);
        close(pipe_fds[0]); /* what waits holds its own */

        while (n_got < 3) {
                ck_assert_int_eq(wire_connection_flush(a), 0);
                r = wire_connection_receive(b, &got, &fd);
                ck_assert_int_ge(r, 0);
                if (r == 0)
                        continue;
                ck_assert_uint_eq(got.done.job_id, ++n_got);
                ck_assert_uint_eq(got.done.n_bytes, DOE_PAYLOAD_BYTES_MAX);
                ck_assert_mem_eq(got.done.payload, object, DOE_PAYLOAD_BYTES_MAX);
                ck_assert_int_ge(fd, 0);
                close(fd);
        }
        ck_assert(!wire_connection_wants_write(a));
        ck_assert_uint_eq(wire_connection_n_unsent(a), 0);
        close(pipe_fds[1]);
}
END_TEST

START_TEST(peer_that_does_not_read_is_given_no_more_than_the_bound) {
        _cleanup_free_ uint8_t *object = calloc(1, DOE_PAYLOAD_BYTES_MAX);
        WireMessage m;
        int r = 0, n = 0;

        for (; n < 8 && r == 0; n++) {
                m = make_object(object, DOE_PAYLOAD_BYTES_MAX, (uint64_t)n + 1);
                r = wire_connection_send(a, &m, -1);
        }
        ck_assert_int_eq(r, -ENOBUFS);
        ck_assert_int_ge(n, 4);
        ck_assert_uint_le(wire_connection_n_unsent(a), WIRE_SEND_BYTES_MAX);
}
END_TEST

START_TEST(frame_of_an_impossible_length_is_refused) {
        static const uint32_t lengths[] = { 0, WIRE_FRAME_HEADER - 1, WIRE_FRAME_MAX + 1, UINT32_MAX };
        uint8_t head[WIRE_FRAME_HEADER];
        WireMessage m;
        int fd;

        doe_store_le32(head, lengths[_i]);
        doe_store_le32(head + 4, WIRE_RESCAN);
        ck_assert_int_eq(write(raw_a, head, sizeof(head)), sizeof(head));
        ck_assert_int_eq(wire_connection_receive(b, &m, &fd), -EBADMSG);
}
END_TEST

START_TEST(frame_that_promises_a_descriptor_and_brings_none_is_refused) {
        uint8_t head[WIRE_FRAME_HEADER];
        WireMessage m;
        int fd;

        doe_store_le32(head, sizeof(head));
        doe_store_le32(head + 4, 0x80000000 | WIRE_RESCAN);
        ck_assert_int_eq(write(raw_a, head, sizeof(head)), sizeof(head));
        ck_assert_int_eq(wire_connection_receive(b, &m, &fd), -EBADMSG);
}
END_TEST

static void send_raw_with_fds(const uint8_t *bytes, size_t n_bytes, int fd, size_t n_fds) {
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(8 * sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = (void *)bytes, .iov_len = n_bytes };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = CMSG_SPACE(n_fds * sizeof(int)) };

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        for (size_t i = 0; i < n_fds; i++)
                memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &fd, sizeof(int));
        ck_assert_int_eq(sendmsg(raw_a, &msg, 0), (ssize_t)n_bytes);
}

static size_t count_fds(void) {
        size_t n = 0;

        for (int fd = 0; fd < 256; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

START_TEST(descriptors_that_nobody_asked_for_do_not_pile_up) {
        uint8_t byte = 0;
        WireMessage m;
        size_t n_before;
        int fd, r = 0;

        n_before = count_fds();
        for (int i = 0; i < 8 && r == 0; i++) {
                send_raw_with_fds(&byte, 1, raw_a, 1);
                r = wire_connection_receive(b, &m, &fd);
        }
        ck_assert_int_eq(r, -EBADMSG);
        b = wire_connection_free(b);
        ck_assert_uint_eq(count_fds(), n_before - 1);
}
END_TEST

START_TEST(end_of_the_stream_comes_after_what_was_sent) {
        WireMessage m;
        int fd;

        send_job(1, -1);
        a = wire_connection_free(a);
        receive_job(1);
        ck_assert_int_eq(wire_connection_receive(b, &m, &fd), -ECONNRESET);
        m = make_job(2);
        ck_assert_int_eq(wire_connection_send(b, &m, -1), -EPIPE);
        ck_assert_int_eq(wire_connection_send(b, &m, -1), -EPIPE);
        ck_assert(!wire_connection_wants_write(b));
}
END_TEST

START_TEST(message_that_cannot_be_encoded_leaves_the_stream_as_it_is) {
        WireMessage m = make_job(0);

        ck_assert_int_eq(wire_connection_send(a, &m, -1), -EINVAL);
        send_job(1, -1);
        receive_job(1);
}
END_TEST

START_TEST(connect_reaches_whoever_listens) {
        char folder[] = "/tmp/test-wire-connection-XXXXXX";
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        WireConnection *c = NULL;
        int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;

        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/wire", folder);
        ck_assert_int_eq(wire_connection_connect(address.sun_path, &c), -ENOENT);
        ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        ck_assert_int_eq(wire_connection_connect(address.sun_path, &c), -ECONNREFUSED);
        ck_assert_ptr_null(c);
        ck_assert_int_eq(listen(listener, 1), 0);
        ck_assert_int_eq(wire_connection_connect(address.sun_path, &c), 0);
        fd = accept(listener, NULL, NULL);
        ck_assert_int_ge(fd, 0);
        wire_connection_free(c);
        close(fd);
        close(listener);
        unlink(address.sun_path);
        rmdir(folder);
}
END_TEST

int main(void) {
        Suite *s = suite_create("wire-connection");
        TCase *t = tcase_create("stream");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, messages_arrive_in_order);
        tcase_add_test(t, message_that_comes_byte_by_byte_is_put_together);
        tcase_add_test(t, descriptors_come_with_their_own_messages);
        tcase_add_test(t, large_objects_pass_while_the_reader_is_slow);
        tcase_add_test(t, peer_that_does_not_read_is_given_no_more_than_the_bound);
        tcase_add_loop_test(t, frame_of_an_impossible_length_is_refused, 0, 4);
        tcase_add_test(t, frame_that_promises_a_descriptor_and_brings_none_is_refused);
        tcase_add_test(t, descriptors_that_nobody_asked_for_do_not_pile_up);
        tcase_add_test(t, end_of_the_stream_comes_after_what_was_sent);
        tcase_add_test(t, message_that_cannot_be_encoded_leaves_the_stream_as_it_is);
        tcase_add_test(t, connect_reaches_whoever_listens);
        suite_add_tcase(s, t);
        runner = srunner_create(s);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
