/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One simulated host: the core, the register machines and the device model of the tree, joined by a small
 * worker, a small wire and a kernel of our own, in virtual time. One thread; the same seed gives the same
 * run.
 *
 * Time: events stand in one heap. A worker runs ahead of it while it works at the registers, as its thread
 * would, and the kernel's accesses to the same function fall in between. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/core/lease.h"
#include "daemon/core/manager.h"
#include "daemon/core/transaction.h"
#include "daemon/pci/doe-mailbox.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"
#include "daemon/util/timer.h"
#include "daemon/wire/message.h"
#include "tests/emulator/model.h"
#include "tests/emulator/random.h"
#include "tests/simulation/trace.h"

#define SIM_MAILBOXES_MAX   3u
#define SIM_WORKER_JOBS_MAX 2u /* one running, one staged */
#define SIM_JOBS_MAX        8u
#define SIM_UIDS            5u
#define SIM_EPOCHS_MAX      64u
#define SIM_ANSWER_USEC     (100 * USEC_PER_MSEC) /* an answer may come so long after its deadline */

typedef struct Sim Sim;
typedef struct SimLease SimLease;
typedef struct SimCall SimCall;
typedef struct SimClient SimClient;
typedef struct SimDevice SimDevice;
typedef struct SimMailbox SimMailbox;

typedef struct SimOptions {
        uint64_t seed, n_exchanges;
        size_t n_devices, n_clients;
        bool is_verbose;
} SimOptions;

/* Numbers that may be used once. */
typedef struct SimNumbers {
        uint8_t *is_used; /* owned; one byte for each number */
        size_t n;
} SimNumbers;

/* One message on its way. */
typedef struct SimFrame {
        uint64_t usec;       /* of its arrival */
        uint64_t generation; /* of the socket that it goes through */
        uint8_t *bytes;
        size_t n_bytes;
        TAILQ_ENTRY(SimFrame) frames;
} SimFrame;
TAILQ_HEAD(SimFrameList, SimFrame);

typedef enum SimCommandKind {
        SIM_HOLD,
        SIM_WIND_UP, /* a hold for which the kernel waits */
        SIM_RELEASE,
        SIM_READ_ONLY,
        SIM_ATTACH,
        SIM_DETACH,
        SIM_SUSPEND, /* as SIM_WIND_UP, until all are held */
        SIM_REMOVE,
} SimCommandKind;

/* What doed-pci's main thread leaves for a worker. */
typedef struct SimCommand {
        uint64_t usec; /* of its arrival */
        SimCommandKind kind;
        const char *text; /* static */
        uint64_t number;  /* since when, until when, or of the socket */
        TAILQ_ENTRY(SimCommand) commands;
} SimCommand;
TAILQ_HEAD(SimCommandList, SimCommand);

/* One exchange that the core handed down, until both sides have done with it. */
typedef struct SimJob {
        uint64_t id;   /* 0: free place */
        uint64_t call; /* 0: doed's own, or a lease's */
        SimLease *lease;
        uint64_t lease_request; /* number; 0: of no lease */
        bool has_owner;         /* somebody's, whose time it costs even if nobody waits for it any more */
        uid_t uid;
        JobPriority priority;
        uint64_t lineage; /* of the lease, even if its holder has left since; 0: of none */
        bool core_has, is_on_way, worker_has;
        bool has_started; /* as it was told */
        bool was_seen;    /* GO was written for it */
        DoeClass class;
        uint16_t vendor_id;
        uint8_t type;
        uint64_t epoch;        /* that it asks for, 0: any */
        uint64_t request_hash; /* of its dwords, header included */
        uint32_t n_request_dwords;
        bool has_answer; /* the device made one at GO */
        uint64_t answer_hash;
        size_t n_answer_bytes;
        bool is_altered;      /* the device misbehaved at GO: its answer may be another than the right one */
        uint64_t n_strangers; /* when Status was read before it */
} SimJob;

