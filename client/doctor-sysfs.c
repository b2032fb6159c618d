/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/doctor-gather.h"
#include "client/match.h"
#include "protocols/registers.h"

#define LINE_BYTES_MAX 256u

/* Extended capabilities: PCIe r6.0 7.6.3 */
#define EXT_CAP_FIRST   0x100u
#define EXT_CAP_MAX     96u /* more do not fit without standing in each other */
#define EXT_CAP_ID(h)   ((h)&0xffffu)
#define EXT_CAP_NEXT(h) ((h) >> 20 & 0xffcu)

static void closedirp(DIR **dir) {
        if (*dir)
                closedir(*dir);
}
#define _cleanup_closedir_ _cleanup_(closedirp)

/* The first line of a file without its end; "" if it cannot be read. */
static void read_line(const char *path, char buf[static LINE_BYTES_MAX]) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ssize_t n = fd >= 0 ? read(fd, buf, LINE_BYTES_MAX - 1) : 0;

        if (fd >= 0)
                close(fd);
        buf[n > 0 ? n : 0] = '\0';
        buf[strcspn(buf, "\n")] = '\0';
}

static const char *read_link_name(DoctorFacts *f, const char *path) {
        char target[PATH_MAX];
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        const char *slash;

        if (n <= 0)
                return "";
        target[n] = '\0';
        slash = strrchr(target, '/');
        return doctor_keep(f, memory_copy(slash ? slash + 1 : target));
}

static void gather_function(DoctorFacts *f, const char *address) {
        _cleanup_free_ char *folder = memory_format("%s/bus/pci/devices/%s", f->sysfs, address),
                            *config = memory_format("%s/config", folder),
                            *class = memory_format("%s/class", folder),
                            *driver = memory_format("%s/driver", folder),
                            *features = memory_format("%s/doe_features", folder);
        DoctorFunction function = { .address = doctor_keep(f, memory_copy(address)) };
        char line[LINE_BYTES_MAX];
        struct stat st;

        read_line(class, line);
        function.class_code = (uint32_t)strtoul(line, NULL, 16);
        function.driver = read_link_name(f, driver);
        function.n_config_bytes = stat(config, &st) == 0 ? (uint64_t)st.st_size : 0;
        /* it is there for functions with a mailbox only */
        function.doe = access(features, F_OK) == 0 ? DOCTOR_DOE_YES : DOCTOR_DOE_UNKNOWN;
        doctor_add_function(f, &function);
}

static int compare(const void *a, const void *b) {
        const char *x = ((const DoctorFunction *)a)->address, *y = ((const DoctorFunction *)b)->address;
        const size_t n_x = strlen(x), n_y = strlen(y);

        return n_x != n_y ? (n_x < n_y ? -1 : 1) : strcmp(x, y);
}

/* "none [integrity] confidentiality" */
static void gather_lockdown(DoctorFacts *f) {
        _cleanup_free_ char *path = memory_format("%s/kernel/security/lockdown", f->sysfs);
        char line[LINE_BYTES_MAX], *level;

        read_line(path, line);
        level = strchr(line, '[');
        if (level)
                f->lockdown = doctor_keep(f, memory_format("%.*s", (int)strcspn(level + 1, "]"), level + 1));
}

void doctor_gather_sysfs(DoctorFacts *f, const DoctorPlaces *places) {
        _cleanup_free_ char *path = memory_format("%s/bus/pci/devices", places->sysfs);
        _cleanup_closedir_ DIR *dir = opendir(path);
        struct dirent *entry;

        f->sysfs = places->sysfs;
        if (!dir)
                f->sysfs_error = doctor_keep(f, memory_copy(strerror(errno)));
        gather_lockdown(f);
        while (dir && (entry = readdir(dir)))
                if (match_is_address(entry->d_name))
                        gather_function(f, entry->d_name);
        if (f->n_functions > 0)
                qsort(f->functions, f->n_functions, sizeof(f->functions[0]), compare);
}

/* The chain of extended capabilities. What answers with all-ones is asleep or gone and tells nothing. */
static DoctorDoe look_for_doe(int fd) {
        uint32_t offset = EXT_CAP_FIRST;

        for (unsigned n = 0; n < EXT_CAP_MAX && offset >= EXT_CAP_FIRST; n++) {
                uint32_t header;

                if (pread(fd, &header, sizeof(header), offset) != sizeof(header))
                        return DOCTOR_DOE_UNKNOWN;
                header = le32toh(header);
                if (header == UINT32_MAX)
                        return DOCTOR_DOE_UNKNOWN;
                if (EXT_CAP_ID(header) == DOE_EXT_CAP_ID)
                        return DOCTOR_DOE_YES;
                offset = EXT_CAP_NEXT(header);
        }
        return DOCTOR_DOE_NO;
}

void doctor_gather_doe(DoctorFacts *f) {
        for (size_t i = 0; i < f->n_functions; i++) {
                DoctorFunction *function = &f->functions[i];
                const bool is_meant = *f->word && doctor_is_selected(f, function->address);
                _cleanup_free_ char *path =
                                memory_format("%s/bus/pci/devices/%s/config", f->sysfs, function->address);
                int fd;

                if ((!is_meant && !doctor_is_cxl_memory(function)) || function->doe != DOCTOR_DOE_UNKNOWN ||
                    doctor_find_device(f, function->address))
                        continue;
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        continue;
                function->doe = look_for_doe(fd);
                close(fd);
        }
}
