/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/libpci-access.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include "daemon/pci/sysfs-file.h"
#include "daemon/util/log.h"
#include "daemon/wire/message.h"

#define TEXT_MAX 256u

/* The hooks get no argument of ours; where to go on is kept by thread. */
static _Thread_local jmp_buf *escape;
static _Thread_local int escape_errno;

__attribute__((noreturn)) _printf_(1, 2) static void on_error(char *format, ...) {
        char text[TEXT_MAX];
        va_list ap;

        escape_errno = errno;
        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        log_debug("libpci: %s", text);
        if (!escape) {
                log_full(LOG_CRIT, NULL, "libpci failed outside of libpci_call(): %s", text);
                abort();
        }
        longjmp(*escape, 1);
}

/* Called with the errno of the failure, which its caller looks at afterwards. */
_printf_(1, 2) static void on_warning(char *format, ...) {
        int saved_errno = errno;
        char text[TEXT_MAX];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        log_debug("libpci: %s", text);
        errno = saved_errno;
}

int libpci_error(int error) {
        switch (error) {
        case ENODEV:
        case ENOENT:
        case ENXIO:
                return -ENODEV;
        case EPERM:
        case EACCES:
        case EROFS:
                return -EPERM;
        default:
                return -EIO;
        }
}

int libpci_call(int (*fn)(void *arg), void *arg) {
        jmp_buf here, *outer = escape;
        int r;

        if (setjmp(here) == 0) {
                escape = &here;
                r = fn(arg);
        } else {
                r = libpci_error(escape_errno);
        }
        escape = outer;
        return r;
}

static int init(void *arg) {
        pci_init(arg);
        return 0;
}

int libpci_access_new(const char *sysfs, struct pci_access **ret) {
        struct pci_access *access;
        char path[PATH_MAX];
        int r;

        r = sysfs_path(path, "%s/bus/pci", sysfs);
        if (r < 0)
                return r;
        access = pci_alloc();
        access->error = on_error;
        access->warning = on_warning;
        access->method = PCI_ACCESS_SYS_BUS_PCI;
        access->writeable = 1;
        pci_set_param(access, (char *)"sysfs.path", path);
        r = libpci_call(init, access);
        if (r < 0)
                return r;
        *ret = access;
        return 0;
}

void libpci_access_free(struct pci_access *access) {
        if (access)
                pci_cleanup(access);
}

struct pci_dev *libpci_get_dev(struct pci_access *access, const char *address) {
        unsigned domain, bus, device, function;

        if (!wire_address_is_valid(address) ||
            sscanf(address, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4 || domain > INT_MAX)
                return NULL;
        return pci_get_dev(access, (int)domain, (int)bus, (int)device, (int)function);
}
