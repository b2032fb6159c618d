/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The requests of a lease's stream: taken in order, handed to a mailbox one at a time, each answered once.
 */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/lease-private.h"
#include "daemon/util/clock.h"
#include "protocols/cursor.h"

/* -------- to the holder -------- */

static void write_header(DoeWriter *w, const DoeObjectHeader *header) {
        uint32_t dw0, dw1;

        doe_object_header_encode(header, &dw0, &dw1);
        doe_write_le32(w, dw0);
        doe_write_le32(w, dw1);
}

static void lease_send(const Lease *lease, const uint8_t *object, size_t n_bytes) {
        if (lease->stream)
                lease->stream->send(lease->stream_userdata, object, n_bytes);
}

/* How much of @text fits that ends with a whole character: whoever made it may have cut it anywhere. */
static size_t utf8_prefix(const char *text, size_t n_max) {
        size_t n = strnlen(text, n_max), lead = n, n_character;
        uint8_t byte;

        while (lead > 0 && n - lead < 4 && ((uint8_t)text[lead - 1] & 0xc0) == 0x80)
                lead--;
        if (lead == 0)
                return n;
        byte = (uint8_t)text[lead - 1];
        n_character = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        return lead - 1 + n_character <= n ? n : lead - 1;
}

void lease_send_error(Lease *lease, int error, unsigned flags, const char *text) {
        uint8_t object[DOE_HEADER_BYTES + 8 + FAILURE_TEXT_MAX];
        size_t n_text = utf8_prefix(text, FAILURE_TEXT_MAX), n_bytes;
        const DoeObjectHeader header = { .vendor_id = LEASE_ERROR_VENDOR,
                                         .type = LEASE_ERROR_TYPE,
                                         .n_dwords = doe_object_dwords(8 + n_text) };
        DoeWriter w = DOE_WRITER(object, sizeof(object));

        write_header(&w, &header);
        doe_write_le32(&w, (uint32_t)-error);
        doe_write_le32(&w, flags);
        doe_write_bytes(&w, text, n_text);
        n_bytes = 4 * (size_t)header.n_dwords;
        doe_write_zeros(&w, n_bytes - w.n_written);
        lease_send(lease, object, n_bytes);
}

static void lease_send_response(Lease *lease, const JobResult *result) {
        DoeObjectHeader header = TAILQ_FIRST(&lease->inside->requests)->header;
        _cleanup_free_ uint8_t *object = NULL;
        size_t n_bytes;
        DoeWriter w;

        header.n_dwords = doe_object_dwords(result->n_bytes);
        n_bytes = 4 * (size_t)header.n_dwords;
        object = malloc(n_bytes);
        if (!object) {
                lease_send_error(lease, -ENOMEM, 0, "Out of memory: the answer is lost");
                return;
        }
        w = DOE_WRITER(object, n_bytes);
        write_header(&w, &header);
        if (result->n_bytes > 0)
                doe_write_bytes(&w, result->payload, result->n_bytes);
        doe_write_zeros(&w, n_bytes - w.n_written);
        lease_send(lease, object, n_bytes);
}

/* -------- the list -------- */

static bool lease_is_full(const Lease *lease) {
        const LeaseInside *in = lease->inside;

        return in->n_requests >= lease->manager->config->limits.lease_requests_max ||
               in->n_request_bytes >= LEASE_REQUEST_BYTES_MAX;
}

static void lease_remove_request(Lease *lease, LeaseRequest *request) {
        LeaseInside *in = lease->inside;

        TAILQ_REMOVE(&in->requests, request, requests);
        in->n_requests--;
        in->n_request_bytes -= request->n_bytes;
        in->account->n_bytes_waiting -= request->n_bytes;
        free(request->payload);
        free(request);
}

void lease_pop(Lease *lease) {
        LeaseInside *in = lease->inside;

        timer_disarm(&lease->manager->timers, &in->request_timer);
        lease_remove_request(lease, TAILQ_FIRST(&in->requests));
        if (in->has_notice)
                lease_send_error(lease, -ECONNRESET, LEASE_ERROR_NOTICE, in->notice);
        in->has_notice = false;
}

bool lease_withdraw(Lease *lease) {
        LeaseInside *in = lease->inside;
        Job *job = TAKE_PTR(in->job);
        bool is_sent = job->state != JOB_QUEUED;

        timer_disarm(&lease->manager->timers, &in->request_timer);
        if (is_sent) {
                in->draining_id = job->id;
                lease_note_sent(lease, TAILQ_FIRST(&in->requests),
                                "it was given up before its answer came, perhaps before it was sent");
        }
        mailbox_withdraw(in->passed.mailbox, job);
        return is_sent;
}

void lease_drop_requests(Lease *lease) {
        LeaseInside *in = lease->inside;

        if (in->job)
                lease_withdraw(lease);
        timer_disarm(&lease->manager->timers, &in->request_timer); /* it runs while the one before drains */
        while (!TAILQ_EMPTY(&in->requests))
                lease_remove_request(lease, TAILQ_FIRST(&in->requests));
}

