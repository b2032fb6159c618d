/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a verb of doectl is, and what it gets to work with. */

#include "client/bus.h"
#include "client/failure.h"
#include "client/options.h"
#include "client/output.h"

typedef struct Context {
        Options options;
        Bus bus;
        Output output;    /* sent once the verb has succeeded */
        Failure failure;  /* why it has not */
        char *remark;     /* owned, or NULL: said on standard error after the output, unless --quiet */
        int exit_code;    /* of a verb that has done its work: a DoeExit, or that of the command it ran */
        int refused_code; /* instead of the failure's own exit code; 0: that */
        char **arguments;
        int n_arguments; /* within the verb's bounds */
} Context;

typedef struct Verb {
        const char *name;
        const char *arguments; /* for the usage line */
        const char *summary;   /* one line */
        const char *help;      /* whole lines */
        int n_arguments_min, n_arguments_max;
        const OptionRow *options; /* NULL: only the common ones */
        bool opens_bus_itself;    /* it has something to say where there is no bus, too */
        int (*run)(Context *c);   /* 0; -errno with c->failure set */
} Verb;

extern const Verb verb_capture, verb_cdat, verb_discover, verb_doctor, verb_exchange, verb_explain,
                verb_inhibit, verb_lease, verb_list, verb_metrics, verb_monitor, verb_recover, verb_show;
