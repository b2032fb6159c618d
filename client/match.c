/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/match.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "client/memory.h"
#include "dbus/names.h"
#include "protocols/feature.h"

#define NAMES_MAX 6u /* candidates that an error text lists */

static size_t count_hex(const char *s) {
        return strspn(s, "0123456789abcdefABCDEF");
}

/* Length of the address at the beginning of @s: DDDD[DDDD]:BB:DD.F; 0 if there is none. */
static size_t address_length(const char *s) {
        size_t n = count_hex(s);
        const char *p = s + n;

        if (n < 4 || n > 8 || p[0] != ':' || count_hex(p + 1) != 2 || p[3] != ':' || count_hex(p + 4) != 2 ||
            p[6] != '.' || p[7] < '0' || p[7] > '7')
                return 0;
        return n + 8;
}

bool match_is_address(const char *s) {
        size_t n = address_length(s);

        return n > 0 && s[n] == '\0';
}

/* Offset of "[160]" at @s, which must end there; -1 if it is none. */
static long parse_offset(const char *s) {
        size_t n = *s == '[' ? count_hex(s + 1) : 0;

        if (n < 1 || n > 3 || strcmp(s + 1 + n, "]") != 0)
                return -1;
        return strtol(s + 1, NULL, 16);
}

char *match_mailbox_path(const char *s) {
        size_t n = address_length(s);
        long offset = n > 0 ? parse_offset(s + n) : -1;
        char *path;

        if (offset < 0)
                return NULL;

        path = memory_format(DOED_DEVICE_PATH "/%.*s/mailbox/%lx", (int)n, s, (unsigned long)offset);
        for (char *p = path + strlen(DOED_DEVICE_PATH "/"); *p; p++)
                *p = *p == ':' || *p == '.' ? '_' : (char)tolower((unsigned char)*p);
        return path;
}

bool match_is_mailbox(const char *s) {
        return *s && s[strlen(s) - 1] == ']';
}

static bool device_is(const json_t *device, const char *s) {
        const char *memory = json_text(device, "cxl-memory"), *port = json_text(device, "cxl-port");

        return strcasecmp(json_text(device, "address"), s) == 0 || (*s && strcmp(memory, s) == 0) ||
               (*s && strcmp(port, s) == 0);
}

/* A whole address is never taken for a part of another: "0000:01:00.0" is not "10000:01:00.0". */
static bool device_may_be(const json_t *device, const char *s) {
        return *s && !match_is_address(s) && strcasestr(json_text(device, "address"), s);
}

/* "a, b or c", of the first few; @key of each element, @last: " or " */
static char *list_names(const json_t *array, const char *key, const char *last) {
        size_t n = json_array_size(array), n_shown = n > NAMES_MAX ? NAMES_MAX : n;
        char *list = memory_copy("");

        for (size_t i = 0; i < n_shown; i++) {
                const char *separator = i == 0 ? "" : i + 1 == n ? last : ", ";
                char *longer = memory_format("%s%s%s", list, separator,
                                             json_text(json_array_get(array, i), key));

                free(list);
                list = longer;
        }
        if (n > n_shown) {
                char *longer = memory_format("%s%s%zu more", list, last, n - n_shown);

                free(list);
                list = longer;
        }
        return list;
}

int match_device(const json_t *devices, const char *s, const json_t **ret, Failure *f) {
        _cleanup_json_ json_t *parts = memory_must(json_array());
        _cleanup_free_ char *names = NULL;
        json_t *device;
        size_t i;

        json_array_foreach(devices, i, device) {
                if (device_is(device, s)) {
                        *ret = device;
                        return 0;
                }
                if (device_may_be(device, s))
                        memory_must(json_array_append(parts, device) == 0 ? parts : NULL);
        }

        if (json_array_size(parts) == 1) {
                *ret = json_array_get(parts, 0); /* @devices holds it too */
                return 0;
        }
        if (json_array_size(parts) == 0)
                return failure_set(f, FAILURE_UNKNOWN_OBJECT, "No device with a DOE mailbox is named \"%s\"",
                                   s);

        names = list_names(parts, "address", " or ");
        return failure_set(f, FAILURE_INVALID_ARGS, "\"%s\" may be %s: give more of the address", s, names);
}

