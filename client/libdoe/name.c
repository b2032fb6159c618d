/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/libdoe/name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "dbus/names.h"

#define DEVICE_PREFIX     DOED_DEVICE_PATH "/"
#define MAILBOX_SEPARATOR "/mailbox/"

#define HEX          "0123456789abcdef"
#define NAME_MAX_LEN 40u /* far more than an address with a long domain and an offset need */

/* "XXXX:XX:XX.X" with @colon and @dot for its marks; returns its length, 0 if it does not begin @s. */
static size_t address_length(const char *s, char colon, char dot) {
        const size_t domain = strspn(s, HEX);

        if (domain < 4 || domain > 8 || s[domain] != colon || strspn(s + domain + 1, HEX) != 2 ||
            s[domain + 3] != colon || strspn(s + domain + 4, HEX) != 2 || s[domain + 6] != dot ||
            strspn(s + domain + 7, "01234567") != 1)
                return 0;
        return domain + 8;
}

static size_t offset_length(const char *s) {
        const size_t n = strspn(s, HEX);

        return n >= 1 && n <= 4 ? n : 0;
}

/* -1: no path below the devices; else 0 for a device, the length of the offset for a mailbox. */
static int path_kind(const char *path) {
        const char *rest;
        size_t n;

        if (strncmp(path, DEVICE_PREFIX, strlen(DEVICE_PREFIX)) != 0)
                return -1;

        rest = path + strlen(DEVICE_PREFIX);
        n = address_length(rest, '_', '_');
        if (n == 0)
                return -1;
        if (rest[n] == '\0')
                return 0;
        if (strncmp(rest + n, MAILBOX_SEPARATOR, strlen(MAILBOX_SEPARATOR)) != 0)
                return -1;

        rest += n + strlen(MAILBOX_SEPARATOR);
        n = offset_length(rest);
        return n > 0 && rest[n] == '\0' ? (int)n : -1;
}

static int copy(const char *s, char **ret) {
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

/* Lower case, as doed writes it, into @ret of NAME_MAX_LEN + 1 bytes. */
static int fold(const char *name, char *ret) {
        const size_t n = strlen(name);

        if (n > NAME_MAX_LEN)
                return -EINVAL;
        for (size_t i = 0; i <= n; i++)
                ret[i] = name[i] >= 'A' && name[i] <= 'F' ? (char)(name[i] - 'A' + 'a') : name[i];
        return 0;
}

static int format_path(char *address, size_t n, const char *offset, char **ret) {
        for (size_t i = 0; i < n; i++)
                if (address[i] == ':' || address[i] == '.')
                        address[i] = '_';

        return asprintf(ret, DEVICE_PREFIX "%.*s%s%s", (int)n, address, *offset ? MAILBOX_SEPARATOR : "",
                        offset) < 0
                               ? -ENOMEM
                               : 0;
}

int name_to_device_path(const char *name, char **ret) {
        char folded[NAME_MAX_LEN + 1];
        size_t n;

        if (!name)
                return -EINVAL;
        if (path_kind(name) == 0)
                return copy(name, ret);
        if (fold(name, folded) < 0)
                return -EINVAL;

        n = address_length(folded, ':', '.');
        return n > 0 && folded[n] == '\0' ? format_path(folded, n, "", ret) : -EINVAL;
}

int name_to_mailbox_path(const char *name, char **ret) {
        char folded[NAME_MAX_LEN + 1];
        size_t n, n_offset;

        if (!name)
                return -EINVAL;
        if (path_kind(name) > 0)
                return copy(name, ret);
        if (fold(name, folded) < 0)
                return -EINVAL;

        n = address_length(folded, ':', '.');
        if (n == 0 || folded[n] != '[')
                return -EINVAL;
        n_offset = offset_length(folded + n + 1);
        if (n_offset == 0 || strcmp(folded + n + 1 + n_offset, "]") != 0)
                return -EINVAL;

        folded[n + 1 + n_offset] = '\0';
        return format_path(folded, n, folded + n + 1, ret);
}

int name_from_path(const char *path, char **ret) {
        const int kind = path_kind(path);
        const char *address = path + strlen(DEVICE_PREFIX);
        size_t n;
        char *name;

        if (kind < 0)
                return -EINVAL;

        n = address_length(address, '_', '_');
        if (kind == 0 ? asprintf(&name, "%.*s", (int)n, address) < 0
                      : asprintf(&name, "%.*s[%s]", (int)n, address, path + strlen(path) - kind) < 0)
                return -ENOMEM;

        name[n - 8] = name[n - 5] = ':';
        name[n - 2] = '.';
        *ret = name;
        return 0;
}
