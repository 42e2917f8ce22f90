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

/* With " Tunnel" behind it, it is the description of the device. */
#define MAX_TUNNEL_TYPE 128

/* SetupAPI's code for a driver package that a device still needs. */
#define DRIVER_IN_USE 0xE000023D

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

/* In the form of the official library's lines. */
static void
log_failure(const char *what, DWORD code)
{
    char text[256];
    code = fault_last_error(code);
    platform_error_text(code, text, sizeof(text));
    log_line(WINTUN_LOG_ERR, "%s: %s. (Code 0x%08lX)", what, text, (unsigned long)code);
}

/* --- Adapters -------------------------------------------------------------------------------- */

static void
log_renaming(const connection_renaming *renamed)
{
    char before[4 * WINTUN_MAX_ADAPTER_NAME];
    char after[4 * WINTUN_MAX_ADAPTER_NAME];
    text_to_utf8(renamed->before, before, sizeof(before));
    text_to_utf8(renamed->after, after, sizeof(after));
    if (renamed->before[0] != 0) {
        log_line(renamed->foreign ? WINTUN_LOG_ERR : WINTUN_LOG_INFO,
                 "Renamed connection \"%s\" to \"%s\"", before, after);
    }
}

static WINTUN_ADAPTER_HANDLE
create(const WCHAR *name, const WCHAR *tunnel_type, const GUID *guid, DWORD *code)
{
    connection_renaming renamed;
    if (name == NULL || tunnel_type == NULL) {
        *code = ERROR_INVALID_PARAMETER;
        return NULL;
    }
    if (text_utf16_length(tunnel_type, MAX_TUNNEL_TYPE + 1) > MAX_TUNNEL_TYPE) {
        *code = ERROR_BUFFER_OVERFLOW;
        return NULL;
    }
    WINTUN_ADAPTER_HANDLE handle = adapter_create(name, guid, &renamed, code);
    if (handle != NULL) {
        log_renaming(&renamed);
    }
    return handle;
}

WINTUN_ADAPTER_HANDLE WINAPI
WintunCreateAdapter(const WCHAR *Name, const WCHAR *TunnelType, const GUID *RequestedGUID)
{
    DWORD code = fault_code(FAULT_WintunCreateAdapter);
    WINTUN_ADAPTER_HANDLE handle = NULL;
    log_line(WINTUN_LOG_INFO, "Creating adapter");
    if (code == ERROR_SUCCESS) {
        handle = create(Name, TunnelType, RequestedGUID, &code);
    }
    if (handle == NULL) {
        log_failure("Failed to create adapter", code);
        last_error_set(fault_last_error(code));
    }
    return handle;
}

WINTUN_ADAPTER_HANDLE WINAPI
WintunOpenAdapter(const WCHAR *Name)
{
    DWORD code = fault_code(FAULT_WintunOpenAdapter);
    WINTUN_ADAPTER_HANDLE handle = NULL;
    if (code == ERROR_SUCCESS) {
        code = ERROR_INVALID_PARAMETER;
        handle = Name != NULL ? adapter_open(Name, &code) : NULL;
    }
    if (handle == NULL) {
        log_failure(code == ERROR_NOT_FOUND ? "Failed to find matching adapter name"
                                            : "Failed to open adapter",
                    code);
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
    adapter_close(Adapter);
}

void WINAPI
WintunGetAdapterLUID(WINTUN_ADAPTER_HANDLE Adapter, NET_LUID *Luid)
{
    if (!fails(FAULT_WintunGetAdapterLUID)) {
        *Luid = Adapter->adapter->connection.luid;
    }
}

/* --- Driver and log -------------------------------------------------------------------------- */

BOOL WINAPI
WintunDeleteDriver(void)
{
    if (fails(FAULT_WintunDeleteDriver)) {
        return FALSE;
    }
    if (adapter_driver_version() != 0) {
        log_failure("Failed to delete driver", DRIVER_IN_USE);
        last_error_set(DRIVER_IN_USE);
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
        log_failure("Failed to register rings", code);
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
