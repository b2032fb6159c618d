/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the facts come from. Everything is read as the calling user may, and nothing is changed: not even
 * doed is started. */

#include "client/doctor.h"

typedef struct DoctorPlaces {
        const char *sysfs;
        const char *config_folder;         /* for doed --config; NULL: the default ones */
        const char *const *policy_folders; /* where the bus looks for org.doed.conf; NULL-terminated */
        const char *polkit_file;           /* where org.doed.policy belongs */
        const char *const *programs;       /* what doed may be; one without "/" is looked for in PATH */
        uint64_t check_usec;               /* for that to say what it thinks of its configuration */
} DoctorPlaces;

extern const DoctorPlaces doctor_places_default;

/* The bus, systemd, doed and polkit, as far as they answer: @f->waited_usec for each is as long as it takes.
 */
void doctor_gather_bus(DoctorFacts *f);
/* Users, groups, files of the bus and of polkit, and what doed says of its configuration. */
void doctor_gather_host(DoctorFacts *f, const DoctorPlaces *places);
/* All PCI functions and the lockdown. */
void doctor_gather_sysfs(DoctorFacts *f, const DoctorPlaces *places);
/* Of the functions that @f is limited to, and of CXL memory, look into those that doed does not list; only
 * root may. */
void doctor_gather_doe(DoctorFacts *f);
