/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/bus/wire-link.h"
#include "daemon/core/lease.h"
#include "daemon/core/transaction.h"
#include "daemon/util/clock.h"
#include "daemon/wire/connection.h"

#define GIVE_UP_USEC (20 * USEC_PER_SEC)
#define TICK_USEC    2000

/* What was published, counted. */
static unsigned n_added, n_removed, n_aborted, n_foreign, n_suspended;

static void on_suspended(void *userdata) {
        n_suspended++;
}
static void on_manager_changed(void *userdata, unsigned properties) {
}
static void on_device_added(void *userdata, Device *d) {
        n_added++;
}
static void on_device_removed(void *userdata, Device *d) {
        n_removed++;
}
static void on_device_changed(void *userdata, Device *d, unsigned properties) {
}
static void on_mailbox_changed(void *userdata, Mailbox *mb, unsigned properties) {
}
static void on_mailbox_aborted(void *userdata, Mailbox *mb, const char *reason) {
        n_aborted++;
}
static void on_mailbox_foreign(void *userdata, Mailbox *mb, const char *evidence) {
        n_foreign++;
}

static const Observer observer = {
        .suspended = on_suspended,
        .manager_changed = on_manager_changed,
        .device_added = on_device_added,
        .device_removed = on_device_removed,
        .device_changed = on_device_changed,
        .mailbox_changed = on_mailbox_changed,
        .mailbox_aborted = on_mailbox_aborted,
        .mailbox_foreign = on_mailbox_foreign,
};

static char folder[64], path[96];
static struct event_base *base;
static struct event *tick;
static WireLink *wire_link;
static Manager *manager;
static int listener;
static WireConnection *control, *device; /* doed-pci's ends */
static int error;                        /* of the one call */
static bool has_answer;

static void on_tick(evutil_socket_t fd, short events, void *userdata) {
}

static void on_replaced(void *userdata) {
}

static void on_answer(void *userdata, const TransactionResult *result) {
        has_answer = true;
        error = result->failure ? result->failure->error : 0;
}

static void start_listening(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        strcpy(address.sun_path, path);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        ck_assert_int_eq(listen(listener, 4), 0);
}

static void setup(void) {
        static const char *const no_folders[] = { NULL };
        const ConfigPlaces places = { .folders = no_folders };
        Config *config;
        const Policy policy = {};
        const struct timeval interval = { .tv_usec = TICK_USEC };

        n_added = n_removed = n_aborted = n_foreign = n_suspended = 0;
        has_answer = false;
        control = device = NULL;
        listener = -1;
        strcpy(folder, "/tmp/doed-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/wire", folder);
        base = event_base_new();
        tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
        event_add(tick, &interval);
        ck_assert_int_eq(wire_link_new(base, path, on_replaced, NULL, &wire_link), 0);
        ck_assert_int_eq(config_load(&places, &config), 0);
        ck_assert_int_eq(manager_new(&observer, NULL, &wire_link_ops, wire_link, &policy, config, &manager),
                         0);
        wire_link_start(wire_link, manager);
}

static void teardown(void) {
        manager_stop(manager, "end of the test", clock_monotonic_usec());
        wire_link_free(wire_link);
        manager_free(manager);
        wire_connection_free(control);
        wire_connection_free(device);
        event_free(tick);
        event_base_free(base);
        if (listener >= 0)
                close(listener);
        unlink(path);
        rmdir(folder);
}

/* Turn the loop until @condition holds; fails the test if it never does. */
#define turn_until(condition)                                                                               \
        do {                                                                                                \
                uint64_t give_up_usec = clock_monotonic_usec() + GIVE_UP_USEC;                              \
                while (!(condition)) {                                                                      \
                        ck_assert_uint_lt(clock_monotonic_usec(), give_up_usec);                            \
                        ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);                            \
                        manager_dispatch(manager, clock_monotonic_usec());                                  \
                }                                                                                           \
        } while (false)

/* Accepts doed if it has come. */
static bool try_accept(void) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
                return false;
        ck_assert_int_eq(wire_connection_new(fd, &control), 0);
        return true;
}

