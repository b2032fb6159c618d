/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/sysfs.h"

#include <errno.h>
#include <pthread.h>

#include "tests/emulator/tree.h"
#include "tests/unit/suite.h"

#define DEVICE_1 "devices/pci0000:01/0000:01:00.0"

static const char text[] =
                "[cdat a]\ndsmas = handle=1 bytes=1G\n"
                "[device 0000:01:00.0]\nkind=cxl-memory\ncxl-memory=mem0\ncxl-port=endpoint1\ncdat=a\n"
                "kernel-cdat=same\ndoe-features=auto\ntsm=empty\n"
                "[mailbox 0000:01:00.0[150]]\nfeature=1e98:02\n"
                "[device 0000:02:00.0]\nkind=nvme\n[mailbox 0000:02:00.0[150]]\nfeature=1234:01\n";

typedef struct Stage {
        Scenario *scenario;
        Platform *platform;
        Sysfs *sysfs;
        char said[2048]; /* uevents and touched files, one a line */
} Stage;

static void on_said(void *userdata, const char *line) {
        Stage *s = userdata;
        size_t n = strlen(s->said);

        snprintf(s->said + n, sizeof(s->said) - n, "%s\n", line);
}

static const SysfsListener listener = { on_said, on_said };

static void begin(Stage *s) {
        char error[SCENARIO_ERROR_MAX];

        *s = (Stage){ 0 };
        ck_assert_msg(scenario_parse("s", text, sizeof(text) - 1, &s->scenario, error) == 0, "%s", error);
        ck_assert_int_eq(platform_new(s->scenario, &s->platform), 0);
        ck_assert_int_eq(sysfs_new(s->platform, &listener, s, &s->sysfs), 0);
}

static void end(Stage *s) {
        sysfs_free(s->sysfs);
        platform_free(s->platform);
        scenario_free(s->scenario);
}

static void expect_said(Stage *s, const char *expected) {
        ck_assert_str_eq(s->said, expected);
        s->said[0] = '\0';
}

/* Inode number of "a/b/c", 0 if it is not there. */
static uint64_t find(Stage *s, const char *path) {
        char *copy = strdup(path), *rest = copy, *name;
        struct stat st = { .st_ino = TREE_ROOT_INO };

        while ((name = strsep(&rest, "/")) && st.st_ino != 0)
                if (sysfs_lookup(s->sysfs, st.st_ino, name, &st) < 0)
                        st.st_ino = 0;
        free(copy);
        return st.st_ino;
}

static void expect_file(Stage *s, const char *path, const char *expected) {
        char shown[SYSFS_FILE_MAX + 1];
        ssize_t n = sysfs_read(s->sysfs, find(s, path), shown, SYSFS_FILE_MAX, 0);

        ck_assert_msg(n >= 0, "%s: %s", path, strerror((int)-n));
        shown[n] = '\0';
        ck_assert_str_eq(shown, expected);
}

static void expect_link(Stage *s, const char *path, const char *expected) {
        char *target = NULL;

        ck_assert_int_eq(sysfs_readlink(s->sysfs, find(s, path), &target), 0);
        ck_assert_str_eq(target, expected);
        free(target);
}

static ssize_t put(Stage *s, const char *path, const char *bytes) {
        return sysfs_write(s->sysfs, find(s, path), bytes, strlen(bytes), 0);
}

static bool count(void *userdata, _unused_ const char *name, _unused_ const struct stat *st) {
        ++*(size_t *)userdata;
        return true;
}

START_TEST(the_tree_has_the_shape_of_sysfs) {
        size_t n_devices = 0;
        Stage s;

        begin(&s);
        expect_link(&s, "bus/pci/devices/0000:01:00.0", "../../../" DEVICE_1);
        expect_link(&s, DEVICE_1 "/driver", "../../../bus/pci/drivers/cxl_pci");
        expect_link(&s, "bus/pci/drivers/nvme/0000:02:00.0", "../../../../devices/pci0000:02/0000:02:00.0");
        expect_file(&s, DEVICE_1 "/vendor", "0x8086\n");
        expect_file(&s, DEVICE_1 "/class", "0x050210\n");
        expect_file(&s, DEVICE_1 "/doe_features/1e98:02", "1e98:02\n");
        expect_file(&s, DEVICE_1 "/doe_features/doe_discovery", "0001:00\n");
        expect_file(&s, DEVICE_1 "/tsm/connect", "");
        expect_file(&s, "kernel/security/lockdown", "[none] integrity confidentiality\n");
        expect_link(&s, "bus/cxl/devices/mem0", "../../../" DEVICE_1 "/mem0");
        expect_link(&s, "bus/cxl/devices/endpoint1",
                    "../../../devices/platform/ACPI0017:00/root0/port1/endpoint1");
        expect_link(&s, "devices/platform/ACPI0017:00/root0/port1/endpoint1/uport",
                    "../../../../../pci0000:01/0000:01:00.0/mem0");
        ck_assert_int_eq(sysfs_list(s.sysfs, find(&s, "bus/pci/devices"), count, &n_devices), 0);
        ck_assert_uint_eq(n_devices, 2);
        ck_assert_uint_eq(find(&s, "bus/pci/devices/0000:09:00.0"), 0);
        end(&s);
}
END_TEST