/* What the registers mean to us, as seen from outside of the machines. */
typedef enum WatchPhase {
        WATCH_UNKNOWN,  /* not ours yet, or somebody else may have used it: Abort must come first */
        WATCH_CLEAN,    /* nothing of ours is in there */
        WATCH_REQUEST,  /* a request of watch_job was begun */
        WATCH_ABORTING, /* Abort was written, nothing clear was seen since */
} WatchPhase;

/* Of one priority of one mailbox, by uid. */
typedef struct SimShare {
        uint64_t used_usec[SIM_UIDS];           /* of the device's time */
        unsigned waiting;                       /* bit i: uid i waited at the last decision */
        uint64_t mark_usec[SIM_UIDS][SIM_UIDS]; /* used_usec when uid i began to wait */
} SimShare;

struct SimMailbox {
        SimDevice *device;
        uint16_t offset;
        char name[MAILBOX_NAME_MAX];
        ModelMailboxSettings *settings;
        ModelMailbox *model;
        Trace trace;

        /* the worker's side */
        DoeMailbox *machine; /* NULL: no doed-pci */
        uint64_t due_usec;
        bool is_busy, is_held, is_winding_up;
        uint64_t inhibited_for; /* lease, as the worker was told last */
        bool is_handed_out;     /* to a tool, by the core; nobody of ours touches a register */
        uint64_t held_usec;
        SimJob jobs[SIM_JOBS_MAX];
        SimJob *worker_jobs[SIM_WORKER_JOBS_MAX];
        unsigned n_worker_jobs;
        /* what outlives the worker */
        uint64_t saved_epoch;
        bool is_clean;
        /* watched at the registers */
        WatchPhase watch;
        uint64_t watch_job;
        uint64_t last_epoch, abort_epoch;
        uint64_t n_faults_seen;
        uint64_t n_kernel_accesses;
        uint64_t n_strangers;                /* when Status was read before a request */
        uint32_t first_dword;                /* of Read Data, as read last before anything was popped */
        bool has_popped;                     /* since GO */
        uint64_t foreign_usec, recover_usec; /* a job was lost to a stranger; recovery was asked for */
        bool is_discovery_tainted; /* the device once answered discovery wrongly, or to somebody else */
        uint32_t epoch_sequences[SIM_EPOCHS_MAX]; /* of the table, as each epoch began */

        /* the core's side, as told by messages that arrived */
        uint64_t n_exchanges, n_aborts, n_foreign;
        uint64_t asked_usec; /* the core asked for recovery */
        SimShare shares[N_JOB_PRIORITIES];
        uint64_t longest_usec; /* exchange so far */
};

typedef struct SimConfig {
        ConfigSpace config;
        SimDevice *device;
} SimConfig;

typedef enum KernelPhase {
        KERNEL_IDLE,
        KERNEL_ANNOUNCED,
        KERNEL_ABORT,
        KERNEL_ABORT_WAIT,
        KERNEL_SEND,
        KERNEL_POLL,
        KERNEL_DONE,
} KernelPhase;

typedef struct Kernel {
        KernelPhase phase;
        Timer timer;
        uint64_t began_usec, due_usec, deadline_usec;
        size_t mailbox;           /* index of the one at work */
        uint64_t wait_until_usec; /* it waits for us so long, 0: it does not */
        bool is_confirmed;        /* we have said that we let it go */
        bool is_announced, is_excused, is_reading_table, has_failed, saw_all_ones;
        bool wants_bind;   /* it has the CDAT afterwards */
        uint64_t n_faults; /* of all mailboxes, when it began */
        uint16_t next;     /* index or handle */
        unsigned n_requests;
} Kernel;

typedef struct SimRecord {
        bool is_used;
        WireRecord record;
} SimRecord;

struct SimDevice {
        Sim *sim;
        char address[WIRE_ADDRESS_MAX];
        unsigned instance;
        bool is_present; /* plugged in */
        bool is_served;  /* has a worker */
        bool is_suspended;
        /* sockets made so far, that of the worker, and that of the core; 0: none */
        uint64_t last_generation, worker_generation, core_generation;
        ModelSettings settings;
        ModelMailboxSettings mailbox_settings[SIM_MAILBOXES_MAX];
        Model *model;
        uint8_t *table; /* owned; as it left the factory */
        size_t n_table_bytes;
        SimMailbox mailboxes[SIM_MAILBOXES_MAX];
        size_t n_mailboxes;
        bool is_calm; /* never misbehaves, and the world leaves it alone */
        uint64_t access_usec;
        uint64_t settle_usec;

