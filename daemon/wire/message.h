/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What doed and doed-pci say to each other. Flat messages over stream sockets: a control socket, on which
 * doed-pci speaks of devices and hands over one socketpair end per device, and that socketpair, which the
 * device's worker reads and writes itself. Both sides check everything they decode: a peer may be of another
 * version, or compromised. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocols/data-object.h"

#define WIRE_VERSION         2u
#define WIRE_MAILBOXES_MAX   64u  /* per function; the extended config space has room for 160 */
#define WIRE_FEATURES_MAX    256u /* that the kernel names for one function */
#define WIRE_ADDRESS_MAX     32u
#define WIRE_NAME_MAX        128u
#define WIRE_TEXT_MAX        256u
#define WIRE_KERNEL_CDAT_MAX (1024u * 1024u)
#define WIRE_FRAME_HEADER    8u /* le32 whole frame in bytes, le32 WireType */
#define WIRE_FRAME_MAX       (DOE_OBJECT_BYTES_MAX + 16384u)
#define WIRE_DIGEST_BYTES    32u
#define WIRE_RECORDS_MAX     32u    /* kept per function */
#define WIRE_OFFSET_MIN      0x100u /* of a DOE capability */
#define WIRE_OFFSET_MAX      0xfe8u

typedef enum WireType {
        /* control socket */
        WIRE_HELLO = 1, /* both ways, first on each connection; doed-pci answers its peer's with its own. Of
                           another version only the two version fields are read. */
        WIRE_DEVICE, /* < a device is here (with its socket), or what the kernel says of it changed (without)
                      */
        WIRE_DEVICE_REMOVED, /* < */
        WIRE_ENUMERATED,     /* < the first enumeration is over, and every known device was told */
        WIRE_LOCKDOWN,       /* < */
        WIRE_RESCAN,         /* > enumerate again; answered by WIRE_ENUMERATED */
        WIRE_RELOAD,         /* > read the configuration files again */
        WIRE_SUSPEND,        /* > leave every function alone, or take them over again */
        WIRE_SUSPENDED,      /* < that is so: nothing is written any more */
        /* device socket */
        WIRE_MAILBOX = 32,     /* < state, reason, epoch */
        WIRE_EXCHANGE,         /* > */
        WIRE_RECALL,           /* > */
        WIRE_CANCEL,           /* > */
        WIRE_RECOVER,          /* > */
        WIRE_READ_KERNEL_CDAT, /* > answered by WIRE_DONE with the table as payload */
        WIRE_STARTED,          /* < */
        WIRE_DONE,             /* < */
        WIRE_RECALLED,         /* < */
        WIRE_FOREIGN,          /* < */
        WIRE_ABORTED,          /* < */
        WIRE_INHIBIT,          /* > let the registers and the lock of a mailbox go, or take them back */
        WIRE_PUT_RECORD,  /* > keep a lease's record; < each one that is kept, after the mailboxes were told
                           */
        WIRE_DROP_RECORD, /* > */
} WireType;

/* The states of a mailbox that doed-pci knows; names as in the contract. doed adds to them what only it
 * knows. */
typedef enum WireMailboxState {
        WIRE_MAILBOX_UNTOUCHED,  /* listed, not written to yet; settling */
        WIRE_MAILBOX_STARTING,   /* take-over: abort and verification */
        WIRE_MAILBOX_READY,      /* idle or exchanging */
        WIRE_MAILBOX_WAITING,    /* somebody else is at the registers */
        WIRE_MAILBOX_RECOVERING, /* aborting after a failure */
        WIRE_MAILBOX_KERNEL,     /* on hold for the kernel */
        WIRE_MAILBOX_READ_ONLY,  /* lockdown */
        WIRE_MAILBOX_INHIBITED,  /* handed to a tool: lock released, no register touched */
        WIRE_MAILBOX_DEAD,       /* the abort failed; recover is the way out */
} WireMailboxState;
#define N_WIRE_MAILBOX_STATES (WIRE_MAILBOX_DEAD + 1)

typedef struct WireHello {
        uint32_t wire_version;
        char program_version[WIRE_NAME_MAX];
        char lockdown[WIRE_ADDRESS_MAX]; /* "none", "integrity", "confidentiality", "unknown"; doed leaves it
                                            empty */
} WireHello;

typedef struct WireMailboxInfo {
        uint16_t offset;
        uint8_t cap_version;
} WireMailboxInfo;

typedef struct WireFeature {
        uint16_t vendor_id;
        uint8_t type;
} WireFeature;

typedef struct WireDevice {
        char address[WIRE_ADDRESS_MAX]; /* "0000:3a:00.0" */
        char instance[WIRE_NAME_MAX];   /* another one at each appearance of the device */
        uint16_t vendor_id, device_id;
        uint32_t class_code;      /* 24 bits */
        int32_t numa_node;        /* -1: none */
        char name[WIRE_NAME_MAX]; /* from pci.ids */
        char driver[WIRE_ADDRESS_MAX * 2];
        char access[WIRE_TEXT_MAX]; /* "read-write", or "read-only: REASON" */
        char cxl_memory[WIRE_ADDRESS_MAX], cxl_port[WIRE_ADDRESS_MAX];
        char spdm_owner[WIRE_TEXT_MAX]; /* evidence that another agent's SPDM session may live here, or "" */
        bool has_kernel_cdat;           /* cxl is bound and holds a table: WIRE_READ_KERNEL_CDAT */
        bool has_kernel_features;       /* doe_features/ is there */
        uint16_t n_features;
        WireFeature features[WIRE_FEATURES_MAX];
        uint16_t n_mailboxes;
        WireMailboxInfo mailboxes[WIRE_MAILBOXES_MAX];
} WireDevice;

