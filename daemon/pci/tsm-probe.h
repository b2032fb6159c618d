/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reads of tsm/connect and authenticated, off the main path: such a read waits in the kernel as long as a
 * TSM connects any device. One that is not back within 50 ms means that a TSM is at work. One thread, and
 * only while there is something to read. On the main thread. */

#include <stdbool.h>

#include <event2/event.h>

#include "daemon/util/cleanup.h"
#include "daemon/wire/message.h"

#define TSM_PROBE_USEC (50 * USEC_PER_MSEC)

typedef struct TsmProbe TsmProbe;

/* @on_change: what tsm_probe_get() says has changed, for one function or for all */
int tsm_probe_new(struct event_base *base, void (*on_change)(void *userdata), void *userdata,
                  TsmProbe **ret);
TsmProbe *tsm_probe_free(TsmProbe *p);
DEFINE_CLEANUP(TsmProbe *, tsm_probe_free);

/* Read @path for the function @address anew. */
void tsm_probe_request(TsmProbe *p, const char *address, const char *path);
/* What was last read, "" before the first time or if there is no session; borrowed until the next request.
 */
const char *tsm_probe_get(const TsmProbe *p, const char *address);
void tsm_probe_forget(TsmProbe *p, const char *address);
/* A read has not come back: a TSM works on some device. */
bool tsm_probe_is_at_work(const TsmProbe *p);
