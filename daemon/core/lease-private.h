/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the files of lease.h share. For them only.
 *
 *   lease.c         its life: asked for, opening, open, ending, closed
 *   lease-turns.c   who waits, and whose turn it is
 *   lease-scope.c   what it covers, and what others are told of that
 *   lease-stream.c  its requests, one at a time, and their answers
 *   lease-judge.c   whether a request may pass
 *   lease-clock.c   when it ends
 *   lease-halt.c    what is halted when it ends
 *   lease-record.c  how it can be resumed
 *
 * A lease that is over stands in its device's book until the book's timer: whoever was in the midst of
 * something with it may finish. All that opens leases happens in that turn, too, or when one is
 * asked for. */

#include "daemon/core/lease.h"
#include "daemon/core/manager.h"
#include "protocols/spdm.h"

/* Of one lease: an object of the largest size, whatever the number of requests allows. */
#define LEASE_REQUEST_BYTES_MAX DOE_OBJECT_BYTES_MAX

/* 12 bits are an ID; one more connection has none. */
#define LEASE_CONNECTIONS ((1u << 12) + 1)

/* One object that came in its stream. */
typedef struct LeaseRequest {
        DoeObjectHeader header;
        uint8_t *payload; /* owned */
        size_t n_bytes;
        uint64_t too_large_bytes; /* that it had: only its header was kept; 0: it is whole */
        TAILQ_ENTRY(LeaseRequest) requests;
} LeaseRequest;
TAILQ_HEAD(LeaseRequestList, LeaseRequest);

/* Connections of SPDM: that of 0001:01 and :02, and those of :03 and :04, which have IDs. */
typedef struct LeaseConnections {
        uint8_t bits[LEASE_CONNECTIONS / 8 + 1];
} LeaseConnections;

/* What a request is, once it was judged. */
typedef struct LeasePassed {
        Mailbox *mailbox; /* that offers its feature */
        PolicyEffects effects;
        DoeJudgement judgement;
        char rule[LEASE_RULE_MAX]; /* "NAME (file:line)": the decision's own strings go with a reload */
        int code;                  /* of SPDM: of what it carries; -1: not known */
        bool is_chunk;
        SpdmChunk chunk;
} LeasePassed;

/* The part of a lease that only the files above look at. */
typedef struct LeaseInside LeaseInside;
struct LeaseInside {
        Account *account;      /* a reference */
        PolicyEffects effects; /* of the decision that opened it, without what a reload takes away */
        char granted_rule[RULE_NAME_MAX];        /* that asked polkit, which said yes; "" */
        bool is_counted_open, is_counted_waiter; /* in the account */
        bool is_forced;                          /* goes before all waiters */
        bool is_told;                            /* to the observer */
        bool is_recall_sent, is_inhibit_sent;    /* of REGISTERS */
        bool is_closed;                          /* stands in the book */
        bool has_token;
        uint8_t resumes[LEASE_TOKEN_BYTES]; /* the token of the one that it goes on with */

        struct LeaseRequestList requests; /* in order; the first may be with the mailbox */
        size_t n_requests, n_request_bytes;
        Job *job;             /* of the first one, borrowed: the mailbox's */
        LeasePassed passed;   /* of the same */
        uint64_t draining_id; /* its job when its time was over; 0: none is left */
        Timer request_timer;
        bool is_pumping;
        bool is_blocked;   /* the holder does not read */
        bool is_full;      /* the stream was told to wait */
        bool is_finishing; /* no request comes any more: the end follows the last answer */
        int end_error;     /* of the last object; 0: none is sent */
        char end_text[FAILURE_TEXT_MAX];
        bool has_notice; /* of an epoch, which waits for a request that was lost with the old one */
        char notice[FAILURE_TEXT_MAX];

