/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/scenario.h"

#include <errno.h>

#include "protocols/cdat.h"
#include "tests/emulator/cdat-builder.h"
#include "tests/emulator/control.h"
#include "tests/unit/suite.h"

#define DEVICE  "[device 0000:01:00.0]\n"
#define MAILBOX DEVICE "[mailbox 0000:01:00.0[150]]\n"

static Scenario *parse(const char *text) {
        char error[SCENARIO_ERROR_MAX];
        Scenario *s = NULL;

        ck_assert_msg(scenario_parse("s", text, strlen(text), &s, error) == 0, "%s", error);
        return s;
}

START_TEST(the_shipped_scenarios_are_right) {
        static const char *const names[] = { "default", "hang", "faults", "leases" };

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                char path[512], error[SCENARIO_ERROR_MAX];
                Scenario *s = NULL;

                snprintf(path, sizeof(path), "%s/tests/fixtures/%s.scenario", SOURCE_DIR, names[i]);
                ck_assert_msg(scenario_read(path, &s, error) == 0, "%s", error);
                ck_assert_uint_gt(s->n_devices, 1);
                scenario_free(s);
        }
}
END_TEST

START_TEST(keys_reach_their_fields) {
        Scenario *s = parse(
                        "[scenario]\nseed=0x2a\nsettle=1s\nlockdown=integrity\n"
                        "[device 10000:ab:1f.7]\nkind=nvme\nvendor-id=0x1111\nclass=0x010203\nnuma-node=1\n"
                        "access-time=150us\npresent=no\ntsm=tsm0\n"
                        "[mailbox 10000:ab:1f.7[d00]]\nversion=2\nfeature=0001:01 service=1ms..2ms\n"
                        "feature=4444:55 as=echo max-dwords=1K\nservice=20us..40us\nabort=1s\n"
                        "busy=pipelined\nat-attention=yes\nwrite-dwords=1K\nfault=go nth=2 hang\n");
        const ScenarioDevice *d = &s->devices[0];
        const ModelMailboxSettings *mb = &d->model.mailboxes[0];

        ck_assert_uint_eq(s->seed, 42);
        ck_assert_uint_eq(s->settle_usec, 1000000);
        ck_assert_int_eq(s->lockdown, LOCKDOWN_INTEGRITY);
        ck_assert_str_eq(d->address, "10000:ab:1f.7");
        ck_assert_uint_eq(d->model.vendor_id, 0x1111);
        ck_assert_uint_eq(d->model.device_id, 0x51bc);
        ck_assert_uint_eq(d->model.class_code, 0x010203);
        ck_assert_str_eq(d->driver, "nvme");
        ck_assert_int_eq(d->numa_node, 1);
        ck_assert_uint_eq(d->access_usec, 150);
        ck_assert(d->is_absent && d->has_tsm);
        ck_assert_str_eq(d->tsm, "tsm0");
        ck_assert_uint_eq(mb->offset, 0xd00);
        ck_assert_uint_eq(mb->cap_version, 2);
        ck_assert_uint_eq(mb->n_features, 3);
        ck_assert_int_eq(mb->features[1].kind, RESPONDER_SPDM);
        ck_assert_uint_eq(mb->features[1].service_max_usec, 2000);
        ck_assert_int_eq(mb->features[2].kind, RESPONDER_ECHO);
        ck_assert_uint_eq(mb->features[2].n_dwords_max, 1024);
        ck_assert_uint_eq(mb->service_min_usec, 20);
        ck_assert_uint_eq(mb->abort_usec, 1000000);
        ck_assert_int_eq(mb->busy, BUSY_PIPELINED);
        ck_assert(mb->at_attention);
        ck_assert_uint_eq(mb->write_dwords, 1024);
        ck_assert_uint_eq(mb->faults.n_rows, 1);
        scenario_free(s);
}
END_TEST

START_TEST(kernel_features_can_be_listed_or_gathered) {
        Scenario *s = parse(DEVICE "doe-features=auto\n[mailbox 0000:01:00.0[150]]\nfeature=1234:01\n"
                                   "[mailbox 0000:01:00.0[190]]\nfeature=1234:01\nfeature=1234:02\n"
                                   "[device 0000:02:00.0]\ndoe-features=0001:00 cma-spdm\n");

        ck_assert_uint_eq(s->devices[0].n_features, 3);
        ck_assert_uint_eq(s->devices[0].features[2].type, 2);
        ck_assert_uint_eq(s->devices[1].n_features, 2);
        ck_assert_uint_eq(s->devices[1].features[1].type, 1);
        scenario_free(s);
}
END_TEST

