/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/options.h"

#include <errno.h>

#include "daemon/core/job.h"
#include "daemon/core/lease.h"

static int set_bool(sd_bus_message *m, void *place) {
        int value, r = sd_bus_message_read(m, "b", &value);

        if (r >= 0)
                *(bool *)place = value;
        return r;
}

static int set_u32(sd_bus_message *m, void *place) {
        return sd_bus_message_read(m, "u", place);
}

static int set_u64(sd_bus_message *m, void *place) {
        return sd_bus_message_read(m, "t", place);
}

static int set_priority(sd_bus_message *m, void *place) {
        const char *s;
        int r = sd_bus_message_read(m, "s", &s);

        if (r < 0)
                return r;
        r = job_priority_from_string(s);
        if (r < 0)
                return -ERANGE;
        *(JobPriority *)place = (JobPriority)r;
        return 0;
}

static int set_u32s(sd_bus_message *m, void *place) {
        OptionU32s *list = place;
        const void *values;
        size_t n_bytes;
        int r = sd_bus_message_read_array(m, 'u', &values, &n_bytes);

        if (r < 0)
                return r;
        list->values = values;
        list->n_values = n_bytes / sizeof(*list->values);
        return 0;
}

static int set_scope(sd_bus_message *m, void *place) {
        const char *s;
        int r = sd_bus_message_read(m, "s", &s);

        if (r < 0)
                return r;
        r = lease_scope_from_string(s);
        if (r < 0)
                return -ERANGE;
        *(LeaseScope *)place = (LeaseScope)r;
        return 0;
}

static int set_token(sd_bus_message *m, void *place) {
        const void *bytes;
        size_t n_bytes;
        int r = sd_bus_message_read_array(m, 'y', &bytes, &n_bytes);

        if (r < 0)
                return r;
        if (n_bytes != LEASE_TOKEN_BYTES)
                return -ERANGE;
        memcpy(place, bytes, n_bytes);
        return 0;
}

static int set_mailboxes(sd_bus_message *m, void *place) {
        OptionMailboxes *list = place;
        const char *path;
        int r = sd_bus_message_enter_container(m, 'a', "o");

        while (r >= 0 && (r = sd_bus_message_read(m, "o", &path)) > 0) {
                if (list->n_paths == ELEMENTS(list->paths))
                        return -ERANGE;
                list->paths[list->n_paths++] = path;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int set_features(sd_bus_message *m, void *place) {
        OptionFeatures *list = place;
        CaptureFeature feature;
        int r = sd_bus_message_enter_container(m, 'a', "(qy)");

        while (r >= 0 && (r = sd_bus_message_read(m, "(qy)", &feature.vendor_id, &feature.type)) > 0) {
                if (list->n_features == ELEMENTS(list->features))
                        return -ERANGE;
                list->features[list->n_features++] = feature;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

#define MUST_BE_ONE     "must be one of"
#define TEXT_OF(number) #number
#define AT_MOST(number) "at most " TEXT_OF(number)

static const struct {
        const char *signature;
        int (*set)(sd_bus_message *m, void *place); /* -ERANGE: not one of @allowed */
        const char *allowed;
        const char *problem; /* before @allowed */
} types[] = {
        [OPTION_BOOL] = { .signature = "b", .set = set_bool },
        [OPTION_U32] = { .signature = "u", .set = set_u32 },
        [OPTION_U64] = { .signature = "t", .set = set_u64 },
        [OPTION_PRIORITY] = { "s", set_priority, "urgent, normal, background", MUST_BE_ONE },
        [OPTION_U32S] = { .signature = "au", .set = set_u32s },
        [OPTION_SCOPE] = { "s", set_scope, "feature, mailbox", MUST_BE_ONE },
        [OPTION_TOKEN] = { "ay", set_token, "16 bytes, as Lease answered them", "must be" },
        [OPTION_MAILBOXES] = { "ao", set_mailboxes, AT_MOST(CAPTURE_FILTER_MAX), "takes" },
        [OPTION_FEATURES] = { "a(qy)", set_features, AT_MOST(CAPTURE_FILTER_MAX), "takes" },
};

static int unknown_option(const OptionRow *rows, const char *name, Failure *ret_failure) {
        char allowed[192] = "";
        size_t n = 0;

        for (size_t i = 0; rows[i].name && n < sizeof(allowed); i++)
                n += (size_t)snprintf(allowed + n, sizeof(allowed) - n, "%s%s", i > 0 ? ", " : "",
                                      rows[i].name);
        failure_set(ret_failure, -EINVAL, "Unknown option \"%.100s\"; allowed are: %s", name, allowed);
        failure_add_string(ret_failure, "option", name);
        failure_add_string(ret_failure, "allowed", allowed);
        return -EINVAL;
}

static int wrong_value(const OptionRow *row, const char *problem, const char *allowed,
                       Failure *ret_failure) {
        failure_set(ret_failure, -EINVAL, "Option \"%s\" %s %s", row->name, problem, allowed);
        failure_add_string(ret_failure, "option", row->name);
        failure_add_string(ret_failure, "allowed", allowed);
        return -EINVAL;
}

/* @m stands at the variant. */
static int read_value(sd_bus_message *m, const OptionRow *row, void *target, Failure *ret_failure) {
        const char *contents;
        int r = sd_bus_message_peek_type(m, NULL, &contents);

        if (r >= 0 && strcmp(contents, types[row->type].signature) != 0)
                return wrong_value(row, "must be of type", types[row->type].signature, ret_failure);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'v', types[row->type].signature);
        if (r >= 0)
                r = types[row->type].set(m, (char *)target + row->offset);
        if (r == -ERANGE)
                return wrong_value(row, types[row->type].problem, types[row->type].allowed, ret_failure);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return failure_set(ret_failure, -EINVAL, "Option \"%s\" cannot be read", row->name);
        if (row->has_offset > 0)
                *(bool *)((char *)target + row->has_offset) = true;
        return 0;
}

/* @m stands within a dictionary entry. */
static int read_option(sd_bus_message *m, const OptionRow *rows, void *target, uint32_t *given,
                       Failure *ret_failure) {
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);
        size_t i = 0;

        if (r < 0)
                return failure_set(ret_failure, -EINVAL, "The options cannot be read");
        while (rows[i].name && strcmp(rows[i].name, name) != 0)
                i++;
        if (!rows[i].name)
                return unknown_option(rows, name, ret_failure);
        if (*given & (1u << i))
                return wrong_value(&rows[i], "stands there twice; allowed is", "once", ret_failure);
        *given |= 1u << i;
        return read_value(m, &rows[i], target, ret_failure);
}

int options_read(sd_bus_message *m, const OptionRow *rows, void *target, uint32_t *ret_given,
                 Failure *ret_failure) {
        uint32_t given = 0;
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_option(m, rows, target, &given, ret_failure);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return failure_set(ret_failure, -EINVAL, "The options cannot be read");
        *ret_given = given;
        return 0;
}