static bool try_receive(WireConnection *c, WireType type, WireMessage *ret) {
        int fd, r = wire_connection_receive(c, ret, &fd);

        ck_assert_int_ge(r, 0);
        if (r > 0)
                ck_assert_int_eq(ret->type, type);
        return r > 0;
}

static void say(WireConnection *c, const WireMessage *m, int fd) {
        ck_assert_int_eq(wire_connection_send(c, m, fd), 0);
}

static void say_hello(uint32_t wire_version) {
        WireMessage m;

        if (listener < 0)
                start_listening();
        turn_until(try_accept());
        turn_until(try_receive(control, WIRE_HELLO, &m));
        ck_assert_uint_eq(m.hello.wire_version, WIRE_VERSION);
        say(control,
            &(WireMessage){ .type = WIRE_HELLO,
                            .hello = { .wire_version = wire_version,
                                       .program_version = "9.8.7",
                                       .lockdown = "none" } },
            -1);
}

static void say_device(const char *instance) {
        WireMessage m = { .type = WIRE_DEVICE,
                          .device = { .address = "0000:3a:00.0",
                                      .name = "A device",
                                      .numa_node = -1,
                                      .access = "read-write",
                                      .n_mailboxes = 1,
                                      .mailboxes = { { .offset = 0x160, .cap_version = 1 } } } };
        int fds[2];

        strcpy(m.device.instance, instance);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        wire_connection_free(device);
        ck_assert_int_eq(wire_connection_new(fds[0], &device), 0);
        say(control, &m, fds[1]);
        close(fds[1]);
}

static Mailbox *find_mailbox(void) {
        Device *d = manager_find_device(manager, "0000:3a:00.0");

        return d ? device_find_mailbox(d, 0x160) : NULL;
}

static void say_ready(void) {
        say(device,
            &(WireMessage){ .type = WIRE_MAILBOX,
                            .mailbox = { .offset = 0x160, .state = WIRE_MAILBOX_READY, .epoch = 1 } },
            -1);
}

/* Up to a mailbox that is ready and knows its features: discovery found the echo of the emulator, and
 * nothing else. */
static void bring_up(void) {
        const uint8_t last[] = { 0x34, 0x12, 0x01, 0x00 }; /* 1234:01, and no next index */
        WireMessage m;

        say_hello(WIRE_VERSION);
        say_device("one");
        turn_until(n_added == 1);
        say_ready();
        turn_until(try_receive(device, WIRE_EXCHANGE, &m));
        ck_assert_uint_eq(m.exchange.type, DOE_TYPE_DISCOVERY);
        say(device, &(WireMessage){ .type = WIRE_STARTED, .job = { .job_id = m.exchange.job_id } }, -1);
        say(device,
            &(WireMessage){ .type = WIRE_DONE,
                            .done = { .job_id = m.exchange.job_id,
                                      .epoch = 1,
                                      .payload = last,
                                      .n_bytes = sizeof(last) } },
            -1);
        say(control, &(WireMessage){ .type = WIRE_ENUMERATED }, -1);
        turn_until(manager->is_ready && find_mailbox()->n_features == 1);
}

static void send_request(Client *c, const uint8_t *payload, size_t n_bytes) {
        const TransactionOptions options = { .priority = JOB_NORMAL, .timeout_usec = GIVE_UP_USEC };
        const PolicyCaller caller = { .uid = c->uid };
        const Mailbox *mb = find_mailbox();
        PolicyDecision decision;
        DoeJudgement judgement;

        doe_feature_judge(0x1234, 0x01, payload, n_bytes, &judgement);
        policy_judge_request(&manager->policy, &caller,
                             &(PolicyRequest){ .device = mb->device,
                                               .vendor_id = 0x1234,
                                               .type = 0x01,
                                               .judgement = &judgement },
                             &decision);
        ck_assert_int_eq(decision.verdict, POLICY_ALLOW);
        decision.effects.busy_grace_usec = 1234567;
        transaction_exchange(c, find_mailbox(), 0x1234, 0x01, payload, n_bytes, &decision, &options,
                             clock_monotonic_usec(), on_answer, NULL);
}

