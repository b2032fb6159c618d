/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/doectl.h"
#include "client/json.h"
#include "client/query.h"
#include "client/state-view.h"

static int run(Context *c) {
        _cleanup_json_ json_t *mailbox = NULL;
        _cleanup_free_ char *features = NULL;
        int r;

        r = query_act(c, "Discover", &mailbox);
        if (r < 0)
                return r;

        features = state_view_format_features(mailbox);
        if (c->options.json)
                json_print(c->output.stream, mailbox);
        else if (!c->options.quiet)
                fprintf(c->output.stream, "%s offers %s\n", json_text(mailbox, "mailbox"),
                        *features ? features : "nothing");
        return 0;
}

const Verb verb_discover = {
        .name = "discover",
        .arguments = "MAILBOX",
        .summary = "Ask a mailbox anew which features it offers",
        .help = "Run discovery on a mailbox again, and show the features that it offers now.\n"
                "doed does this by itself whenever the device may have changed.\n",
        .n_arguments_min = 1,
        .n_arguments_max = 1,
        .run = run,
};
