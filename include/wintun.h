/* SPDX-License-Identifier: MIT
 *
 * The Wintun 0.14 API: a layer 3 TUN driver for Windows, written from its published reference.
 *
 * A Wintun implementation is a shared library that exports the functions of WINTUN_FUNCTIONS, each
 * under its name with the prefix "Wintun". There is no import library: load the library at run
 * time and resolve every name.
 */
#ifndef WINTUN_H
#define WINTUN_H

#include "win32_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Capacity of a ring in bytes, inclusive limits; it must be a power of two. */
#define WINTUN_MIN_RING_CAPACITY 0x20000   /* 128 KiB */
#define WINTUN_MAX_RING_CAPACITY 0x4000000 /* 64 MiB */

/* Largest packet that a ring carries, in bytes. */
#define WINTUN_MAX_IP_PACKET_SIZE 0xFFFF

/* Room for an adapter's name or tunnel type in UTF-16 code units, with the terminating zero. */
#define WINTUN_MAX_ADAPTER_NAME 128

/* An adapter, and a session (one pair of rings) on it. Opaque to the client. */
typedef struct WINTUN_ADAPTER *WINTUN_ADAPTER_HANDLE;
typedef struct WINTUN_SESSION *WINTUN_SESSION_HANDLE;

typedef enum WINTUN_LOGGER_LEVEL {
    WINTUN_LOG_INFO = 0,
    WINTUN_LOG_WARN = 1,
    WINTUN_LOG_ERR = 2
} WINTUN_LOGGER_LEVEL;

/* Called by the library with a line of its log, from any thread and possibly from several at once.
 * Timestamp is in units of 100 ns since 1601-01-01 UTC. Message is zero-terminated UTF-16 and valid
 * only during the call. */
typedef void(CALLBACK *WINTUN_LOGGER_CALLBACK)(WINTUN_LOGGER_LEVEL Level, DWORD64 Timestamp,
                                               const WCHAR *Message);

/* The one list of the API's functions: X(return type, Name, TYPE, (parameters)).
 *
 * It makes the types WINTUN_<TYPE>_FUNC below, the table struct WINTUN_API, and every loader's list
 * of names. A function that fails returns NULL, FALSE or 0 and leaves its code in GetLastError().
 */
#define WINTUN_FUNCTIONS(X)                                                                        \
    /* Creates an adapter; RequestedGUID may be NULL. Close it with WintunCloseAdapter. */         \
    X(WINTUN_ADAPTER_HANDLE, CreateAdapter, CREATE_ADAPTER,                                        \
      (const WCHAR *Name, const WCHAR *TunnelType, const GUID *RequestedGUID))                     \
    /* Opens an existing adapter by name. Close it with WintunCloseAdapter. */                     \
    X(WINTUN_ADAPTER_HANDLE, OpenAdapter, OPEN_ADAPTER, (const WCHAR *Name))                       \
    /* Releases an adapter; one that was created is removed from the system. */                    \
    X(void, CloseAdapter, CLOSE_ADAPTER, (WINTUN_ADAPTER_HANDLE Adapter))                          \
    /* Deletes the driver if no adapter uses it. */                                                \
    X(BOOL, DeleteDriver, DELETE_DRIVER, (void))                                                   \
    /* Stores the adapter's locally unique identifier. */                                          \
    X(void, GetAdapterLUID, GET_ADAPTER_LUID, (WINTUN_ADAPTER_HANDLE Adapter, NET_LUID * Luid))    \
    /* Version of the loaded driver, major in the high word and minor in the low one. */           \
    X(DWORD, GetRunningDriverVersion, GET_RUNNING_DRIVER_VERSION, (void))                          \
    /* Replaces the log callback of the process; NULL switches logging off. */                     \
    X(void, SetLogger, SET_LOGGER, (WINTUN_LOGGER_CALLBACK NewLogger))                             \
    /* Starts the adapter's one session. Capacity: see WINTUN_MIN_RING_CAPACITY. */                \
    X(WINTUN_SESSION_HANDLE, StartSession, START_SESSION,                                          \
      (WINTUN_ADAPTER_HANDLE Adapter, DWORD Capacity))                                             \
    /* Ends a session and frees its rings: no pointer into them may be used afterwards. */         \
    X(void, EndSession, END_SESSION, (WINTUN_SESSION_HANDLE Session))                              \
    /* The auto-reset event that is set when packets arrive. It belongs to the session. */         \
    X(HANDLE, GetReadWaitEvent, GET_READ_WAIT_EVENT, (WINTUN_SESSION_HANDLE Session))              \
    /* Takes the next packet out of the ring; give it back with WintunReleaseReceivePacket. */     \
    X(BYTE *, ReceivePacket, RECEIVE_PACKET, (WINTUN_SESSION_HANDLE Session, DWORD * PacketSize))  \
    /* Gives a received packet's memory back; any order. */                                        \
    X(void, ReleaseReceivePacket, RELEASE_RECEIVE_PACKET,                                          \
      (WINTUN_SESSION_HANDLE Session, const BYTE *Packet))                                         \
    /* Reserves memory for a packet; the order of these calls is the order of sending. */          \
    X(BYTE *, AllocateSendPacket, ALLOCATE_SEND_PACKET,                                            \
      (WINTUN_SESSION_HANDLE Session, DWORD PacketSize))                                           \
    /* Hands a reserved packet to the driver; any order. */                                        \
    X(void, SendPacket, SEND_PACKET, (WINTUN_SESSION_HANDLE Session, const BYTE *Packet))

#define WINTUN_DEFINE_TYPE(Result, Name, TYPE, Parameters)                                         \
    typedef Result(WINAPI WINTUN_##TYPE##_FUNC) Parameters;
WINTUN_FUNCTIONS(WINTUN_DEFINE_TYPE)
#undef WINTUN_DEFINE_TYPE

/* The functions of one loaded library. */
#define WINTUN_DEFINE_MEMBER(Result, Name, TYPE, Parameters) WINTUN_##TYPE##_FUNC *Name;
typedef struct WINTUN_API {
    WINTUN_FUNCTIONS(WINTUN_DEFINE_MEMBER)
} WINTUN_API;
#undef WINTUN_DEFINE_MEMBER

#ifdef __cplusplus
}
#endif

#endif
