/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/emulated-function.h"

#include <check.h>

#include "protocols/data-object.h"
#include "protocols/registers.h"

#define ACCESS_USEC 1u
#define STEP_USEC   10u
#define SECOND_USEC 1000000u

void emulated_begin(EmulatedFunction *e, const char *mailbox) {
        char error[SCENARIO_ERROR_MAX], *text;
        int n;

        *e = (EmulatedFunction){ .offset = 0x150 };
        n = asprintf(&text,
                     "[scenario]\nseed=7\n[device 0000:01:00.0]\nkind=cxl-memory\ncdat=table\n"
                     "[cdat table]\ndsmas = handle=0 bytes=1G\ndsis = handle=0\n"
                     "[mailbox 0000:01:00.0[150]]\n%s",
                     mailbox);
        ck_assert_int_gt(n, 0);
        ck_assert_msg(scenario_parse("test", text, (size_t)n, &e->scenario, error) == 0, "%s", error);
        ck_assert_int_eq(model_new(&e->scenario->devices[0].model, 0, &e->model), 0);
        free(text);
}

void emulated_end(EmulatedFunction *e) {
        model_free(e->model);
        scenario_free(e->scenario);
}

uint32_t emulated_read(EmulatedFunction *e, uint16_t reg) {
        e->now_usec += ACCESS_USEC;
        return model_read(e->model, e->now_usec, e->offset + reg, 4);
}

void emulated_write(EmulatedFunction *e, uint16_t reg, uint32_t value) {
        e->now_usec += ACCESS_USEC;
        model_write(e->model, e->now_usec, e->offset + reg, 4, value);
}

void emulated_send(EmulatedFunction *e, uint32_t feature, const uint32_t *payload, size_t n_dwords) {
        emulated_write(e, DOE_REG_WRITE, feature);
        emulated_write(e, DOE_REG_WRITE, (uint32_t)(n_dwords + 2) & (DOE_OBJECT_DWORDS_MAX - 1));
        for (size_t i = 0; i < n_dwords; i++)
                emulated_write(e, DOE_REG_WRITE, payload[i]);
}

uint32_t emulated_wait(EmulatedFunction *e, uint32_t bits, uint64_t usec) {
        uint64_t until_usec = e->now_usec + usec;
        uint32_t status;

        do {
                status = emulated_read(e, DOE_REG_STATUS);
                e->now_usec += STEP_USEC;
        } while (!(status & bits) && e->now_usec < until_usec);
        return status;
}

size_t emulated_drain(EmulatedFunction *e, uint32_t *ret, size_t n_max) {
        size_t n = 0;

        while (emulated_read(e, DOE_REG_STATUS) & DOE_STATUS_READY && n < n_max) {
                ret[n++] = emulated_read(e, DOE_REG_READ);
                emulated_write(e, DOE_REG_READ, 0);
        }
        return n;
}

size_t emulated_exchange(EmulatedFunction *e, uint32_t feature, const uint32_t *payload, size_t n_dwords,
                         uint32_t *ret, size_t n_max) {
        emulated_send(e, feature, payload, n_dwords);
        emulated_write(e, DOE_REG_CONTROL, DOE_CONTROL_GO);
        if (!(emulated_wait(e, DOE_STATUS_READY | DOE_STATUS_ERROR, SECOND_USEC) & DOE_STATUS_READY))
                return 0;
        return emulated_drain(e, ret, n_max);
}
