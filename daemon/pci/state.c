/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/wire/message.h"

#define STATE_MAGIC   UINT64_C(0x3130657461747364) /* "dstate01" */
#define BOOT_ID_BYTES 36u

typedef struct StateMailbox {
        uint16_t offset; /* 0: free */
        atomic_bool is_clean;
        atomic_uint_least64_t epoch;
} StateMailbox;

/* Only this program reads it, on the machine and in the boot that wrote it: host order, no versions. */
typedef struct StateFile {
        uint64_t magic;
        char boot_id[BOOT_ID_BYTES + 4];
        char instance[WIRE_NAME_MAX];
        StateMailbox mailboxes[WIRE_MAILBOXES_MAX];
} StateFile;

struct State {
        StateFile *file;
};

static void read_boot_id(char *buf) {
        _cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

        memset(buf, 0, BOOT_ID_BYTES + 1);
        /* without one every boot looks the same, which only a folder that outlives a boot could tell */
        if (fd >= 0)
                (void)!read(fd, buf, BOOT_ID_BYTES);
}

static void adopt(StateFile *file, const char *instance) {
        char boot_id[BOOT_ID_BYTES + 1];

        read_boot_id(boot_id);
        if (file->magic != STATE_MAGIC || strncmp(file->boot_id, boot_id, sizeof(file->boot_id)) != 0)
                memset(file, 0, sizeof(*file));
        if (strncmp(file->instance, instance, sizeof(file->instance)) != 0)
                for (size_t i = 0; i < WIRE_MAILBOXES_MAX; i++)
                        atomic_store(&file->mailboxes[i].is_clean, false);
        snprintf(file->boot_id, sizeof(file->boot_id), "%s", boot_id);
        snprintf(file->instance, sizeof(file->instance), "%s", instance);
        file->magic = STATE_MAGIC;
}

int state_open(const char *run, const char *address, const char *instance, State **ret) {
        _cleanup_free_ State *s = NULL;
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX];
        struct stat st;
        int r;

        if (snprintf(path, sizeof(path), "%s/state/%s", run, address) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size != (off_t)sizeof(StateFile) && ftruncate(fd, 0) < 0)
                return -errno;
        /* reserved now, since a full file system would answer a later store with SIGBUS */
        r = posix_fallocate(fd, 0, sizeof(StateFile));
        if (r > 0)
                return -r;
        s->file = mmap(NULL, sizeof(StateFile), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (s->file == MAP_FAILED)
                return -errno;
        adopt(s->file, instance);
        *ret = TAKE_PTR(s);
        return 0;
}

State *state_close(State *s) {
        if (!s)
                return NULL;
        munmap(s->file, sizeof(StateFile));
        free(s);
        return NULL;
}

static StateMailbox *find(const State *s, uint16_t offset) {
        for (size_t i = 0; i < WIRE_MAILBOXES_MAX; i++)
                if (s->file->mailboxes[i].offset == offset)
                        return &s->file->mailboxes[i];
        return NULL;
}

static StateMailbox *find_or_add(State *s, uint16_t offset) {
        StateMailbox *m = find(s, offset) ?: find(s, 0);

        /* a function has no more mailboxes than there are places; another device's may be in the way */
        if (!m) {
                m = &s->file->mailboxes[0];
                atomic_store(&m->is_clean, false);
        }
        m->offset = offset;
        return m;
}

uint64_t state_epoch(const State *s, uint16_t offset) {
        StateMailbox *m = find(s, offset);

        return m ? atomic_load(&m->epoch) : 0;
}

bool state_is_clean(const State *s, uint16_t offset) {
        StateMailbox *m = find(s, offset);

        return m && atomic_load(&m->is_clean);
}

void state_set_epoch(State *s, uint16_t offset, uint64_t epoch) {
        atomic_store(&find_or_add(s, offset)->epoch, epoch);
}

void state_set_clean(State *s, uint16_t offset, bool is_clean) {
        atomic_store(&find_or_add(s, offset)->is_clean, is_clean);
}
