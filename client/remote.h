/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What needs a descriptor of doed runs where doed is: the same command on the other machine, through ssh,
 * with its streams passed through, since descriptors do not cross a remote bus. */

#include "client/doectl.h"

/**
 * remote_command() - a command line for the shell of another machine
 * @start: its first words, such as "doectl capture"
 * @rows:  options to hand on as far as they are given, besides --json and --timeout
 * @words: arguments to hand on; may be NULL if @n_words is 0
 *
 * Return: newly allocated, owned by the caller, never NULL.
 */
char *remote_command(const char *start, const OptionRow *rows, const Options *o, char *const *words,
                     int n_words);

#define REMOTE_WORDS 6u
/* What runs @command on @host, for execvp(3); borrows both. */
void remote_words(const char *host, const char *command, const char *ret_words[REMOTE_WORDS]);

/**
 * remote_run() - run doectl on the host of @c, with this one's standard streams, until it ends
 *
 * As remote_command(), from the options of @c. Return: 0 with c->exit_code set to what it ended with; -errno
 * with c->failure set, also if ssh itself has failed.
 */
int remote_run(Context *c, const char *start, const OptionRow *rows, char *const *words, int n_words);
