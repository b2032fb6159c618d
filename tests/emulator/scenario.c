/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/scenario.h"

#include <errno.h>

#include "daemon/util/ini.h"
#include "protocols/data-object.h"
#include "protocols/feature.h"
#include "tests/emulator/model.h"
#include "tests/emulator/number.h"
#include "tests/emulator/scenario-keys.h"

#define SETTLE_USEC_DEFAULT  20000u /* no kernel is there that would have to settle */
#define SERVICE_USEC_DEFAULT 100u

static const char *const lockdown_names[N_SCENARIO_LOCKDOWNS] = {
        [LOCKDOWN_NONE] = "none",
        [LOCKDOWN_INTEGRITY] = "integrity",
        [LOCKDOWN_CONFIDENTIALITY] = "confidentiality",
};

static int parse_address(const char *s, ScenarioDevice *ret, char *error) {
        unsigned slot, function;
        int n = 0;

        if (sscanf(s, "%4x:%2x:%2x.%1x%n", &ret->domain, &ret->bus, &slot, &function, &n) != 4 ||
            s[n] != '\0')
                n = 0;
        if (n == 0 && (sscanf(s, "%8x:%2x:%2x.%1x%n", &ret->domain, &ret->bus, &slot, &function, &n) != 4 ||
                       s[n] != '\0'))
                return ini_fail(error, "'%s' is no address such as 0000:3a:00.0", s);
        snprintf(ret->address, sizeof(ret->address), "%04x:%02x:%02x.%x", ret->domain, ret->bus, slot,
                 function);
        if (strcmp(ret->address, s) != 0 || slot > 0x1f || function > 7)
                return ini_fail(error, "'%s' is not as the kernel writes it", s);
        return 0;
}

static int begin_device(ScenarioParser *p, const IniEntry *entry, char *error) {
        Scenario *s = p->scenario;
        ScenarioDevice *d;
        int r;

        if (s->n_devices == SCENARIO_DEVICES_MAX)
                return ini_fail(error, "more than %u devices", SCENARIO_DEVICES_MAX);
        if (scenario_find(s, entry->name) >= 0)
                return ini_fail(error, "%s is there already", entry->name);
        d = realloc(s->devices, (s->n_devices + 1) * sizeof(*d));
        if (!d)
                return -ENOMEM;
        s->devices = d;
        d += s->n_devices;
        *d = (ScenarioDevice){ .numa_node = -1, .line = entry->line };
        r = parse_address(entry->name, d, error);
        if (r < 0)
                return r;
        p->device = d;
        scenario_key_set_defaults(d);
        s->n_devices++;
        return 0;
}

static void mailbox_defaults(ModelMailboxSettings *mb, uint16_t offset) {
        *mb = (ModelMailboxSettings){
                .offset = offset,
                .cap_version = 1,
                .n_features = 1,
                .service_min_usec = SERVICE_USEC_DEFAULT,
                .service_max_usec = SERVICE_USEC_DEFAULT,
                .write_dwords = DOE_OBJECT_DWORDS_MAX,
        };
        mb->features[0] = (ModelFeature){ .vendor_id = DOE_VENDOR_PCI_SIG,
                                          .type = DOE_TYPE_DISCOVERY,
                                          .kind = RESPONDER_DISCOVERY,
                                          .n_dwords_max = 4 };
}

/* "ADDRESS[OFFSET]", after the section of that device */
static int begin_mailbox(ScenarioParser *p, const IniEntry *entry, char *error) {
        size_t n_address = strcspn(entry->name, "[");
        char address[SCENARIO_ADDRESS_MAX], hex[8];
        ModelMailboxSettings *mailboxes;
        ModelSettings *model;
        uint64_t offset;
        int i;

        if (n_address >= sizeof(address) || sscanf(entry->name + n_address, "[%7[0-9a-f]]", hex) != 1 ||
            number_parse_hex(hex, 0xffc, &offset) < 0)
                return ini_fail(error, "'%s' is no mailbox such as 0000:3a:00.0[160]", entry->name);
        snprintf(address, sizeof(address), "%.*s", (int)n_address, entry->name);
        i = scenario_find(p->scenario, address);
        if (i < 0)
                return ini_fail(error, "no [device %s] stands before", address);
        p->device = &p->scenario->devices[i];
        model = &p->device->model;
        if (model->n_mailboxes == MODEL_MAILBOXES_MAX)
                return ini_fail(error, "more than %u mailboxes", MODEL_MAILBOXES_MAX);
        mailboxes = realloc(model->mailboxes, (model->n_mailboxes + 1) * sizeof(*mailboxes));
        if (!mailboxes)
                return -ENOMEM;
        model->mailboxes = mailboxes;
        p->mailbox = &mailboxes[model->n_mailboxes++];
        mailbox_defaults(p->mailbox, (uint16_t)offset);
        return 0;
}

