/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What one emulated function is made of. Filled by scenario.c or by a test, then only read. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/emulator/fault.h"

#define MODEL_FEATURES_MAX    64u
#define MODEL_MAILBOXES_MAX   16u
#define MODEL_CONFIG_BYTES    4096u
#define MODEL_EXT_CAPS_OFFSET 0x100u

/* Who answers requests of a feature. */
typedef enum ResponderKind {
        RESPONDER_DISCOVERY,
        RESPONDER_SPDM,         /* clear messages */
        RESPONDER_SECURED_SPDM, /* echoes while its session is open */
        RESPONDER_COMPLIANCE,
        RESPONDER_TABLE_ACCESS,
        RESPONDER_ECHO,  /* the answer is the request's payload */
        RESPONDER_COUNT, /* the request is a number n, the answer the dwords 0..n-1 */
} ResponderKind;
#define N_RESPONDER_KINDS (RESPONDER_COUNT + 1)

typedef struct ModelFeature {
        uint16_t vendor_id;
        uint8_t type;
        ResponderKind kind;
        uint32_t n_dwords_max; /* as 4-dword discovery responses give it; 2^18 at most */
        uint16_t connection_id_max;
        bool has_service; /* else the mailbox's own */
        uint64_t service_min_usec, service_max_usec;
} ModelFeature;

/* When Busy is set. */
typedef enum BusyStyle {
        BUSY_WHILE_PROCESSING, /* from GO to Ready */
        BUSY_WHILE_SENDING,    /* from the first dword of a request to Ready */
        BUSY_PIPELINED,        /* from GO to the middle of the work: Ready comes later */
        BUSY_NEVER,            /* as QEMU does */
} BusyStyle;
#define N_BUSY_STYLES (BUSY_NEVER + 1)

typedef enum DiscoveryChain {
        CHAIN_PLAIN,
        CHAIN_CYCLIC,       /* the last entry points back to index 1 */
        CHAIN_DUPLICATE,    /* every feature stands there twice */
        CHAIN_GARBAGE,      /* entries ffff:ff between the others */
        CHAIN_ENDLESS,      /* every index answers, 255 leads to 1 */
        CHAIN_MISSING_SELF, /* 0001:00 is not listed */
} DiscoveryChain;
#define N_DISCOVERY_CHAINS (CHAIN_MISSING_SELF + 1)

typedef struct ModelMailboxSettings {
        uint16_t offset;
        uint8_t cap_version;
        ModelFeature features[MODEL_FEATURES_MAX]; /* discovery included, first */
        size_t n_features;
        uint64_t service_min_usec, service_max_usec;
        uint64_t abort_usec;
        BusyStyle busy;
        bool has_interrupt;
        bool at_attention;        /* STATUS bit 4 at all times, capability version 2 */
        uint32_t reserved_status; /* more bits that are always set there */
        uint32_t write_dwords;    /* what fits into the write mailbox; one more sets Error */
        DiscoveryChain chain;
        bool has_long_discovery;       /* 4-dword responses */
        bool is_discovery_strict;      /* discards requests of the wrong Discovery Version */
        bool answers_discovery_beyond; /* an index out of range gives ffff:ff, else nothing */
        bool forgets_on_abort;         /* SPDM state */
        FaultSet faults;
} ModelMailboxSettings;

typedef enum ModelKind {
        MODEL_GENERIC,
        MODEL_CXL_MEMORY,
        MODEL_CXL_SWITCH, /* upstream port */
        MODEL_NVME,
        MODEL_ACCELERATOR,
} ModelKind;
#define N_MODEL_KINDS (MODEL_ACCELERATOR + 1)

/* State of the function's first selective IDE stream, as its Status register tells it (PCIe r6.0 7.9.26). */
typedef enum ModelIde {
        MODEL_IDE_ABSENT, /* no IDE capability */
        MODEL_IDE_INSECURE,
        MODEL_IDE_SECURE,
} ModelIde;
#define N_MODEL_IDES (MODEL_IDE_SECURE + 1)

typedef struct ModelSettings {
        ModelKind kind;
        uint16_t vendor_id, device_id;
        uint16_t subsystem_vendor_id, subsystem_device_id;
        uint8_t revision;
        uint32_t class_code; /* 24 bits */
        uint64_t serial;     /* Device Serial Number capability */
        ModelIde ide;        /* at power-up */
        ModelMailboxSettings *mailboxes;
        size_t n_mailboxes;
        const uint8_t *table; /* CDAT that table access serves, or NULL */
        size_t n_table_bytes;
        uint64_t seed;
} ModelSettings;
