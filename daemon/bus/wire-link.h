/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The way down to doed-pci: connects to its socket again and again, says hello, takes its devices, and turns
 * its messages into what the core is told and what the core asks into messages. Whatever is wrong ends the
 * connection, which is told to the core and then tried again. */

#include <event2/event.h>

#include "daemon/core/link.h"
#include "daemon/core/manager.h"
#include "daemon/util/cleanup.h"

#define WIRE_LINK_RETRY_FIRST_USEC 250000u
#define WIRE_LINK_RETRY_MAX_USEC   1000000u
#define WIRE_LINK_HELLO_USEC       10000000u /* doed-pci may be started by our connecting */

typedef struct WireLink WireLink;

/* What the core is given; its userdata is the WireLink. */
extern const Link wire_link_ops;

/**
 * wire_link_new() - not connected yet
 * @path: borrowed
 * @on_replaced: doed-pci speaks another version and our own executable has been replaced on disk: whoever
 *               starts us will start the right one
 *
 * Return: 0; -ENOMEM.
 */
int wire_link_new(struct event_base *base, const char *path, void (*on_replaced)(void *userdata),
                  void *userdata, WireLink **ret);
/* The devices that the core still has are reported no more. */
WireLink *wire_link_free(WireLink *l);
DEFINE_CLEANUP(WireLink *, wire_link_free);

/* Begin to connect on behalf of @m, which is borrowed; from the next turn of the loop on. */
void wire_link_start(WireLink *l, Manager *m);
/* Have doed-pci read its configuration again. One that is not there reads it when it starts. */
void wire_link_reload(WireLink *l);
