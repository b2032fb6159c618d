/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of the libdoe-*.py scenarios that is in C: libdoe-checks NAME. It uses the installed interface
 * only: <libdoe.h> and libdoe.so. What has to be done from outside meanwhile is asked for by a line on
 * standard output, and is done when a line comes back. */
#include <errno.h>
#include <libdoe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ECHO      0x1234, 0x01
#define SPDM      0x0001, 0x01
#define WAIT_USEC UINT64_C(30000000)

#define EXPECT(condition)                                                                                   \
        do {                                                                                                \
                if (!(condition)) {                                                                         \
                        fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);             \
                        exit(EXIT_FAILURE);                                                                 \
                }                                                                                           \
        } while (0)

#define EXPECT_RESULT(client, r, wanted)                                                                    \
        do {                                                                                                \
                const int result_ = (r);                                                                    \
                if (result_ != (wanted)) {                                                                  \
                        fprintf(stderr, "%s:%d: %d instead of %d: %s\n", __FILE__, __LINE__, result_,       \
                                (wanted), doe_client_error_text(client));                                   \
                        exit(EXIT_FAILURE);                                                                 \
                }                                                                                           \
        } while (0)

static uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void ask(const char *what) {
        char line[64];

        puts(what);
        fflush(stdout);
        EXPECT(fgets(line, sizeof(line), stdin));
}

static struct doe_client *connect_to_bus(void) {
        struct doe_client *c;

        EXPECT(doe_client_new(&c) == 0);
        return c;
}

/* One turn of a program's loop. */
static int turn(struct doe_client *c) {
        struct pollfd p = { .fd = doe_client_fd(c), .events = (short)doe_client_events(c) };
        uint64_t deadline_usec, now = now_usec();
        int r;

        r = doe_client_timeout_usec(c, &deadline_usec);
        if (r < 0)
                return r;
        if (deadline_usec > now + 1000000)
                deadline_usec = now + 1000000;
        (void)poll(&p, 1, deadline_usec > now ? (int)((deadline_usec - now + 999) / 1000) : 0);
        return doe_client_process(c);
}

#define TURN_UNTIL(c, condition)                                                                            \
        for (uint64_t end_ = now_usec() + WAIT_USEC; !(condition);) {                                       \
                EXPECT(now_usec() < end_);                                                                  \
                EXPECT_RESULT(c, turn(c), 0);                                                               \
        }

static char *find_one(struct doe_client *c, const char *device, uint16_t vendor, uint8_t type) {
        char **names, *name;
        const int n = doe_client_find(c, device, vendor, type, NULL, &names);

        if (n < 1)
                fprintf(stderr, "%d: %s\n", n, doe_client_error_text(c));
        EXPECT(n >= 1 && names[n] == NULL);
        name = strdup(names[0]);
        free(names);
        return name;
}

/* ---- many at once ---- */

#define N_MANY 50u

static unsigned n_done, n_canceled;

static void on_echo(struct doe_client *c, uint64_t cookie, int result, const uint8_t *response,
                    size_t n_bytes, const struct doe_details *details, void *userdata) {
        uint32_t wanted = *(const uint32_t *)userdata;
        char *name;

        EXPECT_RESULT(c, result, 0);
        EXPECT(n_bytes == sizeof(wanted) && memcmp(response, &wanted, sizeof(wanted)) == 0);
        EXPECT(details->attempts == 1 && details->source == DOE_SOURCE_MAILBOX && !details->is_cached);
        EXPECT(doe_client_cancel(c, cookie) == -ESRCH);
        EXPECT(doe_client_find(c, NULL, ECHO, NULL, (char ***)&name) == -EDEADLK);
        EXPECT(doe_client_process(c) == -EDEADLK);
        n_done++;
}

static void on_canceled(struct doe_client *c, uint64_t cookie, int result, const uint8_t *response,
                        size_t n_bytes, const struct doe_details *details, void *userdata) {
        EXPECT_RESULT(c, result, -ECANCELED);
        EXPECT(strcmp(doe_client_error_name(c), "org.doed.Error.Canceled") == 0);
        EXPECT(!response && !details && n_bytes == 0 && cookie == *(uint64_t *)userdata);
        n_canceled++;
}

static void on_any(struct doe_client *c, uint64_t cookie, int result, const uint8_t *response,
                   size_t n_bytes, const struct doe_details *details, void *userdata) {
        *(int *)userdata = result;
}

