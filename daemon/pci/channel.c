/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/channel.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>

struct Channel {
        pthread_mutex_t mutex;
        STAILQ_HEAD(ChannelHead, ChannelItem) items;
        atomic_bool has_items;
        int fd;
        void (*free_item)(ChannelItem *item);
};

int channel_new(void (*free_item)(ChannelItem *item), Channel **ret) {
        _cleanup_free_ Channel *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (c->fd < 0)
                return -errno;
        pthread_mutex_init(&c->mutex, NULL);
        STAILQ_INIT(&c->items);
        c->free_item = free_item;
        *ret = TAKE_PTR(c);
        return 0;
}

Channel *channel_free(Channel *c) {
        ChannelItem *item;

        if (!c)
                return NULL;
        while ((item = channel_take(c)))
                c->free_item(item);
        pthread_mutex_destroy(&c->mutex);
        close(c->fd);
        free(c);
        return NULL;
}

int channel_fd(const Channel *c) {
        return c->fd;
}

void channel_push(Channel *c, ChannelItem *item) {
        pthread_mutex_lock(&c->mutex);
        if (STAILQ_EMPTY(&c->items)) {
                /* cannot fail: the counter is 0 or 1 */
                (void)!write(c->fd, &(uint64_t){ 1 }, sizeof(uint64_t));
                atomic_store(&c->has_items, true);
        }
        STAILQ_INSERT_TAIL(&c->items, item, link);
        pthread_mutex_unlock(&c->mutex);
}

ChannelItem *channel_take(Channel *c) {
        ChannelItem *item;
        uint64_t counter;

        pthread_mutex_lock(&c->mutex);
        item = STAILQ_FIRST(&c->items);
        if (item) {
                STAILQ_REMOVE_HEAD(&c->items, link);
                if (STAILQ_EMPTY(&c->items)) {
                        (void)!read(c->fd, &counter, sizeof(counter));
                        atomic_store(&c->has_items, false);
                }
        }
        pthread_mutex_unlock(&c->mutex);
        return item;
}

bool channel_has_items(const Channel *c) {
        return atomic_load_explicit(&c->has_items, memory_order_relaxed);
}
