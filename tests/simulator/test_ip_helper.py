# SPDX-License-Identifier: MIT
"""The IP Helper functions: codes, limits and rows as Windows gives them."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Callable

import pytest

from helpers import wait_until
from wintun import simulator

from .raw import (
    FAMILY_IPV4,
    FAMILY_IPV6,
    AddressRow,
    InterfaceRow,
    addresses,
    api,
    create,
    luid_of,
)

BOTH = pytest.mark.parametrize("family", [FAMILY_IPV4, FAMILY_IPV6])
MANUAL, WELL_KNOWN = 1, 2


@pytest.fixture
def name(unique_name: Callable[[], str]) -> str:
    return unique_name()


@pytest.fixture
def luid(name: str) -> Iterator[int]:
    """The LUID of an adapter."""
    adapter = create(name)
    assert adapter is not None
    yield luid_of(adapter)
    api.WintunCloseAdapter(adapter)


def packed(text: str) -> bytes:
    return ip_address(text).packed


# --- Interfaces ---------------------------------------------------------------------------------


@BOTH
def test_the_mtu_is_the_drivers_until_it_is_set(luid: int, family: int) -> None:
    row = InterfaceRow(family, luid)
    assert row.get() == 0
    assert row.mtu == 65535
    assert not row.connected
    assert row.set(1420) == 0
    again = InterfaceRow(family, 0, row.index)
    assert again.get() == 0, "an interface is found by its index, too"
    assert again.mtu == 1420
    other = InterfaceRow(FAMILY_IPV4 + FAMILY_IPV6 - family, luid)
    assert other.get() == 0
    assert other.mtu == 65535, "each family has its own"


@pytest.mark.parametrize(("family", "least"), [(FAMILY_IPV4, 68), (FAMILY_IPV6, 1280)])
def test_the_mtu_has_limits(luid: int, family: int, least: int) -> None:
    row = InterfaceRow(family, luid)
    assert row.get() == 0
    for mtu in (0, least - 1, 65536, 0xFFFFFFFE):
        assert row.set(mtu) == 87
    for mtu in (least, 65535):
        assert row.set(mtu) == 0
        assert row.get() == 0
        assert row.mtu == mtu


def test_an_ipv4_interface_is_not_set_with_a_site_prefix(luid: int) -> None:
    row = InterfaceRow(FAMILY_IPV4, luid)
    assert row.get() == 0
    assert row.set(1400, site_prefix_length=64) == 87
    assert row.set(1400, site_prefix_length=0) == 0


def test_a_fresh_row_changes_nothing(luid: int) -> None:
    before = InterfaceRow(FAMILY_IPV6, luid)
    assert before.get() == 0
    assert InterfaceRow(FAMILY_IPV6, luid).set(0xFFFFFFFF) == 0
    after = InterfaceRow(FAMILY_IPV6, luid)
    assert after.get() == 0
    assert after.bytes.raw == before.bytes.raw


def test_wrong_rows_have_their_codes(luid: int) -> None:
    assert InterfaceRow(0, luid).get() == 87
    assert InterfaceRow(10, luid).get() == 87
    assert InterfaceRow(FAMILY_IPV4, luid + (1 << 40)).get() == 2
    assert InterfaceRow(FAMILY_IPV4, 0, 0).get() == 2
    assert InterfaceRow(0, luid).set(1400) == 87


def test_an_interface_is_connected_while_there_is_a_session(name: str, luid: int) -> None:
    adapter = api.WintunOpenAdapter(name.encode("utf-16-le") + b"\0\0")
    session = api.WintunStartSession(adapter, 0x20000)
    row = InterfaceRow(FAMILY_IPV4, luid)
    assert row.get() == 0
    assert row.connected
    api.WintunEndSession(session)
    assert row.get() == 0
    assert not row.connected
    api.WintunCloseAdapter(adapter)


@BOTH
def test_a_family_appears_late_or_never(name: str, family: int) -> None:
    simulator.set_family_delay(name, 4 if family == FAMILY_IPV4 else 6, 0.2)
    began = time.monotonic()
    adapter = create(name)
    assert adapter is not None
    luid = luid_of(adapter)
    row = InterfaceRow(family, luid)
    address = packed("10.0.0.1") if family == FAMILY_IPV4 else packed("fd00::1")
    codes = [row.get(), row.set(1400), AddressRow(luid, address).create()]
    assert addresses(luid, family) == []
    if time.monotonic() - began < 0.15:  # clocks differ a little
        assert codes == [1168, 1168, 1168]
    wait_until(lambda: row.get() == 0, "the interface appears")
    assert time.monotonic() - began >= 0.15
    assert AddressRow(luid, address).create() == 0
    simulator.set_family_delay(name, 4 if family == FAMILY_IPV4 else 6, None)
    assert row.get() == 1168
    assert addresses(luid, family) == []
    api.WintunCloseAdapter(adapter)


def test_an_adapter_that_is_gone_has_no_interface(name: str) -> None:
    adapter = create(name)
    assert adapter is not None
    luid = luid_of(adapter)
    simulator.remove_adapter(name)
    assert luid_of(adapter) == luid
    assert InterfaceRow(FAMILY_IPV4, luid).get() == 2
    assert AddressRow(luid, packed("10.0.0.1")).create() == 2
    index = ctypes.c_uint32()
    by_luid = ctypes.byref(ctypes.c_uint64(luid))
    assert api.ConvertInterfaceLuidToIndex(by_luid, ctypes.byref(index)) == 87
    api.WintunCloseAdapter(adapter)


# --- Addresses ----------------------------------------------------------------------------------


def test_an_adapter_has_a_link_local_address_of_its_own(luid: int) -> None:
    [(address, prefix, origin)] = addresses(luid)
    assert ip_address(address).is_link_local
    assert (prefix, origin) == (64, WELL_KNOWN)


@pytest.mark.parametrize(
    ("address", "prefix", "seen"),
    [
        ("10.0.0.1", 24, 24),
        ("10.0.0.1", 0, 0),
        ("10.0.0.1", 32, 32),
        ("10.0.0.1", None, 32),
        ("fd00::1", 64, 64),
        ("fd00::1", 128, 128),
        ("fd00::1", None, 128),
    ],
)
def test_an_address_comes_and_goes(luid: int, address: str, prefix: int | None, seen: int) -> None:
    before = addresses(luid)
    row = AddressRow(luid, packed(address), prefix)
    assert row.create() == 0
    assert row.create() == 5010
    assert (packed(address), seen, MANUAL) in addresses(luid)
    family = FAMILY_IPV4 if "." in address else FAMILY_IPV6
    assert (packed(address), seen, MANUAL) in addresses(luid, family)
    assert packed(address) not in [
        found for found, _, _ in addresses(luid, FAMILY_IPV4 + FAMILY_IPV6 - family)
    ]
    assert row.delete() == 0
    assert row.delete() == 1168
    assert addresses(luid) == before


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("10.0.0.1", 33),
        ("10.0.0.1", 254),
        ("fd00::1", 129),
        ("0.0.0.0", 24),
        ("224.0.0.1", 24),
        ("255.255.255.255", 32),
        ("::", 64),
        ("ff02::1", 64),
    ],
)
def test_what_is_no_hosts_address_is_refused(luid: int, address: str, prefix: int) -> None:
    before = addresses(luid)
    assert AddressRow(luid, packed(address), prefix).create() == 87
    assert addresses(luid) == before


def test_a_row_without_a_family_is_refused(luid: int) -> None:
    row = AddressRow(luid, packed("10.0.0.1"), 24)
    ctypes.memset(row.bytes, 0, 2)
    assert row.create() == 87
    assert row.delete() == 87
    table = ctypes.c_void_p()
    assert api.GetUnicastIpAddressTable(10, ctypes.byref(table)) == 87


def test_many_addresses_are_all_listed(luid: int) -> None:
    wanted = [bytes([10, 0, i, 1]) for i in range(200)]
    for address in wanted:
        assert AddressRow(luid, address, 24).create() == 0
    assert [address for address, _, _ in addresses(luid, FAMILY_IPV4)] == wanted
    for address in wanted[::2]:
        assert AddressRow(luid, address).delete() == 0
    assert [address for address, _, _ in addresses(luid, FAMILY_IPV4)] == wanted[1::2]
