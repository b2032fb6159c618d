/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "client/doctor-view.h"
#include "client/doctor.h"
#include "client/json.h"
#include "tests/unit/suite.h"

#define NOW_USEC UINT64_C(1700000000000000)

static DoctorFacts facts;
static DoctorFindings findings;

static const char two_devices[] =
                "[{\"address\": \"0000:3a:00.0\", \"access\": \"read-write\", \"driver\": \"cxl_pci\","
                "  \"mailboxes\": [{\"mailbox\": \"0000:3a:00.0[160]\", \"offset\": 352, \"state\": "
                "\"ready\"}]},"
                " {\"address\": \"0000:3b:00.0\", \"access\": \"read-write\", \"driver\": \"nvme\","
                "  \"mailboxes\": [{\"mailbox\": \"0000:3b:00.0[150]\", \"offset\": 336, \"state\": "
                "\"ready\"}]}]";

static json_t *load(const char *text) {
        json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

        ck_assert_ptr_nonnull(value);
        return value;
}

/* A machine with nothing wrong, and a caller in the group. */
static void begin(void) {
        const DoctorUnit running = { "loaded", "active", "running", "success" };

        doctor_facts_init(&facts);
        facts.now_usec = NOW_USEC;
        facts.waited_usec = 2000000;
        facts.bus.answer = DOCTOR_ANSWERED;
        facts.has_systemd = true;
        facts.doed_unit = facts.pci_unit = facts.socket_unit = running;
        facts.doed.is_on_bus = facts.doed.is_activatable = facts.doed.is_ready = facts.doed.has_uid = true;
        facts.doed.answer = DOCTOR_ANSWERED;
        facts.doed.uid = facts.policy.doed_uid = 990;
        facts.doed.version = DOED_VERSION;
        facts.doed.lockdown = facts.lockdown = "none";
        facts.doed.verdict = "allow";
        facts.doed.devices = load(two_devices);
        facts.doed.leases = load("[]");
        facts.doed.owned = load("{}");
        facts.policy.has_policy = facts.policy.has_doed_user = true;
        facts.policy.folders = "/usr/share/dbus-1/system.d";
        facts.polkit.is_on_bus = facts.polkit.has_file = true;
        facts.polkit.answer = DOCTOR_ANSWERED;
        facts.polkit.n_actions = 4;
        facts.caller.exists = facts.caller.is_listed = facts.caller.is_in_session = true;
        facts.caller.uid = 1000;
        facts.caller.user = "alice";
        facts.config.answer = DOCTOR_ANSWERED;
        facts.config.errors = load("[]");
        facts.sysfs = "/sys";
}

static void end(void) {
        doctor_findings_done(&findings);
        doctor_facts_done(&facts);
}

/* nothing of doed runs, but all of it is installed */
static void stop_doed(void) {
        const DoctorUnit stopped = { "loaded", "inactive", "dead", "success" };

        facts.doed_unit = stopped;
        facts.doed.is_on_bus = facts.doed.is_ready = facts.doed.has_uid = false;
        facts.doed.answer = DOCTOR_NOT_ASKED;
        facts.doed.version = facts.doed.lockdown = facts.doed.verdict = "";
        json_decref(facts.doed.devices);
        json_decref(facts.doed.leases);
        json_decref(facts.doed.owned);
        facts.doed.devices = facts.doed.leases = facts.doed.owned = NULL;
}

static void set_devices(const char *text) {
        json_decref(facts.doed.devices);
        facts.doed.devices = load(text);
}

static void set_state(const char *state, const char *reason) {
        json_t *mailbox = json_array_get(json_object_get(json_array_get(facts.doed.devices, 0), "mailboxes"),
                                         0);

        json_put(mailbox, "state", json_from_text(state));
        json_put(mailbox, "state-reason", json_from_text(reason));
}

static void set_device(const char *key, const char *value) {
        json_put(json_array_get(facts.doed.devices, 0), key, json_from_text(value));
}

static const DoctorFinding *find(const char *id) {
        for (size_t i = 0; i < findings.n; i++)
                if (strcmp(findings.all[i].id, id) == 0)
                        return &findings.all[i];
        return NULL;
}

