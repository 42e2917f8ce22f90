# SPDX-License-Identifier: MIT
"""Statistics: every packet is counted once, by whatever call, and other threads see it happen."""

from __future__ import annotations

import array
import threading
from typing import Callable

import pytest

import wintun
from helpers import Worker, ipv4_packet, scaled, sizes_that_fill, wait_until
from wintun import simulator


def collect_all(name: str) -> list[bytes]:
    return list(iter(lambda: simulator.collect(name), None))


def test_every_way_to_read_counts_packets_and_bytes(device: wintun.TunDevice) -> None:
    simulator.set_wire(device.name, "memory")
    device.up()
    received = 0

    def deliver(count: int) -> None:
        assert simulator.fill(device.name, 100, count) == count

    def check(count: int) -> None:
        nonlocal received
        received += count
        assert device.statistics[:2] == (received, 100 * received)

    deliver(1)
    device.read()
    check(1)
    deliver(3)
    device.read_many()
    check(3)
    deliver(1)
    device.read_into(bytearray(100))
    check(1)
    deliver(2)
    device.read_packed(bytearray(200), array.array("I", [0] * 4))
    check(2)
    deliver(5)
    device.receive_packets(5).release()
    check(5)
    deliver(1)
    packet = device.receive_packet()
    assert packet is not None
    packet.release()
    check(1)
    deliver(1)
    next(device)
    check(1)
    assert device.statistics[2:6] == (0, 0, 0, 0)


def test_every_way_to_write_counts_packets_and_bytes_and_what_was_given_back(
    device: wintun.TunDevice,
) -> None:
    simulator.set_wire(device.name, "memory")
    device.up()
    content = ipv4_packet(100)
    device.write(content)
    assert device.write_many([content] * 2) == 2
    assert device.write_packed(content, array.array("I", [0, 100] * 3), 3) == 3
    device.allocate_send_packet(100).send()
    device.allocate_send_packets([100] * 4).send()
    assert device.statistics[2:6] == (11, 1100, 0, 0)
    device.allocate_send_packet(100).release()
    device.allocate_send_packets([100] * 4).release()
    assert device.statistics[2:6] == (11, 1100, 0, 5)


def test_each_call_that_the_full_ring_refused_something_counts_once(
    device: wintun.TunDevice,
) -> None:
    simulator.set_wire(device.name, "memory")
    device.ring_capacity = 0x20000
    device.up()
    sizes = sizes_that_fill(0x20000)
    assert device.write_many([ipv4_packet(size) for size in sizes]) == len(sizes)
    content = ipv4_packet(20)
    for call in (
        lambda: device.write(content),
        lambda: device.write(content, timeout=0.01),
        lambda: device.allocate_send_packet(20),
        lambda: device.allocate_send_packets([20, 20]),
    ):
        with pytest.raises(wintun.RingFullError):
            call()
    assert device.write_many([content] * 5) == 0
    assert device.write_packed(content, array.array("I", [0, 20] * 5), 5) == 0
    assert device.statistics[2:6] == (len(sizes), sum(sizes), 6, 0)


def test_a_wait_counts_once_and_a_read_that_finds_packets_does_not_wait(
    session: wintun.Session,
) -> None:
    assert session.read(timeout=0.01) is None
    waits = session.statistics.waits
    assert waits >= 1
    simulator.deliver(session.adapter.name, ipv4_packet(20))
    assert session.read(timeout=10) is not None
    assert session.read() is None
    assert session.statistics.waits == waits


def test_a_long_wait_counts_once_also_in_the_main_thread(session: wintun.Session) -> None:
    """There it goes in slices, so that signal handlers run."""
    assert threading.current_thread() is threading.main_thread()
    assert session.read(timeout=0.3) is None
    assert session.statistics.waits == 1
    assert not session.wait_read_event(0.2)
    assert session.statistics.waits == 2
    assert session.read_many(timeout=0.2) == []
    assert session.statistics.waits == 3


