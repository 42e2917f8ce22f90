/* SPDX-License-Identifier: MIT
 *
 * The MTU of an adapter's IP interfaces.
 */
#include "interface.h"

#include "interface_request.h"

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

/* Reads the whole row and writes it back, as the programs of the WireGuard project do: a row of
 * InitializeIpInterfaceEntry with the MTU alone would not undo what somebody else changes between
 * the two calls, but nobody has shown that Windows takes such a row for IPv4, whose
 * SitePrefixLength it refuses even as it reads it. */
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
        !convert_family(values[0], &request.family) || !interface_run(object, &request)) {
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
    if (!interface_run(object, &request)) {
        return NULL;
    }
    Py_RETURN_NONE;
}
