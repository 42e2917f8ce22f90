/* SPDX-License-Identifier: MIT
 *
 * Taking packets out of the ring. Knows nothing of Python.
 *
 * Releasing and taking the GIL costs several times what a small packet costs in the ring. So one
 * release of it takes out what is there, up to a little store, and the next reads are served from
 * that. Packets stay in order because the ring is read only by who holds the store's lock, and only
 * when the store is empty.
 */
#ifndef CORE_RECEIVE_H
#define CORE_RECEIVE_H

#include "received.h"
#include "wait.h"

/* The front of the store, if it is a copy and nobody else is at it: then the store is locked until
 * receive_pop. For callers with the GIL: never blocks, calls no function of the library. */
bool receive_front(shared_session *session, const BYTE **packet, DWORD *size);
void receive_pop(shared_session *session);

/* --- Attempts for packets --------------------------------------------------------------------- */

/* Takes one packet, and what is there beyond it into the store. One that is in the ring must go
 * back soon, by release_one: the call counts as inside until then. context: received_packet. */
outcome receive_one(shared_session *session, attempt *tried);

/* Takes one packet from the store alone; otherwise as receive_one. */
outcome receive_stored(shared_session *session, attempt *tried);

/* Takes up to limit packets, which must go back soon, by release_batch. OUTCOME_DONE with count 0:
 * the store has packets, which come first. context: received_batch. */
outcome receive_batch(shared_session *session, attempt *tried);

/* Copies up to limit packets. One for which there is no room left stays, for the next attempt of
 * any kind. context: packed_packets. */
outcome receive_packed(shared_session *session, attempt *tried);

/* Takes no packet: OUTCOME_DONE if one is there, or if the next attempt of another kind fails.
 * context is not used. */
outcome receive_nothing(shared_session *session, attempt *tried);

/* Takes one packet, in place if it is in the ring: as long as that is kept, it holds the session.
 * context: received_packet. */
outcome receive_in_place(shared_session *session, attempt *tried);

/* Takes up to limit packets, each of which holds the session if it is in the ring. context:
 * kept_packets. */
outcome receive_batch_in_place(shared_session *session, attempt *tried);

/* --- Giving back, without the GIL ------------------------------------------------------------- */

void release_one(shared_session *session, const received_packet *received);
void release_batch(shared_session *session, const received_batch *batch);

#endif
