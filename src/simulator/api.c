/* SPDX-License-Identifier: MIT
 *
 * The exported functions of the Wintun API.
 */
#include "exports.h"

#include "adapter.h"
#include "faults.h"
#include "last_error.h"
#include "log.h"
#include "session.h"
#include "text.h"

/* Whether the test that runs has asked for this call to fail. */
static bool
fails(fault_function function)
{
    DWORD code = fault_code(function);
    if (code != ERROR_SUCCESS) {
        last_error_set(fault_last_error(code));
    }
    return code != ERROR_SUCCESS;
}

static bool
is_name(const WCHAR *name)
{
    size_t length = name != NULL ? text_utf16_length(name, WINTUN_MAX_ADAPTER_NAME) : 0;
    return length > 0 && length < WINTUN_MAX_ADAPTER_NAME;
}

static void
log_failure(const char *doing, DWORD code)
{
    log_line(WINTUN_LOG_ERR, "Simulator: %s failed (code 0x%08lX)", doing,
             (unsigned long)fault_last_error(code));
}

/* --- Adapters -------------------------------------------------------------------------------- */

WINTUN_ADAPTER_HANDLE WINAPI
WintunCreateAdapter(const WCHAR *Name, const WCHAR *TunnelType, const GUID *RequestedGUID)
{
    DWORD code = fault_code(FAULT_WintunCreateAdapter);
    WINTUN_ADAPTER_HANDLE handle = NULL;
    if (code == ERROR_SUCCESS) {
        code = ERROR_INVALID_PARAMETER;
        handle = is_name(Name) && is_name(TunnelType) ? adapter_create(Name, RequestedGUID, &code)
                                                      : NULL;
    }
    if (handle == NULL) {
        log_failure("creating an adapter", code);
        last_error_set(fault_last_error(code));
        return NULL;
    }
    log_line(WINTUN_LOG_INFO, "Simulator: created adapter \"%s\"", handle->adapter->utf8);
    return handle;
}

WINTUN_ADAPTER_HANDLE WINAPI
WintunOpenAdapter(const WCHAR *Name)
{
    DWORD code = fault_code(FAULT_WintunOpenAdapter);
    WINTUN_ADAPTER_HANDLE handle = NULL;
    if (code == ERROR_SUCCESS) {
        code = ERROR_INVALID_PARAMETER;
        handle = is_name(Name) ? adapter_open(Name, &code) : NULL;
    }
    if (handle == NULL) {
        log_failure("opening an adapter", code);
        last_error_set(fault_last_error(code));
    }
    return handle;
}

void WINAPI
WintunCloseAdapter(WINTUN_ADAPTER_HANDLE Adapter)
{
    if (fails(FAULT_WintunCloseAdapter) || Adapter == NULL) {
        return;
    }
    if (Adapter->creator) {
        log_line(WINTUN_LOG_INFO, "Simulator: removing adapter \"%s\"", Adapter->adapter->utf8);
    }
    adapter_close(Adapter);
}

void WINAPI
WintunGetAdapterLUID(WINTUN_ADAPTER_HANDLE Adapter, NET_LUID *Luid)
{
    if (!fails(FAULT_WintunGetAdapterLUID)) {
        *Luid = Adapter->adapter->luid;
    }
}

/* --- Driver and log -------------------------------------------------------------------------- */

BOOL WINAPI
WintunDeleteDriver(void)
{
    if (fails(FAULT_WintunDeleteDriver)) {
        return FALSE;
    }
    if (!adapter_unload_driver()) {
        log_line(WINTUN_LOG_WARN, "Simulator: the driver is in use and is not deleted");
        last_error_set(ERROR_DEVICE_IN_USE);
        return FALSE;
    }
    return TRUE;
}

DWORD WINAPI
WintunGetRunningDriverVersion(void)
{
    if (fails(FAULT_WintunGetRunningDriverVersion)) {
        return 0;
    }
    DWORD version = adapter_driver_version();
    if (version == 0) {
        last_error_set(ERROR_FILE_NOT_FOUND);
    }
    return version;
}

void WINAPI
WintunSetLogger(WINTUN_LOGGER_CALLBACK NewLogger)
{
    if (!fails(FAULT_WintunSetLogger)) {
        log_set_callback(NewLogger);
    }
}

/* --- Sessions -------------------------------------------------------------------------------- */

WINTUN_SESSION_HANDLE WINAPI
WintunStartSession(WINTUN_ADAPTER_HANDLE Adapter, DWORD Capacity)
{
    DWORD code = fault_code(FAULT_WintunStartSession);
    WINTUN_SESSION_HANDLE session = NULL;
    if (code == ERROR_SUCCESS) {
        session = session_start(Adapter->adapter, Capacity, &code);
    }
    if (session == NULL) {
        log_failure("starting a session", code);
        last_error_set(fault_last_error(code));
    }
    return session;
}

void WINAPI
WintunEndSession(WINTUN_SESSION_HANDLE Session)
{
    if (!fails(FAULT_WintunEndSession) && Session != NULL) {
        session_end(Session);
    }
}

HANDLE WINAPI
WintunGetReadWaitEvent(WINTUN_SESSION_HANDLE Session)
{
    return fails(FAULT_WintunGetReadWaitEvent) ? NULL : Session->driver.events[DRIVER_ARRIVED].wait;
}

BYTE *WINAPI
WintunReceivePacket(WINTUN_SESSION_HANDLE Session, DWORD *PacketSize)
{
    DWORD code = fault_code(FAULT_WintunReceivePacket);
    BYTE *packet =
        code == ERROR_SUCCESS ? ring_receive(&Session->receiver, PacketSize, &code) : NULL;
    if (packet == NULL) {
        last_error_set(fault_last_error(code));
    }
    return packet;
}

void WINAPI
WintunReleaseReceivePacket(WINTUN_SESSION_HANDLE Session, const BYTE *Packet)
{
    if (!fails(FAULT_WintunReleaseReceivePacket)) {
        ring_release(&Session->receiver, Packet);
    }
}

BYTE *WINAPI
WintunAllocateSendPacket(WINTUN_SESSION_HANDLE Session, DWORD PacketSize)
{
    DWORD code = fault_code(FAULT_WintunAllocateSendPacket);
    BYTE *packet =
        code == ERROR_SUCCESS ? ring_allocate(&Session->sender, PacketSize, &code) : NULL;
    if (packet == NULL) {
        last_error_set(fault_last_error(code));
    }
    return packet;
}

void WINAPI
WintunSendPacket(WINTUN_SESSION_HANDLE Session, const BYTE *Packet)
{
    if (!fails(FAULT_WintunSendPacket)) {
        session_send(Session, Packet);
    }
}