static void check_many(void) {
        struct doe_client *c = connect_to_bus(), *other = connect_to_bus();
        char *mailbox = find_one(c, "0000:3a:00.0", ECHO);
        uint32_t numbers[N_MANY];
        uint8_t *response;
        size_t n_bytes;

        for (uint32_t i = 0; i < N_MANY; i++) {
                numbers[i] = i;
                EXPECT_RESULT(c,
                              doe_client_exchange_start(c, mailbox, ECHO, &numbers[i], sizeof(numbers[i]),
                                                        NULL, on_echo, &numbers[i], NULL),
                              0);
        }
        EXPECT(n_done == 0);
        EXPECT_RESULT(other,
                      doe_client_exchange(other, mailbox, ECHO, "two!", 4, NULL, &response, &n_bytes, NULL),
                      0);
        EXPECT(n_bytes == 4 && memcmp(response, "two!", 4) == 0);
        free(response);
        TURN_UNTIL(c, n_done == N_MANY);
        doe_client_free(other);
        free(mailbox);
        doe_client_free(c);
}

static void check_cancel(void) {
        struct doe_client *c = connect_to_bus();
        int results[4] = { 1, 1, 1, 1 };
        uint64_t cookie;
        char *slow = find_one(c, "0000:3d:00.0", ECHO);

        for (unsigned i = 0; i < 4; i++)
                EXPECT_RESULT(c,
                              doe_client_exchange_start(c, slow, ECHO, "wait", 4, NULL, on_any, &results[i],
                                                        NULL),
                              0);
        EXPECT_RESULT(c,
                      doe_client_exchange_start(c, slow, ECHO, "gone", 4, NULL, on_canceled, &cookie,
                                                &cookie),
                      0);
        EXPECT_RESULT(c, doe_client_cancel(c, cookie), 0);
        EXPECT(doe_client_cancel(c, cookie + 1) == -ESRCH);
        TURN_UNTIL(c, n_canceled == 1 && results[3] != 1);
        for (unsigned i = 0; i < 4; i++)
                EXPECT(results[i] == 0);

        /* what is under way when a client is freed is dropped in silence */
        EXPECT_RESULT(c,
                      doe_client_exchange_start(c, slow, ECHO, "drop", 4, NULL, on_canceled, &cookie,
                                                &cookie),
                      0);
        free(slow);
        doe_client_free(c);
}

static void check_errors(void) {
        struct doe_options bad = { .reserved = { 1 } }, late = { .timeout_usec = 1 },
                           old = { .epoch = UINT64_MAX };
        struct doe_client *c = connect_to_bus();
        const struct doe_call_options forced = { .force = true };
        const char *mailbox = "0000:3a:00.0[160]";
        struct doe_values *explanation;
        uint8_t *response;
        size_t n_bytes;

        EXPECT_RESULT(c,
                      doe_client_exchange(c, mailbox, 0x7777, 1, NULL, 0, NULL, &response, &n_bytes, NULL),
                      -EPROTONOSUPPORT);
        EXPECT(strcmp(doe_client_error_name(c), "org.doed.Error.Unsupported") == 0);
        EXPECT(*doe_client_error_text(c));
        EXPECT_RESULT(c, doe_client_exchange(c, mailbox, SPDM, NULL, 0, &bad, &response, &n_bytes, NULL),
                      -EINVAL);
        EXPECT_RESULT(c, doe_client_exchange(c, "[", SPDM, NULL, 0, NULL, &response, &n_bytes, NULL),
                      -EINVAL);
        EXPECT_RESULT(c,
                      doe_client_exchange(c, "0000:99:00.0[100]", SPDM, NULL, 0, NULL, &response, &n_bytes,
                                          NULL),
                      -ENOENT);
        EXPECT_RESULT(c, doe_client_exchange(c, mailbox, ECHO, "old", 3, &old, &response, &n_bytes, NULL),
                      -ECONNABORTED);
        EXPECT_RESULT(c,
                      doe_client_exchange(c, "0000:3d:00.0[150]", ECHO, "late", 4, &late, &response,
                                          &n_bytes, NULL),
                      -ETIMEDOUT);
        EXPECT(doe_values_count(doe_client_error_values(c)) > 0);
        EXPECT_RESULT(c,
                      doe_client_exchange(c, "0000:3a:00.1[150]", SPDM, "\x10\x84\0", 4, NULL, &response,
                                          &n_bytes, NULL),
                      -ENOLCK);
        EXPECT_RESULT(c,
                      doe_client_explain(c, "0000:3a:00.1[150]", SPDM, "\x10\x84\0", 4, NULL, &explanation),
                      0);
        EXPECT(!doe_client_error_name(c));
        EXPECT(strcmp(doe_values_text(explanation, "verdict"), "needs-lease") == 0);
        doe_values_free(explanation);
        EXPECT_RESULT(c, doe_client_recover(c, mailbox, NULL), 0);
        EXPECT_RESULT(c, doe_client_discover(c, mailbox, NULL), 0);
        EXPECT_RESULT(c, doe_client_rescan(c, NULL), 0);
        EXPECT_RESULT(c, doe_client_discover(c, mailbox, &forced), -EINVAL);
        free(find_one(c, "/org/doed/device/0000_3a_00_0", ECHO));
        free(find_one(c, "0000:3A:00.0", ECHO));
        EXPECT_RESULT(c, doe_client_revoke(c, "/org/doed/lease/1", "none"), -ESRCH);
        doe_client_free(c);
}

