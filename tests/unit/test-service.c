/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include "daemon/pci/lock.h"
#include "daemon/pci/state.h"
#include "daemon/util/clock.h"
#include "daemon/wire/connection.h"
#include "protocols/feature.h"
#include "tests/unit/fake-host.h"
#include "tests/unit/temporary-tree.h"

#define PATIENCE_MSEC 10000
#define WAIT_USEC     (10 * USEC_PER_SEC)
#define A             "0000:3a:00.0"
#define B             "0000:3a:00.1"

static pid_t pid;
static WireConnection *control, *device; /* of A */
static WireMessage m;                    /* the last one received */
static uint64_t last_job_id;

static const char *wire(void) {
        return tree_path("wire");
}

static void setup(void) {
        tree_make();
        fake_make();
        last_job_id = 0;
}

static void hang_up(void) {
        control = wire_connection_free(control);
        device = wire_connection_free(device);
}

static void teardown(void) {
        hang_up();
        if (pid > 0)
                ck_assert_int_eq(fake_stop(pid, PATIENCE_MSEC), 0);
        pid = 0;
        fake_remove();
        tree_remove();
}

static void start(uint64_t settle_usec) {
        pid = fake_start(wire(), settle_usec);
}

/* Into m. Return: the descriptor that came with it, or -1. */
static int receive(WireConnection *c) {
        struct pollfd pfd = { .fd = wire_connection_fd(c), .events = POLLIN };
        int fd = -1, r;

        while ((r = wire_connection_receive(c, &m, &fd)) == 0)
                ck_assert_msg(poll(&pfd, 1, PATIENCE_MSEC) == 1, "nothing came");
        ck_assert_int_eq(r, 1);
        return fd;
}

static void expect_end(WireConnection *c) {
        struct pollfd pfd = { .fd = wire_connection_fd(c), .events = POLLIN };
        int fd = -1, r;

        while ((r = wire_connection_receive(c, &m, &fd)) >= 0)
                if (r == 0)
                        ck_assert_msg(poll(&pfd, 1, PATIENCE_MSEC) == 1, "the stream does not end");
        ck_assert_int_eq(r, -ECONNRESET);
}

static void say(WireConnection *c, const WireMessage *message) {
        ck_assert_int_eq(wire_connection_send(c, message, -1), 0);
}

static void say_hello(uint32_t version) {
        WireMessage hello = { .type = WIRE_HELLO,
                              .hello = { .wire_version = version, .program_version = "test" } };

        ck_assert_int_eq(wire_connection_connect(wire(), &control), 0);
        say(control, &hello);
}

/* The next device message must be of @address and bring a socket. */
static WireConnection *receive_device(const char *address) {
        WireConnection *c = NULL;
        int fd = receive(control);

        ck_assert_int_eq(m.type, WIRE_DEVICE);
        ck_assert_str_eq(m.device.address, address);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(wire_connection_new(fd, &c), 0);
        return c;
}

static void expect(WireConnection *c, WireType type) {
        ck_assert_int_eq(receive(c), -1);
        ck_assert_msg(m.type == type, "%s instead of %s", wire_type_to_string(m.type),
                      wire_type_to_string(type));
}

static void await_state(WireMailboxState state) {
        do
                receive(device);
        while (m.type != WIRE_MAILBOX || m.mailbox.state != state);
}

/* Until A is ready. Return: its epoch. */
static uint64_t connect_until_ready(void) {
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        device = receive_device(A);
        await_state(WIRE_MAILBOX_READY);
        return m.mailbox.epoch;
}

