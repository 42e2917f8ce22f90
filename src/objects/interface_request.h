/* SPDX-License-Identifier: MIT
 *
 * Requests to the IP Helper functions about an adapter's IP interfaces. Files of their own make
 * them: interface_mtu.c, interface_addresses.c, interface_identity.c.
 *
 * A new adapter's interface of each family can take a moment to appear; until then, and for good
 * where the family is switched off, the functions say that it is missing. So a call that meets this
 * tries again for a while (family_patience).
 */
#ifndef INTERFACE_REQUEST_H
#define INTERFACE_REQUEST_H

#include "adapter_object.h"
#include "convert.h"
#include "errors.h"

#define IPV4_SIZE 4
#define IPV6_SIZE 16

/* One request. The step is called without the GIL, inside the adapter; it returns a Win32 code. */
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

/* Notes in a step which function comes next; leaves the step where neither the library nor the
 * system has it. */
#define REQUIRE(api, name)                                                                         \
    do {                                                                                           \
        request->function = #name;                                                                 \
        if ((api)->name == NULL) {                                                                 \
            return ERROR_PROC_NOT_FOUND;                                                           \
        }                                                                                          \
    } while (0)

/* Whether a code says that the adapter has no interface of the family: it is not there (yet), or
 * the system has no stack of that family at all. */
static inline bool
family_is_missing(DWORD code)
{
    return code == ERROR_NOT_FOUND || code == ERROR_NOT_SUPPORTED;
}

/* Whether a request met no interface of its family, or no such address. */
static inline bool
interface_is_missing(const ip_request *request, DWORD code)
{
    return family_is_missing(code) && !request->removed;
}

/* Runs the request, again and again while the interface is missing and until the deadline. False
 * with an exception set, if the adapter is closed or a signal handler raised one. */
bool interface_run_until(PyObject *adapter, ip_request *request, int64_t deadline_ns, DWORD *code);

/* Runs a request that needs the interface of its family, and waits for that. False with an
 * exception set, if it failed. */
bool interface_run(PyObject *adapter, ip_request *request);

/* Raises what a request came to. */
PyObject *interface_raise(PyObject *adapter, const ip_request *request, DWORD code);

#endif
