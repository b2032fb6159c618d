/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/device-link.h"

#include <assert.h>
#include <errno.h>

#include "daemon/bus/wire-socket.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

static_assert(LEASE_DIGEST_BYTES == WIRE_DIGEST_BYTES, "a record's digest goes over the wire whole");

/* When doed-pci dies, its sockets end one after the other. Only if the control socket lives on for so long
 * is it the device that was lost. */
#define DEVICE_LINK_GRACE_USEC 250000

struct DeviceLink {
        WireSocket *socket; /* NULL once it ended */
        struct event *grace_timer;
        Device *device; /* the core frees none that has a link */
        const DeviceLinkHandlers *handlers;
        void *userdata;
};

static const MailboxState mailbox_states[N_WIRE_MAILBOX_STATES] = {
        [WIRE_MAILBOX_UNTOUCHED] = MAILBOX_UNTOUCHED,
        [WIRE_MAILBOX_STARTING] = MAILBOX_STARTING,
        [WIRE_MAILBOX_READY] = MAILBOX_IDLE,
        [WIRE_MAILBOX_WAITING] = MAILBOX_WAITING,
        [WIRE_MAILBOX_RECOVERING] = MAILBOX_RECOVERING,
        [WIRE_MAILBOX_KERNEL] = MAILBOX_KERNEL,
        [WIRE_MAILBOX_READ_ONLY] = MAILBOX_READ_ONLY,
        [WIRE_MAILBOX_INHIBITED] = MAILBOX_INHIBITED,
        [WIRE_MAILBOX_DEAD] = MAILBOX_DEAD,
};

/* The mailbox that the job is with; NULL: none, since it is one of the device, or has been answered. */
static Mailbox *find_job(const DeviceLink *dl, uint64_t job_id) {
        for (size_t i = 0; i < dl->device->n_mailboxes; i++) {
                Mailbox *mb = dl->device->mailboxes[i];

                if ((mb->running && mb->running->id == job_id) || (mb->staged && mb->staged->id == job_id))
                        return mb;
        }
        return NULL;
}

static int on_mailbox(DeviceLink *dl, const WireMailbox *m, uint64_t now_usec) {
        Mailbox *mb = device_find_mailbox(dl->device, m->offset);

        if (!mb)
                return -EBADMSG;
        mailbox_report_handed_to(mb, m->lease_id);
        mailbox_report_state(mb, mailbox_states[m->state], m->epoch, m->reason, now_usec);
        return 0;
}

static int on_started(DeviceLink *dl, const WireJob *m, uint64_t now_usec) {
        Mailbox *mb = find_job(dl, m->job_id);

        if (mb)
                mailbox_report_started(mb, m->job_id, now_usec);
        return 0;
}

static int on_recalled(DeviceLink *dl, const WireJob *m, uint64_t now_usec) {
        Mailbox *mb = find_job(dl, m->job_id);

        if (mb)
                mailbox_report_recalled(mb, m->job_id, now_usec);
        return 0;
}

static int on_done(DeviceLink *dl, const WireDone *m, uint64_t now_usec) {
        Mailbox *mb = find_job(dl, m->job_id);
        JobResult result = { .error = m->error,
                             .not_started = m->not_started,
                             .is_foreign = m->is_foreign,
                             .started_usec = m->started_usec,
                             .ended_usec = m->ended_usec,
                             .epoch = m->epoch,
                             .evidence = m->evidence,
                             .payload = m->payload,
                             .n_bytes = m->n_bytes };

        if (mb)
                mailbox_report_done(mb, m->job_id, &result, now_usec);
        else
                device_report_kernel_cdat(dl->device, m->job_id, &result, now_usec);
        return 0;
}

static int on_note(DeviceLink *dl, WireType type, const WireNote *m, uint64_t now_usec) {
        Mailbox *mb = device_find_mailbox(dl->device, m->offset);

        if (!mb)
                return -EBADMSG;
        if (type == WIRE_FOREIGN)
                mailbox_report_foreign(mb, m->text, now_usec);
        else
                mailbox_report_aborted(mb, m->text, now_usec);
        return 0;
}

static int on_record(DeviceLink *dl, const WireRecord *m, uint64_t now_usec) {
        LeaseRecord record = { .uid = m->uid,
                               .offset = m->offset,
                               .vendor_id = m->vendor_id,
                               .type = m->type,
                               .is_session = m->is_session,
                               .epoch = m->epoch,
                               .expires_usec = m->expires_usec };

        memcpy(record.digest, m->digest, sizeof(record.digest));
        leases_report_record(dl->device, &record, now_usec);
        return 0;
}

static int device_link_on_message(void *userdata, const WireMessage *m, int *fd) {
        DeviceLink *dl = userdata;
        uint64_t now_usec = clock_monotonic_usec();

        if (*fd >= 0)
                return -EBADMSG;
        switch (m->type) {
        case WIRE_MAILBOX:
                return on_mailbox(dl, &m->mailbox, now_usec);
        case WIRE_STARTED:
                return on_started(dl, &m->job, now_usec);
        case WIRE_RECALLED:
                return on_recalled(dl, &m->job, now_usec);
        case WIRE_DONE:
                return on_done(dl, &m->done, now_usec);
        case WIRE_FOREIGN:
        case WIRE_ABORTED:
                return on_note(dl, m->type, &m->note, now_usec);
        case WIRE_PUT_RECORD:
                return on_record(dl, &m->record, now_usec);
        case WIRE_HELLO:
        case WIRE_DEVICE:
        case WIRE_DEVICE_REMOVED:
        case WIRE_ENUMERATED:
        case WIRE_LOCKDOWN:
        case WIRE_RESCAN:
        case WIRE_RELOAD:
        case WIRE_SUSPEND:
        case WIRE_SUSPENDED:
        case WIRE_EXCHANGE:
        case WIRE_RECALL:
        case WIRE_CANCEL:
        case WIRE_RECOVER:
        case WIRE_READ_KERNEL_CDAT:
        case WIRE_INHIBIT:
        case WIRE_DROP_RECORD:
                return -EBADMSG;
        }
        return -EBADMSG;
}

