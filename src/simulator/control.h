/* SPDX-License-Identifier: MIT
 *
 * What the simulator exports beside the Wintun API and the IP Helper functions: the far side of an
 * adapter, and the faults that a test can ask for. Used from Python through wintun.simulator.
 *
 * Adapter is the adapter's name in UTF-8. Settings may be made before the adapter exists; NULL
 * makes them the default of adapters created later. Functions that return a DWORD return a Win32
 * code, ERROR_SUCCESS on success; ERROR_NOT_FOUND says that there is no such adapter, and
 * ERROR_INVALID_HANDLE that it has no session. All are thread-safe.
 */
#ifndef SIMULATOR_CONTROL_H
#define SIMULATOR_CONTROL_H

#include "win32_types.h"

/* Windows' linkers are given the names in a list. */
#ifdef _WIN32
#define SIMULATOR_EXPORT
#else
#define SIMULATOR_EXPORT __attribute__((visibility("default")))
#endif

/* Where the other end of an adapter is. Chosen when a session starts. */
typedef enum SIMULATOR_WIRE {
    /* A host's stack: speaks first (router solicitations, multicast reports), answers ping, and
     * pings when it is asked to (WintunSimulatorPing). The default. */
    SIMULATOR_WIRE_HOST = 0,
    /* Nothing of its own: WintunSimulatorDeliver and WintunSimulatorCollect are the far side. */
    SIMULATOR_WIRE_MEMORY = 1,
    /* A datagram socket or descriptor (UDP; elsewhere than on Windows also /dev/net/tun). */
    SIMULATOR_WIRE_SOCKET = 2,
    /* An endless stream of packets of one size to receive; what is sent is counted and dropped. */
    SIMULATOR_WIRE_FLOOD = 3,
    /* What is sent comes back to be received. */
    SIMULATOR_WIRE_LOOP = 4
} SIMULATOR_WIRE;

/* What the driver does with packets. */
typedef enum SIMULATOR_FLOW {
    SIMULATOR_FLOW_RUNNING = 0,
    /* The system takes nothing that is sent, and sends nothing: the ring to it fills. */
    SIMULATOR_FLOW_STOPPED = 1,
    /* A paused adapter (NDIS): what is sent is taken and dropped, and what would come is dropped.
     */
    SIMULATOR_FLOW_DROPPING = 2
} SIMULATOR_FLOW;

/* Counted since the adapter was created. */
typedef struct SIMULATOR_STATISTICS {
    DWORD64 DeliveredPackets; /* put into the ring that the client receives from */
    DWORD64 DeliveredBytes;
    DWORD64 DroppedFull;      /* not put there: the ring was full */
    DWORD64 DroppedTooBig;    /* not put there: more than 65535 bytes */
    DWORD64 DroppedPaused;    /* not put there: the flow was SIMULATOR_FLOW_DROPPING */
    DWORD64 CollectedPackets; /* taken from the ring that the client sends to, and valid */
    DWORD64 CollectedBytes;
    DWORD64 DiscardedNotIp; /* taken from there and discarded: not IPv4 or IPv6 */
    DWORD64
    DiscardedPaused;    /* taken from there and dropped: the flow was SIMULATOR_FLOW_DROPPING */
    DWORD64 NotForHost; /* whole packets that the built-in host took no notice of: not to an address
                         * of the adapter */
    DWORD64 PingsSent;  /* echo requests by the built-in host */
    DWORD64 PingsAnswered; /* echo replies to them with the right checksums and contents */
    DWORD64 BadChecksums;  /* packets that the built-in host refused for a checksum */
} SIMULATOR_STATISTICS;

/* What is alive in the process, to look for leaks. */
typedef struct SIMULATOR_COUNTS {
    DWORD Adapters;
    DWORD AdapterHandles;
    DWORD Sessions;    /* each has its two rings */
    DWORD HeldPackets; /* received and not released, or allocated and not sent */
} SIMULATOR_COUNTS;

/* --- The far side ------------------------------------------------------------------------------
 */

/* Socket: with SIMULATOR_WIRE_SOCKET the descriptor or SOCKET, duplicated by the call (and closed
 * when replaced); otherwise ignored. PacketSize: with SIMULATOR_WIRE_FLOOD 20 to 65535, otherwise
 * ignored. ERROR_NOT_SUPPORTED: the socket is a stream; ERROR_NOT_CONNECTED: it
 * has no peer. Takes effect when the next session starts.
 */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorSetWire(const char *Adapter, DWORD Wire,
                                                     DWORD64 Socket, DWORD PacketSize);

