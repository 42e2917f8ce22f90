/* SPDX-License-Identifier: MIT
 *
 * The exported functions of control.h.
 */
#include "control.h"

#include <stdlib.h>
#include <string.h>

#include "adapter.h"
#include "far_side.h"
#include "faults.h"
#include "global.h"
#include "log.h"
#include "packet.h"

/* --- An adapter's session -------------------------------------------------------------------- */

/* The session of an adapter, which cannot end before leave_session; NULL and a Win32 code. */
static struct WINTUN_SESSION *
enter_session(const char *name, DWORD *code)
{
    *code = ERROR_INVALID_PARAMETER;
    adapter *found = name != NULL ? adapter_find(name) : NULL;
    if (found == NULL) {
        *code = name != NULL ? ERROR_NOT_FOUND : *code;
        return NULL;
    }
    platform_mutex_lock(&found->lock);
    if (found->session != NULL) {
        *code = ERROR_SUCCESS;
        return found->session;
    }
    platform_mutex_unlock(&found->lock);
    adapter_release(found);
    *code = ERROR_INVALID_HANDLE;
    return NULL;
}

static void
leave_session(struct WINTUN_SESSION *session)
{
    adapter *owner = session->adapter;
    platform_mutex_unlock(&owner->lock);
    adapter_release(owner);
}

/* --- Settings -------------------------------------------------------------------------------- */

/* Takes over the reference to socket. */
static DWORD
store_wire(const char *name, SIMULATOR_WIRE wire, wire_socket *socket, DWORD packet_size)
{
    adapter *found = name != NULL ? adapter_find(name) : NULL;
    global_lock();
    settings *stored = settings_edit(name);
    if (stored != NULL && found != NULL) {
        if (socket != NULL) {
            wire_socket_retain(socket);
        }
        settings_set_wire(&found->wanted, wire, socket, packet_size);
    }
    if (stored != NULL) {
        settings_set_wire(stored, wire, socket, packet_size);
    } else if (socket != NULL) {
        wire_socket_release(socket);
    }
    global_unlock();
    if (found != NULL) {
        adapter_release(found);
    }
    return stored != NULL ? ERROR_SUCCESS : ERROR_NOT_ENOUGH_MEMORY;
}

DWORD WINAPI
WintunSimulatorSetWire(const char *Adapter, DWORD Wire, DWORD64 Socket, DWORD PacketSize)
{
    wire_socket *socket = NULL;
    if (Wire > SIMULATOR_WIRE_LOOP) {
        return ERROR_INVALID_PARAMETER;
    }
    if (Wire == SIMULATOR_WIRE_FLOOD &&
        (PacketSize < IPV4_HEADER_SIZE || PacketSize > WINTUN_MAX_IP_PACKET_SIZE)) {
        return ERROR_INVALID_PARAMETER;
    }
    if (Wire == SIMULATOR_WIRE_SOCKET) {
        DWORD code;
        socket = wire_socket_duplicate(Socket, &code);
        if (socket == NULL) {
            return code;
        }
    }
    return store_wire(Adapter, (SIMULATOR_WIRE)Wire, socket, PacketSize);
}

DWORD WINAPI
WintunSimulatorPause(const char *Adapter, BOOL Paused)
{
    adapter *found = Adapter != NULL ? adapter_find(Adapter) : NULL;
    global_lock();
    settings *stored = settings_edit(Adapter);
    if (stored != NULL) {
        stored->has_paused = true;
        stored->paused = Paused != FALSE;
        if (found != NULL) {
            found->wanted.paused = Paused != FALSE;
        }
    }
    global_unlock();
    if (found != NULL) {
        platform_mutex_lock(&found->lock);
        if (found->session != NULL) {
            session_pause(found->session, Paused != FALSE);
        }
        platform_mutex_unlock(&found->lock);
        adapter_release(found);
    }
    return stored != NULL ? ERROR_SUCCESS : ERROR_NOT_ENOUGH_MEMORY;
}

DWORD WINAPI
WintunSimulatorSetFamilyDelay(const char *Adapter, DWORD Family, DWORD Milliseconds)
{
    int family = Family <= 0xFFFF ? interfaces_family((ADDRESS_FAMILY)Family) : SETTINGS_FAMILIES;
    if (family == SETTINGS_FAMILIES) {
        return ERROR_INVALID_PARAMETER;
    }
    adapter *found = Adapter != NULL ? adapter_find(Adapter) : NULL;
    global_lock();
    settings *stored = settings_edit(Adapter);
    if (stored != NULL) {
        stored->has_delay[family] = true;
        stored->delay_ms[family] = Milliseconds;
    }
    global_unlock();
    if (found != NULL) {
        atom_u32_store(&found->ip.delay_ms[family], Milliseconds);
        adapter_release(found);
    }
    return stored != NULL ? ERROR_SUCCESS : ERROR_NOT_ENOUGH_MEMORY;
}

void WINAPI
WintunSimulatorReset(void)
{
    fault_reset();
    log_reap_threads();
    global_lock();
    settings_reset();
    global_unlock();
}

/* --- The far side ---------------------------------------------------------------------------- */