/* ---- leases ---- */

static const uint8_t get_version[] = { 0x10, 0x84, 0, 0 };
static const uint8_t get_capabilities[] = { 0x12, 0xe1, 0, 0,    0, 0, 0, 0,    0, 0,
                                            0,    0,    0, 0x10, 0, 0, 0, 0x10, 0, 0 };

static void expect_answer(struct doe_lease *l, const uint8_t *request, size_t n_request) {
        const uint8_t *response;
        size_t n_bytes;
        const int r = doe_lease_exchange(l, SPDM, request, n_request, &response, &n_bytes, WAIT_USEC);

        if (r < 0)
                fprintf(stderr, "%s: %s\n", strerror(-r), doe_lease_error_text(l));
        EXPECT(r == 0 && n_bytes >= 4 && response[1] == (request[1] & 0x7f));
}

static void check_holder_is_known(struct doe_client *c, const struct doe_lease *l) {
        const struct doe_lease_info *info;
        struct doe_snapshot *s;

        EXPECT_RESULT(c, doe_client_enumerate(c, NULL, &s), 0);
        info = doe_snapshot_next_lease(s, NULL);
        EXPECT(info && !doe_snapshot_next_lease(s, info));
        EXPECT(strcmp(doe_lease_info_path(info), doe_lease_path(l)) == 0);
        EXPECT(strcmp(doe_lease_info_mailbox(info), "0000:50:00.0[150]") == 0);
        EXPECT(strcmp(doe_lease_info_scope(info), "feature") == 0);
        doe_snapshot_free(s);
}

static void check_lease(void) {
        struct doe_client *c = connect_to_bus(), *other = connect_to_bus();
        struct doe_lease_options again = { .wait = true };
        uint8_t token[DOE_RESUME_BYTES];
        const uint8_t *response;
        struct doe_lease *l, *none;
        uint64_t uid = 0, epoch;
        size_t n_bytes;

        EXPECT_RESULT(c, doe_client_lease(c, "0000:50:00.0[150]", SPDM, NULL, &l), 0);
        EXPECT(doe_lease_receive(l, &response, &n_bytes, 0) == -EAGAIN);
        expect_answer(l, get_version, sizeof(get_version));
        expect_answer(l, get_capabilities, sizeof(get_capabilities));
        check_holder_is_known(other, l);
        EXPECT_RESULT(other, doe_client_lease(other, "0000:50:00.0[150]", SPDM, NULL, &none), -EUSERS);
        EXPECT(doe_values_number(doe_client_error_values(other), "uid", &uid) == 0);

        /* an error object, and the lease goes on */
        EXPECT(doe_lease_exchange(l, ECHO, "no", 2, &response, &n_bytes, WAIT_USEC) == -EACCES);
        EXPECT(doe_lease_error_flags(l) == DOE_LEASE_NOT_SENT && *doe_lease_error_text(l));
        expect_answer(l, get_version, sizeof(get_version));
        EXPECT(doe_lease_error_flags(l) == 0 && !*doe_lease_error_text(l));
        expect_answer(l, get_capabilities, sizeof(get_capabilities));

        /* it belongs to its descriptor, and comes back by its token */
        doe_client_free(c);
        expect_answer(l, get_version, sizeof(get_version));
        epoch = doe_lease_epoch(l);
        memcpy(token, doe_lease_resume(l), sizeof(token));
        doe_lease_free(l);
        again.resume = token;
        EXPECT_RESULT(other, doe_client_lease(other, "0000:50:00.0[150]", SPDM, &again, &l), 0);
        EXPECT(doe_lease_epoch(l) == epoch);
        expect_answer(l, get_capabilities, sizeof(get_capabilities));

        /* and its last object says why it is over */
        EXPECT_RESULT(other, doe_client_revoke(other, doe_lease_path(l), "enough"), 0);
        EXPECT(doe_lease_receive(l, &response, &n_bytes, WAIT_USEC) < 0);
        EXPECT(doe_lease_error_flags(l) & DOE_LEASE_ENDED && strstr(doe_lease_error_text(l), "enough"));
        doe_lease_free(l);
        doe_client_free(other);
}

