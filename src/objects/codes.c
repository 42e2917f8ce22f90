/* SPDX-License-Identifier: MIT
 *
 * What a code of Windows means. The README's table of failures is checked against this one.
 */
#include "codes.h"

#include "platform/platform.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* The facility bits of an HRESULT that wraps a Win32 code, and the low word, which is that code. */
#define HRESULT_OF_WIN32 0x80070000u
#define HRESULT_MASK 0xFFFF0000u

/* What SwDeviceCreate answers where an adapter that exists has the GUID. */
#define GUID_IN_USE (HRESULT_OF_WIN32 | ERROR_ALREADY_EXISTS)

#define NEEDS_ADMINISTRATOR "this needs Administrator rights: run as Administrator"
#define GONE "it was removed or disabled, and TunDevice.recreate() brings it back"
#define REMOVED "the adapter is gone: " GONE
#define TERMINATING "the adapter is terminating: " GONE
#define NO_MEMORY_FOR_RINGS "Windows has no memory for rings of this size: use a smaller capacity"
#define NOT_STARTED                                                                                \
    "Windows did not start the adapter, perhaps because it still removes an earlier one: try "     \
    "again after a moment; if that does not help, restart the system"
#define NO_DRIVER_BOUND                                                                            \
    "Windows found no driver for the adapter: restart the system, or have the driver installed "   \
    "anew by wintun.delete_driver()"

/* The meanings that a code has after a certain function. The first row that fits counts. What
 * passes is what was reported to work at the second attempt: a device that Windows did not start
 * within 15 s (183, 2, 31, 258, 4319), or that had the GUID and is still being removed. What was
 * reported to fail at each attempt does not pass (1169, 1170). */
static const struct {
    const char *function;
    DWORD code;
    code_kind kind;
    bool passes;
    const char *advice;
} by_function[] = {
    {"WintunCreateAdapter", GUID_IN_USE, CODE_OF_SYSTEM, true,
     "an adapter that exists has this GUID: choose another, or close the other adapter"},
    {"WintunCreateAdapter", ERROR_ALREADY_EXISTS, CODE_OF_SYSTEM, true, NOT_STARTED},
    {"WintunCreateAdapter", ERROR_GEN_FAILURE, CODE_OF_SYSTEM, true, NOT_STARTED},
    {"WintunCreateAdapter", WAIT_TIMEOUT, CODE_OF_SYSTEM, true, NOT_STARTED},
    {"WintunCreateAdapter", ERROR_DEVICE_NOT_AVAILABLE, CODE_OF_SYSTEM, true, NOT_STARTED},
    {"WintunCreateAdapter", ERROR_FILE_NOT_FOUND, CODE_OF_SYSTEM, true,
     "the Wintun driver could not be installed, or Windows did not start the adapter; the log "
     "(logger 'wintun') says why"},
    {"WintunCreateAdapter", ERROR_NO_MATCH, CODE_OF_SYSTEM, false, NO_DRIVER_BOUND},
    {"WintunCreateAdapter", ERROR_SET_NOT_FOUND, CODE_OF_SYSTEM, false, NO_DRIVER_BOUND},
    {"WintunOpenAdapter", ERROR_FILE_NOT_FOUND, CODE_OF_SYSTEM, false,
     "no such adapter, or the Wintun driver is not installed"},
    {"WintunOpenAdapter", ERROR_NOT_FOUND, CODE_OF_SYSTEM, false,
     "no Wintun adapter has this name: create it first"},
    {"WintunOpenAdapter", WAIT_TIMEOUT, CODE_OF_SYSTEM, false,
     "the adapter is disabled, or Windows does not start it: enable it in the Device Manager"},
    {"WintunGetRunningDriverVersion", ERROR_FILE_NOT_FOUND, CODE_OF_SYSTEM, false,
     "the Wintun driver is not loaded: creating the first adapter loads it"},
    {"WintunDeleteDriver", ERROR_INF_IN_USE_BY_DEVICES, CODE_OF_SYSTEM, false,
     "close every Wintun adapter first"},
    {"WintunDeleteDriver", ERROR_DEVICE_IN_USE, CODE_OF_SYSTEM, false,
     "close every Wintun adapter first"},
    {"WintunStartSession", ERROR_FILE_NOT_FOUND, CODE_TERMINATING, false, REMOVED},
    {"WintunStartSession", ERROR_NOT_ENOUGH_MEMORY, CODE_OF_SYSTEM, false, NO_MEMORY_FOR_RINGS},
    {"WintunStartSession", ERROR_NO_SYSTEM_RESOURCES, CODE_OF_SYSTEM, false, NO_MEMORY_FOR_RINGS},
    {"WintunStartSession", ERROR_COMMITMENT_LIMIT, CODE_OF_SYSTEM, false, NO_MEMORY_FOR_RINGS},
    {"WintunStartSession", ERROR_INVALID_USER_BUFFER, CODE_OF_SYSTEM, false, NO_MEMORY_FOR_RINGS},
    {"WintunStartSession", ERROR_ALREADY_INITIALIZED, CODE_OF_SYSTEM, false,
     "an adapter has one session at a time: end the other one and release its packets"},
    {"WintunReceivePacket", ERROR_HANDLE_EOF, CODE_TERMINATING, false, TERMINATING},
    {"WintunAllocateSendPacket", ERROR_HANDLE_EOF, CODE_TERMINATING, false, TERMINATING},
    {"WintunReceivePacket", ERROR_INVALID_DATA, CODE_RING_CORRUPT, false,
     "the ring is corrupt: end the session and start another, as down() and up() do"},
    {"WintunAllocateSendPacket", ERROR_INVALID_DATA, CODE_RING_CORRUPT, false,
     "the ring is corrupt: end the session and start another, as down() and up() do"},
    {"WintunAllocateSendPacket", ERROR_BUFFER_OVERFLOW, CODE_RING_FULL, false,
     "the send ring is full: write again later, or give a timeout"},
    {"GetIpInterfaceEntry", ERROR_FILE_NOT_FOUND, CODE_TERMINATING, false, REMOVED},
    {"SetIpInterfaceEntry", ERROR_FILE_NOT_FOUND, CODE_TERMINATING, false, REMOVED},
    {"CreateUnicastIpAddressEntry", ERROR_FILE_NOT_FOUND, CODE_TERMINATING, false, REMOVED},
    {"DeleteUnicastIpAddressEntry", ERROR_FILE_NOT_FOUND, CODE_TERMINATING, false, REMOVED},
    {"ConvertInterfaceLuidToIndex", ERROR_INVALID_PARAMETER, CODE_TERMINATING, false, REMOVED},
    {"ConvertInterfaceLuidToGuid", ERROR_INVALID_PARAMETER, CODE_TERMINATING, false, REMOVED},
};

