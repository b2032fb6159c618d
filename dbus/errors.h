/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one table of what can go wrong: each errno that the daemon's functions return has one name on the bus
 * and one exit code of doectl. */

#include <stddef.h>

/* Exit codes of doectl. */
typedef enum DoeExit {
        DOE_EXIT_OK = 0,
        DOE_EXIT_FAILED = 1,      /* the exchange failed, or anything that has no code of its own */
        DOE_EXIT_USAGE = 2,       /* the caller asked for something that cannot be */
        DOE_EXIT_NOT_FOUND = 3,   /* no such feature, mailbox, device */
        DOE_EXIT_DENIED = 4,      /* not for this caller, or not in this way */
        DOE_EXIT_BUSY = 5,        /* somebody else has it; again later */
        DOE_EXIT_TIMED_OUT = 6,   /* the time that the caller gave is over */
        DOE_EXIT_GONE = 7,        /* the mailbox cannot be used */
        DOE_EXIT_UNAVAILABLE = 8, /* doed or doed-pci is not there */
} DoeExit;

typedef struct DoeError {
        const char *name;      /* "TimedOut" */
        const char *dbus_name; /* "org.doed.Error.TimedOut" */
        int error;             /* positive errno */
        DoeExit exit_code;
        const char *meaning; /* a short sentence for people, without a full stop */
} DoeError;

/* Walk the table: @i from 0, NULL at its end. */
const DoeError *doe_error_get(size_t i);

/* @error: an errno of either sign. NULL if it has no name; static storage. */
const DoeError *doe_error_find_by_errno(int error);

/* @dbus_name: "org.doed.Error.X", or one of the two of org.freedesktop.DBus.Error that the table has. NULL
 * if it is none of them, or NULL itself; static storage. */
const DoeError *doe_error_find_by_name(const char *dbus_name);