/* One call on its way, and begun if @is_started. Return: its job. */
static uint64_t ask(bool is_started) {
        WireMessage m;
        Client *c;

        ck_assert_int_eq(client_new(manager, ":1.1", 0, NULL, 0, &c), 0);
        send_request(c, (const uint8_t *)"abcd", 4);
        turn_until(try_receive(device, WIRE_EXCHANGE, &m));
        ck_assert_uint_eq(m.exchange.offset, 0x160);
        ck_assert_mem_eq(m.exchange.payload, "abcd", 4);
        ck_assert_uint_eq(m.exchange.busy_grace_usec, 1234567);
        if (is_started)
                say(device, &(WireMessage){ .type = WIRE_STARTED, .job = { .job_id = m.exchange.job_id } },
                    -1);
        return m.exchange.job_id;
}

static void answer(uint64_t job_id, const char *payload) {
        say(device,
            &(WireMessage){ .type = WIRE_DONE,
                            .done = { .job_id = job_id,
                                      .epoch = 1,
                                      .payload = (const uint8_t *)payload,
                                      .n_bytes = strlen(payload) } },
            -1);
}

static void drop(WireConnection **c) {
        *c = wire_connection_free(*c);
}

START_TEST(a_socket_that_comes_late_is_found) {
        turn_until(strstr(manager->link_reason, "nobody listens"));
        start_listening();
        say_hello(WIRE_VERSION);
        turn_until(manager->has_link);
        ck_assert_str_eq(manager->lockdown, "none");
}
END_TEST

START_TEST(a_peer_that_accepts_nobody_holds_up_nobody) {
        WireConnection *others[64] = {};
        size_t n = 0;

        start_listening();
        while (n < 64 && wire_connection_connect(path, &others[n]) >= 0)
                n++;
        ck_assert_uint_lt(n, 64);
        turn_until(strstr(manager->link_reason, "cannot connect"));
        while (n > 0)
                wire_connection_free(others[--n]);
}
END_TEST

START_TEST(another_version_is_named_with_our_own) {
        say_hello(WIRE_VERSION + 1);
        turn_until(strstr(manager->link_reason, "9.8.7"));
        ck_assert(!manager->has_link);
        ck_assert_ptr_nonnull(strstr(manager->link_reason, DOED_VERSION));
        drop(&control);
        turn_until(try_accept());
}
END_TEST

START_TEST(whatever_comes_before_hello_ends_the_connection) {
        start_listening();
        turn_until(try_accept());
        say(control, &(WireMessage){ .type = WIRE_ENUMERATED }, -1);
        turn_until(strstr(manager->link_reason, "malformed"));
        ck_assert(!manager->is_ready);
}
END_TEST

START_TEST(an_exchange_goes_down_and_its_answer_comes_back) {
        uint64_t job_id;

        bring_up();
        job_id = ask(true);
        answer(job_id, "efgh");
        turn_until(has_answer);
        ck_assert_int_eq(error, 0);
        ck_assert_uint_eq(counters_sum(&find_mailbox()->counters).n_exchanges, 2);
}
END_TEST

START_TEST(an_answer_of_a_job_that_nobody_knows_is_ignored) {
        bring_up();
        answer(ask(true) + 1000, "wrong");
        say(device,
            &(WireMessage){ .type = WIRE_FOREIGN, .note = { .offset = 0x160, .text = "Status 0x1" } }, -1);
        turn_until(n_foreign == 1);
        ck_assert(!has_answer);
        ck_assert(manager->has_link);
}
END_TEST

START_TEST(a_mailbox_that_nobody_knows_ends_the_connection) {
        bring_up();
        say(device, &(WireMessage){ .type = WIRE_ABORTED, .note = { .offset = 0x190, .text = "x" } }, -1);
        turn_until(!manager->has_link);
        ck_assert_ptr_nonnull(strstr(manager->link_reason, "0000:3a:00.0"));
        ck_assert_uint_eq(n_aborted, 0);
}
END_TEST

