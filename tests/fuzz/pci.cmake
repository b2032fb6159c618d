# SPDX-License-Identifier: GPL-2.0-or-later
doed_layer(fuzz_registers SOURCES register-stream.c)
doed_fuzz(exchange LIBS doed_machines fuzz_registers)
doed_fuzz(doe-mailbox LIBS doed_machines fuzz_registers)
