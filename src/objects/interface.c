/* SPDX-License-Identifier: MIT
 *
 * An adapter's IP interfaces: its MTU, addresses, index and GUID by the IP Helper functions.
 *
 * A new adapter's interface of each family can take a moment to appear; until then, and for good
 * when the user has unticked the family, the functions give ERROR_NOT_FOUND. So a call that meets
 * it tries again for FAMILY_WAIT_NS, once an adapter and family.
 */
#include "interface.h"

#include "adapter_object.h"
#include "convert.h"
#include "errors.h"
#include "waiting.h"

#include <string.h>

#define FAMILY_WAIT_NS INT64_C(5000000000)
#define RETRY_NS INT64_C(20000000)

#define IPV4_SIZE 4
#define IPV6_SIZE 16

/* NL_PREFIX_ORIGIN (nldef.h): well-known, by DHCP and by router advertisement. */
#define FIRST_AUTOMATIC_ORIGIN 2
#define LAST_AUTOMATIC_ORIGIN 4

/* One request to the IP Helper functions. The step is called without the GIL, inside the adapter;
 * it returns a Win32 code. */
typedef struct ip_request ip_request;
struct ip_request {
    DWORD (*step)(const shared_adapter *adapter, ip_request *request);
    ADDRESS_FAMILY family;
    const char *function; /* what the code came from */
    ULONG mtu;
    UCHAR address[IPV6_SIZE];
    UCHAR prefix_length;
    bool removed; /* it failed because the adapter is gone */
};

/* A function that neither the library nor the system has. */
#define REQUIRE(api, name)                                                                         \
    do {                                                                                           \
        request->function = #name;                                                                 \
        if ((api)->name == NULL) {                                                                 \
            return ERROR_PROC_NOT_FOUND;                                                           \
        }                                                                                          \
    } while (0)

/* --- Running a request ------------------------------------------------------------------------ */

static atom_u32 *
waited_flag(shared_adapter *adapter, ADDRESS_FAMILY family)
{
    return family == IP_HELPER_IPV4 ? &adapter->waited_ipv4 : &adapter->waited_ipv6;
}

/* False if the adapter is closed. */
static bool
run_step(shared_adapter *adapter, ip_request *request, DWORD *code)
{
    if (!adapter_enter(adapter)) {
        return false;
    }
    *code = request->step(adapter, request);
    /* By a code that says it, or one that is also that of a missing family or address. */
    request->removed =
        *code == ERROR_FILE_NOT_FOUND || (*code != ERROR_SUCCESS && adapter_is_removed(adapter));
    adapter_leave(adapter);
    return true;
}

/* Whether a request met no interface of its family, or no such address. */
static bool
is_missing(const ip_request *request, DWORD code)
{
    return code == ERROR_NOT_FOUND && !request->removed;
}

/* Runs the request, again and again while the interface is not there and until the deadline. False
 * with an exception set, if the adapter is closed or a signal handler raised one. */
static bool
run_until(PyObject *object, ip_request *request, int64_t deadline_ns, DWORD *code)
{
    shared_adapter *adapter = adapter_shared(object);
    bool open;
    int goes_on;
    do {
        Py_BEGIN_ALLOW_THREADS
        open = run_step(adapter, request, code);
        if (open && is_missing(request, *code) && platform_clock_ns() < deadline_ns) {
            platform_sleep_ns(RETRY_NS);
        }
        Py_END_ALLOW_THREADS
        if (!open) {
            (void)adapter_raise_closed(object);
            return false;
        }
        goes_on = is_missing(request, *code) ? wait_goes_on(OUTCOME_NOT_YET, deadline_ns) : 0;
    } while (goes_on > 0);
    return goes_on == 0;
}

/* Raises what a request came to. */
static PyObject *
raise_request_error(PyObject *object, const ip_request *request, DWORD code)
{
    if (request->removed) {
        return adapter_raise_removed(object, request->function, code);
    }
    if (code == ERROR_PROC_NOT_FOUND) {
        return raise_error_with_advice(request->function, code,
                                       "neither the library nor this system's iphlpapi.dll has "
                                       "this function, so adapters cannot be configured here");
    }
    if (code == ERROR_NOT_FOUND && request->family == IP_HELPER_IPV4) {
        return raise_error_with_advice(
            request->function, code,
            "the adapter has no IPv4 interface: enable 'Internet Protocol Version 4 (TCP/IPv4)' "
            "in its properties");
    }
    if (code == ERROR_NOT_FOUND && request->family == IP_HELPER_IPV6) {
        return raise_error_with_advice(
            request->function, code,
            "the adapter has no IPv6 interface: enable 'Internet Protocol Version 6 (TCP/IPv6)' "
            "in its properties, or use IPv4 alone");
    }
    return raise_error(request->function, code);
}

