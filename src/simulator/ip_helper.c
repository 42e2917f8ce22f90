/* SPDX-License-Identifier: MIT
 *
 * The exported IP Helper functions, for the simulator's adapters alone.
 */

/* The SDK declares these functions as imported; here they are made. */
#define IPHLPAPI_DLL_LINKAGE

#include "exports.h"

#include <stdlib.h>
#include <string.h>

#include "adapter.h"
#include "faults.h"
#include "global.h"
#include "text.h"

/* An adapter that a row names, with its family checked; NULL and a Win32 code. */
static adapter *
find(ADDRESS_FAMILY family, const NET_LUID *luid, NET_IFINDEX index, DWORD *code)
{
    *code = ERROR_INVALID_PARAMETER;
    if (interfaces_family(family) == SETTINGS_FAMILIES) {
        return NULL;
    }
    *code = ERROR_FILE_NOT_FOUND;
    return adapter_find_interface(luid, index);
}

/* --- Interfaces ------------------------------------------------------------------------------ */

void WINAPI
InitializeIpInterfaceEntry(MIB_IPINTERFACE_ROW *Row)
{
    if (fault_code(FAULT_InitializeIpInterfaceEntry) != ERROR_SUCCESS) {
        return;
    }
    /* All ones: "leave as it is", for whatever the caller does not set. */
    memset(Row, 0xFF, sizeof(*Row));
    Row->Family = IP_HELPER_UNSPEC;
    Row->InterfaceLuid.Value = 0;
    Row->InterfaceIndex = 0;
}

DWORD WINAPI
GetIpInterfaceEntry(MIB_IPINTERFACE_ROW *Row)
{
    DWORD code = fault_code(FAULT_GetIpInterfaceEntry);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    adapter *found = find(Row->Family, &Row->InterfaceLuid, Row->InterfaceIndex, &code);
    if (found != NULL) {
        code = interfaces_get(&found->ip, Row);
        adapter_release(found);
    }
    return code;
}

DWORD WINAPI
SetIpInterfaceEntry(MIB_IPINTERFACE_ROW *Row)
{
    DWORD code = fault_code(FAULT_SetIpInterfaceEntry);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    adapter *found = find(Row->Family, &Row->InterfaceLuid, Row->InterfaceIndex, &code);
    if (found != NULL) {
        code = interfaces_set(&found->ip, Row);
        adapter_release(found);
    }
    return code;
}

/* --- Addresses ------------------------------------------------------------------------------- */

void WINAPI
InitializeUnicastIpAddressEntry(MIB_UNICASTIPADDRESS_ROW *Row)
{
    if (fault_code(FAULT_InitializeUnicastIpAddressEntry) != ERROR_SUCCESS) {
        return;
    }
    memset(Row, 0, sizeof(*Row));
    Row->PrefixOrigin = ORIGIN_UNCHANGED;
    Row->SuffixOrigin = ORIGIN_UNCHANGED;
    Row->OnLinkPrefixLength = PREFIX_LENGTH_UNSET;
    Row->ValidLifetime = 0xFFFFFFFF;
    Row->PreferredLifetime = 0xFFFFFFFF;
    Row->DadState = IpDadStateTentative;
}

DWORD WINAPI
CreateUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *Row)
{
    DWORD code = fault_code(FAULT_CreateUnicastIpAddressEntry);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    adapter *found = find(Row->Address.si_family, &Row->InterfaceLuid, Row->InterfaceIndex, &code);
    if (found != NULL) {
        code = interfaces_add_address(&found->ip, Row);
        adapter_release(found);
    }
    return code;
}

DWORD WINAPI
DeleteUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *Row)
{
    DWORD code = fault_code(FAULT_DeleteUnicastIpAddressEntry);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    adapter *found = find(Row->Address.si_family, &Row->InterfaceLuid, Row->InterfaceIndex, &code);
    if (found != NULL) {
        code = interfaces_remove_address(&found->ip, Row);
        adapter_release(found);
    }
    return code;
}

typedef struct table {
    ADDRESS_FAMILY family;
    MIB_UNICASTIPADDRESS_ROW *rows;
    size_t count;
    size_t capacity;
    bool no_memory;
} table;