/* What two devices show under @kernel, as letters: d of doe_features/, t of tsm/; the second says for itself
 * what it shows, and does not care. */
static void expect_shown(const char *kernel, const char *expected) {
        char text[512], shown[16];
        Scenario *s;

        snprintf(text, sizeof(text),
                 "[scenario]\nkernel=%s\n" DEVICE "[mailbox 0000:01:00.0[150]]\nfeature=0001:01\n"
                 "[device 0000:02:00.0]\ndoe-features=auto\ntsm=absent\n[mailbox 0000:02:00.0[150]]\n"
                 "feature=0001:01\n[device 0000:03:00.0]\n[mailbox 0000:03:00.0[150]]\nfeature=1234:01\n",
                 kernel);
        s = parse(text);
        snprintf(shown, sizeof(shown), "%s%s %s%s %s%s", s->devices[0].has_doe_features ? "d" : "",
                 s->devices[0].has_tsm ? "t" : "", s->devices[1].has_doe_features ? "d" : "",
                 s->devices[1].has_tsm ? "t" : "", s->devices[2].has_doe_features ? "d" : "",
                 s->devices[2].has_tsm ? "t" : "");
        ck_assert_str_eq(shown, expected);
        scenario_free(s);
}

START_TEST(a_kernel_shows_what_its_generation_shows) {
        expect_shown("6.1", " d ");
        expect_shown("6.6", " d ");
        expect_shown("6.12", " d ");
        expect_shown("6.15", "d d d");
        expect_shown("6.19", "dt d d");
}
END_TEST

static const struct {
        const char *text, *error;
} wrong[] = {
        { "[planet mars]\n", "s:1: no section is named [planet]" },
        { "seed=1\n", "s:1: [] has no key 'seed'" },
        { "[scenario]\nspeed=1\n", "s:2: [scenario] has no key 'speed'" },
        { "[scenario]\nseed=many\n", "s:2: 'many' is no number up to 18446744073709551615" },
        { "[scenario]\nlockdown=some\n", "s:2: 'some' is none of none, integrity, confidentiality" },
        { "[scenario]\nkernel=5.10\n", "s:2: '5.10' is no value of kernel=" },
        { "[device 3a:00.0]\n", "s:1: '3a:00.0' is no address such as 0000:3a:00.0" },
        { "[device 0000:3A:00.0]\n", "s:1: '0000:3A:00.0' is not as the kernel writes it" },
        { "[device 0000:3a:20.0]\n", "s:1: '0000:3a:20.0' is not as the kernel writes it" },
        { DEVICE DEVICE, "s:2: 0000:01:00.0 is there already" },
        { DEVICE "name=x\nkind=nvme\n",
          "s:3: kind= stands first in its section, since it sets what others change" },
        { DEVICE "kind=toaster\n", "s:2: 'toaster' is no kind of device" },
        { DEVICE "vendor-id=0x10000\n", "s:2: '0x10000' is no number up to 65535" },
        { DEVICE "driver=../x\n", "s:2: driver= is too long, or has a '/'" },
        { DEVICE "access-time=soon\n", "s:2: 'soon' is no time" },
        { DEVICE "doe-features=0001\n", "s:2: '0001' is no feature, or one too many" },
        { DEVICE "cdat=none\n", "s:1: there is no [cdat none]" },
        { "[mailbox 0000:01:00.0[150]]\n", "s:1: no [device 0000:01:00.0] stands before" },
        { DEVICE "[mailbox 0000:01:00.0]\n", "s:2: '0000:01:00.0' is no mailbox such as 0000:3a:00.0[160]" },
        { DEVICE "[mailbox 0000:01:00.0[104]]\n",
          "s:1: the capability at 104 overlaps another one, or is no dword of 100..fff" },
        { DEVICE "[mailbox 0000:01:00.0[152]]\n",
          "s:1: the capability at 152 overlaps another one, or is no dword of 100..fff" },
        { MAILBOX "[mailbox 0000:01:00.0[160]]\n",
          "s:1: the capability at 160 overlaps another one, or is no dword of 100..fff" },
        { MAILBOX "feature=banana\n", "s:3: 'banana' is no feature: VVVV:TT or a known name" },
        { MAILBOX "feature=4444:55\n", "s:3: say who answers this feature, with as=" },
        { MAILBOX "feature=4444:55 as=nobody\n", "s:3: 'as' is wrong after a feature" },
        { MAILBOX "service=2ms..1ms\n", "s:3: '2ms..1ms' is no time, and no range of times A..B" },
        { MAILBOX "busy=bee\n", "s:3: 'bee' is no value of busy=" },
        { MAILBOX "at-attention=1\n", "s:3: '1' is neither yes nor no" },
        { MAILBOX "fault=go nowhere\n", "s:3: no action is named 'nowhere'" },
        { "[cdat]\n", "s:1: '' is no new name" },
        { "[cdat a]\n[cdat a]\n", "s:2: 'a' is no new name" },
        { "[cdat a]\ndsmas = handle=256\n", "s:2: 'handle' is wrong in dsmas" },
        { "[cdat a]\ndsmas = color=3\n", "s:2: 'color' is wrong in dsmas" },
        { "[cdat a]\ndslbis = values=1,2,3,4\n", "s:2: 'values' is wrong in dslbis" },
        { "[cdat a]\nsslbis = entries=1:2\n", "s:2: 'entries' is wrong in sslbis" },
        { "[cdat a]\nfile = /nonexistent/table\n",
          "s:2: cannot open /nonexistent/table: No such file or directory" },
};

