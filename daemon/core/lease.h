/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One client's exclusive, bounded, revocable use of a feature, of a mailbox, or of its registers, from the
 * request for it to its last object. It belongs to its stream, not to the client that asked: the client may
 * leave the bus. Bytes go through a LeaseStream, which knows no lease; everything that is decided is decided
 * here.
 *
 *   WAITING   somebody else holds what it wants; in the order of its device's waiters
 *   OPENING   it is the holder: others are refused from now on; what they had queued runs first
 *   OPEN      the client has its stream
 *   ENDING    no request is taken any more; what runs is finished, compliance is halted, nobody else gets in
 *
 * After ENDING it is freed. SPDM's 0001:01 to 04 are one group of the function, across its mailboxes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/core/client.h"
#include "daemon/core/device.h"
#include "daemon/core/failure.h"
#include "daemon/core/job.h"
#include "daemon/core/policy.h"
#include "daemon/core/transaction.h"
#include "daemon/util/timer.h"
#include "protocols/data-object.h"

#define LEASE_TOKEN_BYTES  16u
#define LEASE_DIGEST_BYTES 32u /* SHA-256 of a token */
#define LEASE_WHY_MAX      256u
#define LEASE_RULE_MAX     512u
/* Of the error objects of the stream: vendor, type, and the bits of the second payload dword. */
#define LEASE_ERROR_VENDOR   0xffffu
#define LEASE_ERROR_TYPE     0xffu
#define LEASE_ERROR_ENDS     (1u << 0)
#define LEASE_ERROR_NOT_SENT (1u << 1)
#define LEASE_ERROR_NOTICE   (1u << 2)

typedef enum LeaseScope {
        LEASE_SCOPE_FEATURE, /* the SPDM group of the function, if the feature is in it */
        LEASE_SCOPE_MAILBOX,
        LEASE_SCOPE_REGISTERS, /* Inhibit: doed touches nothing, there is no stream of objects */
} LeaseScope;

typedef enum LeaseState {
        LEASE_WAITING,
        LEASE_OPENING,
        LEASE_OPEN,
        LEASE_ENDING,
} LeaseState;

typedef struct LeaseDestructive LeaseDestructive;
typedef struct LeaseRecord LeaseRecord;

/* What was asked, authorized. Zero times: the default. */
typedef struct LeaseOptions {
        LeaseScope scope;
        bool wait;  /* else -EUSERS at once if somebody holds it */
        bool force; /* of REGISTERS: end the leases that are open */
        uint64_t idle_usec, max_usec, request_usec;
        bool has_token;
        uint8_t token[LEASE_TOKEN_BYTES]; /* to resume */
        const char *why;                  /* of REGISTERS; NULL: "" */
} LeaseOptions;

/* The way to the client's descriptor. Called in the midst of the core's work: must not call back. */
typedef struct LeaseStreamOps {
        /* One whole object, header included; copied before it returns. */
        void (*send)(void *userdata, const uint8_t *object, size_t n_bytes);
        /* The lease can take objects again: see lease_wants_more(). */
        void (*resume)(void *userdata);
        /* The lease is over: deliver what was sent, within a bound, then EOF. Called once; @lease is gone
         * after this for the stream. */
        void (*end)(void *userdata);
} LeaseStreamOps;

struct Lease {
        uint64_t id; /* never used twice */
        Manager *manager;
        Device *device;
        Mailbox *mailbox;
        uint16_t vendor_id; /* of REGISTERS and MAILBOX as they were asked; 0000:00 if none was */
        uint8_t type;
        LeaseScope scope;
        bool is_spdm; /* the group of the function */
        LeaseState state;
        char why[LEASE_WHY_MAX];

        char *holder; /* unique bus name, for people; may be gone */
        char *unit;   /* may be NULL */
        uint32_t pid; /* for people; 0: not known */
        uid_t uid;
        gid_t *gids;
        size_t n_gids;
        Transaction *transaction; /* that is not answered yet; NULL: it is */

        uint64_t since_usec, since_realtime_usec; /* when it was opened */
        uint64_t idle_usec, max_usec;             /* USEC_INFINITY: that clock does not run */
        uint64_t request_usec;                    /* of each request, from its turn on */
        uint64_t expires_usec;                    /* the earliest of its clocks; USEC_INFINITY: none runs */
        bool is_session;                          /* a secured session was opened: other clocks */
        uint64_t opened_epoch;
        uint64_t n_requests;              /* that the device has seen, or may have */
        uint8_t token[LEASE_TOKEN_BYTES]; /* to resume this one */
        Timer timer;

        const LeaseStreamOps *stream; /* NULL until lease_attach(), and once it was told the end */
        void *stream_userdata;
        struct LeaseInside *inside; /* lease-private.h; owned */
        TAILQ_ENTRY(Lease) leases;  /* of its device: open ones, then waiters in their order */
        void *userdata;             /* the observer's */
};

/* What outlives a lease, and a doed: kept by doed-pci per function. */
struct LeaseRecord {
        uint8_t digest[LEASE_DIGEST_BYTES];
        uid_t uid;
        uint16_t offset; /* of the lease's mailbox */
        uint16_t vendor_id;
        uint8_t type;
        bool is_session;
        uint64_t epoch;
        uint64_t expires_usec; /* CLOCK_MONOTONIC; 0: the lease is open. doed-pci ends those of a doed that
                                  died in resume_usec */
};

