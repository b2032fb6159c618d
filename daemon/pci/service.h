/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* doed-pci without its main(): the main thread's loop over one Host, serving one doed at a time on a
 * listening socket. The shipped program and the emulator differ in the Host they give it and in nothing
 * else. */

#include "daemon/pci/host.h"

typedef struct ServiceSettings {
        const char *wire_path; /* where to listen, also if systemd passed the socket; its folder holds lock/
                                  and state/ */
        const char *version;
        uid_t peer_uid; /* who may connect beside root */
        /* folders of the configuration, as of ConfigPlaces; NULL: none, only the shipped rules hold */
        const char *const *config_folders;
} ServiceSettings;

/**
 * service_run() - serve until SIGTERM or SIGINT; SIGHUP reads the configuration again
 * @host: taken over, freed before it returns
 *
 * Return: 0; -errno if it could not start or the loop broke.
 */
int service_run(Host *host, const ServiceSettings *settings);
