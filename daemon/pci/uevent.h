/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One event of the kernel's device model, as far as doed-pci looks at it. */

#include <stdbool.h>
#include <stddef.h>

#define UEVENT_PATH_MAX 1024u
#define UEVENT_WORD_MAX 64u

typedef struct Uevent {
        char action[UEVENT_WORD_MAX];
        char devpath[UEVENT_PATH_MAX]; /* below the root of sysfs */
        char subsystem[UEVENT_WORD_MAX];
        char driver[UEVENT_WORD_MAX];
        char error_event[UEVENT_WORD_MAX]; /* of error recovery: BEGIN_RECOVERY, ... */
} Uevent;

/* @event: NULL if some were lost; borrowed for the call */
typedef void (*UeventHandler)(void *userdata, const Uevent *event);

/**
 * uevent_parse() - read "ACTION DEVPATH SUBSYSTEM [KEY=VALUE]..."
 * @line: without its end; is written to
 *
 * Return: 0; -EBADMSG if a word is missing or too long.
 */
int uevent_parse(char *line, Uevent *ret);

/* Last component of its path; borrowed. */
const char *uevent_name(const Uevent *event);
/* The PCI function that it is about or lies below, into @buf of WIRE_ADDRESS_MAX bytes. Return: whether
 * there is one. */
bool uevent_address(const Uevent *event, char *buf);