/* What the observer is told of a destructive request once it is over. */
struct LeaseDestructive {
        const DoeObjectHeader *header;
        const DoeJudgement *judgement;
        const char *rule;  /* that let it pass: "NAME (file:line)" */
        const char *doubt; /* NULL: it was answered; else why it may not have been carried out */
};

/* -------- asking for one -------- */

/**
 * lease_ask() - Mailbox1.Lease, Mailbox1.Inhibit
 * @decision: of the feature: its effects count; one that asks was answered with yes, and what the same rule
 * asks of the messages is granted with it
 *
 * @done gets in result->lease the lease, which is OPEN and waits for lease_attach(). Failures: -EUSERS
 * (Leased) and -EADDRINUSE (Inhibited) with uid, since-usec, and pid and unit where the caller may see them;
 * -EDQUOT (LeasesMaxPerUid, WaitersMaxPerUid); -ETIMEDOUT; -EPROTONOSUPPORT; -EXDEV; those of the mailbox.
 */
void lease_ask(Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type, const LeaseOptions *lease_options,
               const PolicyDecision *decision, const TransactionOptions *options, uint64_t now_usec,
               TransactionDone done, void *userdata);
/* Its transaction ends before it was open: by its timeout, by Cancel, because its client left. Who waits
 * behind it is looked at in the next manager_dispatch(). */
void lease_abandon(Lease *lease);

/* -------- its stream -------- */

void lease_attach(Lease *lease, const LeaseStreamOps *ops, void *userdata, uint64_t now_usec);
/* The longest object that it takes, header included: Lease's max-object-bytes. */
uint32_t lease_object_bytes_max(const Lease *lease);
/* False: enough is under way, leave the rest in the socket until ops->resume(). */
bool lease_wants_more(Lease *lease);
/* One whole object as it came. @header: decoded from it. */
void lease_receive(Lease *lease, const DoeObjectHeader *header, const uint8_t *payload, size_t n_bytes,
                   uint64_t now_usec);
/* One whose header says more than lease_object_bytes_max(): answered -EMSGSIZE in its turn, its bytes are
 * skipped by the stream. */
void lease_receive_too_large(Lease *lease, const DoeObjectHeader *header, uint64_t n_bytes,
                             uint64_t now_usec);
/* The holder reads nothing, and enough is buffered for it: run no further request until it does. */
void lease_set_blocked(Lease *lease, bool is_blocked, uint64_t now_usec);
/* DW1 of length 1, or an end in mid-object: -EBADMSG, and the end. */
void lease_framing_lost(Lease *lease, const char *evidence, uint64_t now_usec);
/* It writes no more: what is under way is answered, then the end. */
void lease_finish(Lease *lease, uint64_t now_usec);
/* The descriptor and all its copies were closed: nobody reads any more. What runs drains; ops->end() is
 * called before this returns. */
void lease_hang_up(Lease *lease, uint64_t now_usec);

/* -------- what happens to it -------- */

/**
 * lease_end() - end it, whoever wants that
 * @error: negative errno of the last error object: -ECANCELED revoked, -ETIMEDOUT a clock, -ENODEV,
 * -ESHUTDOWN, -EROFS, -EXDEV, -EADDRINUSE, -ECONNABORTED
 *
 * Every request is answered before.
 */
void lease_end(Lease *lease, int error, const char *text, uint64_t now_usec);
/* Has the observer been told of it? Until it is over: one that is ENDING still keeps others out. */
bool lease_is_told(const Lease *lease);
/* Why it was ended; "": its holder did it. */
const char *lease_end_reason(const Lease *lease);
Lease *manager_find_lease(const Manager *m, uint64_t id); /* of those that were told; NULL: none */
size_t lease_count_waiters(const Lease *lease);
/* For how long it has been idle; 0: a request is under way. */
uint64_t lease_idle_usec(const Lease *lease, uint64_t now_usec);
const char *lease_scope_to_string(LeaseScope scope);
int lease_scope_from_string(const char *s); /* feature, mailbox; -EINVAL */

/**
 * leases_check() - may an exchange of nobody's lease pass?
 *
 * Return: 0; -EUSERS, -EADDRINUSE with @ret filled as the caller @c may see it.
 */
int leases_check(const Mailbox *mb, uint16_t vendor_id, uint8_t type, const Client *c, Failure *ret);

/* Of a device, and its own: what its leases leave behind. NULL on no memory. All leases of it must be over
 * when it is freed. */
LeaseBook *lease_book_new(Device *d);
LeaseBook *lease_book_free(LeaseBook *book);

/* Called by mailbox.c and manager.c. */
void leases_on_mailbox_state(Mailbox *mb,
                             uint64_t now_usec); /* ready, dead, gone, read-only, kernel, inhibited */
void leases_on_epoch(Mailbox *mb, const char *reason, uint64_t now_usec); /* told by ECONNRESET notices */
/* Are its registers handed to a tool, or about to be? Then nothing goes down. */
bool leases_hold_back(const Mailbox *mb);
void leases_on_job_ended(Mailbox *mb); /* an OPENING one may be open now */
/* An object of that feature goes down for a client or a lease: nothing can be resumed any more that it may
 * have changed. */
void leases_on_handed_down(const Mailbox *mb, uint16_t vendor_id, uint8_t type);
void leases_on_recover(Mailbox *mb, uint64_t now_usec);                          /* by force: leases end */
void leases_end_all(Manager *m, int error, const char *text, uint64_t now_usec); /* stop, suspend */
/* A record of an earlier lease, as doed-pci kept it. */
void leases_report_record(Device *d, const LeaseRecord *record, uint64_t now_usec);
