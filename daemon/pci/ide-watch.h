/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the IDE capabilities of a function, and of function 0 of its device, which manages it, say of an SPDM
 * session that is somebody's. On the worker's thread. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/pci/config-guard.h"
#include "daemon/pci/ide.h"
#include "daemon/wire/message.h"

#define IDE_LOOK_USEC USEC_PER_SEC /* what was seen holds for so long */
#define IDE_AGAIN_USEC                                                                                      \
        (10 * USEC_PER_SEC) /* a stream that is secure is looked at again: nobody tells of its end */

typedef struct IdeWatch {
        ConfigSpace *config; /* borrowed: of the function itself */
        IdeCapability capability;
        char manager_address[WIRE_ADDRESS_MAX]; /* "": it is function 0 */
        ConfigGuard manager;
        IdeCapability manager_capability;
        char evidence[WIRE_TEXT_MAX]; /* "": no stream is secure, or none could be read */
        uint64_t seen_usec;           /* of the last look, 0: none yet */
} IdeWatch;

/* @config: borrowed, outlives it */
void ide_watch_init(IdeWatch *w, Host *host, const char *address, ConfigSpace *config);
void ide_watch_done(IdeWatch *w);

/* Look, unless that was done within @age_usec. Return: whether @w->evidence has changed. */
bool ide_watch_look(IdeWatch *w, uint64_t age_usec);