@pytest.mark.threads
def test_another_thread_sees_numbers_that_only_grow_and_never_more_than_there_is(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session(0x400000, wire="loop")
    total, size = scaled(200_000, at_least=10_000), 100
    stop = threading.Event()

    def watch() -> int:
        before = session.statistics
        looks = 0
        while not stop.is_set():
            now = session.statistics._replace(packets_held=0)  # which does not only grow
            assert all(new >= old for new, old in zip(now, before))
            assert now[0] <= total
            assert now[2] <= total
            assert now[1] % size == now[3] % size == 0
            before, looks = now, looks + 1
        return looks

    watchers = [Worker(watch) for _ in range(2)]
    batch = [ipv4_packet(size)] * 100

    def send() -> None:
        for _ in range(total // 200):
            assert session.write_many(batch, timeout=None) == 100

    senders = [Worker(send) for _ in range(2)]
    received = 0
    while received < total // 200 * 200:
        received += len(session.read_many(1000, timeout=None))
    for sender in senders:
        sender.result()
    stop.set()
    assert all(watcher.result() > 0 for watcher in watchers)
    expected = (received, received * size, received, received * size)
    assert session.statistics[:4] == expected


@pytest.mark.threads
def test_no_count_of_threads_that_write_and_read_at_once_is_lost(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session(0x400000, wire="loop")
    each = scaled(20_000, at_least=1_000)

    def send(size: int) -> None:
        for _ in range(each):
            session.write(ipv4_packet(size), timeout=None)

    def receive() -> None:
        try:
            while True:
                read.append(len(session.read(timeout=None) or b""))
        except wintun.ClosedError:
            pass

    read: list[int] = []
    readers = [Worker(receive) for _ in range(3)]
    for sender in [Worker(send, size) for size in (40, 100, 3000)]:
        sender.result()
    wait_until(lambda: len(read) == 3 * each, "packets did not arrive")
    assert session.statistics[:6] == (3 * each, 3140 * each) * 2 + (0, 0)
    assert sum(read) == 3140 * each
    session.end()
    for reader in readers:
        reader.result()


def test_statistics_can_be_read_when_the_session_and_the_device_are_closed(
    device: wintun.TunDevice,
) -> None:
    simulator.set_wire(device.name, "memory")
    for _ in range(3):
        device.up()
        device.write(ipv4_packet(50))
        session = device.session
        device.down()
        assert session is not None
        assert session.statistics.packets_sent == 1
    device.close()
    assert device.statistics.packets_sent == 3
    assert device.statistics.bytes_sent == 150


def test_packets_that_were_read_ahead_and_lost_with_the_session_are_counted(
    device: wintun.TunDevice,
) -> None:
    simulator.set_wire(device.name, "memory")
    device.up()
    assert simulator.fill(device.name, 100, 5) == 5
    device.read()
    device.down()
    statistics = device.statistics
    assert statistics.packets_received - statistics.packets_unread == 1
    assert statistics.packets_unsent == 0


def test_packets_that_the_program_holds_are_counted(session: wintun.Session) -> None:
    def held() -> int:
        return session.statistics.packets_held

    name = session.adapter.name
    assert held() == 0
    for _ in range(6):
        assert simulator.deliver(name, ipv4_packet(100))
    received = session.receive_packet()
    assert received is not None
    assert held() == 1
    several = session.receive_packets(3)
    assert held() == 4
    allocated = session.allocate_send_packet(100)
    to_send = session.allocate_send_packets([20, 20, 0])
    assert held() == 8
    assert session.read() == ipv4_packet(100)
    assert session.read_many() == [ipv4_packet(100)]
    assert held() == 8
    received.release()
    to_send.release()
    assert held() == 4
    allocated.send()
    assert held() == 3
    session.end()
    assert held() == 3
    several.release()
    assert held() == 0


def test_what_is_read_ahead_is_not_held_by_the_program(session: wintun.Session) -> None:
    """A large packet that was read ahead stays in the ring; yet no release would make room."""
    name = session.adapter.name
    for size in (100, 100, 9000, 9000):
        assert simulator.deliver(name, ipv4_packet(size))
    for size in (100, 100, 9000):
        packet = session.read()
        assert packet is not None
        assert len(packet) == size
        assert session.statistics.packets_held == 0
    assert session.wait_read_event(0)
    assert session.statistics.packets_held == 0
    with session.receive_packet() as held:  # type: ignore[union-attr]
        assert len(held) == 9000
        assert session.statistics.packets_held == 1
    assert session.statistics.packets_held == 0


def test_a_ring_that_stopped_for_held_packets_is_explained(device: wintun.TunDevice) -> None:
    simulator.set_wire(device.name, "memory")
    device.up()
    held = []
    while simulator.deliver(device.name, ipv4_packet(1400)):
        held.append(device.receive_packet())
    assert device.read() is None
    assert device.statistics.packets_held == len(held)
    device.down()
    assert device.statistics.packets_held == len(held)
    for packet in held:
        assert packet is not None
        packet.release()
    assert device.statistics.packets_held == 0
    device.up()
    assert device.statistics.packets_held == 0
