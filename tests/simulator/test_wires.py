# SPDX-License-Identifier: MIT
"""The wires: memory, a socket, loop and flood."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Callable

import pytest

import wintun
from helpers import (
    HANG_SECONDS,
    MIN_CAPACITY,
    Worker,
    ipv4_packet,
    ipv6_packet,
    open_handles,
    scaled,
    slot_size,
    usable,
    wait_until,
)
from wintun import simulator

MakeSession = Callable[..., wintun.Session]
MakeDevice = Callable[..., wintun.TunDevice]


def number_of(packet: bytes) -> int:
    """The number of a packet of fill and flood."""
    return int(struct.unpack_from(">I", packet, 12)[0])


def header_sum(packet: bytes) -> int:
    """The one's complement sum of an IPv4 header; 0xFFFF if its checksum is right."""
    total: int = sum(struct.unpack_from(">10H", packet))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


# --- Settings -----------------------------------------------------------------------------------


def test_a_wire_may_be_set_before_the_adapter_is_created(
    unique_name: Callable[[], str],
) -> None:
    name = unique_name()
    simulator.set_wire(name, "memory")
    with wintun.TunDevice(name) as device:
        device.up()
        assert device.read(timeout=0.2) is None, "the default wire would have spoken"


def test_the_default_wire_is_that_of_later_adapters(unique_name: Callable[[], str]) -> None:
    with wintun.TunDevice(unique_name()) as before:
        simulator.set_wire(None, "memory")
        with wintun.TunDevice(unique_name()) as after:
            before.up()
            after.up()
            assert before.read(timeout=HANG_SECONDS) is not None
            assert after.read(timeout=0.2) is None
        simulator.reset()
        with wintun.TunDevice(unique_name()) as later:
            later.up()
            assert later.read(timeout=HANG_SECONDS) is not None


def test_a_new_wire_is_that_of_the_next_session(make_device: MakeDevice) -> None:
    device = make_device("loop")
    device.up()
    simulator.set_wire(device.name, "memory")
    device.write(ipv4_packet(20))
    assert device.read(timeout=HANG_SECONDS) == ipv4_packet(20)
    device.down()
    device.up()
    device.write(ipv4_packet(20))
    assert device.read(timeout=0.1) is None
    assert simulator.collect(device.name) == ipv4_packet(20)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="wire must be"):
        simulator.set_wire("x", "cable")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sock"):
        simulator.set_wire("x", "socket")
    with pytest.raises(ValueError, match="sock"):
        simulator.set_wire("x", "memory", sock=0)
    for size in (19, 65536, -1):
        with pytest.raises(ValueError, match="packet_size"):
            simulator.set_wire("x", "flood", packet_size=size)
    with pytest.raises(OSError, match="sock"):
        simulator.set_wire("x", "socket", sock=1_000_000)
    with socket.socket() as stream, pytest.raises(ValueError, match="datagram"):
        simulator.set_wire("x", "socket", sock=stream)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        pass
    with pytest.raises(OSError, match="closed"):
        simulator.set_wire("x", "socket", sock=closed)


def test_an_unknown_adapter_is_told(adapter: wintun.Adapter) -> None:
    for call in (
        lambda name: simulator.deliver(name, ipv4_packet(20)),
        lambda name: simulator.fill(name, 20, 1),
        simulator.collect,
        lambda name: simulator.drain(name, 1),
        lambda name: simulator.ping(name, 1),
        simulator.corrupt_ring,
    ):
        with pytest.raises(LookupError, match="no adapter 'nobody'"):
            call("nobody")
        with pytest.raises(LookupError, match="no session"):
            call(adapter.name)
    with pytest.raises(LookupError, match="no adapter"):
        simulator.statistics("nobody")
    with pytest.raises(LookupError, match="no adapter"):
        simulator.remove_adapter("nobody")
    with pytest.raises(ValueError, match="null"):
        simulator.statistics("a\0b")


# --- Memory -------------------------------------------------------------------------------------


def test_fill_delivers_numbered_valid_packets_up_to_a_full_ring(session: wintun.Session) -> None:
    name = session.adapter.name
    fits = usable(MIN_CAPACITY) // slot_size(1400)
    assert simulator.fill(name, 1400, 5) == 5
    assert simulator.fill(name, 1400, 1_000_000) == fits - 5
    assert simulator.statistics(name).delivered_packets == fits
    assert simulator.statistics(name).dropped_full == 0
    packets = session.read_many(fits)
    assert [number_of(packet) for packet in packets] == [*range(5), *range(fits - 5)]
    assert all(header_sum(packet) == 0xFFFF for packet in packets)
    assert all(packet[:4] == struct.pack(">BBH", 0x45, 0, 1400) for packet in packets)


