# SPDX-License-Identifier: MIT
"""Packets of every edge size, both ways: what arrives, is discarded or refused."""

from __future__ import annotations

from typing import Callable

import pytest

import wintun
from helpers import MAX_PACKET, Worker, ipv4_packet, ipv6_packet, pattern
from wintun import simulator

IP_PACKETS = [
    pytest.param(ipv4_packet(20), id="ipv4-20"),
    pytest.param(ipv4_packet(21), id="ipv4-21"),
    pytest.param(ipv4_packet(22), id="ipv4-22"),
    pytest.param(ipv4_packet(23), id="ipv4-23"),
    pytest.param(ipv4_packet(39), id="ipv4-39"),
    pytest.param(ipv4_packet(40), id="ipv4-40"),
    pytest.param(ipv6_packet(40), id="ipv6-40"),
    pytest.param(ipv6_packet(41), id="ipv6-41"),
    pytest.param(ipv4_packet(1500), id="ipv4-1500"),
    pytest.param(ipv6_packet(1500), id="ipv6-1500"),
    pytest.param(ipv4_packet(65534), id="ipv4-65534"),
    pytest.param(ipv4_packet(MAX_PACKET), id="ipv4-65535"),
    pytest.param(ipv6_packet(MAX_PACKET), id="ipv6-65535"),
]

NOT_IP_PACKETS = [
    pytest.param(b"", id="empty"),
    pytest.param(b"\x45", id="ipv4-1"),
    pytest.param(ipv4_packet(20)[:19], id="ipv4-19"),
    pytest.param(b"\x60", id="ipv6-1"),
    pytest.param(ipv6_packet(40)[:20], id="ipv6-20"),
    pytest.param(ipv6_packet(40)[:39], id="ipv6-39"),
    pytest.param(bytes(20), id="zeros-20"),
    pytest.param(bytes(1500), id="zeros-1500"),
    pytest.param(b"\x55" + pattern(1499), id="version-5"),
    pytest.param(bytes(MAX_PACKET), id="zeros-65535"),
]


@pytest.mark.parametrize("packet", IP_PACKETS)
def test_an_ip_packet_is_read_as_it_was_delivered(session: wintun.Session, packet: bytes) -> None:
    name = session.adapter.name
    simulator.deliver(name, packet)
    assert session.read() == packet
    simulator.deliver(name, packet)
    assert session.read_many() == [packet]
    simulator.deliver(name, packet)
    with session.receive_packet() as received:  # type: ignore[union-attr]
        assert len(received) == len(packet)
        assert bytes(received) == packet
    assert session.read() is None


@pytest.mark.parametrize("packet", IP_PACKETS)
def test_an_ip_packet_reaches_the_driver_as_it_was_written(
    session: wintun.Session, packet: bytes
) -> None:
    name = session.adapter.name
    session.write(packet)
    assert simulator.collect(name) == packet
    assert session.write_many([packet]) == 1
    assert simulator.collect(name) == packet
    allocated = session.allocate_send_packet(len(packet))
    assert len(allocated) == len(packet)
    memoryview(allocated)[:] = packet
    allocated.send()
    assert simulator.collect(name) == packet
    assert simulator.collect(name) is None
    statistics = simulator.statistics(name)
    assert statistics.collected_packets == 3
    assert statistics.collected_bytes == 3 * len(packet)
    assert statistics.discarded_not_ip == 0


@pytest.mark.parametrize("packet", NOT_IP_PACKETS)
def test_what_is_not_ip_is_discarded_by_the_driver_and_delays_nothing_behind_it(
    make_session: Callable[..., wintun.Session], packet: bytes
) -> None:
    session = make_session(0x40000)  # two of the largest
    name = session.adapter.name
    session.write(packet)
    assert session.write_many([packet]) == 1
    session.write(ipv4_packet(20))
    assert simulator.collect(name) == ipv4_packet(20)
    assert simulator.collect(name) is None
    assert simulator.statistics(name).discarded_not_ip == 2
    assert simulator.statistics(name).collected_packets == 1


@pytest.mark.parametrize("packet", NOT_IP_PACKETS)
def test_what_is_not_ip_comes_out_of_the_driver_as_it_is(
    session: wintun.Session, packet: bytes
) -> None:
    """The driver looks at what the program sends, and at nothing that the system does."""
    name = session.adapter.name
    assert simulator.deliver(name, packet)
    assert session.read() == packet
    assert session.read() is None
    assert simulator.statistics(name).delivered_packets == 1


