/* SPDX-License-Identifier: GPL-2.0-or-later */

/* simulate --seed N --exchanges N [--devices N] [--clients N] [--seeds N] [--verbose] */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>

#include "daemon/util/log.h"
#include "tests/emulator/number.h"
#include "tests/simulation/simulation.h"

#define DEVICES_MAX 10000u
#define CLIENTS_MAX 100000u
/* what the allocator keeps for itself counts as in use */
#define MEMORY_SLACK ((size_t)1024 * 1024)

static int usage(void) {
        fprintf(stderr, "usage: simulate --seed N --exchanges N [--devices N] [--clients N] [--seeds N] "
                        "[--verbose]\n");
        return EXIT_FAILURE;
}

/* Of the heap; a sanitizer's, which sees what is lost by itself, says 0. */
static size_t memory_in_use(void) {
        return mallinfo2().uordblks;
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {
                { "seed", required_argument, NULL, 's' },
                { "exchanges", required_argument, NULL, 'e' },
                { "devices", required_argument, NULL, 'd' },
                { "clients", required_argument, NULL, 'c' },
                { "seeds", required_argument, NULL, 'n' },
                { "verbose", no_argument, NULL, 'v' },
                {},
        };
        SimOptions options = { .seed = 1, .n_exchanges = 10000, .n_devices = 12, .n_clients = 300 };
        uint64_t n_seeds = 1, value = 0;
        int c;

        log_init("simulate");
        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
                if (c == '?' || (optarg && number_parse(optarg, UINT64_MAX, &value) < 0))
                        return usage();
                if (c == 's')
                        options.seed = value;
                else if (c == 'e')
                        options.n_exchanges = value;
                else if (c == 'd')
                        options.n_devices = MIN_OF(value, (uint64_t)DEVICES_MAX);
                else if (c == 'c')
                        options.n_clients = MIN_OF(value, (uint64_t)CLIENTS_MAX);
                else if (c == 'n')
                        n_seeds = value;
                else
                        options.is_verbose = true;
        }
        if (optind != argc || options.n_devices == 0 || options.n_clients == 0)
                return usage();

        for (; n_seeds > 0; n_seeds--, options.seed++) {
                size_t n_bytes = memory_in_use();

                if (sim_run(&options) < 0)
                        return EXIT_FAILURE;
                if (memory_in_use() > n_bytes + MEMORY_SLACK) {
                        fprintf(stderr,
                                "VIOLATION seed %" PRIu64 ": %zu bytes more are in use than at its start\n",
                                options.seed, memory_in_use() - n_bytes);
                        return EXIT_FAILURE;
                }
        }
        return EXIT_SUCCESS;
}
