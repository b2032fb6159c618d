/* SPDX-License-Identifier: GPL-2.0-or-later */

/* doed, the DOE mailbox daemon: serves org.doed on the system bus, with doed-pci below it. */

#include <getopt.h>
#include <signal.h>
#include <sys/stat.h>

#include "daemon/bus/daemon.h"
#include "daemon/util/log.h"

#define WIRE_PATH_DEFAULT "/run/doed-pci/wire"
#define EXIT_USAGE        2

static const char help[] = "doed [OPTION...]\n"
                           "\n"
                           "Serve the DOE mailboxes of this machine's PCI devices on the system bus.\n"
                           "\n"
                           "  --wire PATH  socket of doed-pci (" WIRE_PATH_DEFAULT ")\n"
                           "  --help       show this text\n"
                           "  --version    show the version\n";

/* Return: 0: go on; 1: done; -1: wrong. */
static int parse_arguments(int argc, char **argv, const char **ret_wire_path) {
        static const struct option options[] = {
                { "wire", required_argument, NULL, 'w' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
                switch (c) {
                case 'w':
                        *ret_wire_path = optarg;
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

int main(int argc, char **argv) {
        _cleanup_(daemon_freep) Daemon *d = NULL;
        const char *wire_path = WIRE_PATH_DEFAULT;
        int r = parse_arguments(argc, argv, &wire_path);

        if (r != 0)
                return r > 0 ? EXIT_SUCCESS : EXIT_USAGE;
        log_init("doed");
        umask(0077);
        signal(SIGPIPE, SIG_IGN);

        if (daemon_new(wire_path, &d) < 0)
                return EXIT_FAILURE;
        return daemon_run(d) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
