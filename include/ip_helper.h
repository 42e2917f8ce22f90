/* SPDX-License-Identifier: MIT
 *
 * The IP Helper functions (netioapi.h) that configure an adapter's IP interfaces, and their
 * structures. An adapter's own library is asked for them first, iphlpapi.dll second, so the
 * simulator can serve the same calls. They return a Win32 code, ERROR_SUCCESS on success.
 *
 * Address families carry Windows' numbers on every system: IP_HELPER_IPV4 and IP_HELPER_IPV6.
 */
#ifndef IP_HELPER_H
#define IP_HELPER_H

#include <assert.h>
#include <stddef.h>

#include "win32_types.h"

#define IP_HELPER_UNSPEC 0
#define IP_HELPER_IPV4 2
#define IP_HELPER_IPV6 23

#ifdef _WIN32

#include <iphlpapi.h>
#include <netioapi.h>

#else

#define IF_MAX_STRING_SIZE 256

typedef USHORT ADDRESS_FAMILY;
typedef ULONG NET_IFINDEX;

typedef struct SOCKADDR_IN {
    ADDRESS_FAMILY sin_family;
    USHORT sin_port;
    UCHAR sin_addr[4];
    UCHAR sin_zero[8];
} SOCKADDR_IN;

typedef struct SOCKADDR_IN6 {
    ADDRESS_FAMILY sin6_family;
    USHORT sin6_port;
    ULONG sin6_flowinfo;
    UCHAR sin6_addr[16];
    ULONG sin6_scope_id;
} SOCKADDR_IN6;

typedef union SOCKADDR_INET {
    SOCKADDR_IN Ipv4;
    SOCKADDR_IN6 Ipv6;
    ADDRESS_FAMILY si_family;
} SOCKADDR_INET;

typedef struct MIB_IPINTERFACE_ROW {
    ADDRESS_FAMILY Family;
    NET_LUID InterfaceLuid;
    NET_IFINDEX InterfaceIndex;
    ULONG MaxReassemblySize;
    ULONG64 InterfaceIdentifier;
    ULONG MinRouterAdvertisementInterval;
    ULONG MaxRouterAdvertisementInterval;
    BOOLEAN AdvertisingEnabled;
    BOOLEAN ForwardingEnabled;
    BOOLEAN WeakHostSend;
    BOOLEAN WeakHostReceive;
    BOOLEAN UseAutomaticMetric;
    BOOLEAN UseNeighborUnreachabilityDetection;
    BOOLEAN ManagedAddressConfigurationSupported;
    BOOLEAN OtherStatefulConfigurationSupported;
    BOOLEAN AdvertiseDefaultRoute;
    LONG RouterDiscoveryBehavior;
    ULONG DadTransmits;
    ULONG BaseReachableTime;
    ULONG RetransmitTime;
    ULONG PathMtuDiscoveryTimeout;
    LONG LinkLocalAddressBehavior;
    ULONG LinkLocalAddressTimeout;
    ULONG ZoneIndices[16];
    ULONG SitePrefixLength;
    ULONG Metric;
    ULONG NlMtu;
    BOOLEAN Connected;
    BOOLEAN SupportsWakeUpPatterns;
    BOOLEAN SupportsNeighborDiscovery;
    BOOLEAN SupportsRouterDiscovery;
    ULONG ReachableTime;
    UCHAR TransmitOffload;
    UCHAR ReceiveOffload;
    BOOLEAN DisableDefaultRoutes;
} MIB_IPINTERFACE_ROW;

typedef enum NL_DAD_STATE {
    IpDadStateInvalid = 0,
    IpDadStateTentative,
    IpDadStateDuplicate,
    IpDadStateDeprecated,
    IpDadStatePreferred
} NL_DAD_STATE;

typedef struct MIB_UNICASTIPADDRESS_ROW {
    SOCKADDR_INET Address;
    NET_LUID InterfaceLuid;
    NET_IFINDEX InterfaceIndex;
    LONG PrefixOrigin;
    LONG SuffixOrigin;
    ULONG ValidLifetime;
    ULONG PreferredLifetime;
    UCHAR OnLinkPrefixLength;
    BOOLEAN SkipAsSource;
    NL_DAD_STATE DadState;
    ULONG ScopeId;
    ULONG64 CreationTimeStamp;
} MIB_UNICASTIPADDRESS_ROW;

