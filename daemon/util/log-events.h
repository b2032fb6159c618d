/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What an operator wants to know of, one row each: its name in code, its name in the journal (DOED_EVENT=),
 * its message ID, its level, and whose lines are counted together where there may be too many of them. What
 * each means and what to do about it stands in systemd/doed.catalog, by the same IDs; a test compares the
 * two. An ID is never used for anything else, since people search for it. */

#include <syslog.h>

/* clang-format off */
#define LOG_EVENTS(X)                                                                                                      \
        /* the daemons */                                                                                                  \
        X(STARTED,              "started",              "713b45603794423b9c107e9fceb5497d", LOG_INFO,    NONE)   \
        X(STOPPING,             "stopping",             "813ea507ae4c4453b489e4c4c1b3cff4", LOG_INFO,    NONE)   \
        X(REPLACED,             "replaced",             "53543a916ce14f2896fb117a04ad5414", LOG_NOTICE,  NONE)   \
        X(BUS_LOST,             "bus-lost",             "e469aef1748243ae8612fb8eedf070bf", LOG_ERR,     NONE)   \
        X(PCI_CONNECTED,        "pci-connected",        "0c1f357c59c9464386885330647892b4", LOG_INFO,    EVENT)  \
        X(PCI_LOST,             "pci-lost",             "3f6ee641a88f4261a039a50b73988c31", LOG_WARNING, EVENT)  \
        X(PCI_VERSION,          "pci-version",          "95bb89891d9e497d93bac087ab0301e6", LOG_ERR,     EVENT)  \
        X(PEER_REFUSED,         "peer-refused",         "9ddef21e39b84df391bd0c531e416686", LOG_WARNING, CLIENT) \
        X(CONFIG_READ,          "config-read",          "887c4b74fd31429da02494e6b0f52fb9", LOG_INFO,    NONE)   \
        X(CONFIG_WRONG,         "config-wrong",         "e3566ada63de439e9e62182c6036ab99", LOG_ERR,     NONE)   \
        X(CONFIG_KEPT,          "config-kept",          "a44acd893ef84a05a59cd41e0ac155a3", LOG_ERR,     NONE)   \
        X(ASLEEP,               "asleep",               "87ef7312753a4d02b4b07a37aac5976b", LOG_INFO,    EVENT)  \
        X(AWAKE,                "awake",                "77eb19ff7c9643f7a9ac66814332edb2", LOG_INFO,    EVENT)  \
        /* devices and their mailboxes */                                                                                  \
        X(DEVICE_ADDED,         "device-added",         "f3c7e2da6f7c4762b666fa6c8e0c7f0c", LOG_INFO,    DEVICE) \
        X(DEVICE_REMOVED,       "device-removed",       "d4a6bca9dd7e45989ab687345ad148b2", LOG_INFO,    DEVICE) \
        X(LOCKDOWN,             "lockdown",             "17a357101f8e43f0b2dcf5792819794a", LOG_NOTICE,  NONE)   \
        X(WRITES_REFUSED,       "writes-refused",       "85718eb29e5e45c2a27a9bcf11fcad4a", LOG_WARNING, DEVICE) \
        X(CONFIG_SPACE_HANGS,   "config-space-hangs",   "0351b16674754a2e9505afae32462a5d", LOG_WARNING, DEVICE) \
        X(KERNEL_HOLDS,         "kernel-holds",         "2be90146e40940bb92dd4d3376b0d286", LOG_INFO,    DEVICE) \
        X(KERNEL_NOT_AWAITED,   "kernel-not-awaited",   "8416834fca974399876d266051a10561", LOG_NOTICE,  DEVICE) \
        X(SPDM_OWNED,           "spdm-owned",           "13409dc257a74759b3b5bf5d8724ddb1", LOG_NOTICE,  DEVICE) \
        X(MAILBOX_LOCKED,       "mailbox-locked",       "7c34404463e34c60b3f30a2473e873cf", LOG_INFO,    DEVICE) \
        X(MAILBOX_DEAD,         "mailbox-dead",         "51197ea1bd0b42729b27ba8883652788", LOG_ERR,     DEVICE) \
        X(MAILBOX_RESTING,      "mailbox-resting",      "7fe8336dc75c4fdf83d95cd2bf111282", LOG_WARNING, DEVICE) \
        X(MAILBOX_RECOVERED,    "mailbox-recovered",    "7b732c0ce08040ddb20454577fe56d00", LOG_INFO,    DEVICE) \
        X(ABORTED,              "aborted",              "df966fcd52e24e35928f916c87701590", LOG_INFO,    DEVICE) \
        X(FOREIGN_ACTIVITY,     "foreign-activity",     "5d5d34c6284a45f6919bd787645cb669", LOG_NOTICE,  DEVICE) \
        X(COMPLIANCE_HALTING,   "compliance-halting",   "6865534590f942f1b20a422a21bb644b", LOG_NOTICE,  DEVICE) \
        X(COMPLIANCE_GOES_ON,   "compliance-goes-on",   "0e2406d925d54132ab6b21e0b67fdefc", LOG_WARNING, DEVICE) \
        X(REQUEST_REFUSED,      "request-refused",      "87362938b8764ec3b9a28dfb3c30c25d", LOG_WARNING, DEVICE) \
        /* the audit */                                                                                                    \
        X(LEASE_OPENED,         "lease-opened",         "dd2d0adec0504df68fcf7bc62cf0adf5", LOG_INFO,    CLIENT) \
        X(LEASE_ENDED,          "lease-ended",          "a5c23c7d64534de1a9735f60aca8a4b3", LOG_INFO,    CLIENT) \
        X(DENIED,               "denied",               "e840301097a541aaafb892252fcb91cc", LOG_NOTICE,  CLIENT) \
        X(DESTRUCTIVE,          "destructive",          "04d6b4a7371543b6a91db0304d44068a", LOG_NOTICE,  CLIENT) \
        X(MANAGED,              "managed",              "148a7abf3c92447491856cc9c64e4fbe", LOG_NOTICE,  CLIENT) \
        X(CAPTURE_OPENED,       "capture-opened",       "c72b1c49f5a84875b28863e5bf01a834", LOG_NOTICE,  CLIENT) \
        X(CAPTURE_CLOSED,       "capture-closed",       "3820a15617c84378a8a9edc9861bd416", LOG_NOTICE,  CLIENT) \
        /* the log itself */                                                                                               \
        X(LINES_LEFT_OUT,       "lines-left-out",       "b1447bc0add34252bdf3eb24a5eb6937", LOG_NOTICE,  NONE)
/* clang-format on */

typedef enum LogEvent {
#define X(name, text, id, level, limit) LOG_EVENT_##name,
        LOG_EVENTS(X)
#undef X
} LogEvent;
