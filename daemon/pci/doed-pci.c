/* SPDX-License-Identifier: GPL-2.0-or-later */

/* doed-pci: the process that has the privilege to drive mailboxes, and talks to nobody but doed. */

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <pwd.h>
#include <sys/resource.h>

#include "daemon/config/config.h"
#include "daemon/pci/power.h"
#include "daemon/pci/service.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define DEFAULT_WIRE   "/run/doed-pci/wire"
#define DEFAULT_SYSFS  "/sys"
#define PEER_USER      "doed"
#define SETTLE_SEC_MAX 3600.0
#define FOLDERS_MAX    16u

typedef struct Options {
        const char *wire, *sysfs;
        const char *folders[FOLDERS_MAX + 1]; /* NULL-terminated; none: the default ones */
        size_t n_folders;
        uint64_t settle_usec;
        bool restores_power;
} Options;

static const char help[] =
                "Usage: doed-pci [OPTION]...\n"
                "Drive the PCIe DOE mailboxes of this machine for doed.\n\n"
                "  --wire PATH       socket on which doed is served (default " DEFAULT_WIRE
                "), passed by systemd\n"
                "                    or made; lock/, state/ and power/ are kept beside it\n"
                "  --sysfs DIR       sysfs (default " DEFAULT_SYSFS
                "); another tree has its uevents as lines\n"
                "                    \"ACTION DEVPATH SUBSYSTEM [KEY=VALUE]...\" in the FIFO DIR/uevents\n"
                "  --config DIR      folder of doed.conf and doed.conf.d/, may be repeated; an earlier one "
                "comes\n"
                "                    first (default /etc/doed, /run/doed, /usr/lib/doed)\n"
                "  --settle-sec SEC  quiet time before a mailbox is taken over, such as 0.1; for tests\n"
                "                    (default 3, or 10 for what is there soon after boot);\n"
                "                    SettleSec= of a rule comes first\n"
                "  --restore-power   give back the power/control of functions that a killed doed-pci kept "
                "awake,\n"
                "                    and exit\n"
                "  --help            show this help\n"
                "  --version         show the version\n";

static int parse_settle(const char *s, uint64_t *ret) {
        char *end;
        double sec = strtod(s, &end);

        if (end == s || *end || !isfinite(sec) || sec < 0 || sec > SETTLE_SEC_MAX)
                return -EINVAL;
        *ret = (uint64_t)(sec * (double)USEC_PER_SEC);
        return 0;
}

static int add_folder(Options *options, const char *folder) {
        if (options->n_folders == FOLDERS_MAX) {
                fprintf(stderr, "--config may be given %u times\n", FOLDERS_MAX);
                return -EINVAL;
        }
        options->folders[options->n_folders++] = folder;
        return 0;
}

/* Return: 1: go on; 0: all is done; -EINVAL. */
static int parse_options(int argc, char **argv, Options *ret) {
        enum {
                OPTION_WIRE = 256,
                OPTION_SYSFS,
                OPTION_CONFIG,
                OPTION_SETTLE,
                OPTION_RESTORE,
                OPTION_HELP,
                OPTION_VERSION,
        };
        static const struct option options[] = { { "wire", required_argument, NULL, OPTION_WIRE },
                                                 { "sysfs", required_argument, NULL, OPTION_SYSFS },
                                                 { "config", required_argument, NULL, OPTION_CONFIG },
                                                 { "settle-sec", required_argument, NULL, OPTION_SETTLE },
                                                 { "restore-power", no_argument, NULL, OPTION_RESTORE },
                                                 { "help", no_argument, NULL, OPTION_HELP },
                                                 { "version", no_argument, NULL, OPTION_VERSION },
                                                 {} };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case OPTION_WIRE:
                        ret->wire = optarg;
                        break;
                case OPTION_SYSFS:
                        ret->sysfs = optarg;
                        break;
                case OPTION_CONFIG:
                        if (add_folder(ret, optarg) < 0)
                                return -EINVAL;
                        break;
                case OPTION_SETTLE:
                        if (parse_settle(optarg, &ret->settle_usec) == 0)
                                break;
                        fprintf(stderr, "--settle-sec takes 0 to %g seconds, not \"%s\"\n", SETTLE_SEC_MAX,
                                optarg);
                        return -EINVAL;
                case OPTION_RESTORE:
                        ret->restores_power = true;
                        break;
                case OPTION_HELP:
                        fputs(help, stdout);
                        return 0;
                case OPTION_VERSION:
                        puts("doed-pci " DOED_VERSION);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                fprintf(stderr, "doed-pci takes no arguments, such as \"%s\"\n", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

/* A function needs some five descriptors, which a large host's number of them takes beyond the usual 1024.
 */
static void raise_file_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
}

static uid_t peer_uid(void) {
        const struct passwd *user = getpwnam(PEER_USER);

        return user ? user->pw_uid : geteuid();
}

/* Where nothing was ever kept awake nothing is to be given back. */
static int restore_power(const char *sysfs, const char *run) {
        int r = power_restore(sysfs, run);

        if (r >= 0 || r == -ENOENT)
                return EXIT_SUCCESS;
        fprintf(stderr, "doed-pci: cannot restore power/control: %s\n",
                r == -EBUSY ? "a doed-pci is running, which does that itself" : strerror(-r));
        return EXIT_FAILURE;
}

int main(int argc, char **argv) {
        Options options = { .wire = DEFAULT_WIRE, .sysfs = DEFAULT_SYSFS, .settle_usec = USEC_INFINITY };
        ServiceSettings settings = { .version = DOED_VERSION };
        char wire[PATH_MAX];
        Host *host;
        int r;

        r = parse_options(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? 2 : EXIT_SUCCESS;
        log_init("doed-pci");
        snprintf(wire, sizeof(wire), "%s", options.wire);
        if (options.restores_power)
                return restore_power(options.sysfs, dirname(wire));
        raise_file_limit();
        settings.wire_path = options.wire;
        settings.peer_uid = peer_uid();
        settings.config_folders = options.n_folders > 0 ? options.folders : config_places_default.folders;
        r = host_sysfs_new(options.sysfs, dirname(wire), options.settle_usec, &host);
        if (r < 0) {
                log_error("Cannot use %s: %s", options.sysfs, strerror(-r));
                return EXIT_FAILURE;
        }
        return service_run(host, &settings) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