@pytest.mark.parametrize("size", [MAX_PACKET + 1, 2 * MAX_PACKET, 0x20000])
def test_a_packet_of_more_than_65535_bytes_is_a_value_error_and_harms_nothing(
    session: wintun.Session, size: int
) -> None:
    name = session.adapter.name
    with pytest.raises(ValueError, match="at most 65535"):
        session.write(bytes(size))
    with pytest.raises(ValueError, match="65535"):
        session.allocate_send_packet(size)
    with pytest.raises(ValueError, match="at most 65535"):
        session.write_many([bytes(size)])
    session.write(ipv4_packet(20))
    assert simulator.collect(name) == ipv4_packet(20)
    assert simulator.collect(name) is None
    assert simulator.statistics(name).discarded_not_ip == 0


def test_a_batch_with_a_bad_packet_in_it_sends_nothing(session: wintun.Session) -> None:
    name = session.adapter.name
    with pytest.raises(ValueError, match="at most 65535"):
        session.write_many([ipv4_packet(20), bytes(MAX_PACKET + 1), ipv4_packet(21)])
    with pytest.raises(TypeError):
        session.write_many([ipv4_packet(20), "text", ipv4_packet(21)])  # type: ignore[list-item]
    assert simulator.collect(name) is None
    assert simulator.statistics(name).discarded_not_ip == 0
    assert simulator.counts().held_packets == 0


def test_every_size_up_to_two_frames_crosses_both_rings_unchanged(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session(wire="loop")
    sent = [ipv4_packet(size, size) for size in range(20, 3100)]
    writer = Worker(lambda: session.write_many(sent, timeout=None))
    received: list[bytes] = []
    while len(received) < len(sent):
        received += session.read_many(timeout=None)
    assert writer.result() == len(sent)
    assert received == sent


@pytest.mark.parametrize(
    "buffer",
    [
        pytest.param(bytearray(ipv4_packet(33)), id="bytearray"),
        pytest.param(memoryview(ipv4_packet(33)), id="memoryview"),
        pytest.param(memoryview(ipv4_packet(33) + b"tail")[:33], id="slice"),
        pytest.param(memoryview(ipv4_packet(40)).cast("I"), id="integers"),
    ],
)
def test_anything_with_contiguous_bytes_can_be_written(
    session: wintun.Session, buffer: memoryview
) -> None:
    name = session.adapter.name
    session.write(buffer)
    assert session.write_many([buffer]) == 1
    assert simulator.collect(name) == bytes(buffer)
    assert simulator.collect(name) == bytes(buffer)


def test_a_buffer_with_gaps_is_refused_or_written_in_its_own_order(
    session: wintun.Session,
) -> None:
    reversed_view = memoryview(ipv4_packet(32)[::-1])[::-1]
    try:
        session.write(reversed_view)
    except (BufferError, TypeError, ValueError):
        assert simulator.collect(session.adapter.name) is None
    else:
        assert simulator.collect(session.adapter.name) == ipv4_packet(32)


def test_a_received_packet_can_be_written_without_a_copy_in_python(
    session: wintun.Session,
) -> None:
    name = session.adapter.name
    simulator.deliver(name, ipv6_packet(1280))
    with session.receive_packet() as packet:  # type: ignore[union-attr]
        session.write(packet)
    assert simulator.collect(name) == ipv6_packet(1280)


def test_the_statistics_of_a_session_count_packets_and_bytes_each_way(
    session: wintun.Session,
) -> None:
    name = session.adapter.name
    session.write(ipv4_packet(100))
    session.write_many([ipv4_packet(50), ipv4_packet(60)])
    session.allocate_send_packet(20).send()
    session.allocate_send_packet(20).release()
    for size in (70, 80, 90):
        simulator.deliver(name, ipv4_packet(size))
    session.read()
    session.read_many()
    received, received_bytes, sent, sent_bytes, full, unsent = session.statistics[:6]
    assert (received, received_bytes) == (3, 240)
    assert (sent, sent_bytes) == (4, 230)
    assert (full, unsent) == (0, 1)
