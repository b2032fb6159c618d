/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Commands to an emulated platform while it runs, one a line, over a Unix stream socket: the same set for
 * doe-sysfs and doed-pci-emulated. README.md lists them. */

#include <stddef.h>
#include <stdio.h>

#include "daemon/util/cleanup.h"
#include "tests/emulator/platform.h"

#define CONTROL_LINE_MAX    1024u
#define CONTROL_CLIENTS_MAX 16u

/**
 * control_run() - one command
 * @line: without its line end; changed
 * @out: gets the whole answer: lines of text and then "ok", or "error: TEXT"
 */
void control_run(Platform *p, char *line, FILE *out);

typedef struct ControlServer ControlServer;

/* Serve on a new socket at @path, on a thread of its own. @p is borrowed. Return: 0; -errno. */
int control_server_new(const char *path, Platform *p, ControlServer **ret);
/* Ends the thread and removes the socket. */
ControlServer *control_server_free(ControlServer *server);
DEFINE_CLEANUP(ControlServer *, control_server_free);

/* For the documentation and its test. NULL past the end. */
const char *control_command_get(size_t i, const char **ret_usage, const char **ret_help);
