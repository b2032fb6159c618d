/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/capture-source.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/child.h"
#include "client/match.h"
#include "client/remote.h"
#include "client/target.h"

/* -------- from doed here -------- */

static int append_mailboxes(Context *c, BusRequest *rq) {
        const OptionList *list = &c->options.mailboxes;
        int r = sd_bus_message_open_container(rq->message, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(rq->message, "s", "mailboxes");
        if (r >= 0)
                r = sd_bus_message_open_container(rq->message, 'v', "ao");
        if (r >= 0)
                r = sd_bus_message_open_container(rq->message, 'a', "o");
        for (size_t i = 0; r >= 0 && i < list->n_values; i++) {
                _cleanup_target_ Target target = { 0 };

                r = target_find_mailbox(&c->bus, list->values[i], NULL, &target, &c->failure);
                if (r >= 0)
                        r = sd_bus_message_append(rq->message, "o", target.path);
        }
        for (int depth = 0; r >= 0 && depth < 3; depth++)
                r = sd_bus_message_close_container(rq->message);
        return r;
}

static int append_features(Context *c, BusRequest *rq) {
        const OptionList *list = &c->options.features;
        int r = sd_bus_message_open_container(rq->message, 'e', "sv");
        uint16_t vendor_id;
        uint8_t type;

        if (r >= 0)
                r = sd_bus_message_append(rq->message, "s", "features");
        if (r >= 0)
                r = sd_bus_message_open_container(rq->message, 'v', "a(qy)");
        if (r >= 0)
                r = sd_bus_message_open_container(rq->message, 'a', "(qy)");
        for (size_t i = 0; r >= 0 && i < list->n_values; i++) {
                r = match_feature(list->values[i], &vendor_id, &type, &c->failure);
                if (r >= 0)
                        r = sd_bus_message_append(rq->message, "(qy)", vendor_id, type);
        }
        for (int depth = 0; r >= 0 && depth < 3; depth++)
                r = sd_bus_message_close_container(rq->message);
        return r;
}

static int append_filter(Context *c, BusRequest *rq) {
        const Options *o = &c->options;
        int r = 0;

        bus_begin_options(rq);
        if (rq->error == 0 && o->mailboxes.n_values > 0)
                r = append_mailboxes(c, rq);
        if (rq->error == 0 && r >= 0 && o->features.n_values > 0)
                r = append_features(c, rq);
        if (o->uid.is_set)
                bus_append(rq, "{sv}", "uid", "u", (uint32_t)o->uid.value);
        if (o->snaplen.is_set)
                bus_append(rq, "{sv}", "snaplen", "u", (uint32_t)o->snaplen.value);
        if (o->recent)
                bus_append(rq, "{sv}", "recent", "b", 1);
        bus_end_values(rq);
        if (r < 0 && !c->failure.name)
                failure_set(&c->failure, FAILURE_FAILED, "The filter cannot be made: %s", strerror(-r));
        return r;
}

static int open_local(Context *c, CaptureSource *ret) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        BusRequest rq;
        int fd, r;

        r = bus_open(&c->bus, NULL, &c->failure);
        if (r < 0)
                return r;
        rq = bus_request(&c->bus, DOED_PATH, DOED_INTERFACE_MANAGER, "Capture");
        r = append_filter(c, &rq);
        if (r < 0) {
                sd_bus_message_unref(rq.message);
                return r;
        }
        r = bus_call(&c->bus, &rq, &reply, &c->failure);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "h", &fd);
        if (r <= 0)
                return bus_bad_reply(r, &c->failure);
        /* the other one is the message's */
        ret->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (ret->fd < 0)
                return failure_set(&c->failure, FAILURE_FAILED, "Cannot keep the stream: %s",
                                   strerror(errno));
        return 0;
}

/* -------- from doectl there -------- */

static const OptionRow handed_on[] = {
        CAPTURE_FILTER_OPTIONS,
        { 0, "snaplen", "BYTES", OPTION_U32, offsetof(Options, snaplen), "" },
        { 0 },
};

static void become_ssh(const char *host, const char *command, int fd) {
        const char *words[REMOTE_WORDS];
        sigset_t none;

        remote_words(host, command, words);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        /* of an interrupt of the terminal, which goes to both, the last words are still wanted; in a process
         * group of its own ssh could not ask for a password */
        signal(SIGINT, SIG_IGN);
        if (dup2(fd, STDOUT_FILENO) >= 0)
                child_become((char *const *)words, -1);
        _exit(DOE_EXIT_UNAVAILABLE);
}

static int open_remote(Context *c, CaptureSource *ret) {
        _cleanup_free_ char *command =
                        remote_command("doectl capture --quiet --write=-", handed_on, &c->options, NULL, 0);
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return failure_set(&c->failure, FAILURE_FAILED, "Cannot make a pipe: %s", strerror(errno));
        ret->pid = fork();
        if (ret->pid == 0)
                become_ssh(c->options.host, command, fds[1]);
        close(fds[1]);
        ret->fd = fds[0];
        if (ret->pid > 0)
                return 0;
        close(fds[0]);
        return failure_set(&c->failure, FAILURE_FAILED, "Cannot run ssh: %s", strerror(errno));
}

/* -------- either -------- */

int capture_source_open(Context *c, CaptureSource *ret) {
        int r;

        *ret = (CaptureSource){ .fd = -1 };
        r = c->options.host ? open_remote(c, ret) : open_local(c, ret);
        if (r < 0)
                return r;
        if (fcntl(ret->fd, F_SETFL, O_NONBLOCK) >= 0)
                return 0;
        r = failure_set(&c->failure, FAILURE_FAILED, "Cannot set up the stream: %s", strerror(errno));
        capture_source_close(ret, false);
        return r;
}

int capture_source_close(CaptureSource *s, bool has_ended) {
        int status = 0;

        if (s->fd >= 0)
                close(s->fd);
        s->fd = -1;
        if (s->pid <= 0)
                return 0;
        if (!has_ended)
                kill(s->pid, SIGTERM);
        while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
                ;
        s->pid = 0;
        return has_ended && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}
