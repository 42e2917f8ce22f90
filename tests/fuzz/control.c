/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the simulator's exported functions, the Wintun API, the IP Helper functions and the
 * control functions, in any order with any arguments that a C program may give. The input is a
 * program: a byte chooses a call, the next ones are its arguments. Whatever was called, nothing is
 * left when all is closed.
 */
#include "fuzz.h"

#include "exports.h"
#include "packet.h"

#define ADAPTERS 3
#define STEPS 64

/* The session's handle is the last adapter's that started one. */
typedef struct world {
    WINTUN_ADAPTER_HANDLE adapters[ADAPTERS];
    WINTUN_SESSION_HANDLE sessions[ADAPTERS];
    BYTE *received[ADAPTERS];
    BYTE *allocated[ADAPTERS];
} world;

/* --- Arguments -------------------------------------------------------------------------------- */

/* Few of them, so that calls meet: "a", a name beyond ASCII, one that is taken from the input. */
static void
take_name(fuzz_input *input, WCHAR name[WINTUN_MAX_ADAPTER_NAME + 2])
{
    static const WCHAR names[][4] = {{'a', 0}, {0x00E4, 0xD83D, 0xDE00, 0}};
    uint32_t choice = fuzz_u8(input) % 4;
    memset(name, 0, (WINTUN_MAX_ADAPTER_NAME + 2) * sizeof(WCHAR));
    if (choice < 2) {
        memcpy(name, names[choice], sizeof(names[0]));
        return;
    }
    uint32_t length = fuzz_u8(input) % (WINTUN_MAX_ADAPTER_NAME + 2);
    for (uint32_t i = 0; i < length; i++) {
        name[i] = (WCHAR)fuzz_u16(input);
    }
}

/* Freed with free(); NULL for the default of all. */
static char *
take_utf8(fuzz_input *input)
{
    static const char *const names[] = {"a", "\xC3\xA4\xF0\x9F\x98\x80"};
    uint32_t choice = fuzz_u8(input) % 4;
    if (choice == 3) {
        return NULL;
    }
    uint32_t length = choice < 2 ? (uint32_t)strlen(names[choice]) : fuzz_u8(input);
    char *name = (char *)fuzz_bytes(input, choice < 2 ? 0 : length);
    free(choice < 2 ? name : NULL);
    name = choice < 2 ? calloc(1, length + 1) : realloc(name, length + 1);
    REQUIRE(name != NULL);
    if (choice < 2) {
        memcpy(name, names[choice], length);
    }
    name[length] = '\0';
    return name;
}

static NET_LUID
luid_of(const world *all, uint32_t slot)
{
    NET_LUID luid = {0};
    if (all->adapters[slot] != NULL) {
        WintunGetAdapterLUID(all->adapters[slot], &luid);
    }
    return luid;
}

/* --- The Wintun API --------------------------------------------------------------------------- */

static void
give_back(world *all, uint32_t slot)
{
    if (all->received[slot] != NULL) {
        WintunReleaseReceivePacket(all->sessions[slot], all->received[slot]);
        all->received[slot] = NULL;
    }
    if (all->allocated[slot] != NULL) {
        WintunSendPacket(all->sessions[slot], all->allocated[slot]);
        all->allocated[slot] = NULL;
    }
}

static void
end_session(world *all, uint32_t slot)
{
    if (all->sessions[slot] != NULL) {
        give_back(all, slot);
        WintunEndSession(all->sessions[slot]);
        all->sessions[slot] = NULL;
    }
}

static void
close_adapter(world *all, uint32_t slot)
{
    end_session(all, slot);
    if (all->adapters[slot] != NULL) {
        WintunCloseAdapter(all->adapters[slot]);
        all->adapters[slot] = NULL;
    }
}

static void
open_adapter(world *all, fuzz_input *input, uint32_t slot)
{
    WCHAR name[WINTUN_MAX_ADAPTER_NAME + 2];
    WCHAR type[WINTUN_MAX_ADAPTER_NAME + 2];
    close_adapter(all, slot);
    take_name(input, name);
    if (fuzz_u8(input) % 4 == 0) {
        all->adapters[slot] = WintunOpenAdapter(name);
        return;
    }
    take_name(input, type);
    uint32_t with_guid = fuzz_u8(input) % 2;
    GUID *guid = with_guid ? (GUID *)(void *)fuzz_bytes(input, sizeof(*guid)) : NULL;
    all->adapters[slot] = WintunCreateAdapter(name, type, guid);
    free(guid);
}

