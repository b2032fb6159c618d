/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The configuration space that a worker gets: the model's, with the kernel's accesses in between, and eyes
 * on everything that is written. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/pci/exchange.h"
#include "protocols/registers.h"
#include "tests/simulation/simulation.h"

static SimMailbox *find_mailbox(SimDevice *dev, uint16_t offset, uint16_t *ret_reg) {
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                uint16_t cap_offset = dev->mailboxes[i].offset;

                if (offset >= cap_offset && offset < cap_offset + DOE_EXT_CAP_BYTES) {
                        *ret_reg = (uint16_t)(offset - cap_offset);
                        return &dev->mailboxes[i];
                }
        }
        sim_violation(dev->sim, NULL, "%s: access to %x, which is no DOE register", dev->address, offset);
}

uint64_t watch_access_usec(SimDevice *dev, uint64_t usec) {
        dev->model_usec = MAX_OF(dev->model_usec, usec);
        return dev->model_usec;
}

uint64_t watch_strangers(const SimMailbox *mb) {
        uint64_t n = mb->model->counters.foreign_exchanges + mb->n_kernel_accesses;

        for (size_t i = 0; i < mb->model->faults.n_rows; i++)
                if (mb->model->faults.rows[i].action == FAULT_STEAL)
                        n += mb->model->faults.rows[i].n_fired;
        return n;
}

SimJob *watch_find_job(SimMailbox *mb, uint64_t job_id) {
        for (size_t i = 0; i < SIM_JOBS_MAX; i++)
                if (job_id != 0 && mb->jobs[i].id == job_id)
                        return &mb->jobs[i];
        return NULL;
}

static void note_faults(SimMailbox *mb) {
        uint64_t n = mb->model->counters.faults;

        if (n == mb->n_faults_seen)
                return;
        mb->device->sim->statistics.n_faults += n - mb->n_faults_seen;
        mb->n_faults_seen = n;
        sim_trace(mb, mb->device->now_usec, TRACE_FAULTS, n, 0, 0, NULL);
}

static void check_handed_out(SimMailbox *mb, uint16_t reg) {
        if (mb->device->sim->is_asleep)
                sim_violation(mb->device->sim, mb, "register %02x touched while the host sleeps", reg);
        if (mb->is_handed_out)
                sim_violation(mb->device->sim, mb, "register %02x touched, which was handed to a tool", reg);
}

/* Nothing but pops, and these within the grace, while the kernel holds it; nothing at all before it is ours,
 * or while somebody else is at the registers. */
static void check_may_write(SimMailbox *mb, uint16_t reg, uint32_t value) {
        SimDevice *dev = mb->device;
        WireMailboxState state = doe_mailbox_state(mb->machine);
        /* the dword that was begun within the grace is read, looked at and popped */
        uint64_t grace_usec = EXCHANGE_HELD_GRACE_USEC + 3 * dev->access_usec;

        if (mb->is_held) {
                if (reg != DOE_REG_READ || dev->now_usec > mb->held_usec + grace_usec)
                        sim_violation(dev->sim, mb,
                                      "register %02x written (%08" PRIx32 ") %" PRIu64 " us after the hold",
                                      reg, value, dev->now_usec - mb->held_usec);
                sim_trace(mb, dev->now_usec, TRACE_HELD_POP, 0, 0, 0, NULL);
        } else if (state != WIRE_MAILBOX_READY && state != WIRE_MAILBOX_STARTING &&
                   state != WIRE_MAILBOX_RECOVERING &&
                   !(state == WIRE_MAILBOX_KERNEL && reg == DOE_REG_READ))
                sim_violation(dev->sim, mb, "register %02x written in state %s", reg,
                              wire_mailbox_state_to_string(state));
        if (value & DOE_CONTROL_INTERRUPT_ENABLE && reg == DOE_REG_CONTROL)
                sim_violation(dev->sim, mb, "Interrupt Enable was set");
}

static SimJob *running_job(SimMailbox *mb) {
        if (mb->n_worker_jobs == 0)
                sim_violation(mb->device->sim, mb, "a request is written, but there is no job");
        return mb->worker_jobs[0];
}

