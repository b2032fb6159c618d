/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/exchange-fixture.h"

#include <check.h>

#include "daemon/util/clock.h"

ScriptedDevice *device;
Exchange *exchange;
static const uint8_t one_dword[4] = { 1, 2, 3, 4 };

void exchange_setup(void) {
        device = scripted_new();
        exchange = exchange_new(&device->config, SCRIPTED_OFFSET);
        ck_assert_ptr_nonnull(exchange);
}

void exchange_teardown(void) {
        exchange_free(exchange);
        scripted_free(device);
}

ExchangeRequest echo_request(void) {
        return (ExchangeRequest){
                .vendor_id = 0x1234,
                .type = 1,
                .payload = one_dword,
                .n_bytes = sizeof(one_dword),
                .n_dwords_max = 16,
        };
}

/* Sleeps as told until what was begun has ended. */
ExchangeResult finish(void) {
        ExchangeResult result = {};
        uint64_t due_usec;

        for (unsigned n = 0; n < 2000000; n++) {
                if (exchange_dispatch(exchange, &due_usec, &result) == 1)
                        return result;
                ck_assert_uint_ne(due_usec, USEC_INFINITY);
                scripted_sleep_until(device, due_usec);
        }
        ck_abort_msg("never ends");
}

ExchangeResult run(const ExchangeRequest *request) {
        exchange_begin(exchange, request);
        return finish();
}

ExchangeResult run_echo(void) {
        ExchangeRequest request = echo_request();

        return run(&request);
}

ExchangeResult run_script(const ScriptRow *rows) {
        scripted_set_script(device, rows);
        return run_echo();
}

void recover(void) {
        ExchangeResult result;

        exchange_begin_abort(exchange);
        result = finish();
        ck_assert_int_eq(result.error, 0);
        ck_assert_int_eq(exchange_state(exchange), EXCHANGE_IDLE);
}

void assert_failed(const ExchangeResult *result, int error, const char *evidence) {
        ck_assert_int_eq(result->error, error);
        ck_assert_msg(strstr(result->evidence, evidence), "\"%s\" not in \"%s\"", evidence,
                      result->evidence);
        ck_assert_int_eq(exchange_state(exchange), result->was_written ? EXCHANGE_FAILED : EXCHANGE_IDLE);
        ck_assert(!result->was_seen || result->was_written);
}

ExchangeResult run_long_request(const ScriptRow *rows) {
        static const uint8_t payload[4096];
        ExchangeRequest request = echo_request();

        request.payload = payload;
        request.n_bytes = sizeof(payload);
        request.n_dwords_max = 2048;
        scripted_set_script(device, rows);
        return run(&request);
}
