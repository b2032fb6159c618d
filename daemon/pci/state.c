/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/util/clock.h"

#define STATE_MAGIC   UINT64_C(0x3230657461747364) /* "dstate02" */
#define BOOT_ID_BYTES 36u

typedef struct StateMailbox {
        uint16_t offset; /* 0: free */
        atomic_bool is_clean;
        atomic_uint_least64_t epoch;
} StateMailbox;

typedef struct StateRecord {
        atomic_bool is_used; /* set last and cleared first: a half-written one is none */
        WireRecord record;
} StateRecord;

/* Only this program reads it, on the machine and in the boot that wrote it: host order, no versions. */
typedef struct StateFile {
        uint64_t magic;
        char boot_id[BOOT_ID_BYTES + 4];
        char instance[WIRE_NAME_MAX];
        StateMailbox mailboxes[WIRE_MAILBOXES_MAX];
        StateRecord records[WIRE_RECORDS_MAX];
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
        if (strncmp(file->instance, instance, sizeof(file->instance)) != 0) {
                for (size_t i = 0; i < WIRE_MAILBOXES_MAX; i++)
                        atomic_store(&file->mailboxes[i].is_clean, false);
                for (size_t i = 0; i < WIRE_RECORDS_MAX; i++)
                        atomic_store(&file->records[i].is_used, false);
        }
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

static bool is_of_use(const State *s, const StateRecord *r, uint64_t now_usec) {
        return atomic_load(&r->is_used) && find(s, r->record.offset) &&
               r->record.epoch == state_epoch(s, r->record.offset) &&
               (r->record.expires_usec == 0 || r->record.expires_usec > now_usec);
}

static StateRecord *find_record(State *s, const uint8_t *digest) {
        for (size_t i = 0; i < WIRE_RECORDS_MAX; i++) {
                StateRecord *r = &s->file->records[i];

                if (atomic_load(&r->is_used) && memcmp(r->record.digest, digest, WIRE_DIGEST_BYTES) == 0)
                        return r;
        }
        return NULL;
}

/* One of no use, or else the one that expires first. */
static StateRecord *find_place(State *s, uint64_t now_usec) {
        StateRecord *first = NULL;

        for (size_t i = 0; i < WIRE_RECORDS_MAX; i++) {
                StateRecord *r = &s->file->records[i];

                if (!is_of_use(s, r, now_usec))
                        return r;
                if (r->record.expires_usec > 0 &&
                    (!first || r->record.expires_usec < first->record.expires_usec))
                        first = r;
        }
        return first;
}

int state_put_record(State *s, const WireRecord *record, uint64_t now_usec) {
        StateRecord *r = find_record(s, record->digest) ?: find_place(s, now_usec);

        if (!r)
                return -ENOSPC;
        atomic_store(&r->is_used, false);
        r->record = *record;
        atomic_store(&r->is_used, true);
        return 0;
}

void state_drop_record(State *s, const uint8_t *digest) {
        StateRecord *r = find_record(s, digest);

        if (r)
                atomic_store(&r->is_used, false);
}

void state_orphan_records(State *s, uint64_t now_usec) {
        for (size_t i = 0; i < WIRE_RECORDS_MAX; i++) {
                WireRecord *record = &s->file->records[i].record;

                if (record->expires_usec == 0)
                        record->expires_usec = MAX_OF(usec_add(now_usec, record->keep_usec), UINT64_C(1));
        }
}

size_t state_get_records(State *s, uint64_t now_usec, WireRecord *ret) {
        size_t n = 0;

        for (size_t i = 0; i < WIRE_RECORDS_MAX; i++) {
                StateRecord *r = &s->file->records[i];

                if (is_of_use(s, r, now_usec))
                        ret[n++] = r->record;
                else
                        atomic_store(&r->is_used, false);
        }
        return n;
}
