/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "client/doctor.h"
#include "client/json.h"
#include "client/units.h"

#define CONFIG_BYTES_PCI 256u
#define LEASE_LONG_USEC  UINT64_C(60000000) /* what a connection has left once somebody waits */
#define ACCESS_READ_ONLY "read-only: "
#define REVOKE_COMMAND                                                                                      \
        "busctl call " DOED_BUS_NAME " %s " DOED_INTERFACE_LEASE " Revoke s 'needed by others'"
#define SYSFS_DEVICE_PATTERN "%s/bus/pci/devices/%s"

static bool has_prefix(const char *s, const char *prefix) {
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_locked(const char *lockdown) {
        return strcmp(lockdown, "integrity") == 0 || strcmp(lockdown, "confidentiality") == 0;
}

static const char *lockdown_of(const DoctorFacts *f) {
        return is_locked(f->doed.lockdown) ? f->doed.lockdown : f->lockdown;
}

void doctor_check_lockdown(const DoctorFacts *f, DoctorFindings *l) {
        const char *level = lockdown_of(f);
        DoctorFinding *finding;

        if (!is_locked(level))
                return;

        finding = doctor_add(l, "lockdown", DOCTOR_WARNING,
                             "The kernel is locked down: no mailbox can be used, only looked at");
        if (level == f->doed.lockdown)
                doctor_why(finding,
                           "doed reads lockdown \"%s\", as usual with Secure Boot, and answers LockedDown "
                           "to exchanges",
                           level);
        else
                doctor_why(finding, "%s/kernel/security/lockdown is \"%s\", as usual with Secure Boot",
                           f->sysfs, level);
        doctor_do(finding,
                  "# switch Secure Boot off, or boot without lockdown= on the kernel's command line");
}

/* -------- what the command line names -------- */

static bool device_has_offset(const json_t *device, long offset) {
        json_t *mailbox;
        size_t i;

        json_array_foreach(json_object_get(device, "mailboxes"), i, mailbox) {
                if (json_uint(mailbox, "offset") == (uint64_t)offset)
                        return true;
        }
        return false;
}

void doctor_check_target(const DoctorFacts *f, DoctorFindings *l) {
        const json_t *device = *f->only ? doctor_find_device(f, f->only) : NULL;
        DoctorFinding *finding;

        if (*f->word && !*f->only && !*f->sysfs_error) {
                finding = doctor_add(l, "target-unknown", DOCTOR_ERROR, "There is no PCI function \"%s\"",
                                     f->word);
                doctor_why(finding, "%s/bus/pci/devices has %zu functions, and none of that name", f->sysfs,
                           f->n_functions);
                doctor_do(finding, "doectl list\nlspci -D");
        } else if (device && f->only_offset >= 0 && !device_has_offset(device, f->only_offset)) {
                finding = doctor_add(l, "target-unknown", DOCTOR_ERROR, "There is no mailbox %s[%lx]",
                                     f->only, (unsigned long)f->only_offset);
                doctor_why(finding, "doed knows no DOE capability of %s at that offset", f->only);
                doctor_do(finding, "doectl show %s", f->only);
        }
}

/* -------- functions that doed does not list -------- */

/* What a function is called where it is not known by name. */
static const char *kind_of(const DoctorFunction *function) {
        return doctor_is_cxl_memory(function) ? "CXL memory device" : "PCI function";
}

static void find_no_extended_config(const DoctorFacts *f, const DoctorFunction *function,
                                    DoctorSeverity severity, DoctorFindings *l) {
        DoctorFinding *finding = doctor_add(l, "no-extended-config", severity,
                                            "%s is a %s without extended configuration space",
                                            function->address, kind_of(function));

        doctor_why(finding,
                   SYSFS_DEVICE_PATTERN "/config has 256 bytes: it is no PCI Express function, or the "
                                        "firmware has no MCFG table, or the emulated machine is an i440fx",
                   f->sysfs, function->address);
        doctor_do(finding, "journalctl -k -b -g 'MCFG|ECAM'\n# in a virtual machine of QEMU: -machine q35");
}

static void find_no_doe(const DoctorFunction *function, DoctorSeverity severity, DoctorFindings *l) {
        DoctorFinding *finding = doctor_add(l, "no-doe-capability", severity, "%s is a %s without a mailbox",
                                            function->address, kind_of(function));

        doctor_why(finding, "%s found no DOE capability in its configuration space",
                   function->doe == DOCTOR_DOE_NO ? "doectl" : "doed");
        doctor_do(finding, "# as root, to see for yourself:\nlspci -vvv -s %s", function->address);
}

static void judge_function(const DoctorFacts *f, const DoctorFunction *function, DoctorFindings *l) {
        const bool is_memory = doctor_is_cxl_memory(function), is_meant = *f->word;
        const bool is_known_whole = doctor_knows_devices(f) && !*f->doed.unavailable;
        const DoctorSeverity severity = is_meant ? DOCTOR_ERROR : DOCTOR_WARNING;
        DoctorFinding *finding;

        if (function->doe != DOCTOR_DOE_YES && !is_memory && !is_meant)
                return;

        if (function->n_config_bytes == CONFIG_BYTES_PCI)
                find_no_extended_config(f, function, severity, l);
        else if (!is_known_whole)
                return;
        else if (function->doe == DOCTOR_DOE_YES) {
                finding = doctor_add(l, "not-listed", severity, "%s has a mailbox that doed does not list",
                                     function->address);
                doctor_why(finding,
                           "its configuration space or " SYSFS_DEVICE_PATTERN "/doe_features has it",
                           f->sysfs, function->address);
                doctor_do(finding, "busctl call org.doed /org/doed org.doed.Manager1 Rescan");
        } else
                find_no_doe(function, severity, l);
}

void doctor_check_sysfs(const DoctorFacts *f, DoctorFindings *l) {
        DoctorFinding *finding;

        if (!*f->sysfs_error)
                return;
        finding = doctor_add(l, "sysfs-missing", DOCTOR_ERROR, "The PCI functions cannot be looked at");
        doctor_why(finding, "%s/bus/pci/devices: %s", f->sysfs, f->sysfs_error);
        doctor_do(finding, "ls %s/bus/pci", f->sysfs);
}

void doctor_check_functions(const DoctorFacts *f, DoctorFindings *l) {
        size_t n_extended = 0;
        DoctorFinding *finding;

        for (size_t i = 0; i < f->n_functions; i++) {
                const DoctorFunction *function = &f->functions[i];

                n_extended += function->n_config_bytes > CONFIG_BYTES_PCI;
                if (doctor_is_selected(f, function->address) && !doctor_find_device(f, function->address))
                        judge_function(f, function, l);
        }

        if (*f->word || *f->sysfs_error || !doctor_knows_devices(f) || *f->doed.unavailable ||
            json_array_size(f->doed.devices) > 0)
                return;
        finding = doctor_add(l, "no-mailboxes", DOCTOR_HINT, "No device of this machine has a mailbox");
        doctor_why(finding,
                   "of %zu PCI functions %zu have extended configuration space, and none of those a DOE "
                   "capability",
                   f->n_functions, n_extended);
        doctor_do(finding,
                  "# nothing, if none was expected; else, for one that has:\ndoectl doctor ADDRESS");
}

/* -------- mailboxes -------- */

static const json_t *find_lease(const DoctorFacts *f, const char *mailbox, const char *scope) {
        json_t *lease;
        size_t i;

        json_array_foreach(f->doed.leases, i, lease) {
                if (strcmp(json_text(lease, "mailbox"), mailbox) == 0 &&
                    strcmp(json_text(lease, "scope"), scope) == 0)
                        return lease;
        }
        return NULL;
}

static void find_dead(const DoctorFacts *f, const char *name, const char *reason, DoctorFindings *l) {
        DoctorFinding *finding = doctor_add(l, "mailbox-dead", DOCTOR_ERROR,
                                            "%s is dead: it did not obey an abort", name);

        doctor_why(finding, "%s", reason);
        doctor_do(finding,
                  "doectl recover '%s'\n# if it stays dead, reset the function, which its driver may not "
                  "survive:\necho 1 >%s/bus/pci/devices/%.*s/reset",
                  name, f->sysfs, (int)strcspn(name, "["), name);
}

static void find_recovering(const DoctorFacts *f, const char *name, const char *reason, DoctorFindings *l) {
        DoctorFinding *finding = doctor_add(l, "mailbox-recovering", DOCTOR_WARNING,
                                            "%s recovers from failures and serves nobody now", name);

        doctor_why(finding, "%s", reason);
        doctor_do(finding, "doectl show '%s'\n# to go on at once:\ndoectl recover '%s'", name, name);
}

static void find_waiting(const DoctorFacts *f, const char *name, const char *reason, DoctorFindings *l) {
        DoctorFinding *finding = doctor_add(l, "mailbox-waiting", DOCTOR_WARNING,
                                            "Somebody besides doed uses the registers of %s", name);

        doctor_why(finding, "%s", reason);
        doctor_do(finding,
                  "doectl show '%s'\n# stop the tool or driver that uses it; doed then goes on by itself",
                  name);
}

static void find_kernel(const DoctorFacts *f, const char *name, const char *reason, DoctorFindings *l) {
        DoctorFinding *finding =
                        doctor_add(l, "mailbox-kernel", DOCTOR_HINT, "The kernel is at work on %s", name);

        doctor_why(finding, "%s", reason);
        doctor_do(finding, "# nothing: doed goes on some seconds after the kernel has ended");
}

static void find_inhibited(const DoctorFacts *f, const char *name, const char *reason, DoctorFindings *l) {
        const json_t *lease = find_lease(f, name, "registers");
        DoctorFinding *finding = doctor_add(l, "mailbox-inhibited", DOCTOR_HINT,
                                            "The registers of %s were handed to a tool", name);

        if (!lease) {
                doctor_why(finding, "%s", reason);
                doctor_do(finding, "doectl show '%s'", name);
                return;
        }
        doctor_why(finding, "uid %" PRIu64 " has them: \"%s\"", json_uint(lease, "uid"),
                   json_text(lease, "why"));
        doctor_do(finding, "# wait, or take them back:\n" REVOKE_COMMAND, json_text(lease, "path"));
}

static void find_starting(const DoctorFacts *f, const char *name, const char *reason, DoctorFindings *l) {
        DoctorFinding *finding =
                        doctor_add(l, "mailbox-starting", DOCTOR_HINT, "%s is being taken over", name);

        doctor_why(finding, "%s", reason);
        doctor_do(finding, "# a moment later:\ndoectl doctor '%s'", name);
}

static const struct {
        const char *state;
        void (*find)(const DoctorFacts *f, const char *name, const char *reason, DoctorFindings *l);
} states[] = {
        { "dead", find_dead },     { "recovering", find_recovering }, { "waiting", find_waiting },
        { "kernel", find_kernel }, { "inhibited", find_inhibited },   { "starting", find_starting },
};

static void judge_mailbox(const DoctorFacts *f, const json_t *mailbox, DoctorFindings *l) {
        const char *state = json_text(mailbox, "state"), *said = json_text(mailbox, "state-reason");
        _cleanup_free_ char *reason =
                        *said ? memory_copy(said) : memory_format("doed says that it is \"%s\"", state);

        for (size_t i = 0; i < ELEMENTS(states); i++)
                if (strcmp(state, states[i].state) == 0)
                        states[i].find(f, json_text(mailbox, "mailbox"), reason, l);
}

void doctor_check_mailboxes(const DoctorFacts *f, DoctorFindings *l) {
        json_t *device, *mailbox;
        size_t i, j;

        json_array_foreach(f->doed.devices, i, device) {
                json_array_foreach(json_object_get(device, "mailboxes"), j, mailbox) {
                        if (doctor_is_selected_mailbox(f, json_text(device, "address"),
                                                       json_uint(mailbox, "offset")))
                                judge_mailbox(f, mailbox, l);
                }
        }
}

/* -------- devices -------- */

void doctor_check_access(const DoctorFacts *f, DoctorFindings *l) {
        DoctorFinding *finding;
        json_t *device;
        size_t i;

        if (is_locked(lockdown_of(f)))
                return;

        json_array_foreach(f->doed.devices, i, device) {
                const char *address = json_text(device, "address"), *access = json_text(device, "access");

                if (!has_prefix(access, ACCESS_READ_ONLY) || !doctor_is_selected(f, address))
                        continue;
                access += strlen(ACCESS_READ_ONLY);
                if (has_prefix(access, "rule ")) {
                        finding = doctor_add(l, "never-taken-over", DOCTOR_HINT,
                                             "%s is left alone, as the configuration says", address);
                        doctor_do(finding, "# nothing; or remove its TakeOver=never, then:\nsystemctl "
                                           "reload doed.service");
                } else {
                        finding = doctor_add(l, "read-only", DOCTOR_WARNING, "%s can only be read", address);
                        doctor_do(finding,
                                  "cat %s/kernel/security/lockdown\njournalctl -b -u doed-pci.service -g %s",
                                  f->sysfs, address);
                }
                doctor_why(finding, "%s", access);
        }
}

static void find_owned(const json_t *device, const char *evidence, DoctorFindings *l) {
        const char *address = json_text(device, "address"), *id = "spdm-tsm";
        DoctorFinding *finding;

        if (has_prefix(evidence, "IDE "))
                id = "spdm-ide";
        else if (has_prefix(json_text(device, "driver"), "vfio"))
                id = "spdm-vfio";

        finding = doctor_add(l, id, DOCTOR_HINT, "SPDM of %s is not doed's to use", address);
        doctor_why(finding, "%s; doed answers KernelOwned, since GET_VERSION would end that session",
                   evidence);
        doctor_do(finding, "# nothing; or, if no session can be there, lend it by a rule with "
                           "KernelOverride=yes:\nman 5 doed.conf");
}

void doctor_check_owners(const DoctorFacts *f, DoctorFindings *l) {
        json_t *device;
        size_t i;

        json_array_foreach(f->doed.devices, i, device) {
                const char *address = json_text(device, "address"), *driver = json_text(device, "driver");
                const char *evidence = json_text(f->doed.owned, address);
                DoctorFinding *finding;

                if (!doctor_is_selected(f, address))
                        continue;
                if (*evidence)
                        find_owned(device, evidence, l);
                else if (has_prefix(driver, "vfio")) {
                        finding = doctor_add(
                                        l, "vfio", DOCTOR_HINT,
                                        "%s is lent to a virtual machine, which may use its mailbox too",
                                        address);
                        doctor_why(finding, "its driver is %s", driver);
                        doctor_do(finding, "# nothing; or leave it to the machine by a rule with "
                                           "TakeOver=never:\nman 5 doed.conf");
                }
        }
}

void doctor_check_leases(const DoctorFacts *f, DoctorFindings *l) {
        json_t *lease;
        size_t i;

        json_array_foreach(f->doed.leases, i, lease) {
                const char *name = json_text(lease, "mailbox");
                _cleanup_free_ char *address = memory_format("%.*s", (int)strcspn(name, "["), name);
                const uint64_t n_waiters = json_uint(lease, "waiters"),
                               since = json_uint(lease, "since-usec");
                const uint64_t age_usec = f->now_usec > since ? f->now_usec - since : 0;
                _cleanup_free_ char *age = units_format_duration(age_usec);
                DoctorFinding *finding;

                if (n_waiters == 0 || age_usec <= LEASE_LONG_USEC || !doctor_is_selected(f, address))
                        continue;
                finding = doctor_add(l, "lease-held", DOCTOR_WARNING,
                                     "%s is leased for %s, and %" PRIu64 " wait for it", name, age,
                                     n_waiters);
                doctor_why(finding, "uid %" PRIu64 " has its %s: %s%s%s", json_uint(lease, "uid"),
                           json_text(lease, "scope"), json_text(lease, "path"),
                           *json_text(lease, "unit") ? ", " : "", json_text(lease, "unit"));
                doctor_do(finding, "# wait for its end, or end it:\n" REVOKE_COMMAND,
                          json_text(lease, "path"));
        }
}
