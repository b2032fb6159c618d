/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "client/doctor.h"
#include "client/json.h"

#define ERRORS_SHOWN_MAX 3u /* of the configuration */

static unsigned waited_seconds(const DoctorFacts *f) {
        return (unsigned)((f->waited_usec + 999999) / 1000000);
}

static bool is(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* Something of it is there: a file of the bus that names it, or its unit. */
static bool is_installed(const DoctorFacts *f) {
        return f->doed.is_on_bus || f->doed.is_activatable ||
               (*f->doed_unit.load && !is(f->doed_unit.load, "not-found"));
}

/* "doed.service is failed (failed), result exit-code"; newly allocated, "" where systemd was not asked. */
static char *describe_unit(const char *name, const DoctorUnit *u) {
        if (!*u->active)
                return memory_copy("");
        if (!is(u->load, "loaded"))
                return memory_format("%s is %s", name, u->load);
        if (!*u->result || is(u->result, "success"))
                return memory_format("%s is %s (%s)", name, u->active, u->sub);
        return memory_format("%s is %s (%s), result %s", name, u->active, u->sub, u->result);
}

static const struct {
        const char *id, *what, *remedy;
} bus_findings[] = {
        [DOCTOR_ABSENT] = { "bus-absent", "The system bus is not there",
                            "systemctl start dbus.socket dbus.service" },
        [DOCTOR_REFUSED] = { "bus-refused", "Nobody listens on the socket of the system bus",
                             "systemctl start dbus.socket dbus.service" },
        [DOCTOR_SILENT] = { "bus-silent", "The system bus does not answer",
                            "systemctl status dbus.service" },
        [DOCTOR_DENIED] = { "bus-failed", "The system bus does not let you in",
                            "systemctl status dbus.service" },
        [DOCTOR_FAILED] = { "bus-failed", "The system bus cannot be reached",
                            "systemctl status dbus.service" },
};

void doctor_check_bus(const DoctorFacts *f, DoctorFindings *l) {
        const DoctorAnswer answer = f->bus.answer;
        const char *before = f->bus.is_of_environment ? "DBUS_SYSTEM_BUS_ADDRESS is set: " : "";
        DoctorFinding *finding;

        if (answer == DOCTOR_NOT_ASKED || answer == DOCTOR_ANSWERED)
                return;
        finding = doctor_add(l, bus_findings[answer].id, DOCTOR_ERROR, "%s", bus_findings[answer].what);
        if (answer == DOCTOR_SILENT)
                doctor_why(finding, "%s%s: not a word within %u s", before, f->bus.address,
                           waited_seconds(f));
        else
                doctor_why(finding, "%s%s: %s", before, f->bus.address, f->bus.error);
        if (f->bus.is_of_environment)
                doctor_do(finding, "# unless that bus is meant:\nunset DBUS_SYSTEM_BUS_ADDRESS\n"
                                   "doectl doctor");
        else
                doctor_do(finding, "%s", bus_findings[answer].remedy);
}

static void find_not_running(const DoctorFacts *f, DoctorFindings *l) {
        DoctorFinding *finding;

        if (!f->doed.is_activatable) {
                finding = doctor_add(l, "doed-not-activatable", DOCTOR_ERROR,
                                     "doed is not running, and the bus cannot start it");
                doctor_why(finding, "the bus has no service file of org.doed");
                doctor_do(finding, "systemctl start doed.service\n# then put back what the bus starts it "
                                   "by:\napt install --reinstall doed");
        } else if (!f->has_systemd) {
                finding = doctor_add(l, "doed-without-systemd", DOCTOR_ERROR,
                                     "doed is not running, and nobody can start it");
                doctor_why(finding, "org.doed is started by systemd, which is not on the bus");
                doctor_do(finding, "# start doed-pci and doed by hand:\nman 8 doed");
        } else {
                finding = doctor_add(l, "doed-not-running", DOCTOR_HINT,
                                     "doed is not running: the first call starts it");
                doctor_why(finding, "doed.service is %s (%s); the bus can start org.doed",
                           f->doed_unit.active, f->doed_unit.sub);
                doctor_do(finding, "doectl list\ndoectl doctor");
        }
}

static void find_failed(const DoctorFacts *f, DoctorFindings *l) {
        _cleanup_free_ char *unit = describe_unit("doed.service", &f->doed_unit);
        DoctorFinding *finding = doctor_add(l, "doed-failed", DOCTOR_ERROR, "doed does not stay up");

        doctor_why(finding, "%s, and org.doed is not on the bus", unit);
        doctor_do(finding, "journalctl -b -n 30 -u doed.service\n# if it cannot become org.doed, let the "
                           "bus read its policy again:\nsystemctl reload dbus.service\n# once the cause is "
                           "mended:\nsystemctl restart doed.service");
}

void doctor_check_running(const DoctorFacts *f, DoctorFindings *l) {
        const DoctorUnit *u = &f->doed_unit;
        DoctorFinding *finding;

        if (f->bus.answer != DOCTOR_ANSWERED || f->doed.is_on_bus)
                return;

        if (!is_installed(f)) {
                finding = doctor_add(l, "doed-not-installed", DOCTOR_ERROR, "doed is not installed");
                doctor_why(finding, "the bus has no service file of org.doed%s",
                           f->has_systemd ? ", and systemd no doed.service" : "");
                doctor_do(finding, "apt install doed");
        } else if (is(u->load, "masked")) {
                finding = doctor_add(l, "doed-masked", DOCTOR_ERROR,
                                     "doed is not running, and may not be started");
                doctor_why(finding, "doed.service is masked");
                doctor_do(finding, "systemctl unmask doed.service\nsystemctl start doed.service");
        } else if (is(u->active, "failed") || is(u->active, "active") || is(u->sub, "auto-restart")) {
                find_failed(f, l);
        } else if (is(u->active, "activating")) {
                finding = doctor_add(l, "doed-starting", DOCTOR_HINT, "doed is just starting");
                doctor_why(finding, "doed.service is %s (%s)", u->active, u->sub);
                doctor_do(finding, "# a moment later:\ndoectl doctor");
        } else
                find_not_running(f, l);
}

void doctor_check_policy(const DoctorFacts *f, DoctorFindings *l) {
        DoctorFinding *finding;

        if (f->bus.answer == DOCTOR_ANSWERED && f->doed.is_on_bus && f->doed.answer == DOCTOR_DENIED) {
                finding = doctor_add(l, "bus-policy-denies", DOCTOR_ERROR,
                                     "The bus does not let you talk to org.doed");
                /* what it says further on is of the message, not of the rule */
                doctor_why(finding, "%.*s", (int)strcspn(f->doed.error, ";"), f->doed.error);
                doctor_do(finding, "# look for the policy that denies it:\ngrep -rs org.doed %s",
                          f->policy.folders);
                return;
        }
        if (f->doed.is_on_bus || !is_installed(f))
                return;

        if (!f->policy.has_policy) {
                finding = doctor_add(l, "bus-policy-missing", DOCTOR_ERROR,
                                     "The bus does not let doed have its name");
                doctor_why(finding, "there is no org.doed.conf in %s", f->policy.folders);
                doctor_do(finding, "apt install --reinstall doed\nsystemctl reload dbus.service");
        } else if (!f->policy.has_doed_user) {
                finding = doctor_add(l, "doed-user-missing", DOCTOR_ERROR, "There is no user \"doed\"");
                doctor_why(finding, "doed.service runs as that user, and the bus drops the rule of "
                                    "org.doed.conf that names it");
                doctor_do(finding,
                          "systemd-sysusers\nsystemctl reload dbus.service\nsystemctl restart doed.service");
        }
}

void doctor_check_answer(const DoctorFacts *f, DoctorFindings *l) {
        _cleanup_free_ char *unit = describe_unit("doed.service", &f->doed_unit);
        DoctorFinding *finding;

        if (!f->doed.is_on_bus)
                return;

        if (f->doed.answer == DOCTOR_SILENT) {
                finding = doctor_add(l, "doed-silent", DOCTOR_ERROR,
                                     "doed is on the bus, but does not answer");
                doctor_why(finding, "not a word within %u s%s%s", waited_seconds(f), *unit ? "; " : "",
                           unit);
                doctor_do(finding, "# keep what it is at, for a report:\ncat /proc/$(pidof "
                                   "doed)/status\nsystemctl restart doed.service");
        } else if (f->doed.answer == DOCTOR_FAILED || f->doed.answer == DOCTOR_ABSENT) {
                finding = doctor_add(l, "doed-wrong", DOCTOR_ERROR, "doed does not answer as it should");
                doctor_why(finding, "%s", f->doed.error);
                doctor_do(finding, "journalctl -b -n 30 -u doed.service");
        } else if (f->doed.answer == DOCTOR_ANSWERED && !is(f->doed.version, DOED_VERSION)) {
                finding = doctor_add(l, "version-differs", DOCTOR_HINT,
                                     "doed %s is running, and this is doectl " DOED_VERSION,
                                     f->doed.version);
                doctor_why(finding, "one of the two is not the one that was installed last");
                doctor_do(finding, "systemctl restart doed-pci.service doed.service");
        }
}

static void find_pci_down(const DoctorFacts *f, DoctorFindings *l) {
        _cleanup_free_ char *service = describe_unit("doed-pci.service", &f->pci_unit);
        _cleanup_free_ char *socket = describe_unit("doed-pci.socket", &f->socket_unit);
        bool is_listening = is(f->socket_unit.active, "active");
        DoctorFinding *finding = doctor_add(l, "doed-pci-down", DOCTOR_ERROR,
                                            "doed-pci is not there: no device can be reached");

        doctor_why(finding, "%s%s%s%s%s%s", *f->doed.unavailable ? "doed says of it: " : "",
                   f->doed.unavailable, *f->doed.unavailable && *service ? "; " : "", service,
                   *socket ? "; " : "", socket);
        doctor_do(finding,
                  "systemctl restart doed-pci.%s\n# if it does not stay up:\njournalctl -b -n 30 -u "
                  "doed-pci.service",
                  is_listening || !*socket ? "service" : "socket");
}

void doctor_check_pci(const DoctorFacts *f, DoctorFindings *l) {
        bool is_stopped = is(f->socket_unit.load, "loaded") && !is(f->socket_unit.active, "active") &&
                          !is(f->socket_unit.active, "activating") && !is(f->pci_unit.active, "active");
        DoctorFinding *finding;

        if (f->doed.answer != DOCTOR_ANSWERED)
                return;

        if (strstr(f->doed.unavailable, "of the wire")) {
                finding = doctor_add(l, "doed-pci-version", DOCTOR_ERROR,
                                     "doed and doed-pci are of different versions");
                doctor_why(finding, "%s", f->doed.unavailable);
                doctor_do(finding, "systemctl restart doed-pci.service doed.service\n# if that is not "
                                   "enough:\napt install --reinstall doed");
        } else if (*f->doed.unavailable || (is_stopped && json_array_size(f->doed.devices) == 0)) {
                find_pci_down(f, l);
        } else if (!f->doed.is_ready) {
                finding = doctor_add(l, "enumerating", DOCTOR_HINT, "doed is still looking for devices");
                doctor_why(finding, "its first enumeration is not over");
                doctor_do(finding, "# a moment later:\ndoectl doctor");
        }
}

static void find_unchecked(const DoctorFacts *f, DoctorFindings *l) {
        DoctorFinding *finding = doctor_add(l, "config-unchecked", DOCTOR_WARNING,
                                            "The configuration of doed could not be checked");

        doctor_why(finding, "%s", f->config.error);
        doctor_do(finding,
                  "doed --check-config%s%s\n# if that is no doed, or a broken one:\n"
                  "apt install --reinstall doed",
                  *f->config.folder ? " --config " : "", f->config.folder);
}

void doctor_check_config(const DoctorFacts *f, DoctorFindings *l) {
        const size_t n = json_array_size(f->config.errors);
        _cleanup_free_ char *lines = memory_copy("");
        DoctorFinding *finding;

        if (f->config.answer == DOCTOR_FAILED)
                find_unchecked(f, l);
        if (f->config.answer != DOCTOR_ANSWERED || n == 0)
                return;

        for (size_t i = 0; i < n && i < ERRORS_SHOWN_MAX; i++) {
                char *longer = memory_format("%s%s%s", lines, i > 0 ? "\n" : "",
                                             json_string_value(json_array_get(f->config.errors, i)));

                free(lines);
                lines = longer;
        }
        finding = doctor_add(l, "config-wrong", DOCTOR_ERROR,
                             "The configuration of doed is wrong, and a wrong rule denies");
        if (n > ERRORS_SHOWN_MAX)
                doctor_why(finding, "%s\nand %zu more", lines, n - ERRORS_SHOWN_MAX);
        else
                doctor_why(finding, "%s", lines);
        if (*f->config.folder)
                doctor_do(finding, "# correct these lines, then:\ndoed --check-config --config %s",
                          f->config.folder);
        else
                doctor_do(finding, "# correct these lines, then:\n"
                                   "doed --check-config && systemctl reload doed.service");
}

/* -------- polkit -------- */

static void find_no_actions(const DoctorFacts *f, DoctorFindings *l) {
        DoctorFinding *finding = doctor_add(l, "polkit-actions-missing", DOCTOR_WARNING,
                                            "polkit does not know what doed asks: it refuses all of it");

        if (f->polkit.has_file) {
                doctor_why(finding, "%s is there, but polkit has no action org.doed.*", f->polkit.file);
                doctor_do(finding, "systemctl restart polkit.service");
        } else {
                doctor_why(finding, "there is no %s", f->polkit.file);
                doctor_do(finding, "apt install --reinstall doed");
        }
}

static void find_no_owner(const DoctorFacts *f, DoctorFindings *l) {
        DoctorFinding *finding = doctor_add(l, "polkit-owner", DOCTOR_WARNING,
                                            "polkit does not let doed ask: it refuses all of it");

        if (*f->polkit.owner)
                doctor_why(finding, "the owner of the actions org.doed.* is %s, not unix-user:doed",
                           f->polkit.owner);
        else
                doctor_why(finding,
                           "%zu of %zu actions org.doed.* have no annotation "
                           "org.freedesktop.policykit.owner",
                           f->polkit.n_without_owner, f->polkit.n_actions);
        doctor_do(finding, "apt install --reinstall doed\n# look for another file that has these "
                           "actions:\ngrep -ls org.doed /usr/share/polkit-1/actions/*");
}

void doctor_check_polkit(const DoctorFacts *f, DoctorFindings *l) {
        const DoctorAnswer answer = f->polkit.answer;
        DoctorFinding *finding;

        if (f->bus.answer != DOCTOR_ANSWERED || !is_installed(f))
                return;

        if (!f->polkit.is_on_bus && !f->polkit.is_activatable) {
                finding = doctor_add(l, "polkit-absent", DOCTOR_HINT,
                                     "polkit is not there: what only it could allow is denied");
                doctor_why(finding, "nobody is org.freedesktop.PolicyKit1, and the bus cannot start it");
                doctor_do(finding, "# nothing, if only root manages doed; else:\napt install polkitd");
        } else if (answer == DOCTOR_SILENT || answer == DOCTOR_FAILED || answer == DOCTOR_DENIED) {
                finding = doctor_add(l, "polkit-silent", DOCTOR_WARNING,
                                     "polkit does not answer: what doed asks of it is denied");
                doctor_why(finding, "EnumerateActions: %s", f->polkit.error);
                doctor_do(finding, "systemctl restart polkit.service");
        } else if (answer == DOCTOR_ANSWERED ? f->polkit.n_actions == 0 : !f->polkit.has_file) {
                find_no_actions(f, l);
        } else if (answer == DOCTOR_ANSWERED && f->polkit.n_without_owner > 0 &&
                   !(f->doed.has_uid && f->doed.uid == 0)) {
                find_no_owner(f, l);
        }
}

/* -------- group -------- */

/* It runs as somebody else than the user "doed", and serves its owner. */
static bool is_private(const DoctorFacts *f) {
        return f->doed.has_uid && !(f->policy.has_doed_user && f->policy.doed_uid == f->doed.uid);
}

static void find_no_member(const DoctorFacts *f, DoctorFindings *l) {
        DoctorFinding *finding;

        if (f->caller.is_listed) {
                finding = doctor_add(l, "group-relogin", DOCTOR_WARNING,
                                     "%s is in group doe, but this session is not", f->caller.user);
                doctor_why(finding, "the session is older than the membership: \"id -nG\" lacks doe");
                doctor_do(finding, "# log in again, or for this shell only:\nnewgrp doe");
                return;
        }
        finding = doctor_add(l, "group-not-member", DOCTOR_HINT,
                             "%s is not in group doe: doed shows, but hands out nothing", f->caller.user);
        if (*f->doed.rule)
                doctor_why(finding, "rule %s (%s): %s to a read of CDAT", f->doed.rule, f->doed.source,
                           f->doed.verdict);
        else
                doctor_why(finding, "the shipped rules allow root and group doe");
        doctor_do(finding, "# as root, and log in again after it:\nadduser %s doe", f->caller.user);
}

void doctor_check_group(const DoctorFacts *f, DoctorFindings *l) {
        bool is_served = f->caller.uid == 0 || (f->doed.has_uid && f->caller.uid == f->doed.uid);
        DoctorFinding *finding;

        if (f->bus.answer != DOCTOR_ANSWERED || !is_installed(f))
                return;
        if (is(f->doed.verdict, "allow") && !is_served)
                return;

        if (!f->caller.exists && !(is_served && is_private(f))) {
                finding = doctor_add(l, "group-missing", DOCTOR_WARNING,
                                     "There is no group \"doe\": doed serves root only");
                doctor_why(finding, "the group database has none");
                doctor_do(finding, "# as root:\nsystemd-sysusers\nsystemctl reload doed.service");
        } else if (f->caller.exists && !is_served && !f->caller.is_in_session)
                find_no_member(f, l);
}