static void watch_request(SimMailbox *mb) {
        SimJob *job = running_job(mb);

        if (mb->watch == WATCH_REQUEST && mb->watch_job == job->id)
                return;
        if (mb->watch != WATCH_CLEAN)
                sim_violation(mb->device->sim, mb,
                              "request of job %" PRIu64 " begun without a clean mailbox (%d, job %" PRIu64
                              ")",
                              job->id, (int)mb->watch, mb->watch_job);
        mb->watch = WATCH_REQUEST;
        mb->foreign_usec = 0;
        mb->watch_job = job->id;
        job->n_strangers = mb->n_strangers;
        sim_trace(mb, mb->device->now_usec, TRACE_WRITE_REQUEST, job->id, 0, 0, NULL);
}

static void watch_abort(SimMailbox *mb) {
        uint64_t epoch = doe_mailbox_epoch(mb->machine);

        if (epoch <= mb->abort_epoch)
                sim_violation(mb->device->sim, mb,
                              "Abort in epoch %" PRIu64 ", the last one was in %" PRIu64, epoch,
                              mb->abort_epoch);
        if (doe_mailbox_state(mb->machine) == WIRE_MAILBOX_RECOVERING &&
            mb->foreign_usec > mb->recover_usec &&
            mb->device->now_usec < mb->foreign_usec + DOE_MAILBOX_CLEAR_USEC)
                sim_violation(mb->device->sim, mb, "Abort %" PRIu64 " us after a stranger was seen",
                              mb->device->now_usec - mb->foreign_usec);
        mb->foreign_usec = 0;
        mb->abort_epoch = epoch;
        mb->watch = WATCH_ABORTING;
        mb->device->sim->statistics.n_aborts++;
        sim_trace(mb, mb->device->now_usec, TRACE_ABORT, epoch, 0, 0, NULL);
}

/* Has anything ever gone wrong there? A mailbox may bring the whole function down. */
static bool is_spoiled(const SimDevice *dev) {
        for (size_t i = 0; i < dev->n_mailboxes; i++)
                if (dev->mailboxes[i].model->counters.faults > 0 ||
                    dev->mailboxes[i].model->counters.collisions > 0 ||
                    dev->mailboxes[i].n_kernel_accesses > 0)
                        return true;
        return false;
}

/* What stands in the write mailbox is the job's request, unless a fault or somebody else spoiled it. */
static void check_request(SimMailbox *mb, const SimJob *job) {
        const ModelMailbox *model = mb->model;
        uint64_t hash = SIM_HASH_START;

        if (is_spoiled(mb->device) || model->is_error)
                return;
        for (size_t i = 0; i < model->n_request; i++)
                hash = sim_hash_dword(hash, model->request[i]);
        if (model->n_request != job->n_request_dwords || hash != job->request_hash)
                sim_violation(mb->device->sim, mb, "the request of job %" PRIu64 " is not what was asked",
                              job->id);
}

/* The request of a lease whose holder still waits for it; NULL: none. */
static SimLeaseRequest *find_lease_request(Sim *sim, const SimJob *job) {
        SimLeaseRequest *r = NULL;
        SimLease *sl;

        if (job->lease_request == 0)
                return NULL;
        TAILQ_FOREACH (sl, &sim->leases, leases)
                if (sl == job->lease && (r = TAILQ_FIRST(&sl->requests)) && r->number == job->lease_request)
                        return r;
        return NULL;
}

static void note_lease_go(SimMailbox *mb, const SimJob *job) {
        SimLeaseRequest *r = find_lease_request(mb->device->sim, job);
        const DoeFeature *f = doe_feature_find(job->vendor_id, job->type);

        if (r && r->n_gos++ > 0)
                sim_violation(mb->device->sim, mb, "request %" PRIu64 " of a lease reaches the device twice",
                              r->number);
        if (f && f->is_spdm)
                mb->device->spdm_lineage = job->lineage ?: UINT64_MAX;
}

