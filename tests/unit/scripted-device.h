/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A DOE mailbox in virtual time, whose faults are rows of a script. It keeps a line of every access, one
 * letter each: s Status, w Write Data, G GO, A Abort, r Read Data, p pop, and ? for what nobody should
 * touch. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/pci/config-space.h"

#define SCRIPTED_OFFSET  0x160u
#define SCRIPTED_LOG_MAX 8192u
#define SCRIPTED_FOREVER UINT64_MAX

typedef enum ScriptTrigger {
        AT_END,       /* of the script */
        AT_USEC,      /* the clock is there */
        AFTER_GO,     /* so many usec after the last GO */
        AT_READ,      /* response dword so and so is about to be read */
        AT_WRITE,     /* request dword so and so is about to be written, or GO after so many */
        AFTER_ANSWER, /* so many dwords of the response were popped */
} ScriptTrigger;

typedef enum ScriptAction {
        SET_STATUS,    /* these bits on top of what the device says */
        CLEAR_STATUS,  /* and no more */
        DROP_ANSWER,   /* as if another agent had read or aborted it */
        PUT_ANSWER,    /* an answer that nobody here asked for: value is its DW0, of 3 dwords */
        VANISH,        /* all-ones from now on */
        COME_BACK,     /* with its registers reset */
        REFUSE_WRITES, /* -EPERM */
        SLOW_DOWN,     /* each access takes value usec */
        JUMP_AHEAD,    /* the clock, by value usec */
} ScriptAction;

typedef struct ScriptRow {
        ScriptTrigger trigger;
        uint64_t at;
        ScriptAction action;
        uint64_t value;
} ScriptRow;

typedef struct ScriptedDevice {
        ConfigSpace config; /* first */
        uint64_t now_usec;
        uint64_t access_usec;
        uint64_t service_usec; /* from GO to Ready */
        uint64_t abort_usec;   /* from Abort to clear */
        bool is_pipelining;    /* never Busy */
        bool is_gone, refuses_writes;
        int read_error;         /* of read32, instead of all-ones */
        uint32_t extra_status;  /* always set */
        uint32_t script_status; /* by SET_STATUS */
        bool has_error;
        const uint32_t *canned; /* response instead of the echo, header included */
        uint32_t n_canned;
        const ScriptRow *script;
        uint32_t rows_done; /* bit per row */
        uint64_t go_usec, abort_set_usec;
        bool is_serving, is_aborting;
        uint32_t *request, *response;
        uint32_t n_request, n_sent; /* being written; at the last GO */
        uint32_t n_response, at_response;
        uint32_t n_writes, n_aborts, n_gos, n_status;
        uint64_t last_status_usec, least_status_gap_usec;
        uint32_t n_close_status; /* Status reads closer than 1 ms to the one before */
        uint32_t last_write;     /* of Control */
        size_t n_log;
        char log[SCRIPTED_LOG_MAX];
} ScriptedDevice;

/* Echoes each request at once, 1 us for each access, the clock at 1 s. */
ScriptedDevice *scripted_new(void);
ScriptedDevice *scripted_free(ScriptedDevice *d);
/* @rows: borrowed, ended by AT_END, at most 32 */
void scripted_set_script(ScriptedDevice *d, const ScriptRow *rows);
void scripted_clear_log(ScriptedDevice *d);
/* Advance to @usec if that is later. */
void scripted_sleep_until(ScriptedDevice *d, uint64_t usec);
uint32_t scripted_status(const ScriptedDevice *d);
