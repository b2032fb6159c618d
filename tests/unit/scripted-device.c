/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/scripted-device.h"

#include <errno.h>
#include <stdlib.h>

#include "protocols/data-object.h"
#include "protocols/registers.h"

#define START_USEC UINT64_C(1000000)

static void device_reset(ScriptedDevice *d) {
        d->n_request = d->n_response = d->at_response = 0;
        d->has_error = d->is_serving = d->is_aborting = false;
        d->script_status = 0;
}

/* What has happened on its own since the last look. */
static void device_catch_up(ScriptedDevice *d) {
        if (d->is_aborting && d->now_usec - d->abort_set_usec >= d->abort_usec)
                device_reset(d);
        if (!d->is_serving || d->now_usec - d->go_usec < d->service_usec)
                return;

        d->is_serving = false;
        d->at_response = 0;
        if (d->canned) {
                d->n_response = d->n_canned;
                for (uint32_t i = 0; i < d->n_canned; i++)
                        d->response[i] = d->canned[i];
                return;
        }
        d->n_response = d->n_sent;
        for (uint32_t i = 0; i < d->n_sent; i++)
                d->response[i] = d->request[i];
}

static void device_act(ScriptedDevice *d, const ScriptRow *row) {
        switch (row->action) {
        case SET_STATUS:
                d->script_status |= (uint32_t)row->value;
                break;
        case CLEAR_STATUS:
                d->script_status &= ~(uint32_t)row->value;
                break;
        case DROP_ANSWER:
                d->n_response = d->at_response = 0;
                d->is_serving = false;
                break;
        case PUT_ANSWER:
                d->response[0] = (uint32_t)row->value;
                d->response[1] = 3;
                d->response[2] = 0xdeadbeef;
                d->n_response = 3;
                d->at_response = 0;
                break;
        case VANISH:
                d->is_gone = true;
                break;
        case COME_BACK:
                device_reset(d);
                d->is_gone = false;
                break;
        case REFUSE_WRITES:
                d->refuses_writes = true;
                break;
        case SLOW_DOWN:
                d->access_usec = row->value;
                break;
        case JUMP_AHEAD:
                d->now_usec += row->value;
                break;
        }
}

static bool row_is_due(const ScriptedDevice *d, const ScriptRow *row, uint16_t reg, bool is_write) {
        switch (row->trigger) {
        case AT_USEC:
                return d->now_usec >= row->at;
        case AFTER_GO:
                return d->n_gos > 0 && d->now_usec >= d->go_usec + row->at;
        case AT_READ:
                return reg == DOE_REG_READ && !is_write && d->n_response > 0 && d->at_response == row->at;
        case AT_WRITE:
                return (reg == DOE_REG_WRITE || reg == DOE_REG_CONTROL) && is_write &&
                       d->n_request == row->at;
        case AFTER_ANSWER:
                return d->n_response > 0 && d->at_response >= row->at;
        case AT_END:
                break;
        }
        return false;
}

static void device_run_script(ScriptedDevice *d, uint16_t reg, bool is_write) {
        for (unsigned i = 0; d->script && d->script[i].trigger != AT_END; i++)
                if (!(d->rows_done & (1u << i)) && row_is_due(d, &d->script[i], reg, is_write)) {
                        d->rows_done |= 1u << i;
                        device_act(d, &d->script[i]);
                }
}

static void device_log(ScriptedDevice *d, char letter) {
        if (d->n_log < SCRIPTED_LOG_MAX - 1)
                d->log[d->n_log++] = letter;
        d->log[d->n_log] = '\0';
}

uint32_t scripted_status(const ScriptedDevice *d) {
        uint32_t status = d->extra_status | d->script_status;

        if ((d->is_serving && !d->is_pipelining) || d->is_aborting)
                status |= DOE_STATUS_BUSY;
        if (d->has_error)
                status |= DOE_STATUS_ERROR;
        if (d->at_response < d->n_response)
                status |= DOE_STATUS_READY;
        return status;
}

static void device_begin_access(ScriptedDevice *d, uint16_t reg, bool is_write) {
        d->now_usec += d->access_usec;
        device_catch_up(d);
        device_run_script(d, reg, is_write);
}

static void device_count_status(ScriptedDevice *d) {
        uint64_t gap_usec = d->now_usec - d->last_status_usec;

        if (d->n_status++ > 0) {
                if (gap_usec < 1000)
                        d->n_close_status++;
                if (gap_usec < d->least_status_gap_usec)
                        d->least_status_gap_usec = gap_usec;
        }
        d->last_status_usec = d->now_usec;
}

