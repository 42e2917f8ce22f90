/* SPDX-License-Identifier: MIT
 *
 * The exported functions of control.h: the system around the driver.
 */
#include "control.h"

#include "adapter.h"
#include "global.h"
#include "text.h"

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
WintunSimulatorSetEnabled(const char *Adapter, BOOL Enabled)
{
    adapter *found = Adapter != NULL ? adapter_find(Adapter) : NULL;
    if (found == NULL) {
        return Adapter != NULL ? ERROR_NOT_FOUND : ERROR_INVALID_PARAMETER;
    }
    adapter_set_enabled(found, Enabled != FALSE);
    adapter_release(found);
    return ERROR_SUCCESS;
}

static DWORD
change_connections(DWORD (*change)(const WCHAR *), const char *utf8)
{
    WCHAR name[WINTUN_MAX_ADAPTER_NAME + 2];
    if (utf8 == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    text_to_utf16(utf8, name, WINTUN_MAX_ADAPTER_NAME + 2);
    global_lock();
    DWORD code = change(name);
    global_unlock();
    return code;
}

DWORD WINAPI
WintunSimulatorAddConnection(const char *Name)
{
    return change_connections(connection_add_foreign, Name);
}

DWORD WINAPI
WintunSimulatorRemoveConnection(const char *Name)
{
    return change_connections(connection_remove_foreign, Name);
}

DWORD WINAPI
WintunSimulatorConnectionName(DWORD Index, char *Name, DWORD Capacity)
{
    if (Name == NULL || Capacity == 0) {
        return ERROR_INVALID_PARAMETER;
    }
    global_lock();
    const connection *found = connection_at(Index);
    if (found != NULL) {
        text_to_utf8(found->name, Name, Capacity);
    }
    global_unlock();
    return found != NULL ? ERROR_SUCCESS : ERROR_NO_MORE_ITEMS;
}

DWORD WINAPI
WintunSimulatorSetStack(DWORD Family, BOOL Present)
{
    int family = Family <= 0xFFFF ? interfaces_family((ADDRESS_FAMILY)Family) : SETTINGS_FAMILIES;
    if (family == SETTINGS_FAMILIES) {
        return ERROR_INVALID_PARAMETER;
    }
    interfaces_set_stack(family, Present != FALSE);
    return ERROR_SUCCESS;
}

void WINAPI
WintunSimulatorSetDriverVersion(DWORD Version)
{
    adapter_set_driver_version(Version);
}
