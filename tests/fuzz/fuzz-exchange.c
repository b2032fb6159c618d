/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The input: size of the request, limit of the response, and then what each register read returns. */

#include <errno.h>
#include <stdlib.h>

#include "daemon/pci/exchange.h"
#include "daemon/util/clock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/register-stream.h"

#define DISPATCHES_MAX 20000u /* 1 s of polls and a drain of the largest answer here are far less */

static ExchangeResult finish(RegisterStream *s, Exchange *ex) {
        ExchangeResult result;
        uint64_t due_usec;

        for (unsigned n = 0; n < DISPATCHES_MAX; n++) {
                if (exchange_dispatch(ex, &due_usec, &result) == 1)
                        return result;
                if (due_usec == USEC_INFINITY || due_usec > s->now_usec + 2 * USEC_PER_SEC)
                        abort();
                s->now_usec = MAX_OF(s->now_usec, due_usec);
        }
        abort();
}

static void check_result(const Exchange *ex, const ExchangeRequest *request, const ExchangeResult *result) {
        volatile uint8_t sum = 0;

        for (size_t i = 0; i < result->n_bytes; i++)
                sum = (uint8_t)(sum + result->payload[i]);
        if (result->error == 0 && result->n_bytes > 4 * (size_t)(request->n_dwords_max - 2))
                abort();
        if (exchange_state(ex) !=
            (result->error < 0 && result->was_written ? EXCHANGE_FAILED : EXCHANGE_IDLE))
                abort();
        if (result->was_seen && !result->was_written)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const uint8_t payload[255 * 8];
        ExchangeRequest request = { .vendor_id = 0x1234, .type = 1, .payload = payload };
        ExchangeResult result;
        RegisterStream stream;
        Exchange *ex;

        register_stream_init(&stream, data, size);
        request.n_bytes = 8u * register_stream_byte(&stream);
        request.n_dwords_max = 2u + 8u * register_stream_byte(&stream);
        ex = exchange_new(&stream.config, REGISTER_STREAM_OFFSET);
        if (!ex)
                return 0;

        do {
                exchange_begin(ex, &request);
                result = finish(&stream, ex);
                check_result(ex, &request, &result);
                if (exchange_state(ex) == EXCHANGE_FAILED) {
                        exchange_begin_abort(ex);
                        result = finish(&stream, ex);
                }
        } while (exchange_state(ex) == EXCHANGE_IDLE && stream.size > 0);
        exchange_free(ex);
        return 0;
}
