/* SPDX-License-Identifier: MIT
 *
 * Taking packets out of the ring. Knows nothing of Python.
 *
 * Releasing and taking the GIL costs several times what a small packet costs in the ring. So one
 * release of it takes out what is there, up to a little store, and the next reads are served from
 * that. Packets stay in order because the ring is read only by who holds the store's lock, and only
 * when the store is empty.
 */
#ifndef RECEIVE_H
#define RECEIVE_H

#include "session.h"

/* A packet of up to this size is copied out of the ring at once. A larger one stays in the ring
 * until there is a bytes object to copy it to; there the copy costs more than the GIL. */
#define SMALL_PACKET 2048

/* Packets that a batch takes out of the ring at one release of the GIL. */
#define BATCH 128

typedef struct read_ahead read_ahead;

read_ahead *read_ahead_new(void);
void read_ahead_free(read_ahead *ahead);

/* How many packets of the store are still in the ring, each with a hold on the session. */
uint32_t read_ahead_in_ring(read_ahead *ahead);

/* Gives back the packets of a session that is closed, which nobody will read: one of them may be in
 * the ring and hold the session. */
void read_ahead_discard(shared_session *session);

/* One packet for the program. */
typedef struct received_packet {
    DWORD size;
    const BYTE *in_ring; /* held; NULL: the packet is in copy */
    BYTE copy[SMALL_PACKET];
} received_packet;

/* Packets in the ring, all held. */
typedef struct received_batch {
    DWORD limit; /* at most BATCH; set by the caller */
    DWORD count;
    const BYTE *packets[BATCH];
    DWORD sizes[BATCH];
} received_batch;

/* Packets copied into a buffer of the program, one behind the other. */
typedef struct packed_packets {
    BYTE *buffer;
    size_t capacity;
    uint32_t *spans; /* of limit packets: where each starts and ends in buffer */
    DWORD limit;     /* at least 1; set by the caller, as all above and below */
    DWORD headroom;  /* bytes left free in front of each packet, and behind */
    DWORD tailroom;
    DWORD count;     /* how many were copied */
    bool no_room;    /* not even for the first packet, */
    DWORD too_large; /* whose size this is */
} packed_packets;

/* The front of the store, if it is a copy and nobody else is at it: then the store is locked until
 * read_ahead_pop. For callers with the GIL: never blocks, calls no function of the library. */
bool read_ahead_front(shared_session *session, const BYTE **packet, DWORD *size);
void read_ahead_pop(shared_session *session);

/* --- Attempts (attempt_function), between session_enter and session_leave --------------------- */

/* Takes one packet, and what is there beyond it into the store. One that is in the ring must go
 * back soon, by release_one: the call counts as inside until then. context: received_packet. */
outcome receive_one(shared_session *session, void *context, DWORD *code);

/* Takes one packet, in place if it is in the ring. context: received_packet. */
outcome receive_in_place(shared_session *session, void *context, DWORD *code);

/* Takes up to limit packets, which must go back soon, by release_batch. OUTCOME_DONE with count 0:
 * the store has packets, which come first. context: received_batch. */
outcome receive_batch(shared_session *session, void *context, DWORD *code);

/* Takes one packet from the store alone; otherwise as receive_one. */
outcome receive_stored(shared_session *session, void *context, DWORD *code);

/* Copies up to limit packets. One for which there is no room left stays, for the next attempt of
 * any kind. context: packed_packets. */
outcome receive_packed(shared_session *session, void *context, DWORD *code);

/* Takes no packet: OUTCOME_DONE if one is there, or if the next attempt of another kind fails.
 * context is not used. */
outcome receive_nothing(shared_session *session, void *context, DWORD *code);

/* --- Giving back, without the GIL ------------------------------------------------------------- */

void release_one(shared_session *session, const BYTE *packet);
void release_batch(shared_session *session, const received_batch *batch);

#endif
