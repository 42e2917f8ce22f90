/* SPDX-License-Identifier: MIT
 *
 * A Wintun library that answers what it is told to, however absurd: what the extension believes is
 * tested with it. One adapter, one session; for POSIX, where an event is the end of a pipe.
 */
#define _POSIX_C_SOURCE 200809L

#include "wintun.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "ip_helper.h"

#define EXPORT __attribute__((visibility("default")))

#define IMPLEMENT(Result, Name, TYPE, Parameters) EXPORT WINTUN_##TYPE##_FUNC Wintun##Name;
WINTUN_FUNCTIONS(IMPLEMENT)
#undef IMPLEMENT

EXPORT DWORD GetLastError(void);
EXPORT DWORD GetUnicastIpAddressTable(ADDRESS_FAMILY Family, MIB_UNICASTIPADDRESS_TABLE **Table);
EXPORT void FreeMibTable(void *Memory);

/* What the test says. */
EXPORT void HostileReset(void);
EXPORT void HostileReceive(DWORD Packets, DWORD Size, DWORD Then, DWORD Code);
EXPORT void HostileSignal(DWORD Calls);
EXPORT void HostileAllocate(DWORD Code);
EXPORT void HostileRoom(DWORD Packets);
EXPORT void HostileTable(const BYTE *Row);
EXPORT void HostileLogEverywhere(BOOL On);
EXPORT void HostileLog(DWORD Level, DWORD64 Timestamp, const WCHAR *Message);

/* What it asks. */
EXPORT DWORD HostileReleased(void);
EXPORT DWORD HostileSignalsLeft(void);
EXPORT DWORD HostileSent(DWORD Index);

#define MOST_ROOM 256
#define ROOM_SIZE 64

static struct {
    DWORD packets; /* to give, of this size, with right bytes for the largest packet there may be */
    DWORD size;
    DWORD then; /* packets to give after those, of 20 bytes */
    DWORD code; /* after those */
    DWORD allocate_code;
    DWORD room; /* packets of at most ROOM_SIZE that can be allocated, */
    DWORD allocated;
    DWORD sent;
    DWORD sent_order[MOST_ROOM]; /* and what was sent: which of them, by its number */
    DWORD signals; /* failing receives that set the event before they return */
    DWORD released;
    bool log_everywhere; /* a line in each function, and in the moment that it gets the logger */
    bool has_table;
    MIB_UNICASTIPADDRESS_TABLE table; /* of one row */
} told;

static WINTUN_LOGGER_CALLBACK logger;
static DWORD last_error;
static int event[2] = {-1, -1};
static BYTE memory[WINTUN_MAX_IP_PACKET_SIZE];
static BYTE room[MOST_ROOM][ROOM_SIZE];

/* --- The test's side -------------------------------------------------------------------------- */

void
HostileReset(void)
{
    memset(&told, 0, sizeof(told));
    memset(memory, 0x45, sizeof(memory));
    told.code = ERROR_NO_MORE_ITEMS;
}

void
HostileReceive(DWORD Packets, DWORD Size, DWORD Then, DWORD Code)
{
    told.packets = Packets;
    told.size = Size;
    told.then = Then;
    told.code = Code;
}

void
HostileSignal(DWORD Calls)
{
    told.signals = Calls;
}

void
HostileAllocate(DWORD Code)
{
    told.allocate_code = Code;
}

/* At most MOST_ROOM. */
void
HostileRoom(DWORD Packets)
{
    told.room = Packets;
    told.allocated = 0;
    told.sent = 0;
}

void
HostileTable(const BYTE *Row)
{
    told.has_table = Row != NULL;
    told.table.NumEntries = 1;
    if (Row != NULL) {
        memcpy(&told.table.Table[0], Row, sizeof(told.table.Table[0]));
    }
}

void
HostileLog(DWORD Level, DWORD64 Timestamp, const WCHAR *Message)
{
    if (logger != NULL) {
        logger((WINTUN_LOGGER_LEVEL)Level, Timestamp, Message);
    }
}

void
HostileLogEverywhere(BOOL On)
{
    told.log_everywhere = On != FALSE;
}

static void
log_function(const char *name)
{
    WCHAR wide[64];
    size_t i = 0;
    if (told.log_everywhere) {
        for (; name[i] != 0 && i < 63; i++) {
            wide[i] = (WCHAR)name[i];
        }
        wide[i] = 0;
        HostileLog(WINTUN_LOG_INFO, 1, wide);
    }
}

DWORD
HostileReleased(void)
{
    return told.released;
}

DWORD
HostileSignalsLeft(void)
{
    return told.signals;
}

/* Which allocation, from 0, the packet sent in this place was; or MOST_ROOM for none. */
DWORD
HostileSent(DWORD Index)
{
    return Index < told.sent ? told.sent_order[Index] : MOST_ROOM;
}

