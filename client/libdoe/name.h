/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of devices and mailboxes, to and from their object paths. */

/* "0000:3a:00.0" or the path of a device; newly allocated path. -EINVAL; -ENOMEM. */
int name_to_device_path(const char *name, char **ret);
/* "0000:3a:00.0[160]" or the path of a mailbox; newly allocated path. -EINVAL; -ENOMEM. */
int name_to_mailbox_path(const char *name, char **ret);
/* The name of a device or mailbox by its path, newly allocated. -EINVAL if it is the path of neither;
 * -ENOMEM. */
int name_from_path(const char *path, char **ret);