/* Judge: @id must be all that is found, with these words in it. NULL: any. */
static void expect_only(const char *id, DoctorSeverity severity, const char *what, const char *why,
                        const char *remedy) {
        doctor_judge(&facts, &findings);
        for (size_t i = 0; i < findings.n; i++)
                ck_assert_msg(strcmp(findings.all[i].id, id) == 0, "found besides: %s (%s)",
                              findings.all[i].id, findings.all[i].what);
        ck_assert_msg(findings.n > 0, "%s is not found", id);
        ck_assert_uint_eq(findings.n, 1);
        ck_assert_int_eq(findings.all[0].severity, severity);
        ck_assert_msg(!what || strstr(findings.all[0].what, what), "what: %s", findings.all[0].what);
        ck_assert_msg(!why || strstr(findings.all[0].why, why), "why: %s", findings.all[0].why);
        ck_assert_msg(!remedy || strstr(findings.all[0].remedy, remedy), "do: %s", findings.all[0].remedy);
        end();
}

static void expect_nothing(void) {
        doctor_judge(&facts, &findings);
        ck_assert_msg(findings.n == 0, "found: %s (%s)", findings.n ? findings.all[0].id : "",
                      findings.n ? findings.all[0].what : "");
        end();
}

START_TEST(nothing_is_found_where_nothing_is_wrong) {
        begin();
        expect_nothing();
}
END_TEST

/* -------- the bus -------- */

static void begin_without_bus(DoctorAnswer answer, const char *error) {
        begin();
        stop_doed();
        facts.has_systemd = facts.doed.is_activatable = false;
        facts.doed_unit = facts.pci_unit = facts.socket_unit = (DoctorUnit){ "", "", "", "" };
        facts.polkit.is_on_bus = false;
        facts.polkit.answer = DOCTOR_NOT_ASKED;
        facts.bus.answer = answer;
        facts.bus.address = "unix:path=/run/bus";
        facts.bus.error = error;
}

START_TEST(missing_refusing_silent_and_denying_bus_are_told_apart) {
        begin_without_bus(DOCTOR_ABSENT, "No such file or directory");
        expect_only("bus-absent", DOCTOR_ERROR, "not there", "/run/bus: No such file", "dbus.socket");
        begin_without_bus(DOCTOR_REFUSED, "Connection refused");
        expect_only("bus-refused", DOCTOR_ERROR, "Nobody listens", "Connection refused", "dbus.socket");
        begin_without_bus(DOCTOR_SILENT, "");
        expect_only("bus-silent", DOCTOR_ERROR, "does not answer", "within 2 s", "systemctl status");
        begin_without_bus(DOCTOR_DENIED, "Permission denied");
        expect_only("bus-failed", DOCTOR_ERROR, NULL, "Permission denied", NULL);
        begin_without_bus(DOCTOR_FAILED, "Input/output error");
        expect_only("bus-failed", DOCTOR_ERROR, "reached", "Input/output error", NULL);
}
END_TEST

START_TEST(bus_that_the_environment_names_is_not_advised_to_be_started) {
        begin_without_bus(DOCTOR_ABSENT, "No such file or directory");
        facts.bus.is_of_environment = true;
        expect_only("bus-absent", DOCTOR_ERROR, NULL, "DBUS_SYSTEM_BUS_ADDRESS is set",
                    "unset DBUS_SYSTEM_BUS_ADDRESS");
}
END_TEST

START_TEST(sysfs_without_functions_is_an_error) {
        begin();
        facts.sysfs_error = "No such file or directory";
        expect_only("sysfs-missing", DOCTOR_ERROR, NULL, "/sys/bus/pci/devices: No such", "ls /sys");
}
END_TEST

START_TEST(check_that_came_to_nothing_is_not_taken_for_a_right_configuration) {
        begin();
        facts.config.answer = DOCTOR_FAILED;
        facts.config.error = "doed --check-config was killed by signal 11";
        expect_only("config-unchecked", DOCTOR_WARNING, "could not be checked", "signal 11",
                    "--check-config");
}
END_TEST

/* -------- doed is not there -------- */

START_TEST(doed_that_the_bus_can_start_is_a_hint) {
        begin();
        stop_doed();
        expect_only("doed-not-running", DOCTOR_HINT, "first call starts it", "inactive (dead)",
                    "doectl list");
}
END_TEST

START_TEST(doed_that_nobody_can_start_is_an_error) {
        begin();
        stop_doed();
        facts.doed.is_activatable = false;
        expect_only("doed-not-activatable", DOCTOR_ERROR, NULL, "no service file", "systemctl start");
        begin();
        stop_doed();
        facts.has_systemd = false;
        facts.doed_unit = (DoctorUnit){ "", "", "", "" };
        expect_only("doed-without-systemd", DOCTOR_ERROR, NULL, "systemd", "by hand");
        begin();
        stop_doed();
        facts.doed_unit.load = "masked";
        expect_only("doed-masked", DOCTOR_ERROR, NULL, "masked", "unmask");
}
END_TEST