START_TEST(config_takes_any_offset_and_size) {
        uint8_t all[4096], part[7];
        uint64_t ino;
        Stage s;

        begin(&s);
        ino = find(&s, DEVICE_1 "/config");
        ck_assert_int_eq(sysfs_read(s.sysfs, ino, all, sizeof(all), 0), 4096);
        ck_assert_int_eq(sysfs_read(s.sysfs, ino, part, sizeof(part), 1), sizeof(part));
        ck_assert_mem_eq(part, all + 1, sizeof(part));
        ck_assert_int_eq(sysfs_read(s.sysfs, ino, part, sizeof(part), 4093), 3);
        ck_assert_int_eq(sysfs_read(s.sysfs, ino, part, sizeof(part), 4096), 0);
        ck_assert_int_eq(sysfs_write(s.sysfs, ino, "\x2a", 1, 0x3c), 1);
        ck_assert_int_eq(sysfs_read(s.sysfs, ino, part, 1, 0x3c), 1);
        ck_assert_uint_eq(part[0], 0x2a);
        end(&s);
}
END_TEST

START_TEST(a_function_that_comes_back_is_another_one) {
        uint8_t byte;
        uint64_t ino, device;
        Stage s;

        begin(&s);
        ino = find(&s, "devices/pci0000:02/0000:02:00.0/config");
        device = find(&s, "devices/pci0000:02/0000:02:00.0");
        ck_assert_int_eq(put(&s, "devices/pci0000:02/0000:02:00.0/remove", "1\n"), 2);
        expect_said(&s, "unbind /devices/pci0000:02/0000:02:00.0 pci PCI_SLOT_NAME=0000:02:00.0\n"
                        "remove /devices/pci0000:02/0000:02:00.0 pci PCI_SLOT_NAME=0000:02:00.0\n");
        ck_assert_uint_eq(find(&s, "bus/pci/devices/0000:02:00.0"), 0);
        ck_assert_uint_eq(find(&s, "bus/pci/drivers/nvme/0000:02:00.0"), 0);
        ck_assert_int_eq(sysfs_read(s.sysfs, ino, &byte, 1, 0), -ENODEV);
        ck_assert_int_eq(put(&s, "bus/pci/rescan", "1"), 1);
        expect_said(&s,
                    "add /devices/pci0000:02/0000:02:00.0 pci PCI_CLASS=10802 PCI_ID=1344:51BC "
                    "PCI_SLOT_NAME=0000:02:00.0\n"
                    "bind /devices/pci0000:02/0000:02:00.0 pci DRIVER=nvme PCI_SLOT_NAME=0000:02:00.0\n");
        ck_assert_uint_gt(find(&s, "devices/pci0000:02/0000:02:00.0"), device);
        ck_assert_int_eq(sysfs_read(s.sysfs, ino, &byte, 1, 0), -ENODEV);
        end(&s);
}
END_TEST

