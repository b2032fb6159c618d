/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is wrong with doed on this machine, and what to do. First facts are gathered, each from where it is
 * to be had and none of them waited for long; then checks, which are pure, make findings of them. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/failure.h"
#include "client/memory.h"

/* How one whom we asked has answered. */
typedef enum DoctorAnswer {
        DOCTOR_NOT_ASKED,
        DOCTOR_ANSWERED,
        DOCTOR_ABSENT,  /* it is not there: no such socket, no such file, nobody has the name */
        DOCTOR_REFUSED, /* nobody listens on its socket */
        DOCTOR_SILENT,  /* not within the time */
        DOCTOR_DENIED,  /* we may not ask */
        DOCTOR_FAILED,  /* anything else: the error says what */
} DoctorAnswer;

/* A unit as systemd1 tells of it. */
typedef struct DoctorUnit {
        const char *load, *active, *sub; /* "" where systemd was not asked */
        const char *result;              /* of a service or socket: "success", "exit-code" */
} DoctorUnit;

typedef enum DoctorDoe {
        DOCTOR_DOE_UNKNOWN, /* only root can tell, on kernels without doe_features/ */
        DOCTOR_DOE_NO,
        DOCTOR_DOE_YES,
} DoctorDoe;

/* A PCI function as sysfs shows it. */
typedef struct DoctorFunction {
        const char *address, *driver;
        uint32_t class_code;
        uint64_t n_config_bytes; /* 256: no extended configuration space; 0: not known */
        DoctorDoe doe;
} DoctorFunction;

/* Strings are never NULL after doctor_facts_init(); "" is: not known, or nothing. */
typedef struct DoctorFacts {
        uint64_t now_usec;    /* CLOCK_REALTIME */
        uint64_t waited_usec; /* how long each that is asked may take */

        struct {
                DoctorAnswer answer;
                const char *address, *error;
                bool is_of_environment; /* the address, by DBUS_SYSTEM_BUS_ADDRESS */
        } bus;

        bool has_systemd;
        DoctorUnit doed_unit, pci_unit, socket_unit;

        struct {
                bool is_on_bus, is_activatable;
                DoctorAnswer answer;
                const char *error;
                bool has_uid;
                uint32_t uid; /* that it runs as */
                const char *version, *lockdown;
                bool is_ready;
                const char *unavailable; /* why doed-pci is not there */
                json_t *devices;         /* of tree_build(); NULL if doed was not asked */
                json_t *leases;          /* array of what Lease1 says, with "mailbox" the mailbox's name */
                json_t *owned;           /* address -> evidence of another agent's SPDM session */
                const char *verdict, *rule, *source; /* may the caller read CDAT? */
        } doed;

        struct {
                bool has_policy;     /* org.doed.conf is in one of the folders */
                const char *folders; /* the folders */
                bool has_doed_user;  /* without it the bus drops the rule that names it */
                uint32_t doed_uid;
        } policy;

        struct {
                bool is_on_bus, is_activatable, has_file;
                DoctorAnswer answer;
                const char *error;
                const char *file;  /* where org.doed.policy belongs */
                const char *owner; /* of the first action whose owner is not doed; "" for none */
                size_t n_actions;  /* of org.doed that polkit knows */
                size_t n_without_owner;
        } polkit;

        struct {
                bool exists;        /* the group "doe" */
                bool is_listed;     /* the group file has the caller in it */
                bool is_in_session; /* and the caller's process has the group */
                uint32_t uid;
                const char *user;
        } caller;

        struct {
                DoctorAnswer answer;
                const char *folder; /* that was checked; "": those that doed reads by itself */
                const char *error;  /* how the check came to nothing: DOCTOR_FAILED */
                json_t *errors;     /* array of lines; NULL: not asked */
        } config;

        const char *sysfs;
        const char *sysfs_error; /* why it has no PCI functions to look at */
        const char *lockdown;    /* of sysfs */
        DoctorFunction *functions;
        size_t n_functions;

        const char *word; /* what the command line limits this to; "": nothing */
        const char *only; /* address that it stands for; "": all, or none is found */
        long only_offset; /* -1: any mailbox */

        char **kept; /* what the strings are held by */
        size_t n_kept;
} DoctorFacts;

void doctor_facts_init(DoctorFacts *f);
void doctor_facts_done(DoctorFacts *f);
#define _cleanup_facts_ _cleanup_(doctor_facts_done)

/* Hand over a string to @f. Return: the same, to be borrowed as long as @f lives. */
const char *doctor_keep(DoctorFacts *f, char *s);
/* Hand over a function; its strings are kept already. */
void doctor_add_function(DoctorFacts *f, const DoctorFunction *function);

typedef enum DoctorSeverity {
        DOCTOR_ERROR,   /* something does not work */
        DOCTOR_WARNING, /* something works less than it should */
        DOCTOR_HINT,    /* as it was wanted, but worth knowing */
} DoctorSeverity;

#define N_DOCTOR_SEVERITIES (DOCTOR_HINT + 1)

typedef struct DoctorFinding {
        const char *id; /* static */
        DoctorSeverity severity;
        char *what;   /* owned: one line that names the object */
        char *why;    /* owned: the evidence, a line or more */
        char *remedy; /* owned: lines for a shell; those that begin with "#" are remarks */
} DoctorFinding;

typedef struct DoctorFindings {
        DoctorFinding *all; /* owned */
        size_t n;
} DoctorFindings;

void doctor_findings_done(DoctorFindings *l);
#define _cleanup_findings_ _cleanup_(doctor_findings_done)

/* A new finding, borrowed until the next one is added; then why, and what to do: doctor_do() says itself
 * which of it root has to do. */
DoctorFinding *doctor_add(DoctorFindings *l, const char *id, DoctorSeverity severity, const char *what, ...)
                __attribute__((format(printf, 4, 5)));
void doctor_why(DoctorFinding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doctor_do(DoctorFinding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * doctor_select() - limit @f to the device or mailbox that @word names
 *
 * Those that doed lists are named as everywhere; of the others also a unique part of the address is enough.
 * That there is none is no failure but something to find.
 *
 * Return: 0; -errno with @failure set: @word may be several, or is no name.
 */
int doctor_select(DoctorFacts *f, const char *word, Failure *failure);
/* Is this one meant? */
bool doctor_is_selected(const DoctorFacts *f, const char *address);
bool doctor_is_selected_mailbox(const DoctorFacts *f, const char *address, uint64_t offset);

bool doctor_is_cxl_memory(const DoctorFunction *function);
/* doed answers, and knows all devices. */
bool doctor_knows_devices(const DoctorFacts *f);
const json_t *doctor_find_device(const DoctorFacts *f, const char *address);

/* Run all checks. The findings are ordered by severity, then as the checks are. */
void doctor_judge(const DoctorFacts *f, DoctorFindings *ret);

/* What is in order, a line each: an array of strings. New reference. */
json_t *doctor_praise(const DoctorFacts *f, const DoctorFindings *l);

/* The checks of doctor-service.c: the bus, doed, and what it needs. */
void doctor_check_bus(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_running(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_answer(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_policy(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_pci(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_config(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_polkit(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_group(const DoctorFacts *f, DoctorFindings *l);
/* Those of doctor-device.c: the devices and their mailboxes. */
void doctor_check_lockdown(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_target(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_sysfs(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_functions(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_mailboxes(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_access(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_owners(const DoctorFacts *f, DoctorFindings *l);
void doctor_check_leases(const DoctorFacts *f, DoctorFindings *l);