/* Runs a request that needs the interface of its family. */
static bool
run_on_interface(PyObject *object, ip_request *request)
{
    atom_u32 *waited = waited_flag(adapter_shared(object), request->family);
    int64_t deadline_ns = atom_u32_load(waited) != 0 ? 0 : platform_clock_ns() + FAMILY_WAIT_NS;
    DWORD code;
    if (!run_until(object, request, deadline_ns, &code)) {
        return false;
    }
    if (is_missing(request, code)) {
        atom_u32_store(waited, 1);
    }
    if (code != ERROR_SUCCESS) {
        (void)raise_request_error(object, request, code);
        return false;
    }
    atom_u32_store(waited, 0);
    return true;
}

/* --- MTU -------------------------------------------------------------------------------------- */

static DWORD
get_row(const shared_adapter *adapter, ip_request *request, MIB_IPINTERFACE_ROW *row)
{
    const IP_HELPER_API *api = &adapter->library->ip_helper;
    REQUIRE(api, InitializeIpInterfaceEntry);
    REQUIRE(api, GetIpInterfaceEntry);
    api->InitializeIpInterfaceEntry(row);
    row->Family = request->family;
    row->InterfaceLuid = adapter->luid;
    return api->GetIpInterfaceEntry(row);
}

static DWORD
get_mtu_step(const shared_adapter *adapter, ip_request *request)
{
    MIB_IPINTERFACE_ROW row;
    DWORD code = get_row(adapter, request, &row);
    if (code == ERROR_SUCCESS) {
        request->mtu = row.NlMtu;
    }
    return code;
}

static DWORD
set_mtu_step(const shared_adapter *adapter, ip_request *request)
{
    const IP_HELPER_API *api = &adapter->library->ip_helper;
    MIB_IPINTERFACE_ROW row;
    DWORD code = get_row(adapter, request, &row);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    REQUIRE(api, SetIpInterfaceEntry);
    row.NlMtu = request->mtu;
    if (request->family == IP_HELPER_IPV4) {
        row.SitePrefixLength = 0; /* SetIpInterfaceEntry refuses what it itself reads for IPv4 */
    }
    return api->SetIpInterfaceEntry(&row);
}

PyObject *
adapter_get_mtu(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"family", NULL};
    PyObject *values[1];
    ip_request request = {get_mtu_step, 0, NULL, 0, {0}, 0, false};
    if (!convert_arguments("get_mtu", names, 1, args, count, keywords, values) ||
        !convert_family(values[0], &request.family) || !run_on_interface(object, &request)) {
        return NULL;
    }
    return PyLong_FromUnsignedLong(request.mtu);
}

PyObject *
adapter_set_mtu(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"family", "mtu", NULL};
    PyObject *values[2];
    DWORD mtu;
    ip_request request = {set_mtu_step, 0, NULL, 0, {0}, 0, false};
    if (!convert_arguments("set_mtu", names, 2, args, count, keywords, values) ||
        !convert_family(values[0], &request.family)) {
        return NULL;
    }
    /* The smallest MTU that each protocol allows: RFC 791 and RFC 8200. */
    bool ipv4 = request.family == IP_HELPER_IPV4;
    if (!convert_integer(values[1], ipv4 ? "the IPv4 MTU" : "the IPv6 MTU", ipv4 ? 68 : 1280,
                         WINTUN_MAX_IP_PACKET_SIZE, &mtu)) {
        return NULL;
    }
    request.mtu = mtu;
    if (!run_on_interface(object, &request)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
adapter_wait_family(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"family", "timeout", NULL};
    PyObject *values[2];
    int64_t deadline_ns;
    DWORD code;
    ip_request request = {get_mtu_step, 0, NULL, 0, {0}, 0, false};
    if (!convert_arguments("wait_family", names, 2, args, count, keywords, values) ||
        !convert_family(values[0], &request.family) || !convert_timeout(values[1], &deadline_ns) ||
        !run_until(object, &request, deadline_ns, &code)) {
        return NULL;
    }
    if (code != ERROR_SUCCESS && !is_missing(&request, code)) {
        return raise_request_error(object, &request, code);
    }
    atom_u32_store(waited_flag(adapter_shared(object), request.family), code != ERROR_SUCCESS);
    return PyBool_FromLong(code == ERROR_SUCCESS);
}