        /* where GET_VERSION was answered, or was before the lease resumed: ever, and in this epoch */
        LeaseConnections begun, alive;
        bool is_in_chunks;
        uint8_t chunk_handle;
        int chunk_code;
        bool needs_halt;   /* destructive compliance has gone down */
        bool is_halt_told; /* to the observer */
        bool is_halted;    /* and was halted, or that failed */
        bool is_compliance_accepted;
        uint8_t compliance_version; /* of the first request that was accepted; until then, of the last */
        Job *halt;                  /* borrowed: the mailbox's */

        bool has_own_idle, has_own_max; /* as asked: the class does not change them */
        uint64_t idle_since_usec;       /* USEC_INFINITY: a request is outstanding */
        uint64_t idle_extra_usec;       /* by ResponseNotReady */
        uint64_t waited_since_usec;     /* 0: nobody waits for it */
        uint64_t told_usec, told_expires_usec;
};

/* When a uid was served on this device. */
typedef struct LeaseTurn {
        uid_t uid;
        uint64_t granted; /* counts grants; 0: never */
        uint64_t behind;  /* goes behind all waiters with lower ids: a clock ended its lease */
} LeaseTurn;

typedef struct LeaseTrace LeaseTrace;
TAILQ_HEAD(LeaseTraceList, LeaseTrace);

struct LeaseBook {
        Device *device;
        Timer timer; /* the next turn */
        bool is_in_turn;
        bool has_released;       /* registers: what was held back may go down */
        struct LeaseList closed; /* to be freed in it */
        LeaseTurn *turns;        /* owned; empty whenever the device has no lease */
        size_t n_turns;
        uint64_t n_granted;
        struct LeaseTraceList traces; /* what can be resumed, the oldest first */
        size_t n_traces;
};

static inline bool lease_is_holder(const Lease *lease) {
        return lease->state != LEASE_WAITING;
}

/* -------- lease.c -------- */

/* Count it as open and keep others out. On failure its call was answered, and it is closed. */
void lease_grant(Lease *lease, uint64_t now_usec);
/* Hand it to its client if nothing is in the way any more. */
void lease_try_open(Lease *lease, uint64_t now_usec);
/* Answer the call of one that is not open yet, and close it. */
void lease_refuse(Lease *lease, const Failure *failure, uint64_t now_usec);
/* ENDING and everything is answered: halt what must be halted, then close. */
void lease_settle(Lease *lease, uint64_t now_usec);

/* -------- lease-turns.c -------- */

/* A turn of the book as soon as possible. */
void lease_book_wake(LeaseBook *book);
/* Grant what can be granted, open what can be opened. */
void lease_book_turn(LeaseBook *book, uint64_t now_usec);
/* The one with the lowest ID above @id; NULL: none. To walk over all of them where each may end any. */
Lease *lease_find_after(const Device *d, uint64_t id);
/* The first of those that are in its way, holders first; NULL: none. @lease may stand in no list yet. */
Lease *lease_find_obstacle(const Lease *lease);
bool lease_has_waiters(const Lease *lease);
/* Its uid was served now. */
void lease_book_note_granted(LeaseBook *book, uid_t uid);
/* A clock ended one of its uid: who waits now goes first. */
void lease_book_note_expired(LeaseBook *book, uid_t uid);

/* -------- lease-scope.c -------- */

bool lease_feature_is_spdm(uint16_t vendor_id, uint8_t type);
bool mailbox_offers_spdm(const Mailbox *mb);
/* Do objects of it go there? */
bool lease_touches(const Lease *lease, const Mailbox *mb);
/* Does it speak to the responder of the function? It may, while nobody knows what the mailbox offers. */
bool lease_reaches_spdm(const Lease *lease);
bool leases_conflict(const Lease *a, const Lease *b);
/* Is an object of that feature, in its stream, within what it covers? */
bool lease_holds_feature(const Lease *lease, uint16_t vendor_id, uint8_t type);
/* Where such an object goes; NULL: no mailbox offers it. */
Mailbox *lease_find_mailbox(const Lease *lease, uint16_t vendor_id, uint8_t type);
/* Calls of others that were queued before it kept them out. */
bool lease_has_calls_before(const Lease *lease);
/* -EUSERS or -EADDRINUSE, as @c may see it. */
int lease_fail_held(const Lease *holder, const Client *c, Failure *ret);
/* -ENODEV, -ESHUTDOWN, -EROFS for what the mailbox is; 0: it may serve a lease of that scope. */
int lease_check_state(const Mailbox *mb, LeaseScope scope, Failure *ret);
int lease_fail_spdm_owner(const Device *d, Failure *ret);
int lease_fail_not_offered(const Mailbox *mb, uint16_t vendor_id, uint8_t type, Failure *ret);