@pytest.mark.parametrize(("size", "count"), [(19, 1), (65536, 1), (20, -1), (20, 2**32)])
def test_fill_refuses_what_is_out_of_range(session: wintun.Session, size: int, count: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        simulator.fill(session.adapter.name, size, count)


def is_signaled(session: wintun.Session) -> bool:
    """Takes the signal off the driver's event itself, as a program does that waits for it."""
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        return bool(kernel.WaitForSingleObject(ctypes.c_void_p(session.read_wait_event), 0) == 0)
    try:
        return len(os.read(session.read_wait_event, 4096)) == 1
    except BlockingIOError:
        return False


def test_one_delivery_is_one_signal(session: wintun.Session) -> None:
    simulator.fill(session.adapter.name, 40, 100)
    assert is_signaled(session)
    assert not is_signaled(session), "the event is auto-reset"
    simulator.fill(session.adapter.name, 40, 1)
    assert is_signaled(session), "also where the ring was not empty"
    assert len(session.read_many(1000)) == 101
    assert not is_signaled(session)


# --- Socket -------------------------------------------------------------------------------------


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two UDP sockets connected to each other."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with one, other:
        for end in (one, other):
            end.bind(("127.0.0.1", 0))
            end.settimeout(HANG_SECONDS)
        one.connect(other.getsockname())
        other.connect(one.getsockname())
        yield one, other


def test_a_socket_carries_packets_of_every_size_both_ways(
    make_device: MakeDevice, ends: tuple[socket.socket, socket.socket]
) -> None:
    near, far = ends
    device = make_device("socket", sock=near)
    near.close()  # the wire has its own
    device.up()
    for packet in (ipv4_packet(20), ipv6_packet(40), ipv4_packet(1500), ipv4_packet(65507)):
        device.write(packet)
        assert far.recv(65536) == packet
        far.send(packet)
        assert device.read(timeout=HANG_SECONDS) == packet
    assert simulator.statistics(device.name).delivered_packets == 4
    wait_until(
        lambda: simulator.statistics(device.name).collected_packets == 4, "what went out is counted"
    )


def test_what_is_not_ip_passes_a_socket_to_the_program_alone(
    make_device: MakeDevice, ends: tuple[socket.socket, socket.socket]
) -> None:
    near, far = ends
    device = make_device("socket", sock=near)
    device.up()
    not_ip = (b"x", bytes(1400), b"\x45" + bytes(18), b"\x60" + bytes(38))
    for packet in not_ip:
        far.send(packet)
        device.write(packet)
    far.send(ipv4_packet(30))
    device.write(ipv4_packet(31))
    for packet in (*not_ip, ipv4_packet(30)):
        assert device.read(timeout=HANG_SECONDS) == packet
    assert far.recv(65536) == ipv4_packet(31)
    wait_until(
        lambda: simulator.statistics(device.name).discarded_not_ip == 4, "what did not is counted"
    )


@pytest.mark.skipif(
    sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version"),
    reason="Wine never ends a read of a socket whose peer was once not there",
)
def test_a_peer_that_is_not_there_yet_does_not_end_the_wire(
    make_device: MakeDevice,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        place = far.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.bind(("127.0.0.1", 0))
        near.connect(place)
        here = near.getsockname()
        device = make_device("socket", sock=near)
    device.up()
    for number in range(50):
        device.write_many([ipv4_packet(100)] * 5)
        wait_until(
            lambda taken=6 * number + 5: (  # type: ignore[misc]
                simulator.statistics(device.name).collected_packets == taken
            ),
            "the packets are taken",
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.bind(place)
            far.settimeout(HANG_SECONDS)
            device.write(ipv4_packet(200))
            while (packet := far.recv(65536)) == ipv4_packet(100):
                pass  # sent when it had been taken and there was somebody
            assert packet == ipv4_packet(200)
            far.sendto(ipv4_packet(300), here)
            assert device.read(timeout=HANG_SECONDS) == ipv4_packet(300)


def test_a_burst_from_a_socket_arrives_in_order(
    make_device: MakeDevice, ends: tuple[socket.socket, socket.socket]
) -> None:
    near, far = ends
    device = make_device("socket", sock=near, capacity=0x400000)
    device.up()
    count = 100  # what a socket's own queue certainly holds
    for number in range(count):
        far.send(ipv4_packet(100, seed=number))
    for number in range(count):
        assert device.read(timeout=HANG_SECONDS) == ipv4_packet(100, seed=number)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such sockets")
def test_a_pair_of_local_sockets_loses_nothing_to_a_reader_that_keeps_up(
    make_device: MakeDevice,
) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        far.settimeout(HANG_SECONDS)
        device = make_device("socket", sock=near)
        device.up()
        count = scaled(20_000, 1000)

        def receive() -> int:
            return sum(far.recv(65536) == ipv4_packet(200, seed=n) for n in range(count))

        receiver = Worker(receive)
        for number in range(count):
            device.write(ipv4_packet(200, seed=number), timeout=HANG_SECONDS)
        assert receiver.result() == count


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such sockets")
def test_a_socket_whose_peer_is_gone_does_not_hang_the_session(make_device: MakeDevice) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near:
        device = make_device("socket", sock=near)
    device.up()
    far.close()
    for _ in range(100):
        device.write(ipv4_packet(100), timeout=HANG_SECONDS)
    device.close()


def test_a_wire_gives_its_socket_back(
    unique_name: Callable[[], str], ends: tuple[socket.socket, socket.socket]
) -> None:
    name = unique_name()

    def use(count: int) -> int:
        for _ in range(count):
            simulator.set_wire(name, "socket", sock=ends[0])
            with wintun.TunDevice(name) as device:
                device.up()
        simulator.reset()
        return open_handles()

    once = use(1)
    assert use(20) <= once + 3, "handles stay open"


# --- Loop ---------------------------------------------------------------------------------------


def test_a_loop_loses_nothing_however_slow_the_reader_is(make_session: MakeSession) -> None:
    session = make_session(wire="loop")
    count = scaled(200_000, 5000)

    def send() -> None:
        for number in range(count):
            session.write(struct.pack(">BBHI", 0x45, 0, 60, number) + bytes(52), timeout=None)

    sender = Worker(send)
    time.sleep(0.2)  # both rings are full now
    for number in range(count):
        packet = session.read(timeout=HANG_SECONDS)
        assert packet is not None
        assert struct.unpack_from(">I", packet, 4)[0] == number
    sender.result()
    assert simulator.statistics(session.adapter.name).dropped_full == 0


def test_a_full_loop_refuses_the_writer_and_ends_at_once(make_session: MakeSession) -> None:
    session = make_session(wire="loop")
    packet = ipv4_packet(1400)
    while session.write_many([packet] * 1000, timeout=0.05) > 0:
        pass
    with pytest.raises(wintun.RingFullError):
        session.write(packet)
    session.end()


# --- Flood --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [20, 64, 1400, 65535])
def test_a_flood_never_ends_and_loses_nothing(make_session: MakeSession, size: int) -> None:
    session = make_session(wire="flood", packet_size=size, capacity=0x100000)
    total = scaled(100_000 if size < 65535 else 2000, 500)
    number = 0
    while number < total:
        packets = session.read_many(64, timeout=HANG_SECONDS)
        assert packets, "the flood has ended"
        for packet in packets:
            assert len(packet) == size
            assert number_of(packet) == number
            number += 1
    assert header_sum(packets[0]) == 0xFFFF


def test_a_flood_swallows_what_is_sent(make_session: MakeSession) -> None:
    session = make_session(wire="flood", packet_size=64)
    name = session.adapter.name
    for _ in range(1000):
        session.write(ipv4_packet(1400), timeout=HANG_SECONDS)
    wait_until(
        lambda: simulator.statistics(name).collected_packets == 1000, "the packets are taken"
    )
    assert simulator.statistics(name).collected_bytes == 1_400_000


@pytest.mark.parametrize("wire", ["host", "loop", "flood"])
def test_ending_a_session_leaves_nothing(make_device: MakeDevice, wire: str) -> None:
    device = make_device(wire)
    device.up()
    device.down()
    before = open_handles()
    threads = _native_threads()
    for _ in range(20):
        device.up()
        device.down()
    assert open_handles() <= before + 3
    assert _native_threads() <= threads + 1


def _native_threads() -> int:
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
