/* SPDX-License-Identifier: MIT
 *
 * What the system calls an adapter: its name, index and GUID.
 */
#include "interface.h"

#include "codes.h"
#include "interface_request.h"

/* What the three conversions of a LUID give. */
typedef union identity {
    WCHAR alias[IF_MAX_STRING_SIZE + 1];
    NET_IFINDEX index;
    GUID guid;
} identity;

/* One conversion; returns a Win32 code. */
typedef DWORD (*conversion)(const IP_HELPER_API *api, const NET_LUID *luid, identity *result);

static DWORD
to_alias(const IP_HELPER_API *api, const NET_LUID *luid, identity *result)
{
    return api->ConvertInterfaceLuidToAlias == NULL
               ? ERROR_PROC_NOT_FOUND
               : api->ConvertInterfaceLuidToAlias(luid, result->alias, IF_MAX_STRING_SIZE + 1);
}

static DWORD
to_index(const IP_HELPER_API *api, const NET_LUID *luid, identity *result)
{
    return api->ConvertInterfaceLuidToIndex == NULL
               ? ERROR_PROC_NOT_FOUND
               : api->ConvertInterfaceLuidToIndex(luid, &result->index);
}

static DWORD
to_guid(const IP_HELPER_API *api, const NET_LUID *luid, identity *result)
{
    return api->ConvertInterfaceLuidToGuid == NULL
               ? ERROR_PROC_NOT_FOUND
               : api->ConvertInterfaceLuidToGuid(luid, &result->guid);
}

/* Asks the system. False if the adapter is closed. */
static bool
convert_luid(PyObject *object, conversion convert, identity *result, DWORD *code)
{
    shared_adapter *adapter = adapter_shared(object);
    bool open;
    Py_BEGIN_ALLOW_THREADS
    open = adapter_enter(adapter);
    if (open) {
        *code = convert(&adapter->library->ip_helper, &adapter->luid, result);
        adapter_leave(adapter);
    }
    Py_END_ALLOW_THREADS
    return open;
}

/* Asks the system for what must be there. False with an exception set. */
static bool
require_identity(PyObject *object, conversion convert, const char *function, identity *result)
{
    ip_request described = {NULL, IP_HELPER_UNSPEC, function, 0, {0}, 0, false};
    DWORD code = ERROR_SUCCESS;
    if (!convert_luid(object, convert, result, &code)) {
        (void)adapter_raise_closed(object);
        return false;
    }
    if (code != ERROR_SUCCESS) {
        described.removed = code_is_removal(function, code);
        (void)interface_raise(object, &described, code);
    }
    return code == ERROR_SUCCESS;
}

PyObject *
adapter_get_name(PyObject *object, void *closure)
{
    identity result;
    DWORD code = ERROR_SUCCESS;
    (void)closure;
    if (!convert_luid(object, to_alias, &result, &code) || code != ERROR_SUCCESS) {
        return adapter_given_name(object);
    }
    return string_from_utf16(result.alias, IF_MAX_STRING_SIZE);
}

PyObject *
adapter_get_index(PyObject *object, void *closure)
{
    identity result;
    (void)closure;
    if (!require_identity(object, to_index, "ConvertInterfaceLuidToIndex", &result)) {
        return NULL;
    }
    return PyLong_FromUnsignedLong(result.index);
}

PyObject *
adapter_get_guid(PyObject *object, void *closure)
{
    identity result;
    (void)closure;
    if (!require_identity(object, to_guid, "ConvertInterfaceLuidToGuid", &result)) {
        return NULL;
    }
    return PyBytes_FromStringAndSize((const char *)&result.guid, (Py_ssize_t)sizeof(result.guid));
}
