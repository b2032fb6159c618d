/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One exchange with a scripted device, in virtual time. */

#include "daemon/pci/exchange.h"
#include "tests/unit/scripted-device.h"

#define ECHO_DW0 0x00011234u /* 1234:01, what echo_request() is for */

extern ScriptedDevice *device;
extern Exchange *exchange;

void exchange_setup(void);
void exchange_teardown(void);

/* One dword (1, 2, 3, 4) of payload, up to 16 dwords of response. */
ExchangeRequest echo_request(void);
/* Sleeps as told until what was begun has ended. */
ExchangeResult finish(void);
ExchangeResult run(const ExchangeRequest *request);
ExchangeResult run_echo(void);
ExchangeResult run_script(const ScriptRow *rows);
/* 1026 dwords each way */
ExchangeResult run_long_request(const ScriptRow *rows);
/* Abort, which must succeed. */
void recover(void);
void assert_failed(const ExchangeResult *result, int error, const char *evidence);
