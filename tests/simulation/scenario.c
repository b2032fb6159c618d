/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdlib.h>

#include "protocols/cdat.h"
#include "protocols/feature.h"
#include "tests/emulator/cdat-builder.h"
#include "tests/simulation/simulation.h"

#define VENDOR_TEST 0x1234u

typedef enum Manners {
        MANNERS_CALM,  /* no fault, and the world leaves it alone */
        MANNERS_GOOD,  /* no fault */
        MANNERS_FLAKY, /* some faults that a mailbox survives */
        MANNERS_NASTY, /* and some that it does not survive by itself */
} Manners;

/* Faults after which a mailbox comes back. %s: probability. */
static const char *const flaky_rows[] = {
        "boot stay-busy 800ms",
        "boot stay-busy 3s",
        "boot set-error",
        "boot foreign-exchange 300ms",
        "send probability=%s set-error",
        "send probability=%s stay-busy 50ms",
        "send probability=%s foreign-abort",
        "send dword=2 probability=%s foreign-exchange 2ms",
        "send dword=3 probability=%s reset",
        "send probability=%s all-ones 1ms",
        "go probability=%s late 300ms",
        "go probability=%s late 1500ms",
        "go probability=%s stay-busy 500ms",
        "go probability=%s stay-busy 1300ms",
        "go probability=%s hang",
        "go probability=%s discard",
        "go probability=%s set-error",
        "go probability=%s length 1",
        "go probability=%s length 0",
        "go probability=%s length 3",
        "go probability=%s length 100",
        "go probability=%s resize 2",
        "go probability=%s resize 3",
        "go probability=%s resize 40",
        "go feature=1234:01 probability=%s feature 1e98:02",
        "go probability=%s feature 0001:00",
        "go probability=%s reserved",
        "go feature=1234:01 probability=%s garbage",
        "go feature=1e98:02 probability=%s garbage",
        "go probability=%s all-ones 20ms",
        "go probability=%s all-ones 4s",
        "go probability=%s reset",
        "go probability=%s forget",
        "go probability=%s foreign-abort",
        "go probability=%s foreign-exchange 10ms",
        "go probability=%s foreign-leave",
        "ready probability=%s set-error",
        "ready probability=%s steal",
        "ready probability=%s steal 1",
        "ready probability=%s foreign-abort",
        "ready probability=%s foreign-exchange 3ms",
        "ready probability=%s foreign-leave",
        "ready probability=%s stay-busy 100ms",
        "ready probability=%s all-ones 5ms",
        "ready probability=%s reset",
        "read probability=%s set-error",
        "read dword=1 probability=%s steal 2",
        "read dword=2 probability=%s steal",
        "read dword=1 probability=%s all-ones 2ms",
        "read dword=3 probability=%s foreign-abort",
        "read dword=4 probability=%s reset",
        "read dword=2 probability=%s foreign-exchange 100",
        "end probability=%s stay-busy 30ms",
        "end probability=%s stay-busy 2s",
        "end probability=%s set-error",
        "end probability=%s foreign-exchange 20ms",
        "end probability=%s foreign-leave",
        "end probability=%s all-ones 100ms",
        "end probability=%s foreign-abort",
        "abort probability=0.1 stay-busy 900ms",
        "abort probability=0.1 set-error",
        "abort probability=0.05 foreign-exchange 50ms",
        "abort probability=0.05 reset",
        "now probability=0.00002 count=1000 foreign-exchange 10ms",
        "now probability=0.00002 count=1000 foreign-abort",
        "now probability=0.00002 count=1000 reset",
        "now probability=0.00001 count=1000 all-ones 10ms",
        "now probability=0.00001 count=1000 set-error",
};

static const char *const nasty_rows[] = {
        "abort probability=0.2 stay-busy 1500ms",
        "abort probability=0.1 hang",
        "now probability=0.000005 count=1 vanish",
        "go probability=0.0005 all-ones 90s",
        "boot stay-busy 40s",
        "read probability=0.001 vanish",
        "end probability=0.001 stay-busy forever",
        "abort probability=0.1 all-ones 3s",
};

static const char *const probabilities[] = { "0.0003", "0.001", "0.003", "0.01", "0.05" };