START_TEST(doed_that_is_not_installed_is_all_that_is_said) {
        begin();
        stop_doed();
        facts.doed.is_activatable = false;
        facts.doed_unit.load = "not-found";
        facts.policy.has_policy = facts.policy.has_doed_user = facts.polkit.has_file = facts.caller.exists =
                        false;
        facts.polkit.n_actions = 0;
        expect_only("doed-not-installed", DOCTOR_ERROR, NULL, "no doed.service", "apt install doed");
}
END_TEST

START_TEST(failed_unit_is_shown_with_its_result) {
        begin();
        stop_doed();
        facts.doed_unit = (DoctorUnit){ "loaded", "failed", "failed", "watchdog" };
        expect_only("doed-failed", DOCTOR_ERROR, NULL, "failed (failed), result watchdog", "journalctl");
        begin();
        stop_doed();
        facts.doed_unit = (DoctorUnit){ "loaded", "activating", "auto-restart", "exit-code" };
        expect_only("doed-failed", DOCTOR_ERROR, NULL, "auto-restart), result exit-code", "reload dbus");
        begin();
        stop_doed();
        facts.doed_unit = (DoctorUnit){ "loaded", "activating", "start", "success" };
        expect_only("doed-starting", DOCTOR_HINT, NULL, "activating (start)", NULL);
}
END_TEST

START_TEST(bus_policy_is_looked_for_where_doed_is_not_on_the_bus) {
        begin();
        stop_doed();
        facts.doed_unit = (DoctorUnit){ "loaded", "failed", "failed", "exit-code" };
        facts.policy.has_policy = false;
        doctor_judge(&facts, &findings);
        ck_assert_ptr_nonnull(find("doed-failed"));
        ck_assert_ptr_nonnull(find("bus-policy-missing"));
        ck_assert_ptr_nonnull(strstr(find("bus-policy-missing")->why, "/usr/share/dbus-1/system.d"));
        end();

        begin();
        stop_doed();
        facts.doed_unit = (DoctorUnit){ "loaded", "failed", "failed", "exit-code" };
        facts.policy.has_doed_user = false;
        doctor_judge(&facts, &findings);
        ck_assert_ptr_nonnull(find("doed-user-missing"));
        ck_assert_ptr_nonnull(strstr(find("doed-user-missing")->remedy, "systemd-sysusers"));
        end();

        begin(); /* somebody else's package has it elsewhere */
        facts.policy.has_policy = false;
        expect_nothing();
}
END_TEST

/* -------- doed answers otherwise -------- */

START_TEST(silent_denied_and_failing_doed_are_told_apart) {
        begin();
        stop_doed();
        facts.doed_unit = facts.pci_unit;
        facts.doed.is_on_bus = true;
        facts.doed.answer = DOCTOR_SILENT;
        expect_only("doed-silent", DOCTOR_ERROR, NULL, "within 2 s; doed.service is active (running)",
                    "systemctl restart doed.service");
        begin();
        stop_doed();
        facts.doed.is_on_bus = true;
        facts.doed.answer = DOCTOR_DENIED;
        facts.doed.error = "Rejected send message, 1 matched rules";
        expect_only("bus-policy-denies", DOCTOR_ERROR, NULL, "1 matched rules", "grep");
        begin();
        stop_doed();
        facts.doed.is_on_bus = true;
        facts.doed.answer = DOCTOR_FAILED;
        facts.doed.error = "Unknown object";
        expect_only("doed-wrong", DOCTOR_ERROR, NULL, "Unknown object", "journalctl");
}
END_TEST

START_TEST(another_version_of_doed_is_a_hint) {
        begin();
        facts.doed.version = "99.1";
        expect_only("version-differs", DOCTOR_HINT, "doed 99.1", NULL, "systemctl restart");
}
END_TEST

START_TEST(missing_doed_pci_is_shown_with_its_units) {
        begin();
        facts.doed.unavailable = "nobody listens on /run/doed-pci/wire";
        facts.socket_unit = (DoctorUnit){ "loaded", "failed", "failed", "service-start-limit-hit" };
        facts.pci_unit = (DoctorUnit){ "loaded", "failed", "failed", "exit-code" };
        set_state("untouched", "nobody listens on /run/doed-pci/wire");
        expect_only("doed-pci-down", DOCTOR_ERROR, "no device can be reached",
                    "nobody listens on /run/doed-pci/wire; doed-pci.service is failed (failed), result "
                    "exit-code; "
                    "doed-pci.socket is failed",
                    "systemctl restart doed-pci.socket");
        begin(); /* nothing tells where there is no device */
        set_devices("[]");
        facts.socket_unit.active = facts.pci_unit.active = "inactive";
        doctor_judge(&facts, &findings);
        ck_assert_ptr_nonnull(find("doed-pci-down"));
        end();
}
END_TEST

