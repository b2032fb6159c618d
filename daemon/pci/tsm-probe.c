/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/tsm-probe.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/queue.h>

#include "daemon/pci/channel.h"
#include "daemon/pci/sysfs-file.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

/* One read: on its way to the thread in the queue, on its way back in the channel. */
typedef struct TsmRead {
        ChannelItem item;
        char address[WIRE_ADDRESS_MAX];
        char path[PATH_MAX];
        char text[WIRE_ADDRESS_MAX];
} TsmRead;

/* What the thread has too; it may outlive the probe by as long as a read hangs. */
typedef struct TsmQueue {
        pthread_mutex_t mutex;
        STAILQ_HEAD(, ChannelItem) reads;
        bool has_thread, is_orphaned;
        Channel *answers;
} TsmQueue;

typedef struct TsmRecord {
        TAILQ_ENTRY(TsmRecord) link;
        char address[WIRE_ADDRESS_MAX];
        char text[WIRE_ADDRESS_MAX];
        bool is_outstanding;
} TsmRecord;

struct TsmProbe {
        TsmQueue *queue;
        TAILQ_HEAD(, TsmRecord) records;
        size_t n_outstanding;
        bool is_at_work;
        struct event *answer_event, *timer;
        void (*on_change)(void *userdata);
        void *userdata;
};

static void read_free(ChannelItem *item) {
        free(item);
}

static TsmQueue *queue_free(TsmQueue *q) {
        ChannelItem *item;

        while ((item = STAILQ_FIRST(&q->reads))) {
                STAILQ_REMOVE_HEAD(&q->reads, link);
                free(item);
        }
        channel_free(q->answers);
        pthread_mutex_destroy(&q->mutex);
        free(q);
        return NULL;
}

static void *read_main(void *arg) {
        TsmQueue *q = arg;
        bool is_orphaned;
        TsmRead *read;

        pthread_mutex_lock(&q->mutex);
        while (!q->is_orphaned && (read = (TsmRead *)STAILQ_FIRST(&q->reads))) {
                STAILQ_REMOVE_HEAD(&q->reads, link);
                pthread_mutex_unlock(&q->mutex);
                if (sysfs_read_line(read->path, read->text, sizeof(read->text)) < 0)
                        read->text[0] = '\0';
                channel_push(q->answers, &read->item);
                pthread_mutex_lock(&q->mutex);
        }
        q->has_thread = false;
        is_orphaned = q->is_orphaned;
        pthread_mutex_unlock(&q->mutex);
        if (is_orphaned)
                queue_free(q);
        return NULL;
}

