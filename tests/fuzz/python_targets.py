# SPDX-License-Identifier: MIT
"""What Python makes of bytes and texts that it does not know. Each target takes any bytes.

A target passes when it returns: it catches the exceptions that its subject promises, and checks
what the subject gives against what it says of itself. Fuzzed by atheris, replayed by the suite.
"""

from __future__ import annotations

import argparse
import itertools
import struct
import uuid
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Any, Callable

import wintun
from wintun import _addresses, simulator
from wintun._guids import guid_bytes
from wintun.cli import echo, packets, wires
from wintun.cli.main import make_parser
from wintun.pytun import TunTapDevice

MAX_PACKET = 0xFFFF


def to_text(data: bytes) -> str:
    """Any bytes as a text, lone surrogates among them."""
    return data.decode("utf-8", "surrogateescape")


# --- Addresses, GUIDs, names --------------------------------------------------------------------


def address(data: bytes) -> None:
    """A text as an address, and the first bytes as one of the `ipaddress` module."""
    inputs: list[Any] = [to_text(data)]
    if len(data) >= 17:
        inputs.append(ip_interface((data[1:17], data[0] % 129)))
        inputs.append(ip_interface((data[1:5], data[0] % 33)))
        inputs += [IPv6Address(data[1:17]), IPv4Address(data[1:5])]
    for value in inputs:
        try:
            interface = _addresses.parse(value)
        except ValueError:
            continue
        host = interface.ip
        assert not any((host.is_multicast, host.is_unspecified, host.is_loopback))
        again = _addresses.from_row(interface.packed, interface.network.prefixlen)
        assert (again, again.ip) == (interface, host)
        assert _addresses.parse(str(interface)) == interface
        if interface.network.num_addresses >= 4:
            neighbour = wires.neighbour_of(interface)
            assert neighbour.ip in interface.network
            assert neighbour.ip != host


def guid(data: bytes) -> None:
    """A text and bytes as a GUID."""
    for value in (to_text(data), data):
        try:
            found = guid_bytes(value)
        except ValueError:
            continue
        assert found is not None
        assert guid_bytes(uuid.UUID(bytes_le=found)) == found


def name(data: bytes) -> None:
    """A text as an adapter's name; one that is taken is the adapter's."""
    text = to_text(data)
    try:
        adapter = wintun.Adapter.create(text, "Test")
    except ValueError:
        units = len(text.encode("utf-16-le", "surrogatepass")) // 2
        assert not 1 <= units <= 127 or "\0" in text or not _is_unicode(text)
        return
    with adapter:
        assert adapter.name == text
        simulator.set_wire(text, "memory")
        assert simulator.statistics(text).delivered_packets == 0
        wintun.Adapter.open(text).close()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- The command line ---------------------------------------------------------------------------


def packet(data: bytes) -> None:
    """A packet in words, and the reply to it if it is a ping."""
    told = packets.describe(data)
    assert told.length == len(data)
    header = packets.parse_header(data)
    if header is None:
        assert told.protocol == "not IP"
        return
    assert ip_address(told.source or "").packed == header.source
    assert ip_address(told.destination or "").packed == header.destination
    assert 20 <= header.payload_start <= len(data)
    assert header.payload_start <= header.payload_end
    request = echo.parse_request(data)
    if request is not None:
        reply = packets.parse_header(echo.make_reply(data, request))
        assert reply is not None
        assert (reply.source, reply.destination) == (request.destination, request.source)
        assert reply.payload_end - reply.payload_start == (
            request.payload_end - request.payload_start
        )


def option(data: bytes) -> None:
    """A text as the value of each option of the command line."""
    text = to_text(data)
    parser = make_parser()
    actions = parser._subparsers._group_actions[0].choices["demo"]._actions  # type: ignore
    for action in actions:
        if action.type is None:
            continue
        try:
            value = action.type(text)
        except argparse.ArgumentTypeError:
            continue
        if isinstance(value, int):
            assert 0 <= value <= 2**31 - 1
            assert action.dest != "mtu" or 68 <= value <= 65535
        elif isinstance(value, wires.UdpWire):
            assert 0 < value._port < 65536
            assert value._host
            assert not {"[", "]"} & set(value._host)


# --- Devices, which stay for the next input ------------------------------------------------------


@cache
def _session() -> wintun.Session:
    """A session whose far side is the target."""
    adapter = wintun.Adapter.create("fuzz python", "Test")
    simulator.set_wire(adapter.name, "memory")
    return adapter.start_session(0x20000)


@cache
def _pytun() -> TunTapDevice:
    device = TunTapDevice("fuzz pytun")
    simulator.set_wire(device.name, "memory")
    device.up(0x20000)
    return device


def close_all() -> None:
    """Ends what the targets keep from one input to the next."""
    if _session.cache_info().currsize:
        _session().adapter.close()
    if _pytun.cache_info().currsize:
        _pytun().close()
    _session.cache_clear()
    _pytun.cache_clear()


def _is_ip(packet: bytes) -> bool:
    version = packet[0] >> 4 if packet else 0
    return len(packet) >= {4: 20, 6: 40}.get(version, MAX_PACKET + 1)