static void add_row(Sim *sim, ModelMailboxSettings *mb, const char *row) {
        char text[160], error[FAULT_ERROR_MAX] = "";
        Fault fault;

        if (strstr(row, "%s")) {
                const char *p = probabilities[sim_between(sim, 0, ELEMENTS(probabilities) - 1)];
                const char *at = strstr(row, "%s");

                snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - row), row, p, at + 2);
        } else
                snprintf(text, sizeof(text), "%s", row);
        if (fault_parse(text, &fault, error) < 0 || fault_set_add(&mb->faults, &fault) < 0)
                sim_violation(sim, NULL, "fault row '%s': %s", text, error);
}

static void add_faults(Sim *sim, ModelMailboxSettings *mb, Manners manners) {
        uint64_t n = manners >= MANNERS_FLAKY ? sim_between(sim, 1, 7) : 0;

        for (uint64_t i = 0; i < n; i++)
                add_row(sim, mb, flaky_rows[sim_between(sim, 0, ELEMENTS(flaky_rows) - 1)]);
        n = manners == MANNERS_NASTY ? sim_between(sim, 1, 2) : 0;
        for (uint64_t i = 0; i < n; i++)
                add_row(sim, mb, nasty_rows[sim_between(sim, 0, ELEMENTS(nasty_rows) - 1)]);
}

static void add_feature(ModelMailboxSettings *mb, uint16_t vendor_id, uint8_t type, ResponderKind kind) {
        mb->features[mb->n_features++] = (ModelFeature){
                .vendor_id = vendor_id,
                .type = type,
                .kind = kind,
                .n_dwords_max = DOE_OBJECT_DWORDS_MAX,
        };
}

static void add_features(Sim *sim, ModelMailboxSettings *mb, bool has_table) {
        uint64_t n_more = sim_between(sim, 0, 3);

        add_feature(mb, DOE_VENDOR_PCI_SIG, DOE_TYPE_DISCOVERY, RESPONDER_DISCOVERY);
        if (has_table)
                add_feature(mb, DOE_VENDOR_CXL, DOE_TYPE_CXL_TABLE_ACCESS, RESPONDER_TABLE_ACCESS);
        add_feature(mb, VENDOR_TEST, 1, RESPONDER_ECHO);
        add_feature(mb, VENDOR_TEST, 2, RESPONDER_COUNT);
        if (sim_chance(sim, 400000)) {
                add_feature(mb, DOE_VENDOR_PCI_SIG, DOE_TYPE_CMA_SPDM, RESPONDER_SPDM);
                add_feature(mb, DOE_VENDOR_PCI_SIG, DOE_TYPE_SECURED_CMA_SPDM, RESPONDER_SECURED_SPDM);
        }
        for (uint64_t i = 0; i < n_more; i++)
                add_feature(mb, VENDOR_TEST, (uint8_t)(0x10 + i), RESPONDER_ECHO);
}

/* From microseconds to a third of a second. */
static void make_service(Sim *sim, ModelMailboxSettings *mb) {
        static const uint64_t scales_usec[] = { 3, 20, 100, 500, 500, 3000, 30000 };
        uint64_t scale_usec = scales_usec[sim_between(sim, 0, ELEMENTS(scales_usec) - 1)];

        mb->service_min_usec = sim_between(sim, 0, scale_usec);
        mb->service_max_usec = mb->service_min_usec + sim_between(sim, 0, 10 * scale_usec);
        mb->abort_usec = sim_chance(sim, 200000) ? sim_between(sim, 0, 950000) : sim_between(sim, 0, 2000);
}

static void make_mailbox(Sim *sim, ModelMailboxSettings *mb, uint16_t offset, bool has_table,
                         Manners manners) {
        *mb = (ModelMailboxSettings){
                .offset = offset,
                .cap_version = (uint8_t)sim_between(sim, 1, 2),
                .busy = (BusyStyle)sim_between(sim, 0, N_BUSY_STYLES - 1),
                .has_interrupt = sim_chance(sim, 500000),
                .at_attention = sim_chance(sim, 200000),
                .reserved_status = sim_chance(sim, 100000) ? 0x00000100u : 0,
                .write_dwords = sim_chance(sim, 100000) ? 1024 : DOE_OBJECT_DWORDS_MAX,
                .chain = sim_chance(sim, 600000)
                                         ? CHAIN_PLAIN
                                         : (DiscoveryChain)sim_between(sim, 0, N_DISCOVERY_CHAINS - 1),
                .has_long_discovery = sim_chance(sim, 400000),
                .is_discovery_strict = sim_chance(sim, 200000),
                .answers_discovery_beyond = sim_chance(sim, 300000),
                .forgets_on_abort = sim_chance(sim, 300000),
        };
        add_features(sim, mb, has_table);
        make_service(sim, mb);
        add_faults(sim, mb, manners);
}

