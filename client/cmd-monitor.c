/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <unistd.h>

#include "client/capture-recording.h"
#include "client/doectl.h"
#include "client/json.h"
#include "client/monitor-view.h"
#include "client/monitor.h"

#define USERS_MAX 64u /* remembered */

static const OptionRow options[] = {
        CAPTURE_FILTER_OPTIONS,
        { 0, "count", "N", OPTION_U64, offsetof(Options, count), "end after N exchanges" },
        { 0, "for", "SEC", OPTION_SECONDS, offsetof(Options, for_usec), "end after SEC seconds" },
        { 0 },
};

typedef struct User {
        uint32_t uid;
        char *name; /* owned; NULL: it has none */
} User;

typedef struct Watch {
        Context *context;
        Monitor monitor;
        MonitorView view;
        User users[USERS_MAX];
        size_t n_users;
} Watch;

/* Of another machine nobody here knows the names. */
static const char *name_user(Watch *w, uint32_t uid) {
        const struct passwd *entry;
        User *user;

        if (w->context->options.host)
                return NULL;
        for (size_t i = 0; i < w->n_users; i++)
                if (w->users[i].uid == uid)
                        return w->users[i].name;
        if (w->n_users == USERS_MAX)
                free(w->users[--w->n_users].name);
        entry = getpwuid(uid);
        user = &w->users[w->n_users++];
        *user = (User){ .uid = uid, .name = entry ? memory_copy(entry->pw_name) : NULL };
        return user->name;
}

static bool on_exchange(void *userdata, const MonitorExchange *e) {
        Watch *w = userdata;
        const uint64_t n_wanted = w->context->options.count.value;
        const char *user = name_user(w, e->uid);

        if (e->state == MONITOR_OPEN && n_wanted > 0 && w->monitor.n_exchanges >= n_wanted)
                return false;
        if (w->context->options.json) {
                _cleanup_json_ json_t *object = monitor_view_json(e, user);

                json_print_line(stdout, object);
        } else {
                output_measure(&w->context->output);
                w->view.width = w->context->output.width;
                monitor_view_print(&w->view, e, user);
        }
        fflush(stdout);
        return n_wanted == 0 || w->monitor.n_exchanges < n_wanted;
}

static void on_loss(void *userdata, const char *mailbox, uint64_t n_packets) {
        Watch *w = userdata;
        _cleanup_json_ json_t *object = NULL;

        if (!w->context->options.json) {
                printf("-- %" PRIu64 " packet%s of %s were lost here --\n", n_packets,
                       n_packets == 1 ? "" : "s", mailbox);
                return;
        }
        object = memory_must(json_object());
        json_put(object, "mailbox", json_from_text(mailbox));
        json_put(object, "lost", json_from_uint(n_packets));
        json_print_line(stdout, object);
}

static int on_block(Recording *rec, const uint8_t *block, size_t n_bytes) {
        Watch *w = rec->userdata;
        const bool goes_on = monitor_take(&w->monitor, block);

        if (ferror(stdout))
                return errno > 0 ? -errno : -EIO;
        return !goes_on;
}

static void summarize(Context *c, const Monitor *m, uint64_t n_mailboxes) {
        _cleanup_json_ json_t *object = NULL;

        if (!c->options.json) {
                c->remark = memory_format("%" PRIu64 " exchange%s of %" PRIu64 " mailbox%s, %" PRIu64
                                          " failed, %" PRIu64 " packet%s lost",
                                          m->n_exchanges, m->n_exchanges == 1 ? "" : "s", n_mailboxes,
                                          n_mailboxes == 1 ? "" : "es", m->n_failures, m->n_lost,
                                          m->n_lost == 1 ? "" : "s");
                return;
        }
        object = memory_must(json_object());
        json_put(object, "exchanges", json_from_uint(m->n_exchanges));
        json_put(object, "mailboxes", json_from_uint(n_mailboxes));
        json_put(object, "failed", json_from_uint(m->n_failures));
        json_put(object, "lost", json_from_uint(m->n_lost));
        if (!c->options.quiet)
                json_print_line(stderr, object);
}

static int run(Context *c) {
        Watch w = {
                .context = c,
                .monitor = { .on_exchange = on_exchange, .on_loss = on_loss, .userdata = &w },
                .view = { .stream = stdout, .has_color = c->output.has_color },
        };
        Recording rec = { .on_block = on_block, .userdata = &w, .fd = STDOUT_FILENO };
        int r = recording_run(c, &rec);

        monitor_done(&w.monitor);
        if (rec.stream.n_bytes_taken > 0)
                summarize(c, &w.monitor, rec.stream.n_mailboxes);
        capture_stream_done(&rec.stream);
        for (size_t i = 0; i < w.n_users; i++)
                free(w.users[i].name);
        return r;
}

const Verb verb_monitor = {
        .name = "monitor",
        .arguments = "",
        .summary = "Watch what passes the mailboxes, as it happens",
        .help = "Show each exchange of the mailboxes of this machine as it ends, in one line: when,\n"
                "which mailbox, for which user, what was asked, the bytes of both objects, how\n"
                "long it waited and how long the device took, and the result; until it is\n"
                "interrupted, or as --count and --for say. What was answered without the device,\n"
                "from doed's cache, is not there. \"?\" is an exchange whose end was lost, \"...\"\n"
                "one that was under way at the end. --json prints one object a line.\n"
                "\n"
                "  doectl monitor --recent\n"
                "  doectl monitor --mailbox='0000:3a:00.0[160]' --for=60 --json | jq .result\n"
                "\n"
                "With -H this watches HOST, where doectl is run through ssh.\n",
        .n_arguments_min = 0,
        .n_arguments_max = 0,
        .options = options,
        .opens_bus_itself = true,
        .run = run,
};
