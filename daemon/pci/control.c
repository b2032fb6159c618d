/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/control.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <systemd/sd-daemon.h>

#include "daemon/util/log.h"
#include "daemon/wire/connection.h"

#define HELLO_SEC 5 /* a peer that says nothing must not keep the next one out */

#define MESSAGES_MAX 16u /* handled in one go, so that the main thread does its other work under a flood */

struct Control {
        ControlSettings settings;
        int listen_fd;
        bool is_bound; /* by us: unlinked at the end */
        struct event *listen_event;
        WireConnection *peer;
        uint64_t peer_id;
        bool is_ready;                                        /* both Hellos are over */
        struct event *read_event, *write_event, *hello_timer; /* while a peer is there */
};

static void event_drop(struct event **event) {
        if (*event)
                event_free(*event);
        *event = NULL;
}

static void drop(Control *c, const char *why) {
        bool was_ready = c->is_ready;

        if (!c->peer)
                return;
        log_debug("doed is gone: %s", why);
        event_drop(&c->read_event);
        event_drop(&c->write_event);
        event_drop(&c->hello_timer);
        c->peer = wire_connection_free(c->peer);
        c->is_ready = false;
        if (was_ready)
                c->settings.on_gone(c->settings.userdata);
}

static void watch_unsent(Control *c) {
        if (wire_connection_wants_write(c->peer))
                event_add(c->write_event, NULL);
        else
                event_del(c->write_event);
}

/* Return: whether it went, or waits; the peer is still there then. */
static bool send_message(Control *c, const WireMessage *message, int fd) {
        int r = wire_connection_send(c->peer, message, fd);

        if (r < 0) {
                log_warning("Cannot send \"%s\" to doed: %s", wire_type_to_string(message->type),
                            strerror(-r));
                drop(c, strerror(-r));
                return false;
        }
        watch_unsent(c);
        return true;
}

void control_send(Control *c, const WireMessage *message, int fd) {
        if (c->is_ready)
                send_message(c, message, fd);
}

void control_drop(Control *c, uint64_t peer_id, const char *why) {
        if (c->peer_id == peer_id)
                drop(c, why);
}

static void on_hello_timer(evutil_socket_t fd, short what, void *userdata) {
        drop(userdata, "it did not say hello");
}

/* A foreign version gets our own, so that it can name both, and nothing else. */
static void handle_hello(Control *c, const WireHello *hello) {
        WireMessage ours = { .type = WIRE_HELLO, .hello = { .wire_version = WIRE_VERSION } };

        if (hello->wire_version != WIRE_VERSION) {
                log_debug("Refusing doed %s, which speaks version %u of the wire: this is %s with %u",
                          hello->program_version, hello->wire_version, c->settings.version, WIRE_VERSION);
                wire_text_set(ours.hello.program_version, sizeof(ours.hello.program_version),
                              c->settings.version);
                if (send_message(c, &ours, -1))
                        drop(c, "another version of the wire");
                return;
        }
        log_debug("doed %s is here", hello->program_version);
        event_drop(&c->hello_timer);
        c->is_ready = true;
        c->settings.on_ready(c->settings.userdata, c->peer_id);
}

static void handle_message(Control *c, const WireMessage *m) {
        if (!c->is_ready && m->type == WIRE_HELLO)
                handle_hello(c, &m->hello);
        else if (!c->is_ready || !c->settings.on_request(c->settings.userdata, m))
                drop(c, "it sent what does not belong here");
}

static void on_readable(evutil_socket_t socket, short what, void *userdata) {
        Control *c = userdata;
        WireMessage m;
        int fd = -1, r;

        for (unsigned i = 0; c->peer && (r = wire_connection_receive(c->peer, &m, &fd)) != 0; i++) {
                if (r < 0) {
                        drop(c, r == -ECONNRESET ? "it closed the connection" : strerror(-r));
                        return;
                }
                if (fd >= 0) {
                        close(fd);
                        drop(c, "it sent a descriptor");
                        return;
                }
                handle_message(c, &m);
                if (i + 1 == MESSAGES_MAX && c->peer) {
                        /* others first; poll() would not see what was received already */
                        event_active(c->read_event, EV_READ, 0);
                        return;
                }
        }
}

static void on_writable(evutil_socket_t fd, short what, void *userdata) {
        Control *c = userdata;
        int r = wire_connection_flush(c->peer);

        if (r < 0)
                drop(c, strerror(-r));
        else
                watch_unsent(c);
}

