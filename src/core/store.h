/* SPDX-License-Identifier: MIT
 *
 * The store of packets that were read ahead: a queue that is filled when it is empty and then
 * emptied. Its packets are copies, or memory that is still in the ring; it knows no session.
 *
 * Everything is done under the lock, but what says that it peeks. Who holds the lock may also take
 * packets out of the ring: so they stay in order, however many threads read.
 */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include "platform/atomics.h"
#include "platform/platform.h"
#include "quiet.h"

#include <string.h>

/* A packet of up to this size is copied out of the ring at once. A larger one stays in the ring
 * until there is a bytes object to copy it to; there the copy costs more than the GIL. */
#define SMALL_PACKET 2048

/* Enough that the GIL's cost is shared by many, and less than the smallest ring: packets in the
 * store are lost when the session ends, as are those in the ring. */
#define STORE_PACKETS 64
#define STORE_BYTES 65536

typedef struct stored_packet {
    DWORD size;
    DWORD offset;
    const BYTE *in_ring; /* NULL: the packet is in copies, at offset */
} stored_packet;

typedef struct store {
    platform_mutex lock;
    quiet lines;      /* of the library's log, put off while the lock is held */
    unsigned first;   /* the packets are those from here */
    unsigned end;     /* up to here */
    DWORD used;       /* bytes of copies */
    atom_u32 count;   /* end - first, told to those who peek */
    atom_u32 in_ring; /* packets that are in the ring: only the last may be; for peeking, too */
    stored_packet packets[STORE_PACKETS];
    BYTE copies[STORE_BYTES];
} store;

/* NULL: no memory. */
store *store_new(void);
void store_free(store *ahead);

static inline void
store_lock(store *ahead)
{
    quiet_lock(&ahead->lock, &ahead->lines);
}

static inline void
store_unlock(store *ahead)
{
    quiet_unlock(&ahead->lock, &ahead->lines);
}

/* For who calls nothing of the library under the lock, and ends with store_release. */
static inline bool
store_try_lock(store *ahead)
{
    return platform_mutex_try_lock(&ahead->lock);
}

static inline void
store_release(store *ahead)
{
    platform_mutex_unlock(&ahead->lock);
}

/* Peeks. Under the lock store_is_empty is sure and cheaper. */
static inline bool
store_seems_empty(store *ahead)
{
    return atom_u32_load(&ahead->count) == 0;
}

/* Peeks: how many packets are in the ring. */
static inline uint32_t
store_in_ring(store *ahead)
{
    return atom_u32_load(&ahead->in_ring);
}

static inline bool
store_is_empty(const store *ahead)
{
    return ahead->first == ahead->end;
}

/* Begins to fill the store, which is empty. */
static inline void
store_begin(store *ahead)
{
    ahead->first = 0;
    ahead->end = 0;
    ahead->used = 0;
}

/* Whether it takes one more packet of any size. */
static inline bool
store_has_room(const store *ahead)
{
    return ahead->end < STORE_PACKETS && ahead->used <= STORE_BYTES - SMALL_PACKET;
}

/* Puts a copy of a packet of at most SMALL_PACKET bytes behind the others. */
static inline void
store_put_copy(store *ahead, const BYTE *packet, DWORD size)
{
    stored_packet *last = &ahead->packets[ahead->end++];
    last->size = size;
    last->offset = ahead->used;
    last->in_ring = NULL;
    memcpy(&ahead->copies[ahead->used], packet, size);
    ahead->used += size;
}

/* Puts a packet that is in the ring behind the others, the last one. */
static inline void
store_put_in_ring(store *ahead, const BYTE *packet, DWORD size)
{
    stored_packet *last = &ahead->packets[ahead->end++];
    last->size = size;
    last->in_ring = packet;
    atom_u32_note(&ahead->in_ring, 1);
}

/* Ends to fill the store: from now on those who peek see the packets. */
static inline void
store_filled(store *ahead)
{
    atom_u32_note(&ahead->count, ahead->end);
}

/* The next packet of a store that is not empty. */
static inline const stored_packet *
store_front(const store *ahead)
{
    return &ahead->packets[ahead->first];
}

static inline const BYTE *
store_memory(const store *ahead, const stored_packet *packet)
{
    return packet->in_ring != NULL ? packet->in_ring : &ahead->copies[packet->offset];
}

/* Takes the next packet out. */
static inline void
store_pop(store *ahead)
{
    if (store_front(ahead)->in_ring != NULL) {
        atom_u32_note(&ahead->in_ring, 0);
    }
    ahead->first++;
    atom_u32_note(&ahead->count, ahead->end - ahead->first);
}

#endif
