/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A queue between threads: any thread pushes, one takes, and its descriptor is readable while something is
 * in it. Unbounded: those who push bound what they push. */

#include <stdbool.h>
#include <sys/queue.h>

#include "daemon/util/cleanup.h"

typedef struct ChannelItem { /* first member of whatever is pushed */
        STAILQ_ENTRY(ChannelItem) link;
} ChannelItem;

typedef struct Channel Channel;

/* @free_item: for what is still in it at its end. Return: 0; -ENOMEM; -errno of eventfd(). */
int channel_new(void (*free_item)(ChannelItem *item), Channel **ret);
Channel *channel_free(Channel *c);
DEFINE_CLEANUP(Channel *, channel_free);

int channel_fd(const Channel *c); /* borrowed; poll it, channel_take() reads it */

/* Takes @item over. */
void channel_push(Channel *c, ChannelItem *item);
/* The oldest item, owned by the caller; NULL: none. */
ChannelItem *channel_take(Channel *c);
/* Without a lock, for a thread that looks often; may be late by one look. */
bool channel_has_items(const Channel *c);