static void check_notice(void) {
        struct doe_client *c = connect_to_bus();
        struct doe_lease *l;
        const uint8_t *object;
        size_t n_bytes;

        EXPECT_RESULT(c, doe_client_lease(c, "0000:50:00.0[150]", SPDM, NULL, &l), 0);
        expect_answer(l, get_version, sizeof(get_version));
        ask("reset the device");
        EXPECT(doe_lease_receive(l, &object, &n_bytes, WAIT_USEC) == -ECONNRESET);
        EXPECT(doe_lease_error_flags(l) == DOE_LEASE_NOTICE);
        expect_answer(l, get_version, sizeof(get_version));
        doe_lease_free(l);
        doe_client_free(c);
}

static void check_inhibit(void) {
        struct doe_client *c = connect_to_bus();
        const uint8_t *object;
        uint8_t *response;
        struct doe_lease *hold;
        size_t n_bytes;
        int r;

        EXPECT_RESULT(c, doe_client_inhibit(c, "0000:51:00.0[160]", "a test", NULL, &hold), 0);
        EXPECT_RESULT(c,
                      doe_client_exchange(c, "0000:51:00.0[160]", ECHO, "now", 3, NULL, &response, &n_bytes,
                                          NULL),
                      -EADDRINUSE);
        EXPECT(doe_lease_receive(hold, &object, &n_bytes, 0) == -EAGAIN);
        EXPECT(doe_lease_send(hold, "\0\0\0\0\2\0\0\0", 8, 0) == -EPIPE);
        doe_lease_free(hold);
        for (uint64_t end = now_usec() + WAIT_USEC;;) {
                r = doe_client_exchange(c, "0000:51:00.0[160]", ECHO, "then", 4, NULL, &response, &n_bytes,
                                        NULL);
                if (r != -EADDRINUSE)
                        break;
                EXPECT(now_usec() < end);
        }
        EXPECT_RESULT(c, r, 0);
        free(response);
        doe_client_free(c);
}

/* ---- doed comes and goes ---- */

static struct { unsigned n_listed, n_lost, n_mailboxes; } seen;

static void on_event(struct doe_client *c, const struct doe_event *e, void *userdata) {
        seen.n_listed += doe_event_kind(e) == DOE_EVENT_LISTED;
        seen.n_lost += doe_event_kind(e) == DOE_EVENT_LOST;
        seen.n_mailboxes += doe_event_kind(e) == DOE_EVENT_MAILBOX_ADDED;
        seen.n_mailboxes -= doe_event_kind(e) == DOE_EVENT_MAILBOX_REMOVED;
        EXPECT(!doe_event_device(e) || !doe_event_mailbox(e));
}

/* What is told of goes on to live while its callback uses the client. */
static void on_no_doed(struct doe_client *c, const struct doe_event *e, void *userdata) {
        static int result;

        EXPECT(doe_event_kind(e) == DOE_EVENT_LOST);
        EXPECT(doe_client_exchange_start(c, "[", ECHO, "bad", 3, NULL, on_any, &result, NULL) == -EINVAL);
        EXPECT(strlen(doe_event_text(e)) > 0);
        ++*(unsigned *)userdata;
}

static void on_event_free(struct doe_client *c, const struct doe_event *e, void *userdata) {
        ++*(unsigned *)userdata;
        EXPECT(!doe_client_free(c));
}

static void on_any_free(struct doe_client *c, uint64_t cookie, int result, const uint8_t *response,
                        size_t n_bytes, const struct doe_details *details, void *userdata) {
        ++*(unsigned *)userdata;
        EXPECT(!doe_client_free(c));
}

static void check_without_doed(void) {
        struct doe_client *c = connect_to_bus();
        uint64_t end = now_usec() + WAIT_USEC;
        unsigned n_told = 0;
        const unsigned *told = &n_told; /* by the callback, which the compiler does not see */
        uint8_t *response;
        size_t n_bytes;
        int r = 0;

        EXPECT_RESULT(c, doe_client_watch(c, on_no_doed, &n_told), 0);
        TURN_UNTIL(c, *told == 1);
        doe_client_free(c);

        n_told = 0;
        c = connect_to_bus();
        EXPECT_RESULT(c, doe_client_watch(c, on_event_free, &n_told), 0);
        while (r == 0 && now_usec() < end)
                r = doe_client_process(c);
        EXPECT(r == -ECANCELED && n_told == 1);

        /* the same while another function waits: its answer would come after that of the first */
        n_told = 0;
        c = connect_to_bus();
        for (unsigned i = 0; i < 2; i++)
                EXPECT_RESULT(c,
                              doe_client_exchange_start(c, "0000:3a:00.0[160]", ECHO, "free", 4, NULL,
                                                        on_any_free, &n_told, NULL),
                              0);
        EXPECT(doe_client_exchange(c, "0000:3a:00.0[160]", ECHO, "wait", 4, NULL, &response, &n_bytes,
                                   NULL) == -ECANCELED);
        EXPECT(n_told == 1);
}

