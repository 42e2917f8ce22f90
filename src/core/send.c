/* SPDX-License-Identifier: MIT
 *
 * Putting packets into the ring.
 */
#include "send.h"

#include <stdlib.h>
#include <string.h>

/* OUTCOME_NOT_YET if the ring has no room. */
static inline outcome
allocate(shared_session *session, DWORD size, BYTE **packet, attempt *tried)
{
    *packet = session->api->AllocateSendPacket(session->handle, size);
    if (*packet != NULL) {
        return OUTCOME_DONE;
    }
    tried->code = session->last_error();
    session_note_end(session, tried->code);
    return tried->code == ERROR_BUFFER_OVERFLOW ? OUTCOME_NOT_YET : OUTCOME_FAILED;
}

/* Counts what was sent; of packets that are no IP there are none, most often. */
static void
count_sent(shared_session *session, uint64_t packets, uint64_t bytes, uint64_t not_ip)
{
    atom_u64_count(&session->statistics.packets_sent, packets);
    atom_u64_count(&session->statistics.bytes_sent, bytes);
    if (not_ip > 0) {
        atom_u64_count(&session->statistics.packets_not_ip, not_ip);
    }
}

/* --- Copies ----------------------------------------------------------------------------------- */

/* So many packets are in the ring before the first of them is sent; fewer where they are large, so
 * that the driver has something to do meanwhile. */
#define BURST_PACKETS 64
#define BURST_BYTES 65536

typedef struct burst {
    unsigned count;
    unsigned not_ip;
    DWORD bytes;
    BYTE *packets[BURST_PACKETS];
} burst;

/* Copies packets into the ring as long as there is room. */
static outcome
fill_burst(shared_session *session, const packet_source *packets, size_t count, burst *filled,
           attempt *tried)
{
    filled->count = 0;
    filled->not_ip = 0;
    filled->bytes = 0;
    while (filled->count < BURST_PACKETS && filled->bytes < BURST_BYTES && count-- > 0) {
        const packet_source *source = &packets[filled->count];
        BYTE *packet;
        outcome result = allocate(session, source->size, &packet, tried);
        if (result != OUTCOME_DONE) {
            return result;
        }
        memcpy(packet, source->data, source->size);
        filled->packets[filled->count++] = packet;
        filled->bytes += source->size;
        filled->not_ip += !is_ip_packet(source->data, source->size);
    }
    return OUTCOME_DONE;
}

/* From the last but one to the first, then the last: the ring's tail moves twice, over all but the
 * last and over that, and each time the library looks whether the driver sleeps. Moved for each
 * packet, it would be handed to and fro between two processors. Moved once, all packets would lie
 * where that look failed: Wintun 0.14.1 may not see that the driver has just gone to sleep. */
static void
send_burst(shared_session *session, const burst *filled)
{
    for (unsigned i = filled->count; i > 1; i--) {
        session->api->SendPacket(session->handle, filled->packets[i - 2]);
    }
    if (filled->count > 0) {
        session->api->SendPacket(session->handle, filled->packets[filled->count - 1]);
    }
}

outcome
send_copies(shared_session *session, attempt *tried)
{
    written_packets *packets = tried->context;
    uint64_t bytes = 0;
    uint64_t not_ip = 0;
    size_t before = packets->written;
    outcome result = OUTCOME_DONE;
    while (result == OUTCOME_DONE && packets->written < packets->count) {
        burst filled;
        result = fill_burst(session, &packets->packets[packets->written],
                            packets->count - packets->written, &filled, tried);
        send_burst(session, &filled);
        packets->written += filled.count;
        bytes += filled.bytes;
        not_ip += filled.not_ip;
    }
    if (packets->written > before) {
        count_sent(session, packets->written - before, bytes, not_ip);
        return result == OUTCOME_NOT_YET ? OUTCOME_PARTLY : result;
    }
    return result;
}

/* --- Packets in place ------------------------------------------------------------------------- */

outcome
allocate_packets(shared_session *session, attempt *tried)
{
    allocated_packets *allocated = tried->context;
    outcome result = OUTCOME_DONE;
    allocated->count = 0;
    while (allocated->count < allocated->wanted) {
        packet_memory *next = &allocated->packets[allocated->count];
        next->size =
            allocated->sizes != NULL ? allocated->sizes[allocated->count] : allocated->size;
        next->kind = PACKET_TO_SEND;
        result = allocate(session, next->size, &next->memory, tried);
        if (result != OUTCOME_DONE) {
            break;
        }
        allocated->count++;
    }
    if (result == OUTCOME_NOT_YET) {
        atom_u64_count(&session->statistics.ring_full, 1);
    }
    if (allocated->count == 0) {
        return result;
    }
    lifetime_exchange(&session->life, tried->owned, allocated->count * GATE_HOLD);
    tried->owned = 0;
    return OUTCOME_DONE;
}

/* --- Giving back ------------------------------------------------------------------------------ */

/* An allocation cannot be cancelled in Wintun, but the driver discards what is not an IP packet,
 * and zeroes are none. */
static void
send_zeroes(shared_session *session, const packet_memory *packet)
{
    memset(packet->memory, 0, packet->size);
    session->api->SendPacket(session->handle, packet->memory);
}

/* In the order of send_burst. */
static void
send_all(shared_session *session, const packet_memory *packets, size_t count)
{
    uint64_t bytes = packets[count - 1].size;
    uint64_t not_ip = !is_ip_packet(packets[count - 1].memory, packets[count - 1].size);
    for (size_t i = count - 1; i > 0; i--) {
        const packet_memory *packet = &packets[i - 1];
        bytes += packet->size;
        not_ip += !is_ip_packet(packet->memory, packet->size);
        session->api->SendPacket(session->handle, packet->memory);
    }
    session->api->SendPacket(session->handle, packets[count - 1].memory);
    count_sent(session, count, bytes, not_ip);
}

static void
discard_all(shared_session *session, const packet_memory *packets, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        send_zeroes(session, &packets[i - 1]);
    }
    atom_u64_count(&session->statistics.packets_unsent, count);
}

/* From the last to the first, as received batches go back. Returns how many were in the ring. */
static size_t
release_received(shared_session *session, const packet_memory *packets, size_t count, bool ours)
{
    size_t in_ring = 0;
    for (size_t i = count; i > 0; i--) {
        const packet_memory *packet = &packets[i - 1];
        if (packet->kind == PACKET_COPY) {
            free(packet->memory);
        } else if (ours) {
            session->api->ReleaseReceivePacket(session->handle, packet->memory);
            in_ring++;
        }
    }
    return in_ring;
}

void
packet_give_back(shared_session *session, const packet_memory *packets, size_t count, bool send)
{
    size_t in_ring = count;
    /* In a forked child what is in the parent's ring is given back by the parent. */
    bool ours = lifetime_is_ours(&session->life);
    if (count == 0) {
        return;
    }
    if (packets[0].kind != PACKET_TO_SEND) {
        in_ring = release_received(session, packets, count, ours);
    } else if (!ours) {
        in_ring = 0;
    } else if (send) {
        send_all(session, packets, count);
    } else {
        discard_all(session, packets, count);
    }
    if (in_ring > 0) {
        session_give_back(session, in_ring * GATE_HOLD);
    }
}
