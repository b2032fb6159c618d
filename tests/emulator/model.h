/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A register-level model of one PCI function with DOE mailboxes: its configuration space, as lspci, a kernel
 * and doed-pci see it. Sans-IO: no clock, thread or lock of its own; every access says when it is made. The
 * same settings, seed and accesses give the same answers. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/util/cleanup.h"
#include "tests/emulator/model-mailbox.h"
#include "tests/emulator/settings.h"

typedef struct Model Model;

/**
 * model_new() - a function that has just got power
 * @settings: borrowed, outlives it; only its faults and table are copied
 * @now_usec: any clock that does not go back
 *
 * Return: 0; -EINVAL if two capabilities overlap (see model_settings_check()); -ENOMEM.
 */
int model_new(const ModelSettings *settings, uint64_t now_usec, Model **ret);
Model *model_free(Model *model);
DEFINE_CLEANUP(Model *, model_free);

/* Do the capabilities fit? @error: FAULT_ERROR_MAX bytes. Return: 0; -EINVAL with @error written. */
int model_settings_check(const ModelSettings *settings, char *error);

/**
 * model_read() - one read of configuration space
 * @offset: a multiple of @n_bytes, which is 1, 2 or 4
 *
 * Return: the value in host order; all-ones if nobody answers.
 */
uint32_t model_read(Model *model, uint64_t now_usec, uint16_t offset, size_t n_bytes);
/* The registers of a mailbox take whole dwords only; other writes to them are lost. */
void model_write(Model *model, uint64_t now_usec, uint16_t offset, size_t n_bytes, uint32_t value);

/* Conventional reset: mailboxes, SPDM sessions and all that can be written are as at power-up. */
void model_reset(Model *model, uint64_t now_usec);
/* Unplugged by a fault: the kernel will notice and remove the function. */
bool model_has_vanished(const Model *model);

/* An IDE stream becomes secure, or ends. Return: 0; -ENXIO: the function has no IDE capability. */
int model_set_ide(Model *model, bool is_secure);

/* Mailboxes by index or capability offset; NULL if there is none. */
ModelMailbox *model_get_mailbox(Model *model, size_t i);
ModelMailbox *model_find_mailbox(Model *model, uint16_t cap_offset);
/* The first mailbox that offers a feature; NULL. */
ModelMailbox *model_find_feature(Model *model, uint16_t vendor_id, uint8_t type);
/* The CDAT that it serves now. NULL: none. Borrowed until it changes. */
const uint8_t *model_table(const Model *model, size_t *ret_n_bytes);
/* Its sequence rises, as after a change at run time. */
void model_touch_table(Model *model);
