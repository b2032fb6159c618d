/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What service.c and service-requests.c share. For them only. */

#include <limits.h>
#include <sys/queue.h>

#include "daemon/pci/channel.h"
#include "daemon/pci/control.h"
#include "daemon/pci/function.h"
#include "daemon/pci/service.h"

typedef struct Service {
        Host *host;
        const ServiceSettings *settings;
        char run[PATH_MAX];
        struct event_base *base;
        Channel *reports;
        Control *control;
        PciRules *rules;
        struct event *report_event, *enumerate_event, *stop_timer, *signal_events[3];
        TAILQ_HEAD(, Function) functions;
        uint64_t peer_id; /* of the peer that has been told of them, 0: nobody */
        size_t n_workers; /* also of functions that are gone */
        bool is_enumerated, is_stopping;
        uint64_t suspend_number; /* of the last suspension */
        bool is_suspended, is_suspend_told;
        uint64_t enumerated_usec; /* the last time */
        char lockdown[WIRE_ADDRESS_MAX];
        char status[128]; /* as told to systemd last */
} Service;

/* Ask the host what it says of @f now, and tell the peer what has changed. */
void service_refresh(Service *s, Function *f);

/* Read the configuration; what is in force stays if it cannot be, or if a rule is wrong. */
void service_reload(Service *s);
/* The host is awake, or whoever said that it goes to sleep is gone. */
void service_resume(Service *s);
/* Tell the peer once every function is left alone. */
void service_check_suspended(Service *s);
/* As of ControlSettings. */
bool service_handle_request(void *userdata, const WireMessage *m);
