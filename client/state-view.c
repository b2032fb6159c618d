/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/state-view.h"

#include <inttypes.h>
#include <string.h>

#include "client/json.h"
#include "client/memory.h"
#include "client/table.h"

#define DISCOVERY "0001:00"

static const struct {
        const char *state, *color;
} colors[] = {
        { "ready", TABLE_GREEN },   { "waiting", TABLE_YELLOW },   { "recovering", TABLE_YELLOW },
        { "kernel", TABLE_YELLOW }, { "inhibited", TABLE_YELLOW }, { "dead", TABLE_RED },
        { "gone", TABLE_RED },      { "untouched", TABLE_GRAY },   { "starting", TABLE_GRAY },
};

const char *state_view_color(const char *state) {
        for (size_t i = 0; i < ELEMENTS(colors); i++)
                if (strcmp(colors[i].state, state) == 0)
                        return colors[i].color;
        return NULL;
}

static void append(char **list, const json_t *feature) {
        const char *name = json_text(feature, "name");
        char *longer = memory_format("%s%s%s", *list, **list ? "," : "",
                                     *name ? name : json_text(feature, "feature"));

        free(*list);
        *list = longer;
}

char *state_view_format_features(const json_t *mailbox) {
        const json_t *features = json_object_get(mailbox, "features");
        char *list = memory_copy("");
        json_t *feature;
        size_t i;

        json_array_foreach(features, i, feature) {
                if (strcmp(json_text(feature, "feature"), DISCOVERY) != 0)
                        append(&list, feature);
        }
        json_array_foreach(features, i, feature) {
                if (strcmp(json_text(feature, "feature"), DISCOVERY) == 0)
                        append(&list, feature);
        }
        return list;
}

char *state_view_format_state(const json_t *mailbox) {
        const char *reason = json_text(mailbox, "state-reason");

        return memory_format("%s is %s%s%s, epoch %" PRIu64, json_text(mailbox, "mailbox"),
                             json_text(mailbox, "state"), *reason ? ": " : "", reason,
                             json_uint(mailbox, "epoch"));
}
