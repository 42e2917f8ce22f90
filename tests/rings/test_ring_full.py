# SPDX-License-Identifier: MIT
"""A full ring: to the last byte, what is said then, and how room comes back."""

from __future__ import annotations

import threading
import time
from typing import Callable

import pytest

import wintun
from helpers import (
    ALIGNMENT,
    MAX_CAPACITY,
    MIN_CAPACITY,
    Worker,
    ipv4_packet,
    scaled,
    sizes_that_fill,
    slot_size,
    usable,
    wait_until,
)
from wintun import simulator

RING_FULL = 111


def collect_all(name: str) -> list[bytes]:
    packets: list[bytes] = []
    while True:
        packet = simulator.collect(name)
        if packet is None:
            return packets
        packets.append(packet)


def fill_send_ring(session: wintun.Session) -> list[bytes]:
    """Writes until the smallest packet does not fit; the packets that are in the ring."""
    packets = [ipv4_packet(size) for size in sizes_that_fill(session.capacity)]
    assert session.write_many(packets) == len(packets)
    return packets


@pytest.mark.parametrize("capacity", [MIN_CAPACITY, 0x100000, MAX_CAPACITY])
def test_the_send_ring_takes_packets_to_its_last_byte_and_then_says_that_it_is_full(
    make_session: Callable[..., wintun.Session], capacity: int
) -> None:
    session = make_session(capacity)
    packets = fill_send_ring(session)
    with pytest.raises(wintun.RingFullError) as refused:
        session.write(b"")
    assert refused.value.winerror == RING_FULL
    assert collect_all(session.adapter.name) == packets


def test_a_packet_one_unit_larger_than_the_room_left_is_refused_and_one_that_fits_is_not(
    session: wintun.Session,
) -> None:
    left = usable(MIN_CAPACITY)
    while left > 2 * slot_size(20000):
        session.write(ipv4_packet(20000))
        left -= slot_size(20000)
    with pytest.raises(wintun.RingFullError):
        session.write(ipv4_packet(left - 4 + 1))
    session.write(ipv4_packet(left - 4))
    with pytest.raises(wintun.RingFullError):
        session.allocate_send_packet(0)


@pytest.mark.parametrize("first", [20, 21, 23, 1500])
def test_collecting_one_packet_makes_room_for_exactly_one_of_its_size(
    session: wintun.Session, first: int
) -> None:
    name = session.adapter.name
    session.write(ipv4_packet(first))
    rest = usable(MIN_CAPACITY) - slot_size(first)
    while rest > slot_size(60000):
        session.write(ipv4_packet(60000))
        rest -= slot_size(60000)
    session.write(ipv4_packet(rest - 4))
    with pytest.raises(wintun.RingFullError):
        session.write(ipv4_packet(20))
    assert simulator.collect(name) == ipv4_packet(first)
    with pytest.raises(wintun.RingFullError):
        session.write(ipv4_packet(slot_size(first) - 4 + 1))
    session.write(ipv4_packet(slot_size(first) - 4, seed=9))
    with pytest.raises(wintun.RingFullError):
        session.write(b"")
    assert collect_all(name)[-1] == ipv4_packet(slot_size(first) - 4, seed=9)


def test_every_call_that_sends_says_that_the_ring_is_full_and_counts_it(
    session: wintun.Session,
) -> None:
    packets = fill_send_ring(session)
    with pytest.raises(wintun.RingFullError):
        session.write(ipv4_packet(20))
    with pytest.raises(wintun.RingFullError):
        session.allocate_send_packet(20)
    assert session.write_many([ipv4_packet(20)]) == 0
    assert session.statistics.packets_sent == len(packets)
    assert session.statistics.ring_full >= 2


def test_only_what_was_refused_in_the_end_is_counted_as_refused(session: wintun.Session) -> None:
    name = session.adapter.name
    fill_send_ring(session)
    with pytest.raises(wintun.RingFullError):
        session.write(ipv4_packet(20), timeout=0.2)
    assert session.statistics.ring_full == 1
    writer = Worker(lambda: session.write(ipv4_packet(20), timeout=None))
    time.sleep(0.05)
    collect_all(name)
    writer.result()
    assert session.statistics.ring_full == 1


def test_a_batch_that_does_not_fit_returns_how_many_did_and_those_arrive_in_order(
    session: wintun.Session,
) -> None:
    name = session.adapter.name
    packets = [ipv4_packet(1400, seed % 251) for seed in range(500)]
    fits = usable(MIN_CAPACITY) // slot_size(1400)
    assert session.write_many(packets) == fits
    assert session.write_many(packets[fits:]) == 0
    assert collect_all(name) == packets[:fits]
    assert session.write_many(packets[fits:]) == fits
    assert collect_all(name) == packets[fits : 2 * fits]


