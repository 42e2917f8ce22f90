/* SPDX-License-Identifier: MIT
 *
 * The few Win32 types and constants that the Wintun API is written in.
 *
 * On Windows they come from the SDK. Elsewhere they are defined here with the sizes Windows gives
 * them, so that a ring, a GUID or a UTF-16 string has the same bytes on every system.
 */
#ifndef WIN32_TYPES_H
#define WIN32_TYPES_H

#ifdef _WIN32

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <winsock2.h>

#include <windows.h>
#include <ws2ipdef.h>

#include <ifdef.h>

#else

#include <stddef.h>
#include <stdint.h>

#define WINAPI
#define CALLBACK

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

typedef uint8_t BYTE;
typedef uint8_t UCHAR;
typedef uint8_t BOOLEAN;
typedef uint16_t USHORT;
typedef uint32_t ULONG;
typedef uint32_t DWORD;
typedef int32_t LONG;
typedef int32_t BOOL;
typedef uint64_t DWORD64;
typedef uint64_t ULONG64;
typedef size_t SIZE_T;

/* A UTF-16 code unit, as on Windows; wchar_t is wider elsewhere. */
typedef uint16_t WCHAR;

/* An event. Outside Windows: a file descriptor that polls readable while the event is signaled,
 * stored as an integer in the pointer. */
typedef void *HANDLE;

typedef struct GUID {
    uint32_t Data1;
    uint16_t Data2;
    uint16_t Data3;
    uint8_t Data4[8];
} GUID;

typedef union NET_LUID {
    ULONG64 Value;
    struct {
        ULONG64 Reserved : 24;
        ULONG64 NetLuidIndex : 24;
        ULONG64 IfType : 16;
    } Info;
} NET_LUID;

/* Win32 error codes that Wintun, its driver or the IP Helper functions give (winerror.h). */
#define ERROR_SUCCESS 0
#define ERROR_FILE_NOT_FOUND 2
#define ERROR_ACCESS_DENIED 5
#define ERROR_INVALID_HANDLE 6
#define ERROR_NOT_ENOUGH_MEMORY 8
#define ERROR_INVALID_DATA 13
#define ERROR_OUTOFMEMORY 14
#define ERROR_GEN_FAILURE 31
#define ERROR_HANDLE_EOF 38
#define ERROR_NOT_SUPPORTED 50
#define ERROR_DEV_NOT_EXIST 55
#define ERROR_FILE_EXISTS 80
#define ERROR_INVALID_PARAMETER 87
#define ERROR_BUFFER_OVERFLOW 111
#define ERROR_INSUFFICIENT_BUFFER 122
#define ERROR_INVALID_NAME 123
#define ERROR_PROC_NOT_FOUND 127
#define ERROR_ALREADY_EXISTS 183
#define WAIT_TIMEOUT 258
#define ERROR_NO_MORE_ITEMS 259
#define ERROR_DEVICE_NOT_CONNECTED 1167
#define ERROR_NOT_FOUND 1168
#define ERROR_NO_MATCH 1169
#define ERROR_SET_NOT_FOUND 1170
#define ERROR_ADDRESS_NOT_ASSOCIATED 1228
#define ERROR_ALREADY_INITIALIZED 1247
#define ERROR_PRIVILEGE_NOT_HELD 1314
#define ERROR_NO_SYSTEM_RESOURCES 1450
#define ERROR_COMMITMENT_LIMIT 1455
#define ERROR_TIMEOUT 1460
#define ERROR_INVALID_USER_BUFFER 1784
#define ERROR_NOT_CONNECTED 2250
#define ERROR_DEVICE_IN_USE 2404
#define ERROR_DEVICE_NOT_AVAILABLE 4319
#define ERROR_OBJECT_ALREADY_EXISTS 5010

#endif

/* Of setupapi.h: devices use the driver's package. */
#ifndef ERROR_INF_IN_USE_BY_DEVICES
#define ERROR_INF_IN_USE_BY_DEVICES 0xE000023Du
#endif

#endif
