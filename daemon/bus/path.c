/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/names.h"

#define DEVICE_PREFIX     DOED_DEVICE_PATH "/"
#define MAILBOX_SEPARATOR "/mailbox/"
#define LEASE_PREFIX      DOED_LEASE_PATH "/"

#define DOMAIN_DIGITS_MIN 4u
#define DOMAIN_DIGITS_MAX 8u
#define OFFSET_DIGITS_MAX 3u

/* Lower-case hex digits at @s, at most @n_max. */
static size_t count_digits(const char *s, size_t n_max) {
        size_t n = strspn(s, "0123456789abcdef");

        return n < n_max ? n : n_max;
}

/* Bytes of the address at @s, whose parts stand apart by @colon and @dot: 0 if there is none. */
static size_t measure_address(const char *s, char colon, char dot) {
        size_t n = count_digits(s, DOMAIN_DIGITS_MAX);

        if (n < DOMAIN_DIGITS_MIN || (n > DOMAIN_DIGITS_MIN && s[0] == '0') || s[n] != colon)
                return 0;
        n++;
        if (count_digits(s + n, 2) != 2 || s[n + 2] != colon)
                return 0;
        n += 3;
        if ((s[n] != '0' && s[n] != '1') || count_digits(s + n, 2) != 2 || s[n + 2] != dot)
                return 0;
        n += 3;
        return s[n] >= '0' && s[n] <= '7' ? n + 1 : 0;
}

bool path_is_address(const char *address) {
        size_t n = measure_address(address, ':', '.');

        return n > 0 && address[n] == '\0';
}

const char *path_of_device(const char *address, char *buf) {
        snprintf(buf, BUS_PATH_MAX, DEVICE_PREFIX "%s", address);
        for (char *c = buf + strlen(DEVICE_PREFIX); *c; c++)
                if (*c == ':' || *c == '.')
                        *c = '_';
        return buf;
}

const char *path_of_mailbox(const char *address, uint16_t offset, char *buf) {
        size_t n;

        path_of_device(address, buf);
        n = strlen(buf);
        snprintf(buf + n, BUS_PATH_MAX - n, MAILBOX_SEPARATOR "%x", offset);
        return buf;
}

const char *path_of_lease(uint64_t id, char *buf) {
        snprintf(buf, BUS_PATH_MAX, LEASE_PREFIX "%" PRIu64, id);
        return buf;
}

/* Bytes of @path up to the end of its address; 0: it does not begin with the path of a device. */
static size_t parse_address(const char *path, char *ret_address) {
        size_t n_prefix = strlen(DEVICE_PREFIX), n;

        if (strncmp(path, DEVICE_PREFIX, n_prefix) != 0)
                return 0;
        n = measure_address(path + n_prefix, '_', '_');
        if (n == 0)
                return 0;
        memcpy(ret_address, path + n_prefix, n);
        ret_address[n] = '\0';
        ret_address[n - 2] = '.';
        ret_address[n - 5] = ret_address[n - 8] = ':';
        return n_prefix + n;
}

int path_parse_device(const char *path, char *ret_address) {
        char address[WIRE_ADDRESS_MAX];
        size_t n = parse_address(path, address);

        if (n == 0 || path[n] != '\0')
                return -EINVAL;
        strcpy(ret_address, address);
        return 0;
}

int path_parse_mailbox(const char *path, char *ret_address, uint16_t *ret_offset) {
        char address[WIRE_ADDRESS_MAX];
        size_t n = parse_address(path, address), n_digits;
        unsigned offset;

        if (n == 0 || strncmp(path + n, MAILBOX_SEPARATOR, strlen(MAILBOX_SEPARATOR)) != 0)
                return -EINVAL;
        n += strlen(MAILBOX_SEPARATOR);
        n_digits = count_digits(path + n, OFFSET_DIGITS_MAX);
        if (n_digits == 0 || path[n] == '0' || path[n + n_digits] != '\0' ||
            sscanf(path + n, "%x", &offset) != 1)
                return -EINVAL;
        if (offset < WIRE_OFFSET_MIN || offset > WIRE_OFFSET_MAX || offset % 4 != 0)
                return -EINVAL;
        strcpy(ret_address, address);
        *ret_offset = (uint16_t)offset;
        return 0;
}

int path_parse_lease(const char *path, uint64_t *ret_id) {
        char buf[BUS_PATH_MAX];
        uint64_t id;

        if (strncmp(path, LEASE_PREFIX, strlen(LEASE_PREFIX)) != 0)
                return -EINVAL;
        id = strtoull(path + strlen(LEASE_PREFIX), NULL, 10);
        /* what is spelled otherwise, or too large, does not come back */
        if (strcmp(path_of_lease(id, buf), path) != 0)
                return -EINVAL;
        *ret_id = id;
        return 0;
}
