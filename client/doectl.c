/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/doectl.h"

#include <locale.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "client/memory.h"
#include "client/text.h"

#define SUGGESTION_DISTANCE_MAX 2u

static const Verb *const verbs[] = {
        &verb_list,   &verb_show,     &verb_exchange, &verb_lease,   &verb_inhibit,
        &verb_cdat,   &verb_discover, &verb_recover,  &verb_explain, &verb_metrics,
        &verb_doctor, &verb_capture,  &verb_monitor,
};

static const char exit_codes[] =
                "Exit codes:\n"
                "  0  done\n"
                "  1  failed: canceled, aborted, refused by the device, malformed response\n"
                "  2  wrong usage, or a size that cannot be\n"
                "  3  no such device, mailbox or feature\n"
                "  4  not allowed\n"
                "  5  in use by others; try again later\n"
                "  6  not within the time\n"
                "  7  not usable: mailbox dead, device gone, held by the kernel, locked down\n"
                "  8  doed or doed-pci is not there\n";

static void print_help(void) {
        printf("Usage: doectl [OPTION...] COMMAND ...\n\n"
               "Use PCIe Data Object Exchange mailboxes through doed, which shares them out.\n\n"
               "Commands:\n");
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                printf("  %-10s %s\n", verbs[i]->name, verbs[i]->summary);

        printf("\nOptions of all commands:\n");
        options_print_help(options_common);
        printf("\n"
               "A device is an address (0000:3a:00.0), a part of one that only it has (3a:00),\n"
               "or its CXL name (mem0). A mailbox is a device with the offset of its DOE\n"
               "capability, 0000:3a:00.0[160]; quote it where the shell takes brackets for a\n"
               "pattern. The only mailbox of a device needs no offset. A feature is a number\n"
               "(1e98:02) or a name (cxl-table-access).\n"
               "\n"
               "Long output goes through $DOECTL_PAGER, $PAGER or less. NO_COLOR is respected.\n"
               "\"doectl COMMAND --help\" tells more of a command.\n\n%s",
               exit_codes);
}

static void print_verb_help(const Verb *v) {
        printf("Usage: doectl %s [OPTION...]%s%s\n\n%s", v->name, *v->arguments ? " " : "", v->arguments,
               v->help);
        if (v->options) {
                printf("\nOptions:\n");
                options_print_help(v->options);
        }
        printf("\nOptions of all commands:\n");
        options_print_help(options_common);
        printf("\n%s", exit_codes);
}

static const Verb *find_verb(const char *name) {
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                if (strcmp(verbs[i]->name, name) == 0)
                        return verbs[i];
        return NULL;
}

static int refuse_verb(const char *name, Failure *f) {
        size_t best_distance = SUGGESTION_DISTANCE_MAX + 1;
        const char *best = NULL;

        for (size_t i = 0; i < ELEMENTS(verbs); i++) {
                size_t distance = text_distance(name, verbs[i]->name);

                if (distance < best_distance) {
                        best_distance = distance;
                        best = verbs[i]->name;
                }
        }

        if (best)
                return failure_set(f, FAILURE_INVALID_ARGS, "Unknown command \"%s\"; did you mean \"%s\"?",
                                   name, best);
        return failure_set(f, FAILURE_INVALID_ARGS,
                           "Unknown command \"%s\"; \"doectl --help\" lists them all", name);
}

static int check_arguments(const Verb *v, int n, Failure *f) {
        if (n >= v->n_arguments_min && n <= v->n_arguments_max)
                return 0;

        return failure_set(f, FAILURE_INVALID_ARGS, "Too %s arguments; usage: doectl %s [OPTION...] %s",
                           n < v->n_arguments_min ? "few" : "many", v->name, v->arguments);
}

static int run_verb(Context *c, const Verb *v) {
        int r;

        c->bus.timeout_usec = c->options.timeout_usec;
        c->bus.shows_progress = !c->options.quiet && isatty(STDERR_FILENO);
        r = v->opens_bus_itself ? 0 : bus_open(&c->bus, c->options.host, &c->failure);
        if (r < 0)
                return r;

        output_open(&c->output, !c->options.no_pager);
        r = v->run(c);
        if (r < 0)
                return r;

        r = output_close(&c->output);
        if (r < 0)
                return failure_set(&c->failure, FAILURE_FAILED, "Cannot write to standard output: %s",
                                   strerror(-r));
        if (c->remark && !c->options.quiet)
                fprintf(stderr, "%s\n", c->remark);
        return 0;
}

/* Options may stand before the verb and after it. */
static int run(Context *c, int argc, char **argv) {
        const Verb *v;
        int first, r;

        r = options_parse(argc, argv, NULL, true, &c->options, &first, &c->failure);
        if (r < 0)
                return r;

        if (first < argc && !c->options.help && !c->options.version) {
                argc -= first;
                argv += first;
                v = find_verb(argv[0]);
                if (!v)
                        return refuse_verb(argv[0], &c->failure);

                r = options_parse(argc, argv, v->options, false, &c->options, &first, &c->failure);
                if (r < 0)
                        return r;
        } else
                v = NULL;

        if (c->options.version) {
                printf("doectl %s\n", DOED_VERSION);
                return 0;
        }
        if (c->options.help) {
                v ? print_verb_help(v) : print_help();
                return 0;
        }
        if (!v)
                return failure_set(&c->failure, FAILURE_INVALID_ARGS,
                                   "No command is given; \"doectl --help\" lists them all");

        c->arguments = argv + first;
        c->n_arguments = argc - first;
        r = check_arguments(v, c->n_arguments, &c->failure);
        return r < 0 ? r : run_verb(c, v);
}

/* Known before all is parsed, so that what is wrong with the command line is told as JSON too. */
static bool wants_json(int argc, char **argv) {
        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (strcmp(argv[i], "--json") == 0)
                        return true;
        return false;
}

static int report(Context *c) {
        if (c->options.json)
                failure_print_json(&c->failure, stderr);
        else
                failure_print(&c->failure, stderr);
        return c->refused_code ?: (int)failure_exit_code(c->failure.name);
}

int main(int argc, char **argv) {
        Context c = { 0 };
        int exit_code;

        setlocale(LC_CTYPE, "");
        c.options.json = wants_json(argc, argv);

        exit_code = run(&c, argc, argv) < 0 ? report(&c) : c.exit_code;

        output_done(&c.output);
        bus_close(&c.bus);
        failure_done(&c.failure);
        free(c.remark);
        return exit_code;
}
