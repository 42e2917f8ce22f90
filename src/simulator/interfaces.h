/* SPDX-License-Identifier: MIT
 *
 * The IP interfaces of one adapter, one for each family: MTU, metric and addresses, as the IP
 * Helper functions show them. Thread-safe; its lock is a leaf.
 */
#ifndef SIMULATOR_INTERFACES_H
#define SIMULATOR_INTERFACES_H

#include "platform/atomics.h"
#include "ip_helper.h"
#include "platform/platform.h"
#include "settings.h"

/* Where an address' prefix and suffix come from (NL_PREFIX_ORIGIN, NL_SUFFIX_ORIGIN): numbers, for
 * they are enumerations on Windows alone. A caller that does not say leaves "unchanged", and its
 * new address is a manual one. */
#define ORIGIN_MANUAL 1
#define ORIGIN_WELL_KNOWN 2
#define ORIGIN_UNCHANGED 16

/* OnLinkPrefixLength of a caller that does not say: the length of the address. */
#define PREFIX_LENGTH_UNSET 255

typedef struct interfaces {
    platform_mutex lock;
    NET_LUID luid;
    NET_IFINDEX index;
    int64_t created_ns;
    atom_u32 delay_ms[SETTINGS_FAMILIES];
    atom_u32 up;       /* a session is there */
    atom_u32 disabled; /* no interface is there */
    ULONG mtu[SETTINGS_FAMILIES];
    ULONG metric[SETTINGS_FAMILIES];
    BOOLEAN automatic_metric[SETTINGS_FAMILIES];
    MIB_UNICASTIPADDRESS_ROW *addresses;
    size_t count;
    size_t capacity;
} interfaces;

/* The index of a family's number in the arrays above; SETTINGS_FAMILIES if it is neither. */
int interfaces_family(ADDRESS_FAMILY family);

/* False if there is no memory. */
bool interfaces_init(interfaces *all, NET_LUID luid, NET_IFINDEX index, const DWORD *delay_ms);
void interfaces_destroy(interfaces *all);

/* Whether the system has the stack of a family (SETTINGS_IPV4 or SETTINGS_IPV6); it has both unless
 * a test takes one away. */
bool interfaces_has_stack(int family);
void interfaces_set_stack(int family, bool present);

/* Takes the interfaces of an adapter that is disabled, with what was set on them, or gives them
 * back as new. */
void interfaces_set_enabled(interfaces *all, bool enabled);

/* Nanoseconds until a family's interface is there: 0 if it is, negative if it will never be. */
int64_t interfaces_ready_in_ns(interfaces *all, int family);

/* As the IP Helper functions do, with their codes; row->Family is 2 or 23. */
DWORD interfaces_get(interfaces *all, MIB_IPINTERFACE_ROW *row);
DWORD interfaces_set(interfaces *all, const MIB_IPINTERFACE_ROW *row);
DWORD interfaces_add_address(interfaces *all, const MIB_UNICASTIPADDRESS_ROW *row);
DWORD interfaces_remove_address(interfaces *all, const MIB_UNICASTIPADDRESS_ROW *row);

/* The bytes of an address, 4 or 16. */
const UCHAR *interfaces_address_bytes(const MIB_UNICASTIPADDRESS_ROW *row);

/* Calls visit for each address of a family that is there (0: of both). Visit must not call back. */
typedef void (*interfaces_visitor)(void *context, const MIB_UNICASTIPADDRESS_ROW *row);
void interfaces_visit(interfaces *all, ADDRESS_FAMILY family, interfaces_visitor visit,
                      void *context);

/* Whether address (4 or 16 bytes) is one of the adapter's. */
bool interfaces_has_address(interfaces *all, ADDRESS_FAMILY family, const UCHAR *address);

/* Stores the link-local IPv6 address. */
void interfaces_link_local(interfaces *all, UCHAR address[16]);

#endif
