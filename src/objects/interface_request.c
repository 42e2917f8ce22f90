/* SPDX-License-Identifier: MIT
 *
 * Requests to the IP Helper functions: running them, waiting for an interface, and what their codes
 * mean.
 */
#include "interface.h"

#include "interface_request.h"

#include "codes.h"

/* How long an interface is waited for: once an adapter and family. Where a family was missing from
 * an adapter to the end, as where it is switched off in the registry, the process's further
 * adapters are given less, until one of them has it. */
#define FIRST_WAIT_NS INT64_C(5000000000)
#define FURTHER_WAIT_NS INT64_C(500000000)
#define RETRY_NS INT64_C(20000000)

/* Families that were waited for in vain: IPv4, IPv6. */
static atom_u32 missing[2];

static size_t
family_slot(ADDRESS_FAMILY family)
{
    return family == IP_HELPER_IPV4 ? 0 : 1;
}

static atom_u32 *
waited_flag(shared_adapter *adapter, ADDRESS_FAMILY family)
{
    return family == IP_HELPER_IPV4 ? &adapter->waited_ipv4 : &adapter->waited_ipv6;
}

/* How long the adapter's interface of a family is waited for now. */
static int64_t
family_patience(shared_adapter *adapter, ADDRESS_FAMILY family)
{
    if (atom_u32_load(waited_flag(adapter, family)) != 0) {
        return 0;
    }
    return atom_u32_load(&missing[family_slot(family)]) != 0 ? FURTHER_WAIT_NS : FIRST_WAIT_NS;
}

/* Notes how a wait for an interface ended; whole: it lasted about as long as family_patience said.
 */
static void
note_family(shared_adapter *adapter, ADDRESS_FAMILY family, bool is_there, bool whole)
{
    atom_u32_store(waited_flag(adapter, family), is_there ? 0 : 1);
    if (is_there || whole) {
        atom_u32_store(&missing[family_slot(family)], is_there ? 0 : 1);
    }
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
    request->removed = *code != ERROR_SUCCESS &&
                       (code_is_removal(request->function, *code) || adapter_is_removed(adapter));
    adapter_leave(adapter);
    return true;
}

bool
interface_run_until(PyObject *object, ip_request *request, int64_t deadline_ns, DWORD *code)
{
    shared_adapter *adapter = adapter_shared(object);
    bool open;
    bool last;
    do {
        Py_BEGIN_ALLOW_THREADS
        /* Before the step: a thread that gets its turn late has looked after the deadline, too. */
        last = deadline_ns == 0 || platform_clock_ns() >= deadline_ns;
        open = run_step(adapter, request, code);
        last = last || !open || !interface_is_missing(request, *code);
        if (!last) {
            platform_sleep_ns(RETRY_NS);
        }
        Py_END_ALLOW_THREADS
        if (!last && PyErr_CheckSignals() != 0) {
            return false;
        }
    } while (!last);
    if (!open) {
        (void)adapter_raise_closed(object);
    }
    return open;
}

PyObject *
interface_raise(PyObject *adapter, const ip_request *request, DWORD code)
{
    const char *advice = NULL;
    if (request->removed) {
        return adapter_raise_removed(adapter, request->function, code);
    }
    if (code == ERROR_PROC_NOT_FOUND) {
        advice = "neither the library nor this system's iphlpapi.dll has this function, so "
                 "adapters cannot be configured here";
    } else if (family_is_missing(code) && request->family == IP_HELPER_IPV4) {
        advice = "the adapter has no IPv4 interface: enable 'Internet Protocol Version 4 "
                 "(TCP/IPv4)' in its properties";
    } else if (family_is_missing(code) && request->family == IP_HELPER_IPV6) {
        advice = "the adapter has no IPv6 interface: enable 'Internet Protocol Version 6 "
                 "(TCP/IPv6)' in its properties; if it is enabled there, the registry switches it "
                 "off (DisabledComponents in HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\"
                 "Services\\Tcpip6\\Parameters, which needs a restart); or use IPv4 alone";
    }
    PyObject *name = adapter_given_name(adapter);
    if (advice != NULL && family_is_missing(code)) {
        code = ERROR_NOT_FOUND; /* one code for one thing, whichever way Windows says it */
    }
    (void)raise_error_of(request->function, code, name, advice);
    Py_DECREF(name);
    return NULL;
}