START_TEST(what_is_wrong_is_said_with_file_and_line) {
        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                char error[SCENARIO_ERROR_MAX];
                Scenario *s = NULL;

                ck_assert_int_lt(scenario_parse("s", wrong[i].text, strlen(wrong[i].text), &s, error), 0);
                ck_assert_str_eq(error, wrong[i].error);
        }
}
END_TEST

START_TEST(a_table_has_the_values_of_its_rows) {
        Scenario *s = parse(
                        "[cdat a]\nsequence=9\ndsmas = handle=3 flags=shareable|read-only base=4K bytes=1G\n"
                        "dslbis = handle=3 type=write-latency unit=100 values=7,8\n"
                        "dsmscis = handle=3 bytes=64 attributes=0x11223344\ndsis = flags=1 handle=3\n"
                        "dsemts = handle=3 type=2 offset=16 bytes=32\n"
                        "sslbis = type=read-bandwidth unit=5 entries=upstream:any:6,1:2:3\n");
        const uint8_t *table = s->tables[0].bytes;
        size_t n = s->tables[0].n_bytes, offset = CDAT_HEADER_BYTES;
        CdatSslbisEntry port;
        CdatHeader header;
        CdatEntry e;

        ck_assert_int_eq(cdat_validate(table, n, NULL), 0);
        ck_assert_int_eq(cdat_header_decode(table, n, &header), 0);
        ck_assert_uint_eq(header.sequence, 9);
        ck_assert_int_eq(cdat_next(table, n, &offset, &e), 1);
        ck_assert_uint_eq(e.dsmas.flags, CDAT_DSMAS_SHAREABLE | CDAT_DSMAS_READ_ONLY);
        ck_assert_uint_eq(e.dsmas.dpa_base, 4096);
        ck_assert_uint_eq(e.dsmas.dpa_bytes, 1u << 30);
        ck_assert_int_eq(cdat_next(table, n, &offset, &e), 1);
        ck_assert_uint_eq(e.dslbis.data_type, CDAT_WRITE_LATENCY);
        ck_assert_uint_eq(e.dslbis.base_unit, 100);
        ck_assert_uint_eq(e.dslbis.values[1], 8);
        ck_assert_int_eq(cdat_next(table, n, &offset, &e), 1);
        ck_assert_uint_eq(e.dsmscis.attributes, 0x11223344);
        ck_assert_int_eq(cdat_next(table, n, &offset, &e), 1);
        ck_assert_uint_eq(e.dsis.handle, 3);
        ck_assert_int_eq(cdat_next(table, n, &offset, &e), 1);
        ck_assert_uint_eq(e.dsemts.dpa_bytes, 32);
        ck_assert_int_eq(cdat_next(table, n, &offset, &e), 1);
        ck_assert_int_eq(cdat_sslbis_get(&e, 0, &port), 0);
        ck_assert_uint_eq(port.port_x, CDAT_SSLBIS_PORT_UPSTREAM);
        ck_assert_uint_eq(port.port_y, CDAT_SSLBIS_PORT_ANY);
        ck_assert_int_eq(cdat_sslbis_get(&e, 1, &port), 0);
        ck_assert_uint_eq(port.value, 3);
        ck_assert_int_eq(cdat_next(table, n, &offset, &e), 0);
        scenario_free(s);
}
END_TEST

