/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/doectl.h"
#include "client/json.h"
#include "client/mailbox-view.h"
#include "client/target.h"

static int add_list(Context *c, json_t *mailbox, const char *member, const char *key) {
        BusRequest rq = bus_request(&c->bus, json_text(mailbox, "path"), DOED_INTERFACE_MAILBOX, member);
        json_t *list = NULL;
        int r;

        r = bus_call_json(&c->bus, &rq, &list, &c->failure);
        if (r >= 0)
                json_put(mailbox, key, list);
        return r;
}

static int add_lists(Context *c, json_t *mailbox) {
        int r;

        r = add_list(c, mailbox, "Jobs", "jobs");
        return r < 0 ? r : add_list(c, mailbox, "Faults", "faults");
}

static int show_mailbox(Context *c, json_t *mailbox) {
        int r;

        r = add_lists(c, mailbox);
        if (r < 0)
                return r;

        if (c->options.json)
                json_print(c->output.stream, mailbox);
        else
                mailbox_view_print(&c->output, mailbox);
        return 0;
}

static int show_device(Context *c, json_t *device) {
        json_t *mailbox;
        size_t i;
        int r;

        json_array_foreach(json_object_get(device, "mailboxes"), i, mailbox) {
                r = add_lists(c, mailbox);
                if (r < 0)
                        return r;
        }

        if (c->options.json) {
                json_print(c->output.stream, device);
                return 0;
        }

        device_view_print(&c->output, device);
        json_array_foreach(json_object_get(device, "mailboxes"), i, mailbox) {
                fputc('\n', c->output.stream);
                mailbox_view_print(&c->output, mailbox);
        }
        return 0;
}

static int run(Context *c) {
        _cleanup_target_ Target t = { 0 };
        int r;

        r = target_find_described(&c->bus, c->arguments[0], true, &t, &c->failure);
        if (r < 0)
                return r;

        return json_object_get(t.description, "mailbox") ? show_mailbox(c, t.description)
                                                         : show_device(c, t.description);
}

const Verb verb_show = {
        .name = "show",
        .arguments = "MAILBOX|DEVICE",
        .summary = "Show all about a mailbox, or a device and its mailboxes",
        .help = "Show everything that doed knows of a mailbox, or of a device and all of its\n"
                "mailboxes: state and the reason for it, features, counters since doed started,\n"
                "who uses it now (jobs), and the last 64 faults with the evidence for them.\n"
                "\n"
                "  doectl show 3a:00.0\n"
                "  doectl show '0000:3a:00.0[160]'\n",
        .n_arguments_min = 1,
        .n_arguments_max = 1,
        .run = run,
};
