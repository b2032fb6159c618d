/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <limits.h>

#include "daemon/pci/kernel-view.h"
#include "daemon/util/cleanup.h"
#include "tests/unit/temporary-tree.h"

#define ADDRESS "0000:0d:00.0"
#define FOLDER  "devices/pci0000:00/" ADDRESS

static HostView view;

static void setup(void) {
        tree_make();
        tree_add_function(ADDRESS, NULL, 0);
}

static void look(void) {
        memset(&view, 0xff, sizeof(view));
        ck_assert_int_eq(kernel_view_read(tree_root, ADDRESS, &view), 0);
}

static void bind_driver(const char *driver) {
        char target[64];

        snprintf(target, sizeof(target), "bus/pci/drivers/%s", driver);
        tree_mkdir(target);
        tree_link(FOLDER "/driver", target);
}

/* As cxl of Linux 6.1 and later leaves it for a bound memory device. */
static void bind_cxl(const char *table, size_t n_bytes) {
        bind_driver("cxl_pci");
        tree_mkdir(FOLDER "/mem0");
        tree_link("bus/cxl/devices/mem0", FOLDER "/mem0");
        tree_mkdir("devices/platform/ACPI0017:00/root0/port1/endpoint2");
        tree_link("devices/platform/ACPI0017:00/root0/port1/endpoint2/uport", FOLDER "/mem0");
        tree_link("bus/cxl/devices/endpoint2", "devices/platform/ACPI0017:00/root0/port1/endpoint2");
        tree_mkdir("devices/platform/ACPI0017:00/root0/port1/endpoint2/decoder2.0");
        tree_link("bus/cxl/devices/decoder2.0",
                  "devices/platform/ACPI0017:00/root0/port1/endpoint2/decoder2.0");
        if (table)
                tree_write_bytes("bus/cxl/devices/endpoint2/CDAT", table, n_bytes);
}

START_TEST(function_that_nobody_uses_has_an_empty_view) {
        look();
        ck_assert_int_eq(view.numa_node, 1);
        ck_assert_str_eq(view.driver, "");
        ck_assert_str_eq(view.read_only, "");
        ck_assert_str_eq(view.cxl_memory, "");
        ck_assert_str_eq(view.cxl_port, "");
        ck_assert_str_eq(view.spdm_owner, "");
        ck_assert_str_eq(view.held, "");
        ck_assert(!view.has_kernel_cdat && !view.has_kernel_features);
        ck_assert_uint_eq(view.n_features, 0);
}
END_TEST

START_TEST(function_that_is_not_there_is_told) {
        ck_assert_int_eq(kernel_view_read(tree_root, "0000:0e:00.0", &view), -ENODEV);
}
END_TEST

START_TEST(linux_6_1_with_cxl_bound_holds_the_cdat) {
        uint8_t *table = NULL;
        size_t n_bytes;

        bind_cxl("table", 5);
        look();
        ck_assert_str_eq(view.driver, "cxl_pci");
        ck_assert_str_eq(view.cxl_memory, "mem0");
        ck_assert_str_eq(view.cxl_port, "endpoint2");
        ck_assert(view.has_kernel_cdat);
        ck_assert(!view.has_kernel_features);
        ck_assert_int_eq(kernel_view_read_cdat(tree_root, ADDRESS, &table, &n_bytes), 0);
        ck_assert_uint_eq(n_bytes, 5);
        ck_assert_mem_eq(table, "table", 5);
        free(table);
}
END_TEST

START_TEST(table_that_the_kernel_could_not_read_is_none) {
        uint8_t *table = NULL;
        size_t n_bytes;

        bind_cxl("", 0);
        look();
        ck_assert(!view.has_kernel_cdat);
        ck_assert_int_eq(kernel_view_read_cdat(tree_root, ADDRESS, &table, &n_bytes), -ENODATA);
}
END_TEST

START_TEST(linux_6_12_without_a_bound_driver_holds_nothing) {
        uint8_t *table = NULL;
        size_t n_bytes;

        tree_mkdir("bus/cxl/devices");
        look();
        ck_assert(!view.has_kernel_cdat);
        ck_assert_int_eq(kernel_view_read_cdat(tree_root, ADDRESS, &table, &n_bytes), -ENODATA);
}
END_TEST

START_TEST(linux_6_6_with_a_cxl_switch_holds_its_cdat_by_the_port) {
        tree_mkdir("devices/platform/ACPI0017:00/root0/port1/port2");
        tree_link("devices/platform/ACPI0017:00/root0/port1/port2/uport", FOLDER);
        tree_link("bus/cxl/devices/port2", "devices/platform/ACPI0017:00/root0/port1/port2");
        tree_write("devices/platform/ACPI0017:00/root0/port1/port2/CDAT", "x");
        look();
        ck_assert_str_eq(view.cxl_memory, "");
        ck_assert_str_eq(view.cxl_port, "port2");
        ck_assert(view.has_kernel_cdat);
}
END_TEST

START_TEST(cxl_objects_of_other_functions_are_not_ours) {
        tree_add_function("0000:0e:00.0", NULL, 0);
        bind_cxl("table", 5);
        memset(&view, 0xff, sizeof(view));
        ck_assert_int_eq(kernel_view_read(tree_root, "0000:0e:00.0", &view), 0);
        ck_assert_str_eq(view.cxl_memory, "");
        ck_assert_str_eq(view.cxl_port, "");
        ck_assert(!view.has_kernel_cdat);
}
END_TEST