/* --- Addresses -------------------------------------------------------------------------------- */

static UCHAR *
address_bytes(SOCKADDR_INET *address, size_t *size)
{
    if (address->si_family == IP_HELPER_IPV4) {
        *size = IPV4_SIZE;
        return (UCHAR *)&address->Ipv4.sin_addr;
    }
    *size = IPV6_SIZE;
    return (UCHAR *)&address->Ipv6.sin6_addr;
}

static void
fill_address_row(const shared_adapter *adapter, const ip_request *request,
                 MIB_UNICASTIPADDRESS_ROW *row)
{
    size_t size;
    adapter->library->ip_helper.InitializeUnicastIpAddressEntry(row);
    row->InterfaceLuid = adapter->luid;
    row->Address.si_family = request->family;
    row->OnLinkPrefixLength = request->prefix_length;
    /* Usable at once: on a point-to-point link there is nobody to have the same address. */
    row->DadState = IpDadStatePreferred;
    memcpy(address_bytes(&row->Address, &size), request->address,
           request->family == IP_HELPER_IPV4 ? IPV4_SIZE : IPV6_SIZE);
}

/* The row of the request's address in a table, or NULL. */
static MIB_UNICASTIPADDRESS_ROW *
find_address(const shared_adapter *adapter, const ip_request *request,
             MIB_UNICASTIPADDRESS_TABLE *table)
{
    for (ULONG i = 0; i < table->NumEntries; i++) {
        MIB_UNICASTIPADDRESS_ROW *row = &table->Table[i];
        size_t size;
        if (row->InterfaceLuid.Value == adapter->luid.Value &&
            row->Address.si_family == request->family &&
            memcmp(address_bytes(&row->Address, &size), request->address,
                   request->family == IP_HELPER_IPV4 ? IPV4_SIZE : IPV6_SIZE) == 0) {
            return row;
        }
    }
    return NULL;
}

/* The table of all adapters' addresses; freed with FreeMibTable. */
static DWORD
read_table(const shared_adapter *adapter, ADDRESS_FAMILY family, MIB_UNICASTIPADDRESS_TABLE **table)
{
    const IP_HELPER_API *api = &adapter->library->ip_helper;
    if (api->GetUnicastIpAddressTable == NULL || api->FreeMibTable == NULL) {
        return ERROR_PROC_NOT_FOUND;
    }
    *table = NULL;
    DWORD code = api->GetUnicastIpAddressTable(family, table);
    return code == ERROR_SUCCESS && *table == NULL ? ERROR_INVALID_DATA : code;
}

/* Whether the adapter has the address with this very prefix length already. */
static bool
has_address(const shared_adapter *adapter, const ip_request *request)
{
    MIB_UNICASTIPADDRESS_TABLE *table;
    if (read_table(adapter, request->family, &table) != ERROR_SUCCESS) {
        return false;
    }
    const MIB_UNICASTIPADDRESS_ROW *row = find_address(adapter, request, table);
    bool same = row != NULL && row->OnLinkPrefixLength == request->prefix_length;
    adapter->library->ip_helper.FreeMibTable(table);
    return same;
}

static DWORD
remove_address_step(const shared_adapter *adapter, ip_request *request)
{
    const IP_HELPER_API *api = &adapter->library->ip_helper;
    MIB_UNICASTIPADDRESS_ROW row;
    REQUIRE(api, InitializeUnicastIpAddressEntry);
    REQUIRE(api, DeleteUnicastIpAddressEntry);
    fill_address_row(adapter, request, &row);
    return api->DeleteUnicastIpAddressEntry(&row);
}

static DWORD
add_address_step(const shared_adapter *adapter, ip_request *request)
{
    const IP_HELPER_API *api = &adapter->library->ip_helper;
    MIB_UNICASTIPADDRESS_ROW row;
    REQUIRE(api, InitializeUnicastIpAddressEntry);
    REQUIRE(api, CreateUnicastIpAddressEntry);
    fill_address_row(adapter, request, &row);
    DWORD code = api->CreateUnicastIpAddressEntry(&row);
    if (code != ERROR_OBJECT_ALREADY_EXISTS) {
        return code;
    }
    if (has_address(adapter, request)) {
        return ERROR_SUCCESS;
    }
    code = remove_address_step(adapter, request);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    request->function = "CreateUnicastIpAddressEntry";
    return api->CreateUnicastIpAddressEntry(&row);
}

