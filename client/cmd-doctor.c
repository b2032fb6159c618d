/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/doctor-gather.h"
#include "client/doctor-view.h"
#include "client/doctor.h"
#include "client/doectl.h"
#include "client/json.h"

#define WAIT_USEC UINT64_C(2000000) /* for each that is asked */

static const OptionRow options[] = {
        { 0, "sysfs", "DIR", OPTION_STRING, offsetof(Options, sysfs), "look there instead of in /sys" },
        { 0, "config", "DIR", OPTION_STRING, offsetof(Options, config),
          "check this configuration instead of the installed one" },
        { 0 },
};

static int run(Context *c) {
        _cleanup_findings_ DoctorFindings findings = { 0 };
        DoctorPlaces places = doctor_places_default;
        _cleanup_json_ json_t *praise = NULL;
        _cleanup_facts_ DoctorFacts facts;
        int r;

        doctor_facts_init(&facts);
        if (c->options.host)
                return failure_set(&c->failure, FAILURE_INVALID_ARGS,
                                   "doctor looks at the machine that it runs on: ssh %s doectl doctor",
                                   c->options.host);

        places.sysfs = c->options.sysfs ?: places.sysfs;
        places.config_folder = c->options.config;
        facts.waited_usec = c->options.timeout_usec ?: WAIT_USEC;

        doctor_gather_bus(&facts);
        doctor_gather_host(&facts, &places);
        doctor_gather_sysfs(&facts, &places);
        r = c->n_arguments > 0 ? doctor_select(&facts, c->arguments[0], &c->failure) : 0;
        if (r < 0)
                return r;
        doctor_gather_doe(&facts);

        doctor_judge(&facts, &findings);
        if (c->options.json) {
                _cleanup_json_ json_t *array = doctor_view_json(&findings);

                json_print(c->output.stream, array);
        } else {
                praise = doctor_praise(&facts, &findings);
                doctor_view_print(c->output.stream, &findings, praise, c->output.width, c->output.has_color);
        }
        c->exit_code = doctor_view_is_sick(&findings) ? DOE_EXIT_FAILED : DOE_EXIT_OK;
        return 0;
}

const Verb verb_doctor = {
        .name = "doctor",
        .arguments = "[DEVICE|MAILBOX]",
        .summary = "Tell what is wrong with doed on this machine, and what to do",
        .help = "Look at the bus, systemd, doed and doed-pci, polkit, groups, the configuration\n"
                "and the PCI functions, as the calling user may, and tell what is wrong, why\n"
                "that is known, and what to do about it. Nothing is changed, and doed is not\n"
                "started. With an argument, of the devices only that one is looked at, also one\n"
                "that doed does not list.\n"
                "\n"
                "Errors are what does not work, warnings what works less than it should, hints\n"
                "what is as it was wanted but worth knowing. The exit code is 0 if there are no\n"
                "errors and no warnings, and 1 if there are.\n"
                "\n"
                "--json prints an array of findings, worst first: objects with the strings id,\n"
                "severity (error, warning, hint), what, why and do. An id stays what it is; do\n"
                "holds lines for a shell, of which those that begin with # are remarks.\n"
                "--timeout is the time for each that is asked; it is 2 s if it is not given.\n",
        .n_arguments_min = 0,
        .n_arguments_max = 1,
        .options = options,
        .opens_bus_itself = true,
        .run = run,
};