def test_a_write_with_a_timeout_waits_that_long_for_room_and_then_gives_up(
    session: wintun.Session,
) -> None:
    fill_send_ring(session)
    begin = time.monotonic()
    with pytest.raises(wintun.RingFullError):
        session.write(ipv4_packet(20), timeout=0.2)
    assert time.monotonic() - begin >= 0.15
    begin = time.monotonic()
    assert session.write_many([ipv4_packet(20)], timeout=0.2) == 0
    assert time.monotonic() - begin >= 0.15


@pytest.mark.threads
def test_a_write_that_waits_for_room_goes_on_as_soon_as_there_is_some(
    session: wintun.Session,
) -> None:
    name = session.adapter.name
    packets = fill_send_ring(session)
    one = Worker(lambda: session.write(ipv4_packet(20, 1), timeout=None))
    many = Worker(lambda: session.write_many([ipv4_packet(40, 2)] * 3, timeout=None))
    time.sleep(0.05)
    assert one.alive
    assert many.alive
    arrived: list[bytes] = []

    def all_arrived() -> bool:
        arrived.extend(collect_all(name))
        return len(arrived) == len(packets) + 4

    wait_until(all_arrived, "waiting writers did not go on")
    one.result()
    assert many.result() == 3
    assert sorted(arrived[len(packets) :]) == sorted(
        [ipv4_packet(20, 1)] + [ipv4_packet(40, 2)] * 3
    )


@pytest.mark.threads
def test_a_batch_that_waits_for_room_holds_nothing_back_meanwhile(session: wintun.Session) -> None:
    name = session.adapter.name
    packets = [ipv4_packet(size) for size in (65535, 60000, 50000, 60000)]

    def waits() -> int:
        return session.statistics.waits

    def waits_again() -> None:
        before = waits()
        wait_until(lambda: waits() > before + 2, "the batch did not wait for room")

    writer = Worker(lambda: session.write_many(packets, None))
    waits_again()  # two fit
    assert simulator.drain(name, 1) == 1
    waits_again()  # the third does now, the fourth does not
    assert simulator.drain(name, 3) == 2
    assert writer.result() == len(packets)
    assert collect_all(name) == packets[3:]


def test_the_receive_ring_takes_packets_to_its_last_byte_and_drops_and_counts_the_rest(
    session: wintun.Session,
) -> None:
    name = session.adapter.name
    packets = [ipv4_packet(size) for size in sizes_that_fill(MIN_CAPACITY)]
    for packet in packets:
        assert simulator.deliver(name, packet)
    assert not simulator.deliver(name, ipv4_packet(20))
    assert simulator.statistics(name).dropped_full == 1
    assert session.read_many(len(packets) + 1) == packets


def test_releasing_one_received_packet_makes_room_for_exactly_one_of_its_size(
    session: wintun.Session,
) -> None:
    name = session.adapter.name
    assert simulator.deliver(name, ipv4_packet(100))
    rest = usable(MIN_CAPACITY) - slot_size(100)
    while rest > slot_size(60000):
        assert simulator.deliver(name, ipv4_packet(60000))
        rest -= slot_size(60000)
    assert simulator.deliver(name, ipv4_packet(rest - 4))
    first = session.receive_packet()
    assert first is not None
    assert not simulator.deliver(name, ipv4_packet(20)), "received is not yet released"
    first.release()
    assert not simulator.deliver(name, ipv4_packet(slot_size(100) - 4 + 1))
    assert simulator.deliver(name, ipv4_packet(slot_size(100) - 4))
    assert not simulator.deliver(name, ipv4_packet(20))


def test_the_simulators_fill_stops_at_the_last_packet_that_fits(session: wintun.Session) -> None:
    fits = usable(MIN_CAPACITY) // slot_size(64)
    assert fits == (MIN_CAPACITY - ALIGNMENT) // 68
    assert simulator.fill(session.adapter.name, 64, fits + 100) == fits
    assert len(session.read_many(fits + 100)) == fits


@pytest.mark.threads
def test_many_writers_on_a_full_ring_lose_nothing_that_was_accepted(
    make_session: Callable[..., wintun.Session],
) -> None:
    session = make_session()
    name = session.adapter.name
    stop = threading.Event()

    def write(seed: int) -> int:
        accepted = 0
        while not stop.is_set():
            try:
                session.write(ipv4_packet(1000, seed))
                accepted += 1
            except wintun.RingFullError:
                time.sleep(0)
        return accepted

    writers = [Worker(write, seed) for seed in range(4)]
    collected: list[bytes] = []
    for _ in range(scaled(20_000, at_least=1_000)):
        packet = simulator.collect(name)
        if packet is not None:
            collected.append(packet)
    stop.set()
    accepted = [writer.result() for writer in writers]
    collected += collect_all(name)
    assert [collected.count(ipv4_packet(1000, seed)) for seed in range(4)] == accepted
    assert len(collected) == sum(accepted)