static bool mailbox_offers(const json_t *mailbox, const char *feature) {
        json_t *value;
        size_t i;

        json_array_foreach(json_object_get(mailbox, "features"), i, value) {
                if (strcmp(json_text(value, "feature"), feature) == 0)
                        return true;
        }
        return false;
}

static int find_at_offset(const json_t *device, const char *s, long offset, const json_t **ret, Failure *f) {
        const json_t *mailboxes = json_object_get(device, "mailboxes");
        _cleanup_free_ char *names = list_names(mailboxes, "mailbox", " and ");
        json_t *mailbox;
        size_t i;

        json_array_foreach(mailboxes, i, mailbox) {
                if (json_uint(mailbox, "offset") == (uint64_t)offset) {
                        *ret = mailbox;
                        return 0;
                }
        }
        return failure_set(f, FAILURE_UNKNOWN_OBJECT, "There is no mailbox %s; %s has %s", s,
                           json_text(device, "address"), *names ? names : "none");
}

/* The only one, or the only one that offers @feature. */
static int find_only(const json_t *device, const char *feature, const json_t **ret, Failure *f) {
        const json_t *mailboxes = json_object_get(device, "mailboxes");
        _cleanup_free_ char *names = list_names(mailboxes, "mailbox", " or ");
        const json_t *offering = NULL;
        size_t i, n_offering = 0;
        json_t *mailbox;

        if (json_array_size(mailboxes) == 1) {
                *ret = json_array_get(mailboxes, 0);
                return 0;
        }

        json_array_foreach(mailboxes, i, mailbox) {
                if (feature && mailbox_offers(mailbox, feature)) {
                        offering = mailbox;
                        n_offering++;
                }
        }
        if (n_offering == 1) {
                *ret = offering;
                return 0;
        }
        if (json_array_size(mailboxes) == 0)
                return failure_set(f, FAILURE_UNKNOWN_OBJECT, "%s has no mailbox",
                                   json_text(device, "address"));
        return failure_set(f, FAILURE_INVALID_ARGS, "%s has several mailboxes: say %s",
                           json_text(device, "address"), names);
}

int match_mailbox(const json_t *devices, const char *s, const char *feature, const json_t **ret,
                  Failure *f) {
        const char *bracket = strchr(s, '[');
        _cleanup_free_ char *part = memory_format("%.*s", bracket ? (int)(bracket - s) : (int)strlen(s), s);
        long offset = bracket ? parse_offset(bracket) : -1;
        const json_t *device;
        int r;

        if (bracket && offset < 0)
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "\"%s\" is not the name of a mailbox, such as 0000:3a:00.0[160]", s);

        r = match_device(devices, part, &device, f);
        if (r < 0)
                return r;

        return bracket ? find_at_offset(device, s, offset, ret, f) : find_only(device, feature, ret, f);
}

int match_feature(const char *s, uint16_t *ret_vendor_id, uint8_t *ret_type, Failure *f) {
        _cleanup_free_ char *names = memory_copy("");
        const DoeFeature *feature;

        if (doe_feature_parse(s, ret_vendor_id, ret_type) >= 0)
                return 0;

        for (size_t i = 0; (feature = doe_feature_get(i)); i++) {
                char *longer = memory_format("%s%s%s", names, i > 0 ? ", " : "", feature->name);

                free(names);
                names = longer;
        }
        return failure_set(
                        f, FAILURE_INVALID_ARGS,
                        "\"%s\" is not a feature: write vendor:type in hex, such as 1e98:02, or one of %s",
                        s, names);
}