START_TEST(a_damaged_table_is_not_valid) {
        static const char *const damages[] = { "checksum", "length", "entry" };

        for (size_t i = 0; i < ELEMENTS(damages); i++) {
                char text[128];
                Scenario *s;

                snprintf(text, sizeof(text), "[cdat a]\ndsmas = handle=1 bytes=1G\ndamage = %s\n",
                         damages[i]);
                s = parse(text);
                ck_assert_int_eq(cdat_validate(s->tables[0].bytes, s->tables[0].n_bytes, NULL), -EBADMSG);
                scenario_free(s);
        }
}
END_TEST

START_TEST(the_kernels_table_is_its_own_or_the_devices) {
        Scenario *s = parse("[cdat a]\ndsmas = handle=1\n[cdat b]\ndsmas = handle=2\n"
                            "[device 0000:01:00.0]\ncdat=a\nkernel-cdat=same\n"
                            "[device 0000:02:00.0]\ncdat=a\nkernel-cdat=b\n"
                            "[device 0000:03:00.0]\ncdat=a\nkernel-cdat=empty\n"
                            "[device 0000:04:00.0]\ncdat=a\n");

        ck_assert_ptr_eq(s->devices[0].kernel_cdat, s->devices[0].model.table);
        ck_assert_ptr_eq(s->devices[1].kernel_cdat, s->tables[1].bytes);
        ck_assert_ptr_nonnull(s->devices[2].kernel_cdat);
        ck_assert_uint_eq(s->devices[2].n_kernel_cdat_bytes, 0);
        ck_assert_ptr_null(s->devices[3].kernel_cdat);
        scenario_free(s);
}
END_TEST

static char *readme;

static void read_readme(void) {
        FILE *f = fopen(SOURCE_DIR "/tests/emulator/README.md", "re");
        size_t n;

        ck_assert_ptr_nonnull(f);
        readme = malloc(1 << 20);
        n = fread(readme, 1, (1 << 20) - 1, f);
        readme[n] = '\0';
        fclose(f);
}

/* The table row "| `name` | help |"; or with a usage, "| `name USAGE` | help |". */
static void check_row(const char *name, const char *usage, const char *help) {
        char row[1024];

        snprintf(row, sizeof(row), "| `%s%s%s` | %s |\n", name, *usage ? " " : "", usage, help);
        ck_assert_msg(strstr(readme, row), "README.md lacks the row: %s", row);
}

START_TEST(the_readme_has_a_row_for_everything) {
        static const char *const kinds[] = { "scenario", "device", "mailbox", "cdat" };
        const char *name, *usage, *help;

        read_readme();
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                for (size_t j = 0; (name = scenario_key_get(kinds[i], j, &help)); j++)
                        check_row(name, "", help);
        for (size_t i = 0; (name = cdat_builder_get(i, &help)); i++)
                check_row(name, "", help);
        for (size_t i = 0; (name = fault_point_get(i, &help)); i++)
                check_row(name, "", help);
        for (size_t i = 0; (name = fault_selector_get(i, &help)); i++)
                check_row(name, "", help);
        for (size_t i = 0; (name = fault_action_get(i, &help)); i++)
                check_row(name, "", help);
        for (size_t i = 0; (name = control_command_get(i, &usage, &help)); i++)
                check_row(name, usage, help);
        free(readme);
}
END_TEST

DEFINE_SUITE("scenario", the_shipped_scenarios_are_right, keys_reach_their_fields,
             kernel_features_can_be_listed_or_gathered, a_kernel_shows_what_its_generation_shows,
             what_is_wrong_is_said_with_file_and_line, a_table_has_the_values_of_its_rows,
             a_damaged_table_is_not_valid, the_kernels_table_is_its_own_or_the_devices,
             the_readme_has_a_row_for_everything)
