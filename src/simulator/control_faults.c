/* SPDX-License-Identifier: MIT
 *
 * The exported functions of control.h: faults of functions, adapters and sessions.
 */
#include "control.h"

#include "faults.h"
#include "log.h"
#include "session.h"

DWORD WINAPI
WintunSimulatorSetFault(const char *Function, DWORD Code, DWORD Skip, DWORD Times)
{
    return fault_set(Function, Code, Skip, Times) ? ERROR_SUCCESS : ERROR_PROC_NOT_FOUND;
}

const char *WINAPI
WintunSimulatorFunctionName(DWORD Index)
{
    return fault_function_name(Index);
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
WintunSimulatorCorruptRing(const char *Adapter)
{
    DWORD code;
    struct WINTUN_SESSION *session = session_enter(Adapter, &code);
    if (session != NULL) {
        session_corrupt(session);
        session_leave(session);
    }
    return code;
}

DWORD WINAPI
WintunSimulatorOverrunRing(const char *Adapter)
{
    DWORD code;
    struct WINTUN_SESSION *session = session_enter(Adapter, &code);
    if (session != NULL) {
        session_overrun(session);
        session_leave(session);
    }
    return code;
}

DWORD WINAPI
WintunSimulatorLoseWakeup(const char *Adapter)
{
    DWORD code;
    struct WINTUN_SESSION *session = session_enter(Adapter, &code);
    if (session != NULL) {
        session_lose_wakeup(session);
        session_leave(session);
    }
    return code;
}

DWORD WINAPI
WintunSimulatorKeepPacket(const char *Adapter, BOOL Keep)
{
    DWORD code;
    struct WINTUN_SESSION *session = session_enter(Adapter, &code);
    if (session != NULL) {
        far_side_keep(&session->driver.side, Keep != FALSE);
        session_leave(session);
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
