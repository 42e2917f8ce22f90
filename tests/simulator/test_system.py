# SPDX-License-Identifier: MIT
"""What Windows does around the driver: adapters that are disabled, names, families, the log."""

from __future__ import annotations

import ctypes
from typing import Any, Callable

import pytest

import wintun
from helpers import HANG_SECONDS, Worker, ipv4_packet, system_text
from wintun import simulator

from .raw import FAMILY_IPV4, FAMILY_IPV6, AddressRow, InterfaceRow, addresses, api, luid_of, wide

MakeAdapter = Callable[..., wintun.Adapter]
OURS = bytes([10, 6, 7, 1])
OURS6 = bytes([0xFD]) + bytes(14) + b"\1"


def winerror(error: BaseException) -> int:
    return int(error.winerror)  # type: ignore[attr-defined]


# --- Disabled and enabled -----------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["memory", "host", "loop", "flood"])
def test_a_disabled_adapter_ends_its_session_and_can_start_another_when_it_is_enabled(
    make_adapter: MakeAdapter, wire: str
) -> None:
    adapter = make_adapter(wire)
    session = adapter.start_session(0x20000)

    def read() -> None:
        while True:
            session.read(timeout=HANG_SECONDS)

    reader = Worker(read)
    simulator.disable_adapter(adapter)
    assert isinstance(reader.error(), wintun.AdapterTerminatingError)
    with pytest.raises(wintun.AdapterTerminatingError):
        session.write(ipv4_packet(20))
    with pytest.raises(wintun.AdapterTerminatingError) as refused:
        adapter.start_session(0x20000)
    assert refused.value.winerror == 2
    with pytest.raises(LookupError, match="no session"):
        simulator.deliver(adapter, b"")
    session.end()
    simulator.enable_adapter(adapter)
    with adapter.start_session(0x20000) as session:
        assert simulator.deliver(adapter, ipv4_packet(60)) or wire == "flood"
        assert session.read(timeout=HANG_SECONDS) is not None


def test_a_session_that_nobody_has_ended_is_not_in_the_way_of_the_next_one(
    make_adapter: MakeAdapter,
) -> None:
    adapter = make_adapter("memory")
    handle = api.WintunOpenAdapter(wide(adapter.name))
    first = api.WintunStartSession(handle, 0x20000)
    simulator.disable_adapter(adapter)
    simulator.enable_adapter(adapter)
    second = api.WintunStartSession(handle, 0x20000)
    assert second is not None
    api.WintunEndSession(first)
    assert simulator.fill(adapter.name, 20, 1) == 1
    size = ctypes.c_uint32()
    packet = api.WintunReceivePacket(second, ctypes.byref(size))
    assert size.value == 20
    api.WintunReleaseReceivePacket(second, packet)
    api.WintunEndSession(second)
    api.WintunCloseAdapter(handle)