static ScenarioTable *find_table(const Scenario *s, const char *name) {
        for (size_t i = 0; i < s->n_tables; i++)
                if (strcmp(s->tables[i].name, name) == 0)
                        return &s->tables[i];
        return NULL;
}

static int begin_table(ScenarioParser *p, const IniEntry *entry, char *error) {
        Scenario *s = p->scenario;
        ScenarioTable *t;

        if (!*entry->name || strlen(entry->name) >= SCENARIO_NAME_MAX || find_table(s, entry->name))
                return ini_fail(error, "'%s' is no new name", entry->name);
        if (s->n_tables == SCENARIO_TABLES_MAX)
                return ini_fail(error, "more than %u tables", SCENARIO_TABLES_MAX);
        t = realloc(s->tables, (s->n_tables + 1) * sizeof(*t));
        if (!t)
                return -ENOMEM;
        s->tables = t;
        t += s->n_tables++;
        *t = (ScenarioTable){ 0 };
        snprintf(t->name, sizeof(t->name), "%s", entry->name);
        p->table = t;
        return cdat_builder_init(&p->builder);
}

/* A table made of structures is whole once its section ends. */
static int end_section(ScenarioParser *p) {
        size_t n_bytes;

        p->n_keys = 0;
        if (p->table && !p->table->bytes) {
                n_bytes = cdat_builder_finish(&p->builder);
                p->table->bytes = realloc(p->builder.bytes, n_bytes);
                if (!p->table->bytes)
                        return -ENOMEM;
                p->builder.bytes = NULL;
                p->table->n_bytes = n_bytes;
        }
        cdat_builder_done(&p->builder);
        p->table = NULL;
        p->mailbox = NULL;
        p->device = NULL;
        return 0;
}

static const struct {
        const char *kind;
        int (*begin)(ScenarioParser *p, const IniEntry *entry, char *error);
} sections[] = {
        { "scenario", NULL },
        { "device", begin_device },
        { "mailbox", begin_mailbox },
        { "cdat", begin_table },
};

static int on_section(ScenarioParser *p, const IniEntry *entry, char *error) {
        int r = end_section(p);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(sections); i++)
                if (strcmp(entry->kind, sections[i].kind) == 0)
                        return sections[i].begin ? sections[i].begin(p, entry, error) : 0;
        return ini_fail(error, "no section is named [%s]", entry->kind);
}

static int on_entry(void *userdata, const IniEntry *entry, char *error) {
        ScenarioParser *p = userdata;
        char text[FAULT_ERROR_MAX];
        int r;

        if (!entry->key)
                return on_section(p, entry, error);
        p->n_keys++;
        r = scenario_key_set(p, entry->kind, entry->key, entry->value, error);
        if (r != -ENOENT)
                return r;
        r = p->table ? cdat_builder_add(&p->builder, entry->key, entry->value, text) : -ENOENT;
        if (r == -ENOENT)
                return ini_fail(error, "[%s] has no key '%s'", entry->kind, entry->key);
        return r < 0 ? ini_fail(error, "%s", text) : 0;
}

static int on_error(void *userdata, const char *text) {
        ScenarioParser *p = userdata;

        snprintf(p->error, SCENARIO_ERROR_MAX, "%s", text);
        return -EINVAL;
}

/* What "auto" means: each feature once, whichever mailbox offers it. */
static void fill_doe_features(ScenarioDevice *d) {
        for (size_t i = 0; i < d->model.n_mailboxes; i++)
                for (size_t j = 0; j < d->model.mailboxes[i].n_features; j++) {
                        const ModelFeature *f = &d->model.mailboxes[i].features[j];
                        bool is_there = d->n_features == MODEL_FEATURES_MAX;

                        for (size_t k = 0; k < d->n_features; k++)
                                if (d->features[k].vendor_id == f->vendor_id &&
                                    d->features[k].type == f->type)
                                        is_there = true;
                        if (!is_there)
                                d->features[d->n_features++] = (ScenarioFeature){ f->vendor_id, f->type };
                }
}

static bool offers_spdm(const ScenarioDevice *d) {
        for (size_t i = 0; i < d->model.n_mailboxes; i++)
                for (size_t j = 0; j < d->model.mailboxes[i].n_features; j++)
                        if (d->model.mailboxes[i].features[j].kind == RESPONDER_SPDM)
                                return true;
        return false;
}

