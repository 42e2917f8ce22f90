/* SPDX-License-Identifier: MIT
 *
 * The IP interfaces of one adapter.
 */
#include "interfaces.h"

#include <stdlib.h>
#include <string.h>

#include "global.h"

#define NS_PER_MS INT64_C(1000000)

/* Limits of NlMtu by family, inclusive. */
static const ULONG min_mtu[SETTINGS_FAMILIES] = {68, 1280};
#define MAX_MTU 65535

/* What an interface has that nobody has set, and what "do not change this" looks like. */
#define DEFAULT_METRIC 5
#define UNCHANGED 0xFFFFFFFF

#define INFINITE_LIFETIME 0xFFFFFFFF

/* Of NL_SUFFIX_ORIGIN. */
#define SUFFIX_ORIGIN_RANDOM 5

int
interfaces_family(ADDRESS_FAMILY family)
{
    return family == IP_HELPER_IPV4   ? SETTINGS_IPV4
           : family == IP_HELPER_IPV6 ? SETTINGS_IPV6
                                      : SETTINGS_FAMILIES;
}

const UCHAR *
interfaces_address_bytes(const MIB_UNICASTIPADDRESS_ROW *row)
{
    return row->Address.si_family == IP_HELPER_IPV4 ? (const UCHAR *)&row->Address.Ipv4.sin_addr
                                                    : (const UCHAR *)&row->Address.Ipv6.sin6_addr;
}

static size_t
address_size(ADDRESS_FAMILY family)
{
    return family == IP_HELPER_IPV4 ? 4 : 16;
}

/* --- Families -------------------------------------------------------------------------------- */

static atom_u32 absent_stacks[SETTINGS_FAMILIES];

bool
interfaces_has_stack(int family)
{
    return family < SETTINGS_FAMILIES && atom_u32_load(&absent_stacks[family]) == 0;
}

void
interfaces_set_stack(int family, bool present)
{
    atom_u32_store(&absent_stacks[family], present ? 0 : 1);
}

int64_t
interfaces_ready_in_ns(interfaces *all, int family)
{
    if (!interfaces_has_stack(family) || atom_u32_load(&all->disabled) != 0) {
        return -1;
    }
    uint32_t delay_ms = atom_u32_load(&all->delay_ms[family]);
    if (delay_ms == 0) {
        return 0;
    }
    if (delay_ms == SETTINGS_NEVER) {
        return -1;
    }
    int64_t left = all->created_ns + (int64_t)delay_ms * NS_PER_MS - platform_clock_ns();
    return left > 0 ? left : 0;
}

static DWORD
check_ready(interfaces *all, ADDRESS_FAMILY family)
{
    return interfaces_ready_in_ns(all, interfaces_family(family)) == 0 ? ERROR_SUCCESS
                                                                       : ERROR_NOT_FOUND;
}

/* Without the family's stack an address cannot be one at all. */
static DWORD
check_ready_for_address(interfaces *all, ADDRESS_FAMILY family)
{
    return interfaces_has_stack(interfaces_family(family)) ? check_ready(all, family)
                                                           : ERROR_NOT_SUPPORTED;
}

/* --- Rows ------------------------------------------------------------------------------------ */

static void
fill_row(MIB_IPINTERFACE_ROW *row, ADDRESS_FAMILY family)
{
    memset(row, 0, sizeof(*row));
    row->Family = family;
    row->MaxReassemblySize = MAX_MTU;
    row->MinRouterAdvertisementInterval = 200;
    row->MaxRouterAdvertisementInterval = 600;
    row->UseNeighborUnreachabilityDetection = TRUE;
    row->DadTransmits = family == IP_HELPER_IPV4 ? 3 : 1;
    row->BaseReachableTime = 30000;
    row->RetransmitTime = 1000;
    row->PathMtuDiscoveryTimeout = 600000;
    row->LinkLocalAddressTimeout = 6500;
    row->SupportsRouterDiscovery = family == IP_HELPER_IPV6;
    row->ReachableTime = 30000;
    /* Windows gives 64 for IPv4, too, and does not take it back: see interfaces_set. */
    row->SitePrefixLength = 64;
}

DWORD
interfaces_get(interfaces *all, MIB_IPINTERFACE_ROW *row)
{
    DWORD code = check_ready(all, row->Family);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    int family = interfaces_family(row->Family);
    fill_row(row, row->Family);
    platform_mutex_lock(&all->lock);
    row->InterfaceLuid = all->luid;
    row->InterfaceIndex = all->index;
    row->UseAutomaticMetric = all->automatic_metric[family];
    row->Metric = all->metric[family];
    row->NlMtu = all->mtu[family];
    platform_mutex_unlock(&all->lock);
    row->Connected = atom_u32_load(&all->up) != 0;
    return ERROR_SUCCESS;
}

