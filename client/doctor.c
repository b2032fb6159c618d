/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "client/match.h"

#define CONFIG_SPACE_MAX 0xfffu
#define CLASS_CXL_MEMORY 0x0502u /* without programming interface */

/* -------- facts -------- */

void doctor_facts_init(DoctorFacts *f) {
        static const DoctorUnit unknown = { "", "", "", "" };

        *f = (DoctorFacts){
                .bus = { .address = "", .error = "" },
                .doed_unit = unknown,
                .pci_unit = unknown,
                .socket_unit = unknown,
                .doed = { .error = "",
                          .version = "",
                          .lockdown = "",
                          .unavailable = "",
                          .verdict = "",
                          .rule = "",
                          .source = "" },
                .policy = { .folders = "" },
                .polkit = { .error = "", .file = "", .owner = "" },
                .caller = { .user = "" },
                .config = { .folder = "", .error = "" },
                .sysfs = "",
                .sysfs_error = "",
                .lockdown = "",
                .word = "",
                .only = "",
                .only_offset = -1,
        };
}

void doctor_facts_done(DoctorFacts *f) {
        json_decref(f->doed.devices);
        json_decref(f->doed.leases);
        json_decref(f->doed.owned);
        json_decref(f->config.errors);
        free(f->functions);
        for (size_t i = 0; i < f->n_kept; i++)
                free(f->kept[i]);
        free(f->kept);
}

const char *doctor_keep(DoctorFacts *f, char *s) {
        f->kept = memory_must(reallocarray(f->kept, f->n_kept + 1, sizeof(f->kept[0])));
        f->kept[f->n_kept++] = s;
        return s;
}

void doctor_add_function(DoctorFacts *f, const DoctorFunction *function) {
        f->functions = memory_must(reallocarray(f->functions, f->n_functions + 1, sizeof(f->functions[0])));
        f->functions[f->n_functions++] = *function;
}

bool doctor_is_cxl_memory(const DoctorFunction *function) {
        return function->class_code >> 8 == CLASS_CXL_MEMORY;
}

bool doctor_knows_devices(const DoctorFacts *f) {
        return f->doed.answer == DOCTOR_ANSWERED && f->doed.devices && f->doed.is_ready;
}

const json_t *doctor_find_device(const DoctorFacts *f, const char *address) {
        json_t *device;
        size_t i;

        json_array_foreach(f->doed.devices, i, device) {
                if (strcmp(json_text(device, "address"), address) == 0)
                        return device;
        }
        return NULL;
}

/* -------- what it is limited to -------- */

static bool is_named_so(const DoctorFunction *function, const char *word) {
        return strcasecmp(function->address, word) == 0;
}

/* A whole address is no part of another. */
static bool may_be_named_so(const DoctorFunction *function, const char *word) {
        return *word && !match_is_address(word) && strcasestr(function->address, word);
}

static int select_function(DoctorFacts *f, const char *word, Failure *failure) {
        const DoctorFunction *found = NULL;

        for (size_t i = 0; i < f->n_functions; i++) {
                const DoctorFunction *function = &f->functions[i];

                if (is_named_so(function, word)) {
                        found = function;
                        break;
                }
                if (!may_be_named_so(function, word))
                        continue;
                if (found)
                        return failure_set(failure, FAILURE_INVALID_ARGS,
                                           "\"%s\" may be %s or %s: give more of the address", word,
                                           found->address, function->address);
                found = function;
        }
        if (found)
                f->only = found->address;
        return 0;
}

static int select_offset(DoctorFacts *f, const char *bracket, Failure *failure) {
        char *end;
        long offset = strtol(bracket + 1, &end, 16);

        if (end == bracket + 1 || strcmp(end, "]") != 0 || offset < 0 || offset > (long)CONFIG_SPACE_MAX)
                return failure_set(failure, FAILURE_INVALID_ARGS,
                                   "\"%s\" is not the name of a mailbox, such as 0000:3a:00.0[160]",
                                   f->word);
        f->only_offset = offset;
        return 0;
}

int doctor_select(DoctorFacts *f, const char *word, Failure *failure) {
        const char *bracket = strchr(word, '[');
        const char *part = doctor_keep(f, memory_format("%.*s", (int)strcspn(word, "["), word));
        const json_t *device;
        int r;

        f->word = doctor_keep(f, memory_copy(word));
        r = bracket ? select_offset(f, bracket, failure) : 0;
        if (r < 0)
                return r;

        r = match_device(f->doed.devices, part, &device, failure);
        if (r >= 0) {
                f->only = doctor_keep(f, memory_copy(json_text(device, "address")));
                return 0;
        }
        if (!failure_is(failure, FAILURE_UNKNOWN_OBJECT))
                return r;

        failure_done(failure);
        return select_function(f, part, failure);
}