        /* the worker */
        SimConfig config;
        uint64_t now_usec;   /* its own time */
        uint64_t model_usec; /* of the last access, by anybody */
        bool is_write_refused;
        size_t next_mailbox;                /* in the worker's round */
        uint64_t n_rounds, n_rounds_before; /* of the worker; and when the host had come to rest */
        Timer worker_timer;
        struct SimCommandList commands;
        struct SimFrameList down, up;
        uint64_t command_usec, down_usec, up_usec; /* of the last arrival: nothing overtakes */
        Timer up_timer;
        Timer settle_timer; /* of doed-pci's main thread: ends a hold */
        uint64_t event_usec;

        uint64_t spdm_lineage; /* of the lease that spoke SPDM last; 0: nobody since the last reset */
        SimRecord records[WIRE_RECORDS_MAX]; /* of leases, as doed-pci keeps them */

        Kernel kernel;
        bool has_kernel_cdat;
        uint64_t kernel_read_job; /* asked for by the core, 0: none */
        Timer kernel_read_timer;
};

typedef enum SimCallKind {
        CALL_ECHO,
        CALL_COUNT,
        CALL_INDEX,  /* discovery, one index */
        CALL_HANDLE, /* CDAT, one entry */
        CALL_TABLE,  /* Cdat1.Read */
        CALL_DISCOVER,
        CALL_RECOVER,
        CALL_RESCAN,
        CALL_LEASE,
        CALL_INHIBIT,
} SimCallKind;
#define N_SIM_CALL_KINDS (CALL_INHIBIT + 1)

/* What must come of an object that a holder sends, unless the device or the world has it otherwise. */
typedef enum SimLeaseExpectation {
        EXPECT_ANY,
        EXPECT_ECHO,
        EXPECT_DENIED,
        EXPECT_BAD_MESSAGE,
} SimLeaseExpectation;

typedef struct SimLeaseRequest {
        uint64_t number;
        uint16_t vendor_id;
        uint8_t type;
        SimLeaseExpectation expectation;
        uint64_t request_hash; /* of the payload */
        unsigned n_gos;
        bool has_answer, is_altered; /* what came up the wire for it */
        uint64_t answer_hash;
        size_t n_answer_bytes;
        TAILQ_ENTRY(SimLeaseRequest) requests;
} SimLeaseRequest;
TAILQ_HEAD(SimLeaseRequestList, SimLeaseRequest);

/* Somebody who wants a lease, has one, or had one and may come back with its token. */
struct SimLease {
        Sim *sim;
        SimMailbox *mailbox;
        LeaseScope scope;
        uint16_t vendor_id;
        uint8_t type;
        uint64_t lineage; /* its own, over all resumptions */
        Lease *lease;     /* NULL: not open */
        uint64_t id;
        uid_t uid;
        bool is_asking, is_resumed, has_version;
        bool has_token;
        uint8_t token[LEASE_TOKEN_BYTES];
        uint64_t epoch; /* that it knows of */
        uint64_t pace_usec, parted_usec;
        unsigned n_left;
        bool is_finished;   /* it sends no more */
        bool has_shut_down; /* by its own will */
        bool is_blocked;    /* it does not read */
        bool has_left;      /* its descriptor is closed */
        bool has_last;      /* it was sent the last object */
        struct SimLeaseRequestList requests;
        unsigned n_requests;
        Timer timer, late_timer;
        TAILQ_ENTRY(SimLease) leases;
};
TAILQ_HEAD(SimLeaseList, SimLease);

