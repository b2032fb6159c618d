/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/scenario-keys.h"

#include <errno.h>

#include "daemon/util/clock.h"
#include "daemon/util/ini.h"
#include "protocols/data-object.h"
#include "protocols/feature.h"
#include "tests/emulator/number.h"
#include "tests/emulator/responder.h"

#define TABLE_FILE_BYTES_MAX CDAT_BUILDER_BYTES_MAX

static const char *const busy_names[N_BUSY_STYLES] = {
        [BUSY_WHILE_PROCESSING] = "processing",
        [BUSY_WHILE_SENDING] = "sending",
        [BUSY_PIPELINED] = "pipelined",
        [BUSY_NEVER] = "never",
};

static const char *const chain_names[N_DISCOVERY_CHAINS] = {
        [CHAIN_PLAIN] = "plain",     [CHAIN_CYCLIC] = "cyclic",   [CHAIN_DUPLICATE] = "duplicate",
        [CHAIN_GARBAGE] = "garbage", [CHAIN_ENDLESS] = "endless", [CHAIN_MISSING_SELF] = "missing-self",
};

static const char *const damage_names[N_CDAT_DAMAGES] = {
        [CDAT_SOUND] = "none",
        [CDAT_WRONG_CHECKSUM] = "checksum",
        [CDAT_WRONG_LENGTH] = "length",
        [CDAT_WRONG_ENTRY] = "entry",
};

static const char *const ide_names[N_MODEL_IDES] = {
        [MODEL_IDE_ABSENT] = "absent",
        [MODEL_IDE_INSECURE] = "insecure",
        [MODEL_IDE_SECURE] = "secure",
};

static const char *const kernel_names[N_SCENARIO_KERNELS] = {
        [KERNEL_6_1] = "6.1",   [KERNEL_6_6] = "6.6",   [KERNEL_6_12] = "6.12",
        [KERNEL_6_15] = "6.15", [KERNEL_6_19] = "6.19",
};

/* What a kind of device is unless its other keys say otherwise. */
static const struct {
        const char *name, *product, *driver;
        uint16_t vendor_id, device_id;
        uint32_t class_code;
} kinds[N_MODEL_KINDS] = {
        [MODEL_GENERIC] = { "generic", "Emulated device", "", 0x1234, 0x0001, 0xff0000 },
        [MODEL_CXL_MEMORY] = { "cxl-memory", "Emulated CXL memory expander", "cxl_pci", 0x8086, 0x0d93,
                               0x050210 },
        [MODEL_CXL_SWITCH] = { "cxl-switch", "Emulated CXL switch upstream port", "pcieport", 0x19e5, 0xa128,
                               0x060400 },
        [MODEL_NVME] = { "nvme", "Emulated NVMe drive", "nvme", 0x1344, 0x51bc, 0x010802 },
        [MODEL_ACCELERATOR] = { "accelerator", "Emulated accelerator", "", 0x1234, 0x0acc, 0x120000 },
};

static int set_lockdown(ScenarioParser *p, const char *value, char *error) {
        int r = scenario_lockdown_from_string(value);

        if (r < 0)
                return ini_fail(error, "'%s' is none of none, integrity, confidentiality", value);
        p->scenario->lockdown = (ScenarioLockdown)r;
        return 0;
}

static void become(ScenarioDevice *d, ModelKind kind) {
        d->model.kind = kind;
        d->model.vendor_id = d->model.subsystem_vendor_id = kinds[kind].vendor_id;
        d->model.device_id = kinds[kind].device_id;
        d->model.class_code = kinds[kind].class_code;
        snprintf(d->name, sizeof(d->name), "%s", kinds[kind].product);
        snprintf(d->driver, sizeof(d->driver), "%s", kinds[kind].driver);
}

void scenario_key_set_defaults(ScenarioDevice *d) {
        become(d, MODEL_GENERIC);
        d->model.revision = 1;
}

static int set_kind(ScenarioParser *p, const char *value, char *error) {
        if (p->n_keys > 1)
                return ini_fail(error,
                                "kind= stands first in its section, since it sets what others change");
        for (size_t i = 0; i < N_MODEL_KINDS; i++)
                if (strcmp(value, kinds[i].name) == 0) {
                        become(p->device, (ModelKind)i);
                        return 0;
                }
        return ini_fail(error, "'%s' is no kind of device", value);
}

