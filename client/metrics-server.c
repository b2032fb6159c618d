/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/metrics-server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "client/memory.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
/* Prometheus gives up after 10 s; doed answers at once or is in trouble. */
#define SCRAPE_TIMEOUT_USEC UINT64_C(4000000)
#define HEADER_BYTES_MAX    8192
#define CONNECTION_SEC      10 /* of a peer that says nothing */
#define ACCEPT_PAUSE_SEC    1  /* while there are no descriptors left for connections */

typedef struct Server {
        struct event_base *base;
        struct evhttp *http;
        struct event *signals[2];
        Bus *bus;
} Server;

int metrics_read(Bus *b, char **ret, Failure *f) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        BusRequest rq = bus_request(b, DOED_PATH, DOED_INTERFACE_MANAGER, "Metrics");
        const char *text;
        int r = bus_call(b, &rq, &reply, f);

        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "s", &text);
        if (r <= 0)
                return bus_bad_reply(r, f);
        *ret = memory_must(strdup(text));
        return 0;
}

/* -------- one scrape -------- */

/* The bus may have been restarted since, which may be known by the failure only. */
static int read_or_reconnect(Bus *b, char **ret, Failure *f) {
        int r;

        if (sd_bus_is_open(b->bus) > 0) {
                r = metrics_read(b, ret, f);
                if (r >= 0 || sd_bus_is_open(b->bus) > 0)
                        return r;
        }
        bus_close(b);
        r = bus_open(b, NULL, f);
        return r < 0 ? r : metrics_read(b, ret, f);
}

static void reply_text(struct evhttp_request *request, int code, const char *reason, const char *type,
                       const char *text) {
        struct evbuffer *body = evbuffer_new();

        if (!body || evbuffer_add(body, text, strlen(text)) < 0) {
                evhttp_send_error(request, HTTP_INTERNAL, NULL);
        } else {
                evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
                evhttp_send_reply(request, code, reason, body);
        }
        if (body)
                evbuffer_free(body);
}

/* A failed scrape is one that Prometheus shows as down, with the reason in the body for people. */
static void on_metrics(struct evhttp_request *request, void *userdata) {
        Server *s = userdata;
        _cleanup_free_ char *text = NULL;
        Failure failure = { 0 };

        if (read_or_reconnect(s->bus, &text, &failure) >= 0) {
                reply_text(request, HTTP_OK, "OK", CONTENT_TYPE, text);
        } else {
                fprintf(stderr, "doectl: a scrape failed: %s\n", failure.text);
                reply_text(request, HTTP_SERVUNAVAIL, "Service Unavailable", "text/plain; charset=utf-8",
                           failure.text);
        }
        failure_done(&failure);
}

static void on_other(struct evhttp_request *request, void *userdata) {
        reply_text(request, HTTP_NOTFOUND, "Not Found", "text/plain; charset=utf-8",
                   "doed's metrics are at /metrics\n");
}

/* -------- the server -------- */

static void on_signal(evutil_socket_t number, short events, void *userdata) {
        event_base_loopbreak(userdata);
}

static int server_make(Server *s) {
        const int numbers[] = { SIGTERM, SIGINT };

        s->base = event_base_new();
        s->http = s->base ? evhttp_new(s->base) : NULL;
        if (!s->http)
                return -ENOMEM;
        evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
        evhttp_set_max_headers_size(s->http, HEADER_BYTES_MAX);
        evhttp_set_max_body_size(s->http, 0);
        evhttp_set_timeout(s->http, CONNECTION_SEC);
        evhttp_set_gencb(s->http, on_other, s);
        if (evhttp_set_cb(s->http, "/metrics", on_metrics, s) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(numbers); i++) {
                s->signals[i] = evsignal_new(s->base, numbers[i], on_signal, s->base);
                if (!s->signals[i] || event_add(s->signals[i], NULL) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static void server_done(Server *s) {
        for (size_t i = 0; i < ELEMENTS(s->signals); i++)
                if (s->signals[i])
                        event_free(s->signals[i]);
        if (s->http)
                evhttp_free(s->http);
        if (s->base)
                event_base_free(s->base);
}

static void on_pause_over(evutil_socket_t fd, short events, void *userdata) {
        evconnlistener_enable(userdata);
}

/* Out of descriptors: to try again at once would be all that is done, until a connection ends. */
static void on_accept_error(struct evconnlistener *listener, void *userdata) {
        const struct timeval pause = { .tv_sec = ACCEPT_PAUSE_SEC };

        evconnlistener_disable(listener);
        if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, on_pause_over, listener,
                            &pause) < 0)
                evconnlistener_enable(listener);
}

/* Takes over @fd on success. */
static int server_accept(Server *s, int fd) {
        struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(s->http, fd);

        if (!bound)
                return -ENOMEM;
        evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(bound), on_accept_error);
        return 0;
}

static void say_nothing(int severity, const char *message) {
}

/* Every one of them, as the socket unit has them. */
static int server_take_passed(Server *s, Failure *f) {
        int n = sd_listen_fds(true);

        if (n <= 0)
                return failure_set(
                                f, FAILURE_INVALID_ARGS,
                                "systemd passes no socket: say where with --listen ADDRESS:PORT, or start "
                                "doed-metrics.socket");
        for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++)
                if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0 ||
                    evutil_make_socket_nonblocking(fd) < 0 || server_accept(s, fd) < 0)
                        return failure_set(
                                        f, FAILURE_INVALID_ARGS,
                                        "Descriptor %d, as systemd passes it, is no listening stream socket",
                                        fd);
        return 0;
}

static bool has_port(const struct sockaddr_storage *address) {
        if (address->ss_family == AF_INET6)
                return ((const struct sockaddr_in6 *)address)->sin6_port != 0;
        return ((const struct sockaddr_in *)address)->sin_port != 0;
}

static int server_bind(Server *s, const char *text, Failure *f) {
        struct sockaddr_storage address;
        int n_bytes = sizeof(address), fd;

        if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&address, &n_bytes) < 0 ||
            !has_port(&address))
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "--listen takes ADDRESS:PORT or [ADDRESS]:PORT, such as 127.0.0.1:9870, "
                                   "not \"%s\"",
                                   text);
        fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0)
                (void)evutil_make_listen_socket_reuseable(fd);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, (socklen_t)n_bytes) < 0 ||
            listen(fd, SOMAXCONN) < 0 || server_accept(s, fd) < 0) {
                int error = errno;

                if (fd >= 0)
                        close(fd);
                return failure_set(f, FAILURE_FAILED, "Cannot listen on %s: %s", text, strerror(error));
        }
        return 0;
}

int metrics_server_run(Bus *b, const char *address, Failure *f) {
        Server s = { .bus = b };
        int r;

        event_set_log_callback(say_nothing); /* of what any peer can cause */
        r = server_make(&s);

        if (r < 0)
                failure_set(f, FAILURE_FAILED, "Cannot set up the server: %s", strerror(-r));
        else
                r = address ? server_bind(&s, address, f) : server_take_passed(&s, f);
        if (r >= 0) {
                b->timeout_usec = b->timeout_usec ?: SCRAPE_TIMEOUT_USEC;
                b->shows_progress = false;
                (void)sd_notify(false, "READY=1");
                if (event_base_dispatch(s.base) < 0)
                        r = failure_set(f, FAILURE_FAILED, "The event loop failed");
        }
        server_done(&s);
        return r;
}