START_TEST(doed_pci_of_another_version_is_told_with_both) {
        begin();
        facts.doed.unavailable = "doed-pci 0.2 speaks version 3 of the wire, doed 0.1 version 2";
        expect_only("doed-pci-version", DOCTOR_ERROR, NULL, "version 3 of the wire, doed 0.1 version 2",
                    "restart doed-pci.service doed.service");
}
END_TEST

START_TEST(enumeration_under_way_is_a_hint) {
        begin();
        facts.doed.is_ready = false;
        expect_only("enumerating", DOCTOR_HINT, NULL, NULL, NULL);
}
END_TEST

START_TEST(wrong_configuration_is_told_by_file_and_line) {
        begin();
        json_decref(facts.config.errors);
        facts.config.errors =
                        load("[\"/etc/doed/doed.conf:3: unknown key\", \"b:1: x\", \"c:1: y\", \"d:1: z\"]");
        expect_only("config-wrong", DOCTOR_ERROR, NULL,
                    "doed.conf:3: unknown key\nb:1: x\nc:1: y\nand 1 more",
                    "doed --check-config && systemctl reload doed.service");
        begin();
        json_array_append_new(facts.config.errors, json_string("d/doed.conf:3: unknown key"));
        facts.config.folder = "d";
        expect_only("config-wrong", DOCTOR_ERROR, NULL, NULL, "doed --check-config --config d");
        begin(); /* only the client is installed here */
        facts.config.answer = DOCTOR_ABSENT;
        expect_nothing();
}
END_TEST

/* -------- polkit -------- */

START_TEST(missing_polkit_is_a_hint) {
        begin();
        facts.polkit.is_on_bus = false;
        facts.polkit.answer = DOCTOR_NOT_ASKED;
        expect_only("polkit-absent", DOCTOR_HINT, NULL, "org.freedesktop.PolicyKit1", "polkitd");
        begin();
        facts.polkit.is_on_bus = false;
        facts.polkit.is_activatable = true;
        facts.polkit.answer = DOCTOR_NOT_ASKED;
        expect_nothing();
}
END_TEST

START_TEST(polkit_without_the_actions_is_a_warning) {
        begin();
        facts.polkit.n_actions = 0;
        facts.polkit.file = "/usr/share/polkit-1/actions/org.doed.policy";
        expect_only("polkit-actions-missing", DOCTOR_WARNING, NULL, "is there, but polkit",
                    "restart polkit");
        begin();
        facts.polkit.is_on_bus = facts.polkit.has_file = false;
        facts.polkit.is_activatable = true;
        facts.polkit.answer = DOCTOR_NOT_ASKED;
        facts.polkit.file = "/usr/share/polkit-1/actions/org.doed.policy";
        expect_only("polkit-actions-missing", DOCTOR_WARNING, NULL, "there is no /usr/share", "reinstall");
}
END_TEST

START_TEST(actions_that_doed_does_not_own_are_a_warning) {
        begin();
        facts.polkit.n_without_owner = 1;
        expect_only("polkit-owner", DOCTOR_WARNING, NULL, "1 of 4 actions", "reinstall");
        begin();
        facts.polkit.n_without_owner = 4;
        facts.polkit.owner = "unix-user:root";
        expect_only("polkit-owner", DOCTOR_WARNING, NULL, "is unix-user:root, not unix-user:doed", NULL);
        begin(); /* root may ask about anybody */
        facts.polkit.n_without_owner = 4;
        facts.doed.uid = facts.caller.uid = 0;
        expect_nothing();
}
END_TEST

START_TEST(silent_polkit_is_a_warning) {
        begin();
        facts.polkit.answer = DOCTOR_SILENT;
        facts.polkit.error = "Connection timed out";
        expect_only("polkit-silent", DOCTOR_WARNING, NULL, "timed out", "systemctl restart polkit");
}
END_TEST

/* -------- group -------- */

START_TEST(missing_group_is_a_warning_but_of_a_private_doed) {
        begin();
        facts.caller.exists = facts.caller.is_listed = facts.caller.is_in_session = false;
        facts.doed.verdict = "deny";
        expect_only("group-missing", DOCTOR_WARNING, NULL, NULL, "systemd-sysusers");
        begin();
        facts.caller.exists = facts.caller.is_listed = facts.caller.is_in_session = false;
        facts.caller.uid = 0;
        expect_only("group-missing", DOCTOR_WARNING, NULL, NULL, NULL);
        begin();
        facts.caller.exists = facts.caller.is_listed = facts.caller.is_in_session = false;
        facts.caller.uid = facts.doed.uid = 1000;
        expect_nothing();
}
END_TEST

