/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The device socket: messages as frames of daemon/wire, in order, each after a time of its own; and what
 * daemon/bus/device-link.c makes of them for the core. */

#include <inttypes.h>

#include "daemon/core/discovery.h"
#include "tests/simulation/simulation.h"

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

static void queue_frame(SimDevice *dev, struct SimFrameList *frames, const WireMessage *m, uint64_t usec,
                        uint64_t generation) {
        SimFrame *f = calloc(1, sizeof(*f));

        if (!f)
                abort();
        if (wire_encode(m, &f->bytes, &f->n_bytes) < 0)
                sim_violation(dev->sim, &dev->mailboxes[0], "a message %s cannot be sent",
                              wire_type_to_string(m->type));
        f->usec = usec;
        f->generation = generation;
        TAILQ_INSERT_TAIL(frames, f, frames);
}

void link_send_up(SimDevice *dev, const WireMessage *m, uint64_t usec) {
        dev->up_usec = MAX_OF(dev->up_usec, usec + sim_latency_usec(dev->sim));
        queue_frame(dev, &dev->up, m, dev->up_usec, dev->worker_generation);
        if (!timer_is_armed(&dev->up_timer))
                sim_arm(dev->sim, &dev->up_timer, dev->up_usec);
}

void link_send_down(SimDevice *dev, const WireMessage *m) {
        Sim *sim = dev->sim;

        if (dev->core_generation == 0)
                return;
        dev->down_usec = MAX_OF(dev->down_usec, sim->now_usec + sim_latency_usec(sim));
        queue_frame(dev, &dev->down, m, dev->down_usec, dev->core_generation);
        worker_wake(dev);
}

void link_put_job(SimJob *job) {
        if (!job->core_has && !job->is_on_way && !job->worker_has)
                job->id = 0;
}

/* The job that it carries will never arrive. */
static void forget_job(SimDevice *dev, const SimFrame *f) {
        WireMessage m;

        if (wire_decode(f->bytes, f->n_bytes, &m) < 0 || m.type != WIRE_EXCHANGE)
                return;
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                SimJob *job = watch_find_job(&dev->mailboxes[i], m.exchange.job_id);

                if (!job)
                        continue;
                job->is_on_way = false;
                link_put_job(job);
        }
}

void link_drop(SimDevice *dev, struct SimFrameList *frames, uint64_t generation) {
        SimFrame *f;

        while ((f = TAILQ_FIRST(frames)) && f->generation <= generation) {
                TAILQ_REMOVE(frames, f, frames);
                if (frames == &dev->down)
                        forget_job(dev, f);
                free(f->bytes);
                free(f);
        }
}

void link_connect(SimDevice *dev, uint64_t generation) {
        dev->core_generation = generation;
        link_drop(dev, &dev->up, generation - 1);
        if (TAILQ_FIRST(&dev->up))
                sim_arm(dev->sim, &dev->up_timer, MAX_OF(dev->sim->now_usec, TAILQ_FIRST(&dev->up)->usec));
}

void link_disconnect(SimDevice *dev) {
        if (dev->core_generation == 0)
                return;
        link_drop(dev, &dev->up, dev->core_generation);
        dev->core_generation = 0;
        for (size_t i = 0; i < dev->n_mailboxes; i++)
                for (size_t j = 0; j < SIM_JOBS_MAX; j++) {
                        dev->mailboxes[i].jobs[j].core_has = false;
                        link_put_job(&dev->mailboxes[i].jobs[j]);
                }
}

/* -------- up -------- */

static SimMailbox *find_by_offset(SimDevice *dev, uint16_t offset) {
        for (size_t i = 0; i < dev->n_mailboxes; i++)
                if (dev->mailboxes[i].offset == offset)
                        return &dev->mailboxes[i];
        sim_violation(dev->sim, NULL, "%s: no mailbox at %x", dev->address, offset);
}

static Mailbox *find_job(const Device *d, uint64_t job_id) {
        for (size_t i = 0; i < d->n_mailboxes; i++) {
                Mailbox *mb = d->mailboxes[i];

                if ((mb->running && mb->running->id == job_id) || (mb->staged && mb->staged->id == job_id))
                        return mb;
        }
        return NULL;
}

/* The core has done with it. */
static void release_job(SimMailbox *mb, uint64_t job_id) {
        SimJob *job = watch_find_job(mb, job_id);

        if (!job)
                return;
        job->core_has = false;
        link_put_job(job);
}