struct SimCall {
        uint64_t number; /* 0: free */
        SimCallKind kind;
        SimClient *client;
        SimDevice *device;
        SimMailbox *mailbox; /* NULL for CALL_TABLE, CALL_RESCAN */
        uint64_t issued_usec, deadline_usec;
        uint64_t cookie; /* 0: none */
        bool is_canceled, is_fresh, has_bound;
        bool is_probe;  /* at the end: must succeed */
        uint64_t epoch; /* option, 0: none */
        size_t n_bytes; /* of an echo's payload */
        uint32_t value; /* index, handle, count */
        unsigned n_gos;
        bool has_answer; /* what came up the wire for it */
        uint64_t answer_hash;
        size_t n_answer_bytes;
        bool is_altered;
        SimLease *lease; /* of CALL_LEASE and CALL_INHIBIT */
        Timer late_timer;
        TAILQ_ENTRY(SimCall) calls; /* of its client */
};
TAILQ_HEAD(SimCallList, SimCall);

struct SimClient {
        Sim *sim;
        uint64_t number;
        Client *client; /* NULL: not connected */
        uid_t uid;
        uint64_t pace_usec;
        unsigned n_parallel, n_calls_left;
        SimDevice *favorite;
        struct SimCallList calls;
        unsigned n_calls;
        Timer timer;
};

/* What doed-pci's main thread says. */
typedef enum SimControlKind {
        SIM_LINK_UP,
        SIM_DEVICE,
        SIM_REMOVED,
        SIM_ENUMERATED,
        SIM_LINK_LOST,
        SIM_SUSPENDED,
} SimControlKind;

typedef struct SimControl {
        uint64_t usec;
        SimControlKind kind;
        SimDevice *device;
        uint64_t generation; /* SIM_DEVICE: of the socket that comes along, 0: none */
        uint8_t *frame;      /* SIM_DEVICE: owned */
        size_t n_frame_bytes;
        TAILQ_ENTRY(SimControl) controls;
} SimControl;
TAILQ_HEAD(SimControlList, SimControl);

typedef struct SimStatistics {
        uint64_t n_calls, n_succeeded, n_failed, n_abandoned, n_cached;
        uint64_t n_gos, n_repeats, n_mixed, n_aborts, n_faults;
        uint64_t n_kernel_runs, n_kernel_safe, n_kernel_disturbed, n_kernel_failed;
        uint64_t n_leases, n_resumed, n_lease_requests, n_sleeps;
        uint64_t n_pci_deaths, n_doed_deaths, n_removals, n_resets, n_quiets;
        uint64_t errors[160];
} SimStatistics;

struct Sim {
        SimOptions options;
        uint64_t now_usec;
        TimerQueue events;
        Random random;
        SimStatistics statistics;
        bool is_draining;
        uint64_t quiet_usec; /* nobody calls before */

        SimDevice *devices;
        size_t n_devices;

        Manager *manager;     /* NULL: no doed */
        SimNumbers used_jobs; /* of this doed */
        bool has_pci;         /* doed-pci runs */
        bool is_connected;    /* doed-pci has doed as its peer */
        uint64_t pci_dies_usec;
        bool pci_dies_after_go; /* the next one, whose ever */
        uint64_t troubled_usec; /* one of the daemons was away, or the host asleep, until then */
        bool wants_suspended;   /* the workers are to let go */
        bool is_suspended_told; /* all have */
        bool is_asleep;         /* nothing is written */
        uint64_t awake_usec;    /* calls may fail until then, for it was asleep */
        Timer sleep_timer;
        struct SimControlList controls;
        uint64_t control_usec;
        Timer control_timer, pci_timer, doed_timer, world_timer;

        struct SimLeaseList leases;
        SimNumbers used_leases; /* of this doed */
        uint64_t n_lineages, n_lease_requests;
        SimClient *clients;
        size_t n_clients;
        uint64_t n_clients_made;
        SimCall *calls; /* places, by number */
        size_t n_call_places;
        uint64_t n_calls_made;
};

/* simulation.c */

/* Run it. Return: 0; the process exits with 1 at the first violation. */
int sim_run(const SimOptions *options);
/* An invariant does not hold: say everything about it and exit. @mb may be NULL. */
void sim_violation(Sim *sim, SimMailbox *mb, const char *format, ...) _printf_(3, 4)
                __attribute__((noreturn));
