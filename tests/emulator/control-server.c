/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/emulator/control.h"

typedef struct Client {
        int fd; /* -EBADF: free */
        char line[CONTROL_LINE_MAX];
        size_t n_bytes;
} Client;

struct ControlServer {
        Platform *platform;
        char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
        int listen_fd, stop_fd;
        pthread_t thread;
        Client clients[CONTROL_CLIENTS_MAX];
};

static void client_close(Client *c) {
        close(c->fd);
        *c = (Client){ .fd = -EBADF };
}

/* Blocking: a test that does not read its answers waits for itself only. */
static int send_all(int fd, const char *bytes, size_t n_bytes) {
        while (n_bytes > 0) {
                ssize_t n = send(fd, bytes, n_bytes, MSG_NOSIGNAL);

                if (n < 0)
                        return -errno;
                bytes += n;
                n_bytes -= (size_t)n;
        }
        return 0;
}

static int run_line(ControlServer *s, Client *c, char *line) {
        _cleanup_free_ char *answer = NULL;
        size_t n_answer = 0;
        FILE *out = open_memstream(&answer, &n_answer);

        if (!out)
                return -ENOMEM;
        control_run(s->platform, line, out);
        if (fclose(out) != 0)
                return -ENOMEM;
        return send_all(c->fd, answer, n_answer);
}

/* A line that is not ended counts once its sender has said that no more comes. */
static int run_lines(ControlServer *s, Client *c, bool is_end) {
        char *end;
        int r;

        while ((end = memchr(c->line, '\n', c->n_bytes)) || (is_end && c->n_bytes > 0)) {
                size_t n_line = end ? (size_t)(end - c->line) : c->n_bytes;
                size_t n_eaten = end ? n_line + 1 : n_line;

                c->line[n_line] = '\0';
                r = run_line(s, c, c->line);
                if (r < 0)
                        return r;
                memmove(c->line, c->line + n_eaten, c->n_bytes - n_eaten);
                c->n_bytes -= n_eaten;
        }
        return c->n_bytes == sizeof(c->line) - 1 ? -EMSGSIZE : 0;
}

static void client_receive(ControlServer *s, Client *c) {
        ssize_t n = recv(c->fd, c->line + c->n_bytes, sizeof(c->line) - 1 - c->n_bytes, 0);

        if (n > 0)
                c->n_bytes += (size_t)n;
        if (n < 0 || run_lines(s, c, n == 0) < 0 || n == 0)
                client_close(c);
}

static void accept_client(ControlServer *s) {
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);

        for (size_t i = 0; fd >= 0 && i < CONTROL_CLIENTS_MAX; i++)
                if (s->clients[i].fd < 0) {
                        s->clients[i].fd = fd;
                        return;
                }
        if (fd >= 0)
                close(fd);
}

static void *serve(void *userdata) {
        ControlServer *s = userdata;

        for (;;) {
                struct pollfd fds[CONTROL_CLIENTS_MAX + 2] = { { .fd = s->stop_fd, .events = POLLIN },
                                                               { .fd = s->listen_fd, .events = POLLIN } };

                for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                        fds[i + 2] = (struct pollfd){ .fd = s->clients[i].fd, .events = POLLIN };
                if (poll(fds, CONTROL_CLIENTS_MAX + 2, -1) < 0 && errno != EINTR)
                        return NULL;
                if (fds[0].revents)
                        return NULL;
                for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                        if (fds[i + 2].revents)
                                client_receive(s, &s->clients[i]);
                if (fds[1].revents)
                        accept_client(s);
        }
}

static int server_listen(ControlServer *s, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        s->stop_fd = eventfd(0, EFD_CLOEXEC);
        if (s->listen_fd < 0 || s->stop_fd < 0)
                return -errno;
        unlink(path); /* left by a predecessor that was killed */
        if (bind(s->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        memcpy(s->path, path, strlen(path) + 1);
        return listen(s->listen_fd, CONTROL_CLIENTS_MAX) < 0 ? -errno : 0;
}

static void server_close(ControlServer *s) {
        if (*s->path)
                unlink(s->path);
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                if (s->clients[i].fd >= 0)
                        client_close(&s->clients[i]);
        closep(&s->listen_fd);
        closep(&s->stop_fd);
        free(s);
}

int control_server_new(const char *path, Platform *p, ControlServer **ret) {
        ControlServer *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->platform = p;
        s->listen_fd = s->stop_fd = -EBADF;
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                s->clients[i].fd = -EBADF;
        r = server_listen(s, path);
        if (r >= 0)
                r = -pthread_create(&s->thread, NULL, serve, s);
        if (r < 0) {
                server_close(s);
                return r;
        }
        *ret = s;
        return 0;
}

ControlServer *control_server_free(ControlServer *s) {
        if (!s)
                return NULL;
        eventfd_write(s->stop_fd, 1);
        pthread_join(s->thread, NULL);
        server_close(s);
        return NULL;
}
