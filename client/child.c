/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/memory.h"

typedef struct Child {
        pid_t pid;
        int signals; /* signalfd(2), owned */
} Child;

int child_become(char *const *words, int stream) {
        if (stream < 0 || dup2(stream, CHILD_STREAM) >= 0)
                execvp(words[0], words);
        fprintf(stderr, "doectl: Cannot run %s: %s\n", words[0], strerror(errno));
        return errno == ENOENT ? CHILD_IS_NOT_FOUND : CHILD_CANNOT_RUN;
}

static void block_signals(sigset_t *ret_mask, sigset_t *ret_before) {
        static const int numbers[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT };

        sigemptyset(ret_mask);
        for (size_t i = 0; i < ELEMENTS(numbers); i++)
                sigaddset(ret_mask, numbers[i]);
        sigprocmask(SIG_BLOCK, ret_mask, ret_before);
}

static int start(Child *child, char *const *words, int stream, Failure *f) {
        sigset_t mask, before;

        block_signals(&mask, &before);
        child->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        child->pid = child->signals < 0 ? -1 : fork();
        if (child->pid == 0) {
                sigprocmask(SIG_SETMASK, &before, NULL);
                _exit(child_become(words, stream));
        }
        if (child->pid > 0)
                return 0;
        if (child->signals >= 0)
                close(child->signals);
        return failure_set(f, FAILURE_FAILED, "Cannot run %s: %s", words[0], strerror(errno));
}

static void pass_signals_on(const Child *child) {
        struct signalfd_siginfo info;

        while (read(child->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
                if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
                        kill(child->pid, (int)info.ssi_signo);
}

/* Return: true with the status if it has ended. */
static bool has_ended(const Child *child, int *ret_status) {
        int status;

        if (waitpid(child->pid, &status, WNOHANG) != child->pid)
                return false;
        *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return true;
}

int child_run(char *const *words, const ChildStream *stream, Failure *f) {
        struct pollfd fds[] = { { .events = POLLIN }, { .fd = stream->fd, .events = POLLIN } };
        Child child;
        int status, r;

        r = start(&child, words, stream->fd, f);
        if (r < 0)
                return r;

        fds[0].fd = child.signals;
        while (!has_ended(&child, &status)) {
                if (poll(fds, ELEMENTS(fds), -1) < 0)
                        continue;
                pass_signals_on(&child);
                /* what came first counts: a command that has ended by itself needs no signal */
                if (fds[1].revents && !has_ended(&child, &status)) {
                        fds[1].fd = -1;
                        if (stream->on_readable(stream->userdata))
                                kill(child.pid, SIGTERM);
                } else if (fds[1].revents)
                        break;
        }
        close(child.signals);
        return status;
}