DWORD WINAPI
WintunSimulatorDeliver(const char *Adapter, const BYTE *Packet, DWORD Size)
{
    DWORD code;
    struct WINTUN_SESSION *session = enter_session(Adapter, &code);
    if (session != NULL) {
        delivery burst;
        delivery_begin(&burst, session);
        code = delivery_add(&burst, Packet, Size);
        delivery_end(&burst);
        leave_session(session);
    }
    return code;
}

static DWORD
fill(struct WINTUN_SESSION *session, DWORD size, DWORD count)
{
    DWORD done = 0;
    BYTE *room;
    delivery burst;
    delivery_begin(&burst, session);
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
    struct WINTUN_SESSION *session = enter_session(Adapter, &code);
    if (session != NULL) {
        *Delivered = fill(session, Size, Count);
        leave_session(session);
    }
    return code;
}

static DWORD
collect(struct WINTUN_SESSION *session, BYTE *room, DWORD capacity, DWORD *size)
{
    DWORD code = ERROR_NO_MORE_ITEMS;
    uint32_t length = 0;
    collection burst;
    collection_begin(&burst, session);
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
    struct WINTUN_SESSION *session = enter_session(Adapter, &code);
    if (session != NULL) {
        code = collect(session, Packet, Capacity, Size);
        leave_session(session);
    }
    return code;
}

DWORD WINAPI
WintunSimulatorDrain(const char *Adapter, DWORD Count, DWORD *Collected)
{
    DWORD code;
    struct WINTUN_SESSION *session = enter_session(Adapter, &code);
    if (session != NULL) {
        collection burst;
        uint32_t size;
        *Collected = 0;
        collection_begin(&burst, session);
        while (*Collected < Count && collection_peek(&burst, &size) != NULL) {
            collection_take(&burst, size);
            *Collected += 1;
        }
        collection_end(&burst);
        leave_session(session);
    }
    return code;
}

DWORD WINAPI
WintunSimulatorPing(const char *Adapter, DWORD Count, DWORD IntervalMs)
{
    DWORD code;
    struct WINTUN_SESSION *session = enter_session(Adapter, &code);
    if (session != NULL) {
        if (session->wire == SIMULATOR_WIRE_HOST) {
            host_order_pings(&session->host, Count, IntervalMs);
            platform_event_set(&session->events[SESSION_BELL]);
        } else {
            code = ERROR_NOT_SUPPORTED;
        }
        leave_session(session);
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
    adapter_counters *counters = &found->counters;
    Statistics->DeliveredPackets = atom_u64_load(&counters->delivered_packets);
    Statistics->DeliveredBytes = atom_u64_load(&counters->delivered_bytes);
    Statistics->DroppedFull = atom_u64_load(&counters->dropped_full);
    Statistics->DroppedNotIp = atom_u64_load(&counters->dropped_not_ip);
    Statistics->CollectedPackets = atom_u64_load(&counters->collected_packets);
    Statistics->CollectedBytes = atom_u64_load(&counters->collected_bytes);
    Statistics->DiscardedNotIp = atom_u64_load(&counters->discarded_not_ip);
    Statistics->PingsSent = atom_u64_load(&counters->pings_sent);
    Statistics->PingsAnswered = atom_u64_load(&counters->pings_answered);
    Statistics->BadChecksums = atom_u64_load(&counters->bad_checksums);
    adapter_release(found);
    return ERROR_SUCCESS;
}

void WINAPI
WintunSimulatorGetCounts(SIMULATOR_COUNTS *Counts)
{
    adapter_count(&Counts->Adapters, &Counts->AdapterHandles);
    session_count(&Counts->Sessions, &Counts->HeldPackets);
}

/* --- Faults ---------------------------------------------------------------------------------- */

DWORD WINAPI
WintunSimulatorSetFault(const char *Function, DWORD Code, DWORD Skip, DWORD Times)
{
    return fault_set(Function, Code, Skip, Times) ? ERROR_SUCCESS : ERROR_PROC_NOT_FOUND;
}

DWORD WINAPI
WintunSimulatorGetCalls(const char *Function, DWORD *Calls)
{
    return fault_count_calls(Function, Calls) ? ERROR_SUCCESS : ERROR_PROC_NOT_FOUND;
}

DWORD WINAPI
WintunSimulatorSetDelay(const char *Function, DWORD Milliseconds)
{
    return fault_set_delay(Function, Milliseconds) ? ERROR_SUCCESS : ERROR_PROC_NOT_FOUND;
}

DWORD WINAPI
WintunSimulatorRemoveAdapter(const char *Adapter)
{
    adapter *found = Adapter != NULL ? adapter_find(Adapter) : NULL;
    if (found == NULL) {
        return Adapter != NULL ? ERROR_NOT_FOUND : ERROR_INVALID_PARAMETER;
    }
    adapter_remove(found);
    adapter_release(found);
    return ERROR_SUCCESS;
}

DWORD WINAPI
WintunSimulatorCorruptRing(const char *Adapter)
{
    DWORD code;
    struct WINTUN_SESSION *session = enter_session(Adapter, &code);
    if (session != NULL) {
        session_corrupt(session);
        leave_session(session);
    }
    return code;
}

DWORD WINAPI
WintunSimulatorLog(DWORD Level, DWORD64 Timestamp, const char *Message, DWORD Count, BOOL Wait)
{
    if (Message == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    return log_from_thread((WINTUN_LOGGER_LEVEL)Level, Timestamp, Message, Count, Wait);
}