bool lease_is_drained(Lease *lease) {
        LeaseInside *in = lease->inside;
        const Mailbox *mb = in->passed.mailbox;

        if (in->draining_id && ((mb->running && mb->running->id == in->draining_id) ||
                                (mb->staged && mb->staged->id == in->draining_id)))
                return false;
        in->draining_id = 0;
        return true;
}

/* -------- one request -------- */

/* It was not begun in time: what it waited for. */
static void explain_wait(const Lease *lease, Failure *ret) {
        const Mailbox *mb = lease->inside->passed.mailbox;
        const Manager *m = lease->manager;

        if (!m->has_link)
                failure_set(ret, -EHOSTDOWN, "doed-pci is not there: %s", m->link_reason);
        else if (mb->state == MAILBOX_KERNEL)
                failure_set(ret, -EXDEV, "%s is in the kernel's hands: %s", mb->name, mb->state_reason);
        else if (mb->state == MAILBOX_WAITING)
                failure_set(ret, -EBUSY, "%s: foreign activity did not end in time: %s", mb->name,
                            mb->state_reason);
        else
                failure_set(ret, -ETIMEDOUT, "Not begun within %" PRIu64 " ms; the mailbox is %s%s%s",
                            lease->request_usec / USEC_PER_MSEC, mailbox_state_to_string(mb->state),
                            *mb->state_reason ? ": " : "", mb->state_reason);
}

static void lease_on_job(Job *job, const JobResult *result, uint64_t now_usec) {
        Lease *lease = job->userdata;
        LeaseInside *in = lease->inside;
        Failure failure = {};

        in->job = NULL;
        timer_disarm(&lease->manager->timers, &in->request_timer);
        if (!result->not_started)
                lease_note_sent(lease, TAILQ_FIRST(&in->requests), result->error ? result->evidence : NULL);
        else if (result->error == -EACCES)
                lease_note_refused(lease, TAILQ_FIRST(&in->requests), result->evidence);
        if (result->error == 0) {
                lease_note_answered(lease, result->payload, result->n_bytes);
                lease_send_response(lease, result);
        } else {
                if (result->error == -ETIMEDOUT && result->not_started)
                        explain_wait(lease, &failure);
                else
                        failure_set(&failure, result->error, "The exchange on %s failed: %s",
                                    job->mailbox->name, result->evidence);
                lease_send_error(lease, failure.error, result->not_started ? LEASE_ERROR_NOT_SENT : 0,
                                 failure.text);
        }
        lease_pop(lease);
        lease_pump(lease, now_usec);
}

void lease_on_request_timer(Timer *timer, void *userdata, uint64_t now_usec) {
        Lease *lease = userdata;
        bool is_sent = lease->inside->job && lease_withdraw(lease);
        Failure failure = {};

        if (is_sent)
                failure_set(&failure, -ETIMEDOUT, "No answer within %" PRIu64 " ms",
                            lease->request_usec / USEC_PER_MSEC);
        else
                explain_wait(lease, &failure);
        lease_send_error(lease, failure.error, is_sent ? 0 : LEASE_ERROR_NOT_SENT, failure.text);
        lease_pop(lease);
        lease_pump(lease, now_usec);
}

static Job *lease_make_job(Lease *lease, const LeaseRequest *request, uint64_t now_usec) {
        const DoeObjectHeader *h = &request->header;
        const LeasePassed *passed = &lease->inside->passed;
        Job *job = job_new(h->vendor_id, h->type, request->payload, request->n_bytes);

        if (!job)
                return NULL;
        job->lease = lease;
        job->uid = lease->uid;
        job->class = passed->judgement.class;
        job->is_withheld = !passed->effects.record;
        job->n_dwords_max = MAX_OF(mailbox_response_bytes_max(passed->mailbox, h->vendor_id, h->type) / 4,
                                   DOE_HEADER_DWORDS);
        job->device_timeout_usec = passed->effects.device_timeout_usec;
        job->busy_grace_usec = passed->effects.busy_grace_usec;
        job->connection_id = h->connection_id;
        job->deadline_usec = timer_is_armed(&lease->inside->request_timer)
                                             ? lease->inside->request_timer.due_usec
                                             : usec_add(now_usec, lease->request_usec);
        job->done = lease_on_job;
        job->userdata = lease;
        return job;
}

/* Return: 0: it is with the mailbox, or was answered already; a negative errno with @ret filled. */
static int lease_submit(Lease *lease, const LeaseRequest *request, uint64_t now_usec, Failure *ret) {
        LeaseInside *in = lease->inside;
        Job *job = lease_make_job(lease, request, now_usec);
        int r;

        if (!job || timer_arm(&lease->manager->timers, &in->request_timer, job->deadline_usec) < 0) {
                job_free(job);
                return failure_set(ret, -ENOMEM, "Out of memory");
        }
        in->job = job;
        r = mailbox_submit(in->passed.mailbox, job, now_usec);
        if (r == 0)
                return 0;
        in->job = job_free(job);
        timer_disarm(&lease->manager->timers, &in->request_timer);
        return failure_set(ret, r, "%s is %s: %s", in->passed.mailbox->name,
                           mailbox_state_to_string(in->passed.mailbox->state),
                           in->passed.mailbox->state_reason);
}