bool doctor_is_selected(const DoctorFacts *f, const char *address) {
        return !*f->word || strcmp(f->only, address) == 0;
}

bool doctor_is_selected_mailbox(const DoctorFacts *f, const char *address, uint64_t offset) {
        return doctor_is_selected(f, address) && (f->only_offset < 0 || (uint64_t)f->only_offset == offset);
}

/* -------- findings -------- */

void doctor_findings_done(DoctorFindings *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->all[i].what);
                free(l->all[i].why);
                free(l->all[i].remedy);
        }
        free(l->all);
        *l = (DoctorFindings){ 0 };
}

static char *format_list(const char *format, va_list args) {
        char *text = NULL;
        int n = vasprintf(&text, format, args);

        return memory_must(n < 0 ? NULL : text);
}

DoctorFinding *doctor_add(DoctorFindings *l, const char *id, DoctorSeverity severity, const char *what,
                          ...) {
        DoctorFinding *finding;
        va_list args;

        l->all = memory_must(reallocarray(l->all, l->n + 1, sizeof(l->all[0])));
        finding = &l->all[l->n++];
        *finding = (DoctorFinding){ .id = id, .severity = severity };
        va_start(args, what);
        finding->what = format_list(what, args);
        va_end(args);
        return finding;
}

void doctor_why(DoctorFinding *finding, const char *format, ...) {
        va_list args;

        va_start(args, format);
        finding->why = format_list(format, args);
        va_end(args);
}

/* What only root can do, by its first words. */
static bool needs_root(const char *line) {
        static const char *const commands[] = { "adduser ",          "apt ",
                                                "echo 1 >",          "lspci -vvv ",
                                                "systemctl reload ", "systemctl restart ",
                                                "systemctl start ",  "systemctl unmask ",
                                                "systemd-sysusers" };

        for (size_t i = 0; i < ELEMENTS(commands); i++)
                if (strncmp(line, commands[i], strlen(commands[i])) == 0)
                        return true;
        return strstr(line, "&& systemctl reload ");
}

/* @text, with a remark before each run of lines that need root; newly allocated. */
static char *say_root(const char *text) {
        bool is_root = false, ends_remark = false;
        char *marked = NULL;
        size_t n_marked;
        FILE *f = memory_must(open_memstream(&marked, &n_marked));

        for (const char *line = text; *line;) {
                const size_t n = strcspn(line, "\n"), n_begun = (size_t)ftell(f);
                const bool is_remark = *line == '#', begins = !is_root && needs_root(line);
                const bool is_said = is_remark && memmem(line, n, "as root", strlen("as root"));

                if (begins && ends_remark)
                        fseek(f, (long)n_begun - 2, SEEK_SET);
                if (begins)
                        fputs(ends_remark ? ", as root:\n" : "# as root:\n", f);
                fprintf(f, "%.*s%s", (int)n, line, line[n] ? "\n" : "");
                is_root = is_said || (!is_remark && (begins || (is_root && needs_root(line))));
                ends_remark = is_remark && !is_said && line[n - 1] == ':';
                line += n + (line[n] == '\n');
        }
        memory_must(fclose(f) == 0 ? marked : NULL);
        return marked;
}

void doctor_do(DoctorFinding *finding, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list args;

        va_start(args, format);
        text = format_list(format, args);
        va_end(args);
        finding->remedy = say_root(text);
}

/* -------- judgement -------- */

static void (*const checks[])(const DoctorFacts *f, DoctorFindings *l) = {
        doctor_check_bus,       doctor_check_running, doctor_check_policy,   doctor_check_answer,
        doctor_check_pci,       doctor_check_config,  doctor_check_sysfs,    doctor_check_target,
        doctor_check_mailboxes, doctor_check_access,  doctor_check_lockdown, doctor_check_functions,
        doctor_check_leases,    doctor_check_owners,  doctor_check_polkit,   doctor_check_group,
};

static void sort_by_severity(DoctorFindings *l) {
        DoctorFinding *sorted = memory_must(calloc(l->n + 1, sizeof(sorted[0])));
        size_t n = 0;

        for (int severity = 0; severity < N_DOCTOR_SEVERITIES; severity++)
                for (size_t i = 0; i < l->n; i++)
                        if ((int)l->all[i].severity == severity)
                                sorted[n++] = l->all[i];
        free(l->all);
        l->all = sorted;
}

void doctor_judge(const DoctorFacts *f, DoctorFindings *ret) {
        *ret = (DoctorFindings){ 0 };
        for (size_t i = 0; i < ELEMENTS(checks); i++)
                checks[i](f, ret);
        sort_by_severity(ret);
}