/* A valid table of 1 to 40 entries of several kinds and lengths, none equal to another. */
static void make_table(Sim *sim, SimDevice *dev) {
        char error[FAULT_ERROR_MAX] = "", row[128];
        uint64_t n = sim_between(sim, 1, sim_chance(sim, 100000) ? 40 : 6);
        CdatBuilder b;

        if (cdat_builder_init(&b) < 0)
                abort();
        for (uint64_t i = 0; i < n; i++) {
                int r;

                switch (sim_between(sim, 0, 2)) {
                case 0:
                        snprintf(row, sizeof(row), "handle=%" PRIu64 " base=%" PRIu64 " bytes=%" PRIu64, i,
                                 random_next(&sim->random) >> 1, random_next(&sim->random) >> 1);
                        r = cdat_builder_add(&b, "dsmas", row, error);
                        break;
                case 1:
                        snprintf(row, sizeof(row), "handle=%" PRIu64 " unit=%" PRIu64 " values=1,2,%" PRIu64,
                                 i, random_next(&sim->random) >> 1, i);
                        r = cdat_builder_add(&b, "dslbis", row, error);
                        break;
                default:
                        snprintf(row, sizeof(row), "handle=%" PRIu64 " flags=1", i);
                        r = cdat_builder_add(&b, "dsis", row, error);
                        break;
                }
                if (r < 0)
                        sim_violation(sim, NULL, "CDAT row '%s': %s", row, error);
        }
        dev->n_table_bytes = cdat_builder_finish(&b);
        dev->table = malloc(dev->n_table_bytes);
        if (!dev->table)
                abort();
        memcpy(dev->table, b.bytes, dev->n_table_bytes);
        cdat_builder_done(&b);
}

static Manners make_manners(Sim *sim) {
        uint64_t n = sim_between(sim, 0, 99);

        return n < 15 ? MANNERS_CALM : n < 40 ? MANNERS_GOOD : n < 88 ? MANNERS_FLAKY : MANNERS_NASTY;
}

/* A long hold only where nobody asks for more often. */
static uint64_t make_settle(Sim *sim) {
        static const uint64_t settles_usec[] = { 0, 20000, 300000, 3000000 };

        return settles_usec[sim_between(sim, 0, ELEMENTS(settles_usec) - 1)];
}

void scenario_make_device(Sim *sim, SimDevice *dev, size_t i) {
        bool has_table = sim_chance(sim, 700000);
        Manners manners = make_manners(sim);
        uint16_t offset = sim_chance(sim, 200000) ? 0x100 : 0x150;

        snprintf(dev->address, sizeof(dev->address), "%04zx:%02zx:%02zx.%zu", i / 2048 % 7, i / 64 % 32 + 1,
                 i / 8 % 8, i % 8);
        dev->is_calm = manners == MANNERS_CALM;
        dev->access_usec = sim_chance(sim, 100000) ? 80 : sim_chance(sim, 100000) ? 3 : 1;
        dev->settle_usec = make_settle(sim);
        dev->n_mailboxes = sim_chance(sim, 700000) ? 1 : sim_between(sim, 2, SIM_MAILBOXES_MAX);
        dev->settings = (ModelSettings){
                .kind = has_table ? MODEL_CXL_MEMORY : MODEL_GENERIC,
                .vendor_id = VENDOR_TEST,
                .device_id = 0x0001,
                .class_code = 0x050210,
                .mailboxes = dev->mailbox_settings,
                .n_mailboxes = dev->n_mailboxes,
                .seed = random_next(&sim->random),
        };
        for (size_t j = 0; j < dev->n_mailboxes; j++) {
                if (j == 0 && has_table)
                        offset = 0x160;
                make_mailbox(sim, &dev->mailbox_settings[j], offset, has_table && j == 0, manners);
                offset = (uint16_t)(offset + (j == 0 ? 0x80 : 0x40));
        }
        if (has_table)
                make_table(sim, dev);
        dev->settings.table = dev->table;
        dev->settings.n_table_bytes = dev->n_table_bytes;
}
