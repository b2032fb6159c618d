/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What platform.c (the functions and the access to them) and platform-kernel.c (what the kernel does to
 * them) share. */

#include <pthread.h>

#include "tests/emulator/model.h"
#include "tests/emulator/platform.h"

typedef struct Function {
        const ScenarioDevice *device;
        /* of the model, and of whether accesses may pass; held during an access */
        pthread_mutex_t lock;
        pthread_cond_t thawed;
        Model *model; /* NULL while the function is away */
        uint64_t instance;
        bool is_frozen;
        /* the rest under the platform's lock */
        PlatformView view;
} Function;

struct Platform {
        const Scenario *scenario;
        Function *functions;
        PlatformObserver observer;
        void *userdata;
        uint64_t n_instances;

        pthread_mutex_t change; /* one change at a time, events included; taken before the others */
        pthread_mutex_t lock;   /* of the views and of lockdown */
        pthread_cond_t unheld;
        ScenarioLockdown lockdown;
        bool is_tsm_at_work;

        /* removes what has vanished */
        pthread_t notice_thread;
        pthread_mutex_t notice_lock;
        pthread_cond_t notice;
        bool *vanished; /* by function */
        bool has_vanished, is_ending;
};

/* Tell the observer. Under ->change. */
void platform_emit(Platform *p, PlatformEventKind kind, size_t function, const char *text);
/* A fresh model for a function that is away. Return: 0; -ENOMEM. */
int platform_power_up(Platform *p, size_t function);
/* What a view shows of a driver, "" for none, and of the objects that it makes. Under ->lock. */
void platform_set_driver(Platform *p, size_t function, const char *driver);