START_TEST(binding_and_unbinding_moves_the_cxl_objects) {
        uint8_t table[64];
        Stage s;

        begin(&s);
        ck_assert_int_eq(sysfs_read(s.sysfs,
                                    find(&s, "devices/platform/ACPI0017:00/root0/port1/endpoint1/CDAT"),
                                    table, sizeof(table), 0),
                         40);
        ck_assert_mem_eq(table, s.scenario->tables[0].bytes, 40);
        ck_assert_int_eq(put(&s, "bus/pci/drivers/nvme/unbind", "0000:01:00.0"), -ENODEV);
        ck_assert_int_gt(put(&s, "bus/pci/drivers/cxl_pci/unbind", "0000:01:00.0"), 0);
        expect_said(&s, "remove /" DEVICE_1 "/mem0 cxl\n"
                        "remove /devices/platform/ACPI0017:00/root0/port1/endpoint1 cxl\n"
                        "unbind /" DEVICE_1 " pci PCI_SLOT_NAME=0000:01:00.0\n");
        ck_assert_uint_eq(find(&s, DEVICE_1 "/driver"), 0);
        ck_assert_uint_eq(find(&s, "bus/cxl/devices/endpoint1"), 0);
        ck_assert_uint_eq(find(&s, DEVICE_1 "/mem0"), 0);
        ck_assert_int_gt(put(&s, "bus/pci/drivers/cxl_pci/bind", "0000:01:00.0\n"), 0);
        ck_assert_int_eq(put(&s, "bus/pci/drivers/cxl_pci/bind", "0000:01:00.0\n"), -EBUSY);
        ck_assert_uint_ne(find(&s, "bus/cxl/devices/endpoint1"), 0);
        end(&s);
}
END_TEST

START_TEST(files_refuse_what_the_kernel_refuses) {
        Stage s;

        begin(&s);
        ck_assert_int_eq(put(&s, DEVICE_1 "/vendor", "0x1234"), -EIO);
        ck_assert_int_eq(put(&s, DEVICE_1 "/remove", "yes"), -EINVAL);
        ck_assert_int_eq(put(&s, DEVICE_1 "/power/control", "sometimes"), -EINVAL);
        ck_assert_int_eq(put(&s, DEVICE_1 "/power/control", "on\n"), 3);
        expect_file(&s, DEVICE_1 "/power/control", "on\n");
        ck_assert_int_gt(put(&s, "kernel/security/lockdown", "confidentiality"), 0);
        expect_said(&s, "kernel/security/lockdown\n");
        ck_assert_int_eq(put(&s, "kernel/security/lockdown", "integrity"), -EPERM);
        ck_assert_int_eq(put(&s, DEVICE_1 "/config", "1234"), -EPERM);
        end(&s);
}
END_TEST

START_TEST(a_tsm_connects_and_disconnects) {
        Stage s;

        begin(&s);
        ck_assert_int_eq(put(&s, DEVICE_1 "/tsm/connect", "tsm0\n"), 5);
        expect_file(&s, DEVICE_1 "/tsm/connect", "tsm0\n");
        expect_said(&s, DEVICE_1 "/tsm/connect\n");
        ck_assert_int_eq(put(&s, DEVICE_1 "/tsm/disconnect", "tsm1\n"), -EINVAL);
        ck_assert_int_eq(put(&s, DEVICE_1 "/tsm/disconnect", "tsm0\n"), 5);
        expect_file(&s, DEVICE_1 "/tsm/connect", "");
        s.said[0] = '\0';
        ck_assert_int_eq(platform_set_tsm(s.platform, 0, NULL), 0);
        expect_said(&s, "remove /devices/virtual/tsm/tsm0 tsm\n");
        ck_assert_uint_eq(find(&s, DEVICE_1 "/tsm"), 0);
        end(&s);
}
END_TEST

static void *read_connect(void *userdata) {
        Stage *s = userdata;

        expect_file(s, DEVICE_1 "/tsm/connect", "tsm0\n");
        return NULL;
}

START_TEST(a_read_of_connect_waits_while_a_tsm_works) {
        pthread_t reader;
        Stage s;

        begin(&s);
        ck_assert_int_eq(platform_begin_connect(s.platform, 1), 0);
        ck_assert_int_eq(pthread_create(&reader, NULL, read_connect, &s), 0);
        expect_file(&s, DEVICE_1 "/vendor", "0x8086\n"); /* the others do not */
        ck_assert_int_eq(platform_set_tsm(s.platform, 0, "tsm0"), 0);
        pthread_join(reader, NULL);
        ck_assert_int_eq(platform_begin_connect(s.platform, 0), 0); /* ends with the platform */
        end(&s);
}
END_TEST

DEFINE_SUITE("sysfs", the_tree_has_the_shape_of_sysfs, config_takes_any_offset_and_size,
             a_function_that_comes_back_is_another_one, binding_and_unbinding_moves_the_cxl_objects,
             files_refuse_what_the_kernel_refuses, a_tsm_connects_and_disconnects,
             a_read_of_connect_waits_while_a_tsm_works)
