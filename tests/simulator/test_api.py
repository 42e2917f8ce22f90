# SPDX-License-Identifier: MIT
"""The exports as a C program calls them: handles, names, codes, the driver's version."""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Iterator
from typing import Callable

import pytest

import wintun
from wintun import simulator

from .raw import api, create, last_error, luid_of, wide

INTERFACE_TYPE = 53


@pytest.fixture
def handles() -> Iterator[list[int]]:
    """Adapter handles that the test's end closes, the last one first."""
    opened: list[int] = []
    yield opened
    while opened:
        api.WintunCloseAdapter(opened.pop())


@pytest.fixture
def name(unique_name: Callable[[], str]) -> str:
    return unique_name()


def test_an_adapter_has_the_requested_guid_and_a_luid_of_its_type(
    handles: list[int], name: str
) -> None:
    wanted = uuid.UUID("12345678-9abc-def0-0123-456789abcdef")
    handles.append(create(name, wanted.bytes_le) or 0)
    luid = luid_of(handles[0])
    assert luid >> 48 == INTERFACE_TYPE
    assert luid & 0xFFFFFF == 0
    guid = ctypes.create_string_buffer(16)
    assert api.ConvertInterfaceLuidToGuid(ctypes.byref(ctypes.c_uint64(luid)), guid) == 0
    assert uuid.UUID(bytes_le=guid.raw) == wanted


def test_adapters_differ_in_luid_guid_and_index(handles: list[int], name: str) -> None:
    seen: dict[str, set[object]] = {"luid": set(), "guid": set(), "index": set()}
    for number in range(20):
        handles.append(create(f"{name} {number}") or 0)
        luid = ctypes.c_uint64(luid_of(handles[-1]))
        guid = ctypes.create_string_buffer(16)
        index = ctypes.c_uint32()
        assert api.ConvertInterfaceLuidToGuid(ctypes.byref(luid), guid) == 0
        assert api.ConvertInterfaceLuidToIndex(ctypes.byref(luid), ctypes.byref(index)) == 0
        assert uuid.UUID(bytes_le=guid.raw).version == 4
        seen["luid"].add(luid.value)
        seen["guid"].add(guid.raw)
        seen["index"].add(index.value)
    assert [len(values) for values in seen.values()] == [20, 20, 20]


def alias_of(adapter: int) -> str:
    """The name by which the system shows an adapter."""
    luid = ctypes.c_uint64(luid_of(adapter))
    alias = ctypes.create_string_buffer(2 * 257)
    assert api.ConvertInterfaceLuidToAlias(ctypes.byref(luid), alias, 257) == 0
    return alias.raw.decode("utf-16-le").partition("\0")[0]


def test_only_its_creator_removes_an_adapter(handles: list[int], name: str) -> None:
    handles.append(create(name) or 0)
    opened = api.WintunOpenAdapter(wide(name))
    assert luid_of(opened) == luid_of(handles[0])
    api.WintunCloseAdapter(handles.pop())
    assert api.WintunOpenAdapter(wide(name)) is None
    assert last_error() == 1168
    handles.append(create(name) or 0)
    assert luid_of(opened) != luid_of(handles[0]), "an open handle stays with its adapter"
    api.WintunCloseAdapter(opened)
    handles.append(api.WintunOpenAdapter(wide(name)))
    assert luid_of(handles[1]) == luid_of(handles[0])
    api.WintunCloseAdapter(handles.pop())
    handles.append(api.WintunOpenAdapter(wide(name)))
    assert handles[1] is not None


def test_a_name_is_taken_away_from_whoever_has_it(handles: list[int], name: str) -> None:
    for _ in range(3):
        handles.append(create(name) or 0)
    assert [alias_of(handle) for handle in handles] == [f"{name} 1", f"{name} 2", name]
    for handle in handles[:3]:
        opened = api.WintunOpenAdapter(wide(alias_of(handle)))
        assert luid_of(opened) == luid_of(handle)
        assert simulator.statistics(alias_of(handle)).delivered_packets == 0
        api.WintunCloseAdapter(opened)
    session = api.WintunStartSession(handles[0], 0x20000)
    assert session is not None, "its handles live on"
    api.WintunEndSession(session)
    api.WintunCloseAdapter(handles.pop(1))
    handles.append(create(name.upper()) or 0)
    assert [alias_of(handle) for handle in handles] == [
        f"{name} 1",
        f"{name.upper()} 2",
        name.upper(),
    ]