typedef struct WireMailbox {
        uint16_t offset;
        WireMailboxState state;
        uint64_t epoch;
        uint64_t lease_id; /* of WIRE_MAILBOX_INHIBITED: as it was asked for, or an older one that has not
                              ended yet; else 0 */
        char reason[WIRE_TEXT_MAX];
} WireMailbox;

typedef struct WireExchange {
        uint64_t job_id; /* never 0, never used twice on one connection */
        uint16_t offset;
        uint16_t vendor_id;
        uint8_t type;
        uint16_t connection_id;
        uint64_t deadline_usec;   /* CLOCK_MONOTONIC: do not start it later */
        uint64_t timeout_usec;    /* from GO to Ready; 0: the 1 s of PCIe r6.0 6.30.2 */
        uint64_t busy_grace_usec; /* Busy before the request may last so long; 0: a second */
        uint32_t n_dwords_max;    /* of the response object */
        uint64_t epoch;           /* do not start it in another; 0: any */
        const uint8_t *payload;   /* borrowed */
        size_t n_bytes;
} WireExchange;

/* WIRE_RECALL, WIRE_CANCEL, WIRE_READ_KERNEL_CDAT (offset unused), WIRE_STARTED, WIRE_RECALLED */
typedef struct WireJob {
        uint64_t job_id;
} WireJob;

typedef struct WireRecover {
        uint16_t offset;
        bool force;
} WireRecover;

typedef struct WireDone {
        uint64_t job_id;
        int32_t error;                     /* 0, or a negative errno with the contract's meaning */
        bool not_started;                  /* the device never saw the request */
        bool is_foreign;                   /* lost to somebody else at the registers */
        uint64_t started_usec, ended_usec; /* CLOCK_MONOTONIC; 0 if it never started */
        uint64_t epoch;                    /* in which it ran */
        char evidence[WIRE_TEXT_MAX];
        const uint8_t *payload; /* borrowed */
        size_t n_bytes;
} WireDone;

typedef struct WireInhibit {
        uint16_t offset;
        uint64_t lease_id; /* for whose tool; 0: take the registers back */
} WireInhibit;

typedef struct WireSwitch { /* WIRE_SUSPEND, WIRE_SUSPENDED */
        bool is_on;
} WireSwitch;

/* WIRE_PUT_RECORD; of WIRE_DROP_RECORD only the digest counts. What a lease leaves behind so that its holder
 * may go on, here or after a restart. */
typedef struct WireRecord {
        uint8_t digest[WIRE_DIGEST_BYTES]; /* SHA-256 of the token */
        uint32_t uid;
        uint16_t offset, vendor_id;
        uint8_t type;
        bool is_session;
        uint64_t epoch;
        uint64_t expires_usec; /* CLOCK_MONOTONIC; 0: the lease is open */
        uint64_t keep_usec;    /* of an open one: how long after doed is gone */
} WireRecord;

/* WIRE_FOREIGN, WIRE_ABORTED */
typedef struct WireNote {
        uint16_t offset;
        char text[WIRE_TEXT_MAX];
} WireNote;

typedef struct WireText { /* WIRE_DEVICE_REMOVED: the address; WIRE_LOCKDOWN: the level */
        char text[WIRE_ADDRESS_MAX];
} WireText;

/* One decoded message; which member holds is told by its type. Borrows from the frame it was decoded from.
 */
typedef struct WireMessage {
        WireType type;
        union {
                WireHello hello;
                WireDevice device;
                WireText text;
                WireMailbox mailbox;
                WireExchange exchange;
                WireJob job;
                WireRecover recover;
                WireDone done;
                WireNote note;
                WireInhibit inhibit;
                WireSwitch turned;
                WireRecord record;
        };
} WireMessage;

/**
 * wire_encode() - make one frame
 * @ret: newly allocated, owned by the caller
 *
 * Return: 0; -EINVAL for a message that its own decoder would refuse; -ENOMEM.
 */
int wire_encode(const WireMessage *message, uint8_t **ret, size_t *ret_n_bytes);

/**
 * wire_decode() - check and decode one whole frame
 *
 * Every string must end within its bound, every number lie in its range, and nothing may be left over.
 *
 * Return: 0; -EBADMSG.
 */
int wire_decode(const uint8_t *frame, size_t n_bytes, WireMessage *ret);

/* text_set() of a field of a message: the decoder refuses what is no such text. */
void wire_text_set(char *field, size_t size, const char *s);

/* "0000:3a:00.0": four to eight hex digits of a domain, then bus, device and function as the kernel writes
 * them. */
bool wire_address_is_valid(const char *address);

const char *wire_mailbox_state_to_string(WireMailboxState state);
const char *wire_type_to_string(WireType type); /* NULL if not a type */