START_TEST(session_older_than_the_membership_is_to_log_in_again) {
        begin();
        facts.caller.is_in_session = false;
        facts.doed.verdict = "deny";
        expect_only("group-relogin", DOCTOR_WARNING, "alice is in group doe", NULL, "log in again");
}
END_TEST

START_TEST(who_is_not_in_the_group_hears_of_the_rule) {
        begin();
        facts.caller.is_listed = facts.caller.is_in_session = false;
        facts.doed.verdict = "deny";
        facts.doed.rule = "default-deny";
        facts.doed.source = "built-in:61";
        expect_only("group-not-member", DOCTOR_HINT, "alice is not in group doe",
                    "default-deny (built-in:61)", "adduser alice doe");
        begin(); /* a rule serves him all the same */
        facts.caller.is_listed = facts.caller.is_in_session = false;
        expect_nothing();
        begin();
        facts.caller.is_listed = facts.caller.is_in_session = false;
        facts.caller.uid = 0;
        expect_nothing();
}
END_TEST

/* -------- devices -------- */

START_TEST(lockdown_is_a_warning_also_without_doed) {
        begin();
        facts.doed.lockdown = "integrity";
        set_device("access", "read-only: kernel lockdown is integrity");
        set_state("read-only", "kernel lockdown is integrity");
        expect_only("lockdown", DOCTOR_WARNING, NULL, "\"integrity\"", "Secure Boot");
        begin_without_bus(DOCTOR_ABSENT, "No such file or directory");
        facts.lockdown = "confidentiality";
        doctor_judge(&facts, &findings);
        ck_assert_ptr_nonnull(find("lockdown"));
        end();
}
END_TEST

