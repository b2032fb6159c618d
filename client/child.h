/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A command that doectl runs: in its own place, or beside it until the command ends. */

#include <stdbool.h>

#include "client/failure.h"

#define CHILD_STREAM       3   /* the descriptor that a command finds its lease at */
#define CHILD_REFUSED      125 /* exit codes as of env(1): the command was not run, */
#define CHILD_CANNOT_RUN   126 /* cannot be run, */
#define CHILD_IS_NOT_FOUND 127 /* is not there */

/* Become the command. @words: ends with NULL. @stream: becomes its CHILD_STREAM, and is not that now; -1 for
 * none. Returns only if that fails: what to exit with; standard error says why. */
int child_become(char *const *words, int stream);

/* What a command runs beside. */
typedef struct ChildStream {
        int fd; /* becomes its CHILD_STREAM too; above that; -1 for none */
        /* @fd can be read. Return: true: the command is told to end, by SIGTERM; @fd is not looked at any
         * more. */
        bool (*on_readable)(void *userdata);
        void *userdata;
} ChildStream;

/**
 * child_run() - run a command until it ends
 *
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT meanwhile are passed on to it, but for those that the terminal has
 * sent to both. They stay blocked.
 *
 * Return: its status, 128 + N after signal N; -errno with @f set if there can be no child.
 */
int child_run(char *const *words, const ChildStream *stream, Failure *f);
