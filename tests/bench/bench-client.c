/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Many connections of one uid that each send the same echo request again and again, one after the other or
 * at intervals, from one point in time to another. Says in the end what they got. */

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define ECHO_TYPE       1u
#define ECHO_VENDOR_ID  0x1234u
#define LAZY_VENDOR_ID  0x4444u /* the echo that the rules make background */
#define CONNECTIONS_MAX 1024u
#define USEC_PER_SEC    UINT64_C(1000000)
#define CALL_USEC       (20 * USEC_PER_SEC)
#define DRAIN_USEC      (5 * USEC_PER_SEC)
#define ERRORS_SHOWN    3u

typedef struct Bench Bench;

typedef struct Connection {
        Bench *bench;
        sd_bus *bus;
        sd_event_source *timer; /* of its next call, where calls come at intervals */
        uint64_t called_usec;
        bool is_waiting;
} Connection;

struct Bench {
        const char *mailbox_path, *priority;
        uint64_t start_usec, end_usec; /* CLOCK_MONOTONIC */
        uint64_t interval_usec;        /* 0: each call as soon as the one before it is answered */
        bool shows_samples;
        uint8_t *request;
        size_t n_bytes;
        sd_event *event;
        Connection *connections;
        size_t n_connections, n_waiting;
        uint64_t n_exchanges, n_errors, n_wrong;
        uint64_t device_usec, queued_usec, latency_usec; /* sums */
};

/* What the details of an answer say. */
typedef struct Details {
        uint64_t queued_usec, device_usec;
        char priority[16];
} Details;

static int connection_call(Connection *c);

static uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

static int read_detail(sd_bus_message *m, Details *ret) {
        const char *key, *text;
        int r;

        r = sd_bus_message_read(m, "s", &key);
        if (r < 0)
                return r;
        if (strcmp(key, "queued-usec") == 0)
                return sd_bus_message_read(m, "v", "t", &ret->queued_usec);
        if (strcmp(key, "device-usec") == 0)
                return sd_bus_message_read(m, "v", "t", &ret->device_usec);
        if (strcmp(key, "priority") != 0)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_read(m, "v", "s", &text);
        if (r >= 0)
                snprintf(ret->priority, sizeof(ret->priority), "%s", text);
        return r;
}

static int read_details(sd_bus_message *m, Details *ret) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_detail(m, ret);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r;
}

/* Return: false if it is not what was asked for. */
static bool bench_count(Bench *b, sd_bus_message *m, uint64_t latency_usec) {
        Details details = {};
        const void *response;
        size_t n_bytes;

        if (sd_bus_message_read_array(m, 'y', &response, &n_bytes) < 0 || n_bytes != b->n_bytes ||
            memcmp(response, b->request, n_bytes) != 0 || read_details(m, &details) < 0 ||
            strcmp(details.priority, b->priority) != 0)
                return false;
        b->n_exchanges++;
        b->device_usec += details.device_usec;
        b->queued_usec += details.queued_usec;
        b->latency_usec += latency_usec;
        if (b->shows_samples)
                printf("sample queued-usec=%llu device-usec=%llu\n", (unsigned long long)details.queued_usec,
                       (unsigned long long)details.device_usec);
        return true;
}

static int bench_end_if_done(Bench *b, uint64_t now) {
        return now >= b->end_usec && b->n_waiting == 0 ? sd_event_exit(b->event, 0) : 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Connection *c = userdata;
        Bench *b = c->bench;
        uint64_t now = now_usec();

        c->is_waiting = false;
        b->n_waiting--;
        if (sd_bus_message_is_method_error(m, NULL)) {
                const sd_bus_error *error = sd_bus_message_get_error(m);

                if (b->n_errors++ < ERRORS_SHOWN)
                        fprintf(stderr, "bench-client: %s: %s\n", error->name, error->message);
        } else if (now < b->end_usec && !bench_count(b, m, now - c->called_usec)) {
                b->n_wrong++;
        }
        if (b->interval_usec == 0 && now < b->end_usec)
                return connection_call(c);
        return bench_end_if_done(b, now);
}

/* Root may choose a priority; of the others the rules of the benchmark say which one they have. */
static int append_options(sd_bus_message *m, const char *priority) {
        if (strcmp(priority, "urgent") != 0)
                return sd_bus_message_append(m, "a{sv}", 1, "timeout-usec", "t", CALL_USEC);
        return sd_bus_message_append(m, "a{sv}", 2, "priority", "s", priority, "timeout-usec", "t",
                                     CALL_USEC);
}

