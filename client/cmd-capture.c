/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/capture-recording.h"
#include "client/doectl.h"
#include "client/json.h"

static const OptionRow options[] = {
        { 'w', "write", "FILE", OPTION_STRING, offsetof(Options, write),
          "write to FILE, which only you may read; - is standard output" },
        CAPTURE_FILTER_OPTIONS,
        { 0, "snaplen", "BYTES", OPTION_U32, offsetof(Options, snaplen),
          "bytes of payload of each object (16)" },
        { 0, "count", "N", OPTION_U64, offsetof(Options, count), "end after N packets" },
        { 0, "for", "SEC", OPTION_SECONDS, offsetof(Options, for_usec), "end after SEC seconds" },
        { 0 },
};

/* Not emptied before the capture has begun: one that may not be leaves the file as it was. */
static int open_output(Context *c, Recording *rec) {
        const char *file = c->options.write ?: "-";

        rec->fd = STDOUT_FILENO;
        if (strcmp(file, "-") == 0)
                return 0;
        rec->fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        return rec->fd >= 0 ? 0
                            : failure_set(&c->failure, FAILURE_FAILED, "Cannot write %s: %s", file,
                                          strerror(errno));
}

/* Nobody else may read what comes now. Pipes and terminals are as whoever made them wants them. */
static int empty_file(Context *c, int fd) {
        const char *file = c->options.write ?: "-";
        struct stat st;

        if (strcmp(file, "-") == 0 || (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)))
                return 0;
        if (fchmod(fd, 0600) < 0 || ftruncate(fd, 0) < 0)
                return failure_set(&c->failure, FAILURE_FAILED, "Cannot keep %s for you alone: %s", file,
                                   strerror(errno));
        if (st.st_uid == geteuid())
                return 0;
        return failure_set(&c->failure, FAILURE_FAILED, "Cannot keep %s for you alone: uid %u owns it", file,
                           st.st_uid);
}

static int on_block(Recording *rec, const uint8_t *block, size_t n_bytes) {
        Context *c = rec->userdata;
        const uint64_t n_wanted = c->options.count.value;
        int r = rec->stream.n_bytes_taken == n_bytes ? empty_file(c, rec->fd) : 0;

        if (r >= 0)
                r = recording_write(rec, block, n_bytes);
        return r != 0 ? r : n_wanted > 0 && rec->stream.n_packets >= n_wanted;
}

/* The last block, if it is not whole, counts with those of its bytes that were written. */
static void summarize(Context *c, const CaptureStream *s, size_t n_unwritten) {
        const uint64_t n_bytes = s->n_bytes_taken - n_unwritten;
        _cleanup_json_ json_t *object = NULL;

        if (!c->options.json) {
                c->remark = memory_format("%" PRIu64 " packet%s of %" PRIu64 " mailbox%s, %" PRIu64
                                          " lost, %" PRIu64 " bytes%s",
                                          s->n_packets, s->n_packets == 1 ? "" : "s", s->n_mailboxes,
                                          s->n_mailboxes == 1 ? "" : "es", s->n_lost, n_bytes,
                                          n_unwritten > 0 ? "; the last block is cut, since nobody read it"
                                                          : "");
                return;
        }
        object = memory_must(json_object());
        json_put(object, "packets", json_from_uint(s->n_packets));
        json_put(object, "mailboxes", json_from_uint(s->n_mailboxes));
        json_put(object, "lost", json_from_uint(s->n_lost));
        json_put(object, "bytes", json_from_uint(n_bytes));
        json_put(object, "cut", json_from_uint(n_unwritten));
        if (!c->options.quiet)
                json_print(stderr, object);
}

static int run(Context *c) {
        Recording rec = { .on_open = open_output, .on_block = on_block, .userdata = c, .fd = -1 };
        int r;

        if (strcmp(c->options.write ?: "-", "-") == 0 && isatty(STDOUT_FILENO))
                return failure_set(&c->failure, FAILURE_INVALID_ARGS,
                                   "A capture is no text for a terminal: use -w FILE, or a pipe, as in "
                                   "doectl capture | wireshark -k -i -");
        r = recording_run(c, &rec);
        if (rec.stream.n_bytes_taken > 0)
                summarize(c, &rec.stream, rec.n_unwritten);
        else if (r >= 0 && c->exit_code == 0)
                r = empty_file(c, rec.fd);
        capture_stream_done(&rec.stream);
        if (rec.fd >= 0 && rec.fd != STDOUT_FILENO && close(rec.fd) < 0 && r >= 0)
                r = recording_fail(c, -errno);
        return r;
}

const Verb verb_capture = {
        .name = "capture",
        .arguments = "",
        .summary = "Record what passes the mailboxes, for Wireshark",
        .help = "Write a pcapng stream of the objects that pass the mailboxes of this machine,\n"
                "until it is interrupted, or as --count and --for say. Each mailbox is one\n"
                "interface of it. The first 16 bytes of each payload are in it, or as many as\n"
                "--snaplen says, but no packet is over 256 KiB, for Wireshark. What is not read\n"
                "in time is lost in whole packets, and counted; no exchange waits for it. If the\n"
                "reader takes nothing any more at the end, the last block is cut, and said so.\n"
                "share/doed/doe.lua makes Wireshark understand it.\n"
                "\n"
                "  doectl capture -w /tmp/doe.pcapng --recent\n"
                "  doectl capture --feature=cma-spdm --snaplen=4096 | wireshark -k -i -\n"
                "  doectl -H server capture --for=60 -w server.pcapng\n"
                "\n"
                "With -H this runs doectl on HOST through ssh, and writes here.\n",
        .n_arguments_min = 0,
        .n_arguments_max = 0,
        .options = options,
        .opens_bus_itself = true,
        .run = run,
};
