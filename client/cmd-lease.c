/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "client/child.h"
#include "client/doectl.h"
#include "client/hex.h"
#include "client/json.h"
#include "client/lease-pipe.h"
#include "client/query.h"
#include "client/remote.h"

#define N_NAMES 2 /* MAILBOX FEATURE; the command stands behind them */

static const OptionRow options[] = {
        { 0, "wait", NULL, OPTION_BOOL, offsetof(Options, wait),
          "wait for it if somebody else holds it, as long as --timeout says" },
        { 0, "scope", "SCOPE", OPTION_STRING, offsetof(Options, scope),
          "feature (default), or mailbox: nobody else uses anything of it" },
        { 0, "idle", "SEC", OPTION_SECONDS, offsetof(Options, idle_usec),
          "end it after SEC seconds without a request" },
        { 0, "max", "SEC", OPTION_SECONDS, offsetof(Options, max_usec), "end it after SEC seconds" },
        { 0, "request", "SEC", OPTION_SECONDS, offsetof(Options, request_usec),
          "give up each request after SEC seconds" },
        { 0, "resume", "HEX", OPTION_STRING, offsetof(Options, resume),
          "go on with an earlier lease, by the token that it began with" },
        { 0 },
};

static void append_seconds(BusRequest *rq, const char *name, uint64_t usec) {
        if (usec > 0)
                bus_append(rq, "{sv}", name, "t", usec);
}

/* Return: 0; -errno with c->failure set. */
static int append_options(Context *c, BusRequest *rq) {
        const Options *o = &c->options;
        _cleanup_free_ uint8_t *token = NULL;
        size_t n_token;

        bus_begin_options(rq);
        if (o->wait)
                bus_append(rq, "{sv}", "wait", "b", 1);
        if (o->scope)
                bus_append(rq, "{sv}", "scope", "s", o->scope);
        append_seconds(rq, "idle-usec", o->idle_usec);
        append_seconds(rq, "max-usec", o->max_usec);
        append_seconds(rq, "request-usec", o->request_usec);
        if (o->resume) {
                if (hex_parse(o->resume, &token, &n_token, NULL) < 0)
                        return failure_set(&c->failure, FAILURE_INVALID_ARGS,
                                           "--resume takes the hex digits of a token, not \"%s\"",
                                           o->resume);
                bus_append_bytes_option(rq, "resume", token, n_token);
        }
        bus_end_options(&c->bus, rq);
        return 0;
}

static void print_text(const Query *q, const char *lease, const json_t *details) {
        fprintf(stderr, "Leased %s of %s: %s, epoch %" PRIu64 ", resume %s\n", q->feature, q->target.name,
                lease, json_uint(details, "epoch"), json_text(details, "resume"));
}

/* Before anything passes: whoever wants to resume it must know how before it is lost. */
static void print_lease(const Context *c, const Query *q, const char *lease, json_t *details) {
        _cleanup_json_ json_t *object = NULL;

        if (c->options.quiet)
                return;
        if (!c->options.json) {
                print_text(q, lease, details);
                return;
        }
        object = memory_must(json_object());
        json_put(object, "mailbox", json_from_text(q->target.name));
        json_put(object, "feature", json_from_text(q->feature));
        json_put(object, "lease", json_from_text(lease));
        json_put(object, "details", json_incref(details));
        json_print_line(stderr, object);
}

/* Return: the stream, above CHILD_STREAM, owned by the caller; -errno with c->failure set. */
static int take_lease(Context *c, const Query *q, sd_bus_message *reply) {
        _cleanup_json_ json_t *details = NULL;
        const char *lease;
        int fd, r;

        r = sd_bus_message_read(reply, "ho", &fd, &lease);
        if (r > 0)
                r = json_from_message(reply, &details);
        if (r <= 0)
                return bus_bad_reply(r, &c->failure);
        fd = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_STREAM + 1); /* the other one is the message's */
        if (fd < 0)
                return failure_set(&c->failure, FAILURE_FAILED, "Cannot keep the stream: %s",
                                   strerror(errno));
        print_lease(c, q, lease, details);
        return fd;
}

static int open_lease(Context *c) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_query_ Query q = { 0 };
        BusRequest rq;
        int r;

        r = bus_open(&c->bus, NULL, &c->failure);
        if (r >= 0)
                r = query_find(c, &q);
        if (r < 0)
                return r;
        rq = bus_request(&c->bus, q.target.path, DOED_INTERFACE_MAILBOX, "Lease");
        bus_append(&rq, "qy", q.vendor_id, q.type);
        r = append_options(c, &rq);
        if (r < 0) {
                sd_bus_message_unref(rq.message);
                return r;
        }
        r = target_call(&q.target, &c->bus, &rq, &reply, &c->failure);
        return r < 0 ? r : take_lease(c, &q, reply);
}

static int run_here(Context *c, char *const *command) {
        int stream = open_lease(c), r = 0;

        if (stream < 0)
                return stream;
        if (command)
                c->exit_code = child_become(command, stream);
        else
                r = lease_pipe_run(stream, STDIN_FILENO, STDOUT_FILENO, &c->failure);
        close(stream);
        return r;
}

static int run(Context *c) {
        char *const *command = c->n_arguments > N_NAMES ? c->arguments + N_NAMES : NULL;

        if (command)
                c->refused_code = CHILD_REFUSED;
        else if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO))
                return failure_set(&c->failure, FAILURE_INVALID_ARGS,
                                   "Data objects are no text for a terminal: put pipes or files at standard "
                                   "input and output, or name a command that uses the lease");
        if (c->options.host)
                return remote_run(c, c->options.quiet ? "doectl lease --quiet" : "doectl lease", options,
                                  c->arguments, c->n_arguments);
        return run_here(c, command);
}

const Verb verb_lease = {
        .name = "lease",
        .arguments = "MAILBOX FEATURE [-- COMMAND...]",
        .summary = "Have a feature for oneself, such as SPDM",
        .help = "Open a lease: meanwhile nobody else uses that feature, and whole data objects,\n"
                "header included, pass through a stream, as if the mailbox were private. The\n"
                "command finds the stream as its descriptor 3, and the lease ends with it, and\n"
                "with what it has handed that descriptor to. Without a command, standard input\n"
                "and output are the stream, and the end of the input ends the lease, once all\n"
                "requests are answered. An answer may be an error: vendor ffff, type ff, then\n"
                "errno, flags and text. Standard error first says how to resume the lease.\n"
                "\n"
                "  doectl lease 3a:00.1 cma-spdm -- python3 attest.py\n"
                "  doectl lease 3a:00.1 cma-spdm --wait <requests >answers\n"
                "\n"
                "With a command, the exit code is that of the command: 125 if doed has refused,\n"
                "126 if the command cannot be run, 127 if it is not there.\n"
                "With -H this runs doectl on HOST through ssh, and the command there.\n",
        .n_arguments_min = N_NAMES,
        .n_arguments_max = INT_MAX,
        .options = options,
        .opens_bus_itself = true,
        .run = run,
};
