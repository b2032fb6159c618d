/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/errors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/names.h"

#define OWN(x)      .name = x, .dbus_name = DOED_ERROR_PREFIX x
#define STANDARD(x) .name = x, .dbus_name = DBUS_ERROR_PREFIX x

/* clang-format off */
static const DoeError errors[] = {
        { OWN("Unsupported"), EPROTONOSUPPORT, DOE_EXIT_NOT_FOUND, "No such feature here" },
        { OWN("NotFound"), ESRCH, DOE_EXIT_NOT_FOUND, "No such cookie or lease" },
        { OWN("NeedsLease"), ENOLCK, DOE_EXIT_DENIED, "This feature is used through a lease" },
        { OWN("Leased"), EUSERS, DOE_EXIT_BUSY, "Somebody holds a lease of it" },
        { OWN("Inhibited"), EADDRINUSE, DOE_EXIT_BUSY, "The mailbox is handed to a tool" },
        { OWN("Busy"), EBUSY, DOE_EXIT_BUSY, "Foreign activity did not end in time" },
        { OWN("Quota"), EDQUOT, DOE_EXIT_BUSY, "A limit is reached" },
        { OWN("TimedOut"), ETIMEDOUT, DOE_EXIT_TIMED_OUT, "No answer in time" },
        { OWN("Dead"), ESHUTDOWN, DOE_EXIT_GONE, "The mailbox did not react to an abort" },
        { OWN("Gone"), ENODEV, DOE_EXIT_GONE, "The device is gone" },
        { OWN("KernelOwned"), EXDEV, DOE_EXIT_GONE, "The kernel is using it" },
        { OWN("LockedDown"), EROFS, DOE_EXIT_GONE, "Kernel lockdown forbids it" },
        { OWN("Unavailable"), EHOSTDOWN, DOE_EXIT_UNAVAILABLE, "doed-pci is not there" },
        { OWN("Canceled"), ECANCELED, DOE_EXIT_FAILED, "Canceled by its caller" },
        { OWN("Aborted"), ECONNABORTED, DOE_EXIT_FAILED, "Lost to an abort, a reset, a new epoch or a stop" },
        { OWN("DeviceError"), EREMOTEIO, DOE_EXIT_FAILED, "The device answered with an error" },
        { OWN("BadResponse"), EBADMSG, DOE_EXIT_FAILED, "The response is malformed" },
        { OWN("TooLarge"), EMSGSIZE, DOE_EXIT_USAGE, "The request or the response is too large" },
        { STANDARD("AccessDenied"), EACCES, DOE_EXIT_DENIED, "Not allowed" },
        { STANDARD("InvalidArgs"), EINVAL, DOE_EXIT_USAGE, "Invalid arguments" },
};
/* clang-format on */

#define N_ERRORS (sizeof(errors) / sizeof(errors[0]))

const DoeError *doe_error_get(size_t i) {
        return i < N_ERRORS ? &errors[i] : NULL;
}

const DoeError *doe_error_find_by_errno(int error) {
        for (size_t i = 0; i < N_ERRORS; i++)
                if (errors[i].error == abs(error))
                        return &errors[i];

        return NULL;
}

const DoeError *doe_error_find_by_name(const char *dbus_name) {
        if (!dbus_name)
                return NULL;

        for (size_t i = 0; i < N_ERRORS; i++)
                if (strcmp(errors[i].dbus_name, dbus_name) == 0)
                        return &errors[i];

        return NULL;
}