static void watch_go(SimMailbox *mb) {
        SimJob *job = running_job(mb);
        Sim *sim = mb->device->sim;
        SimCall *call = clients_find_call(sim, job->call);

        if (job->was_seen)
                sim_violation(sim, mb, "GO a second time for job %" PRIu64, job->id);
        if (job->epoch != 0 && job->epoch != doe_mailbox_epoch(mb->machine))
                sim_violation(sim, mb, "job %" PRIu64 " of epoch %" PRIu64 " runs in epoch %" PRIu64,
                              job->id, job->epoch, doe_mailbox_epoch(mb->machine));
        if (call && call->n_gos > 0 && job->class != DOE_CLASS_READ)
                sim_violation(sim, mb, "call %" PRIu64 " of class %s reaches the device twice", call->number,
                              doe_class_to_string(job->class));
        if (call)
                call->n_gos++;
        note_lease_go(mb, job);
        sim->statistics.n_gos++;
        job->was_seen = true;
        mb->has_popped = false;
        check_request(mb, job);
        sim_trace(mb, mb->device->now_usec, TRACE_GO, job->id, job->n_request_dwords, 0, NULL);
}

/* What the device is going to answer, its faults included. */
static void watch_answer(SimMailbox *mb, uint64_t n_faults) {
        const ModelMailbox *model = mb->model;
        SimJob *job = mb->worker_jobs[0];

        job->is_altered = model->counters.faults != n_faults;
        job->has_answer = model->response && model->owner == MODEL_OWNER_CLIENT;
        if (!job->has_answer)
                return;
        job->answer_hash = SIM_HASH_START;
        for (size_t i = DOE_HEADER_DWORDS; i < model->n_response; i++)
                job->answer_hash = sim_hash_dword(job->answer_hash, model->response[i]);
        job->n_answer_bytes = model->n_response > DOE_HEADER_DWORDS
                                              ? 4 * (model->n_response - DOE_HEADER_DWORDS)
                                              : 0;
}

/* An answer of another feature is somebody else's. */
static void watch_pop(SimMailbox *mb) {
        const SimJob *job = running_job(mb);
        uint32_t dw0 = (uint32_t)job->type << 16 | job->vendor_id;

        if (!mb->has_popped && ((mb->first_dword ^ dw0) & 0x00ffffff) != 0)
                sim_violation(mb->device->sim, mb, "an answer %08" PRIx32 " is popped, asked was %08" PRIx32,
                              mb->first_dword, dw0);
        mb->has_popped = true;
}

/* Runtime PM and the clean mark hang on it. */
static void check_is_busy(SimMailbox *mb) {
        if (doe_mailbox_state(mb->machine) == WIRE_MAILBOX_READY && !mb->is_busy)
                sim_violation(mb->device->sim, mb, "registers are touched by a mailbox that is not busy");
}

static bool is_dead(const SimDevice *dev) {
        return dev->now_usec >= dev->sim->pci_dies_usec;
}

static int config_write32(ConfigSpace *config, uint16_t offset, uint32_t value) {
        SimDevice *dev = ((SimConfig *)config)->device;
        uint16_t reg;
        SimMailbox *mb = find_mailbox(dev, offset, &reg);
        uint64_t n_faults;

        if (is_dead(dev))
                return -EIO;
        kernel_catch_up(dev, dev->now_usec);
        if (dev->is_write_refused)
                return -EPERM;
        check_handed_out(mb, reg);
        check_is_busy(mb);
        check_may_write(mb, reg, value);
        n_faults = mb->model->counters.faults;
        if (reg == DOE_REG_WRITE)
                watch_request(mb);
        else if (reg == DOE_REG_CONTROL && value & DOE_CONTROL_ABORT)
                watch_abort(mb);
        else if (reg == DOE_REG_CONTROL && value & DOE_CONTROL_GO)
                watch_go(mb);
        else if (reg == DOE_REG_READ)
                watch_pop(mb);
        model_write(dev->model, watch_access_usec(dev, dev->now_usec), offset, 4, value);
        if (reg == DOE_REG_CONTROL && value & DOE_CONTROL_GO)
                watch_answer(mb, n_faults);
        if (dev->sim->pci_dies_after_go && reg == DOE_REG_CONTROL && value & DOE_CONTROL_GO)
                host_kill_pci_at(dev->sim, dev->now_usec + sim_between(dev->sim, 1, 30));
        note_faults(mb);
        dev->now_usec += dev->access_usec;
        return 0;
}

