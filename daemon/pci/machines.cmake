# SPDX-License-Identifier: GPL-2.0-or-later
# The register-level machines, without threads, sockets or libpci
doed_layer(doed_machines
  SOURCES access.c doe-mailbox-jobs.c doe-mailbox-requests.c doe-mailbox.c exchange-request.c
          exchange-response.c exchange.c ide.c job.c poll.c settle.c
  LIBS doe_protocols doed_util)