START_TEST(a_dead_peer_aborts_what_ran_and_keeps_the_device) {
        bring_up();
        ask(true);
        /* the device's socket ends first, as the lower descriptors of a killed process do */
        drop(&device);
        event_base_loop(base, EVLOOP_NONBLOCK);
        drop(&control);
        turn_until(has_answer);
        ck_assert_int_eq(error, -ECONNABORTED);
        ck_assert_uint_eq(n_removed, 0);
        ck_assert_ptr_nonnull(find_mailbox());
}
END_TEST

START_TEST(an_answer_sent_before_the_end_is_heard) {
        uint64_t job_id;

        bring_up();
        job_id = ask(true);
        answer(job_id, "efgh");
        drop(&control);
        drop(&device);
        turn_until(!manager->has_link);
        ck_assert(has_answer);
        ck_assert_int_eq(error, 0);
}
END_TEST

START_TEST(an_answer_sent_before_a_removal_is_heard) {
        uint64_t job_id;

        bring_up();
        job_id = ask(true);
        answer(job_id, "efgh");
        say(control, &(WireMessage){ .type = WIRE_DEVICE_REMOVED, .text = { .text = "0000:3a:00.0" } }, -1);
        turn_until(n_removed == 1);
        ck_assert(has_answer);
        ck_assert_int_eq(error, 0);
}
END_TEST

START_TEST(a_device_socket_that_ends_alone_is_a_lost_device) {
        bring_up();
        ask(true);
        drop(&device);
        turn_until(n_removed == 1);
        ck_assert(has_answer);
        ck_assert_int_eq(error, -ENODEV);
        ck_assert(manager->has_link);
}
END_TEST

START_TEST(another_device_at_the_same_address_replaces_the_old_one) {
        bring_up();
        ask(true);
        say_device("two");
        turn_until(n_added == 2);
        ck_assert_uint_eq(n_removed, 1);
        ck_assert(has_answer);
        ck_assert_int_eq(error, -ENODEV);
}
END_TEST

START_TEST(a_peer_that_does_not_read_holds_up_nobody_and_gets_all_later) {
        static uint8_t payload[DOE_PAYLOAD_BYTES_MAX];
        WireMessage m;
        Client *c;

        bring_up();
        ck_assert_int_eq(client_new(manager, ":1.1", 0, NULL, 0, &c), 0);
        /* the running and the staged job are more than a socket holds */
        for (unsigned i = 0; i < 2; i++) {
                payload[0] = (uint8_t)i;
                send_request(c, payload, sizeof(payload));
        }
        for (unsigned i = 0; i < 2; i++) {
                turn_until(try_receive(device, WIRE_EXCHANGE, &m));
                ck_assert_uint_eq(m.exchange.n_bytes, sizeof(payload));
                ck_assert_uint_eq(m.exchange.payload[0], i);
        }
}
END_TEST

START_TEST(an_inhibited_mailbox_is_told_both_ways) {
        WireMessage m;

        bring_up();
        wire_link_ops.inhibit(wire_link, find_mailbox(), true);
        turn_until(try_receive(device, WIRE_INHIBIT, &m));
        ck_assert_uint_eq(m.inhibit.offset, 0x160);
        ck_assert_uint_ne(m.inhibit.lease_id, 0);
        say(device,
            &(WireMessage){ .type = WIRE_MAILBOX,
                            .mailbox = { .offset = 0x160, .state = WIRE_MAILBOX_INHIBITED, .epoch = 1 } },
            -1);
        turn_until(find_mailbox()->state == MAILBOX_INHIBITED);
}
END_TEST

START_TEST(a_record_goes_down_with_how_long_it_is_kept) {
        LeaseRecord record = { .digest = { 1, 2, 3 },
                               .uid = 1000,
                               .offset = 0x160,
                               .vendor_id = 0x0001,
                               .type = 0x01,
                               .is_session = true,
                               .epoch = 7 };
        WireMessage m;

        bring_up();
        wire_link_ops.put_record(wire_link, find_mailbox()->device, &record);
        turn_until(try_receive(device, WIRE_PUT_RECORD, &m));
        ck_assert_mem_eq(m.record.digest, record.digest, sizeof(record.digest));
        ck_assert_uint_eq(m.record.uid, 1000);
        ck_assert_uint_eq(m.record.offset, 0x160);
        ck_assert_uint_eq(m.record.vendor_id, 0x0001);
        ck_assert_uint_eq(m.record.type, 0x01);
        ck_assert(m.record.is_session);
        ck_assert_uint_eq(m.record.epoch, 7);
        ck_assert_uint_eq(m.record.expires_usec, 0);
        ck_assert_uint_eq(m.record.keep_usec, manager->config->limits.resume_usec);
        wire_link_ops.drop_record(wire_link, find_mailbox()->device, record.digest);
        turn_until(try_receive(device, WIRE_DROP_RECORD, &m));
        ck_assert_mem_eq(m.record.digest, record.digest, sizeof(record.digest));
}
END_TEST

