/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A whole doed-pci over devices that a test makes up, in a process of its own that can be killed. What the
 * devices hold lies in shared memory: it outlives the process, and the test sets and sees it. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/pci/host.h"

#define FAKE_DEVICES_MAX 3
#define FAKE_OFFSET      0x160
#define FAKE_DWORDS_MAX  64

/* One mailbox at FAKE_OFFSET that answers each request with its own payload. */
typedef struct FakeDevice {
        atomic_bool is_there;
        char address[WIRE_ADDRESS_MAX];
        atomic_uint instance;
        HostView view;        /* set before an event tells of it */
        uint32_t space[1024]; /* the rest of its configuration space, by dwords */
        /* registers */
        uint32_t request[FAKE_DWORDS_MAX];
        uint32_t n_request, n_read;
        atomic_bool is_ready;
        /* what the test wants of it */
        atomic_bool is_mute;  /* never Ready */
        atomic_bool is_stuck; /* every access hangs */
        atomic_bool refuses_writes;
        /* what the test sees of it */
        atomic_uint n_writes, n_aborts, n_gos;
        atomic_bool is_pinned;
} FakeDevice;

typedef struct FakeShared {
        FakeDevice devices[FAKE_DEVICES_MAX];
        char lockdown[WIRE_ADDRESS_MAX];
        char config_folder[256]; /* "": the shipped rules alone; set before the start */
} FakeShared;

extern FakeShared *fake;

/* One device 0000:3a:00.0; the others are not there. */
void fake_make(void);
void fake_remove(void);

/* Start doed-pci on @wire; it is there when this returns. */
pid_t fake_start(const char *wire, uint64_t settle_usec);
/* SIGTERM. Return: its exit status, or -1 if it does not end in @timeout_msec; then it is killed. */
int fake_stop(pid_t pid, int timeout_msec);
void fake_kill(pid_t pid);
/* Let the host tell of an event. */
void fake_emit(HostEventKind kind, const char *address);