static void
start_session(world *all, fuzz_input *input, uint32_t slot)
{
    static const DWORD capacities[] = {WINTUN_MIN_RING_CAPACITY, 0x40000};
    uint32_t choice = fuzz_u8(input);
    DWORD capacity = choice == 255 ? fuzz_u32(input) % 0x100000 : capacities[choice % 2];
    if (all->adapters[slot] != NULL && all->sessions[slot] == NULL) {
        all->sessions[slot] = WintunStartSession(all->adapters[slot], capacity);
    }
}

static void
receive(world *all, uint32_t slot)
{
    DWORD size = 0;
    if (all->sessions[slot] != NULL && all->received[slot] == NULL) {
        all->received[slot] = WintunReceivePacket(all->sessions[slot], &size);
        REQUIRE(all->received[slot] == NULL || size <= WINTUN_MAX_IP_PACKET_SIZE);
        if (all->received[slot] != NULL) {
            memset(all->received[slot], 1, size);
        }
    }
}

static void
allocate(world *all, fuzz_input *input, uint32_t slot)
{
    DWORD size = fuzz_u32(input) % 0x11000;
    if (all->sessions[slot] != NULL && all->allocated[slot] == NULL) {
        all->allocated[slot] = WintunAllocateSendPacket(all->sessions[slot], size);
        if (all->allocated[slot] != NULL) {
            /* Only the end of a ring has room for the largest packet and no more. */
            DWORD usable = size <= WINTUN_MAX_IP_PACKET_SIZE ? size : 0;
            memset(all->allocated[slot], (int)fuzz_u8(input), usable);
        }
    }
}

static void
use_wintun(world *all, fuzz_input *input, uint32_t slot)
{
    switch (fuzz_u8(input) % 8) {
    case 0:
        open_adapter(all, input, slot);
        break;
    case 1:
        close_adapter(all, slot);
        break;
    case 2:
        start_session(all, input, slot);
        break;
    case 3:
        end_session(all, slot);
        break;
    case 4:
        receive(all, slot);
        break;
    case 5:
        allocate(all, input, slot);
        break;
    case 6:
        give_back(all, slot);
        break;
    default:
        (void)WintunDeleteDriver();
        (void)WintunGetRunningDriverVersion();
        break;
    }
}

/* --- The IP Helper functions ------------------------------------------------------------------ */

static void
use_interface(world *all, fuzz_input *input, uint32_t slot)
{
    MIB_IPINTERFACE_ROW row;
    InitializeIpInterfaceEntry(&row);
    row.Family = fuzz_u8(input) % 2 == 0 ? IP_HELPER_IPV4 : (ADDRESS_FAMILY)fuzz_u8(input);
    row.InterfaceLuid = luid_of(all, slot);
    row.InterfaceIndex = fuzz_u8(input);
    row.NlMtu = fuzz_u8(input) % 2 == 0 ? fuzz_u16(input) : fuzz_u32(input);
    row.Metric = fuzz_u8(input);
    row.SitePrefixLength = fuzz_u8(input);
    (void)SetIpInterfaceEntry(&row);
    if (GetIpInterfaceEntry(&row) == ERROR_SUCCESS) {
        REQUIRE(row.NlMtu >= 68 && row.NlMtu <= 0xFFFF);
    }
}

static void
use_address(world *all, fuzz_input *input, uint32_t slot)
{
    MIB_UNICASTIPADDRESS_ROW row;
    BYTE *bytes;
    InitializeUnicastIpAddressEntry(&row);
    bytes = fuzz_bytes(input, sizeof(row.Address));
    memcpy(&row.Address, bytes, sizeof(row.Address));
    free(bytes);
    if (row.Address.si_family % 3 != 0) {
        row.Address.si_family = row.Address.si_family % 2 ? IP_HELPER_IPV4 : IP_HELPER_IPV6;
    }
    row.InterfaceLuid = luid_of(all, slot);
    row.OnLinkPrefixLength = (UCHAR)fuzz_u8(input);
    (void)(fuzz_u8(input) % 4 == 0 ? DeleteUnicastIpAddressEntry(&row)
                                   : CreateUnicastIpAddressEntry(&row));
}

