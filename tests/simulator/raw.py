# SPDX-License-Identifier: MIT
"""The simulator's exported functions as a C program sees them, through ctypes."""

from __future__ import annotations

import ctypes
import struct
import sys
from typing import Any

from wintun import simulator

FAMILY_IPV4 = 2
FAMILY_IPV6 = 23

_pointer = ctypes.c_void_p
_u32 = ctypes.c_uint32
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "WintunCreateAdapter": (_pointer, [ctypes.c_char_p, ctypes.c_char_p, _pointer]),
    "WintunOpenAdapter": (_pointer, [ctypes.c_char_p]),
    "WintunCloseAdapter": (None, [_pointer]),
    "WintunDeleteDriver": (ctypes.c_int32, []),
    "WintunGetAdapterLUID": (None, [_pointer, _pointer]),
    "WintunGetRunningDriverVersion": (_u32, []),
    "WintunStartSession": (_pointer, [_pointer, _u32]),
    "WintunEndSession": (None, [_pointer]),
    "WintunGetReadWaitEvent": (_pointer, [_pointer]),
    "WintunReceivePacket": (_pointer, [_pointer, _pointer]),
    "WintunReleaseReceivePacket": (None, [_pointer, _pointer]),
    "WintunAllocateSendPacket": (_pointer, [_pointer, _u32]),
    "WintunSendPacket": (None, [_pointer, _pointer]),
    "InitializeIpInterfaceEntry": (None, [_pointer]),
    "GetIpInterfaceEntry": (_u32, [_pointer]),
    "SetIpInterfaceEntry": (_u32, [_pointer]),
    "InitializeUnicastIpAddressEntry": (None, [_pointer]),
    "CreateUnicastIpAddressEntry": (_u32, [_pointer]),
    "DeleteUnicastIpAddressEntry": (_u32, [_pointer]),
    "GetUnicastIpAddressTable": (_u32, [ctypes.c_uint16, _pointer]),
    "FreeMibTable": (None, [_pointer]),
    "ConvertInterfaceLuidToIndex": (_u32, [_pointer, _pointer]),
    "ConvertInterfaceLuidToGuid": (_u32, [_pointer, _pointer]),
    "ConvertInterfaceLuidToAlias": (_u32, [_pointer, _pointer, ctypes.c_size_t]),
    "ConvertInterfaceAliasToLuid": (_u32, [ctypes.c_char_p, _pointer]),
}


def _load() -> ctypes.CDLL:
    library: ctypes.CDLL
    if sys.platform == "win32":
        library = ctypes.WinDLL(simulator.library_path(), use_last_error=True)
    else:
        library = ctypes.CDLL(simulator.library_path())
        library.GetLastError.restype = _u32
    for name, (result, parameters) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = parameters
    return library


api: Any = _load()


def last_error() -> int:
    """The code that the last failed call left."""
    if sys.platform == "win32":
        return ctypes.get_last_error() & 0xFFFFFFFF  # ctypes takes it for a number with a sign
    return int(api.GetLastError())


def wide(text: str) -> bytes:
    """`text` as a WCHAR string."""
    return text.encode("utf-16-le", "surrogatepass") + b"\0\0"


def create(name: str, guid: bytes | None = None) -> int | None:
    """WintunCreateAdapter; None if it failed."""
    handle: int | None = api.WintunCreateAdapter(wide(name), wide("Test"), guid)
    return handle


def luid_of(adapter: int) -> int:
    """WintunGetAdapterLUID."""
    luid = ctypes.c_uint64()
    api.WintunGetAdapterLUID(adapter, ctypes.byref(luid))
    return luid.value


class InterfaceRow:
    """A MIB_IPINTERFACE_ROW, by the offsets of netioapi.h."""

    def __init__(self, family: int, luid: int, index: int = 0) -> None:
        self.bytes = ctypes.create_string_buffer(168)
        api.InitializeIpInterfaceEntry(self.bytes)
        struct.pack_into("<H", self.bytes, 0, family)
        struct.pack_into("<QI", self.bytes, 8, luid, index)

    def get(self) -> int:
        """Calls GetIpInterfaceEntry; returns its code."""
        return int(api.GetIpInterfaceEntry(self.bytes))

    def set(self, mtu: int, site_prefix_length: int = 0) -> int:
        """Calls SetIpInterfaceEntry; returns its code."""
        struct.pack_into("<I", self.bytes, 144, site_prefix_length)
        struct.pack_into("<I", self.bytes, 152, mtu)
        return int(api.SetIpInterfaceEntry(self.bytes))

    @property
    def mtu(self) -> int:
        """NlMtu."""
        return int(struct.unpack_from("<I", self.bytes, 152)[0])

    @property
    def index(self) -> int:
        """InterfaceIndex."""
        return int(struct.unpack_from("<I", self.bytes, 16)[0])

    @property
    def connected(self) -> bool:
        """Connected."""
        return self.bytes[156] != b"\0"


class AddressRow:
    """A MIB_UNICASTIPADDRESS_ROW, by the offsets of netioapi.h."""

    def __init__(self, luid: int, address: bytes, prefix: int | None = None) -> None:
        self.bytes = ctypes.create_string_buffer(80)
        api.InitializeUnicastIpAddressEntry(self.bytes)
        if len(address) == 4:
            struct.pack_into("<HH4s", self.bytes, 0, FAMILY_IPV4, 0, address)
        else:
            struct.pack_into("<HHI16s", self.bytes, 0, FAMILY_IPV6, 0, 0, address)
        struct.pack_into("<Q", self.bytes, 32, luid)
        if prefix is not None:
            struct.pack_into("<B", self.bytes, 60, prefix)

    def create(self) -> int:
        """Calls CreateUnicastIpAddressEntry; returns its code."""
        return int(api.CreateUnicastIpAddressEntry(self.bytes))

    def delete(self) -> int:
        """Calls DeleteUnicastIpAddressEntry; returns its code."""
        return int(api.DeleteUnicastIpAddressEntry(self.bytes))


def addresses(luid: int, family: int = 0) -> list[tuple[bytes, int, int]]:
    """The address, prefix length and prefix origin of each row of an adapter in the table."""
    table = ctypes.c_void_p()
    assert api.GetUnicastIpAddressTable(family, ctypes.byref(table)) == 0
    assert table.value is not None
    count = struct.unpack("<I", ctypes.string_at(table, 4))[0]
    rows = [ctypes.string_at(table.value + 8 + 80 * i, 80) for i in range(count)]
    api.FreeMibTable(table)
    found = []
    for row in rows:
        if struct.unpack_from("<Q", row, 32)[0] == luid:
            is_ipv4 = struct.unpack_from("<H", row)[0] == FAMILY_IPV4
            address = row[4:8] if is_ipv4 else row[8:24]
            found.append((address, row[60], struct.unpack_from("<I", row, 44)[0]))
    return found