typedef struct MIB_UNICASTIPADDRESS_TABLE {
    ULONG NumEntries;
    MIB_UNICASTIPADDRESS_ROW Table[1];
} MIB_UNICASTIPADDRESS_TABLE;

#endif

/* The layout that Windows has, on x86, x64 and arm64 alike: what a wrong structure would break is
 * seen when it is compiled (netioapi.h; 8-byte alignment through NET_LUID). */
static_assert(sizeof(MIB_IPINTERFACE_ROW) == 168, "MIB_IPINTERFACE_ROW");
static_assert(offsetof(MIB_IPINTERFACE_ROW, InterfaceLuid) == 8, "InterfaceLuid");
static_assert(offsetof(MIB_IPINTERFACE_ROW, SitePrefixLength) == 144, "SitePrefixLength");
static_assert(offsetof(MIB_IPINTERFACE_ROW, NlMtu) == 152, "NlMtu");
static_assert(sizeof(MIB_UNICASTIPADDRESS_ROW) == 80, "MIB_UNICASTIPADDRESS_ROW");
static_assert(offsetof(MIB_UNICASTIPADDRESS_ROW, InterfaceLuid) == 32, "InterfaceLuid");
static_assert(offsetof(MIB_UNICASTIPADDRESS_ROW, OnLinkPrefixLength) == 60, "OnLinkPrefixLength");
static_assert(offsetof(MIB_UNICASTIPADDRESS_ROW, DadState) == 64, "DadState");
static_assert(sizeof(SOCKADDR_INET) == 28, "SOCKADDR_INET");

/* The one list: X(return type, exported name, (parameters)). It makes the types, the table
 * IP_HELPER_API and the loader's list of names. */
#define IP_HELPER_FUNCTIONS(X)                                                                     \
    X(void, InitializeIpInterfaceEntry, (MIB_IPINTERFACE_ROW * Row))                               \
    X(DWORD, GetIpInterfaceEntry, (MIB_IPINTERFACE_ROW * Row))                                     \
    X(DWORD, SetIpInterfaceEntry, (MIB_IPINTERFACE_ROW * Row))                                     \
    X(void, InitializeUnicastIpAddressEntry, (MIB_UNICASTIPADDRESS_ROW * Row))                     \
    X(DWORD, CreateUnicastIpAddressEntry, (const MIB_UNICASTIPADDRESS_ROW *Row))                   \
    X(DWORD, DeleteUnicastIpAddressEntry, (const MIB_UNICASTIPADDRESS_ROW *Row))                   \
    X(DWORD, GetUnicastIpAddressTable,                                                             \
      (ADDRESS_FAMILY Family, MIB_UNICASTIPADDRESS_TABLE * *Table))                                \
    X(void, FreeMibTable, (void *Memory))                                                          \
    X(DWORD, ConvertInterfaceLuidToIndex, (const NET_LUID *Luid, NET_IFINDEX *Index))              \
    X(DWORD, ConvertInterfaceLuidToGuid, (const NET_LUID *Luid, GUID *Guid))                       \
    X(DWORD, ConvertInterfaceLuidToAlias, (const NET_LUID *Luid, WCHAR *Alias, SIZE_T Length))     \
    X(DWORD, ConvertInterfaceAliasToLuid, (const WCHAR *Alias, NET_LUID *Luid))

#define IP_HELPER_DEFINE_TYPE(Result, Name, Parameters)                                            \
    typedef Result(WINAPI ip_helper_##Name##_function) Parameters;
IP_HELPER_FUNCTIONS(IP_HELPER_DEFINE_TYPE)
#undef IP_HELPER_DEFINE_TYPE

/* A member is NULL where neither library has the function. */
#define IP_HELPER_DEFINE_MEMBER(Result, Name, Parameters) ip_helper_##Name##_function *Name;
typedef struct IP_HELPER_API {
    IP_HELPER_FUNCTIONS(IP_HELPER_DEFINE_MEMBER)
} IP_HELPER_API;
#undef IP_HELPER_DEFINE_MEMBER

#endif