START_TEST(each_state_of_a_mailbox_has_its_finding) {
        static const struct {
                const char *state, *id;
                DoctorSeverity severity;
                const char *remedy;
        } cases[] = {
                { "dead", "mailbox-dead", DOCTOR_ERROR, "doectl recover '0000:3a:00.0[160]'" },
                { "recovering", "mailbox-recovering", DOCTOR_WARNING, "doectl recover '0000:3a:00.0[160]'" },
                { "waiting", "mailbox-waiting", DOCTOR_WARNING, "# stop the tool or driver" },
                { "kernel", "mailbox-kernel", DOCTOR_HINT, "# nothing" },
                { "inhibited", "mailbox-inhibited", DOCTOR_HINT, "doectl show '0000:3a:00.0[160]'" },
                { "starting", "mailbox-starting", DOCTOR_HINT, "doectl doctor '0000:3a:00.0[160]'" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                begin();
                set_state(cases[i].state, "Status 00000001");
                expect_only(cases[i].id, cases[i].severity, "0000:3a:00.0[160]", "Status 00000001",
                            cases[i].remedy);
        }
        begin();
        set_state("untouched", "");
        expect_nothing();
}
END_TEST

START_TEST(who_has_the_registers_is_named) {
        begin();
        set_state("inhibited", "lease 5");
        json_decref(facts.doed.leases);
        facts.doed.leases =
                        load("[{\"path\": \"/org/doed/lease/5\", \"mailbox\": \"0000:3a:00.0[160]\","
                             "  \"scope\": \"registers\", \"uid\": 1001, \"why\": \"firmware update\"}]");
        expect_only("mailbox-inhibited", DOCTOR_HINT, NULL, "uid 1001 has them: \"firmware update\"",
                    "busctl call org.doed /org/doed/lease/5 org.doed.Lease1 Revoke s");
}
END_TEST

static void lease(uint64_t age_usec, unsigned n_waiters) {
        char text[256];

        snprintf(text, sizeof(text),
                 "[{\"path\": \"/org/doed/lease/7\", \"mailbox\": \"0000:3b:00.0[150]\", \"scope\": "
                 "\"feature\","
                 "  \"uid\": 1001, \"unit\": \"agent.service\", \"waiters\": %u, \"since-usec\": %llu}]",
                 n_waiters, (unsigned long long)(NOW_USEC - age_usec));
        json_decref(facts.doed.leases);
        facts.doed.leases = load(text);
}

START_TEST(long_lease_is_a_warning_if_somebody_waits) {
        begin();
        lease(61000000, 2);
        expect_only("lease-held", DOCTOR_WARNING, "0000:3b:00.0[150] is leased for 61 s, and 2 wait",
                    "uid 1001 has its feature: /org/doed/lease/7, agent.service", "/org/doed/lease/7");
        begin();
        lease(61000000, 0);
        expect_nothing();
        begin();
        lease(59000000, 2);
        expect_nothing();
}
END_TEST

START_TEST(spdm_of_others_is_told_apart_by_whose_it_is) {
        begin();
        json_put(facts.doed.owned, "0000:3a:00.0", json_from_text("the kernel has tsm/connect for it"));
        expect_only("spdm-tsm", DOCTOR_HINT, "SPDM of 0000:3a:00.0", "tsm/connect", "KernelOverride");
        begin();
        json_put(facts.doed.owned, "0000:3a:00.0", json_from_text("IDE selective stream 0 is secure"));
        expect_only("spdm-ide", DOCTOR_HINT, NULL, "stream 0 is secure", "KernelOverride");
        begin();
        set_device("driver", "vfio-pci");
        json_put(facts.doed.owned, "0000:3a:00.0", json_from_text("it is bound to vfio-pci"));
        expect_only("spdm-vfio", DOCTOR_HINT, NULL, "vfio-pci", "KernelOverride");
        begin();
        set_device("driver", "vfio-pci");
        expect_only("vfio", DOCTOR_HINT, "0000:3a:00.0 is lent to a virtual machine", "vfio-pci", NULL);
}
END_TEST

START_TEST(device_that_is_left_alone_by_a_rule_is_a_hint) {
        begin();
        set_device("access", "read-only: rule hands-off (/etc/doed/doed.conf:4)");
        expect_only("never-taken-over", DOCTOR_HINT, "0000:3a:00.0",
                    "rule hands-off (/etc/doed/doed.conf:4)", "TakeOver=never");
        begin();
        set_device("access", "read-only: Configuration writes are refused");
        expect_only("read-only", DOCTOR_WARNING, "0000:3a:00.0", "writes are refused", "journalctl");
}
END_TEST

/* -------- functions that doed does not list -------- */

static void function(const char *address, uint32_t class_code, uint64_t n_config_bytes, DoctorDoe doe) {
        doctor_add_function(&facts, &(DoctorFunction){ .address = address,
                                                       .driver = "",
                                                       .class_code = class_code,
                                                       .n_config_bytes = n_config_bytes,
                                                       .doe = doe });
}

START_TEST(cxl_memory_without_extended_configuration_is_a_warning) {
        begin();
        function("0000:00:04.0", 0x050210, 256, DOCTOR_DOE_UNKNOWN);
        expect_only("no-extended-config", DOCTOR_WARNING, "0000:00:04.0 is a CXL memory device", "MCFG",
                    "q35");
        begin_without_bus(DOCTOR_ABSENT, "");
        function("0000:00:04.0", 0x050210, 256, DOCTOR_DOE_UNKNOWN);
        doctor_judge(&facts, &findings);
        ck_assert_ptr_nonnull(find("no-extended-config"));
        end();
        begin(); /* nobody expects a mailbox of it */
        function("0000:00:1f.0", 0x060100, 256, DOCTOR_DOE_UNKNOWN);
        expect_nothing();
}
END_TEST

START_TEST(cxl_memory_without_a_mailbox_is_a_warning) {
        begin();
        function("0000:0d:00.0", 0x050210, 4096, DOCTOR_DOE_UNKNOWN);
        expect_only("no-doe-capability", DOCTOR_WARNING, "0000:0d:00.0", "doed found no DOE", "lspci -vvv");
        begin(); /* doed lists it */
        function("0000:3a:00.0", 0x050210, 4096, DOCTOR_DOE_UNKNOWN);
        expect_nothing();
}
END_TEST

START_TEST(mailbox_that_doed_does_not_list_is_a_warning) {
        begin();
        function("0000:0d:00.0", 0x010802, 4096, DOCTOR_DOE_YES);
        expect_only("not-listed", DOCTOR_WARNING, "0000:0d:00.0", NULL, "Rescan");
        begin(); /* not as long as doed cannot know */
        facts.doed.is_ready = false;
        function("0000:0d:00.0", 0x010802, 4096, DOCTOR_DOE_YES);
        expect_only("enumerating", DOCTOR_HINT, NULL, NULL, NULL);
}
END_TEST

START_TEST(machine_without_mailboxes_is_a_hint) {
        begin();
        set_devices("[]");
        function("0000:00:00.0", 0x060000, 256, DOCTOR_DOE_UNKNOWN);
        function("0000:00:01.0", 0x010802, 4096, DOCTOR_DOE_UNKNOWN);
        expect_only("no-mailboxes", DOCTOR_HINT, NULL, "of 2 PCI functions 1 ", NULL);
}
END_TEST

/* -------- limited to one -------- */

static void select_word(const char *word) {
        Failure failure = {};

        ck_assert_int_eq(doctor_select(&facts, word, &failure), 0);
        failure_done(&failure);
}

START_TEST(only_what_is_named_is_looked_at) {
        begin();
        set_state("dead", "");
        select_word("3b:00.0");
        expect_nothing();
        begin();
        set_state("dead", "");
        select_word("3a:00");
        expect_only("mailbox-dead", DOCTOR_ERROR, NULL, NULL, NULL);
        begin();
        set_state("dead", "");
        select_word("0000:3a:00.0[160]");
        expect_only("mailbox-dead", DOCTOR_ERROR, NULL, NULL, NULL);
}
END_TEST

START_TEST(named_function_without_a_mailbox_is_an_error) {
        begin();
        function("0000:00:1f.0", 0x060100, 256, DOCTOR_DOE_UNKNOWN);
        select_word("1f.0");
        expect_only("no-extended-config", DOCTOR_ERROR, "0000:00:1f.0 is a PCI function", "256 bytes", NULL);
        begin();
        function("0000:01:00.0", 0x010802, 4096, DOCTOR_DOE_NO);
        select_word("0000:01:00.0");
        expect_only("no-doe-capability", DOCTOR_ERROR, NULL, "doectl found no DOE", NULL);
}
END_TEST

START_TEST(what_is_not_there_is_found_to_be_so) {
        begin();
        function("0000:01:00.0", 0x010802, 4096, DOCTOR_DOE_NO);
        select_word("77:00.0");
        expect_only("target-unknown", DOCTOR_ERROR, "77:00.0", "1 functions", "doectl list");
        begin();
        select_word("0000:3a:00.0[1a0]");
        expect_only("target-unknown", DOCTOR_ERROR, "0000:3a:00.0[1a0]", NULL, "doectl show 0000:3a:00.0");
}
END_TEST

START_TEST(what_may_be_several_is_refused) {
        Failure failure = {};

        begin();
        ck_assert_int_lt(doctor_select(&facts, "00.0", &failure), 0);
        ck_assert(failure_is(&failure, FAILURE_INVALID_ARGS));
        end();
        begin();
        function("0000:01:00.0", 0, 4096, DOCTOR_DOE_NO);
        function("0000:01:00.1", 0, 4096, DOCTOR_DOE_NO);
        ck_assert_int_lt(doctor_select(&facts, "01:00", &failure), 0);
        ck_assert(failure_is(&failure, FAILURE_INVALID_ARGS));
        ck_assert_int_lt(doctor_select(&facts, "3a:00.0[xyz]", &failure), 0);
        ck_assert(failure_is(&failure, FAILURE_INVALID_ARGS));
        end();
        failure_done(&failure);
}
END_TEST

/* -------- the page -------- */

static char page[16384];

static void print_page(size_t width, bool has_color) {
        _cleanup_json_ json_t *praise = NULL;
        FILE *stream = fmemopen(page, sizeof(page), "w");

        doctor_judge(&facts, &findings);
        praise = doctor_praise(&facts, &findings);
        doctor_view_print(stream, &findings, praise, width, has_color);
        fclose(stream);
}

static void expect_widths(size_t width) {
        for (char *line = page, *next; *line; line = next) {
                next = strchr(line, '\n') + 1;
                ck_assert_msg((size_t)(next - line) - 1 <= width, "%.*s", (int)(next - line), line);
        }
}

START_TEST(page_begins_with_the_verdict_and_the_worst) {
        begin();
        facts.doed.lockdown = "integrity";
        facts.polkit.is_on_bus = false;
        facts.polkit.answer = DOCTOR_NOT_ASKED;
        set_state("dead", "Abort: Busy is still set");
        print_page(80, false);
        ck_assert_ptr_nonnull(strstr(page, "1 error, 1 warning, 1 hint\n"));
        ck_assert_ptr_eq(strstr(page, "1 error"), page);
        ck_assert(strstr(page, "\nerror ") < strstr(page, "\nwarning "));
        ck_assert(strstr(page, "\nwarning ") < strstr(page, "\nhint "));
        ck_assert(strstr(page, "\nhint ") < strstr(page, "\nok "));
        ck_assert_ptr_null(strchr(page, '\x1b'));
        expect_widths(80);
        ck_assert(doctor_view_is_sick(&findings));
        end();
}
END_TEST

START_TEST(page_of_a_sound_machine_says_what_is_in_order) {
        begin();
        print_page(80, true);
        ck_assert_ptr_eq(strstr(page, "Nothing is wrong\n"), page);
        ck_assert_ptr_nonnull(strstr(page, "2 devices with 2 mailboxes: all ready\n"));
        ck_assert_ptr_nonnull(strstr(page, "doed " DOED_VERSION " is on the bus, and doed-pci behind it\n"));
        ck_assert_ptr_nonnull(strchr(page, '\x1b'));
        ck_assert(!doctor_view_is_sick(&findings));
        end();
}
END_TEST

START_TEST(many_of_one_kind_do_not_fill_the_page) {
        json_t *mailboxes;

        begin();
        mailboxes = json_object_get(json_array_get(facts.doed.devices, 0), "mailboxes");
        set_state("dead", "");
        for (size_t i = 0; i < 20; i++)
                ck_assert_int_eq(json_array_append(mailboxes, json_array_get(mailboxes, 0)), 0);
        print_page(0, false);
        ck_assert_ptr_nonnull(strstr(page, "21 errors\n"));
        ck_assert_ptr_nonnull(strstr(page, "... and 18 more like this"));
        end();
}
END_TEST

START_TEST(what_a_device_says_cannot_steer_the_terminal) {
        begin();
        set_state("dead", "\x1b[2Jgone");
        print_page(80, false);
        ck_assert_ptr_null(strchr(page, '\x1b'));
        ck_assert_ptr_nonnull(strstr(page, "?[2Jgone"));
        expect_widths(80);
        end();
}
END_TEST

START_TEST(json_has_five_strings_for_each_finding) {
        static const char *const keys[] = { "id", "severity", "what", "why", "do" };
        _cleanup_json_ json_t *array = NULL;

        begin();
        set_state("dead", "Abort: Busy is still set");
        doctor_judge(&facts, &findings);
        array = doctor_view_json(&findings);
        ck_assert_uint_eq(json_array_size(array), 1);
        ck_assert_uint_eq(json_object_size(json_array_get(array, 0)), ELEMENTS(keys));
        for (size_t i = 0; i < ELEMENTS(keys); i++)
                ck_assert_str_ne(json_text(json_array_get(array, 0), keys[i]), "");
        ck_assert_str_eq(json_text(json_array_get(array, 0), "severity"), "error");
        end();
}
END_TEST

DEFINE_SUITE("client-doctor", nothing_is_found_where_nothing_is_wrong,
             missing_refusing_silent_and_denying_bus_are_told_apart,
             bus_that_the_environment_names_is_not_advised_to_be_started,
             sysfs_without_functions_is_an_error,
             check_that_came_to_nothing_is_not_taken_for_a_right_configuration,
             doed_that_the_bus_can_start_is_a_hint, doed_that_nobody_can_start_is_an_error,
             doed_that_is_not_installed_is_all_that_is_said, failed_unit_is_shown_with_its_result,
             bus_policy_is_looked_for_where_doed_is_not_on_the_bus,
             silent_denied_and_failing_doed_are_told_apart, another_version_of_doed_is_a_hint,
             missing_doed_pci_is_shown_with_its_units, doed_pci_of_another_version_is_told_with_both,
             enumeration_under_way_is_a_hint, wrong_configuration_is_told_by_file_and_line,
             missing_polkit_is_a_hint, polkit_without_the_actions_is_a_warning,
             actions_that_doed_does_not_own_are_a_warning, silent_polkit_is_a_warning,
             missing_group_is_a_warning_but_of_a_private_doed,
             session_older_than_the_membership_is_to_log_in_again, who_is_not_in_the_group_hears_of_the_rule,
             lockdown_is_a_warning_also_without_doed, each_state_of_a_mailbox_has_its_finding,
             who_has_the_registers_is_named, long_lease_is_a_warning_if_somebody_waits,
             spdm_of_others_is_told_apart_by_whose_it_is, device_that_is_left_alone_by_a_rule_is_a_hint,
             cxl_memory_without_extended_configuration_is_a_warning,
             cxl_memory_without_a_mailbox_is_a_warning, mailbox_that_doed_does_not_list_is_a_warning,
             machine_without_mailboxes_is_a_hint, only_what_is_named_is_looked_at,
             named_function_without_a_mailbox_is_an_error, what_is_not_there_is_found_to_be_so,
             what_may_be_several_is_refused, page_begins_with_the_verdict_and_the_worst,
             page_of_a_sound_machine_says_what_is_in_order, many_of_one_kind_do_not_fill_the_page,
             what_a_device_says_cannot_steer_the_terminal, json_has_five_strings_for_each_finding)