static uint64_t submit_as(uint16_t offset, uint16_t vendor_id, uint8_t type, uint8_t code) {
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

static uint64_t submit(void) {
        return submit_as(FAKE_OFFSET, 0x1234, 0x01, 0x99);
}

static void await_done(uint64_t job_id) {
        do
                receive(device);
        while (m.type != WIRE_DONE);
        ck_assert_uint_eq(m.done.job_id, job_id);
}

static void expect_answer(void) {
        static const uint8_t answer[] = { 0x99, 0x00, 0x00, 0x00, 0x12, 0x34, 0x56, 0x78 };

        await_done(submit());
        ck_assert_msg(m.done.error == 0, "%s: %s", strerror(-m.done.error), m.done.evidence);
        ck_assert_uint_eq(m.done.n_bytes, sizeof(answer));
        ck_assert_mem_eq(m.done.payload, answer, sizeof(answer));
}

static void await(const atomic_uint *counter, unsigned value) {
        uint64_t end_usec = clock_monotonic_usec() + WAIT_USEC;

        while (*counter < value) {
                ck_assert_uint_lt(clock_monotonic_usec(), end_usec);
                usleep(1000);
        }
}

/* The pin outlives the last access. */
static void await_idle(void) {
        uint64_t end_usec = clock_monotonic_usec() + WAIT_USEC;

        while (fake->devices[0].is_pinned) {
                ck_assert_uint_lt(clock_monotonic_usec(), end_usec);
                usleep(1000);
        }
}

START_TEST(peer_is_told_of_all_that_is_there) {
        WireConnection *other;

        fake->devices[1].is_there = true;
        strcpy(fake->devices[0].view.driver, "cxl_pci");
        strcpy(fake->devices[0].view.read_only, "");
        start(0);
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        ck_assert_uint_eq(m.hello.wire_version, WIRE_VERSION);
        ck_assert_str_eq(m.hello.program_version, "test");
        ck_assert_str_eq(m.hello.lockdown, "none");
        device = receive_device(A);
        ck_assert_str_eq(m.device.name, "Fake");
        ck_assert_str_eq(m.device.driver, "cxl_pci");
        ck_assert_str_eq(m.device.access, "read-write");
        ck_assert_uint_eq(m.device.n_mailboxes, 1);
        ck_assert_uint_eq(m.device.mailboxes[0].offset, FAKE_OFFSET);
        other = receive_device(B);
        expect(control, WIRE_ENUMERATED);
        expect(device, WIRE_MAILBOX);
        ck_assert_uint_eq(m.mailbox.offset, FAKE_OFFSET);
        expect(other, WIRE_MAILBOX);
        wire_connection_free(other);
}
END_TEST

START_TEST(machine_without_mailboxes_has_an_empty_list) {
        fake->devices[0].is_there = false;
        start(0);
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        expect(control, WIRE_ENUMERATED);
}
END_TEST

START_TEST(request_comes_back_with_its_answer) {
        start(0);
        connect_until_ready();
        expect_answer();
        ck_assert_uint_ge(m.done.ended_usec, m.done.started_usec);
        ck_assert_uint_gt(m.done.started_usec, 0);
        for (int i = 0; i < 100; i++)
                expect_answer();
        ck_assert_uint_eq(fake->devices[0].n_aborts, 1);
}
END_TEST

START_TEST(foreign_version_is_answered_with_our_own_and_no_more) {
        start(0);
        say_hello(WIRE_VERSION + 1);
        expect(control, WIRE_HELLO);
        ck_assert_uint_eq(m.hello.wire_version, WIRE_VERSION);
        ck_assert_str_eq(m.hello.program_version, "test");
        expect_end(control);
        hang_up();
        connect_until_ready();
}
END_TEST

START_TEST(second_peer_is_refused_and_the_first_goes_on) {
        WireConnection *second;

        start(0);
        connect_until_ready();
        ck_assert_int_eq(wire_connection_connect(wire(), &second), 0);
        expect_end(second);
        wire_connection_free(second);
        expect_answer();
}
END_TEST

START_TEST(message_that_does_not_belong_ends_the_connection) {
        start(0);
        connect_until_ready();
        say(device, &(WireMessage){ .type = WIRE_RESCAN });
        expect_end(device);
        expect_end(control);
        hang_up();
        connect_until_ready();
}
END_TEST

START_TEST(next_peer_gets_it_all_again_in_the_same_epoch) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        expect_answer();
        hang_up();
        ck_assert_uint_eq(connect_until_ready(), epoch);
        expect_answer();
        ck_assert_uint_eq(fake->devices[0].n_aborts, 1);
}
END_TEST

START_TEST(peer_that_dies_in_mid_exchange_leaves_a_clean_mailbox) {
        start(0);
        connect_until_ready();
        fake->devices[0].is_mute = true;
        submit();
        await(&fake->devices[0].n_gos, 1);
        hang_up();
        await(&fake->devices[0].n_aborts, 2);
        fake->devices[0].is_mute = false;
        connect_until_ready();
        expect_answer();
}
END_TEST