/* With the mutex held. */
static void start_thread(TsmQueue *q) {
        sigset_t all, old;
        pthread_attr_t attributes;
        pthread_t thread;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        q->has_thread = pthread_create(&thread, &attributes, read_main, q) == 0;
        pthread_attr_destroy(&attributes);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static TsmRecord *find(const TsmProbe *p, const char *address) {
        TsmRecord *record;

        TAILQ_FOREACH (record, &p->records, link)
                if (strcmp(record->address, address) == 0)
                        return record;
        return NULL;
}

static bool take_answer(TsmProbe *p, const TsmRead *read) {
        TsmRecord *record = find(p, read->address);
        bool is_other;

        p->n_outstanding--;
        if (!record)
                return false;
        is_other = strcmp(record->text, read->text) != 0;
        memcpy(record->text, read->text, sizeof(record->text));
        record->is_outstanding = false;
        return is_other;
}

static const struct timeval patience = { .tv_usec = TSM_PROBE_USEC };

/* An answer shows that nothing is waited for now; what is behind it in the queue gets its own 50 ms. */
static void on_answers(evutil_socket_t fd, short what, void *userdata) {
        TsmProbe *p = userdata;
        bool has_changed = p->is_at_work;
        ChannelItem *item;

        p->is_at_work = false;
        while ((item = channel_take(p->queue->answers))) {
                has_changed |= take_answer(p, (TsmRead *)item);
                free(item);
        }
        if (p->n_outstanding > 0)
                evtimer_add(p->timer, &patience);
        else
                evtimer_del(p->timer);
        if (has_changed)
                p->on_change(p->userdata);
}

static void on_timer(evutil_socket_t fd, short what, void *userdata) {
        TsmProbe *p = userdata;

        p->is_at_work = true;
        p->on_change(p->userdata);
}

static TsmQueue *queue_new(void) {
        TsmQueue *q = calloc(1, sizeof(*q));

        if (!q)
                return NULL;
        pthread_mutex_init(&q->mutex, NULL);
        STAILQ_INIT(&q->reads);
        if (channel_new(read_free, &q->answers) < 0)
                return queue_free(q);
        return q;
}

int tsm_probe_new(struct event_base *base, void (*on_change)(void *userdata), void *userdata,
                  TsmProbe **ret) {
        _cleanup_(tsm_probe_freep) TsmProbe *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        TAILQ_INIT(&p->records);
        p->on_change = on_change;
        p->userdata = userdata;
        p->queue = queue_new();
        if (!p->queue)
                return -ENOMEM;
        p->timer = evtimer_new(base, on_timer, p);
        p->answer_event =
                        event_new(base, channel_fd(p->queue->answers), EV_READ | EV_PERSIST, on_answers, p);
        if (!p->timer || !p->answer_event)
                return -ENOMEM;
        event_add(p->answer_event, NULL);
        *ret = TAKE_PTR(p);
        return 0;
}

static void drop_queue(TsmQueue *q) {
        bool has_thread;

        pthread_mutex_lock(&q->mutex);
        has_thread = q->has_thread;
        q->is_orphaned = true;
        pthread_mutex_unlock(&q->mutex);
        if (!has_thread)
                queue_free(q);
}

TsmProbe *tsm_probe_free(TsmProbe *p) {
        TsmRecord *record;

        if (!p)
                return NULL;
        while ((record = TAILQ_FIRST(&p->records))) {
                TAILQ_REMOVE(&p->records, record, link);
                free(record);
        }
        if (p->answer_event)
                event_free(p->answer_event);
        if (p->timer)
                event_free(p->timer);
        if (p->queue)
                drop_queue(p->queue);
        free(p);
        return NULL;
}

static TsmRecord *find_or_add(TsmProbe *p, const char *address) {
        TsmRecord *record = find(p, address);

        if (record)
                return record;
        record = calloc(1, sizeof(*record));
        if (!record)
                return NULL;
        snprintf(record->address, sizeof(record->address), "%s", address);
        TAILQ_INSERT_TAIL(&p->records, record, link);
        return record;
}

/* What works now is asked for again by the event that tells of its end; here one read each is enough. */
void tsm_probe_request(TsmProbe *p, const char *address, const char *path) {
        TsmRecord *record = find_or_add(p, address);
        TsmRead *read;

        if (!record || record->is_outstanding || !(read = calloc(1, sizeof(*read))))
                return;
        snprintf(read->address, sizeof(read->address), "%s", address);
        snprintf(read->path, sizeof(read->path), "%s", path);
        record->is_outstanding = true;
        if (p->n_outstanding++ == 0)
                evtimer_add(p->timer, &patience);
        pthread_mutex_lock(&p->queue->mutex);
        STAILQ_INSERT_TAIL(&p->queue->reads, &read->item, link);
        if (!p->queue->has_thread)
                start_thread(p->queue);
        if (!p->queue->has_thread)
                log_full(LOG_ERR, address, "Cannot start a thread to read %s", path);
        pthread_mutex_unlock(&p->queue->mutex);
}

const char *tsm_probe_get(const TsmProbe *p, const char *address) {
        TsmRecord *record = find(p, address);

        return record ? record->text : "";
}

void tsm_probe_forget(TsmProbe *p, const char *address) {
        TsmRecord *record = find(p, address);

        if (!record)
                return;
        TAILQ_REMOVE(&p->records, record, link);
        free(record);
}

bool tsm_probe_is_at_work(const TsmProbe *p) {
        return p->is_at_work;
}