def pytun(data: bytes) -> None:
    """What is written to the device of pytun, with and without a prefix, arrives bare."""
    device = _pytun()
    for payload in (data, bytearray(data), memoryview(data), b"\0\0\x86\xdd" + data):
        device.write(payload)
        bare = bytes(payload)[4:] if bytes(payload[:1]) == b"\0" else bytes(payload)
        assert simulator.collect(device.name) == (bare if _is_ip(bare) else None)
    assert device.dropped == 0


def far_side(data: bytes) -> None:
    """Packets in bytes given to the functions of `wintun.simulator`."""
    session = _session()
    name = session.adapter.name
    if len(data) > MAX_PACKET:
        return
    assert simulator.deliver(name, data)
    assert session.read() == data
    session.write(data)
    assert simulator.collect(name) == (data if _is_ip(data) else None)


def control(data: bytes) -> None:
    """Texts and numbers given to the functions of `wintun.simulator`."""
    text = to_text(data[8:])
    first, second = struct.unpack("<iI", data[:8].ljust(8, b"\0"))
    calls: list[Callable[[], object]] = [
        lambda: simulator.set_fault(text, second, skip=first, times=first),
        lambda: simulator.set_delay(text, first),
        lambda: simulator.set_wire(text, text),  # type: ignore[arg-type]
        lambda: simulator.set_wire(text, "flood", packet_size=first),
        lambda: simulator.set_family_delay(text, first, first / 7),
        lambda: simulator.deliver(text, data),
        lambda: simulator.fill(text, first, second),
        lambda: simulator.collect(text),
        lambda: simulator.drain(text, first),
        lambda: simulator.ping(text, first, first),
        lambda: simulator.statistics(text),
        lambda: simulator.remove_adapter(text),
        lambda: simulator.corrupt_ring(text),
        lambda: simulator.log(second, text, count=first % 3),
        lambda: simulator.pause(text),
        lambda: simulator.drop(text),
        lambda: simulator.deliver_chain(text, [data] * (first % 5)),
        lambda: simulator.keep_packet(text),
        lambda: simulator.add_connection(text),
        lambda: simulator.disable_adapter(text),
        lambda: simulator.enable_adapter(text),
        lambda: simulator.set_stack(first, bool(second % 2)),
        lambda: simulator.set_driver_version((first, second)),
        lambda: simulator.return_packet(text),
        lambda: simulator.lose_wakeup(text),
        lambda: simulator.overrun_ring(text),
    ]
    try:
        for call in calls:
            try:
                call()
            except (ValueError, LookupError, FileExistsError):
                continue
    finally:
        simulator.reset()


# --- Spans --------------------------------------------------------------------------------------


def spans(data: bytes) -> None:
    """Places of packets in a buffer, as write_packed() and read_packed() take and give them."""
    session = _session()
    name = session.adapter.name
    head = struct.unpack("<HHHHB", data[:9].ljust(9, b"\0"))
    size, headroom, tailroom, count, shift = head
    numbers = data[9:]
    places = memoryview(bytearray(len(numbers) // 8 * 8)).cast("I")
    for i in range(len(places)):
        # The low bits are of the buffer's size, the others now and then what the input says.
        value = int.from_bytes(numbers[4 * i : 4 * i + 4], "little")
        places[i] = value if value >> 24 == shift else value % (size + 2)
    buffer = bytes(itertools.islice(itertools.cycle(b"\x45abcdefghijklm"), size))
    count %= len(places) // 2 + 2
    pairs = [(places[2 * i], places[2 * i + 1]) for i in range(min(count, len(places) // 2))]
    right = count <= len(places) // 2 and all(
        start <= end <= size and end - start <= MAX_PACKET for start, end in pairs
    )
    try:
        written = session.write_packed(buffer, places, count)
    except ValueError:
        assert not right
    else:
        assert right
        for start, end in pairs[:written]:
            if _is_ip(buffer[start:end]):
                assert simulator.collect(name) == buffer[start:end]
    assert simulator.collect(name) is None
    _read_packed(session, places, headroom, tailroom)


def _read_packed(
    session: wintun.Session, places: memoryview[int], headroom: int, tailroom: int
) -> None:
    sent = [b"\x45" + bytes([i]) * (19 + i * 100) for i in range(4)]
    for each in sent:
        assert simulator.deliver(session.adapter.name, each)
    room = bytearray(b"\xff" * 700)
    try:
        count = session.read_packed(room, places, headroom, tailroom)
    except ValueError:
        assert not places or headroom + 20 + tailroom > len(room)
        count = 0
    end = 0
    for i in range(count):
        start, stop = places[2 * i], places[2 * i + 1]
        assert start - end == headroom + (tailroom if i else 0)
        assert room[start:stop] == sent[i]
        assert room[end:start] == b"\xff" * (start - end)
        end = stop
    assert end + (tailroom if count else 0) <= len(room)
    assert session.read_many() == sent[count:]


TARGETS: dict[str, Callable[[bytes], None]] = {
    f"py_{target.__name__}": target
    for target in (address, guid, name, packet, option, pytun, far_side, control, spans)
}
