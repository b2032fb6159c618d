/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Small reads and writes of sysfs, by path below its root. */

#include <stdbool.h>
#include <stddef.h>

#include "daemon/util/cleanup.h"

/* Path in a buffer of PATH_MAX. Return: 0; -ENAMETOOLONG. */
int sysfs_path(char *buf, const char *format, ...) _printf_(2, 3);

/* First line, without its end. Return: 0; -errno. */
int sysfs_read_line(const char *path, char *buf, size_t size);
/* Return: 0; -errno. */
int sysfs_write(const char *path, const char *text);
bool sysfs_exists(const char *path);
/* Last component of where a symbolic link leads. Return: 0; -errno. */
int sysfs_link_name(const char *path, char *buf, size_t size);