START_TEST(linux_6_15_names_the_features) {
        tree_write(FOLDER "/doe_features/doe_discovery", "0001:00\n");
        tree_write(FOLDER "/doe_features/1e98:02", "1e98:02\n");
        tree_write(FOLDER "/doe_features/0001:01", "0001:01\n");
        tree_write(FOLDER "/doe_features/what", "");
        look();
        ck_assert(view.has_kernel_features);
        ck_assert_uint_eq(view.n_features, 3);
        ck_assert_uint_eq(view.features[0].vendor_id, 0x0001);
        ck_assert_uint_eq(view.features[0].type, 0);
        ck_assert_uint_eq(view.features[1].vendor_id, 0x0001);
        ck_assert_uint_eq(view.features[1].type, 1);
        ck_assert_uint_eq(view.features[2].vendor_id, 0x1e98);
        ck_assert_uint_eq(view.features[2].type, 2);
}
END_TEST

START_TEST(linux_6_19_with_tsm_owns_spdm_even_unconnected) {
        char path[PATH_MAX];

        ck_assert(!kernel_view_tsm_file(tree_root, ADDRESS, path));
        tree_write(FOLDER "/tsm/connect", "\n");
        look();
        ck_assert_str_ne(view.spdm_owner, "");
        ck_assert(kernel_view_tsm_file(tree_root, ADDRESS, path));
        ck_assert_str_eq(path, tree_path("bus/pci/devices/" ADDRESS "/tsm/connect"));
}
END_TEST

START_TEST(tsm_that_shows_nothing_to_read_owns_spdm_too) {
        char path[PATH_MAX];

        tree_write(FOLDER "/tsm/bound", "");
        look();
        ck_assert_str_ne(view.spdm_owner, "");
        ck_assert(!kernel_view_tsm_file(tree_root, ADDRESS, path));
}
END_TEST

START_TEST(authenticated_owns_spdm) {
        tree_write(FOLDER "/authenticated", "\n");
        look();
        ck_assert_str_ne(view.spdm_owner, "");
}
END_TEST

START_TEST(tsm_of_function_0_owns_spdm_of_the_others) {
        tree_add_function("0000:0d:00.1", NULL, 0);
        tree_write(FOLDER "/tsm/connect", "tsm0\n");
        ck_assert_int_eq(kernel_view_read(tree_root, "0000:0d:00.1", &view), 0);
        ck_assert_str_ne(view.spdm_owner, "");
}
END_TEST

START_TEST(tsm_of_the_physical_function_owns_spdm_of_a_virtual_one) {
        tree_add_function("0000:0d:10.3", NULL, 0);
        tree_add_function("0000:0d:00.2", NULL, 0);
        tree_link("devices/pci0000:00/0000:0d:10.3/physfn", "devices/pci0000:00/0000:0d:00.2");
        ck_assert_int_eq(kernel_view_read(tree_root, "0000:0d:10.3", &view), 0);
        ck_assert_str_eq(view.spdm_owner, "");
        tree_write(FOLDER "/tsm/connect", "tsm0\n");
        ck_assert_int_eq(kernel_view_read(tree_root, "0000:0d:10.3", &view), 0);
        ck_assert_str_ne(view.spdm_owner, "");
}
END_TEST

START_TEST(function_lent_to_a_virtual_machine_keeps_its_spdm) {
        bind_driver("vfio-pci");
        look();
        ck_assert_str_eq(view.driver, "vfio-pci");
        ck_assert_str_ne(view.spdm_owner, "");
}
END_TEST

static const struct {
        const char *text, *level;
        bool is_read_only;
} lockdowns[] = {
        { "[none] integrity confidentiality\n", "none", false },
        { "none [integrity] confidentiality\n", "integrity", true },
        { "none integrity [confidentiality]\n", "confidentiality", true },
        { "none integrity [newer]\n", "unknown", false },
        { "none integrity\n", "unknown", false },
        { NULL, "unknown", false },
};

START_TEST(lockdown_makes_it_read_only) {
        char level[WIRE_ADDRESS_MAX];

        if (lockdowns[_i].text)
                tree_write("kernel/security/lockdown", lockdowns[_i].text);
        kernel_view_lockdown(tree_root, level);
        ck_assert_str_eq(level, lockdowns[_i].level);
        look();
        ck_assert_int_eq(view.read_only[0] != '\0', lockdowns[_i].is_read_only);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kernel-view");
        TCase *t = tcase_create("sysfs");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(t, setup, tree_remove);
        tcase_add_test(t, function_that_nobody_uses_has_an_empty_view);
        tcase_add_test(t, function_that_is_not_there_is_told);
        tcase_add_test(t, linux_6_1_with_cxl_bound_holds_the_cdat);
        tcase_add_test(t, table_that_the_kernel_could_not_read_is_none);
        tcase_add_test(t, linux_6_12_without_a_bound_driver_holds_nothing);
        tcase_add_test(t, linux_6_6_with_a_cxl_switch_holds_its_cdat_by_the_port);
        tcase_add_test(t, cxl_objects_of_other_functions_are_not_ours);
        tcase_add_test(t, linux_6_15_names_the_features);
        tcase_add_test(t, linux_6_19_with_tsm_owns_spdm_even_unconnected);
        tcase_add_test(t, tsm_that_shows_nothing_to_read_owns_spdm_too);
        tcase_add_test(t, authenticated_owns_spdm);
        tcase_add_test(t, tsm_of_function_0_owns_spdm_of_the_others);
        tcase_add_test(t, tsm_of_the_physical_function_owns_spdm_of_a_virtual_one);
        tcase_add_test(t, function_lent_to_a_virtual_machine_keeps_its_spdm);
        tcase_add_loop_test(t, lockdown_makes_it_read_only, 0, (int)ELEMENTS(lockdowns));
        suite_add_tcase(suite, t);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