/* False: it is 0, or was used before. */
bool sim_use_number(SimNumbers *numbers, uint64_t number);
void sim_forget_numbers(SimNumbers *numbers);
void sim_arm(Sim *sim, Timer *timer, uint64_t usec);
void sim_trace(SimMailbox *mb, uint64_t usec, TraceKind kind, uint64_t a, uint64_t b, uint64_t c,
               const char *text);
void sim_trace_device(SimDevice *dev, TraceKind kind, const char *text);
static inline bool sim_chance(Sim *sim, unsigned per_million) {
        return random_next(&sim->random) % 1000000 < per_million;
}
static inline uint64_t sim_between(Sim *sim, uint64_t min, uint64_t max) {
        return random_between(&sim->random, min, max);
}
/* Of the wire: mostly microseconds. */
uint64_t sim_latency_usec(Sim *sim);
SimMailbox *sim_find_mailbox(Sim *sim, const Mailbox *mb);
static inline uint32_t sim_load_le32(const uint8_t *p) {
        return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
uint64_t sim_hash_dword(uint64_t hash, uint32_t value);
#define SIM_HASH_START UINT64_C(0xcbf29ce484222325)

/* scenario.c: devices at random */

void scenario_make_device(Sim *sim, SimDevice *dev, size_t i);

/* watch.c: the ConfigSpace of a worker, and what may be seen there */

void watch_init(SimDevice *dev);
/* The time of an access to the model that somebody wants to make at @usec. */
uint64_t watch_access_usec(SimDevice *dev, uint64_t usec);
/* Agents that used the registers of @mb besides the worker, so far. */
uint64_t watch_strangers(const SimMailbox *mb);
void watch_job_ended(SimMailbox *mb, const SimJob *job, const WireDone *done);
SimJob *watch_find_job(SimMailbox *mb, uint64_t job_id);

/* worker.c: what daemon/pci/worker.c and function.c do, without thread and socket */

void worker_start(SimDevice *dev);
/* As by SIGKILL, or after the device was removed. */
void worker_end(SimDevice *dev);
/* @number: of SIM_RELEASE since when, of SIM_WIND_UP until when, of SIM_ATTACH the socket */
void worker_command(SimDevice *dev, SimCommandKind kind, const char *text, uint64_t number);
/* Something happened that puts it on hold, and ends the hold a settle time later. @wait_until_usec: the
 * kernel waits for us until then; 0: it does not. */
void worker_event(SimDevice *dev, const char *reason, uint64_t wait_until_usec);
void worker_wake(SimDevice *dev);
void worker_send(SimDevice *dev, const WireMessage *m);

/* link.c: frames down and up, and what the core is told */

extern const Link sim_link;
void link_send_down(SimDevice *dev, const WireMessage *m);
void link_send_up(SimDevice *dev, const WireMessage *m, uint64_t usec);
void link_deliver_all(SimDevice *dev);
/* Forget what is on its way through sockets up to @generation. */
void link_drop(SimDevice *dev, struct SimFrameList *frames, uint64_t generation);
/* The core has a socket, or has lost it: then what was with the worker is not its business any more. */
void link_connect(SimDevice *dev, uint64_t generation);
void link_disconnect(SimDevice *dev);
void link_put_job(SimJob *job);
void link_on_up(Timer *timer, void *userdata, uint64_t now_usec);

/* host.c: both daemons' lives, and the control socket between them */

void host_init(Sim *sim);
void host_done(Sim *sim);
void host_start_doed(Sim *sim);
void host_start_pci(Sim *sim);
void host_kill_doed(Sim *sim, bool in_order);
void host_kill_pci(Sim *sim);
void host_kill_pci_at(Sim *sim, uint64_t usec);
/* doed says that the host goes to sleep, or is awake again. */
void host_suspend(Sim *sim, bool is_suspended);
void host_tell(Sim *sim, SimControlKind kind, SimDevice *dev);
/* What the kernel says of it has changed. */
void host_refresh(SimDevice *dev);
void host_add_device(SimDevice *dev);
void host_remove_device(SimDevice *dev);

/* clients.c */

void clients_init(Sim *sim);
void clients_done(Sim *sim);
void clients_connect(Sim *sim);
/* doed is gone: nobody answers what they asked. */
void clients_lose(Sim *sim);
SimCall *clients_find_call(Sim *sim, uint64_t number);
/* The call behind a job of the core; NULL: doed's own. */
SimCall *clients_call_of_job(const Job *job);
size_t clients_count_open(const Sim *sim);
/* One call to each mailbox, which must succeed. */
void clients_probe(Sim *sim, SimCallKind kind);

/* A client asks for @sl, which may have been open before. False: none is there, or no mailbox. */
bool clients_ask_lease(SimLease *sl);

/* leases.c */

SimLease *leases_new(Sim *sim, SimMailbox *sm, LeaseScope scope, uint16_t vendor_id, uint8_t type);
void leases_opened(SimLease *sl, Lease *lease);
/* It was not opened. */
void leases_refused(SimLease *sl, int error);
/* doed is gone, and all streams with it. */
void leases_lose(Sim *sim);
/* Every holder goes away soon. */
void leases_give_up(Sim *sim);
void leases_done(Sim *sim);
/* For the observer. */
void leases_on_opened(void *userdata, Lease *lease);
void leases_on_closed(void *userdata, Lease *lease);
void leases_on_changed(void *userdata, Lease *lease);
/* Is @vendor_id:@type of @mb the lease's? */
bool leases_covers(const Lease *l, const Mailbox *mb, uint16_t vendor_id, uint8_t type);
/* A job is handed down: nobody else may hold what it needs. */
void leases_check_job(SimMailbox *sm, const Job *job);
/* Is there a reason to say Leased or Inhibited? @mb: NULL for any of @d. */
bool leases_may_refuse(const Device *d, const Mailbox *mb, uint16_t vendor_id, uint8_t type);

/* lease-answers.c */

/* One object came out of its stream. */
void lease_answer_check(SimLease *sl, const uint8_t *object, size_t n_bytes);

/* answer.c */

void answer_check(SimCall *call, const TransactionResult *result);
void answer_make_echo(const SimCall *call, uint8_t *ret);

/* kernel.c */

void kernel_init(SimDevice *dev);
/* It will use the mailboxes of @dev @lead_usec from now, unannounced; or announced; or it waits until they
 * are let go, for @lead_usec at most. */
typedef enum KernelManner {
        KERNEL_UNANNOUNCED,
        KERNEL_ANNOUNCES,
        KERNEL_WAITS,
} KernelManner;
void kernel_begin(SimDevice *dev, KernelManner manner, uint64_t lead_usec, bool wants_bind);
/* Let it do what it does until @usec. */
void kernel_catch_up(SimDevice *dev, uint64_t usec);
void kernel_cancel(SimDevice *dev);

/* records.c */

void records_put(SimDevice *dev, const WireRecord *record);
void records_drop(SimDevice *dev, const uint8_t *digest);
/* doed is gone: those of open leases end some time from now. */
void records_orphan(SimDevice *dev);
void records_tell(SimDevice *dev);

/* sleep.c */

/* A worker was started. */
void sleep_start(SimDevice *dev);
void sleep_begin(Sim *sim, SimDevice *dev);
void sleep_on_suspended(void *userdata);
/* A daemon has died: whoever comes next knows nothing of it. */
void sleep_disturb(Sim *sim);
/* A mailbox is held. */
void sleep_note_held(Sim *sim);

/* world.c */

void world_start(Sim *sim);
void world_stop(Sim *sim);

/* fairness.c */

extern const uid_t sim_uids[SIM_UIDS];
/* It is handed down. */
void fairness_note_pick(SimMailbox *sm, const Job *job);
void fairness_note_done(SimMailbox *sm, const SimJob *job, uint64_t device_usec);
/* Another doed begins anew. */
void fairness_forget(SimMailbox *sm);

/* check.c: what must hold between events */

void check_device(SimDevice *dev);
void check_manager(Sim *sim);
void check_end(Sim *sim);