START_TEST(destructive_request_never_reaches_the_device) {
        start(0);
        connect_until_ready();
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_CXL, DOE_TYPE_CXL_COMPLIANCE, 0x07));
        ck_assert_int_eq(m.done.error, -EACCES);
        ck_assert(m.done.not_started);
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_PCI_SIG, DOE_TYPE_CMA_SPDM, 0x10));
        ck_assert_int_eq(m.done.error, -EACCES);
        ck_assert_uint_eq(fake->devices[0].n_gos, 0);
        expect_answer();
}
END_TEST

START_TEST(spdm_waits_for_its_owner_and_nothing_else_does) {
        strcpy(fake->devices[0].view.spdm_owner, "tsm/ is there");
        start(0);
        connect_until_ready();
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_PCI_SIG, DOE_TYPE_SECURED_CMA_SPDM, 0x00));
        ck_assert_int_eq(m.done.error, -EXDEV);
        ck_assert_str_eq(m.done.evidence, "tsm/ is there");
        expect_answer();
        fake->devices[0].view.spdm_owner[0] = '\0';
        fake_emit(HOST_EVENT_VIEW, A);
        expect(control, WIRE_ENUMERATED);
        expect(control, WIRE_DEVICE);
        ck_assert_str_eq(m.device.spdm_owner, "");
        await_done(submit_as(FAKE_OFFSET, DOE_VENDOR_PCI_SIG, DOE_TYPE_SECURED_CMA_SPDM, 0x00));
        ck_assert_int_eq(m.done.error, 0);
}
END_TEST

START_TEST(offset_without_a_mailbox_is_refused) {
        start(0);
        connect_until_ready();
        await_done(submit_as(0x190, 0x1234, 0x01, 0));
        ck_assert_int_eq(m.done.error, -EINVAL);
        ck_assert(m.done.not_started);
}
END_TEST

static void read_kernel_cdat(void) {
        WireMessage request = { .type = WIRE_READ_KERNEL_CDAT, .job = { .job_id = ++last_job_id } };

        say(device, &request);
        await_done(last_job_id);
}

START_TEST(kernels_cdat_is_served_where_there_is_one) {
        start(0);
        connect_until_ready();
        read_kernel_cdat();
        ck_assert_int_eq(m.done.error, -ENODATA);
        expect(control, WIRE_ENUMERATED);
        fake->devices[0].view.has_kernel_cdat = true;
        fake_emit(HOST_EVENT_VIEW, A);
        expect(control, WIRE_DEVICE);
        ck_assert(m.device.has_kernel_cdat);
        read_kernel_cdat();
        ck_assert_int_eq(m.done.error, 0);
        ck_assert_uint_eq(m.done.n_bytes, 5);
        ck_assert_mem_eq(m.done.payload, "table", 5);
}
END_TEST

START_TEST(hold_stops_writes_until_it_has_settled) {
        uint64_t epoch, held_usec, job_id;
        unsigned n_writes;

        start(200 * USEC_PER_MSEC);
        epoch = connect_until_ready();
        held_usec = clock_monotonic_usec();
        fake_emit(HOST_EVENT_HOLD, A);
        await_state(WIRE_MAILBOX_KERNEL);
        n_writes = fake->devices[0].n_writes;
        job_id = submit();
        fake_emit(HOST_EVENT_BIND, "");
        do {
                receive(device);
                if (m.type != WIRE_MAILBOX || m.mailbox.state != WIRE_MAILBOX_STARTING)
                        ck_assert_uint_eq(fake->devices[0].n_writes, n_writes);
        } while (m.type != WIRE_MAILBOX || m.mailbox.state != WIRE_MAILBOX_STARTING);
        ck_assert_uint_ge(clock_monotonic_usec() - held_usec, 200 * USEC_PER_MSEC);
        await_state(WIRE_MAILBOX_READY);
        ck_assert_uint_gt(m.mailbox.epoch, epoch);
        await_done(job_id);
        ck_assert_int_eq(m.done.error, 0);
}
END_TEST

START_TEST(hold_lasts_as_long_as_the_view_says) {
        start(0);
        connect_until_ready();
        strcpy(fake->devices[0].view.held, "a TSM is at work");
        fake_emit(HOST_EVENT_VIEW, A);
        await_state(WIRE_MAILBOX_KERNEL);
        ck_assert_str_eq(m.mailbox.reason, "a TSM is at work");
        /* settling alone does not end it: this one has been dealt with when its answer is here */
        fake_emit(HOST_EVENT_BIND, A);
        say(control, &(WireMessage){ .type = WIRE_RESCAN });
        expect(control, WIRE_ENUMERATED);
        expect(control, WIRE_ENUMERATED);
        fake->devices[0].view.held[0] = '\0';
        fake_emit(HOST_EVENT_VIEW, A);
        await_state(WIRE_MAILBOX_READY);
        expect_answer();
}
END_TEST

