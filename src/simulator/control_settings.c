/* SPDX-License-Identifier: MIT
 *
 * The exported functions of control.h: the settings, which may be made before an adapter exists.
 */
#include "control.h"

#include "adapter.h"
#include "faults.h"
#include "global.h"
#include "log.h"
#include "packet.h"
#include "session.h"

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
WintunSimulatorSetFlow(const char *Adapter, DWORD Flow)
{
    if (Flow > SIMULATOR_FLOW_DROPPING) {
        return ERROR_INVALID_PARAMETER;
    }
    SIMULATOR_FLOW flow = (SIMULATOR_FLOW)Flow;
    adapter *found = Adapter != NULL ? adapter_find(Adapter) : NULL;
    global_lock();
    settings *stored = settings_edit(Adapter);
    if (stored != NULL) {
        stored->has_flow = true;
        stored->flow = flow;
        if (found != NULL) {
            found->wanted.flow = flow;
        }
    }
    global_unlock();
    if (found != NULL) {
        platform_mutex_lock(&found->lock);
        if (found->session != NULL) {
            driver_set_flow(&found->session->driver, flow);
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
    interfaces_set_stack(SETTINGS_IPV4, true);
    interfaces_set_stack(SETTINGS_IPV6, true);
    adapter_set_driver_version(0);
    global_lock();
    settings_reset();
    connection_reset();
    global_unlock();
}