static int connection_call(Connection *c) {
        Bench *b = c->bench;
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, "org.doed", b->mailbox_path, "org.doed.Mailbox1",
                                           "Exchange");
        if (r >= 0)
                r = sd_bus_message_append(m, "qy",
                                          strcmp(b->priority, "background") == 0 ? LAZY_VENDOR_ID
                                                                                 : ECHO_VENDOR_ID,
                                          ECHO_TYPE);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', b->request, b->n_bytes);
        if (r >= 0)
                r = append_options(m, b->priority);
        c->called_usec = now_usec();
        if (r >= 0)
                r = sd_bus_call_async(c->bus, NULL, m, on_reply, c, CALL_USEC + DRAIN_USEC);
        sd_bus_message_unref(m);
        if (r < 0)
                return r;
        c->is_waiting = true;
        b->n_waiting++;
        return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        Connection *c = userdata;
        Bench *b = c->bench;
        int r = 0;

        if (usec >= b->end_usec)
                return bench_end_if_done(b, usec);
        if (!c->is_waiting)
                r = connection_call(c);
        if (r < 0)
                return r;
        r = sd_event_source_set_time(source, usec + (b->interval_usec ?: b->end_usec - usec));
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int connection_open(Connection *c, Bench *b, size_t place) {
        /* spread over one interval, or they would all come at once */
        uint64_t first_usec = b->start_usec + b->interval_usec * place / b->n_connections;
        int r;

        c->bench = b;
        r = sd_bus_open_system(&c->bus);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(c->bus, true);
        if (r >= 0)
                r = sd_bus_attach_event(c->bus, b->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_event_add_time(b->event, &c->timer, CLOCK_MONOTONIC, first_usec, /* accuracy= */ 1000,
                                      on_time, c);
        return r < 0 ? r : sd_event_source_set_exit_on_failure(c->timer, true);
}

static int bench_run(Bench *b) {
        int r;

        b->request = calloc(1, b->n_bytes);
        b->connections = calloc(b->n_connections, sizeof(*b->connections));
        if (!b->request || !b->connections)
                return -ENOMEM;
        memset(b->request, 0x5a, b->n_bytes);
        r = sd_event_new(&b->event);
        for (size_t i = 0; r >= 0 && i < b->n_connections; i++)
                r = connection_open(&b->connections[i], b, i);
        if (r < 0)
                return r;
        if (now_usec() > b->start_usec)
                fprintf(stderr, "bench-client: the connections were not open in time\n");
        r = sd_event_loop(b->event);
        return r > 0 ? -ECONNRESET : r;
}

static void bench_report(const Bench *b) {
        printf("total uid=%u priority=%s connections=%zu exchanges=%llu device-usec=%llu queued-usec=%llu "
               "latency-usec=%llu errors=%llu wrong=%llu\n",
               (unsigned)getuid(), b->priority, b->n_connections, (unsigned long long)b->n_exchanges,
               (unsigned long long)b->device_usec, (unsigned long long)b->queued_usec,
               (unsigned long long)b->latency_usec, (unsigned long long)b->n_errors,
               (unsigned long long)b->n_wrong);
}

static void bench_done(Bench *b) {
        for (size_t i = 0; b->connections && i < b->n_connections; i++) {
                sd_event_source_unref(b->connections[i].timer);
                if (b->connections[i].bus)
                        sd_bus_detach_event(b->connections[i].bus);
                sd_bus_flush_close_unref(b->connections[i].bus);
        }
        sd_event_unref(b->event);
        free(b->connections);
        free(b->request);
}

static int usage(void) {
        fprintf(stderr, "usage: bench-client --start MONOTONIC-USEC --seconds N [--connections N] "
                        "[--priority P]\n"
                        "                    [--interval-usec N] [--bytes N] [--samples] MAILBOX-PATH\n");
        return 2;
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "start", required_argument, NULL, 's' },
                { "seconds", required_argument, NULL, 'd' },
                { "connections", required_argument, NULL, 'c' },
                { "priority", required_argument, NULL, 'p' },
                { "interval-usec", required_argument, NULL, 'i' },
                { "bytes", required_argument, NULL, 'b' },
                { "samples", no_argument, NULL, 'm' },
                { 0 },
        };
        Bench b = { .priority = "normal", .n_bytes = 4, .n_connections = 1 };
        uint64_t seconds = 0;
        int option, r;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                unsigned long long number = optarg ? strtoull(optarg, NULL, 10) : 0;

                if (option == 's')
                        b.start_usec = number;
                else if (option == 'd')
                        seconds = number;
                else if (option == 'c')
                        b.n_connections = number;
                else if (option == 'p')
                        b.priority = optarg;
                else if (option == 'i')
                        b.interval_usec = number;
                else if (option == 'b')
                        b.n_bytes = number;
                else if (option == 'm')
                        b.shows_samples = true;
                else
                        return usage();
        }
        if (argc - optind != 1 || b.start_usec == 0 || seconds == 0 || b.n_connections == 0 ||
            b.n_connections > CONNECTIONS_MAX || b.n_bytes == 0)
                return usage();
        b.mailbox_path = argv[optind];
        b.end_usec = b.start_usec + seconds * USEC_PER_SEC;
        r = bench_run(&b);
        if (r < 0)
                fprintf(stderr, "bench-client: %s\n", strerror(-r));
        bench_report(&b);
        bench_done(&b);
        return r < 0 || b.n_wrong > 0 ? 1 : 0;
}