def test_a_foreign_connection_is_renamed_as_well_and_the_log_says_so(
    handles: list[int],
) -> None:
    simulator.add_connection("Ethernet")
    lines: list[tuple[int, str]] = []
    wintun.set_logger(lambda level, _time, line: lines.append((level, line)))
    handles.append(create("ethernet") or 0)
    wintun.set_logger(None)
    assert alias_of(handles[0]) == "ethernet"
    assert simulator.connections() == ["ethernet", "ethernet 1"]
    renamed = [line for level, line in lines if level == wintun.LOG_ERR]
    assert len(renamed) == 1
    assert "Ethernet" in renamed[0]
    assert "ethernet 1" in renamed[0]


def test_a_long_name_that_is_taken_leaves_no_room_for_a_number(handles: list[int]) -> None:
    handles.append(create("n" * 126) or 0)
    assert create("N" * 126) is None
    assert last_error() == 111
    assert alias_of(handles[0]) == "n" * 126
    assert simulator.counts().adapters == 1


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("n" * 128, 111),
        ("\U0001f600" * 64, 111),
        *((f"a{refused}b", 123) for refused in '\\/:*?"<>|\t\n\x01\x1f'),
    ],
)
def test_a_name_that_windows_refuses_is_refused(bad: str, code: int) -> None:
    assert create(bad) is None
    assert last_error() == code
    assert api.WintunOpenAdapter(wide(bad)) is None
    assert last_error() == 1168
    assert simulator.counts().adapters == 0


@pytest.mark.parametrize(("units", "code"), [(0, 0), (128, 0), (129, 111), (300, 111)])
def test_a_tunnel_type_has_up_to_128_code_units(
    handles: list[int], name: str, units: int, code: int
) -> None:
    handle = api.WintunCreateAdapter(wide(name), wide("t" * units), None)
    if code:
        assert handle is None
        assert last_error() == code
    else:
        handles.append(handle)


def test_no_two_adapters_have_one_guid(handles: list[int], name: str) -> None:
    guid = uuid.uuid4().bytes_le
    handles.append(create(name, guid) or 0)
    assert create(f"{name} b", guid) is None
    assert last_error() == 0x800700B7
    assert create(name, guid) is None
    assert alias_of(handles[0]) == name, "nothing was renamed"
    api.WintunCloseAdapter(handles.pop())
    handles.append(create(name, guid) or 0)
    assert handles[0]


def test_a_name_is_found_in_any_case(handles: list[int]) -> None:
    handles.append(create("Größe Ä") or 0)
    for name in ("GRÖßE ä", "größe Ä"):
        handles.append(api.WintunOpenAdapter(wide(name)))
        assert luid_of(handles[-1]) == luid_of(handles[0])
        assert simulator.statistics(name).delivered_packets == 0
    simulator.set_wire("größe ä", "memory")
    session = api.WintunStartSession(handles[0], 0x20000)
    assert simulator.deliver("GRÖßE Ä", b"")
    api.WintunEndSession(session)


@pytest.mark.parametrize("good", ["n" * 127, "\U0001f600" * 63, "\ud800 alone", "größer"])
def test_a_name_comes_back_as_the_alias(handles: list[int], good: str) -> None:
    handles.append(create(good) or 0)
    luid = ctypes.c_uint64(luid_of(handles[0]))
    alias = ctypes.create_string_buffer(2 * 257)
    units = len(wide(good)) // 2
    convert = api.ConvertInterfaceLuidToAlias
    assert convert(ctypes.byref(luid), alias, units - 1) == 8
    assert convert(ctypes.byref(luid), alias, units) == 0
    assert alias.raw[: 2 * units] == wide(good)
    assert simulator.statistics(good).delivered_packets == 0


@pytest.mark.parametrize(
    ("made", "asked"),
    [
        ("Office", "OFFICE"),
        ("größer", "GRÖßER"),
        ("Straße Œuvre", "STRAßE œuvre"),
        ("Łódź ŷ", "łÓDŹ Ŷ"),
        ("Επίπεδο", "επίπεδο"),
        ("Сеть Ёлка ѓ", "сЕТЬ ёЛКА Ѓ"),  # noqa: RUF001
    ],
)
def test_an_alias_leads_to_its_adapter_in_any_case(
    handles: list[int], made: str, asked: str
) -> None:
    handles.append(create(made) or 0)
    found = ctypes.c_uint64()
    for name in (made, asked):
        assert api.ConvertInterfaceAliasToLuid(wide(name), ctypes.byref(found)) == 0
        assert found.value == luid_of(handles[0])