static void device_link_on_end(void *userdata, int error) {
        const struct timeval grace = { .tv_usec = DEVICE_LINK_GRACE_USEC };
        DeviceLink *dl = userdata;

        if (error == -EBADMSG || error == -ENOMEM || error == -ENOBUFS) {
                dl->handlers->on_wrong(dl->userdata, dl, error);
                return;
        }
        log_full(LOG_DEBUG, dl->device->address, "Its socket ended: %s", strerror(-error));
        dl->socket = wire_socket_free(dl->socket);
        evtimer_add(dl->grace_timer, &grace);
}

static void device_link_on_grace(evutil_socket_t fd, short events, void *userdata) {
        DeviceLink *dl = userdata;

        dl->handlers->on_end(dl->userdata, dl);
}

static const WireSocketHandlers socket_handlers = {
        .on_message = device_link_on_message,
        .on_end = device_link_on_end,
};

int device_link_new(struct event_base *base, WireConnection *connection, Device *d,
                    const DeviceLinkHandlers *handlers, void *userdata, DeviceLink **ret) {
        DeviceLink *dl = calloc(1, sizeof(*dl));

        if (!dl)
                return -ENOMEM;
        dl->device = d;
        dl->handlers = handlers;
        dl->userdata = userdata;
        dl->grace_timer = evtimer_new(base, device_link_on_grace, dl);
        if (!dl->grace_timer || wire_socket_new(base, connection, &socket_handlers, dl, &dl->socket) < 0) {
                device_link_free(dl);
                return -ENOMEM;
        }
        d->link_userdata = dl;
        *ret = dl;
        return 0;
}

DeviceLink *device_link_free(DeviceLink *dl) {
        if (!dl)
                return NULL;
        if (dl->socket)
                wire_socket_drain(dl->socket);
        dl->device->link_userdata = NULL;
        wire_socket_free(dl->socket);
        if (dl->grace_timer)
                event_free(dl->grace_timer);
        free(dl);
        return NULL;
}

const char *device_link_address(const DeviceLink *dl) {
        return dl->device->address;
}

static void device_link_send(DeviceLink *dl, const WireMessage *m) {
        if (dl->socket)
                wire_socket_send(dl->socket, m);
}

void device_link_exchange(DeviceLink *dl, const Mailbox *mb, const Job *job) {
        device_link_send(dl, &(WireMessage){ .type = WIRE_EXCHANGE,
                                             .exchange = { .job_id = job->id,
                                                           .offset = mb->offset,
                                                           .vendor_id = job->vendor_id,
                                                           .type = job->type,
                                                           .connection_id = job->connection_id,
                                                           .deadline_usec = job->deadline_usec,
                                                           .timeout_usec = job->device_timeout_usec,
                                                           .busy_grace_usec = job->busy_grace_usec,
                                                           .n_dwords_max = job->n_dwords_max,
                                                           .epoch = job->epoch,
                                                           .payload = job->payload,
                                                           .n_bytes = job->n_bytes } });
}

void device_link_send_job(DeviceLink *dl, WireType type, uint64_t job_id) {
        device_link_send(dl, &(WireMessage){ .type = type, .job = { .job_id = job_id } });
}

void device_link_recover(DeviceLink *dl, const Mailbox *mb, bool force) {
        device_link_send(dl, &(WireMessage){ .type = WIRE_RECOVER,
                                             .recover = { .offset = mb->offset, .force = force } });
}

void device_link_inhibit(DeviceLink *dl, const Mailbox *mb, uint64_t lease_id) {
        device_link_send(dl, &(WireMessage){ .type = WIRE_INHIBIT,
                                             .inhibit = { .offset = mb->offset, .lease_id = lease_id } });
}

bool device_link_put_record(DeviceLink *dl, const LeaseRecord *record) {
        WireMessage m = { .type = WIRE_PUT_RECORD,
                          .record = { .uid = record->uid,
                                      .offset = record->offset,
                                      .vendor_id = record->vendor_id,
                                      .type = record->type,
                                      .is_session = record->is_session,
                                      .epoch = record->epoch,
                                      .expires_usec = record->expires_usec,
                                      .keep_usec = dl->device->manager->config->limits.resume_usec } };

        /* a worker that hangs reads nothing: leases that come and go meanwhile must not fill its socket */
        if (!dl->socket || !wire_socket_has_room(dl->socket))
                return false;
        memcpy(m.record.digest, record->digest, sizeof(m.record.digest));
        device_link_send(dl, &m);
        return true;
}

void device_link_drop_record(DeviceLink *dl, const uint8_t *digest) {
        WireMessage m = { .type = WIRE_DROP_RECORD };

        memcpy(m.record.digest, digest, sizeof(m.record.digest));
        device_link_send(dl, &m);
}