static void tell_done(SimDevice *dev, Device *d, const WireDone *m, uint64_t now_usec) {
        Mailbox *mb = find_job(d, m->job_id);
        JobResult result = { .error = m->error,
                             .not_started = m->not_started,
                             .is_foreign = m->is_foreign,
                             .started_usec = m->started_usec,
                             .ended_usec = m->ended_usec,
                             .epoch = m->epoch,
                             .evidence = m->evidence,
                             .payload = m->payload,
                             .n_bytes = m->n_bytes };

        if (mb) {
                SimMailbox *sm = find_by_offset(dev, mb->offset);

                fairness_note_done(sm, watch_find_job(sm, m->job_id), m->ended_usec - m->started_usec);
                release_job(sm, m->job_id);
                sm->n_exchanges += !m->not_started;
                mailbox_report_done(mb, m->job_id, &result, now_usec);
        } else
                device_report_kernel_cdat(d, m->job_id, &result, now_usec);
}

static void tell_job(SimDevice *dev, Device *d, const WireMessage *m, uint64_t now_usec) {
        Mailbox *mb = find_job(d, m->job.job_id);
        SimMailbox *sm;

        if (!mb)
                return;
        sm = find_by_offset(dev, mb->offset);
        if (m->type == WIRE_STARTED) {
                mailbox_report_started(mb, m->job.job_id, now_usec);
        } else {
                release_job(sm, m->job.job_id);
                mailbox_report_recalled(mb, m->job.job_id, now_usec);
        }
}

static void tell_note(SimDevice *dev, Mailbox *mb, const WireMessage *m, uint64_t now_usec) {
        SimMailbox *sm = find_by_offset(dev, mb->offset);

        if (m->type == WIRE_FOREIGN) {
                sm->n_foreign++;
                mailbox_report_foreign(mb, m->note.text, now_usec);
        } else {
                sm->n_aborts++;
                mailbox_report_aborted(mb, m->note.text, now_usec);
        }
}

static void tell_record(Sim *sim, Device *d, const WireRecord *m) {
        LeaseRecord record = { .uid = m->uid,
                               .offset = m->offset,
                               .vendor_id = m->vendor_id,
                               .type = m->type,
                               .is_session = m->is_session,
                               .epoch = m->epoch,
                               .expires_usec = m->expires_usec };

        memcpy(record.digest, m->digest, sizeof(record.digest));
        leases_report_record(d, &record, sim->now_usec);
}

static void tell(SimDevice *dev, const WireMessage *m) {
        Sim *sim = dev->sim;
        Device *d = manager_find_device(sim->manager, dev->address);
        Mailbox *mb;

        if (!d)
                sim_violation(sim, &dev->mailboxes[0],
                              "the core does not know a device that it has a link to");
        switch ((int)m->type) {
        case WIRE_MAILBOX:
                mb = device_find_mailbox(d, m->mailbox.offset);
                mailbox_report_handed_to(mb, m->mailbox.lease_id);
                mailbox_report_state(mb, mailbox_states[m->mailbox.state], m->mailbox.epoch,
                                     m->mailbox.reason, sim->now_usec);
                return;
        case WIRE_STARTED:
        case WIRE_RECALLED:
                tell_job(dev, d, m, sim->now_usec);
                return;
        case WIRE_DONE:
                tell_done(dev, d, &m->done, sim->now_usec);
                return;
        case WIRE_PUT_RECORD:
                tell_record(sim, d, &m->record);
                return;
        case WIRE_FOREIGN:
        case WIRE_ABORTED:
                tell_note(dev, device_find_mailbox(d, m->note.offset), m, sim->now_usec);
                return;
        }
        sim_violation(sim, NULL, "%s: a message of type %d comes up", dev->address, (int)m->type);
}

static void deliver_first(SimDevice *dev) {
        SimFrame *f = TAILQ_FIRST(&dev->up);
        WireMessage m;

        TAILQ_REMOVE(&dev->up, f, frames);
        if (wire_decode(f->bytes, f->n_bytes, &m) < 0)
                sim_violation(dev->sim, NULL, "%s: a frame going up is malformed", dev->address);
        tell(dev, &m);
        free(f->bytes);
        free(f);
}

