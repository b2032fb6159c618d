/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/doectl.h"
#include "client/json.h"
#include "client/query.h"
#include "client/state-view.h"

static const OptionRow options[] = {
        { 0, "force", NULL, OPTION_BOOL, offsetof(Options, force),
          "abort a healthy mailbox too; what runs there is lost" },
        { 0 },
};

static int run(Context *c) {
        _cleanup_json_ json_t *mailbox = NULL;
        _cleanup_free_ char *state = NULL;
        int r;

        r = query_act(c, "Recover", &mailbox);
        if (r < 0)
                return r;

        state = state_view_format_state(mailbox);
        if (c->options.json)
                json_print(c->output.stream, mailbox);
        else if (!c->options.quiet)
                fprintf(c->output.stream, "%s\n", state);
        return 0;
}

const Verb verb_recover = {
        .name = "recover",
        .arguments = "MAILBOX",
        .summary = "Try to bring a dead mailbox back",
        .help = "Abort whatever is in a mailbox that is recovering or dead, and verify that it\n"
                "came back. A mailbox that works is left alone, unless --force is given. doed\n"
                "tries this by itself from time to time.\n",
        .n_arguments_min = 1,
        .n_arguments_max = 1,
        .options = options,
        .run = run,
};