static int set_numa_node(ScenarioParser *p, const char *value, char *error) {
        uint64_t node;

        p->device->numa_node = -1;
        if (strcmp(value, "-1") == 0)
                return 0;
        if (number_parse(value, INT32_MAX, &node) < 0)
                return ini_fail(error, "'%s' is no node", value);
        p->device->numa_node = (int32_t)node;
        return 0;
}

static int set_present(ScenarioParser *p, const char *value, char *error) {
        bool is_present;

        if (number_parse_bool(value, &is_present) < 0)
                return ini_fail(error, "'%s' is neither yes nor no", value);
        p->device->is_absent = !is_present;
        return 0;
}

static int add_listed_feature(ScenarioDevice *d, const char *word, char *error) {
        ScenarioFeature *f = &d->features[d->n_features];

        if (d->n_features == MODEL_FEATURES_MAX || doe_feature_parse(word, &f->vendor_id, &f->type) < 0)
                return ini_fail(error, "'%s' is no feature, or one too many", word);
        d->n_features++;
        return 0;
}

static int set_doe_features(ScenarioParser *p, const char *value, char *error) {
        _cleanup_free_ char *copy = strdup(value);
        char *rest = copy, *word;
        int r;

        if (!copy)
                return -ENOMEM;
        p->device->says_doe_features = true;
        p->device->has_doe_features = strcmp(value, "none") != 0;
        p->device->n_features = 0;
        if (!p->device->has_doe_features || strcmp(value, "auto") == 0)
                return 0; /* "auto" is filled in once the mailboxes are known */
        while ((word = word_next(&rest))) {
                r = add_listed_feature(p->device, word, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int set_tsm(ScenarioParser *p, const char *value, _unused_ char *error) {
        ScenarioDevice *d = p->device;

        d->says_tsm = true;
        d->has_tsm = strcmp(value, "absent") != 0;
        snprintf(d->tsm, sizeof(d->tsm), "%s", !d->has_tsm || strcmp(value, "empty") == 0 ? "" : value);
        return 0;
}

/* "100us" or "100us..300us" */
static int parse_range(const char *value, uint64_t *ret_min, uint64_t *ret_max) {
        const char *dots = strstr(value, "..");
        _cleanup_free_ char *min = dots ? strndup(value, (size_t)(dots - value)) : strdup(value);

        if (!min)
                return -ENOMEM;
        if (number_parse_usec(min, ret_min) < 0 || number_parse_usec(dots ? dots + 2 : min, ret_max) < 0 ||
            *ret_min > *ret_max)
                return -EINVAL;
        return 0;
}

static int set_service(ScenarioParser *p, const char *value, char *error) {
        if (parse_range(value, &p->mailbox->service_min_usec, &p->mailbox->service_max_usec) < 0)
                return ini_fail(error, "'%s' is no time, and no range of times A..B", value);
        return 0;
}

static int set_feature_option(ModelFeature *f, char *word) {
        char *value = strchr(word, '=');
        uint64_t number;
        int r = -EINVAL;

        if (!value)
                return -EINVAL;
        *value++ = '\0';
        if (strcmp(word, "as") == 0) {
                r = responder_kind_from_string(value);
                f->kind = r < 0 ? f->kind : (ResponderKind)r;
        } else if (strcmp(word, "max-dwords") == 0) {
                r = number_parse(value, DOE_OBJECT_DWORDS_MAX, &number);
                f->n_dwords_max = r < 0 ? 0 : (uint32_t)number;
        } else if (strcmp(word, "connections") == 0) {
                r = number_parse(value, 0xfff, &number);
                f->connection_id_max = r < 0 ? 0 : (uint16_t)number;
        } else if (strcmp(word, "service") == 0) {
                r = parse_range(value, &f->service_min_usec, &f->service_max_usec);
                f->has_service = true;
        }
        return r;
}

static int set_feature(ScenarioParser *p, const char *value, char *error) {
        _cleanup_free_ char *copy = strdup(value);
        ModelFeature f = { .n_dwords_max = DOE_OBJECT_DWORDS_MAX, .kind = RESPONDER_DISCOVERY };
        char *rest = copy, *word;
        bool is_known;

        if (!copy)
                return -ENOMEM;
        if (p->mailbox->n_features == MODEL_FEATURES_MAX)
                return ini_fail(error, "more than %u features", MODEL_FEATURES_MAX);
        word = word_next(&rest);
        if (!word || doe_feature_parse(word, &f.vendor_id, &f.type) < 0)
                return ini_fail(error, "'%s' is no feature: VVVV:TT or a known name", word ?: "");
        is_known = responder_kind_find(f.vendor_id, f.type, &f.kind) >= 0;
        while ((word = word_next(&rest))) {
                is_known = is_known || strncmp(word, "as=", 3) == 0;
                if (set_feature_option(&f, word) < 0)
                        return ini_fail(error, "'%s' is wrong after a feature", word);
        }
        if (!is_known)
                return ini_fail(error, "say who answers this feature, with as=");
        p->mailbox->features[p->mailbox->n_features++] = f;
        return 0;
}

static int set_discovery_dwords(ScenarioParser *p, const char *value, char *error) {
        if (strcmp(value, "3") != 0 && strcmp(value, "4") != 0)
                return ini_fail(error, "a discovery response has 3 or 4 dwords");
        p->mailbox->has_long_discovery = *value == '4';
        return 0;
}

static int set_fault(ScenarioParser *p, const char *value, char *error) {
        char text[FAULT_ERROR_MAX];
        Fault fault;

        if (fault_parse(value, &fault, text) < 0)
                return ini_fail(error, "%s", text);
        if (fault_set_add(&p->mailbox->faults, &fault) < 0)
                return ini_fail(error, "more than %u faults", FAULTS_MAX);
        return 0;
}

/* Relative to the scenario's own folder. */
static int set_table_file(ScenarioParser *p, const char *value, char *error) {
        const char *slash = strrchr(p->file, '/');
        _cleanup_free_ char *path = NULL;
        _cleanup_file_ FILE *f = NULL;
        size_t n_bytes;

        if (*value == '/' || !slash)
                path = strdup(value);
        else if (asprintf(&path, "%.*s/%s", (int)(slash - p->file), p->file, value) < 0)
                path = NULL;
        if (!path)
                return -ENOMEM;
        f = fopen(path, "re");
        if (!f)
                return ini_fail(error, "cannot open %s: %s", path, strerror(errno));
        free(p->table->bytes);
        p->table->bytes = malloc(TABLE_FILE_BYTES_MAX);
        if (!p->table->bytes)
                return -ENOMEM;
        n_bytes = fread(p->table->bytes, 1, TABLE_FILE_BYTES_MAX, f);
        p->table->n_bytes = n_bytes;
        return n_bytes > 0 ? 0 : ini_fail(error, "%s is empty", path);
}

/* How a value is read when it goes to one field; CUSTOM has a function instead. */
typedef enum KeyType {
        KEY_CUSTOM,
        KEY_NUMBER,
        KEY_BOOL,
        KEY_TIME,
        KEY_TEXT,
        KEY_ENUM,
} KeyType;

typedef struct Key {
        const char *name, *help;
        KeyType type;
        int (*set)(ScenarioParser *p, const char *value, char *error); /* CUSTOM */
        size_t offset, n_bytes;                                        /* the others: where the field is */
        uint64_t max;                                                  /* NUMBER */
        const char *const *names;                                      /* ENUM; max of them */
} Key;

#define CUSTOM(function)              KEY_CUSTOM, function, 0, 0, 0, NULL
#define FIELD(type, object, field)    KEY_##type, NULL, offsetof(object, field), sizeof(((object *)0)->field)
#define NUMBER(object, field, max)    FIELD(NUMBER, object, field), max, NULL
#define BOOL(object, field)           FIELD(BOOL, object, field), 0, NULL
#define TIME(object, field)           FIELD(TIME, object, field), 0, NULL
#define TEXT(object, field)           FIELD(TEXT, object, field), 0, NULL
#define ENUM(object, field, names, n) FIELD(ENUM, object, field), n, names

/* clang-format off */
static const Key scenario_keys[] = {
        { "seed", "of everything random; the same seed gives the same run", NUMBER(Scenario, seed, UINT64_MAX) },
        { "settle", "quiet time before doed-pci-emulated takes a mailbox over; default 20ms", TIME(Scenario, settle_usec) },
        { "lockdown", "`none`, `integrity` or `confidentiality`", CUSTOM(set_lockdown) },
        { "kernel", "`6.1`, `6.6`, `6.12`, `6.15` or `6.19`: what it does and shows unless a device says otherwise", ENUM(Scenario, kernel, kernel_names, N_SCENARIO_KERNELS) },
};

static const Key device_keys[] = {
        { "kind", "`generic`, `cxl-memory`, `cxl-switch` (an upstream port), `nvme`, `accelerator`; stands first, and sets the IDs, class, name and driver that follow", CUSTOM(set_kind) },
        { "vendor-id", "default by kind", NUMBER(ScenarioDevice, model.vendor_id, UINT16_MAX) },
        { "device-id", "default by kind", NUMBER(ScenarioDevice, model.device_id, UINT16_MAX) },
        { "subsystem-vendor-id", "default: as vendor-id by kind", NUMBER(ScenarioDevice, model.subsystem_vendor_id, UINT16_MAX) },
        { "subsystem-device-id", "default 0", NUMBER(ScenarioDevice, model.subsystem_device_id, UINT16_MAX) },
        { "revision", "default 1", NUMBER(ScenarioDevice, model.revision, UINT8_MAX) },
        { "class", "24 bits", NUMBER(ScenarioDevice, model.class_code, 0xffffff) },
        { "name", "as doed-pci-emulated tells it; elsewhere it comes from pci.ids", TEXT(ScenarioDevice, name) },
        { "driver", "bound at start; empty for none", TEXT(ScenarioDevice, driver) },
        { "present", "`no`: comes by the control command `add`", CUSTOM(set_present) },
        { "numa-node", "-1 for none", CUSTOM(set_numa_node) },
        { "access-time", "what each access to configuration space takes", TIME(ScenarioDevice, access_usec) },
        { "kernel-probe", "how long the kernel uses each mailbox when the function is added, and that with the CDAT when cxl is bound; default 0, not at all", TIME(ScenarioDevice, probe_usec) },
        { "doe-features", "what `doe_features/` shows: `none` (the default before 6.15), `auto` (what the mailboxes offer), or a list", CUSTOM(set_doe_features) },
        { "cxl-memory", "name of its memory device, such as `mem0`, while cxl_pci is bound", TEXT(ScenarioDevice, cxl_memory) },
        { "cxl-port", "name of its port, such as `endpoint2`, while its driver is bound", TEXT(ScenarioDevice, cxl_port) },
        { "cdat", "name of the `[cdat NAME]` section that table access serves", TEXT(ScenarioDevice, table) },
        { "kernel-cdat", "what the port's CDAT file holds: a `[cdat NAME]` section, `same` (as cdat=), `empty` (the kernel failed to read it), or `none` (no file, the default)", TEXT(ScenarioDevice, kernel_table) },
        { "tsm", "`absent` (the default before 6.19), `empty` (a tsm/ folder, not connected), or what tsm/connect holds, such as `tsm0`", CUSTOM(set_tsm) },
        { "ide", "the IDE capability at 0xe00 with its first selective stream: `absent` (the default), `insecure`, `secure`", ENUM(ScenarioDevice, model.ide, ide_names, N_MODEL_IDES) },
};

static const Key mailbox_keys[] = {
        { "version", "of the capability, 1 or 2; default 1", NUMBER(ModelMailboxSettings, cap_version, 15) },
        { "feature", "one that it offers beside discovery, once for each: `VVVV:TT [as=RESPONDER] [max-dwords=N] [connections=N] [service=A..B]`", CUSTOM(set_feature) },
        { "service", "time from GO to Ready, `A` or `A..B`; default 100us", CUSTOM(set_service) },
        { "abort", "time that an abort takes; default 0", TIME(ModelMailboxSettings, abort_usec) },
        { "busy", "when Busy is set: `processing` (from GO to Ready, the default), `sending` (from the first dword on), `pipelined` (drops in the middle of the work), `never` (as QEMU)", ENUM(ModelMailboxSettings, busy, busy_names, N_BUSY_STYLES) },
        { "interrupt", "`yes`: the capability says Interrupt Support", BOOL(ModelMailboxSettings, has_interrupt) },
        { "at-attention", "`yes`: Status bit 4 is set at all times", BOOL(ModelMailboxSettings, at_attention) },
        { "reserved-status", "more bits of Status that are set at all times", NUMBER(ModelMailboxSettings, reserved_status, UINT32_MAX) },
        { "write-dwords", "what fits into the write mailbox; one more dword sets Error; default 2^18", NUMBER(ModelMailboxSettings, write_dwords, DOE_OBJECT_DWORDS_MAX) },
        { "discovery", "the chain: `plain`, `cyclic`, `duplicate`, `garbage` (entries ffff:ff between), `endless`, `missing-self`", ENUM(ModelMailboxSettings, chain, chain_names, N_DISCOVERY_CHAINS) },
        { "discovery-dwords", "3, or 4 with the limits of newer revisions", CUSTOM(set_discovery_dwords) },
        { "discovery-strict", "`yes`: a wrong Discovery Version is discarded", BOOL(ModelMailboxSettings, is_discovery_strict) },
        { "discovery-beyond", "`yes`: an index out of range answers ffff:ff, as QEMU does; else nothing", BOOL(ModelMailboxSettings, answers_discovery_beyond) },
        { "forgets-on-abort", "`yes`: an abort ends SPDM connection and sessions", BOOL(ModelMailboxSettings, forgets_on_abort) },
        { "fault", "a fault row, once for each", CUSTOM(set_fault) },
};

static const Key cdat_keys[] = {
        { "file", "a table in a file, instead of structures; relative to the scenario's folder", CUSTOM(set_table_file) },
        { "revision", "default 1", NUMBER(CdatBuilder, revision, UINT8_MAX) },
        { "sequence", "default 0", NUMBER(CdatBuilder, sequence, UINT32_MAX) },
        { "damage", "`none`, `checksum`, `length` (the header's), `entry` (the last one's length)", ENUM(CdatBuilder, damage, damage_names, N_CDAT_DAMAGES) },
};
/* clang-format on */

static int set_enum(const Key *key, void *field, const char *value, char *error) {
        int i = word_find(value, key->names, key->max);

        if (i < 0)
                return ini_fail(error, "'%s' is no value of %s=", value, key->name);
        memcpy(field, &i, key->n_bytes); /* our enums are as wide as int */
        return 0;
}

static int set_number(const Key *key, void *field, const char *value, char *error) {
        uint64_t number;

        if (number_parse(value, key->max, &number) < 0)
                return ini_fail(error, "'%s' is no number up to %llu", value, (unsigned long long)key->max);
        switch (key->n_bytes) {
        case 1:
                *(uint8_t *)field = (uint8_t)number;
                break;
        case 2:
                *(uint16_t *)field = (uint16_t)number;
                break;
        case 4:
                *(uint32_t *)field = (uint32_t)number;
                break;
        default:
                *(uint64_t *)field = number;
                break;
        }
        return 0;
}

static int set_key(ScenarioParser *p, const Key *key, void *object, const char *value, char *error) {
        void *field = (char *)object + key->offset;

        switch (key->type) {
        case KEY_CUSTOM:
                return key->set(p, value, error);
        case KEY_NUMBER:
                return set_number(key, field, value, error);
        case KEY_ENUM:
                return set_enum(key, field, value, error);
        case KEY_BOOL:
                if (number_parse_bool(value, field) < 0)
                        return ini_fail(error, "'%s' is neither yes nor no", value);
                return 0;
        case KEY_TIME:
                if (number_parse_usec(value, field) < 0)
                        return ini_fail(error, "'%s' is no time", value);
                return 0;
        case KEY_TEXT:
                if (strlen(value) >= key->n_bytes || strchr(value, '/'))
                        return ini_fail(error, "%s= is too long, or has a '/'", key->name);
                memcpy(field, value, strlen(value) + 1);
                return 0;
        }
        return 0;
}
static const struct {
        const char *kind;
        const Key *keys;
        size_t n_keys;
} sections[] = {
        { "scenario", scenario_keys, ELEMENTS(scenario_keys) },
        { "device", device_keys, ELEMENTS(device_keys) },
        { "mailbox", mailbox_keys, ELEMENTS(mailbox_keys) },
        { "cdat", cdat_keys, ELEMENTS(cdat_keys) },
};

static void *section_object(ScenarioParser *p) {
        if (p->table)
                return &p->builder;
        if (p->mailbox)
                return p->mailbox;
        return p->device ? (void *)p->device : (void *)p->scenario;
}

int scenario_key_set(ScenarioParser *p, const char *kind, const char *name, const char *value, char *error) {
        for (size_t i = 0; i < ELEMENTS(sections); i++) {
                if (strcmp(kind, sections[i].kind) != 0)
                        continue;
                for (size_t j = 0; j < sections[i].n_keys; j++)
                        if (strcmp(name, sections[i].keys[j].name) == 0)
                                return set_key(p, &sections[i].keys[j], section_object(p), value, error);
        }
        return -ENOENT;
}

const char *scenario_key_get(const char *kind, size_t i, const char **ret_help) {
        for (size_t j = 0; j < ELEMENTS(sections); j++)
                if (strcmp(kind, sections[j].kind) == 0 && i < sections[j].n_keys) {
                        *ret_help = sections[j].keys[i].help;
                        return sections[j].keys[i].name;
                }
        return NULL;
}