static void check_killed(void) {
        struct doe_client *c = connect_to_bus();
        int result = 1;
        uint8_t *response;
        size_t n_bytes;
        unsigned n;

        EXPECT_RESULT(c, doe_client_watch(c, on_event, NULL), 0);
        EXPECT(doe_client_watch(c, on_event, NULL) == -EALREADY);
        TURN_UNTIL(c, seen.n_listed == 1);
        n = seen.n_mailboxes;
        EXPECT(n > 0);
        EXPECT_RESULT(c,
                      doe_client_exchange_start(c, "0000:3a:00.0[160]", ECHO, "lost", 4, NULL, on_any,
                                                &result, NULL),
                      0);
        ask("kill doed and hold it");
        TURN_UNTIL(c, result != 1 && seen.n_lost == 1);
        EXPECT(result == -EHOSTDOWN && seen.n_mailboxes == 0);
        EXPECT_RESULT(c,
                      doe_client_exchange(c, "0000:3a:00.0[160]", ECHO, "lost", 4, NULL, &response, &n_bytes,
                                          NULL),
                      -EHOSTDOWN);

        check_without_doed();
        ask("let it come back");
        TURN_UNTIL(c, seen.n_listed == 2 && seen.n_mailboxes == n);
        EXPECT_RESULT(c,
                      doe_client_exchange(c, "0000:3a:00.0[160]", ECHO, "back", 4, NULL, &response, &n_bytes,
                                          NULL),
                      0);
        free(response);
        doe_client_free(c);
}

static void check_bus_gone(void) {
        struct doe_client *c = connect_to_bus();
        uint8_t *response;
        size_t n_bytes;
        int result = 1;

        EXPECT_RESULT(c,
                      doe_client_exchange(c, "0000:3a:00.0[160]", ECHO, "here", 4, NULL, &response, &n_bytes,
                                          NULL),
                      0);
        free(response);
        EXPECT_RESULT(c,
                      doe_client_exchange_start(c, "0000:3a:00.0[160]", ECHO, "lost", 4, NULL, on_any,
                                                &result, NULL),
                      0);
        ask("cut the relay");
        for (uint64_t end = now_usec() + WAIT_USEC; turn(c) == 0;)
                EXPECT(now_usec() < end);
        EXPECT(result == -EHOSTDOWN || result == 0);
        EXPECT_RESULT(c,
                      doe_client_exchange(c, "0000:3a:00.0[160]", ECHO, "gone", 4, NULL, &response, &n_bytes,
                                          NULL),
                      -EHOSTDOWN);
        doe_client_free(c);
}

/* ---- where descriptors do not pass ---- */

static void check_bridge(void) {
        const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        struct doe_client *c;
        struct doe_lease *l;
        uint8_t *response;
        size_t n_bytes;

        EXPECT(address && doe_client_new_address(address, &c) == 0);
        EXPECT_RESULT(c,
                      doe_client_exchange(c, "0000:3a:00.0[160]", ECHO, "over", 4, NULL, &response, &n_bytes,
                                          NULL),
                      0);
        free(response);
        EXPECT_RESULT(c, doe_client_lease(c, "0000:3a:00.1[150]", SPDM, NULL, &l), -EOPNOTSUPP);
        EXPECT(strstr(doe_client_error_text(c), "descriptor"));
        EXPECT_RESULT(c, doe_client_inhibit(c, "0000:3a:00.1[150]", "no", NULL, &l), -EOPNOTSUPP);
        doe_client_free(c);
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*check)(void);
        } checks[] = {
                { "many", check_many },     { "cancel", check_cancel }, { "errors", check_errors },
                { "lease", check_lease },   { "notice", check_notice }, { "inhibit", check_inhibit },
                { "killed", check_killed }, { "bridge", check_bridge }, { "bus-gone", check_bus_gone },
        };

        for (size_t i = 0; argc == 2 && i < sizeof(checks) / sizeof(checks[0]); i++)
                if (strcmp(checks[i].name, argv[1]) == 0) {
                        checks[i].check();
                        return EXIT_SUCCESS;
                }
        return EXIT_FAILURE;
}
