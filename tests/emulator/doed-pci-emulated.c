/* SPDX-License-Identifier: GPL-2.0-or-later */

/* doed-pci over an emulated platform: the shipped service, workers and register machines, with a device
 * model where libpci and the kernel would be. */

#include <errno.h>
#include <getopt.h>
#include <unistd.h>

#include "daemon/pci/service.h"
#include "daemon/util/log.h"
#include "tests/emulator/control.h"
#include "tests/emulator/host-emulated.h"

typedef struct Arguments {
        const char *wire, *scenario, *control;
        const char *folders[2]; /* of the configuration; NULL-terminated */
} Arguments;

static int parse_arguments(int argc, char **argv, Arguments *ret) {
        static const struct option options[] = {
                { "wire", required_argument, NULL, 'w' },
                { "scenario", required_argument, NULL, 's' },
                { "control", required_argument, NULL, 'c' },
                { "config", required_argument, NULL, 'f' },
                { 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (option == 'w')
                        ret->wire = optarg;
                else if (option == 's')
                        ret->scenario = optarg;
                else if (option == 'c')
                        ret->control = optarg;
                else if (option == 'f')
                        ret->folders[0] = optarg;
                else
                        return -EINVAL;
        }
        return ret->wire && ret->scenario && optind == argc ? 0 : -EINVAL;
}

static int serve(const Arguments *a) {
        _cleanup_(scenario_freep) Scenario *scenario = NULL;
        _cleanup_(platform_freep) Platform *platform = NULL;
        _cleanup_(control_server_freep) ControlServer *control = NULL;
        ServiceSettings settings = { .wire_path = a->wire,
                                     .version = DOED_VERSION,
                                     .peer_uid = getuid(),
                                     .config_folders = a->folders[0] ? a->folders : NULL };
        char error[SCENARIO_ERROR_MAX];
        Host *host;
        int r;

        r = scenario_read(a->scenario, &scenario, error);
        if (r < 0) {
                log_error("%s", error);
                return r;
        }
        r = platform_new(scenario, &platform);
        if (r < 0)
                return r;
        r = host_emulated_new(platform, &host);
        if (r < 0)
                return r;
        if (a->control) {
                r = control_server_new(a->control, platform, &control);
                if (r < 0) {
                        host->ops->free(host);
                        return r;
                }
        }
        return service_run(host, &settings);
}

int main(int argc, char **argv) {
        Arguments arguments = { 0 };
        int r;

        log_init("doed-pci");
        if (parse_arguments(argc, argv, &arguments) < 0) {
                fprintf(stderr, "Usage: doed-pci-emulated --wire PATH --scenario FILE [--control PATH] "
                                "[--config DIR]\n");
                return EXIT_FAILURE;
        }
        r = serve(&arguments);
        if (r < 0)
                log_error("Cannot serve: %s", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
