/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/child.h"
#include "client/doectl.h"
#include "client/json.h"
#include "client/libdoe/error-object.h"
#include "client/remote.h"
#include "client/target.h"
#include "client/text.h"

#define N_NAMES        1 /* MAILBOX; the command stands behind it */
#define LAST_BYTES_MAX 1024u

static const OptionRow options[] = {
        { 0, "why", "TEXT", OPTION_STRING, offsetof(Options, why),
          "for those who are refused meanwhile; else the command" },
        { 0, "max", "SEC", OPTION_SECONDS, offsetof(Options, max_usec),
          "take the mailbox back after SEC seconds (600)" },
        { 0, "force", NULL, OPTION_BOOL, offsetof(Options, force), "end leases that are open" },
        { 0 },
};

/* What the hold is for, as others read it; newly allocated. */
static char *make_why(const Context *c) {
        char *why = NULL;
        size_t n_bytes;
        FILE *f;

        if (c->options.why)
                return memory_copy(c->options.why);
        f = memory_must(open_memstream(&why, &n_bytes));
        for (int i = N_NAMES; i < c->n_arguments; i++)
                fprintf(f, "%s%s", i > N_NAMES ? " " : "", c->arguments[i]);
        memory_must(fclose(f) == 0 ? why : NULL);
        return why;
}

/* Return: the hold, above CHILD_STREAM, owned by the caller; -errno with c->failure set. */
static int open_hold(Context *c) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *why = make_why(c);
        _cleanup_target_ Target t = { 0 };
        BusRequest rq;
        int fd, r;

        r = bus_open(&c->bus, NULL, &c->failure);
        if (r >= 0)
                r = target_find_mailbox(&c->bus, c->arguments[0], NULL, &t, &c->failure);
        if (r < 0)
                return r;
        rq = bus_request(&c->bus, t.path, DOED_INTERFACE_MAILBOX, "Inhibit");
        bus_append(&rq, "s", why);
        bus_begin_options(&rq);
        if (c->options.max_usec > 0)
                bus_append(&rq, "{sv}", "max-usec", "t", c->options.max_usec);
        if (c->options.force)
                bus_append(&rq, "{sv}", "force", "b", 1);
        bus_end_options(&c->bus, &rq);
        r = target_call(&t, &c->bus, &rq, &reply, &c->failure);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "h", &fd);
        if (r <= 0)
                return bus_bad_reply(r, &c->failure);
        fd = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_STREAM + 1); /* the other one is the message's */
        return fd >= 0 ? fd
                       : failure_set(&c->failure, FAILURE_FAILED, "Cannot keep the descriptor: %s",
                                     strerror(errno));
}

typedef struct Hold {
        const Context *context;
        int fd;
} Hold;

/* doed has taken the mailbox back, or is gone, and its successor will: two at the registers destroy each
 * other's work. */
static bool on_end(void *userdata) {
        const Hold *hold = userdata;
        uint8_t bytes[LAST_BYTES_MAX];
        const ssize_t n = recv(hold->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        _cleanup_free_ char *text = NULL, *clean = NULL;
        ErrorObject said;

        if (n > 0 && error_object_decode(bytes, (size_t)n, &said) > 0)
                text = memory_format("%.*s", (int)said.n_text, said.text);
        clean = text_clean(text ?: "doed is gone");
        fprintf(stderr, "doectl: The mailbox %s is taken back: %s; ending the command\n",
                hold->context->arguments[0], clean);
        return true;
}

static int run(Context *c) {
        ChildStream stream = { .on_readable = on_end };
        Hold hold = { .context = c };
        int r;

        c->refused_code = CHILD_REFUSED;
        if (c->options.host)
                return remote_run(c, c->options.quiet ? "doectl inhibit --quiet" : "doectl inhibit", options,
                                  c->arguments, c->n_arguments);
        hold.fd = open_hold(c);
        if (hold.fd < 0)
                return hold.fd;
        stream.fd = hold.fd;
        stream.userdata = &hold;
        r = child_run(c->arguments + N_NAMES, &stream, &c->failure);
        close(hold.fd);
        if (r >= 0)
                c->exit_code = r;
        return r < 0 ? r : 0;
}

const Verb verb_inhibit = {
        .name = "inhibit",
        .arguments = "MAILBOX -- COMMAND...",
        .summary = "Run a tool that drives the registers itself",
        .help = "Have doed finish what runs in a mailbox and touch nothing of it while a command\n"
                "runs. The command has the descriptor that holds this too, as its descriptor 3:\n"
                "doed takes the mailbox back, by an abort and in a new epoch, once the command\n"
                "and whatever it has handed that to have ended. Should it have to do so before\n"
                "(the time is over, somebody revokes it, doed is stopped), standard error says\n"
                "why, and the command gets SIGTERM.\n"
                "\n"
                "  doectl inhibit '0000:3a:00.0[160]' -- setpci -s 3a:00.0 168.l\n"
                "  doectl inhibit mem0 --why='firmware update' --max=60 -- ./update\n"
                "\n"
                "The exit code is that of the command: 125 if doed has refused, 126 if the\n"
                "command cannot be run, 127 if it is not there.\n"
                "With -H this runs doectl on HOST through ssh, and the command there.\n",
        .n_arguments_min = N_NAMES + 1,
        .n_arguments_max = INT_MAX,
        .options = options,
        .opens_bus_itself = true,
        .run = run,
};
