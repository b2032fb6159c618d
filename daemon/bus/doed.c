/* SPDX-License-Identifier: GPL-2.0-or-later */

/* doed, the DOE mailbox daemon: serves org.doed on the system bus, with doed-pci below it. */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/bus/daemon.h"
#include "daemon/util/log.h"

#define WIRE_PATH_DEFAULT "/run/doed-pci/wire"
#define EXIT_USAGE        2
#define FOLDERS_MAX       8u

static const char help[] =
                "doed [OPTION...]\n"
                "\n"
                "Serve the DOE mailboxes of this machine's PCI devices on the system bus.\n"
                "\n"
                "  --wire PATH     socket of doed-pci (" WIRE_PATH_DEFAULT ")\n"
                "  --config DIR    read the configuration from this folder instead of /etc/doed,\n"
                "                  /run/doed and /usr/lib/doed; may be repeated, the first wins\n"
                "  --check-config  say all that is wrong in the configuration, and exit\n"
                "  --dump-config   show the configuration in force, defaults included, and exit\n"
                "  --help          show this text\n"
                "  --version       show the version\n";

typedef enum Action {
        ACTION_SERVE,
        ACTION_CHECK_CONFIG,
        ACTION_DUMP_CONFIG,
} Action;

typedef struct Arguments {
        Action action;
        const char *wire_path;
        const char *folders[FOLDERS_MAX + 1]; /* of --config; NULL-terminated */
        size_t n_folders;
} Arguments;

static int add_folder(Arguments *a, const char *folder) {
        if (access(folder, X_OK) < 0) {
                fprintf(stderr, "doed: --config %s: %s\n", folder, strerror(errno));
                return -EINVAL;
        }
        if (a->n_folders == FOLDERS_MAX) {
                fprintf(stderr, "doed: more than %u folders of configuration\n", FOLDERS_MAX);
                return -EINVAL;
        }
        a->folders[a->n_folders++] = folder;
        return 0;
}

/* Return: 0: go on; 1: done; -1: wrong. */
static int parse_arguments(int argc, char **argv, Arguments *ret) {
        static const struct option options[] = {
                { "wire", required_argument, NULL, 'w' },
                { "config", required_argument, NULL, 'f' },
                { "check-config", no_argument, NULL, 'c' },
                { "dump-config", no_argument, NULL, 'd' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
                switch (c) {
                case 'w':
                        ret->wire_path = optarg;
                        break;
                case 'f':
                        if (add_folder(ret, optarg) < 0)
                                return -1;
                        break;
                case 'c':
                        ret->action = ACTION_CHECK_CONFIG;
                        break;
                case 'd':
                        ret->action = ACTION_DUMP_CONFIG;
                        break;
                case 'h':
                        fputs(help, stdout);
                        return 1;
                case 'v':
                        puts("doed " DOED_VERSION);
                        return 1;
                default:
                        return -1;
                }
        }
        if (optind < argc) {
                fprintf(stderr, "%s: unexpected argument \"%s\"\n", argv[0], argv[optind]);
                return -1;
        }
        return 0;
}

/* Both tell what is wrong; only to check fails by it. */
static int show_config(Action action, const ConfigPlaces *places) {
        _cleanup_(config_freep) Config *config = NULL;
        int r = config_load(places, &config);

        if (r < 0) {
                fprintf(stderr, "doed: the configuration cannot be read: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        for (size_t i = 0; i < config->n_errors; i++)
                fprintf(stderr, "%s\n", config->errors[i]);
        if (config->n_more_errors > 0)
                fprintf(stderr, "... and %zu more errors\n", config->n_more_errors);
        if (action == ACTION_CHECK_CONFIG)
                return config->n_errors > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        config_dump(config, stdout);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int serve(const char *wire_path, const ConfigPlaces *places) {
        _cleanup_(daemon_freep) Daemon *d = NULL;

        log_init("doed");
        umask(0077);
        signal(SIGPIPE, SIG_IGN);

        if (daemon_new(wire_path, places, &d) < 0)
                return EXIT_FAILURE;
        return daemon_run(d) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        Arguments arguments = { .wire_path = WIRE_PATH_DEFAULT };
        ConfigPlaces places = config_places_default;
        int r = parse_arguments(argc, argv, &arguments);

        if (r != 0)
                return r > 0 ? EXIT_SUCCESS : EXIT_USAGE;
        if (arguments.n_folders > 0)
                places.folders = arguments.folders;
        if (arguments.action == ACTION_SERVE)
                return serve(arguments.wire_path, &places);
        return show_config(arguments.action, &places);
}