/* Packed bytes of either family into a request. */
static bool
convert_address(PyObject *value, ip_request *request)
{
    Py_ssize_t size = PyBytes_Check(value) ? PyBytes_Size(value) : 0;
    if (size != IPV4_SIZE && size != IPV6_SIZE) {
        PyErr_Format(PyBytes_Check(value) ? PyExc_ValueError : PyExc_TypeError,
                     "address must be 4 or 16 packed bytes, not %R", value);
        return false;
    }
    request->family = size == IPV4_SIZE ? IP_HELPER_IPV4 : IP_HELPER_IPV6;
    memcpy(request->address, PyBytes_AsString(value), (size_t)size);
    return true;
}

PyObject *
adapter_add_address(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"address", "prefix_length", NULL};
    PyObject *values[2];
    DWORD prefix_length;
    ip_request request = {add_address_step, 0, NULL, 0, {0}, 0, false};
    if (!convert_arguments("add_address", names, 2, args, count, keywords, values) ||
        !convert_address(values[0], &request) ||
        !convert_integer(values[1], "prefix_length", 0, request.family == IP_HELPER_IPV4 ? 32 : 128,
                         &prefix_length)) {
        return NULL;
    }
    request.prefix_length = (UCHAR)prefix_length;
    if (!run_on_interface(object, &request)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
adapter_remove_address(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"address", NULL};
    PyObject *values[1];
    DWORD code;
    ip_request request = {remove_address_step, 0, NULL, 0, {0}, 0, false};
    if (!convert_arguments("remove_address", names, 1, args, count, keywords, values) ||
        !convert_address(values[0], &request) || !run_until(object, &request, 0, &code)) {
        return NULL;
    }
    if (is_missing(&request, code)) {
        return raise_error_with_advice(request.function, code,
                                       "the adapter does not have this address");
    }
    if (code != ERROR_SUCCESS) {
        return raise_request_error(object, &request, code);
    }
    Py_RETURN_NONE;
}

static bool
append_address(PyObject *list, MIB_UNICASTIPADDRESS_ROW *row)
{
    size_t size;
    const UCHAR *bytes = address_bytes(&row->Address, &size);
    bool automatic =
        row->PrefixOrigin >= FIRST_AUTOMATIC_ORIGIN && row->PrefixOrigin <= LAST_AUTOMATIC_ORIGIN;
    PyObject *item = Py_BuildValue("(y#iO)", (const char *)bytes, (Py_ssize_t)size,
                                   (int)row->OnLinkPrefixLength, automatic ? Py_True : Py_False);
    if (item == NULL) {
        return false;
    }
    int failed = PyList_Append(list, item);
    Py_DECREF(item);
    return failed == 0;
}