bool
interface_run(PyObject *object, ip_request *request)
{
    shared_adapter *adapter = adapter_shared(object);
    int64_t patience_ns = family_patience(adapter, request->family);
    int64_t deadline_ns = patience_ns == 0 ? 0 : platform_clock_ns() + patience_ns;
    DWORD code;
    if (!interface_run_until(object, request, deadline_ns, &code)) {
        return false;
    }
    if (code == ERROR_SUCCESS || interface_is_missing(request, code)) {
        note_family(adapter, request->family, code == ERROR_SUCCESS, patience_ns > 0);
    }
    if (code != ERROR_SUCCESS) {
        (void)interface_raise(object, request, code);
    }
    return code == ERROR_SUCCESS;
}

static DWORD
look_for_interface(const shared_adapter *adapter, ip_request *request)
{
    const IP_HELPER_API *api = &adapter->library->ip_helper;
    MIB_IPINTERFACE_ROW row;
    REQUIRE(api, InitializeIpInterfaceEntry);
    REQUIRE(api, GetIpInterfaceEntry);
    api->InitializeIpInterfaceEntry(&row);
    row.Family = request->family;
    row.InterfaceLuid = adapter->luid;
    return api->GetIpInterfaceEntry(&row);
}

/* Waits for an interface until the deadline; with patience at most as long as the calls that need
 * it. Returns whether it is there, NULL with an exception set. */
static PyObject *
wait_for_interface(PyObject *object, ADDRESS_FAMILY family, int64_t deadline_ns, bool with_patience)
{
    shared_adapter *adapter = adapter_shared(object);
    ip_request request = {look_for_interface, family, NULL, 0, {0}, 0, false};
    int64_t patience_ns = family_patience(adapter, family);
    int64_t now_ns = platform_clock_ns();
    int64_t patient_until_ns = patience_ns == 0 ? 0 : now_ns + patience_ns;
    /* Nearly: the caller's time began to run before this call. */
    bool whole = patience_ns > 0 && deadline_ns >= now_ns + patience_ns / 10 * 9;
    DWORD code;
    if (with_patience && patient_until_ns < deadline_ns) {
        deadline_ns = patient_until_ns;
    }
    if (!interface_run_until(object, &request, deadline_ns, &code)) {
        return NULL;
    }
    if (code != ERROR_SUCCESS && !interface_is_missing(&request, code)) {
        return interface_raise(object, &request, code);
    }
    note_family(adapter, family, code == ERROR_SUCCESS, whole);
    return PyBool_FromLong(code == ERROR_SUCCESS);
}

PyObject *
adapter_wait_family(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"family", "timeout", NULL};
    PyObject *values[2];
    ADDRESS_FAMILY family;
    int64_t deadline_ns;
    if (!convert_arguments("wait_family", names, 2, args, count, keywords, values) ||
        !convert_family(values[0], &family) || !convert_timeout(values[1], &deadline_ns)) {
        return NULL;
    }
    return wait_for_interface(object, family, deadline_ns, false);
}

PyObject *
adapter_has_family(PyObject *object, arguments args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"family", "timeout", NULL};
    PyObject *values[2];
    ADDRESS_FAMILY family;
    int64_t deadline_ns;
    if (!convert_arguments("_has_family", names, 2, args, count, keywords, values) ||
        !convert_family(values[0], &family) || !convert_timeout(values[1], &deadline_ns)) {
        return NULL;
    }
    return wait_for_interface(object, family, deadline_ns, true);
}