static void
use_table(const world *all, fuzz_input *input, uint32_t slot)
{
    MIB_UNICASTIPADDRESS_TABLE *table;
    NET_LUID luid = luid_of(all, slot);
    NET_IFINDEX index;
    GUID guid;
    WCHAR alias[WINTUN_MAX_ADAPTER_NAME + 1];
    if (GetUnicastIpAddressTable((ADDRESS_FAMILY)fuzz_u8(input), &table) == ERROR_SUCCESS) {
        for (ULONG i = 0; i < table->NumEntries; i++) {
            const MIB_UNICASTIPADDRESS_ROW *row = &table->Table[i];
            bool ipv4 = row->Address.si_family == IP_HELPER_IPV4;
            REQUIRE(ipv4 || row->Address.si_family == IP_HELPER_IPV6);
            REQUIRE(row->OnLinkPrefixLength <= (ipv4 ? 32 : 128));
        }
        FreeMibTable(table);
    }
    (void)ConvertInterfaceLuidToIndex(&luid, &index);
    (void)ConvertInterfaceLuidToGuid(&luid, &guid);
    if (ConvertInterfaceLuidToAlias(&luid, alias, fuzz_u8(input) % (WINTUN_MAX_ADAPTER_NAME + 2)) ==
        ERROR_SUCCESS) {
        NET_LUID found;
        REQUIRE(ConvertInterfaceAliasToLuid(alias, &found) == ERROR_SUCCESS);
    }
}

static void
use_ip_helper(world *all, fuzz_input *input, uint32_t slot)
{
    switch (fuzz_u8(input) % 3) {
    case 0:
        use_interface(all, input, slot);
        break;
    case 1:
        use_address(all, input, slot);
        break;
    default:
        use_table(all, input, slot);
        break;
    }
}

/* --- The control functions -------------------------------------------------------------------- */

static void
use_far_side(const char *name, fuzz_input *input)
{
    static BYTE room[WINTUN_MAX_IP_PACKET_SIZE];
    SIMULATOR_STATISTICS statistics;
    DWORD size = fuzz_u8(input);
    DWORD done = 0;
    BYTE *packet;
    switch (fuzz_u8(input) % 7) {
    case 0:
        packet = fuzz_bytes(input, size);
        (void)WintunSimulatorDeliver(name, packet, &size, 1);
        free(packet);
        break;
    case 1:
        (void)WintunSimulatorFill(name, fuzz_u32(input) % 0x11000, size, &done);
        REQUIRE(done <= size);
        break;
    case 2:
        packet = malloc(size > 0 ? size : 1);
        (void)WintunSimulatorCollect(name, packet, size, &done);
        free(packet);
        if (WintunSimulatorCollect(name, room, sizeof(room), &done) == ERROR_SUCCESS) {
            REQUIRE(packet_is_ip(room, done));
        }
        break;
    case 3:
        (void)WintunSimulatorDrain(name, size, &done);
        REQUIRE(done <= size);
        break;
    case 4:
        (void)WintunSimulatorPing(name, size, fuzz_u32(input));
        break;
    case 6: {
        DWORD sizes[5];
        packet = calloc(1, 4 * 255);
        REQUIRE(packet != NULL);
        for (DWORD i = 0; i < size % 5; i++) {
            sizes[i] = fuzz_u8(input);
        }
        (void)WintunSimulatorDeliver(name, packet, sizes, size % 5);
        free(packet);
        break;
    }
    default:
        (void)WintunSimulatorGetStatistics(name, &statistics);
        break;
    }
}

static void
change_system(const char *name, fuzz_input *input)
{
    char known[32];
    DWORD value = fuzz_u8(input);
    switch (fuzz_u8(input) % 9) {
    case 0:
        (void)WintunSimulatorSetEnabled(name, (BOOL)(value % 2));
        break;
    case 1:
        (void)(value % 4 == 0 ? WintunSimulatorRemoveConnection(name)
                              : WintunSimulatorAddConnection(name));
        break;
    case 2:
        if (WintunSimulatorConnectionName(value % 8, known, value % sizeof(known)) == 0) {
            REQUIRE(strlen(known) < value % sizeof(known));
        }
        break;
    case 3:
        (void)WintunSimulatorSetStack(fuzz_u8(input), (BOOL)(value % 2));
        break;
    case 4:
        WintunSimulatorSetDriverVersion(value);
        break;
    case 5:
        (void)WintunSimulatorKeepPacket(name, (BOOL)(value % 2));
        break;
    case 6:
        (void)WintunSimulatorLoseWakeup(name);
        break;
    case 7:
        (void)WintunSimulatorOverrunRing(name);
        break;
    default:
        (void)WintunSimulatorFunctionName(value);
        break;
    }
}