static bool may_connect(const Control *c, int fd) {
        struct ucred peer;
        socklen_t n_bytes = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n_bytes) < 0)
                return false;
        if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == c->settings.peer_uid)
                return true;
        log_event(LOG_EVENT_PEER_REFUSED,
                  &(LogFields){ .has_uid = true, .uid = peer.uid, .pid = (uint32_t)peer.pid },
                  "Refusing a connection of uid %u, pid %d", peer.uid, (int)peer.pid);
        return false;
}

/* The end of the last peer and its successor may be seen in either order. */
static void drop_if_ended(Control *c) {
        char byte;

        if (c->peer && recv(wire_connection_fd(c->peer), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
                drop(c, "it closed the connection");
}

static int welcome(Control *c, int fd) {
        static const struct timeval hello_time = { .tv_sec = HELLO_SEC };

        c->read_event = event_new(c->settings.base, fd, EV_READ | EV_PERSIST, on_readable, c);
        c->write_event = event_new(c->settings.base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
        c->hello_timer = evtimer_new(c->settings.base, on_hello_timer, c);
        if (!c->read_event || !c->write_event || !c->hello_timer)
                return -ENOMEM;
        event_add(c->read_event, NULL);
        evtimer_add(c->hello_timer, &hello_time);
        c->peer_id++;
        return wire_connection_new(fd, &c->peer);
}

static void on_connection(evutil_socket_t listen_fd, short what, void *userdata) {
        Control *c = userdata;
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
                return;
        drop_if_ended(c);
        if (c->peer)
                log_warning("Refusing a second connection: one doed is served at a time");
        if (c->peer || !may_connect(c, fd)) {
                close(fd);
                return;
        }
        if (welcome(c, fd) < 0) {
                log_error("Out of memory, refusing a connection");
                event_drop(&c->read_event);
                event_drop(&c->write_event);
                event_drop(&c->hello_timer);
                close(fd);
        }
}

/* A socket that nobody listens on any more was left by a killed predecessor. */
static int remove_stale(const char *path) {
        WireConnection *other;
        int r = wire_connection_connect(path, &other);

        if (r == 0) {
                wire_connection_free(other);
                return -EADDRINUSE;
        }
        return r == -ECONNREFUSED && unlink(path) < 0 ? -errno : 0;
}

static int bind_path(Control *c) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const char *path = c->settings.path;
        mode_t mask;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        r = remove_stale(path);
        if (r < 0)
                return r;
        c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (c->listen_fd < 0)
                return -errno;
        mask = umask(0177);
        r = bind(c->listen_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
        umask(mask);
        if (r < 0)
                return r;
        c->is_bound = true;
        if (geteuid() == 0 && c->settings.peer_uid != 0 && chown(path, c->settings.peer_uid, (gid_t)-1) < 0)
                return -errno;
        return listen(c->listen_fd, 4) < 0 ? -errno : 0;
}

static int get_listening(Control *c) {
        int n = sd_listen_fds(/* unset_environment= */ 1);

        if (n < 0)
                return n;
        if (n == 0)
                return bind_path(c);
        if (n > 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, c->settings.path, 0) <= 0) {
                log_error("Of systemd, one listening socket at %s is taken, and nothing else",
                          c->settings.path);
                return -ENOTSOCK;
        }
        c->listen_fd = SD_LISTEN_FDS_START;
        return evutil_make_socket_nonblocking(c->listen_fd) < 0 ? -EIO : 0;
}

int control_new(const ControlSettings *settings, Control **ret) {
        _cleanup_(control_freep) Control *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->settings = *settings;
        c->listen_fd = -EBADF;
        r = get_listening(c);
        if (r < 0)
                return r;
        c->listen_event = event_new(settings->base, c->listen_fd, EV_READ | EV_PERSIST, on_connection, c);
        if (!c->listen_event)
                return -ENOMEM;
        event_add(c->listen_event, NULL);
        *ret = TAKE_PTR(c);
        return 0;
}

Control *control_free(Control *c) {
        if (!c)
                return NULL;
        drop(c, "doed-pci ends");
        event_drop(&c->listen_event);
        if (c->is_bound)
                unlink(c->settings.path);
        if (c->listen_fd >= 0)
                close(c->listen_fd);
        free(c);
        return NULL;
}
