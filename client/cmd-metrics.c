/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "client/doectl.h"
#include "client/json.h"
#include "client/metrics-server.h"

static const OptionRow options[] = {
        { 0, "serve", NULL, OPTION_BOOL, offsetof(Options, serve),
          "answer Prometheus over HTTP until stopped" },
        { 0, "listen", "ADDRESS:PORT", OPTION_STRING, offsetof(Options, listen),
          "where to serve, instead of the sockets that systemd passes" },
        { 0 },
};

/* label="value",...} as an object; doed's label values hold nothing that is escaped. NULL if it is none. */
static json_t *labels_to_json(char *text) {
        json_t *labels = memory_must(json_object());
        char *label, *save = NULL;

        for (label = strtok_r(text, ",}", &save); label; label = strtok_r(NULL, ",}", &save)) {
                char *value = strstr(label, "=\""), *end = strrchr(label, '"');

                if (!value || end < value + 2) {
                        json_decref(labels);
                        return NULL;
                }
                *value = *end = 0;
                json_put(labels, label, json_from_text(value + 2));
        }
        return labels;
}

/* name value, or name{labels} value. NULL if it is neither. */
static json_t *sample_to_json(char *line) {
        json_t *sample, *labels;
        char *value = strrchr(line, ' '), *brace = strchr(line, '{');

        if (!value)
                return NULL;
        *value++ = 0;
        if (brace)
                *brace++ = 0;
        labels = brace ? labels_to_json(brace) : memory_must(json_object());
        if (!labels)
                return NULL;
        sample = memory_must(json_object());
        json_put(sample, "name", json_from_text(line));
        json_put(sample, "labels", labels);
        json_put(sample, "value", memory_must(json_real(strtod(value, NULL))));
        return sample;
}

static int print_json(Context *c, char *text) {
        _cleanup_json_ json_t *samples = memory_must(json_array());
        char *line, *save = NULL;

        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                json_t *sample;

                if (*line == '#')
                        continue;
                sample = sample_to_json(line);
                if (!sample)
                        return bus_bad_reply(-EBADMSG, &c->failure);
                json_array_append_new(samples, sample);
        }
        json_print(c->output.stream, samples);
        return 0;
}

static int run(Context *c) {
        _cleanup_free_ char *text = NULL;
        int r;

        if (c->options.serve && c->options.host)
                return failure_set(&c->failure, FAILURE_INVALID_ARGS,
                                   "--serve answers for this machine's doed only: run it on \"%s\"",
                                   c->options.host);
        if (c->options.listen && !c->options.serve)
                return failure_set(&c->failure, FAILURE_INVALID_ARGS, "--listen goes with --serve only");
        if (c->options.serve)
                return metrics_server_run(&c->bus, c->options.listen, &c->failure);

        r = metrics_read(&c->bus, &text, &c->failure);
        if (r < 0)
                return r;
        if (c->options.json)
                return print_json(c, text);
        fputs(text, c->output.stream);
        return 0;
}

const Verb verb_metrics = {
        .name = "metrics",
        .arguments = "",
        .summary = "Show what is counted, for Prometheus",
        .help = "Print all that doed counts, in Prometheus' text format: exchanges by mailbox,\n"
                "feature and result, how long they waited and how long the device took, states,\n"
                "queues, caches, leases and limits. --serve answers over HTTP at /metrics; the\n"
                "units doed-metrics.socket and .service do that on the loopback address.\n"
                "\n"
                "  doectl metrics | grep doed_aborts_total\n"
                "  doectl metrics --serve --listen 127.0.0.1:9870\n",
        .options = options,
        .run = run,
};