@pytest.mark.parametrize("other", ["Offic", "Offices", "", "Øffice", "Off\u00f7ce", "Off\u00d7ce"])
def test_an_alias_that_nobody_has_leads_nowhere(handles: list[int], other: str) -> None:
    handles.append(create("Office") or 0)
    handles.append(create("Off\u00d7ce ") or 0)
    found = ctypes.c_uint64()
    assert api.ConvertInterfaceAliasToLuid(wide(other), ctypes.byref(found)) == 87
    assert api.ConvertInterfaceAliasToLuid(None, ctypes.byref(found)) == 87


def test_the_driver_is_loaded_for_as_long_as_there_is_an_adapter(
    handles: list[int], name: str
) -> None:
    def check_absent() -> None:
        assert api.WintunGetRunningDriverVersion() == 0
        assert last_error() == 2
        assert api.WintunDeleteDriver() == 1

    check_absent()
    handles.append(create(name) or 0)
    handles.append(api.WintunOpenAdapter(wide(name)))
    assert api.WintunGetRunningDriverVersion() == 0x0000000E
    assert api.WintunDeleteDriver() == 0, "an adapter is there"
    assert last_error() == 0xE000023D
    api.WintunCloseAdapter(handles.pop(0))
    check_absent()


def test_another_program_may_have_another_driver_loaded(handles: list[int], name: str) -> None:
    simulator.set_driver_version((0, 8))
    assert api.WintunGetRunningDriverVersion() == 8
    handles.append(create(name) or 0)
    assert api.WintunGetRunningDriverVersion() == 8
    api.WintunCloseAdapter(handles.pop())
    assert api.WintunDeleteDriver() == 0
    assert last_error() == 0xE000023D
    simulator.set_driver_version(None)
    assert api.WintunGetRunningDriverVersion() == 0


def test_one_session_an_adapter(handles: list[int], name: str) -> None:
    handles.append(create(name) or 0)
    handles.append(api.WintunOpenAdapter(wide(name)))
    session = api.WintunStartSession(handles[0], 0x20000)
    assert api.WintunStartSession(handles[1], 0x20000) is None
    assert last_error() == 1247
    api.WintunEndSession(session)
    session = api.WintunStartSession(handles[1], 0x20000)
    assert session is not None
    api.WintunEndSession(session)


@pytest.mark.parametrize("capacity", [0, 0x1FFFF, 0x10000, 0x20001, 0x30000, 0x4000001, 0x8000000])
def test_a_capacity_is_a_power_of_two_within_limits(
    handles: list[int], name: str, capacity: int
) -> None:
    handles.append(create(name) or 0)
    assert api.WintunStartSession(handles[0], capacity) is None
    assert last_error() == 87
    session = api.WintunStartSession(handles[0], 0x20000)
    assert api.WintunStartSession(handles[0], capacity) is None
    assert last_error() == 1247, "the driver looks at the capacity last"
    api.WintunEndSession(session)
    simulator.remove_adapter(name)
    assert api.WintunStartSession(handles[0], capacity) is None
    assert last_error() == 2


def test_a_session_outlives_its_adapter(handles: list[int], name: str) -> None:
    simulator.set_wire(name, "memory")
    adapter = create(name)
    session = api.WintunStartSession(adapter, 0x20000)
    packet = api.WintunAllocateSendPacket(session, 100)
    api.WintunCloseAdapter(adapter)
    size = ctypes.c_uint32()
    assert api.WintunReceivePacket(session, ctypes.byref(size)) is None
    assert last_error() == 38
    assert api.WintunAllocateSendPacket(session, 100) is None
    assert last_error() == 38
    api.WintunSendPacket(session, packet)
    again = create(name)
    another = api.WintunStartSession(again, 0x20000)
    assert another is not None, "the new adapter is another one"
    simulator.remove_adapter(name)
    assert api.WintunStartSession(again, 0x20000) is None
    assert last_error() == 2
    api.WintunEndSession(session)
    api.WintunEndSession(another)
    handles.append(again or 0)


@pytest.mark.parametrize("size", [0x10000, 0x1F000, 0xFFFFFFFF])
def test_a_packet_that_is_too_big_ends_the_sending_direction_for_good(
    handles: list[int], name: str, size: int
) -> None:
    """The driver's library reserves what it is asked for; the driver refuses to follow."""
    simulator.set_wire(name, "memory")
    handles.append(create(name) or 0)
    session = api.WintunStartSession(handles[0], 0x20000)
    packet = api.WintunAllocateSendPacket(session, size)
    assert packet is not None
    api.WintunSendPacket(session, packet)
    for _ in range(2):
        assert simulator.collect(name) is None
        assert api.WintunAllocateSendPacket(session, 20) is None
        assert last_error() == 38
    assert simulator.fill(name, 20, 1) == 1
    received = ctypes.c_uint32()
    packet = api.WintunReceivePacket(session, ctypes.byref(received))
    assert received.value == 20, "receiving goes on"
    api.WintunReleaseReceivePacket(session, packet)
    api.WintunEndSession(session)