/* -------- lease-stream.c -------- */

/* Let the next request run, or answer what need not or may not; may end the lease. */
void lease_pump(Lease *lease, uint64_t now_usec);
/* An error object. @flags: LEASE_ERROR_*. */
void lease_send_error(Lease *lease, int error, unsigned flags, const char *text);
/* Nobody waits for what is under way any more. */
void lease_drop_requests(Lease *lease);
/* Nobody waits for the one that is with the mailbox any more. Return: false: the device never sees it. */
bool lease_withdraw(Lease *lease);
/* The first request is answered. */
void lease_pop(Lease *lease);
/* Has the mailbox nothing more of it? */
bool lease_is_drained(Lease *lease);
void lease_on_request_timer(Timer *timer, void *userdata, uint64_t now_usec);

/* -------- lease-judge.c -------- */

/* May the first request pass, and what is it? The observer is told of what is denied. Return: 0; a negative
 * errno with @ret filled. */
int lease_judge(const Lease *lease, const LeaseRequest *request, uint64_t now_usec, LeasePassed *ret,
                Failure *ret_failure);
/* The device has seen it, or may have. @doubt: NULL: it was answered; else what is known instead. */
void lease_note_sent(Lease *lease, const LeaseRequest *request, const char *doubt);
/* doed-pci, which has rules of its own, did not let it pass. */
void lease_note_refused(const Lease *lease, const LeaseRequest *request, const char *why);
/* The first request was answered. */
void lease_note_answered(Lease *lease, const uint8_t *response, size_t n_bytes);

bool lease_has_connections(const LeaseConnections *c);
/* The ones that a doed which knows only that there were some takes for begun: those without an ID, and ID 0.
 */
void lease_assume_connections(LeaseConnections *ret);

/* -------- lease-clock.c -------- */

/* It is open now. */
void lease_clock_start(Lease *lease, uint64_t now_usec);
/* The responder asks to be left alone for so long. */
void lease_clock_extend(Lease *lease, uint64_t usec);
/* A secured session was opened in it. */
void lease_clock_set_session(Lease *lease);
/* Look at everything again that makes its clocks run. */
void lease_clock_update(Lease *lease, uint64_t now_usec);
void lease_clock_stop(Lease *lease);
void lease_on_timer(Timer *timer, void *userdata, uint64_t now_usec);

/* -------- lease-halt.c -------- */

/* Send it; once more after every attempt that could not begin. Done when in->is_halted. */
void lease_halt(Lease *lease, uint64_t now_usec);

/* -------- lease-record.c -------- */

void lease_traces_done(LeaseBook *book);
/* May it go on where the lease of the token that it brought ended? Return: 0; -ESRCH. */
int lease_check_resume(const Lease *lease, uint64_t now_usec, Failure *ret);
/* Go on there: lease_check_resume() said that it may. */
void lease_resume(Lease *lease);
/* It is open: a new token; what it resumed cannot be resumed again. */
void lease_record_open(Lease *lease, uint64_t now_usec);
/* What doed-pci keeps of it is out of date. */
void lease_record_update(Lease *lease);
/* The epoch of @mb is another: what the lease had told the device through it may be lost. */
void lease_record_reset(Lease *lease, const Mailbox *mb);
/* It is over. */
void lease_record_close(Lease *lease, uint64_t now_usec);
/* The device may have forgotten whatever was told through @mb. */
void lease_records_forget_epoch(Mailbox *mb);