START_TEST(device_that_is_removed_ends_its_jobs) {
        uint64_t job_id;

        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        fake->devices[0].is_mute = true;
        job_id = submit();
        await(&fake->devices[0].n_gos, 1);
        fake->devices[0].is_there = false;
        fake_emit(HOST_EVENT_REMOVE, A);
        await_done(job_id);
        ck_assert_int_eq(m.done.error, -ENODEV);
        expect_end(device);
        expect(control, WIRE_DEVICE_REMOVED);
        ck_assert_str_eq(m.text.text, A);
}
END_TEST

START_TEST(device_that_comes_is_told_with_its_socket) {
        WireConnection *other;

        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        fake->devices[1].is_there = true;
        fake_emit(HOST_EVENT_ADD, B);
        other = receive_device(B);
        expect(other, WIRE_MAILBOX);
        expect_answer();
        wire_connection_free(other);
}
END_TEST

START_TEST(device_in_place_of_another_is_another) {
        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        fake->devices[0].instance = 1;
        say(control, &(WireMessage){ .type = WIRE_RESCAN });
        expect(control, WIRE_DEVICE_REMOVED);
        expect_end(device);
        wire_connection_free(device);
        device = receive_device(A);
        ck_assert_str_eq(m.device.instance, "1");
        expect(control, WIRE_ENUMERATED);
        await_state(WIRE_MAILBOX_READY);
        expect_answer();
}
END_TEST

START_TEST(device_that_hangs_stops_neither_others_nor_the_end) {
        WireConnection *other;
        uint64_t begun_usec;

        fake->devices[1].is_there = true;
        fake->devices[1].is_stuck = true;
        start(0);
        connect_until_ready();
        other = receive_device(B);
        for (int i = 0; i < 10; i++)
                expect_answer();
        begun_usec = clock_monotonic_usec();
        ck_assert_int_eq(fake_stop(pid, PATIENCE_MSEC), 0);
        ck_assert_uint_lt(clock_monotonic_usec() - begun_usec, 4 * USEC_PER_SEC);
        pid = 0;
        wire_connection_free(other);
}
END_TEST

START_TEST(refused_write_makes_it_read_only) {
        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        fake->devices[0].refuses_writes = true;
        submit();
        expect(control, WIRE_DEVICE);
        ck_assert_int_eq(strncmp(m.device.access, "read-only: ", 11), 0);
        await_state(WIRE_MAILBOX_READ_ONLY);
}
END_TEST

START_TEST(lockdown_is_told_and_makes_it_read_only) {
        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        strcpy(fake->lockdown, "integrity");
        strcpy(fake->devices[0].view.read_only, "kernel lockdown is integrity");
        fake_emit(HOST_EVENT_LOCKDOWN, "");
        expect(control, WIRE_LOCKDOWN);
        ck_assert_str_eq(m.text.text, "integrity");
        expect(control, WIRE_DEVICE);
        ck_assert_str_eq(m.device.access, "read-only: kernel lockdown is integrity");
        await_state(WIRE_MAILBOX_READ_ONLY);
        await_done(submit());
        ck_assert_int_eq(m.done.error, -EROFS);
}
END_TEST

START_TEST(successor_of_a_killed_idle_one_adopts_the_mailbox) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        expect_answer();
        await_idle();
        fake_kill(pid);
        hang_up();
        start(0);
        ck_assert_uint_eq(connect_until_ready(), epoch);
        expect_answer();
        ck_assert_uint_eq(fake->devices[0].n_aborts, 1);
}
END_TEST

START_TEST(successor_of_one_killed_in_mid_exchange_takes_over) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        fake->devices[0].is_mute = true;
        submit();
        await(&fake->devices[0].n_gos, 1);
        fake_kill(pid);
        hang_up();
        fake->devices[0].is_mute = false;
        start(0);
        ck_assert_uint_gt(connect_until_ready(), epoch);
        expect_answer();
        ck_assert_uint_eq(fake->devices[0].n_aborts, 2);
}
END_TEST

