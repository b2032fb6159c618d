/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <unistd.h>

#include "client/doctor-gather.h"
#include "client/json.h"
#include "protocols/registers.h"
#include "tests/unit/suite.h"
#include "tests/unit/temporary-tree.h"

#define PATIENCE_USEC UINT64_C(30000000)

static DoctorFacts facts;

static void begin(void) {
        tree_make();
        doctor_facts_init(&facts);
}

static void end(void) {
        doctor_facts_done(&facts);
        tree_remove();
}

static DoctorPlaces places(void) {
        return (DoctorPlaces){ .sysfs = tree_root };
}

static const DoctorFunction *find(const char *address) {
        for (size_t i = 0; i < facts.n_functions; i++)
                if (strcmp(facts.functions[i].address, address) == 0)
                        return &facts.functions[i];
        ck_abort_msg("%s is missing", address);
        return NULL;
}

/* As sysfs has it: conventional configuration space only. */
static void add_conventional(const char *address, const char *class_code) {
        static const uint8_t config[256];
        char name[TREE_PATH_MAX];

        snprintf(name, sizeof(name), "bus/pci/devices/%s/config", address);
        tree_write_bytes(name, config, sizeof(config));
        snprintf(name, sizeof(name), "bus/pci/devices/%s/class", address);
        tree_write(name, class_code);
}

START_TEST(functions_are_read_with_class_size_and_driver) {
        const DoctorPlaces p = places();

        begin();
        add_conventional("10000:00:04.0", "0x050210\n");
        add_conventional("0000:00:1f.0", "0x060100\n");
        tree_mkdir("bus/pci/drivers/vfio-pci");
        tree_link("bus/pci/devices/0000:00:1f.0/driver", "bus/pci/drivers/vfio-pci");
        tree_mkdir("bus/pci/devices/0000:00:1f.0/doe_features");
        tree_mkdir("bus/pci/devices/no-address");
        doctor_gather_sysfs(&facts, &p);
        ck_assert_uint_eq(facts.n_functions, 2);
        ck_assert_str_eq(facts.functions[0].address, "0000:00:1f.0");
        ck_assert_uint_eq(find("10000:00:04.0")->n_config_bytes, 256);
        ck_assert(doctor_is_cxl_memory(find("10000:00:04.0")));
        ck_assert_int_eq(find("10000:00:04.0")->doe, DOCTOR_DOE_UNKNOWN);
        ck_assert_str_eq(find("0000:00:1f.0")->driver, "vfio-pci");
        ck_assert_int_eq(find("0000:00:1f.0")->doe, DOCTOR_DOE_YES);
        end();
}
END_TEST

START_TEST(missing_sysfs_has_no_functions) {
        const DoctorPlaces p = { .sysfs = "/nowhere" };

        begin();
        doctor_gather_sysfs(&facts, &p);
        ck_assert_uint_eq(facts.n_functions, 0);
        ck_assert_str_eq(facts.lockdown, "");
        ck_assert_str_ne(facts.sysfs_error, "");
        end();
}
END_TEST

START_TEST(lockdown_is_the_word_in_brackets) {
        const DoctorPlaces p = places();

        begin();
        tree_write("kernel/security/lockdown", "none [integrity] confidentiality\n");
        doctor_gather_sysfs(&facts, &p);
        ck_assert_str_eq(facts.lockdown, "integrity");
        end();
}
END_TEST

static void look(const char *address, const TreeCapability *caps, size_t n_caps, DoctorDoe expected) {
        const DoctorPlaces p = places();
        Failure failure = {};

        begin();
        tree_add_function(address, caps, n_caps);
        doctor_gather_sysfs(&facts, &p);
        ck_assert_uint_eq(find(address)->n_config_bytes, 4096);
        ck_assert_int_eq(doctor_select(&facts, address, &failure), 0);
        doctor_gather_doe(&facts);
        ck_assert_int_eq(find(address)->doe, expected);
        end();
}

START_TEST(doe_capability_is_found_in_the_chain) {
        static const TreeCapability with[] = { { 0x100, 0x0003, 1, 0x150 },
                                               { 0x150, DOE_EXT_CAP_ID, 1, 0 } },
                                    without[] = { { 0x100, 0x0003, 1, 0x150 }, { 0x150, 0x0023, 1, 0 } },
                                    cyclic[] = { { 0x100, 0x0003, 1, 0x150 }, { 0x150, 0x0023, 1, 0x100 } };

        if (geteuid() != 0)
                return; /* the others cannot be told */
        look("0000:3a:00.0", with, 2, DOCTOR_DOE_YES);
        look("0000:3a:00.0", without, 2, DOCTOR_DOE_NO);
        look("0000:3a:00.0", cyclic, 2, DOCTOR_DOE_NO);
}
END_TEST

START_TEST(what_answers_with_all_ones_is_not_judged) {
        const DoctorPlaces p = places();
        uint8_t config[4096];
        Failure failure = {};

        memset(config, 0xff, sizeof(config));
        begin();
        tree_write_bytes("bus/pci/devices/0000:3a:00.0/config", config, sizeof(config));
        doctor_gather_sysfs(&facts, &p);
        ck_assert_int_eq(doctor_select(&facts, "0000:3a:00.0", &failure), 0);
        doctor_gather_doe(&facts);
        ck_assert_int_eq(find("0000:3a:00.0")->doe, DOCTOR_DOE_UNKNOWN);
        end();
}
END_TEST