DWORD
interfaces_set(interfaces *all, const MIB_IPINTERFACE_ROW *row)
{
    DWORD code = check_ready(all, row->Family);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    int family = interfaces_family(row->Family);
    bool has_mtu = row->NlMtu != UNCHANGED;
    if (has_mtu && (row->NlMtu < min_mtu[family] || row->NlMtu > MAX_MTU)) {
        return ERROR_INVALID_PARAMETER;
    }
    if (family == SETTINGS_IPV4 ? row->SitePrefixLength != 0 : row->SitePrefixLength > 128) {
        return ERROR_INVALID_PARAMETER;
    }
    platform_mutex_lock(&all->lock);
    if (has_mtu) {
        all->mtu[family] = row->NlMtu;
    }
    if (row->Metric != UNCHANGED) {
        all->automatic_metric[family] = row->UseAutomaticMetric;
        all->metric[family] = row->UseAutomaticMetric ? DEFAULT_METRIC : row->Metric;
    }
    platform_mutex_unlock(&all->lock);
    return ERROR_SUCCESS;
}

/* --- Addresses ------------------------------------------------------------------------------- */

/* Needs the lock. NULL if the address is not there. */
static MIB_UNICASTIPADDRESS_ROW *
find(interfaces *all, ADDRESS_FAMILY family, const UCHAR *address)
{
    for (size_t i = 0; i < all->count; i++) {
        MIB_UNICASTIPADDRESS_ROW *row = &all->addresses[i];
        if (row->Address.si_family == family &&
            memcmp(interfaces_address_bytes(row), address, address_size(family)) == 0) {
            return row;
        }
    }
    return NULL;
}

/* Needs the lock. */
static DWORD
append(interfaces *all, const MIB_UNICASTIPADDRESS_ROW *row)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity * 2 + 4;
        MIB_UNICASTIPADDRESS_ROW *grown = realloc(all->addresses, capacity * sizeof(*grown));
        if (grown == NULL) {
            return ERROR_NOT_ENOUGH_MEMORY;
        }
        all->addresses = grown;
        all->capacity = capacity;
    }
    MIB_UNICASTIPADDRESS_ROW *added = &all->addresses[all->count++];
    *added = *row;
    added->InterfaceLuid = all->luid;
    added->InterfaceIndex = all->index;
    added->DadState = IpDadStatePreferred;
    return ERROR_SUCCESS;
}

/* Whether it may be one host's address: not all zeros, multicast or broadcast. */
static bool
is_unicast(ADDRESS_FAMILY family, const UCHAR *address)
{
    static const UCHAR zeros[16];
    if (memcmp(address, zeros, address_size(family)) == 0) {
        return false;
    }
    return family == IP_HELPER_IPV4 ? address[0] < 224 : address[0] != 0xFF;
}

DWORD
interfaces_add_address(interfaces *all, const MIB_UNICASTIPADDRESS_ROW *row)
{
    ADDRESS_FAMILY family = row->Address.si_family;
    UCHAR longest = family == IP_HELPER_IPV4 ? 32 : 128;
    const UCHAR *address = interfaces_address_bytes(row);
    DWORD code = check_ready_for_address(all, family);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    MIB_UNICASTIPADDRESS_ROW added = *row;
    if (added.OnLinkPrefixLength == PREFIX_LENGTH_UNSET) {
        added.OnLinkPrefixLength = longest;
    }
    if (added.OnLinkPrefixLength > longest || !is_unicast(family, address)) {
        return ERROR_INVALID_PARAMETER;
    }
    if ((int)added.PrefixOrigin == ORIGIN_UNCHANGED) {
        added.PrefixOrigin = ORIGIN_MANUAL;
    }
    if ((int)added.SuffixOrigin == ORIGIN_UNCHANGED) {
        added.SuffixOrigin = ORIGIN_MANUAL;
    }
    platform_mutex_lock(&all->lock);
    code = find(all, family, address) != NULL ? ERROR_OBJECT_ALREADY_EXISTS : append(all, &added);
    platform_mutex_unlock(&all->lock);
    return code;
}