START_TEST(successor_of_one_that_could_not_write_after_the_kernel_acted_takes_over) {
        uint64_t epoch;

        start(0);
        epoch = connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        strcpy(fake->devices[0].view.read_only, "for a test");
        fake_emit(HOST_EVENT_VIEW, A);
        await_state(WIRE_MAILBOX_READ_ONLY);
        fake_emit(HOST_EVENT_BIND, A);
        /* each is told of in a round of the loop of its own, and the settle time of 0 is over after one */
        for (unsigned i = 0; i < 3; i++) {
                snprintf(fake->devices[0].view.driver, sizeof(fake->devices[0].view.driver), "driver-%u", i);
                fake_emit(HOST_EVENT_VIEW, A);
                do
                        expect(control, WIRE_DEVICE);
                while (strcmp(m.device.driver, fake->devices[0].view.driver) != 0);
        }
        await_done(submit());
        ck_assert_int_eq(m.done.error, -EROFS);
        fake_kill(pid);
        hang_up();
        fake->devices[0].view.read_only[0] = '\0';
        start(0);
        ck_assert_uint_gt(connect_until_ready(), epoch);
}
END_TEST

START_TEST(stop_in_mid_exchange_answers_and_leaves_it_clean) {
        uint64_t epoch, job_id;

        start(0);
        connect_until_ready();
        fake->devices[0].is_mute = true;
        job_id = submit();
        await(&fake->devices[0].n_gos, 1);
        ck_assert_int_eq(fake_stop(pid, PATIENCE_MSEC), 0);
        await_done(job_id);
        ck_assert_int_eq(m.done.error, -ECONNABORTED);
        hang_up();
        ck_assert_uint_eq(fake->devices[0].n_aborts, 2);
        fake->devices[0].is_mute = false;
        start(0);
        epoch = connect_until_ready();
        expect_answer();
        ck_assert_uint_eq(m.done.epoch, epoch);
        ck_assert_uint_eq(fake->devices[0].n_aborts, 2);
}
END_TEST

/* @n frames of @m and one of @last, in one write. */
static void write_at_once(WireConnection *c, const WireMessage *message, unsigned n,
                          const WireMessage *last) {
        uint8_t burst[16384];
        size_t n_burst = 0;

        for (unsigned i = 0; i <= n; i++) {
                _cleanup_free_ uint8_t *frame = NULL;
                size_t n_bytes;

                ck_assert_int_eq(wire_encode(i < n ? message : last, &frame, &n_bytes), 0);
                ck_assert_uint_le(n_burst + n_bytes, sizeof(burst));
                memcpy(burst + n_burst, frame, n_bytes);
                n_burst += n_bytes;
        }
        ck_assert_int_eq(write(wire_connection_fd(c), burst, n_burst), (ssize_t)n_burst);
}

START_TEST(messages_that_come_in_one_burst_are_all_handled) {
        const WireMessage cancel = { .type = WIRE_CANCEL, .job = { .job_id = 999 } };
        const WireMessage read = { .type = WIRE_READ_KERNEL_CDAT, .job = { .job_id = 1000 } };
        const WireMessage rescan = { .type = WIRE_RESCAN };

        start(0);
        connect_until_ready();
        expect(control, WIRE_ENUMERATED);
        write_at_once(device, &cancel, 100, &read);
        await_done(1000);
        write_at_once(control, &rescan, 100, &rescan);
        expect(control, WIRE_ENUMERATED);
        expect_answer();
}
END_TEST

START_TEST(mailbox_that_another_process_has_locked_is_not_touched) {
        char instance[WIRE_NAME_MAX];
        State *state;
        int lock_fd;

        tree_mkdir("lock");
        ck_assert_int_eq(mailbox_lock_open(tree_root, A, FAKE_OFFSET, &lock_fd), 0);
        ck_assert_int_eq(mailbox_lock_try(lock_fd), 1);
        start(0);
        say_hello(WIRE_VERSION);
        expect(control, WIRE_HELLO);
        device = receive_device(A);
        strcpy(instance, m.device.instance);
        expect(device, WIRE_MAILBOX);
        ck_assert_int_eq(m.mailbox.state, WIRE_MAILBOX_KERNEL);
        ck_assert_uint_eq(fake->devices[0].n_writes, 0);
        ck_assert_int_eq(state_open(tree_root, A, instance, &state), 0);
        state_set_epoch(state, FAKE_OFFSET, 1000); /* as its owner uses it */
        state_close(state);
        ck_assert_int_eq(flock(lock_fd, LOCK_UN), 0); /* closing is not enough, fork() has doubled it */
        await_state(WIRE_MAILBOX_READY);
        ck_assert_uint_gt(m.mailbox.epoch, 1000);
        close(lock_fd);
        expect_answer();
}
END_TEST

