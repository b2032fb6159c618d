/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/uevents.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>

#include "tests/emulator/sysfs.h"

typedef struct Item Item;
struct Item {
        Item *next;
        bool is_touch;
        char text[]; /* a line with its end, or a path */
};

struct Uevents {
        const char *mountpoint;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        Item *first, **last;
        bool is_ending;
        int fifo; /* the thread's own */
};

static int open_below(const Uevents *u, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", u->mountpoint, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

/* The FIFO stays open as long as it has a reader, who would otherwise see its end after each line. */
static void tell_line(Uevents *u, const char *line) {
        for (int i = 0; i < 2; i++) {
                if (u->fifo < 0)
                        u->fifo = open_below(u, SYSFS_UEVENTS_FIFO);
                if (u->fifo < 0)
                        return; /* nobody listens */
                if (write(u->fifo, line, strlen(line)) >= 0 || errno != EPIPE)
                        return; /* EAGAIN: lost, as with the kernel's socket when its buffer is full */
                close(u->fifo);
                u->fifo = -EBADF;
        }
}

static void tell(Uevents *u, const Item *item) {
        _cleanup_close_ int fd = -EBADF;

        if (item->is_touch)
                fd = open_below(u, item->text);
        else
                tell_line(u, item->text);
}

static void *tell_all(void *userdata) {
        Uevents *u = userdata;

        pthread_mutex_lock(&u->lock);
        while (u->first || !u->is_ending) {
                Item *item = u->first;

                if (!item) {
                        pthread_cond_wait(&u->changed, &u->lock);
                        continue;
                }
                u->first = item->next;
                if (!u->first)
                        u->last = &u->first;
                pthread_mutex_unlock(&u->lock);
                tell(u, item);
                free(item);
                pthread_mutex_lock(&u->lock);
        }
        pthread_mutex_unlock(&u->lock);
        return NULL;
}

int uevents_new(const char *mountpoint, Uevents **ret) {
        Uevents *u = calloc(1, sizeof(*u));
        int r;

        if (!u)
                return -ENOMEM;
        u->mountpoint = mountpoint;
        u->last = &u->first;
        u->fifo = -EBADF;
        pthread_mutex_init(&u->lock, NULL);
        pthread_cond_init(&u->changed, NULL);
        r = -pthread_create(&u->thread, NULL, tell_all, u);
        if (r < 0) {
                free(u);
                return r;
        }
        *ret = u;
        return 0;
}

Uevents *uevents_free(Uevents *u) {
        if (!u)
                return NULL;
        pthread_mutex_lock(&u->lock);
        u->is_ending = true;
        pthread_cond_signal(&u->changed);
        pthread_mutex_unlock(&u->lock);
        pthread_join(u->thread, NULL);
        closep(&u->fifo);
        pthread_mutex_destroy(&u->lock);
        pthread_cond_destroy(&u->changed);
        free(u);
        return NULL;
}

static void enqueue(Uevents *u, bool is_touch, const char *text) {
        size_t n = strlen(text);
        Item *item = calloc(1, sizeof(*item) + n + 2);

        if (!item)
                return;
        item->is_touch = is_touch;
        memcpy(item->text, text, n);
        if (!is_touch)
                item->text[n] = '\n';
        pthread_mutex_lock(&u->lock);
        *u->last = item;
        u->last = &item->next;
        pthread_cond_signal(&u->changed);
        pthread_mutex_unlock(&u->lock);
}

void uevents_send(Uevents *u, const char *line) {
        enqueue(u, false, line);
}

void uevents_touch(Uevents *u, const char *path) {
        enqueue(u, true, path);
}