DWORD
interfaces_remove_address(interfaces *all, const MIB_UNICASTIPADDRESS_ROW *row)
{
    ADDRESS_FAMILY family = row->Address.si_family;
    DWORD code = check_ready_for_address(all, family);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    platform_mutex_lock(&all->lock);
    MIB_UNICASTIPADDRESS_ROW *found = find(all, family, interfaces_address_bytes(row));
    if (found != NULL) {
        size_t behind = all->count - 1 - (size_t)(found - all->addresses);
        memmove(found, found + 1, behind * sizeof(*found));
        all->count--;
    }
    platform_mutex_unlock(&all->lock);
    return found != NULL ? ERROR_SUCCESS : ERROR_NOT_FOUND;
}

void
interfaces_visit(interfaces *all, ADDRESS_FAMILY family, interfaces_visitor visit, void *context)
{
    platform_mutex_lock(&all->lock);
    for (size_t i = 0; i < all->count; i++) {
        ADDRESS_FAMILY own = all->addresses[i].Address.si_family;
        if ((family == IP_HELPER_UNSPEC || family == own) &&
            interfaces_ready_in_ns(all, interfaces_family(own)) == 0) {
            visit(context, &all->addresses[i]);
        }
    }
    platform_mutex_unlock(&all->lock);
}

bool
interfaces_has_address(interfaces *all, ADDRESS_FAMILY family, const UCHAR *address)
{
    if (check_ready(all, family) != ERROR_SUCCESS) {
        return false;
    }
    platform_mutex_lock(&all->lock);
    bool has = find(all, family, address) != NULL;
    platform_mutex_unlock(&all->lock);
    return has;
}

void
interfaces_link_local(interfaces *all, UCHAR address[16])
{
    platform_mutex_lock(&all->lock);
    memset(address, 0, 16);
    for (size_t i = 0; i < all->count; i++) {
        const MIB_UNICASTIPADDRESS_ROW *row = &all->addresses[i];
        if (row->Address.si_family == IP_HELPER_IPV6 &&
            (int)row->PrefixOrigin == ORIGIN_WELL_KNOWN) {
            memcpy(address, interfaces_address_bytes(row), 16);
            break;
        }
    }
    platform_mutex_unlock(&all->lock);
}

/* --- The whole ------------------------------------------------------------------------------- */

static DWORD
add_link_local(interfaces *all)
{
    MIB_UNICASTIPADDRESS_ROW row;
    UCHAR address[16] = {0xFE, 0x80};
    uint64_t identifier = global_random();
    memcpy(&address[8], &identifier, sizeof(identifier));
    address[8] &= 0xFD; /* not one that an administrator made universally unique */
    memset(&row, 0, sizeof(row));
    row.Address.si_family = IP_HELPER_IPV6;
    memcpy(&row.Address.Ipv6.sin6_addr, address, sizeof(address));
    row.Address.Ipv6.sin6_scope_id = all->index;
    row.PrefixOrigin = ORIGIN_WELL_KNOWN;
    row.SuffixOrigin = SUFFIX_ORIGIN_RANDOM;
    row.OnLinkPrefixLength = 64;
    row.ValidLifetime = INFINITE_LIFETIME;
    row.PreferredLifetime = INFINITE_LIFETIME;
    return append(all, &row);
}

static void
set_defaults(interfaces *all)
{
    for (int family = 0; family < SETTINGS_FAMILIES; family++) {
        all->mtu[family] = MAX_MTU;
        all->metric[family] = DEFAULT_METRIC;
        all->automatic_metric[family] = TRUE;
    }
}

void
interfaces_set_enabled(interfaces *all, bool enabled)
{
    platform_mutex_lock(&all->lock);
    if (!enabled) {
        size_t kept = 0;
        for (size_t i = 0; i < all->count; i++) {
            if ((int)all->addresses[i].PrefixOrigin != ORIGIN_MANUAL) {
                all->addresses[kept++] = all->addresses[i];
            }
        }
        all->count = kept;
        set_defaults(all);
    }
    atom_u32_store(&all->disabled, enabled ? 0 : 1);
    platform_mutex_unlock(&all->lock);
}

bool
interfaces_init(interfaces *all, NET_LUID luid, NET_IFINDEX index, const DWORD *delay_ms)
{
    memset(all, 0, sizeof(*all));
    platform_mutex_init(&all->lock);
    all->luid = luid;
    all->index = index;
    all->created_ns = platform_clock_ns();
    for (int family = 0; family < SETTINGS_FAMILIES; family++) {
        atom_u32_store(&all->delay_ms[family], delay_ms[family]);
    }
    set_defaults(all);
    return add_link_local(all) == ERROR_SUCCESS;
}

void
interfaces_destroy(interfaces *all)
{
    free(all->addresses);
    platform_mutex_destroy(&all->lock);
}