START_TEST(function_is_pinned_while_it_is_busy) {
        start(0);
        connect_until_ready();
        fake->devices[0].is_mute = true;
        submit();
        await(&fake->devices[0].n_gos, 1);
        ck_assert(fake->devices[0].is_pinned);
        fake->devices[0].is_mute = false;
        ck_assert_int_eq(fake_stop(pid, PATIENCE_MSEC), 0);
        pid = 0;
        ck_assert(!fake->devices[0].is_pinned);
}
END_TEST

/* Times that any thread of it gave the CPU away of its own will. */
static unsigned long count_wakeups(void) {
        char folder[64], path[512], line[256];
        unsigned long n = 0, n_here;
        struct dirent *entry;
        DIR *dir;

        snprintf(folder, sizeof(folder), "/proc/%d/task", (int)pid);
        dir = opendir(folder);
        ck_assert_ptr_nonnull(dir);
        while ((entry = readdir(dir))) {
                _cleanup_file_ FILE *f = NULL;

                snprintf(path, sizeof(path), "%s/%s/status", folder, entry->d_name);
                f = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
                while (f && fgets(line, sizeof(line), f))
                        if (sscanf(line, "voluntary_ctxt_switches: %lu", &n_here) == 1)
                                n += n_here;
        }
        closedir(dir);
        return n;
}

/* There is nothing to await: what must not happen is given the time to. */
START_TEST(idle_service_never_wakes_up) {
        unsigned long n;

        start(0);
        connect_until_ready();
        expect_answer();
        await_idle();
        usleep(10000);
        n = count_wakeups();
        usleep(500000);
        ck_assert_uint_eq(count_wakeups(), n);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("service");
        TCase *t = tcase_create("process");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, peer_is_told_of_all_that_is_there);
        tcase_add_test(t, machine_without_mailboxes_has_an_empty_list);
        tcase_add_test(t, request_comes_back_with_its_answer);
        tcase_add_test(t, foreign_version_is_answered_with_our_own_and_no_more);
        tcase_add_test(t, second_peer_is_refused_and_the_first_goes_on);
        tcase_add_test(t, message_that_does_not_belong_ends_the_connection);
        tcase_add_test(t, next_peer_gets_it_all_again_in_the_same_epoch);
        tcase_add_test(t, peer_that_dies_in_mid_exchange_leaves_a_clean_mailbox);
        tcase_add_test(t, destructive_request_never_reaches_the_device);
        tcase_add_test(t, spdm_waits_for_its_owner_and_nothing_else_does);
        tcase_add_test(t, offset_without_a_mailbox_is_refused);
        tcase_add_test(t, kernels_cdat_is_served_where_there_is_one);
        tcase_add_test(t, hold_stops_writes_until_it_has_settled);
        tcase_add_test(t, hold_lasts_as_long_as_the_view_says);
        tcase_add_test(t, device_that_is_removed_ends_its_jobs);
        tcase_add_test(t, device_that_comes_is_told_with_its_socket);
        tcase_add_test(t, device_in_place_of_another_is_another);
        tcase_add_test(t, device_that_hangs_stops_neither_others_nor_the_end);
        tcase_add_test(t, refused_write_makes_it_read_only);
        tcase_add_test(t, lockdown_is_told_and_makes_it_read_only);
        tcase_add_test(t, successor_of_a_killed_idle_one_adopts_the_mailbox);
        tcase_add_test(t, successor_of_one_killed_in_mid_exchange_takes_over);
        tcase_add_test(t, successor_of_one_that_could_not_write_after_the_kernel_acted_takes_over);
        tcase_add_test(t, stop_in_mid_exchange_answers_and_leaves_it_clean);
        tcase_add_test(t, messages_that_come_in_one_burst_are_all_handled);
        tcase_add_test(t, mailbox_that_another_process_has_locked_is_not_touched);
        tcase_add_test(t, function_is_pinned_while_it_is_busy);
        tcase_add_test(t, idle_service_never_wakes_up);
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