/* Gather with this as the program that checks the configuration. */
static void ask(const char *script, uint64_t check_usec) {
        const char *const folders[] = { tree_path("policy"), NULL };
        const char *const programs[] = { "/nowhere/doed", tree_path("doed"), NULL };
        const DoctorPlaces p = { .config_folder = "/folder",
                                 .policy_folders = folders,
                                 .polkit_file = tree_path("org.doed.policy"),
                                 .programs = programs,
                                 .check_usec = check_usec };

        if (script) {
                tree_write("doed", script);
                tree_chmod("doed", 0755);
        }
        doctor_gather_host(&facts, &p);
}

START_TEST(files_of_bus_and_polkit_are_looked_for) {
        begin();
        ask(NULL, PATIENCE_USEC);
        ck_assert(!facts.policy.has_policy && !facts.polkit.has_file);
        ck_assert_int_eq(facts.config.answer, DOCTOR_ABSENT);
        end();

        begin();
        tree_write("policy/org.doed.conf", "");
        tree_write("org.doed.policy", "");
        ask(NULL, PATIENCE_USEC);
        ck_assert(facts.policy.has_policy && facts.polkit.has_file);
        ck_assert_uint_eq(facts.caller.uid, geteuid());
        ck_assert_str_ne(facts.caller.user, "");
        end();
}
END_TEST

START_TEST(each_line_of_a_failed_check_is_an_error) {
        begin();
        ask("#!/bin/sh\n[ \"$*\" = '--check-config --config /folder' ] || exit 0\n"
            "echo 'doed.conf:3: unknown key' >&2\necho 'doed.conf:4: bad value' >&2\nexit 1\n",
            PATIENCE_USEC);
        ck_assert_int_eq(facts.config.answer, DOCTOR_ANSWERED);
        ck_assert_uint_eq(json_array_size(facts.config.errors), 2);
        ck_assert_str_eq(json_string_value(json_array_get(facts.config.errors, 1)),
                         "doed.conf:4: bad value");
        end();

        begin();
        ask("#!/bin/sh\necho 'some remark' >&2\n", PATIENCE_USEC);
        ck_assert_int_eq(facts.config.answer, DOCTOR_ANSWERED);
        ck_assert_uint_eq(json_array_size(facts.config.errors), 0);
        end();
}
END_TEST

START_TEST(check_that_says_too_much_or_nothing_ends) {
        begin();
        ask("#!/bin/sh\nyes line | head -c 200000\nexit 1\n", PATIENCE_USEC);
        ck_assert_int_eq(facts.config.answer, DOCTOR_ANSWERED);
        ck_assert_uint_gt(json_array_size(facts.config.errors), 100);
        end();

        begin();
        ask("#!/bin/sh\nexec sleep 1000\n", 100000);
        ck_assert_int_eq(facts.config.answer, DOCTOR_SILENT);
        end();
}
END_TEST

START_TEST(check_that_crashes_or_fails_without_a_word_says_nothing_of_the_configuration) {
        begin();
        ask("#!/bin/sh\nkill -KILL $$\n", PATIENCE_USEC);
        ck_assert_int_eq(facts.config.answer, DOCTOR_FAILED);
        ck_assert_ptr_nonnull(strstr(facts.config.error, "killed by signal 9"));
        end();

        begin();
        ask("#!/bin/sh\nexit 3\n", PATIENCE_USEC);
        ck_assert_int_eq(facts.config.answer, DOCTOR_FAILED);
        ck_assert_ptr_nonnull(strstr(facts.config.error, "exit code 3"));
        end();
}
END_TEST

START_TEST(what_root_has_to_do_is_said_once_before_it) {
        _cleanup_findings_ DoctorFindings findings = { 0 };
        DoctorFinding *finding = doctor_add(&findings, "some", DOCTOR_HINT, "some");

        doctor_do(finding, "doectl list\nsystemctl start x\napt install x\n# once it is mended:\n"
                           "systemctl restart x\n# as root, and so on:\nadduser x doe");
        ck_assert_str_eq(finding->remedy,
                         "doectl list\n# as root:\nsystemctl start x\napt install x\n"
                         "# once it is mended, as root:\nsystemctl restart x\n# as root, and so on:\n"
                         "adduser x doe");
}
END_TEST

DEFINE_SUITE("client-doctor-host", what_root_has_to_do_is_said_once_before_it,
             functions_are_read_with_class_size_and_driver, missing_sysfs_has_no_functions,
             lockdown_is_the_word_in_brackets, doe_capability_is_found_in_the_chain,
             what_answers_with_all_ones_is_not_judged, files_of_bus_and_polkit_are_looked_for,
             each_line_of_a_failed_check_is_an_error, check_that_says_too_much_or_nothing_ends,
             check_that_crashes_or_fails_without_a_word_says_nothing_of_the_configuration)
