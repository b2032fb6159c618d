/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "client/doectl.h"
#include "client/json.h"
#include "client/state-view.h"
#include "client/table.h"
#include "client/text.h"
#include "client/tree.h"

/* Without a terminal nothing else bounds the column, and a device may claim 256 features. */
#define FEATURES_WIDTH_MAX 120

static const TableColumn columns[] = {
        { .title = "MAILBOX" },
        { .title = "STATE", .color = state_view_color },
        { .title = "FEATURES", .shrink = TABLE_ELIDE_LIST, .width_min = 20 },
        { .title = "DRIVER" },
        { .title = "NAME", .shrink = TABLE_ELIDE, .width_min = 18 },
};

/* Return: true if features were left out. */
static bool add_row(Table *t, const json_t *device, const json_t *mailbox, bool is_bounded) {
        _cleanup_free_ char *all = state_view_format_features(mailbox);
        _cleanup_free_ char *features =
                        is_bounded ? memory_copy(all) : text_elide_list(all, FEATURES_WIDTH_MAX);

        table_cell(t, "%s", json_text(mailbox, "mailbox"));
        table_cell(t, "%s", json_text(mailbox, "state"));
        table_cell(t, "%s", features);
        table_cell(t, "%s", json_text(device, "driver"));
        table_cell(t, "%s", json_text(device, "name"));
        return strcmp(features, all) != 0;
}

/* Return: true if features were left out. */
static bool print_table(Output *o, const json_t *devices) {
        _cleanup_table_ Table *t = table_new(columns, ELEMENTS(columns));
        json_t *device, *mailbox;
        bool is_cut = false;
        size_t i, j;

        json_array_foreach(devices, i, device) {
                json_array_foreach(json_object_get(device, "mailboxes"), j, mailbox) {
                        is_cut |= add_row(t, device, mailbox, o->width > 0);
                }
        }

        if (table_n_rows(t) > 0)
                is_cut |= table_print(t, o->stream, 0, o->width, o->has_color);
        return is_cut;
}

static int run(Context *c) {
        _cleanup_json_ json_t *devices = NULL;
        bool is_whole, is_cut = false;
        int r;

        r = tree_load(&c->bus, &devices, &is_whole, &c->failure);
        if (r < 0)
                return r;

        if (c->options.json)
                json_print(c->output.stream, devices);
        else
                is_cut = print_table(&c->output, devices);

        if (!is_whole)
                c->remark = memory_copy("doed is still looking for devices; some may be missing");
        else if (json_array_size(devices) == 0 && !c->options.json)
                c->remark = memory_copy("No device with a DOE mailbox");
        else if (is_cut)
                c->remark = memory_copy("\"+N\" stands for N more features: doectl show MAILBOX");
        return 0;
}

const Verb verb_list = {
        .name = "list",
        .arguments = "",
        .summary = "List all mailboxes with state and features",
        .help = "List all mailboxes that doed knows, one a line, with the driver and the name\n"
                "of the device. Discovery, which every mailbox offers, stands last among the\n"
                "features. What does not fit is cut off; \"+2\" stands for two\n"
                "more features. \"doectl show\" tells everything.\n"
                "\n"
                "States: untouched (not used yet), starting, ready, waiting (somebody else is\n"
                "at the registers), recovering, kernel (the kernel is at work on the device),\n"
                "read-only, inhibited, dead, gone.\n",
        .run = run,
};