/* Its turn has come, but what the one before has left at the device must end first: that counts, too.
 * Without memory for the timer its clock begins a little later. */
static void lease_start_clock(Lease *lease, uint64_t now_usec) {
        LeaseInside *in = lease->inside;

        if (!timer_is_armed(&in->request_timer))
                (void)timer_arm(&lease->manager->timers, &in->request_timer,
                                usec_add(now_usec, lease->request_usec));
}

/* -------- one after the other -------- */

/* Return: true: there may be more to do. */
static bool lease_step(Lease *lease, uint64_t now_usec) {
        LeaseInside *in = lease->inside;
        LeaseRequest *request = TAILQ_FIRST(&in->requests);
        Failure failure = {};

        if (!request || in->job)
                return false;
        if (!lease_is_drained(lease)) {
                lease_start_clock(lease, now_usec);
                return false;
        }
        if (lease->state == LEASE_ENDING) {
                lease_send_error(lease, in->end_error, LEASE_ERROR_NOT_SENT, in->end_text);
                lease_pop(lease);
                return true;
        }
        if (in->is_blocked || !lease->stream)
                return false;
        if (lease_judge(lease, request, now_usec, &in->passed, &failure) < 0 ||
            lease_submit(lease, request, now_usec, &failure) < 0) {
                lease_send_error(lease, failure.error, LEASE_ERROR_NOT_SENT, failure.text);
                lease_pop(lease);
                return true;
        }
        return !in->job;
}

void lease_pump(Lease *lease, uint64_t now_usec) {
        LeaseInside *in = lease->inside;

        /* a mailbox may answer at once: then whoever pumps goes on */
        if (in->is_pumping)
                return;
        in->is_pumping = true;
        while (lease_step(lease, now_usec))
                ;
        in->is_pumping = false;
        if (in->is_full && lease->state == LEASE_OPEN && !lease_is_full(lease)) {
                in->is_full = false;
                if (lease->stream)
                        lease->stream->resume(lease->stream_userdata);
        }
        lease_settle(lease, now_usec);
        lease_clock_update(lease, now_usec);
}

/* -------- from the holder -------- */

void lease_attach(Lease *lease, const LeaseStreamOps *ops, void *userdata, uint64_t now_usec) {
        lease->stream = ops;
        lease->stream_userdata = userdata;
}

bool lease_wants_more(Lease *lease) {
        if (lease->state != LEASE_OPEN || lease->inside->is_finishing)
                return false;
        /* whoever hears a no is told when there is room: a reload may have lowered the limit meanwhile */
        lease->inside->is_full = lease->inside->is_full || lease_is_full(lease);
        return !lease_is_full(lease);
}

static void lease_take(Lease *lease, const DoeObjectHeader *header, const uint8_t *payload, size_t n_bytes,
                       uint64_t too_large_bytes, uint64_t now_usec) {
        LeaseInside *in = lease->inside;
        LeaseRequest *request;

        if (lease->state != LEASE_OPEN || in->is_finishing)
                return;
        request = calloc(1, sizeof(*request));
        if (request && n_bytes > 0)
                request->payload = malloc(n_bytes);
        if (!request || (n_bytes > 0 && !request->payload)) {
                free(request);
                lease_end(lease, -ENOMEM, "Out of memory", now_usec);
                return;
        }
        if (n_bytes > 0)
                memcpy(request->payload, payload, n_bytes);
        request->header = *header;
        request->n_bytes = n_bytes;
        request->too_large_bytes = too_large_bytes;
        TAILQ_INSERT_TAIL(&in->requests, request, requests);
        in->n_requests++;
        in->n_request_bytes += n_bytes;
        in->account->n_bytes_waiting += n_bytes;
        in->is_full = lease_is_full(lease);
        lease_pump(lease, now_usec);
}

void lease_receive(Lease *lease, const DoeObjectHeader *header, const uint8_t *payload, size_t n_bytes,
                   uint64_t now_usec) {
        lease_take(lease, header, payload, n_bytes, 0, now_usec);
}

void lease_receive_too_large(Lease *lease, const DoeObjectHeader *header, uint64_t n_bytes,
                             uint64_t now_usec) {
        lease_take(lease, header, NULL, 0, n_bytes, now_usec);
}

void lease_set_blocked(Lease *lease, bool is_blocked, uint64_t now_usec) {
        lease->inside->is_blocked = is_blocked;
        lease_pump(lease, now_usec);
}

void lease_framing_lost(Lease *lease, const char *evidence, uint64_t now_usec) {
        LeaseInside *in = lease->inside;

        if (lease->state != LEASE_OPEN)
                return;
        in->end_error = -EBADMSG;
        snprintf(in->end_text, sizeof(in->end_text), "%s", evidence);
        lease_finish(lease, now_usec);
}

void lease_finish(Lease *lease, uint64_t now_usec) {
        lease->inside->is_finishing = true;
        lease_pump(lease, now_usec);
}