static bool has_frame(const SimDevice *dev) {
        const SimFrame *f = TAILQ_FIRST(&dev->up);

        return f && dev->core_generation != 0 && f->generation == dev->core_generation;
}

void link_deliver_all(SimDevice *dev) {
        while (has_frame(dev))
                deliver_first(dev);
}

void link_on_up(Timer *timer, void *userdata, uint64_t now_usec) {
        SimDevice *dev = userdata;

        /* the first message of a new worker may come before the core has heard of the device */
        while (has_frame(dev) && TAILQ_FIRST(&dev->up)->usec <= now_usec)
                deliver_first(dev);
        if (has_frame(dev))
                sim_arm(dev->sim, &dev->up_timer, TAILQ_FIRST(&dev->up)->usec);
        check_device(dev);
}

/* -------- down -------- */

static SimDevice *device_of(Sim *sim, const Device *d) {
        for (size_t i = 0; i < sim->n_devices; i++)
                if (strcmp(sim->devices[i].address, d->address) == 0)
                        return &sim->devices[i];
        sim_violation(sim, NULL, "no device %s", d->address);
}

static uint64_t hash_request(const Job *job) {
        uint64_t hash = sim_hash_dword(SIM_HASH_START, (uint32_t)job->type << 16 | job->vendor_id);
        uint32_t n_dwords = doe_object_dwords(job->n_bytes);

        hash = sim_hash_dword(hash, n_dwords & (DOE_OBJECT_DWORDS_MAX - 1));
        for (size_t i = 0; i < n_dwords - DOE_HEADER_DWORDS; i++) {
                uint32_t value = 0;

                for (size_t j = 0; j < 4 && 4 * i + j < job->n_bytes; j++)
                        value |= (uint32_t)job->payload[4 * i + j] << (8 * j);
                hash = sim_hash_dword(hash, value);
        }
        return hash;
}

/* Its holder, unless that has closed its descriptor: then nobody waits for the answer. */
static SimLease *lease_of_job(const Job *job) {
        SimLease *sl = job->lease ? job->lease->stream_userdata : NULL;

        return sl && !TAILQ_EMPTY(&sl->requests) ? sl : NULL;
}

static SimJob *new_job(SimMailbox *mb, const Job *job) {
        const SimCall *call = clients_call_of_job(job);
        SimLease *lease = lease_of_job(job);
        unsigned n_core = 0;
        SimJob *place = NULL;

        for (size_t i = 0; i < SIM_JOBS_MAX; i++) {
                n_core += mb->jobs[i].id != 0 && mb->jobs[i].core_has;
                if (mb->jobs[i].id == 0)
                        place = &mb->jobs[i];
        }
        if (n_core >= SIM_WORKER_JOBS_MAX || !place)
                sim_violation(mb->device->sim, mb, "the core hands down a third job");
        /* what an old number means may still be on the wire */
        if (!sim_use_number(&mb->device->sim->used_jobs, job->id))
                sim_violation(mb->device->sim, mb, "job number %" PRIu64 " is used twice", job->id);
        *place = (SimJob){ .id = job->id,
                           .call = call ? call->number : 0,
                           .lease = lease,
                           .has_owner = job->client || job->lease,
                           .uid = job->uid,
                           .priority = job->priority,
                           .lineage = job->lease && job->lease->stream_userdata
                                                      ? ((SimLease *)job->lease->stream_userdata)->lineage
                                                      : 0,
                           .lease_request = lease ? TAILQ_FIRST(&lease->requests)->number : 0,
                           .core_has = true,
                           .is_on_way = true,
                           .class = job->class,
                           .vendor_id = job->vendor_id,
                           .type = job->type,
                           .epoch = job->epoch,
                           .request_hash = hash_request(job),
                           .n_request_dwords = doe_object_dwords(job->n_bytes) };
        return place;
}