/* The meanings that a code has after any function. */
static const struct {
    DWORD code;
    int number;
    const char *advice;
} by_code[] = {
    {ERROR_ACCESS_DENIED, EACCES, NEEDS_ADMINISTRATOR},
    {ERROR_PRIVILEGE_NOT_HELD, EACCES, NEEDS_ADMINISTRATOR},
    {ERROR_FILE_NOT_FOUND, ENOENT, NULL},
    {ERROR_NOT_FOUND, ENOENT, NULL},
    {ERROR_INVALID_HANDLE, EBADF, NULL},
    {ERROR_NOT_ENOUGH_MEMORY, ENOMEM, NULL},
    {ERROR_OUTOFMEMORY, ENOMEM, NULL},
    {ERROR_NO_SYSTEM_RESOURCES, ENOMEM, NULL},
    {ERROR_COMMITMENT_LIMIT, ENOMEM, NULL},
    {ERROR_INVALID_USER_BUFFER, ENOMEM, NULL}, /* pages that cannot be locked */
    {ERROR_FILE_EXISTS, EEXIST, NULL},
    {ERROR_ALREADY_EXISTS, EEXIST, NULL},
    {ERROR_OBJECT_ALREADY_EXISTS, EEXIST, NULL},
    {ERROR_HANDLE_EOF, ENODEV, NULL},
    {ERROR_DEV_NOT_EXIST, ENODEV, NULL},
    {ERROR_DEVICE_NOT_CONNECTED, ENODEV, NULL},
    {ERROR_DEVICE_NOT_AVAILABLE, ENODEV, NULL},
    {ERROR_NO_MATCH, ENODEV, NULL},
    {ERROR_SET_NOT_FOUND, ENODEV, NULL},
    {ERROR_BUFFER_OVERFLOW, PLATFORM_ENOBUFS, NULL},
    {ERROR_ALREADY_INITIALIZED, EBUSY, NULL},
    {ERROR_DEVICE_IN_USE, EBUSY, NULL},
    {ERROR_INF_IN_USE_BY_DEVICES, EBUSY, NULL},
    {ERROR_INVALID_PARAMETER, EINVAL, NULL},
    {ERROR_INVALID_NAME, EINVAL, NULL},
    {ERROR_PROC_NOT_FOUND, ENOSYS, NULL},
    {WAIT_TIMEOUT, PLATFORM_ETIMEDOUT, NULL},
    {ERROR_TIMEOUT, PLATFORM_ETIMEDOUT, NULL},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* The Win32 code in an HRESULT that wraps one; any other code as it is. */
static DWORD
unwrap(DWORD code)
{
    return (code & HRESULT_MASK) == HRESULT_OF_WIN32 ? code & ~HRESULT_MASK : code;
}

/* Adds what the first table says of this very code; false if it says nothing. */
static bool
look_up(const char *function, DWORD code, code_meaning *meaning)
{
    for (size_t i = 0; i < COUNT(by_function); i++) {
        if (by_function[i].code == code && strcmp(by_function[i].function, function) == 0) {
            meaning->kind = by_function[i].kind;
            meaning->passes = by_function[i].passes;
            meaning->advice = by_function[i].advice;
            if (meaning->kind == CODE_TERMINATING) {
                meaning->number = ENODEV;
            }
            return true;
        }
    }
    return false;
}

code_meaning
code_find(const char *function, DWORD code)
{
    code_meaning meaning = {unwrap(code), EIO, CODE_OF_SYSTEM, false, NULL};
    for (size_t i = 0; i < COUNT(by_code); i++) {
        if (by_code[i].code == meaning.code) {
            meaning.number = by_code[i].number;
            meaning.advice = by_code[i].advice;
        }
    }
    if (!look_up(function, code, &meaning) && !look_up(function, meaning.code, &meaning) &&
        meaning.advice == NULL && strcmp(function, "WintunCreateAdapter") == 0) {
        meaning.advice = "the log of the Wintun library (logger 'wintun') says what it was doing";
    }
    return meaning;
}

code_meaning
code_removed(DWORD code)
{
    code_meaning meaning = {unwrap(code), ENODEV, CODE_TERMINATING, false, REMOVED};
    return meaning;
}

bool
code_is_removal(const char *function, DWORD code)
{
    return code_find(function, code).kind == CODE_TERMINATING;
}
