/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON as doectl holds and prints it, and D-Bus values as JSON: what doed says is kept whole, so that a
 * property or a value that this program does not know is shown and printed too. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "client/memory.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

/* An integer. JSON's readers keep at most 2^63 - 1 exactly: what is larger becomes a decimal string. */
json_t *json_from_uint(uint64_t value);
/* Bytes as one lower-case hex string. */
json_t *json_from_bytes(const void *bytes, size_t n_bytes);
/* Text of which nobody knows whether it is UTF-8: what is not, is replaced by '?'. */
json_t *json_from_text(const char *s);

/* Set @key; ownership of @value moves to @object. */
void json_put(json_t *object, const char *key, json_t *value);

/**
 * json_from_message() - read the next complete value of @m
 * @ret: a new reference
 *
 * Numbers become integers, strings, paths and signatures strings, "ay" a hex string, other arrays and
 * structures arrays, dictionaries objects, variants what they hold, descriptors null.
 *
 * Return: 1 with @ret; 0 at the end of the container; -errno of sd-bus.
 */
int json_from_message(sd_bus_message *m, json_t **ret);

/* "FeaturesSource" -> "features-source"; newly allocated, owned by the caller. */
char *json_key_from_property(const char *property);

/* Of @object[@key]; what is missing or of another type is "" or 0 or false. Borrowed. */
const char *json_text(const json_t *object, const char *key);
uint64_t json_uint(const json_t *object, const char *key);
bool json_bool(const json_t *object, const char *key);

/* Any value in one line for people: newly allocated, owned by the caller. */
char *json_to_text(const json_t *value);

/* Indented, in insertion order, with a newline. */
void json_print(FILE *stream, const json_t *value);
/* In one line, with a newline. */
void json_print_line(FILE *stream, const json_t *value);
