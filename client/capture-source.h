/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a capture comes from: doed on this machine, through a descriptor, or a doectl on another one,
 * through ssh, since descriptors do not cross a remote bus. */

#include <sys/types.h>

#include "client/doectl.h"

typedef struct CaptureSource {
        int fd;    /* of the stream; non-blocking, owned */
        pid_t pid; /* of ssh; 0: none */
} CaptureSource;

/* The rows of options that say what is captured; for the tables of verbs. */
/* clang-format off */
#define CAPTURE_FILTER_OPTIONS                                                                              \
        { 0, "mailbox", "MAILBOX", OPTION_LIST, offsetof(Options, mailboxes),                               \
          "only of this mailbox; may be repeated" },                                                        \
        { 0, "feature", "FEATURE", OPTION_LIST, offsetof(Options, features),                                \
          "only of this feature; may be repeated" },                                                        \
        { 0, "uid", "UID", OPTION_U32, offsetof(Options, uid), "only what this user asked for" },           \
        { 0, "recent", NULL, OPTION_BOOL, offsetof(Options, recent),                                        \
          "first what doed remembers of the time before" }
/* clang-format on */

/* As the options of @c say. Return: 0; -errno with c->failure set. */
int capture_source_open(Context *c, CaptureSource *ret);
/* @has_ended: its stream has. Return: what ssh exited with then; 0 otherwise. */
int capture_source_close(CaptureSource *s, bool has_ended);