@pytest.mark.parametrize("size", [0x1FFF9, 0x20000, 0x7FFFFFFF, 0x80000014])
def test_a_packet_for_which_no_ring_has_room_is_refused(
    handles: list[int], name: str, size: int
) -> None:
    handles.append(create(name) or 0)
    session = api.WintunStartSession(handles[0], 0x20000)
    assert api.WintunAllocateSendPacket(session, size) is None
    assert last_error() == 111
    api.WintunEndSession(session)


def test_packets_lie_in_the_ring_as_wintun_lays_them(name: str, handles: list[int]) -> None:
    simulator.set_wire(name, "memory")
    handles.append(create(name) or 0)
    session = api.WintunStartSession(handles[0], 0x20000)
    first = api.WintunAllocateSendPacket(session, 21)
    second = api.WintunAllocateSendPacket(session, 20)
    assert first % 4 == 0
    assert second - first == 4 + 24
    ring = first - 4 - 12
    marked = 0x80000000
    assert ctypes.c_uint32.from_address(first - 4).value == marked | 21
    ctypes.memset(first, 0x45, 21)
    ctypes.memset(second, 0x45, 20)
    api.WintunSendPacket(session, second)
    assert ctypes.c_uint32.from_address(second - 4).value == 20
    assert ctypes.c_uint32.from_address(ring + 4).value == 0, "the tail waits for the first"
    assert simulator.collect(name) is None
    api.WintunSendPacket(session, first)
    assert ctypes.c_uint32.from_address(ring + 4).value == 28 + 24
    assert simulator.collect(name) == b"\x45" * 21
    assert ctypes.c_uint32.from_address(ring).value == 28, "the head follows the driver"
    assert simulator.drain(name, 5) == 1
    api.WintunEndSession(session)


@pytest.mark.parametrize("size", [0x10000, 0x7FFFFFFF, 0x80000014, 0xFFFFFFFF, 64])
def test_a_client_that_spoils_the_ring_ends_it_and_no_more(
    name: str, handles: list[int], size: int
) -> None:
    """Size 64 is beyond what was sent."""
    simulator.set_wire(name, "memory")
    handles.append(create(name) or 0)
    session = api.WintunStartSession(handles[0], 0x20000)
    packet = api.WintunAllocateSendPacket(session, 20)
    ctypes.memset(packet, 0x45, 20)
    api.WintunSendPacket(session, packet)
    ctypes.c_uint32.from_address(packet - 4).value = size
    assert simulator.collect(name) is None
    assert ctypes.c_uint32.from_address(packet - 16).value == 0xFFFFFFFF
    assert api.WintunAllocateSendPacket(session, 20) is None
    assert last_error() == 38
    api.WintunEndSession(session)


@pytest.mark.parametrize("tail", [0x20000, 0xFFFFFFFF, 2, 0x1FFFF])
def test_a_tail_that_cannot_be_ends_the_ring(name: str, handles: list[int], tail: int) -> None:
    simulator.set_wire(name, "memory")
    handles.append(create(name) or 0)
    session = api.WintunStartSession(handles[0], 0x20000)
    packet = api.WintunAllocateSendPacket(session, 20)
    ctypes.c_uint32.from_address(packet - 12).value = tail
    assert simulator.drain(name, 10) == 0
    assert api.WintunAllocateSendPacket(session, 20) is None
    assert last_error() == 38
    api.WintunEndSession(session)
    assert simulator.counts().held_packets == 0


@pytest.mark.parametrize("head", [0x20000, 0xFFFFFFFF, 3])
def test_a_receive_head_that_cannot_be_is_taken_for_a_full_ring(
    name: str, handles: list[int], head: int
) -> None:
    simulator.set_wire(name, "memory")
    handles.append(create(name) or 0)
    session = api.WintunStartSession(handles[0], 0x20000)
    assert simulator.fill(name, 1400, 1) == 1
    size = ctypes.c_uint32()
    packet = api.WintunReceivePacket(session, ctypes.byref(size))
    ring = packet - 16
    ctypes.c_uint32.from_address(ring).value = head
    assert simulator.fill(name, 1400, 1000) == 92, "up to where the head was last seen"
    api.WintunReleaseReceivePacket(session, packet)
    assert simulator.fill(name, 1400, 1000) == 1
    api.WintunEndSession(session)