static int device_read32(ConfigSpace *config, uint16_t offset, uint32_t *ret) {
        ScriptedDevice *d = (ScriptedDevice *)config;
        uint16_t reg = (uint16_t)(offset - SCRIPTED_OFFSET);

        device_begin_access(d, reg, false);
        device_log(d, reg == DOE_REG_STATUS ? 's' : reg == DOE_REG_READ ? 'r' : '?');
        if (reg == DOE_REG_STATUS)
                device_count_status(d);
        if (d->read_error < 0)
                return d->read_error;
        if (d->is_gone)
                *ret = UINT32_MAX;
        else if (reg == DOE_REG_STATUS)
                *ret = scripted_status(d);
        else
                *ret = d->at_response < d->n_response ? d->response[d->at_response] : 0;
        return 0;
}

static void device_control(ScriptedDevice *d, uint32_t value) {
        d->last_write = value;
        if (value & DOE_CONTROL_ABORT) {
                d->n_aborts++;
                d->abort_set_usec = d->now_usec;
                d->is_serving = false;
                d->is_aborting = true;
                device_catch_up(d);
        }
        if (value & DOE_CONTROL_GO) {
                d->n_gos++;
                d->go_usec = d->now_usec;
                d->is_serving = true;
                d->n_sent = d->n_request;
                d->n_request = 0;
                device_catch_up(d);
        }
}

static char letter_of_write(uint16_t reg, uint32_t value) {
        switch (reg) {
        case DOE_REG_WRITE:
                return 'w';
        case DOE_REG_READ:
                return 'p';
        case DOE_REG_CONTROL:
                return value == DOE_CONTROL_GO ? 'G' : value == DOE_CONTROL_ABORT ? 'A' : '?';
        default:
                return '?';
        }
}

static int device_write32(ConfigSpace *config, uint16_t offset, uint32_t value) {
        ScriptedDevice *d = (ScriptedDevice *)config;
        uint16_t reg = (uint16_t)(offset - SCRIPTED_OFFSET);

        device_begin_access(d, reg, true);
        device_log(d, letter_of_write(reg, value));
        if (d->refuses_writes)
                return -EPERM;

        d->n_writes++;
        if (d->is_gone)
                return 0;
        if (reg == DOE_REG_WRITE && d->n_request < DOE_OBJECT_DWORDS_MAX)
                d->request[d->n_request++] = value;
        else if (reg == DOE_REG_READ && d->at_response < d->n_response)
                d->at_response++;
        else if (reg == DOE_REG_READ)
                d->has_error = true;
        else if (reg == DOE_REG_CONTROL)
                device_control(d, value);
        return 0;
}

static uint64_t device_now_usec(ConfigSpace *config) {
        return ((ScriptedDevice *)config)->now_usec;
}

static void device_pause(ConfigSpace *config, uint64_t usec) {
        ((ScriptedDevice *)config)->now_usec += usec;
}

ScriptedDevice *scripted_new(void) {
        ScriptedDevice *d = calloc(1, sizeof(*d));

        if (!d)
                abort();
        d->config = (ConfigSpace){ device_read32, device_write32, device_now_usec, device_pause };
        d->request = calloc(DOE_OBJECT_DWORDS_MAX, sizeof(*d->request));
        d->response = calloc(DOE_OBJECT_DWORDS_MAX, sizeof(*d->response));
        if (!d->request || !d->response)
                abort();
        d->now_usec = START_USEC;
        d->access_usec = 1;
        d->least_status_gap_usec = UINT64_MAX;
        return d;
}

ScriptedDevice *scripted_free(ScriptedDevice *d) {
        if (!d)
                return NULL;

        free(d->request);
        free(d->response);
        free(d);
        return NULL;
}

void scripted_set_script(ScriptedDevice *d, const ScriptRow *rows) {
        d->script = rows;
        d->rows_done = 0;
}

void scripted_clear_log(ScriptedDevice *d) {
        d->n_log = 0;
        d->log[0] = '\0';
        d->n_writes = d->n_aborts = d->n_gos = d->n_status = d->n_close_status = 0;
        d->least_status_gap_usec = UINT64_MAX;
}

void scripted_sleep_until(ScriptedDevice *d, uint64_t usec) {
        if (usec > d->now_usec)
                d->now_usec = usec;
}