/* --- Adapters --------------------------------------------------------------------------------- */

DWORD
GetLastError(void)
{
    return last_error;
}

/* Handles are never looked into: any address does. */
WINTUN_ADAPTER_HANDLE
WintunCreateAdapter(const WCHAR *Name, const WCHAR *TunnelType, const GUID *RequestedGUID)
{
    log_function("WintunCreateAdapter");
    (void)Name;
    (void)TunnelType;
    (void)RequestedGUID;
    return (WINTUN_ADAPTER_HANDLE)(void *)&told;
}

WINTUN_ADAPTER_HANDLE
WintunOpenAdapter(const WCHAR *Name)
{
    log_function("WintunOpenAdapter");
    return WintunCreateAdapter(Name, Name, NULL);
}

void
WintunCloseAdapter(WINTUN_ADAPTER_HANDLE Adapter)
{
    log_function("WintunCloseAdapter");
    (void)Adapter;
}

BOOL
WintunDeleteDriver(void)
{
    log_function("WintunDeleteDriver");
    return TRUE;
}

void
WintunGetAdapterLUID(WINTUN_ADAPTER_HANDLE Adapter, NET_LUID *Luid)
{
    log_function("WintunGetAdapterLUID");
    (void)Adapter;
    Luid->Value = 1;
}

DWORD
WintunGetRunningDriverVersion(void)
{
    log_function("WintunGetRunningDriverVersion");
    return 0xFFFFFFFF;
}

void
WintunSetLogger(WINTUN_LOGGER_CALLBACK NewLogger)
{
    logger = NewLogger;
    log_function("WintunSetLogger");
}

/* --- Sessions --------------------------------------------------------------------------------- */

WINTUN_SESSION_HANDLE
WintunStartSession(WINTUN_ADAPTER_HANDLE Adapter, DWORD Capacity)
{
    log_function("WintunStartSession");
    (void)Adapter;
    (void)Capacity;
    if (pipe(event) != 0) {
        last_error = ERROR_NOT_ENOUGH_MEMORY;
        return NULL;
    }
    (void)fcntl(event[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(event[1], F_SETFL, O_NONBLOCK);
    return (WINTUN_SESSION_HANDLE)(void *)&told;
}

void
WintunEndSession(WINTUN_SESSION_HANDLE Session)
{
    log_function("WintunEndSession");
    (void)Session;
    (void)close(event[0]);
    (void)close(event[1]);
}

HANDLE
WintunGetReadWaitEvent(WINTUN_SESSION_HANDLE Session)
{
    log_function("WintunGetReadWaitEvent");
    (void)Session;
    return (HANDLE)(intptr_t)event[0];
}

BYTE *
WintunReceivePacket(WINTUN_SESSION_HANDLE Session, DWORD *PacketSize)
{
    log_function("WintunReceivePacket");
    (void)Session;
    if (told.packets > 0) {
        told.packets--;
        *PacketSize = told.size;
        return memory;
    }
    if (told.then > 0) {
        told.then--;
        *PacketSize = 20;
        return memory;
    }
    if (told.signals > 0) {
        told.signals--;
        (void)!write(event[1], "", 1);
    }
    last_error = told.code;
    return NULL;
}

void
WintunReleaseReceivePacket(WINTUN_SESSION_HANDLE Session, const BYTE *Packet)
{
    log_function("WintunReleaseReceivePacket");
    (void)Session;
    told.released += Packet == memory;
}

BYTE *
WintunAllocateSendPacket(WINTUN_SESSION_HANDLE Session, DWORD PacketSize)
{
    log_function("WintunAllocateSendPacket");
    (void)Session;
    if (told.allocated < told.room && PacketSize <= ROOM_SIZE) {
        return room[told.allocated++];
    }
    last_error = told.allocate_code;
    return NULL;
}

void
WintunSendPacket(WINTUN_SESSION_HANDLE Session, const BYTE *Packet)
{
    log_function("WintunSendPacket");
    (void)Session;
    if (Packet >= room[0] && Packet <= room[MOST_ROOM - 1]) {
        told.sent_order[told.sent++] = (DWORD)((Packet - room[0]) / ROOM_SIZE);
    }
}

/* --- Addresses -------------------------------------------------------------------------------- */

DWORD
GetUnicastIpAddressTable(ADDRESS_FAMILY Family, MIB_UNICASTIPADDRESS_TABLE **Table)
{
    log_function("GetUnicastIpAddressTable");
    (void)Family;
    *Table = told.has_table ? &told.table : NULL;
    return ERROR_SUCCESS;
}

void
FreeMibTable(void *Memory)
{
    log_function("FreeMibTable");
    (void)Memory;
}