/* What the kernel shows of a device that does not say it itself. */
static void apply_kernel(const Scenario *s, ScenarioDevice *d) {
        if (s->kernel >= KERNEL_6_15 && !d->says_doe_features)
                d->has_doe_features = d->model.n_mailboxes > 0;
        if (s->kernel >= KERNEL_6_19 && !d->says_tsm)
                d->has_tsm = offers_spdm(d);
}

static int resolve_tables(const Scenario *s, ScenarioDevice *d, char *text) {
        const ScenarioTable *table = *d->table ? find_table(s, d->table) : NULL;
        const ScenarioTable *kernel_table = find_table(s, d->kernel_table);

        if (*d->table && !table) {
                snprintf(text, FAULT_ERROR_MAX, "there is no [cdat %s]", d->table);
                return -EINVAL;
        }
        if (table) {
                d->model.table = table->bytes;
                d->model.n_table_bytes = table->n_bytes;
        }
        if (!*d->kernel_table || strcmp(d->kernel_table, "none") == 0)
                return 0;
        if (strcmp(d->kernel_table, "same") == 0)
                kernel_table = table;
        if (!kernel_table && strcmp(d->kernel_table, "empty") != 0) {
                snprintf(text, FAULT_ERROR_MAX, "there is no [cdat %s]", d->kernel_table);
                return -EINVAL;
        }
        d->kernel_cdat = kernel_table ? kernel_table->bytes : (const uint8_t *)"";
        d->n_kernel_cdat_bytes = kernel_table ? kernel_table->n_bytes : 0;
        return 0;
}

/* What can be said only when all sections are known. */
static int resolve(ScenarioParser *p) {
        char text[FAULT_ERROR_MAX];
        int r = end_section(p);

        for (size_t i = 0; r >= 0 && i < p->scenario->n_devices; i++) {
                ScenarioDevice *d = &p->scenario->devices[i];

                d->model.seed = p->scenario->seed ^ (uint64_t)i << 40;
                d->model.serial = UINT64_C(0x0d0e000000000000) | i;
                apply_kernel(p->scenario, d);
                if (d->has_doe_features && d->n_features == 0)
                        fill_doe_features(d);
                r = resolve_tables(p->scenario, d, text);
                if (r >= 0)
                        r = model_settings_check(&d->model, text);
                if (r < 0)
                        snprintf(p->error, SCENARIO_ERROR_MAX, "%s:%u: %s", p->file, d->line, text);
        }
        return r;
}

static int parse(const char *file, const char *text, size_t n_bytes, Scenario **ret, char *error) {
        static const IniHandlers handlers = { on_entry, on_error };
        _cleanup_(scenario_freep) Scenario *s = calloc(1, sizeof(*s));
        ScenarioParser p = { .file = file, .scenario = s, .error = error };
        int r;

        *error = '\0';
        if (!s)
                return -ENOMEM;
        s->settle_usec = SETTLE_USEC_DEFAULT;
        r = text ? ini_parse(file, text, n_bytes, &handlers, &p) : ini_parse_file(file, &handlers, &p);
        if (r >= 0)
                r = resolve(&p);
        cdat_builder_done(&p.builder);
        if (r < 0) {
                if (!*error)
                        snprintf(error, SCENARIO_ERROR_MAX, "%s: %s", file, strerror(-r));
                return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

int scenario_read(const char *path, Scenario **ret, char *error) {
        return parse(path, NULL, 0, ret, error);
}

int scenario_parse(const char *file, const char *text, size_t n_bytes, Scenario **ret, char *error) {
        return parse(file, text, n_bytes, ret, error);
}

Scenario *scenario_free(Scenario *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_devices; i++)
                free(s->devices[i].model.mailboxes);
        for (size_t i = 0; i < s->n_tables; i++)
                free(s->tables[i].bytes);
        free(s->devices);
        free(s->tables);
        free(s);
        return NULL;
}

int scenario_find(const Scenario *s, const char *address) {
        for (size_t i = 0; i < s->n_devices; i++)
                if (strcmp(s->devices[i].address, address) == 0)
                        return (int)i;
        return -ENOENT;
}

const char *scenario_lockdown_to_string(ScenarioLockdown lockdown) {
        return lockdown_names[lockdown];
}

int scenario_lockdown_from_string(const char *s) {
        return word_find(s, lockdown_names, N_SCENARIO_LOCKDOWNS);
}
