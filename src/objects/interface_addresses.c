/* SPDX-License-Identifier: MIT
 *
 * The unicast addresses of an adapter.
 */
#include "interface.h"

#include "interface_request.h"

#include <string.h>

/* NL_PREFIX_ORIGIN (nldef.h): well-known, by DHCP and by router advertisement. */
#define FIRST_AUTOMATIC_ORIGIN 2
#define LAST_AUTOMATIC_ORIGIN 4

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
    if (!interface_run(object, &request)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Raises that the adapter does not have an address, given as its packed bytes. */
static PyObject *
raise_no_address(PyObject *adapter, const char *function, DWORD code, PyObject *packed)
{
    PyObject *ipaddress = PyImport_ImportModule("ipaddress");
    PyObject *address =
        ipaddress != NULL ? PyObject_CallMethod(ipaddress, "ip_address", "O", packed) : NULL;
    PyObject *advice =
        address != NULL ? PyUnicode_FromFormat("the adapter does not have the address %S", address)
                        : NULL;
    const char *text = advice != NULL ? PyUnicode_AsUTF8AndSize(advice, NULL) : NULL;
    if (text != NULL) {
        PyObject *name = adapter_given_name(adapter);
        (void)raise_error_of(function, code, name, text);
        Py_DECREF(name);
    }
    Py_XDECREF(advice);
    Py_XDECREF(address);
    Py_XDECREF(ipaddress);
    return NULL;
}

PyObject *
adapter_remove_address(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"address", NULL};
    PyObject *values[1];
    DWORD code;
    ip_request request = {remove_address_step, 0, NULL, 0, {0}, 0, false};
    if (!convert_arguments("remove_address", names, 1, args, count, keywords, values) ||
        !convert_address(values[0], &request) || !interface_run_until(object, &request, 0, &code)) {
        return NULL;
    }
    if (code == ERROR_NOT_FOUND && !request.removed) {
        return raise_no_address(object, request.function, code, values[0]);
    }
    if (code != ERROR_SUCCESS) {
        return interface_raise(object, &request, code);
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
    if (interface_is_missing(&request, code)) {
        return PyList_New(0); /* Windows' answer where no adapter has an address of the family */
    }
    if (code != ERROR_SUCCESS) {
        return interface_raise(object, &request, code);
    }
    PyObject *list = list_addresses(adapter, table);
    Py_BEGIN_ALLOW_THREADS
    adapter->library->ip_helper.FreeMibTable(table);
    Py_END_ALLOW_THREADS
    return list;
}