START_TEST(a_record_may_come_up_and_its_removal_may_not) {
        WireMessage record = {
                .type = WIRE_PUT_RECORD,
                .record = { .digest = { 1 }, .offset = 0x160, .vendor_id = 0x0001, .type = 0x01, .epoch = 1 }
        };

        bring_up();
        record.record.expires_usec = clock_monotonic_usec() + GIVE_UP_USEC;
        say(device, &record, -1);
        say(device,
            &(WireMessage){ .type = WIRE_FOREIGN, .note = { .offset = 0x160, .text = "Status 0x1" } }, -1);
        turn_until(n_foreign == 1);
        ck_assert(manager->has_link);
        record.type = WIRE_DROP_RECORD;
        say(device, &record, -1);
        turn_until(!manager->has_link);
}
END_TEST

START_TEST(a_suspend_goes_down_and_is_confirmed) {
        WireMessage m;

        bring_up();
        manager_suspend(manager, true, clock_monotonic_usec());
        turn_until(try_receive(control, WIRE_SUSPEND, &m));
        ck_assert(m.turned.is_on);
        ck_assert_uint_eq(n_suspended, 0);
        say(control, &(WireMessage){ .type = WIRE_SUSPENDED, .turned = { .is_on = true } }, -1);
        turn_until(n_suspended == 1);
        manager_suspend(manager, false, clock_monotonic_usec());
        turn_until(try_receive(control, WIRE_SUSPEND, &m));
        ck_assert(!m.turned.is_on);
}
END_TEST

START_TEST(a_reload_goes_down) {
        WireMessage m;

        wire_link_reload(wire_link); /* to nobody yet */
        bring_up();
        wire_link_reload(wire_link);
        turn_until(try_receive(control, WIRE_RELOAD, &m));
}
END_TEST

int main(void) {
        Suite *s = suite_create("wire-link");
        TCase *t = tcase_create("link");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, a_socket_that_comes_late_is_found);
        tcase_add_test(t, a_peer_that_accepts_nobody_holds_up_nobody);
        tcase_add_test(t, another_version_is_named_with_our_own);
        tcase_add_test(t, whatever_comes_before_hello_ends_the_connection);
        tcase_add_test(t, an_exchange_goes_down_and_its_answer_comes_back);
        tcase_add_test(t, an_answer_of_a_job_that_nobody_knows_is_ignored);
        tcase_add_test(t, a_mailbox_that_nobody_knows_ends_the_connection);
        tcase_add_test(t, a_dead_peer_aborts_what_ran_and_keeps_the_device);
        tcase_add_test(t, an_answer_sent_before_the_end_is_heard);
        tcase_add_test(t, an_answer_sent_before_a_removal_is_heard);
        tcase_add_test(t, a_device_socket_that_ends_alone_is_a_lost_device);
        tcase_add_test(t, another_device_at_the_same_address_replaces_the_old_one);
        tcase_add_test(t, a_peer_that_does_not_read_holds_up_nobody_and_gets_all_later);
        tcase_add_test(t, an_inhibited_mailbox_is_told_both_ways);
        tcase_add_test(t, a_record_goes_down_with_how_long_it_is_kept);
        tcase_add_test(t, a_record_may_come_up_and_its_removal_may_not);
        tcase_add_test(t, a_suspend_goes_down_and_is_confirmed);
        tcase_add_test(t, a_reload_goes_down);
        suite_add_tcase(s, t);

        runner = srunner_create(s);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