static PyObject *
list_addresses(const shared_adapter *adapter, MIB_UNICASTIPADDRESS_TABLE *table)
{
    PyObject *list = PyList_New(0);
    for (ULONG i = 0; list != NULL && i < table->NumEntries; i++) {
        if (table->Table[i].InterfaceLuid.Value == adapter->luid.Value &&
            !append_address(list, &table->Table[i])) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* Reads the table, which has nothing of an adapter that was removed: that is ERROR_NOT_FOUND then.
 * False if the adapter is closed. */
static bool
get_table(shared_adapter *adapter, ip_request *request, MIB_UNICASTIPADDRESS_TABLE **table,
          DWORD *code)
{
    if (!adapter_enter(adapter)) {
        return false;
    }
    *code = read_table(adapter, request->family, table);
    request->removed = adapter_is_removed(adapter);
    if (*code == ERROR_SUCCESS && request->removed) {
        adapter->library->ip_helper.FreeMibTable(*table);
        *code = ERROR_NOT_FOUND;
    }
    adapter_leave(adapter);
    return true;
}

/* Whether a family is the one that stands for both. */
static bool
is_zero(PyObject *family)
{
    return PyLong_CheckExact(family) && PyObject_Not(family) == 1;
}

PyObject *
adapter_get_addresses(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"family", NULL};
    ip_request request = {NULL, 0, "GetUnicastIpAddressTable", 0, {0}, 0, false};
    shared_adapter *adapter = adapter_shared(object);
    MIB_UNICASTIPADDRESS_TABLE *table = NULL;
    PyObject *values[1];
    bool open;
    DWORD code = 0;
    if (!convert_arguments("get_addresses", names, 0, args, count, keywords, values) ||
        (values[0] != NULL && !is_zero(values[0]) && !convert_family(values[0], &request.family))) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    open = get_table(adapter, &request, &table, &code);
    Py_END_ALLOW_THREADS
    if (!open) {
        return adapter_raise_closed(object);
    }
    if (is_missing(&request, code)) {
        return PyList_New(0); /* Windows' answer where no adapter has an address of the family */
    }
    if (code != ERROR_SUCCESS) {
        return raise_request_error(object, &request, code);
    }
    PyObject *list = list_addresses(adapter, table);
    Py_BEGIN_ALLOW_THREADS
    adapter->library->ip_helper.FreeMibTable(table);
    Py_END_ALLOW_THREADS
    return list;
}

/* --- Name, index and GUID --------------------------------------------------------------------- */

static DWORD
get_alias(shared_adapter *adapter, WCHAR *alias)
{
    const IP_HELPER_API *api = &adapter->library->ip_helper;
    DWORD code = ERROR_PROC_NOT_FOUND;
    if (api->ConvertInterfaceLuidToAlias != NULL && adapter_enter(adapter)) {
        code = api->ConvertInterfaceLuidToAlias(&adapter->luid, alias, IF_MAX_STRING_SIZE + 1);
        adapter_leave(adapter);
    }
    return code;
}

PyObject *
adapter_get_name(PyObject *object, void *closure)
{
    WCHAR alias[IF_MAX_STRING_SIZE + 1];
    DWORD code;
    (void)closure;
    Py_BEGIN_ALLOW_THREADS
    code = get_alias(adapter_shared(object), alias);
    Py_END_ALLOW_THREADS
    if (code != ERROR_SUCCESS) {
        return adapter_given_name(object);
    }
    return string_from_utf16(alias, IF_MAX_STRING_SIZE);
}

static PyObject *
raise_luid_error(PyObject *object, const char *function, DWORD code)
{
    /* The arguments are valid, so this is the answer to a LUID that no interface has. */
    return code == ERROR_INVALID_PARAMETER ? adapter_raise_removed(object, function, code)
                                           : raise_error(function, code);
}

static DWORD
get_index(shared_adapter *adapter, NET_IFINDEX *index)
{
    const IP_HELPER_API *api = &adapter->library->ip_helper;
    DWORD code = ERROR_PROC_NOT_FOUND;
    if (!adapter_enter(adapter)) {
        return ERROR_INVALID_HANDLE;
    }
    if (api->ConvertInterfaceLuidToIndex != NULL) {
        code = api->ConvertInterfaceLuidToIndex(&adapter->luid, index);
    }
    adapter_leave(adapter);
    return code;
}

PyObject *
adapter_get_index(PyObject *object, void *closure)
{
    NET_IFINDEX index = 0;
    DWORD code;
    (void)closure;
    Py_BEGIN_ALLOW_THREADS
    code = get_index(adapter_shared(object), &index);
    Py_END_ALLOW_THREADS
    if (code == ERROR_INVALID_HANDLE) {
        return adapter_raise_closed(object);
    }
    return code == ERROR_SUCCESS ? PyLong_FromUnsignedLong(index)
                                 : raise_luid_error(object, "ConvertInterfaceLuidToIndex", code);
}

static DWORD
get_guid(shared_adapter *adapter, GUID *guid)
{
    const IP_HELPER_API *api = &adapter->library->ip_helper;
    DWORD code = ERROR_PROC_NOT_FOUND;
    if (!adapter_enter(adapter)) {
        return ERROR_INVALID_HANDLE;
    }
    if (api->ConvertInterfaceLuidToGuid != NULL) {
        code = api->ConvertInterfaceLuidToGuid(&adapter->luid, guid);
    }
    adapter_leave(adapter);
    return code;
}

PyObject *
adapter_get_guid(PyObject *object, void *closure)
{
    GUID guid;
    DWORD code;
    (void)closure;
    Py_BEGIN_ALLOW_THREADS
    code = get_guid(adapter_shared(object), &guid);
    Py_END_ALLOW_THREADS
    if (code == ERROR_INVALID_HANDLE) {
        return adapter_raise_closed(object);
    }
    return code == ERROR_SUCCESS
               ? PyBytes_FromStringAndSize((const char *)&guid, (Py_ssize_t)sizeof(guid))
               : raise_luid_error(object, "ConvertInterfaceLuidToGuid", code);
}