/* Delivers packets, of 0 to 65535 bytes whatever they are, that the system's stack hands over in
 * one chain: as the driver does, all or, where the ring has no room for all, none. Packets: the
 * bytes of all, one after the other. ERROR_BUFFER_OVERFLOW: they were dropped, which is counted. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorDeliver(const char *Adapter, const BYTE *Packets,
                                                     const DWORD *Sizes, DWORD Count);

/* Delivers up to Count IPv4 packets of Size bytes (20 to 65535) in one burst, each with its number,
 * from 0, big-endian in bytes 12 to 15; stops when the ring is full. Stores how many fitted. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorFill(const char *Adapter, DWORD Size, DWORD Count,
                                                  DWORD *Delivered);

/* Takes the oldest packet that was sent. ERROR_NO_MORE_ITEMS: none is there. Packets that the
 * driver discards are counted, not returned. Capacity: room in Packet, 65535 for any packet; with
 * ERROR_INSUFFICIENT_BUFFER the packet stays and Size says what it needs. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorCollect(const char *Adapter, BYTE *Packet,
                                                     DWORD Capacity, DWORD *Size);

/* Takes and counts up to Count sent packets at once, without copying them. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorDrain(const char *Adapter, DWORD Count,
                                                   DWORD *Collected);

/* Has the built-in host ping Count times, every IntervalMs, a neighbour in the subnet of each of
 * the adapter's addresses (the addresses that it has at that moment). 0 stops it.
 * ERROR_NOT_SUPPORTED: the session has another wire. ERROR_ADDRESS_NOT_ASSOCIATED: no address has
 * a neighbour to ping. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorPing(const char *Adapter, DWORD Count,
                                                  DWORD IntervalMs);

SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorGetStatistics(const char *Adapter,
                                                           SIMULATOR_STATISTICS *Statistics);

SIMULATOR_EXPORT void WINAPI WintunSimulatorGetCounts(SIMULATOR_COUNTS *Counts);

/* --- Faults ------------------------------------------------------------------------------------
 */

/* Makes an exported function (Wintun API or IP Helper, by its exported name) fail with Code: after
 * Skip further calls, Times calls (0xFFFFFFFF: every one) fail without doing anything. Functions
 * that return nothing do nothing and leave Code in GetLastError(). Code 0: the functions of Wintun
 * fail and leave GetLastError() 0, as the official library can. Times 0 removes the fault.
 * ERROR_PROC_NOT_FOUND: there is no such function. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorSetFault(const char *Function, DWORD Code, DWORD Skip,
                                                      DWORD Times);

/* The exported names that the three functions around this one take, by an index from 0; NULL behind
 * the last one. */
SIMULATOR_EXPORT const char *WINAPI WintunSimulatorFunctionName(DWORD Index);

/* Stores how often an exported function was called since its fault was set, as long as that was not
 * over: more than its Skip says that it was met. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorGetCalls(const char *Function, DWORD *Calls);

/* Makes every call of an exported function take this much longer. 0 removes it. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorSetDelay(const char *Function, DWORD Milliseconds);

/* Flow: a SIMULATOR_FLOW. The functions above are the far side's own, and go on while the driver is
 * stopped. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorSetFlow(const char *Adapter, DWORD Flow);

/* Keep: the system keeps the packet that it takes next, so that its room in the ring and that of
 * all behind it stays taken; or it gives back the one that it keeps. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorKeepPacket(const char *Adapter, BOOL Keep);

/* The driver does not see what is sent next until something is sent after it. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorLoseWakeup(const char *Adapter);

/* The adapter goes away under its client, as when it is removed by hand. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorRemoveAdapter(const char *Adapter);

/* The adapter is disabled by hand, which ends its session and takes its addresses, or enabled
 * again: then its handles can start sessions. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorSetEnabled(const char *Adapter, BOOL Enabled);

/* Adds a network connection that is not Wintun's, such as "Ethernet"; WintunSimulatorReset removes
 * it, too. ERROR_ALREADY_EXISTS: the name is taken; others: Windows refuses the name. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorAddConnection(const char *Name);

/* Removes it. ERROR_NOT_FOUND: there is none of that name, or it is an adapter's. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorRemoveConnection(const char *Name);

/* Writes the name of a connection, of an adapter or not, by an index from 0, as UTF-8 that is cut
 * off at Capacity. ERROR_NO_MORE_ITEMS: there is none. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorConnectionName(DWORD Index, char *Name,
                                                            DWORD Capacity);

/* Whether the system has the stack of a family (2: IPv4, 23: IPv6) at all. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorSetStack(DWORD Family, BOOL Present);

/* Another program has a driver of this version loaded (major << 16 | minor); 0: not any more. */
SIMULATOR_EXPORT void WINAPI WintunSimulatorSetDriverVersion(DWORD Version);

/* Writes an impossible packet size into the ring, in front of the client's next receive. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorCorruptRing(const char *Adapter);

/* The driver writes over what the client has not received: the next packet has other bytes, and
 * what follows it is none. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorOverrunRing(const char *Adapter);

/* When an adapter's interface of a family (2: IPv4, 23: IPv6) appears after the adapter was
 * created; 0xFFFFFFFF: never. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorSetFamilyDelay(const char *Adapter, DWORD Family,
                                                            DWORD Milliseconds);

/* Calls the logger Count times from a thread of its own; Wait: returns after the last call.
 * Timestamp 0 means now. */
SIMULATOR_EXPORT DWORD WINAPI WintunSimulatorLog(DWORD Level, DWORD64 Timestamp,
                                                 const char *Message, DWORD Count, BOOL Wait);

/* Forgets every fault, delay, setting, added connection, missing stack and other driver. Adapters
 * that exist stay as they are. */
SIMULATOR_EXPORT void WINAPI WintunSimulatorReset(void);

#endif
