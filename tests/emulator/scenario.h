/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A scenario file: the functions of an emulated system, the tables they serve, and what the kernel seems to
 * hold of them. Read once; what changes at run time is platform.c's. README.md explains every key. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/util/cleanup.h"
#include "tests/emulator/settings.h"

#define SCENARIO_DEVICES_MAX 256u
#define SCENARIO_TABLES_MAX  64u
#define SCENARIO_NAME_MAX    64u
#define SCENARIO_TEXT_MAX    128u
#define SCENARIO_ADDRESS_MAX 32u
#define SCENARIO_ERROR_MAX   1024u

/* Lockdown of the emulated kernel. */
typedef enum ScenarioLockdown {
        LOCKDOWN_NONE,
        LOCKDOWN_INTEGRITY,
        LOCKDOWN_CONFIDENTIALITY,
} ScenarioLockdown;
#define N_SCENARIO_LOCKDOWNS (LOCKDOWN_CONFIDENTIALITY + 1)

/* What the emulated kernel does with mailboxes by itself, and shows of them. Each has what those before it
 * have. */
typedef enum ScenarioKernel {
        KERNEL_UNSAID, /* as each device says */
        KERNEL_6_1,    /* cxl uses mailboxes when it binds */
        KERNEL_6_6,    /* the PCI core discovers each new function */
        KERNEL_6_12,
        KERNEL_6_15, /* doe_features/ */
        KERNEL_6_19, /* tsm/ */
} ScenarioKernel;
#define N_SCENARIO_KERNELS (KERNEL_6_19 + 1)

/* One feature that doe_features/ shows. */
typedef struct ScenarioFeature {
        uint16_t vendor_id;
        uint8_t type;
} ScenarioFeature;

typedef struct ScenarioDevice {
        char address[SCENARIO_ADDRESS_MAX]; /* "0000:3a:00.0" */
        unsigned domain, bus;
        unsigned line; /* where its section begins */
        ModelSettings model;
        char name[SCENARIO_TEXT_MAX];
        char driver[SCENARIO_NAME_MAX]; /* bound at start, or "" */
        bool is_absent;                 /* comes by the control command "add" */
        int32_t numa_node;
        uint64_t access_usec; /* that each config access takes */
        uint64_t probe_usec;  /* that the kernel uses the mailboxes at add and bind; 0: not at all */
        bool says_doe_features, says_tsm; /* whatever the kernel is */
        bool has_doe_features;
        ScenarioFeature features[MODEL_FEATURES_MAX]; /* of doe_features/ */
        size_t n_features;
        char cxl_memory[SCENARIO_NAME_MAX], cxl_port[SCENARIO_NAME_MAX]; /* while cxl is bound */
        char table[SCENARIO_NAME_MAX], kernel_table[SCENARIO_NAME_MAX];  /* names of [cdat] sections */
        const uint8_t *kernel_cdat; /* borrowed from the scenario; NULL: the kernel publishes none */
        size_t n_kernel_cdat_bytes; /* 0: it failed to read it */
        bool has_tsm;
        char tsm[SCENARIO_NAME_MAX]; /* content of tsm/connect */
} ScenarioDevice;

typedef struct ScenarioTable {
        char name[SCENARIO_NAME_MAX];
        uint8_t *bytes; /* owned */
        size_t n_bytes;
} ScenarioTable;

typedef struct Scenario {
        uint64_t seed;
        uint64_t settle_usec; /* of doed-pci-emulated */
        ScenarioLockdown lockdown;
        ScenarioKernel kernel;
        ScenarioDevice *devices; /* owned */
        size_t n_devices;
        ScenarioTable *tables; /* owned */
        size_t n_tables;
} Scenario;

/**
 * scenario_read() - read and check a whole file
 * @error: SCENARIO_ERROR_MAX bytes: "file:line: what is wrong"
 *
 * Return: 0; -EINVAL and other negative errnos with @error written.
 */
int scenario_read(const char *path, Scenario **ret, char *error);
/* The same for text in memory; @file is what errors call it, and where relative paths begin. */
int scenario_parse(const char *file, const char *text, size_t n_bytes, Scenario **ret, char *error);
Scenario *scenario_free(Scenario *scenario);
DEFINE_CLEANUP(Scenario *, scenario_free);

/* Index of a device. Return: -ENOENT. */
int scenario_find(const Scenario *scenario, const char *address);

const char *scenario_lockdown_to_string(ScenarioLockdown lockdown);
int scenario_lockdown_from_string(const char *s); /* -EINVAL */

/* Keys of a section kind ("scenario", "device", "mailbox", "cdat"), for the documentation and its test. NULL
 * past the end. */
const char *scenario_key_get(const char *kind, size_t i, const char **ret_help);