static void
set_fault(fuzz_input *input)
{
    static const char *const functions[] = {
#define NAME_OF(Result, Name, TYPE, Parameters) "Wintun" #Name,
        WINTUN_FUNCTIONS(NAME_OF)
#undef NAME_OF
#define NAME_OF(Result, Name, Parameters) #Name,
            IP_HELPER_FUNCTIONS(NAME_OF)
#undef NAME_OF
    };
    const char *function = functions[fuzz_u8(input) % (sizeof(functions) / sizeof(functions[0]))];
    /* Memory of a call that does nothing is the caller's to know of. */
    static const char *const keeping[] = {"WintunCloseAdapter", "WintunEndSession", "FreeMibTable"};
    bool keeps = false;
    for (size_t i = 0; i < sizeof(keeping) / sizeof(keeping[0]); i++) {
        keeps = keeps || strcmp(function, keeping[i]) == 0;
    }
    if (!keeps) {
        (void)WintunSimulatorSetFault(function, fuzz_u16(input), fuzz_u8(input) % 4,
                                      fuzz_u8(input) % 4);
    }
}

static void
set_up(const char *name, fuzz_input *input)
{
    DWORD value = fuzz_u8(input);
    switch (fuzz_u8(input) % 8) {
    case 0:
        /* No descriptor is the first or second of these; sockets have a target of their own. */
        (void)WintunSimulatorSetWire(name, value % 6, (DWORD64)-1, fuzz_u32(input) % 0x11000);
        break;
    case 1:
        (void)WintunSimulatorSetFlow(name, value % 4);
        break;
    case 2:
        (void)WintunSimulatorSetFamilyDelay(name, fuzz_u8(input), value % 2 ? value : 0xFFFFFFFF);
        break;
    case 3:
        set_fault(input);
        break;
    case 4:
        (void)(name != NULL ? WintunSimulatorRemoveAdapter(name) : 0);
        break;
    case 5:
        (void)WintunSimulatorCorruptRing(name);
        break;
    case 6:
        (void)WintunSimulatorLog(value, fuzz_u8(input), name, value % 3, value % 2);
        break;
    default:
        (void)(name != NULL ? WintunSimulatorSetFault(name, value, 0, 1) : 0);
        break;
    }
}

/* --- The whole -------------------------------------------------------------------------------- */

static void
step(world *all, fuzz_input *input)
{
    uint32_t slot = fuzz_u8(input) % ADAPTERS;
    uint32_t kind = fuzz_u8(input) % 5;
    if (kind == 0) {
        use_wintun(all, input, slot);
    } else if (kind == 1) {
        use_ip_helper(all, input, slot);
    } else {
        char *name = take_utf8(input);
        if (kind == 2) {
            use_far_side(name, input);
        } else if (kind == 4) {
            change_system(name, input);
        } else {
            set_up(name, input);
        }
        free(name);
    }
}

static void CALLBACK
hear(WINTUN_LOGGER_LEVEL level, DWORD64 timestamp, const WCHAR *message)
{
    (void)level;
    REQUIRE(timestamp != 0);
    while (*message != 0) {
        message++;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    world all = {{NULL}, {NULL}, {NULL}, {NULL}};
    fuzz_input input = {data, length};
    SIMULATOR_COUNTS counts;
    WintunSetLogger(hear);
    for (int i = 0; i < STEPS && input.size > 0; i++) {
        step(&all, &input);
    }
    WintunSimulatorReset(); /* no fault keeps the following from being done */
    for (uint32_t i = 0; i < ADAPTERS; i++) {
        end_session(&all, i);
    }
    for (uint32_t i = 0; i < ADAPTERS; i++) {
        close_adapter(&all, i);
    }
    WintunSimulatorReset();
    WintunSimulatorGetCounts(&counts);
    REQUIRE(counts.Adapters == 0 && counts.AdapterHandles == 0);
    REQUIRE(counts.Sessions == 0 && counts.HeldPackets == 0);
    return 0;
}