static void on_exchange(void *userdata, Mailbox *mb, const Job *job) {
        Sim *sim = userdata;
        SimDevice *dev = device_of(sim, mb->device);
        SimMailbox *sm = find_by_offset(dev, mb->offset);
        SimJob *sj;

        if (dev->core_generation == 0)
                sim_violation(sim, sm, "a job is handed down to a device that is not linked");
        if (mb->recovery.rest_until_usec > sim->now_usec)
                sim_violation(sim, sm, "a job is handed down to a mailbox that is to rest");
        sj = new_job(sm, job);
        sim->statistics.n_repeats += job->n_attempts > 0;
        if (job->n_attempts == 0)
                fairness_note_pick(sm, job);
        leases_check_job(sm, job);
        sim_trace(sm, sim->now_usec, TRACE_SUBMIT, job->id, sj->call, 0, NULL);
        link_send_down(dev, &(WireMessage){ .type = WIRE_EXCHANGE,
                                            .exchange = { .job_id = job->id,
                                                          .offset = mb->offset,
                                                          .vendor_id = job->vendor_id,
                                                          .type = job->type,
                                                          .deadline_usec = job->deadline_usec,
                                                          .timeout_usec = job->device_timeout_usec,
                                                          .busy_grace_usec = job->busy_grace_usec,
                                                          .connection_id = job->connection_id,
                                                          .n_dwords_max = job->n_dwords_max,
                                                          .epoch = job->epoch,
                                                          .payload = job->payload,
                                                          .n_bytes = job->n_bytes } });
}

static void send_job(Sim *sim, Mailbox *mb, WireType type, TraceKind kind, uint64_t job_id) {
        SimDevice *dev = device_of(sim, mb->device);

        sim_trace(find_by_offset(dev, mb->offset), sim->now_usec, kind, job_id, 0, 0, NULL);
        link_send_down(dev, &(WireMessage){ .type = type, .job = { .job_id = job_id } });
}

static void on_recall(void *userdata, Mailbox *mb, uint64_t job_id) {
        send_job(userdata, mb, WIRE_RECALL, TRACE_ASK_RECALL, job_id);
}

static void on_cancel(void *userdata, Mailbox *mb, uint64_t job_id) {
        send_job(userdata, mb, WIRE_CANCEL, TRACE_ASK_CANCEL, job_id);
}

static void on_recover(void *userdata, Mailbox *mb, bool force) {
        Sim *sim = userdata;
        SimDevice *dev = device_of(sim, mb->device);

        find_by_offset(dev, mb->offset)->asked_usec = sim->now_usec;
        sim_trace(find_by_offset(dev, mb->offset), sim->now_usec, TRACE_ASK_RECOVER, force, 0, 0, NULL);
        link_send_down(dev, &(WireMessage){ .type = WIRE_RECOVER,
                                            .recover = { .offset = mb->offset, .force = force } });
}

static void on_read_kernel_cdat(void *userdata, Device *d, uint64_t job_id) {
        link_send_down(device_of(userdata, d),
                       &(WireMessage){ .type = WIRE_READ_KERNEL_CDAT, .job = { .job_id = job_id } });
}

static void on_inhibit(void *userdata, Mailbox *mb, uint64_t lease_id) {
        link_send_down(device_of(userdata, mb->device),
                       &(WireMessage){ .type = WIRE_INHIBIT,
                                       .inhibit = { .offset = mb->offset, .lease_id = lease_id } });
}

static void on_suspend(void *userdata, bool is_suspended) {
        host_suspend(userdata, is_suspended);
}

static bool on_put_record(void *userdata, Device *d, const LeaseRecord *r) {
        Sim *sim = userdata;
        WireMessage m = { .type = WIRE_PUT_RECORD,
                          .record = { .uid = r->uid,
                                      .offset = r->offset,
                                      .vendor_id = r->vendor_id,
                                      .type = r->type,
                                      .is_session = r->is_session,
                                      .epoch = r->epoch,
                                      .expires_usec = r->expires_usec,
                                      .keep_usec = sim->manager->config->limits.resume_usec } };

        memcpy(m.record.digest, r->digest, sizeof(m.record.digest));
        link_send_down(device_of(sim, d), &m);
        return true;
}

static void on_drop_record(void *userdata, Device *d, const uint8_t *digest) {
        WireMessage m = { .type = WIRE_DROP_RECORD };

        memcpy(m.record.digest, digest, sizeof(m.record.digest));
        link_send_down(device_of(userdata, d), &m);
}

static void on_rescan(void *userdata) {
        host_tell(userdata, SIM_ENUMERATED, NULL);
}

const Link sim_link = {
        .exchange = on_exchange,
        .recall = on_recall,
        .cancel = on_cancel,
        .recover = on_recover,
        .read_kernel_cdat = on_read_kernel_cdat,
        .rescan = on_rescan,
        .inhibit = on_inhibit,
        .suspend = on_suspend,
        .put_record = on_put_record,
        .drop_record = on_drop_record,
};