def test_a_disabled_adapter_cannot_be_opened(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter()
    simulator.disable_adapter(adapter)
    with pytest.raises(OSError, match="WintunOpenAdapter") as caught:
        wintun.Adapter.open(adapter.name)
    assert winerror(caught.value) == 258
    simulator.enable_adapter(adapter)
    wintun.Adapter.open(adapter.name).close()


def test_what_was_set_on_an_adapter_goes_when_it_is_disabled(make_adapter: MakeAdapter) -> None:
    handle = api.WintunOpenAdapter(wide(make_adapter().name))
    luid = luid_of(handle)
    assert AddressRow(luid, OURS, 24).create() == 0
    assert InterfaceRow(FAMILY_IPV4, luid).set(1400) == 0
    name = simulator.connections()[0]
    simulator.disable_adapter(name)
    assert InterfaceRow(FAMILY_IPV4, luid).get() == 1168
    assert AddressRow(luid, OURS, 24).create() == 1168
    assert addresses(luid) == []
    simulator.enable_adapter(name)
    row = InterfaceRow(FAMILY_IPV4, luid)
    assert row.get() == 0
    assert row.mtu == 65535
    assert [origin for _, _, origin in addresses(luid)] == [2], "the link-local address is back"
    api.WintunCloseAdapter(handle)


def test_what_is_not_there_is_neither_disabled_nor_enabled() -> None:
    for control in (simulator.disable_adapter, simulator.enable_adapter):
        with pytest.raises(LookupError, match="no adapter 'nobody'"):
            control("nobody")


# --- Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Ethernet", "ETHERNET", "ethernet"])
def test_the_package_leaves_other_connections_alone(name: str) -> None:
    simulator.add_connection("Ethernet")
    with pytest.raises(FileExistsError):
        wintun.TunDevice(name)
    assert simulator.connections() == ["Ethernet"]


def test_connections_are_those_of_adapters_too(unique_name: Callable[[], str]) -> None:
    name = unique_name()
    simulator.add_connection("Größe \U0001f600")
    with wintun.Adapter.create(name, "Test"):
        assert simulator.connections() == [name, "Größe \U0001f600"]
        with pytest.raises(FileExistsError, match=name.upper()):
            simulator.add_connection(name.upper())
        with pytest.raises(LookupError, match=name):
            simulator.remove_connection(name)
    assert simulator.connections() == ["Größe \U0001f600"]
    simulator.remove_connection("GRÖßE \U0001f600")
    simulator.add_connection("Wi-Fi")
    simulator.reset()
    assert simulator.connections() == []


@pytest.mark.parametrize("name", ["", "n" * 128, "a/b", "tab\t"])
def test_a_connection_has_a_name_that_windows_takes(name: str) -> None:
    with pytest.raises(ValueError, match="refuses"):
        simulator.add_connection(name)


# --- Families -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "number", "other"), [(4, FAMILY_IPV4, FAMILY_IPV6), (6, FAMILY_IPV6, FAMILY_IPV4)]
)
def test_a_system_without_the_stack_of_a_family_says_so(
    make_adapter: MakeAdapter, family: Any, number: int, other: int
) -> None:
    handle = api.WintunOpenAdapter(wide(make_adapter().name))
    luid = luid_of(handle)
    address, others = (OURS, OURS6) if family == 4 else (OURS6, OURS)
    assert AddressRow(luid, address, 24).create() == 0
    assert AddressRow(luid, others, 24).create() == 0
    simulator.set_stack(family, False)
    table = ctypes.c_void_p()
    assert api.GetUnicastIpAddressTable(number, ctypes.byref(table)) == 50
    assert AddressRow(luid, address, 24).create() == 50
    assert AddressRow(luid, address, 24).delete() == 50
    assert InterfaceRow(number, luid).get() == 1168
    assert InterfaceRow(number, luid).set(1400) == 1168
    assert InterfaceRow(other, luid).get() == 0
    for asked in (0, other):
        found = [one for one, _, _ in addresses(luid, asked)]
        assert others in found
        assert address not in found
    simulator.reset()
    assert address in [one for one, _, _ in addresses(luid)]
    api.WintunCloseAdapter(handle)


# --- The log ------------------------------------------------------------------------------------


def test_the_log_has_lines_of_wintuns_form(unique_name: Callable[[], str]) -> None:
    name = unique_name()
    lines: list[tuple[int, str]] = []
    wintun.set_logger(lambda level, _time, line: lines.append((level, line)))
    with pytest.raises(FileNotFoundError):
        wintun.Adapter.open(name)
    with wintun.Adapter.create(name, "Test") as adapter:
        simulator.set_fault("WintunStartSession", 31)
        with pytest.raises(OSError, match="StartSession"):
            adapter.start_session(0x20000)
    wintun.set_logger(None)
    error, info = wintun.LOG_ERR, wintun.LOG_INFO
    missing, failed = system_text(1168), system_text(31)
    assert lines == [
        (error, f"Failed to find matching adapter name: {missing}. (Code 0x00000490)"),
        (info, "Creating adapter"),
        (error, f"Failed to register rings: {failed}. (Code 0x0000001F)"),
    ]