static int config_read32(ConfigSpace *config, uint16_t offset, uint32_t *ret) {
        SimDevice *dev = ((SimConfig *)config)->device;
        uint16_t reg;
        SimMailbox *mb = find_mailbox(dev, offset, &reg);

        if (is_dead(dev))
                return -EIO;
        check_handed_out(mb, reg);
        check_is_busy(mb);
        kernel_catch_up(dev, dev->now_usec);
        *ret = model_read(dev->model, watch_access_usec(dev, dev->now_usec), offset, 4);
        note_faults(mb);
        if (reg == DOE_REG_STATUS && *ret == DOE_STATUS_ALL_ONES)
                mb->foreign_usec = 0; /* whoever it was, a reset has ended it */
        if (reg == DOE_REG_READ && !mb->has_popped)
                mb->first_dword = *ret;
        if (reg == DOE_REG_STATUS && mb->watch != WATCH_REQUEST)
                mb->n_strangers = watch_strangers(mb);
        if (reg == DOE_REG_STATUS && mb->watch == WATCH_ABORTING &&
            !(*ret & (DOE_STATUS_BUSY | DOE_STATUS_ERROR | DOE_STATUS_READY)))
                mb->watch = WATCH_CLEAN;
        dev->now_usec += dev->access_usec;
        return 0;
}

static uint64_t config_now_usec(ConfigSpace *config) {
        return ((SimConfig *)config)->device->now_usec;
}

static void config_pause(ConfigSpace *config, uint64_t usec) {
        ((SimConfig *)config)->device->now_usec += usec;
}

void watch_init(SimDevice *dev) {
        dev->config = (SimConfig){ .config = { .read32 = config_read32,
                                               .write32 = config_write32,
                                               .now_usec = config_now_usec,
                                               .pause = config_pause },
                                   .device = dev };
}

static uint64_t hash_bytes(const uint8_t *bytes, size_t n_bytes) {
        uint64_t hash = SIM_HASH_START;

        for (size_t i = 0; i + 4 <= n_bytes; i += 4)
                hash = sim_hash_dword(hash, (uint32_t)bytes[i] | (uint32_t)bytes[i + 1] << 8 |
                                                            (uint32_t)bytes[i + 2] << 16 |
                                                            (uint32_t)bytes[i + 3] << 24);
        return hash;
}

/* A success must be the device's answer to that very request. Only where another agent came in between can
 * the registers not tell. */
static void check_success(SimMailbox *mb, const SimJob *job, const WireDone *done) {
        Sim *sim = mb->device->sim;
        SimCall *call = clients_find_call(sim, job->call);
        SimLeaseRequest *request = find_lease_request(sim, job);
        uint64_t hash = hash_bytes(done->payload, done->n_bytes);
        bool is_right = job->has_answer && hash == job->answer_hash && done->n_bytes == job->n_answer_bytes;
        bool is_disturbed = watch_strangers(mb) != job->n_strangers ||
                            mb->device->kernel.phase != KERNEL_IDLE || (!job->has_answer && job->is_altered);

        if (!is_right && !is_disturbed)
                sim_violation(sim, mb, "job %" PRIu64 " of %04x:%02x got %zu bytes that are not its answer",
                              job->id, job->vendor_id, job->type, done->n_bytes);
        if (!is_right)
                sim->statistics.n_mixed++;
        if ((!is_right || job->is_altered || is_disturbed) && job->vendor_id == 0x0001)
                mb->is_discovery_tainted = true;
        if (request) {
                request->has_answer = true;
                request->answer_hash = hash;
                request->n_answer_bytes = done->n_bytes;
                request->is_altered = job->is_altered || is_disturbed;
        }
        if (call) {
                call->has_answer = true;
                call->answer_hash = hash;
                call->n_answer_bytes = done->n_bytes;
                call->is_altered = job->is_altered || is_disturbed;
        }
}

void watch_job_ended(SimMailbox *mb, const SimJob *job, const WireDone *done) {
        Sim *sim = mb->device->sim;

        if (done->not_started == job->was_seen)
                sim_violation(sim, mb, "job %" PRIu64 " says %s, but GO was %swritten: %s", job->id,
                              done->not_started ? "not started" : "started", job->was_seen ? "" : "not ",
                              done->evidence);
        if (done->error > 0)
                sim_violation(sim, mb, "job %" PRIu64 " ends with %d", job->id, done->error);
        if (done->error == 0)
                check_success(mb, job, done);
        if (done->is_foreign && !mb->is_held)
                mb->foreign_usec = mb->device->now_usec;
        if (mb->watch == WATCH_REQUEST && mb->watch_job == job->id)
                mb->watch = done->error == 0 ? WATCH_CLEAN : WATCH_UNKNOWN;
}
