/* SPDX-License-Identifier: MIT
 *
 * The exported functions of control.h: the far side of an adapter's session.
 */
#include "control.h"

#include <string.h>

#include "packet.h"
#include "session.h"

/* The room of a chain in a ring; false if one of the sizes is not a packet's. */
static bool
chain_room(const DWORD *sizes, DWORD count, uint64_t *room)
{
    *room = 0;
    for (DWORD i = 0; i < count; i++) {
        if (sizes[i] > WINTUN_MAX_IP_PACKET_SIZE) {
            return false;
        }
        *room += ring_room(sizes[i]);
    }
    return true;
}

/* Where the chain has no room, each of its packets is counted by what a packet without room is. */
static DWORD
deliver(struct WINTUN_SESSION *session, const BYTE *packets, const DWORD *sizes, DWORD count,
        uint64_t room)
{
    delivery burst;
    delivery_begin(&burst, &session->driver.side);
    bool fits = delivery_has_room(&burst, room);
    for (DWORD i = 0; i < count; i++) {
        if (fits) {
            (void)delivery_add(&burst, packets, sizes[i]);
            packets += sizes[i];
        } else {
            delivery_refuse(&burst);
        }
    }
    delivery_end(&burst);
    return fits ? ERROR_SUCCESS : ERROR_BUFFER_OVERFLOW;
}

DWORD WINAPI
WintunSimulatorDeliver(const char *Adapter, const BYTE *Packets, const DWORD *Sizes, DWORD Count)
{
    DWORD code;
    uint64_t room;
    if (!chain_room(Sizes, Count, &room)) {
        return ERROR_INVALID_PARAMETER;
    }
    struct WINTUN_SESSION *session = session_enter(Adapter, &code);
    if (session != NULL) {
        code = deliver(session, Packets, Sizes, Count, room);
        session_leave(session);
    }
    return code;
}

static DWORD
fill(struct WINTUN_SESSION *session, DWORD size, DWORD count)
{
    DWORD done = 0;
    BYTE *room;
    delivery burst;
    delivery_begin(&burst, &session->driver.side);
    while (done < count && (room = delivery_reserve(&burst, size)) != NULL) {
        packet_write_numbered(room, size);
        packet_write_number(room, done++);
    }
    delivery_end(&burst);
    return done;
}

DWORD WINAPI
WintunSimulatorFill(const char *Adapter, DWORD Size, DWORD Count, DWORD *Delivered)
{
    DWORD code;
    if (Size < IPV4_HEADER_SIZE || Size > WINTUN_MAX_IP_PACKET_SIZE) {
        return ERROR_INVALID_PARAMETER;
    }
    struct WINTUN_SESSION *session = session_enter(Adapter, &code);
    if (session != NULL) {
        *Delivered = fill(session, Size, Count);
        session_leave(session);
    }
    return code;
}

static DWORD
collect(struct WINTUN_SESSION *session, BYTE *room, DWORD capacity, DWORD *size)
{
    DWORD code = ERROR_NO_MORE_ITEMS;
    uint32_t length = 0;
    collection burst;
    collection_begin(&burst, &session->driver.side);
    const BYTE *packet = collection_peek(&burst, &length);
    if (packet != NULL) {
        *size = length;
        code = length <= capacity ? ERROR_SUCCESS : ERROR_INSUFFICIENT_BUFFER;
    }
    if (code == ERROR_SUCCESS) {
        memcpy(room, packet, length);
        collection_take(&burst, length);
    }
    collection_end(&burst);
    return code;
}

DWORD WINAPI
WintunSimulatorCollect(const char *Adapter, BYTE *Packet, DWORD Capacity, DWORD *Size)
{
    DWORD code;
    struct WINTUN_SESSION *session = session_enter(Adapter, &code);
    if (session != NULL) {
        code = collect(session, Packet, Capacity, Size);
        session_leave(session);
    }
    return code;
}

DWORD WINAPI
WintunSimulatorDrain(const char *Adapter, DWORD Count, DWORD *Collected)
{
    DWORD code;
    struct WINTUN_SESSION *session = session_enter(Adapter, &code);
    if (session != NULL) {
        collection burst;
        uint32_t size;
        *Collected = 0;
        collection_begin(&burst, &session->driver.side);
        while (*Collected < Count && collection_peek(&burst, &size) != NULL) {
            collection_take(&burst, size);
            *Collected += 1;
        }
        collection_end(&burst);
        session_leave(session);
    }
    return code;
}

DWORD WINAPI
WintunSimulatorPing(const char *Adapter, DWORD Count, DWORD IntervalMs)
{
    DWORD code;
    struct WINTUN_SESSION *session = session_enter(Adapter, &code);
    if (session != NULL) {
        if (session->driver.wanted.wire == SIMULATOR_WIRE_HOST) {
            pinger *pings = &session->driver.host.pinger;
            if (Count > 0 && !pinger_has_neighbour(pings)) {
                code = ERROR_ADDRESS_NOT_ASSOCIATED;
            } else {
                pinger_order(pings, Count, IntervalMs);
                driver_ring_bell(&session->driver);
            }
        } else {
            code = ERROR_NOT_SUPPORTED;
        }
        session_leave(session);
    }
    return code;
}

/* --- Counters -------------------------------------------------------------------------------- */

DWORD WINAPI
WintunSimulatorGetStatistics(const char *Adapter, SIMULATOR_STATISTICS *Statistics)
{
    adapter *found = Adapter != NULL ? adapter_find(Adapter) : NULL;
    if (found == NULL) {
        return Adapter != NULL ? ERROR_NOT_FOUND : ERROR_INVALID_PARAMETER;
    }
    counters *counted = &found->counters;
    Statistics->DeliveredPackets = atom_u64_load(&counted->delivered_packets);
    Statistics->DeliveredBytes = atom_u64_load(&counted->delivered_bytes);
    Statistics->DroppedFull = atom_u64_load(&counted->dropped_full);
    Statistics->DroppedTooBig = atom_u64_load(&counted->dropped_too_big);
    Statistics->DroppedPaused = atom_u64_load(&counted->dropped_paused);
    Statistics->CollectedPackets = atom_u64_load(&counted->collected_packets);
    Statistics->CollectedBytes = atom_u64_load(&counted->collected_bytes);
    Statistics->DiscardedNotIp = atom_u64_load(&counted->discarded_not_ip);
    Statistics->DiscardedPaused = atom_u64_load(&counted->discarded_paused);
    Statistics->NotForHost = atom_u64_load(&counted->not_for_host);
    Statistics->PingsSent = atom_u64_load(&counted->pings_sent);
    Statistics->PingsAnswered = atom_u64_load(&counted->pings_answered);
    Statistics->BadChecksums = atom_u64_load(&counted->bad_checksums);
    adapter_release(found);
    return ERROR_SUCCESS;
}

void WINAPI
WintunSimulatorGetCounts(SIMULATOR_COUNTS *Counts)
{
    adapter_count(&Counts->Adapters, &Counts->AdapterHandles);
    session_count(&Counts->Sessions, &Counts->HeldPackets);
}
