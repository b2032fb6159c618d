/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/output.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/memory.h"

#define WIDTH_DEFAULT   80u
#define PAGER_DEFAULT   "command -v less >/dev/null && exec less; exec cat"
#define SHELL_NOT_FOUND 126 /* and 127: sh could not start the pager */

void output_measure(Output *o) {
        const char *columns = getenv("COLUMNS");
        struct winsize size = { 0 };

        if (!isatty(STDOUT_FILENO))
                return;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
                o->width = size.ws_col;
                o->height = size.ws_row;
        }
        if (columns && atoi(columns) > 0)
                o->width = (size_t)atoi(columns);
        if (o->width == 0)
                o->width = WIDTH_DEFAULT;
}

static bool terminal_has_color(void) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        return !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

void output_open(Output *o, bool may_page) {
        *o = (Output){ 0 };
        o->stream = memory_must(open_memstream(&o->buf, &o->n_bytes));

        output_measure(o);
        if (isatty(STDOUT_FILENO)) {
                o->has_color = terminal_has_color();
                o->may_page = may_page;
        }
}

static const char *find_pager(void) {
        const char *pager = getenv("DOECTL_PAGER") ?: getenv("PAGER") ?: PAGER_DEFAULT;

        return *pager && strcmp(pager, "cat") != 0 ? pager : NULL;
}

static size_t count_lines(const Output *o) {
        size_t n = 0;

        for (size_t i = 0; i < o->n_bytes; i++)
                n += o->buf[i] == '\n';
        return n;
}

/* Return: true if the pager ran; false if there is none. */
static bool page(const Output *o, const char *pager) {
        FILE *pipe;
        int status;

        setenv("LESS", "FRX", false);
        signal(SIGPIPE, SIG_IGN); /* who leaves the pager early has seen enough */

        pipe = popen(pager, "we");
        if (!pipe)
                return false;

        fwrite(o->buf, 1, o->n_bytes, pipe);
        status = pclose(pipe);
        return !(status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) >= SHELL_NOT_FOUND);
}

int output_close(Output *o) {
        const char *pager = o->may_page ? find_pager() : NULL;

        if (fclose(o->stream) != 0)
                memory_must(NULL);
        o->stream = NULL;

        if (pager && count_lines(o) >= o->height && o->height > 0 && page(o, pager))
                return 0;

        if (fwrite(o->buf, 1, o->n_bytes, stdout) != o->n_bytes || fflush(stdout) != 0)
                return errno > 0 ? -errno : -EIO;
        return 0;
}

void output_done(Output *o) {
        if (o->stream)
                fclose(o->stream);
        free(o->buf);
        *o = (Output){ 0 };
}
