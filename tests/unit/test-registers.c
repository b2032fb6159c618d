/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Our register constants against those of the kernel, as far as its header on this machine has them: the two
 * are never used together but here. */

#include <assert.h>
#include <check.h>
#include <linux/pci_regs.h>
#include <stdlib.h>

#include "protocols/data-object.h"
#include "protocols/registers.h"

#ifdef PCI_EXT_CAP_ID_DOE
static_assert(DOE_EXT_CAP_ID == PCI_EXT_CAP_ID_DOE, "extended capability ID");
#endif
#ifdef PCI_DOE_CAP_SIZEOF
static_assert(DOE_EXT_CAP_BYTES == PCI_DOE_CAP_SIZEOF, "size of the capability");
#endif

#ifdef PCI_DOE_CAP
static_assert(DOE_REG_CAP == PCI_DOE_CAP, "Capabilities");
#endif
#ifdef PCI_DOE_CTRL
static_assert(DOE_REG_CONTROL == PCI_DOE_CTRL, "Control");
#endif
#ifdef PCI_DOE_STATUS
static_assert(DOE_REG_STATUS == PCI_DOE_STATUS, "Status");
#endif
#ifdef PCI_DOE_WRITE
static_assert(DOE_REG_WRITE == PCI_DOE_WRITE, "Write Data Mailbox");
#endif
#ifdef PCI_DOE_READ
static_assert(DOE_REG_READ == PCI_DOE_READ, "Read Data Mailbox");
#endif

#ifdef PCI_DOE_CAP_INT_SUP
static_assert(DOE_CAP_INTERRUPT_SUPPORT == PCI_DOE_CAP_INT_SUP, "Interrupt Support");
#endif
#ifdef PCI_DOE_CAP_INT_MSG_NUM
static_assert(DOE_CAP_INTERRUPT_MESSAGE == PCI_DOE_CAP_INT_MSG_NUM, "Interrupt Message Number");
#endif
#ifdef PCI_DOE_CTRL_ABORT
static_assert(DOE_CONTROL_ABORT == PCI_DOE_CTRL_ABORT, "Abort");
#endif
#ifdef PCI_DOE_CTRL_INT_EN
static_assert(DOE_CONTROL_INTERRUPT_ENABLE == PCI_DOE_CTRL_INT_EN, "Interrupt Enable");
#endif
#ifdef PCI_DOE_CTRL_GO
static_assert(DOE_CONTROL_GO == PCI_DOE_CTRL_GO, "Go");
#endif
#ifdef PCI_DOE_STATUS_BUSY
static_assert(DOE_STATUS_BUSY == PCI_DOE_STATUS_BUSY, "Busy");
#endif
#ifdef PCI_DOE_STATUS_INT_STATUS
static_assert(DOE_STATUS_INTERRUPT == PCI_DOE_STATUS_INT_STATUS, "Interrupt Status");
#endif
#ifdef PCI_DOE_STATUS_ERROR
static_assert(DOE_STATUS_ERROR == PCI_DOE_STATUS_ERROR, "Error");
#endif
#ifdef PCI_DOE_STATUS_DATA_OBJECT_READY
static_assert(DOE_STATUS_READY == PCI_DOE_STATUS_DATA_OBJECT_READY, "Data Object Ready");
#endif

START_TEST(header_version_stands_where_the_kernel_reads_it) {
        ck_assert_uint_eq(DOE_HEADER_VERSION(0x1902002eu), PCI_EXT_CAP_VER(0x1902002eu));
        ck_assert_uint_eq(DOE_HEADER_VERSION(0xffffffffu), PCI_EXT_CAP_VER(0xffffffffu));
}
END_TEST

#ifdef PCI_DOE_DATA_OBJECT_HEADER_1_VID
START_TEST(object_header_fields_stand_where_the_kernel_reads_them) {
        DoeObjectHeader header = { .vendor_id = 0xffff, .n_dwords = 2 };
        uint32_t dw0, dw1;

        doe_object_header_encode(&header, &dw0, &dw1);
        ck_assert_uint_eq(dw0, PCI_DOE_DATA_OBJECT_HEADER_1_VID);
        header = (DoeObjectHeader){ .type = 0xff, .n_dwords = DOE_OBJECT_DWORDS_MAX - 1 };
        doe_object_header_encode(&header, &dw0, &dw1);
        ck_assert_uint_eq(dw0, PCI_DOE_DATA_OBJECT_HEADER_1_TYPE);
        ck_assert_uint_eq(dw1, PCI_DOE_DATA_OBJECT_HEADER_2_LENGTH);
}
END_TEST
#endif

int main(void) {
        Suite *suite = suite_create("registers");
        TCase *tc = tcase_create("registers");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tc, header_version_stands_where_the_kernel_reads_it);
#ifdef PCI_DOE_DATA_OBJECT_HEADER_1_VID
        tcase_add_test(tc, object_header_fields_stand_where_the_kernel_reads_them);
#endif
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