static void
add_row(void *context, const MIB_UNICASTIPADDRESS_ROW *row)
{
    table *all = context;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity * 2 + 8;
        MIB_UNICASTIPADDRESS_ROW *grown = realloc(all->rows, capacity * sizeof(*grown));
        if (grown == NULL) {
            all->no_memory = true;
            return;
        }
        all->rows = grown;
        all->capacity = capacity;
    }
    all->rows[all->count++] = *row;
}

static void
add_rows(void *context, adapter *self)
{
    table *all = context;
    interfaces_visit(&self->ip, all->family, add_row, all);
}

DWORD WINAPI
GetUnicastIpAddressTable(ADDRESS_FAMILY Family, MIB_UNICASTIPADDRESS_TABLE **Table)
{
    DWORD code = fault_code(FAULT_GetUnicastIpAddressTable);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    if (Family != IP_HELPER_UNSPEC && interfaces_family(Family) == SETTINGS_FAMILIES) {
        return ERROR_INVALID_PARAMETER;
    }
    if (Family != IP_HELPER_UNSPEC && !interfaces_has_stack(interfaces_family(Family))) {
        return ERROR_NOT_SUPPORTED;
    }
    table all = {Family, NULL, 0, 0, false};
    adapter_visit(add_rows, &all);
    MIB_UNICASTIPADDRESS_TABLE *result =
        malloc(sizeof(*result) + all.count * sizeof(result->Table[0]));
    if (result != NULL && !all.no_memory) {
        result->NumEntries = (ULONG)all.count;
        if (all.count > 0) {
            memcpy(result->Table, all.rows, all.count * sizeof(result->Table[0]));
        }
        *Table = result;
        result = NULL;
    } else {
        code = ERROR_NOT_ENOUGH_MEMORY;
    }
    free(result);
    free(all.rows);
    return code;
}

void WINAPI
FreeMibTable(void *Memory)
{
    if (fault_code(FAULT_FreeMibTable) == ERROR_SUCCESS) {
        free(Memory);
    }
}

/* --- Names of an interface ------------------------------------------------------------------- */

DWORD WINAPI
ConvertInterfaceLuidToIndex(const NET_LUID *Luid, NET_IFINDEX *Index)
{
    DWORD code = fault_code(FAULT_ConvertInterfaceLuidToIndex);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    adapter *found = adapter_find_interface(Luid, 0);
    if (found == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    *Index = found->index;
    adapter_release(found);
    return ERROR_SUCCESS;
}

DWORD WINAPI
ConvertInterfaceLuidToGuid(const NET_LUID *Luid, GUID *Guid)
{
    DWORD code = fault_code(FAULT_ConvertInterfaceLuidToGuid);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    adapter *found = adapter_find_interface(Luid, 0);
    if (found == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    *Guid = found->guid;
    adapter_release(found);
    return ERROR_SUCCESS;
}

DWORD WINAPI
ConvertInterfaceLuidToAlias(const NET_LUID *Luid, WCHAR *Alias, SIZE_T Length)
{
    DWORD code = fault_code(FAULT_ConvertInterfaceLuidToAlias);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    adapter *found = adapter_find_interface(Luid, 0);
    if (found == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    WCHAR name[WINTUN_MAX_ADAPTER_NAME];
    adapter_copy_name(found, name);
    size_t size = text_utf16_length(name, WINTUN_MAX_ADAPTER_NAME) + 1;
    if (size <= Length) {
        memcpy(Alias, name, size * sizeof(WCHAR));
    } else {
        code = ERROR_NOT_ENOUGH_MEMORY;
    }
    adapter_release(found);
    return code;
}

DWORD WINAPI
ConvertInterfaceAliasToLuid(const WCHAR *Alias, NET_LUID *Luid)
{
    DWORD code = fault_code(FAULT_ConvertInterfaceAliasToLuid);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    if (Alias == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    global_lock();
    const connection *found = connection_find(Alias);
    if (found != NULL) {
        *Luid = found->luid;
    }
    global_unlock();
    return found != NULL ? ERROR_SUCCESS : ERROR_INVALID_PARAMETER;
}
